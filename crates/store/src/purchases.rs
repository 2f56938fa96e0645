//! Purchases: credit that was paid for, and how it goes back: refunds and disputes.
//!
//! Money is at a payment provider, on the account `payments:<provider>`; the tax in it is owed, on
//! the account `tax`. Whoever calls these functions on a process with wallets in its memory, and
//! takes money of one, must have withheld it there.

mod disputes;
mod refunds;

use domain::credit::{Lot, LotKind};
use domain::id::OrganizationId;
use domain::ledger::{Account, TransferCode};
use domain::money::Nusd;
use domain::purchase::Taxed;
use domain::time::AtUs;

use crate::credits::{self, Moved, Why};
use crate::{Row, StoreError, Tx};

pub use disputes::{Decided, Dispute, DisputeError, Disputed, dispute, lost, won};
pub use refunds::{Failed, Refund, RefundError, Refunded, refund, refund_failed};

/// Credit that was paid for.
#[derive(Clone, Debug)]
pub struct Purchase {
    /// Unique, such as the payment's id; the same purchase made again gives nothing more.
    pub id: String,
    /// Who gets it.
    pub organization: OrganizationId,
    /// The credit, above zero.
    pub amount: Nusd,
    /// The tax that was paid beside it, zero or more.
    pub tax: Nusd,
    /// Who has the money, such as `stripe`.
    pub provider: String,
    /// What it is called in the books.
    pub reason: String,
    /// Who bought it: a user's id, or `farebox` by a rule of theirs.
    pub actor: String,
}

/// Why a purchase cannot be booked.
#[derive(Debug, thiserror::Error)]
pub enum PurchaseError {
    /// There is no such organization.
    #[error("there is no organization {0}")]
    NoOrganization(OrganizationId),
    /// Nothing or less was bought, or the tax is below zero.
    #[error("the amount must be more than 0, and the tax not less than 0")]
    NotPositive,
    /// The wallet would pass what an account can hold.
    #[error("the organization's credit would pass what an account can hold")]
    TooLarge,
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Books a purchase: the credit goes into the wallet, where it first pays back what is lent of the
/// credit line, and the tax beside it. A running server hears of it. False if it was booked before.
///
/// # Errors
/// [`PurchaseError`]; nothing was booked.
pub fn book(tx: &mut Tx<'_>, purchase: &Purchase, now: AtUs) -> Result<bool, PurchaseError> {
    if purchase.amount <= Nusd::ZERO || purchase.tax < Nusd::ZERO {
        return Err(PurchaseError::NotPositive);
    }
    let organization = &purchase.organization;
    let credit = credits::lock(tx, organization, None)?;
    let mut credit = credit.ok_or_else(|| PurchaseError::NoOrganization(organization.clone()))?;
    if credit.has_moved(tx, &purchase.id)? {
        return Ok(false);
    }
    if !credit.has_room(purchase.amount) {
        return Err(PurchaseError::TooLarge);
    }
    let why = Why {
        reason: &purchase.reason,
        actor: &purchase.actor,
        at: now,
    };
    let payments = || Account::Payments(purchase.provider.clone());
    for moved in [
        Moved {
            id: purchase.id.clone(),
            code: TransferCode::Purchase,
            debit: payments(),
            credit: credit.account(),
            amount: purchase.amount,
            why,
        },
        Moved {
            id: format!("{}:tax", purchase.id),
            code: TransferCode::Tax,
            debit: payments(),
            credit: Account::Tax,
            amount: purchase.tax,
            why,
        },
    ] {
        credit.transfer(tx, moved)?;
    }
    insert(tx, purchase, now)?;
    let lot = Lot::new(&*purchase.id, LotKind::Purchase, purchase.amount, now);
    credit.lots.add_purchase(lot);
    credit.keep_and_tell(tx, now)?;
    Ok(true)
}

fn insert(tx: &mut Tx<'_>, purchase: &Purchase, now: AtUs) -> Result<(), StoreError> {
    tx.execute_one(
        "INSERT INTO purchases (organization_id, id, provider, amount_nusd, tax_nusd,
             refunded_nusd, refunded_tax_nusd, disputed_nusd, disputed_tax_nusd, created_at_us)
         VALUES ($1, $2, $3, $4, $5, 0, 0, 0, 0, $6)",
        &[
            purchase.organization.as_str().into(),
            purchase.id.as_str().into(),
            purchase.provider.as_str().into(),
            purchase.amount.get().into(),
            purchase.tax.get().into(),
            now.0.into(),
        ],
    )
}

/// A purchase that was booked, and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bought {
    /// Its id.
    pub id: String,
    /// Who has the money.
    pub provider: String,
    /// What was paid.
    pub paid: Taxed,
    /// What was given back.
    pub refunded: Taxed,
    /// What banks took back, or want back.
    pub disputed: Taxed,
    /// When it was booked.
    pub at: AtUs,
}

impl Bought {
    /// What is neither given back nor in dispute.
    #[must_use]
    pub fn left(&self) -> Taxed {
        let left = |of: fn(Taxed) -> Nusd| of(self.paid) - of(self.refunded) - of(self.disputed);
        Taxed {
            credit: left(|it| it.credit),
            tax: left(|it| it.tax),
        }
    }
}

/// A purchase of an organization.
///
/// # Errors
/// [`StoreError`].
pub fn find(
    tx: &mut Tx<'_>,
    organization: &OrganizationId,
    id: &str,
) -> Result<Option<Bought>, StoreError> {
    let sql = "SELECT id, provider, amount_nusd, tax_nusd, refunded_nusd, refunded_tax_nusd,
                      disputed_nusd, disputed_tax_nusd, created_at_us
               FROM purchases WHERE organization_id = $1 AND id = $2";
    let row = tx.query_optional(sql, &[organization.as_str().into(), id.into()])?;
    row.map(|row| {
        Ok(Bought {
            id: row.text(0)?.to_owned(),
            provider: row.text(1)?.to_owned(),
            paid: taxed(&row, 2)?,
            refunded: taxed(&row, 4)?,
            disputed: taxed(&row, 6)?,
            at: AtUs(row.int(8)?),
        })
    })
    .transpose()
}

/// Credit at `index`, and its tax behind it.
fn taxed(row: &Row, index: usize) -> Result<Taxed, StoreError> {
    Ok(Taxed {
        credit: Nusd::new(row.int(index)?),
        tax: Nusd::new(row.int(index + 1)?),
    })
}

/// Moves what was given back, or is in dispute, of a purchase.
fn count(
    tx: &mut Tx<'_>,
    organization: &OrganizationId,
    id: &str,
    [refunded, disputed]: [Taxed; 2],
) -> Result<(), StoreError> {
    tx.execute_one(
        "UPDATE purchases SET refunded_nusd = refunded_nusd + $3,
             refunded_tax_nusd = refunded_tax_nusd + $4, disputed_nusd = disputed_nusd + $5,
             disputed_tax_nusd = disputed_tax_nusd + $6
         WHERE organization_id = $1 AND id = $2",
        &[
            organization.as_str().into(),
            id.into(),
            refunded.credit.get().into(),
            refunded.tax.get().into(),
            disputed.credit.get().into(),
            disputed.tax.get().into(),
        ],
    )
}

/// The same, taken back.
fn negative(taxed: Taxed) -> Taxed {
    Taxed {
        credit: Nusd::ZERO - taxed.credit,
        tax: Nusd::ZERO - taxed.tax,
    }
}
