//! Responses requests for upstreams that only speak chat.

use farebox_wire::request::{ChatLimit, Edits, Endpoint, RequestError};
use farebox_wire::responses::to_chat;
use serde_json::{Value, json};

use crate::parse;

const EDITS: Edits<'_> = Edits {
    model: "up",
    include_usage: true,
    max_output_tokens: None,
    chat_limit: ChatLimit::Compatible,
};

fn translate(request: &Value) -> Result<Value, RequestError> {
    translate_with(request, &EDITS)
}

fn translate_with(request: &Value, edits: &Edits<'_>) -> Result<Value, RequestError> {
    let chat = to_chat(&parse(Endpoint::Responses, &request.to_string()), edits)?;
    Ok(crate::json(chat))
}

#[test]
fn a_plain_request_becomes_a_plain_chat() {
    let chat = translate(&json!({
        "model": "m", "instructions": "Be \"brief\".", "input": "Hi", "stream": true,
        "store": false,
        "temperature": 0.5, "top_p": 1, "seed": 7, "metadata": {"a": "b"}, "user": "u",
        "x_unknown": [1], "max_output_tokens": 30,
        "reasoning": {"effort": "low", "summary": "auto"},
        "parallel_tool_calls": false, "tool_choice": "auto", "truncation": "auto", "include": [],
    }));
    assert_eq!(
        chat.expect("translates"),
        json!({
            "model": "up",
            "messages": [
                {"role": "system", "content": "Be \"brief\"."}, {"role": "user", "content": "Hi"},
            ],
            "max_tokens": 30, "stream": true, "stream_options": {"include_usage": true},
            "reasoning_effort": "low",
            "temperature": 0.5, "top_p": 1, "seed": 7, "metadata": {"a": "b"}, "user": "u",
            "x_unknown": [1],
        })
    );
}

#[test]
fn what_admission_did_not_count_cannot_slip_through() {
    let chat = translate(&json!({
        "model": "m", "input": "Hi", "n": 50, "best_of": 9, "max_tokens": 9999,
        "max_completion_tokens": 9999, "messages": [], "web_search_options": {},
    }));
    assert_eq!(
        chat.expect("translates"),
        json!({"model": "up", "messages": [{"role": "user", "content": "Hi"}]})
    );
}

#[test]
fn the_smaller_limit_is_written_as_the_upstream_knows_it() {
    for (asked, most, written) in [
        (json!(30), Some(12), Some(12)),
        (json!(30), Some(40), Some(30)),
        (json!(30), None, Some(30)),
        (Value::Null, Some(12), Some(12)),
        (Value::Null, None, None),
    ] {
        for (chat_limit, name) in [
            (ChatLimit::Compatible, "max_tokens"),
            (ChatLimit::MaxTokens, "max_tokens"),
            (ChatLimit::MaxCompletionTokens, "max_completion_tokens"),
        ] {
            let edits = Edits {
                max_output_tokens: most,
                chat_limit,
                ..EDITS
            };
            let request = json!({"model": "m", "input": "Hi", "max_output_tokens": asked});
            let mut expected =
                json!({"model": "up", "messages": [{"role": "user", "content": "Hi"}]});
            if let Some(limit) = written {
                expected[name] = limit.into();
            }
            assert_eq!(translate_with(&request, &edits), Ok(expected));
        }
    }
}

#[test]
fn a_conversation_with_tools_keeps_its_turns() {
    let chat = translate(&json!({
        "model": "m",
        "input": [
            {"role": "developer", "content": "Rules"},
            {"type": "message", "role": "user", "content": [
                {"type": "input_text", "text": "See"},
                {"type": "input_image", "image_url": "data:image/png;base64,AA", "detail": "low"},
                {"type": "input_file", "file_data": "data:x", "filename": "a.pdf"},
            ]},
            {"type": "reasoning", "id": "rs_1", "summary": []},
            {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed",
             "content": [
                {"type": "output_text", "text": "Let me ", "annotations": []},
                {"type": "output_text", "text": "look.", "annotations": []},
            ]},
            {"type": "function_call", "id": "fc_1", "call_id": "c1", "name": "f",
             "arguments": "{}"},
            {"type": "function_call", "id": "fc_2", "call_id": "c2", "name": "g",
             "arguments": "{\"a\":1}"},
            {"type": "function_call_output", "call_id": "c1", "output": "one"},
            {"type": "function_call_output", "call_id": "c2", "output": [
                {"type": "input_text", "text": "two"}, {"type": "input_text", "text": "three"},
            ]},
            {"role": "user", "content": [{"type": "input_text", "text": "So?"}]},
            {"type": "function_call", "call_id": "c3", "name": "f", "arguments": "{}"},
        ],
        "tools": [{"type": "function", "name": "f", "description": "d", "strict": null,
                   "parameters": {"type": "object"}, "defer_loading": true}],
        "tool_choice": {"type": "function", "name": "f"},
        "parallel_tool_calls": true,
    }))
    .expect("translates");
    let call = |id: &str, name: &str, arguments: &str| {
        let function = json!({"name": name, "arguments": arguments});
        json!({"id": id, "type": "function", "function": function})
    };
    assert_eq!(
        chat["messages"],
        json!([
            {"role": "system", "content": "Rules"},
            {"role": "user", "content": [
                {"type": "text", "text": "See"},
                {"type": "image_url",
                 "image_url": {"url": "data:image/png;base64,AA", "detail": "low"}},
                {"type": "file", "file": {"file_data": "data:x", "filename": "a.pdf"}},
            ]},
            {"role": "assistant", "content": "Let me look.",
             "tool_calls": [call("c1", "f", "{}"), call("c2", "g", "{\"a\":1}")]},
            {"role": "tool", "tool_call_id": "c1", "content": "one"},
            {"role": "tool", "tool_call_id": "c2", "content": "two\nthree"},
            {"role": "user", "content": "So?"},
            {"role": "assistant", "content": null, "tool_calls": [call("c3", "f", "{}")]},
        ])
    );
    let function = json!({"name": "f", "description": "d", "parameters": {"type": "object"}});
    assert_eq!(
        chat["tools"],
        json!([{"type": "function", "function": function}])
    );
    assert_eq!(
        chat["tool_choice"],
        json!({"type": "function", "function": {"name": "f"}})
    );
    assert_eq!(chat["parallel_tool_calls"], true);
}

#[test]
fn formats_are_nested_as_chat_wants_them() {
    let schema = json!({"type": "object", "properties": {}});
    let cases = [
        (json!({"type": "text"}), Value::Null),
        (
            json!({"type": "json_object"}),
            json!({"type": "json_object"}),
        ),
        (
            json!({"type": "json_schema", "name": "n", "schema": schema, "strict": true,
                "description": null}),
            json!({"type": "json_schema",
                "json_schema": {"name": "n", "schema": schema, "strict": true}}),
        ),
    ];
    for (format, expected) in cases {
        let text = json!({"format": format, "verbosity": "low"});
        let chat =
            translate(&json!({"model": "m", "input": "x", "text": text})).expect("translates");
        assert_eq!(chat["response_format"], expected);
        assert_eq!(chat["verbosity"], "low");
    }
}

/// A field that stops the translation, as JSON, and the parameter and code it is refused with.
const REFUSED: &[(&str, &str, &str, &str)] = &[
    ("input", r#"[{"role":"user"}]"#, "input[0].content", MISSING),
    (
        "input",
        r#"[{"type":"web_search_call","id":"ws"}]"#,
        "input[0].type",
        VALUE,
    ),
    (
        "input",
        r#"[{"type":"function_call","name":"f"}]"#,
        "input[0].call_id",
        MISSING,
    ),
    (
        "input",
        r#"[{"type":"function_call_output","call_id":"c"}]"#,
        "input[0].output",
        MISSING,
    ),
    (
        "tools",
        r#"[{"type":"custom","name":"c"}]"#,
        "tools[0].type",
        VALUE,
    ),
    (
        "tools",
        r#"[{"type":"function"}]"#,
        "tools[0].name",
        MISSING,
    ),
    (
        "text",
        r#"{"format":{"type":"grammar"}}"#,
        "text.format.type",
        VALUE,
    ),
];
const MISSING: &str = "missing_required_parameter";
const VALUE: &str = "unsupported_value";
const PARAMETER: &str = "unsupported_parameter";

fn check_refusal(request: &Value, param: &str, code: &str) {
    let error = translate(request).expect_err(param);
    assert_eq!(
        (error.param.as_deref(), error.code),
        (Some(param), Some(code)),
        "{request}"
    );
}

#[test]
fn what_chat_cannot_say_is_refused() {
    for (name, sent, param, code) in REFUSED {
        let mut request = json!({"model": "m", "input": "x"});
        request[*name] = crate::json(sent);
        check_refusal(&request, param, code);
    }
    for (part, name, code) in [
        (
            json!({"type": "input_image", "file_id": "f"}),
            "file_id",
            PARAMETER,
        ),
        (
            json!({"type": "input_file", "file_url": "u"}),
            "file_url",
            PARAMETER,
        ),
        (json!({"type": "hologram"}), "type", VALUE),
    ] {
        let input = json!([{"role": "user", "content": [part]}]);
        let param = format!("input[0].content[0].{name}");
        check_refusal(&json!({"model": "m", "input": input}), &param, code);
    }
    for (choice, param, code) in [
        (json!({"type": "allowed_tools"}), "tool_choice.type", VALUE),
        (json!({"type": "function"}), "tool_choice.name", MISSING),
        (json!(3), "tool_choice", "invalid_type"),
    ] {
        let tools = json!([{"type": "function", "name": "f"}]);
        let request = json!({"model": "m", "input": "x", "tools": tools, "tool_choice": choice});
        check_refusal(&request, param, code);
    }
}
