//! The change log: what a server must hear of when another process, or its own control plane,
//! changed who may do what, how much, or paid money in.
//!
//! A change is appended in the transaction that makes it. Its number comes from one row that the
//! transaction locks, so numbers appear in the order of commits and a reader never misses one.

use domain::time::AtUs;

use crate::{StoreError, Tx};

/// Where PostgreSQL tells servers that something was appended, which is a hint.
pub(crate) const CHANNEL: &str = "farebox_changes";

/// What a change is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ChangeKind {
    /// A key was made, changed or revoked; the reference is its id.
    Key,
    /// A project was changed or archived; the reference is its id.
    Project,
    /// What a user may do changed, as a member of something, of a group, or by a role; the
    /// reference is the user's id.
    User,
    /// What a role allows changed, or what a group may do; the reference is the organization's id.
    Roles,
    /// Money was paid into a wallet; the reference is the organization's id.
    Wallet,
    /// How an organization's auto-recharge stands, or is wanted, changed; the reference is its id.
    Recharge,
    /// A budget or rate limit was made, changed or removed; the reference is the organization's id.
    Limits,
    /// A model got a price, lost one that was to come, or was switched on or off; the reference is
    /// its public name.
    Model,
    /// A markup of an organization was made or ended; the reference is the organization's id.
    Markups,
    /// An organization was suspended, or is not any more; the reference is its id.
    Organization,
    /// Whether prompts of an organization are kept changed; the reference is the organization's id.
    Prompts,
    /// A kind that a newer program knows.
    Other,
}

impl ChangeKind {
    fn as_str(self) -> &'static str {
        match self {
            ChangeKind::Key => "key",
            ChangeKind::Project => "project",
            ChangeKind::User => "user",
            ChangeKind::Roles => "roles",
            ChangeKind::Wallet => "wallet",
            ChangeKind::Recharge => "recharge",
            ChangeKind::Limits => "limits",
            ChangeKind::Model => "model",
            ChangeKind::Markups => "markups",
            ChangeKind::Organization => "organization",
            ChangeKind::Prompts => "prompts",
            ChangeKind::Other => "other",
        }
    }

    fn from_word(word: &str) -> Self {
        let known = [
            ChangeKind::Key,
            ChangeKind::Project,
            ChangeKind::User,
            ChangeKind::Roles,
            ChangeKind::Wallet,
            ChangeKind::Recharge,
            ChangeKind::Limits,
            ChangeKind::Model,
            ChangeKind::Markups,
            ChangeKind::Organization,
            ChangeKind::Prompts,
        ];
        known
            .into_iter()
            .find(|kind| kind.as_str() == word)
            .unwrap_or(ChangeKind::Other)
    }
}

/// An entry of the change log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Its number; grows by one.
    pub seq: i64,
    /// What it is about.
    pub kind: ChangeKind,
    /// The id of the thing.
    pub reference: String,
}

/// Keeps every other transaction that would append to the log waiting until this one ends. Whoever
/// needs more than one lock takes this one first.
///
/// # Errors
/// [`StoreError`].
pub(crate) fn lock(tx: &mut Tx<'_>) -> Result<(), StoreError> {
    let sql = "UPDATE counters SET value = value WHERE name = 'changes'";
    tx.execute_one(sql, &[])
}

/// Appends a change to the log, in the transaction that makes it.
///
/// # Errors
/// [`StoreError`].
pub fn record(
    tx: &mut Tx<'_>,
    kind: ChangeKind,
    reference: &str,
    now: AtUs,
) -> Result<(), StoreError> {
    let next = "UPDATE counters SET value = value + 1 WHERE name = 'changes' RETURNING value";
    let seq = tx.query_one(next, &[])?.int(0)?;
    if !tx.is_sqlite() {
        tx.execute("SELECT pg_notify($1, '')", &[CHANNEL.into()])?;
    }
    tx.execute_one(
        "INSERT INTO change_log (seq, kind, ref, at_us) VALUES ($1, $2, $3, $4)",
        &[
            seq.into(),
            kind.as_str().into(),
            reference.into(),
            now.0.into(),
        ],
    )
}

/// The number of the latest change; zero if there is none.
///
/// # Errors
/// [`StoreError`].
pub fn latest(tx: &mut Tx<'_>) -> Result<i64, StoreError> {
    tx.query_one("SELECT value FROM counters WHERE name = 'changes'", &[])?
        .int(0)
}

/// Changes after `seq`, oldest first, at most `limit`.
///
/// # Errors
/// [`StoreError`].
pub fn after(tx: &mut Tx<'_>, seq: i64, limit: i64) -> Result<Vec<Change>, StoreError> {
    tx.query(
        "SELECT seq, kind, ref FROM change_log WHERE seq > $1 ORDER BY seq LIMIT $2",
        &[seq.into(), limit.into()],
    )?
    .iter()
    .map(|row| {
        Ok(Change {
            seq: row.int(0)?,
            kind: ChangeKind::from_word(row.text(1)?),
            reference: row.text(2)?.to_owned(),
        })
    })
    .collect()
}
