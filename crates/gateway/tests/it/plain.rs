//! Answers that come as a whole.

// SQL in a test: what was written is looked at from outside the product's own queries.

use domain::money::Nusd;
use serde_json::json;
use testkit::{Reply, Upstream, on_each_database};

use crate::world::{MODEL, Plan, World, grant, hello, open};

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_is_relayed_and_charged_exactly() {
    on_each_database(async |database| {
        let upstream = Upstream::start(|_| Reply::chat_with_usage("Hi there", 12, 3)).await;
        let world = World::start(database, &[upstream.base_url()], Plan::default()).await;
        let mut body = hello(50);
        body["x_unknown"] = json!({"kept": [1, 2.50, "é"]});
        let answer = world.chat(&body).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(
            answer.json()["choices"][0]["message"]["content"],
            "Hi there"
        );
        assert_eq!(answer.json()["model"], MODEL, "callers see the public name");

        let seen = &upstream.requests()[0];
        assert_eq!(seen.json()["model"], "their-name");
        assert_eq!(seen.json()["x_unknown"], body["x_unknown"]);
        assert_eq!(
            seen.bearer(),
            Some("upstream-secret"),
            "never the caller's key"
        );

        // 12 * 1,000 + 3 * 2,000 nUSD.
        assert_eq!(answer.header("farebox-cost"), Some("0.000018"));
        assert_eq!(answer.header("farebox-balance"), Some("4.999982"));
        assert!(answer.header("x-request-id").unwrap().starts_with("req_"));
        assert_eq!(
            answer.header("openai-organization"),
            Some(world.made.organization.as_str())
        );
        assert_eq!(answer.header("openai-version"), Some("2020-10-01"));
        assert_eq!(
            answer.header("x-ratelimit-limit-requests"),
            Some("10000000")
        );
        // Of a limit that large, a node that shares it has a thousandth without asking.
        let remaining = match world.store.fleet() {
            None => "9999999",
            Some(_) => "9764",
        };
        assert_eq!(
            answer.header("x-ratelimit-remaining-requests"),
            Some(remaining)
        );
        assert!(answer.header("openai-processing-ms").is_some());

        assert_eq!(world.usage().await, [(12, 3, 18_000, 0)]);
        assert_eq!(world.wallet().await.balance(), Nusd::new(4_999_982_000));
        let costs = world
            .query("SELECT upstream_cost_nusd FROM usage_records")
            .await;
        assert_eq!(costs[0].int(0).unwrap(), 6_000);
        world.at_rest().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn reports_that_cannot_be_true_are_replaced_or_capped() {
    let usage = |usage: serde_json::Value| {
        let body = json!({
            "id": "c", "object": "chat.completion", "created": 1, "model": "their-name",
            "choices": [{"index": 0, "finish_reason": "stop",
                         "message": {"role": "assistant", "content": "twelve bytes"}}],
            "usage": usage,
        });
        Reply::json(200, &body)
    };
    let reply = move |lie: &str| match lie {
        "negative" => usage(json!({"prompt_tokens": -5, "completion_tokens": 3})),
        "text" => usage(json!({"prompt_tokens": "12", "completion_tokens": "3"})),
        "none" => usage(json!(null)),
        "no output" => usage(json!({"prompt_tokens": 10, "completion_tokens": 0})),
        "huge" => usage(json!({"prompt_tokens": 900_000, "completion_tokens": 900_000})),
        _ => usage(json!({"prompt_tokens": 10, "completion_tokens": 3})),
    };
    let upstream =
        Upstream::start(move |request| reply(request.json()["lie"].as_str().unwrap_or_default()))
            .await;
    let plan = Plan::default();
    let world = World::start(testkit::databases::sqlite(), &[upstream.base_url()], plan).await;
    for lie in ["negative", "text", "none", "no output", "huge", "truth"] {
        let mut body = hello(50);
        body["lie"] = lie.into();
        let answer = world.chat(&body).await;
        assert_eq!(answer.status, 200, "{lie}: {}", answer.text());
    }
    let usage = world.usage().await;
    for (input, output, cost, flags) in &usage[..3] {
        assert!(
            *input >= 1 && *output == 3 && *cost > 0 && *flags == 1,
            "{usage:?}"
        );
    }
    assert_eq!(
        (usage[3].0, usage[3].1, usage[3].3),
        (10, 3, 1),
        "only the lie is replaced"
    );
    assert_eq!(usage[4].3, 2, "an overrun");
    let held = world
        .query(
            "SELECT held_nusd, cost_nusd, overrun_nusd FROM usage_records
                            WHERE flags = 2",
        )
        .await;
    assert_eq!(
        held[0].int(0).unwrap(),
        held[0].int(1).unwrap(),
        "charged what was held"
    );
    assert_eq!(
        held[0].int(1).unwrap() + held[0].int(2).unwrap(),
        2_700_000_000
    );
    assert_eq!(usage[5], (10, 3, 16_000, 0));
    world.at_rest().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn completions_embeddings_and_models_work() {
    let upstream = Upstream::echo().await;
    let world = World::start(
        testkit::databases::sqlite(),
        &[upstream.base_url()],
        Plan::default(),
    )
    .await;
    let post = async |path: &str, body| {
        let answer = testkit::http::post_json(&world.url(path), world.key(), &body).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        answer
    };
    let answer = post("/completions", json!({"model": MODEL, "prompt": "Once"})).await;
    assert_eq!(answer.json()["object"], "text_completion");
    let body = json!({"model": MODEL, "input": ["a b c", "d e f"]});
    let answer = post("/embeddings", body).await;
    assert_eq!(answer.json()["data"].as_array().unwrap().len(), 2);
    let usage = world.usage().await;
    assert_eq!(usage.len(), 2);
    assert_eq!(usage[1].1, 0, "embeddings have no output");

    let models = testkit::http::get(&world.url("/models"), world.key()).await;
    assert_eq!(models.header("farebox-cost"), Some("0.00"));
    let ids: Vec<String> = models.json()["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|model| model["id"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(ids, [MODEL, "unpriced", "vendor/chat-only"]);
    for path in ["/models/vendor/chat-only", "/models/vendor%2Fchat-only"] {
        let model = testkit::http::get(&world.url(path), world.key()).await;
        assert_eq!(model.json()["id"], "vendor/chat-only", "{path}");
    }
    let missing = testkit::http::get(&world.url("/models/nothing"), world.key()).await;
    assert_eq!(
        (missing.status, missing.json()["error"]["code"].as_str()),
        (404, Some("model_not_found"))
    );
    world.at_rest().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_process_can_pay_in_and_the_next_request_is_served() {
    on_each_database(async |database| {
        let upstream = Upstream::echo().await;
        let plan = Plan {
            credit: "0",
            ..Plan::default()
        };
        let world = World::start(database, &[upstream.base_url()], plan).await;
        assert_eq!(world.chat(&hello(10)).await.status, 429);
        let command = open(&world.database, store::Role::Command).await;
        grant(
            &command,
            &world.made.organization,
            "later",
            Nusd::new(1_000_000_000),
        )
        .await;
        command.close().await;
        testkit::eventually("the credit is heard of", async || {
            world.chat(&hello(10)).await.status == 200
        })
        .await;
        world.at_rest().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_key_is_refused_as_soon_as_the_revocation_returns() {
    on_each_database(async |database| {
        let upstream = Upstream::echo().await;
        let world = World::start(database, &[upstream.base_url()], Plan::default()).await;
        assert_eq!(world.chat(&hello(10)).await.status, 200);
        let digest = world.made.api_key.digest();
        let revoke = move |tx: &mut store::Tx<'_>| {
            let key = store::keys::active_by_digest(tx, &digest)?.expect("it works");
            let now = (crate::world::clock())();
            store::keys::revoke(tx, &key.principal.key, now)
        };
        assert!(world.store.write(revoke).await.unwrap());
        let answer = world.chat(&hello(10)).await;
        assert_eq!(answer.status, 401);
        assert_eq!(answer.json()["error"]["code"], "invalid_api_key");
    })
    .await;
}
