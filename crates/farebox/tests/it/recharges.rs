//! Auto-recharge, whole: the real binary and its test provider, with a burst that would run dry.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Value, json};
use testkit::http::{Answer, Request, get, post_json};
use testkit::{Reply, TestDatabase, Upstream, on_each_database};

use crate::place::Place;

const PATH: &str = "/api/billing/auto_recharge";
/// Can be saved, and is charged.
const FINE: &str = "4242424242424242";
/// Can be saved, and is declined whenever it is charged.
const DECLINED: &str = "4000000000000341";
/// What an answer of [`upstream`] costs, in nUSD.
const COST: u64 = 100_000;
const CLIENTS: u64 = 60;
/// How often each of them asks.
const EACH: u64 = 5;

async fn upstream() -> Upstream {
    // 20 input tokens at $1 a million and 40 output tokens at $2.
    Upstream::start(|_| Reply::chat_with_usage("Hi there", 20, 40).first_byte_delay_ms(3)).await
}

/// A running installation.
struct Stage {
    place: Place,
    api_key: String,
    admin_key: String,
    _server: testkit::process::Process,
    _upstream: Upstream,
}

impl Stage {
    /// One with $0.02, a saved card, and auto-recharge from $0.01 to $6.
    async fn with_card(database: &TestDatabase, number: &str) -> Arc<Self> {
        let upstream = upstream().await;
        let place = Place::new(&database.url, &upstream.base_url());
        // A busy machine must not make a recharge come too late.
        let config = std::fs::read_to_string(place.path().join("farebox.toml")).unwrap();
        let patient = format!("{config}\n[limits]\nrecharge_wait_ms = 60000\n");
        place.write("farebox.toml", &patient);
        let made = place.set_up("0.02");
        let text = |name: &str| made[name].as_str().unwrap().to_owned();
        let stage = Stage {
            api_key: text("api_key"),
            admin_key: text("admin_key"),
            _server: place.serve().await,
            place,
            _upstream: upstream,
        };
        stage.save_card(number).await;
        let wanted = json!({"threshold_usd": "0.01", "restore_to_usd": "6"});
        let answer = stage.post(PATH, &wanted).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(answer.json()["state"], "armed");
        Arc::new(stage)
    }

    async fn post(&self, path: &str, body: &Value) -> Answer {
        post_json(&self.place.url(path), &self.admin_key, body).await
    }

    async fn get(&self, path: &str) -> Value {
        let answer = get(&self.place.url(path), &self.admin_key).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()
    }

    /// Types a card in on the provider's page.
    async fn save_card(&self, number: &str) {
        let page = self.post("/api/billing/payment_methods", &json!({})).await;
        assert_eq!(page.status, 200, "{}", page.text());
        let url = page.json()["url"].as_str().unwrap().to_owned();
        let form = format!("number={number}&expiry=12%2F40&cvc=123");
        let typed = Request::post(&url).body("application/x-www-form-urlencoded", form);
        let typed = typed.send().await.unwrap();
        assert!(typed.status < 400, "{}", typed.text());
        testkit::eventually("the card is saved", async || {
            let methods = self.get("/api/billing/payment_methods").await;
            methods["data"].as_array().unwrap().len() == 1
        })
        .await;
    }

    /// Requests of so many clients at once; how many are served, and why the others are not.
    async fn burst(self: &Arc<Self>) -> (u64, BTreeSet<String>) {
        let clients = (0..CLIENTS).map(|_| tokio::spawn(Arc::clone(self).one_client()));
        let (mut served, mut refusals) = (0, BTreeSet::new());
        for client in clients.collect::<Vec<_>>() {
            for answer in client.await.unwrap() {
                match answer.status {
                    200 => served += 1,
                    429 => {
                        let message = answer.json()["error"]["message"].as_str().map(Into::into);
                        refusals.insert(message.unwrap());
                    }
                    other => panic!("{other}: {}", answer.text()),
                }
            }
        }
        (served, refusals)
    }

    async fn one_client(self: Arc<Self>) -> Vec<Answer> {
        let url = self.place.url("/v1/chat/completions");
        let body = json!({
            "model": "m", "max_tokens": 50,
            "messages": [{"role": "user", "content": "Hello World"}],
        });
        let mut answers = Vec::new();
        for _ in 0..EACH {
            answers.push(post_json(&url, &self.api_key, &body).await);
        }
        answers
    }

    fn proves_its_books(&self) {
        let proof = self.place.run(&["ledger", "verify"]);
        assert!(
            proof.status.success(),
            "{}",
            String::from_utf8_lossy(&proof.stdout)
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_burst_past_the_threshold_is_served_without_a_refusal() {
    on_each_database(async |database| {
        let stage = Stage::with_card(&database, FINE).await;
        let (served, refusals) = stage.burst().await;
        assert_eq!(served, CLIENTS * EACH, "{refusals:?}");
        assert!(COST * served > 20_000_000, "more than there was before");
        let standing = stage.get(PATH).await;
        assert_eq!(standing["state"], "armed");
        let recharges = stage.get(&format!("{PATH}/recharges")).await;
        let recharges = recharges["data"].as_array().unwrap();
        assert_eq!(recharges.len(), 1, "{recharges:?}");
        assert_eq!(recharges[0]["state"], "succeeded");
        stage.proves_its_books();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_burst_whose_card_is_declined_is_refused_and_told_why() {
    on_each_database(async |database| {
        let stage = Stage::with_card(&database, DECLINED).await;
        let (served, refusals) = stage.burst().await;
        assert!(served < CLIENTS * EACH);
        let why = "The last auto-recharge was declined";
        assert!(
            !refusals.is_empty() && refusals.iter().all(|it| it.contains(why)),
            "{refusals:?}"
        );
        let standing = stage.get(PATH).await;
        assert_eq!(standing["state"], "backing_off");
        assert_eq!(standing["declines_in_a_row"], 1);
        stage.proves_its_books();
    })
    .await;
}
