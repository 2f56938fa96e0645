//! Killed in the middle of load whose clients insist: with an `Idempotency-Key` every request comes
//! to an end that its client is told, and is billed once, however often it was sent.

// SQL in a test: what was written is looked at from outside the product's own queries.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use domain::money::Nusd;
use parking_lot::Mutex;
use serde_json::json;
use store::{Role, Row, StoreError};
use testkit::TestDatabase;
use testkit::http::{Answer, Request};

use crate::stage::Stage;

/// Half of them want streams.
const CLIENTS: u64 = 32;
const PAUSE: Duration = Duration::from_millis(20);

/// How a request ended for a client that asked until it was told.
#[derive(Debug)]
struct Told {
    /// The request that was charged.
    request: String,
    cost: Nusd,
    /// The answer was there, not only the news that it was charged.
    whole: bool,
    /// How often it was sent until then.
    sent: u64,
}

#[derive(Default)]
struct Board {
    stop: AtomicBool,
    numbers: AtomicU64,
    told: Mutex<Vec<Told>>,
}

impl Board {
    async fn client(&self, url: &str, key: &str, stream: bool) {
        while !self.stop.load(Ordering::SeqCst) {
            let number = self.numbers.fetch_add(1, Ordering::SeqCst);
            let body = json!({
                "model": "m", "stream": stream, "max_tokens": 40,
                "messages": [{"role": "user", "content": format!("Please answer number {number}")}],
            });
            let request = Request::post(url)
                .bearer(key)
                .header("Idempotency-Key", &format!("request-{number}"))
                .json(&body);
            let told = insist(request).await;
            self.told.lock().push(told);
        }
    }
}

/// Sends a request until its end is told; then once more, to see that this was the end.
async fn insist(request: Request) -> Told {
    let mut sent = 0;
    let (first, told) = loop {
        let answer = answer(&request, &mut sent).await;
        if let Some(told) = told(&answer, sent) {
            break (answer, told);
        }
        tokio::time::sleep(PAUSE).await;
    };
    let second = loop {
        let answer = answer(&request, &mut sent).await;
        if answer.status != 503 {
            break answer;
        }
        tokio::time::sleep(PAUSE).await;
    };
    assert_eq!(second.status, first.status, "{}", second.text());
    if told.whole {
        assert_eq!(second.body, first.body);
        assert_eq!(second.header("farebox-replayed"), Some(&*told.request));
        assert_eq!(second.header("farebox-cost").map(dollars), Some(told.cost));
    }
    told
}

/// The next whole answer: there may be no server just now, or it dies in the middle.
async fn answer(request: &Request, sent: &mut u64) -> Answer {
    loop {
        *sent += 1;
        if let Ok(answer) = request.clone().send().await {
            return answer;
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// What an answer says of the end; nothing if the client should ask again.
fn told(answer: &Answer, sent: u64) -> Option<Told> {
    let text = answer.text();
    let is_stream = answer
        .header("content-type")
        .is_some_and(|it| it.starts_with("text/event-stream"));
    match answer.status {
        200 if is_stream && !text.ends_with("data: [DONE]\n\n") => {
            panic!("a stream ended well without its end: {text}")
        }
        200 => {
            let replayed = answer.header("farebox-replayed");
            let request = replayed.or(answer.header("x-request-id"));
            let cost = match is_stream {
                true => {
                    let money = text.rsplit_once("farebox-cost=").expect("its cost").1;
                    money.split_whitespace().next().expect("a number")
                }
                false => answer.header("farebox-cost").expect("its cost"),
            };
            Some(Told {
                request: request.expect("an id").to_owned(),
                cost: dollars(cost),
                whole: true,
                sent,
            })
        }
        409 if text.contains("idempotency_request_in_progress") => None,
        409 if text.contains("idempotency_answer_not_kept") => {
            let (_, id) = text.split_once("(req_").expect("it names the first");
            let (_, cost) = text.split_once("charged $").expect("it names the cost");
            let cost = cost.split(',').next().expect("a number");
            Some(Told {
                request: format!("req_{}", &id[..32]),
                cost: dollars(cost),
                whole: false,
                sent,
            })
        }
        503 => None,
        other => panic!("{other}: {text}"),
    }
}

fn dollars(text: &str) -> Nusd {
    Nusd::parse_usd(text).expect("dollars")
}

/// What was billed, by request.
async fn bills(stage: &Stage) -> HashMap<String, Nusd> {
    let store = stage.open(Role::Reader).await;
    let read = store.read(|tx| {
        let rows = tx.query("SELECT id, cost_nusd FROM usage_records", &[])?;
        let bill = |row: &Row| Ok((row.text(0)?.to_owned(), Nusd::new(row.int(1)?)));
        rows.iter().map(bill).collect::<Result<_, StoreError>>()
    });
    let bills = read.await.expect("it is read");
    store.close().await;
    bills
}

async fn kill_while_clients_insist(database: TestDatabase, times: usize) {
    let stage = Stage::new(&database.url).await;
    let board = Arc::<Board>::default();
    let mut server = stage.place.serve().await;
    let url = stage.place.url("/v1/chat/completions");
    let clients: Vec<_> = (0..CLIENTS)
        .map(|number| {
            let (board, url) = (Arc::clone(&board), url.clone());
            let key = stage.keys[0].secret.clone();
            tokio::spawn(async move { board.client(&url, &key, number % 2 == 0).await })
        })
        .collect();
    for round in 0..times as u64 {
        // A different moment each time; now and then so late that streams have been noted.
        let late_ms = if round % 3 == 2 { 1_500 } else { 0 };
        tokio::time::sleep(Duration::from_millis(300 + round * 37 % 200 + late_ms)).await;
        server.kill9();
        server = stage.place.serve().await;
    }
    board.stop.store(true, Ordering::SeqCst);
    for client in clients {
        client.await.unwrap();
    }
    stage.stop(server).await;

    let told = std::mem::take(&mut *board.told.lock());
    let mut bills = bills(&stage).await;
    for one in &told {
        let billed = bills.remove(&one.request);
        assert_eq!(billed, Some(one.cost), "{one:?}");
    }
    assert!(bills.is_empty(), "billed beside that: {bills:?}");
    let proof = stage.place.json(&["ledger", "verify", "--json"]);
    assert_eq!(
        (&proof["ok"], &proof["open_holds"]),
        (&json!(true), &json!(0)),
        "{proof}"
    );
    let count = |is: fn(&Told) -> bool| told.iter().filter(|one| is(one)).count();
    let (insisted, charged_in_vain) = (count(|one| one.sent > 1), count(|one| !one.whole));
    eprintln!(
        "{times} kills on {}: {} requests, {insisted} sent again before they were told, \
         {charged_in_vain} charged up to a kill",
        database.name,
        told.len(),
    );
    assert!(told.len() > 10 * times && insisted > times);
}

#[tokio::test(flavor = "multi_thread")]
async fn nine_kills_on_sqlite() {
    let times = testkit::times("FAREBOX_KILLS", 9);
    kill_while_clients_insist(testkit::databases::sqlite(), times).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn three_kills_on_postgres() {
    let times = testkit::times("FAREBOX_KILLS", 3);
    kill_while_clients_insist(testkit::databases::postgres().await, times).await;
}
