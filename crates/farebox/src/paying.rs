//! Who takes money, as the configuration wants it.

use std::sync::Arc;
use std::time::Duration;

use control::payments::stripe::{Stripe, StripePayments, StripeSettings, WebhookSecrets};
use control::payments::{PaymentProvider, Payments, TestProvider};
use store::Store;

use crate::cli::Failure;
use crate::config::{self, Config, MoneyTaker, StripeAccount};
use crate::sending::value;
use crate::{clock, entropy};

/// The wait before a request to Stripe is tried again; it doubles.
const BACK_OFF: Duration = Duration::from_millis(500);

/// How people pay here. Test cards are taken only where nobody else comes: on any other
/// installation nobody takes money, rather than credit for nothing. The configuration warns of it,
/// and the server starts, as one that gives credit by grants alone needs no provider.
///
/// # Errors
/// [`Failure`] if a secret is none.
pub(crate) fn payments(config: &Config, store: &Store) -> Result<Payments, Failure> {
    let wanted = &config.payments;
    let mut payments = Payments {
        provider: None,
        test: None,
        bounds: wanted.bounds,
        tax_rate: wanted.tax_rate,
    };
    match &wanted.taker {
        MoneyTaker::Test if config::is_at_home(config) => {
            let test = TestProvider::new(store.clone(), clock::system(), &config.public_url);
            payments.provider = Some(Arc::new(test.clone()));
            payments.test = Some(test);
        }
        MoneyTaker::Test => {}
        MoneyTaker::Stripe(account) => payments.provider = Some(stripe(account)?),
    }
    Ok(payments)
}

fn stripe(account: &StripeAccount) -> Result<Arc<dyn PaymentProvider>, Failure> {
    let failed = |key: &str, env: &str, problem: String| {
        Failure::new(format!("`payments.{key}` names {env}: {problem}."))
    };
    let settings = StripeSettings {
        base_url: account.base_url.clone(),
        secret_key: value(&account.secret_key),
        timeout: Duration::from_millis(account.timeout_ms),
        back_off: BACK_OFF,
    };
    let client = Stripe::new(&settings, entropy::system).map_err(|problem| {
        failed(
            "secret_key_env",
            &account.secret_key.env,
            problem.to_string(),
        )
    })?;
    let secrets = match &account.webhook_secret {
        None => None,
        Some(current) => {
            let previous = account.previous_webhook_secret.as_ref().map(value);
            let secrets = WebhookSecrets::new(value(current), previous);
            Some(secrets.map_err(|problem| {
                failed("webhook_secret_env", &current.env, problem.to_string())
            })?)
        }
    };
    Ok(Arc::new(StripePayments::new(client, secrets)))
}
