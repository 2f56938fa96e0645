//! Works out every credit lot again, from the transfers alone.
//!
//! A wallet's transfers say in which order they were committed. Taken in that order by the rules of
//! [`domain::credit`], they must leave of every lot what is kept of it, when what was spent since
//! it was kept is taken too. Some organizations are in memory at a time.

use std::collections::{BTreeMap, BTreeSet};

use domain::credit::{Lot, LotKind, Lots, NotCovered};
use domain::ledger::TransferCode;
use domain::money::Nusd;
use domain::time::AtUs;

use super::{Check, SHOWN};
use crate::credits::{EXPIRED, LOT, read_lot};
use crate::{Row, StoreError, Tx};

/// How many organizations are worked out at once.
const PAGE: i64 = 200;

/// What the transfers of one organization come to.
#[derive(Default)]
struct Books {
    /// What was spent and not taken from the kept lots yet; none if nobody knows.
    since: Option<Nusd>,
    replayed: Lots,
    /// What was spent since the last other transfer.
    pending: Nusd,
    /// The first transfer that could not be, and why.
    broken: Option<String>,
}

/// Replays every wallet. `heed` is called now and then, and ends it with an error.
pub(super) fn replay(
    tx: &mut Tx<'_>,
    heed: &mut dyn FnMut() -> Result<(), StoreError>,
) -> Result<Check, StoreError> {
    let mut violations = Vec::new();
    let mut after = String::new();
    loop {
        heed()?;
        let mut page = begin(tx, &after)?;
        let Some((last, _)) = page.last_key_value() else {
            break;
        };
        let range = [after.as_str().into(), last.as_str().into()];
        after.clone_from(last);
        let sql = format!(
            "SELECT l.organization_id, {LOT} FROM credit_lots l
             WHERE l.organization_id > $1 AND l.organization_id <= $2"
        );
        let mut kept: BTreeMap<String, Vec<Lot>> = BTreeMap::new();
        tx.for_each(&sql, &range, |row| -> Result<(), StoreError> {
            let lots = kept.entry(row.text(0)?.to_owned()).or_default();
            lots.push(read_lot(row, 1)?);
            Ok(())
        })?;
        tx.for_each(TRANSFERS, &range, |row| match page.get_mut(row.text(0)?) {
            Some(books) => books.take(row),
            None => Ok(()),
        })?;
        for (organization, books) in page {
            let kept = Lots::new(kept.remove(&organization).unwrap_or_default());
            books.compare(&organization, kept, &mut violations);
        }
    }
    violations.truncate(SHOWN);
    Ok(Check {
        name: "lots",
        claim: "what is left of each credit lot is what its wallet's transfers leave of it, in their order",
        violations,
    })
}

/// The wallets of some organizations, with what was spent of each since its lots were kept.
fn begin(tx: &mut Tx<'_>, after: &str) -> Result<BTreeMap<String, Books>, StoreError> {
    let sql = "SELECT SUBSTR(a.id, 8), a.debits_nusd - w.allocated_nusd FROM accounts a
               LEFT JOIN credit_watermarks w ON w.organization_id = SUBSTR(a.id, 8)
               WHERE a.overdraft = 0 AND a.id > 'wallet:' || $1 ORDER BY a.id LIMIT $2";
    let rows = tx.query(sql, &[after.into(), PAGE.into()])?;
    let books = rows.iter().map(|row| {
        let books = Books {
            since: row.opt_int(1)?.map(Nusd::new),
            ..Books::default()
        };
        Ok((row.text(0)?.to_owned(), books))
    });
    books.collect()
}

/// The transfers of wallets, in the order in which they were committed, with what is not theirs to
/// say: when a grant expires, and which purchase a refund or dispute is of.
const TRANSFERS: &str =
    "SELECT t.organization_id, t.id, t.code, t.amount_nusd, t.at_us, l.expires_at_us,
            COALESCE(r.purchase_id, d.purchase_id)
     FROM transfers t
     LEFT JOIN credit_lots l ON l.organization_id = t.organization_id AND l.id = t.id
     LEFT JOIN purchase_refunds r ON r.organization_id = t.organization_id
         AND r.id = REPLACE(t.id, ':failed', '') AND t.code IN ('refund', 'refund_failed')
     LEFT JOIN purchase_disputes d ON d.organization_id = t.organization_id
         AND d.id = REPLACE(t.id, ':won', '') AND t.code IN ('dispute', 'dispute_won')
     WHERE t.organization_id > $1 AND t.organization_id <= $2 AND t.wallet_debits_nusd IS NOT NULL
     ORDER BY t.organization_id, t.wallet_debits_nusd + t.wallet_credits_nusd";

impl Books {
    fn take(&mut self, row: &Row) -> Result<(), StoreError> {
        if self.broken.is_some() {
            return Ok(());
        }
        let (id, code, amount) = (row.text(1)?, row.text(2)?, Nusd::new(row.int(3)?));
        if code == TransferCode::Usage.as_str() {
            self.pending += amount;
            return Ok(());
        }
        let expires_at = row.opt_int(5)?.map(AtUs);
        let moved = Moved {
            id,
            amount,
            at: AtUs(row.int(4)?),
            expires_at,
            purchase: row.opt_text(6)?.unwrap_or_default(),
        };
        let pending = std::mem::take(&mut self.pending);
        let known = TransferCode::ALL.into_iter().find(|it| it.as_str() == code);
        let outcome = self.replayed.spend(pending);
        let outcome = outcome.and_then(|()| moved.apply(known, &mut self.replayed));
        if let Err(NotCovered { missing }) = outcome {
            self.broken = Some(format!("{id} needs {missing} more than there was"));
        }
        Ok(())
    }

    /// Whether what is kept and what was worked out are the same.
    fn compare(mut self, organization: &str, mut kept: Lots, violations: &mut Vec<String>) {
        let mut note = |place: &str, is: Nusd, should: Nusd| {
            let (is, should) = (is.get(), should.get());
            let off = is - should;
            violations.push(format!(
                "{place} of {organization}: is {is} nUSD, should be {should} nUSD, off by {off}"
            ));
        };
        let since = self.since.unwrap_or(Nusd::ZERO - Nusd::MAX);
        if since < Nusd::ZERO {
            return note("spent since", since, Nusd::ZERO);
        }
        if let Err(NotCovered { missing }) = kept.spend(since) {
            return note("spent since", since, since - missing);
        }
        let spent = self.replayed.spend(self.pending);
        if let Err(NotCovered { missing }) = spent {
            return note("spent", self.pending, self.pending - missing);
        }
        if let Some(broken) = &self.broken {
            violations.push(format!("{organization}: {broken}"));
            return;
        }
        let ids: BTreeSet<&str> = [&kept, &self.replayed]
            .into_iter()
            .flat_map(|lots| lots.in_order().iter().map(|lot| &*lot.id))
            .collect();
        for id in ids {
            let (is, should) = (kept.find(id), self.replayed.find(id));
            let left = |lot: Option<&Lot>| lot.map_or(Nusd::ZERO, |lot| lot.remaining);
            let amount = |lot: Option<&Lot>| lot.map_or(Nusd::ZERO, |lot| lot.amount);
            if left(is) != left(should) {
                note(id, left(is), left(should));
            } else if is.map(|lot| (lot.amount, lot.kind)) != should.map(|it| (it.amount, it.kind))
            {
                note(id, amount(is), amount(should));
            }
        }
    }
}

/// A transfer that changes what lots there are, or takes of one.
struct Moved<'a> {
    id: &'a str,
    amount: Nusd,
    at: AtUs,
    expires_at: Option<AtUs>,
    purchase: &'a str,
}

impl Moved<'_> {
    fn apply(&self, code: Option<TransferCode>, lots: &mut Lots) -> Result<(), NotCovered> {
        let missing = NotCovered {
            missing: self.amount,
        };
        let lot = |kind| Lot {
            expires_at: self.expires_at,
            ..Lot::new(self.id, kind, self.amount, self.at)
        };
        match code {
            Some(TransferCode::Grant | TransferCode::Redeemed) => lots.add(lot(LotKind::Grant)),
            Some(TransferCode::Purchase) => lots.add_purchase(lot(LotKind::Purchase)),
            Some(TransferCode::Refund) => lots.take_of(self.purchase, self.amount)?,
            Some(TransferCode::Dispute) => lots.take_back_purchase(self.purchase, self.amount)?,
            Some(TransferCode::RefundFailed | TransferCode::DisputeWon) => {
                let has_it = lots.restore(self.purchase, self.amount);
                return has_it.then_some(()).ok_or(missing);
            }
            Some(TransferCode::Adjustment) => lots.take_back(self.amount)?,
            Some(TransferCode::Expiry) => {
                let lot = self.id.rsplit_once(EXPIRED).map_or("", |(lot, _)| lot);
                let is_over = lots.find(lot).is_some_and(|it| it.is_expired(self.at));
                is_over.then_some(()).ok_or(missing)?;
                lots.take_of(lot, self.amount)?;
            }
            Some(TransferCode::Overdraft) => {
                lots.set_line(lots.line().0 + self.amount, self.at)?;
            }
            Some(TransferCode::OverdraftEnded) => {
                lots.set_line(lots.line().0 - self.amount, self.at)?;
            }
            _ => return Err(missing),
        }
        Ok(())
    }
}
