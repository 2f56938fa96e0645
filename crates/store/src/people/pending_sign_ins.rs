//! Sign-ins that wait for the second factor. Whoever holds the secret of one showed the first.

use domain::id::UserId;
use domain::people::secret::BearerDigest;
use domain::time::{AtUs, MINUTE_US};

use crate::{Row, StoreError, Tx};

/// How long there is to show the second factor.
pub const LIFETIME_US: i64 = 10 * MINUTE_US;
/// How often one may be tried.
pub const TRIES: i64 = 5;

/// A sign-in that waits for the second factor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pending {
    /// Who signs in.
    pub user: UserId,
    /// How: what was shown first, such as `password`.
    pub method: String,
    /// How often a second factor may still be tried.
    pub tries_left: i64,
}

/// Keeps a sign-in.
///
/// # Errors
/// [`StoreError`].
pub fn begin(
    tx: &mut Tx<'_>,
    digest: &BearerDigest,
    user: &UserId,
    method: &str,
    now: AtUs,
) -> Result<(), StoreError> {
    tx.execute_one(
        "INSERT INTO pending_sign_ins (digest, user_id, method, tries_left, begun_at_us)
         VALUES ($1, $2, $3, $4, $5)",
        &[
            digest.as_hex().into(),
            user.as_str().into(),
            method.into(),
            TRIES.into(),
            now.0.into(),
        ],
    )
}

/// A sign-in that is not over, and has a try left.
///
/// # Errors
/// [`StoreError`].
pub fn find(
    tx: &mut Tx<'_>,
    digest: &BearerDigest,
    now: AtUs,
) -> Result<Option<Pending>, StoreError> {
    let sql = "SELECT user_id, method, tries_left FROM pending_sign_ins
               WHERE digest = $1 AND tries_left > 0 AND begun_at_us > $2";
    let oldest = now.plus(-LIFETIME_US);
    let row = tx.query_optional(sql, &[digest.as_hex().into(), oldest.0.into()])?;
    row.as_ref().map(from_row).transpose()
}

/// Takes a try of a sign-in; none if it is over, or has none left.
///
/// The try counts only if the transaction is committed: a refusal must not end it with an error.
///
/// # Errors
/// [`StoreError`].
pub fn take_try(
    tx: &mut Tx<'_>,
    digest: &BearerDigest,
    now: AtUs,
) -> Result<Option<Pending>, StoreError> {
    let sql = "UPDATE pending_sign_ins SET tries_left = tries_left - 1
               WHERE digest = $1 AND tries_left > 0 AND begun_at_us > $2
               RETURNING user_id, method, tries_left";
    let oldest = now.plus(-LIFETIME_US);
    let row = tx.query_optional(sql, &[digest.as_hex().into(), oldest.0.into()])?;
    row.as_ref().map(from_row).transpose()
}

/// Uses a sign-in up; false if somebody was faster.
///
/// # Errors
/// [`StoreError`].
pub fn end(tx: &mut Tx<'_>, digest: &BearerDigest) -> Result<bool, StoreError> {
    let sql = "DELETE FROM pending_sign_ins WHERE digest = $1";
    let ended = tx.execute(sql, &[digest.as_hex().into()])?;
    Ok(ended == 1)
}

/// Ends every sign-in of a user that waits.
///
/// # Errors
/// [`StoreError`].
pub fn end_all(tx: &mut Tx<'_>, user: &UserId) -> Result<(), StoreError> {
    let sql = "DELETE FROM pending_sign_ins WHERE user_id = $1";
    tx.execute(sql, &[user.as_str().into()]).map(|_| ())
}

fn from_row(row: &Row) -> Result<Pending, StoreError> {
    Ok(Pending {
        user: UserId::new(row.text(0)?),
        method: row.text(1)?.to_owned(),
        tries_left: row.int(2)?,
    })
}
