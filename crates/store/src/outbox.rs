//! Messages that were kept instead of sent, for an installation to try Farebox with.

use domain::id::JobId;
use domain::time::{AtUs, DAY_US};

use crate::jobs::Channel;
use crate::{Row, StoreError, Tx};

/// How long a message is kept.
const KEPT_US: i64 = 30 * DAY_US;

/// A message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The job that it was.
    pub id: JobId,
    /// How it would have been sent.
    pub channel: Channel,
    /// To which address or number.
    pub to: String,
    /// Its subject; text messages have none.
    pub subject: Option<String>,
    /// All that it says.
    pub body: String,
    /// When.
    pub at: AtUs,
}

pub(crate) fn put(tx: &mut Tx<'_>, entry: &Entry) -> Result<(), StoreError> {
    tx.execute_one(
        "INSERT INTO outbox (id, channel, recipient, subject, body, at_us)
         VALUES ($1, $2, $3, $4, $5, $6)",
        &[
            entry.id.as_str().into(),
            entry.channel.as_str().into(),
            entry.to.as_str().into(),
            entry.subject.as_deref().into(),
            entry.body.as_str().into(),
            entry.at.0.into(),
        ],
    )
}

const COLUMNS: &str = "SELECT id, channel, recipient, subject, body, at_us FROM outbox";

/// Messages after `after`, newest first, at most `limit`.
///
/// # Errors
/// [`StoreError`].
pub fn list(tx: &mut Tx<'_>, after: Option<&Entry>, limit: i64) -> Result<Vec<Entry>, StoreError> {
    let (at, id) = after.map_or((i64::MAX, ""), |it| (it.at.0, it.id.as_str()));
    let sql =
        format!("{COLUMNS} WHERE (at_us, id) < ($1, $2) ORDER BY at_us DESC, id DESC LIMIT $3");
    let rows = tx.query(&sql, &[at.into(), id.into(), limit.into()])?;
    rows.iter().map(from_row).collect()
}

/// One message.
///
/// # Errors
/// [`StoreError`].
pub fn get(tx: &mut Tx<'_>, id: &JobId) -> Result<Option<Entry>, StoreError> {
    let sql = format!("{COLUMNS} WHERE id = $1");
    let row = tx.query_optional(&sql, &[id.as_str().into()])?;
    row.as_ref().map(from_row).transpose()
}

/// Forgets what is older than 30 days, at most `limit` messages; answers how many.
///
/// # Errors
/// [`StoreError`].
pub fn forget(tx: &mut Tx<'_>, limit: i64, now: AtUs) -> Result<u64, StoreError> {
    tx.execute(
        "DELETE FROM outbox WHERE id IN (
             SELECT id FROM outbox WHERE at_us < $1 ORDER BY at_us LIMIT $2)",
        &[now.plus(-KEPT_US).0.into(), limit.into()],
    )
}

fn from_row(row: &Row) -> Result<Entry, StoreError> {
    Ok(Entry {
        id: JobId::new(row.text(0)?),
        channel: Channel::from_word(row.text(1)?)?,
        to: row.text(2)?.to_owned(),
        subject: row.opt_text(3)?.map(ToOwned::to_owned),
        body: row.text(4)?.to_owned(),
        at: AtUs(row.int(5)?),
    })
}
