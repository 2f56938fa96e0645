//! Budgets change: the pots of their windows follow, in the same transaction.
//!
//! The change log is locked before, as always. The wallet is locked too: so a pot is either there
//! to be changed, or will be opened from the changed budget.

use domain::id::{BudgetId, OrganizationId};
use domain::lease::PotId;
use domain::money::Nusd;

use super::{notice, rows};
use crate::{StoreError, Tx};

/// Changes the limit of a budget in all of its pots. What was spent and reserved above it stays,
/// and comes down as leases return.
pub(crate) fn set_limit(
    tx: &mut Tx<'_>,
    organization: &OrganizationId,
    budget: &BudgetId,
    limit: Nusd,
) -> Result<(), StoreError> {
    change(tx, organization, budget, limit, false)
}

/// A budget stops nobody any more. Requests that count in its pots end as they would have.
pub(crate) fn close(
    tx: &mut Tx<'_>,
    organization: &OrganizationId,
    budget: &BudgetId,
) -> Result<(), StoreError> {
    change(tx, organization, budget, Nusd::ZERO, true)
}

fn change(
    tx: &mut Tx<'_>,
    organization: &OrganizationId,
    budget: &BudgetId,
    limit: Nusd,
    closes: bool,
) -> Result<(), StoreError> {
    if tx.is_sqlite() {
        return Ok(());
    }
    rows::lock(tx, [PotId::Wallet(organization.clone())])?;
    let sql = "SELECT id FROM pots WHERE budget_id = $1 AND closed_at_us IS NULL";
    let pots = tx.query(sql, &[budget.as_str().into()])?;
    let pots = pots.iter().map(|row| rows::read_pot_id(row.text(0)?));
    let pots: Vec<PotId> = pots.collect::<Result<_, _>>()?;
    let closed_at = match closes {
        true => Some(rows::now(tx)?.0),
        false => None,
    };
    let mut recalled = Vec::new();
    for (pot, row) in rows::lock(tx, pots)? {
        tx.execute_one(
            "UPDATE pots SET limit_nusd = $2, cap_nusd = GREATEST($2, taken_nusd),
                 closed_at_us = $3
             WHERE id = $1",
            &[pot.to_string().into(), limit.get().into(), closed_at.into()],
        )?;
        if row.reserved > limit {
            recalled.extend(notice::recall(tx, &pot, None)?);
        }
    }
    notice::notify(tx, recalled)?;
    Ok(())
}
