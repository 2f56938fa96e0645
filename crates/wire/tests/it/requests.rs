//! What a valid request says.

use farebox_wire::request::Endpoint::{self, Chat, Completions, Embeddings, Responses};
use farebox_wire::request::{Media, ModelRequest};

use crate::parse;

#[test]
fn endpoints_have_paths_and_names() {
    let named = [Chat, Completions, Responses, Embeddings].map(|e| (e.path(), e.name()));
    assert_eq!(
        named,
        [
            ("/chat/completions", "chat"),
            ("/completions", "completions"),
            ("/responses", "responses"),
            ("/embeddings", "embeddings"),
        ]
    );
}

/// What follows the model's name in a body, the output limit, the number of choices.
const LIMITS: &[(Endpoint, &str, Option<u64>, u64)] = &[
    (Chat, r#""n":null"#, None, 1),
    (Chat, r#""max_tokens":5"#, Some(5), 1),
    (
        Chat,
        r#""max_completion_tokens":7,"max_tokens":5,"n":3"#,
        Some(7),
        3,
    ),
    (
        Chat,
        r#""max_completion_tokens":null,"max_tokens":9"#,
        Some(9),
        1,
    ),
    (
        Chat,
        r#""max_tokens":9,"max_completion_tokens":2,"best_of":4"#,
        Some(2),
        4,
    ),
    (Chat, r#""max_tokens":5,"max_tokens":50"#, Some(50), 1),
    (Chat, r#""n_predict":7"#, Some(7), 1),
    (Chat, r#""n_predict":7,"max_tokens":5"#, Some(5), 1),
    (Completions, r#""prompt":"x""#, Some(16), 1),
    (Completions, r#""prompt":"x","n_predict":9"#, Some(9), 1),
    (Completions, r#""prompt":null,"max_tokens":3"#, Some(3), 1),
    (
        Completions,
        r#""prompt":["a","b","c"],"n":2,"best_of":4"#,
        Some(16),
        12,
    ),
    (Completions, r#""prompt":[1,2,3],"n":2"#, Some(16), 2),
    (Completions, r#""prompt":[[1,2],[3]]"#, Some(16), 2),
    (Responses, r#""input":"x""#, None, 1),
    (
        Responses,
        r#""input":"x","max_output_tokens":20,"n":9,"max_tokens":99"#,
        Some(20),
        1,
    ),
    (
        Embeddings,
        r#""input":["a","b"],"max_tokens":5"#,
        Some(0),
        1,
    ),
];

#[test]
fn output_limits_and_choices_are_bounded_from_above() {
    for (endpoint, rest, limit, choices) in LIMITS {
        let body = match endpoint {
            Chat => format!(r#"{{"model":"m","messages":[{{"role":"user"}}],{rest}}}"#),
            _ => format!(r#"{{"model":"m",{rest}}}"#),
        };
        let request = parse(*endpoint, &body);
        assert_eq!(
            (request.max_output_tokens, request.choices),
            (*limit, *choices),
            "{body}"
        );
        assert_eq!(request.prompt.body_bytes, body.len() as u64);
        let is_default = endpoint == &Completions && *limit == Some(16);
        let named = limit.is_some_and(|limit| limit > 0) && !is_default;
        assert_eq!(request.names_limit, named, "{body}");
    }
}

#[test]
fn streams_say_whether_usage_was_asked_for() {
    let cases = [
        ("", (false, false)),
        (r#","stream":null,"stream_options":null"#, (false, false)),
        (r#","stream":true"#, (true, false)),
        (r#","stream":true,"stream_options":{}"#, (true, false)),
        (
            r#","stream":true,"stream_options":{"include_usage":false}"#,
            (true, false),
        ),
        (
            r#","stream":true,"stream_options":{"include_usage":null}"#,
            (true, false),
        ),
        (
            r#","stream":true,"stream_options":{"include_usage":true}"#,
            (true, true),
        ),
    ];
    for (rest, expected) in cases {
        let body = format!(r#"{{"model":"m","prompt":"x"{rest}}}"#);
        let request = parse(Completions, &body);
        assert_eq!((request.stream, request.include_usage), expected, "{rest}");
    }
    let embedding = parse(Embeddings, r#"{"model":"m","input":"x","stream":true}"#);
    assert!(!embedding.stream);
}

#[test]
fn prompts_are_counted() {
    let cases = [
        (
            Chat,
            r#"{"model":"m","messages":[{"role":"user","content":"x"},{"role":"a"}]}"#,
            (2, 0),
        ),
        (Completions, r#"{"model":"m","prompt":[1,22,333]}"#, (1, 3)),
        (Completions, r#"{"model":"m","prompt":["a","b"]}"#, (2, 0)),
        (
            Embeddings,
            r#"{"model":"m","input":[[1,2],[3,4,5]]}"#,
            (2, 5),
        ),
        (
            Responses,
            r#"{"model":"m","input":"x","instructions":"y"}"#,
            (2, 0),
        ),
        (
            Responses,
            r#"{"model":"m","input":[{"role":"user","content":"x"}]}"#,
            (1, 0),
        ),
    ];
    for (endpoint, body, expected) in cases {
        let prompt = parse(endpoint, body).prompt;
        assert_eq!((prompt.messages, prompt.token_ids), expected, "{body}");
        assert!(!prompt.opaque && prompt.token_ids <= prompt.body_bytes);
    }
}

#[test]
fn content_that_nothing_bounds_is_opaque() {
    let opaque = |endpoint: Endpoint, body: String| parse(endpoint, &body).prompt.opaque;
    let chat = |part: &str| {
        let messages =
            format!(r#"[{{"role":"user","content":[{{"type":"text","text":"a"}},{part}]}}]"#);
        opaque(Chat, format!(r#"{{"model":"m","messages":{messages}}}"#))
    };
    for kind in ["text", "refusal", "output_text", "reasoning", "thinking"] {
        assert!(
            !chat(&format!(r#"{{"type":"{kind}","text":"b"}}"#)),
            "{kind}"
        );
    }
    for kind in ["video_url", "new", "te\\u0078t", "image\\u005furl"] {
        assert!(chat(&format!(r#"{{"type":"{kind}"}}"#)), "{kind}");
    }
    assert!(chat(r#"{"type":"file","file":{"file_id":"file-1"}}"#));
    assert!(
        chat(r#"{"type":"image_url","type":"text"}"#),
        "a repeated key hides nothing"
    );

    let film = r#"[{"type":"video_url"}]"#;
    for messages in [
        format!(r#"[{{"role":"user","content":{film},"content":"text"}}]"#),
        format!(r#"[{{"role":"tool","content":{film}}},{{"role":"user","content":"x"}}]"#),
        r#"[{"role":"assistant","audio":{"id":"audio_1"}}]"#.to_owned(),
    ] {
        assert!(
            opaque(Chat, format!(r#"{{"model":"m","messages":{messages}}}"#)),
            "{messages}"
        );
    }
    let searching = r#"{"model":"m","messages":[{"role":"user"}],"web_search_options":{}}"#;
    assert!(opaque(Chat, searching.into()));
    let templated = r#"{"model":"m","messages":[{"role":"user"}],"chat_template":"x"}"#;
    assert!(opaque(Chat, templated.into()));
    assert!(opaque(
        Completions,
        r#"{"model":"m","prompt":"","prompt_embeds":"AAAA"}"#.into()
    ));

    let response = |item: &str| opaque(Responses, format!(r#"{{"model":"m","input":[{item}]}}"#));
    assert!(!response(
        r#"{"role":"user","content":[{"type":"input_text","text":"a"}]}"#
    ));
    assert!(!response(
        r#"{"type":"function_call","call_id":"c","name":"f","arguments":"{}"}"#
    ));
    assert!(!response(
        r#"{"type":"reasoning","summary":[],"encrypted_content":"gAAA"}"#
    ));
    assert!(response(
        r#"{"role":"user","content":[{"type":"input_image","file_id":"f"}]}"#
    ));
    assert!(response(
        r#"{"type":"function_call_output","call_id":"c","output":[{"type":"input_file","file_id":"f"}]}"#
    ));
    assert!(response(r#"{"type":"compaction","encrypted_content":"x"}"#));
    assert!(response(r#"{"type":"computer_call_output","output":null}"#));
}

#[test]
fn media_are_counted_and_their_data_is_no_text() {
    let data = "data:image/png;base64,AAAA";
    let image = format!(r#"{{"type":"image_url","image_url":{{"url":"{data}","detail":"low"}}}}"#);
    let flat = format!(r#"{{"type":"input_image","image_url":"{data}"}}"#);
    let sound = r#"{"type":"input_audio","input_audio":{"data":"AAAA","format":"wav"}}"#;
    let far = r#"{"type":"audio_url","audio_url":{"url":"http://h/a.mp3"}}"#;
    let file = r#"{"type":"file","file":{"filename":"a.pdf","file_data":"AAAA"}}"#;
    let input_file = r#"{"type":"input_file","file_url":"http://h/a.pdf"}"#;
    let quoted = data.len() as u64 + 2;
    for (part, media) in [
        (image.as_str(), (1, 0, 0, quoted)),
        (flat.as_str(), (1, 0, 0, quoted)),
        (sound, (0, 1, 0, 6)),
        (far, (0, 1, 0, 16)),
        (file, (0, 0, 1, 6)),
        (input_file, (0, 0, 1, 16)),
        (r#"{"type":"image_url"}"#, (1, 0, 0, 0)),
        (r#"{"type":"image_url","image_url":7}"#, (1, 0, 0, 0)),
        // Of a repeated key only the last is data for sure.
        (
            r#"{"type":"input_image","image_url":"long long","image_url":"x"}"#,
            (1, 0, 0, 3),
        ),
    ] {
        let bodies = [
            (
                Chat,
                format!(r#"{{"model":"m","messages":[{{"role":"tool","content":[{part}]}}]}}"#),
            ),
            (
                Responses,
                format!(r#"{{"model":"m","input":[{{"role":"user","content":[{part}]}}]}}"#),
            ),
            (
                Responses,
                format!(
                    r#"{{"model":"m","input":[{{"type":"function_call_output","output":[{part}]}}]}}"#
                ),
            ),
        ];
        for (endpoint, body) in bodies {
            let prompt = parse(endpoint, &body).prompt;
            let (images, sounds, files, bytes) = media;
            let expected = Media {
                images,
                sounds,
                files,
                bytes,
            };
            assert_eq!(prompt.media, expected, "{body}");
            assert!(!prompt.opaque, "{body}");
        }
    }
}

#[test]
fn what_templates_write_anew_is_measured() {
    let tools = r#"[{"type":"function","function":{"name":"f"}}]"#;
    let calls = r#"[{"id":"c","function":{"name":"f","arguments":"{}"}}]"#;
    let schema = r#"{"type":"json_object"}"#;
    let chat = format!(
        r#"{{"model":"m","messages":[{{"role":"assistant","tool_calls":{calls}}}],"tools":{tools},"response_format":{schema}}}"#
    );
    let prompt = parse(Chat, &chat).prompt;
    let expected = tools.len() + calls.len() + schema.len();
    assert_eq!(prompt.rendered_bytes, expected as u64);
    assert!(prompt.offers_tools);

    let tools = r#"[{"type":"function","name":"f"}]"#;
    let response = format!(
        r#"{{"model":"m","input":[{{"type":"function_call","arguments":"{{}}"}}],"tools":{tools},"text":{{}}}}"#
    );
    let prompt = parse(Responses, &response).prompt;
    assert_eq!(prompt.rendered_bytes, (4 + tools.len() + 2) as u64);
    assert!(prompt.offers_tools);

    let plain = parse(Chat, r#"{"model":"m","messages":[{"role":"user"}]}"#).prompt;
    assert_eq!((plain.rendered_bytes, plain.offers_tools), (0, false));
}

#[test]
fn every_text_is_given_out_but_the_data_of_media() {
    let body = r#"{"model":"m","messages":[
        {"role":"user","content":[{"type":"text","text":"a\n"},
            {"type":"image_url","image_url":{"url":"data:x","detail":"low"}},
            {"type":"new","url":"kept"}]},
        {"role":"assistant","tool_calls":[{"id":"c"}]}],
        "tools":[{"type":"function"}],"documents":["d"]}"#;
    let texts = parse(Chat, body).prompt_texts();
    assert_eq!(
        texts.rendered,
        [r#"[{"id":"c"}]"#, r#"[{"type":"function"}]"#]
    );
    for text in ["user", "a\n", "low", "kept", "content", r#"["d"]"#] {
        assert!(texts.plain.iter().any(|it| it == text), "{text}: {texts:?}");
    }
    assert!(
        !texts.plain.iter().any(|it| it.contains("data:x")),
        "{texts:?}"
    );

    let response = r#"{"model":"m","instructions":"i","input":[
        {"type":"function_call","arguments":"{\"a\":1}"},
        {"role":"user","content":[{"type":"input_image","image_url":"data:x"}]}]}"#;
    let texts = parse(Responses, response).prompt_texts();
    assert_eq!(texts.rendered, [r#"{"a":1}"#]);
    assert!(texts.plain.contains(&"i".to_owned()));
    assert!(
        !texts.plain.iter().any(|it| it.contains("data:x")),
        "{texts:?}"
    );

    let ids = parse(Embeddings, r#"{"model":"m","input":[[1,2],[3]]}"#).prompt_texts();
    assert_eq!(ids.plain, ["\"m\""]);
}

#[test]
fn text_that_normalising_may_lengthen_is_told() {
    for (text, ascii) in [("a\\n", true), ("é", false), ("\\u00e9", false)] {
        let body = format!(r#"{{"model":"m","prompt":"{text}"}}"#);
        assert_eq!(parse(Completions, &body).prompt.ascii, ascii, "{text}");
    }
}

#[test]
fn names_are_decoded_and_repeated_keys_keep_the_last() {
    let request = parse(
        Completions,
        r#"{"model":"a","prompt":"x","model":"org\/m\u00e9"}"#,
    );
    assert_eq!(request.model, "org/mé");
    assert_eq!(
        request.field("prompt").map(|value| value.get()),
        Some(r#""x""#)
    );
    assert!(request.field("seed").is_none());
}

#[test]
fn deep_nesting_is_refused_and_wide_bodies_are_not() {
    let nested = |depth: usize| {
        let (open, close) = ("[".repeat(depth), "]".repeat(depth));
        format!(r#"{{"model":"m","prompt":"x","y":{open}{close}}}"#)
    };
    assert!(ModelRequest::parse(Completions, nested(127).as_bytes()).is_ok());
    let refusal = ModelRequest::parse(Completions, nested(100_000).as_bytes());
    assert!(refusal.expect_err("too deep").message.contains("128"));
    let wide = format!(
        r#"{{"model":"m","prompt":[{}"x"]}}"#,
        "\"[[\",".repeat(1000)
    );
    assert_eq!(parse(Completions, &wide).choices, 1001);
}
