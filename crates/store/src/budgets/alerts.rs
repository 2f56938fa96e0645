//! Tells people by mail that a budget reached a threshold: whom a spend alert names, else the
//! owners of the organization.

use domain::Entropy;
use domain::admission::Crossing;
use domain::budget::Scope;
use domain::id::OrganizationId;
use domain::message::{BudgetAlert, Letter, Message};

use crate::jobs::{self, Job};
use crate::{StoreError, Tx, Value, members, spend_alerts};

/// Puts a mail to each of them into the queue. Nobody is told of a budget that is gone.
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
    let owner = organization.as_str().into();
    let called = name(tx, "SELECT name FROM organizations WHERE id = $1", owner)?;
    let scope = match &budget.scope {
        Scope::Organization => format!("the organization {called}"),
        Scope::Project(id) => {
            let sql = "SELECT name FROM projects WHERE id = $1";
            format!("the project {}", name(tx, sql, id.as_str().into())?)
        }
        Scope::Key(id) => {
            let sql = "SELECT name FROM keys WHERE id = $1";
            format!("the key {}", name(tx, sql, id.as_str().into())?)
        }
    };
    let (recipients, subject_prefix) = match spend_alerts::told(tx, organization, &budget.id)? {
        Some(told) => told,
        None => {
            let owners = members::owners(tx, organization)?.into_iter();
            (owners.map(|owner| owner.email).collect(), None)
        }
    };
    let alert = BudgetAlert {
        subject_prefix,
        organization: called,
        scope,
        window: budget.window,
        threshold: crossing.threshold,
        limit: crossing.limit,
        spent: crossing.spent,
        force: budget.force,
        at: crossing.at,
    };
    for to in recipients {
        let Crossing {
            budget,
            window_at,
            threshold,
            ..
        } = crossing;
        let job = Job {
            key: format!("budget:{budget}:{}:{threshold}:{to}", window_at.0),
            message: Message::Mail {
                to,
                letter: Letter::BudgetThreshold(alert.clone()),
            },
            expires_at: None,
        };
        jobs::enqueue(tx, &job, crossing.at, entropy)?;
    }
    Ok(())
}

fn name(tx: &mut Tx<'_>, sql: &str, id: Value) -> Result<String, StoreError> {
    Ok(tx.query_one(sql, &[id])?.text(0)?.to_owned())
}
