//! Roles that somebody made, of an organization or of one project.

use domain::id::{OrganizationId, RoleId, UserId};
use domain::permission::{Permission, Permissions, Realm};
use domain::time::AtUs;

use crate::changes::{self, ChangeKind};
use crate::{Row, StoreError, Tx, Value};

/// A role that somebody made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Role {
    /// Its id.
    pub id: RoleId,
    /// Its name: there is one of it in its organization or project.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// What it allows.
    pub permissions: Permissions,
    /// Who made it.
    pub created_by: Option<UserId>,
    /// When it was made.
    pub created_at: AtUs,
    /// When it was last changed.
    pub updated_at: AtUs,
}

/// Makes a role.
///
/// # Errors
/// [`StoreError`]; a conflict if there is one of this name.
pub fn create(
    tx: &mut Tx<'_>,
    organization: &OrganizationId,
    realm: &Realm,
    role: &Role,
) -> Result<(), StoreError> {
    tx.execute_one(
        "INSERT INTO roles (id, organization_id, project_id, name, description, permissions,
                            created_by, created_at_us, updated_at_us)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        &[
            role.id.as_str().into(),
            organization.as_str().into(),
            project(realm).into(),
            role.name.as_str().into(),
            role.description.as_deref().into(),
            text(role.permissions).into(),
            role.created_by.as_ref().map(UserId::as_str).into(),
            role.created_at.0.into(),
            role.updated_at.0.into(),
        ],
    )
}

const SHOWN: &str = "SELECT id, name, description, permissions, created_by, created_at_us,
        updated_at_us
     FROM roles WHERE organization_id = $1 AND COALESCE(project_id, '') = COALESCE($2, '')";

/// One role of an organization or project.
///
/// # Errors
/// [`StoreError`].
pub fn get(
    tx: &mut Tx<'_>,
    organization: &OrganizationId,
    realm: &Realm,
    id: &RoleId,
) -> Result<Option<Role>, StoreError> {
    let mut params = of(organization, realm);
    params.push(id.as_str().into());
    let row = tx.query_optional(&format!("{SHOWN} AND id = $3"), &params)?;
    row.as_ref().map(from_row).transpose()
}

/// Every role of an organization or project, oldest first.
///
/// # Errors
/// [`StoreError`].
pub fn list(
    tx: &mut Tx<'_>,
    organization: &OrganizationId,
    realm: &Realm,
) -> Result<Vec<Role>, StoreError> {
    let sql = format!("{SHOWN} ORDER BY created_at_us, id");
    tx.query(&sql, &of(organization, realm))?
        .iter()
        .map(from_row)
        .collect()
}

/// Writes name, description and permissions of a role.
///
/// # Errors
/// [`StoreError`]; a conflict if there is another one of this name.
pub fn change(
    tx: &mut Tx<'_>,
    organization: &OrganizationId,
    role: &Role,
) -> Result<(), StoreError> {
    let now = role.updated_at;
    tx.execute_one(
        "UPDATE roles SET name = $2, description = $3, permissions = $4, updated_at_us = $5
         WHERE id = $1",
        &[
            role.id.as_str().into(),
            role.name.as_str().into(),
            role.description.as_deref().into(),
            text(role.permissions).into(),
            now.0.into(),
        ],
    )?;
    changes::record(tx, ChangeKind::Roles, organization.as_str(), now)
}

/// Deletes a role: nobody has it any more.
///
/// # Errors
/// [`StoreError`].
pub fn delete(
    tx: &mut Tx<'_>,
    organization: &OrganizationId,
    id: &RoleId,
    now: AtUs,
) -> Result<(), StoreError> {
    let sql = "DELETE FROM role_assignments WHERE organization_id = $1 AND role = $2";
    tx.execute(sql, &[organization.as_str().into(), id.as_str().into()])?;
    tx.execute_one("DELETE FROM roles WHERE id = $1", &[id.as_str().into()])?;
    changes::record(tx, ChangeKind::Roles, organization.as_str(), now)
}

/// The permissions in a stored list.
pub(crate) fn permissions(json: &str) -> Result<Permissions, StoreError> {
    let corrupt = |what: &str| StoreError::Corrupt(format!("a list of permissions {what}"));
    let names: Vec<String> =
        serde_json::from_str(json).map_err(|error| corrupt(&format!("is none: {error}")))?;
    let permission =
        |name: &String| Permission::from_name(name).ok_or_else(|| corrupt(&format!("has {name}")));
    names.iter().map(permission).collect()
}

/// A list of permissions, as it is stored.
pub(crate) fn text(permissions: Permissions) -> String {
    let names: Vec<String> = permissions
        .iter()
        .map(|permission| format!("\"{}\"", permission.as_str()))
        .collect();
    format!("[{}]", names.join(","))
}

/// The id of the project, if it is one.
pub(crate) fn project(realm: &Realm) -> Option<&str> {
    match realm {
        Realm::Organization(_) => None,
        Realm::Project(id) => Some(id.as_str()),
    }
}

/// The first two parameters of whatever asks about a realm.
pub(crate) fn of(organization: &OrganizationId, realm: &Realm) -> Vec<Value> {
    vec![organization.as_str().into(), project(realm).into()]
}

fn from_row(row: &Row) -> Result<Role, StoreError> {
    Ok(Role {
        id: RoleId::new(row.text(0)?),
        name: row.text(1)?.to_owned(),
        description: row.opt_text(2)?.map(ToOwned::to_owned),
        permissions: permissions(row.text(3)?)?,
        created_by: row.opt_text(4)?.map(UserId::new),
        created_at: AtUs(row.int(5)?),
        updated_at: AtUs(row.int(6)?),
    })
}
