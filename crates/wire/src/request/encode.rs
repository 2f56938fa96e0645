//! Writing a request for the upstream: the caller's bytes, with the few fields Farebox decides.

use super::{Endpoint, ModelRequest};
use crate::json::{self, Malformed, ObjectWriter, Value};

/// What Farebox changes in a request on its way to an upstream.
#[derive(Debug, Clone, Copy)]
pub struct Edits<'a> {
    /// The upstream's name for the model.
    pub model: &'a str,
    /// Ask for usage in a streamed chat or completion, whether or not the caller did.
    pub include_usage: bool,
    /// Lower the output to this many tokens, or set it where the caller named no limit.
    pub max_output_tokens: Option<u64>,
    /// Under which name the upstream is told of the limit in chat.
    pub chat_limit: ChatLimit,
}

/// The name of chat's output limit, which servers do not agree on.
///
/// A name that a server does not know is worse than none: most ignore it without a word, and
/// generate until their window is full. OpenAI's reasoning models refuse `max_tokens`, and OpenAI
/// refuses both together; Ollama, LM Studio and others know nothing else (ollama/ollama#7125).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ChatLimit {
    /// `max_tokens`, which every compatible server knows, and whatever the caller wrote beside it.
    #[default]
    Compatible,
    /// `max_tokens` and nothing else.
    MaxTokens,
    /// `max_completion_tokens` and nothing else, as OpenAI wants it.
    MaxCompletionTokens,
}

pub(super) const MAX_TOKENS: &str = "max_tokens";
pub(super) const MAX_COMPLETION_TOKENS: &str = "max_completion_tokens";
/// llama.cpp's own name, which there outdoes the others; so it never gets there.
pub(super) const N_PREDICT: &str = "n_predict";

impl ChatLimit {
    /// The names to write, if the caller wrote the newer one or did not.
    pub(crate) fn names(self, wrote_newer: bool) -> &'static [&'static str] {
        match (self, wrote_newer) {
            (Self::Compatible, true) => &[MAX_COMPLETION_TOKENS, MAX_TOKENS],
            (Self::Compatible, false) | (Self::MaxTokens, _) => &[MAX_TOKENS],
            (Self::MaxCompletionTokens, _) => &[MAX_COMPLETION_TOKENS],
        }
    }
}

impl ModelRequest {
    /// The body for an upstream that speaks this endpoint itself.
    ///
    /// Fields keep their order and, except for the edited ones, every byte of their values. The
    /// output limit stands where the caller's did, under the names that the upstream knows. A
    /// Responses request gets `store: false`, so that the upstream keeps nothing either.
    pub fn encode(&self, edits: &Edits<'_>) -> Vec<u8> {
        let size = self.prompt.body_bytes as usize + edits.model.len() + 96;
        let mut out = ObjectWriter::with_capacity(size);
        let mut limit = self.output_limit(edits.max_output_tokens);
        let asks_usage = edits.include_usage
            && self.stream
            && matches!(self.endpoint, Endpoint::Chat | Endpoint::Completions);
        let keeps_nothing = self.endpoint == Endpoint::Responses;
        for (name, value) in self.fields.iter() {
            match name {
                "model" => out = out.text(name, edits.model),
                "stream_options" if asks_usage => {
                    out = out.raw(name, stream_options(Some(value)));
                }
                "store" if keeps_nothing => out = out.raw(name, "false"),
                _ if self.is_limit(name) => {
                    // A null limit is written where an absent one would be.
                    if !json::is_null(value) {
                        out = self.write_limit(out, limit.take(), edits.chat_limit);
                    }
                }
                _ => out.put_raw(name, value.get().as_bytes()),
            }
        }
        if asks_usage && self.fields.sent("stream_options").is_none() {
            out = out.raw("stream_options", stream_options(None));
        }
        if keeps_nothing && self.fields.sent("store").is_none() {
            out = out.raw("store", "false");
        }
        self.write_limit(out, limit, edits.chat_limit).finish()
    }

    /// The limit to be written: `most`, or what the caller named if that is less.
    pub(crate) fn output_limit(&self, most: Option<u64>) -> Option<u64> {
        let named = self.max_output_tokens.filter(|_| self.names_limit);
        match (most, named) {
            (Some(most), Some(named)) => Some(most.min(named)),
            (most, named) => most.or(named),
        }
    }

    fn write_limit(
        &self,
        out: ObjectWriter,
        limit: Option<u64>,
        chat_limit: ChatLimit,
    ) -> ObjectWriter {
        let names: &[&str] = match self.endpoint {
            Endpoint::Chat => chat_limit.names(self.field(MAX_COMPLETION_TOKENS).is_some()),
            Endpoint::Completions => &[MAX_TOKENS],
            Endpoint::Responses => &["max_output_tokens"],
            Endpoint::Embeddings => &[],
        };
        let Some(limit) = limit else {
            return out;
        };
        names.iter().fold(out, |out, name| out.number(name, limit))
    }

    fn is_limit(&self, name: &str) -> bool {
        match self.endpoint {
            Endpoint::Chat => matches!(name, MAX_TOKENS | MAX_COMPLETION_TOKENS | N_PREDICT),
            Endpoint::Completions => matches!(name, MAX_TOKENS | N_PREDICT),
            Endpoint::Responses => name == "max_output_tokens",
            Endpoint::Embeddings => false,
        }
    }
}

/// The caller's stream options with usage switched on.
fn stream_options(options: Option<Value<'_>>) -> Vec<u8> {
    let mut out = ObjectWriter::new();
    if let Some(options) = options.filter(|options| !json::is_null(*options)) {
        let copied = json::members::<Malformed>(options, |key, value| {
            if key != "include_usage" {
                out.put_raw(&key, value.get().as_bytes());
            }
            Ok(())
        });
        debug_assert_eq!(copied, Ok(()), "the options were read when the request was");
    }
    out.raw("include_usage", "true").finish()
}
