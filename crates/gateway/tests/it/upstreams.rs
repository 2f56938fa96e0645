//! Upstreams that fail: a clear answer, and nothing charged for nothing.

use std::time::Duration;

use domain::money::Nusd;
use farebox_gateway::CheckOutcome;
use serde_json::json;
use testkit::http::post_stream;
use testkit::{Reply, Upstream, UpstreamRequest};

use crate::world::{Plan, World, hello, streamed};

fn failing(request: &UpstreamRequest) -> Reply {
    match request.json()["fail"].as_str().unwrap_or_default() {
        "refuse" => Reply::refuse(),
        "hang" => Reply::hang(),
        "500" => Reply::error(500, "server_error", "boom", "boom"),
        "503" => Reply::error(503, "server_error", "busy", "busy").header("retry-after", "7"),
        "401" => Reply::error(
            401,
            "invalid_request_error",
            "invalid_api_key",
            "secret sk-abc",
        ),
        "404" => Reply::error(
            404,
            "invalid_request_error",
            "model_not_found",
            "their-name",
        ),
        "429" => Reply::error(429, "requests", "rate_limit_exceeded", "slow down"),
        "quota" => Reply::error(429, "insufficient_quota", "insufficient_quota", "pay"),
        "400" => Reply::error(
            400,
            "invalid_request_error",
            "bad_thing",
            "the thing is bad",
        ),
        "html" => Reply::raw(200, "text/html", "<html>hello</html>"),
        "half" => Reply::raw(200, "application/json", r#"{"id":"c","choices":["#),
        "no choices" => Reply::json(200, &json!({"hello": "world"})),
        "cut" => Reply::chat("a fairly long answer").cut_after(0),
        other => panic!("no failure {other}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_failure_has_its_answer_and_costs_nothing() {
    let upstream = Upstream::start(failing).await;
    let plan = Plan {
        timeout: Duration::from_millis(700),
        ..Plan::default()
    };
    let world = World::start(testkit::databases::sqlite(), &[upstream.base_url()], plan).await;
    let table = [
        ("refuse", 503, "upstream_unavailable"),
        ("hang", 504, "upstream_timeout"),
        ("500", 503, "upstream_unavailable"),
        ("503", 503, "upstream_unavailable"),
        ("401", 502, "upstream_misconfigured"),
        ("404", 502, "upstream_misconfigured"),
        ("429", 429, "slow_down"),
        ("quota", 502, "upstream_misconfigured"),
        ("400", 400, "bad_thing"),
        ("html", 502, "upstream_invalid_answer"),
        ("half", 502, "upstream_invalid_answer"),
        ("no choices", 502, "upstream_invalid_answer"),
    ];
    for (fail, status, code) in table {
        for stream in [false, true] {
            let mut body = hello(50);
            body["fail"] = fail.into();
            body["stream"] = stream.into();
            let answer = world.chat(&body).await;
            assert_eq!(answer.status, status, "{fail} {stream}: {}", answer.text());
            assert_eq!(answer.json()["error"]["code"], code, "{fail} {stream}");
            assert!(
                !answer.text().contains("sk-abc"),
                "the operator's affairs stay private"
            );
            if fail == "503" {
                assert_eq!(answer.header("retry-after"), Some("7"));
            }
        }
    }
    let mut body = hello(50);
    body["fail"] = "cut".into();
    assert_eq!(world.chat(&body).await.status, 502);
    world.at_rest().await;
    assert!(world.usage().await.is_empty());
    assert_eq!(
        world.wallet().await.balance(),
        Nusd::parse_usd("5").unwrap()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn another_deployment_answers_when_the_first_cannot() {
    let broken = Upstream::start(|_| Reply::error(500, "server_error", "boom", "boom")).await;
    let nobody = Upstream::unreachable_base_url();
    let healthy = Upstream::echo().await;
    let upstreams = [nobody, broken.base_url(), healthy.base_url()];
    let world = World::start(testkit::databases::sqlite(), &upstreams, Plan::default()).await;
    for stream in [false, true] {
        for _ in 0..10 {
            let body = if stream {
                streamed(hello(50))
            } else {
                hello(50)
            };
            assert_eq!(world.chat(&body).await.status, 200);
        }
    }
    assert_eq!(healthy.requests().len(), 20, "each request ran once");
    world.at_rest().await;
    assert_eq!(world.usage().await.len(), 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_in_the_middle_of_a_stream_is_passed_on() {
    let upstream = Upstream::start(|_| {
        let chunk = |text: &str| {
            let chunk = json!({"id": "c", "object": "chat.completion.chunk", "created": 1,
                "model": "their-name",
                "choices": [{"index": 0, "delta": {"content": text}, "finish_reason": null}]});
            format!("data: {chunk}\n\n")
        };
        let error = json!({"error": {"message": "out of memory", "type": "server_error",
            "param": null, "code": "oom"}});
        Reply::raw_stream(
            "text/event-stream",
            vec![chunk("one"), format!("data: {error}\n\n")],
        )
    })
    .await;
    let world = World::start(
        testkit::databases::sqlite(),
        &[upstream.base_url()],
        Plan::default(),
    )
    .await;
    let body = streamed(hello(50));
    let mut stream = post_stream(&world.url("/chat/completions"), world.key(), &body).await;
    let records = stream.records().await;
    assert!(
        records.last().unwrap().contains("out of memory"),
        "{records:?}"
    );
    world.at_rest().await;
    let usage = world.usage().await;
    assert_eq!((usage[0].1, usage[0].3), (1, 0b10001), "{usage:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_tell_how_an_upstream_is() {
    let upstream = Upstream::start(|request| match request.json()["fail"].is_null() {
        true => Reply::chat_with_usage("Hi", 12, 3),
        false => failing(request),
    })
    .await;
    let plan = Plan {
        timeout: Duration::from_millis(700),
        ..Plan::default()
    };
    let world = World::start(testkit::databases::sqlite(), &[upstream.base_url()], plan).await;
    let health = || world.gateway.upstreams().remove(0).1;
    assert_eq!(health(), farebox_gateway::UpstreamHealth::default());
    let mut failures = 0;
    for (fail, stream, name) in [
        ("refuse", false, Some("unavailable")),
        ("401", true, Some("misconfigured")),
        ("hang", false, Some("timed_out")),
        ("429", true, Some("busy")),
        ("half", false, Some("invalid_answer")),
        ("html", true, Some("invalid_answer")),
        ("cut", true, Some("broke_off")),
        // The request's fault: the upstream is well.
        ("400", false, None),
    ] {
        let mut body = hello(50);
        body["fail"] = fail.into();
        body["stream"] = stream.into();
        world.chat(&body).await;
        testkit::eventually("nothing is in flight", async || health().in_flight == 0).await;
        let found = health();
        // An answer that breaks off had begun.
        failures = match fail {
            "half" | "html" | "cut" => 1,
            _ => name.map_or(0, |_| failures + 1),
        };
        assert_eq!(found.failures_in_a_row, failures, "{fail}");
        if let Some(name) = name {
            assert_eq!(found.last_failure.map(|it| it.1), Some(name), "{fail}");
        }
    }
    assert_eq!(health().recent_answers, 4);
    for stream in [false, true] {
        let mut body = hello(50);
        body["stream"] = stream.into();
        assert_eq!(world.chat(&body).await.status, 200);
    }
    let found = health();
    assert_eq!((found.failures_in_a_row, found.recent_answers), (0, 6));
    assert!(found.median_us <= found.p95_us && found.last_answer_at.is_some());
    world.at_rest().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upstream_is_asked_for_its_models_and_no_more() {
    let upstream = Upstream::start(|request| match request.path.as_str() {
        "/v1/models" => Reply::json(200, &json!({"data": [{"id": "their-name"}, {"id": "b"}]})),
        path => panic!("nobody asked for {path}"),
    })
    .await;
    let unreachable = Upstream::unreachable_base_url();
    for (base_url, outcome) in [
        (upstream.base_url(), CheckOutcome::Answered(200)),
        (unreachable, CheckOutcome::Unreachable),
    ] {
        let database = testkit::databases::sqlite();
        let world = World::start(database, &[base_url], Plan::default()).await;
        let check = world
            .gateway
            .check_upstream("u")
            .await
            .expect("it is there");
        assert_eq!(check.outcome, outcome);
        let models = (outcome == CheckOutcome::Answered(200))
            .then(|| vec!["their-name".to_owned(), "b".to_owned()]);
        assert_eq!(check.models, models);
        assert_eq!(world.gateway.check_upstream("other").await, None);
    }
    let asked = upstream.last_request();
    assert_eq!(
        asked.header("authorization"),
        Some("Bearer upstream-secret")
    );
    assert!(asked.body.is_empty());
}
