//! What a script answers: a body in one of OpenAI's shapes, and how it is delivered or not.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};

/// What an upstream's usage says, in tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    pub input: u64,
    pub output: u64,
    /// How many of `input` were cached.
    pub cached: u64,
    /// How many of `output` were reasoning.
    pub reasoning: u64,
}

/// One answer of the upstream. Make it with a constructor, then change how it is delivered.
///
/// Text answers (`chat`, `completion`, `response`) are streamed if the request asks for it, one
/// word at a time; one word counts as one token.
#[derive(Clone, Debug)]
pub struct Reply {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) content: Content,
    pub(super) first_byte_delay: Duration,
    pub(super) delay: Duration,
    pub(super) cut_after: Option<usize>,
    pub(super) stall_after: Option<usize>,
    pub(super) sent: Option<Arc<AtomicU64>>,
}

#[derive(Clone, Debug)]
pub(super) enum Content {
    Text(TextReply),
    Embeddings {
        dimensions: usize,
    },
    Plain {
        content_type: String,
        body: Bytes,
    },
    Stream {
        content_type: String,
        chunks: Vec<Bytes>,
    },
    Hang,
    Refuse,
}

/// A text that the renderer puts into the shape of the endpoint.
#[derive(Clone, Debug)]
pub(super) struct TextReply {
    pub(super) pieces: Vec<String>,
    pub(super) shape: Shape,
    /// Streams even if the request did not ask.
    pub(super) always_stream: bool,
    pub(super) usage: UsageReply,
    pub(super) obeys_limit: bool,
    /// Begins again with its first piece where it should end, for ever.
    pub(super) endless: bool,
    pub(super) finish_reason: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// The one that the request's path asks for.
    OfPath,
    Chat,
    Completion,
    Response,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum UsageReply {
    Counted { cached: u64, reasoning: u64 },
    Said(Usage),
    None,
}

/// A text of `count` words, which this upstream counts as `count` tokens.
pub fn words(count: usize) -> String {
    vec!["word"; count].join(" ")
}

impl Reply {
    /// A chat completion.
    pub fn chat(text: &str) -> Self {
        Self::text(in_words(text), Shape::Chat)
    }

    /// A chat completion whose usage says these numbers, whatever the text.
    pub fn chat_with_usage(text: &str, prompt_tokens: u64, completion_tokens: u64) -> Self {
        Self::chat(text).usage(Usage {
            input: prompt_tokens,
            output: completion_tokens,
            ..Usage::default()
        })
    }

    /// A legacy text completion.
    pub fn completion(text: &str) -> Self {
        Self::text(in_words(text), Shape::Completion)
    }

    /// An answer of the Responses API.
    pub fn response(text: &str) -> Self {
        Self::text(in_words(text), Shape::Response)
    }

    /// A stream of exactly these deltas, asked for or not, in the shape of the endpoint called.
    /// Each delta counts as one token.
    pub fn stream(chunks: &[&str]) -> Self {
        let pieces = chunks.iter().map(|&chunk| chunk.to_owned()).collect();
        let mut reply = Self::text(pieces, Shape::OfPath);
        if let Content::Text(text) = &mut reply.content {
            text.always_stream = true;
        }
        reply
    }

    /// One embedding of `dimensions` numbers for each input, as floats or base64 as asked.
    pub fn embeddings(dimensions: usize) -> Self {
        Self::of(Content::Embeddings { dimensions })
    }

    /// One moderation result.
    pub fn moderation(flagged: bool) -> Self {
        Self::json(
            200,
            &json!({
                "id": "modr-upstream",
                "model": "omni-moderation-latest",
                "results": [{
                    "flagged": flagged,
                    "categories": {"violence": flagged},
                    "category_scores": {"violence": if flagged { 0.99 } else { 0.01 }},
                }],
            }),
        )
    }

    /// A list of models.
    pub fn models(ids: &[&str]) -> Self {
        let model = |id: &&str| {
            json!({
                "id": id,
                "object": "model",
                "created": 1_700_000_000,
                "owned_by": "upstream",
            })
        };
        let data: Vec<Value> = ids.iter().map(model).collect();
        Self::json(200, &json!({"object": "list", "data": data}))
    }

    /// An error in OpenAI's envelope.
    pub fn error(status: u16, kind: &str, code: &str, message: &str) -> Self {
        let error = json!({"message": message, "type": kind, "param": null, "code": code});
        Self::json(status, &json!({"error": error}))
    }

    /// Any JSON.
    pub fn json(status: u16, value: &Value) -> Self {
        Self::raw(status, "application/json", value.to_string())
    }

    /// Any bytes.
    pub fn raw(status: u16, content_type: &str, body: impl Into<Bytes>) -> Self {
        let content_type = content_type.to_owned();
        let mut reply = Self::of(Content::Plain {
            content_type,
            body: body.into(),
        });
        reply.status = status;
        reply
    }

    /// Any bytes in exactly these pieces, with status 200 and no length said beforehand.
    pub fn raw_stream<C: Into<Bytes>>(
        content_type: &str,
        chunks: impl IntoIterator<Item = C>,
    ) -> Self {
        let chunks = chunks.into_iter().map(Into::into).collect();
        Self::of(Content::Stream {
            content_type: content_type.to_owned(),
            chunks,
        })
    }

    /// Takes the request and never answers; the connection stays open.
    pub fn hang() -> Self {
        Self::of(Content::Hang)
    }

    /// Takes the request and closes the connection without a word.
    pub fn refuse() -> Self {
        Self::of(Content::Refuse)
    }

    /// Leaves usage out, though asked for.
    pub fn without_usage(self) -> Self {
        self.change_text(|text| text.usage = UsageReply::None)
    }

    /// Says this usage instead of counting.
    pub fn usage(self, usage: Usage) -> Self {
        self.change_text(|text| text.usage = UsageReply::Said(usage))
    }

    /// Says that this many of the input tokens were cached.
    pub fn cached_tokens(self, count: u64) -> Self {
        self.change_text(|text| match &mut text.usage {
            UsageReply::Counted { cached, .. } => *cached = count,
            UsageReply::Said(usage) => usage.cached = count,
            UsageReply::None => {}
        })
    }

    /// Says that this many of the output tokens were reasoning.
    pub fn reasoning_tokens(self, count: u64) -> Self {
        self.change_text(|text| match &mut text.usage {
            UsageReply::Counted { reasoning, .. } => *reasoning = count,
            UsageReply::Said(usage) => usage.reasoning = count,
            UsageReply::None => {}
        })
    }

    /// Ends the text at the request's output limit, with the finish reason `length`.
    pub fn obey_limit(self) -> Self {
        self.change_text(|text| text.obeys_limit = true)
    }

    /// Streams its pieces again and again and never ends, whatever the request's output limit.
    pub fn endless(self) -> Self {
        self.change_text(|text| (text.always_stream, text.endless) = (true, true))
    }

    /// Ends with this finish reason instead of `stop`.
    pub fn finish_reason(self, reason: &str) -> Self {
        self.change_text(|text| text.finish_reason = Some(reason.to_owned()))
    }

    /// Another status.
    pub fn status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    /// One more header.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Waits this long before the head of the answer.
    pub fn first_byte_delay_ms(mut self, delay_ms: u64) -> Self {
        self.first_byte_delay = Duration::from_millis(delay_ms);
        self
    }

    /// Waits this long before each chunk of a stream but the first.
    pub fn delay_ms(mut self, delay_ms: u64) -> Self {
        self.delay = Duration::from_millis(delay_ms);
        self
    }

    /// Drops the connection after `chunks` chunks of a stream (the role, each delta, the finish and
    /// the usage are chunks). An answer that is no stream is dropped at its half.
    pub fn cut_after(mut self, chunks: usize) -> Self {
        self.cut_after = Some(chunks);
        self
    }

    /// Says nothing more after `chunks` chunks, and leaves the connection open.
    pub fn stall_after(mut self, chunks: usize) -> Self {
        self.stall_after = Some(chunks);
        self
    }

    /// Adds one to `sent` for each chunk of the body that was handed over to be sent.
    pub fn count_in(mut self, sent: Arc<AtomicU64>) -> Self {
        self.sent = Some(sent);
        self
    }

    pub(super) fn hangs(&self) -> bool {
        matches!(self.content, Content::Hang)
    }

    pub(super) fn refuses(&self) -> bool {
        matches!(self.content, Content::Refuse)
    }

    fn text(pieces: Vec<String>, shape: Shape) -> Self {
        Self::of(Content::Text(TextReply {
            pieces,
            shape,
            always_stream: false,
            usage: UsageReply::Counted {
                cached: 0,
                reasoning: 0,
            },
            obeys_limit: false,
            endless: false,
            finish_reason: None,
        }))
    }

    fn of(content: Content) -> Self {
        Self {
            status: 200,
            headers: Vec::new(),
            content,
            first_byte_delay: Duration::ZERO,
            delay: Duration::ZERO,
            cut_after: None,
            stall_after: None,
            sent: None,
        }
    }

    fn change_text(mut self, change: impl FnOnce(&mut TextReply)) -> Self {
        match &mut self.content {
            Content::Text(text) => change(text),
            other => panic!("only a text answer can be changed like this, not {other:?}"),
        }
        self
    }
}

/// Cuts a text before each word, so that the pieces joined are the text.
fn in_words(text: &str) -> Vec<String> {
    let mut pieces: Vec<String> = Vec::new();
    for piece in text.split_inclusive(char::is_whitespace) {
        match pieces.last_mut() {
            Some(last) if last.trim().is_empty() => last.push_str(piece),
            _ => pieces.push(piece.to_owned()),
        }
    }
    pieces
}
