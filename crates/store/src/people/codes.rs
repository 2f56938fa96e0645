//! The codes that were sent, the latest one for each subject and purpose.

use domain::people::code::{CodeRefusal, Purpose, SentCode};
use domain::time::AtUs;

use crate::{Row, StoreError, Tx};

/// Keeps a code, in place of an earlier one for the same. `target` is where it was sent.
///
/// # Errors
/// [`StoreError`].
pub fn put(
    tx: &mut Tx<'_>,
    subject: &str,
    target: &str,
    code: &SentCode,
) -> Result<(), StoreError> {
    tx.execute_one(
        "INSERT INTO codes (subject, purpose, target, salt, digest, tries_left, sendings, sent_at_us)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
         ON CONFLICT (subject, purpose) DO UPDATE
         SET target = EXCLUDED.target, salt = EXCLUDED.salt, digest = EXCLUDED.digest,
             tries_left = EXCLUDED.tries_left, sendings = EXCLUDED.sendings,
             sent_at_us = EXCLUDED.sent_at_us",
        &[
            subject.into(),
            code.purpose.as_str().into(),
            target.into(),
            code.salt.as_str().into(),
            code.digest.as_str().into(),
            code.tries_left.into(),
            code.sendings.into(),
            code.sent_at.0.into(),
        ],
    )
}

const COLUMNS: &str = "target, salt, digest, tries_left, sendings, sent_at_us";

/// The code that was sent, and where.
///
/// # Errors
/// [`StoreError`].
pub fn get(
    tx: &mut Tx<'_>,
    subject: &str,
    purpose: Purpose,
) -> Result<Option<(String, SentCode)>, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM codes WHERE subject = $1 AND purpose = $2");
    let row = tx.query_optional(&sql, &[subject.into(), purpose.as_str().into()])?;
    let code = |row: Row| Ok((row.text(0)?.to_owned(), from_row(&row, purpose)?));
    row.map(code).transpose()
}

/// Holds what was typed against the code that was sent, and takes a try. A code that is right is
/// worth nothing afterwards; answered is where it was sent.
///
/// The try counts only if the transaction is committed: a refusal must not end it with an error.
///
/// # Errors
/// [`StoreError`].
pub fn check(
    tx: &mut Tx<'_>,
    subject: &str,
    purpose: Purpose,
    typed: &str,
    now: AtUs,
) -> Result<Result<String, CodeRefusal>, StoreError> {
    let key = [subject.into(), purpose.as_str().into()];
    // The update comes first, so that whoever tries at the same time waits for this one.
    let sql = format!(
        "UPDATE codes SET tries_left = tries_left - 1
         WHERE subject = $1 AND purpose = $2 AND tries_left > 0 RETURNING {COLUMNS}"
    );
    let Some(row) = tx.query_optional(&sql, &key)? else {
        let known = get(tx, subject, purpose)?.is_some();
        return Ok(Err(match known {
            true => CodeRefusal::NoTriesLeft,
            false => CodeRefusal::Expired,
        }));
    };
    let mut code = from_row(&row, purpose)?;
    code.tries_left += 1;
    let judged = code.check(typed, now);
    if judged.is_ok() {
        let sql = "DELETE FROM codes WHERE subject = $1 AND purpose = $2";
        tx.execute_one(sql, &key)?;
    }
    let target = row.text(0)?.to_owned();
    Ok(judged.map(|()| target))
}

fn from_row(row: &Row, purpose: Purpose) -> Result<SentCode, StoreError> {
    Ok(SentCode {
        purpose,
        salt: row.text(1)?.to_owned(),
        digest: row.text(2)?.to_owned(),
        tries_left: row.int(3)?,
        sendings: row.int(4)?,
        sent_at: AtUs(row.int(5)?),
    })
}
