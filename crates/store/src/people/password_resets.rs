//! Links to choose a new password with. Each works once, and none after the password was changed.

use domain::id::UserId;
use domain::people::secret::BearerDigest;
use domain::time::{AtUs, MINUTE_US};

use crate::{StoreError, Tx};

/// How long a link works.
pub const LIFETIME_US: i64 = 30 * MINUTE_US;

/// Keeps a link.
///
/// # Errors
/// [`StoreError`].
pub fn begin(
    tx: &mut Tx<'_>,
    digest: &BearerDigest,
    user: &UserId,
    now: AtUs,
) -> Result<(), StoreError> {
    tx.execute_one(
        "INSERT INTO password_resets (digest, user_id, begun_at_us) VALUES ($1, $2, $3)",
        &[digest.as_hex().into(), user.as_str().into(), now.0.into()],
    )
}

/// Whose password a link changes; none if it does not work, or not any more.
///
/// # Errors
/// [`StoreError`].
pub fn find(
    tx: &mut Tx<'_>,
    digest: &BearerDigest,
    now: AtUs,
) -> Result<Option<UserId>, StoreError> {
    let sql = "SELECT user_id FROM password_resets WHERE digest = $1 AND begun_at_us > $2";
    let oldest = now.plus(-LIFETIME_US);
    let row = tx.query_optional(sql, &[digest.as_hex().into(), oldest.0.into()])?;
    row.map(|row| row.text(0).map(UserId::new)).transpose()
}

/// Uses a link up; none if it does not work, or somebody was faster.
///
/// # Errors
/// [`StoreError`].
pub fn take(
    tx: &mut Tx<'_>,
    digest: &BearerDigest,
    now: AtUs,
) -> Result<Option<UserId>, StoreError> {
    let sql = "DELETE FROM password_resets WHERE digest = $1 AND begun_at_us > $2
               RETURNING user_id";
    let oldest = now.plus(-LIFETIME_US);
    let row = tx.query_optional(sql, &[digest.as_hex().into(), oldest.0.into()])?;
    row.map(|row| row.text(0).map(UserId::new)).transpose()
}
