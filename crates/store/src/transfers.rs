//! Transfers outside of the ledger's queue: every way that money moves but usage.
//!
//! They share one chain of batches, a batch for each, so they wait for each other: at the change
//! log, which such a transaction locks anyway.

use domain::ledger::Transfer;
use domain::money::Nusd;

use crate::chain::{self, Link, Linking};
use crate::{StoreError, Tx, changes};

/// Books a transfer: keeps it, chains it and moves both accounts. False if it was booked before,
/// and nothing moved.
///
/// # Errors
/// [`StoreError`]; [`StoreError::Conflict`] if an account has not enough.
pub(crate) fn book(tx: &mut Tx<'_>, transfer: &Transfer) -> Result<bool, StoreError> {
    changes::lock(tx)?;
    let head = chain::head(tx, chain::CONTROL)?;
    let mut linking = Linking::after(&head, chain::CONTROL.to_owned());
    linking.transfer(transfer);
    let link = linking.finish();
    if !insert(tx, transfer, &link)? {
        return Ok(false);
    }
    chain::append(tx, &link)?;
    move_accounts(tx, transfer)?;
    Ok(true)
}

/// Keeps a transfer. False if it was kept before.
fn insert(tx: &mut Tx<'_>, transfer: &Transfer, link: &Link) -> Result<bool, StoreError> {
    let inserted = tx.execute(
        "INSERT INTO transfers (organization_id, id, debit_account, credit_account, amount_nusd,
                                code, request_id, reason, at_us, chain, batch)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
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
            link.chain.as_str().into(),
            link.seq.into(),
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
