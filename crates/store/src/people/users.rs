//! Users: people with a login.

mod list;

use domain::Entropy;
use domain::id::{KeyId, OrganizationId, ProjectId, UserId};
use domain::people::email::Email;
use domain::people::password::PasswordHash;
use domain::people::phone::Phone;
use domain::time::AtUs;

use super::pending_sign_ins;
use crate::changes::{self, ChangeKind};
use crate::{Row, StoreError, Tx};

pub use list::{Filter, list, place};

/// A user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// Their id.
    pub id: UserId,
    /// Their address, which is theirs alone.
    pub email: String,
    /// What they are called.
    pub name: String,
    /// Their phone number, if they proved one.
    pub phone: Option<String>,
    /// Whether they run this installation.
    pub is_operator: bool,
    /// When they were made.
    pub created_at: AtUs,
    /// Since when they are locked out, if they are.
    pub locked_at: Option<AtUs>,
}

/// Why an operator is not let go.
#[derive(Debug, thiserror::Error)]
pub enum OperatorError {
    /// Nobody could run the installation any more.
    #[error("an installation keeps an operator")]
    Last,
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A user to be made.
#[derive(Clone, Copy, Debug)]
pub struct NewUser<'a> {
    /// Their address.
    pub email: &'a str,
    /// What they are called.
    pub name: &'a str,
    /// The hash of their password, if they have one.
    pub password: Option<&'a PasswordHash>,
    /// Their phone number, if they proved one.
    pub phone: Option<&'a Phone>,
    /// Whether they run this installation.
    pub is_operator: bool,
}

/// An organization that a user belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Membership {
    /// Which.
    pub organization: OrganizationId,
    /// Its name.
    pub name: String,
    /// `owner` or `reader`.
    pub role: String,
    /// Its default project.
    pub default_project: ProjectId,
    /// Whether an operator suspended it.
    pub is_suspended: bool,
}

/// Makes a user.
///
/// # Errors
/// [`StoreError`]; [`StoreError::Conflict`] if the address is somebody's.
pub fn create(
    tx: &mut Tx<'_>,
    new: &NewUser<'_>,
    now: AtUs,
    entropy: Entropy,
) -> Result<UserId, StoreError> {
    let id = UserId::random(entropy);
    tx.execute_one(
        "INSERT INTO users (id, email, name, password_hash, phone, operator_since_us, created_at_us)
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
        &[
            id.as_str().into(),
            new.email.into(),
            new.name.into(),
            new.password.map(PasswordHash::expose).into(),
            new.phone.map(Phone::as_str).into(),
            new.is_operator.then_some(now.0).into(),
            now.0.into(),
        ],
    )?;
    Ok(id)
}

const COLUMNS: &str =
    "id, email, name, phone, operator_since_us, created_at_us, password_hash, locked_at_us";

/// A user.
///
/// # Errors
/// [`StoreError`].
pub fn get(tx: &mut Tx<'_>, id: &UserId) -> Result<Option<User>, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM users WHERE id = $1");
    let row = tx.query_optional(&sql, &[id.as_str().into()])?;
    row.as_ref().map(from_row).transpose()
}

/// The user with an address, and the hash of their password if they have one.
///
/// # Errors
/// [`StoreError`].
pub fn by_email(
    tx: &mut Tx<'_>,
    email: &Email,
) -> Result<Option<(User, Option<PasswordHash>)>, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM users WHERE email = $1");
    let row = tx.query_optional(&sql, &[email.as_str().into()])?;
    let with_hash = |row: Row| Ok((from_row(&row)?, hash_of(&row, 6)?));
    row.map(with_hash).transpose()
}

/// Lets nobody else change how a user signs in until the transaction ends.
///
/// # Errors
/// [`StoreError`].
pub fn keep_still(tx: &mut Tx<'_>, id: &UserId) -> Result<(), StoreError> {
    let sql = "UPDATE users SET id = id WHERE id = $1";
    tx.execute_one(sql, &[id.as_str().into()])
}

/// The hash of a user's password; none if they have none.
///
/// # Errors
/// [`StoreError`].
pub fn password(tx: &mut Tx<'_>, id: &UserId) -> Result<Option<PasswordHash>, StoreError> {
    let sql = "SELECT password_hash FROM users WHERE id = $1";
    hash_of(&tx.query_one(sql, &[id.as_str().into()])?, 0)
}

/// Gives a user another password. Links to choose one with are worth nothing any more, nor is what
/// somebody began with the old one.
///
/// # Errors
/// [`StoreError`].
pub fn set_password(
    tx: &mut Tx<'_>,
    id: &UserId,
    password: &PasswordHash,
) -> Result<(), StoreError> {
    let sql = "UPDATE users SET password_hash = $2 WHERE id = $1";
    tx.execute_one(sql, &[id.as_str().into(), password.expose().into()])?;
    let sql = "DELETE FROM password_resets WHERE user_id = $1";
    tx.execute(sql, &[id.as_str().into()])?;
    pending_sign_ins::end_all(tx, id)
}

/// Gives a user another address.
///
/// # Errors
/// [`StoreError`]; [`StoreError::Conflict`] if it is somebody's.
pub fn set_email(tx: &mut Tx<'_>, id: &UserId, email: &str) -> Result<(), StoreError> {
    let sql = "UPDATE users SET email = $2 WHERE id = $1";
    tx.execute_one(sql, &[id.as_str().into(), email.into()])
}

/// Gives a user another phone number.
///
/// # Errors
/// [`StoreError`].
pub fn set_phone(tx: &mut Tx<'_>, id: &UserId, phone: &str) -> Result<(), StoreError> {
    let sql = "UPDATE users SET phone = $2 WHERE id = $1";
    tx.execute_one(sql, &[id.as_str().into(), phone.into()])
}

/// Calls a user something else.
///
/// # Errors
/// [`StoreError`].
pub fn rename(tx: &mut Tx<'_>, id: &UserId, name: &str) -> Result<(), StoreError> {
    let sql = "UPDATE users SET name = $2 WHERE id = $1";
    tx.execute_one(sql, &[id.as_str().into(), name.into()])
}

/// Locks a user out: their sessions end, and their keys work on no server that hears of it. False
/// if they were locked out already.
///
/// # Errors
/// [`OperatorError`].
pub fn lock(tx: &mut Tx<'_>, id: &UserId, now: AtUs) -> Result<bool, OperatorError> {
    keep_an_operator(tx, id)?;
    let sql = "UPDATE users SET locked_at_us = $2 WHERE id = $1 AND locked_at_us IS NULL";
    let locked = tx.execute(sql, &[id.as_str().into(), now.0.into()])?;
    super::sessions::end_others(tx, id, None)?;
    pending_sign_ins::end_all(tx, id)?;
    Ok(told_of_keys(tx, locked, id, now)?)
}

/// Lets a user in again; false if they were not locked out.
///
/// # Errors
/// [`StoreError`].
pub fn unlock(tx: &mut Tx<'_>, id: &UserId, now: AtUs) -> Result<bool, StoreError> {
    let sql = "UPDATE users SET locked_at_us = NULL WHERE id = $1 AND locked_at_us IS NOT NULL";
    let unlocked = tx.execute(sql, &[id.as_str().into()])?;
    told_of_keys(tx, unlocked, id, now)
}

/// Tells servers that the keys of a user work, or do not, if that changed.
fn told_of_keys(tx: &mut Tx<'_>, changed: u64, id: &UserId, now: AtUs) -> Result<bool, StoreError> {
    if changed == 0 {
        return Ok(false);
    }
    let sql = "SELECT id FROM keys WHERE user_id = $1 AND revoked_at_us IS NULL";
    for row in tx.query(sql, &[id.as_str().into()])? {
        let key = KeyId::new(row.text(0)?);
        changes::record(tx, ChangeKind::Key, key.as_str(), now)?;
    }
    Ok(true)
}

/// Makes a user an operator; false if they are one.
///
/// # Errors
/// [`StoreError`].
pub fn make_operator(tx: &mut Tx<'_>, id: &UserId, now: AtUs) -> Result<bool, StoreError> {
    let sql = "UPDATE users SET operator_since_us = $2 WHERE id = $1 AND operator_since_us IS NULL";
    Ok(tx.execute(sql, &[id.as_str().into(), now.0.into()])? == 1)
}

/// The operators who can sign in.
///
/// # Errors
/// [`StoreError`].
pub fn operators(tx: &mut Tx<'_>) -> Result<Vec<User>, StoreError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM users WHERE operator_since_us IS NOT NULL AND locked_at_us IS NULL
         ORDER BY operator_since_us, id"
    );
    tx.query(&sql, &[])?.iter().map(from_row).collect()
}

/// Takes the operator's role from a user; false if they are none.
///
/// # Errors
/// [`OperatorError`].
pub fn unmake_operator(tx: &mut Tx<'_>, id: &UserId) -> Result<bool, OperatorError> {
    keep_an_operator(tx, id)?;
    let sql =
        "UPDATE users SET operator_since_us = NULL WHERE id = $1 AND operator_since_us IS NOT NULL";
    Ok(tx.execute(sql, &[id.as_str().into()])? == 1)
}

/// Refuses to lose the last operator who can sign in. Whoever takes one away at the same time waits
/// here.
fn keep_an_operator(tx: &mut Tx<'_>, id: &UserId) -> Result<(), OperatorError> {
    changes::lock(tx)?;
    let sql = "SELECT id FROM users
               WHERE operator_since_us IS NOT NULL AND locked_at_us IS NULL LIMIT 2";
    match tx.query(sql, &[])?.as_slice() {
        [only] if only.text(0)? == id.as_str() => Err(OperatorError::Last),
        _ => Ok(()),
    }
}

/// The organizations that a user belongs to, in the order in which they came to them.
///
/// # Errors
/// [`StoreError`].
pub fn memberships(tx: &mut Tx<'_>, id: &UserId) -> Result<Vec<Membership>, StoreError> {
    let rows = tx.query(
        "SELECT o.id, o.name, m.role, p.id, o.suspended_at_us
         FROM members m
         JOIN organizations o ON o.id = m.organization_id
         JOIN projects p ON p.organization_id = o.id AND p.default_since_us IS NOT NULL
         WHERE m.user_id = $1 ORDER BY m.added_at_us, o.id",
        &[id.as_str().into()],
    )?;
    let membership = |row: &Row| {
        Ok(Membership {
            organization: OrganizationId::new(row.text(0)?),
            name: row.text(1)?.to_owned(),
            role: row.text(2)?.to_owned(),
            default_project: ProjectId::new(row.text(3)?),
            is_suspended: row.opt_int(4)?.is_some(),
        })
    };
    rows.iter().map(membership).collect()
}

fn from_row(row: &Row) -> Result<User, StoreError> {
    Ok(User {
        id: UserId::new(row.text(0)?),
        email: row.text(1)?.to_owned(),
        name: row.text(2)?.to_owned(),
        phone: row.opt_text(3)?.map(ToOwned::to_owned),
        is_operator: row.opt_int(4)?.is_some(),
        created_at: AtUs(row.int(5)?),
        locked_at: row.opt_int(7)?.map(AtUs),
    })
}

fn hash_of(row: &Row, column: usize) -> Result<Option<PasswordHash>, StoreError> {
    let hash = row.opt_text(column)?;
    Ok(hash.map(|hash| PasswordHash::new(hash.to_owned())))
}
