//! Grants: free credit, given by an operator or by a rule.

use domain::id::OrganizationId;
use domain::ledger::{Account, Transfer, TransferCode};
use domain::money::Nusd;
use domain::time::AtUs;

use crate::changes::{self, ChangeKind};
use crate::{StoreError, Tx, transfers, wallets};

/// Credit to be given.
#[derive(Clone, Debug)]
pub struct Grant {
    /// Unique; the same grant made again gives nothing more.
    pub id: String,
    /// Who gets it.
    pub organization: OrganizationId,
    /// How much, above zero.
    pub amount: Nusd,
    /// Why, as a person put it.
    pub reason: String,
}

/// Why credit cannot be given.
#[derive(Debug, thiserror::Error)]
pub enum GrantError {
    /// There is no such organization.
    #[error("there is no organization {0}")]
    NoOrganization(OrganizationId),
    /// Nothing or less would be given.
    #[error("the amount must be more than 0")]
    NotPositive,
    /// The wallet would pass what an account can hold.
    #[error("the organization's credit would pass what an account can hold")]
    TooLarge,
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Gives credit: a transfer from grants to the wallet. A running server hears of it.
///
/// # Errors
/// [`GrantError`]; nothing was given.
pub fn give(tx: &mut Tx<'_>, grant: &Grant, now: AtUs) -> Result<(), GrantError> {
    if grant.amount <= Nusd::ZERO {
        return Err(GrantError::NotPositive);
    }
    let credits = wallets::credits(tx, &grant.organization)?
        .ok_or_else(|| GrantError::NoOrganization(grant.organization.clone()))?;
    if credits
        .checked_add(grant.amount)
        .is_none_or(|sum| sum > Nusd::MAX)
    {
        return Err(GrantError::TooLarge);
    }
    let transfer = Transfer {
        id: grant.id.clone(),
        organization: grant.organization.clone(),
        debit: Account::Grants,
        credit: Account::Wallet(grant.organization.clone()),
        amount: grant.amount,
        code: TransferCode::Grant,
        request: None,
        reason: grant.reason.clone(),
        at: now,
    };
    if transfers::book(tx, &transfer)? {
        changes::record(tx, ChangeKind::Wallet, grant.organization.as_str(), now)?;
    }
    Ok(())
}
