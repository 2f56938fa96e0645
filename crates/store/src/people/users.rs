//! Users: people with a login.

use domain::Entropy;
use domain::id::{OrganizationId, ProjectId, UserId};
use domain::people::email::Email;
use domain::people::password::PasswordHash;
use domain::people::phone::Phone;
use domain::time::AtUs;

use super::pending_sign_ins;
use crate::{Row, StoreError, Tx};

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

const COLUMNS: &str = "id, email, name, phone, operator_since_us, created_at_us, password_hash";

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

/// The organizations that a user belongs to, in the order in which they came to them.
///
/// # Errors
/// [`StoreError`].
pub fn memberships(tx: &mut Tx<'_>, id: &UserId) -> Result<Vec<Membership>, StoreError> {
    let rows = tx.query(
        "SELECT o.id, o.name, m.role, p.id
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
    })
}

fn hash_of(row: &Row, column: usize) -> Result<Option<PasswordHash>, StoreError> {
    let hash = row.opt_text(column)?;
    Ok(hash.map(|hash| PasswordHash::new(hash.to_owned())))
}
