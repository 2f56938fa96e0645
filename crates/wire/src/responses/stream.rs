//! A chat stream as a stream of Responses events.
//!
//! Invariants: sequence numbers begin at 0 and leave none out; every item and part that is added is
//! also done, in the order of the output; the last event holds the whole response. The done events
//! repeat the text, so it is held, up to [`MOST_HELD_BYTES`].

use bytes::Bytes;

use super::chat_piece::{self, CallPiece, ChatPiece};
use super::open_item::{Body, OpenItem, Part, PartKind};
use super::{ResponseMeta, ResponseState, Status};
use crate::error::ErrorBody;
use crate::json::{self, Kind, Malformed, ObjectWriter, Value};
use crate::sse::event_frame;
use crate::usage::TokenUsage;

/// The most text that one response is held for.
const MOST_HELD_BYTES: usize = 8 * 1024 * 1024;

/// How the upstream's stream ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StreamEnd {
    /// By itself; the upstream's `finish_reason` says whether the answer is complete.
    Finished,
    /// Farebox ended it, for instance because the money did.
    CutShort,
    /// The upstream broke off or sent an error.
    Failed(ErrorBody),
}

/// Turns the chunks of one chat stream into the frames of a Responses stream.
#[derive(Debug)]
pub struct StreamTranslator {
    meta: ResponseMeta,
    sequence: u64,
    items: Vec<OpenItem>,
    held_bytes: usize,
    max_held_bytes: usize,
    end: Option<Status>,
    finished: bool,
}

impl StreamTranslator {
    /// A translator for one stream.
    pub fn new(meta: ResponseMeta) -> Self {
        Self {
            meta,
            sequence: 0,
            items: Vec::new(),
            held_bytes: 0,
            max_held_bytes: MOST_HELD_BYTES,
            end: None,
            finished: false,
        }
    }

    /// The frames to send first: `response.created` and `response.in_progress`.
    pub fn start(&mut self) -> Vec<Bytes> {
        let state = ResponseState {
            status: Status::InProgress,
            error: None,
            output: b"[]",
            usage: None,
        };
        let response = self.meta.response(&state);
        ["response.created", "response.in_progress"]
            .map(|kind| self.event(kind, |event| event.raw("response", &response)))
            .into()
    }

    /// The frames for one chunk's data. Chunks that are malformed or hold no news give none.
    pub fn on_chunk(&mut self, data: &[u8]) -> Vec<Bytes> {
        let mut frames = Vec::new();
        if self.is_full() || self.finished {
            return frames;
        }
        let Some(piece) = read_piece(data) else {
            return frames;
        };
        if let Some(text) = piece.reasoning {
            self.add_text(PartKind::Reasoning, text, &mut frames);
        }
        for text in &piece.content {
            self.add_text(PartKind::Text, text, &mut frames);
        }
        if let Some(text) = piece.refusal {
            self.add_text(PartKind::Refusal, text, &mut frames);
        }
        for call in &piece.calls {
            self.add_call(call, &mut frames);
        }
        self.end = piece.end.or(self.end);
        frames
    }

    /// Whether as much text is held as one response may have. What follows is left out, and the
    /// response ends `incomplete`; the caller may as well stop the upstream.
    pub fn is_full(&self) -> bool {
        self.held_bytes > self.max_held_bytes
    }

    /// The frames that end the stream: everything open is done, then `response.completed`,
    /// `response.incomplete` or `response.failed` with the whole response. A second call gives
    /// none.
    pub fn finish(&mut self, usage: Option<TokenUsage>, end: StreamEnd) -> Vec<Bytes> {
        let mut frames = Vec::new();
        if std::mem::replace(&mut self.finished, true) {
            return frames;
        }
        let (status, error) = match end {
            StreamEnd::Failed(error) => (Status::Failed, Some(error)),
            StreamEnd::CutShort => (Status::CutShort, None),
            StreamEnd::Finished if self.is_full() => (Status::CutShort, None),
            StreamEnd::Finished => (self.end.unwrap_or(Status::Completed), None),
        };
        if self.items.is_empty() && status == Status::Completed {
            self.open_item(Body::Message(Vec::new()), &mut frames);
            self.open_part(PartKind::Text, &mut frames);
        }
        for at in 0..self.items.len() {
            self.close_item(at, status.item_word(), &mut frames);
        }
        let error = error
            .as_ref()
            .map(|error| (failure_code(error), error.message.as_str()));
        let done: Vec<&[u8]> = self.items.iter().filter_map(OpenItem::done).collect();
        let output = json::array(&done);
        let response = self.meta.response(&ResponseState {
            status,
            error,
            output: &output,
            usage,
        });
        let kind = match status {
            Status::Failed => "response.failed",
            Status::CutShort | Status::Filtered => "response.incomplete",
            Status::Completed | Status::InProgress => "response.completed",
        };
        frames.push(self.event(kind, |event| event.raw("response", &response)));
        frames
    }

    fn add_text(&mut self, kind: PartKind, text: &str, frames: &mut Vec<Bytes>) {
        let is_reasoning = kind == PartKind::Reasoning;
        let fits = self.items.last().is_some_and(|item| match &item.body {
            Body::Reasoning(_) => is_reasoning,
            Body::Message(_) => !is_reasoning,
            Body::Call(_) => false,
        });
        if !fits {
            self.close_last_text(frames);
            let body = if is_reasoning {
                Body::Reasoning
            } else {
                Body::Message
            };
            self.open_item(body(Vec::new()), frames);
        }
        let part = self.items.last().and_then(OpenItem::open_part);
        if part.is_none_or(|part| part.kind != kind) {
            self.close_part(self.items.len() - 1, frames);
            self.open_part(kind, frames);
        }
        let item = self.items.last_mut().expect("one was opened above");
        self.held_bytes += text.len();
        item.push_text(text);
        let place = Place::of_part(item);
        frames.push(self.event(kind.delta_event(), |event| {
            let event = place.write(event).escaped("delta", text);
            if kind == PartKind::Text {
                event.raw("logprobs", "[]")
            } else {
                event
            }
        }));
    }

    fn add_call(&mut self, piece: &CallPiece<'_>, frames: &mut Vec<Bytes>) {
        let wanted = piece.index.unwrap_or(0);
        let at = match self.items.iter().position(|item| item.is_call(wanted)) {
            Some(at) => at,
            None => {
                self.close_last_text(frames);
                let made_up = self.meta.item_id("call", self.items.len());
                let call_id = piece.id.unwrap_or(&made_up).to_owned();
                let name = piece.name.unwrap_or_default().to_owned();
                self.open_item(Body::call(wanted, call_id, name), frames);
                self.items.len() - 1
            }
        };
        let Some(arguments) = piece.arguments else {
            return;
        };
        self.held_bytes += arguments.len();
        let item = &mut self.items[at];
        item.push_text(arguments);
        let place = Place::of_item(item);
        frames.push(
            self.event("response.function_call_arguments.delta", |event| {
                place.write(event).escaped("delta", arguments)
            }),
        );
    }

    fn open_item(&mut self, body: Body, frames: &mut Vec<Bytes>) {
        let index = self.items.len();
        let item = OpenItem::new(self.meta.item_id(body.id_prefix(), index), index, body);
        let json = item.json("in_progress");
        self.items.push(item);
        frames.push(self.event("response.output_item.added", |event| {
            event.number("output_index", index).raw("item", &json)
        }));
    }

    fn open_part(&mut self, kind: PartKind, frames: &mut Vec<Bytes>) {
        let item = self
            .items
            .last_mut()
            .expect("parts are opened in an open item");
        item.push_part(Part::new(kind));
        let place = Place::of_part(item);
        frames.push(self.event("response.content_part.added", |event| {
            place.write(event).raw("part", kind.json(""))
        }));
    }

    /// Ends the text or reasoning at the end of the output. Calls stay open: an upstream may
    /// take turns between them.
    fn close_last_text(&mut self, frames: &mut Vec<Bytes>) {
        if let Some(item) = self.items.last()
            && !matches!(item.body, Body::Call(_))
        {
            self.close_item(self.items.len() - 1, "completed", frames);
        }
    }

    fn close_part(&mut self, at: usize, frames: &mut Vec<Bytes>) {
        let item = &mut self.items[at];
        let place = Place::of_part(item);
        let Some(part) = item.close_part() else {
            return;
        };
        let (kind, text) = (part.kind, part.text.clone());
        frames.push(self.event(kind.done_event(), |event| {
            let event = place.write(event).escaped(kind.text_member(), &text);
            if kind == PartKind::Text {
                event.raw("logprobs", "[]")
            } else {
                event
            }
        }));
        frames.push(self.event("response.content_part.done", |event| {
            place.write(event).raw("part", kind.json(&text))
        }));
    }

    fn close_item(&mut self, at: usize, status: &str, frames: &mut Vec<Bytes>) {
        if self.items[at].done().is_some() {
            return;
        }
        self.close_part(at, frames);
        let item = &mut self.items[at];
        let place = Place::of_item(item);
        let call = match &item.body {
            Body::Call(call) => Some((call.name.clone(), call.arguments.clone())),
            _ => None,
        };
        let json = item.close(status).to_vec();
        if let Some((name, arguments)) = call {
            frames.push(
                self.event("response.function_call_arguments.done", |event| {
                    place
                        .write(event)
                        .escaped("name", &name)
                        .escaped("arguments", &arguments)
                }),
            );
        }
        frames.push(self.event("response.output_item.done", |event| {
            event.number("output_index", at).raw("item", &json)
        }));
    }

    /// One event with the next sequence number.
    fn event(&mut self, kind: &str, members: impl FnOnce(ObjectWriter) -> ObjectWriter) -> Bytes {
        let event = ObjectWriter::with_capacity(254)
            .text("type", kind)
            .number("sequence_number", self.sequence);
        self.sequence += 1;
        event_frame(kind, &members(event).finish())
    }
}

/// Where an event belongs: its item, and the part of it.
struct Place {
    item_id: String,
    output_index: usize,
    content_index: Option<usize>,
}

impl Place {
    fn of_item(item: &OpenItem) -> Self {
        Self {
            item_id: item.id.clone(),
            output_index: item.index,
            content_index: None,
        }
    }

    fn of_part(item: &OpenItem) -> Self {
        Self {
            content_index: item.last_part_index(),
            ..Self::of_item(item)
        }
    }

    fn write(&self, event: ObjectWriter) -> ObjectWriter {
        let event = event
            .text("item_id", &self.item_id)
            .number("output_index", self.output_index);
        match self.content_index {
            Some(index) => event.number("content_index", index),
            None => event,
        }
    }
}

fn read_piece(data: &[u8]) -> Option<ChatPiece<'_>> {
    let text = std::str::from_utf8(data).ok()?;
    let mut piece = None;
    json::members::<Malformed>(Value::check(text).ok()?, |key, value| {
        if key == "choices" && Kind::of(value) == Kind::Array {
            piece = Some(chat_piece::read(value)?);
        }
        Ok(())
    })
    .ok()?;
    piece
}

/// The SDKs' types know few codes for a failed response.
fn failure_code(error: &ErrorBody) -> &'static str {
    match error.code.as_deref() {
        Some("rate_limit_exceeded") => "rate_limit_exceeded",
        _ => "server_error",
    }
}
