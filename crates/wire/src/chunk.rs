//! One chunk of a stream: what it says for metering, and how it leaves for the caller.
//!
//! These run for every chunk, so they read what is needed in one pass per level and hand the same
//! bytes back wherever nothing changes.

use std::borrow::Cow;
use std::ops::Range;

use memchr::memmem;

use crate::error::ErrorBody;
use crate::finish;
use crate::json::{self, Kind, Malformed, Value};
use crate::produced::{self, Produced};
use crate::request::Endpoint;
use crate::usage::TokenUsage;

/// What metering needs to know of one chunk.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ChunkFacts {
    /// Usage of the whole request so far, if the chunk carries it believably.
    pub usage: Option<TokenUsage>,
    /// Whether the chunk is there for its usage alone, as `include_usage` asks for. A caller who
    /// did not ask must not see it.
    pub usage_only: bool,
    /// Choices that got something new: text, reasoning, a refusal, part of a tool call.
    pub deltas: u64,
    /// UTF-8 bytes of the new text.
    pub text_bytes: u64,
    /// Whether a choice, or the response, ended with this chunk.
    pub finished: bool,
    /// Why the model stopped, if a choice or the response ended.
    pub finish_reason: Option<&'static str>,
    /// The upstream's error, if this chunk is one.
    pub error: Option<ErrorBody>,
    /// Whether the data is not a JSON object; then nothing else is known of it.
    pub malformed: bool,
}

/// Reads the facts of one chunk's data, `[DONE]` excepted.
pub fn read_chunk(endpoint: Endpoint, data: &[u8]) -> ChunkFacts {
    let Ok(text) = std::str::from_utf8(data) else {
        return malformed();
    };
    let read = match endpoint {
        Endpoint::Responses => read_event(text),
        _ => read_choices(endpoint, text),
    };
    read.unwrap_or_else(|Malformed| malformed())
}

/// Indexes of the choices that end in this chunk of chat or completions.
pub fn ended_choices(data: &[u8]) -> Vec<u64> {
    let text = std::str::from_utf8(data).unwrap_or_default();
    let mut ended = Vec::new();
    let Some(choices) = json::member(Value::assume(text), "choices") else {
        return ended;
    };
    // Whoever asks has read the chunk before: what is malformed ends nothing.
    let _ = json::items::<Malformed>(choices, |_, choice| {
        let reason = json::member(choice, "finish_reason");
        if reason.is_some_and(|reason| Kind::of(reason) == Kind::Text) {
            let index = json::member(choice, "index").and_then(|index| index.get().parse().ok());
            // Servers that generate one choice only may leave its number out.
            ended.push(index.unwrap_or(0));
        }
        Ok(())
    });
    ended
}

/// The chunk with `model` naming the public model, every other byte unchanged.
///
/// For Responses events that is the model inside `response`. If there is none, or it already has
/// the public name, or the data's top level is no JSON object, the same bytes come back.
pub fn rewrite_model<'a>(endpoint: Endpoint, data: &'a [u8], public_model: &str) -> Cow<'a, [u8]> {
    if memmem::find(data, b"\"model\"").is_none() {
        return Cow::Borrowed(data);
    }
    let Ok(text) = std::str::from_utf8(data) else {
        return Cow::Borrowed(data);
    };
    let mut spans = Vec::new();
    let found = json::members::<Malformed>(Value::assume(text), |key, value| {
        if key == "model" {
            spans.extend(stale_name(text, value, public_model));
        } else if endpoint == Endpoint::Responses
            && key == "response"
            && Kind::of(value) == Kind::Object
        {
            json::members::<Malformed>(value, |key, value| {
                if key == "model" {
                    spans.extend(stale_name(text, value, public_model));
                }
                Ok(())
            })?;
        }
        Ok(())
    });
    if found.is_err() || spans.is_empty() {
        return Cow::Borrowed(data);
    }
    let mut out = Vec::with_capacity(data.len() + public_model.len() + 2);
    let mut copied = 0;
    for span in spans {
        out.extend_from_slice(&data[copied..span.start]);
        json::write_text(&mut out, public_model);
        copied = span.end;
    }
    out.extend_from_slice(&data[copied..]);
    Cow::Owned(out)
}

/// The chunk without a top-level `"usage": null`, which upstreams put into every chunk once usage
/// was asked for. Callers who did not ask get their chunks as if nobody had.
pub fn strip_null_usage(data: &[u8]) -> Cow<'_, [u8]> {
    if memmem::find(data, b"\"usage\"").is_none() {
        return Cow::Borrowed(data);
    }
    let Ok(text) = std::str::from_utf8(data) else {
        return Cow::Borrowed(data);
    };
    let mut span = None;
    let found = json::members::<Malformed>(Value::assume(text), |key, value| {
        if let Cow::Borrowed(key @ "usage") = key
            && json::is_null(value)
        {
            let start = json::offset_in(text, key) - 1;
            span = Some(start..json::offset_in(text, value.get()) + value.get().len());
        }
        Ok(())
    });
    match span {
        Some(span) if found.is_ok() => Cow::Owned(without_member(data, span)),
        _ => Cow::Borrowed(data),
    }
}

fn malformed() -> ChunkFacts {
    ChunkFacts {
        malformed: true,
        ..ChunkFacts::default()
    }
}

fn read_choices(endpoint: Endpoint, text: &str) -> Result<ChunkFacts, Malformed> {
    let mut facts = ChunkFacts::default();
    let mut choices = 0_u64;
    let mut has_usage = false;
    json::members(Value::check(text)?, |key, value| {
        match key.as_ref() {
            "choices" if Kind::of(value) == Kind::Array => {
                json::items(value, |_, choice| {
                    choices += 1;
                    read_choice(choice, &mut facts)
                })?;
            }
            "usage" if !json::is_null(value) => {
                has_usage = true;
                facts.usage = TokenUsage::parse(endpoint, value.get().as_bytes());
            }
            "error" if !json::is_null(value) => facts.error = ErrorBody::parse(text.as_bytes()),
            _ => {}
        }
        Ok::<_, Malformed>(())
    })?;
    facts.usage_only = choices == 0 && has_usage;
    Ok(facts)
}

fn read_choice(choice: Value<'_>, facts: &mut ChunkFacts) -> Result<(), Malformed> {
    if Kind::of(choice) != Kind::Object {
        return Ok(());
    }
    let mut new = Produced::default();
    json::members(choice, |key, value| {
        match key.as_ref() {
            "delta" => new = produced::in_message(value)?,
            "text" => {
                let text_bytes = produced::text_len(value);
                new = Produced {
                    text_bytes,
                    any: text_bytes > 0,
                };
            }
            "finish_reason" => {
                let reason = finish::reason(value);
                facts.finished |= reason.is_some();
                facts.finish_reason = facts.finish_reason.or(reason);
            }
            _ => {}
        }
        Ok::<_, Malformed>(())
    })?;
    facts.deltas += u64::from(new.any);
    facts.text_bytes += new.text_bytes;
    Ok(())
}

/// One event of a Responses stream. Its `type` may stand behind what it describes.
fn read_event(text: &str) -> Result<ChunkFacts, Malformed> {
    let mut facts = ChunkFacts::default();
    let mut kind = "";
    let mut delta = None;
    let mut response = None;
    json::members(Value::check(text)?, |key, value| {
        match key.as_ref() {
            "type" => kind = json::escaped(value).unwrap_or_default(),
            "delta" => delta = Some(value),
            "response" => response = Some(value),
            _ => {}
        }
        Ok::<_, Malformed>(())
    })?;
    match kind {
        "response.completed" | "response.incomplete" | "response.failed" => {
            facts.finished = true;
            facts.finish_reason = (kind == "response.completed").then_some("stop");
            if let Some(response) = response {
                read_ending(response, &mut facts)?;
            }
        }
        // Farebox's own envelope and others' arrive without a type.
        "error" | "" => facts.error = event_error(text),
        _ if kind.ends_with(".delta") => {
            if let Some(delta) = delta {
                let is_sound = kind == "response.audio.delta";
                facts.text_bytes = if is_sound {
                    0
                } else {
                    produced::text_len(delta)
                };
                facts.deltas = u64::from(!matches!(json::escaped(delta), Some("")));
            }
        }
        _ => {}
    }
    Ok(facts)
}

fn read_ending(response: Value<'_>, facts: &mut ChunkFacts) -> Result<(), Malformed> {
    if Kind::of(response) != Kind::Object {
        return Ok(());
    }
    json::members(response, |key, value| {
        match key.as_ref() {
            "usage" => {
                facts.usage = TokenUsage::parse(Endpoint::Responses, value.get().as_bytes());
            }
            "incomplete_details" => {
                facts.finish_reason = finish::incomplete(value)?.or(facts.finish_reason);
            }
            "error" if Kind::of(value) == Kind::Object => {
                facts.error = event_error(value.get());
            }
            _ => {}
        }
        Ok(())
    })
}

/// An `error` event, or the error of a failed response: the members stand at its top level.
fn event_error(text: &str) -> Option<ErrorBody> {
    let value = serde_json::from_str(text).ok()?;
    ErrorBody::parse(text.as_bytes()).or_else(|| {
        let error = ErrorBody::from_members(&value);
        (!error.message.is_empty() || error.code.is_some()).then_some(error)
    })
}

/// Where the model's name stands, if it is not the public one yet.
fn stale_name(text: &str, value: Value<'_>, public_model: &str) -> Option<Range<usize>> {
    let name = json::escaped(value)?;
    let start = json::offset_in(text, value.get());
    (name != public_model || name.contains('\\')).then(|| start..start + value.get().len())
}

/// Cuts the member at `span` out of an object, with the comma that joined it to its neighbours.
fn without_member(data: &[u8], span: Range<usize>) -> Vec<u8> {
    let before = data[..span.start].trim_ascii_end();
    let after = &data[span.end..];
    let (before, after) = match before.strip_suffix(b",") {
        Some(shorter) => (shorter, after),
        None => {
            let rest = after.trim_ascii_start();
            (
                before,
                rest.strip_prefix(b",")
                    .map_or(after, <[u8]>::trim_ascii_start),
            )
        }
    };
    [before, after].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn chat(data: &str) -> ChunkFacts {
        read_chunk(Endpoint::Chat, data.as_bytes())
    }

    #[test]
    fn deltas_are_counted_per_choice() {
        let cases = [
            (
                r#"{"choices":[{"delta":{"role":"assistant","content":""}}]}"#,
                (0, 0, false),
            ),
            (
                r#"{"choices":[{"delta":{"content":"h\u00e9"},"finish_reason":null}]}"#,
                (1, 3, false),
            ),
            (
                r#"{"choices":[{"delta":{"content":"a"}},{"delta":{"refusal":"b"}}]}"#,
                (2, 2, false),
            ),
            (
                r#"{"choices":[{"delta":{"reasoning":"ab","reasoning_content":"ab"}}]}"#,
                (1, 2, false),
            ),
            (
                r#"{"choices":[{"delta":{"tool_calls":[{"index":0,"function":{"arguments":""}}]}}]}"#,
                (1, 0, false),
            ),
            (
                r#"{"choices":[{"delta":{},"finish_reason":"stop"}],"usage":null}"#,
                (0, 0, true),
            ),
            (
                r#"{"choices":[{"text":"abc","finish_reason":"length"}]}"#,
                (1, 3, true),
            ),
            (r#"{"choices":[{"delta":null}]}"#, (0, 0, false)),
        ];
        for (data, expected) in cases {
            let facts = chat(data);
            assert_eq!(
                (facts.deltas, facts.text_bytes, facts.finished),
                expected,
                "{data}"
            );
            assert!(
                !facts.malformed && !facts.usage_only && facts.error.is_none(),
                "{data}"
            );
        }
    }

    #[test]
    fn choices_end_by_their_index() {
        let cases: [(&str, &[u64]); 5] = [
            (r#"{"choices":[{"index":0,"finish_reason":null}]}"#, &[]),
            (r#"{"choices":[{"index":3,"finish_reason":"stop"}]}"#, &[3]),
            (
                r#"{"choices":[{"index":1,"finish_reason":"length"},{"index":2},{"finish_reason":"stop"}]}"#,
                &[1, 0],
            ),
            (r#"{"choices":[]}"#, &[]),
            ("[]", &[]),
        ];
        for (data, ended) in cases {
            assert_eq!(ended_choices(data.as_bytes()), ended, "{data}");
        }
    }

    #[test]
    fn the_usage_chunk_is_told_from_the_others() {
        let usage = r#""usage":{"prompt_tokens":3,"completion_tokens":4}"#;
        let alone = chat(&format!(r#"{{"choices":[],{usage}}}"#));
        assert!(alone.usage_only && alone.usage.is_some_and(|usage| usage.output_tokens == 4));
        let beside = chat(&format!(
            r#"{{"choices":[{{"delta":{{"content":"x"}}}}],{usage}}}"#
        ));
        assert!(!beside.usage_only && beside.usage.is_some() && beside.deltas == 1);
        let void = chat(r#"{"choices":[],"usage":{"prompt_tokens":-3,"completion_tokens":4}}"#);
        assert!(void.usage_only && void.usage.is_none());
        assert!(!chat(r#"{"choices":[],"usage":null}"#).usage_only);
    }

    #[test]
    fn responses_events_are_read() {
        let read = |data: &str| read_chunk(Endpoint::Responses, data.as_bytes());
        let delta = read(r#"{"type":"response.output_text.delta","delta":"ab"}"#);
        assert_eq!((delta.deltas, delta.text_bytes), (1, 2));
        let late = read(r#"{"delta":"{}","type":"response.function_call_arguments.delta"}"#);
        assert_eq!((late.deltas, late.text_bytes), (1, 2));
        let whole = read(r#"{"type":"response.output_text.done","text":"abc"}"#);
        assert_eq!(whole, ChunkFacts::default());
        for kind in ["completed", "incomplete", "failed"] {
            let end = read(&format!(
                r#"{{"type":"response.{kind}","response":{{"error":null,"usage":{{"input_tokens":1,"output_tokens":2}}}}}}"#
            ));
            assert!(end.finished && end.error.is_none());
            assert_eq!(end.usage.map(|usage| usage.output_tokens), Some(2));
        }
        let failed = read(
            r#"{"type":"response.failed","response":{"error":{"code":"server_error","message":"m"}}}"#,
        );
        assert_eq!(failed.error.map(|error| error.message), Some("m".into()));
    }

    #[test]
    fn errors_in_a_stream_are_seen() {
        let envelope = r#"{"error":{"message":"m","type":"t","param":null,"code":"c"}}"#;
        let event = r#"{"type":"error","code":"c","message":"m","param":null,"sequence_number":3}"#;
        for (endpoint, data) in [
            (Endpoint::Chat, envelope),
            (Endpoint::Responses, envelope),
            (Endpoint::Responses, event),
        ] {
            let error = read_chunk(endpoint, data.as_bytes()).error.expect(data);
            assert_eq!(
                (error.message.as_str(), error.code.as_deref()),
                ("m", Some("c"))
            );
        }
    }

    #[test]
    fn the_model_is_renamed_where_it_stands() {
        let rename = |endpoint, data: &'static str| {
            let renamed = rewrite_model(endpoint, data.as_bytes(), "pub");
            let same = matches!(renamed, Cow::Borrowed(_));
            (
                String::from_utf8(renamed.into_owned()).expect("utf-8"),
                same,
            )
        };
        let (chat, same) = rename(Endpoint::Chat, r#"{"model": "up", "choices":[]}"#);
        assert_eq!(
            (chat.as_str(), same),
            (r#"{"model": "pub", "choices":[]}"#, false)
        );
        let (event, _) = rename(
            Endpoint::Responses,
            r#"{"type":"response.created","response":{"id":"r","model":"up","tools":[]}}"#,
        );
        assert_eq!(
            event,
            r#"{"type":"response.created","response":{"id":"r","model":"pub","tools":[]}}"#
        );
        for same in [
            r#"{"model":"pub","choices":[]}"#,
            r#"{"choices":[]}"#,
            r#"{"model":"#,
            "[]",
        ] {
            assert_eq!(rename(Endpoint::Chat, same), (same.to_owned(), true));
        }
    }

    #[test]
    fn null_usage_is_cut_out_cleanly() {
        let cases = [
            (r#"{"id":1,"usage":null}"#, r#"{"id":1}"#),
            (r#"{"usage":null,"id":1}"#, r#"{"id":1}"#),
            (r#"{"a":1 , "usage" : null , "b":2}"#, r#"{"a":1  , "b":2}"#),
            (r#"{"usage":null}"#, "{}"),
            (
                r#"{"usage":{"prompt_tokens":1}}"#,
                r#"{"usage":{"prompt_tokens":1}}"#,
            ),
            (r#"{"a":{"usage":null}}"#, r#"{"a":{"usage":null}}"#),
            (r#"{"usage":null"#, r#"{"usage":null"#),
        ];
        for (data, expected) in cases {
            assert_eq!(
                strip_null_usage(data.as_bytes()),
                expected.as_bytes(),
                "{data}"
            );
        }
    }

    #[test]
    fn what_is_no_object_is_malformed() {
        for data in ["", "[DONE]", "[]", "{", "{\"choices\":[{]}", "nul", "{} {}"] {
            for endpoint in [Endpoint::Chat, Endpoint::Completions, Endpoint::Responses] {
                assert!(read_chunk(endpoint, data.as_bytes()).malformed, "{data}");
            }
        }
        assert!(read_chunk(Endpoint::Chat, b"{\"a\":\"\xff\"}").malformed);
    }

    proptest! {
        #[test]
        fn any_bytes_are_safe(text in "[\\[\\]{}\",:a\\\\u01 ]{0,24}|\\{\"(choices|usage|model)\":.{0,20}\\}") {
            for endpoint in [Endpoint::Chat, Endpoint::Responses] {
                let _ = read_chunk(endpoint, text.as_bytes());
                let _ = rewrite_model(endpoint, text.as_bytes(), "m");
            }
            let _ = strip_null_usage(text.as_bytes());
        }
    }
}
