//! The queue as operators see it, without what its messages say.

use std::collections::BTreeMap;

use domain::id::JobId;
use domain::time::AtUs;

use super::{Channel, Listed, listed};
use crate::page::{Page, Place};
use crate::{Row, StoreError, Tx, Value};

/// How far a job is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// To be done, now or later.
    Waiting,
    /// A worker has it.
    Running,
    /// Failed for good.
    Dead,
    /// Done.
    Done,
}

impl State {
    /// Every state.
    pub const ALL: [State; 4] = [State::Waiting, State::Running, State::Dead, State::Done];

    /// The word it is shown as.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            State::Waiting => "waiting",
            State::Running => "running",
            State::Dead => "dead",
            State::Done => "done",
        }
    }

    fn from_word(word: &str) -> Result<Self, StoreError> {
        let known = State::ALL.into_iter().find(|state| state.as_str() == word);
        known.ok_or_else(|| StoreError::Corrupt(format!("a job is {word}")))
    }
}

/// A job, and how far it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// What is known of it.
    pub job: Listed,
    /// How far it is.
    pub state: State,
    /// When it is begun next, or, while a worker has it, until when that may take.
    pub due_at: AtUs,
    /// When it is of no use any more.
    pub expires_at: Option<AtUs>,
}

/// A worker that died has its jobs until their lease ends; then they wait. $1 is now.
const STATE: &str = "CASE WHEN state <> 'waiting' THEN state
        WHEN claim IS NOT NULL AND due_at_us > $1 THEN 'running' ELSE 'waiting' END";

fn columns() -> String {
    format!(
        "SELECT id, kind, recipient, template, tries, claim, error, created_at_us, ended_at_us,
                {STATE}, due_at_us, expires_at_us FROM jobs"
    )
}

/// The place of a job in the list.
///
/// # Errors
/// [`StoreError`].
pub fn place(tx: &mut Tx<'_>, id: &str) -> Result<Option<Place>, StoreError> {
    let sql = "SELECT created_at_us FROM jobs WHERE id = $1";
    let row = tx.query_optional(sql, &[id.into()])?;
    row.map(|row| Ok((AtUs(row.int(0)?), id.to_owned())))
        .transpose()
}

/// Jobs by when they were put into the queue; only those in `state` if there is one.
///
/// # Errors
/// [`StoreError`].
pub fn list(
    tx: &mut Tx<'_>,
    state: Option<State>,
    page: &Page,
    now: AtUs,
) -> Result<Vec<Seen>, StoreError> {
    let mut params: Vec<Value> = vec![now.0.into()];
    let condition = match state {
        None => "1 = 1".to_owned(),
        Some(state) => {
            params.push(state.as_str().into());
            format!("({STATE}) = $2")
        }
    };
    let tail = page.tail("created_at_us", "id", &mut params);
    let sql = format!("{} WHERE {condition}{tail}", columns());
    tx.query(&sql, &params)?.iter().map(seen).collect()
}

/// One job.
///
/// # Errors
/// [`StoreError`].
pub fn get(tx: &mut Tx<'_>, id: &JobId, now: AtUs) -> Result<Option<Seen>, StoreError> {
    let sql = format!("{} WHERE id = $2", columns());
    let row = tx.query_optional(&sql, &[now.0.into(), id.as_str().into()])?;
    row.as_ref().map(seen).transpose()
}

/// How many jobs of each channel are in each state; states without a job are left out.
///
/// # Errors
/// [`StoreError`].
pub fn tally(tx: &mut Tx<'_>, now: AtUs) -> Result<BTreeMap<(Channel, State), u64>, StoreError> {
    let sql = format!(
        "SELECT kind, state, COUNT(*) FROM (SELECT kind, {STATE} AS state FROM jobs) j
         GROUP BY kind, state"
    );
    let mut tally = BTreeMap::new();
    for row in tx.query(&sql, &[now.0.into()])? {
        let channel = Channel::from_word(row.text(0)?)?;
        tally.insert((channel, State::from_word(row.text(1)?)?), row.count(2)?);
    }
    Ok(tally)
}

/// Lets a job that waits for another try begin at once; false if it does not wait.
///
/// # Errors
/// [`StoreError`].
pub fn hurry(tx: &mut Tx<'_>, id: &JobId, now: AtUs) -> Result<bool, StoreError> {
    let sql = "UPDATE jobs SET due_at_us = $1 WHERE id = $2 AND state = 'waiting'
               AND claim IS NULL AND due_at_us > $1";
    let hurried = tx.execute(sql, &[now.0.into(), id.as_str().into()])?;
    tx.has_enqueued |= hurried == 1;
    Ok(hurried == 1)
}

/// Takes a job out of the queue, whatever became of it; false if a worker has it.
///
/// # Errors
/// [`StoreError`].
pub fn remove(tx: &mut Tx<'_>, id: &JobId, now: AtUs) -> Result<bool, StoreError> {
    let sql = format!("DELETE FROM jobs WHERE id = $2 AND ({STATE}) <> 'running'");
    Ok(tx.execute(&sql, &[now.0.into(), id.as_str().into()])? == 1)
}

fn seen(row: &Row) -> Result<Seen, StoreError> {
    Ok(Seen {
        job: listed(row)?,
        state: State::from_word(row.text(9)?)?,
        due_at: AtUs(row.int(10)?),
        expires_at: row.opt_int(11)?.map(AtUs),
    })
}
