//! Embeddings, as floats or as the base64 that the official clients ask for.

use serde_json::{Value, json};

use super::request::{UpstreamRequest, words_in};

/// One embedding for each input; equal inputs get equal ones.
pub(super) fn answer(request: &UpstreamRequest, dimensions: usize) -> Value {
    let body = request.json();
    let base64 = body["encoding_format"] == "base64";
    let inputs = inputs(&body["input"]);
    let tokens = inputs.iter().map(words_in).sum::<u64>().max(1);
    let embedding = |(index, input): (usize, &Value)| {
        let vector = vector(&input.to_string(), dimensions);
        let value = if base64 {
            encode(&vector).into()
        } else {
            json!(vector)
        };
        json!({"object": "embedding", "index": index, "embedding": value})
    };
    let data: Vec<Value> = inputs.iter().enumerate().map(embedding).collect();
    json!({
        "object": "list",
        "data": data,
        "model": request.model(),
        "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
    })
}

/// A text or a list of token ids is one input; a list of either is several.
fn inputs(input: &Value) -> Vec<Value> {
    match input {
        Value::Array(items) if !items.iter().all(Value::is_number) => items.clone(),
        one => vec![one.clone()],
    }
}

fn vector(input: &str, dimensions: usize) -> Vec<f32> {
    let seed = input.bytes().fold(7_u32, |hash, byte| {
        hash.wrapping_mul(31).wrapping_add(u32::from(byte))
    });
    (0..dimensions)
        .map(|at| {
            let mixed = seed.wrapping_add(at as u32).wrapping_mul(2_654_435_761);
            // Sixteen bits are exact in a float, so both encodings say the same.
            ((mixed >> 16) as u16 as f32 - 32768.0) / 32768.0
        })
        .collect()
}

fn encode(vector: &[f32]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let bytes: Vec<u8> = vector
        .iter()
        .flat_map(|number| number.to_le_bytes())
        .collect();
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let bits = group.iter().enumerate().fold(0_u32, |bits, (at, byte)| {
            bits | u32::from(*byte) << (16 - 8 * at)
        });
        for at in 0..4 {
            let letter = ALPHABET[(bits >> (18 - 6 * at)) as usize & 63];
            text.push(if at <= group.len() {
                char::from(letter)
            } else {
                '='
            });
        }
    }
    text
}
