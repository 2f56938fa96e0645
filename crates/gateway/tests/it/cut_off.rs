//! A stream ends where its money does, and properly.

use farebox_gateway::{OnDisconnect, ResponsesMode};
use serde_json::{Value, json};
use testkit::http::{post_stream, sse_json};
use testkit::{Reply, Upstream, UpstreamRequest, eventually, on_each_database};

use crate::world::{MODEL, Plan, World, hello, streamed};

const ESTIMATED: i64 = 1;
const DISCONNECTED: i64 = 1 << 3;
const CUT_OFF: i64 = 1 << 5;

/// An upstream that knows no limit.
fn runaway(_: &UpstreamRequest) -> Reply {
    Reply::stream(&["one ", "two "]).delay_ms(2).endless()
}

async fn world(upstream: &Upstream, plan: Plan) -> World {
    World::start(testkit::databases::sqlite(), &[upstream.base_url()], plan).await
}

async fn records(world: &World, path: &str, body: Value) -> Vec<String> {
    let mut stream = post_stream(&world.url(path), world.key(), &streamed(body)).await;
    assert_eq!(stream.status, 200);
    stream.records().await
}

/// Texts and finish reasons of the choices with this index.
fn choice(records: &[String], index: u64) -> (Vec<String>, Vec<String>) {
    let (mut texts, mut reasons) = (Vec::new(), Vec::new());
    for chunk in sse_json(records) {
        for choice in chunk["choices"].as_array().unwrap() {
            if choice["index"] != index {
                continue;
            }
            let delta = choice["delta"]["content"].as_str();
            let text = delta.or(choice["text"].as_str()).unwrap_or_default();
            texts.extend(Some(text.to_owned()).filter(|text| !text.is_empty()));
            reasons.extend(choice["finish_reason"].as_str().map(ToOwned::to_owned));
        }
    }
    (texts, reasons)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upstream_that_ignores_its_limit_is_cut_off_there() {
    on_each_database(async |database| {
        let upstream = Upstream::start(runaway).await;
        let world = World::start(database, &[upstream.base_url()], Plan::default()).await;
        let records = records(&world, "/chat/completions", hello(5)).await;
        let (texts, reasons) = choice(&records, 0);
        assert_eq!(texts, ["one ", "two ", "one ", "two ", "one "]);
        assert_eq!(reasons, ["length"]);
        let chunks = sse_json(&records);
        for chunk in &chunks {
            assert_eq!(chunk["id"], chunks[0]["id"]);
            assert_eq!(chunk["created"], chunks[0]["created"]);
            assert_eq!(chunk["object"], "chat.completion.chunk");
            assert_eq!(chunk["model"], MODEL);
            assert_eq!(chunk["usage"], Value::Null, "it was not asked for");
        }
        eventually("the upstream is told", async || upstream.cancelled() == 1).await;

        let usage = world.usage().await;
        let (input, output, cost, flags) = usage[0];
        assert_eq!((output, flags), (5, ESTIMATED | CUT_OFF));
        assert_eq!(cost, input * 1_000 + 5 * 2_000);
        let balance = world.wallet().await.balance().to_usd();
        let cost = domain::money::Nusd::new(cost).to_usd();
        assert_eq!(
            records[records.len() - 2..],
            [
                format!(": farebox-cost={cost} farebox-balance={balance}"),
                "data: [DONE]".to_owned()
            ]
        );
        world.at_rest().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_choice_ends_and_usage_comes_if_it_was_asked_for() {
    let upstream = Upstream::start(runaway).await;
    let world = world(&upstream, Plan::default()).await;
    let mut body = hello(3);
    body["n"] = 2.into();
    body["stream_options"] = json!({"include_usage": true});
    let records = records(&world, "/chat/completions", body).await;
    // Six tokens are held for both together.
    for index in [0, 1] {
        let (texts, reasons) = choice(&records, index);
        assert_eq!((texts.len(), reasons), (3, vec!["length".to_owned()]));
    }
    let chunks = sse_json(&records);
    let (last, before) = chunks.split_last().unwrap();
    assert!(before.iter().all(|chunk| chunk["usage"].is_null()));
    assert_eq!(last["choices"], json!([]));
    let (input, output, _, flags) = world.usage().await[0];
    assert_eq!((output, flags), (6, ESTIMATED | CUT_OFF));
    assert_eq!(last["usage"]["completion_tokens"], 6);
    assert_eq!(last["usage"]["prompt_tokens"], input);
    assert_eq!(last["usage"]["total_tokens"], input + 6);
    world.at_rest().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn completions_are_cut_off_too() {
    let upstream = Upstream::start(runaway).await;
    let world = world(&upstream, Plan::default()).await;
    let body = json!({"model": MODEL, "prompt": "Count"});
    let records = records(&world, "/completions", body).await;
    let (texts, reasons) = choice(&records, 0);
    assert_eq!((texts.len(), reasons), (16, vec!["length".to_owned()]));
    assert_eq!(records.last().unwrap(), "data: [DONE]");
    assert_eq!(world.usage().await[0].3, ESTIMATED | CUT_OFF);
    world.at_rest().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn responses_end_incomplete_whoever_speaks_them() {
    for mode in [ResponsesMode::Native, ResponsesMode::Translate] {
        let upstream = Upstream::start(runaway).await;
        let plan = Plan {
            responses: mode,
            ..Plan::default()
        };
        let world = world(&upstream, plan).await;
        let body = json!({"model": MODEL, "input": "Count", "max_output_tokens": 4});
        let records = records(&world, "/responses", body).await;
        let events: Vec<Value> = records
            .iter()
            .filter_map(|record| serde_json::from_str(record.split_once("\ndata: ")?.1).ok())
            .collect();
        for (number, event) in events.iter().enumerate() {
            assert_eq!(event["sequence_number"], number, "{mode:?}: {event}");
        }
        let kinds: Vec<&str> = events.iter().filter_map(|it| it["type"].as_str()).collect();
        let mut expected = vec![
            "response.created",
            "response.in_progress",
            "response.output_item.added",
            "response.content_part.added",
        ];
        expected.extend(["response.output_text.delta"; 4]);
        expected.extend([
            "response.output_text.done",
            "response.content_part.done",
            "response.output_item.done",
            "response.incomplete",
        ]);
        assert_eq!(kinds, expected, "{mode:?}");
        let response = &events.last().unwrap()["response"];
        assert_eq!(response["status"], "incomplete");
        assert_eq!(
            response["incomplete_details"],
            json!({"reason": "max_output_tokens"})
        );
        assert_eq!(response["model"], MODEL);
        assert_eq!(response["id"], events[0]["response"]["id"]);
        let item = &response["output"][0];
        assert_eq!(item["status"], "incomplete");
        assert_eq!(item["content"][0]["text"], "one two one two ");
        assert_eq!(response["usage"]["output_tokens"], 4);
        // What it cost stands before the event that clients stop at.
        assert!(records[records.len() - 2].starts_with(": farebox-cost="));
        eventually("the upstream is told", async || upstream.cancelled() == 1).await;
        assert_eq!(world.usage().await[0].3, ESTIMATED | CUT_OFF);
        world.at_rest().await;
    }
}

/// A chunk of one delta, with what was used so far.
fn counted_chunk(content: &str, completion_tokens: u64) -> String {
    let chunk = json!({
        "id": "c", "object": "chat.completion.chunk", "created": 1, "model": "their-name",
        "choices": [{"index": 0, "delta": {"content": content}, "finish_reason": null}],
        "usage": {"prompt_tokens": 7, "completion_tokens": completion_tokens},
    });
    format!("data: {chunk}\n\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upstreams_own_count_cuts_off_what_deltas_do_not_show() {
    // Each delta is ten tokens, and says so.
    let upstream = Upstream::start(|_| {
        let chunks = (1..1_000).map(|number| counted_chunk("ten", number * 10));
        Reply::raw_stream("text/event-stream", chunks).delay_ms(2)
    })
    .await;
    let world = world(&upstream, Plan::default()).await;
    let records = records(&world, "/chat/completions", hello(35)).await;
    let (texts, reasons) = choice(&records, 0);
    assert_eq!((texts.len(), reasons), (3, vec!["length".to_owned()]));
    // What was delivered was counted by the upstream: nothing is estimated.
    assert_eq!(world.usage().await, [(7, 30, 67_000, CUT_OFF)]);
    world.at_rest().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upstream_that_keeps_its_limit_is_never_cut_off() {
    let words = ["donaudampfschifffahrtsgesellschaft"; 5];
    for reply in [
        Reply::stream(&words).finish_reason("length"),
        // By its bytes, this would be more than was held.
        Reply::stream(&words).without_usage(),
    ] {
        let upstream = Upstream::start(move |_| reply.clone()).await;
        let world = world(&upstream, Plan::default()).await;
        let records = records(&world, "/chat/completions", hello(5)).await;
        assert_eq!(choice(&records, 0).0.len(), 5);
        let (_, output, _, flags) = world.usage().await[0];
        assert_eq!((output, flags & !ESTIMATED), (5, 0));
        assert_eq!(upstream.cancelled(), 0);
        world.at_rest().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_abandoned_stream_that_is_drained_ends_where_its_money_does() {
    let upstream = Upstream::start(runaway).await;
    let plan = Plan {
        on_disconnect: OnDisconnect::Drain,
        ..Plan::default()
    };
    let world = world(&upstream, plan).await;
    let body = streamed(hello(200));
    let mut stream = post_stream(&world.url("/chat/completions"), world.key(), &body).await;
    stream.record().await.expect("it has begun");
    drop(stream);
    eventually("it is settled", async || !world.usage().await.is_empty()).await;
    let (_, output, _, flags) = world.usage().await[0];
    assert_eq!((output, flags), (200, ESTIMATED | DISCONNECTED | CUT_OFF));
    eventually("the upstream is told", async || upstream.cancelled() == 1).await;
    world.at_rest().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sixty_four_abandoned_streams_are_each_charged_for_what_was_produced() {
    on_each_database(async |database| {
        let upstream = Upstream::start(|_| Reply::stream(&["word "]).delay_ms(10).endless()).await;
        let world = World::start(database, &[upstream.base_url()], Plan::default()).await;
        let clients = (0..64_usize).map(|number| {
            let (url, key) = (world.url("/chat/completions"), world.key().to_owned());
            tokio::spawn(async move {
                let mut stream = post_stream(&url, &key, &streamed(hello(900))).await;
                assert_eq!(stream.status, 200);
                // The role, and then words.
                for _ in 0..=number % 8 + 1 {
                    stream.record().await.expect("it goes on");
                }
            })
        });
        for client in clients {
            client.await.unwrap();
        }
        eventually("all upstreams are told", async || {
            upstream.cancelled() == 64
        })
        .await;
        eventually("all are settled", async || world.usage().await.len() == 64).await;
        for (input, output, cost, flags) in world.usage().await {
            assert!(input > 0 && output > 0, "never nothing: {input} {output}");
            assert!(output < 900, "never the whole bound: {output}");
            assert_eq!(cost, input * 1_000 + output * 2_000);
            assert_eq!(flags, ESTIMATED | DISCONNECTED);
        }
        world.at_rest().await;
    })
    .await;
}
