//! Passkeys: what is kept of each, by the id that authenticators give it.

use domain::id::{PasskeyId, UserId};
use domain::time::AtUs;

use crate::{Row, StoreError, Tx};

/// A passkey.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Passkey {
    /// Its id here.
    pub id: PasskeyId,
    /// Whose it is.
    pub user: UserId,
    /// The id that its authenticator knows it by, base64url.
    pub credential_id: String,
    /// Its COSE key, base64url.
    pub public_key: String,
    /// How often it signed, as far as was told; 0 if it does not count.
    pub sign_count: u32,
    /// Whether its authenticator ever knew who was there.
    pub is_user_verified: bool,
    /// Whether it can be copied to other devices of its owner.
    pub is_backup_eligible: bool,
    /// Whether it was.
    pub is_backed_up: bool,
    /// How its authenticator can be reached, such as `usb`; words of WebAuthn.
    pub transports: Vec<String>,
    /// What its owner calls it.
    pub name: String,
    /// When it was added.
    pub created_at: AtUs,
    /// When it was used to sign in.
    pub last_used_at: Option<AtUs>,
}

/// What changes of a passkey when it is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Use {
    /// How often it signed.
    pub sign_count: u32,
    /// Whether its authenticator knew who was there.
    pub is_user_verified: bool,
    /// Whether it was copied.
    pub is_backed_up: bool,
}

/// The most passkeys that a user may have.
pub const MOST_OF_USER: usize = 20;

/// Keeps a passkey; false if one with this credential id is known already.
///
/// # Errors
/// [`StoreError`].
pub fn create(tx: &mut Tx<'_>, passkey: &Passkey) -> Result<bool, StoreError> {
    let created = tx.execute(
        "INSERT INTO passkeys (id, user_id, credential_id, public_key, sign_count,
                               is_user_verified, is_backup_eligible, is_backed_up, transports,
                               name, created_at_us)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
         ON CONFLICT (credential_id) DO NOTHING",
        &[
            passkey.id.as_str().into(),
            passkey.user.as_str().into(),
            passkey.credential_id.as_str().into(),
            passkey.public_key.as_str().into(),
            i64::from(passkey.sign_count).into(),
            i64::from(passkey.is_user_verified).into(),
            i64::from(passkey.is_backup_eligible).into(),
            i64::from(passkey.is_backed_up).into(),
            passkey.transports.join(" ").into(),
            passkey.name.as_str().into(),
            passkey.created_at.0.into(),
        ],
    )?;
    Ok(created == 1)
}

const COLUMNS: &str = "id, user_id, credential_id, public_key, sign_count, is_user_verified,
                       is_backup_eligible, is_backed_up, transports, name, created_at_us,
                       last_used_at_us";

/// The passkey that an authenticator knows by this id.
///
/// # Errors
/// [`StoreError`].
pub fn by_credential(tx: &mut Tx<'_>, credential_id: &str) -> Result<Option<Passkey>, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM passkeys WHERE credential_id = $1");
    let row = tx.query_optional(&sql, &[credential_id.into()])?;
    row.as_ref().map(from_row).transpose()
}

/// A user's passkeys, the oldest first.
///
/// # Errors
/// [`StoreError`].
pub fn list(tx: &mut Tx<'_>, user: &UserId) -> Result<Vec<Passkey>, StoreError> {
    let sql =
        format!("SELECT {COLUMNS} FROM passkeys WHERE user_id = $1 ORDER BY created_at_us, id");
    let rows = tx.query(&sql, &[user.as_str().into()])?;
    rows.iter().map(from_row).collect()
}

/// A passkey of a user.
///
/// # Errors
/// [`StoreError`].
pub fn get(tx: &mut Tx<'_>, user: &UserId, id: &PasskeyId) -> Result<Option<Passkey>, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM passkeys WHERE user_id = $1 AND id = $2");
    let row = tx.query_optional(&sql, &[user.as_str().into(), id.as_str().into()])?;
    row.as_ref().map(from_row).transpose()
}

/// Calls a passkey something else.
///
/// # Errors
/// [`StoreError`].
pub fn rename(tx: &mut Tx<'_>, id: &PasskeyId, name: &str) -> Result<(), StoreError> {
    let sql = "UPDATE passkeys SET name = $2 WHERE id = $1";
    tx.execute_one(sql, &[id.as_str().into(), name.into()])
}

/// Writes that a passkey was used, if it is still as it was read; false if it was used or removed
/// meanwhile. Of two who come with the same count, one is the first.
///
/// # Errors
/// [`StoreError`].
pub fn note_use(
    tx: &mut Tx<'_>,
    passkey: &Passkey,
    used: &Use,
    now: AtUs,
) -> Result<bool, StoreError> {
    // Once its authenticator knew who was there, it is known to be able to.
    let noted = tx.execute(
        "UPDATE passkeys
         SET sign_count = $3, is_backed_up = $4, last_used_at_us = $5,
             is_user_verified = CASE WHEN is_user_verified = 1 THEN is_user_verified ELSE $6 END
         WHERE id = $1 AND sign_count = $2",
        &[
            passkey.id.as_str().into(),
            i64::from(passkey.sign_count).into(),
            i64::from(used.sign_count).into(),
            i64::from(used.is_backed_up).into(),
            now.0.into(),
            i64::from(used.is_user_verified).into(),
        ],
    )?;
    Ok(noted == 1)
}

/// Removes a passkey of a user; false if there is none with this id.
///
/// # Errors
/// [`StoreError`].
pub fn remove(tx: &mut Tx<'_>, user: &UserId, id: &PasskeyId) -> Result<bool, StoreError> {
    let sql = "DELETE FROM passkeys WHERE user_id = $1 AND id = $2";
    let removed = tx.execute(sql, &[user.as_str().into(), id.as_str().into()])?;
    Ok(removed == 1)
}

/// Removes every passkey of a user.
///
/// # Errors
/// [`StoreError`].
pub(super) fn remove_all(tx: &mut Tx<'_>, user: &UserId) -> Result<(), StoreError> {
    let sql = "DELETE FROM passkeys WHERE user_id = $1";
    tx.execute(sql, &[user.as_str().into()]).map(|_| ())
}

/// How many passkeys a user has.
///
/// # Errors
/// [`StoreError`].
pub fn count(tx: &mut Tx<'_>, user: &UserId) -> Result<usize, StoreError> {
    let sql = "SELECT COUNT(*) FROM passkeys WHERE user_id = $1";
    let count = tx.query_one(sql, &[user.as_str().into()])?.int(0)?;
    Ok(usize::try_from(count).unwrap_or(usize::MAX))
}

fn from_row(row: &Row) -> Result<Passkey, StoreError> {
    let count = row.int(4)?;
    let corrupt = |_| StoreError::Corrupt(format!("a passkey signed {count} times"));
    Ok(Passkey {
        id: PasskeyId::new(row.text(0)?),
        user: UserId::new(row.text(1)?),
        credential_id: row.text(2)?.to_owned(),
        public_key: row.text(3)?.to_owned(),
        sign_count: u32::try_from(count).map_err(corrupt)?,
        is_user_verified: row.int(5)? == 1,
        is_backup_eligible: row.int(6)? == 1,
        is_backed_up: row.int(7)? == 1,
        transports: row
            .text(8)?
            .split_whitespace()
            .map(ToOwned::to_owned)
            .collect(),
        name: row.text(9)?.to_owned(),
        created_at: AtUs(row.int(10)?),
        last_used_at: row.opt_int(11)?.map(AtUs),
    })
}
