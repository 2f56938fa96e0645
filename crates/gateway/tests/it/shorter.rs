//! Where the money does not pay for the longest answer, a shorter one is given, if that is allowed.

use domain::money::Nusd;
use serde_json::{Value, json};
use testkit::http::{Answer, Request, post_stream, sse_json};
use testkit::{Reply, Upstream, on_each_database};

use crate::world::{MODEL, Plan, World, grant, hello, streamed};

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

/// What a stream came to: its tokens, and why it ended.
fn heard(records: &[String]) -> (i64, String) {
    let chunks = sse_json(records);
    let choices = || chunks.iter().filter_map(|chunk| chunk["choices"].get(0));
    let texts = choices().filter(|choice| {
        choice["delta"]["content"]
            .as_str()
            .is_some_and(|it| !it.is_empty())
    });
    let tokens = texts.count() as i64;
    let reason = choices()
        .filter_map(|choice| choice["finish_reason"].as_str())
        .next_back();
    (tokens, reason.unwrap_or_default().to_owned())
}

async fn stream(world: &World) -> (i64, String) {
    let body = streamed(open_ended());
    let mut stream = post_stream(&world.url("/chat/completions"), world.key(), &body).await;
    assert_eq!(stream.status, 200);
    assert_eq!(stream.header("farebox-max-output-tokens"), Some("2048"));
    let records = stream.records().await;
    assert_eq!(records.last().map(String::as_str), Some("data: [DONE]"));
    heard(&records)
}

async fn long_world(
    database: testkit::TestDatabase,
    upstream: &Upstream,
    credit: &'static str,
) -> World {
    let plan = Plan {
        credit,
        max_output_tokens: 20_000,
        ..Plan::default()
    };
    World::start(database, &[upstream.base_url()], plan).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_goes_on_as_far_as_the_money_and_ends_properly_there() {
    on_each_database(async |database| {
        let upstream = Upstream::start(|_| Reply::stream(&["one ", "two "]).endless()).await;
        let world = long_world(database, &upstream, "0.01").await;
        let payable = payable(&streamed(open_ended()), 10_000_000);
        assert!(payable > 2 * 2_048, "it has to be extended more than once");
        let (tokens, reason) = stream(&world).await;
        assert_eq!((tokens, reason.as_str()), (payable, "length"));
        world.at_rest().await;
        let (input, output, cost, _) = world.usage().await[0];
        assert_eq!(output, payable);
        assert_eq!(cost, input * 1_000 + output * 2_000);
        let left = world.wallet().await.balance();
        assert_eq!(left, Nusd::new(10_000_000 - cost));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn money_that_comes_on_the_way_lets_a_stream_end_by_itself() {
    let upstream =
        Upstream::start(|_| Reply::stream(&vec!["word "; 9_000]).first_byte_delay_ms(300)).await;
    let world = long_world(testkit::databases::sqlite(), &upstream, "0.007").await;
    let organization = world.made.organization.clone();
    let (heard, ()) = tokio::join!(stream(&world), async {
        testkit::eventually("it was admitted", async || upstream.in_flight() == 1).await;
        grant(
            &world.store,
            &organization,
            "second",
            Nusd::new(1_000_000_000),
        )
        .await;
    });
    assert_eq!(heard, (9_000, "stop".to_owned()));
    world.at_rest().await;
    assert_eq!(world.usage().await[0].1, 9_000);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn streams_share_what_there_is_and_never_spend_more() {
    on_each_database(async |database| {
        let upstream = Upstream::start(|_| Reply::stream(&["one ", "two "]).endless()).await;
        let world = long_world(database, &upstream, "0.04").await;
        let streams: Vec<_> = (0..8).map(|_| stream(&world)).collect();
        let heard = futures_util::future::join_all(streams).await;
        assert!(
            heard
                .iter()
                .all(|(tokens, reason)| *tokens >= 2_048 && reason == "length")
        );
        world.at_rest().await;
        let spent: i64 = world.usage().await.iter().map(|(_, _, cost, _)| cost).sum();
        let left = world.wallet().await.balance();
        assert_eq!(left, Nusd::new(40_000_000 - spent));
        assert!(left >= Nusd::ZERO);
        // Held for input that was cheaper than its bound, and given back when each ended.
        assert!(left < Nusd::new(8 * 200_000), "{left}");
        let tokens: i64 = heard.iter().map(|(tokens, _)| tokens).sum();
        let billed: i64 = world
            .usage()
            .await
            .iter()
            .map(|(_, output, _, _)| output)
            .sum();
        assert_eq!(tokens, billed, "what was delivered is what is billed");
    })
    .await;
}
