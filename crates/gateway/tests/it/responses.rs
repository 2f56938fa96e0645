//! `/v1/responses`: passed through where the upstream speaks it, else translated to chat.

use serde_json::{Value, json};
use testkit::http::{post_json, post_stream};
use testkit::{Reply, Upstream};

use crate::world::{MODEL, Plan, World};

fn chat_only() -> impl Fn(&testkit::UpstreamRequest) -> Reply + Send + Sync + 'static {
    |request| match request.path.as_str() {
        "/v1/chat/completions" if request.wants_stream() => Reply::stream(&["Hel", "lo"]),
        "/v1/chat/completions" => Reply::chat_with_usage("Hello", 7, 2),
        _ => Reply::error(404, "invalid_request_error", "unknown_url", "unknown"),
    }
}

async fn events(world: &World) -> Vec<(String, Value)> {
    let body = json!({"model": MODEL, "input": "Hi", "stream": true});
    let mut stream = post_stream(&world.url("/responses"), world.key(), &body).await;
    assert_eq!(stream.status, 200);
    let records = stream.records().await;
    let event = |record: &String| {
        let (event, data) = record.strip_prefix("event: ")?.split_once("\ndata: ")?;
        Some((event.to_owned(), serde_json::from_str(data).ok()?))
    };
    records.iter().filter_map(event).collect()
}

fn check(events: &[(String, Value)], text: &str) {
    for (number, (event, data)) in events.iter().enumerate() {
        assert_eq!(data["type"], *event);
        assert_eq!(data["sequence_number"], number);
    }
    assert_eq!(events[0].0, "response.created");
    let (last, data) = events.last().unwrap();
    assert_eq!(last, "response.completed");
    assert_eq!(data["response"]["output"][0]["content"][0]["text"], text);
    assert!(data["response"]["usage"]["output_tokens"].as_u64().unwrap() > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upstream_that_speaks_only_chat_is_translated_to() {
    let upstream = Upstream::start(chat_only()).await;
    let world = World::start(
        testkit::databases::sqlite(),
        &[upstream.base_url()],
        Plan::default(),
    )
    .await;
    let body = json!({"model": MODEL, "input": "Hi", "instructions": "Be kind"});
    let answer = post_json(&world.url("/responses"), world.key(), &body).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let response = answer.json();
    assert_eq!(
        (&response["object"], &response["model"]),
        (&json!("response"), &json!(MODEL))
    );
    assert_eq!(response["output"][0]["content"][0]["text"], "Hello");
    assert_eq!(response["usage"]["input_tokens"], 7);
    assert_eq!(answer.header("farebox-cost"), Some("0.000011"));
    check(&events(&world).await, "Hello");
    // It was asked once whether it speaks responses, and then not again.
    let paths: Vec<String> = upstream
        .requests()
        .iter()
        .map(|it| it.path.clone())
        .collect();
    let (chat, responses) = ("/v1/chat/completions", "/v1/responses");
    assert_eq!(paths, [responses, chat, chat]);
    world.at_rest().await;
    assert_eq!(world.usage().await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upstream_that_speaks_responses_is_passed_through() {
    let upstream = Upstream::start(|_| Reply::response("Hello native")).await;
    let world = World::start(
        testkit::databases::sqlite(),
        &[upstream.base_url()],
        Plan::default(),
    )
    .await;
    let body = json!({"model": MODEL, "input": "Hi", "x_unknown": 1});
    let answer = post_json(&world.url("/responses"), world.key(), &body).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(
        answer.json()["output"][0]["content"][0]["text"],
        "Hello native"
    );
    let seen = upstream.requests()[0].json();
    assert_eq!(
        (&seen["store"], &seen["x_unknown"]),
        (&json!(false), &json!(1))
    );
    check(&events(&world).await, "Hello native");
    world.at_rest().await;
    assert_eq!(world.usage().await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_would_need_storage_is_refused() {
    let upstream = Upstream::echo().await;
    let world = World::start(
        testkit::databases::sqlite(),
        &[upstream.base_url()],
        Plan::default(),
    )
    .await;
    for (field, value) in [
        ("previous_response_id", json!("resp_1")),
        ("store", json!(true)),
        ("background", json!(true)),
        ("conversation", json!("conv_1")),
        ("tools", json!([{"type": "web_search"}])),
    ] {
        let mut body = json!({"model": MODEL, "input": "Hi"});
        body[field] = value;
        let answer = post_json(&world.url("/responses"), world.key(), &body).await;
        assert_eq!(answer.status, 400, "{field}: {}", answer.text());
        let param = answer.json()["error"]["param"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        assert!(param.starts_with(field), "{field}: {param}");
    }
    assert!(upstream.requests().is_empty());
    assert!(world.usage().await.is_empty());
    world.at_rest().await;
}
