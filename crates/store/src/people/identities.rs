//! Identities: accounts at a provider that people sign in with.
//!
//! One is named by its issuer and the subject there, which stay the same for good. An address may
//! change hands, so it names nobody.

use domain::Entropy;
use domain::id::{IdentityId, UserId};
use domain::time::AtUs;

use super::ways::{self, Taken, Ways};
use crate::{Row, StoreError, Tx};

/// An identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Its id here.
    pub id: IdentityId,
    /// Who signs in with it.
    pub user: UserId,
    /// Whose account it is.
    pub who: Subject,
    /// The address that the provider told when it was last used.
    pub email: Option<String>,
    /// When it was linked to the user.
    pub linked_at: AtUs,
    /// When somebody last signed in with it.
    pub used_at: AtUs,
}

/// Names an account at a provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// The provider, by its address.
    pub issuer: String,
    /// The account there.
    pub subject: String,
}

/// A link to be made.
#[derive(Clone, Copy, Debug)]
pub struct Link<'a> {
    /// Who will sign in with it.
    pub user: &'a UserId,
    /// Whose account it is.
    pub who: &'a Subject,
    /// The address that the provider tells.
    pub email: Option<&'a str>,
}

/// Why an identity cannot be taken from its user.
#[derive(Debug, thiserror::Error)]
pub enum UnlinkError {
    /// There is none with this id, or it is another's.
    #[error("there is no such identity")]
    Gone,
    /// The user could not sign in any more.
    #[error("there is no other way to sign in")]
    LastWay,
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Links an account at a provider to a user.
///
/// # Errors
/// [`StoreError`]; [`StoreError::Conflict`] if it is linked already.
pub fn link(
    tx: &mut Tx<'_>,
    link: &Link<'_>,
    now: AtUs,
    entropy: Entropy,
) -> Result<IdentityId, StoreError> {
    let Link { user, who, email } = *link;
    let id = IdentityId::random(entropy);
    tx.execute_one(
        "INSERT INTO identities (id, user_id, issuer, subject, email, linked_at_us, used_at_us)
         VALUES ($1, $2, $3, $4, $5, $6, $6)",
        &[
            id.as_str().into(),
            user.as_str().into(),
            who.issuer.as_str().into(),
            who.subject.as_str().into(),
            email.into(),
            now.0.into(),
        ],
    )?;
    Ok(id)
}

const COLUMNS: &str = "id, user_id, issuer, subject, email, linked_at_us, used_at_us";

/// The identity of an account at a provider, if it is linked to anybody.
///
/// # Errors
/// [`StoreError`].
pub fn find(tx: &mut Tx<'_>, who: &Subject) -> Result<Option<Identity>, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM identities WHERE issuer = $1 AND subject = $2");
    let params = [who.issuer.as_str().into(), who.subject.as_str().into()];
    let row = tx.query_optional(&sql, &params)?;
    row.as_ref().map(from_row).transpose()
}

/// The identities of a user, in the order in which they were linked.
///
/// # Errors
/// [`StoreError`].
pub fn list(tx: &mut Tx<'_>, user: &UserId) -> Result<Vec<Identity>, StoreError> {
    let sql =
        format!("SELECT {COLUMNS} FROM identities WHERE user_id = $1 ORDER BY linked_at_us, id");
    let rows = tx.query(&sql, &[user.as_str().into()])?;
    rows.iter().map(from_row).collect()
}

/// Writes that somebody signs in with an identity, and which address the provider told.
///
/// # Errors
/// [`StoreError`].
pub fn note_used(
    tx: &mut Tx<'_>,
    id: &IdentityId,
    email: Option<&str>,
    now: AtUs,
) -> Result<(), StoreError> {
    let sql = "UPDATE identities SET email = $2, used_at_us = $3 WHERE id = $1";
    tx.execute_one(sql, &[id.as_str().into(), email.into(), now.0.into()])
}

/// Takes an identity from a user who can sign in otherwise.
///
/// # Errors
/// [`UnlinkError`].
pub fn unlink(
    tx: &mut Tx<'_>,
    user: &UserId,
    id: &IdentityId,
    open: &Ways<'_>,
) -> Result<Identity, UnlinkError> {
    let is_left = ways::is_left(tx, user, Taken::Identity(id), open)?;
    let gone = list(tx, user)?.into_iter().find(|it| it.id == *id);
    let gone = gone.ok_or(UnlinkError::Gone)?;
    if !is_left {
        return Err(UnlinkError::LastWay);
    }
    tx.execute_one(
        "DELETE FROM identities WHERE id = $1",
        &[id.as_str().into()],
    )?;
    Ok(gone)
}

fn from_row(row: &Row) -> Result<Identity, StoreError> {
    Ok(Identity {
        id: IdentityId::new(row.text(0)?),
        user: UserId::new(row.text(1)?),
        who: Subject {
            issuer: row.text(2)?.to_owned(),
            subject: row.text(3)?.to_owned(),
        },
        email: row.opt_text(4)?.map(ToOwned::to_owned),
        linked_at: AtUs(row.int(5)?),
        used_at: AtUs(row.int(6)?),
    })
}
