//! Recovery codes, by their digests.

use domain::Entropy;
use domain::id::UserId;
use domain::people::recovery_code::{COUNT, RecoveryCode};
use domain::time::AtUs;

use crate::{StoreError, Tx};

/// Makes new codes for a user, in place of all earlier ones.
///
/// # Errors
/// [`StoreError`].
pub fn renew(
    tx: &mut Tx<'_>,
    user: &UserId,
    now: AtUs,
    entropy: Entropy,
) -> Result<Vec<RecoveryCode>, StoreError> {
    remove(tx, user)?;
    let mut codes = Vec::with_capacity(COUNT);
    for _ in 0..COUNT {
        let code = RecoveryCode::mint(entropy);
        tx.execute_one(
            "INSERT INTO recovery_codes (user_id, digest, made_at_us) VALUES ($1, $2, $3)",
            &[user.as_str().into(), code.digest(user).into(), now.0.into()],
        )?;
        codes.push(code);
    }
    Ok(codes)
}

/// Uses a code up; false if it is none of the user's, or was used.
///
/// # Errors
/// [`StoreError`].
pub fn take(tx: &mut Tx<'_>, user: &UserId, code: &RecoveryCode) -> Result<bool, StoreError> {
    let sql = "DELETE FROM recovery_codes WHERE user_id = $1 AND digest = $2";
    let taken = tx.execute(sql, &[user.as_str().into(), code.digest(user).into()])?;
    Ok(taken == 1)
}

/// How many codes a user has left.
///
/// # Errors
/// [`StoreError`].
pub fn left(tx: &mut Tx<'_>, user: &UserId) -> Result<i64, StoreError> {
    let sql = "SELECT COUNT(*) FROM recovery_codes WHERE user_id = $1";
    tx.query_one(sql, &[user.as_str().into()])?.int(0)
}

/// Removes a user's codes.
///
/// # Errors
/// [`StoreError`].
pub fn remove(tx: &mut Tx<'_>, user: &UserId) -> Result<(), StoreError> {
    let sql = "DELETE FROM recovery_codes WHERE user_id = $1";
    tx.execute(sql, &[user.as_str().into()]).map(|_| ())
}
