//! Legacy text completions, whole and streamed.

use serde_json::{Value, json};

use super::chat::usage_of;
use super::render::Text;

/// A `text_completion`.
pub(super) fn body(text: &Text) -> Value {
    let whole = text.whole();
    let choices: Vec<Value> = (0..text.choices)
        .map(|index| choice(index, &whole, Some(&text.finish_reason)))
        .collect();
    let mut body = head(text, &choices);
    if let Some(usage) = text.usage {
        body["usage"] = usage_of(usage);
    }
    body
}

/// The events of a stream: deltas, finish, usage if asked for, `[DONE]`.
pub(super) fn records(text: &Text) -> Vec<String> {
    let mut records = Vec::new();
    for piece in &text.pieces {
        records.extend(delta(text, piece));
    }
    records.extend(every_choice(text, "", Some(&text.finish_reason)));
    if let (true, Some(usage)) = (text.stream_usage, text.usage) {
        records.push(chunk(text, &[], usage_of(usage)));
    }
    records.push("data: [DONE]\n\n".to_owned());
    records
}

/// The events of one delta.
pub(super) fn delta(text: &Text, piece: &str) -> Vec<String> {
    every_choice(text, piece, None)
}

fn every_choice(text: &Text, piece: &str, reason: Option<&str>) -> Vec<String> {
    (0..text.choices)
        .map(|index| chunk(text, &[choice(index, piece, reason)], Value::Null))
        .collect()
}

fn chunk(text: &Text, choices: &[Value], usage: Value) -> String {
    let mut chunk = head(text, choices);
    if text.stream_usage {
        chunk["usage"] = usage;
    }
    format!("data: {chunk}\n\n")
}

fn choice(index: usize, text: &str, finish_reason: Option<&str>) -> Value {
    json!({"index": index, "text": text, "logprobs": null, "finish_reason": finish_reason})
}

fn head(text: &Text, choices: &[Value]) -> Value {
    json!({
        "id": "cmpl-upstream",
        "object": "text_completion",
        "created": 1_700_000_000,
        "model": text.model,
        "choices": choices,
    })
}
