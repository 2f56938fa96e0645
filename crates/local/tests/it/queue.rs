//! Many clients, few threads: who waits, who is refused, and what happens to those who leave.

use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::client::{TestServer, chat};
use crate::synthetic::{IM_END, Variant};

const PATH: &str = "/v1/chat/completions";

/// A model with so much room that an answer without an end takes far longer than any test.
async fn start(parallel: usize, queue: usize) -> TestServer {
    let variant = Variant {
        context_tokens: 100_000,
        ..Variant::default()
    };
    TestServer::start_with(&variant, parallel, queue).await
}

fn endless(streamed: bool) -> Value {
    let mut body = chat(&json!({"stream": streamed, "logit_bias": {}}));
    body["logit_bias"][IM_END.to_string()] = json!(-100);
    body
}

#[tokio::test]
async fn a_full_queue_refuses_at_once_and_says_when_to_come_back() {
    let server = start(1, 1).await;
    let running = server.begin(PATH, &endless(true));
    server.load(1, 0).await;
    let waiting = server.begin(PATH, &endless(false));
    server.load(1, 1).await;

    for path in [PATH, "/v1/embeddings"] {
        let mut body = chat(&json!({"input": "x"}));
        body["stream"] = json!(true);
        let answer = server.post(path, &body).await;
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
        let seconds = answer.headers["retry-after"].to_str().unwrap();
        assert!((1..=60).contains(&seconds.parse::<u64>().unwrap()));
        let json = answer.json();
        assert_eq!(json["error"]["type"], "service_unavailable_error");
        assert_eq!(json["error"]["code"], "server_is_overloaded");
    }
    // A wrong request is told so whatever the load.
    let answer = server.post(PATH, &chat(&json!({"n": 0}))).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);

    running.abort();
    waiting.abort();
    server.load(0, 0).await;
    let answer = server.post(PATH, &chat(&json!({}))).await;
    assert_eq!(answer.status, StatusCode::OK);
}

#[tokio::test]
async fn a_client_who_leaves_stops_the_model() {
    let server = start(1, 0).await;
    for streamed in [true, false] {
        let client = server.begin(PATH, &endless(streamed));
        server.load(1, 0).await;
        client.abort();
        server.load(0, 0).await;
    }
}

#[tokio::test]
async fn requests_run_side_by_side_and_do_not_mix() {
    let server = start(2, 2).await;
    let endless = server.begin(PATH, &endless(true));
    server.load(1, 0).await;
    let body = chat(&json!({"max_tokens": 20}));
    let (one, two) = tokio::join!(server.post(PATH, &body), server.post(PATH, &body));
    let text = |answer: &Value| answer["choices"][0]["message"]["content"].clone();
    assert_eq!(text(&one.json()), "ABCDEFGHIJKLMNOPQRST");
    assert_eq!(text(&two.json()), "ABCDEFGHIJKLMNOPQRST");
    endless.abort();
}
