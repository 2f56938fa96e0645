//! What providers told, once each: they tell everything at least once.

use domain::time::AtUs;

use crate::{StoreError, Tx};

/// A piece of news, as its provider names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// Who told it.
    pub provider: String,
    /// The provider's name for this piece of news.
    pub id: String,
    /// What kind it is, in the provider's words.
    pub kind: String,
    /// What came of it, as a word.
    pub outcome: &'static str,
}

/// Keeps a piece of news, in the transaction that acts on it. False if it was told before: then
/// nothing is to be done.
///
/// # Errors
/// [`StoreError`].
pub fn first_told(tx: &mut Tx<'_>, told: &Told, now: AtUs) -> Result<bool, StoreError> {
    let inserted = tx.execute(
        "INSERT INTO payment_events (provider, id, kind, outcome, at_us)
         VALUES ($1, $2, $3, $4, $5) ON CONFLICT (provider, id) DO NOTHING",
        &[
            told.provider.as_str().into(),
            told.id.as_str().into(),
            told.kind.as_str().into(),
            told.outcome.into(),
            now.0.into(),
        ],
    )?;
    Ok(inserted == 1)
}

/// Whether a piece of news was told before.
///
/// # Errors
/// [`StoreError`].
pub fn was_told(tx: &mut Tx<'_>, provider: &str, id: &str) -> Result<bool, StoreError> {
    let sql = "SELECT at_us FROM payment_events WHERE provider = $1 AND id = $2";
    let row = tx.query_optional(sql, &[provider.into(), id.into()])?;
    Ok(row.is_some())
}
