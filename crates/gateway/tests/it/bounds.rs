//! What is held for a request, and for what of it.

use domain::bound::InputBounds;
use farebox_gateway::Tokenizer;
use serde_json::{Value, json};
use testkit::http::post_json;
use testkit::{Reply, Upstream, eventually};

use crate::world::{MODEL, Plan, World};

/// A world whose credit pays for 2,000 input tokens, of a window of 8,192.
async fn world(upstream: &Upstream, input: InputBounds) -> World {
    let plan = Plan {
        credit: "0.002",
        input,
        ..Plan::default()
    };
    World::start(testkit::databases::sqlite(), &[upstream.base_url()], plan).await
}

fn asking(part: &Value) -> Value {
    json!({
        "model": MODEL,
        "messages": [{"role": "user", "content": [{"type": "text", "text": "What is it?"}, part]}],
        "max_tokens": 5,
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn media_are_held_for_by_the_piece_where_a_piece_is_bounded() {
    // Longer than the window by itself, if it were text.
    let data = "A".repeat(20_000);
    let image = json!({"type": "image_url", "image_url": {"url": data}});
    let sound = json!({"type": "input_audio", "input_audio": {"data": data, "format": "wav"}});
    let file = json!({"type": "file", "file": {"file_data": data}});
    let kept = json!({"type": "file", "file": {"file_id": "file-1"}});
    let bounds = InputBounds {
        image_tokens: Some(1_445),
        file_tokens: Some(10_000),
        ..InputBounds::default()
    };
    for (part, bounds, status) in [
        (&image, bounds, 200),
        (&image, InputBounds::default(), 429),
        (&sound, bounds, 429),
        (&file, bounds, 429),
        (&kept, bounds, 429),
    ] {
        let upstream = Upstream::echo().await;
        let world = world(&upstream, bounds).await;
        let answer = world.chat(&asking(part)).await;
        assert_eq!(answer.status, status, "{part}: {}", answer.text());
        world.at_rest().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_nobody_counted_is_charged_as_it_was_held() {
    let upstream = Upstream::start(|_| Reply::chat("A cat").without_usage()).await;
    let bounds = InputBounds {
        image_tokens: Some(85),
        ..InputBounds::default()
    };
    let world = world(&upstream, bounds).await;
    let image = |url: &str| json!({"type": "image_url", "image_url": {"url": url}});
    let short = asking(&image("x"));
    assert_eq!(world.chat(&short).await.status, 200);
    let long = asking(&image(&"x".repeat(10_000)));
    assert_eq!(world.chat(&long).await.status, 200);
    let text_bytes = (short.to_string().len() - r#""x""#.len()) as i64;
    let usage = world.usage().await;
    for (input, _, _, flags) in &usage {
        assert_eq!(
            (*input, *flags),
            ((text_bytes + 3) / 4 + 85, 1),
            "{usage:?}"
        );
    }
    assert_eq!(usage.len(), 2);
    world.at_rest().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tools_are_held_for_as_templates_write_them() {
    let upstream = Upstream::echo().await;
    let world = world(&upstream, InputBounds::default()).await;
    let mut body = json!({
        "model": MODEL, "max_tokens": 5, "messages": [{"role": "user", "content": "Hello"}],
    });
    assert_eq!(world.chat(&body).await.status, 200);
    // 512 tokens to explain them, and four times their bytes.
    body["tools"] = json!([{"type": "function", "function": {"name": "f".repeat(320)}}]);
    assert_eq!(world.chat(&body).await.status, 429);
    world.at_rest().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prompt_is_counted_where_its_bytes_are_too_dear() {
    let prose = "The quick brown fox jumps over the lazy dog. ".repeat(60);
    let gibberish = "x".repeat(prose.len());
    for (tokenizer, text, status) in [
        (Some(Tokenizer::O200kBase), &prose, 200),
        (Some(Tokenizer::Cl100kBase), &prose, 200),
        (None, &prose, 429),
        (Some(Tokenizer::O200kBase), &gibberish, 429),
    ] {
        let upstream = Upstream::start(|_| Reply::chat_with_usage("Hi", 610, 1)).await;
        let plan = Plan {
            credit: "0.001",
            tokenizer,
            ..Plan::default()
        };
        let world = World::start(testkit::databases::sqlite(), &[upstream.base_url()], plan).await;
        let body = json!({
            "model": MODEL, "max_tokens": 5, "messages": [{"role": "user", "content": text}],
        });
        if status == 200 {
            // A count that takes too long, as on a busy machine, is not waited for.
            eventually("it is counted", async || {
                world.chat(&body).await.status == 200
            })
            .await;
            assert_eq!(world.usage().await, [(610, 1, 612_000, 0)]);
        } else {
            let answer = world.chat(&body).await;
            assert_eq!(answer.status, status, "{tokenizer:?}: {}", answer.text());
        }
        world.at_rest().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_sent_by_number_are_counted_without_a_tokenizer() {
    let upstream = Upstream::echo().await;
    let plan = Plan {
        credit: "0.001",
        ..Plan::default()
    };
    let world = World::start(testkit::databases::sqlite(), &[upstream.base_url()], plan).await;
    let url = world.url("/embeddings");
    // By their bytes these are six times as many.
    let body = json!({"model": MODEL, "input": vec![12_345; 700]});
    eventually("it is counted", async || {
        post_json(&url, world.key(), &body).await.status == 200
    })
    .await;
    let body = json!({"model": MODEL, "input": vec![12_345; 1_000]});
    assert_eq!(post_json(&url, world.key(), &body).await.status, 429);
    world.at_rest().await;
}
