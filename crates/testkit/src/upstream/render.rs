//! Turns a script's reply into the bytes that this request is answered with.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use bytes::Bytes;
use serde_json::Value;

use super::reply::{Content, Reply, Shape, TextReply, Usage, UsageReply};
use super::request::UpstreamRequest;
use super::{chat, completion, embedding, response};

/// An answer as it goes on the wire.
pub(super) struct Rendered {
    pub(super) status: u16,
    pub(super) content_type: String,
    pub(super) headers: Vec<(String, String)>,
    /// The length that the head says; none for streams.
    pub(super) body_bytes: Option<usize>,
    pub(super) chunks: Chunks,
    pub(super) delay: Duration,
    pub(super) cut_after: Option<usize>,
    pub(super) stall_after: Option<usize>,
    pub(super) count: Option<Arc<AtomicU64>>,
}

/// What is sent, piece by piece; it may have no end.
pub(super) type Chunks = Box<dyn Iterator<Item = Bytes> + Send>;

/// A text answer, ready for any shape.
pub(super) struct Text {
    pub(super) model: String,
    pub(super) pieces: Vec<String>,
    /// `stop`, or `length` where the limit cut it.
    pub(super) finish_reason: String,
    pub(super) usage: Option<Usage>,
    pub(super) choices: usize,
    /// Whether a chat or completion stream ends with its usage.
    pub(super) stream_usage: bool,
}

impl Text {
    pub(super) fn whole(&self) -> String {
        self.pieces.concat()
    }
}

pub(super) fn render(reply: Reply, request: &UpstreamRequest) -> Rendered {
    let cut_after = reply.cut_after;
    let (content_type, body_bytes, chunks) = match reply.content {
        Content::Plain { content_type, body } => plain(content_type, body, cut_after),
        Content::Stream {
            content_type,
            chunks,
        } => (content_type, None, Box::new(chunks.into_iter()) as Chunks),
        Content::Embeddings { dimensions } => {
            json(&embedding::answer(request, dimensions), cut_after)
        }
        Content::Text(text) => text_answer(text, request, cut_after),
        // These are never rendered: they have no answer.
        Content::Hang | Content::Refuse => {
            (String::new(), None, Box::new(std::iter::empty()) as Chunks)
        }
    };
    Rendered {
        status: reply.status,
        content_type,
        headers: reply.headers,
        body_bytes,
        // Half of a body with a length is its only chunk.
        cut_after: cut_after.map(|after| if body_bytes.is_some() { 1 } else { after }),
        chunks,
        delay: reply.delay,
        stall_after: reply.stall_after,
        count: reply.sent,
    }
}

type Wire = (String, Option<usize>, Chunks);

fn plain(content_type: String, body: Bytes, cut_after: Option<usize>) -> Wire {
    let body_bytes = body.len();
    let sent = if cut_after.is_some() {
        body.slice(..body_bytes / 2)
    } else {
        body
    };
    (
        content_type,
        Some(body_bytes),
        Box::new(std::iter::once(sent)),
    )
}

fn json(value: &Value, cut_after: Option<usize>) -> Wire {
    plain(
        "application/json".to_owned(),
        value.to_string().into(),
        cut_after,
    )
}

fn text_answer(reply: TextReply, request: &UpstreamRequest, cut_after: Option<usize>) -> Wire {
    let streams = reply.always_stream || request.wants_stream();
    let shape = match reply.shape {
        Shape::OfPath => shape_of(&request.path),
        chosen => chosen,
    };
    let endless = reply.endless;
    let text = prepare(reply, request);
    let event_stream = "text/event-stream".to_owned();
    if endless {
        return (event_stream, None, endless_records(text, shape));
    }
    if !streams {
        let body = match shape {
            Shape::Completion => completion::body(&text),
            Shape::Response => response::body(&text),
            Shape::Chat | Shape::OfPath => chat::body(&text),
        };
        return json(&body, cut_after);
    }
    let records = match shape {
        Shape::Completion => completion::records(&text),
        Shape::Response => response::records(&text),
        Shape::Chat | Shape::OfPath => chat::records(&text),
    };
    let chunks = records.into_iter().map(Bytes::from);
    (event_stream, None, Box::new(chunks))
}

fn endless_records(text: Text, shape: Shape) -> Chunks {
    let beginning = match shape {
        Shape::Completion => Vec::new(),
        Shape::Response => response::beginning(&text),
        Shape::Chat | Shape::OfPath => chat::beginning(&text),
    };
    let begun = beginning.len();
    let deltas = (0..).flat_map(move |number| {
        let piece = &text.pieces[number % text.pieces.len()];
        match shape {
            Shape::Completion => completion::delta(&text, piece),
            Shape::Response => vec![response::delta(begun + number, piece)],
            Shape::Chat | Shape::OfPath => chat::delta(&text, piece),
        }
    });
    Box::new(beginning.into_iter().chain(deltas).map(Bytes::from))
}

fn shape_of(path: &str) -> Shape {
    if path.ends_with("/responses") {
        Shape::Response
    } else if path.ends_with("/completions") && !path.ends_with("/chat/completions") {
        Shape::Completion
    } else {
        Shape::Chat
    }
}

fn prepare(mut reply: TextReply, request: &UpstreamRequest) -> Text {
    let mut finish_reason = "stop";
    if let (true, Some(limit)) = (reply.obeys_limit, request.output_limit()) {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        if reply.pieces.len() > limit {
            reply.pieces.truncate(limit);
            finish_reason = "length";
        }
    }
    let choices = request.choices();
    let usage = match reply.usage {
        UsageReply::None => None,
        UsageReply::Said(usage) => Some(usage),
        UsageReply::Counted { cached, reasoning } => Some(Usage {
            input: request.input_words(),
            output: (reply.pieces.len() * choices) as u64 + reasoning,
            cached,
            reasoning,
        }),
    };
    Text {
        model: request.model(),
        pieces: reply.pieces,
        finish_reason: reply
            .finish_reason
            .unwrap_or_else(|| finish_reason.to_owned()),
        stream_usage: usage.is_some() && request.wants_stream_usage(),
        usage,
        choices,
    }
}
