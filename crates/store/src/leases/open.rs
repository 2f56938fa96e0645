//! Opening the pot of a turn of a budget's window, when it is first asked for.
//!
//! What is taken of it then is what was settled in the window, what open holds count in it, and
//! what is leased. That is read in one statement, under the lock of the organization's wallet: so
//! nobody else opens it, no budget of the organization changes, and no hold of it is written or
//! ends.
//!
//! A request that is in flight when its budget is made comes to count in it once its node has heard
//! of the budget. So a pot opens only after every living node has, and once what dead ones left in
//! its window is settled.

use std::collections::BTreeMap;

use domain::budget::Force;
use domain::id::OrganizationId;
use domain::lease::PotId;
use domain::lease::office::Place;
use domain::window::Span;

use super::rows;
use crate::{StoreError, Tx, budgets};

/// The windows' pots that are not open and may be opened, and whose they are.
pub(super) fn find(
    tx: &mut Tx<'_>,
    pots: impl Iterator<Item = PotId>,
) -> Result<BTreeMap<PotId, OrganizationId>, StoreError> {
    let mut unopened = BTreeMap::new();
    for pot in pots {
        let PotId::Window { budget, .. } = &pot else {
            continue;
        };
        let row = tx.query_optional(
            "SELECT organization_id FROM budgets WHERE id = $1 AND force = 'hard'
               AND NOT EXISTS (SELECT 1 FROM pots WHERE id = $2 AND closed_at_us IS NULL)",
            &[budget.as_str().into(), pot.to_string().into()],
        )?;
        if let Some(row) = row {
            unopened.insert(pot, OrganizationId::new(row.text(0)?));
        }
    }
    Ok(unopened)
}

/// Opens a pot, or opens it again. The organization's wallet is locked, and so is the pot if it is
/// there.
pub(super) fn open(
    tx: &mut Tx<'_>,
    organization: &OrganizationId,
    pot: &PotId,
) -> Result<Place, StoreError> {
    let PotId::Window { budget, start } = pot else {
        return Ok(Place::Gone);
    };
    let Some(row) = budgets::get(tx, organization, budget)? else {
        return Ok(Place::Gone);
    };
    let span = row.budget.window.span(*start);
    if row.budget.force != Force::Hard || span.start != *start {
        return Ok(Place::Gone);
    }
    if !have_heard(tx, organization)? || has_orphans(tx, budget.as_str(), span)? {
        return Ok(Place::Early);
    }
    let taken = format!(
        "COALESCE((SELECT SUM(cost_nusd) FROM usage_hours of
                   WHERE hour_at_us >= $3 AND hour_at_us < $4 AND {IN_SCOPE}), 0)
         + COALESCE((SELECT SUM(amount_nusd) FROM holds of
                     WHERE {IN_SCOPE} AND legs::jsonb ? $1::text), 0)
         + COALESCE((SELECT SUM(free_nusd) FROM leases WHERE pot_id = $1), 0)"
    );
    let sql = format!(
        "INSERT INTO pots (id, budget_id, window_at_us, window_end_us, limit_nusd, cap_nusd,
                           taken_nusd)
         SELECT $1, id, $3, $4, limit_nusd, GREATEST(limit_nusd, taken), taken
         FROM (SELECT b.id, b.limit_nusd, CAST({taken} AS BIGINT) AS taken
               FROM budgets b WHERE b.id = $2) AS counted
         ON CONFLICT (id) DO UPDATE
         SET limit_nusd = EXCLUDED.limit_nusd, cap_nusd = EXCLUDED.cap_nusd,
             taken_nusd = EXCLUDED.taken_nusd, closed_at_us = NULL
         RETURNING limit_nusd, taken_nusd, cap_nusd, closed_at_us"
    );
    let opened = tx.query_one(
        &sql,
        &[
            pot.to_string().into(),
            budget.as_str().into(),
            span.start.0.into(),
            span.end.0.into(),
        ],
    )?;
    Ok(Place::Open(rows::read_pot(&opened)?))
}

/// A row `of` some usage or hold is in the scope of budget `b`.
const IN_SCOPE: &str = "of.organization_id = b.organization_id
    AND (b.project_id IS NULL OR of.project_id = b.project_id)
    AND (b.key_id IS NULL OR of.key_id = b.key_id)";

/// Whether every living node works by the budgets as they are.
fn have_heard(tx: &mut Tx<'_>, organization: &OrganizationId) -> Result<bool, StoreError> {
    let row = tx.query_one(
        "SELECT (SELECT COALESCE(MIN(heard), 0) FROM nodes WHERE expires_at_us IS NOT NULL),
                (SELECT COALESCE(MAX(seq), 0) FROM change_log WHERE kind = 'limits' AND ref = $1)",
        &[organization.as_str().into()],
    )?;
    Ok(row.int(0)? >= row.int(1)?)
}

/// Whether holds are left of ended epochs that may count in a window: their nodes may have ended
/// before they heard of the budget. They are settled within seconds.
fn has_orphans(tx: &mut Tx<'_>, budget: &str, span: Span) -> Result<bool, StoreError> {
    let sql = format!(
        "SELECT COUNT(*) FROM budgets b JOIN holds of ON {IN_SCOPE}
         WHERE b.id = $1 AND of.admitted_at_us >= $2 AND of.admitted_at_us < $3
           AND NOT EXISTS (SELECT 1 FROM nodes n WHERE n.id = of.node_id AND n.epoch = of.epoch)"
    );
    let params = [budget.into(), span.start.0.into(), span.end.0.into()];
    Ok(tx.query_one(&sql, &params)?.int(0)? > 0)
}
