//! `POST /api/payments/stripe/webhook`: what Stripe tells by itself.
//!
//! Whoever signs with the webhook's secret is believed to be Stripe, and that much only: what an
//! event is about is asked for at Stripe before anything moves. Without a secret there is no such
//! route.

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::response::Response;
use http::request::Parts;
use serde::Serialize;
use utoipa::ToSchema;

use crate::Control;
use crate::body::unread;
use crate::payments::hearing::hear;
use crate::payments::provider::WebhookError;
use crate::payments::refusal::{PaymentRefusal, Trouble};
use crate::respond::{Outcome, Refusal, answer};

/// Who sends to this route.
const STRIPE: &str = "stripe";

/// What came of an event.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct WebhookHeard {
    #[schema(value_type = String, example = "payment.webhook")]
    object: &'static str,
    /// Such as `credited`, `told_before` or `ignored`: for who looks at deliveries at Stripe.
    #[schema(value_type = String, example = "credited")]
    outcome: &'static str,
}

/// Take an event of Stripe's, signed. Answered once what came of it is durable.
#[utoipa::path(
    post, path = "/api/payments/stripe/webhook", tag = "Billing",
    operation_id = "hear_of_stripe",
    params(
        ("Stripe-Signature" = String, Header,
            description = "The time, and HMAC-SHA256 of time and body with the webhook's secret"),
    ),
    request_body(content = Object, description = "An event, as Stripe writes it"),
    responses((status = 200, body = WebhookHeard), (status = 404))
)]
pub(crate) async fn hear_of_stripe(
    State(control): State<Control>,
    head: Parts,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let outcome = heard(&control, &head, body).await.map(Json);
    answer(&control, outcome)
}

async fn heard(
    control: &Control,
    head: &Parts,
    body: Result<Bytes, BytesRejection>,
) -> Outcome<WebhookHeard> {
    let nothing_here = || Refusal::NoRoute {
        method: head.method.to_string(),
        path: head.uri.path().to_owned(),
    };
    let provider = control.payments.of(STRIPE).ok_or_else(nothing_here)?;
    if !provider.hears() {
        return Err(nothing_here());
    }
    let body = body.map_err(unread)?;
    let notice = provider.read_webhook(&head.headers, &body, control.now());
    let notice = notice.map_err(|error| match error {
        WebhookError::Signature => Refusal::BadSignature,
        WebhookError::Unreadable => Refusal::NotJson,
        WebhookError::NotHere => nothing_here(),
    })?;
    match hear(control, &*provider, &notice).await {
        Ok(outcome) => Ok(WebhookHeard {
            object: "payment.webhook",
            outcome,
        }),
        // Stripe sends it again, for days.
        Err(trouble) => {
            tracing::warn!(
                event = notice.id, kind = notice.kind, %trouble,
                "an event of Stripe's was not taken in"
            );
            Err(match trouble {
                Trouble::Provider(_) => PaymentRefusal::ProviderDown.into(),
                Trouble::Store(error) => error.into(),
            })
        }
    }
}
