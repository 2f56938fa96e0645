//! Wallets: the prepaid accounts of organizations, as the ledger has them.

use domain::admission::Wallet;
use domain::id::OrganizationId;
use domain::ledger::Account;
use domain::money::Nusd;

use crate::{StoreError, Tx, credits};

/// Opens the wallet of a new organization.
///
/// # Errors
/// [`StoreError`].
pub fn open(tx: &mut Tx<'_>, organization: &OrganizationId) -> Result<(), StoreError> {
    tx.execute_one(
        "INSERT INTO accounts (id, overdraft, debits_nusd, credits_nusd, held_nusd)
         VALUES ($1, 0, 0, 0, 0)",
        &[Account::Wallet(organization.clone()).to_string().into()],
    )?;
    credits::open(tx, organization)
}

/// One wallet; none if there is no such organization.
///
/// # Errors
/// [`StoreError`].
pub fn get(tx: &mut Tx<'_>, organization: &OrganizationId) -> Result<Option<Wallet>, StoreError> {
    let account = Account::Wallet(organization.clone()).to_string();
    let sql = "SELECT credits_nusd, debits_nusd, held_nusd FROM accounts WHERE id = $1";
    let row = tx.query_optional(sql, &[account.into()])?;
    row.map(|row| {
        Ok(Wallet::new(
            Nusd::new(row.int(0)?),
            Nusd::new(row.int(1)?),
            Nusd::new(row.int(2)?),
        ))
    })
    .transpose()
}

/// What is held for an organization's requests in flight. What its wallet holds beyond that, nodes
/// have leased.
///
/// # Errors
/// [`StoreError`].
pub fn held_for_requests(
    tx: &mut Tx<'_>,
    organization: &OrganizationId,
) -> Result<Nusd, StoreError> {
    let sql = "SELECT CAST(COALESCE(SUM(amount_nusd), 0) AS BIGINT) FROM holds
               WHERE organization_id = $1";
    let row = tx.query_one(sql, &[organization.as_str().into()])?;
    row.int(0).map(Nusd::new)
}

/// What was ever paid into one wallet; none if there is no such organization.
///
/// # Errors
/// [`StoreError`].
pub fn credits(tx: &mut Tx<'_>, organization: &OrganizationId) -> Result<Option<Nusd>, StoreError> {
    let account = Account::Wallet(organization.clone()).to_string();
    let sql = "SELECT credits_nusd FROM accounts WHERE id = $1";
    let row = tx.query_optional(sql, &[account.into()])?;
    row.map(|row| row.int(0).map(Nusd::new)).transpose()
}

/// Hands out every wallet, one by one: what admission starts from, however many there are.
///
/// # Errors
/// [`StoreError`].
pub fn each(
    tx: &mut Tx<'_>,
    mut each: impl FnMut(OrganizationId, Wallet),
) -> Result<(), StoreError> {
    let sql = "SELECT id, credits_nusd, debits_nusd, held_nusd FROM accounts WHERE overdraft = 0";
    tx.for_each(sql, &[], |row| {
        let Some(Account::Wallet(organization)) = Account::parse(row.text(0)?) else {
            let id = row.text(0)?;
            return Err(StoreError::Corrupt(format!("account {id} is no wallet")));
        };
        let amount = |index| row.int(index).map(Nusd::new);
        each(
            organization,
            Wallet::new(amount(1)?, amount(2)?, amount(3)?),
        );
        Ok(())
    })
}
