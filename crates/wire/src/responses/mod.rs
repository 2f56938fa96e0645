//! The Responses API in front of upstreams that only speak chat completions.
//!
//! A request becomes a chat request ([`to_chat`]); its answer ([`from_chat`]) or stream
//! ([`StreamTranslator`]) becomes a response again. Nothing is kept: responses say `store: false`.
//! [`NativeStream`] watches the stream of an upstream that speaks Responses itself.
//! Text travels in its escaped form from one side to the other and is never decoded.

mod answer;
mod chat_piece;
mod input;
mod items;
mod native;
mod open_item;
mod request;
mod stream;
mod tools;

use crate::json::ObjectWriter;
use crate::request::ModelRequest;
use crate::usage::TokenUsage;

pub use answer::from_chat;
pub use native::NativeStream;
pub use request::to_chat;
pub use stream::{StreamEnd, StreamTranslator};

/// What a response says about itself and its request, whatever the model answers.
#[derive(Debug, Clone)]
pub struct ResponseMeta {
    id: String,
    created_at: i64,
    model: String,
    /// The request's parameters as members of the response object.
    echo: Vec<u8>,
}

/// Parameters that a response repeats, and what they are where the request left them out.
const ECHOED: [(&str, &str); 16] = [
    ("instructions", "null"),
    ("max_output_tokens", "null"),
    ("max_tool_calls", "null"),
    ("metadata", "{}"),
    ("parallel_tool_calls", "true"),
    ("prompt_cache_key", "null"),
    ("reasoning", r#"{"effort":null,"summary":null}"#),
    ("safety_identifier", "null"),
    ("service_tier", r#""default""#),
    ("temperature", "1.0"),
    ("text", r#"{"format":{"type":"text"}}"#),
    ("tool_choice", r#""auto""#),
    ("tools", "[]"),
    ("top_p", "1.0"),
    ("truncation", r#""disabled""#),
    ("user", "null"),
];

impl ResponseMeta {
    /// `id` is the response's (`resp_…`), from which its items' ids derive; `created_at` is in
    /// seconds since the Unix epoch; `request` is the Responses request being answered.
    pub fn new(id: impl Into<String>, created_at: i64, request: &ModelRequest) -> Self {
        let mut echo = ObjectWriter::with_capacity(512);
        for (name, default) in ECHOED {
            let value = request.field(name).map_or(default, |value| value.get());
            echo.put_raw(name, value.as_bytes());
        }
        Self {
            id: id.into(),
            created_at,
            model: request.model.clone(),
            echo: echo.into_members(),
        }
    }

    /// The response object in a given state.
    fn response(&self, state: &ResponseState<'_>) -> Vec<u8> {
        let error = state.error.map_or_else(
            || b"null".to_vec(),
            |(code, message)| {
                ObjectWriter::new()
                    .text("code", code)
                    .text("message", message)
                    .finish()
            },
        );
        let incomplete = state.status.incomplete_reason().map_or_else(
            || b"null".to_vec(),
            |reason| ObjectWriter::new().text("reason", reason).finish(),
        );
        let usage = state
            .usage
            .map_or_else(|| b"null".to_vec(), |usage| items::usage(&usage));
        let size = self.echo.len() + state.output.len() + 512;
        let mut out = ObjectWriter::with_capacity(size)
            .text("id", &self.id)
            .text("object", "response")
            .number("created_at", self.created_at)
            .text("status", state.status.word())
            .raw("background", "false")
            .raw("completed_at", "null")
            .raw("error", error)
            .raw("incomplete_details", incomplete);
        out.put_members(&self.echo);
        out.text("model", &self.model)
            .raw("output", state.output)
            .raw("previous_response_id", "null")
            .raw("store", "false")
            .raw("top_logprobs", "0")
            .raw("usage", usage)
            .finish()
    }

    /// Id of the output item at `index`: `msg_`, `fc_` or `rs_`, then the response's own.
    fn item_id(&self, prefix: &str, index: usize) -> String {
        let own = self.id.strip_prefix("resp_").unwrap_or(&self.id);
        format!("{prefix}_{own}{index:02x}")
    }
}

/// How far a response is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Status {
    InProgress,
    Completed,
    /// Ended at a limit of output.
    CutShort,
    /// Ended by a content filter.
    Filtered,
    Failed,
}

impl Status {
    /// What chat's `finish_reason` amounts to.
    fn from_finish_reason(reason: &str) -> Self {
        match reason {
            "length" => Self::CutShort,
            "content_filter" => Self::Filtered,
            _ => Self::Completed,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::InProgress => "in_progress",
            Self::Completed => "completed",
            Self::CutShort | Self::Filtered => "incomplete",
            Self::Failed => "failed",
        }
    }

    /// The same for the item the response ended in; items cannot fail.
    fn item_word(self) -> &'static str {
        match self {
            Self::Failed => "incomplete",
            _ => self.word(),
        }
    }

    fn incomplete_reason(self) -> Option<&'static str> {
        match self {
            Self::CutShort => Some("max_output_tokens"),
            Self::Filtered => Some("content_filter"),
            _ => None,
        }
    }
}

/// What changes in a response object while it is made.
struct ResponseState<'a> {
    status: Status,
    /// Code and message, if it failed.
    error: Option<(&'a str, &'a str)>,
    /// JSON array of output items.
    output: &'a [u8],
    usage: Option<TokenUsage>,
}
