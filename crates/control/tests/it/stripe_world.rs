//! An installation that takes money through a double of Stripe.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use domain::secret::Secret;
use farebox_control::payments::stripe::{Stripe, StripePayments, StripeSettings, WebhookSecrets};
use serde_json::Value;
use testkit::TestDatabase;
use testkit::http::Answer;
use testkit::stripe::{GOOD, SECRET_KEY, StripeDouble, WEBHOOK_SECRET, deliver_signed};

use crate::world::{START_S, World, entropy};

pub(crate) const WEBHOOK: &str = "/api/payments/stripe/webhook";

/// An installation, and Stripe.
pub(crate) struct Shop {
    pub(crate) world: World,
    pub(crate) double: StripeDouble,
}

impl Shop {
    pub(crate) async fn open(database: TestDatabase) -> Shop {
        Self::open_with(database, &[WEBHOOK_SECRET]).await
    }

    /// As [`Shop::open`], with these secrets of webhooks.
    pub(crate) async fn open_with(database: TestDatabase, secrets: &[&str]) -> Shop {
        let double = StripeDouble::start(START_S).await;
        let settings = StripeSettings {
            base_url: double.url(),
            secret_key: Secret::new(SECRET_KEY.into()),
            timeout: Duration::from_secs(30),
            back_off: Duration::from_millis(1),
        };
        let stripe = Stripe::new(&settings, entropy).unwrap();
        let mut secrets = secrets.iter().map(|text| Secret::new((*text).into()));
        let current = secrets.next();
        let secrets = current.map(|it| WebhookSecrets::new(it, secrets.next()).unwrap());
        let stripe = StripePayments::new(stripe, secrets);
        let world = World::start_taxed_by(database, Arc::new(stripe)).await;
        Shop { world, double }
    }

    /// The time, in seconds; Stripe's clock is set to it.
    pub(crate) fn now_s(&self) -> i64 {
        let now_s = self.world.now.load(Ordering::Relaxed) / 1_000_000;
        self.double.set_time(now_s);
        now_s
    }

    /// Orders five dollars: the payment, and the page at Stripe. With tax it is $5.95.
    pub(crate) async fn order(&self) -> (String, String) {
        self.now_s();
        let order = self.world.order("5.00", true).await;
        let url = order["url"].as_str().unwrap();
        let page = url.rsplit('/').next().unwrap().to_owned();
        (order["id"].as_str().unwrap().to_owned(), page)
    }

    /// Stripe sends an event now; what came of it.
    pub(crate) async fn deliver(&self, event: &Value) -> String {
        self.now_s();
        let answer = self.double.deliver(&self.world.url(WEBHOOK), event).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()["outcome"].as_str().unwrap().to_owned()
    }

    /// Stripe sends its latest event of a type.
    pub(crate) async fn deliver_latest(&self, kind: &str) -> String {
        self.deliver(&self.double.event(kind)).await
    }

    /// Somebody sends a body with this signature.
    pub(crate) async fn send(&self, signature: &str, body: &str) -> Answer {
        deliver_signed(&self.world.url(WEBHOOK), signature, body).await
    }

    /// Five dollars, paid and credited. The payment, and Stripe's name for the charge.
    pub(crate) async fn sell(&self) -> (String, String) {
        let (payment, page) = self.order().await;
        assert!(self.double.type_card(&page, GOOD));
        let outcome = self.deliver_latest("checkout.session.completed").await;
        assert_eq!(outcome, "credited");
        (payment, self.charge_of(&page))
    }

    pub(crate) fn charge_of(&self, page: &str) -> String {
        let intent = self.double.object(page)["payment_intent"].clone();
        intent.as_str().unwrap().to_owned()
    }

    pub(crate) async fn status(&self, payment: &str) -> String {
        let path = format!("/api/billing/payments/{payment}");
        let payment = self.world.get(&path).await.json();
        payment["status"].as_str().unwrap().to_owned()
    }

    /// Money that matched no order: why, and how much.
    pub(crate) async fn unmatched(&self) -> Vec<(String, String)> {
        let mut operator = self.world.operator().await;
        let list = operator.get("/api/operator/unmatched_payments").await;
        let list = list.json();
        let text = |row: &Value, name: &str| row[name].as_str().unwrap().to_owned();
        let rows = list["data"].as_array().unwrap().iter();
        rows.map(|row| (text(row, "problem"), text(row, "amount")))
            .collect()
    }

    /// The wallet, which has $100, is to be filled up to $200: with tax that is $119.
    pub(crate) async fn wants_recharge(&self) {
        let wanted = serde_json::json!({"threshold_usd": "150", "restore_to_usd": "200.00"});
        let answer = self.world.post("/api/billing/auto_recharge", &wanted).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
    }

    /// The recharger looks at wallets.
    pub(crate) async fn look(&self) {
        self.now_s();
        self.world.recharger.look().await;
    }

    /// The latest payment, as the customer sees it.
    pub(crate) async fn latest(&self) -> Value {
        let list = self
            .world
            .get("/api/billing/payments?order=desc&limit=1")
            .await;
        list.json()["data"][0].clone()
    }

    /// A card is saved on a page of Stripe's, and Stripe tells of it.
    pub(crate) async fn save_card(&self, number: &str) {
        self.now_s();
        let body = serde_json::json!({});
        let order = self.world.post("/api/billing/payment_methods", &body).await;
        let url = order.json()["url"].clone();
        let page = url.as_str().unwrap().rsplit('/').next().unwrap().to_owned();
        assert!(self.double.type_card(&page, number));
        let outcome = self.deliver_latest("setup_intent.succeeded").await;
        assert_eq!(outcome, "succeeded");
    }
}
