//! Input items as chat messages.
//!
//! A turn of the model may be several items (a message, then calls); chat wants them in one
//! message. Content that is one text becomes a plain string, which is what every server's template
//! takes.

use crate::json::{self, Kind, ObjectWriter, Value};
use crate::request::RequestError;

/// The messages of a chat request, each as JSON.
pub(super) fn messages(
    instructions: Option<Value<'_>>,
    input: Option<Value<'_>>,
) -> Result<Vec<Vec<u8>>, RequestError> {
    let mut turns = Vec::new();
    if let Some(instructions) = instructions {
        turns.push(Turn::said("system", instructions.get().as_bytes().to_vec()));
    }
    let input = input.ok_or_else(|| RequestError::missing("input"))?;
    match Kind::of(input) {
        Kind::Array => json::items(input, |index, item| push_item(index, item, &mut turns))?,
        _ => turns.push(Turn::said("user", input.get().as_bytes().to_vec())),
    }
    Ok(turns.into_iter().map(Turn::finish).collect())
}

/// A chat message in the making.
struct Turn {
    role: String,
    /// JSON of the content.
    content: Option<Vec<u8>>,
    calls: Vec<Vec<u8>>,
    /// JSON of the id of the call that a tool answers.
    answers: Option<String>,
}

impl Turn {
    fn said(role: &str, content: Vec<u8>) -> Self {
        Self {
            role: role.to_owned(),
            content: Some(content),
            calls: Vec::new(),
            answers: None,
        }
    }

    fn finish(self) -> Vec<u8> {
        let content = self.content.unwrap_or_else(|| b"null".to_vec());
        let mut out = ObjectWriter::with_capacity(content.len() + 64).text("role", &self.role);
        if let Some(call_id) = self.answers {
            out = out.raw("tool_call_id", call_id);
        }
        out = out.raw("content", content);
        if !self.calls.is_empty() {
            out = out.raw("tool_calls", json::array(&self.calls));
        }
        out.finish()
    }
}

/// The members of an item that matter here.
#[derive(Default)]
struct Item<'a> {
    kind: Option<&'a str>,
    role: Option<Value<'a>>,
    content: Option<Value<'a>>,
    output: Option<Value<'a>>,
    call_id: Option<Value<'a>>,
    name: Option<Value<'a>>,
    arguments: Option<Value<'a>>,
}

impl<'a> Item<'a> {
    fn read(item: Value<'a>) -> Result<Self, RequestError> {
        let mut read = Self::default();
        json::members(item, |key, value| {
            match key.as_ref() {
                "type" => read.kind = json::escaped(value),
                "role" => read.role = Some(value),
                "content" => read.content = Some(value),
                "output" => read.output = Some(value),
                "call_id" => read.call_id = Some(value),
                "name" => read.name = Some(value),
                "arguments" => read.arguments = Some(value),
                _ => {}
            }
            Ok::<_, RequestError>(())
        })?;
        Ok(read)
    }
}

fn push_item(index: usize, item: Value<'_>, turns: &mut Vec<Turn>) -> Result<(), RequestError> {
    let item = Item::read(item)?;
    match item.kind {
        Some("message") | None => push_message(index, &item, turns),
        Some("function_call") => push_call(index, &item, turns),
        Some("function_call_output") => {
            let call_id = required(index, "call_id", item.call_id)?;
            let output = required(index, "output", item.output)?;
            let content = content("tool", output, &format!("input[{index}].output"))?;
            let mut turn = Turn::said("tool", content);
            turn.answers = Some(call_id.get().to_owned());
            turns.push(turn);
            Ok(())
        }
        Some("reasoning") => Ok(()),
        Some(other) => Err(RequestError::unsupported_value(
            &format!("input[{index}].type"),
            &format!("'{other}'"),
            "This model's upstream takes messages, function calls and their outputs.",
        )),
    }
}

fn push_message(index: usize, item: &Item<'_>, turns: &mut Vec<Turn>) -> Result<(), RequestError> {
    let role = required(index, "role", item.role)?;
    let content_value = required(index, "content", item.content)?;
    let role = json::text(role).ok_or(json::Malformed)?;
    // Templates of open models know no developer; OpenAI's chat takes either word for the other.
    let role = if role == "developer" {
        "system"
    } else {
        role.as_ref()
    };
    turns.push(Turn::said(
        role,
        content(role, content_value, &format!("input[{index}].content"))?,
    ));
    Ok(())
}

fn push_call(index: usize, item: &Item<'_>, turns: &mut Vec<Turn>) -> Result<(), RequestError> {
    let call_id = required(index, "call_id", item.call_id)?;
    let function = ObjectWriter::new()
        .raw("name", required(index, "name", item.name)?.get())
        .raw(
            "arguments",
            required(index, "arguments", item.arguments)?.get(),
        )
        .finish();
    let call = ObjectWriter::new()
        .raw("id", call_id.get())
        .text("type", "function")
        .raw("function", function)
        .finish();
    match turns.last_mut() {
        Some(turn) if turn.role == "assistant" => turn.calls.push(call),
        _ => turns.push(Turn {
            role: "assistant".into(),
            content: None,
            calls: vec![call],
            answers: None,
        }),
    }
    Ok(())
}

fn required<'a>(
    index: usize,
    name: &str,
    value: Option<Value<'a>>,
) -> Result<Value<'a>, RequestError> {
    value.ok_or_else(|| RequestError::missing(&format!("input[{index}].{name}")))
}

/// Content as chat writes it: a string, or parts.
fn content(role: &str, content: Value<'_>, path: &str) -> Result<Vec<u8>, RequestError> {
    if Kind::of(content) != Kind::Array {
        return Ok(content.get().as_bytes().to_vec());
    }
    let mut texts = Vec::new();
    let mut parts = Vec::new();
    json::items(content, |index, part| {
        let path = format!("{path}[{index}]");
        match part_text(part) {
            Some(text) => {
                texts.push(text);
                parts.push(
                    ObjectWriter::new()
                        .text("type", "text")
                        .escaped("text", text)
                        .finish(),
                );
            }
            None => parts.push(media_part(part, &path)?),
        }
        Ok::<_, RequestError>(())
    })?;
    // Many templates take an answer or a tool's output only as one string.
    let joint = match role {
        "assistant" => Some(""),
        "tool" => Some("\\n"),
        _ if texts.len() == 1 => Some(""),
        _ => None,
    };
    match joint {
        Some(joint) if texts.len() == parts.len() => {
            Ok(format!("\"{}\"", texts.join(joint)).into_bytes())
        }
        _ => Ok(json::array(&parts)),
    }
}

/// The escaped text of a part that is text.
fn part_text(part: Value<'_>) -> Option<&str> {
    if Kind::of(part) == Kind::Text {
        return json::escaped(part);
    }
    let name = match json::member(part, "type").and_then(json::escaped)? {
        "input_text" | "output_text" | "text" => "text",
        "refusal" => "refusal",
        _ => return None,
    };
    json::member(part, name).and_then(json::escaped)
}

fn media_part(part: Value<'_>, path: &str) -> Result<Vec<u8>, RequestError> {
    let kind = json::member(part, "type")
        .and_then(json::escaped)
        .unwrap_or_default();
    let nested = |wanted: &[(&str, &str)]| {
        let mut inner = ObjectWriter::new();
        for (theirs, ours) in wanted {
            if let Some(value) = json::member(part, theirs) {
                inner.put_raw(ours, value.get().as_bytes());
            }
        }
        inner.finish()
    };
    let refuse_kept = |name: &str| match json::member(part, name) {
        Some(_) => Err(RequestError::unsupported_parameter(
            &format!("{path}.{name}"),
            "Send the content itself, as a data URL or base64, instead.",
        )),
        None => Ok(()),
    };
    match kind {
        "input_image" => {
            refuse_kept("file_id")?;
            let image = nested(&[("image_url", "url"), ("detail", "detail")]);
            Ok(ObjectWriter::new()
                .text("type", "image_url")
                .raw("image_url", image)
                .finish())
        }
        "input_file" => {
            refuse_kept("file_id")?;
            refuse_kept("file_url")?;
            let file = nested(&[("file_data", "file_data"), ("filename", "filename")]);
            Ok(ObjectWriter::new()
                .text("type", "file")
                .raw("file", file)
                .finish())
        }
        "input_audio" => Ok(part.get().as_bytes().to_vec()),
        other => Err(RequestError::unsupported_value(
            &format!("{path}.type"),
            &format!("'{other}'"),
            "This model's upstream takes text, images, files and audio.",
        )),
    }
}
