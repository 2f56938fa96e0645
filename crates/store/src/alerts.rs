//! Alerts: what organizations are told of, once for each cause.
//!
//! Whoever finds that something happened raises the alert in the transaction that writes it down.
//! One row says that it was raised, and the messages to all who want to know are in the queue with
//! it: all of it is there, or none, whichever node raises it, how often, and whatever dies.

pub mod low_balances;
pub mod settings;

use domain::Entropy;
use domain::alert::{Alert, AlertEvent, AlertKind, Fact};
use domain::id::{AlertId, OrganizationId};
use domain::message::{AlertLetter, Letter, Message};
use domain::time::AtUs;
use serde_json::{Map, json};

use crate::jobs::{self, Job};
use crate::page::{Page, Place};
use crate::{Row, StoreError, Tx, organizations, webhooks};

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
    let (organization, kind) = (&alert.organization, alert.event.kind());
    let id = AlertId::random(entropy);
    let data = data(&alert.event);
    let raised = tx.execute(
        "INSERT INTO alerts (id, organization_id, kind, cause, data, raised_at_us)
         VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (organization_id, kind, cause) DO NOTHING",
        &[
            id.as_str().into(),
            organization.as_str().into(),
            kind.as_str().into(),
            alert.cause.as_str().into(),
            data.to_string().into(),
            now.0.into(),
        ],
    )?;
    if raised == 0 {
        return Ok(false);
    }
    let letter = AlertLetter {
        organization_id: organization.clone(),
        subject_prefix: alert.subject_prefix.clone(),
        organization: organizations::name(tx, organization)?,
        event: alert.event.clone(),
        at: now,
    };
    let raised = webhooks::Raised {
        id: &id,
        alert,
        data: &data,
        facts: letter.facts().into_iter().collect(),
        at: now,
    };
    webhooks::tell(tx, &raised, entropy)?;
    let people = match &alert.people {
        Some(people) => people.clone(),
        None => settings::people(tx, organization, kind)?,
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

/// An alert that was raised.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Past {
    /// Its id: also that of its events.
    pub id: AlertId,
    /// What it was about.
    pub kind: AlertKind,
    /// Its facts by name, as a JSON object.
    pub data: String,
    /// When.
    pub at: AtUs,
}

const COLUMNS: &str = "SELECT id, kind, data, raised_at_us FROM alerts WHERE organization_id = $1";

/// A page of an organization's alerts.
///
/// # Errors
/// [`StoreError`].
pub fn list(
    tx: &mut Tx<'_>,
    organization: &OrganizationId,
    page: &Page,
) -> Result<Vec<Past>, StoreError> {
    let mut params = vec![organization.as_str().into()];
    let tail = page.tail("raised_at_us", "id", &mut params);
    let rows = tx.query(&format!("{COLUMNS}{tail}"), &params)?;
    rows.iter().map(from_row).collect()
}

/// The place of an alert in the list.
///
/// # Errors
/// [`StoreError`].
pub fn place(
    tx: &mut Tx<'_>,
    organization: &OrganizationId,
    id: &str,
) -> Result<Option<Place>, StoreError> {
    let params = [organization.as_str().into(), id.into()];
    let row = tx.query_optional(&format!("{COLUMNS} AND id = $2"), &params)?;
    let past = row.as_ref().map(from_row).transpose()?;
    Ok(past.map(|it| (it.at, it.id.to_string())))
}

fn from_row(row: &Row) -> Result<Past, StoreError> {
    let word = row.text(1)?;
    let unknown = || StoreError::Corrupt(format!("an alert is about {word}"));
    Ok(Past {
        id: AlertId::new(row.text(0)?),
        kind: AlertKind::from_word(word).ok_or_else(unknown)?,
        data: row.text(2)?.to_owned(),
        at: AtUs(row.int(3)?),
    })
}
