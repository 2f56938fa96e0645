//! Responses: what is checked, and what is refused because Farebox keeps no responses and runs no
//! tools.

use super::fields::{Fields, expect};
use super::{ModelRequest, PromptShape, RequestError, content};
use crate::json::{self, Kind, Value};

/// Input items whose every token comes from their own bytes.
const TEXT_ITEMS: [&str; 6] = [
    "message",
    "function_call",
    "function_call_output",
    "custom_tool_call",
    "custom_tool_call_output",
    "reasoning",
];

pub(super) fn check(request: &mut ModelRequest) -> Result<(), RequestError> {
    let fields = &request.fields;
    refuse_kept_state(fields)?;
    refuse_hosted_tools(fields)?;
    let input = fields.required("input")?;
    let mut prompt = request.prompt;
    prompt.offers_tools = fields.present("tools").is_some();
    prompt.rendered_bytes = fields.bytes_of(&["tools", "text"]);
    match Kind::of(input) {
        Kind::Text => prompt.messages = 1,
        Kind::Array => json::items(input, |index, item| {
            prompt.messages += 1;
            check_item(index, item, &mut prompt)
        })?,
        got => {
            let expected = "one of a string or array of objects";
            return Err(RequestError::wrong_type("input", expected, got));
        }
    }
    if prompt.messages == 0 {
        return Err(RequestError::empty_array("input"));
    }
    let instructions = fields.present("instructions");
    if let Some(instructions) = instructions {
        expect(instructions, Kind::Text, "instructions", "a string")?;
        prompt.messages += 1;
    }
    let limit = fields.output_limit("max_output_tokens")?;

    request.max_output_tokens = limit;
    request.names_limit = limit.is_some();
    request.prompt = prompt;
    Ok(())
}

fn refuse_kept_state(fields: &Fields) -> Result<(), RequestError> {
    let refusals = [
        (
            "previous_response_id",
            "Farebox keeps no responses: send the earlier turns in 'input' instead.",
        ),
        (
            "conversation",
            "Farebox keeps no conversations: send the earlier turns in 'input' instead.",
        ),
        (
            "prompt",
            "Farebox keeps no prompt templates: send the text in 'instructions' and 'input' instead.",
        ),
    ];
    for (name, instead) in refusals {
        if fields.present(name).is_some() {
            return Err(RequestError::unsupported_parameter(name, instead));
        }
    }
    let switches = [
        (
            "background",
            "Farebox keeps no responses to fetch later: leave it out, and set 'stream' to true for \
             long answers.",
        ),
        (
            "store",
            "Farebox keeps no responses: leave it out or set it to false.",
        ),
    ];
    for (name, instead) in switches {
        match fields.present(name) {
            Some(value) if value.get() == "true" => {
                return Err(RequestError::unsupported_value(name, "true", instead));
            }
            Some(value) => expect(value, Kind::Boolean, name, "a boolean")?,
            None => {}
        }
    }
    Ok(())
}

/// Tools that the upstream would run itself cost money that no token count shows.
fn refuse_hosted_tools(fields: &Fields) -> Result<(), RequestError> {
    let Some(tools) = fields.present("tools") else {
        return Ok(());
    };
    expect(tools, Kind::Array, "tools", "an array of objects")?;
    json::items(tools, |index, tool| {
        let path = format!("tools[{index}]");
        expect(tool, Kind::Object, &path, "an object")?;
        let path = format!("{path}.type");
        let mut typed = false;
        json::members(tool, |key, value| {
            if key != "type" {
                return Ok(());
            }
            typed = true;
            expect(value, Kind::Text, &path, "a string")?;
            match json::escaped(value) {
                Some("function" | "custom") => Ok(()),
                other => Err(RequestError::unsupported_value(
                    &path,
                    &format!("'{}'", other.unwrap_or_default()),
                    "Farebox runs no tools: offer a 'function' or 'custom' tool and run it yourself.",
                )),
            }
        })?;
        if typed {
            Ok(())
        } else {
            Err(RequestError::missing(&path))
        }
    })
}

fn check_item(index: usize, item: Value<'_>, prompt: &mut PromptShape) -> Result<(), RequestError> {
    let path = || format!("input[{index}]");
    expect(item, Kind::Object, &path(), "an object")?;
    let mut kind = None;
    let mut has_role = false;
    json::members(item, |key, value| {
        match key.as_ref() {
            "type" if !json::is_null(value) => {
                expect(
                    value,
                    Kind::Text,
                    &format!("input[{index}].type"),
                    "a string",
                )?;
                let word = json::escaped(value).unwrap_or_default();
                prompt.opaque |= !TEXT_ITEMS.contains(&word);
                kind = Some(word);
            }
            "role" => {
                has_role = true;
                expect(
                    value,
                    Kind::Text,
                    &format!("input[{index}].role"),
                    "a string",
                )?;
            }
            "content" | "output" => {
                content::read(value, &|| format!("input[{index}].{key}"), prompt)?;
            }
            "arguments" => prompt.rendered_bytes += value.get().len() as u64,
            _ => {}
        }
        Ok::<_, RequestError>(())
    })?;
    match kind {
        Some("item_reference") => Err(RequestError::unsupported_value(
            &format!("input[{index}].type"),
            "'item_reference'",
            "Farebox keeps no responses: send the item itself.",
        )),
        Some("message") if !has_role => Err(RequestError::missing(&format!("input[{index}].role"))),
        None if !has_role => Err(RequestError::missing(&format!("input[{index}].type"))),
        _ => Ok(()),
    }
}
