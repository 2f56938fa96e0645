//! `/api/webhook_endpoints/{endpoint_id}/deliveries`: what was sent to an endpoint and what it
//! answered; sending it again, and sending an event that only tries the endpoint.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use domain::id::WebhookDeliveryId;
use serde::Serialize;
use serde_json::json;
use store::audit::{Event, Kind};
use store::page::Place;
use store::webhooks::{self, Attempt, Delivery, Endpoint};
use store::{StoreError, Tx};
use utoipa::ToSchema;

use super::found;
use crate::Control;
use crate::authenticate::Admin;
use crate::change::Done;
use crate::next_list::{NextList, NextPage, Placed};
use crate::path::Ids;
use crate::respond::{Outcome, Refusal, answer};

/// What is sent to an endpoint about one event.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct WebhookDelivery {
    #[schema(example = "delivery_7YkQ2nV0bX4cR9sLwA3eTz1M")]
    id: String,
    #[schema(value_type = String, example = "webhook_delivery")]
    object: &'static str,
    /// The event, whose `webhook-id` this is in every try.
    #[schema(example = "alert_2nV0bX4cR9sLwA3eTz1M7YkQ")]
    event_id: String,
    /// A kind of alert, or `test`.
    #[schema(example = "low_balance")]
    event_type: String,
    /// `waiting` (for the first or another try), `delivered` or `failed`.
    #[schema(value_type = String, example = "delivered")]
    status: &'static str,
    /// How often it was tried.
    attempts: i64,
    /// The status of the latest answer; null if there was none.
    #[schema(example = 204)]
    last_response_status: Option<i64>,
    created_at: i64,
    /// When it was taken or given up.
    ended_at: Option<i64>,
}

/// A delivery with the event and every try.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct WebhookDeliveryDetails {
    #[serde(flatten)]
    delivery: WebhookDelivery,
    /// The event. A chat gets the same facts in words.
    #[schema(value_type = Object)]
    event: serde_json::Value,
    /// The tries, oldest first.
    tries: Vec<WebhookTry>,
}

/// A try to deliver an event.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct WebhookTry {
    at: i64,
    /// How long it took, in milliseconds.
    #[schema(example = 84)]
    took_ms: i64,
    /// The answer's status; null if there was no answer.
    #[schema(example = 500)]
    response_status: Option<u16>,
    /// How the answer begins: at most a thousand bytes of it.
    #[schema(example = "Please try again later.")]
    response: Option<String>,
    /// Why there was no answer.
    #[schema(example = "example.com did not answer in time")]
    failure: Option<String>,
}

impl From<Delivery> for WebhookDelivery {
    fn from(delivery: Delivery) -> Self {
        WebhookDelivery {
            id: delivery.id.to_string(),
            object: "webhook_delivery",
            event_id: delivery.event,
            event_type: delivery.kind,
            status: delivery.state.as_str(),
            attempts: delivery.attempts,
            last_response_status: delivery.last_status,
            created_at: delivery.created_at.seconds(),
            ended_at: delivery.ended_at.map(|at| at.seconds()),
        }
    }
}

impl From<Attempt> for WebhookTry {
    fn from(attempt: Attempt) -> Self {
        WebhookTry {
            at: attempt.at.seconds(),
            took_ms: attempt.took_ms,
            response_status: attempt.status,
            response: attempt.answer,
            failure: attempt.failure,
        }
    }
}

impl Placed for Delivery {
    fn place(&self) -> Place {
        (self.created_at, self.id.to_string())
    }
}

/// List what was sent to a webhook endpoint, or is to be; kept for 30 days.
#[utoipa::path(
    get, path = "/api/webhook_endpoints/{endpoint_id}/deliveries", tag = "Alerts",
    operation_id = "list_webhook_deliveries",
    params(
        ("endpoint_id" = String, Path, description = "The endpoint"),
        NextPage::<20, 100>,
    ),
    responses((status = 200, body = NextList<WebhookDelivery>)), security(("admin_key" = []))
)]
pub(crate) async fn list(
    State(control): State<Control>,
    Admin(admin): Admin,
    Ids([endpoint_id]): Ids<1>,
    page: NextPage<20, 100>,
) -> Response {
    let list = page.list::<WebhookDelivery, _>(&control, move |tx, page| {
        let endpoint = found(tx, &admin.organization, &endpoint_id)?.id;
        let part = page.part(|id| webhooks::delivery_place(tx, &endpoint, id))?;
        Ok(webhooks::deliveries(tx, &endpoint, &part)?)
    });
    answer(&control, list.await)
}

/// Retrieve what was sent, with every try and how it was answered.
#[utoipa::path(
    get, path = "/api/webhook_endpoints/{endpoint_id}/deliveries/{delivery_id}", tag = "Alerts",
    operation_id = "retrieve_webhook_delivery",
    params(
        ("endpoint_id" = String, Path, description = "The endpoint"),
        ("delivery_id" = String, Path, description = "The delivery"),
    ),
    responses((status = 200, body = WebhookDeliveryDetails)), security(("admin_key" = []))
)]
pub(crate) async fn retrieve(
    State(control): State<Control>,
    Admin(admin): Admin,
    Ids([endpoint_id, id]): Ids<2>,
) -> Response {
    let read = control.store.read(move |tx| -> Outcome<_> {
        let endpoint = found(tx, &admin.organization, &endpoint_id)?;
        let delivery = one(tx, &endpoint, &id)?;
        let tries = webhooks::attempts(tx, &delivery.id)?;
        let event = serde_json::from_str(&delivery.payload);
        let event = event.map_err(|_| StoreError::Corrupt("an event is no JSON".into()))?;
        Ok(Json(WebhookDeliveryDetails {
            event,
            delivery: delivery.into(),
            tries: tries.into_iter().map(WebhookTry::from).collect(),
        }))
    });
    answer(&control, read.await)
}

/// Send an event again, with the id that it had; nothing is done if it waits to be sent.
#[utoipa::path(
    post, path = "/api/webhook_endpoints/{endpoint_id}/deliveries/{delivery_id}/replay",
    tag = "Alerts", operation_id = "replay_webhook_delivery",
    params(
        ("endpoint_id" = String, Path, description = "The endpoint"),
        ("delivery_id" = String, Path, description = "The delivery"),
    ),
    responses((status = 200, body = WebhookDelivery)), security(("admin_key" = []))
)]
pub(crate) async fn replay(
    State(control): State<Control>,
    Admin(admin): Admin,
    Ids([endpoint_id, id]): Ids<2>,
) -> Response {
    let entropy = control.entropy;
    let change = control.change(admin, move |tx, organization, now| {
        let endpoint = switched_on(found(tx, organization, &endpoint_id)?)?;
        let delivery = one(tx, &endpoint, &id)?.id;
        let is_anew = webhooks::replay(tx, &endpoint.id, &delivery, now, entropy)?;
        let answer = WebhookDelivery::from(one(tx, &endpoint, &id)?);
        let event = Event::new(Kind::WebhookReplayed, &delivery);
        let event = event.data(json!({"endpoint_id": endpoint.id.as_str()}));
        Ok(Done::when(is_anew, event, answer))
    });
    answer(&control, change.await.map(Json))
}

/// Send an event of the type `test` to a webhook endpoint.
#[utoipa::path(
    post, path = "/api/webhook_endpoints/{endpoint_id}/test", tag = "Alerts",
    operation_id = "test_webhook_endpoint",
    params(("endpoint_id" = String, Path, description = "The endpoint")),
    responses((status = 200, body = WebhookDelivery)), security(("admin_key" = []))
)]
pub(crate) async fn test(
    State(control): State<Control>,
    Admin(admin): Admin,
    Ids([endpoint_id]): Ids<1>,
) -> Response {
    let entropy = control.entropy;
    let change = control.change(admin, move |tx, organization, now| {
        let endpoint = switched_on(found(tx, organization, &endpoint_id)?)?;
        let id = webhooks::send_test(tx, organization, &endpoint, now, entropy)?;
        let answer = WebhookDelivery::from(one(tx, &endpoint, id.as_str())?);
        let event = Event::new(Kind::WebhookTested, &id);
        let event = event.data(json!({"endpoint_id": endpoint.id.as_str()}));
        Ok(Done::new(event, answer))
    });
    answer(&control, change.await.map(Json))
}

fn switched_on(endpoint: Endpoint) -> Outcome<Endpoint> {
    match endpoint.off {
        None => Ok(endpoint),
        Some(_) => Err(Refusal::Invalid {
            param: "endpoint_id".into(),
            message: "The endpoint is switched off: nothing is sent to it. Switch it on first."
                .into(),
        }),
    }
}

fn one(tx: &mut Tx<'_>, endpoint: &Endpoint, id: &str) -> Outcome<Delivery> {
    let found = webhooks::delivery(tx, &endpoint.id, &WebhookDeliveryId::new(id))?;
    found.ok_or_else(|| Refusal::NotFound {
        what: "webhook delivery",
        id: id.to_owned(),
    })
}
