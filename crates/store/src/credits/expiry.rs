//! Expiry: what is left of a grant when its time is over goes back to where it came from.
//!
//! What requests hold at that moment is still paid from it, as from the first in the order of
//! spending, so it stays until they ended: a later look takes what they left. The same is true of
//! what nodes have leased.

use domain::credit::Lapsed;
use domain::id::OrganizationId;
use domain::ledger::{Account, TransferCode};
use domain::money::Nusd;
use domain::time::AtUs;

use super::{Moved, Why, lock, read};
use crate::{StoreError, Tx};

/// Organizations with grants whose time is over and of which something may be left, in the order of
/// their ids, after one of them; at most `limit`.
///
/// # Errors
/// [`StoreError`].
pub fn due(
    tx: &mut Tx<'_>,
    now: AtUs,
    after: Option<&OrganizationId>,
    limit: i64,
) -> Result<Vec<OrganizationId>, StoreError> {
    let sql = "SELECT DISTINCT organization_id FROM credit_lots
               WHERE remaining_nusd > 0 AND expires_at_us IS NOT NULL AND expires_at_us <= $1
                 AND organization_id > $2
               ORDER BY organization_id LIMIT $3";
    let after = after.map_or("", |id| id.as_str());
    let rows = tx.query(sql, &[now.0.into(), after.into(), limit.into()])?;
    let ids = rows.iter().map(|row| row.text(0).map(OrganizationId::new));
    ids.collect()
}

/// What of an organization's credit would lapse now.
///
/// # Errors
/// [`StoreError`].
pub fn lapsing(
    tx: &mut Tx<'_>,
    organization: &OrganizationId,
    now: AtUs,
) -> Result<Nusd, StoreError> {
    let seen = read(tx, organization)?;
    Ok(seen.map_or(Nusd::ZERO, |mut seen| {
        let held = seen.wallet.balance() - seen.wallet.available();
        let lapsed = seen.lots.lapse(now, held, Nusd::MAX);
        lapsed.iter().map(|it| it.amount).sum()
    }))
}

/// Lets what lapsed of an organization's grants go, but for what is held of it: a transfer from the
/// wallet to grants for each. Made again, it takes nothing more.
///
/// A process that holds money of the wallet in its memory must have withheld `most` there; no more
/// goes.
///
/// # Errors
/// [`StoreError`]; nothing went.
pub fn expire(
    tx: &mut Tx<'_>,
    organization: &OrganizationId,
    most: Nusd,
    now: AtUs,
) -> Result<Vec<Lapsed>, StoreError> {
    let Some(mut credit) = lock(tx, organization, None)? else {
        return Ok(Vec::new());
    };
    let held = credit.wallet.balance() - credit.wallet.available();
    let lapsed = credit.lots.lapse(now, held, most);
    for Lapsed { lot, amount } in &lapsed {
        let left = credit.lots.find(lot).map_or(Nusd::ZERO, |it| it.remaining);
        let moved = Moved {
            // What is left only becomes less, so each has an id of its own.
            id: format!("{lot}{EXPIRED}{}", left.get()),
            code: TransferCode::Expiry,
            debit: credit.account(),
            credit: Account::Grants,
            amount: *amount,
            why: Why {
                reason: "Expired",
                actor: "farebox",
                at: now,
            },
        };
        credit.transfer(tx, moved)?;
    }
    credit.keep(tx)?;
    Ok(lapsed)
}

/// Between the lot and the rest of it, in the id of its expiry.
pub(crate) const EXPIRED: &str = ":expired:";
