//! What strangers tried, so that they cannot try for ever. [`domain::people::throttle`] says how
//! much is allowed.

use domain::people::throttle::Throttle;
use domain::time::AtUs;

use crate::{StoreError, Tx};

/// Takes one of what `throttle` allows for `subject`. Answers the instant from which one may be
/// taken again if there is none, and then takes nothing.
///
/// # Errors
/// [`StoreError`].
pub fn take(
    tx: &mut Tx<'_>,
    throttle: &Throttle,
    subject: &str,
    now: AtUs,
) -> Result<Result<(), AtUs>, StoreError> {
    let refused = check(tx, throttle, subject, now)?;
    if refused.is_err() {
        return Ok(refused);
    }
    // What `Throttle::take` says, as one statement: many may come at once.
    let taken = tx.execute(
        "INSERT INTO throttles (name, subject, empty_at_us)
         VALUES ($1, $2, CAST($3 AS BIGINT) + CAST($4 AS BIGINT))
         ON CONFLICT (name, subject) DO UPDATE
         SET empty_at_us = CASE WHEN throttles.empty_at_us < CAST($3 AS BIGINT)
                                THEN CAST($3 AS BIGINT) ELSE throttles.empty_at_us END
                           + CAST($4 AS BIGINT)
         WHERE throttles.empty_at_us <= CAST($3 AS BIGINT) + CAST($5 AS BIGINT)",
        &[
            throttle.name.into(),
            subject.into(),
            now.0.into(),
            throttle.every_us.into(),
            throttle.depth_us().into(),
        ],
    )?;
    match taken {
        1 => Ok(Ok(())),
        // Somebody else was faster; what is left now is read anew.
        _ => check(tx, throttle, subject, now),
    }
}

/// Whether `throttle` allows one for `subject`; takes nothing, so it is cheap.
///
/// # Errors
/// [`StoreError`].
pub fn check(
    tx: &mut Tx<'_>,
    throttle: &Throttle,
    subject: &str,
    now: AtUs,
) -> Result<Result<(), AtUs>, StoreError> {
    let sql = "SELECT empty_at_us FROM throttles WHERE name = $1 AND subject = $2";
    let row = tx.query_optional(sql, &[throttle.name.into(), subject.into()])?;
    let empty_at = row.map_or(Ok(0), |row| row.int(0))?;
    Ok(throttle.take(AtUs(empty_at), now).map(|_| ()))
}

/// Gives everything back: whoever it was proved to be no stranger.
///
/// # Errors
/// [`StoreError`].
pub fn clear(tx: &mut Tx<'_>, throttle: &Throttle, subject: &str) -> Result<(), StoreError> {
    let sql = "DELETE FROM throttles WHERE name = $1 AND subject = $2";
    tx.execute(sql, &[throttle.name.into(), subject.into()])?;
    Ok(())
}

/// Forgets buckets that are empty, as one that was never used is.
pub(super) fn forget(tx: &mut Tx<'_>, now: AtUs) -> Result<u64, StoreError> {
    let sql = "DELETE FROM throttles WHERE empty_at_us <= $1";
    tx.execute(sql, &[now.0.into()])
}
