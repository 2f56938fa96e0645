//! Every refusal, in OpenAI's words.

use farebox_wire::request::Endpoint::{self, Chat, Completions, Embeddings, Responses};
use farebox_wire::request::{ModelRequest, RequestError};

fn refusal(endpoint: Endpoint, body: &str) -> RequestError {
    match ModelRequest::parse(endpoint, body.as_bytes()) {
        Ok(_) => panic!("accepted: {body}"),
        Err(error) => error,
    }
}

const MISSING: &str = "missing_required_parameter";
const BELOW: &str = "integer_below_min_value";
const ABOVE: &str = "integer_above_max_value";
const PARAMETER: &str = "unsupported_parameter";
const VALUE: &str = "unsupported_value";

/// Bodies with what is wrong in them: parameter, code, and how the message begins.
fn check(endpoint: Endpoint, cases: &[(&str, &str, &str, &str)]) {
    for (body, param, code, message) in cases {
        let error = refusal(endpoint, body);
        let param = Some(*param).filter(|param| !param.is_empty());
        let code = Some(*code).filter(|code| !code.is_empty());
        assert!(
            error.message.starts_with(message),
            "{body}: {}",
            error.message
        );
        assert_eq!(
            (error.param.as_deref(), error.code),
            (param, code),
            "{body}"
        );
    }
}

#[test]
fn bodies_that_are_not_json_objects() {
    let not_json = "We could not parse the JSON body of your request.";
    for body in [
        "",
        "{",
        "hello",
        "{\"model\":\"m\",}",
        "{} {}",
        "{\"a\":1,\"a\"}",
        "{'a':1}",
    ] {
        let error = refusal(Chat, body);
        assert!(
            error.message.starts_with(not_json),
            "{body}: {}",
            error.message
        );
        assert_eq!((error.param, error.code), (None, None));
    }
    let error = ModelRequest::parse(Chat, b"{\"model\":\"\xff\"}").expect_err("not UTF-8");
    assert!(error.message.starts_with(not_json));
    let broken = r#"{"model":"m","messages":[{"\ud800":1}]}"#;
    assert!(refusal(Chat, broken).message.starts_with(not_json));
    for (body, got) in [
        ("[]", "an array"),
        ("\"x\"", "a string"),
        ("null", "null"),
        ("1", "an integer"),
    ] {
        let error = refusal(Chat, body);
        assert_eq!(
            error.message,
            format!(
                "Invalid type for the request body: expected an object, but got {got} instead."
            )
        );
    }
}

#[test]
fn every_refusal_is_a_400_of_one_type() {
    let body = refusal(Chat, r#"{"model":"m"}"#).to_body();
    assert_eq!(
        String::from_utf8(body.to_json()).expect("utf-8"),
        r#"{"error":{"message":"Missing required parameter: 'messages'.","type":"invalid_request_error","param":"messages","code":"missing_required_parameter"}}"#
    );
}

#[test]
fn models() {
    let no_model = "you must provide a model parameter";
    check(
        Chat,
        &[
            ("{}", "", "", no_model),
            (r#"{"model":null}"#, "", "", no_model),
            (r#"{"model":""}"#, "", "", no_model),
            (
                r#"{"model":7}"#,
                "model",
                "invalid_type",
                "Invalid type for 'model': expected a string, but got an integer instead.",
            ),
        ],
    );
}

#[test]
fn streaming() {
    let wrong = "Invalid type for 'stream': expected a boolean, but got a string instead.";
    let off = "The 'stream_options' parameter is only allowed when 'stream' is enabled.";
    let usage = "Invalid type for 'stream_options.include_usage': expected a boolean, but got an \
                 integer instead.";
    let options =
        "Invalid type for 'stream_options': expected an object, but got a boolean instead.";
    check(
        Completions,
        &[
            (
                r#"{"model":"m","stream":"true"}"#,
                "stream",
                "invalid_type",
                wrong,
            ),
            (
                r#"{"model":"m","stream_options":{}}"#,
                "stream_options",
                "",
                off,
            ),
            (
                r#"{"model":"m","stream":false,"stream_options":{}}"#,
                "stream_options",
                "",
                off,
            ),
            (
                r#"{"model":"m","stream":true,"stream_options":{"include_usage":1}}"#,
                "stream_options.include_usage",
                "invalid_type",
                usage,
            ),
            (
                r#"{"model":"m","stream":true,"stream_options":true}"#,
                "stream_options",
                "invalid_type",
                options,
            ),
        ],
    );
}

const MESSAGES: &[(&str, &str, &str, &str)] = &[
    (
        r#""hi""#,
        "messages",
        "invalid_type",
        "Invalid type for 'messages': expected an array of objects, but got a string instead.",
    ),
    (
        "null",
        "messages",
        "invalid_type",
        "Invalid type for 'messages': expected an array of objects, but got null instead.",
    ),
    (
        "[]",
        "messages",
        "empty_array",
        "Invalid 'messages': empty array. Expected an array with minimum length 1, but got an \
         empty array instead.",
    ),
    (
        r#"[{"role":"user"},"hi"]"#,
        "messages[1]",
        "invalid_type",
        "Invalid type for 'messages[1]': expected an object, but got a string instead.",
    ),
    (
        r#"[{"content":"hi"}]"#,
        "messages[0].role",
        MISSING,
        "Missing required parameter: 'messages[0].role'.",
    ),
    (
        r#"[{"role":1}]"#,
        "messages[0].role",
        "invalid_type",
        "Invalid type for 'messages[0].role': expected a string, but got an integer instead.",
    ),
    (
        r#"[{"role":"user","content":{}}]"#,
        "messages[0].content",
        "invalid_type",
        "Invalid type for 'messages[0].content': expected one of a string or array of objects, \
         but got an object instead.",
    ),
    (
        r#"[{"role":"user","content":[{"text":"a"}]}]"#,
        "messages[0].content[0].type",
        MISSING,
        "Missing required parameter: 'messages[0].content[0].type'.",
    ),
    (
        r#"[{"role":"user","content":[{"type":null}]}]"#,
        "messages[0].content[0].type",
        "invalid_type",
        "Invalid type for 'messages[0].content[0].type': expected a string, but got null",
    ),
    (
        r#"[{"role":"user","content":[1]}]"#,
        "messages[0].content[0]",
        "invalid_type",
        "Invalid type for 'messages[0].content[0]': expected an object, but got an integer",
    ),
];

#[test]
fn messages() {
    let of = |messages: &str| format!(r#"{{"model":"m","messages":{messages}}}"#);
    for (messages, param, code, message) in MESSAGES {
        check(Chat, &[(&of(messages), param, code, message)]);
    }
}

const NUMBERS: &[(&str, &str, &str, &str)] = &[
    (
        "n",
        "0",
        BELOW,
        "Invalid 'n': integer below minimum value. Expected a value >= 1, but got 0 instead.",
    ),
    (
        "n",
        "-3",
        BELOW,
        "Invalid 'n': integer below minimum value. Expected a value >= 1, but got -3 instead.",
    ),
    (
        "n",
        "129",
        ABOVE,
        "Invalid 'n': integer above maximum value. Expected a value <= 128, but got 129 instead.",
    ),
    (
        "n",
        "1.5",
        "invalid_type",
        "Invalid type for 'n': expected an integer, but got a decimal number instead.",
    ),
    (
        "n",
        "1e2",
        "invalid_type",
        "Invalid type for 'n': expected an integer, but got a decimal number instead.",
    ),
    (
        "n",
        "\"2\"",
        "invalid_type",
        "Invalid type for 'n': expected an integer, but got a string instead.",
    ),
    (
        "max_tokens",
        "0",
        BELOW,
        "Invalid 'max_tokens': integer below minimum value.",
    ),
    (
        "max_tokens",
        "true",
        "invalid_type",
        "Invalid type for 'max_tokens': expected an integer, but got a boolean",
    ),
    (
        "max_completion_tokens",
        "-1",
        BELOW,
        "Invalid 'max_completion_tokens': integer below",
    ),
    (
        "max_tokens",
        "99999999999999999999999",
        ABOVE,
        "Invalid 'max_tokens': integer above maximum value.",
    ),
    (
        "max_tokens",
        "-99999999999999999999999",
        BELOW,
        "Invalid 'max_tokens': integer below minimum value.",
    ),
];

#[test]
fn numbers() {
    for (param, value, code, message) in NUMBERS {
        let body = format!(r#"{{"model":"m","messages":[{{"role":"user"}}],"{param}":{value}}}"#);
        check(Chat, &[(&body, param, code, message)]);
    }
}

#[test]
fn prompts() {
    check(
        Completions,
        &[
            (
                r#"{"model":"m"}"#,
                "prompt",
                MISSING,
                "Missing required parameter: 'prompt'.",
            ),
            (
                r#"{"model":"m","prompt":[]}"#,
                "prompt",
                "empty_array",
                "Invalid 'prompt': empty array.",
            ),
            (
                r#"{"model":"m","prompt":[[]]}"#,
                "prompt[0]",
                "empty_array",
                "Invalid 'prompt[0]': empty",
            ),
            (
                r#"{"model":"m","prompt":{}}"#,
                "prompt",
                "invalid_type",
                "Invalid type for 'prompt': expected one of a string or array of strings or token ids, \
             but got an object instead.",
            ),
            (
                r#"{"model":"m","prompt":[1,null]}"#,
                "prompt[1]",
                "invalid_type",
                "Invalid type for 'prompt[1]'",
            ),
            (
                r#"{"model":"m","prompt":[[1,"a"]]}"#,
                "prompt[0][1]",
                "invalid_type",
                "Invalid type for",
            ),
            (
                r#"{"model":"m","prompt":"x","best_of":0}"#,
                "best_of",
                "integer_below_min_value",
                "Invalid",
            ),
        ],
    );
}

#[test]
fn texts_to_embed() {
    check(
        Embeddings,
        &[
            (
                r#"{"model":"m"}"#,
                "input",
                MISSING,
                "Missing required parameter: 'input'.",
            ),
            (
                r#"{"model":"m","input":null}"#,
                "input",
                "invalid_type",
                "Invalid type for 'input'",
            ),
            (
                r#"{"model":"m","input":""}"#,
                "input",
                "empty_string",
                "Invalid 'input': empty string.",
            ),
            (
                r#"{"model":"m","input":["a",""]}"#,
                "input[1]",
                "empty_string",
                "Invalid 'input[1]': empty",
            ),
            (
                r#"{"model":"m","input":[]}"#,
                "input",
                "empty_array",
                "Invalid 'input': empty array.",
            ),
            (
                r#"{"model":"m","input":[1.5]}"#,
                "input[0]",
                "invalid_type",
                "Invalid type for 'input[0]'",
            ),
        ],
    );
    let full = format!(r#"{{"model":"m","input":["a"{}]}}"#, r#","a""#.repeat(2047));
    assert!(ModelRequest::parse(Embeddings, full.as_bytes()).is_ok());
    let over = format!(r#"{{"model":"m","input":["a"{}]}}"#, r#","a""#.repeat(2048));
    check(
        Embeddings,
        &[(
            &over,
            "input",
            "array_above_max_length",
            "Invalid 'input': array too long. Expected an array with maximum length 2048, but got an \
         array with length 2049 instead.",
        )],
    );
}

const RESPONSES: &[(&str, &str, &str)] = &[
    (
        r#""previous_response_id":"resp_1""#,
        "previous_response_id",
        PARAMETER,
    ),
    (
        r#""conversation":{"id":"conv_1"}"#,
        "conversation",
        PARAMETER,
    ),
    (r#""prompt":{"id":"pmpt_1"}"#, "prompt", PARAMETER),
    (r#""background":true"#, "background", VALUE),
    (r#""store":true"#, "store", VALUE),
    (r#""store":1"#, "store", "invalid_type"),
    (
        r#""tools":[{"type":"function","name":"f"},{"type":"web_search"}]"#,
        "tools[1].type",
        VALUE,
    ),
    (
        r#""tools":[{"type":"function","type":"mcp"}]"#,
        "tools[0].type",
        VALUE,
    ),
    (r#""tools":[{"name":"f"}]"#, "tools[0].type", MISSING),
    (r#""tools":"f""#, "tools", "invalid_type"),
    (r#""instructions":[]"#, "instructions", "invalid_type"),
    (
        r#""max_output_tokens":0"#,
        "max_output_tokens",
        "integer_below_min_value",
    ),
    (r#""input":[]"#, "input", "empty_array"),
    (r#""input":7"#, "input", "invalid_type"),
    (r#""input":["x"]"#, "input[0]", "invalid_type"),
    (
        r#""input":[{"type":"message","content":"x"}]"#,
        "input[0].role",
        MISSING,
    ),
    (r#""input":[{"content":"x"}]"#, "input[0].type", MISSING),
    (
        r#""input":[{"type":"item_reference","id":"msg_1"}]"#,
        "input[0].type",
        VALUE,
    ),
    (
        r#""input":[{"role":"user","content":[{}]}]"#,
        "input[0].content[0].type",
        MISSING,
    ),
];

#[test]
fn responses() {
    let of = |rest: &str| format!(r#"{{"model":"m","input":"x",{rest}}}"#);
    for (rest, param, code) in RESPONSES {
        check(Responses, &[(&of(rest), param, code, "")]);
    }
    let kept = refusal(Responses, &of(r#""previous_response_id":"resp_1""#));
    assert_eq!(
        kept.message,
        "Unsupported parameter: 'previous_response_id'. Farebox keeps no responses: send the earlier \
         turns in 'input' instead."
    );
    check(
        Responses,
        &[(
            r#"{"model":"m"}"#,
            "input",
            MISSING,
            "Missing required parameter: 'input'.",
        )],
    );
    let allowed = of(r#""background":false,"store":false,"previous_response_id":null,"tools":[]"#);
    assert!(ModelRequest::parse(Responses, allowed.as_bytes()).is_ok());
}
