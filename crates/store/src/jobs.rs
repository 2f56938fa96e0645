//! The queue of messages: put in by whatever transaction causes them, so that a message is sent if
//! and only if its cause was committed; taken out by workers, as [`domain::job`] says.
//!
//! A worker claims a job under a random name until its lease ends, and says afterwards what became
//! of it. If it dies meanwhile, the job is found again when the lease has ended: at least once,
//! never lost. A worker that comes back too late has lost its claim, and is not heard any more.

mod seen;

use std::collections::BTreeMap;
use std::fmt;

use domain::Entropy;
use domain::id::{JobId, random_base62};
use domain::job::{DEAD_KEPT_US, DONE_KEPT_US, LEASE_US, MOST_TRIES};
use domain::message::Message;
use domain::time::AtUs;

use crate::outbox::{self, Kept};
use crate::{Row, StoreError, Tx};

pub use seen::{Seen, State, get, hurry, list, place, remove, tally};

/// The longest reason that is kept, in characters.
const REASON_CHARS: usize = 500;

/// A message to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// Says what this is the only message about, such as `email_code:CODE_ID`. As long as a job
    /// with it is remembered, at least 7 days, there is no other one.
    pub key: String,
    /// What, and to whom.
    pub message: Message,
    /// When it would be of no use any more; a code that has expired is not sent.
    pub expires_at: Option<AtUs>,
}

/// How a message is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Channel {
    /// As a mail.
    Mail,
    /// As a text message.
    Sms,
    /// To a program of an organization's.
    Webhook,
}

impl Channel {
    /// Every channel.
    pub const ALL: [Channel; 3] = [Channel::Mail, Channel::Sms, Channel::Webhook];

    /// The word it is written as.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Channel::Mail => "mail",
            Channel::Sms => "sms",
            Channel::Webhook => "webhook",
        }
    }

    pub(crate) fn from_word(word: &str) -> Result<Self, StoreError> {
        match word {
            "mail" => Ok(Channel::Mail),
            "sms" => Ok(Channel::Sms),
            "webhook" => Ok(Channel::Webhook),
            other => Err(StoreError::Corrupt(format!("there is no channel {other}"))),
        }
    }
}

/// A job that this process is to do now, and nobody else.
#[derive(Clone, PartialEq, Eq)]
pub struct Claimed {
    /// Which.
    pub id: JobId,
    /// How the message is sent.
    pub channel: Channel,
    /// To which address, number or endpoint.
    pub to: String,
    /// The name of its template.
    pub template: String,
    /// What the template fills in.
    pub facts: BTreeMap<String, String>,
    /// How often it was begun, this time included.
    pub tries: u32,
    /// When it was claimed.
    pub claimed_at: AtUs,
    /// The name of the claim.
    claim: String,
}

// Facts are codes and links that let whoever reads them in.
impl fmt::Debug for Claimed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Claimed({}, {}, try {})",
            self.id, self.template, self.tries
        )
    }
}

/// A job as operators see it, without what its message says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Which.
    pub id: JobId,
    /// How the message is sent.
    pub channel: Channel,
    /// To which address, number or endpoint.
    pub to: String,
    /// The name of its template.
    pub template: String,
    /// How often it was begun.
    pub tries: u32,
    /// Whether a worker has it.
    pub is_claimed: bool,
    /// Why it failed the last time, if it did.
    pub reason: Option<String>,
    /// When it was put into the queue.
    pub created_at: AtUs,
    /// When it was given up, if it was.
    pub ended_at: Option<AtUs>,
}

/// How many jobs of a channel there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// To be done, now or later.
    pub waiting: u64,
    /// Failed for good.
    pub dead: u64,
}

/// Puts a message into the queue; it is sent after this transaction is committed, and within
/// moments if a worker runs in this process. Answers false, and does nothing, if a job has this
/// key already.
///
/// # Errors
/// [`StoreError`].
pub fn enqueue(
    tx: &mut Tx<'_>,
    job: &Job,
    now: AtUs,
    entropy: Entropy,
) -> Result<bool, StoreError> {
    let channel = match &job.message {
        Message::Mail { .. } => Channel::Mail,
        Message::Sms { .. } => Channel::Sms,
        Message::Webhook { .. } => Channel::Webhook,
    };
    let facts: BTreeMap<_, _> = job.message.facts().into_iter().collect();
    let facts = serde_json::to_string(&facts)
        .map_err(|error| StoreError::Failed(format!("a message cannot be written: {error}")))?;
    let made = tx.execute(
        "INSERT INTO jobs (id, job_key, kind, recipient, template, facts, state, due_at_us, tries,
                           expires_at_us, created_at_us)
         VALUES ($1, $2, $3, $4, $5, $6, 'waiting', $7, 0, $8, $7)
         ON CONFLICT (job_key) DO NOTHING",
        &[
            JobId::random(entropy).as_str().into(),
            job.key.as_str().into(),
            channel.as_str().into(),
            job.message.to().into(),
            job.message.template().into(),
            facts.into(),
            now.0.into(),
            job.expires_at.map(|at| at.0).into(),
        ],
    )?;
    tx.has_enqueued |= made == 1;
    Ok(made == 1)
}

/// Whether there is a job to be claimed at `now`.
///
/// # Errors
/// [`StoreError`].
pub fn is_due(tx: &mut Tx<'_>, now: AtUs) -> Result<bool, StoreError> {
    let sql = "SELECT MIN(due_at_us) FROM jobs WHERE state = 'waiting'";
    let first = tx.query_one(sql, &[])?.opt_int(0)?;
    Ok(first.is_some_and(|due_at_us| due_at_us <= now.0))
}

/// Claims at most `limit` messages to people that are due, the oldest first. What has expired, or
/// was begun too often by workers that died of it, is given up instead.
///
/// # Errors
/// [`StoreError`].
pub fn claim(
    tx: &mut Tx<'_>,
    limit: i64,
    now: AtUs,
    entropy: Entropy,
) -> Result<Vec<Claimed>, StoreError> {
    claim_where(tx, "kind IN ('mail', 'sms')", limit, now, entropy)
}

/// The same of webhooks: customers' programs may be slow, and do not keep mails waiting.
///
/// # Errors
/// [`StoreError`].
pub fn claim_webhooks(
    tx: &mut Tx<'_>,
    limit: i64,
    now: AtUs,
    entropy: Entropy,
) -> Result<Vec<Claimed>, StoreError> {
    claim_where(tx, "kind = 'webhook'", limit, now, entropy)
}

fn claim_where(
    tx: &mut Tx<'_>,
    of_kind: &str,
    limit: i64,
    now: AtUs,
    entropy: Entropy,
) -> Result<Vec<Claimed>, StoreError> {
    give_up(tx, now)?;
    // Others that claim at this moment take other rows. SQLite lets one write at a time.
    let unclaimed = match tx.is_sqlite() {
        true => "",
        false => "FOR UPDATE SKIP LOCKED",
    };
    let sql = format!(
        "WITH due AS MATERIALIZED (
             SELECT id FROM jobs WHERE state = 'waiting' AND due_at_us <= $1 AND {of_kind}
             ORDER BY due_at_us, id LIMIT $2 {unclaimed})
         UPDATE jobs SET claim = $3, due_at_us = $4, tries = tries + 1
         WHERE id IN (SELECT id FROM due)
         RETURNING id, kind, recipient, template, facts, tries"
    );
    let claim = random_base62(24, entropy);
    let params = [
        now.0.into(),
        limit.into(),
        claim.as_str().into(),
        now.plus(LEASE_US).0.into(),
    ];
    let claimed = |row: &Row| {
        Ok(Claimed {
            id: JobId::new(row.text(0)?),
            channel: Channel::from_word(row.text(1)?)?,
            to: row.text(2)?.to_owned(),
            template: row.text(3)?.to_owned(),
            // A template misses what cannot be read here, and fails by itself.
            facts: serde_json::from_str(row.text(4)?).unwrap_or_default(),
            tries: tries(row, 5)?,
            claimed_at: now,
            claim: claim.clone(),
        })
    };
    tx.query(&sql, &params)?.iter().map(claimed).collect()
}

fn give_up(tx: &mut Tx<'_>, now: AtUs) -> Result<(), StoreError> {
    let expired = tx.execute(
        "UPDATE jobs SET state = 'dead', ended_at_us = $1, claim = NULL, facts = '{}',
                         error = 'it expired before it could be sent'
         WHERE state = 'waiting' AND due_at_us <= $1 AND expires_at_us <= $1",
        &[now.0.into()],
    )?;
    let abandoned = tx.execute(
        "UPDATE jobs SET state = 'dead', ended_at_us = $1, claim = NULL,
                         error = COALESCE(error, 'every worker that began it ended without a word')
         WHERE state = 'waiting' AND due_at_us <= $1 AND tries >= $2",
        &[now.0.into(), i64::from(MOST_TRIES).into()],
    )?;
    if expired + abandoned > 0 {
        tracing::warn!(expired, abandoned, "messages were given up");
    }
    Ok(())
}

/// Ends a job that is done. Answers false if the claim was lost.
///
/// # Errors
/// [`StoreError`].
pub fn done(tx: &mut Tx<'_>, job: &Claimed, now: AtUs) -> Result<bool, StoreError> {
    let ended = tx.execute(
        "UPDATE jobs SET state = 'done', ended_at_us = $3, claim = NULL, error = NULL, facts = '{}'
         WHERE id = $1 AND claim = $2",
        &[
            job.id.as_str().into(),
            job.claim.as_str().into(),
            now.0.into(),
        ],
    )?;
    Ok(ended == 1)
}

/// Ends a job by keeping its message here, once. Answers false if the claim was lost.
///
/// # Errors
/// [`StoreError`].
pub fn done_into_outbox(
    tx: &mut Tx<'_>,
    job: &Claimed,
    kept: &Kept,
    now: AtUs,
) -> Result<bool, StoreError> {
    if !done(tx, job, now)? {
        return Ok(false);
    }
    outbox::put(tx, job, kept, now)?;
    Ok(true)
}

/// Leaves a job that failed to be tried again at `due_at`. Answers false if the claim was lost.
///
/// # Errors
/// [`StoreError`].
pub fn try_again(
    tx: &mut Tx<'_>,
    job: &Claimed,
    reason: &str,
    due_at: AtUs,
) -> Result<bool, StoreError> {
    let left = tx.execute(
        "UPDATE jobs SET claim = NULL, due_at_us = $3, error = $4 WHERE id = $1 AND claim = $2",
        &[
            job.id.as_str().into(),
            job.claim.as_str().into(),
            due_at.0.into(),
            shortened(reason).into(),
        ],
    )?;
    Ok(left == 1)
}

/// Gives a job up that failed for good. Answers false if the claim was lost.
///
/// # Errors
/// [`StoreError`].
pub fn bury(tx: &mut Tx<'_>, job: &Claimed, reason: &str, now: AtUs) -> Result<bool, StoreError> {
    let buried = tx.execute(
        "UPDATE jobs SET state = 'dead', ended_at_us = $3, claim = NULL, error = $4
         WHERE id = $1 AND claim = $2",
        &[
            job.id.as_str().into(),
            job.claim.as_str().into(),
            now.0.into(),
            shortened(reason).into(),
        ],
    )?;
    Ok(buried == 1)
}

/// Lets a job that failed for good begin anew. Answers false if there is no such job, or it is of
/// no use any more.
///
/// # Errors
/// [`StoreError`].
pub fn revive(tx: &mut Tx<'_>, id: &JobId, now: AtUs) -> Result<bool, StoreError> {
    let sql = format!("{REVIVE} AND id = $2");
    let revived = tx.execute(&sql, &[now.0.into(), id.as_str().into()])?;
    tx.has_enqueued |= revived == 1;
    Ok(revived == 1)
}

/// Lets every job that failed for good begin anew, if it is of use; answers how many.
///
/// # Errors
/// [`StoreError`].
pub fn revive_all(tx: &mut Tx<'_>, now: AtUs) -> Result<u64, StoreError> {
    let revived = tx.execute(REVIVE, &[now.0.into()])?;
    tx.has_enqueued |= revived > 0;
    Ok(revived)
}

const REVIVE: &str =
    "UPDATE jobs SET state = 'waiting', ended_at_us = NULL, due_at_us = $1, tries = 0
     WHERE state = 'dead' AND (expires_at_us IS NULL OR expires_at_us > $1)";

const LISTED: &str = "SELECT id, kind, recipient, template, tries, claim, error, created_at_us,
        ended_at_us FROM jobs";

/// Jobs that are to be done, the next first, at most `limit`.
///
/// # Errors
/// [`StoreError`].
pub fn waiting(tx: &mut Tx<'_>, limit: i64) -> Result<Vec<Listed>, StoreError> {
    let sql = format!("{LISTED} WHERE state = 'waiting' ORDER BY due_at_us, id LIMIT $1");
    tx.query(&sql, &[limit.into()])?
        .iter()
        .map(listed)
        .collect()
}

/// Jobs that failed for good, the latest first, at most `limit`.
///
/// # Errors
/// [`StoreError`].
pub fn dead(tx: &mut Tx<'_>, limit: i64) -> Result<Vec<Listed>, StoreError> {
    let sql = format!("{LISTED} WHERE state = 'dead' ORDER BY ended_at_us DESC, id DESC LIMIT $1");
    tx.query(&sql, &[limit.into()])?
        .iter()
        .map(listed)
        .collect()
}

/// How many jobs wait and how many failed for good, of every channel.
///
/// # Errors
/// [`StoreError`].
pub fn counts(tx: &mut Tx<'_>) -> Result<BTreeMap<Channel, Count>, StoreError> {
    let mut counts = BTreeMap::from(Channel::ALL.map(|it| (it, Count::default())));
    let rows = tx.query(
        "SELECT kind, state, COUNT(*) FROM jobs WHERE state = 'waiting' GROUP BY kind, state
         UNION ALL
         SELECT kind, state, COUNT(*) FROM jobs WHERE state = 'dead' GROUP BY kind, state",
        &[],
    )?;
    for row in &rows {
        let count = counts.entry(Channel::from_word(row.text(0)?)?).or_default();
        match row.text(1)? {
            "waiting" => count.waiting = row.count(2)?,
            _ => count.dead = row.count(2)?,
        }
    }
    Ok(counts)
}

/// Forgets what ended long ago, at most `limit` jobs of each kind; answers how many.
///
/// # Errors
/// [`StoreError`].
pub fn forget(tx: &mut Tx<'_>, limit: i64, now: AtUs) -> Result<u64, StoreError> {
    let mut forgotten = 0;
    for (state, kept_us) in [("done", DONE_KEPT_US), ("dead", DEAD_KEPT_US)] {
        forgotten += tx.execute(
            "DELETE FROM jobs WHERE id IN (
                 SELECT id FROM jobs WHERE state = $1 AND ended_at_us < $2
                 ORDER BY ended_at_us LIMIT $3)",
            &[state.into(), now.plus(-kept_us).0.into(), limit.into()],
        )?;
    }
    Ok(forgotten)
}

fn listed(row: &Row) -> Result<Listed, StoreError> {
    Ok(Listed {
        id: JobId::new(row.text(0)?),
        channel: Channel::from_word(row.text(1)?)?,
        to: row.text(2)?.to_owned(),
        template: row.text(3)?.to_owned(),
        tries: tries(row, 4)?,
        is_claimed: row.opt_text(5)?.is_some(),
        reason: row.opt_text(6)?.map(ToOwned::to_owned),
        created_at: AtUs(row.int(7)?),
        ended_at: row.opt_int(8)?.map(AtUs),
    })
}

fn tries(row: &Row, index: usize) -> Result<u32, StoreError> {
    Ok(u32::try_from(row.count(index)?).unwrap_or(u32::MAX))
}

fn shortened(reason: &str) -> String {
    let clean = reason.chars().filter(|letter| !letter.is_control());
    clean.take(REASON_CHARS).collect()
}
