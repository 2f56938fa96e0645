//! The price book by the operator's API: it grows, dates count, and nothing that was used changes.

use std::sync::atomic::Ordering;

use serde_json::{Value, json};
use testkit::on_each_database;

use crate::data_plane::{FAILING, WELL};
use crate::people_world::Browser;
use crate::reports::{price, used};
use crate::world::{START_S, World, refused};

const PRICES: &str = "/api/operator/models/m/prices";
const HOUR_S: i64 = 3_600;

fn body(input: &str, output: &str) -> Value {
    json!({"price": {"input": input, "output": output}})
}

fn later(mut body: Value, seconds: i64) -> Value {
    body["effective_at"] = (START_S + seconds).into();
    body
}

/// What a call answers, which is well.
async fn posted(operator: &mut Browser<'_>, path: &str, body: &Value) -> Value {
    let answer = operator.post(path, body).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

async fn got(operator: &mut Browser<'_>, path: &str) -> Value {
    let answer = operator.get(path).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_price_is_in_force_when_it_is_added() {
    on_each_database(async |database| {
        let world = World::start(database).await;
        let mut operator = world.operator().await;
        let model = "/api/operator/models/m";
        let unpriced = got(&mut operator, model).await;
        assert_eq!(unpriced["problems"], json!(["not_priced"]));
        assert_eq!(
            (&unpriced["price"], &unpriced["is_callable"]),
            (&Value::Null, &json!(false))
        );

        let mut full = body("0.15", "0.60");
        full["price"]["cached_input"] = "0.075".into();
        full["cost"] = json!({"input": "0.1", "output": "0", "request": "7"});
        let first = posted(&mut operator, PRICES, &full).await;
        assert_eq!(
            (&first["state"], &first["source"]),
            (&json!("in_force"), &json!("operator"))
        );
        assert_eq!(first["price"]["cached_input"], "0.075");
        assert_eq!(first["price"]["reasoning"], "0.60", "as output");
        let (cost, request) = (&first["cost"]["cache_write"], &first["cost"]["request"]);
        assert_eq!((cost, request), (&json!("0.10"), &json!("7.00")));
    })
    .await;
}

/// The states of the model's prices, the latest to begin first.
async fn states(operator: &mut Browser<'_>) -> Value {
    let list = got(operator, PRICES).await;
    let states = list["data"].as_array().unwrap().iter();
    json!(states.map(|it| it["state"].clone()).collect::<Vec<_>>())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_price_follows_at_its_date_and_is_withdrawn_before() {
    on_each_database(async |database| {
        let world = World::start(database).await;
        let mut operator = world.operator().await;
        let first = posted(&mut operator, PRICES, &body("0.15", "0.60")).await;
        let to_come = posted(&mut operator, PRICES, &later(body("1", "2"), HOUR_S)).await;
        assert_eq!(to_come["state"], "to_come");
        assert_eq!(
            to_come["cost"], first["cost"],
            "what the operator pays stays"
        );
        let withdrawn = posted(&mut operator, PRICES, &later(body("3", "4"), 2 * HOUR_S)).await;
        let path = format!("{PRICES}/{}", withdrawn["id"].as_str().unwrap());
        let answer = operator.delete(&path).await.json();
        assert_eq!(
            (&answer["state"], &answer["id"]),
            (&json!("withdrawn"), &withdrawn["id"])
        );
        refused(
            &operator.delete(&path).await,
            400,
            Value::Null,
            "price_stands",
        );
        let of_now = format!("{PRICES}/{}", first["id"].as_str().unwrap());
        refused(
            &operator.delete(&of_now).await,
            400,
            Value::Null,
            "price_stands",
        );

        assert_eq!(
            states(&mut operator).await,
            json!(["withdrawn", "to_come", "in_force"])
        );
        let page = got(&mut operator, &format!("{PRICES}?limit=1")).await;
        assert_eq!(
            (&page["has_more"], &page["last_id"]),
            (&json!(true), &withdrawn["id"])
        );
        let shown = got(&mut operator, "/api/operator/models/m").await;
        assert_eq!(shown["price"]["id"], first["id"]);
        assert_eq!(
            (&shown["next_price"]["id"], &shown["problems"]),
            (&to_come["id"], &json!([]))
        );

        world
            .now
            .store((START_S + HOUR_S) * 1_000_000, Ordering::Relaxed);
        assert_eq!(
            states(&mut operator).await,
            json!(["withdrawn", "in_force", "past"])
        );
        let path = format!("{PRICES}/{}", to_come["id"].as_str().unwrap());
        assert_eq!(got(&mut operator, &path).await["state"], "in_force");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_price_is_refused() {
    let world = World::start(testkit::databases::sqlite()).await;
    let mut operator = world.operator().await;
    posted(&mut operator, PRICES, &later(body("1", "1"), HOUR_S)).await;
    let missing = "missing_required_parameter";
    for (body, param, code) in [
        (json!({}), "price", missing),
        (json!({"price": {"input": "1"}}), "price.output", missing),
        (
            json!({"price": {"input": 1, "output": "1"}}),
            "price.input",
            "invalid_type",
        ),
        (body("-1", "1"), "price.input", "invalid_value"),
        (body("1e-7", "1"), "price.input", "invalid_value"),
        (body("0.0000000001", "1"), "price.input", "invalid_value"),
        (later(body("1", "1"), -1), "effective_at", "invalid_value"),
        (
            later(body("1", "1"), HOUR_S),
            "effective_at",
            "invalid_value",
        ),
    ] {
        let answer = operator.post(PRICES, &body).await;
        refused(&answer, 400, param, code);
    }
    let elsewhere = "/api/operator/models/other/prices";
    let answer = operator.post(elsewhere, &body("1", "1")).await;
    refused(&answer, 404, Value::Null, "not_found");
    // Slashes in a name are written as the standard has it.
    let slashed = "/api/operator/models/vendor%2Flarge/prices";
    let made = posted(&mut operator, slashed, &body("0", "0")).await;
    assert_eq!(
        (&made["model"], &made["state"]),
        (&json!("vendor/large"), &json!("in_force"))
    );
    let of_another = format!("{PRICES}/{}", made["id"].as_str().unwrap());
    refused(
        &operator.get(&of_another).await,
        404,
        Value::Null,
        "not_found",
    );
    refused(
        &operator.delete(&of_another).await,
        404,
        Value::Null,
        "not_found",
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_is_switched_off_and_on_again() {
    on_each_database(async |database| {
        let world = World::start(database).await;
        let mut operator = world.operator().await;
        let path = "/api/operator/models/a";
        posted(&mut operator, &format!("{path}/prices"), &body("1", "1")).await;
        let is_enabled = async |operator: &mut Browser<'_>, is_enabled: Value| {
            let body = json!({"is_enabled": is_enabled});
            posted(operator, path, &body).await
        };
        let off = is_enabled(&mut operator, false.into()).await;
        assert_eq!(off["problems"], json!(["disabled", "upstreams_failing"]));
        assert_eq!(
            (&off["is_callable"], &off["is_enabled"]),
            (&json!(false), &json!(false))
        );
        assert!(off["disabled_at"].as_i64().unwrap() >= START_S);
        let still = is_enabled(&mut operator, Value::Null).await;
        assert_eq!(still, off, "nothing was to change");
        let on = is_enabled(&mut operator, true.into()).await;
        assert_eq!(
            (&on["is_callable"], &on["disabled_at"]),
            (&json!(true), &Value::Null)
        );
        assert_eq!(on["problems"], json!(["upstreams_failing"]));
        let answer = operator.post(path, &json!({"is_enabled": "no"})).await;
        refused(&answer, 400, "is_enabled", "invalid_type");

        let list = got(&mut operator, "/api/operator/models?limit=2&after=a").await;
        let ids = list["data"].as_array().unwrap().iter().map(|it| &it["id"]);
        assert_eq!(ids.collect::<Vec<_>>(), ["m", "vendor/large"]);
        assert_eq!(list["has_more"], true);
        let deployment = json!({"upstream_id": WELL, "model": "their-m", "weight": 1});
        assert_eq!(list["data"][0]["deployments"], json!([deployment]));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn upstreams_tell_how_they_are() {
    let world = World::start(testkit::databases::sqlite()).await;
    let mut operator = world.operator().await;
    let list = got(&mut operator, "/api/operator/upstreams").await;
    let [well, failing] = [&list["data"][0], &list["data"][1]];
    assert_eq!(
        (&well["id"], &well["state"]),
        (&json!(WELL), &json!("answering"))
    );
    let recent = json!({"answers": 20, "median_us": 1_500, "p95_us": 9_000});
    assert_eq!((&well["recent"], &well["in_flight"]), (&recent, &json!(3)));
    assert_eq!(well["models"].as_array().unwrap().len(), 3);
    assert_eq!(well["node"], Value::Null, "there is one process");
    assert_eq!(
        (&failing["state"], &failing["failures_in_a_row"]),
        (&json!("failing"), &json!(4))
    );
    let last = json!({"at": START_S - 60, "kind": "timed_out"});
    assert_eq!(failing["last_failure"], last);
    assert_eq!(failing["models"][0]["model"], "their-a");
    let path = |id: &str| format!("/api/operator/upstreams/{id}");
    assert_eq!(got(&mut operator, &path(FAILING)).await, *failing);

    let check = async |operator: &mut Browser<'_>, id: &str| {
        posted(operator, &format!("{}/check", path(id)), &Value::Null).await
    };
    let found = check(&mut operator, WELL).await;
    assert_eq!(
        (&found["status"], &found["is_well"]),
        (&json!(200), &json!(false))
    );
    assert_eq!(found["missing_models"], json!(["their-vendor/small"]));
    let found = check(&mut operator, FAILING).await;
    assert_eq!(
        (&found["outcome"], &found["is_well"]),
        (&json!("timed_out"), &json!(false))
    );
    assert_eq!(
        (&found["models"], &found["missing_models"]),
        (&Value::Null, &json!([]))
    );
    refused(
        &operator.get(&path("other")).await,
        404,
        Value::Null,
        "not_found",
    );
    let answer = operator
        .post(&format!("{}/check", path("other")), &Value::Null)
        .await;
    refused(&answer, 404, Value::Null, "not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preview_says_what_would_have_changed() {
    on_each_database(async |database| {
        let world = World::start(database).await;
        let mut billed = 0;
        for at_s in [5, 65, 3_605] {
            billed += used(&world, at_s, "m", "chat").await.get();
        }
        used(&world, 5, "a", "chat").await;
        let mut operator = world.operator().await;
        let preview = "/api/operator/models/m/price_previews";
        // What was charged, and with a day that holds it all.
        let amounts = json!({"input": "0.15", "cached_input": "0.075", "output": "0.60"});
        assert_eq!(
            price().of(domain::usage::UsageClass::CachedInput).to_usd(),
            "0.075"
        );
        let asked = |price: Value| json!({"price": price, "start_time": START_S});
        let same = posted(&mut operator, preview, &asked(amounts)).await;
        let total = &same["total"];
        assert_eq!(
            (&total["difference_usd"], &total["is_exact"]),
            (&json!("0.00"), &json!(true))
        );
        assert_eq!(
            total["billed_usd"],
            domain::money::Nusd::new(billed).to_usd()
        );
        assert_eq!(
            (&total["requests"], &total["organizations"]),
            (&json!(3), &json!(1))
        );
        assert_eq!(total["tokens"]["cached_input"], 3 * 333);
        assert_eq!(
            same["end_time"],
            json!(START_S.div_euclid(86_400) * 86_400 + 86_400)
        );

        let dearer = asked(json!({"input": "0.15", "cached_input": "1.075", "output": "0.60"}));
        let dearer = posted(&mut operator, preview, &dearer).await;
        let row = &dearer["organizations"]["data"][0];
        assert_eq!(row["id"], world.made.organization.as_str());
        assert_eq!(
            (&row["name"], &row["difference_usd"]),
            (&json!("Acme"), &json!("0.000999"))
        );
        // Last month there was nothing.
        let none = posted(&mut operator, preview, &body("1", "1")).await;
        assert_eq!(
            (&none["total"]["requests"], &none["total"]["billed_usd"]),
            (&json!(0), &json!("0.00"))
        );
        assert_eq!(none["end_time"], 1_798_761_600, "2027-01-01");

        let range = |start: i64, end: i64| {
            let mut asked = body("1", "1");
            asked["start_time"] = (START_S + start).into();
            asked["end_time"] = (START_S + end).into();
            asked
        };
        let answer = operator.post(preview, &range(0, -86_400)).await;
        refused(&answer, 400, "end_time", "invalid_value");
        let answer = operator.post(preview, &range(-93 * 86_400, 0)).await;
        refused(&answer, 400, "start_time", "invalid_value");
        let answer = operator.post(preview, &json!({"start_time": 0})).await;
        refused(&answer, 400, "price", "missing_required_parameter");
        let prices = got(&mut operator, PRICES).await;
        assert_eq!(prices["data"], json!([]), "nothing is kept of it");
    })
    .await;
}
