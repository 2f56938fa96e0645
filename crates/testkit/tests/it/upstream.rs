//! The upstream delivers as scripted, and tells when the other side left.

use serde_json::{Value, json};
use testkit::http::{self, Request, sse_json};
use testkit::{Reply, Upstream, eventually};

fn ask(stream: bool) -> Value {
    let messages = json!([{"role": "user", "content": "one two three"}]);
    json!({"model": "m", "messages": messages, "stream": stream})
}

fn chat_url(upstream: &Upstream) -> String {
    format!("{}/chat/completions", upstream.base_url())
}

#[tokio::test]
async fn chunks_arrive_one_by_one() {
    // A delay that no test outlasts: the second chunk cannot have been sent when the first is read.
    let upstream = Upstream::start(|_| Reply::stream(&["a", "b"]).delay_ms(3_600_000)).await;
    let mut answer = http::post_stream(&chat_url(&upstream), "", &ask(true)).await;
    let first = answer.record().await.expect("the role comes at once");
    assert!(first.contains("assistant"), "{first}");
    assert_eq!((upstream.in_flight(), upstream.cancelled()), (1, 0));
}

#[tokio::test]
async fn leaving_in_the_middle_is_seen() {
    let replies: [fn() -> Reply; 3] = [
        || Reply::stream(&["a"; 10]).delay_ms(3_600_000),
        || Reply::stream(&["a"; 10]).stall_after(2),
        Reply::hang,
    ];
    for reply in replies {
        let upstream = Upstream::start(move |_| reply()).await;
        let url = chat_url(&upstream);
        let caller = tokio::spawn(async move {
            let mut answer = http::post_stream(&url, "", &ask(true)).await;
            while answer.chunk().await.is_some() {}
        });
        eventually("the request", async || upstream.in_flight() == 1).await;
        assert_eq!(upstream.cancelled(), 0);
        caller.abort();
        eventually("the leaving", async || upstream.cancelled() == 1).await;
        eventually("the closed connection", async || {
            upstream.open_connections() == 0
        })
        .await;
        assert_eq!(upstream.in_flight(), 0);
    }
}

#[tokio::test]
async fn an_endless_stream_goes_on_until_its_reader_leaves() {
    let upstream = Upstream::start(|_| Reply::stream(&["a", "b"]).endless()).await;
    for path in ["/chat/completions", "/completions", "/responses"] {
        let url = format!("{}{path}", upstream.base_url());
        let mut answer = http::post_stream(&url, "", &ask(true)).await;
        let mut records = Vec::new();
        while records.len() < 50 {
            records.extend(answer.record().await);
        }
        let said = |letter: &str| {
            let letter = format!("\"{letter}\"");
            records.iter().filter(|it| it.contains(&letter)).count()
        };
        assert!(said("a") > 20 && said("b") > 20, "{path}: {records:?}");
    }
    eventually("the leaving", async || upstream.cancelled() == 3).await;
}

#[tokio::test]
async fn a_whole_answer_is_not_counted_as_cancelled() {
    let upstream = Upstream::echo().await;
    for stream in [false, true] {
        let answer = http::post_json(&chat_url(&upstream), "", &ask(stream)).await;
        assert_eq!(answer.status, 200);
    }
    eventually("the end of both", async || upstream.in_flight() == 0).await;
    assert_eq!(upstream.cancelled(), 0);
}

#[tokio::test]
async fn a_stream_is_cut_after_so_many_chunks() {
    for chunks in [0, 1, 4] {
        let script = move |_: &_| Reply::stream(&["a"; 10]).cut_after(chunks);
        let upstream = Upstream::start(script).await;
        let answer = http::post_stream(&chat_url(&upstream), "", &ask(true)).await;
        let (body, whole) = answer.rest().await;
        assert!(!whole, "the end is not a proper one");
        let seen = String::from_utf8_lossy(&body).matches("data: ").count();
        assert_eq!(seen, chunks);
        assert_eq!(upstream.cancelled(), 0, "that was the script's doing");
    }
}

#[tokio::test]
async fn refusing_closes_without_an_answer() {
    let upstream = Upstream::start(|_| Reply::refuse()).await;
    let result = Request::post(&chat_url(&upstream))
        .json(&ask(false))
        .stream()
        .await;
    assert!(result.is_err());
    assert_eq!((upstream.requests().len(), upstream.cancelled()), (1, 0));
}

#[tokio::test]
async fn a_stopped_upstream_breaks_what_is_under_way() {
    let mut upstream = Upstream::start(|_| Reply::stream(&["a"; 10]).stall_after(1)).await;
    let mut answer = http::post_stream(&chat_url(&upstream), "", &ask(true)).await;
    assert!(answer.record().await.is_some());
    upstream.stop();
    assert!(!answer.rest().await.1);
    assert!(
        Request::get(&upstream.base_url()).send().await.is_err(),
        "nobody listens"
    );
    assert_eq!(upstream.requests().len(), 1, "what was seen stays");
}

#[tokio::test]
async fn a_test_that_blocks_its_runtime_does_not_stop_the_upstream() {
    let upstream = Upstream::echo().await;
    let url = format!("{}/models", upstream.base_url());
    // This blocks the only thread of the test's runtime until another runtime has the answer.
    let answer = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        runtime
            .expect("a runtime")
            .block_on(async { http::get(&url, "").await })
    })
    .join()
    .expect("an answer");
    assert_eq!(answer.json()["data"][0]["id"], "echo");
}

#[tokio::test]
async fn usage_ends_a_stream_only_if_asked_for() {
    let upstream = Upstream::start(|_| Reply::chat("Hello there")).await;
    let mut body = ask(true);
    let mut plain = http::post_stream(&chat_url(&upstream), "", &body).await;
    let records = plain.records().await;
    assert!(
        sse_json(&records)
            .iter()
            .all(|chunk| chunk.get("usage").is_none())
    );

    body["stream_options"] = json!({"include_usage": true});
    let mut with_usage = http::post_stream(&chat_url(&upstream), "", &body).await;
    let records = with_usage.records().await;
    assert_eq!(records.last().map(String::as_str), Some("data: [DONE]"));
    let chunks = sse_json(&records);
    let (last, before) = chunks.split_last().expect("chunks");
    assert_eq!(last["choices"], json!([]));
    assert_eq!(last["usage"]["prompt_tokens"], 3);
    assert_eq!(last["usage"]["completion_tokens"], 2);
    assert!(before.iter().all(|chunk| chunk["usage"].is_null()));
    assert_eq!(
        before.last().expect("chunks")["choices"][0]["finish_reason"],
        "stop"
    );
    let text: String = before
        .iter()
        .filter_map(|chunk| chunk["choices"][0]["delta"]["content"].as_str())
        .collect();
    assert_eq!(text, "Hello there");
}
