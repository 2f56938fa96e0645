//! The second factors of a user, of whatever kind.

use domain::Entropy;
use domain::id::{UserId, random_base62};
use domain::message::{Letter, Message};
use domain::people::factor::FactorChange;
use domain::time::AtUs;
use serde_json::json;

use super::users::{self, User};
use super::{passkeys, pending_sign_ins, recovery_codes, totp};
use crate::audit::{self, Act, Actor, Event, Kind};
use crate::jobs::{self, Job};
use crate::{StoreError, Tx};

/// What a user has beside their password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Factors {
    /// Whether they have an authenticator app.
    pub has_totp: bool,
    /// How many passkeys they have.
    pub passkeys: usize,
    /// How many recovery codes they have left.
    pub recovery_codes: i64,
}

impl Factors {
    /// Whether a password alone does not let them in.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.has_totp || self.passkeys > 0
    }
}

/// What a user has.
///
/// # Errors
/// [`StoreError`].
pub fn of(tx: &mut Tx<'_>, user: &UserId) -> Result<Factors, StoreError> {
    Ok(Factors {
        has_totp: totp::added_at(tx, user)?.is_some(),
        passkeys: passkeys::count(tx, user)?,
        recovery_codes: recovery_codes::left(tx, user)?,
    })
}

/// Removes recovery codes that recover nothing, once the last factor is gone.
///
/// # Errors
/// [`StoreError`].
pub fn drop_idle_codes(tx: &mut Tx<'_>, user: &UserId) -> Result<(), StoreError> {
    match of(tx, user)?.is_on() {
        true => Ok(()),
        false => recovery_codes::remove(tx, user),
    }
}

/// Removes every factor of a user, so that their password alone lets them in; tells them by mail,
/// and the audit logs of their organizations. False if they had none.
///
/// # Errors
/// [`StoreError`].
pub fn reset(
    tx: &mut Tx<'_>,
    user: &User,
    actor: &Actor,
    now: AtUs,
    entropy: Entropy,
) -> Result<bool, StoreError> {
    if !of(tx, &user.id)?.is_on() {
        return Ok(false);
    }
    totp::remove(tx, &user.id)?;
    passkeys::remove_all(tx, &user.id)?;
    recovery_codes::remove(tx, &user.id)?;
    pending_sign_ins::end_all(tx, &user.id)?;
    let letter = Letter::SecondFactorsChanged {
        what: FactorChange::AllRemoved,
        at: now,
    };
    let job = Job {
        key: format!("second_factors_changed:{}", random_base62(24, entropy)),
        message: Message::Mail {
            to: user.email.clone(),
            letter,
        },
        expires_at: None,
    };
    jobs::enqueue(tx, &job, now, entropy)?;
    let event =
        Event::new(Kind::AccountUpdated, &user.id).changes(json!({"changed": ["second_factors"]}));
    for membership in users::memberships(tx, &user.id)? {
        let act = Act {
            actor,
            organization: &membership.organization,
            at: now,
            entropy,
        };
        audit::record(tx, &act, std::slice::from_ref(&event))?;
    }
    Ok(true)
}
