//! What Stripe says when it refuses, and what is known when it says nothing.

use serde::Deserialize;

use super::objects::PaymentIntent;

/// Why a call to Stripe brought nothing.
#[derive(Debug, thiserror::Error)]
pub enum StripeError {
    /// Nobody answered, or Stripe could not just now, and trying again did not help. Whether what
    /// was asked for was done is unknown: ask again with the same idempotency key, or look.
    #[error("Stripe does not answer: {0}")]
    Unavailable(String),
    /// The secret key is none, or may not do this.
    #[error("Stripe does not accept the secret key: {0}")]
    Unauthorized(String),
    /// The card was not charged.
    #[error("the card was declined: {}", .0.message)]
    Card(Box<CardRefusal>),
    /// There is no such thing at Stripe, in the mode (test or live) of the secret key.
    #[error("Stripe has no such thing: {0}")]
    Missing(String),
    /// The idempotency key came before with other parameters: a bug of ours.
    #[error("an idempotency key was used twice: {0}")]
    KeyReused(String),
    /// Another refusal: it would be repeated.
    #[error("Stripe refuses ({status}, {code}): {message}")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// Stripe's name for what is wrong; may be empty.
        code: String,
        /// Stripe's words.
        message: String,
    },
    /// The answer is not what it should be.
    #[error("Stripe's answer cannot be read: {0}")]
    Unreadable(String),
}

/// Why a card was not charged.
#[derive(Clone, Debug)]
pub struct CardRefusal {
    /// Such as `card_declined`, `expired_card` or `authentication_required`.
    pub code: String,
    /// The bank's reason, such as `insufficient_funds`, if it gave one.
    pub decline_code: Option<String>,
    /// A sentence for whoever owns the card.
    pub message: String,
    /// The intent that was made for it.
    pub intent: Option<PaymentIntent>,
}

/// The envelope of a refusal.
#[derive(Deserialize)]
struct Envelope {
    error: Said,
}

/// A refusal as Stripe writes it; also what a payment intent remembers of its last one.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Said {
    #[serde(rename = "type", default)]
    kind: String,
    #[serde(default)]
    pub(super) code: Option<String>,
    #[serde(default)]
    pub(super) decline_code: Option<String>,
    #[serde(default)]
    pub(super) message: Option<String>,
    #[serde(default)]
    payment_intent: Option<Box<PaymentIntent>>,
}

impl StripeError {
    /// Whether what was asked for may have been done all the same.
    #[must_use]
    pub fn leaves_open(&self) -> bool {
        matches!(
            self,
            StripeError::Unavailable(_) | StripeError::Unreadable(_)
        )
    }

    /// What an answer with this status means, which is no yes.
    pub(super) fn of(status: u16, body: &[u8]) -> Self {
        let Ok(Envelope { error: said }) = serde_json::from_slice(body) else {
            return match status {
                429 | 500.. => StripeError::Unavailable(format!("it answered {status}")),
                _ => StripeError::Unreadable(format!("it answered {status}, without a reason")),
            };
        };
        let code = said.code.unwrap_or_default();
        let message = said.message.unwrap_or_default();
        match (status, &*said.kind) {
            (409 | 429 | 500.., _) => StripeError::Unavailable(format!("{status}: {message}")),
            (401 | 403, _) => StripeError::Unauthorized(message),
            (_, "idempotency_error") => StripeError::KeyReused(message),
            (402, _) | (_, "card_error") => StripeError::Card(Box::new(CardRefusal {
                code,
                decline_code: said.decline_code,
                message,
                intent: said.payment_intent.map(|intent| *intent),
            })),
            (404, _) => StripeError::Missing(message),
            _ if code == "resource_missing" => StripeError::Missing(message),
            _ => StripeError::Refused {
                status,
                code,
                message,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What an error looks like to those who handle it.
    fn name(status: u16, body: &str) -> String {
        match StripeError::of(status, body.as_bytes()) {
            StripeError::Unavailable(_) => "unavailable".into(),
            StripeError::Unauthorized(_) => "unauthorized".into(),
            StripeError::Card(card) => {
                let CardRefusal {
                    code, decline_code, ..
                } = *card;
                format!("card {code} {}", decline_code.unwrap_or_default())
            }
            StripeError::Missing(_) => "missing".into(),
            StripeError::KeyReused(_) => "key reused".into(),
            StripeError::Refused { code, .. } => format!("refused {code}"),
            StripeError::Unreadable(_) => "unreadable".into(),
        }
    }

    #[test]
    fn every_refusal_has_one_meaning() {
        let error = |kind: &str, code: &str| {
            format!(r#"{{"error": {{"type": "{kind}", "code": "{code}", "message": "No."}}}}"#)
        };
        let declined = r#"{"error": {"type": "card_error", "code": "card_declined",
            "decline_code": "insufficient_funds", "message": "No money."}}"#;
        let invalid = "invalid_request_error";
        let of = [
            (401, error(invalid, ""), "unauthorized"),
            (403, error(invalid, ""), "unauthorized"),
            (
                402,
                declined.to_owned(),
                "card card_declined insufficient_funds",
            ),
            (
                402,
                error("card_error", "authentication_required"),
                "card authentication_required ",
            ),
            (404, error(invalid, "resource_missing"), "missing"),
            (400, error(invalid, "resource_missing"), "missing"),
            (400, error("idempotency_error", ""), "key reused"),
            (
                400,
                error(invalid, "amount_too_small"),
                "refused amount_too_small",
            ),
            (409, error(invalid, "lock_timeout"), "unavailable"),
            (429, error(invalid, "rate_limit"), "unavailable"),
            (500, error("api_error", ""), "unavailable"),
            (502, "<html>Bad gateway</html>".into(), "unavailable"),
            (404, "<html>".into(), "unreadable"),
        ];
        for (status, body, expected) in of {
            assert_eq!(name(status, &body), expected, "{status} {body}");
        }
    }
}
