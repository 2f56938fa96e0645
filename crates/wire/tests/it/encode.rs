//! What the upstream receives.

use farebox_wire::request::Endpoint::{self, Chat, Completions, Embeddings, Responses};
use farebox_wire::request::{ChatLimit, Edits};
use proptest::prelude::*;

use crate::{json, parse, utf8};

const PLAIN: Edits<'_> = Edits {
    model: "up",
    include_usage: false,
    max_output_tokens: None,
    chat_limit: ChatLimit::Compatible,
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

/// A request's endpoint and its limit as sent; what is written under a limit of 40, and under none.
const LIMITS: &[(Endpoint, &str, &str, &str)] = &[
    (Chat, "", r#","max_tokens":40"#, ""),
    (
        Chat,
        r#","max_tokens":100,"x":1"#,
        r#","max_tokens":40,"x":1"#,
        r#","max_tokens":100,"x":1"#,
    ),
    (
        Chat,
        r#","max_tokens":20"#,
        r#","max_tokens":20"#,
        r#","max_tokens":20"#,
    ),
    // Where the server knows only the older name, the newer one alone would be no limit at all.
    (
        Chat,
        r#","max_completion_tokens":100,"x":1"#,
        r#","max_completion_tokens":40,"max_tokens":40,"x":1"#,
        r#","max_completion_tokens":100,"max_tokens":100,"x":1"#,
    ),
    (
        Chat,
        r#","max_tokens":200,"x":1,"max_completion_tokens":20"#,
        r#","max_completion_tokens":20,"max_tokens":20,"x":1"#,
        r#","max_completion_tokens":20,"max_tokens":20,"x":1"#,
    ),
    (
        Chat,
        r#","max_tokens":null,"x":1"#,
        r#","x":1,"max_tokens":40"#,
        r#","x":1"#,
    ),
    (
        Chat,
        r#","max_tokens":50,"n_predict":5000"#,
        r#","max_tokens":40"#,
        r#","max_tokens":50"#,
    ),
    (
        Chat,
        r#","n_predict":50,"x":1"#,
        r#","max_tokens":40,"x":1"#,
        r#","max_tokens":50,"x":1"#,
    ),
    (Completions, "", r#","max_tokens":40"#, ""),
    (
        Completions,
        r#","n_predict":9"#,
        r#","max_tokens":9"#,
        r#","max_tokens":9"#,
    ),
    (Embeddings, "", "", ""),
    (
        Responses,
        r#","store":null"#,
        r#","store":false,"max_output_tokens":40"#,
        r#","store":false"#,
    ),
    (
        Responses,
        r#","max_output_tokens":90"#,
        r#","max_output_tokens":40,"store":false"#,
        r#","max_output_tokens":90,"store":false"#,
    ),
];

#[test]
fn the_output_limit_lands_where_the_callers_stood() {
    for (endpoint, rest, limited, unlimited) in LIMITS {
        let input = match endpoint {
            Chat => r#""messages":[{"role":"user"}]"#,
            Completions => r#""prompt":"x""#,
            _ => r#""input":"x""#,
        };
        let body = format!(r#"{{"model":"m",{input}{rest}}}"#);
        for (max_output_tokens, expected) in [(Some(40), limited), (None, unlimited)] {
            let edits = Edits {
                max_output_tokens,
                ..PLAIN
            };
            let expected = format!(r#"{{"model":"up",{input}{expected}}}"#);
            assert_eq!(encode(*endpoint, &body, &edits), expected);
        }
    }
}

#[test]
fn an_upstream_with_one_name_for_the_limit_gets_that_name() {
    for limit in [
        r#""max_tokens":7"#,
        r#""max_completion_tokens":7"#,
        r#""max_completion_tokens":7,"max_tokens":9"#,
        r#""n_predict":7"#,
    ] {
        for (chat_limit, name) in [
            (ChatLimit::MaxTokens, "max_tokens"),
            (ChatLimit::MaxCompletionTokens, "max_completion_tokens"),
        ] {
            let body = format!(r#"{{"model":"m",{limit},"messages":[{{"role":"user"}}]}}"#);
            let sent = encode(
                Chat,
                &body,
                &Edits {
                    chat_limit,
                    ..PLAIN
                },
            );
            let expected = format!(r#"{{"model":"up","{name}":7,"messages":[{{"role":"user"}}]}}"#);
            assert_eq!(sent, expected);
        }
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
