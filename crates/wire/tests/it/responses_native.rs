//! Responses streams that pass through, and are ended in the upstream's place.

use bytes::Bytes;
use farebox_wire::responses::NativeStream;
use farebox_wire::sse::SseReader;
use farebox_wire::usage::TokenUsage;
use serde_json::{Value, json};

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

fn response(status: &str) -> Value {
    json!({"id": "resp_1", "object": "response", "status": status, "error": null,
        "incomplete_details": null, "model": "theirs", "output": [], "usage": null,
        "temperature": 1.0})
}

/// The events that end a stream of these events.
fn cut(events: &[Value]) -> Vec<Value> {
    let mut stream = NativeStream::default();
    for (number, event) in events.iter().enumerate() {
        let mut event = event.clone();
        event["sequence_number"] = number.into();
        stream.see(event.to_string().as_bytes());
    }
    let read = |frame: &Bytes| {
        let mut reader = SseReader::new(1 << 20);
        reader.push(frame.clone());
        let read = reader.next().expect("a good frame").expect("a whole frame");
        let data = crate::json(read.data.expect("data"));
        assert_eq!(
            read.event.as_deref(),
            data["type"].as_str().map(str::as_bytes)
        );
        data
    };
    let ending: Vec<Value> = stream.cut_short("ours", &USAGE).iter().map(read).collect();
    for (number, event) in ending.iter().enumerate() {
        assert_eq!(event["sequence_number"], events.len() + number);
    }
    ending
}

fn kinds(events: &[Value]) -> Vec<&str> {
    events
        .iter()
        .filter_map(|event| event["type"].as_str())
        .collect()
}

/// An object with these members added or changed.
fn with(mut object: Value, members: Value) -> Value {
    let Value::Object(members) = members else {
        panic!("members: {members}");
    };
    for (key, value) in members {
        object[key] = value;
    }
    object
}

fn thought(status: &str) -> Value {
    json!({"id": "rs_1", "type": "reasoning", "status": status, "summary": [], "content": []})
}

fn message() -> Value {
    json!({"id": "msg_1", "type": "message", "status": "in_progress", "role": "assistant",
        "content": []})
}

fn call() -> Value {
    json!({"id": "fc_1", "type": "function_call", "status": "in_progress", "name": "f",
        "call_id": "c", "arguments": ""})
}

/// A thought that is done; a message with a part that is done and one that is open; an open call.
fn begun() -> Vec<Value> {
    let item = |kind: &str, index: u64, item: Value| {
        json!({"type": format!("response.output_item.{kind}"), "output_index": index,
            "item": item})
    };
    let part = |kind: &str, index: u64, members: Value| {
        let place = json!({"type": format!("response.{kind}"), "item_id": "msg_1",
            "output_index": 1, "content_index": index});
        with(place, members)
    };
    let (text, refusal) = (
        |text: &str| json!({"part": {"type": "output_text", "text": text}}),
        json!({"part": {"type": "refusal", "refusal": ""}}),
    );
    vec![
        json!({"type": "response.created", "response": response("queued")}),
        json!({"type": "response.in_progress", "response": response("in_progress")}),
        item("added", 0, thought("in_progress")),
        item("done", 0, thought("completed")),
        item("added", 1, message()),
        part("content_part.added", 0, text("")),
        part("output_text.delta", 0, json!({"delta": "one"})),
        part("content_part.done", 0, text("one")),
        part("content_part.added", 1, refusal),
        part("refusal.delta", 1, json!({"delta": "I \"can"})),
        part("refusal.delta", 1, json!({"delta": "not\"\n"})),
        item("added", 2, call()),
        json!({"type": "response.function_call_arguments.delta", "item_id": "fc_1",
            "output_index": 2, "delta": "{\"a\""}),
    ]
}

#[test]
fn whatever_is_open_is_done_and_the_response_is_incomplete() {
    let ending = cut(&begun());
    assert_eq!(
        kinds(&ending),
        [
            "response.refusal.done",
            "response.content_part.done",
            "response.output_item.done",
            "response.function_call_arguments.done",
            "response.output_item.done",
            "response.incomplete",
        ]
    );
    let refusal = json!({"type": "refusal", "refusal": "I \"cannot\"\n"});
    assert_eq!(ending[0]["refusal"], refusal["refusal"]);
    assert_eq!(
        (&ending[0]["item_id"], &ending[0]["content_index"]),
        (&json!("msg_1"), &json!(1))
    );
    assert_eq!(ending[1]["part"], refusal);
    assert_eq!(ending[3]["arguments"], "{\"a\"");

    let parts = json!([{"type": "output_text", "text": "one"}, refusal]);
    let message = with(message(), json!({"status": "incomplete", "content": parts}));
    let call = with(
        call(),
        json!({"status": "incomplete", "arguments": "{\"a\""}),
    );
    assert_eq!(ending[2]["item"], message);
    let expected = with(
        response("incomplete"),
        json!({
            "incomplete_details": {"reason": "max_output_tokens"},
            "model": "ours",
            "output": [thought("completed"), message, call],
            "usage": {"input_tokens": 3,
                "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
                "output_tokens": 9, "output_tokens_details": {"reasoning_tokens": 4},
                "total_tokens": 12},
        }),
    );
    assert_eq!(ending[5]["response"], expected);
}

#[test]
fn summaries_and_kinds_that_nobody_knows_end_by_their_own_names() {
    let events = [
        json!({"type": "response.created", "response": response("in_progress")}),
        json!({"type": "response.output_item.added", "output_index": 0,
            "item": {"id": "rs_1", "type": "reasoning", "summary": []}}),
        json!({"type": "response.reasoning_summary_part.added", "item_id": "rs_1",
            "output_index": 0, "summary_index": 0, "part": {"type": "summary_text", "text": ""}}),
        json!({"type": "response.reasoning_summary_text.delta", "item_id": "rs_1",
            "output_index": 0, "summary_index": 0, "delta": "Hm"}),
        json!({"type": "response.output_item.added", "output_index": 1,
            "item": {"id": "x_1", "type": "new_call"}}),
        json!({"type": "response.new_call_input.delta", "item_id": "x_1", "output_index": 1,
            "delta": "x"}),
    ];
    let ending = cut(&events);
    assert_eq!(
        kinds(&ending),
        [
            "response.reasoning_summary_text.done",
            "response.reasoning_summary_part.done",
            "response.output_item.done",
            "response.new_call_input.done",
            "response.output_item.done",
            "response.incomplete",
        ]
    );
    assert_eq!(ending[0]["summary_index"], 0);
    let output = &ending[5]["response"]["output"];
    assert_eq!(output[0]["summary"][0]["text"], "Hm");
    assert_eq!(output[1]["input"], "x");
}

#[test]
fn a_stream_that_never_said_what_it_is_still_ends() {
    for events in [
        vec![],
        vec![json!({"type": "response.output_text.delta", "output_index": 4, "delta": "x"})],
        vec![json!({"type": "response.created", "response": 7})],
    ] {
        let ending = cut(&events);
        assert_eq!(kinds(&ending), ["response.incomplete"]);
        assert_eq!(ending[0]["response"]["status"], "incomplete");
        assert_eq!(ending[0]["response"]["output"], json!([]));
    }
}
