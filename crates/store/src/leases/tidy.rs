//! Deleting the pots and the parts of rate limits that nobody needs any more.

use domain::lease::PotId;
use domain::time::{AtUs, DAY_US, HOUR_US};
use serde_json::json;

use super::rows;
use crate::{StoreError, Tx};

/// How many at once: their rows are locked for as long as it takes.
const AT_ONCE: i64 = 100;

/// Deletes what was over long ago.
pub(crate) fn tidy(tx: &mut Tx<'_>) -> Result<(), StoreError> {
    let now = rows::now(tx)?;
    pots(tx, now)?;
    parts(tx, now)
}

/// Deletes pots whose windows ended long ago, or that were closed then, and that nothing is held or
/// leased of. If one is asked for all the same, it opens anew.
fn pots(tx: &mut Tx<'_>, now: AtUs) -> Result<(), StoreError> {
    let before = now.plus(-HOUR_US);
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

/// Deletes rate limits that no node has a share of, and that have drained: no window is longer than
/// a day. One that is named again begins anew.
fn parts(tx: &mut Tx<'_>, now: AtUs) -> Result<(), StoreError> {
    let unused = "at_us <= $1 AND NOT EXISTS (
        SELECT 1 FROM rate_shares s
        WHERE s.limit_id = rate_parts.limit_id AND (s.units > 0 OR s.leaves = 0))";
    let before = now.plus(-2 * DAY_US).0;
    // Those that somebody is at are in use. That nobody has a share is read again once they are
    // locked.
    let sql =
        format!("SELECT limit_id FROM rate_parts WHERE {unused} LIMIT $2 FOR UPDATE SKIP LOCKED");
    let ids = tx.query(&sql, &[before.into(), AT_ONCE.into()])?;
    let ids = ids.iter().map(|row| row.text(0));
    let ids: Vec<&str> = ids.collect::<Result<_, _>>()?;
    let sql = format!(
        "WITH deleted AS (
             DELETE FROM rate_parts
             WHERE limit_id IN (SELECT jsonb_array_elements_text($2::text::jsonb)) AND {unused}
             RETURNING limit_id
         )
         DELETE FROM rate_shares WHERE limit_id IN (SELECT limit_id FROM deleted)"
    );
    tx.execute(&sql, &[before.into(), json!(ids).to_string().into()])?;
    Ok(())
}
