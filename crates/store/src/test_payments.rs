//! What the built-in test provider knows, as JSON that only it reads: several nodes share it, and
//! it outlives restarts, as a real provider does. Nothing here is anybody's money.

use domain::time::AtUs;

use crate::page::Page;
use crate::{Row, StoreError, Tx, Value};

/// A thing of the test provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Thing {
    /// Its name.
    pub reference: String,
    /// What it is, as a word.
    pub kind: String,
    /// The name of what it belongs to; empty if nothing.
    pub owner: String,
    /// All else, as JSON.
    pub body: String,
    /// How often it was replaced.
    pub revision: i64,
    /// When it was made.
    pub at: AtUs,
}

const COLUMNS: &str = "SELECT ref, kind, owner_ref, body, revision, at_us FROM test_payments";

/// Keeps a new thing. False if there is one of that name: it stays.
///
/// # Errors
/// [`StoreError`].
pub fn add(tx: &mut Tx<'_>, thing: &Thing) -> Result<bool, StoreError> {
    let added = tx.execute(
        "INSERT INTO test_payments (ref, kind, owner_ref, body, revision, at_us)
         VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (ref) DO NOTHING",
        &[
            thing.reference.as_str().into(),
            thing.kind.as_str().into(),
            thing.owner.as_str().into(),
            thing.body.as_str().into(),
            thing.revision.into(),
            thing.at.0.into(),
        ],
    )?;
    Ok(added == 1)
}

/// A thing by its name.
///
/// # Errors
/// [`StoreError`].
pub fn get(tx: &mut Tx<'_>, reference: &str) -> Result<Option<Thing>, StoreError> {
    let row = tx.query_optional(&format!("{COLUMNS} WHERE ref = $1"), &[reference.into()])?;
    row.as_ref().map(from_row).transpose()
}

/// Replaces what a thing says, if it is still as it was read.
///
/// # Errors
/// [`StoreError`]; a conflict if somebody was faster.
pub fn replace(tx: &mut Tx<'_>, read: &Thing, body: &str) -> Result<(), StoreError> {
    tx.execute_one(
        "UPDATE test_payments SET body = $3, revision = revision + 1
         WHERE ref = $1 AND revision = $2",
        &[
            read.reference.as_str().into(),
            read.revision.into(),
            body.into(),
        ],
    )
}

/// The things of a kind that belong to `owner`, oldest first.
///
/// # Errors
/// [`StoreError`].
pub fn owned(tx: &mut Tx<'_>, owner: &str, kind: &str) -> Result<Vec<Thing>, StoreError> {
    let sql = format!("{COLUMNS} WHERE owner_ref = $1 AND kind = $2 ORDER BY at_us, ref");
    let rows = tx.query(&sql, &[owner.into(), kind.into()])?;
    rows.iter().map(from_row).collect()
}

/// A page of the things of a kind that were made between two moments.
///
/// # Errors
/// [`StoreError`].
pub fn list(
    tx: &mut Tx<'_>,
    kind: &str,
    (from, until): (AtUs, AtUs),
    page: &Page,
) -> Result<Vec<Thing>, StoreError> {
    let mut params: Vec<Value> = vec![kind.into(), from.0.into(), until.0.into()];
    let mut sql = format!("{COLUMNS} WHERE kind = $1 AND at_us >= $2 AND at_us < $3");
    sql.push_str(&page.tail("at_us", "ref", &mut params));
    tx.query(&sql, &params)?.iter().map(from_row).collect()
}

fn from_row(row: &Row) -> Result<Thing, StoreError> {
    Ok(Thing {
        reference: row.text(0)?.to_owned(),
        kind: row.text(1)?.to_owned(),
        owner: row.text(2)?.to_owned(),
        body: row.text(3)?.to_owned(),
        revision: row.int(4)?,
        at: AtUs(row.int(5)?),
    })
}
