//! Tells that a budget reached a threshold: by mail those whom a spend alert names, else as the
//! organization's settings say.

use domain::Entropy;
use domain::admission::Crossing;
use domain::alert::{Alert, AlertEvent, BudgetReached};
use domain::budget::Scope;
use domain::id::OrganizationId;

use crate::{StoreError, Tx, Value, alerts, spend_alerts};

/// Raises the alert. Nobody is told of a budget that is gone.
pub(super) fn tell(
    tx: &mut Tx<'_>,
    organization: &OrganizationId,
    crossing: &Crossing,
    entropy: Entropy,
) -> Result<(), StoreError> {
    let Some(row) = super::any(tx, organization, &crossing.budget)? else {
        return Ok(());
    };
    let budget = row.budget;
    let called = match &budget.scope {
        Scope::Organization => {
            let sql = "SELECT name FROM organizations WHERE id = $1";
            let own = organization.as_str().into();
            format!("the organization {}", name(tx, sql, own)?)
        }
        Scope::Project(id) => {
            let sql = "SELECT name FROM projects WHERE id = $1";
            format!("the project {}", name(tx, sql, id.as_str().into())?)
        }
        Scope::Key(id) => {
            let sql = "SELECT name FROM keys WHERE id = $1";
            format!("the key {}", name(tx, sql, id.as_str().into())?)
        }
    };
    let Crossing {
        window_at,
        threshold,
        ..
    } = crossing;
    let cause = format!("{}:{}:{threshold}", budget.id, window_at.0);
    let told = spend_alerts::told(tx, organization, &budget.id)?;
    let event = AlertEvent::BudgetThreshold(BudgetReached {
        budget: budget.id,
        scope: budget.scope,
        called,
        window: budget.window,
        threshold: crossing.threshold,
        limit: crossing.limit,
        spent: crossing.spent,
        force: budget.force,
    });
    let mut alert = Alert::new(organization, cause, event);
    if let Some((recipients, subject_prefix)) = told {
        alert = alert.to(recipients);
        alert.subject_prefix = subject_prefix;
    }
    alerts::raise(tx, &alert, crossing.at, entropy).map(|_| ())
}

fn name(tx: &mut Tx<'_>, sql: &str, id: Value) -> Result<String, StoreError> {
    Ok(tx.query_one(sql, &[id])?.text(0)?.to_owned())
}
