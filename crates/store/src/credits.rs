//! What an organization's credit is made of: its lots, and how it stands.
//!
//! The wallet is the truth of what was spent: the ledger's queue debits it and knows nothing of
//! lots. A watermark says how much of its debits was taken from the lots. Whoever changes the set
//! of lots locks the change log and then the wallet's row, takes from the lots what was spent
//! since, changes them, and moves the money, in one transaction. What is only read is worked out
//! from one snapshot, and not written.

mod expiry;

use domain::admission::Wallet;
use domain::credit::{Lot, LotKind, Lots, NotCovered};
use domain::id::OrganizationId;
use domain::ledger::{Account, Transfer, TransferCode};
use domain::money::Nusd;
use domain::time::AtUs;

use crate::changes::{self, ChangeKind};
use crate::{Row, StoreError, Tx, Value, transfers};

pub(crate) use expiry::EXPIRED;
pub use expiry::{due, expire, lapsing};

/// How an organization's credit stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// What was paid in or given, and not spent. Less than zero if some of the credit line is
    /// spent.
    pub balance: Nusd,
    /// What requests may still use, the credit line included.
    pub available: Nusd,
    /// What is held for requests in flight, or leased by nodes.
    pub held: Nusd,
    /// What is left of grants.
    pub granted: Nusd,
    /// What is left of purchases.
    pub purchased: Nusd,
    /// The credit line: what may be spent beyond what was paid in.
    pub overdraft: Nusd,
    /// What of the line is spent.
    pub overdraft_used: Nusd,
}

/// How an organization's credit stands; none if there is no such organization.
///
/// # Errors
/// [`StoreError`].
pub fn standing(
    tx: &mut Tx<'_>,
    organization: &OrganizationId,
) -> Result<Option<Standing>, StoreError> {
    let read = read(tx, organization)?;
    Ok(read.map(|Seen { wallet, lots, line }| Standing {
        balance: wallet.balance() - line,
        available: wallet.available(),
        held: wallet.balance() - wallet.available(),
        granted: lots.remaining_of(LotKind::Grant),
        purchased: lots.remaining_of(LotKind::Purchase),
        overdraft: line,
        overdraft_used: line - lots.remaining_of(LotKind::Overdraft),
    }))
}

/// The lots of an organization that have something left, as of everything that was spent, in the
/// order in which they are spent. None if there is no such organization.
///
/// # Errors
/// [`StoreError`].
pub fn lots(
    tx: &mut Tx<'_>,
    organization: &OrganizationId,
) -> Result<Option<Vec<Lot>>, StoreError> {
    let read = read(tx, organization)?;
    Ok(read.map(|seen| {
        let in_order = seen.lots.in_order().iter();
        let left = in_order.filter(|lot| lot.remaining > Nusd::ZERO);
        left.cloned().collect()
    }))
}

/// The columns of a lot, `l`, as [`read_lot`] takes them.
pub(crate) const LOT: &str =
    "l.id, l.kind, l.amount_nusd, l.remaining_nusd, l.created_at_us, l.expires_at_us";

/// What is read of an organization's credit, as of everything that was spent.
struct Seen {
    wallet: Wallet,
    /// Those that have something left.
    lots: Lots,
    /// The credit line.
    line: Nusd,
}

fn read(tx: &mut Tx<'_>, organization: &OrganizationId) -> Result<Option<Seen>, StoreError> {
    // One statement: another transaction may commit between two.
    let sql = format!(
        "SELECT {LOT}, a.credits_nusd, a.debits_nusd, a.held_nusd, w.allocated_nusd,
                o.debits_nusd - o.credits_nusd
         FROM credit_watermarks w JOIN accounts a ON a.id = $2 LEFT JOIN accounts o ON o.id = $3
         LEFT JOIN credit_lots l
           ON l.organization_id = w.organization_id AND l.remaining_nusd > 0
         WHERE w.organization_id = $1"
    );
    let lent_from = Account::Overdraft(organization.clone()).to_string();
    let rows = tx.query(
        &sql,
        &[
            organization.as_str().into(),
            wallet_id(organization),
            lent_from.into(),
        ],
    )?;
    let Some(first) = rows.first() else {
        return Ok(None);
    };
    let amount = |index| first.int(index).map(Nusd::new);
    let (credits, debits, held, allocated) = (amount(6)?, amount(7)?, amount(8)?, amount(9)?);
    let has_lot = |row: &&Row| row.opt_text(0).is_ok_and(|id| id.is_some());
    let of_rows = rows.iter().filter(has_lot).map(|row| read_lot(row, 0));
    let mut lots = Lots::new(of_rows.collect::<Result<_, _>>()?);
    spend(&mut lots, debits - allocated, organization)?;
    Ok(Some(Seen {
        wallet: Wallet::new(credits, debits, held),
        lots,
        line: Nusd::new(first.opt_int(10)?.unwrap_or_default()),
    }))
}

/// Reads a lot whose first column is the `at`th.
pub(crate) fn read_lot(row: &Row, at: usize) -> Result<Lot, StoreError> {
    let kind = row.text(at + 1)?;
    Ok(Lot {
        id: row.text(at)?.to_owned(),
        kind: LotKind::parse(kind)
            .ok_or_else(|| StoreError::Corrupt(format!("{kind} is no kind of credit lot")))?,
        amount: Nusd::new(row.int(at + 2)?),
        remaining: Nusd::new(row.int(at + 3)?),
        created_at: AtUs(row.int(at + 4)?),
        expires_at: row.opt_int(at + 5)?.map(AtUs),
    })
}

fn spend(lots: &mut Lots, amount: Nusd, organization: &OrganizationId) -> Result<(), StoreError> {
    let spent = lots.spend(amount);
    spent.map_err(|NotCovered { missing }| {
        let what = format!("{organization} has spent {missing} more than its credit lots had");
        StoreError::Corrupt(what)
    })
}

fn wallet_id(organization: &OrganizationId) -> Value {
    Account::Wallet(organization.clone()).to_string().into()
}

/// Begins the lots of a new organization: none.
pub(crate) fn open(tx: &mut Tx<'_>, organization: &OrganizationId) -> Result<(), StoreError> {
    tx.execute_one(
        "INSERT INTO credit_watermarks (organization_id, allocated_nusd) VALUES ($1, 0)",
        &[organization.as_str().into()],
    )
}

/// The credit of one organization, locked until the transaction ends, with every debit of its
/// wallet taken from its lots.
pub(crate) struct Credit {
    pub(crate) organization: OrganizationId,
    pub(crate) wallet: Wallet,
    /// Those that have something left, the credit line, and one that was asked for.
    pub(crate) lots: Lots,
    /// As they are kept.
    kept: Lots,
    /// What was ever paid into the wallet.
    credits: Nusd,
}

/// Locks an organization's credit; none if there is no such organization. The lot with the id
/// `also` is among those that are read, also if nothing is left of it.
pub(crate) fn lock(
    tx: &mut Tx<'_>,
    organization: &OrganizationId,
    also: Option<&str>,
) -> Result<Option<Credit>, StoreError> {
    changes::lock(tx)?;
    // A statement of its own, which waits for whoever has the row: what is read is what they left.
    let sql = "UPDATE accounts SET held_nusd = held_nusd WHERE id = $1
               RETURNING credits_nusd, debits_nusd, held_nusd";
    let Some(row) = tx.query_optional(sql, &[wallet_id(organization)])? else {
        return Ok(None);
    };
    let amount = |index| row.int(index).map(Nusd::new);
    let (credits, debits, held) = (amount(0)?, amount(1)?, amount(2)?);
    let sql = "SELECT allocated_nusd FROM credit_watermarks WHERE organization_id = $1";
    let row = tx.query_one(sql, &[organization.as_str().into()])?;
    let allocated = Nusd::new(row.int(0)?);
    let sql = format!(
        "SELECT {LOT} FROM credit_lots l WHERE l.organization_id = $1 AND l.remaining_nusd > 0
         UNION
         SELECT {LOT} FROM credit_lots l WHERE l.organization_id = $1 AND l.id IN ($2, $3)"
    );
    let of_line = domain::credit::OVERDRAFT;
    let rows = tx.query(
        &sql,
        &[
            organization.as_str().into(),
            of_line.into(),
            also.unwrap_or(of_line).into(),
        ],
    )?;
    let kept = Lots::new(
        rows.iter()
            .map(|row| read_lot(row, 0))
            .collect::<Result<_, _>>()?,
    );
    let mut lots = kept.clone();
    spend(&mut lots, debits - allocated, organization)?;
    Ok(Some(Credit {
        organization: organization.clone(),
        wallet: Wallet::new(credits, debits, held),
        lots,
        kept,
        credits,
    }))
}

impl Credit {
    /// Whether so much more can be paid in: accounts have a bound.
    pub(crate) fn has_room(&self, amount: Nusd) -> bool {
        let sum = self.credits.checked_add(amount);
        sum.is_some_and(|sum| sum <= Nusd::MAX)
    }

    /// Whether money of the organization was moved under this id before.
    pub(crate) fn has_moved(&self, tx: &mut Tx<'_>, id: &str) -> Result<bool, StoreError> {
        Ok(transfers::find(tx, &self.organization, id)?.is_some())
    }

    /// Moves money, if it is any. What lots that changes is up to the caller, before
    /// [`Credit::keep`].
    pub(crate) fn transfer(&self, tx: &mut Tx<'_>, moved: Moved<'_>) -> Result<(), StoreError> {
        if moved.amount == Nusd::ZERO {
            return Ok(());
        }
        let transfer = Transfer {
            id: moved.id,
            organization: self.organization.clone(),
            debit: moved.debit,
            credit: moved.credit,
            amount: moved.amount,
            code: moved.code,
            request: None,
            reason: moved.why.reason.to_owned(),
            actor: moved.why.actor.to_owned(),
            at: moved.why.at,
        };
        match transfers::book(tx, &transfer)? {
            true => Ok(()),
            false => {
                let id = transfer.id;
                Err(StoreError::Conflict(format!("{id} was booked before")))
            }
        }
    }

    /// The account of the wallet.
    pub(crate) fn account(&self) -> Account {
        Account::Wallet(self.organization.clone())
    }

    /// Writes what became of the lots, and proves that they are what the wallet has.
    pub(crate) fn keep(self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        for lot in self.lots.in_order() {
            match self.kept.find(&lot.id) {
                Some(kept) if kept == lot => {}
                Some(_) => self.update(tx, lot)?,
                None => self.insert(tx, lot)?,
            }
        }
        let sql = "UPDATE credit_watermarks SET allocated_nusd =
                       (SELECT debits_nusd FROM accounts WHERE id = $2)
                   WHERE organization_id = $1";
        let organization = self.organization.as_str();
        tx.execute_one(sql, &[organization.into(), wallet_id(&self.organization)])?;
        let sql = "SELECT credits_nusd - debits_nusd FROM accounts WHERE id = $1";
        let row = tx.query_one(sql, &[wallet_id(&self.organization)])?;
        let (has, are) = (Nusd::new(row.int(0)?), self.lots.remaining());
        match has == are {
            true => Ok(()),
            false => Err(StoreError::Corrupt(format!(
                "{organization} has {has} in its wallet and {are} in its credit lots"
            ))),
        }
    }

    /// As [`Credit::keep`], where money came in: servers hear of it.
    pub(crate) fn keep_and_tell(self, tx: &mut Tx<'_>, now: AtUs) -> Result<(), StoreError> {
        let organization = self.organization.clone();
        self.keep(tx)?;
        changes::record(tx, ChangeKind::Wallet, organization.as_str(), now)
    }

    fn insert(&self, tx: &mut Tx<'_>, lot: &Lot) -> Result<(), StoreError> {
        tx.execute_one(
            "INSERT INTO credit_lots (organization_id, id, kind, amount_nusd, remaining_nusd,
                                      expires_at_us, created_at_us)
             VALUES ($1, $2, $3, $4, $5, $6, $7)",
            &[
                self.organization.as_str().into(),
                lot.id.as_str().into(),
                lot.kind.as_str().into(),
                lot.amount.get().into(),
                lot.remaining.get().into(),
                lot.expires_at.map(|at| at.0).into(),
                lot.created_at.0.into(),
            ],
        )
    }

    fn update(&self, tx: &mut Tx<'_>, lot: &Lot) -> Result<(), StoreError> {
        tx.execute_one(
            "UPDATE credit_lots SET amount_nusd = $3, remaining_nusd = $4
             WHERE organization_id = $1 AND id = $2",
            &[
                self.organization.as_str().into(),
                lot.id.as_str().into(),
                lot.amount.get().into(),
                lot.remaining.get().into(),
            ],
        )
    }
}

/// A movement of money outside of the ledger's queue.
pub(crate) struct Moved<'a> {
    pub(crate) id: String,
    pub(crate) code: TransferCode,
    pub(crate) debit: Account,
    pub(crate) credit: Account,
    pub(crate) amount: Nusd,
    pub(crate) why: Why<'a>,
}

/// Why money moves, who moves it, and when.
#[derive(Clone, Copy)]
pub(crate) struct Why<'a> {
    pub(crate) reason: &'a str,
    pub(crate) actor: &'a str,
    pub(crate) at: AtUs,
}
