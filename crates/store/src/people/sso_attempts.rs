//! Sign-ins by a provider that are under way: a browser was sent there, and is expected back.
//!
//! Kept are digests of two secrets: one that went with the browser's address to the provider and
//! comes back, and one in the browser's cookie, which does not leave it. Both are needed, once.

use domain::id::{InviteId, UserId};
use domain::people::secret::BearerDigest;
use domain::time::{AtUs, MINUTE_US};

use crate::{Row, StoreError, Tx};

/// Whoever comes back later begins again.
pub const LIFETIME_US: i64 = 10 * MINUTE_US;

/// A sign-in that is under way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// The id of the provider, as the configuration has it.
    pub provider: String,
    /// Where the browser goes afterwards: a path of the console.
    pub return_to: String,
    /// The invite that is to be accepted by whoever comes back without an account.
    pub invite: Option<InviteId>,
    /// Who links the identity that comes back to their account; nobody where it is to sign in.
    pub linking: Option<UserId>,
    /// When it was begun.
    pub begun_at: AtUs,
}

/// Keeps a sign-in that begins.
///
/// # Errors
/// [`StoreError`].
pub fn begin(
    tx: &mut Tx<'_>,
    state: &BearerDigest,
    browser: &BearerDigest,
    attempt: &Attempt,
) -> Result<(), StoreError> {
    tx.execute_one(
        "INSERT INTO sso_attempts (state_digest, browser_digest, provider, return_to, invite_id,
                                   linking_user_id, begun_at_us)
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
        &[
            state.as_hex().into(),
            browser.as_hex().into(),
            attempt.provider.as_str().into(),
            attempt.return_to.as_str().into(),
            attempt.invite.as_ref().map(InviteId::as_str).into(),
            attempt.linking.as_ref().map(UserId::as_str).into(),
            attempt.begun_at.0.into(),
        ],
    )
}

/// Whether a sign-in is under way. It stays so: whoever makes up answers of a provider must not
/// keep the database's writer busy.
///
/// # Errors
/// [`StoreError`].
pub fn is_known(
    tx: &mut Tx<'_>,
    state: &BearerDigest,
    browser: &BearerDigest,
) -> Result<bool, StoreError> {
    let sql = "SELECT provider FROM sso_attempts WHERE state_digest = $1 AND browser_digest = $2";
    let params = [state.as_hex().into(), browser.as_hex().into()];
    Ok(tx.query_optional(sql, &params)?.is_some())
}

/// Takes a sign-in that comes back: there is none a second time, nor for another browser.
///
/// # Errors
/// [`StoreError`].
pub fn take(
    tx: &mut Tx<'_>,
    state: &BearerDigest,
    browser: &BearerDigest,
    now: AtUs,
) -> Result<Option<Attempt>, StoreError> {
    let sql = "DELETE FROM sso_attempts WHERE state_digest = $1 AND browser_digest = $2
               RETURNING provider, return_to, invite_id, linking_user_id, begun_at_us";
    let params = [state.as_hex().into(), browser.as_hex().into()];
    let row = tx.query_optional(sql, &params)?;
    let attempt = row.as_ref().map(from_row).transpose()?;
    Ok(attempt.filter(|attempt| now.since(attempt.begun_at) < LIFETIME_US))
}

/// Forgets those that nobody came back from.
pub(super) fn forget(tx: &mut Tx<'_>, now: AtUs) -> Result<u64, StoreError> {
    let sql = "DELETE FROM sso_attempts WHERE begun_at_us <= $1";
    tx.execute(sql, &[now.plus(-LIFETIME_US).0.into()])
}

fn from_row(row: &Row) -> Result<Attempt, StoreError> {
    Ok(Attempt {
        provider: row.text(0)?.to_owned(),
        return_to: row.text(1)?.to_owned(),
        invite: row.opt_text(2)?.map(InviteId::new),
        linking: row.opt_text(3)?.map(UserId::new),
        begun_at: AtUs(row.int(4)?),
    })
}
