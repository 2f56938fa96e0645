//! What the upstream receives.

use farebox_wire::request::Edits;
use farebox_wire::request::Endpoint::{self, Chat, Completions, Embeddings, Responses};
use proptest::prelude::*;

use crate::{json, parse, utf8};

const PLAIN: Edits<'_> = Edits {
    model: "up",
    include_usage: false,
    max_output_tokens: None,
};

fn encode(endpoint: Endpoint, body: &str, edits: &Edits<'_>) -> String {
    utf8(parse(endpoint, body).encode(edits))
}

#[test]
fn unknown_fields_keep_every_byte_and_their_place() {
    let body = r#"{"b\u0061d \"key":{"x" : [1.00, 1e400,"\u00e9" ]},"model":"m", "messages":[{"role":"user","z":-0}],"seed":18446744073709551616}"#;
    let expected = r#"{"bad \"key":{"x" : [1.00, 1e400,"\u00e9" ]},"model":"up","messages":[{"role":"user","z":-0}],"seed":18446744073709551616}"#;
    assert_eq!(encode(Chat, body, &PLAIN), expected);
}

#[test]
fn usage_is_asked_for_in_streams_only() {
    let edits = Edits {
        include_usage: true,
        ..PLAIN
    };
    let cases = [
        (r#""x":1"#, r#""x":1"#),
        (
            r#""stream":true"#,
            r#""stream":true,"stream_options":{"include_usage":true}"#,
        ),
        (
            r#""stream_options":null,"stream":true"#,
            r#""stream_options":{"include_usage":true},"stream":true"#,
        ),
        (
            r#""stream":true,"stream_options":{"include_usage":false,"a":[1]}"#,
            r#""stream":true,"stream_options":{"a":[1],"include_usage":true}"#,
        ),
    ];
    for (rest, expected) in cases {
        let body = format!(r#"{{"model":"m","prompt":"x",{rest}}}"#);
        let expected = format!(r#"{{"model":"up","prompt":"x",{expected}}}"#);
        assert_eq!(encode(Completions, &body, &edits), expected);
    }
    let response = encode(
        Responses,
        r#"{"model":"m","input":"x","stream":true}"#,
        &edits,
    );
    assert_eq!(
        response,
        r#"{"model":"up","input":"x","stream":true,"store":false}"#
    );
}

#[test]
fn the_output_limit_lands_in_the_field_the_caller_used() {
    let edits = Edits {
        max_output_tokens: Some(40),
        ..PLAIN
    };
    let cases = [
        (Chat, "", r#","max_tokens":40"#),
        (Chat, r#","max_tokens":100"#, r#","max_tokens":40"#),
        (
            Chat,
            r#","max_completion_tokens":100,"x":1"#,
            r#","max_completion_tokens":40,"x":1"#,
        ),
        (
            Chat,
            r#","max_completion_tokens":100,"max_tokens":20"#,
            r#","max_completion_tokens":40,"max_tokens":20"#,
        ),
        (
            Chat,
            r#","max_tokens":null,"x":1"#,
            r#","x":1,"max_tokens":40"#,
        ),
        (
            Chat,
            r#","max_tokens":null,"max_completion_tokens":50"#,
            r#","max_completion_tokens":40"#,
        ),
        (Completions, "", r#","max_tokens":40"#),
        (Embeddings, "", ""),
        (
            Responses,
            r#","store":null"#,
            r#","store":false,"max_output_tokens":40"#,
        ),
        (
            Responses,
            r#","max_output_tokens":90"#,
            r#","max_output_tokens":40,"store":false"#,
        ),
    ];
    for (endpoint, rest, expected) in cases {
        let input = match endpoint {
            Chat => r#""messages":[{"role":"user"}]"#,
            Completions => r#""prompt":"x""#,
            _ => r#""input":"x""#,
        };
        let body = format!(r#"{{"model":"m",{input}{rest}}}"#);
        let expected = format!(r#"{{"model":"up",{input}{expected}}}"#);
        assert_eq!(encode(endpoint, &body, &edits), expected);
    }
}

#[test]
fn absent_limits_are_not_invented() {
    let body = r#"{"model":"m","prompt":"x"}"#;
    assert_eq!(
        encode(Completions, body, &PLAIN),
        r#"{"model":"up","prompt":"x"}"#
    );
}

proptest! {
    #[test]
    fn any_field_survives(
        key in "[^n]{1,12}",
        value in any::<String>(),
        model in "[^\u{0}]{1,20}",
    ) {
        prop_assume!(!["model", "messages", "stream", "best_of"].contains(&key.as_str()));
        let body = serde_json::json!({
            "model": model, "messages": [{"role": "user", "content": value}], key: value,
        });
        let sent = encode(Chat, &body.to_string(), &Edits { model: &value, ..PLAIN });
        let mut expected = body;
        expected["model"] = value.into();
        prop_assert_eq!(json(sent), expected);
    }
}
