//! Paying where something breaks: providers that do not answer, answers that are lost, processes
//! that die half way. Whatever it is, nothing is paid or given back twice, and nothing is lost.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, OnceLock};

use domain::time::AtUs;
use farebox_control::payments::{
    Asking, BalancePage, BalanceQuery, Charge, Checkout, NewCharge, NewCheckout, NewCustomer,
    Notice, PaymentProvider, ProviderDispute, ProviderError, ProviderMethod, ProviderRefund,
    RefundAsked, TestProvider, WebhookError,
};
use http::HeaderMap;
use serde_json::{Value, json};
use store::StoreError;
use store::jobs::Claimed;
use testkit::{TestDatabase, on_each_database};

use crate::paying_world::page;
use crate::world::World;

/// The provider answers.
const UP: u8 = 0;
/// It is not reached.
const DOWN: u8 = 1;
/// It does what it is asked, and its answer is lost.
const LOST: u8 = 2;

/// The test provider behind a line that breaks when a test says so.
struct Line {
    inner: OnceLock<TestProvider>,
    state: AtomicU8,
}

impl Line {
    fn is(&self, state: u8) {
        self.state.store(state, Ordering::Relaxed);
    }

    fn inner(&self) -> &TestProvider {
        self.inner.get().unwrap()
    }

    async fn through<T>(&self, asking: Asking<'_, T>) -> Result<T, ProviderError> {
        let broken = |when: &str| Err(ProviderError::Unreachable(when.into()));
        match self.state.load(Ordering::Relaxed) {
            DOWN => broken("before"),
            state => {
                let answer = asking.await;
                match state {
                    LOST => broken("after"),
                    _ => answer,
                }
            }
        }
    }
}

macro_rules! through_the_line {
    ($($name:ident($($arg:ident: $kind:ty)?) -> $answer:ty;)*) => {
        $(fn $name<'a>(&'a self, $($arg: &'a $kind)?) -> Asking<'a, $answer> {
            Box::pin(self.through(self.inner().$name($($arg)?)))
        })*
    };
}

impl PaymentProvider for Line {
    fn name(&self) -> &'static str {
        "test"
    }

    through_the_line! {
        create_customer(new: NewCustomer) -> String;
        begin_checkout(new: NewCheckout) -> Checkout;
        checkout(reference: str) -> Option<Checkout>;
        expire_checkout(reference: str) -> Checkout;
        charge_saved(new: NewCharge) -> Charge;
        charge(reference: str) -> Option<Charge>;
        methods(customer: str) -> Vec<ProviderMethod>;
        detach_method(reference: str) -> ();
        refund(new: RefundAsked) -> ProviderRefund;
        refunds(charge: str) -> Vec<ProviderRefund>;
        dispute(reference: str) -> Option<ProviderDispute>;
        balance(query: BalanceQuery) -> BalancePage;
    }

    fn read_webhook(
        &self,
        headers: &HeaderMap,
        body: &[u8],
        now: AtUs,
    ) -> Result<Notice, WebhookError> {
        self.inner().read_webhook(headers, body, now)
    }
}

/// A world whose provider is at the other end of a line.
async fn on_the_line(database: TestDatabase) -> (World, Arc<Line>) {
    let line = Arc::new(Line {
        inner: OnceLock::new(),
        state: AtomicU8::new(UP),
    });
    let provider: Arc<dyn PaymentProvider> = line.clone();
    let world = World::start_paid_by(database, provider).await;
    let test = world.payments.test.clone().unwrap();
    assert!(line.inner.set(test).is_ok());
    (world, line)
}

/// How many things of a kind the provider has.
async fn count(world: &World, kind: &'static str) -> i64 {
    // SQL in a test: what the provider has is nobody's business else.
    let read = world.store.read(move |tx| {
        let sql = "SELECT COUNT(*) FROM test_payments WHERE kind = $1";
        tx.query_one(sql, &[kind.into()])?.int(0)
    });
    read.await.map_err(|error: StoreError| error).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_whose_answer_was_lost_is_the_same_order() {
    on_each_database(async |database| {
        let (world, line) = on_the_line(database).await;
        for state in [DOWN, LOST] {
            let key = format!("k-{state}");
            for _ in 0..2 {
                line.is(state);
                let answer = world.order_with_key("5.00", &key).await;
                let code = &answer.json()["error"]["code"];
                assert_eq!(
                    (answer.status, code),
                    (503, &json!("payment_provider_unavailable"))
                );
            }
            line.is(UP);
            let order = world.order_with_key("5.00", &key).await;
            assert_eq!(order.status, 200, "{}", order.text());
            world
                .type_in(&page(&order.json()), "4242424242424242")
                .await;
            let id = order.json()["id"].as_str().unwrap().to_owned();
            world.comes_to(&id, "succeeded").await;
        }
        assert_eq!(world.bought_cents().await, 1_000);
        assert_eq!(
            (
                count(&world, "checkout").await,
                count(&world, "customer").await
            ),
            (2, 1)
        );
        // One that nobody came back for is over when its page would be.
        line.is(DOWN);
        world.order_with_key("5.00", "k-gone").await;
        world.wait(3_700);
        world.caretaker.tend().await;
        let list = world
            .get("/api/billing/payments?order=desc&limit=1")
            .await
            .json();
        assert_eq!(list["data"][0]["status"], "expired");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn money_whose_news_were_lost_is_credited_by_whoever_looks() {
    on_each_database(async |database| {
        let world = World::start(database).await;
        let (seen, unseen) = (
            world.order("5.00", false).await,
            world.order("5.00", false).await,
        );
        for order in [&seen, &unseen] {
            // SQL in a test: the page was paid, and the process died before it told.
            let name = page(order).rsplit('/').next().unwrap().to_owned();
            let paid =
                format!("{{\"Done\":{{\"charge\":\"pi_{name}\",\"method\":\"pm_{name}\"}}}}");
            let write = world.store.write(move |tx| -> Result<u64, StoreError> {
                let sql = "UPDATE test_payments SET body = REPLACE(body, '\"Open\"', $2)
                           WHERE ref = $1";
                tx.execute(sql, &[name.into(), paid.into()])
            });
            assert_eq!(write.await.unwrap(), 1);
        }
        let id = |order: &Value| order["id"].as_str().unwrap().to_owned();
        assert_eq!(world.bought_cents().await, 0);
        assert_eq!(world.payment(&id(&seen)).await["status"], "succeeded");
        assert_eq!(world.bought_cents().await, 500);
        // The other one is looked at by the caretaker, once it has waited a while.
        world.caretaker.tend().await;
        assert_eq!(world.bought_cents().await, 500);
        world.wait(130);
        for _ in 0..2 {
            world.caretaker.tend().await;
            assert_eq!(world.bought_cents().await, 1_000);
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn payments_go_back_in_whole_or_in_part_and_never_twice() {
    on_each_database(async |database| {
        let (world, line) = on_the_line(database).await;
        let id = world.buy("4242424242424242", false).await;
        let path = format!("/api/operator/payments/{id}/refunds");
        let mut operator = world.operator().await;
        let ask = |amount: Option<&str>, key: &str| {
            json!({"amount_usd": amount, "reason": "asked for", "key": key})
        };
        let part = operator.post(&path, &ask(Some("2.00"), "a")).await.json();
        assert_eq!((&part["status"], &part["tax_usd"]), (&json!("succeeded"), &json!("0.00")));
        assert_eq!(operator.post(&path, &ask(Some("2.00"), "a")).await.json()["id"], part["id"]);
        let reused = operator.post(&path, &ask(Some("1.00"), "a")).await.json();
        assert_eq!(reused["error"]["code"], "idempotency_key_reused");
        let much = operator.post(&path, &ask(Some("3.01"), "b")).await.json();
        assert!(much["error"]["message"].as_str().unwrap().contains("only 3.00"), "{much}");
        assert_eq!(world.bought_cents().await, 300);
        // The provider is away, or its answer is: the credit is out of reach, and the caretaker
        // goes on.
        for (state, key, left) in [(DOWN, "c", 200), (LOST, "d", 100)] {
            line.is(state);
            let pending = operator.post(&path, &ask(Some("1.00"), key)).await.json();
            assert_eq!(pending["status"], "pending", "{pending}");
            assert_eq!(world.bought_cents().await, left);
            world.wait(150);
            world.caretaker.tend().await;
            line.is(UP);
            world.wait(300);
            world.caretaker.tend().await;
            let again = operator.post(&path, &ask(Some("1.00"), key)).await.json();
            assert_eq!(again["status"], "succeeded", "{again}");
        }
        let rest = operator.post(&path, &ask(None, "e")).await.json();
        assert_eq!((&rest["amount_usd"], &rest["status"]), (&json!("1.00"), &json!("succeeded")));
        assert_eq!((world.bought_cents().await, count(&world, "refund").await), (0, 4));
        let payment = operator.get(&format!("/api/operator/payments/{id}")).await.json();
        let back = (&payment["status"], &payment["refunded_usd"]);
        assert_eq!(back, (&json!("refunded"), &json!("5.00")));
        assert_eq!(payment["refunds"].as_array().unwrap().len(), 4);
        let nothing = operator.post(&path, &ask(None, "f")).await;
        assert_eq!(nothing.status, 400);
        let unpaid = world.order("5.00", false).await;
        let unpaid = format!("/api/operator/payments/{}/refunds", unpaid["id"].as_str().unwrap());
        let refused = operator.post(&unpaid, &ask(None, "g")).await.json();
        assert_eq!(refused["error"]["code"], "payment_not_paid");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refund_that_fails_days_later_gives_the_credit_back() {
    on_each_database(async |database| {
        let world = World::start(database).await;
        let id = world.buy("4000000000005126", false).await;
        let path = format!("/api/operator/payments/{id}/refunds");
        let mut operator = world.operator().await;
        let body = json!({"reason": "asked for", "key": "a"});
        let refund = operator.post(&path, &body).await.json();
        assert_eq!(refund["status"], "pending");
        assert_eq!(world.bought_cents().await, 0);
        world.wait(200);
        world.caretaker.tend().await;
        let refund = operator.post(&path, &body).await.json();
        assert_eq!(
            (&refund["status"], &refund["failure"]),
            (&json!("failed"), &json!("expired_or_canceled_card"))
        );
        assert_eq!(world.bought_cents().await, 500);
        assert_eq!(world.payment(&id).await["status"], "succeeded");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disputed_payment_leaves_the_wallet_and_returns_if_it_is_won() {
    on_each_database(async |database| {
        let world = World::start(database).await;
        for (outcome, status, cents) in [("won", "succeeded", 500), ("lost", "charged_back", 0)] {
            let before = world.bought_cents().await;
            let order = world.order("5.00", false).await;
            let id = order["id"].as_str().unwrap();
            world.type_in(&page(&order), "4000000000000259").await;
            world.comes_to(id, "disputed").await;
            assert_eq!(world.bought_cents().await, before);
            assert_eq!(told_of_disputes(&world).await, 1);
            world
                .send_form(
                    &format!("{}/dispute", page(&order)),
                    &format!("outcome={outcome}"),
                )
                .await;
            world.comes_to(id, status).await;
            assert_eq!(world.bought_cents().await, before + cents, "{outcome}");
            assert_eq!(told_of_disputes(&world).await, 0, "once is enough");
        }
    })
    .await;
}

/// How many mails about disputes there are since the last look.
async fn told_of_disputes(world: &World) -> usize {
    let sent = world.sent().await;
    let is_it = |message: &&Claimed| &*message.template == "payment_disputed";
    sent.iter().filter(is_it).count()
}
