//! The client shows the wire as it is.

use hyper::Method;
use serde_json::json;
use testkit::http::{self, Request, sse_json};
use testkit::{Reply, Upstream};

#[tokio::test]
async fn a_request_arrives_as_made() {
    let upstream =
        Upstream::start(|_| Reply::json(201, &json!({"ok": true})).header("x-a", "b")).await;
    let url = format!("{}/things?limit=2", upstream.base_url());
    let answer = http::post_json(&url, "sk-1", &json!({"name": "Ada"})).await;
    assert_eq!((answer.status, answer.header("x-a")), (201, Some("b")));
    assert_eq!(answer.json(), json!({"ok": true}));

    let request = upstream.last_request();
    assert_eq!(
        (request.method.as_str(), request.path.as_str()),
        ("POST", "/v1/things")
    );
    assert_eq!(request.query, "limit=2");
    assert_eq!(request.bearer(), Some("sk-1"));
    assert_eq!(request.header("content-type"), Some("application/json"));
    assert_eq!(request.json(), json!({"name": "Ada"}));

    http::delete(&url, "").await;
    assert_eq!(upstream.last_request().method, "DELETE");
    assert_eq!(upstream.last_request().bearer(), None, "no key, no header");

    let odd = Request::new(Method::PUT, &url)
        .body("text/plain", "hi")
        .header("x-c", "d");
    odd.send().await.expect("an answer");
    assert_eq!(upstream.last_request().header("x-c"), Some("d"));
    assert_eq!(&upstream.last_request().body[..], b"hi");
}

#[tokio::test]
async fn events_are_taken_apart_wherever_the_bytes_were_cut() {
    let bytes = ": hello\n\nevent: a\ndata: {\"n\":1}\n\ndata: {\"n\":2}\n\ndata: [DONE]\n\n";
    for size in [1, 2, 7, bytes.len()] {
        let pieces: Vec<Vec<u8>> = bytes.as_bytes().chunks(size).map(<[u8]>::to_vec).collect();
        let upstream =
            Upstream::start(move |_| Reply::raw_stream("text/event-stream", pieces.clone())).await;
        let mut answer = http::post_stream(&upstream.base_url(), "", &json!({})).await;
        let records = answer.records().await;
        assert_eq!(records.len(), 4, "{records:?}");
        assert_eq!(records[0], ": hello");
        assert_eq!(records[3], "data: [DONE]");
        assert_eq!(sse_json(&records), [json!({"n": 1}), json!({"n": 2})]);
    }
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_an_error() {
    let upstream = Upstream::start(|_| Reply::chat("never whole").cut_after(0)).await;
    let url = upstream.base_url();
    assert!(Request::post(&url).json(&json!({})).send().await.is_err());
    let unreachable = Request::get(&Upstream::unreachable_base_url()).send().await;
    assert!(unreachable.is_err());
}
