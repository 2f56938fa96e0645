//! Members: who belongs to an organization.

use domain::id::{KeyId, OrganizationId, ProjectId, UserId};
use domain::time::AtUs;

use crate::changes::{self, ChangeKind};
use crate::{Row, StoreError, Tx, Value, keys};

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
    /// When they became a user.
    pub created_at: AtUs,
    /// When one of their keys of the organization was last used, within seconds.
    pub key_last_used_at: Option<AtUs>,
}

/// Why a member cannot be changed.
#[derive(Debug, thiserror::Error)]
pub enum MemberError {
    /// Nobody could administer the organization any more.
    #[error("an organization keeps an owner")]
    LastOwner,
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

const COLUMNS: &str = "SELECT u.id, u.name, u.email, m.role, m.added_at_us, u.created_at_us,
        (SELECT MAX(k.last_used_at_us) FROM keys k
         WHERE k.user_id = m.user_id AND k.organization_id = m.organization_id)
     FROM members m JOIN users u ON u.id = m.user_id
     WHERE m.organization_id = $1";

/// One member of an organization.
///
/// # Errors
/// [`StoreError`].
pub fn get(
    tx: &mut Tx<'_>,
    organization: &OrganizationId,
    id: &UserId,
) -> Result<Option<Member>, StoreError> {
    let sql = format!("{COLUMNS} AND m.user_id = $2");
    let row = tx.query_optional(&sql, &[organization.as_str().into(), id.as_str().into()])?;
    row.as_ref().map(from_row).transpose()
}

/// The owners of an organization, those first who were its first.
///
/// # Errors
/// [`StoreError`].
pub fn owners(tx: &mut Tx<'_>, organization: &OrganizationId) -> Result<Vec<Member>, StoreError> {
    let sql = format!("{COLUMNS} AND m.role = 'owner' ORDER BY m.added_at_us, u.id");
    let rows = tx.query(&sql, &[organization.as_str().into()])?;
    rows.iter().map(from_row).collect()
}

/// The member of an organization who has an address.
///
/// # Errors
/// [`StoreError`].
pub fn with_email(
    tx: &mut Tx<'_>,
    organization: &OrganizationId,
    email: &str,
) -> Result<Option<Member>, StoreError> {
    let sql = format!("{COLUMNS} AND u.email = $2");
    let row = tx.query_optional(&sql, &[organization.as_str().into(), email.into()])?;
    row.as_ref().map(from_row).transpose()
}

/// Where a list of people goes on: after whoever came to be a user then, with this id.
pub type Cursor = (AtUs, UserId);

/// The place of somebody in any list of people; also of one who left since, so that a list can be
/// walked while people are removed.
///
/// # Errors
/// [`StoreError`].
pub fn cursor(tx: &mut Tx<'_>, id: &UserId) -> Result<Option<Cursor>, StoreError> {
    let sql = "SELECT created_at_us FROM users WHERE id = $1";
    let row = tx.query_optional(sql, &[id.as_str().into()])?;
    row.map(|row| Ok((AtUs(row.int(0)?), id.clone())))
        .transpose()
}

/// Members of an organization, the longest users first, at most `limit`, after `after`. With
/// `emails`, only those who have one of these addresses.
///
/// # Errors
/// [`StoreError`].
pub fn list(
    tx: &mut Tx<'_>,
    organization: &OrganizationId,
    emails: &[String],
    after: Option<&Cursor>,
    limit: i64,
) -> Result<Vec<Member>, StoreError> {
    let (at, id) = after.map_or((i64::MIN, ""), |(at, id)| (at.0, id.as_str()));
    let mut params: Vec<Value> = vec![
        organization.as_str().into(),
        at.into(),
        id.into(),
        limit.into(),
    ];
    params.extend(emails.iter().map(|email| Value::from(email.as_str())));
    let places: Vec<String> = (5..5 + emails.len()).map(|at| format!("${at}")).collect();
    let only = match places.is_empty() {
        true => String::new(),
        false => format!("AND u.email IN ({})", places.join(", ")),
    };
    let sql = format!(
        "{COLUMNS} AND (u.created_at_us, u.id) > ($2, $3) {only}
         ORDER BY u.created_at_us, u.id LIMIT $4"
    );
    tx.query(&sql, &params)?.iter().map(from_row).collect()
}

/// Adds somebody to an organization; false if they belong to it already.
///
/// # Errors
/// [`StoreError`].
pub fn add(
    tx: &mut Tx<'_>,
    organization: &OrganizationId,
    id: &UserId,
    role: &str,
    now: AtUs,
) -> Result<bool, StoreError> {
    let added = tx.execute(
        "INSERT INTO members (organization_id, user_id, role, added_at_us)
         VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
        &[
            organization.as_str().into(),
            id.as_str().into(),
            role.into(),
            now.0.into(),
        ],
    )?;
    if added == 1 {
        changes::record(tx, ChangeKind::User, id.as_str(), now)?;
    }
    Ok(added == 1)
}

/// Gives a member another role. Servers hear of it.
///
/// # Errors
/// [`MemberError`]; a conflict if there is no such member.
pub fn set_role(
    tx: &mut Tx<'_>,
    organization: &OrganizationId,
    id: &UserId,
    role: &str,
    now: AtUs,
) -> Result<(), MemberError> {
    if role != OWNER {
        keep_an_owner(tx, organization, id)?;
    }
    let sql = "UPDATE members SET role = $3 WHERE organization_id = $1 AND user_id = $2";
    let params = [
        organization.as_str().into(),
        id.as_str().into(),
        role.into(),
    ];
    tx.execute_one(sql, &params)?;
    Ok(changes::record(tx, ChangeKind::User, id.as_str(), now)?)
}

/// Removes a member: out of its projects and groups too, and with keys that work no more.
///
/// # Errors
/// [`MemberError`]; a conflict if there is no such member.
pub fn remove(
    tx: &mut Tx<'_>,
    organization: &OrganizationId,
    id: &UserId,
    now: AtUs,
) -> Result<(), MemberError> {
    keep_an_owner(tx, organization, id)?;
    let who = [organization.as_str().into(), id.as_str().into()];
    let sql = "DELETE FROM members WHERE organization_id = $1 AND user_id = $2";
    tx.execute_one(sql, &who)?;
    let sql = "SELECT id FROM keys
               WHERE organization_id = $1 AND user_id = $2 AND revoked_at_us IS NULL";
    for row in tx.query(sql, &who)? {
        keys::revoke(tx, &KeyId::new(row.text(0)?), now)?;
    }
    Ok(changes::record(tx, ChangeKind::User, id.as_str(), now)?)
}

const OWNER: &str = "owner";

/// Refuses to lose the last owner. Whoever changes owners at the same time waits here.
fn keep_an_owner(
    tx: &mut Tx<'_>,
    organization: &OrganizationId,
    id: &UserId,
) -> Result<(), MemberError> {
    changes::lock(tx)?;
    let sql = "SELECT user_id FROM members WHERE organization_id = $1 AND role = $2 LIMIT 2";
    let owners = tx.query(sql, &[organization.as_str().into(), OWNER.into()])?;
    match owners.as_slice() {
        [only] if only.text(0)? == id.as_str() => Err(MemberError::LastOwner),
        _ => Ok(()),
    }
}

/// Whether somebody is a member of a project; not by a group, nor because all owners are.
///
/// # Errors
/// [`StoreError`].
pub fn role_in_project(
    tx: &mut Tx<'_>,
    project: &ProjectId,
    id: &UserId,
) -> Result<Option<String>, StoreError> {
    let sql = "SELECT role FROM project_members WHERE project_id = $1 AND user_id = $2";
    let row = tx.query_optional(sql, &[project.as_str().into(), id.as_str().into()])?;
    row.map(|row| Ok(row.text(0)?.to_owned())).transpose()
}

fn from_row(row: &Row) -> Result<Member, StoreError> {
    Ok(Member {
        id: UserId::new(row.text(0)?),
        name: row.text(1)?.to_owned(),
        email: row.text(2)?.to_owned(),
        role: row.text(3)?.to_owned(),
        added_at: AtUs(row.int(4)?),
        created_at: AtUs(row.int(5)?),
        key_last_used_at: row.opt_int(6)?.map(AtUs),
    })
}
