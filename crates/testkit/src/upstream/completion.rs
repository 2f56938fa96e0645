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
    let chunk = |choices: &[Value], usage: Value| {
        let mut chunk = head(text, choices);
        if text.stream_usage {
            chunk["usage"] = usage;
        }
        format!("data: {chunk}\n\n")
    };
    let ends = std::iter::once(("", Some(text.finish_reason.as_str())));
    for (piece, reason) in text
        .pieces
        .iter()
        .map(|piece| (piece.as_str(), None))
        .chain(ends)
    {
        for index in 0..text.choices {
            records.push(chunk(&[choice(index, piece, reason)], Value::Null));
        }
    }
    if let (true, Some(usage)) = (text.stream_usage, text.usage) {
        records.push(chunk(&[], usage_of(usage)));
    }
    records.push("data: [DONE]\n\n".to_owned());
    records
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
