//! What Stripe sends by itself: verified, and then no more than a hint of what to ask about.
//!
//! An event's objects are written in the version of the account and may be old by the time they
//! come, so nothing of them is believed but the ids.

use domain::time::AtUs;
use http::HeaderMap;
use serde::Deserialize;

use super::PAYMENT;
use super::objects::Metadata;
use super::provider::of_ours;
use super::signature::WebhookSecrets;
use crate::payments::{About, Notice, WebhookError};

/// The header with the signatures.
const HEADER: &str = "stripe-signature";

/// The envelope of an event.
#[derive(Deserialize)]
struct Event {
    id: String,
    #[serde(rename = "type")]
    kind: String,
    data: Data,
}

#[derive(Deserialize)]
struct Data {
    object: Object,
}

/// The object that something happened to, as far as ids go.
#[derive(Deserialize)]
struct Object {
    #[serde(default)]
    id: Option<String>,
    /// Of a charge, a refund or a dispute.
    #[serde(default)]
    payment_intent: Option<String>,
    #[serde(default)]
    metadata: Option<Metadata>,
}

/// Reads an event that Stripe signed just now.
///
/// # Errors
/// [`WebhookError`].
pub(super) fn read(
    secrets: &WebhookSecrets,
    headers: &HeaderMap,
    body: &[u8],
    now: AtUs,
) -> Result<Notice, WebhookError> {
    let mut signatures = headers.get_all(HEADER).iter();
    let (Some(signature), None) = (signatures.next(), signatures.next()) else {
        return Err(WebhookError::Signature);
    };
    let signature = signature.to_str().map_err(|_| WebhookError::Signature)?;
    if let Err(reason) = secrets.verify(signature, body, now) {
        tracing::warn!(%reason, "a webhook of Stripe's is not believed");
        return Err(WebhookError::Signature);
    }
    let event: Event = serde_json::from_slice(body).map_err(|_| WebhookError::Unreadable)?;
    let about = about(&event.kind, event.data.object);
    Ok(Notice {
        id: event.id,
        kind: event.kind,
        about,
    })
}

fn about(kind: &str, object: Object) -> About {
    let about = match kind {
        "checkout.session.completed"
        | "checkout.session.async_payment_succeeded"
        | "checkout.session.async_payment_failed"
        | "checkout.session.expired" => object.id.map(About::Checkout),
        "payment_intent.succeeded" | "payment_intent.payment_failed" => {
            object.id.map(About::Charge)
        }
        // The page that the card was left on is known to the payment.
        "setup_intent.succeeded" | "setup_intent.setup_failed" => {
            let payment = object.metadata.and_then(|mut it| it.remove(PAYMENT));
            payment
                .and_then(|id| of_ours(Some(&id)))
                .map(About::Payment)
        }
        "payment_method.detached" => object.id.map(About::Method),
        // Farebox knows a charge by its intent.
        "charge.refunded"
        | "charge.refund.updated"
        | "refund.created"
        | "refund.updated"
        | "refund.failed" => object.payment_intent.map(About::Charge),
        kind if kind.starts_with("charge.dispute.") => object.id.map(About::Dispute),
        _ => None,
    };
    about.unwrap_or(About::Nothing)
}

#[cfg(test)]
mod tests {
    use domain::id::PaymentId;

    use super::*;

    #[test]
    fn every_event_that_moves_money_says_what_to_ask_about() {
        let object = || Object {
            id: Some("it".into()),
            payment_intent: Some("pi".into()),
            metadata: Some([(PAYMENT.to_owned(), "pay_1".to_owned())].into()),
        };
        let (checkout, charge) = (About::Checkout("it".into()), About::Charge("it".into()));
        let (of_intent, dispute) = (About::Charge("pi".into()), About::Dispute("it".into()));
        for (kind, expected) in [
            ("checkout.session.completed", &checkout),
            ("checkout.session.async_payment_succeeded", &checkout),
            ("checkout.session.async_payment_failed", &checkout),
            ("checkout.session.expired", &checkout),
            ("payment_intent.succeeded", &charge),
            ("payment_intent.payment_failed", &charge),
            ("charge.refunded", &of_intent),
            ("refund.updated", &of_intent),
            ("charge.dispute.created", &dispute),
            ("charge.dispute.closed", &dispute),
            (
                "setup_intent.succeeded",
                &About::Payment(PaymentId::new("pay_1")),
            ),
            ("payment_method.detached", &About::Method("it".into())),
            ("charge.succeeded", &About::Nothing),
            ("invoice.paid", &About::Nothing),
        ] {
            assert_eq!(about(kind, object()), *expected, "{kind}");
        }
    }
}
