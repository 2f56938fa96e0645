//! How much text a model produced, wherever an answer or a delta of one carries it.
//!
//! Servers differ in what they call reasoning, and some send it under two names at once; then it is
//! counted once.

use crate::json::{self, Kind, Malformed, Value};

/// Text found in one message, delta or output item.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Produced {
    /// UTF-8 bytes of the text.
    pub(crate) text_bytes: u64,
    /// Whether anything at all was produced, sound included.
    pub(crate) any: bool,
}

/// Counts a chat message or delta: content, reasoning, refusal, tool calls, transcripts.
pub(crate) fn in_message(message: Value<'_>) -> Result<Produced, Malformed> {
    let mut text_bytes = 0;
    let mut reasoning_bytes = 0;
    let mut any = false;
    if Kind::of(message) != Kind::Object {
        return Ok(Produced::default());
    }
    json::members(message, |key, value| {
        match key.as_ref() {
            "content" => text_bytes += content_bytes(value)?,
            "refusal" => text_bytes += text_len(value),
            "reasoning_content" | "reasoning" => {
                reasoning_bytes = text_len(value).max(reasoning_bytes);
            }
            "tool_calls" if Kind::of(value) == Kind::Array => {
                json::items(value, |_, call| {
                    any = true;
                    text_bytes += call_bytes(call)?;
                    Ok::<_, Malformed>(())
                })?;
            }
            "function_call" if Kind::of(value) == Kind::Object => {
                any = true;
                text_bytes += named_text(value, &["name", "arguments"])?;
            }
            "audio" if Kind::of(value) == Kind::Object => {
                any = true;
                text_bytes += named_text(value, &["transcript"])?;
            }
            _ => {}
        }
        Ok::<_, Malformed>(())
    })?;
    let text_bytes = text_bytes + reasoning_bytes;
    Ok(Produced {
        text_bytes,
        any: any || text_bytes > 0,
    })
}

/// Counts an item of a Responses answer's `output`.
pub(crate) fn in_output_item(item: Value<'_>) -> Result<u64, Malformed> {
    let mut text_bytes = 0;
    if Kind::of(item) != Kind::Object {
        return Ok(0);
    }
    json::members(item, |key, value| {
        match key.as_ref() {
            "content" | "summary" => text_bytes += content_bytes(value)?,
            "name" | "arguments" | "input" => text_bytes += text_len(value),
            _ => {}
        }
        Ok::<_, Malformed>(())
    })?;
    Ok(text_bytes)
}

/// UTF-8 length of a string value, 0 for anything else.
pub(crate) fn text_len(value: Value<'_>) -> u64 {
    json::escaped(value).map_or(0, json::decoded_len)
}

/// A string, or an array of parts that hold text.
fn content_bytes(content: Value<'_>) -> Result<u64, Malformed> {
    if Kind::of(content) != Kind::Array {
        return Ok(text_len(content));
    }
    let mut text_bytes = 0;
    json::items(content, |_, part| {
        if Kind::of(part) == Kind::Object {
            text_bytes += named_text(part, &["text", "refusal", "thinking"])?;
        }
        Ok::<_, Malformed>(())
    })?;
    Ok(text_bytes)
}

fn call_bytes(call: Value<'_>) -> Result<u64, Malformed> {
    let mut text_bytes = 0;
    if Kind::of(call) != Kind::Object {
        return Ok(0);
    }
    json::members(call, |key, value| {
        if matches!(key.as_ref(), "function" | "custom") && Kind::of(value) == Kind::Object {
            text_bytes += named_text(value, &["name", "arguments", "input"])?;
        }
        Ok::<_, Malformed>(())
    })?;
    Ok(text_bytes)
}

fn named_text(object: Value<'_>, names: &[&str]) -> Result<u64, Malformed> {
    let mut text_bytes = 0;
    json::members(object, |key, value| {
        if names.contains(&key.as_ref()) {
            text_bytes += text_len(value);
        }
        Ok::<_, Malformed>(())
    })?;
    Ok(text_bytes)
}
