//! What a chat upstream said: one whole message, or one delta of it, still escaped.

use super::Status;
use crate::json::{self, Kind, Malformed, Value};

/// The first choice of a chat answer or chunk. Responses have no others.
#[derive(Debug, Default)]
pub(super) struct ChatPiece<'a> {
    /// Whether there was such a choice.
    pub(super) present: bool,
    pub(super) reasoning: Option<&'a str>,
    /// Text, in as many pieces as the upstream made of it.
    pub(super) content: Vec<&'a str>,
    pub(super) refusal: Option<&'a str>,
    pub(super) calls: Vec<CallPiece<'a>>,
    /// Set once the choice has ended.
    pub(super) end: Option<Status>,
}

/// A tool call, or a piece of one.
#[derive(Debug, Default)]
pub(super) struct CallPiece<'a> {
    /// Which of the message's calls it is; chunks name it, answers go by order.
    pub(super) index: Option<u64>,
    pub(super) id: Option<&'a str>,
    pub(super) name: Option<&'a str>,
    pub(super) arguments: Option<&'a str>,
}

/// Reads the first choice out of `choices`.
pub(super) fn read<'a>(choices: Value<'a>) -> Result<ChatPiece<'a>, Malformed> {
    let mut piece = ChatPiece::default();
    json::items(choices, |_, choice| {
        let other = json::member(choice, "index").is_some_and(|index| index.get() != "0");
        if Kind::of(choice) != Kind::Object || other {
            return Ok(());
        }
        piece.present = true;
        json::members(choice, |key, value| {
            match key.as_ref() {
                "delta" | "message" if Kind::of(value) == Kind::Object => {
                    read_message(value, &mut piece)?;
                }
                "finish_reason" => {
                    piece.end = json::escaped(value).map(Status::from_finish_reason);
                }
                _ => {}
            }
            Ok::<_, Malformed>(())
        })
    })?;
    Ok(piece)
}

fn read_message<'a>(message: Value<'a>, piece: &mut ChatPiece<'a>) -> Result<(), Malformed> {
    json::members(message, |key, value| {
        match key.as_ref() {
            "content" => read_content(value, &mut piece.content)?,
            "refusal" => piece.refusal = some_text(value),
            // Some servers send the same reasoning under both names.
            "reasoning_content" | "reasoning" => {
                piece.reasoning = piece.reasoning.or(some_text(value))
            }
            "tool_calls" if Kind::of(value) == Kind::Array => {
                json::items(value, |_, call| {
                    if Kind::of(call) == Kind::Object {
                        piece.calls.push(read_call(call)?);
                    }
                    Ok::<_, Malformed>(())
                })?;
            }
            "function_call" if Kind::of(value) == Kind::Object => {
                let mut call = CallPiece {
                    index: Some(0),
                    ..CallPiece::default()
                };
                read_function(value, &mut call)?;
                piece.calls.push(call);
            }
            _ => {}
        }
        Ok(())
    })
}

fn read_content<'a>(content: Value<'a>, into: &mut Vec<&'a str>) -> Result<(), Malformed> {
    if Kind::of(content) == Kind::Array {
        return json::items(content, |_, part| {
            if Kind::of(part) == Kind::Object {
                into.extend(json::member(part, "text").and_then(some_text));
            }
            Ok(())
        });
    }
    into.extend(some_text(content));
    Ok(())
}

fn read_call(call: Value<'_>) -> Result<CallPiece<'_>, Malformed> {
    let mut piece = CallPiece::default();
    json::members(call, |key, value| {
        match key.as_ref() {
            "index" => piece.index = value.get().parse().ok(),
            "id" => piece.id = some_text(value),
            "function" if Kind::of(value) == Kind::Object => read_function(value, &mut piece)?,
            _ => {}
        }
        Ok::<_, Malformed>(())
    })?;
    Ok(piece)
}

fn read_function<'a>(function: Value<'a>, piece: &mut CallPiece<'a>) -> Result<(), Malformed> {
    json::members(function, |key, value| {
        match key.as_ref() {
            "name" => piece.name = some_text(value),
            "arguments" => piece.arguments = some_text(value),
            _ => {}
        }
        Ok(())
    })
}

/// A string that is not empty.
fn some_text(value: Value<'_>) -> Option<&str> {
    json::escaped(value).filter(|text| !text.is_empty())
}
