//! Bodies have the shapes that OpenAI's have.

use serde_json::{Value, json};
use testkit::http::{self, Answer, sse_json};
use testkit::upstream::{UpstreamRequest, Usage, words};
use testkit::{Reply, Upstream};

async fn call(
    script: impl Fn(&UpstreamRequest) -> Reply + Send + Sync + 'static,
    path: &str,
    body: &Value,
) -> Answer {
    let upstream = Upstream::start(script).await;
    http::post_json(&format!("{}{path}", upstream.base_url()), "", body).await
}

async fn events(reply: Reply, path: &str, body: &Value) -> Vec<Value> {
    let upstream = Upstream::start(move |_| reply.clone()).await;
    let url = format!("{}{path}", upstream.base_url());
    sse_json(&http::post_stream(&url, "", body).await.records().await)
}

async fn echo(path: &str, body: &Value) -> Value {
    let upstream = Upstream::echo().await;
    http::post_json(&format!("{}{path}", upstream.base_url()), "", body)
        .await
        .json()
}

#[tokio::test]
async fn echo_obeys_the_output_limit_under_each_of_its_names() {
    let hello = "Hello from the upstream.";
    let chat = json!({"model": "m", "messages": [{"role": "user", "content": "hi"}]});
    let cases = [
        (
            "/chat/completions",
            "max_tokens",
            "/choices/0/message/content",
            chat.clone(),
        ),
        (
            "/chat/completions",
            "max_completion_tokens",
            "/choices/0/message/content",
            chat,
        ),
        (
            "/completions",
            "max_tokens",
            "/choices/0/text",
            json!({"model": "m", "prompt": "hi"}),
        ),
        (
            "/responses",
            "max_output_tokens",
            "/output/0/content/0/text",
            json!({"model": "m", "input": "hi"}),
        ),
    ];
    for (path, limit, text, mut body) in cases {
        let whole = echo(path, &body).await;
        assert_eq!(whole.pointer(text), Some(&json!(hello)), "{path}");
        body[limit] = 2.into();
        let cut = echo(path, &body).await;
        let cut_text = cut.pointer(text).and_then(Value::as_str).expect("a text");
        assert_eq!(cut_text.trim_end(), "Hello from", "{path}");
        let usage = &cut["usage"];
        let output = usage
            .get("completion_tokens")
            .or(usage.get("output_tokens"));
        assert_eq!(output, Some(&json!(2)), "{path}");
        let reason = cut.pointer("/choices/0/finish_reason");
        let reason = reason.or(cut.pointer("/incomplete_details/reason"));
        assert!(reason == Some(&json!("length")) || reason == Some(&json!("max_output_tokens")));
    }
}

#[tokio::test]
async fn usage_says_what_the_script_says() {
    let body = json!({"model": "m", "messages": [{"role": "user", "content": "one two"}], "n": 2});
    let counted = call(|_| Reply::chat(&words(5)), "/chat/completions", &body)
        .await
        .json();
    assert_eq!(counted["usage"]["prompt_tokens"], 2);
    assert_eq!(
        counted["usage"]["completion_tokens"], 10,
        "five for each choice"
    );
    assert_eq!(counted["choices"].as_array().map(Vec::len), Some(2));
    assert_eq!(counted["model"], "m");

    let said = |_: &_| {
        Reply::chat_with_usage("x", 100, 20)
            .cached_tokens(60)
            .reasoning_tokens(5)
    };
    let said = call(said, "/chat/completions", &body).await.json();
    assert_eq!(said["usage"]["total_tokens"], 120);
    assert_eq!(said["usage"]["prompt_tokens_details"]["cached_tokens"], 60);
    assert_eq!(
        said["usage"]["completion_tokens_details"]["reasoning_tokens"],
        5
    );

    let none = call(
        |_| Reply::chat("x").without_usage(),
        "/chat/completions",
        &body,
    )
    .await
    .json();
    assert!(none.get("usage").is_none());
}

#[tokio::test]
async fn a_response_stream_is_numbered_and_complete() {
    let usage = Usage {
        input: 3,
        output: 2,
        ..Usage::default()
    };
    let reply = Reply::response("Hello there").usage(usage);
    let events = events(reply, "/responses", &json!({"model": "m", "stream": true})).await;
    let kinds: Vec<&str> = events
        .iter()
        .filter_map(|event| event["type"].as_str())
        .collect();
    assert_eq!(
        kinds,
        [
            "response.created",
            "response.in_progress",
            "response.output_item.added",
            "response.content_part.added",
            "response.output_text.delta",
            "response.output_text.delta",
            "response.output_text.done",
            "response.content_part.done",
            "response.output_item.done",
            "response.completed",
        ]
    );
    for (number, event) in events.iter().enumerate() {
        assert_eq!(event["sequence_number"], number);
    }
    let last = &events.last().expect("events")["response"];
    assert_eq!(last["output"][0]["content"][0]["text"], "Hello there");
    assert_eq!(last["usage"]["input_tokens"], 3);
    assert_eq!(last["usage"]["output_tokens"], 2);
}

#[tokio::test]
async fn a_stream_takes_the_shape_of_its_endpoint() {
    let cases = [
        ("/chat/completions", "/choices/0/delta/content", 1),
        ("/completions", "/choices/0/text", 0),
        ("/responses", "/delta", 4),
    ];
    for (path, text, at) in cases {
        let events = events(Reply::stream(&["Hi", "!"]), path, &json!({"model": "m"})).await;
        assert_eq!(
            events[at].pointer(text),
            Some(&json!("Hi")),
            "{path}: {events:?}"
        );
        assert_eq!(events[at + 1].pointer(text), Some(&json!("!")), "{path}");
    }
}

#[tokio::test]
async fn base64_embeddings_are_the_same_numbers_as_floats() {
    let mut body = json!({"model": "e", "input": ["one", "two words", "one"]});
    // Five numbers are twenty bytes: the last group of base64 is not full.
    let floats = call(|_| Reply::embeddings(5), "/embeddings", &body)
        .await
        .json();
    body["encoding_format"] = "base64".into();
    let base64 = call(|_| Reply::embeddings(5), "/embeddings", &body)
        .await
        .json();
    assert_eq!(floats["usage"]["prompt_tokens"], 4);
    assert_eq!(
        floats["data"][0]["embedding"],
        floats["data"][2]["embedding"]
    );
    assert_ne!(
        floats["data"][0]["embedding"],
        floats["data"][1]["embedding"]
    );
    for index in 0..3 {
        let text = base64["data"][index]["embedding"].as_str().expect("a text");
        let expected: Vec<f32> = serde_json::from_value(floats["data"][index]["embedding"].clone())
            .expect("five floats");
        let decoded: Vec<f32> = decode(text)
            .chunks_exact(4)
            .map(|four| f32::from_le_bytes(four.try_into().expect("four")))
            .collect();
        assert_eq!(decoded, expected);
    }
    let ids = json!({"model": "e", "input": [1, 2, 3]});
    let one = call(|_| Reply::embeddings(5), "/embeddings", &ids)
        .await
        .json();
    assert_eq!(
        one["data"].as_array().map(Vec::len),
        Some(1),
        "token ids are one input"
    );
    assert_eq!(one["usage"]["total_tokens"], 3);
}

/// Decodes base64 by the definition: six bits a letter, `=` ends it.
fn decode(text: &str) -> Vec<u8> {
    let value = |letter: u8| match letter {
        b'A'..=b'Z' => letter - b'A',
        b'a'..=b'z' => letter - b'a' + 26,
        b'0'..=b'9' => letter - b'0' + 52,
        b'+' => 62,
        _ => 63,
    };
    let letters = text.bytes().filter(|letter| *letter != b'=');
    let bits: Vec<u8> = letters
        .flat_map(|l| (0..6).rev().map(move |bit| value(l) >> bit & 1))
        .collect();
    assert_eq!(text.len() % 4, 0);
    bits.chunks_exact(8)
        .map(|byte| byte.iter().fold(0, |sum, bit| sum << 1 | bit))
        .collect()
}

#[tokio::test]
async fn errors_and_unknown_paths_are_in_the_envelope() {
    let busy = |_: &_| Reply::error(429, "requests", "rate_limit_exceeded", "later");
    let answer = call(busy, "/chat/completions", &json!({})).await;
    assert_eq!(answer.status, 429);
    assert_eq!(answer.json()["error"]["code"], "rate_limit_exceeded");
    assert_eq!(
        echo("/nowhere", &json!({})).await["error"]["param"],
        Value::Null
    );
    assert_eq!(
        echo("/moderations", &json!({})).await["results"][0]["flagged"],
        false
    );
}
