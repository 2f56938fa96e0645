//! What the upstream and the caller are told of the output limit.

use serde_json::{Value, json};
use testkit::Upstream;
use testkit::http::{Request, post_json};

use crate::world::{MODEL, Plan, World, hello};

async fn world(upstream: &Upstream) -> World {
    let database = testkit::databases::sqlite();
    World::start(database, &[upstream.base_url()], Plan::default()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upstream_that_knows_only_the_older_name_is_limited_too() {
    let upstream = Upstream::echo().await;
    let world = world(&upstream).await;
    let mut body = hello(1);
    body["max_completion_tokens"] = body["max_tokens"].take();
    // llama.cpp would obey this one before all others.
    body["n_predict"] = 100_000.into();
    let answer = world.chat(&body).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let seen = upstream.last_request().json();
    assert_eq!(seen["max_tokens"], 1);
    assert_eq!(seen["max_completion_tokens"], 1);
    assert_eq!(seen["n_predict"], Value::Null);
    world.at_rest().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_is_invented_only_where_the_upstreams_own_would_be_another() {
    let upstream = Upstream::echo().await;
    let world = world(&upstream).await;
    let mut body = hello(1);
    body.as_object_mut().unwrap().remove("max_tokens");
    assert_eq!(world.chat(&body).await.status, 200);
    let seen = upstream.last_request().json();
    assert_eq!(seen["max_tokens"], Value::Null, "the model's own is held");

    // Sixteen tokens are OpenAI's default, and held; other servers go on until the window is full.
    let body = json!({"model": MODEL, "prompt": "Hello"});
    let answer = post_json(&world.url("/completions"), world.key(), &body).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(upstream.last_request().json()["max_tokens"], 16);
    world.at_rest().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_that_was_lowered_is_told() {
    let upstream = Upstream::echo().await;
    let world = world(&upstream).await;
    for (asked, told) in [(999, None), (1_000, None), (1_001, Some("1000"))] {
        let answer = world.chat(&hello(asked)).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(answer.header("farebox-max-output-tokens"), told);
        let seen = upstream.last_request().json();
        assert_eq!(seen["max_tokens"], asked.min(1_000));
    }
    world.at_rest().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whether_an_answer_may_be_shorter_is_true_or_false() {
    let upstream = Upstream::echo().await;
    let world = world(&upstream).await;
    for (value, status) in [("true", 200), ("false", 200), ("yes", 400), ("True", 400)] {
        let request = Request::post(&world.url("/chat/completions"))
            .bearer(world.key())
            .header("farebox-allow-shorter", value)
            .json(&hello(5));
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status, status, "{value}: {}", answer.text());
        if status == 400 {
            let error = &answer.json()["error"];
            assert_eq!(error["code"], "invalid_value");
            assert_eq!(error["param"], "farebox-allow-shorter");
        }
    }
    assert_eq!(upstream.requests().len(), 2);
    world.at_rest().await;
}
