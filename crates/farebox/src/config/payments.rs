//! Reads `[payments]`.
//!
//! As with messages, the keys of a provider that is not chosen are not looked at further.

use domain::money::Nusd;
use domain::payment::{Bounds, TaxRate};

use super::messages::named_secret;
use super::read::{parse_url, parse_usd};
use super::schema::{MoneyTaker, Payments, PaymentsKind, StripeAccount};
use super::section::{Read, Section};

/// A payment is given up for the time being after a minute, whatever is said here.
const TIMEOUTS_MS: std::ops::RangeInclusive<u64> = 1..=60_000;
/// Card providers take nothing below half a dollar, and no more than eight digits of cents.
const LEAST: Nusd = Nusd::new(500_000_000);
const MOST: Nusd = Nusd::new(499_999 * 1_000_000_000);

pub(super) fn read_payments(section: &Section<'_>) -> Read<Payments> {
    let kind = section.choice::<PaymentsKind>("kind", None);
    let minimum = section.parsed("minimum_usd", parse_usd);
    let maximum = section.parsed("maximum_usd", parse_usd);
    let tax_rate = section.parsed("tax_percent", |text| {
        TaxRate::parse(text).map_err(|problem| format!("is no rate: {problem}"))
    });
    let secret_key = named_secret(section, "secret_key_env");
    let webhook_secret = named_secret(section, "webhook_secret_env");
    let previous = named_secret(section, "previous_webhook_secret_env");
    let base_url = section.parsed("base_url", parse_url);
    let timeout_ms = section.integer("timeout_ms", TIMEOUTS_MS, None);
    section.finish();
    let bounds = Bounds {
        minimum: minimum?,
        maximum: maximum?,
    };
    for (key, amount) in [
        ("minimum_usd", bounds.minimum),
        ("maximum_usd", bounds.maximum),
    ] {
        if amount < LEAST || amount > MOST || amount.whole_cents().is_none() {
            let message = "must be whole cents from 0.50 to 499999";
            return section.note(key, message);
        }
    }
    if bounds.maximum < bounds.minimum {
        return section.note("maximum_usd", "must not be less than minimum_usd");
    }
    let taker = match kind? {
        PaymentsKind::Test => MoneyTaker::Test,
        PaymentsKind::Stripe => {
            let Some(secret_key) = secret_key? else {
                return section.note(
                    "secret_key_env",
                    "is missing: name the variable that holds the secret key of the account",
                );
            };
            let (webhook_secret, previous) = (webhook_secret?, previous?);
            if webhook_secret.is_none() && previous.is_some() {
                return section.note(
                    "webhook_secret_env",
                    "is missing, and previous_webhook_secret_env is not",
                );
            }
            let base_url = base_url?;
            if base_url.starts_with("http://") && !control::is_loopback_url(&base_url) {
                let message = "must begin with https://: everybody on the way could read the key";
                return section.note("base_url", message);
            }
            MoneyTaker::Stripe(StripeAccount {
                secret_key,
                webhook_secret,
                previous_webhook_secret: previous,
                base_url,
                timeout_ms: timeout_ms?,
            })
        }
    };
    Ok(Payments {
        taker,
        bounds,
        tax_rate: tax_rate?,
    })
}
