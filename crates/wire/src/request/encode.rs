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
}

impl ModelRequest {
    /// The body for an upstream that speaks this endpoint itself.
    ///
    /// Fields keep their order and, except for the edited ones, every byte of their values. A
    /// Responses request gets `store: false`, so that the upstream keeps nothing either.
    pub fn encode(&self, edits: &Edits<'_>) -> Vec<u8> {
        let size = self.prompt.text_bytes as usize + edits.model.len() + 96;
        let mut out = ObjectWriter::with_capacity(size);
        let limits = self.limit_fields();
        let asks_usage = edits.include_usage
            && self.stream
            && matches!(self.endpoint, Endpoint::Chat | Endpoint::Completions);
        let keeps_nothing = self.endpoint == Endpoint::Responses;
        for (name, value) in self.fields.iter() {
            match (name, edits.max_output_tokens) {
                ("model", _) => out = out.text(name, edits.model),
                ("stream_options", _) if asks_usage => {
                    out = out.raw(name, stream_options(Some(value)));
                }
                ("store", _) if keeps_nothing => out = out.raw(name, "false"),
                (_, Some(limit)) if limits.contains(&name) && !json::is_null(value) => {
                    let own = value.get().parse().unwrap_or(limit);
                    out = out.number(name, limit.min(own));
                }
                // A null limit is written where an absent one would be.
                (_, Some(_)) if limits.contains(&name) => {}
                _ => out.put_raw(name, value.get().as_bytes()),
            }
        }
        if asks_usage && self.fields.sent("stream_options").is_none() {
            out = out.raw("stream_options", stream_options(None));
        }
        if keeps_nothing && self.fields.sent("store").is_none() {
            out = out.raw("store", "false");
        }
        if let (Some(limit), Some(name)) = (edits.max_output_tokens, limits.first())
            && limits.iter().all(|name| self.field(name).is_none())
        {
            out = out.number(name, limit);
        }
        out.finish()
    }

    /// Names of the output limit, the one to write where the caller named none first.
    fn limit_fields(&self) -> &'static [&'static str] {
        match self.endpoint {
            Endpoint::Chat => &["max_tokens", "max_completion_tokens"],
            Endpoint::Completions => &["max_tokens"],
            Endpoint::Responses => &["max_output_tokens"],
            Endpoint::Embeddings => &[],
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
