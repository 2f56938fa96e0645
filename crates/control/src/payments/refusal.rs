//! Why nothing is paid, saved or given back.

use domain::money::Nusd;
use http::StatusCode;
use store::StoreError;

use super::provider::ProviderError;

/// Why nothing is paid, saved or given back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum PaymentRefusal {
    /// Nobody takes money here.
    NobodyTakes,
    /// Whoever takes it does not answer.
    ProviderDown,
    /// Whoever takes it will not.
    ProviderRefused(String),
    /// The key of this call came before, with another order.
    KeyReused,
    /// The key of this call is not a short text.
    BadKey,
    /// The payment is over, or on its way: it cannot be called off.
    Over,
    /// The payment was not paid, so that nothing can go back.
    NotPaid,
    /// A comparison of the provider's books with ours is running.
    Reconciling,
    /// The credit is spent, held, or went back before.
    NotFree(Nusd),
}

impl PaymentRefusal {
    /// Status, code, parameter and message of the answer.
    pub(crate) fn parts(&self) -> (StatusCode, &'static str, Option<&'static str>, String) {
        match self {
            PaymentRefusal::NobodyTakes => (
                StatusCode::BAD_REQUEST,
                "payments_unavailable",
                None,
                "Nothing can be bought here: nobody takes money. The operator of this installation sets that up in `[payments]`.".into(),
            ),
            PaymentRefusal::ProviderDown => (
                StatusCode::SERVICE_UNAVAILABLE,
                "payment_provider_unavailable",
                None,
                "The payment provider does not answer at this moment. Please try again shortly, with the same Idempotency-Key: nothing is paid twice.".into(),
            ),
            PaymentRefusal::ProviderRefused(why) => (
                StatusCode::BAD_REQUEST,
                "payment_refused",
                None,
                format!("The payment provider refused this: {why}"),
            ),
            PaymentRefusal::KeyReused => (
                StatusCode::CONFLICT,
                "idempotency_key_reused",
                Some("Idempotency-Key"),
                "This Idempotency-Key came before with another order. Send a new one.".into(),
            ),
            PaymentRefusal::BadKey => (
                StatusCode::BAD_REQUEST,
                "invalid_value",
                Some("Idempotency-Key"),
                "Invalid 'Idempotency-Key': expected 1 to 255 visible ASCII characters.".into(),
            ),
            PaymentRefusal::Over => (
                StatusCode::CONFLICT,
                "payment_over",
                None,
                "This payment is over, or on its way: it cannot be called off.".into(),
            ),
            PaymentRefusal::NotPaid => (
                StatusCode::BAD_REQUEST,
                "payment_not_paid",
                None,
                "This payment was not paid, so that nothing can go back.".into(),
            ),
            PaymentRefusal::Reconciling => (
                StatusCode::CONFLICT,
                "reconciliation_running",
                None,
                "A reconciliation is running. Wait for its end, and begin another one then.".into(),
            ),
            PaymentRefusal::NotFree(available) => (
                StatusCode::BAD_REQUEST,
                "invalid_value",
                Some("amount_usd"),
                format!(
                    "Invalid 'amount_usd': only {} of this payment is neither spent, nor held for requests in flight, nor leased by nodes, nor in dispute.",
                    available.to_usd()
                ),
            ),
        }
    }

    /// What a caller is told when the provider did not do what it was asked.
    pub(crate) fn of(error: &ProviderError) -> Self {
        match error {
            ProviderError::Refused { message, .. } => {
                PaymentRefusal::ProviderRefused(message.clone())
            }
            _ => PaymentRefusal::ProviderDown,
        }
    }
}

/// Why something could not be found out of a provider.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Trouble {
    /// The provider.
    #[error(transparent)]
    Provider(#[from] ProviderError),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}
