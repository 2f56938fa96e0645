//! What the operator decided of models at run time, beside what the configuration says of them.

use domain::time::AtUs;

use crate::changes::{self, ChangeKind};
use crate::{StoreError, Tx};

/// Switches a model off, or on again; false if it was so already. Servers hear of it.
///
/// # Errors
/// [`StoreError`].
pub fn set_disabled(
    tx: &mut Tx<'_>,
    model: &str,
    is_disabled: bool,
    now: AtUs,
) -> Result<bool, StoreError> {
    let changed = match is_disabled {
        true => tx.execute(
            "INSERT INTO disabled_models (model, disabled_at_us) VALUES ($1, $2)
             ON CONFLICT (model) DO NOTHING",
            &[model.into(), now.0.into()],
        )?,
        false => tx.execute(
            "DELETE FROM disabled_models WHERE model = $1",
            &[model.into()],
        )?,
    };
    if changed == 1 {
        changes::record(tx, ChangeKind::Model, model, now)?;
    }
    Ok(changed == 1)
}

/// Since when a model is switched off; none if it is not.
///
/// # Errors
/// [`StoreError`].
pub fn disabled_since(tx: &mut Tx<'_>, model: &str) -> Result<Option<AtUs>, StoreError> {
    let sql = "SELECT disabled_at_us FROM disabled_models WHERE model = $1";
    let row = tx.query_optional(sql, &[model.into()])?;
    row.map(|row| row.int(0).map(AtUs)).transpose()
}

/// Every model that is switched off, by name.
///
/// # Errors
/// [`StoreError`].
pub fn disabled(tx: &mut Tx<'_>) -> Result<Vec<(String, AtUs)>, StoreError> {
    let sql = "SELECT model, disabled_at_us FROM disabled_models ORDER BY model";
    let rows = tx.query(sql, &[])?;
    let read = |row: &crate::Row| Ok((row.text(0)?.to_owned(), AtUs(row.int(1)?)));
    rows.iter().map(read).collect()
}
