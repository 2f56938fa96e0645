//! Service accounts: callers of a project that are no person.

use domain::id::{KeyId, OrganizationId, ProjectId, ServiceAccountId};
use domain::permission::{Permissions, PredefinedRole, Resource};
use domain::time::AtUs;

use crate::changes::{self, ChangeKind};
use crate::{Row, StoreError, Tx, keys};

/// The role of an account that may do nothing yet.
pub const NO_ROLE: &str = "none";

/// A service account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceAccount {
    /// Its id.
    pub id: ServiceAccountId,
    /// Its name.
    pub name: String,
    /// `owner` or `member` of its project, or [`NO_ROLE`].
    pub role: String,
    /// When it was made.
    pub created_at: AtUs,
}

impl ServiceAccount {
    /// What its role allows in its project.
    ///
    /// # Errors
    /// [`StoreError`] if it is no role.
    pub fn permissions(&self) -> Result<Permissions, StoreError> {
        permissions(&self.role)
    }
}

/// Makes a service account.
///
/// # Errors
/// [`StoreError`].
pub fn create(
    tx: &mut Tx<'_>,
    organization: &OrganizationId,
    project: &ProjectId,
    account: &ServiceAccount,
) -> Result<(), StoreError> {
    tx.execute_one(
        "INSERT INTO service_accounts (id, organization_id, project_id, name, role, created_at_us)
         VALUES ($1, $2, $3, $4, $5, $6)",
        &[
            account.id.as_str().into(),
            organization.as_str().into(),
            project.as_str().into(),
            account.name.as_str().into(),
            account.role.as_str().into(),
            account.created_at.0.into(),
        ],
    )
}

const COLUMNS: &str = "SELECT id, name, role, created_at_us FROM service_accounts
     WHERE project_id = $1 AND deleted_at_us IS NULL";

/// One service account of a project.
///
/// # Errors
/// [`StoreError`].
pub fn get(
    tx: &mut Tx<'_>,
    project: &ProjectId,
    id: &ServiceAccountId,
) -> Result<Option<ServiceAccount>, StoreError> {
    let sql = format!("{COLUMNS} AND id = $2");
    let row = tx.query_optional(&sql, &[project.as_str().into(), id.as_str().into()])?;
    row.as_ref().map(from_row).transpose()
}

/// Where a list of service accounts goes on: after the account made then, with this id.
pub type Cursor = (AtUs, ServiceAccountId);

/// The place of an account in its project's list; also of one that was deleted since, so that a
/// list can be walked while its accounts are deleted.
///
/// # Errors
/// [`StoreError`].
pub fn cursor(
    tx: &mut Tx<'_>,
    project: &ProjectId,
    id: &ServiceAccountId,
) -> Result<Option<Cursor>, StoreError> {
    let sql = "SELECT created_at_us FROM service_accounts WHERE project_id = $1 AND id = $2";
    let row = tx.query_optional(sql, &[project.as_str().into(), id.as_str().into()])?;
    row.map(|row| Ok((AtUs(row.int(0)?), id.clone())))
        .transpose()
}

/// Service accounts of a project, oldest first, at most `limit`, after `after`.
///
/// # Errors
/// [`StoreError`].
pub fn list(
    tx: &mut Tx<'_>,
    project: &ProjectId,
    after: Option<&Cursor>,
    limit: i64,
) -> Result<Vec<ServiceAccount>, StoreError> {
    let (at, id) = after.map_or((i64::MIN, ""), |(at, id)| (at.0, id.as_str()));
    let sql =
        format!("{COLUMNS} AND (created_at_us, id) > ($2, $3) ORDER BY created_at_us, id LIMIT $4");
    let params = [project.as_str().into(), at.into(), id.into(), limit.into()];
    tx.query(&sql, &params)?.iter().map(from_row).collect()
}

/// Deletes a service account and revokes its keys.
///
/// # Errors
/// [`StoreError`].
pub fn delete(tx: &mut Tx<'_>, id: &ServiceAccountId, now: AtUs) -> Result<(), StoreError> {
    let sql = "UPDATE service_accounts SET deleted_at_us = $2
               WHERE id = $1 AND deleted_at_us IS NULL";
    tx.execute_one(sql, &[id.as_str().into(), now.0.into()])?;
    for key in live_keys(tx, id)? {
        keys::revoke(tx, &key, now)?;
    }
    Ok(())
}

/// Writes the name and role of an account. Servers hear of it, as its keys do what it may do.
///
/// # Errors
/// [`StoreError`].
pub fn update(tx: &mut Tx<'_>, account: &ServiceAccount, now: AtUs) -> Result<(), StoreError> {
    let sql = "UPDATE service_accounts SET name = $2, role = $3
               WHERE id = $1 AND deleted_at_us IS NULL";
    let (id, name) = (&account.id, account.name.as_str());
    let params = [
        id.as_str().into(),
        name.into(),
        account.role.as_str().into(),
    ];
    tx.execute_one(sql, &params)?;
    for key in live_keys(tx, id)? {
        changes::record(tx, ChangeKind::Key, key.as_str(), now)?;
    }
    Ok(())
}

fn live_keys(tx: &mut Tx<'_>, id: &ServiceAccountId) -> Result<Vec<KeyId>, StoreError> {
    let sql = "SELECT id FROM keys WHERE service_account_id = $1 AND revoked_at_us IS NULL";
    let rows = tx.query(sql, &[id.as_str().into()])?;
    rows.iter()
        .map(|row| Ok(KeyId::new(row.text(0)?)))
        .collect()
}

/// What the role of a service account, as it is stored, allows in its project.
pub(crate) fn permissions(word: &str) -> Result<Permissions, StoreError> {
    if word == NO_ROLE {
        return Ok(Permissions::NONE);
    }
    PredefinedRole::from_name(Resource::Project, word)
        .map(PredefinedRole::permissions)
        .ok_or_else(|| StoreError::Corrupt(format!("a service account has the role {word}")))
}

fn from_row(row: &Row) -> Result<ServiceAccount, StoreError> {
    Ok(ServiceAccount {
        id: ServiceAccountId::new(row.text(0)?),
        name: row.text(1)?.to_owned(),
        role: row.text(2)?.to_owned(),
        created_at: AtUs(row.int(3)?),
    })
}
