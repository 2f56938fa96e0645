//! Adjustments: credit that an operator takes back, such as a grant that went to the wrong
//! organization. What is spent or held stays: a wallet is never overdrawn.

use domain::id::OrganizationId;
use domain::ledger::{Account, Transfer, TransferCode};
use domain::money::Nusd;
use domain::time::AtUs;

use crate::{StoreError, Tx, changes, transfers, wallets};

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
    /// The rest is spent, held for requests in flight, or leased by nodes.
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
    changes::lock(tx)?;
    if transfers::find(tx, organization, &adjustment.id)?.is_some() {
        return Ok(false);
    }
    let wallet = wallets::get(tx, organization)?;
    let wallet = wallet.ok_or_else(|| AdjustmentError::NoOrganization(organization.clone()))?;
    let available = wallet.available();
    if adjustment.amount > available {
        return Err(AdjustmentError::NotFree { available });
    }
    let transfer = Transfer {
        id: adjustment.id.clone(),
        organization: organization.clone(),
        debit: Account::Wallet(organization.clone()),
        credit: Account::Grants,
        amount: adjustment.amount,
        code: TransferCode::Adjustment,
        request: None,
        reason: adjustment.reason.clone(),
        at: now,
    };
    Ok(transfers::book(tx, &transfer)?)
}
