//! Members of projects, by themselves: what groups and owners may do besides is not here.

use domain::id::{OrganizationId, ProjectId, UserId};
use domain::time::AtUs;

use crate::changes::{self, ChangeKind};
use crate::members::Cursor;
use crate::{Row, StoreError, Tx, Value};

/// A person, as a member of a project.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProjectMember {
    /// Who.
    pub id: UserId,
    /// The person's name.
    pub name: String,
    /// The person's address.
    pub email: String,
    /// `owner`, `member` or `viewer`.
    pub role: String,
    /// When they became a member.
    pub added_at: AtUs,
}

/// A project that somebody belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Membership {
    /// The project.
    pub project: ProjectId,
    /// Its name.
    pub name: String,
    /// Their role in it.
    pub role: String,
}

/// A membership to be made.
#[derive(Clone, Debug)]
pub struct NewMember<'a> {
    /// The project.
    pub project: &'a ProjectId,
    /// A member of its organization.
    pub user: &'a UserId,
    /// `owner`, `member` or `viewer`.
    pub role: &'a str,
}

const COLUMNS: &str = "SELECT u.id, u.name, u.email, m.role, m.added_at_us
     FROM project_members m JOIN users u ON u.id = m.user_id
     WHERE m.project_id = $1";

/// Adds somebody to a project; false if they belong to it already. Servers hear of it.
///
/// # Errors
/// [`StoreError`]; a conflict if they do not belong to the organization.
pub fn add(
    tx: &mut Tx<'_>,
    organization: &OrganizationId,
    new: &NewMember<'_>,
    now: AtUs,
) -> Result<bool, StoreError> {
    let added = tx.execute(
        "INSERT INTO project_members (project_id, user_id, organization_id, role, added_at_us)
         VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING",
        &[
            new.project.as_str().into(),
            new.user.as_str().into(),
            organization.as_str().into(),
            new.role.into(),
            now.0.into(),
        ],
    )?;
    if added == 1 {
        changes::record(tx, ChangeKind::User, new.user.as_str(), now)?;
    }
    Ok(added == 1)
}

/// Gives a member of a project another role. Servers hear of it.
///
/// # Errors
/// [`StoreError`]; a conflict if there is no such member.
pub fn set_role(
    tx: &mut Tx<'_>,
    project: &ProjectId,
    user: &UserId,
    role: &str,
    now: AtUs,
) -> Result<(), StoreError> {
    let sql = "UPDATE project_members SET role = $3 WHERE project_id = $1 AND user_id = $2";
    let params = [project.as_str().into(), user.as_str().into(), role.into()];
    tx.execute_one(sql, &params)?;
    changes::record(tx, ChangeKind::User, user.as_str(), now)
}

/// Removes a member from a project. Their keys in it work no more, until they belong to it again.
///
/// # Errors
/// [`StoreError`]; a conflict if there is no such member.
pub fn remove(
    tx: &mut Tx<'_>,
    project: &ProjectId,
    user: &UserId,
    now: AtUs,
) -> Result<(), StoreError> {
    let sql = "DELETE FROM project_members WHERE project_id = $1 AND user_id = $2";
    tx.execute_one(sql, &[project.as_str().into(), user.as_str().into()])?;
    changes::record(tx, ChangeKind::User, user.as_str(), now)
}

/// One member of a project.
///
/// # Errors
/// [`StoreError`].
pub fn get(
    tx: &mut Tx<'_>,
    project: &ProjectId,
    user: &UserId,
) -> Result<Option<ProjectMember>, StoreError> {
    let sql = format!("{COLUMNS} AND m.user_id = $2");
    let row = tx.query_optional(&sql, &[project.as_str().into(), user.as_str().into()])?;
    row.as_ref().map(from_row).transpose()
}

/// Members of a project, the longest users first, at most `limit`, after `after`.
///
/// # Errors
/// [`StoreError`].
pub fn list(
    tx: &mut Tx<'_>,
    project: &ProjectId,
    after: Option<&Cursor>,
    limit: i64,
) -> Result<Vec<ProjectMember>, StoreError> {
    let (at, id) = after.map_or((i64::MIN, ""), |(at, id)| (at.0, id.as_str()));
    let sql = format!(
        "{COLUMNS} AND (u.created_at_us, u.id) > ($2, $3)
         ORDER BY u.created_at_us, u.id LIMIT $4"
    );
    let params = [project.as_str().into(), at.into(), id.into(), limit.into()];
    tx.query(&sql, &params)?.iter().map(from_row).collect()
}

/// Every project that people belong to and that is in use, by person, oldest first.
///
/// # Errors
/// [`StoreError`].
pub fn memberships(
    tx: &mut Tx<'_>,
    organization: &OrganizationId,
    users: &[&UserId],
) -> Result<Vec<(UserId, Membership)>, StoreError> {
    if users.is_empty() {
        return Ok(Vec::new());
    }
    let places: Vec<String> = (2..2 + users.len()).map(|at| format!("${at}")).collect();
    let sql = format!(
        "SELECT m.user_id, p.id, p.name, m.role
         FROM project_members m JOIN projects p ON p.id = m.project_id
         WHERE m.organization_id = $1 AND p.archived_at_us IS NULL AND m.user_id IN ({})
         ORDER BY m.user_id, p.created_at_us, p.id",
        places.join(", ")
    );
    let mut params: Vec<Value> = vec![organization.as_str().into()];
    params.extend(users.iter().map(|user| Value::from(user.as_str())));
    let of_row = |row: &Row| {
        let membership = Membership {
            project: ProjectId::new(row.text(1)?),
            name: row.text(2)?.to_owned(),
            role: row.text(3)?.to_owned(),
        };
        Ok((UserId::new(row.text(0)?), membership))
    };
    tx.query(&sql, &params)?.iter().map(of_row).collect()
}

fn from_row(row: &Row) -> Result<ProjectMember, StoreError> {
    Ok(ProjectMember {
        id: UserId::new(row.text(0)?),
        name: row.text(1)?.to_owned(),
        email: row.text(2)?.to_owned(),
        role: row.text(3)?.to_owned(),
        added_at: AtUs(row.int(4)?),
    })
}
