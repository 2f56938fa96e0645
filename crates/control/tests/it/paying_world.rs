//! A customer who pays, on the pages of the test provider.

use std::sync::atomic::Ordering;

use domain::money::Nusd;
use domain::payment::Card;
use domain::time::AtUs;
use http::Method;
use serde_json::{Value, json};
use store::payments::{self, Paid, SavedMethod, Settled, settle_payment};
use store::{StoreError, wallets};
use testkit::http::{Answer, Request};

use crate::world::{World, entropy};

/// What every installation of these tests begins with.
pub(crate) const GRANTED_CENTS: i64 = 10_000;
/// Where the pages say that they are.
const PAGES: &str = "http://farebox.test";

impl World {
    /// Orders credit, and answers the order.
    pub(crate) async fn order(&self, amount_usd: &str, save_method: bool) -> Value {
        let body = json!({"amount_usd": amount_usd, "save_method": save_method});
        let answer = self.post("/api/billing/checkouts", &body).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()
    }

    /// The same with a key of the caller's.
    pub(crate) async fn order_with_key(&self, amount_usd: &str, key: &str) -> Answer {
        let request = self.request(Method::POST, "/api/billing/checkouts");
        let request = request.header("idempotency-key", key);
        let body = json!({"amount_usd": amount_usd});
        request.json(&body).send().await.unwrap()
    }

    /// A payment as the customer sees it; while it is under way, its provider is asked.
    pub(crate) async fn payment(&self, id: &str) -> Value {
        let answer = self.get(&format!("/api/billing/checkouts/{id}")).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()
    }

    /// Waits until a payment has this status, without asking its provider.
    pub(crate) async fn comes_to(&self, id: &str, status: &str) {
        let path = format!("/api/billing/payments/{id}");
        let what = format!("{id} is {status}");
        testkit::eventually(&what, async || {
            self.get(&path).await.json()["status"] == status
        })
        .await;
    }

    /// Types a card into a page and sends it.
    pub(crate) async fn type_in(&self, page: &str, number: &str) -> Answer {
        let cvc = if number.starts_with("37") {
            "1234"
        } else {
            "123"
        };
        self.send_form(page, &format!("number={number}&expiry=12+%2F+34&cvc={cvc}"))
            .await
    }

    pub(crate) async fn send_form(&self, page: &str, form: &str) -> Answer {
        let request = Request::post(&self.url(page));
        let form_type = "application/x-www-form-urlencoded";
        request
            .body(form_type, form.to_owned())
            .send()
            .await
            .unwrap()
    }

    /// Buys five dollars with a card that is good, and answers the payment's id.
    pub(crate) async fn buy(&self, number: &str, save_method: bool) -> String {
        let order = self.order("5.00", save_method).await;
        let answer = self.type_in(&page(&order), number).await;
        assert_eq!(answer.status, 303, "{}", answer.text());
        let id = order["id"].as_str().unwrap().to_owned();
        let before = ["open", "processing"];
        let path = format!("/api/billing/payments/{id}");
        testkit::eventually("it is paid", async || {
            let payment = self.get(&path).await.json();
            !before.iter().any(|it| payment["status"] == *it)
        })
        .await;
        id
    }

    /// Two saved cards, the first of which is the default.
    pub(crate) async fn saved_cards(&self) -> Vec<String> {
        let organization = self.made.organization.clone();
        let now = AtUs(self.now.load(Ordering::Relaxed));
        let write = self.store.write(move |tx| -> Result<_, StoreError> {
            let mut ids = Vec::new();
            for reference in ["test_pm_1", "test_pm_2"] {
                let saved = SavedMethod {
                    organization: organization.clone(),
                    provider: "test".into(),
                    reference: reference.into(),
                    card: Card {
                        brand: "visa".into(),
                        last4: "4242".into(),
                    },
                    exp_month: 12,
                    exp_year: 2034,
                };
                let (method, _) = payments::save_method(tx, &saved, entropy, now)?;
                ids.push(method.id.to_string());
            }
            Ok(ids)
        });
        write.await.unwrap()
    }

    /// Money that matches no order.
    pub(crate) async fn stray_money(&self) -> String {
        let paid = Paid {
            provider: "test".into(),
            payment: None,
            checkout: None,
            charge: "test_pi_stray".into(),
            amount: Nusd::new(5_000_000_000),
            currency: "usd".into(),
            card: None,
        };
        let now = AtUs(self.now.load(Ordering::Relaxed));
        let settle = move |tx: &mut store::Tx<'_>| settle_payment(tx, &paid, entropy, now);
        assert!(matches!(
            self.store.write(settle).await.unwrap(),
            Settled::Unmatched(_)
        ));
        let mut operator = self.operator().await;
        let list = operator.get("/api/operator/unmatched_payments").await;
        list.json()["data"][0]["id"].as_str().unwrap().to_owned()
    }

    /// So many seconds pass.
    pub(crate) fn wait(&self, seconds: i64) {
        self.now.fetch_add(seconds * 1_000_000, Ordering::Relaxed);
    }

    /// What the wallet has beyond what it began with, in cents.
    pub(crate) async fn bought_cents(&self) -> i64 {
        let of = self.made.organization.clone();
        let read = move |tx: &mut store::Tx<'_>| wallets::get(tx, &of);
        let wallet = self.store.read(read).await.unwrap();
        let balance: Nusd = wallet.unwrap().balance();
        balance.whole_cents().unwrap() - GRANTED_CENTS
    }
}

/// The path of an order's page.
pub(crate) fn page(order: &Value) -> String {
    let url = order["url"].as_str().unwrap_or_default();
    url.strip_prefix(PAGES).unwrap_or_default().to_owned()
}

/// Where an answer leads.
pub(crate) fn leads_to(answer: &Answer) -> &str {
    answer.header("location").unwrap_or_default()
}
