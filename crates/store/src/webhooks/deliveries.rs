//! What is sent to webhook endpoints: queued with the alert that it is about, tried as the queue of
//! messages says, and every try written down with what was answered.

use std::collections::BTreeMap;

use bytes::Bytes;
use domain::Entropy;
use domain::alert::{Alert, AlertEvent, EndpointOff};
use domain::id::{AlertId, OrganizationId, WebhookDeliveryId, WebhookEndpointId};
use domain::message::Message;
use domain::time::AtUs;
use domain::webhook::{Form, KEPT_US, Off, is_given_up};
use serde_json::json;

use super::{Endpoint, of};
use crate::jobs::{self, Claimed, Job};
use crate::page::{Page, Place};
use crate::{Row, StoreError, Tx, alerts};

/// The type of an event that only tries an endpoint.
const TEST: &str = "test";
/// What is in an event may grow; what is there keeps its meaning as long as this stays.
const VERSION: u8 = 1;

/// An alert that is there, as endpoints are told of it.
pub(crate) struct Raised<'a> {
    /// Its id.
    pub(crate) id: &'a AlertId,
    /// The alert.
    pub(crate) alert: &'a Alert,
    /// Its facts for programs, as a JSON object.
    pub(crate) data: &'a serde_json::Value,
    /// Its facts for people.
    pub(crate) facts: BTreeMap<&'static str, String>,
    /// When.
    pub(crate) at: AtUs,
}

/// How far a delivery is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It is sent, now or later.
    Waiting,
    /// The endpoint took it.
    Delivered,
    /// It was given up.
    Failed,
}

impl State {
    const ALL: [State; 3] = [State::Waiting, State::Delivered, State::Failed];

    /// The word it is written as.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            State::Waiting => "waiting",
            State::Delivered => "delivered",
            State::Failed => "failed",
        }
    }
}

/// What is sent to one endpoint about one alert.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// Its id.
    pub id: WebhookDeliveryId,
    /// The event's id: the same for every endpoint and every try.
    pub event: String,
    /// The event's type: an alert's kind, or `test`.
    pub kind: String,
    /// The event as programs read it, as JSON.
    pub payload: String,
    /// How far it is.
    pub state: State,
    /// How often it was tried.
    pub attempts: i64,
    /// The status of the latest answer.
    pub last_status: Option<i64>,
    /// When it was queued first.
    pub created_at: AtUs,
    /// When it was taken or given up.
    pub ended_at: Option<AtUs>,
}

/// One try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// When it began.
    pub at: AtUs,
    /// How long it took.
    pub took_ms: i64,
    /// The answer's status; none if there was no answer.
    pub status: Option<u16>,
    /// How the answer begins.
    pub answer: Option<String>,
    /// Why there was no answer.
    pub failure: Option<String>,
}

/// What a try came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The endpoint took it.
    Delivered,
    /// It is tried again then.
    Again(AtUs),
    /// It is given up.
    GivenUp,
    /// The endpoint says that it is gone: it gets nothing more.
    Gone,
}

/// What is to be sent, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// The endpoint.
    pub endpoint: WebhookEndpointId,
    /// What it takes.
    pub form: Form,
    /// Its address as it may be shown.
    pub url: String,
    /// Sealed: the secrets that sign now, the newest first.
    pub secrets: Vec<Bytes>,
    /// Whether it is switched off.
    pub is_off: bool,
    /// The event's id.
    pub event: String,
    /// The event's type.
    pub kind: String,
    /// The event as programs read it.
    pub payload: String,
    /// The facts of the event for people, where people read it.
    pub facts: BTreeMap<String, String>,
}

/// Queues an alert for each endpoint that wants to know.
pub(crate) fn tell(
    tx: &mut Tx<'_>,
    raised: &Raised<'_>,
    entropy: Entropy,
) -> Result<(), StoreError> {
    let kind = raised.alert.event.kind();
    let organization = &raised.alert.organization;
    for endpoint in of(tx, organization)? {
        let wants = endpoint.kinds.as_ref();
        if endpoint.off.is_some() || wants.is_some_and(|kinds| !kinds.contains(&kind)) {
            continue;
        }
        let event = Event {
            id: raised.id.as_str(),
            kind: kind.as_str(),
            organization,
            data: raised.data,
            facts: &raised.facts,
        };
        queue(tx, &endpoint, &event, raised.at, entropy)?;
    }
    Ok(())
}

/// Queues an event that says nothing, to try an endpoint.
///
/// # Errors
/// [`StoreError`].
pub fn send_test(
    tx: &mut Tx<'_>,
    organization: &OrganizationId,
    endpoint: &Endpoint,
    now: AtUs,
    entropy: Entropy,
) -> Result<WebhookDeliveryId, StoreError> {
    let (id, data) = (
        AlertId::random(entropy),
        json!({"endpoint_id": endpoint.id.as_str()}),
    );
    let event = Event {
        id: id.as_str(),
        kind: TEST,
        organization,
        data: &data,
        facts: &BTreeMap::new(),
    };
    queue(tx, endpoint, &event, now, entropy)
}

struct Event<'a> {
    id: &'a str,
    kind: &'a str,
    organization: &'a OrganizationId,
    data: &'a serde_json::Value,
    facts: &'a BTreeMap<&'static str, String>,
}

fn queue(
    tx: &mut Tx<'_>,
    endpoint: &Endpoint,
    event: &Event<'_>,
    now: AtUs,
    entropy: Entropy,
) -> Result<WebhookDeliveryId, StoreError> {
    let id = WebhookDeliveryId::random(entropy);
    let payload = json!({
        "id": event.id,
        "type": event.kind,
        "version": VERSION,
        "timestamp": now.to_utc(),
        "organization_id": event.organization.as_str(),
        "data": event.data,
    });
    let facts = (endpoint.form == Form::Slack).then(|| json!(event.facts).to_string());
    tx.execute_one(
        "INSERT INTO webhook_deliveries (id, endpoint_id, event_id, kind, payload, facts, state,
                                         queued, attempts, created_at_us)
         VALUES ($1, $2, $3, $4, $5, $6, 'waiting', 1, 0, $7)",
        &[
            id.as_str().into(),
            endpoint.id.as_str().into(),
            event.id.into(),
            event.kind.into(),
            payload.to_string().into(),
            facts.into(),
            now.0.into(),
        ],
    )?;
    enqueue(tx, &endpoint.id, (&id, 1), now, entropy)?;
    Ok(id)
}

fn enqueue(
    tx: &mut Tx<'_>,
    endpoint: &WebhookEndpointId,
    (delivery, queued): (&WebhookDeliveryId, i64),
    now: AtUs,
    entropy: Entropy,
) -> Result<(), StoreError> {
    let job = Job {
        key: format!("webhook:{delivery}:{queued}"),
        message: Message::Webhook {
            endpoint: endpoint.clone(),
            delivery: delivery.clone(),
        },
        expires_at: None,
    };
    jobs::enqueue(tx, &job, now, entropy).map(|_| ())
}

/// Queues a delivery once more, with the event that it was. False if it waits already.
///
/// # Errors
/// [`StoreError`]; a conflict if there is none.
pub fn replay(
    tx: &mut Tx<'_>,
    endpoint: &WebhookEndpointId,
    id: &WebhookDeliveryId,
    now: AtUs,
    entropy: Entropy,
) -> Result<bool, StoreError> {
    let sql = "UPDATE webhook_deliveries SET state = 'waiting', queued = queued + 1,
                      ended_at_us = NULL
               WHERE endpoint_id = $1 AND id = $2 AND state <> 'waiting' RETURNING queued";
    let row = tx.query_optional(sql, &[endpoint.as_str().into(), id.as_str().into()])?;
    let Some(row) = row else {
        return Ok(false);
    };
    enqueue(tx, endpoint, (id, row.int(0)?), now, entropy)?;
    Ok(true)
}

/// What a delivery is to send; none if it, or its endpoint, is gone.
///
/// # Errors
/// [`StoreError`].
pub fn order(
    tx: &mut Tx<'_>,
    id: &WebhookDeliveryId,
    now: AtUs,
) -> Result<Option<Order>, StoreError> {
    let sql = "SELECT e.id, e.form, e.url, e.secret, e.earlier_secret, e.earlier_ends_at_us, e.off,
                      d.event_id, d.kind, d.payload, d.facts
               FROM webhook_deliveries d JOIN webhook_endpoints e ON e.id = d.endpoint_id
               WHERE d.id = $1";
    let Some(row) = tx.query_optional(sql, &[id.as_str().into()])? else {
        return Ok(None);
    };
    let corrupt = || StoreError::Corrupt("a webhook endpoint's form".into());
    let mut secrets = vec![row.bytes(3)?.clone()];
    if row.opt_int(5)?.is_some_and(|ends_at| ends_at > now.0) {
        secrets.push(row.bytes(4)?.clone());
    }
    let facts = row.opt_text(10)?.unwrap_or("{}");
    Ok(Some(Order {
        endpoint: WebhookEndpointId::new(row.text(0)?),
        form: Form::from_word(row.text(1)?).ok_or_else(corrupt)?,
        url: row.text(2)?.to_owned(),
        secrets,
        is_off: row.opt_text(6)?.is_some(),
        event: row.text(7)?.to_owned(),
        kind: row.text(8)?.to_owned(),
        payload: row.text(9)?.to_owned(),
        // A template misses what cannot be read here, and fails by itself.
        facts: serde_json::from_str(facts).unwrap_or_default(),
    }))
}

/// Ends a delivery that is not to be tried, as its endpoint is switched off or gone. False if the
/// claim was lost.
///
/// # Errors
/// [`StoreError`].
pub fn skip(
    tx: &mut Tx<'_>,
    job: &Claimed,
    id: &WebhookDeliveryId,
    now: AtUs,
) -> Result<bool, StoreError> {
    if !jobs::done(tx, job, now)? {
        return Ok(false);
    }
    let sql = "UPDATE webhook_deliveries SET state = 'failed', ended_at_us = $2 WHERE id = $1";
    tx.execute(sql, &[id.as_str().into(), now.0.into()])?;
    Ok(true)
}

/// Writes down a try and what it came to; switches the endpoint off, and tells of it, if it took
/// nothing for too long. False, and nothing of this, if the claim was lost.
///
/// # Errors
/// [`StoreError`].
pub fn record(
    tx: &mut Tx<'_>,
    (job, id): (&Claimed, &WebhookDeliveryId),
    (attempt, end): (&Attempt, End),
    now: AtUs,
    entropy: Entropy,
) -> Result<bool, StoreError> {
    let reason = match (attempt.status, &attempt.failure) {
        (Some(status), _) => format!("the endpoint answered {status}"),
        (None, Some(failure)) => failure.clone(),
        (None, None) => String::new(),
    };
    let (is_heard, state) = match end {
        End::Delivered => (jobs::done(tx, job, now)?, State::Delivered),
        End::Again(due_at) => (jobs::try_again(tx, job, &reason, due_at)?, State::Waiting),
        End::GivenUp | End::Gone => (jobs::bury(tx, job, &reason, now)?, State::Failed),
    };
    if !is_heard {
        return Ok(false);
    }
    let ended_at = (state != State::Waiting).then_some(now.0);
    let status = attempt.status.map(i64::from);
    let counted = tx.query_optional(
        "UPDATE webhook_deliveries SET attempts = attempts + 1, state = $2, ended_at_us = $3,
                last_status = $4
         WHERE id = $1 RETURNING attempts, endpoint_id",
        &[
            id.as_str().into(),
            state.as_str().into(),
            ended_at.into(),
            status.into(),
        ],
    )?;
    // Removed with its endpoint meanwhile.
    let Some(counted) = counted else {
        return Ok(true);
    };
    tx.execute_one(
        "INSERT INTO webhook_attempts (delivery_id, number, at_us, took_ms, status, answer, failure)
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
        &[
            id.as_str().into(),
            counted.int(0)?.into(),
            attempt.at.0.into(),
            attempt.took_ms.into(),
            status.into(),
            attempt.answer.as_deref().into(),
            attempt.failure.as_deref().into(),
        ],
    )?;
    let endpoint = WebhookEndpointId::new(counted.text(1)?);
    match end {
        End::Delivered => works(tx, &endpoint)?,
        _ => fails(tx, &endpoint, (end == End::Gone, &reason), now, entropy)?,
    }
    Ok(true)
}

fn works(tx: &mut Tx<'_>, endpoint: &WebhookEndpointId) -> Result<(), StoreError> {
    let sql = "UPDATE webhook_endpoints SET failing_since_us = NULL
               WHERE id = $1 AND failing_since_us IS NOT NULL";
    tx.execute(sql, &[endpoint.as_str().into()]).map(|_| ())
}

fn fails(
    tx: &mut Tx<'_>,
    endpoint: &WebhookEndpointId,
    (is_gone, reason): (bool, &str),
    now: AtUs,
    entropy: Entropy,
) -> Result<(), StoreError> {
    let sql = "UPDATE webhook_endpoints SET failing_since_us = COALESCE(failing_since_us, $2)
               WHERE id = $1 AND off IS NULL RETURNING failing_since_us, organization_id, url";
    let row = tx.query_optional(sql, &[endpoint.as_str().into(), now.0.into()])?;
    let Some(row) = row else {
        return Ok(());
    };
    let why = match is_gone {
        true => Off::Gone,
        false if is_given_up(AtUs(row.int(0)?), now) => Off::Failing,
        false => return Ok(()),
    };
    tx.execute_one(
        "UPDATE webhook_endpoints SET off = $2, off_at_us = $3 WHERE id = $1",
        &[endpoint.as_str().into(), why.as_str().into(), now.0.into()],
    )?;
    let event = AlertEvent::WebhookDisabled(EndpointOff {
        endpoint: endpoint.clone(),
        url: row.text(2)?.to_owned(),
        why,
        last: reason.to_owned(),
    });
    let cause = format!("{endpoint}:{}", now.0);
    let alert = Alert::new(&OrganizationId::new(row.text(1)?), cause, event);
    alerts::raise(tx, &alert, now, entropy).map(|_| ())
}

const COLUMNS: &str = "SELECT id, event_id, kind, payload, state, attempts, last_status,
        created_at_us, ended_at_us FROM webhook_deliveries WHERE endpoint_id = $1";

/// A page of what was sent to an endpoint, or is to be.
///
/// # Errors
/// [`StoreError`].
pub fn deliveries(
    tx: &mut Tx<'_>,
    endpoint: &WebhookEndpointId,
    page: &Page,
) -> Result<Vec<Delivery>, StoreError> {
    let mut params = vec![endpoint.as_str().into()];
    let tail = page.tail("created_at_us", "id", &mut params);
    let rows = tx.query(&format!("{COLUMNS}{tail}"), &params)?;
    rows.iter().map(from_row).collect()
}

/// One delivery.
///
/// # Errors
/// [`StoreError`].
pub fn delivery(
    tx: &mut Tx<'_>,
    endpoint: &WebhookEndpointId,
    id: &WebhookDeliveryId,
) -> Result<Option<Delivery>, StoreError> {
    let sql = format!("{COLUMNS} AND id = $2");
    let row = tx.query_optional(&sql, &[endpoint.as_str().into(), id.as_str().into()])?;
    row.as_ref().map(from_row).transpose()
}

/// The place of a delivery in the list.
///
/// # Errors
/// [`StoreError`].
pub fn delivery_place(
    tx: &mut Tx<'_>,
    endpoint: &WebhookEndpointId,
    id: &str,
) -> Result<Option<Place>, StoreError> {
    let found = delivery(tx, endpoint, &WebhookDeliveryId::new(id))?;
    Ok(found.map(|it| (it.created_at, it.id.to_string())))
}

/// Every try of a delivery, the first one first. There are few, unless it was replayed often: then
/// the latest hundred.
///
/// # Errors
/// [`StoreError`].
pub fn attempts(tx: &mut Tx<'_>, id: &WebhookDeliveryId) -> Result<Vec<Attempt>, StoreError> {
    let sql = "SELECT at_us, took_ms, status, answer, failure FROM webhook_attempts
               WHERE delivery_id = $1 ORDER BY number DESC LIMIT 100";
    let rows = tx.query(sql, &[id.as_str().into()])?;
    let attempt = |row: &Row| {
        let status = row.opt_int(2)?.map(u16::try_from).transpose();
        Ok(Attempt {
            at: AtUs(row.int(0)?),
            took_ms: row.int(1)?,
            status: status.map_err(|_| StoreError::Corrupt("the status of an answer".into()))?,
            answer: row.opt_text(3)?.map(ToOwned::to_owned),
            failure: row.opt_text(4)?.map(ToOwned::to_owned),
        })
    };
    rows.iter().rev().map(attempt).collect()
}

/// Forgets what was sent long ago, at most `limit` deliveries; answers how many. Ends those that
/// nothing in the queue is left of, as an operator dropped it or its workers died.
///
/// # Errors
/// [`StoreError`].
pub fn forget(tx: &mut Tx<'_>, limit: i64, now: AtUs) -> Result<u64, StoreError> {
    tx.execute(
        "UPDATE webhook_deliveries SET state = 'failed', ended_at_us = $1
         WHERE state = 'waiting' AND NOT EXISTS (
             SELECT 1 FROM jobs
             WHERE job_key = 'webhook:' || webhook_deliveries.id || ':' || queued
               AND jobs.state = 'waiting')",
        &[now.0.into()],
    )?;
    let old = "SELECT id FROM webhook_deliveries WHERE state <> 'waiting' AND ended_at_us < $1
               ORDER BY ended_at_us, id LIMIT $2";
    let params = [now.plus(-KEPT_US).0.into(), limit.into()];
    let sql = format!("DELETE FROM webhook_attempts WHERE delivery_id IN ({old})");
    tx.execute(&sql, &params)?;
    let sql = format!("DELETE FROM webhook_deliveries WHERE id IN ({old})");
    tx.execute(&sql, &params)
}

fn from_row(row: &Row) -> Result<Delivery, StoreError> {
    let word = row.text(4)?;
    let state = State::ALL.into_iter().find(|state| state.as_str() == word);
    Ok(Delivery {
        id: WebhookDeliveryId::new(row.text(0)?),
        event: row.text(1)?.to_owned(),
        kind: row.text(2)?.to_owned(),
        payload: row.text(3)?.to_owned(),
        state: state.ok_or_else(|| StoreError::Corrupt(format!("a delivery is {word}")))?,
        attempts: row.int(5)?,
        last_status: row.opt_int(6)?,
        created_at: AtUs(row.int(7)?),
        ended_at: row.opt_int(8)?.map(AtUs),
    })
}
