//! The client of Stripe's API against localstripe, which others wrote, and know Stripe by.
//!
//! It says independently of our own double how payments, declines and signatures look. It knows
//! nothing of Checkout, and ignores idempotency keys. `scripts/install-test-deps.sh` installs it,
//! and `make sdk-test` runs this.

use std::path::Path;
use std::time::Duration;

use domain::secret::Secret;
use domain::time::AtUs;
use farebox_control::payments::stripe::{
    BadSignature, IntentStatus, NewCharge, NewRefund, RefundStatus, Stripe, StripeError,
    StripeSettings, WebhookSecrets,
};
use testkit::http::Request;
use testkit::process::{Process, spawn_binary};
use testkit::{PATIENCE, Reply, Upstream, UpstreamRequest, eventually, free_port};

use crate::world::entropy;

const KEY: &str = "sk_test_local";
const SECRET: &str = "whsec_of_localstripe_1";

/// Localstripe, and somebody who hears its webhooks.
struct Local {
    url: String,
    stripe: Stripe,
    hook: Upstream,
    _process: Process,
}

impl Local {
    async fn start() -> Self {
        // Beside the tests' own folder, where the SDKs for Python are as well.
        let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join("../venv/bin/localstripe");
        let port = free_port();
        let args = ["--port", &port.to_string(), "--from-scratch"];
        let mut process = spawn_binary(program, &args, env!("CARGO_TARGET_TMPDIR"), &[]);
        let url = format!("http://127.0.0.1:{port}");
        let up = format!("{url}/js.stripe.com/v3/");
        process.wait_for_http(&up, PATIENCE).await;
        let hook = Upstream::start(|_| Reply::json(200, &serde_json::json!({}))).await;
        let settings = StripeSettings {
            base_url: url.clone(),
            secret_key: Secret::new(KEY.into()),
            timeout: Duration::from_secs(30),
            back_off: Duration::from_millis(1),
        };
        let local = Local {
            stripe: Stripe::new(&settings, entropy).unwrap(),
            url,
            hook,
            _process: process,
        };
        let told = format!("url={}/hook&secret={SECRET}", local.hook.base_url());
        local.post("/_config/webhooks/farebox", &told).await;
        local
    }

    /// What Farebox never asks for itself: cards are typed on Stripe's pages.
    async fn post(&self, path: &str, form: &str) -> Vec<u8> {
        let request = Request::post(&format!("{}{path}", self.url)).bearer(KEY);
        let request = request.body("application/x-www-form-urlencoded", form.to_owned());
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        answer.body.to_vec()
    }

    /// A customer with a card.
    async fn with_card(&self, number: &str) -> (String, String) {
        let customer = self.stripe.create_customer("org-1", "Ada", None).await;
        let customer = customer.unwrap().id;
        let card = format!(
            "type=card&card[number]={number}&card[exp_month]=12&card[exp_year]=2034&card[cvc]=123"
        );
        let made = self.post("/v1/payment_methods", &card).await;
        let made: serde_json::Value = serde_json::from_slice(&made).unwrap();
        let card = made["id"].as_str().unwrap().to_owned();
        let attach = format!("/v1/payment_methods/{card}/attach");
        self.post(&attach, &format!("customer={customer}")).await;
        (customer, card)
    }

    /// The webhook of a type, once it has come.
    async fn heard(&self, kind: &str) -> UpstreamRequest {
        let of_kind = |request: &UpstreamRequest| request.json()["type"] == kind;
        eventually(kind, async || self.hook.requests().iter().any(of_kind)).await;
        self.hook.requests().into_iter().find(of_kind).unwrap()
    }
}

fn charge<'a>(customer: &'a str, card: &'a str) -> NewCharge<'a> {
    NewCharge {
        payment: "pay_1",
        organization: "org-1",
        customer,
        card,
        amount_cents: 2_000,
        currency: "usd",
        what: None,
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs localstripe: make sdk-test"]
async fn payments_declines_and_signatures_are_those_that_others_know() {
    let local = Local::start().await;
    let (customer, card) = local.with_card("4242424242424242").await;
    let new = charge(&customer, &card);
    let paid = local.stripe.charge_saved_card(&new).await.unwrap();
    assert_eq!(paid.status, IntentStatus::Succeeded);
    let paid = local.stripe.payment_intent(&paid.id).await.unwrap();
    assert_eq!((paid.amount, &*paid.currency), (2_000, "usd"));
    assert_eq!(paid.metadata["farebox_payment"], "pay_1");
    let taken = local.stripe.charge(&paid.latest_charge.unwrap()).await;
    assert_eq!(taken.unwrap().amount, 2_000);

    let never = local.with_card("4000000000000341").await;
    let new = charge(&never.0, &never.1);
    let refused = local.stripe.charge_saved_card(&new).await;
    let code = match refused {
        Err(StripeError::Card(refusal)) => refusal.code,
        // Stripe itself answers 402.
        Ok(intent) => intent.failure().map(|failure| failure.code).unwrap(),
        Err(error) => panic!("{error}"),
    };
    assert_eq!(code, "card_declined");

    let part = NewRefund {
        refund: "refund_1",
        intent: &paid.id,
        amount_cents: 500,
    };
    let refund = local.stripe.create_refund(&part).await.unwrap();
    assert_eq!(refund.status, RefundStatus::Succeeded);
    let gone = local.stripe.forget_card(&card).await.unwrap();
    assert_eq!(gone.customer, None);

    let secrets = |secret: &str| WebhookSecrets::new(Secret::new(secret.into()), None).unwrap();
    for kind in ["payment_intent.succeeded", "payment_intent.payment_failed"] {
        let told = local.heard(kind).await;
        let header = told.header("stripe-signature").unwrap();
        let at_s = told.json()["created"].as_i64().unwrap();
        let verify = |secret: &str, body: &[u8], at_s| {
            secrets(secret).verify(header, body, AtUs::from_seconds(at_s))
        };
        assert_eq!(verify(SECRET, &told.body, at_s), Ok(()), "{kind}");
        let forged = verify("whsec_of_somebody_else", &told.body, at_s);
        assert_eq!(forged, Err(BadSignature::Secret));
        let altered = verify(SECRET, &told.body[1..], at_s);
        assert_eq!(altered, Err(BadSignature::Secret));
        let late = verify(SECRET, &told.body, at_s + 301);
        assert_eq!(late, Err(BadSignature::Time));
    }
}
