//! Killed in the middle of load: what was delivered is billed, once, and nothing stays reserved.

// SQL in a test: what was written is looked at from outside the product's own queries.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use serde_json::{Value, json};
use store::{DatabaseUrl, Options, Role, Store, StoreError};
use testkit::http::Request;
use testkit::{Reply, TestDatabase, Upstream, UpstreamRequest};

use crate::place::Place;

fn answer(request: &UpstreamRequest) -> Reply {
    match request.wants_stream() {
        true => Reply::stream(&["one ", "two ", "three"]).delay_ms(2),
        false => Reply::chat("one two three").first_byte_delay_ms(1),
    }
}

/// Sends requests until the server is gone, noting those whose answers arrived whole.
async fn client(url: String, key: String, stream: bool, delivered: Arc<Mutex<Vec<String>>>) {
    let body = json!({"model": "m", "stream": stream, "max_tokens": 20,
                      "messages": [{"role": "user", "content": "Hello World"}]});
    loop {
        let request = Request::post(&url).bearer(&key).json(&body);
        let Ok(answer) = request.send().await else {
            return;
        };
        assert_eq!(answer.status, 200, "{}", answer.text());
        let whole = match stream {
            true => answer.text().ends_with("data: [DONE]\n\n"),
            false => answer.json()["usage"].is_object(),
        };
        if whole {
            delivered
                .lock()
                .push(answer.header("x-request-id").unwrap().to_owned());
        }
    }
}

async fn kill_in_the_middle(database: TestDatabase, times: u64) {
    let upstream = Upstream::start(answer).await;
    let place = Place::new(&database.url, &upstream.base_url());
    let made = place.set_up("1000");
    let key = made["api_key"].as_str().unwrap();
    let delivered = Arc::new(Mutex::new(Vec::new()));
    for round in 0..times {
        let mut server = place.serve().await;
        let clients: Vec<_> = (0..16)
            .map(|number| {
                let url = place.url("/v1/chat/completions");
                let delivered = Arc::clone(&delivered);
                tokio::spawn(client(url, key.to_owned(), number % 2 == 0, delivered))
            })
            .collect();
        // A different moment each time.
        tokio::time::sleep(Duration::from_millis(300 + round * 37 % 200)).await;
        server.kill9();
        for client in clients {
            client.await.unwrap();
        }
    }
    // Starting once more resolves what the last kill left.
    place.serve().await.kill9();
    let proof = place.json(&["ledger", "verify", "--json"]);
    assert_eq!(
        (&proof["ok"], &proof["open_holds"]),
        (&json!(true), &json!(0)),
        "{proof}"
    );
    let delivered = std::mem::take(&mut *delivered.lock());
    assert!(
        delivered.len() as u64 > times,
        "there was load: {}",
        delivered.len()
    );
    check(&database, &delivered).await;
}

async fn check(database: &TestDatabase, delivered: &[String]) {
    let clock: domain::time::Clock = Arc::new(|| domain::time::AtUs(0));
    let url = DatabaseUrl::parse(&database.url).unwrap();
    let store = Store::open(Options {
        url,
        role: Role::Reader,
        ballast_bytes: 0,
        clock,
    })
    .await
    .unwrap();
    let rows = store
        .read(|tx| {
            let held = tx
                .query_one("SELECT MAX(held_nusd) FROM accounts", &[])?
                .int(0)?;
            let rows = tx.query("SELECT id FROM usage_records", &[])?;
            let ids = rows.iter().map(|row| row.text(0).map(ToOwned::to_owned));
            Ok::<_, StoreError>((held, ids.collect::<Result<Vec<_>, _>>()?))
        })
        .await
        .unwrap();
    let (held, billed) = rows;
    let distinct: HashSet<&String> = billed.iter().collect();
    assert_eq!(distinct.len(), billed.len(), "nothing is billed twice");
    let unbilled: Vec<_> = delivered
        .iter()
        .filter(|id| !distinct.contains(id))
        .collect();
    assert!(
        unbilled.is_empty(),
        "delivered and not billed: {unbilled:?}"
    );
    assert_eq!(held, 0, "nothing stays reserved");
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_kills_on_sqlite() {
    kill_in_the_middle(testkit::databases::sqlite(), 20).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn five_kills_on_postgres() {
    kill_in_the_middle(testkit::databases::postgres().await, 5).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_by_signal_ends_running_streams_well() {
    let upstream =
        Upstream::start(|_| Reply::stream(&["one ", "two ", "three"]).delay_ms(200)).await;
    let place = Place::new("sqlite://farebox.db", &upstream.base_url());
    let made = place.set_up("1");
    let mut server = place.serve().await;
    let body = json!({"model": "m", "stream": true,
                      "messages": [{"role": "user", "content": "Hello World"}]});
    let url = place.url("/v1/chat/completions");
    let key = made["api_key"].as_str().unwrap();
    let mut stream = testkit::http::post_stream(&url, key, &body).await;
    stream.record().await.expect("it has begun");
    server.signal("TERM");
    assert_eq!(stream.records().await.last().unwrap(), "data: [DONE]");
    drop(stream);
    assert!(server.wait(Duration::from_secs(30)).await.success());
    let proof: Value = place.json(&["ledger", "verify", "--json"]);
    assert_eq!(
        (&proof["ok"], &proof["usage_records"]),
        (&json!(true), &json!(1))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_again_is_not_kept_waiting() {
    let upstream = Upstream::start(|_| Reply::hang()).await;
    let place = Place::new("sqlite://farebox.db", &upstream.base_url());
    let made = place.set_up("1");
    let mut server = place.serve().await;
    let url = place.url("/v1/chat/completions");
    let key = made["api_key"].as_str().unwrap();
    let body = json!({"model": "m", "messages": [{"role": "user", "content": "Hello World"}]});
    let waiting = tokio::spawn(Request::post(&url).bearer(key).json(&body).send());
    testkit::eventually("the upstream is asked", async || upstream.in_flight() == 1).await;
    server.signal("TERM");
    testkit::eventually("it ends without the answer", async || {
        server.signal("TERM");
        server.ended().is_some()
    })
    .await;
    assert_eq!(server.ended().unwrap().code(), Some(1));
    assert!(waiting.await.unwrap().is_err());
}
