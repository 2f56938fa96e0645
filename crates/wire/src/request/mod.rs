//! A model request as the caller sent it: what admission and metering need to know, and the rest
//! untouched.
//!
//! The top level is kept as an ordered map of raw values. Fields nobody here knows reach the
//! upstream byte for byte; of a repeated key the last value counts, as it does for every upstream.
//! What is refused, and in which words, follows OpenAI's own validation.

mod chat;
mod completions;
mod content;
mod embeddings;
mod encode;
mod fields;
mod refusal;
mod responses;
mod texts;

use memchr::memmem;
use serde_json::value::RawValue;

use crate::json;
use fields::Fields;

pub use encode::{ChatLimit, Edits};
pub use refusal::RequestError;
pub use texts::PromptTexts;

/// Which kind of model request this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Endpoint {
    /// `POST /v1/chat/completions`
    Chat,
    /// `POST /v1/completions`
    Completions,
    /// `POST /v1/responses`
    Responses,
    /// `POST /v1/embeddings`
    Embeddings,
}

impl Endpoint {
    /// Path below an OpenAI-style base URL, which ends in `/v1`.
    pub fn path(self) -> &'static str {
        match self {
            Self::Chat => "/chat/completions",
            Self::Completions => "/completions",
            Self::Responses => "/responses",
            Self::Embeddings => "/embeddings",
        }
    }

    /// The word for it in configuration and usage records.
    pub fn name(self) -> &'static str {
        match self {
            Self::Chat => "chat",
            Self::Completions => "completions",
            Self::Responses => "responses",
            Self::Embeddings => "embeddings",
        }
    }
}

/// How large the input is, as far as its bytes tell.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PromptShape {
    /// Length of the body. No text in it has more UTF-8 bytes, and no token fewer than one.
    pub body_bytes: u64,
    /// Messages, input items, prompts or texts to embed.
    pub messages: u64,
    /// Tokens that the caller sent as numbers; each took at least one byte of the body.
    pub token_ids: u64,
    /// Pictures, sounds and files, whose tokens their bytes do not bound.
    pub media: Media,
    /// Bytes of JSON that chat templates may write anew, longer than it is: tools, schemas, calls.
    pub rendered_bytes: u64,
    /// Whether the model is offered tools, of which templates explain the use.
    pub offers_tools: bool,
    /// Whether the text is ASCII and stays so when its escapes are read: then no tokenizer that
    /// normalises it makes it longer.
    pub ascii: bool,
    /// Whether something in it may cost any number of tokens, whatever its bytes and number: a
    /// kind of content nobody here knows, something kept by the upstream, a search. Then only the
    /// model's context window bounds the input.
    pub opaque: bool,
}

/// Content that is not text.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Media {
    /// Pictures.
    pub images: u64,
    /// Sounds.
    pub sounds: u64,
    /// Files, such as PDFs.
    pub files: u64,
    /// The bytes of the body that are their data or addresses, and no text.
    pub bytes: u64,
}

/// A validated request to a model.
#[derive(Debug, Clone)]
pub struct ModelRequest {
    /// What was asked for.
    pub endpoint: Endpoint,
    /// The model's public name.
    pub model: String,
    /// Whether the answer is to be streamed. Never for embeddings.
    pub stream: bool,
    /// Whether the caller asked for usage in the stream of a chat or completion. Streamed responses
    /// always carry it.
    pub include_usage: bool,
    /// Most tokens that each choice may have. Embeddings: 0. Completions: 16 where absent.
    pub max_output_tokens: Option<u64>,
    /// Whether the caller named that limit, under any of its names. Where nobody did, an answer may
    /// be kept shorter without breaking a word.
    pub names_limit: bool,
    /// How many answers the upstream will generate, each up to `max_output_tokens`.
    pub choices: u64,
    /// Bound of the input.
    pub prompt: PromptShape,
    fields: Fields,
}

/// Deeper nesting than this is refused, so that no JSON reader behind Farebox overflows its stack.
const MOST_NESTING: usize = 128;

impl ModelRequest {
    /// Reads and validates a request's body.
    ///
    /// # Errors
    /// [`RequestError`], to be sent as 400 `invalid_request_error`, if the body is not a JSON
    /// object, names no model, or has a parameter that OpenAI would refuse or Farebox cannot meter.
    pub fn parse(endpoint: Endpoint, body: &[u8]) -> Result<Self, RequestError> {
        if json::is_deeper_than(body, MOST_NESTING) {
            return Err(RequestError::too_deep(MOST_NESTING));
        }
        let fields = Fields::parse(body)?;
        let model = fields.model()?;
        let (stream, include_usage) = match endpoint {
            Endpoint::Embeddings => (false, false),
            _ => fields.stream()?,
        };
        let mut request = Self {
            endpoint,
            model,
            stream,
            include_usage,
            max_output_tokens: None,
            names_limit: false,
            choices: 1,
            prompt: PromptShape {
                body_bytes: body.len() as u64,
                ascii: body.is_ascii() && memmem::find(body, b"\\u").is_none(),
                ..PromptShape::default()
            },
            fields,
        };
        match endpoint {
            Endpoint::Chat => chat::check(&mut request)?,
            Endpoint::Completions => completions::check(&mut request)?,
            Endpoint::Responses => responses::check(&mut request)?,
            Endpoint::Embeddings => embeddings::check(&mut request)?,
        }
        Ok(request)
    }

    /// A top-level field as the caller wrote it, unless it is absent or null.
    pub fn field(&self, name: &str) -> Option<&RawValue> {
        self.fields
            .raw(name)
            .filter(|value| !json::is_null((*value).into()))
    }

    /// The same as a value to be looked into.
    pub(crate) fn value(&self, name: &str) -> Option<json::Value<'_>> {
        self.fields.present(name)
    }

    /// All top-level fields as the caller wrote them, in order.
    pub(crate) fn fields_in_order(&self) -> impl Iterator<Item = (&str, json::Value<'_>)> {
        self.fields.iter()
    }
}
