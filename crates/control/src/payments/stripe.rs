//! Stripe, by the few calls that Farebox needs.
//!
//! Cards are typed on Stripe's own pages (Checkout); what comes here are ids. Whatever Stripe is
//! asked to do is done once: the caller gives an idempotency key, made of the id of what it is for.

mod balance;
mod call;
mod checkout;
mod failure;
mod form;
mod intents;
mod movement;
mod objects;
mod provider;
mod refunds;
mod saved;
mod signature;
mod webhook;

use std::fmt;
use std::time::Duration;

use domain::Entropy;
use domain::secret::Secret;
use http::HeaderValue;

pub use balance::Movements;
pub use call::VERSION;
pub use checkout::{NewCheckout, Purpose};
pub use failure::{CardRefusal, StripeError};
pub use intents::NewCharge;
pub use objects::*;
pub use provider::StripePayments;
pub use refunds::NewRefund;
pub use signature::{BadSignature, TOLERANCE_S, WeakSecret, WebhookSecrets};

use crate::outbound::Outbound;

/// Where Stripe's API is.
pub const API: &str = "https://api.stripe.com";
/// Metadata: the payment that an object belongs to.
pub const PAYMENT: &str = "farebox_payment";
/// Metadata: the organization that an object belongs to.
pub const ORGANIZATION: &str = "farebox_organization";
/// Metadata: the refund that an object belongs to.
pub const REFUND: &str = "farebox_refund";

/// An account at Stripe.
#[derive(Clone, Debug)]
pub struct StripeSettings {
    /// Where the API is, usually [`API`]; no slash at the end.
    pub base_url: String,
    /// `sk_live_…`, `sk_test_…`, or a restricted key (`rk_…`).
    pub secret_key: Secret,
    /// The longest that a try may take.
    pub timeout: Duration,
    /// How long to wait before the second try; twice as long before the third.
    pub back_off: Duration,
}

/// Calls Stripe. Cheap to clone.
#[derive(Clone)]
pub struct Stripe {
    outbound: Outbound,
    base_url: String,
    authorization: HeaderValue,
    back_off: Duration,
    entropy: Entropy,
}

impl fmt::Debug for Stripe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Stripe({})", self.base_url)
    }
}

/// A secret key that is none: it is empty, or has characters that no key has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is no secret key of Stripe's, which look like sk_live_…, sk_test_… or rk_live_…")]
pub struct NoSecretKey;

impl Stripe {
    /// Prepares for an account; Stripe is not called yet.
    ///
    /// # Errors
    /// [`NoSecretKey`].
    pub fn new(settings: &StripeSettings, entropy: Entropy) -> Result<Self, NoSecretKey> {
        let key = settings.secret_key.expose();
        let is_key = (key.starts_with("sk_") || key.starts_with("rk_"))
            && key
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if !is_key {
            return Err(NoSecretKey);
        }
        let authorization = HeaderValue::from_str(&format!("Bearer {key}"));
        let mut authorization = authorization.map_err(|_| NoSecretKey)?;
        authorization.set_sensitive(true);
        Ok(Stripe {
            outbound: Outbound::new(settings.timeout),
            base_url: settings.base_url.clone(),
            authorization,
            back_off: settings.back_off,
            entropy,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(key: &str) -> Result<Stripe, NoSecretKey> {
        let settings = StripeSettings {
            base_url: API.into(),
            secret_key: Secret::new(key.into()),
            timeout: Duration::from_secs(1),
            back_off: Duration::from_secs(1),
        };
        Stripe::new(&settings, |bytes| bytes.fill(0))
    }

    #[test]
    fn a_key_is_a_key_and_is_never_shown() {
        let stripe = with("sk_test_51Secret").unwrap();
        assert!(!format!("{stripe:?}").contains("51Secret"));
        assert!(!format!("{:?}", stripe.authorization).contains("51Secret"));
        assert!(with("rk_live_51Secret").is_ok());
        for none in ["", "pk_test_51", "whsec_1", "sk_test_51 ", "sk_test_5\n1"] {
            assert_eq!(with(none).err(), Some(NoSecretKey), "{none:?}");
        }
    }
}
