//! Where the money does not pay for the longest answer, a shorter one is given, if that is allowed.

use serde_json::{Value, json};
use testkit::http::{Answer, Request};
use testkit::{Reply, Upstream};

use crate::world::{MODEL, Plan, World, hello};

/// Enough for the input and some of the 1,000 output tokens that the model gives at most.
async fn world(upstream: &Upstream, credit: &'static str) -> World {
    let plan = Plan {
        credit,
        ..Plan::default()
    };
    World::start(testkit::databases::sqlite(), &[upstream.base_url()], plan).await
}

fn open_ended() -> Value {
    json!({"model": MODEL, "messages": [{"role": "user", "content": "Hello World"}]})
}

async fn ask(world: &World, body: &Value, allow: Option<&str>) -> Answer {
    let mut request = Request::post(&world.url("/chat/completions"))
        .bearer(world.key())
        .json(body);
    if let Some(allow) = allow {
        request = request.header("farebox-allow-shorter", allow);
    }
    request.send().await.unwrap()
}

/// How many output tokens `nusd` pays for, beside the input of `body`.
fn payable(body: &Value, nusd: i64) -> i64 {
    (nusd - (body.to_string().len() as i64 + 64) * 1_000) / 2_000
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_without_a_limit_is_as_long_as_the_money_pays_for() {
    let upstream =
        Upstream::start(|_| Reply::chat(&testkit::upstream::words(5_000)).obey_limit()).await;
    let world = world(&upstream, "0.001").await;
    let body = open_ended();
    let payable = payable(&body, 1_000_000);
    assert!((256..1_000).contains(&payable), "{payable}");
    let answer = ask(&world, &body, None).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let told = answer
        .header("farebox-max-output-tokens")
        .map(str::to_owned);
    assert_eq!(told, Some(payable.to_string()));
    assert_eq!(upstream.last_request().json()["max_tokens"], payable);
    assert_eq!(answer.json()["choices"][0]["finish_reason"], "length");
    world.at_rest().await;
    // What is left does not pay for a useful answer: the amount is named.
    let refused = ask(&world, &body, None).await;
    assert_eq!(refused.status, 429);
    assert_eq!(refused.json()["error"]["code"], "credit_balance_exhausted");
    world.at_rest().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_named_a_limit_or_wants_all_is_refused_and_who_allows_it_is_not() {
    let upstream = Upstream::echo().await;
    let world = world(&upstream, "0.001").await;
    let named = hello(1_000);
    let table = [
        (&named, None, 429),
        (&named, Some("false"), 429),
        (&named, Some("true"), 200),
        (&open_ended(), Some("false"), 429),
        (&open_ended(), Some("yes"), 400),
    ];
    for (body, allow, status) in table {
        let answer = ask(&world, body, allow).await;
        assert_eq!(answer.status, status, "{allow:?} {}", answer.text());
    }
    world.at_rest().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_was_asked_to_be_short_is_not_shortened() {
    let upstream = Upstream::echo().await;
    let world = world(&upstream, "0.0003").await;
    let short = hello(100);
    assert!((0..100).contains(&payable(&short, 300_000)));
    assert_eq!(ask(&world, &short, Some("true")).await.status, 429);
    let shorter = hello(50);
    assert_eq!(ask(&world, &shorter, None).await.status, 200);
    world.at_rest().await;
}
