//! Groups: members of an organization who get roles together.

use domain::id::{GroupId, OrganizationId, ProjectId, RoleAssignmentId, UserId};
use domain::time::AtUs;

use crate::changes::{self, ChangeKind};
use crate::page::Page;
use crate::{Row, StoreError, Tx, Value};

/// A group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Its id.
    pub id: GroupId,
    /// Its name.
    pub name: String,
    /// When it was made.
    pub created_at: AtUs,
}

/// Somebody in a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupMember {
    /// Who.
    pub id: UserId,
    /// The person's name.
    pub name: String,
    /// The person's address.
    pub email: String,
    /// When they joined.
    pub added_at: AtUs,
}

/// Makes a group.
///
/// # Errors
/// [`StoreError`].
pub fn create(
    tx: &mut Tx<'_>,
    organization: &OrganizationId,
    group: &Group,
) -> Result<(), StoreError> {
    tx.execute_one(
        "INSERT INTO groups (id, organization_id, name, created_at_us) VALUES ($1, $2, $3, $4)",
        &[
            group.id.as_str().into(),
            organization.as_str().into(),
            group.name.as_str().into(),
            group.created_at.0.into(),
        ],
    )
}

const COLUMNS: &str = "SELECT id, name, created_at_us FROM groups WHERE organization_id = $1";

/// One group of an organization.
///
/// # Errors
/// [`StoreError`].
pub fn get(
    tx: &mut Tx<'_>,
    organization: &OrganizationId,
    id: &GroupId,
) -> Result<Option<Group>, StoreError> {
    let sql = format!("{COLUMNS} AND id = $2");
    let row = tx.query_optional(&sql, &[organization.as_str().into(), id.as_str().into()])?;
    row.as_ref().map(group).transpose()
}

/// Groups of an organization.
///
/// # Errors
/// [`StoreError`].
pub fn list(
    tx: &mut Tx<'_>,
    organization: &OrganizationId,
    page: &Page,
) -> Result<Vec<Group>, StoreError> {
    let mut params = vec![organization.as_str().into()];
    let tail = page.tail("created_at_us", "id", &mut params);
    let rows = tx.query(&format!("{COLUMNS}{tail}"), &params)?;
    rows.iter().map(group).collect()
}

/// How many groups an organization has.
///
/// # Errors
/// [`StoreError`].
pub fn count(tx: &mut Tx<'_>, organization: &OrganizationId) -> Result<u64, StoreError> {
    let sql = "SELECT COUNT(*) FROM groups WHERE organization_id = $1";
    tx.query_one(sql, &[organization.as_str().into()])?.count(0)
}

/// Gives a group another name.
///
/// # Errors
/// [`StoreError`].
pub fn rename(tx: &mut Tx<'_>, id: &GroupId, name: &str) -> Result<(), StoreError> {
    let sql = "UPDATE groups SET name = $2 WHERE id = $1";
    tx.execute_one(sql, &[id.as_str().into(), name.into()])
}

/// Deletes a group: what its members had through it they have no more.
///
/// # Errors
/// [`StoreError`].
pub fn delete(
    tx: &mut Tx<'_>,
    organization: &OrganizationId,
    id: &GroupId,
    now: AtUs,
) -> Result<(), StoreError> {
    tx.execute_one("DELETE FROM groups WHERE id = $1", &[id.as_str().into()])?;
    changes::record(tx, ChangeKind::Roles, organization.as_str(), now)
}

/// Puts a member of the organization into a group; false if they are in it.
///
/// # Errors
/// [`StoreError`]; a conflict if they are no member of the organization.
pub fn add_member(
    tx: &mut Tx<'_>,
    organization: &OrganizationId,
    group: &GroupId,
    user: &UserId,
    now: AtUs,
) -> Result<bool, StoreError> {
    let added = tx.execute(
        "INSERT INTO group_members (group_id, user_id, organization_id, added_at_us)
         VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
        &[
            group.as_str().into(),
            user.as_str().into(),
            organization.as_str().into(),
            now.0.into(),
        ],
    )?;
    if added == 1 {
        changes::record(tx, ChangeKind::User, user.as_str(), now)?;
    }
    Ok(added == 1)
}

/// Takes somebody out of a group; false if they are not in it.
///
/// # Errors
/// [`StoreError`].
pub fn remove_member(
    tx: &mut Tx<'_>,
    group: &GroupId,
    user: &UserId,
    now: AtUs,
) -> Result<bool, StoreError> {
    let sql = "DELETE FROM group_members WHERE group_id = $1 AND user_id = $2";
    let removed = tx.execute(sql, &[group.as_str().into(), user.as_str().into()])?;
    if removed == 1 {
        changes::record(tx, ChangeKind::User, user.as_str(), now)?;
    }
    Ok(removed == 1)
}

const MEMBERS: &str = "SELECT g.user_id, u.name, u.email, g.added_at_us
     FROM group_members g JOIN users u ON u.id = g.user_id WHERE g.group_id = $1";

/// One member of a group.
///
/// # Errors
/// [`StoreError`].
pub fn get_member(
    tx: &mut Tx<'_>,
    group: &GroupId,
    user: &UserId,
) -> Result<Option<GroupMember>, StoreError> {
    let sql = format!("{MEMBERS} AND g.user_id = $2");
    let row = tx.query_optional(&sql, &[group.as_str().into(), user.as_str().into()])?;
    row.as_ref().map(member).transpose()
}

/// Members of a group, by when they joined.
///
/// # Errors
/// [`StoreError`].
pub fn members(
    tx: &mut Tx<'_>,
    group: &GroupId,
    page: &Page,
) -> Result<Vec<GroupMember>, StoreError> {
    let mut params = vec![group.as_str().into()];
    let tail = page.tail("g.added_at_us", "g.user_id", &mut params);
    let rows = tx.query(&format!("{MEMBERS}{tail}"), &params)?;
    rows.iter().map(member).collect()
}

/// Every group that has a role in a project, and since when.
const OF_PROJECT: &str = "SELECT id, name, since_us FROM
     (SELECT g.id AS id, g.name AS name, MIN(a.assigned_at_us) AS since_us
      FROM role_assignments a JOIN groups g ON g.id = a.group_id
      WHERE a.organization_id = $1 AND a.project_id = $2 GROUP BY g.id, g.name) AS members
     WHERE 1 = 1";

/// A group that has a role in a project; its time is when it got the first of those it has.
///
/// # Errors
/// [`StoreError`].
pub fn get_of_project(
    tx: &mut Tx<'_>,
    organization: &OrganizationId,
    project: &ProjectId,
    id: &GroupId,
) -> Result<Option<Group>, StoreError> {
    let sql = format!("{OF_PROJECT} AND id = $3");
    let params = [
        organization.as_str().into(),
        project.as_str().into(),
        id.as_str().into(),
    ];
    let row = tx.query_optional(&sql, &params)?;
    row.as_ref().map(group).transpose()
}

/// As [`get_of_project`], for all of them.
///
/// # Errors
/// [`StoreError`].
pub fn list_of_project(
    tx: &mut Tx<'_>,
    organization: &OrganizationId,
    project: &ProjectId,
    page: &Page,
) -> Result<Vec<Group>, StoreError> {
    let mut params: Vec<Value> = vec![organization.as_str().into(), project.as_str().into()];
    let tail = page.tail("since_us", "id", &mut params);
    let rows = tx.query(&format!("{OF_PROJECT}{tail}"), &params)?;
    rows.iter().map(group).collect()
}

/// Takes every role in a project from a group; answers the assignments that are gone.
///
/// # Errors
/// [`StoreError`].
pub fn remove_from_project(
    tx: &mut Tx<'_>,
    organization: &OrganizationId,
    project: &ProjectId,
    id: &GroupId,
    now: AtUs,
) -> Result<Vec<RoleAssignmentId>, StoreError> {
    let sql = "DELETE FROM role_assignments
               WHERE organization_id = $1 AND project_id = $2 AND group_id = $3 RETURNING id";
    let params = [
        organization.as_str().into(),
        project.as_str().into(),
        id.as_str().into(),
    ];
    let removed = tx.query(sql, &params)?;
    if !removed.is_empty() {
        changes::record(tx, ChangeKind::Roles, organization.as_str(), now)?;
    }
    let id = |row: &Row| Ok(RoleAssignmentId::new(row.text(0)?));
    removed.iter().map(id).collect()
}

fn group(row: &Row) -> Result<Group, StoreError> {
    Ok(Group {
        id: GroupId::new(row.text(0)?),
        name: row.text(1)?.to_owned(),
        created_at: AtUs(row.int(2)?),
    })
}

fn member(row: &Row) -> Result<GroupMember, StoreError> {
    Ok(GroupMember {
        id: UserId::new(row.text(0)?),
        name: row.text(1)?.to_owned(),
        email: row.text(2)?.to_owned(),
        added_at: AtUs(row.int(3)?),
    })
}
