//! Proofs of the books that an operator asked a server for: one at a time in the whole
//! installation, with how far it is and what it found.
//!
//! A proof is a long read that holds nothing up. The server that runs it says now and then that it
//! does; one that has not for a while is given up, and another may begin.

use domain::id::VerificationId;
use domain::time::{AtUs, SECOND_US};

use crate::{Row, StoreError, Tx, changes};

/// A proof that was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verification {
    /// Its id.
    pub id: VerificationId,
    /// How far it is, or how it ended.
    pub state: State,
    /// Steps that are done.
    pub steps_done: u64,
    /// All its steps; zero until that is known.
    pub steps: u64,
    /// When it began.
    pub begun_at: AtUs,
    /// When it ended.
    pub ended_at: Option<AtUs>,
    /// What it found, as JSON.
    pub report: Option<String>,
}

/// How far a proof is, or how it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// A server is at it.
    Running,
    /// Every invariant holds.
    Proved,
    /// Some do not.
    Broken,
    /// The database could not be read to the end.
    Failed,
    /// Its server ended before it did.
    GivenUp,
}

impl State {
    const ALL: [State; 5] = [
        State::Running,
        State::Proved,
        State::Broken,
        State::Failed,
        State::GivenUp,
    ];

    /// The word it is shown as.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            State::Running => "running",
            State::Proved => "proved",
            State::Broken => "broken",
            State::Failed => "failed",
            State::GivenUp => "given_up",
        }
    }

    fn from_word(word: &str) -> Result<Self, StoreError> {
        let known = State::ALL.into_iter().find(|state| state.as_str() == word);
        known.ok_or_else(|| StoreError::Corrupt(format!("a verification is {word}")))
    }
}

/// A server that has said nothing of its proof for so long is not at it any more.
const SILENCE_US: i64 = 30 * SECOND_US;
/// How many proofs are remembered.
const KEPT: i64 = 100;

/// Begins a proof; false if one is running.
///
/// # Errors
/// [`StoreError`].
pub fn begin(tx: &mut Tx<'_>, id: &VerificationId, now: AtUs) -> Result<bool, StoreError> {
    // Two who begin at once wait for each other here.
    changes::lock(tx)?;
    tx.execute(
        "UPDATE verifications SET state = 'given_up', ended_at_us = $1
         WHERE state = 'running' AND seen_at_us < $2",
        &[now.0.into(), now.plus(-SILENCE_US).0.into()],
    )?;
    let running = "SELECT COUNT(*) FROM verifications WHERE state = 'running'";
    if tx.query_one(running, &[])?.count(0)? > 0 {
        return Ok(false);
    }
    tx.execute_one(
        "INSERT INTO verifications (id, state, steps_done, steps, begun_at_us, seen_at_us)
         VALUES ($1, 'running', 0, 0, $2, $2)",
        &[id.as_str().into(), now.0.into()],
    )?;
    tx.execute(
        "DELETE FROM verifications WHERE id NOT IN (
             SELECT id FROM verifications ORDER BY begun_at_us DESC, id DESC LIMIT $1)",
        &[KEPT.into()],
    )?;
    Ok(true)
}

/// Says how far a proof is; false if it was given up meanwhile.
///
/// # Errors
/// [`StoreError`].
pub fn note(
    tx: &mut Tx<'_>,
    id: &VerificationId,
    (steps_done, steps): (u64, u64),
    now: AtUs,
) -> Result<bool, StoreError> {
    let sql = "UPDATE verifications SET steps_done = $2, steps = $3, seen_at_us = $4
               WHERE id = $1 AND state = 'running'";
    let number = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    let params = [
        id.as_str().into(),
        number(steps_done).into(),
        number(steps).into(),
        now.0.into(),
    ];
    Ok(tx.execute(sql, &params)? == 1)
}

/// Ends a proof, with what it found.
///
/// # Errors
/// [`StoreError`].
pub fn end(
    tx: &mut Tx<'_>,
    id: &VerificationId,
    state: State,
    report: Option<&str>,
    now: AtUs,
) -> Result<(), StoreError> {
    let sql = "UPDATE verifications SET state = $2, report = $3, ended_at_us = $4,
                      steps_done = steps
               WHERE id = $1 AND state = 'running'";
    let params = [
        id.as_str().into(),
        state.as_str().into(),
        report.into(),
        now.0.into(),
    ];
    tx.execute(sql, &params)?;
    Ok(())
}

const COLUMNS: &str = "SELECT id, state, steps_done, steps, begun_at_us, ended_at_us, report
     FROM verifications";

/// The proofs that are remembered, the latest first, at most `limit`.
///
/// # Errors
/// [`StoreError`].
pub fn latest(tx: &mut Tx<'_>, limit: i64) -> Result<Vec<Verification>, StoreError> {
    let sql = format!("{COLUMNS} ORDER BY begun_at_us DESC, id DESC LIMIT $1");
    tx.query(&sql, &[limit.into()])?
        .iter()
        .map(from_row)
        .collect()
}

/// One proof.
///
/// # Errors
/// [`StoreError`].
pub fn get(tx: &mut Tx<'_>, id: &VerificationId) -> Result<Option<Verification>, StoreError> {
    let row = tx.query_optional(&format!("{COLUMNS} WHERE id = $1"), &[id.as_str().into()])?;
    row.as_ref().map(from_row).transpose()
}

fn from_row(row: &Row) -> Result<Verification, StoreError> {
    Ok(Verification {
        id: VerificationId::new(row.text(0)?),
        state: State::from_word(row.text(1)?)?,
        steps_done: row.count(2)?,
        steps: row.count(3)?,
        begun_at: AtUs(row.int(4)?),
        ended_at: row.opt_int(5)?.map(AtUs),
        report: row.opt_text(6)?.map(ToOwned::to_owned),
    })
}
