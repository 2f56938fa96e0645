//! Settings that an operator changes while servers run. What is not here is as the configuration
//! says; whoever needs one reads it here, so a change acts at once, on every node.

use domain::time::AtUs;

use crate::{StoreError, Tx};

/// A setting that was changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// What it is now, as whoever reads it understands it.
    pub value: String,
    /// Since when.
    pub set_at: AtUs,
}

/// A setting; none if it was not changed.
///
/// # Errors
/// [`StoreError`].
pub fn get(tx: &mut Tx<'_>, name: &str) -> Result<Option<Setting>, StoreError> {
    let sql = "SELECT value, set_at_us FROM settings WHERE name = $1";
    let row = tx.query_optional(sql, &[name.into()])?;
    row.map(|row| {
        Ok(Setting {
            value: row.text(0)?.to_owned(),
            set_at: AtUs(row.int(1)?),
        })
    })
    .transpose()
}

/// Changes a setting.
///
/// # Errors
/// [`StoreError`].
pub fn set(tx: &mut Tx<'_>, name: &str, value: &str, now: AtUs) -> Result<(), StoreError> {
    tx.execute_one(
        "INSERT INTO settings (name, value, set_at_us) VALUES ($1, $2, $3)
         ON CONFLICT (name) DO UPDATE SET value = EXCLUDED.value, set_at_us = EXCLUDED.set_at_us",
        &[name.into(), value.into(), now.0.into()],
    )
}

/// Lets a setting be as the configuration says; false if it is.
///
/// # Errors
/// [`StoreError`].
pub fn clear(tx: &mut Tx<'_>, name: &str) -> Result<bool, StoreError> {
    let sql = "DELETE FROM settings WHERE name = $1";
    Ok(tx.execute(sql, &[name.into()])? == 1)
}
