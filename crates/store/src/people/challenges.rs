//! What passkeys are asked to sign: each challenge is good for five minutes, for what it was given
//! out for, and once, whether the answer is right or not.

use domain::people::secret::BearerDigest;
use domain::time::{AtUs, MINUTE_US};

use crate::{StoreError, Tx};

/// How long there is to answer.
pub const LIFETIME_US: i64 = 5 * MINUTE_US;

/// What a challenge was given out for. An answer to it does for nothing else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// To add a passkey, in the session with this id.
    Register(String),
    /// To sign in, whoever it is.
    SignIn,
    /// To complete the sign-in with this digest.
    SecondStep(String),
    /// To prove once more who one is, in the session with this id.
    Proof(String),
}

impl Purpose {
    /// The word and the subject that it is stored as.
    fn parts(&self) -> (&'static str, &str) {
        match self {
            Purpose::Register(session) => ("register", session),
            Purpose::SignIn => ("sign_in", ""),
            Purpose::SecondStep(digest) => ("second_step", digest),
            Purpose::Proof(session) => ("proof", session),
        }
    }
}

/// Keeps a challenge. One that was given out for the same session or sign-in is worth nothing any
/// more, and what is over is forgotten.
///
/// # Errors
/// [`StoreError`].
pub fn begin(
    tx: &mut Tx<'_>,
    digest: &BearerDigest,
    purpose: &Purpose,
    now: AtUs,
) -> Result<(), StoreError> {
    let (word, subject) = purpose.parts();
    let oldest = now.plus(-LIFETIME_US);
    let sql = "DELETE FROM passkey_challenges
               WHERE begun_at_us <= $1 OR (purpose = $2 AND subject = $3 AND subject <> '')";
    tx.execute(sql, &[oldest.0.into(), word.into(), subject.into()])?;
    tx.execute_one(
        "INSERT INTO passkey_challenges (digest, purpose, subject, begun_at_us)
         VALUES ($1, $2, $3, $4)",
        &[
            digest.as_hex().into(),
            word.into(),
            subject.into(),
            now.0.into(),
        ],
    )
}

/// Uses a challenge up; false if it was never given out for this, was used, or is over. It is used
/// up only if the transaction is committed: a refusal must not end it with an error.
///
/// # Errors
/// [`StoreError`].
pub fn take(
    tx: &mut Tx<'_>,
    digest: &BearerDigest,
    purpose: &Purpose,
    now: AtUs,
) -> Result<bool, StoreError> {
    let (word, subject) = purpose.parts();
    let sql = "DELETE FROM passkey_challenges WHERE digest = $1
               RETURNING purpose, subject, begun_at_us";
    let Some(row) = tx.query_optional(sql, &[digest.as_hex().into()])? else {
        return Ok(false);
    };
    let is_for_this = (row.text(0)?, row.text(1)?) == (word, subject);
    Ok(is_for_this && row.int(2)? > now.plus(-LIFETIME_US).0)
}
