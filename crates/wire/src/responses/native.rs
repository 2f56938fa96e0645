//! A Responses stream that an upstream speaks itself, as far as it must be known to end it.
//!
//! Events pass through untouched. What is open is remembered, with its text, so that Farebox can
//! end the stream in the upstream's place: everything open is done, then `response.incomplete` with
//! the whole response, the sequence numbers going on. Names are derived, not listed: what a
//! `….added` or `….delta` event opens, the `….done` event of the same name closes, so that kinds of
//! items and parts that nobody here knows end as well as the others.

use bytes::Bytes;

use super::items;
use crate::json::{self, Malformed, ObjectWriter, Value};
use crate::sse::event_frame;
use crate::usage::TokenUsage;

/// The most text that is held. The end of a longer response is told without its output.
const MOST_HELD_BYTES: usize = 8 * 1024 * 1024;

/// What was passed on of one stream.
#[derive(Debug, Default)]
pub struct NativeStream {
    /// The response object as last sent whole.
    response: String,
    next_sequence: u64,
    items: Vec<Item>,
    held_bytes: usize,
}

/// An output item.
#[derive(Debug)]
struct Item {
    index: u64,
    /// Its JSON as it was added, or as it was done.
    json: String,
    parts: Vec<Part>,
    /// Text that is the item's own, such as a call's arguments.
    text: Option<Text>,
    open: bool,
}

/// A part of an item.
#[derive(Debug)]
struct Part {
    place: Place,
    /// The name of its events, without the last word.
    name: String,
    /// Its JSON as it was added, or as it was done.
    json: String,
    text: Option<Text>,
    open: bool,
}

/// Text in the making.
#[derive(Debug)]
struct Text {
    /// The name of its events, without the last word.
    name: String,
    escaped: String,
}

/// Where in its item a part stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Content(u64),
    Summary(u64),
}

/// The members of an event that matter here.
#[derive(Debug, Default)]
struct Event<'a> {
    kind: &'a str,
    sequence: Option<u64>,
    output_index: Option<u64>,
    place: Option<Place>,
    response: Option<Value<'a>>,
    item: Option<Value<'a>>,
    part: Option<Value<'a>>,
    delta: Option<&'a str>,
}

impl NativeStream {
    /// Takes note of an event that is passed on.
    pub fn see(&mut self, data: &[u8]) {
        // What cannot be read is not passed on either.
        let text = std::str::from_utf8(data).unwrap_or_default();
        let Ok(event) = Event::read(Value::assume(text)) else {
            return;
        };
        self.next_sequence = event.sequence.unwrap_or(self.next_sequence) + 1;
        if let Some(response) = event.response {
            self.response = response.get().to_owned();
        }
        self.held_bytes += event.delta.map_or(0, str::len);
        if self.held_bytes > MOST_HELD_BYTES {
            self.items = Vec::new();
            return;
        }
        let Some(index) = event.output_index else {
            return;
        };
        if let ("response.output_item.added", Some(item)) = (event.kind, event.item) {
            self.items.push(Item::new(index, item));
        } else if let Some(item) = self.items.iter_mut().find(|item| item.index == index) {
            item.see(&event);
        }
    }

    /// The frames that end the stream at its length: everything open is done, and the response is
    /// `incomplete`. `model` is the model's public name.
    pub fn cut_short(mut self, model: &str, usage: &TokenUsage) -> Vec<Bytes> {
        let mut frames = Vec::new();
        let items = std::mem::take(&mut self.items);
        let output: Vec<Vec<u8>> = items
            .into_iter()
            .map(|item| match item.open {
                true => self.close(&item, &mut frames),
                false => item.json.into_bytes(),
            })
            .collect();
        let mut name = Vec::new();
        json::write_text(&mut name, model);
        let response = with(
            &self.response,
            &[
                ("status", br#""incomplete""#),
                ("incomplete_details", br#"{"reason":"max_output_tokens"}"#),
                ("model", &name),
                ("output", &json::array(&output)),
                ("usage", &items::usage(usage)),
            ],
        );
        frames.push(self.event("response.incomplete", |event| {
            event.raw("response", &response)
        }));
        frames
    }

    /// Ends an item, innermost first, and gives its JSON.
    fn close(&mut self, item: &Item, frames: &mut Vec<Bytes>) -> Vec<u8> {
        let id = json::member(Value::assume(&item.json), "id")
            .map_or_else(|| "null".to_owned(), |id| id.get().to_owned());
        let in_item =
            |event: ObjectWriter| event.raw("item_id", &id).number("output_index", item.index);
        let (mut content, mut summary) = (Vec::new(), Vec::new());
        for part in &item.parts {
            let json = self.close_part(part, &in_item, frames);
            match part.place {
                Place::Content(_) => content.push(json),
                Place::Summary(_) => summary.push(json),
            }
        }
        let mut changes: Vec<(&str, Vec<u8>)> = vec![("status", br#""incomplete""#.to_vec())];
        if !content.is_empty() {
            changes.push(("content", json::array(&content)));
        }
        if !summary.is_empty() {
            changes.push(("summary", json::array(&summary)));
        }
        if let Some(text) = &item.text {
            frames.push(self.event(&text.done_event(), |event| {
                in_item(event).escaped(text.member(), &text.escaped)
            }));
            changes.push((text.member(), text.json()));
        }
        let changes: Vec<(&str, &[u8])> = changes
            .iter()
            .map(|(name, json)| (*name, json.as_slice()))
            .collect();
        let json = with(&item.json, &changes);
        frames.push(self.event("response.output_item.done", |event| {
            event.number("output_index", item.index).raw("item", &json)
        }));
        json
    }

    fn close_part(
        &mut self,
        part: &Part,
        in_item: &impl Fn(ObjectWriter) -> ObjectWriter,
        frames: &mut Vec<Bytes>,
    ) -> Vec<u8> {
        let in_part = |event: ObjectWriter| part.place.write(in_item(event));
        let json = match &part.text {
            Some(text) => with(&part.json, &[(text.member(), &text.json())]),
            None => part.json.clone().into_bytes(),
        };
        if !part.open {
            return json;
        }
        if let Some(text) = &part.text {
            frames.push(self.event(&text.done_event(), |event| {
                let event = in_part(event).escaped(text.member(), &text.escaped);
                match text.name.as_str() {
                    "response.output_text" => event.raw("logprobs", "[]"),
                    _ => event,
                }
            }));
        }
        frames.push(self.event(&format!("{}.done", part.name), |event| {
            in_part(event).raw("part", &json)
        }));
        json
    }

    /// One event with the next sequence number.
    fn event(&mut self, kind: &str, members: impl FnOnce(ObjectWriter) -> ObjectWriter) -> Bytes {
        let event = ObjectWriter::new()
            .text("type", kind)
            .number("sequence_number", self.next_sequence);
        self.next_sequence += 1;
        event_frame(kind, &members(event).finish())
    }
}

impl Item {
    fn new(index: u64, json: Value<'_>) -> Self {
        Self {
            index,
            json: json.get().to_owned(),
            parts: Vec::new(),
            text: None,
            open: true,
        }
    }

    /// An event about the item or its inside.
    fn see(&mut self, event: &Event<'_>) {
        if let ("response.output_item.done", Some(json)) = (event.kind, event.item) {
            self.json = json.get().to_owned();
            (self.parts, self.text, self.open) = (Vec::new(), None, false);
        } else if let (Some(json), Some(place)) = (event.part, event.place) {
            self.see_part(event.kind, place, json);
        } else if let (Some(delta), Some(name)) = (event.delta, event.kind.strip_suffix(".delta")) {
            let text = match event.place {
                Some(place) => self
                    .parts
                    .iter_mut()
                    .find(|part| part.place == place)
                    .map(|part| &mut part.text),
                None => Some(&mut self.text),
            };
            if let Some(text) = text {
                let text = text.get_or_insert_with(|| Text {
                    name: name.to_owned(),
                    escaped: String::new(),
                });
                text.escaped.push_str(delta);
            }
        }
    }

    fn see_part(&mut self, kind: &str, place: Place, json: Value<'_>) {
        if let Some(name) = kind.strip_suffix(".added") {
            self.parts.push(Part {
                place,
                name: name.to_owned(),
                json: json.get().to_owned(),
                text: None,
                open: true,
            });
        } else if let Some(part) = self.parts.iter_mut().find(|part| part.place == place) {
            part.json = json.get().to_owned();
            (part.text, part.open) = (None, false);
        }
    }
}

impl Text {
    fn done_event(&self) -> String {
        format!("{}.done", self.name)
    }

    /// The member that holds the text, which the events' name ends in: `text`, `refusal`,
    /// `arguments`, `input`.
    fn member(&self) -> &str {
        self.name.rsplit(['_', '.']).next().unwrap_or_default()
    }

    fn json(&self) -> Vec<u8> {
        format!("\"{}\"", self.escaped).into_bytes()
    }
}

impl Place {
    fn write(self, event: ObjectWriter) -> ObjectWriter {
        match self {
            Self::Content(index) => event.number("content_index", index),
            Self::Summary(index) => event.number("summary_index", index),
        }
    }
}

impl<'a> Event<'a> {
    fn read(event: Value<'a>) -> Result<Self, Malformed> {
        let mut read = Self::default();
        json::members(event, |key, value| {
            let number = || value.get().parse().ok();
            match key.as_ref() {
                "type" => read.kind = json::escaped(value).unwrap_or_default(),
                "sequence_number" => read.sequence = number(),
                "output_index" => read.output_index = number(),
                "content_index" => read.place = number().map(Place::Content),
                "summary_index" => read.place = number().map(Place::Summary),
                "response" => read.response = Some(value),
                "item" => read.item = Some(value),
                "part" => read.part = Some(value),
                "delta" => read.delta = json::escaped(value),
                _ => {}
            }
            Ok::<_, Malformed>(())
        })?;
        Ok(read)
    }
}

/// An object with some of its members changed, and those added that it did not have.
fn with(object: &str, changes: &[(&str, &[u8])]) -> Vec<u8> {
    let mut out = ObjectWriter::with_capacity(object.len() + 256);
    let mut missing: Vec<&(&str, &[u8])> = changes.iter().collect();
    // Of something else than an object nothing is kept.
    let _ = json::members::<Malformed>(Value::assume(object), |key, value| {
        let change = changes.iter().find(|(name, _)| *name == key);
        missing.retain(|(name, _)| *name != key);
        out.put_raw(
            &key,
            change.map_or(value.get().as_bytes(), |(_, json)| json),
        );
        Ok(())
    });
    for (name, json) in missing {
        out.put_raw(name, json);
    }
    out.finish()
}
