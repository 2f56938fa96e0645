//! Answers that come as streams.

use std::time::Duration;

use farebox_gateway::OnDisconnect;
use serde_json::{Value, json};
use testkit::http::post_stream;
use testkit::upstream::Usage;
use testkit::{Reply, Upstream, eventually, on_each_database};

use crate::world::{MODEL, Plan, World, hello, streamed};

fn data(record: &str) -> Option<Value> {
    serde_json::from_str(record.strip_prefix("data: ")?).ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_is_relayed_and_its_charge_is_told_before_the_end() {
    on_each_database(async |database| {
        let upstream = Upstream::start(|_| {
            let usage = Usage {
                input: 9,
                output: 3,
                cached: 0,
                reasoning: 0,
            };
            Reply::stream(&["Hel", "lo ", "you"]).usage(usage)
        })
        .await;
        let world = World::start(database, &[upstream.base_url()], Plan::default()).await;
        let body = streamed(hello(50));
        let mut stream = post_stream(&world.url("/chat/completions"), world.key(), &body).await;
        assert_eq!(stream.status, 200);
        assert!(
            stream
                .header("content-type")
                .unwrap()
                .starts_with("text/event-stream")
        );
        assert!(stream.header("x-request-id").unwrap().starts_with("req_"));
        let records = stream.records().await;

        let text: String = records
            .iter()
            .filter_map(|record| data(record))
            .filter_map(|chunk| {
                chunk["choices"][0]["delta"]["content"]
                    .as_str()
                    .map(ToOwned::to_owned)
            })
            .collect();
        assert_eq!(text, "Hello you");
        assert!(
            records
                .iter()
                .filter_map(|it| data(it))
                .all(|chunk| chunk["model"] == MODEL)
        );
        assert!(
            !records.iter().any(|it| it.contains("usage")),
            "it was not asked for: {records:?}"
        );
        // 9 * 1,000 + 3 * 2,000 nUSD.
        let last_two = &records[records.len() - 2..];
        assert_eq!(
            last_two,
            [
                ": farebox-cost=0.000015 farebox-balance=4.999985",
                "data: [DONE]"
            ]
        );
        assert_eq!(
            upstream.requests()[0].json()["stream_options"]["include_usage"],
            true
        );
        assert_eq!(world.usage().await, [(9, 3, 15_000, 0)]);
        world.at_rest().await;

        let mut body = streamed(hello(50));
        body["stream_options"] = json!({"include_usage": true});
        let mut stream = post_stream(&world.url("/chat/completions"), world.key(), &body).await;
        let records = stream.records().await;
        let usage: Vec<Value> = records.iter().filter_map(|it| data(it)).collect();
        assert_eq!(
            usage.last().unwrap()["usage"]["completion_tokens"],
            3,
            "now it was"
        );
        world.at_rest().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn events_leave_as_they_arrive() {
    let upstream = Upstream::start(|_| Reply::stream(&["one", "two"]).stall_after(2)).await;
    let plan = Plan {
        timeout: Duration::from_secs(3),
        ..Plan::default()
    };
    let world = World::start(testkit::databases::sqlite(), &[upstream.base_url()], plan).await;
    let body = streamed(hello(50));
    let mut stream = post_stream(&world.url("/chat/completions"), world.key(), &body).await;
    // The upstream says one word and falls silent: the word is here all the same.
    let mut seen = String::new();
    while !seen.contains("one") {
        seen = stream.record().await.expect("the first word arrives");
    }
    let rest = stream.records().await;
    let error = rest
        .iter()
        .filter_map(|it| data(it))
        .find(|it| it["error"].is_object());
    assert_eq!(
        error.expect("a silent upstream is an error")["error"]["code"],
        "upstream_timeout"
    );
    assert!(
        !rest.iter().any(|it| it.contains("[DONE]")),
        "no proper end: {rest:?}"
    );
    let usage = world.usage().await;
    assert_eq!(
        usage[0].3 & 0b10001,
        0b10001,
        "estimated and broken off: {usage:?}"
    );
    assert!(usage[0].2 > 0, "what arrived is charged");
    world.at_rest().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_without_usage_counts_a_token_for_each_delta() {
    let upstream =
        Upstream::start(|_| Reply::stream(&["a", "b", "c", "d", "e"]).without_usage()).await;
    let world = World::start(
        testkit::databases::sqlite(),
        &[upstream.base_url()],
        Plan::default(),
    )
    .await;
    let body = streamed(hello(50));
    let mut stream = post_stream(&world.url("/chat/completions"), world.key(), &body).await;
    assert_eq!(stream.records().await.last().unwrap(), "data: [DONE]");
    let usage = world.usage().await;
    assert!(
        usage[0].0 >= 1 && usage[0].1 == 5 && usage[0].3 == 1,
        "{usage:?}"
    );
    world.at_rest().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_cut_anywhere_is_charged_for_what_arrived() {
    let upstream = Upstream::start(|request| {
        let cut = request.json()["cut"].as_u64().unwrap_or_default();
        Reply::stream(&["a", "b", "c"]).cut_after(usize::try_from(cut).unwrap())
    })
    .await;
    let world = World::start(
        testkit::databases::sqlite(),
        &[upstream.base_url()],
        Plan::default(),
    )
    .await;
    for cut in 0..4 {
        let mut body = streamed(hello(50));
        body["cut"] = cut.into();
        let before = world.wallet().await.balance();
        let url = world.url("/chat/completions");
        let stream = post_stream(&url, world.key(), &body).await;
        let (rest, _) = stream.rest().await;
        let text = String::from_utf8(rest).unwrap();
        assert!(!text.contains("[DONE]"), "{cut}: {text}");
        world.at_rest().await;
        let charged = before - world.wallet().await.balance();
        let delivered = text.contains("\"content\":\"a\"");
        assert_eq!(charged.get() > 0, delivered, "{cut}: {charged} for {text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_leaves_stops_the_upstream_and_pays_for_what_was_produced() {
    on_each_database(async |database| {
        let words: Vec<&str> = vec!["word"; 500];
        let upstream = Upstream::start(move |_| Reply::stream(&words).delay_ms(20)).await;
        let world = World::start(database, &[upstream.base_url()], Plan::default()).await;
        let body = streamed(hello(900));
        let mut stream = post_stream(&world.url("/chat/completions"), world.key(), &body).await;
        for _ in 0..5 {
            stream.record().await.expect("it has begun");
        }
        drop(stream);
        eventually("the upstream is told", async || upstream.cancelled() == 1).await;
        eventually("it is settled", async || !world.usage().await.is_empty()).await;
        let usage = world.usage().await;
        assert!(
            (3..400).contains(&usage[0].1),
            "what was produced: {usage:?}"
        );
        assert_eq!(usage[0].3, 0b01001, "estimated, disconnected");
        world.at_rest().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upstream_that_must_be_drained_is_read_to_its_end() {
    let upstream = Upstream::start(|_| Reply::stream(&["a", "b", "c", "d"]).delay_ms(100)).await;
    let plan = Plan {
        on_disconnect: OnDisconnect::Drain,
        ..Plan::default()
    };
    let world = World::start(testkit::databases::sqlite(), &[upstream.base_url()], plan).await;
    let body = streamed(hello(50));
    let mut stream = post_stream(&world.url("/chat/completions"), world.key(), &body).await;
    stream.record().await.expect("it has begun");
    drop(stream);
    eventually("it is settled", async || !world.usage().await.is_empty()).await;
    assert_eq!(upstream.cancelled(), 0);
    let usage = world.usage().await;
    assert_eq!(
        (usage[0].1, usage[0].3),
        (4, 0b01000),
        "the whole answer: {usage:?}"
    );
    world.at_rest().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_leaves_before_the_answer_pays_for_its_prompt() {
    let upstream = Upstream::start(|_| Reply::hang()).await;
    let world = World::start(
        testkit::databases::sqlite(),
        &[upstream.base_url()],
        Plan::default(),
    )
    .await;
    let url = world.url("/chat/completions");
    let key = world.key().to_owned();
    let asking = tokio::spawn(async move {
        testkit::http::post_json(&url, &key, &hello(50)).await;
    });
    eventually("it is forwarded", async || upstream.requests().len() == 1).await;
    asking.abort();
    eventually("the upstream is told", async || upstream.cancelled() == 1).await;
    eventually("it is settled", async || !world.usage().await.is_empty()).await;
    let usage = world.usage().await;
    assert!(
        usage[0].0 >= 1 && usage[0].1 == 0 && usage[0].2 > 0,
        "{usage:?}"
    );
    world.at_rest().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_waits_for_running_requests_and_loses_no_money() {
    let upstream = Upstream::start(|_| Reply::stream(&["a", "b", "c"]).delay_ms(100)).await;
    let world = World::start(
        testkit::databases::sqlite(),
        &[upstream.base_url()],
        Plan::default(),
    )
    .await;
    let body = streamed(hello(50));
    let mut stream = post_stream(&world.url("/chat/completions"), world.key(), &body).await;
    stream.record().await.expect("it has begun");
    let gateway = world.gateway.clone();
    let draining = tokio::spawn(async move { gateway.drain(Duration::from_secs(20)).await });
    assert_eq!(stream.records().await.last().unwrap(), "data: [DONE]");
    assert!(draining.await.unwrap(), "everything ended in time");
    assert_eq!(world.usage().await.len(), 1);
    world.at_rest().await;
}
