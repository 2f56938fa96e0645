//! People: users, how they come to be, and how they are recognised.

use domain::people::throttle::Throttle;
use domain::time::{AtUs, DAY_US, MINUTE_US};

use crate::{StoreError, Tx};

pub mod challenges;
pub mod codes;
pub mod factors;
pub mod identities;
pub mod joins;
pub mod passkeys;
pub mod password_resets;
pub mod pending_sign_ins;
pub mod recovery_codes;
pub mod sessions;
pub mod sign_in_places;
pub mod signups;
pub mod sso_attempts;
pub mod throttles;
pub mod totp;
pub mod trials;
pub mod users;
pub mod ways;

/// How often what is over is forgotten: once in this time, whichever process comes first.
const TURNS: Throttle = Throttle {
    name: "forget",
    every_us: 10 * MINUTE_US,
    burst: 1,
};

/// Whether nobody has forgotten what is over for a while: then [`forget_in_turn`] is worth a write.
///
/// # Errors
/// [`StoreError`].
pub fn is_due(tx: &mut Tx<'_>, now: AtUs) -> Result<bool, StoreError> {
    Ok(throttles::check(tx, &TURNS, "", now)?.is_ok())
}

/// As [`forget`], if no other process of this installation did it a short time ago, or is at it.
///
/// # Errors
/// [`StoreError`].
pub fn forget_in_turn(tx: &mut Tx<'_>, now: AtUs) -> Result<Option<u64>, StoreError> {
    match throttles::take(tx, &TURNS, "", now)? {
        Ok(()) => forget(tx, now).map(Some),
        Err(_) => Ok(None),
    }
}

/// Forgets what is over: sessions, sign-ups, codes, links and what strangers tried. What remains of
/// it longer does no harm, so this may be called at any time, or late. Answers how much was
/// forgotten.
///
/// # Errors
/// [`StoreError`].
pub fn forget(tx: &mut Tx<'_>, now: AtUs) -> Result<u64, StoreError> {
    let mut forgotten = sessions::forget(tx, now)? + throttles::forget(tx, now)?;
    forgotten += sso_attempts::forget(tx, now)?;
    for sql in [
        "DELETE FROM signups WHERE begun_at_us < $1",
        "DELETE FROM password_resets WHERE begun_at_us < $1",
        "DELETE FROM codes WHERE sent_at_us < $1",
        "DELETE FROM passkey_challenges WHERE begun_at_us < $1",
        "DELETE FROM totp_enrolments WHERE begun_at_us < $1",
        "DELETE FROM pending_sign_ins WHERE begun_at_us < $1",
    ] {
        // Each is over within an hour; a day leaves room for a clock that goes back.
        forgotten += tx.execute(sql, &[now.plus(-DAY_US).0.into()])?;
    }
    Ok(forgotten)
}
