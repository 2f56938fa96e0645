//! Tests of the wire protocols through their public face.

mod encode;
mod refusals;
mod requests;
mod responses_answer;
mod responses_native;
mod responses_request;
mod responses_stream;
mod sse;

use farebox_wire::request::{Endpoint, ModelRequest};

fn parse(endpoint: Endpoint, body: &str) -> ModelRequest {
    ModelRequest::parse(endpoint, body.as_bytes()).unwrap_or_else(|error| panic!("{error}: {body}"))
}

fn utf8(bytes: impl AsRef<[u8]>) -> String {
    String::from_utf8(bytes.as_ref().to_vec()).expect("utf-8")
}

fn json(bytes: impl AsRef<[u8]>) -> serde_json::Value {
    serde_json::from_slice(bytes.as_ref()).expect("JSON")
}
