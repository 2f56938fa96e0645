//! What is refused, and how it is said: always in OpenAI's envelope.

use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::client::{Answer, MODEL, TestServer, chat};
use crate::synthetic::Variant;

const CHAT: &str = "/v1/chat/completions";

fn check(answer: &Answer, status: StatusCode, code: &Value, opening: &str) {
    assert_eq!(answer.status, status, "{answer:?}");
    assert_eq!(answer.headers["content-type"], "application/json");
    let json = answer.json();
    let error = json["error"].as_object().expect("an envelope");
    let keys: Vec<&str> = error.keys().map(String::as_str).collect();
    assert_eq!(keys, ["message", "type", "param", "code"]);
    assert_eq!(error["type"], "invalid_request_error");
    assert_eq!(&error["code"], code, "{answer:?}");
    let message = error["message"].as_str().unwrap();
    assert!(message.starts_with(opening), "{message}");
}

#[tokio::test]
async fn requests_that_cannot_be_read() {
    let server = TestServer::start().await;
    let bad = StatusCode::BAD_REQUEST;
    let table = [
        (
            "application/json",
            "{",
            bad,
            "We could not parse the JSON body of your request.",
        ),
        (
            "application/json",
            "[]",
            bad,
            "The request's body must be a JSON object.",
        ),
        (
            "text/plain",
            "{}",
            bad,
            "Invalid Content-Type header (text/plain)",
        ),
        (
            "application/json",
            "{}",
            bad,
            "you must provide a model parameter",
        ),
    ];
    for (kind, body, status, opening) in table {
        for path in [CHAT, "/v1/completions", "/v1/embeddings"] {
            let answer = server.send("POST", path, kind, body).await;
            check(&answer, status, &Value::Null, opening);
        }
    }
    let large = format!("\"{}\"", "x".repeat(1 << 20));
    let answer = server.send("POST", CHAT, "application/json", &large).await;
    check(
        &answer,
        StatusCode::PAYLOAD_TOO_LARGE,
        &Value::Null,
        "The request is larger than",
    );
}

#[tokio::test]
async fn models_and_paths_that_do_not_exist() {
    let server = TestServer::start().await;
    let missing = StatusCode::NOT_FOUND;
    let answer = server.post(CHAT, &chat(&json!({"model": "gpt-4o"}))).await;
    let opening = "The model `gpt-4o` does not exist or you do not have access to it.";
    check(&answer, missing, &json!("model_not_found"), opening);
    let answer = server.get("/v1/models/gpt-4o").await;
    check(
        &answer,
        missing,
        &json!("model_not_found"),
        "The model 'gpt-4o' does not exist",
    );
    let answer = server.post("/v1/responses", &json!({})).await;
    check(
        &answer,
        missing,
        &Value::Null,
        "Invalid URL (POST /v1/responses)",
    );
    let answer = server.get(CHAT).await;
    let code = json!("method_not_supported");
    check(
        &answer,
        StatusCode::METHOD_NOT_ALLOWED,
        &code,
        "Not allowed to GET on /v1/chat",
    );
}

#[tokio::test]
async fn the_model_is_listed_and_found_under_its_name() {
    let server = TestServer::start().await;
    let list = server.get("/v1/models").await.json();
    assert_eq!(list["object"], "list");
    assert_eq!(list["data"][0]["id"], MODEL);
    assert_eq!(list["data"][0]["object"], "model");
    let one = server.get(&format!("/v1/models/{MODEL}")).await.json();
    assert_eq!(one, list["data"][0]);
}

#[tokio::test]
async fn a_prompt_beyond_the_context_says_how_far_beyond() {
    let server = TestServer::start().await;
    let messages = json!([{"role": "user", "content": "x".repeat(2000)}]);
    let answer = server
        .post(CHAT, &chat(&json!({"messages": messages})))
        .await;
    let opening = "This model's maximum context length is 1024 tokens. However, your messages \
        resulted in 2020 tokens.";
    check(
        &answer,
        StatusCode::BAD_REQUEST,
        &json!("context_length_exceeded"),
        opening,
    );
    assert_eq!(answer.json()["error"]["param"], "messages");
}

#[tokio::test]
async fn what_the_model_cannot_do() {
    let server = TestServer::start().await;
    let code = json!("unsupported_parameter");
    let tools = json!({"tools": [{"type": "function", "function": {"name": "f"}}]});
    let answer = server.post(CHAT, &chat(&tools)).await;
    check(
        &answer,
        StatusCode::BAD_REQUEST,
        &code,
        "Unsupported parameter: 'tools'",
    );
    // A stream that is refused is refused as JSON.
    let body = chat(&json!({"stream": true, "logprobs": true}));
    let answer = server.post(CHAT, &body).await;
    check(
        &answer,
        StatusCode::BAD_REQUEST,
        &code,
        "Unsupported parameter: 'logprobs'",
    );
    for more in [
        json!({"echo": true}),
        json!({"suffix": "x"}),
        json!({"best_of": 2}),
    ] {
        let mut body = json!({"model": MODEL, "prompt": "x"});
        body.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        let answer = server.post("/v1/completions", &body).await;
        check(
            &answer,
            StatusCode::BAD_REQUEST,
            &code,
            "Unsupported parameter",
        );
    }
}

#[tokio::test]
async fn a_model_without_a_template_completes_but_does_not_chat() {
    let variant = Variant {
        template: false,
        ..Variant::default()
    };
    let server = TestServer::start_with(&variant, 1, 1).await;
    let answer = server.post(CHAT, &chat(&json!({}))).await;
    check(
        &answer,
        StatusCode::BAD_REQUEST,
        &Value::Null,
        "This model has no chat template",
    );
    let body = json!({"model": MODEL, "prompt": "x", "temperature": 0});
    let json = server.post("/v1/completions", &body).await.json();
    assert_eq!(json["choices"][0]["text"], "yz");
}
