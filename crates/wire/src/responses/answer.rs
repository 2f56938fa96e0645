//! A complete chat answer as a response.

use super::chat_piece::{self, ChatPiece};
use super::{ResponseMeta, ResponseState, Status, items};
use crate::answer::NotAnAnswer;
use crate::json::{self, Kind, Value};
use crate::request::Endpoint;
use crate::usage::TokenUsage;

/// Builds the response object from the body of a chat completion.
///
/// `finish_reason` `length` and `content_filter` make it `incomplete`. Of several choices the first
/// counts. Without believable usage, `usage` is null.
///
/// # Errors
/// [`NotAnAnswer`] if the body is not a JSON object with at least one choice.
pub fn from_chat(body: &[u8], meta: &ResponseMeta) -> Result<Vec<u8>, NotAnAnswer> {
    let text = std::str::from_utf8(body).map_err(|_| NotAnAnswer::NotAnObject)?;
    let mut piece = ChatPiece::default();
    let mut usage = None;
    json::members(Value::check(text)?, |key, value| {
        match key.as_ref() {
            "choices" if Kind::of(value) == Kind::Array => piece = chat_piece::read(value)?,
            "usage" => usage = TokenUsage::parse(Endpoint::Chat, value.get().as_bytes()),
            _ => {}
        }
        Ok::<_, NotAnAnswer>(())
    })?;
    if !piece.present {
        return Err(NotAnAnswer::Lacks("choices"));
    }
    let status = piece.end.unwrap_or(Status::Completed);
    let output = output(&piece, status, meta);
    Ok(meta.response(&ResponseState {
        status,
        error: None,
        output: &output,
        usage,
    }))
}

/// JSON array of what the model said, in the order it said it.
fn output(piece: &ChatPiece<'_>, status: Status, meta: &ResponseMeta) -> Vec<u8> {
    let mut parts = Vec::new();
    if !piece.content.is_empty() {
        parts.push(items::text_part(&piece.content.concat()));
    }
    parts.extend(piece.refusal.map(items::refusal_part));
    // An answer without anything still is a message, so that `output_text` is there and empty.
    if parts.is_empty() && piece.reasoning.is_none() && piece.calls.is_empty() {
        parts.push(items::text_part(""));
    }
    let count =
        usize::from(piece.reasoning.is_some()) + usize::from(!parts.is_empty()) + piece.calls.len();
    let mut output: Vec<Vec<u8>> = Vec::with_capacity(count);
    // Only the last item can be the one that was cut short.
    let word = |index: usize| {
        if index + 1 == count {
            status.item_word()
        } else {
            "completed"
        }
    };
    if let Some(reasoning) = piece.reasoning {
        let id = meta.item_id("rs", 0);
        output.push(items::reasoning(
            &id,
            word(0),
            &[items::reasoning_part(reasoning)],
        ));
    }
    if !parts.is_empty() {
        let index = output.len();
        output.push(items::message(
            &meta.item_id("msg", index),
            word(index),
            &parts,
        ));
    }
    for call in &piece.calls {
        let index = output.len();
        let made_up = meta.item_id("call", index);
        let call = items::Call {
            call_id: call.id.unwrap_or(&made_up),
            name: call.name.unwrap_or_default(),
            arguments: call.arguments.unwrap_or_default(),
        };
        output.push(items::function_call(
            &meta.item_id("fc", index),
            word(index),
            &call,
        ));
    }
    json::array(&output)
}
