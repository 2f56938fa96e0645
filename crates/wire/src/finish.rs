//! Why a model stopped, in chat's words.

use crate::json::{self, Kind, Malformed, Value};

/// Reads a `finish_reason`; none if it is null. A word that is not known is `other`.
pub(crate) fn reason(value: Value<'_>) -> Option<&'static str> {
    if Kind::of(value) != Kind::Text {
        return None;
    }
    Some(match json::escaped(value).unwrap_or_default() {
        "stop" => "stop",
        "length" => "length",
        "tool_calls" => "tool_calls",
        "function_call" => "function_call",
        "content_filter" => "content_filter",
        _ => "other",
    })
}

/// Reads the `incomplete_details` of a response; none if they are null.
pub(crate) fn incomplete(details: Value<'_>) -> Result<Option<&'static str>, Malformed> {
    let mut found = None;
    if Kind::of(details) != Kind::Object {
        return Ok(found);
    }
    json::members(details, |key, value| {
        if key == "reason" && Kind::of(value) == Kind::Text {
            found = Some(match json::escaped(value).unwrap_or_default() {
                "max_output_tokens" => "length",
                "content_filter" => "content_filter",
                _ => "other",
            });
        }
        Ok::<_, Malformed>(())
    })?;
    Ok(found)
}
