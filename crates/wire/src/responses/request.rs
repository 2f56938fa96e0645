//! A Responses request as the chat request that asks for the same.

use super::{input, tools};
use crate::json::{self, Kind, ObjectWriter, Value};
use crate::request::{Edits, ModelRequest, RequestError};

/// Parameters that are translated, or mean nothing to a chat upstream.
const TRANSLATED: [&str; 21] = [
    "model",
    "input",
    "instructions",
    "max_output_tokens",
    "tools",
    "tool_choice",
    "parallel_tool_calls",
    "text",
    "reasoning",
    "stream",
    "stream_options",
    "store",
    "background",
    "previous_response_id",
    "conversation",
    "prompt",
    "include",
    "truncation",
    "max_tool_calls",
    "top_logprobs",
    "context_management",
];

/// Chat's own parameters. In a Responses request they mean nothing and were not counted at
/// admission, so they must not come to mean something (more choices, more output) on the way.
const CHAT_ONLY: [&str; 17] = [
    "messages",
    "n",
    "best_of",
    "max_tokens",
    "max_completion_tokens",
    "n_predict",
    "functions",
    "function_call",
    "response_format",
    "reasoning_effort",
    "verbosity",
    "logprobs",
    "audio",
    "modalities",
    "prediction",
    "web_search_options",
    "prompt_embeds",
];

/// Writes the chat request for an upstream that does not know Responses.
///
/// The output limit is written under the name that the upstream knows it by in chat.
/// Reasoning items of earlier turns are left out, as chat has no place for them.
///
/// # Errors
/// [`RequestError`] if the request holds something that chat cannot say: files by id, custom tools,
/// calls of other tools than functions.
pub fn to_chat(request: &ModelRequest, edits: &Edits<'_>) -> Result<Vec<u8>, RequestError> {
    let size = request.prompt.body_bytes as usize + edits.model.len() + 256;
    let messages = input::messages(request.value("instructions"), request.value("input"))?;
    let mut out = ObjectWriter::with_capacity(size)
        .text("model", edits.model)
        .raw("messages", json::array(&messages));
    if let Some(limit) = request.output_limit(edits.max_output_tokens) {
        for name in edits.chat_limit.names(false) {
            out = out.number(name, limit);
        }
    }
    if request.stream {
        out = out.raw("stream", "true");
        if edits.include_usage {
            out = out.raw("stream_options", r#"{"include_usage":true}"#);
        }
    }
    out = tools::write(request, out)?;
    out = write_text_settings(request, out)?;
    if let Some(effort) = member_of(request.value("reasoning"), "effort") {
        out = out.raw("reasoning_effort", effort.get());
    }
    for (name, value) in request.fields_in_order() {
        if !TRANSLATED.contains(&name) && !CHAT_ONLY.contains(&name) {
            out.put_raw(name, value.get().as_bytes());
        }
    }
    Ok(out.finish())
}

/// `text.format` is chat's `response_format`, one level flatter.
fn write_text_settings(
    request: &ModelRequest,
    mut out: ObjectWriter,
) -> Result<ObjectWriter, RequestError> {
    let text = request.value("text");
    if let Some(verbosity) = member_of(text, "verbosity") {
        out = out.raw("verbosity", verbosity.get());
    }
    let Some(format) = member_of(text, "format") else {
        return Ok(out);
    };
    let kind = member_of(Some(format), "type").and_then(json::escaped);
    match kind {
        Some("text") | None => Ok(out),
        Some("json_object") => Ok(out.raw("response_format", r#"{"type":"json_object"}"#)),
        Some("json_schema") => {
            let mut schema = ObjectWriter::new();
            json::members::<RequestError>(format, |key, value| {
                if key != "type" && !json::is_null(value) {
                    schema.put_raw(&key, value.get().as_bytes());
                }
                Ok(())
            })?;
            let format = ObjectWriter::new()
                .text("type", "json_schema")
                .raw("json_schema", schema.finish())
                .finish();
            Ok(out.raw("response_format", format))
        }
        Some(other) => Err(RequestError::unsupported_value(
            "text.format.type",
            &format!("'{other}'"),
            "Use 'text', 'json_object' or 'json_schema'.",
        )),
    }
}

/// A member of an object that may itself be missing or something else.
fn member_of<'a>(object: Option<Value<'a>>, name: &str) -> Option<Value<'a>> {
    let object = object.filter(|object| Kind::of(*object) == Kind::Object)?;
    json::member(object, name)
}
