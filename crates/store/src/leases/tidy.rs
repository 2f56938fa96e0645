//! Deleting the pots that nobody needs any more.

use domain::lease::PotId;
use domain::time::HOUR_US;

use super::rows;
use crate::{StoreError, Tx};

/// How many at once: their rows are locked for as long as it takes.
const AT_ONCE: i64 = 100;

/// Deletes pots whose windows ended long ago, or that were closed then, and that nothing is held or
/// leased of. If one is asked for all the same, it opens anew.
pub(crate) fn tidy(tx: &mut Tx<'_>) -> Result<(), StoreError> {
    let before = rows::now(tx)?.plus(-HOUR_US);
    let over = tx.query(
        "SELECT id FROM pots WHERE window_end_us <= $1 OR closed_at_us <= $1
         ORDER BY window_end_us, id LIMIT $2",
        &[before.0.into(), AT_ONCE.into()],
    )?;
    let over = over.iter().map(|row| rows::read_pot_id(row.text(0)?));
    let over: Vec<PotId> = over.collect::<Result<_, _>>()?;
    for (pot, _) in rows::lock(tx, over)? {
        let id = pot.to_string();
        let deleted = tx.execute(
            "DELETE FROM pots WHERE id = $1
               AND NOT EXISTS (SELECT 1 FROM leases
                               WHERE pot_id = $1 AND (free_nusd > 0 OR recalled = 1))
               AND NOT EXISTS (SELECT 1 FROM holds WHERE legs::jsonb ? $1::text)",
            &[id.clone().into()],
        )?;
        if deleted == 1 {
            tx.execute("DELETE FROM leases WHERE pot_id = $1", &[id.into()])?;
        }
    }
    Ok(())
}
