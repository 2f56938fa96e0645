//! Adjustments: credit that an operator takes back, such as a grant that went to the wrong
//! organization. What is spent or held stays: a wallet is never overdrawn. The latest grants go
//! first; a credit line is no credit, and is lowered instead.

use domain::credit::NotCovered;
use domain::id::OrganizationId;
use domain::ledger::{Account, TransferCode};
use domain::money::Nusd;
use domain::time::AtUs;

use crate::credits::{self, Moved, Why};
use crate::{StoreError, Tx};

/// Credit to be taken back.
#[derive(Clone, Debug)]
pub struct Adjustment {
    /// Unique; the same adjustment made again takes nothing more.
    pub id: String,
    /// Whose credit.
    pub organization: OrganizationId,
    /// How much, above zero.
    pub amount: Nusd,
    /// Why, as a person put it.
    pub reason: String,
    /// Who takes it: a user's id, or `operator`.
    pub actor: String,
}

/// Why credit cannot be taken back.
#[derive(Debug, thiserror::Error)]
pub enum AdjustmentError {
    /// There is no such organization.
    #[error("there is no organization {0}")]
    NoOrganization(OrganizationId),
    /// Nothing or less would be taken.
    #[error("the amount must be more than 0")]
    NotPositive,
    /// The rest is spent, held for requests in flight, leased by nodes, or lent.
    #[error("only {available} of the credit is free")]
    NotFree {
        /// What could be taken.
        available: Nusd,
    },
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Takes credit back: a transfer from the wallet to grants. False if it was taken before.
///
/// A process that holds money of the wallet in its memory must have made sure there that nobody
/// holds this: what the database knows of holds may be behind.
///
/// # Errors
/// [`AdjustmentError`]; nothing was taken.
pub fn take(tx: &mut Tx<'_>, adjustment: &Adjustment, now: AtUs) -> Result<bool, AdjustmentError> {
    if adjustment.amount <= Nusd::ZERO {
        return Err(AdjustmentError::NotPositive);
    }
    let organization = &adjustment.organization;
    let credit = credits::lock(tx, organization, None)?;
    let mut credit = credit.ok_or_else(|| AdjustmentError::NoOrganization(organization.clone()))?;
    if credit.has_moved(tx, &adjustment.id)? {
        return Ok(false);
    }
    let available = credit.wallet.available().min(credit.lots.own());
    if adjustment.amount > available {
        return Err(AdjustmentError::NotFree { available });
    }
    let taken = credit.lots.take_back(adjustment.amount);
    taken.map_err(|NotCovered { .. }| AdjustmentError::NotFree { available })?;
    let moved = Moved {
        id: adjustment.id.clone(),
        code: TransferCode::Adjustment,
        debit: credit.account(),
        credit: Account::Grants,
        amount: adjustment.amount,
        why: Why {
            reason: &adjustment.reason,
            actor: &adjustment.actor,
            at: now,
        },
    };
    credit.transfer(tx, moved)?;
    credit.keep(tx)?;
    Ok(true)
}
