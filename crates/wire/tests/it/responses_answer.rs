//! Chat answers as responses.

use farebox_wire::answer::NotAnAnswer;
use farebox_wire::request::Endpoint;
use farebox_wire::responses::{ResponseMeta, from_chat};
use serde_json::{Value, json};

use crate::parse;

fn meta(request: &Value) -> ResponseMeta {
    let request = parse(Endpoint::Responses, &request.to_string());
    ResponseMeta::new("resp_0a1b", 1_700_000_000, &request)
}

fn answer(choice: &Value) -> Value {
    let body = json!({"model": "up", "choices": [choice], "usage": {
        "prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15,
        "prompt_tokens_details": {"cached_tokens": 4},
        "completion_tokens_details": {"reasoning_tokens": 2},
    }});
    let meta = meta(&json!({"model": "m", "input": "x"}));
    crate::json(from_chat(body.to_string().as_bytes(), &meta).expect("an answer"))
}

#[test]
fn a_response_has_every_field_of_openais_type() {
    let choice = json!({"index": 0, "finish_reason": "stop", "message":
        {"role": "assistant", "content": "Hé \"you\"", "refusal": null}});
    let expected = json!({
        "id": "resp_0a1b", "object": "response", "created_at": 1_700_000_000, "status": "completed",
        "background": false, "completed_at": null, "error": null, "incomplete_details": null,
        "instructions": null, "max_output_tokens": null, "max_tool_calls": null, "metadata": {},
        "parallel_tool_calls": true, "prompt_cache_key": null,
        "reasoning": {"effort": null, "summary": null}, "safety_identifier": null,
        "service_tier": "default", "temperature": 1.0, "text": {"format": {"type": "text"}},
        "tool_choice": "auto", "tools": [], "top_p": 1.0, "truncation": "disabled", "user": null,
        "model": "m",
        "output": [{
            "id": "msg_0a1b00", "type": "message", "status": "completed", "role": "assistant",
            "content": [
                {"type": "output_text", "annotations": [], "logprobs": [], "text": "Hé \"you\""},
            ],
        }],
        "previous_response_id": null, "store": false, "top_logprobs": 0,
        "usage": {
            "input_tokens": 10,
            "input_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 0},
            "output_tokens": 5, "output_tokens_details": {"reasoning_tokens": 2},
            "total_tokens": 15,
        },
    });
    assert_eq!(answer(&choice), expected);
}

#[test]
fn the_request_is_echoed() {
    let request = json!({"model": "m", "input": "x", "instructions": "I", "max_output_tokens": 9,
        "metadata": {"a": "b"}, "temperature": 0.25, "tools": [{"type": "function", "name": "f"}],
        "tool_choice": "none", "text": null, "user": "u"});
    let body = json!({"choices": [{"message": {"content": "x"}}]}).to_string();
    let response = crate::json(from_chat(body.as_bytes(), &meta(&request)).expect("an answer"));
    for name in [
        "instructions",
        "max_output_tokens",
        "metadata",
        "temperature",
        "tools",
        "tool_choice",
        "user",
    ] {
        assert_eq!(response[name], request[name], "{name}");
    }
    assert_eq!(response["text"], json!({"format": {"type": "text"}}));
    assert_eq!(response["usage"], Value::Null);
}

#[test]
fn endings_become_statuses() {
    let cases = [
        ("stop", "completed", Value::Null, "completed"),
        ("tool_calls", "completed", Value::Null, "completed"),
        (
            "length",
            "incomplete",
            json!({"reason": "max_output_tokens"}),
            "incomplete",
        ),
        (
            "content_filter",
            "incomplete",
            json!({"reason": "content_filter"}),
            "incomplete",
        ),
    ];
    for (finish_reason, status, details, item_status) in cases {
        let choice = json!({"finish_reason": finish_reason, "message":
            {"reasoning_content": "hm", "content": "x"}});
        let response = answer(&choice);
        assert_eq!(response["status"], status);
        assert_eq!(response["incomplete_details"], details);
        assert_eq!(response["output"][0]["status"], "completed");
        assert_eq!(response["output"][1]["status"], item_status);
    }
}

#[test]
fn reasoning_refusals_and_calls_become_items() {
    let output = answer(&json!({"finish_reason": "tool_calls", "message": {
        "reasoning": "hm", "content": null, "refusal": "No.",
        "tool_calls": [
            {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{\"a\":1}"}},
            {"type": "function", "function": {"name": "g", "arguments": ""}},
        ],
    }}))["output"]
        .take();
    assert_eq!(
        output,
        json!([
            {"id": "rs_0a1b00", "type": "reasoning", "status": "completed", "summary": [],
             "content": [{"type": "reasoning_text", "text": "hm"}]},
            {"id": "msg_0a1b01", "type": "message", "status": "completed", "role": "assistant",
             "content": [{"type": "refusal", "refusal": "No."}]},
            {"id": "fc_0a1b02", "type": "function_call", "status": "completed",
             "arguments": "{\"a\":1}", "call_id": "c1", "name": "f"},
            {"id": "fc_0a1b03", "type": "function_call", "status": "completed",
             "arguments": "", "call_id": "call_0a1b03", "name": "g"},
        ])
    );
}

#[test]
fn an_empty_answer_is_an_empty_message() {
    let output =
        answer(&json!({"finish_reason": "stop", "message": {"content": ""}}))["output"].take();
    assert_eq!(output[0]["content"][0]["text"], "");
}

#[test]
fn what_is_no_chat_answer_is_refused() {
    let meta = meta(&json!({"model": "m", "input": "x"}));
    let refusal = |body: &str| from_chat(body.as_bytes(), &meta).expect_err(body);
    assert_eq!(refusal("<html>"), NotAnAnswer::NotAnObject);
    assert_eq!(refusal(r#"{"choices":[]}"#), NotAnAnswer::Lacks("choices"));
    assert_eq!(
        refusal(r#"{"error":{"message":"m"}}"#),
        NotAnAnswer::Lacks("choices")
    );
}
