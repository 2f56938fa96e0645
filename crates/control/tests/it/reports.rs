//! Usage and costs: the same sums at every width, equal to the ledger.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use domain::hold::{Course, Flags, Hold};
use domain::id::{KeyId, PriceId, ProjectId, RequestId};
use domain::markup::Markup;
use domain::money::Nusd;
use domain::price::{StatedPrices, UnitPrices};
use domain::time::AtUs;
use domain::usage::{Reported, Usage};
use serde_json::{Value, json};
use store::Settlement;
use testkit::on_each_database;

use crate::world::{START_S, World, entropy, refused};

pub(crate) fn price() -> UnitPrices {
    StatedPrices {
        input: Nusd::new(150_000_000),
        cached_input: Some(Nusd::new(75_000_000)),
        output: Nusd::new(600_000_000),
        ..StatedPrices::default()
    }
    .into()
}

/// Settles a request that was admitted `at_s` seconds after the start.
pub(crate) async fn used(world: &World, at_s: i64, model: &str, endpoint: &'static str) -> Nusd {
    let for_nothing = UnitPrices::by_class([Nusd::ZERO; 9]);
    served(world, at_s, (model, endpoint), ("u", for_nothing)).await
}

/// As [`used`], by an upstream that costs something.
pub(crate) async fn served(
    world: &World,
    at_s: i64,
    (model, endpoint): (&str, &'static str),
    (upstream, cost): (&str, UnitPrices),
) -> Nusd {
    let now = AtUs::from_seconds(START_S + at_s);
    let keys = format!("/projects/{}/api_keys", world.made.project);
    let key = world.get(&keys).await.json()["data"][0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let hold = Arc::new(Hold {
        id: RequestId::random(now, entropy),
        organization: world.made.organization.clone(),
        project: ProjectId::new(world.made.project.as_str()),
        key: KeyId::new(&key),
        model: model.into(),
        endpoint,
        amount: Nusd::new(1_000_000_000),
        price_id: PriceId::new("price_test"),
        markup: Markup::NONE,
        price: price(),
        cost,
        admitted_at: now,
        legs: Arc::default(),
    });
    let ledger = world.store.ledger();
    ledger
        .hold(Arc::clone(&hold))
        .durable()
        .await
        .unwrap_or_else(|_| panic!("{:?}", ledger.state()));
    let usage = Usage::from_reported(&Reported {
        input_tokens: 1_000 + u64::try_from(at_s).unwrap() % 7,
        cached_input_tokens: 333,
        output_tokens: if endpoint == "embeddings" { 0 } else { 77 },
        ..Reported::default()
    });
    let charge = hold.charge(&usage);
    let settlement = Settlement {
        hold,
        usage,
        charge,
        flags: Flags::default(),
        course: Course::default(),
        upstream: upstream.into(),
        ended_at: now,
        kept: None,
    };
    ledger.settle(settlement).durable().await.unwrap();
    charge.cost.total
}

/// Some hours of two models, chat and embeddings; answers the whole cost.
async fn history(world: &World) -> Nusd {
    let mut cost = Nusd::ZERO;
    for (at_s, model, endpoint) in [
        (5, "a", "chat"),
        (65, "a", "responses"),
        (3_605, "b", "chat"),
        (7_300, "a", "embeddings"),
        (90_000, "b", "completions"),
    ] {
        cost += used(world, at_s, model, endpoint).await;
    }
    world
        .now
        .store((START_S + 100_000) * 1_000_000, Ordering::Relaxed);
    cost
}

fn total(page: &Value, field: &str) -> i64 {
    let buckets = page["data"].as_array().unwrap().iter();
    let results = buckets.flat_map(|bucket| bucket["results"].as_array().unwrap());
    results.map(|result| result[field].as_i64().unwrap()).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_width_and_grouping_gives_the_same_sums() {
    on_each_database(async |database| {
        let world = World::start(database).await;
        history(&world).await;
        let ask = async |rest: &str| {
            let path = format!("/usage/completions?start_time={START_S}&{rest}");
            let answer = world.get(&path).await;
            assert_eq!(answer.status, 200, "{}", answer.text());
            answer.json()
        };
        for query in [
            "bucket_width=1d&limit=31",
            "bucket_width=1h&limit=168",
            "group_by[]=project_id&group_by[]=model",
            "group_by=user_id",
            "group_by=api_key_id&group_by=batch&group_by=service_tier",
            "models=a&models[]=b",
        ] {
            let page = ask(query).await;
            assert_eq!(total(&page, "num_model_requests"), 4, "{query}: {page}");
            assert_eq!(total(&page, "output_tokens"), 4 * 77, "{query}");
            assert_eq!(total(&page, "input_cached_tokens"), 4 * 333, "{query}");
        }
        assert_eq!(total(&ask("models=a").await, "num_model_requests"), 2);
        assert_eq!(
            total(&ask("project_ids=proj_other").await, "num_model_requests"),
            0
        );
        let of_user = format!("user_ids={}", world.made.user);
        for query in [
            &of_user,
            &format!("{of_user}&bucket_width=1h&limit=168"),
            &format!("{of_user}&bucket_width=1d&limit=31&group_by=model"),
            &format!("{of_user}&user_ids=user-other&group_by=user_id"),
            &format!("{of_user}&group_by=api_key_id"),
        ] {
            let page = ask(query).await;
            assert_eq!(total(&page, "num_model_requests"), 4, "{query}: {page}");
        }
        let nobody = ask("user_ids=user-other&limit=31").await;
        assert_eq!(total(&nobody, "num_model_requests"), 0);
        let minutes = ask("bucket_width=1m&limit=62").await;
        assert_eq!(total(&minutes, "num_model_requests"), 3);
        let buckets = minutes["data"].as_array().unwrap();
        assert_eq!(buckets.len(), 62, "empty buckets are listed");
        assert_eq!(buckets[0]["start_time"], START_S);
        assert_eq!(buckets[0]["end_time"], START_S + 60);
        assert_eq!(buckets[2]["results"], json!([]));
        let result = &buckets[0]["results"][0];
        assert_eq!(result["object"], "organization.usage.completions.result");
        assert_eq!(
            (&result["model"], &result["batch"]),
            (&Value::Null, &Value::Null)
        );

        let path = format!("/usage/embeddings?start_time={START_S}&group_by=model");
        let embeddings = world.get(&path).await.json();
        assert_eq!(total(&embeddings, "num_model_requests"), 1);
        let grouped = ask("group_by=model&group_by=user_id").await;
        let result = &grouped["data"][0]["results"][0];
        assert_eq!(
            (&result["model"], &result["user_id"]),
            (&json!("a"), &json!(world.made.user.as_str()))
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn costs_equal_the_ledger_to_the_nano_dollar() {
    on_each_database(async |database| {
        let world = World::start(database).await;
        let spent = history(&world).await;
        for group in [
            "",
            "&group_by=line_item",
            "&group_by[]=project_id&group_by[]=line_item",
        ] {
            let answer = world
                .get(&format!("/costs?start_time={START_S}{group}"))
                .await;
            let text = answer.text();
            // The numbers as they were written, so that no float stands between.
            let values = text.split("\"value\":").skip(1);
            let value = |part: &str| part.split(',').next().unwrap().to_owned();
            let sum: Nusd = values
                .map(|part| Nusd::parse_usd(&value(part)).unwrap())
                .sum();
            assert_eq!(sum, spent, "{text}");
        }
        let page = world
            .get(&format!("/costs?start_time={START_S}&group_by=line_item"))
            .await
            .json();
        let results = page["data"][0]["results"].as_array().unwrap();
        let items: Vec<&str> = results
            .iter()
            .map(|result| result["line_item"].as_str().unwrap())
            .collect();
        assert_eq!(
            items,
            [
                "a, input",
                "a, cached input",
                "a, output",
                "b, input",
                "b, cached input",
                "b, output"
            ]
        );
        let first = &results[0];
        assert_eq!(first["object"], "organization.costs.result");
        assert_eq!(
            (&first["amount"]["currency"], &first["quantity_unit"]),
            (&json!("usd"), &json!("tokens"))
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn costs_by_the_minute_and_hour_are_those_of_the_day() {
    on_each_database(async |database| {
        let world = World::start(database).await;
        let spent = history(&world).await;
        // Every bucket's amount as it was written, so that no float stands between.
        let amounts = async |rest: &str| -> Vec<Nusd> {
            let answer = world
                .get(&format!("/api/costs?start_time={START_S}&{rest}"))
                .await;
            let text = answer.text();
            let values = text.split("\"value\":").skip(1);
            values
                .map(|part| Nusd::parse_usd(part.split(',').next().unwrap()).unwrap())
                .collect()
        };
        let hours = amounts("bucket_width=1h&limit=168").await;
        // Of 5 s, 65 s, 3,605 s, 7,300 s and 90,000 s after midnight: four hours have some.
        assert_eq!(hours.len(), 4);
        assert_eq!(hours.iter().copied().sum::<Nusd>(), spent);
        let days = amounts("").await;
        assert_eq!(days, [hours[..3].iter().copied().sum(), hours[3]]);
        let minutes = amounts("bucket_width=1m&limit=62").await;
        assert_eq!(minutes.iter().copied().sum::<Nusd>(), hours[0] + hours[1]);
        let of_b = amounts("bucket_width=1h&limit=168&models=b").await;
        assert_eq!(of_b, [hours[1], hours[3]]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn reports_come_in_pages() {
    let world = World::start(testkit::databases::sqlite()).await;
    history(&world).await;
    let (mut page, mut requests, mut buckets) = (String::new(), 0, 0);
    loop {
        let path =
            format!("/usage/completions?start_time={START_S}&bucket_width=1h&limit=10&page={page}");
        let answer = world.get(&path).await.json();
        requests += total(&answer, "num_model_requests");
        buckets += answer["data"].as_array().unwrap().len();
        match answer["next_page"].as_str() {
            Some(next) => page = next.to_owned(),
            None => break,
        }
    }
    assert_eq!(
        (requests, buckets),
        (4, 28),
        "100,000 seconds are 27.8 hours"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn questions_that_make_no_sense_are_explained() {
    let world = World::start(testkit::databases::sqlite()).await;
    for (query, param, code) in [
        ("", "start_time", "missing_required_parameter"),
        ("start_time=x", "start_time", "invalid_value"),
        (
            "start_time=1&bucket_width=2d",
            "bucket_width",
            "invalid_value",
        ),
        ("start_time=1&limit=32", "limit", "invalid_value"),
        ("start_time=1&limit=0", "limit", "invalid_value"),
        ("start_time=1&group_by=colour", "group_by", "invalid_value"),
        ("start_time=1&page=nonsense", "page", "invalid_value"),
    ] {
        let answer = world.get(&format!("/usage/completions?{query}")).await;
        refused(&answer, 400, param, code);
    }
    let answer = world.get("/costs?start_time=1&bucket_width=1h").await;
    refused(&answer, 400, "bucket_width", "invalid_value");
    let answer = world.get("/costs?start_time=1&limit=181").await;
    refused(&answer, 400, "limit", "invalid_value");
}
