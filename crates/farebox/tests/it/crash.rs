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
use crate::stage::{SLOW_MS, Stage, clock};

const MIX: Mix = Mix {
    streaming: 64,
    plain: 16,
    leaving: 16,
    max_tokens: 40,
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
        // A different moment each time; now and then so late that streams have been noted.
        let late_ms = if round % 5 == 4 { 1_500 } else { 0 };
        let life_ms = 300 + round as u64 * 37 % 200 + late_ms;
        tokio::time::sleep(Duration::from_millis(life_ms)).await;
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
    let (enough, some) = (10 * times as u64, times as u64 / 5);
    assert!(tally.whole > enough, "{tally:?}");
    assert!(
        tally.turned_away >= some && tally.orphans >= some,
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

/// A killed stream is charged for what had been noted of it, which lags a second behind.
#[tokio::test(flavor = "multi_thread")]
async fn a_killed_stream_owes_all_but_its_last_second() {
    const A_SECOND: u64 = 1_000 / SLOW_MS;
    let database = testkit::databases::sqlite();
    let stage = Stage::slow(&database.url).await;
    let mut server = stage.place.serve().await;
    let since = clock()();
    let mix = Mix {
        streaming: 16,
        plain: 0,
        leaving: 0,
        max_tokens: 1_000,
    };
    let load = Load::start(&stage, mix);
    testkit::eventually("two seconds of each are noted", async || {
        let noted = books::noted(&stage).await;
        noted.len() == mix.streaming && noted.values().all(|noted| *noted > 2 * A_SECOND)
    })
    .await;
    let noted = books::noted(&stage).await;
    server.kill9();
    let seen = load.end().await;
    stage.stop(stage.place.serve().await).await;
    let billed = books::output_tokens(&stage, since).await;
    assert_eq!(billed.len(), mix.streaming);
    for one in seen.iter().filter(|one| one.id.is_some()) {
        let id = one.id.as_ref().unwrap();
        assert!(billed[id] >= noted[id], "{one:?}: {} noted", noted[id]);
        assert!(billed[id] <= stage.sent(one.number), "{one:?}");
        // A second, and three more for a machine that has much else to do.
        assert!(
            billed[id] + 4 * A_SECOND >= one.received,
            "{one:?}: {}",
            billed[id]
        );
    }
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
