//! Sessions: who is signed in where. They are found by the digest of what the cookie carries.

use domain::id::{SessionId, UserId};
use domain::people::factor::Factor;
use domain::people::secret::BearerDigest;
use domain::people::session::{IDLE_US, Lifetime};
use domain::time::AtUs;

use crate::{Row, StoreError, Tx};

/// A session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// Its id, which lets nobody in.
    pub id: SessionId,
    /// Who is signed in.
    pub user: UserId,
    /// When it began, and when it ends.
    pub lifetime: Lifetime,
    /// How its holder signed in, such as `password`.
    pub method: String,
    /// The second factor that its holder showed, if any.
    pub second_factor: Option<String>,
    /// The address that its holder signed in from.
    pub ip_address: Option<String>,
    /// What the program that they signed in with calls itself.
    pub user_agent: Option<String>,
}

/// The most sessions that a user has at once; a further one ends the oldest.
const MOST_OF_USER: i64 = 100;

/// Begins a session.
///
/// # Errors
/// [`StoreError`].
pub fn begin(tx: &mut Tx<'_>, digest: &BearerDigest, session: &Session) -> Result<(), StoreError> {
    tx.execute_one(
        "INSERT INTO sessions (digest, id, user_id, began_at_us, seen_at_us, proved_at_us,
                               method, second_factor, ip_address, user_agent)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        &[
            digest.as_hex().into(),
            session.id.as_str().into(),
            session.user.as_str().into(),
            session.lifetime.began_at.0.into(),
            session.lifetime.seen_at.0.into(),
            session.lifetime.proved_at.0.into(),
            session.method.as_str().into(),
            session.second_factor.as_deref().into(),
            session.ip_address.as_deref().into(),
            session.user_agent.as_deref().into(),
        ],
    )?;
    tx.execute(
        "DELETE FROM sessions WHERE user_id = $1 AND id NOT IN (
             SELECT id FROM sessions WHERE user_id = $1 ORDER BY began_at_us DESC, id LIMIT $2)",
        &[session.user.as_str().into(), MOST_OF_USER.into()],
    )?;
    Ok(())
}

const COLUMNS: &str = "id, user_id, began_at_us, seen_at_us, proved_at_us, method, second_factor,
                       ip_address, user_agent";

/// The session that a cookie stands for, if it is not over.
///
/// # Errors
/// [`StoreError`].
pub fn find(
    tx: &mut Tx<'_>,
    digest: &BearerDigest,
    now: AtUs,
) -> Result<Option<Session>, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM sessions WHERE digest = $1");
    let row = tx.query_optional(&sql, &[digest.as_hex().into()])?;
    let session = row.as_ref().map(from_row).transpose()?;
    Ok(session.filter(|session| !session.lifetime.is_over(now)))
}

/// A user's sessions that are not over, the latest first.
///
/// # Errors
/// [`StoreError`].
pub fn list(tx: &mut Tx<'_>, user: &UserId, now: AtUs) -> Result<Vec<Session>, StoreError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM sessions WHERE user_id = $1 ORDER BY began_at_us DESC, id LIMIT $2"
    );
    let rows = tx.query(&sql, &[user.as_str().into(), MOST_OF_USER.into()])?;
    let mut sessions = rows.iter().map(from_row).collect::<Result<Vec<_>, _>>()?;
    sessions.retain(|session| !session.lifetime.is_over(now));
    Ok(sessions)
}

/// Writes that a session is in use.
///
/// # Errors
/// [`StoreError`].
pub fn note_seen(tx: &mut Tx<'_>, id: &SessionId, now: AtUs) -> Result<(), StoreError> {
    let sql = "UPDATE sessions SET seen_at_us = $2 WHERE id = $1 AND seen_at_us < $2";
    tx.execute(sql, &[id.as_str().into(), now.0.into()])?;
    Ok(())
}

/// Writes that its holder proved who they are.
///
/// # Errors
/// [`StoreError`].
pub fn note_proof(tx: &mut Tx<'_>, id: &SessionId, now: AtUs) -> Result<(), StoreError> {
    let sql = "UPDATE sessions SET proved_at_us = $2 WHERE id = $1";
    tx.execute(sql, &[id.as_str().into(), now.0.into()])?;
    Ok(())
}

/// Writes that its holder showed a second factor.
///
/// # Errors
/// [`StoreError`].
pub fn note_factor(
    tx: &mut Tx<'_>,
    id: &SessionId,
    factor: Factor,
    now: AtUs,
) -> Result<(), StoreError> {
    let sql = "UPDATE sessions SET second_factor = $2, proved_at_us = $3 WHERE id = $1";
    tx.execute(
        sql,
        &[id.as_str().into(), factor.as_str().into(), now.0.into()],
    )?;
    Ok(())
}

/// Ends a session of a user; false if there is none with this id.
///
/// # Errors
/// [`StoreError`].
pub fn end(tx: &mut Tx<'_>, user: &UserId, id: &SessionId) -> Result<bool, StoreError> {
    let sql = "DELETE FROM sessions WHERE user_id = $1 AND id = $2";
    let ended = tx.execute(sql, &[user.as_str().into(), id.as_str().into()])?;
    Ok(ended == 1)
}

/// Ends every session of a user but `kept`; answers how many.
///
/// # Errors
/// [`StoreError`].
pub fn end_others(
    tx: &mut Tx<'_>,
    user: &UserId,
    kept: Option<&SessionId>,
) -> Result<u64, StoreError> {
    let kept = kept.map_or("", SessionId::as_str);
    let sql = "DELETE FROM sessions WHERE user_id = $1 AND id <> $2";
    tx.execute(sql, &[user.as_str().into(), kept.into()])
}

/// Forgets sessions that nobody used for too long.
pub(super) fn forget(tx: &mut Tx<'_>, now: AtUs) -> Result<u64, StoreError> {
    let sql = "DELETE FROM sessions WHERE seen_at_us <= $1";
    tx.execute(sql, &[now.plus(-IDLE_US).0.into()])
}

fn from_row(row: &Row) -> Result<Session, StoreError> {
    Ok(Session {
        id: SessionId::new(row.text(0)?),
        user: UserId::new(row.text(1)?),
        lifetime: Lifetime {
            began_at: AtUs(row.int(2)?),
            seen_at: AtUs(row.int(3)?),
            proved_at: AtUs(row.int(4)?),
        },
        method: row.text(5)?.to_owned(),
        second_factor: row.opt_text(6)?.map(ToOwned::to_owned),
        ip_address: row.opt_text(7)?.map(ToOwned::to_owned),
        user_agent: row.opt_text(8)?.map(ToOwned::to_owned),
    })
}
