//! Keys: kept as digests, found by them, revoked for good.

pub mod rotation;
pub mod settings;

use std::collections::{HashMap, HashSet};

use domain::access::{Owner, Principal};
use domain::id::{KeyId, OrganizationId, ProjectId, ServiceAccountId, UserId};
use domain::key::{KeyClass, KeyDigest, KeySecret};
use domain::restriction::Restrictions;
use domain::time::AtUs;

use self::rotation::Retired;

use crate::changes::{self, ChangeKind};
use crate::standing::{HeldRoles, Whose};
use crate::{Row, StoreError, Tx, Value, service_accounts};

/// A key that works: what recognises it, and whom it stands for.
#[derive(Clone, Debug)]
pub struct ActiveKey {
    /// What is kept of the secret.
    pub digest: KeyDigest,
    /// Earlier secrets, which may still work.
    pub retired: Vec<Retired>,
    /// Everything that decides what it may do.
    pub principal: Principal,
}

/// A key as people see it in lists.
#[derive(Clone, Debug)]
pub struct KeyRow {
    /// Its id.
    pub id: KeyId,
    /// Its name.
    pub name: String,
    /// Enough of it to recognise it.
    pub redacted_value: String,
    /// What it may call.
    pub class: KeyClass,
    /// Whose it is.
    pub owner: OwnerRow,
    /// Whether the owner belongs to the key's project, if it has one; else it does not work.
    pub owner_has_access: bool,
    /// When it was made.
    pub created_at: AtUs,
    /// When it stops working.
    pub expires_at: Option<AtUs>,
    /// When it was last used, within seconds.
    pub last_used_at: Option<AtUs>,
    /// What it is restricted to.
    pub restrictions: Restrictions,
    /// When the last of its earlier secrets stops working, or did.
    pub retired_until: Option<AtUs>,
}

/// The owner of a key, with what lists show of it.
#[derive(Clone, Debug)]
pub struct OwnerRow {
    /// Who.
    pub owner: Owner,
    /// The person's or the account's name.
    pub name: String,
    /// The person's address; empty for a service account.
    pub email: String,
    /// `owner` or `member` of the project; owners of the organization own its projects.
    pub role: String,
    /// When the person or the account was made.
    pub created_at: AtUs,
}

/// A key to be made.
#[derive(Debug)]
pub struct NewKey<'a> {
    /// Its id.
    pub id: KeyId,
    /// Whose money it spends.
    pub organization: &'a OrganizationId,
    /// Its project; none for an admin key.
    pub project: Option<&'a ProjectId>,
    /// Who owns it.
    pub owner: Owner,
    /// Its name.
    pub name: &'a str,
    /// When it stops working.
    pub expires_at: Option<AtUs>,
}

/// Makes a key. Only its digest is kept.
///
/// # Errors
/// [`StoreError`].
pub fn create(
    tx: &mut Tx<'_>,
    new: &NewKey<'_>,
    secret: &KeySecret,
    now: AtUs,
) -> Result<(), StoreError> {
    let (user, service_account) = match &new.owner {
        Owner::User(id) => (Some(id.as_str()), None),
        Owner::ServiceAccount(id) => (None, Some(id.as_str())),
    };
    tx.execute_one(
        "INSERT INTO keys (id, organization_id, project_id, class, user_id, service_account_id,
                           name, digest, redacted_value, created_at_us, expires_at_us)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
        &[
            new.id.as_str().into(),
            new.organization.as_str().into(),
            new.project.map(ProjectId::as_str).into(),
            secret.class().as_str().into(),
            user.into(),
            service_account.into(),
            new.name.into(),
            secret.digest().to_hex().into(),
            secret.redacted().into(),
            now.0.into(),
            new.expires_at.map(|at| at.0).into(),
        ],
    )?;
    changes::record(tx, ChangeKind::Key, new.id.as_str(), now)
}

/// Revokes a key; false if it does not work any more.
///
/// # Errors
/// [`StoreError`].
pub fn revoke(tx: &mut Tx<'_>, id: &KeyId, now: AtUs) -> Result<bool, StoreError> {
    let revoked = tx.execute(
        "UPDATE keys SET revoked_at_us = $2 WHERE id = $1 AND revoked_at_us IS NULL",
        &[id.as_str().into(), now.0.into()],
    )?;
    if revoked == 1 {
        changes::record(tx, ChangeKind::Key, id.as_str(), now)?;
    }
    Ok(revoked == 1)
}

const ACTIVE: &str = "SELECT k.digest, k.id, k.class, k.user_id, k.service_account_id,
        k.organization_id, k.project_id, p.archived_at_us, k.models, k.scopes, k.expires_at_us,
        s.role, k.ip_ranges
     FROM keys k
     LEFT JOIN projects p ON p.id = k.project_id
     LEFT JOIN service_accounts s ON s.id = k.service_account_id
     LEFT JOIN users u ON u.id = k.user_id
     WHERE k.revoked_at_us IS NULL AND u.locked_at_us IS NULL";

/// Hands out every key that works, one by one: what a server starts from, however many there are.
///
/// # Errors
/// [`StoreError`].
pub fn each_active(tx: &mut Tx<'_>, mut each: impl FnMut(ActiveKey)) -> Result<(), StoreError> {
    // Few projects are archived, few people are locked out, and few accounts are no plain members:
    // knowing those spares a look at the project and owner of each key.
    let mut archived = HashSet::new();
    let sql = "SELECT id FROM projects WHERE archived_at_us IS NOT NULL";
    for row in tx.query(sql, &[])? {
        archived.insert(ProjectId::new(row.text(0)?));
    }
    let mut account_roles = HashMap::new();
    let sql = "SELECT id, role FROM service_accounts WHERE role <> 'member'";
    for row in tx.query(sql, &[])? {
        let allowed = service_accounts::permissions(row.text(1)?)?;
        account_roles.insert(ServiceAccountId::new(row.text(0)?), allowed);
    }
    let mut locked = HashSet::new();
    for row in tx.query("SELECT id FROM users WHERE locked_at_us IS NOT NULL", &[])? {
        locked.insert(UserId::new(row.text(0)?));
    }
    let held = HeldRoles::read(tx, &Whose::Everybodys)?;
    let mut retired = rotation::retired(tx, "", &[])?;
    let mut shared = Shared::default();
    let sql = "SELECT digest, id, class, user_id, service_account_id, organization_id, project_id,
                      NULL, models, scopes, expires_at_us, 'member', ip_ranges
               FROM keys WHERE revoked_at_us IS NULL";
    tx.for_each(sql, &[], |row| {
        let mut key = active_key(row, &mut shared, &held)?;
        key.retired = retired.remove(&key.principal.key).unwrap_or_default();
        let principal = &mut key.principal;
        let project = principal.project.as_ref();
        principal.project_archived = project.is_some_and(|id| archived.contains(id));
        if let Owner::ServiceAccount(account) = &principal.owner
            && let Some(allowed) = account_roles.get(account)
        {
            principal.granted = Some(*allowed);
        }
        if matches!(&principal.owner, Owner::User(user) if locked.contains(user)) {
            return Ok(());
        }
        each(key);
        Ok(())
    })
}

/// How many keys were ever made: not much more than work, and quickly counted.
///
/// # Errors
/// [`StoreError`].
pub fn count_made(tx: &mut Tx<'_>) -> Result<u64, StoreError> {
    tx.query_one("SELECT COUNT(*) FROM keys", &[])?.count(0)
}

/// One key, if it works.
///
/// # Errors
/// [`StoreError`].
pub fn active_by_id(tx: &mut Tx<'_>, id: &KeyId) -> Result<Option<ActiveKey>, StoreError> {
    Ok(active(tx, "AND k.id = $1", &[id.as_str().into()])?.pop())
}

/// The key with this digest, if it works.
///
/// # Errors
/// [`StoreError`].
pub fn active_by_digest(
    tx: &mut Tx<'_>,
    digest: &KeyDigest,
) -> Result<Option<ActiveKey>, StoreError> {
    Ok(active(tx, "AND k.digest = $1", &[digest.to_hex().into()])?.pop())
}

/// Whose a secret is or was, also if its key was revoked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// The key.
    pub key: KeyId,
    /// Its organization.
    pub organization: OrganizationId,
    /// Its project, if it has one.
    pub project: Option<ProjectId>,
}

/// Whose the secret with this digest is or was.
///
/// # Errors
/// [`StoreError`].
pub fn ever_of_digest(tx: &mut Tx<'_>, digest: &KeyDigest) -> Result<Option<Known>, StoreError> {
    let sql = "SELECT id, organization_id, project_id FROM keys WHERE digest = $1
               UNION ALL
               SELECT k.id, k.organization_id, k.project_id
               FROM retired_secrets s JOIN keys k ON k.id = s.key_id WHERE s.digest = $1";
    let row = tx.query_optional(sql, &[digest.to_hex().into()])?;
    row.map(|row| {
        Ok(Known {
            key: KeyId::new(row.text(0)?),
            organization: OrganizationId::new(row.text(1)?),
            project: row.opt_text(2)?.map(ProjectId::new),
        })
    })
    .transpose()
}

/// Every key of a project that works.
///
/// # Errors
/// [`StoreError`].
pub fn active_of_project(
    tx: &mut Tx<'_>,
    project: &ProjectId,
) -> Result<Vec<ActiveKey>, StoreError> {
    active(tx, "AND k.project_id = $1", &[project.as_str().into()])
}

/// Every key of a person that works.
///
/// # Errors
/// [`StoreError`].
pub fn active_of_user(tx: &mut Tx<'_>, user: &UserId) -> Result<Vec<ActiveKey>, StoreError> {
    active(tx, "AND k.user_id = $1", &[user.as_str().into()])
}

/// Every key of a person in an organization that works.
///
/// # Errors
/// [`StoreError`].
pub fn active_of_people(
    tx: &mut Tx<'_>,
    organization: &OrganizationId,
) -> Result<Vec<ActiveKey>, StoreError> {
    let filter = "AND k.organization_id = $1 AND k.user_id IS NOT NULL";
    active(tx, filter, &[organization.as_str().into()])
}

fn active(tx: &mut Tx<'_>, filter: &str, params: &[Value]) -> Result<Vec<ActiveKey>, StoreError> {
    let rows = tx.query(&format!("{ACTIVE} {filter}"), params)?;
    let mut owners = HashSet::new();
    for row in &rows {
        owners.extend(row.opt_text(3)?.map(UserId::new));
    }
    let held = HeldRoles::of_users(tx, &owners)?;
    let mut retired = rotation::retired(tx, filter, params)?;
    let mut shared = Shared::default();
    let key = |row: &Row| -> Result<ActiveKey, StoreError> {
        let mut key = active_key(row, &mut shared, &held)?;
        key.retired = retired.remove(&key.principal.key).unwrap_or_default();
        Ok(key)
    };
    rows.iter().map(key).collect()
}

/// Ids that many keys have in common: kept in memory once, however many keys there are.
#[derive(Default)]
struct Shared {
    organizations: HashMap<String, OrganizationId>,
    projects: HashMap<String, ProjectId>,
    users: HashMap<String, UserId>,
}

fn shared<T: Clone>(known: &mut HashMap<String, T>, text: &str, new: fn(&str) -> T) -> T {
    if let Some(id) = known.get(text) {
        return id.clone();
    }
    let id = new(text);
    known.insert(text.to_owned(), id.clone());
    id
}

fn active_key(row: &Row, ids: &mut Shared, held: &HeldRoles) -> Result<ActiveKey, StoreError> {
    let corrupt = |what: &str| StoreError::Corrupt(format!("a key has {what}"));
    let digest = KeyDigest::from_hex(row.text(0)?).ok_or_else(|| corrupt("no digest"))?;
    let restrictions = settings::read(row.opt_text(8)?, row.opt_text(9)?, row.opt_text(12)?)?;
    let owner = match (row.opt_text(3)?, row.opt_text(4)?) {
        (Some(user), None) => Owner::User(shared(&mut ids.users, user, UserId::new)),
        (user, account) => owner(user, account)?,
    };
    let organization = shared(&mut ids.organizations, row.text(5)?, OrganizationId::new);
    let project = row
        .opt_text(6)?
        .map(|project| shared(&mut ids.projects, project, ProjectId::new));
    let granted = match &owner {
        Owner::User(user) => held
            .standing(&organization, user, project.as_ref())
            .of_keys(),
        Owner::ServiceAccount(_) => Some(service_accounts::permissions(row.text(11)?)?),
    };
    let principal = Principal {
        key: KeyId::new(row.text(1)?),
        class: class(row.text(2)?)?,
        owner,
        organization,
        project,
        project_archived: row.opt_int(7)?.is_some(),
        restrictions,
        granted,
        expires_at: row.opt_int(10)?.map(AtUs),
    };
    Ok(ActiveKey {
        digest,
        retired: Vec::new(),
        principal,
    })
}

/// The class that a key is stored with.
pub(crate) fn class(word: &str) -> Result<KeyClass, StoreError> {
    KeyClass::from_word(word)
        .ok_or_else(|| StoreError::Corrupt(format!("a key is of the class {word}")))
}

fn owner(user: Option<&str>, service_account: Option<&str>) -> Result<Owner, StoreError> {
    match (user, service_account) {
        (Some(id), None) => Ok(Owner::User(UserId::new(id))),
        (None, Some(id)) => Ok(Owner::ServiceAccount(ServiceAccountId::new(id))),
        _ => Err(StoreError::Corrupt("a key needs one owner".into())),
    }
}

const SHOWN: &str = "SELECT k.id, k.name, k.redacted_value, k.class, k.user_id,
        k.service_account_id, k.created_at_us, k.expires_at_us, k.last_used_at_us,
        COALESCE(u.name, s.name), COALESCE(u.email, ''),
        COALESCE(s.role, CASE WHEN m.role = 'owner' THEN 'owner' ELSE p.role END, 'member'),
        COALESCE(u.created_at_us, s.created_at_us), k.organization_id, k.models, k.scopes,
        k.ip_ranges, (SELECT MAX(ends_at_us) FROM retired_secrets r WHERE r.key_id = k.id)
     FROM keys k
     LEFT JOIN users u ON u.id = k.user_id
     LEFT JOIN members m ON m.user_id = k.user_id AND m.organization_id = k.organization_id
     LEFT JOIN project_members p ON p.user_id = k.user_id AND p.project_id = k.project_id
     LEFT JOIN service_accounts s ON s.id = k.service_account_id
     WHERE k.revoked_at_us IS NULL";

/// Where a list of keys goes on: after the key made then, with this id.
pub type Cursor = (AtUs, KeyId);

/// The place of a key in its project's list; also of one that was revoked since, so that a list can
/// be walked while its keys are deleted.
///
/// # Errors
/// [`StoreError`].
pub fn cursor(
    tx: &mut Tx<'_>,
    project: &ProjectId,
    id: &KeyId,
) -> Result<Option<Cursor>, StoreError> {
    let sql = "SELECT created_at_us FROM keys WHERE project_id = $1 AND id = $2";
    let row = tx.query_optional(sql, &[project.as_str().into(), id.as_str().into()])?;
    row.map(|row| Ok((AtUs(row.int(0)?), id.clone())))
        .transpose()
}

/// Keys of a project, oldest first, at most `limit`, after `after`: all, or only those whose owner
/// has access to the project, or has not.
///
/// # Errors
/// [`StoreError`].
pub fn list(
    tx: &mut Tx<'_>,
    project: &ProjectId,
    has_access: Option<bool>,
    after: Option<&Cursor>,
    limit: i64,
) -> Result<Vec<KeyRow>, StoreError> {
    let most = usize::try_from(limit).unwrap_or(usize::MAX);
    let (mut found, mut after) = (Vec::new(), after.cloned());
    loop {
        let rows = page(tx, project, after.as_ref(), limit)?;
        let is_last = rows.len() < most;
        after = rows.last().map(|row| (row.created_at, row.id.clone()));
        let wanted = |row: &KeyRow| has_access.is_none_or(|it| it == row.owner_has_access);
        found.extend(rows.into_iter().filter(wanted));
        if is_last || found.len() >= most {
            found.truncate(most);
            return Ok(found);
        }
    }
}

fn page(
    tx: &mut Tx<'_>,
    project: &ProjectId,
    after: Option<&Cursor>,
    limit: i64,
) -> Result<Vec<KeyRow>, StoreError> {
    let (at, id) = after.map_or((i64::MIN, ""), |(at, id)| (at.0, id.as_str()));
    let sql = format!(
        "{SHOWN} AND k.project_id = $1 AND (k.created_at_us, k.id) > ($2, $3)
         ORDER BY k.created_at_us, k.id LIMIT $4"
    );
    let params = [project.as_str().into(), at.into(), id.into(), limit.into()];
    with_access(tx, project, &sql, &params)
}

/// One key of a project.
///
/// # Errors
/// [`StoreError`].
pub fn get(tx: &mut Tx<'_>, project: &ProjectId, id: &KeyId) -> Result<Option<KeyRow>, StoreError> {
    let sql = format!("{SHOWN} AND k.project_id = $1 AND k.id = $2");
    let params = [project.as_str().into(), id.as_str().into()];
    Ok(with_access(tx, project, &sql, &params)?.pop())
}

/// The keys that a query finds, each with whether its owner has access to the project.
fn with_access(
    tx: &mut Tx<'_>,
    project: &ProjectId,
    sql: &str,
    params: &[Value],
) -> Result<Vec<KeyRow>, StoreError> {
    let rows = tx.query(sql, params)?;
    let mut owners = HashSet::new();
    for row in &rows {
        owners.extend(row.opt_text(4)?.map(UserId::new));
    }
    let held = HeldRoles::of_users(tx, &owners)?;
    let key = |row: &Row| -> Result<KeyRow, StoreError> {
        let mut key = shown(row)?;
        if let Owner::User(user) = &key.owner.owner {
            let organization = OrganizationId::new(row.text(13)?);
            let standing = held.standing(&organization, user, Some(project));
            key.owner_has_access = standing.of_keys().is_some();
        }
        Ok(key)
    };
    rows.iter().map(key).collect()
}

fn shown(row: &Row) -> Result<KeyRow, StoreError> {
    Ok(KeyRow {
        id: KeyId::new(row.text(0)?),
        name: row.text(1)?.to_owned(),
        redacted_value: row.text(2)?.to_owned(),
        class: class(row.text(3)?)?,
        owner: OwnerRow {
            owner: owner(row.opt_text(4)?, row.opt_text(5)?)?,
            name: row.text(9)?.to_owned(),
            email: row.text(10)?.to_owned(),
            role: row.text(11)?.to_owned(),
            created_at: AtUs(row.int(12)?),
        },
        owner_has_access: true,
        created_at: AtUs(row.int(6)?),
        expires_at: row.opt_int(7)?.map(AtUs),
        last_used_at: row.opt_int(8)?.map(AtUs),
        restrictions: settings::read(row.opt_text(14)?, row.opt_text(15)?, row.opt_text(16)?)?,
        retired_until: row.opt_int(17)?.map(AtUs),
    })
}

/// Notes when keys were last used.
///
/// # Errors
/// [`StoreError`].
pub fn touch_last_used(tx: &mut Tx<'_>, uses: &[(KeyId, AtUs)]) -> Result<(), StoreError> {
    for (id, at) in uses {
        let sql = "UPDATE keys SET last_used_at_us = $2
                   WHERE id = $1 AND (last_used_at_us IS NULL OR last_used_at_us < $2)";
        tx.execute(sql, &[id.as_str().into(), at.0.into()])?;
    }
    Ok(())
}
