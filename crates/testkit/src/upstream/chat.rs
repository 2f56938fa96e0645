//! Chat completions, whole and streamed.

use serde_json::{Value, json};

use super::render::Text;
use super::reply::Usage;

/// A `chat.completion`.
pub(super) fn body(text: &Text) -> Value {
    let choice = |index: usize| {
        json!({
            "index": index,
            "message": {"role": "assistant", "content": text.whole(), "refusal": null},
            "logprobs": null,
            "finish_reason": text.finish_reason,
        })
    };
    let mut body = head(text, "chat.completion");
    body["choices"] = (0..text.choices).map(choice).collect();
    if let Some(usage) = text.usage {
        body["usage"] = usage_of(usage);
    }
    body
}

/// The events of a stream: role, deltas, finish, usage if asked for, `[DONE]`.
pub(super) fn records(text: &Text) -> Vec<String> {
    let mut records = beginning(text);
    for piece in &text.pieces {
        records.extend(delta(text, piece));
    }
    records.extend(every_choice(text, &json!({}), Some(&text.finish_reason)));
    if let (true, Some(usage)) = (text.stream_usage, text.usage) {
        records.push(chunk(text, json!([]), usage_of(usage)));
    }
    records.push("data: [DONE]\n\n".to_owned());
    records
}

/// The events before the first delta: the role.
pub(super) fn beginning(text: &Text) -> Vec<String> {
    every_choice(text, &json!({"role": "assistant", "content": ""}), None)
}

/// The events of one delta.
pub(super) fn delta(text: &Text, piece: &str) -> Vec<String> {
    every_choice(text, &json!({"content": piece}), None)
}

fn every_choice(text: &Text, delta: &Value, reason: Option<&str>) -> Vec<String> {
    (0..text.choices)
        .map(|index| {
            let choice = json!({
                "index": index, "delta": delta, "logprobs": null, "finish_reason": reason,
            });
            chunk(text, json!([choice]), Value::Null)
        })
        .collect()
}

/// Usage as chat and legacy completions say it.
pub(super) fn usage_of(usage: Usage) -> Value {
    json!({
        "prompt_tokens": usage.input,
        "completion_tokens": usage.output,
        "total_tokens": usage.input + usage.output,
        "prompt_tokens_details": {"cached_tokens": usage.cached, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning, "audio_tokens": 0},
    })
}

fn chunk(text: &Text, choices: Value, usage: Value) -> String {
    let mut chunk = head(text, "chat.completion.chunk");
    chunk["choices"] = choices;
    if text.stream_usage {
        chunk["usage"] = usage;
    }
    format!("data: {chunk}\n\n")
}

fn head(text: &Text, object: &str) -> Value {
    json!({
        "id": "chatcmpl-upstream",
        "object": object,
        "created": 1_700_000_000,
        "model": text.model,
        "system_fingerprint": "fp_upstream",
    })
}
