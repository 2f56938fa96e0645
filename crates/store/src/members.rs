//! Members: who belongs to an organization.

use domain::id::{OrganizationId, ProjectId, UserId};
use domain::time::AtUs;

use crate::{Row, StoreError, Tx};

/// A person, as a member of an organization.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Who.
    pub id: UserId,
    /// The person's name.
    pub name: String,
    /// The person's address.
    pub email: String,
    /// `owner` or `reader`.
    pub role: String,
    /// When they became a member.
    pub added_at: AtUs,
}

/// One member of an organization.
///
/// # Errors
/// [`StoreError`].
pub fn get(
    tx: &mut Tx<'_>,
    organization: &OrganizationId,
    id: &UserId,
) -> Result<Option<Member>, StoreError> {
    let sql = "SELECT u.id, u.name, u.email, m.role, m.added_at_us
               FROM members m JOIN users u ON u.id = m.user_id
               WHERE m.organization_id = $1 AND m.user_id = $2";
    let row = tx.query_optional(sql, &[organization.as_str().into(), id.as_str().into()])?;
    row.as_ref().map(from_row).transpose()
}

/// The owners of an organization, those first who were its first.
///
/// # Errors
/// [`StoreError`].
pub fn owners(tx: &mut Tx<'_>, organization: &OrganizationId) -> Result<Vec<Member>, StoreError> {
    let sql = "SELECT u.id, u.name, u.email, m.role, m.added_at_us
               FROM members m JOIN users u ON u.id = m.user_id
               WHERE m.organization_id = $1 AND m.role = 'owner' ORDER BY m.added_at_us, u.id";
    let rows = tx.query(sql, &[organization.as_str().into()])?;
    rows.iter().map(from_row).collect()
}

/// Whether somebody is a member of a project; not by a group, nor because all owners are.
///
/// # Errors
/// [`StoreError`].
pub fn is_of_project(
    tx: &mut Tx<'_>,
    project: &ProjectId,
    id: &UserId,
) -> Result<bool, StoreError> {
    let sql = "SELECT role FROM project_members WHERE project_id = $1 AND user_id = $2";
    let row = tx.query_optional(sql, &[project.as_str().into(), id.as_str().into()])?;
    Ok(row.is_some())
}

fn from_row(row: &Row) -> Result<Member, StoreError> {
    Ok(Member {
        id: UserId::new(row.text(0)?),
        name: row.text(1)?.to_owned(),
        email: row.text(2)?.to_owned(),
        role: row.text(3)?.to_owned(),
        added_at: AtUs(row.int(4)?),
    })
}
