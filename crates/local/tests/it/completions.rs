//! `POST /v1/completions`, and with it limits, stop texts and characters of several tokens.

use serde_json::{Value, json};

use crate::client::{TestServer, completion};
use crate::synthetic::IM_END;

const PATH: &str = "/v1/completions";

#[tokio::test]
async fn limits_and_stop_texts_end_an_answer() {
    let server = TestServer::start().await;
    // The model goes on with the alphabet; é is one character of two tokens.
    let table = [
        (json!({"max_tokens": 3}), "bcd", "length", 3),
        (json!({}), "bcdefghijklmnopq", "length", 16),
        (
            json!({"max_tokens": 99}),
            "bcdefghijklmnopqrstuvwxyz",
            "stop",
            25,
        ),
        (json!({"stop": "e"}), "bcd", "stop", 4),
        (json!({"stop": ["xyz", "fgh", "gh"]}), "bcde", "stop", 7),
        (json!({"stop": "efX"}), "bcdefghijklmnopq", "length", 16),
        (json!({"max_tokens": 4, "stop": "efg"}), "bcde", "length", 4),
    ];
    for (more, text, finish, tokens) in table {
        for streamed in [false, true] {
            let mut body = completion("a", &more);
            body["stream"] = streamed.into();
            if streamed {
                body["stream_options"] = json!({"include_usage": true});
            }
            let answer = server.post(PATH, &body).await;
            let (found_text, found_finish, usage) = if streamed {
                assembled(&answer.chunks())
            } else {
                let json = answer.json();
                let choice = &json["choices"][0];
                let text = choice["text"].as_str().unwrap().to_owned();
                (text, choice["finish_reason"].clone(), json["usage"].clone())
            };
            assert_eq!(found_text, text, "{body}");
            assert_eq!(found_finish, finish, "{body}");
            assert_eq!(usage["completion_tokens"], tokens, "{body}");
            assert_eq!(usage["prompt_tokens"], 1, "{body}");
        }
    }
}

#[tokio::test]
async fn a_character_is_sent_whole_or_not_at_all() {
    let server = TestServer::start().await;
    let body = completion("?", &json!({"stream": true, "max_tokens": 5}));
    let chunks = server.post(PATH, &body).await.chunks();
    let texts: Vec<&Value> = chunks
        .iter()
        .map(|chunk| &chunk["choices"][0]["text"])
        .collect();
    assert_eq!(texts, ["@", "é", "A", "B", ""]);

    let body = completion("?", &json!({"max_tokens": 2}));
    let json = server.post(PATH, &body).await.json();
    assert_eq!(json["choices"][0]["text"], "@");
    assert_eq!(json["usage"]["completion_tokens"], 2);
}

#[tokio::test]
async fn prompts_may_be_many_and_may_be_tokens() {
    let server = TestServer::start().await;
    let table = [
        (json!(["a", "x"]), vec!["bc", "yz"], 2),
        (json!([104, 105]), vec!["jk"], 2),
        (json!([[104], [105, 106]]), vec!["ij", "kl"], 3),
    ];
    for (prompt, texts, input_tokens) in table {
        let body = completion(prompt.clone(), &json!({"max_tokens": 2}));
        let json = server.post(PATH, &body).await.json();
        let choices = json["choices"].as_array().unwrap();
        let found: Vec<&Value> = choices.iter().map(|choice| &choice["text"]).collect();
        assert_eq!(found, texts, "{prompt}");
        assert_eq!(json["usage"]["prompt_tokens"], input_tokens);
        assert_eq!(json["usage"]["completion_tokens"], 2 * texts.len());
    }
    let body = completion(json!(["a", "x"]), &json!({"n": 2, "max_tokens": 1}));
    let json = server.post(PATH, &body).await.json();
    let choices = json["choices"].as_array().unwrap();
    let found: Vec<&Value> = choices.iter().map(|choice| &choice["text"]).collect();
    assert_eq!(found, ["b", "b", "y", "y"]);
    assert_eq!(choices[3]["index"], 3);
}

#[tokio::test]
async fn an_answer_ends_where_the_context_does() {
    let server = TestServer::start().await;
    let prompt = "x".repeat(1020);
    let body = completion(
        prompt,
        &json!({"max_tokens": 50, "logit_bias": {"121": -100}}),
    );
    let json = server.post(PATH, &body).await.json();
    assert_eq!(json["usage"]["total_tokens"], 1024);
    assert_eq!(json["choices"][0]["finish_reason"], "length");

    let full = completion("x".repeat(1024), &json!({}));
    let json = server.post(PATH, &full).await.json();
    assert_eq!(json["usage"]["completion_tokens"], 0);
    assert_eq!(json["choices"][0]["text"], "");
}

#[tokio::test]
async fn biases_and_penalties_reach_the_sampler() {
    let server = TestServer::start().await;
    // Without its end, the model falls back on the first of all equal tokens, and starts over.
    let mut more = json!({"max_tokens": 4, "logit_bias": {}});
    more["logit_bias"][IM_END.to_string()] = json!(-100);
    let json = server.post(PATH, &completion("y", &more)).await.json();
    assert_eq!(json["choices"][0]["text"], "z\0AB");

    let more = json!({"max_tokens": 4, "logit_bias": {"98": 50}, "presence_penalty": 2});
    let json = server.post(PATH, &completion("a", &more)).await.json();
    assert_eq!(json["choices"][0]["text"], "bbbb");
}

fn assembled(chunks: &[Value]) -> (String, Value, Value) {
    let (usage, chunks) = chunks.split_last().unwrap();
    let text = |chunk: &Value| chunk["choices"][0]["text"].as_str().unwrap().to_owned();
    let finish = chunks.last().unwrap()["choices"][0]["finish_reason"].clone();
    assert!(
        chunks
            .iter()
            .all(|chunk| chunk["object"] == "text_completion")
    );
    (
        chunks.iter().map(text).collect(),
        finish,
        usage["usage"].clone(),
    )
}
