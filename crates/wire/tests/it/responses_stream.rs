//! Chat streams as Responses streams.

use bytes::Bytes;
use farebox_wire::chunk::read_chunk;
use farebox_wire::error::ErrorBody;
use farebox_wire::request::Endpoint;
use farebox_wire::responses::{ResponseMeta, StreamEnd, StreamTranslator};
use farebox_wire::sse::SseReader;
use farebox_wire::usage::TokenUsage;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::parse;

fn translator() -> StreamTranslator {
    let request = parse(
        Endpoint::Responses,
        r#"{"model":"m","input":"x","stream":true}"#,
    );
    StreamTranslator::new(ResponseMeta::new("resp_7f", 1_700_000_000, &request))
}

const USAGE: TokenUsage = TokenUsage {
    input_tokens: 3,
    cached_input_tokens: 0,
    cache_write_tokens: 0,
    audio_input_tokens: 0,
    image_input_tokens: 0,
    output_tokens: 9,
    reasoning_tokens: 4,
    audio_output_tokens: 0,
};

/// All frames of a stream made of these deltas.
fn run(deltas: &[Value], finish_reason: Option<&str>, end: StreamEnd) -> Vec<Bytes> {
    let mut translator = translator();
    let mut frames = translator.start();
    for delta in deltas {
        let chunk = json!({"choices": [{"index": 0, "delta": delta, "finish_reason": null}]});
        frames.extend(translator.on_chunk(chunk.to_string().as_bytes()));
    }
    let last = json!({"choices": [{"index": 0, "delta": {}, "finish_reason": finish_reason}]});
    frames.extend(translator.on_chunk(last.to_string().as_bytes()));
    frames.extend(translator.finish(Some(USAGE), end.clone()));
    assert!(
        translator.finish(None, end).is_empty(),
        "a stream ends once"
    );
    frames
}

/// Reads frames as a client would, and checks what holds for every stream.
fn events(frames: &[Bytes]) -> Vec<Value> {
    let mut reader = SseReader::new(1 << 26);
    let mut events = Vec::new();
    for frame in frames {
        reader.push(frame.clone());
        let read = reader.next().expect("a good frame").expect("a whole frame");
        let data = crate::json(read.data.expect("data"));
        assert_eq!(
            read.event.as_deref(),
            data["type"].as_str().map(str::as_bytes)
        );
        assert_eq!(data["sequence_number"], events.len());
        events.push(data);
    }
    events
}

#[test]
fn a_whole_stream_looks_like_openais() {
    let deltas = [
        json!({"role": "assistant", "content": ""}),
        json!({"reasoning_content": "Hm, "}),
        json!({"reasoning_content": "\"hi\"."}),
        json!({"content": "Hé"}),
        json!({"content": "llo\n"}),
        json!({"refusal": "No."}),
        json!({"tool_calls": [{"index": 0, "id": "c1", "type": "function",
            "function": {"name": "f", "arguments": ""}}]}),
        json!({"tool_calls": [{"index": 0, "function": {"arguments": "{\"a\":"}}]}),
        json!({"tool_calls": [{"index": 1, "id": "c2",
            "function": {"name": "g", "arguments": "{}"}}]}),
        json!({"tool_calls": [{"index": 0, "function": {"arguments": "1}"}}]}),
    ];
    let frames = run(&deltas, Some("tool_calls"), StreamEnd::Finished);
    events(&frames);
    insta::assert_snapshot!(crate::utf8(frames.concat()));
}

#[test]
fn endings_become_events() {
    let failed = StreamEnd::Failed(ErrorBody {
        message: "It broke.".into(),
        kind: "server_error".into(),
        param: None,
        code: Some("upstream_failed".into()),
    });
    let cases = [
        (
            Some("stop"),
            StreamEnd::Finished,
            "completed",
            Value::Null,
            "completed",
        ),
        (
            None,
            StreamEnd::Finished,
            "completed",
            Value::Null,
            "completed",
        ),
        (
            Some("length"),
            StreamEnd::Finished,
            "incomplete",
            json!("max_output_tokens"),
            "incomplete",
        ),
        (
            Some("content_filter"),
            StreamEnd::Finished,
            "incomplete",
            json!("content_filter"),
            "incomplete",
        ),
        (
            None,
            StreamEnd::CutShort,
            "incomplete",
            json!("max_output_tokens"),
            "incomplete",
        ),
        (None, failed, "failed", Value::Null, "incomplete"),
    ];
    for (finish_reason, end, status, reason, item_status) in cases {
        let failed = matches!(end, StreamEnd::Failed(_));
        let frames = run(&[json!({"content": "x"})], finish_reason, end);
        let last = events(&frames).pop().expect("an event");
        assert_eq!(last["type"], format!("response.{status}"));
        let response = &last["response"];
        assert_eq!(response["status"], status);
        assert_eq!(response["incomplete_details"]["reason"], reason);
        assert_eq!(response["output"][0]["status"], item_status);
        assert_eq!(response["output"][0]["content"][0]["text"], "x");
        assert_eq!(response["usage"]["total_tokens"], 12);
        let error = if failed {
            json!({"code": "server_error", "message": "It broke."})
        } else {
            Value::Null
        };
        assert_eq!(response["error"], error);

        let frame = frames.last().expect("a frame");
        let data = frame
            .splitn(2, |byte| *byte == b'\n')
            .nth(1)
            .expect("a data line");
        let facts = read_chunk(Endpoint::Responses, &data[b"data: ".len()..]);
        assert!(facts.finished && facts.usage == Some(USAGE) && facts.error.is_some() == failed);
    }
}

#[test]
fn a_stream_without_words_still_has_a_message() {
    let events = events(&run(&[], Some("stop"), StreamEnd::Finished));
    let last = events.last().expect("an event");
    assert_eq!(last["response"]["output"][0]["content"][0]["text"], "");
    let cut = run(&[], None, StreamEnd::CutShort);
    assert_eq!(cut.len(), 3);
}

#[test]
fn useless_chunks_say_nothing() {
    let mut translator = translator();
    for data in [
        "",
        "[DONE]",
        "{",
        "[]",
        "{}",
        r#"{"choices":[]}"#,
        r#"{"choices":[7,null]}"#,
        r#"{"choices":[{"index":1,"delta":{"content":"other choice"}}]}"#,
        r#"{"choices":[{"delta":{"content":5,"tool_calls":{}}}]}"#,
    ] {
        assert!(translator.on_chunk(data.as_bytes()).is_empty(), "{data}");
    }
}

#[test]
fn a_stream_too_long_to_hold_ends_incomplete() {
    let mut translator = translator();
    let text = "x".repeat(1 << 20);
    let chunk = json!({"choices": [{"delta": {"content": text}}]}).to_string();
    let mut sent = 0;
    while !translator.is_full() {
        assert!(!translator.on_chunk(chunk.as_bytes()).is_empty());
        sent += 1;
        assert!(sent < 20, "there is a bound");
    }
    assert!(translator.on_chunk(chunk.as_bytes()).is_empty());
    let frames = translator.finish(None, StreamEnd::Finished);
    let end = crate::utf8(frames.last().expect("a frame"));
    assert!(end.starts_with("event: response.incomplete\n"));
}

/// Deltas of every kind, in any order.
fn deltas() -> impl Strategy<Value = Vec<Value>> {
    let call = (0..3_u64, any::<String>()).prop_map(|(index, arguments)| {
        json!({"tool_calls": [{"index": index, "function": {"arguments": arguments}}]})
    });
    let delta = prop_oneof![
        any::<String>().prop_map(|text| json!({"content": text})),
        any::<String>().prop_map(|text| json!({"reasoning": text})),
        any::<String>().prop_map(|text| json!({"refusal": text})),
        call,
    ];
    prop::collection::vec(delta, 0..12)
}

proptest! {
    #[test]
    fn deltas_add_up_to_the_output(deltas in deltas()) {
        let events = events(&run(&deltas, Some("stop"), StreamEnd::Finished));
        let output = &events.last().expect("an event")["response"]["output"];
        let count = |kind: &str| events.iter().filter(|event| event["type"] == kind).count();
        prop_assert_eq!(count("response.output_item.added"), count("response.output_item.done"));
        prop_assert_eq!(count("response.content_part.added"), count("response.content_part.done"));
        prop_assert_eq!(output.as_array().map(Vec::len), Some(count("response.output_item.added")));
        for (kind, member) in [
            ("response.output_text", "text"),
            ("response.refusal", "refusal"),
            ("response.reasoning_text", "text"),
            ("response.function_call_arguments", "arguments"),
        ] {
            for done in events.iter().filter(|event| event["type"] == format!("{kind}.done")) {
                let place =
                    |event: &Value| (event["item_id"].clone(), event["content_index"].clone());
                let delta = format!("{kind}.delta");
                let joined: String = events
                    .iter()
                    .filter(|event| event["type"] == delta && place(event) == place(done))
                    .filter_map(|event| event["delta"].as_str())
                    .collect();
                prop_assert_eq!(done[member].as_str(), Some(joined.as_str()));
            }
        }
        for done in events.iter().filter(|event| event["type"] == "response.output_item.done") {
            let index = done["output_index"].as_u64().expect("an index") as usize;
            prop_assert_eq!(&done["item"], &output[index]);
        }
    }
}
