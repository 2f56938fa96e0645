//! Function tools and the choice among them, which chat nests one level deeper than Responses.

use crate::json::{self, Kind, ObjectWriter, Value};
use crate::request::{ModelRequest, RequestError};

const FUNCTIONS_ONLY: &str =
    "This model's upstream knows function tools only: offer a 'function' instead.";

/// Members of a function that chat knows too.
const FUNCTION_MEMBERS: [&str; 4] = ["name", "description", "parameters", "strict"];

/// Writes `tools`, `tool_choice` and `parallel_tool_calls`, if there are any tools.
pub(super) fn write(
    request: &ModelRequest,
    mut out: ObjectWriter,
) -> Result<ObjectWriter, RequestError> {
    let Some(tools) = request.value("tools") else {
        return Ok(out);
    };
    let mut translated = Vec::new();
    json::items(tools, |index, tool| {
        translated.push(chat_tool(index, tool)?);
        Ok::<_, RequestError>(())
    })?;
    // Chat refuses an empty list, and the settings below without a list.
    if translated.is_empty() {
        return Ok(out);
    }
    out = out.raw("tools", json::array(&translated));
    if let Some(choice) = request.value("tool_choice") {
        out = out.raw("tool_choice", chat_choice(choice)?);
    }
    if let Some(parallel) = request.value("parallel_tool_calls") {
        out = out.raw("parallel_tool_calls", parallel.get());
    }
    Ok(out)
}

fn chat_tool(index: usize, tool: Value<'_>) -> Result<Vec<u8>, RequestError> {
    let kind = json::member(tool, "type")
        .and_then(json::escaped)
        .unwrap_or_default();
    if kind != "function" {
        return Err(RequestError::unsupported_value(
            &format!("tools[{index}].type"),
            &format!("'{kind}'"),
            FUNCTIONS_ONLY,
        ));
    }
    let mut function = ObjectWriter::new();
    let mut named = false;
    json::members::<RequestError>(tool, |key, value| {
        named |= key == "name";
        if FUNCTION_MEMBERS.contains(&key.as_ref()) && !json::is_null(value) {
            function.put_raw(&key, value.get().as_bytes());
        }
        Ok(())
    })?;
    if !named {
        return Err(RequestError::missing(&format!("tools[{index}].name")));
    }
    Ok(wrap_function(function))
}

fn chat_choice(choice: Value<'_>) -> Result<Vec<u8>, RequestError> {
    match Kind::of(choice) {
        Kind::Text => return Ok(choice.get().as_bytes().to_vec()),
        Kind::Object => {}
        got => {
            let expected = "one of a string or an object";
            return Err(RequestError::wrong_type("tool_choice", expected, got));
        }
    }
    let kind = json::member(choice, "type")
        .and_then(json::escaped)
        .unwrap_or_default();
    if kind != "function" {
        return Err(RequestError::unsupported_value(
            "tool_choice.type",
            &format!("'{kind}'"),
            FUNCTIONS_ONLY,
        ));
    }
    let name =
        json::member(choice, "name").ok_or_else(|| RequestError::missing("tool_choice.name"))?;
    Ok(wrap_function(ObjectWriter::new().raw("name", name.get())))
}

fn wrap_function(function: ObjectWriter) -> Vec<u8> {
    ObjectWriter::new()
        .text("type", "function")
        .raw("function", function.finish())
        .finish()
}
