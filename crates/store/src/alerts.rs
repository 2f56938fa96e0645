//! Alerts: what organizations are told of, once for each cause.
//!
//! Whoever finds that something happened raises the alert in the transaction that writes it down.
//! One row says that it was raised, and the messages to all who want to know are in the queue with
//! it: all of it is there, or none, whichever node raises it, how often, and whatever dies.

use domain::Entropy;
use domain::alert::{Alert, AlertEvent, Fact};
use domain::id::{AlertId, OrganizationId};
use domain::message::{AlertLetter, Letter, Message};
use domain::time::AtUs;
use serde_json::{Map, json};

use crate::jobs::{self, Job};
use crate::{StoreError, Tx, members};

/// Raises an alert: writes it down, and queues the messages that the organization's settings want.
/// False, and nothing of this, if it was raised before.
///
/// # Errors
/// [`StoreError`].
pub fn raise(
    tx: &mut Tx<'_>,
    alert: &Alert,
    now: AtUs,
    entropy: Entropy,
) -> Result<bool, StoreError> {
    let organization = &alert.organization;
    let raised = tx.execute(
        "INSERT INTO alerts (id, organization_id, kind, cause, data, raised_at_us)
         VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (organization_id, kind, cause) DO NOTHING",
        &[
            AlertId::random(entropy).as_str().into(),
            organization.as_str().into(),
            alert.event.kind().as_str().into(),
            alert.cause.as_str().into(),
            data(&alert.event).to_string().into(),
            now.0.into(),
        ],
    )?;
    if raised == 0 {
        return Ok(false);
    }
    let people = match &alert.people {
        Some(people) => people.clone(),
        None => {
            let owners = members::owners(tx, organization)?.into_iter();
            owners.map(|owner| owner.email).collect()
        }
    };
    let letter = AlertLetter {
        subject_prefix: alert.subject_prefix.clone(),
        organization: name(tx, organization)?,
        event: alert.event.clone(),
        at: now,
    };
    for to in people {
        let job = Job {
            key: mail_key(alert, &to),
            message: Message::Mail {
                to,
                letter: Letter::Alert(letter.clone()),
            },
            expires_at: None,
        };
        jobs::enqueue(tx, &job, now, entropy)?;
    }
    Ok(true)
}

fn mail_key(alert: &Alert, to: &str) -> String {
    let (organization, kind) = (&alert.organization, alert.event.kind().as_str());
    format!("alert:{organization}:{kind}:{}:{to}", alert.cause)
}

/// The facts of an event as programs read them: amounts as decimal strings, moments in seconds.
fn data(event: &AlertEvent) -> serde_json::Value {
    let written = |fact| match fact {
        Fact::Name(text) | Fact::Text(text) | Fact::Link(text) => json!(text),
        Fact::Usd(amount) => json!(amount.to_usd()),
        Fact::At(at) => json!(at.seconds()),
        Fact::Number(number) => json!(number),
        Fact::Is(it_is_so) => json!(it_is_so),
        Fact::None => serde_json::Value::Null,
    };
    let facts = event.facts().into_iter();
    let facts: Map<_, _> = facts
        .map(|(name, fact)| (name.to_owned(), written(fact)))
        .collect();
    facts.into()
}

fn name(tx: &mut Tx<'_>, organization: &OrganizationId) -> Result<String, StoreError> {
    let sql = "SELECT name FROM organizations WHERE id = $1";
    let row = tx.query_one(sql, &[organization.as_str().into()])?;
    Ok(row.text(0)?.to_owned())
}
