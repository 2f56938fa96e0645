//! The JSON of output items, their parts, and usage. Text comes in escaped.

use crate::json::{ObjectWriter, array};
use crate::usage::TokenUsage;

/// A message with its parts.
pub(super) fn message(id: &str, status: &str, parts: &[Vec<u8>]) -> Vec<u8> {
    ObjectWriter::new()
        .text("id", id)
        .text("type", "message")
        .text("status", status)
        .text("role", "assistant")
        .raw("content", array(parts))
        .finish()
}

pub(super) fn text_part(escaped: &str) -> Vec<u8> {
    ObjectWriter::with_capacity(escaped.len() + 80)
        .text("type", "output_text")
        .raw("annotations", "[]")
        .raw("logprobs", "[]")
        .escaped("text", escaped)
        .finish()
}

pub(super) fn refusal_part(escaped: &str) -> Vec<u8> {
    ObjectWriter::new()
        .text("type", "refusal")
        .escaped("refusal", escaped)
        .finish()
}

pub(super) fn reasoning_part(escaped: &str) -> Vec<u8> {
    ObjectWriter::new()
        .text("type", "reasoning_text")
        .escaped("text", escaped)
        .finish()
}

/// Reasoning in the open, as open models give it; there is no summary.
pub(super) fn reasoning(id: &str, status: &str, parts: &[Vec<u8>]) -> Vec<u8> {
    ObjectWriter::new()
        .text("id", id)
        .text("type", "reasoning")
        .text("status", status)
        .raw("summary", "[]")
        .raw("content", array(parts))
        .finish()
}

/// A call of the caller's function.
pub(super) struct Call<'a> {
    pub(super) call_id: &'a str,
    pub(super) name: &'a str,
    pub(super) arguments: &'a str,
}

pub(super) fn function_call(id: &str, status: &str, call: &Call<'_>) -> Vec<u8> {
    ObjectWriter::with_capacity(call.arguments.len() + 160)
        .text("id", id)
        .text("type", "function_call")
        .text("status", status)
        .escaped("arguments", call.arguments)
        .escaped("call_id", call.call_id)
        .escaped("name", call.name)
        .finish()
}

pub(super) fn usage(usage: &TokenUsage) -> Vec<u8> {
    let input = ObjectWriter::new()
        .number("cached_tokens", usage.cached_input_tokens)
        .number("cache_write_tokens", usage.cache_write_tokens)
        .finish();
    let output = ObjectWriter::new()
        .number("reasoning_tokens", usage.reasoning_tokens)
        .finish();
    ObjectWriter::new()
        .number("input_tokens", usage.input_tokens)
        .raw("input_tokens_details", input)
        .number("output_tokens", usage.output_tokens)
        .raw("output_tokens_details", output)
        .number("total_tokens", usage.total_tokens())
        .finish()
}
