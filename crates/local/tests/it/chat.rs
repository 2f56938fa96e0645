//! `POST /v1/chat/completions`, plain and streaming.

use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::client::{MODEL, TestServer, chat};
use crate::synthetic::{CHAT_ANSWER, CHAT_ANSWER_TOKENS};

const PATH: &str = "/v1/chat/completions";

/// The template around "Hello World": two control tokens more than it has other bytes.
const PROMPT_TOKENS: usize = 3 + "user\nHello World\nassistant\n\n".len();

#[tokio::test]
async fn an_answer_has_openais_shape_and_exact_usage() {
    let server = TestServer::start().await;
    let answer = server.post(PATH, &chat(&json!({}))).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.headers["content-type"], "application/json");
    let json = answer.json();
    assert!(json["id"].as_str().unwrap().starts_with("chatcmpl-"));
    assert_eq!(json["object"], "chat.completion");
    assert_eq!(json["model"], MODEL);
    let choice = json!({
        "index": 0,
        "message": {"role": "assistant", "content": CHAT_ANSWER, "refusal": null},
        "logprobs": null,
        "finish_reason": "stop",
    });
    assert_eq!(json["choices"], json!([choice]));
    assert_eq!(json["usage"]["prompt_tokens"], PROMPT_TOKENS);
    assert_eq!(json["usage"]["completion_tokens"], CHAT_ANSWER_TOKENS);
    assert_eq!(
        json["usage"]["total_tokens"],
        PROMPT_TOKENS + CHAT_ANSWER_TOKENS
    );
}

#[tokio::test]
async fn a_stream_says_the_same_in_chunks() {
    let server = TestServer::start().await;
    let body = chat(&json!({"stream": true, "max_tokens": 5}));
    let answer = server.post(PATH, &body).await;
    assert_eq!(answer.headers["content-type"], "text/event-stream");
    let chunks = answer.chunks();
    let deltas: Vec<&Value> = chunks
        .iter()
        .map(|chunk| &chunk["choices"][0]["delta"])
        .collect();
    let expected = [
        json!({"role": "assistant", "content": ""}),
        json!({"content": "A"}),
        json!({"content": "B"}),
        json!({"content": "C"}),
        json!({"content": "D"}),
        json!({"content": "E"}),
        json!({}),
    ];
    assert_eq!(deltas, expected.iter().collect::<Vec<_>>());
    let reasons: Vec<&Value> = chunks
        .iter()
        .map(|chunk| &chunk["choices"][0]["finish_reason"])
        .collect();
    assert!(reasons[..6].iter().all(|reason| reason.is_null()));
    assert_eq!(reasons[6], "length");
    for chunk in &chunks {
        assert_eq!(chunk["id"], chunks[0]["id"]);
        assert_eq!(chunk["object"], "chat.completion.chunk");
        assert!(chunk.get("usage").is_none());
    }
}

#[tokio::test]
async fn usage_ends_the_streams_that_ask_for_it() {
    let server = TestServer::start().await;
    let options = json!({"include_usage": true});
    let body = chat(&json!({"stream": true, "max_tokens": 2, "stream_options": options}));
    let mut chunks = server.post(PATH, &body).await.chunks();
    let last = chunks.pop().unwrap();
    assert_eq!(last["choices"], json!([]));
    assert_eq!(last["usage"]["prompt_tokens"], PROMPT_TOKENS);
    assert_eq!(last["usage"]["completion_tokens"], 2);
    assert!(chunks.iter().all(|chunk| chunk["usage"] == Value::Null));
}

#[tokio::test]
async fn several_answers_are_numbered_and_counted_together() {
    let server = TestServer::start().await;
    let body = chat(&json!({"n": 3, "max_completion_tokens": 2}));
    let json = server.post(PATH, &body).await.json();
    let choices = json["choices"].as_array().unwrap();
    for (index, choice) in choices.iter().enumerate() {
        assert_eq!(choice["index"], index);
        assert_eq!(choice["message"]["content"], "AB");
    }
    assert_eq!(choices.len(), 3);
    assert_eq!(json["usage"]["completion_tokens"], 6);
    assert_eq!(json["usage"]["prompt_tokens"], PROMPT_TOKENS);

    let body = chat(&json!({"n": 2, "max_tokens": 1, "stream": true}));
    let chunks = server.post(PATH, &body).await.chunks();
    let indices: Vec<&Value> = chunks
        .iter()
        .map(|chunk| &chunk["choices"][0]["index"])
        .collect();
    assert_eq!(indices, [0, 0, 0, 1, 1, 1]);
}

#[tokio::test]
async fn the_template_sees_the_whole_conversation() {
    let server = TestServer::start().await;
    let messages = json!([
        {"role": "developer", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "Hi"}]},
        {"role": "assistant", "content": "Yes?"},
        {"role": "user", "content": "Go on"},
    ]);
    let body = chat(&json!({"messages": messages, "max_tokens": 1}));
    let json = server.post(PATH, &body).await.json();
    let bytes = "system\nBe brief.\nuser\nHi\nassistant\nYes?\nuser\nGo on\nassistant\n\n";
    assert_eq!(json["usage"]["prompt_tokens"], 9 + bytes.len());

    let messages = json!([
        {"role": "user", "content": "Hi"},
        {"role": "system", "content": "Be brief."},
    ]);
    let answer = server
        .post(PATH, &chat(&json!({"messages": messages})))
        .await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    let message = answer.json()["error"]["message"].to_string();
    assert!(message.contains("System messages come first."), "{message}");
}

#[tokio::test]
async fn a_seed_repeats_an_answer_and_another_changes_it() {
    let server = TestServer::start().await;
    let ask = async |seed: u64| {
        let body = chat(&json!({"temperature": 1, "seed": seed, "max_tokens": 30, "n": 2}));
        let json = server.post(PATH, &body).await.json();
        json["choices"].clone()
    };
    let first = ask(1).await;
    assert_eq!(first, ask(1).await);
    assert_ne!(first, ask(2).await);
    assert_ne!(first[0]["message"], first[1]["message"]);
}
