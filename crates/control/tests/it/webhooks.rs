//! Webhook endpoints from their creation to what arrives there: signed, once for each alert, again
//! after failures, and never where nobody may be sent.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use domain::alert::{Alert, AlertEvent};
use domain::money::Nusd;
use domain::time::{AtUs, DAY_US, HOUR_US, SECOND_US};
use farebox_control::senders::{Endpoints, MailRoute, Routes, SmsRoute, Worker};
use hmac::{Hmac, KeyInit, Mac};
use http::{HeaderMap, Method, StatusCode};
use serde_json::{Value, json};
use sha2::Sha256;
use std::sync::atomic::Ordering;
use store::alerts;
use testkit::{eventually, on_each_database};
use tokio_util::sync::CancellationToken;

use crate::world::{World, entropy, webhooks};

/// What arrived, and what is answered: the statuses in turn, the last one for ever.
#[derive(Clone)]
struct Receiver {
    arrived: Arc<Mutex<Vec<(HeaderMap, String)>>>,
    answers: Arc<Mutex<Vec<u16>>>,
    url: String,
}

impl Receiver {
    async fn start(answers: &[u16]) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let receiver = Receiver {
            arrived: Arc::default(),
            answers: Arc::new(Mutex::new(answers.iter().rev().copied().collect())),
            url: format!("http://{}/hook", listener.local_addr().unwrap()),
        };
        let app = Router::new().fallback(take).with_state(receiver.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        receiver
    }

    fn arrived(&self) -> Vec<(HeaderMap, String)> {
        self.arrived.lock().unwrap().clone()
    }

    async fn until(&self, number: usize) -> Vec<(HeaderMap, String)> {
        eventually("events arrive", async || self.arrived().len() >= number).await;
        self.arrived()
    }
}

async fn take(State(receiver): State<Receiver>, headers: HeaderMap, body: Bytes) -> Response {
    let text = String::from_utf8(body.to_vec()).unwrap();
    receiver.arrived.lock().unwrap().push((headers, text));
    let mut answers = receiver.answers.lock().unwrap();
    let status = match answers.len() {
        1 => answers[0],
        _ => answers.pop().unwrap(),
    };
    let status = StatusCode::from_u16(status).unwrap();
    (status, format!("said {status}")).into_response()
}

/// A worker before the queue of an installation.
struct Sending {
    stop: CancellationToken,
    task: tokio::task::JoinHandle<()>,
}

impl Sending {
    fn start(world: &World) -> Self {
        let decided = webhooks();
        let routes = Routes {
            mail: MailRoute::Outbox,
            sms: SmsRoute::Outbox,
            endpoints: Endpoints::new(decided.reach, decided.sealing),
        };
        let now = Arc::clone(&world.now);
        let clock: domain::time::Clock = Arc::new(move || AtUs(now.load(Ordering::Relaxed)));
        let url = "https://ai.example.com";
        let worker = Worker::new(world.store.clone(), routes, url, clock, entropy);
        let stop = CancellationToken::new();
        let task = tokio::spawn(worker.run(stop.clone()));
        Sending { stop, task }
    }

    async fn end(self) {
        self.stop.cancel();
        self.task.await.unwrap();
    }
}

async fn raise(world: &World, cause: &str) {
    let usd = |text| Nusd::parse_usd(text).unwrap();
    let event = AlertEvent::LowBalance {
        available: usd("0.75"),
        threshold: usd("1"),
    };
    let alert = Alert::new(&world.made.organization, cause, event);
    let now = AtUs(world.now.load(Ordering::Relaxed));
    let write = world
        .store
        .write(move |tx| alerts::raise(tx, &alert, now, entropy));
    assert!(
        write
            .await
            .map_err(|error: store::StoreError| error)
            .unwrap()
    );
}

async fn made(world: &World, asked: Value) -> Value {
    let answer = world.post("/api/webhook_endpoints", &asked).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

async fn deliveries(world: &World, endpoint: &Value) -> Vec<Value> {
    let id = endpoint["id"].as_str().unwrap();
    let list = world
        .get(&format!("/api/webhook_endpoints/{id}/deliveries"))
        .await;
    list.json()["data"].as_array().unwrap().clone()
}

/// The latest delivery, with its tries.
async fn details(world: &World, endpoint: &Value) -> Value {
    let id = endpoint["id"].as_str().unwrap();
    let latest = deliveries(world, endpoint).await.remove(0);
    let delivery = latest["id"].as_str().unwrap();
    let path = format!("/api/webhook_endpoints/{id}/deliveries/{delivery}");
    world.get(&path).await.json()
}

/// Whether one of the signatures of a request is made with `secret`.
fn is_signed(secret: &str, (headers, body): &(HeaderMap, String)) -> bool {
    let header = |name: &str| headers[name].to_str().unwrap();
    let key = STANDARD
        .decode(secret.strip_prefix("whsec_").unwrap())
        .unwrap();
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).unwrap();
    let (id, at) = (header("webhook-id"), header("webhook-timestamp"));
    mac.update(format!("{id}.{at}.{body}").as_bytes());
    let wanted = format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()));
    header("webhook-signature")
        .split(' ')
        .any(|it| it == wanted)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alert_arrives_signed_and_is_written_down() {
    on_each_database(async |database| {
        let world = World::start(database).await;
        let receiver = Receiver::start(&[204]).await;
        let endpoint = made(
            &world,
            json!({"url": receiver.url, "kinds": ["low_balance"]}),
        )
        .await;
        let secret = endpoint["secret"].as_str().unwrap();
        let id = endpoint["id"].as_str().unwrap();
        let shown = world
            .get(&format!("/api/webhook_endpoints/{id}"))
            .await
            .json();
        assert!(
            shown["secret"].is_null() && shown["enabled"] == true,
            "{shown}"
        );
        // SQL in a test: what the database keeps is no use without the key.
        let read = world
            .store
            .read(|tx| tx.query("SELECT secret FROM webhook_endpoints", &[]));
        let kept: Result<Vec<store::Row>, store::StoreError> = read.await;
        let kept = kept.unwrap()[0].bytes(0).unwrap().clone();
        let plain = secret.as_bytes();
        assert!(
            !kept
                .windows(8)
                .any(|part| plain.windows(8).any(|of| of == part))
        );

        let sending = Sending::start(&world);
        raise(&world, "1").await;
        let arrived = receiver.until(1).await.remove(0);
        assert!(is_signed(secret, &arrived));
        let event: Value = serde_json::from_str(&arrived.1).unwrap();
        assert_eq!(event["type"], "low_balance");
        assert_eq!(event["data"]["available_usd"], "0.75");
        assert_eq!(arrived.0["webhook-id"].to_str().unwrap(), event["id"]);
        eventually("it is written down", async || {
            deliveries(&world, &endpoint).await[0]["status"] == "delivered"
        })
        .await;
        let details = details(&world, &endpoint).await;
        assert_eq!(details["event"], event);
        assert_eq!(details["tries"][0]["response_status"], 204, "{details}");
        let listed = world.get("/api/alerts").await.json();
        assert_eq!(listed["data"][0]["id"], event["id"]);

        // Two secrets sign while one takes over from the other, and then one.
        let path = format!("/api/webhook_endpoints/{id}/rotate_secret");
        let asked = json!({"overlap_seconds": 3_600});
        let rotated = world.post(&path, &asked).await.json();
        let new = rotated["secret"].as_str().unwrap();
        raise(&world, "2").await;
        let both = receiver.until(2).await.remove(1);
        assert!(is_signed(secret, &both) && is_signed(new, &both));
        world.now.fetch_add(HOUR_US + SECOND_US, Ordering::Relaxed);
        raise(&world, "3").await;
        let one = receiver.until(3).await.remove(2);
        assert!(!is_signed(secret, &one) && is_signed(new, &one));
        sending.end().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_comes_again_with_the_same_id_and_can_be_replayed() {
    let world = World::start(testkit::databases::sqlite()).await;
    let receiver = Receiver::start(&[500, 302, 200]).await;
    let endpoint = made(&world, json!({"url": receiver.url})).await;
    let id = endpoint["id"].as_str().unwrap();
    let sending = Sending::start(&world);
    let tested = world
        .post(&format!("/api/webhook_endpoints/{id}/test"), &json!({}))
        .await;
    assert_eq!(tested.json()["event_type"], "test");
    for number in 1..3 {
        receiver.until(number).await;
        eventually("it waits for another try", async || {
            deliveries(&world, &endpoint).await[0]["attempts"] == number
        })
        .await;
        world.now.fetch_add(DAY_US, Ordering::Relaxed);
    }
    let arrived = receiver.until(3).await;
    let ids: Vec<_> = arrived
        .iter()
        .map(|(headers, _)| &headers["webhook-id"])
        .collect();
    assert!(
        ids.iter().all(|id| *id == ids[0]),
        "a redirect is not followed"
    );
    eventually("it was taken", async || {
        deliveries(&world, &endpoint).await[0]["status"] == "delivered"
    })
    .await;
    let delivery = deliveries(&world, &endpoint).await.remove(0);
    let path = format!(
        "/api/webhook_endpoints/{id}/deliveries/{}",
        delivery["id"].as_str().unwrap()
    );
    let replayed = world
        .post(&format!("{path}/replay"), &json!({}))
        .await
        .json();
    assert_eq!(replayed["status"], "waiting");
    let again = receiver.until(4).await.remove(3);
    assert_eq!(again.0["webhook-id"], ids[0]);
    eventually("the replay is written down", async || {
        let tries = world.get(&path).await.json()["tries"].clone();
        let statuses: Vec<_> = tries.as_array().unwrap().iter().collect();
        statuses
            .iter()
            .map(|it| it["response_status"].as_i64())
            .collect::<Vec<_>>()
            == [Some(500), Some(302), Some(200), Some(200)]
    })
    .await;
    sending.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chat_gets_words_at_an_address_that_is_not_shown() {
    let world = World::start(testkit::databases::sqlite()).await;
    let receiver = Receiver::start(&[200]).await;
    let asked = json!({"url": receiver.url, "type": "slack"});
    let endpoint = made(&world, asked).await;
    assert!(endpoint["secret"].is_null());
    assert_eq!(endpoint["url"], "https://127.0.0.1/…");
    let sending = Sending::start(&world);
    raise(&world, "1").await;
    let (headers, body) = receiver.until(1).await.remove(0);
    assert!(headers.get("webhook-signature").is_none());
    let message: Value = serde_json::from_str(&body).unwrap();
    let text = message["text"].as_str().unwrap();
    assert!(text.ends_with("$0.75 of credit is left"), "{text}");
    assert_eq!(message["blocks"][0]["type"], "header");
    let id = endpoint["id"].as_str().unwrap();
    world
        .post(&format!("/api/webhook_endpoints/{id}/test"), &json!({}))
        .await;
    let (_, body) = receiver.until(2).await.remove(1);
    assert!(body.contains("Farebox can reach this chat"), "{body}");
    sending.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_that_is_gone_is_switched_off_and_can_be_switched_on() {
    let world = World::start(testkit::databases::sqlite()).await;
    let receiver = Receiver::start(&[410, 200]).await;
    let endpoint = made(&world, json!({"url": receiver.url})).await;
    let path = format!(
        "/api/webhook_endpoints/{}",
        endpoint["id"].as_str().unwrap()
    );
    let sending = Sending::start(&world);
    raise(&world, "1").await;
    eventually("it is switched off", async || {
        world.get(&path).await.json()["disabled_reason"] == "gone"
    })
    .await;
    let refused = world.post(&format!("{path}/test"), &json!({})).await;
    assert_eq!(refused.status, 400);
    let on = world.post(&path, &json!({"enabled": true})).await.json();
    assert!(
        on["enabled"] == true && on["disabled_reason"].is_null(),
        "{on}"
    );
    raise(&world, "2").await;
    receiver.until(2).await;
    let deleted = world.request(Method::DELETE, &path).send().await.unwrap();
    assert_eq!(deleted.json()["deleted"], true);
    assert_eq!(world.get(&path).await.status, 404);
    sending.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_endpoint_is_refused_and_named() {
    let world = World::start(testkit::databases::sqlite()).await;
    for (asked, param) in [
        (json!({}), "url"),
        (json!({"url": "example.com"}), "url"),
        (json!({"url": "https://a:b@example.com/"}), "url"),
        (
            json!({"url": "https://example.com/", "type": "other"}),
            "type",
        ),
        (
            json!({"url": "https://example.com/", "kinds": ["other"]}),
            "kinds",
        ),
        (
            json!({"url": "https://example.com/", "description": "a\nb"}),
            "description",
        ),
    ] {
        let answer = world.post("/api/webhook_endpoints", &asked).await;
        assert_eq!(answer.status, 400, "{asked}");
        assert_eq!(answer.json()["error"]["param"], param, "{asked}");
    }
    let mails = json!({"mails": {"low_balance": "everybody"}});
    let answer = world.post("/api/alert_settings", &mails).await;
    assert_eq!(answer.json()["error"]["param"], "mails.low_balance");
    for number in 0..20 {
        made(
            &world,
            json!({"url": format!("https://example.com/{number}")}),
        )
        .await;
    }
    let answer = world
        .post(
            "/api/webhook_endpoints",
            &json!({"url": "https://example.com/"}),
        )
        .await;
    assert_eq!(answer.json()["error"]["code"], "too_many_limits");
}
