//! Authenticator apps: the one that a user has, and the one that they are about to add.
//!
//! Whoever reads the secret of one makes its codes, so it is kept sealed ([`domain::sealed`]): the
//! database, or a backup of it, is no second factor. It opens in its user's row only.

use domain::Entropy;
use domain::id::UserId;
use domain::people::totp::TotpSecret;
use domain::sealed::SealingKey;
use domain::time::{AtUs, MINUTE_US};

use crate::{Row, StoreError, Tx, Value};

/// How long there is to show a code of an app that is to be added.
pub const ENROLMENT_US: i64 = 15 * MINUTE_US;

/// Begins to add an app. It counts for nothing until a code of it was shown.
///
/// # Errors
/// [`StoreError`].
pub fn begin(
    tx: &mut Tx<'_>,
    user: &UserId,
    secret: &TotpSecret,
    (key, entropy): (&SealingKey, Entropy),
    now: AtUs,
) -> Result<(), StoreError> {
    let sealed = key.seal(secret.expose().as_bytes(), &place(user), entropy);
    tx.execute_one(
        "INSERT INTO totp_enrolments (user_id, secret, begun_at_us) VALUES ($1, $2, $3)
         ON CONFLICT (user_id) DO UPDATE
         SET secret = EXCLUDED.secret, begun_at_us = EXCLUDED.begun_at_us",
        &[
            user.as_str().into(),
            Value::Bytes(sealed.into()),
            now.0.into(),
        ],
    )
}

/// Adds the app that was begun, in place of an earlier one, if this is a code of it.
///
/// # Errors
/// [`StoreError`]; [`StoreError::Sealed`] if another key than this sealed the secret. And inside,
/// why nothing was added.
pub fn confirm(
    tx: &mut Tx<'_>,
    user: &UserId,
    typed: &str,
    key: &SealingKey,
    now: AtUs,
) -> Result<Result<(), NotConfirmed>, StoreError> {
    // Locks the row, so that two who confirm at once do so one after the other.
    let sql = "UPDATE totp_enrolments SET begun_at_us = begun_at_us
               WHERE user_id = $1 AND begun_at_us > $2 RETURNING secret";
    let oldest = now.plus(-ENROLMENT_US);
    let Some(row) = tx.query_optional(sql, &[user.as_str().into(), oldest.0.into()])? else {
        return Ok(Err(NotConfirmed::Over));
    };
    let secret = opened(&row, user, key)?;
    let Some(step) = secret.step_of(typed, now, 0) else {
        return Ok(Err(NotConfirmed::Wrong));
    };
    tx.execute_one(
        "INSERT INTO totp (user_id, secret, last_step, added_at_us) VALUES ($1, $2, $3, $4)
         ON CONFLICT (user_id) DO UPDATE
         SET secret = EXCLUDED.secret, last_step = EXCLUDED.last_step,
             added_at_us = EXCLUDED.added_at_us",
        &[
            user.as_str().into(),
            Value::Bytes(row.bytes(0)?.clone()),
            step.into(),
            now.0.into(),
        ],
    )?;
    let sql = "DELETE FROM totp_enrolments WHERE user_id = $1";
    tx.execute_one(sql, &[user.as_str().into()])?;
    Ok(Ok(()))
}

/// Why an app was not added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotConfirmed {
    /// Nothing was begun, or too long ago.
    Over,
    /// This is no code of it.
    Wrong,
}

/// When a user added their app; none if they have none.
///
/// # Errors
/// [`StoreError`].
pub fn added_at(tx: &mut Tx<'_>, user: &UserId) -> Result<Option<AtUs>, StoreError> {
    let sql = "SELECT added_at_us FROM totp WHERE user_id = $1";
    let row = tx.query_optional(sql, &[user.as_str().into()])?;
    row.map(|row| row.int(0).map(AtUs)).transpose()
}

/// Whether this is a code of the user's app that was not used, nor an earlier one than was; then it
/// is used up.
///
/// # Errors
/// [`StoreError`]; [`StoreError::Sealed`] if another key than this sealed the secret.
pub fn take(
    tx: &mut Tx<'_>,
    user: &UserId,
    typed: &str,
    key: &SealingKey,
    now: AtUs,
) -> Result<bool, StoreError> {
    let sql = "SELECT secret, last_step FROM totp WHERE user_id = $1";
    let Some(row) = tx.query_optional(sql, &[user.as_str().into()])? else {
        return Ok(false);
    };
    let (secret, last_step) = (opened(&row, user, key)?, row.int(1)?);
    let Some(step) = secret.step_of(typed, now, last_step) else {
        return Ok(false);
    };
    // Of several who come with the same code, one is the first.
    let sql = "UPDATE totp SET last_step = $2 WHERE user_id = $1 AND last_step < $2";
    let taken = tx.execute(sql, &[user.as_str().into(), step.into()])?;
    Ok(taken == 1)
}

/// Removes a user's app, and one that they began to add; false if they had none.
///
/// # Errors
/// [`StoreError`].
pub fn remove(tx: &mut Tx<'_>, user: &UserId) -> Result<bool, StoreError> {
    let key = [user.as_str().into()];
    tx.execute("DELETE FROM totp_enrolments WHERE user_id = $1", &key)?;
    let removed = tx.execute("DELETE FROM totp WHERE user_id = $1", &key)?;
    Ok(removed == 1)
}

/// What a user's secrets are sealed for.
fn place(user: &UserId) -> String {
    format!("totp:{user}")
}

/// The secret in the first column, opened.
fn opened(row: &Row, user: &UserId, key: &SealingKey) -> Result<TotpSecret, StoreError> {
    let corrupt = || StoreError::Corrupt("an authenticator app has no secret".to_owned());
    let plain = key.open(row.bytes(0)?, &place(user))?;
    let text = std::str::from_utf8(&plain).map_err(|_| corrupt())?;
    TotpSecret::parse(text).ok_or_else(corrupt)
}
