//! The ways into an account: a password, accounts at providers, passkeys. The last one stays.

use domain::id::{IdentityId, PasskeyId, UserId};

use super::{identities, passkeys, users};
use crate::{StoreError, Tx, changes};

/// Which ways are open here now, beside passwords.
#[derive(Clone, Copy, Debug)]
pub struct Ways<'a> {
    /// The providers that can be signed in with.
    pub issuers: &'a [String],
    /// Whether passkeys can be used.
    pub passkeys: bool,
}

/// A way that is to be taken from a user.
#[derive(Clone, Copy, Debug)]
pub enum Taken<'a> {
    /// An account at a provider.
    Identity(&'a IdentityId),
    /// A passkey.
    Passkey(&'a PasskeyId),
}

/// Whether a user can sign in when a way is taken from them. Nobody else takes one until the
/// transaction ends: of two who take the last two at once, the second sees what the first left.
///
/// # Errors
/// [`StoreError`].
pub fn is_left(
    tx: &mut Tx<'_>,
    user: &UserId,
    taken: Taken<'_>,
    ways: &Ways<'_>,
) -> Result<bool, StoreError> {
    changes::lock(tx)?;
    if users::password(tx, user)?.is_some() {
        return Ok(true);
    }
    let works = |it: &identities::Identity| {
        let is_taken = matches!(taken, Taken::Identity(id) if *id == it.id);
        !is_taken && ways.issuers.contains(&it.who.issuer)
    };
    // After a password any passkey does; alone, only one whose owner it ever recognised.
    let lets_in = |it: &passkeys::Passkey| {
        let is_taken = matches!(taken, Taken::Passkey(id) if *id == it.id);
        !is_taken && it.is_user_verified
    };
    Ok(identities::list(tx, user)?.iter().any(works)
        || ways.passkeys && passkeys::list(tx, user)?.iter().any(lets_in))
}
