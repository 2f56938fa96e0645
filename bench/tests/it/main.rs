//! The load generator, the upstream and the relay, against each other: what they count must be
//! true.

use std::net::SocketAddr;
use std::time::Duration;

use farebox_bench::load::{self, Length, Prompt, Target};
use farebox_bench::{relay, upstream};
use testkit::http::{self, sse_json};
use testkit::{Reply, Upstream};

const CHUNKS: u64 = 7;
const SHORT: (Duration, Duration) = (Duration::from_millis(100), Duration::from_millis(400));

async fn mock(interval_ms: u64) -> SocketAddr {
    let listen = "127.0.0.1:0".parse().expect("an address");
    upstream::start(upstream::Settings {
        listen,
        chunks: CHUNKS,
        interval_ms,
    })
    .await
    .expect("loopback has a free port")
}

fn target(address: SocketAddr, stream: bool) -> Target {
    let url = format!("http://{address}/v1/chat/completions");
    Target::chat(
        &url,
        "",
        &Prompt {
            stream,
            ..Prompt::default()
        },
    )
    .expect("a good address")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn so_many_requests_are_so_many_answers() {
    let direct = mock(0).await;
    let through = relay::start(direct)
        .await
        .expect("loopback has a free port");
    for address in [direct, through] {
        let mut probes = 0;
        let report = load::closed(&target(address, false), 8, Length::Requests(500), || {
            probes += 1
        })
        .await;
        assert_eq!(
            (report.answered(), report.failed()),
            (500, 0),
            "{:?}",
            report.first_problem
        );
        assert_eq!(
            report.latency.count(),
            500,
            "without a warm-up all are measured"
        );
        assert_eq!(probes, 2);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_upstream_saw_what_was_counted() {
    let seen = Upstream::echo().await;
    let address = seen.base_url();
    let url = format!("{address}/chat/completions");
    let target = Target::chat(&url, "sk-bench", &Prompt::default()).expect("a good address");
    let (warm_up, measured) = SHORT;
    let report = load::closed(&target, 4, Length::Time { warm_up, measured }, || {}).await;
    let requests = seen.requests();
    assert_eq!(
        requests.len() as u64,
        report.answered(),
        "every request sent is waited for"
    );
    assert!(
        report.latency.count() < report.answered(),
        "the warm-up is not measured"
    );
    assert_eq!(requests[0].body.len(), 1024);
    assert_eq!(requests[0].bearer(), Some("sk-bench"));
    assert_eq!(requests[0].model(), "bench-model");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_open_loop_sends_at_its_rate_and_charges_a_stall() {
    let address = mock(0).await;
    let steady = target(address, false);
    let report = tokio::task::spawn_blocking(move || load::open(&steady, 200.0, 8, SHORT));
    let report = report.await.expect("no panic");
    // 0.5 s at 200 per second, whatever the server does: the schedule says when the last is due.
    assert_eq!(
        (report.answered(), report.failed()),
        (100, 0),
        "{:?}",
        report.first_problem
    );
    assert_eq!(report.latency.count(), 80);

    // One connection and an answer slower than the rate: each request waits for those before it, so
    // the tenth has waited for ten answers. A closed loop would have said 20 ms for all.
    let slow = Upstream::start(|_| Reply::chat("late").first_byte_delay_ms(20)).await;
    let url = format!("{}/chat/completions", slow.base_url());
    let slow_target = Target::chat(&url, "", &Prompt::default()).expect("a good address");
    let window = (Duration::ZERO, Duration::from_millis(10));
    let report = tokio::task::spawn_blocking(move || load::open(&slow_target, 1000.0, 1, window));
    let report = report.await.expect("no panic");
    assert_eq!(report.answered(), 10);
    assert!(
        report.latency.max() >= Duration::from_millis(190),
        "{:?}",
        report.latency.max()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_are_read_to_their_last_event() {
    let direct = mock(5).await;
    let through = relay::start(direct)
        .await
        .expect("loopback has a free port");
    for address in [direct, through] {
        let report = load::streams(&target(address, true), 5, SHORT, || {}).await;
        assert!(
            report.answered() > 0 && report.failed() == 0,
            "{:?}",
            report.first_problem
        );
        // The chunks, the finish, and [DONE].
        assert_eq!(report.events, report.answered() * (CHUNKS + 2));
        assert_eq!(report.first_event.count(), report.latency.count());
        assert!(report.first_event.quantile(0.5) < report.latency.quantile(0.5));
    }
}

#[tokio::test]
async fn the_mock_upstream_says_the_usage_that_is_billed() {
    let url = format!("http://{}/v1/chat/completions", mock(0).await);
    let whole = http::post_json(&url, "", &serde_json::json!({"model": "m"}))
        .await
        .json();
    assert_eq!(whole["usage"]["prompt_tokens"], upstream::INPUT_TOKENS);
    assert_eq!(whole["usage"]["completion_tokens"], upstream::OUTPUT_TOKENS);

    let ask = serde_json::json!({"stream": true, "stream_options": {"include_usage": true}});
    let events = sse_json(&http::post_stream(&url, "", &ask).await.records().await);
    let last = events.last().expect("events");
    assert_eq!(last["usage"]["completion_tokens"], CHUNKS);
    assert_eq!(last["choices"], serde_json::json!([]));
    let text = |event: &&serde_json::Value| event["choices"][0]["delta"]["content"].is_string();
    assert_eq!(events.iter().filter(text).count() as u64, CHUNKS);
}

#[tokio::test]
async fn failures_are_counted_and_named() {
    let refusing = Upstream::start(|_| Reply::refuse()).await;
    let busy = Upstream::start(|_| Reply::json(429, &serde_json::json!({}))).await;
    let url = |upstream: &Upstream| format!("{}/chat/completions", upstream.base_url());
    let ask = |url: &str| Target::chat(url, "", &Prompt::default()).expect("a good address");
    let report = load::closed(&ask(&url(&refusing)), 2, Length::Requests(6), || {}).await;
    assert_eq!(
        (report.broken, report.failed(), report.answered()),
        (6, 6, 0)
    );
    assert!(report.first_problem.is_some());
    let report = load::closed(&ask(&url(&busy)), 2, Length::Requests(6), || {}).await;
    assert_eq!((report.statuses.get(&429), report.failed()), (Some(&6), 6));
}
