//! Killed in the middle of load: what was delivered is billed, once, nothing stays reserved, and no
//! budget is exceeded. `FAREBOX_KILLS` says how often, where it is to be more than usual.

use std::time::{Duration, Instant};

use domain::budget::Budget;
use domain::money::Nusd;
use serde_json::{Value, json};
use testkit::http::Request;
use testkit::{Reply, TestDatabase, Upstream};

use crate::books::{self, Tally};
use crate::load::{Load, Mix};
use crate::place::Place;
use crate::stage::{Stage, clock};

const MIX: Mix = Mix {
    streaming: 64,
    plain: 16,
    leaving: 16,
};
/// What each life of a server may spend of each budget: of the first two more than it can in most
/// rounds, of the key's less. The most that a request holds is $0.0004.
const ALLOWANCES: [Nusd; 3] = [
    Nusd::new(60_000_000),
    Nusd::new(50_000_000),
    Nusd::new(4_000_000),
];

/// Raises every budget by what the next life may spend.
async fn raise(stage: &Stage, in_force: &mut [Budget]) {
    for (budget, allowance) in in_force.iter_mut().zip(ALLOWANCES) {
        let limit = budget.limit + allowance;
        stage.allow(budget, limit).await;
    }
}

async fn kill_in_the_middle(database: TestDatabase, times: usize) {
    let began = Instant::now();
    let stage = Stage::new(&database.url).await;
    let mut in_force = stage.put_budgets().await;
    let mut tally = Tally::default();
    raise(&stage, &mut in_force).await;
    let mut since = clock()();
    let mut server = stage.place.serve().await;
    for round in 0..times {
        let load = Load::start(&stage, MIX);
        // A different moment each time.
        tokio::time::sleep(Duration::from_millis(300 + round as u64 * 37 % 200)).await;
        server.kill9();
        let seen = load.end().await;
        raise(&stage, &mut in_force).await;
        // Starting again resolves what the kill left.
        let now = clock()();
        server = stage.place.serve().await;
        let round = books::compare(&stage, since, &seen, &in_force).await;
        assert!(round.unanswered <= MIX.plain as u64, "{round:?}");
        assert_eq!(round.refused, 0, "the ledger never failed: {round:?}");
        tally.add(round);
        since = now;
    }
    // Once without a kill: every client is told its end, and nothing is given away.
    let load = Load::start(&stage, MIX);
    load.goes_on(50).await;
    let seen = load.end().await;
    books::at_rest(&stage).await;
    let calm = books::compare(&stage, since, &seen, &in_force).await;
    assert_eq!(
        (calm.unanswered, calm.refused, calm.given_away),
        (0, 0, 0),
        "{calm:?}"
    );
    stage.stop(server).await;
    let proof = stage.place.json(&["ledger", "verify", "--json"]);
    assert_eq!(
        (&proof["ok"], &proof["open_holds"]),
        (&json!(true), &json!(0)),
        "{proof}"
    );
    eprintln!(
        "{times} kills on {} in {:?}: {tally:?}",
        database.name,
        began.elapsed()
    );
    let enough = 10 * times as u64;
    assert!(
        tally.whole > enough && tally.turned_away > times as u64,
        "{tally:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_kills_on_sqlite() {
    let times = testkit::times("FAREBOX_KILLS", 20);
    kill_in_the_middle(testkit::databases::sqlite(), times).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn five_kills_on_postgres() {
    let times = testkit::times("FAREBOX_KILLS", 5);
    kill_in_the_middle(testkit::databases::postgres().await, times).await;
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
