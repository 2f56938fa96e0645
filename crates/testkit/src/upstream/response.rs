//! The Responses API, whole and as its sequence of events.

use serde_json::{Value, json};

use super::render::Text;
use super::reply::Usage;

const ITEM: &str = "msg_upstream";
const DELTA: &str = "response.output_text.delta";

/// A `response` with one message.
pub(super) fn body(text: &Text) -> Value {
    let (status, details) = if text.finish_reason == "length" {
        ("incomplete", json!({"reason": "max_output_tokens"}))
    } else {
        ("completed", Value::Null)
    };
    let mut body = head(text, status);
    body["incomplete_details"] = details;
    body["output"] = json!([message(status, json!([part(&text.whole())]))]);
    if let Some(usage) = text.usage {
        body["usage"] = usage_of(usage);
    }
    body
}

/// The events of a stream, from `response.created` to its end; there is no `[DONE]`.
pub(super) fn records(text: &Text) -> Vec<String> {
    let whole = text.whole();
    let last = body(text);
    let end = if text.finish_reason == "length" {
        "response.incomplete"
    } else {
        "response.completed"
    };
    let mut events = opening(text);
    for piece in &text.pieces {
        events.push((DELTA, delta_of(piece)));
    }
    let done = in_part(json!({"text": whole, "logprobs": []}));
    events.push(("response.output_text.done", done));
    events.push((
        "response.content_part.done",
        in_part(json!({"part": part(&whole)})),
    ));
    let item = json!({"output_index": 0, "item": last["output"][0]});
    events.push(("response.output_item.done", item));
    events.push((end, json!({"response": last})));
    let numbered = events.into_iter().enumerate();
    numbered
        .map(|(number, (kind, fields))| record(number, kind, fields))
        .collect()
}

/// The events before the first delta.
pub(super) fn beginning(text: &Text) -> Vec<String> {
    let numbered = opening(text).into_iter().enumerate();
    numbered
        .map(|(number, (kind, fields))| record(number, kind, fields))
        .collect()
}

/// The event of one delta, as the stream's `number`th.
pub(super) fn delta(number: usize, piece: &str) -> String {
    record(number, DELTA, delta_of(piece))
}

fn delta_of(piece: &str) -> Value {
    in_part(json!({"delta": piece, "logprobs": []}))
}

fn opening(text: &Text) -> Vec<(&'static str, Value)> {
    vec![
        (
            "response.created",
            json!({"response": head(text, "in_progress")}),
        ),
        (
            "response.in_progress",
            json!({"response": head(text, "in_progress")}),
        ),
        (
            "response.output_item.added",
            json!({"output_index": 0, "item": message("in_progress", json!([]))}),
        ),
        (
            "response.content_part.added",
            in_part(json!({"part": part("")})),
        ),
    ]
}

fn record(number: usize, kind: &str, mut fields: Value) -> String {
    fields["type"] = kind.into();
    fields["sequence_number"] = number.into();
    format!("event: {kind}\ndata: {fields}\n\n")
}

fn in_part(mut fields: Value) -> Value {
    fields["item_id"] = ITEM.into();
    fields["output_index"] = 0.into();
    fields["content_index"] = 0.into();
    fields
}

fn part(text: &str) -> Value {
    json!({"type": "output_text", "text": text, "annotations": [], "logprobs": []})
}

fn message(status: &str, content: Value) -> Value {
    let mut message = json!({"id": ITEM, "type": "message", "role": "assistant"});
    message["status"] = status.into();
    message["content"] = content;
    message
}

fn usage_of(usage: Usage) -> Value {
    json!({
        "input_tokens": usage.input,
        "input_tokens_details": {"cached_tokens": usage.cached},
        "output_tokens": usage.output,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning},
        "total_tokens": usage.input + usage.output,
    })
}

fn head(text: &Text, status: &str) -> Value {
    json!({
        "id": "resp_upstream",
        "object": "response",
        "created_at": 1_700_000_000,
        "status": status,
        "error": null,
        "incomplete_details": null,
        "instructions": null,
        "max_output_tokens": null,
        "model": text.model,
        "output": [],
        "parallel_tool_calls": true,
        "previous_response_id": null,
        "store": false,
        "temperature": 1.0,
        "text": {"format": {"type": "text"}},
        "tool_choice": "auto",
        "tools": [],
        "top_p": 1.0,
        "truncation": "disabled",
        "usage": null,
        "metadata": {},
    })
}
