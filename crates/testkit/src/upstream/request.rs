//! A request as the upstream received it, and what a script wants to know of it.

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::header::HeaderMap;
use serde_json::Value;

/// One request, body included.
#[derive(Clone, Debug)]
pub struct UpstreamRequest {
    pub method: String,
    /// Without the query, such as `/v1/chat/completions`.
    pub path: String,
    /// What follows the `?`, or "".
    pub query: String,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl UpstreamRequest {
    pub(super) async fn read(request: hyper::Request<Incoming>) -> Result<Self, hyper::Error> {
        let (head, body) = request.into_parts();
        Ok(Self {
            method: head.method.to_string(),
            path: head.uri.path().to_owned(),
            query: head.uri.query().unwrap_or("").to_owned(),
            headers: head.headers,
            body: body.collect().await?.to_bytes(),
        })
    }

    /// The body as JSON; `null` if it is something else.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    /// A header's text, if it is there.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The key in `Authorization`, without `Bearer`.
    pub fn bearer(&self) -> Option<&str> {
        self.header("authorization")?.strip_prefix("Bearer ")
    }

    /// The model asked for, or "".
    pub fn model(&self) -> String {
        self.json()["model"].as_str().unwrap_or("").to_owned()
    }

    /// Whether the answer is to be a stream.
    pub fn wants_stream(&self) -> bool {
        self.json()["stream"] == true
    }

    /// Whether a chat or completion stream is to end with its usage.
    pub fn wants_stream_usage(&self) -> bool {
        self.json()["stream_options"]["include_usage"] == true
    }

    /// The most output tokens the request allows, under whichever of its names.
    pub fn output_limit(&self) -> Option<u64> {
        let body = self.json();
        ["max_completion_tokens", "max_output_tokens", "max_tokens"]
            .iter()
            .find_map(|name| body[name].as_u64())
    }

    /// How many choices are asked for: `n`, at least 1.
    pub fn choices(&self) -> usize {
        self.json()["n"]
            .as_u64()
            .and_then(|n| usize::try_from(n).ok())
            .unwrap_or(1)
            .max(1)
    }

    /// The input's length as this upstream counts: one per word or token id, at least 1.
    pub fn input_words(&self) -> u64 {
        let body = self.json();
        let parts = ["messages", "prompt", "input", "instructions"];
        parts
            .iter()
            .map(|part| words_in(&body[part]))
            .sum::<u64>()
            .max(1)
    }
}

/// Counts the words in a text, or in the texts of messages and their parts.
pub(super) fn words_in(value: &Value) -> u64 {
    match value {
        Value::String(text) => text.split_whitespace().count() as u64,
        Value::Array(items) => items.iter().map(words_in).sum(),
        Value::Object(message) => ["content", "text"]
            .iter()
            .filter_map(|name| message.get(*name))
            .map(words_in)
            .sum(),
        Value::Number(_) => 1,
        Value::Null | Value::Bool(_) => 0,
    }
}
