//! Grants: free credit, given by an operator or by a rule.

use domain::id::OrganizationId;
use domain::ledger::{Account, Transfer, TransferCode};
use domain::money::Nusd;
use domain::time::AtUs;

use crate::changes::{self, ChangeKind};
use crate::{StoreError, Tx, wallets};

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
    if insert(tx, &transfer)? {
        // Before the accounts: a transaction may have recorded other changes, so whoever waits for
        // an account already has the change log, and nobody waits in a circle.
        changes::record(tx, ChangeKind::Wallet, grant.organization.as_str(), now)?;
        move_accounts(tx, &transfer)?;
    }
    Ok(())
}

/// Keeps a transfer. False if it was kept before.
fn insert(tx: &mut Tx<'_>, transfer: &Transfer) -> Result<bool, StoreError> {
    let inserted = tx.execute(
        "INSERT INTO transfers (organization_id, id, debit_account, credit_account, amount_nusd,
                                code, request_id, reason, at_us)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
         ON CONFLICT (organization_id, id) DO NOTHING",
        &[
            transfer.organization.as_str().into(),
            transfer.id.as_str().into(),
            transfer.debit.to_string().into(),
            transfer.credit.to_string().into(),
            transfer.amount.get().into(),
            transfer.code.as_str().into(),
            transfer.request.map(|id| id.to_string()).into(),
            transfer.reason.as_str().into(),
            transfer.at.0.into(),
        ],
    )?;
    Ok(inserted == 1)
}

/// Moves both accounts of a transfer.
fn move_accounts(tx: &mut Tx<'_>, transfer: &Transfer) -> Result<(), StoreError> {
    for (account, debit, credit) in [
        (&transfer.debit, transfer.amount, Nusd::ZERO),
        (&transfer.credit, Nusd::ZERO, transfer.amount),
    ] {
        if account.may_be_overdrawn() {
            tx.execute(
                "INSERT INTO accounts (id, overdraft, debits_nusd, credits_nusd, held_nusd)
                 VALUES ($1, 1, 0, 0, 0) ON CONFLICT (id) DO NOTHING",
                &[account.to_string().into()],
            )?;
        }
        tx.execute_one(
            "UPDATE accounts SET debits_nusd = debits_nusd + $2, credits_nusd = credits_nusd + $3
             WHERE id = $1",
            &[
                account.to_string().into(),
                debit.get().into(),
                credit.get().into(),
            ],
        )?;
    }
    Ok(())
}
