//! `POST /v1/embeddings`. Every token of the synthetic model is a direction of its own, so the
//! vector of a text is its tokens' counts, brought to length 1.

use axum::http::StatusCode;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::client::{MODEL, TestServer};
use crate::synthetic::WIDTH;

const PATH: &str = "/v1/embeddings";

fn floats(embedding: &Value) -> Vec<f32> {
    let numbers = embedding.as_array().unwrap().iter();
    numbers
        .map(|number| number.as_f64().unwrap() as f32)
        .collect()
}

#[tokio::test]
async fn a_vector_is_the_mean_of_the_tokens_at_length_one() {
    let server = TestServer::start().await;
    let body = json!({"model": MODEL, "input": ["aab", "b"]});
    let json = server.post(PATH, &body).await.json();
    assert_eq!(json["object"], "list");
    assert_eq!(
        json["usage"],
        json!({"prompt_tokens": 4, "total_tokens": 4})
    );
    let data = json["data"].as_array().unwrap();
    assert_eq!(data.len(), 2);
    for (index, item) in data.iter().enumerate() {
        assert_eq!(item["object"], "embedding");
        assert_eq!(item["index"], index);
        let vector = floats(&item["embedding"]);
        assert_eq!(vector.len(), WIDTH);
        let length: f32 = vector.iter().map(|value| value * value).sum();
        assert!((length - 1.0).abs() < 1e-5, "{length}");
    }
    let (mixed, single) = (floats(&data[0]["embedding"]), floats(&data[1]["embedding"]));
    let near = |found: f32, expected: f32| (found - expected).abs() < 1e-3;
    assert!(near(mixed[97], 2.0 / 5f32.sqrt()) && near(mixed[98], 1.0 / 5f32.sqrt()));
    assert!(near(single[98], 1.0));
}

#[tokio::test]
async fn base64_holds_the_same_numbers() {
    let server = TestServer::start().await;
    let ask = async |more: Value| {
        let mut body = json!({"model": MODEL, "input": "hello"});
        body["encoding_format"] = more;
        let json = server.post(PATH, &body).await.json();
        json["data"][0]["embedding"].clone()
    };
    let plain = floats(&ask(json!("float")).await);
    let packed = ask(json!("base64")).await;
    let bytes = STANDARD.decode(packed.as_str().unwrap()).unwrap();
    let unpacked: Vec<f32> = bytes
        .chunks_exact(4)
        .map(|four| f32::from_le_bytes(four.try_into().unwrap()))
        .collect();
    assert_eq!(plain, unpacked);
}

#[tokio::test]
async fn a_text_longer_than_one_chunk_is_embedded_as_a_whole() {
    let server = TestServer::start().await;
    let input = format!("{}{}", "a".repeat(300), "b".repeat(300));
    let body = json!({"model": MODEL, "input": input});
    let json = server.post(PATH, &body).await.json();
    let vector = floats(&json["data"][0]["embedding"]);
    assert!((vector[97] - vector[98]).abs() < 1e-3 && vector[97] > 0.7);
}

#[tokio::test]
async fn tokens_are_inputs_too_and_unknown_ones_are_refused() {
    let server = TestServer::start().await;
    let ask = async |input: Value| {
        server
            .post(PATH, &json!({"model": MODEL, "input": input}))
            .await
    };
    let from_tokens = ask(json!([104, 105])).await.json();
    let from_text = ask(json!("hi")).await.json();
    assert_eq!(from_tokens["data"], from_text["data"]);
    for wrong in [
        json!([259]),
        json!([-1]),
        json!(""),
        json!([]),
        json!(5),
        json!("x".repeat(1025)),
    ] {
        let answer = ask(wrong.clone()).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{wrong}");
        assert_eq!(answer.json()["error"]["param"], "input", "{wrong}");
    }
    let body = json!({"model": MODEL, "input": "hi", "dimensions": 5});
    let answer = server.post(PATH, &body).await;
    assert_eq!(answer.json()["error"]["code"], "unsupported_parameter");
}
