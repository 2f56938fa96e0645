//! Transfers outside of the ledger's queue: every way that money moves but usage.
//!
//! They share one chain of batches, a batch for each, so they wait for each other: at the change
//! log, which such a transaction locks anyway.

use domain::id::OrganizationId;
use domain::ledger::{Account, Transfer};
use domain::money::Nusd;
use domain::time::AtUs;

use crate::chain::{self, Link, Linking};
use crate::{StoreError, Tx, changes};

/// A transfer that was booked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Booked {
    /// Why money moved, as a word.
    pub code: String,
    /// How much.
    pub amount: Nusd,
    /// Why, as a person put it.
    pub reason: String,
    /// Who moved it.
    pub actor: String,
    /// When.
    pub at: AtUs,
}

/// A transfer of an organization.
///
/// # Errors
/// [`StoreError`].
pub fn find(
    tx: &mut Tx<'_>,
    organization: &OrganizationId,
    id: &str,
) -> Result<Option<Booked>, StoreError> {
    let sql = "SELECT code, amount_nusd, reason, actor, at_us FROM transfers
               WHERE organization_id = $1 AND id = $2";
    let row = tx.query_optional(sql, &[organization.as_str().into(), id.into()])?;
    row.map(|row| {
        Ok(Booked {
            code: row.text(0)?.to_owned(),
            amount: Nusd::new(row.int(1)?),
            reason: row.text(2)?.to_owned(),
            actor: row.text(3)?.to_owned(),
            at: AtUs(row.int(4)?),
        })
    })
    .transpose()
}

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
    if find(tx, &transfer.organization, &transfer.id)?.is_some() {
        return Ok(false);
    }
    let wallet = move_accounts(tx, transfer)?;
    insert(tx, transfer, &link, wallet)?;
    chain::append(tx, &link)?;
    Ok(true)
}

/// Debits and credits of a wallet.
type Stands = (Nusd, Nusd);

/// Keeps a transfer, with where its wallet then stands.
fn insert(
    tx: &mut Tx<'_>,
    transfer: &Transfer,
    link: &Link,
    wallet: Option<Stands>,
) -> Result<(), StoreError> {
    tx.execute_one(
        "INSERT INTO transfers (organization_id, id, debit_account, credit_account, amount_nusd,
                                code, request_id, reason, actor, at_us, chain, batch,
                                wallet_debits_nusd, wallet_credits_nusd)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)",
        &[
            transfer.organization.as_str().into(),
            transfer.id.as_str().into(),
            transfer.debit.to_string().into(),
            transfer.credit.to_string().into(),
            transfer.amount.get().into(),
            transfer.code.as_str().into(),
            transfer.request.map(|id| id.to_string()).into(),
            transfer.reason.as_str().into(),
            transfer.actor.as_str().into(),
            transfer.at.0.into(),
            link.chain.as_str().into(),
            link.seq.into(),
            wallet.map(|(debits, _)| debits.get()).into(),
            wallet.map(|(_, credits)| credits.get()).into(),
        ],
    )
}

/// Moves both accounts of a transfer, and answers where the wallet among them then stands.
fn move_accounts(tx: &mut Tx<'_>, transfer: &Transfer) -> Result<Option<Stands>, StoreError> {
    let mut wallet = None;
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
        let row = tx.query_one(
            "UPDATE accounts SET debits_nusd = debits_nusd + $2, credits_nusd = credits_nusd + $3,
                 has_moved = 1
             WHERE id = $1 RETURNING debits_nusd, credits_nusd",
            &[
                account.to_string().into(),
                debit.get().into(),
                credit.get().into(),
            ],
        )?;
        if matches!(account, Account::Wallet(_)) {
            wallet = Some((Nusd::new(row.int(0)?), Nusd::new(row.int(1)?)));
        }
    }
    Ok(wallet)
}
