//! Where people signed in from: networks and programs that were seen with an account, so that one
//! that never was can be told of.

use domain::Entropy;
use domain::alert::{Alert, AlertEvent};
use domain::id::UserId;
use domain::time::{AtUs, DAY_US};

use super::users;
use crate::{StoreError, Tx, alerts};

/// How long a place is remembered that nobody signs in from.
const REMEMBERED_US: i64 = 180 * DAY_US;

/// A sign-in.
#[derive(Clone, Copy, Debug)]
pub struct SignIn<'a> {
    /// Who.
    pub user: &'a UserId,
    /// What makes it the only one, such as the session's id.
    pub id: &'a str,
    /// The program, such as "Firefox on Linux".
    pub device: &'a str,
    /// The network that it came from, as far as networks tell people apart.
    pub network: &'a str,
    /// The address.
    pub ip_address: &'a str,
}

/// Notes a sign-in. If neither the first of the account nor from a network and with a program that
/// were seen, the user is told by mail, and their organizations' webhooks are.
///
/// # Errors
/// [`StoreError`].
pub fn note(
    tx: &mut Tx<'_>,
    sign_in: &SignIn<'_>,
    now: AtUs,
    entropy: Entropy,
) -> Result<(), StoreError> {
    let user = sign_in.user;
    let oldest = now.plus(-REMEMBERED_US).0;
    let seen = tx.query_one(
        "SELECT COUNT(*), COUNT(CASE WHEN device = $2 THEN 1 END),
                COUNT(CASE WHEN network = $3 THEN 1 END)
         FROM sign_in_places WHERE user_id = $1 AND seen_at_us > $4",
        &[
            user.as_str().into(),
            sign_in.device.into(),
            sign_in.network.into(),
            oldest.into(),
        ],
    )?;
    tx.execute_one(
        "INSERT INTO sign_in_places (user_id, device, network, seen_at_us) VALUES ($1, $2, $3, $4)
         ON CONFLICT (user_id, device, network) DO UPDATE SET seen_at_us = EXCLUDED.seen_at_us",
        &[
            user.as_str().into(),
            sign_in.device.into(),
            sign_in.network.into(),
            now.0.into(),
        ],
    )?;
    tx.execute(
        "DELETE FROM sign_in_places WHERE user_id = $1 AND seen_at_us <= $2",
        &[user.as_str().into(), oldest.into()],
    )?;
    let is_first = seen.int(0)? == 0;
    if is_first || (seen.int(1)? > 0 && seen.int(2)? > 0) {
        return Ok(());
    }
    let Some(found) = users::get(tx, user)? else {
        return Ok(());
    };
    // One mail, however many organizations the user belongs to.
    let mut told = vec![found.email.clone()];
    for membership in users::memberships(tx, user)? {
        let event = AlertEvent::NewSignIn {
            user: user.clone(),
            email: found.email.clone(),
            device: sign_in.device.to_owned(),
            ip_address: sign_in.ip_address.to_owned(),
        };
        let alert = Alert::new(&membership.organization, sign_in.id, event);
        alerts::raise(tx, &alert.to(std::mem::take(&mut told)), now, entropy)?;
    }
    Ok(())
}
