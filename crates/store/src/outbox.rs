//! Messages that were kept instead of sent, for an installation to try Farebox with.

use bytes::Bytes;
use domain::id::JobId;
use domain::time::{AtUs, DAY_US};

use crate::jobs::{Channel, Claimed};
use crate::{Row, StoreError, Tx, Value};

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
    /// The same as a page; text messages have none.
    pub html: Option<String>,
    /// The files that go with it, by name.
    pub attachments: Vec<Listed>,
    /// When.
    pub at: AtUs,
}

/// A file that goes with a message, without what is in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its name, of which a message has one.
    pub name: String,
    /// What it is, such as `application/pdf`.
    pub media_type: String,
    /// How long it is, in bytes.
    pub size_bytes: u64,
}

/// A file that goes with a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attachment {
    /// Its name, of which a message has one.
    pub name: String,
    /// What it is, such as `application/pdf`.
    pub media_type: String,
    /// All of it.
    pub content: Bytes,
}

/// What is kept of a message, beside to whom it goes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// Its subject; text messages have none.
    pub subject: Option<String>,
    /// All that it says.
    pub text: String,
    /// The same as a page; text messages have none.
    pub html: Option<String>,
    /// The files that go with it.
    pub attachments: Vec<Attachment>,
}

pub(crate) fn put(
    tx: &mut Tx<'_>,
    job: &Claimed,
    kept: &Kept,
    now: AtUs,
) -> Result<(), StoreError> {
    tx.execute_one(
        "INSERT INTO outbox (id, channel, recipient, subject, body, html, at_us)
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
        &[
            job.id.as_str().into(),
            job.channel.as_str().into(),
            job.to.as_str().into(),
            kept.subject.as_deref().into(),
            kept.text.as_str().into(),
            kept.html.as_deref().into(),
            now.0.into(),
        ],
    )?;
    for file in &kept.attachments {
        tx.execute_one(
            "INSERT INTO outbox_attachments (message_id, name, media_type, content)
             VALUES ($1, $2, $3, $4)",
            &[
                job.id.as_str().into(),
                file.name.as_str().into(),
                file.media_type.as_str().into(),
                Value::Bytes(file.content.clone()),
            ],
        )?;
    }
    Ok(())
}

const COLUMNS: &str = "SELECT id, channel, recipient, subject, body, html, at_us FROM outbox";

/// Messages after `after`, newest first, at most `limit`.
///
/// # Errors
/// [`StoreError`].
pub fn list(tx: &mut Tx<'_>, after: Option<&Entry>, limit: i64) -> Result<Vec<Entry>, StoreError> {
    let (at, id) = after.map_or((i64::MAX, ""), |it| (it.at.0, it.id.as_str()));
    let sql =
        format!("{COLUMNS} WHERE (at_us, id) < ($1, $2) ORDER BY at_us DESC, id DESC LIMIT $3");
    let rows = tx.query(&sql, &[at.into(), id.into(), limit.into()])?;
    rows.iter().map(|row| from_row(tx, row)).collect()
}

/// One message.
///
/// # Errors
/// [`StoreError`].
pub fn get(tx: &mut Tx<'_>, id: &JobId) -> Result<Option<Entry>, StoreError> {
    let sql = format!("{COLUMNS} WHERE id = $1");
    let row = tx.query_optional(&sql, &[id.as_str().into()])?;
    row.map(|row| from_row(tx, &row)).transpose()
}

/// A file of a message.
///
/// # Errors
/// [`StoreError`].
pub fn attachment(
    tx: &mut Tx<'_>,
    id: &JobId,
    name: &str,
) -> Result<Option<Attachment>, StoreError> {
    let sql = "SELECT name, media_type, content FROM outbox_attachments
               WHERE message_id = $1 AND name = $2";
    let row = tx.query_optional(sql, &[id.as_str().into(), name.into()])?;
    row.map(|row| {
        Ok(Attachment {
            name: row.text(0)?.to_owned(),
            media_type: row.text(1)?.to_owned(),
            content: row.bytes(2)?.clone(),
        })
    })
    .transpose()
}

fn attachments(tx: &mut Tx<'_>, id: &str) -> Result<Vec<Listed>, StoreError> {
    let sql = "SELECT name, media_type, CAST(LENGTH(content) AS BIGINT) FROM outbox_attachments
               WHERE message_id = $1 ORDER BY name";
    let listed = |row: &Row| {
        Ok(Listed {
            name: row.text(0)?.to_owned(),
            media_type: row.text(1)?.to_owned(),
            size_bytes: row.count(2)?,
        })
    };
    tx.query(sql, &[id.into()])?.iter().map(listed).collect()
}

/// Forgets what is older than 30 days, at most `limit` messages; answers how many.
///
/// # Errors
/// [`StoreError`].
pub fn forget(tx: &mut Tx<'_>, limit: i64, now: AtUs) -> Result<u64, StoreError> {
    let old = "(SELECT id FROM outbox WHERE at_us < $1 ORDER BY at_us, id LIMIT $2)";
    let params = [now.plus(-KEPT_US).0.into(), limit.into()];
    let files = format!("DELETE FROM outbox_attachments WHERE message_id IN {old}");
    tx.execute(&files, &params)?;
    tx.execute(&format!("DELETE FROM outbox WHERE id IN {old}"), &params)
}

fn from_row(tx: &mut Tx<'_>, row: &Row) -> Result<Entry, StoreError> {
    Ok(Entry {
        id: JobId::new(row.text(0)?),
        channel: Channel::from_word(row.text(1)?)?,
        to: row.text(2)?.to_owned(),
        subject: row.opt_text(3)?.map(ToOwned::to_owned),
        body: row.text(4)?.to_owned(),
        html: row.opt_text(5)?.map(ToOwned::to_owned),
        attachments: attachments(tx, row.text(0)?)?,
        at: AtUs(row.int(6)?),
    })
}
