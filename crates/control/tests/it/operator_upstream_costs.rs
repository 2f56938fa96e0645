//! What upstreams earn and cost: by our books, by their own, and what is told when both differ.

use std::sync::atomic::Ordering;

use domain::money::Nusd;
use domain::price::UnitPrices;
use serde_json::{Value, json};
use testkit::on_each_database;

use crate::data_plane::WELL;
use crate::reports::served;
use crate::world::{START_S, World, refused};

const COSTS: &str = "/api/operator/upstream_costs";
const DRIFTS: &str = "/api/operator/upstream_drifts";
const DAY_S: i64 = 86_400;
const DAY: i64 = START_S / DAY_S * DAY_S;

/// Two requests of a model and one of another on one day, one on the next; each costs a tenth of a
/// cent for a token, and it is two days later then.
async fn history(world: &World) {
    let cost = || UnitPrices::by_class([Nusd::new(1_000_000_000_000); 9]);
    for (at_s, model) in [(5, "m"), (6, "m"), (7, "vendor/large"), (DAY_S + 5, "m")] {
        served(world, at_s, (model, "embeddings"), (WELL, cost())).await;
    }
    let now = START_S + 2 * DAY_S;
    world.now.store(now * 1_000_000, Ordering::Relaxed);
}

fn results(page: &Value, day: usize) -> Vec<Value> {
    page["data"][day]["results"].as_array().unwrap().clone()
}

/// A day as OpenAI's costs API tells it.
fn told(day: i64, lines: &[(&str, Value)]) -> Value {
    let results: Vec<Value> = lines
        .iter()
        .map(|(line, value)| {
            let amount = json!({"value": value, "currency": "usd"});
            json!({"object": "organization.costs.result", "amount": amount, "line_item": line})
        })
        .collect();
    json!({"object": "bucket", "start_time": day, "end_time": day + DAY_S, "results": results})
}

#[tokio::test(flavor = "multi_thread")]
async fn revenue_cost_and_margin_are_reported_by_day_upstream_and_model() {
    on_each_database(async |database| {
        let world = World::start(database).await;
        history(&world).await;
        let mut operator = world.operator().await;
        let all = operator
            .get(&format!("{COSTS}?start_time={DAY}"))
            .await
            .json();
        assert_eq!(all["data"].as_array().unwrap().len(), 3, "{all}");
        let [sum] = &results(&all, 0)[..] else {
            panic!("one sum of the first day: {all}")
        };
        assert_eq!(
            (&sum["upstream_id"], &sum["model"]),
            (&Value::Null, &Value::Null)
        );
        assert_eq!(sum["num_model_requests"], 3);
        let usd = |field: &str| Nusd::parse_usd(sum[field].as_str().unwrap()).unwrap();
        assert!(usd("revenue_usd") > Nusd::ZERO && usd("cost_usd") > Nusd::ZERO);
        let margin = usd("revenue_usd") - usd("cost_usd");
        assert_eq!(sum["margin_usd"], margin.to_usd());
        assert_eq!(results(&all, 1)[0]["num_model_requests"], 1);
        assert_eq!(results(&all, 2), Vec::<Value>::new());

        let path = format!("{COSTS}?start_time={DAY}&group_by[]=upstream_id&group_by[]=model");
        let grouped = operator.get(&path).await.json();
        let rows = results(&grouped, 0);
        let rows: Vec<_> = rows
            .iter()
            .map(|row| {
                (
                    &row["upstream_id"],
                    &row["model"],
                    &row["num_model_requests"],
                )
            })
            .collect();
        let well = json!(WELL);
        assert_eq!(
            rows,
            [
                (&well, &json!("m"), &json!(2)),
                (&well, &json!("vendor/large"), &json!(1))
            ]
        );
        let one = operator
            .get(&format!("{COSTS}?start_time={DAY}&models=m&limit=1"))
            .await
            .json();
        assert_eq!(results(&one, 0)[0]["num_model_requests"], 2);
        assert_eq!(one["has_more"], true);
        let none = operator
            .get(&format!("{COSTS}?start_time={DAY}&upstream_ids=u"))
            .await
            .json();
        assert_eq!(results(&none, 0), Vec::<Value>::new());
        for (query, param) in [
            ("", "start_time"),
            ("?start_time=0&group_by=user_id", "group_by"),
        ] {
            let answer = operator.get(&format!("{COSTS}{query}")).await;
            assert_eq!(answer.json()["error"]["param"], param);
        }
    })
    .await;
}

/// What the upstream says the large model cost beyond ours: two dollars.
const TWO: Nusd = Nusd::new(2_000_000_000);

/// The first day's rows: both models together, half a dollar of it no model's, then one by one; the
/// upstream says `more` of the large one.
fn is_compared(page: &Value, (of_m, of_large): (Nusd, Nusd), more: Nusd) {
    let rows = results(page, 0);
    let half = Nusd::new(500_000_000);
    let all = of_m + of_large;
    for (row, model, ours, theirs, is_tolerated) in [
        (0, Value::Null, all, all + more + half, json!(false)),
        (1, json!("m"), of_m, of_m, Value::Null),
        (
            2,
            json!("vendor/large"),
            of_large,
            of_large + more,
            Value::Null,
        ),
    ] {
        let row = &rows[row];
        assert_eq!(row["model"], model, "{page}");
        assert_eq!(
            (&row["ours_usd"], &row["theirs_usd"]),
            (&json!(ours.to_usd()), &json!(theirs.to_usd()))
        );
        assert_eq!(row["difference_usd"], (theirs - ours).to_usd());
        assert_eq!(row["is_tolerated"], is_tolerated);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_upstream_says_is_compared_and_what_differs_is_told_once() {
    on_each_database(async |database| {
        let world = World::start(database).await;
        history(&world).await;
        let mut operator = world.operator().await;
        let path = format!("{COSTS}?start_time={DAY}&group_by[]=model");
        let ours = operator.get(&path).await.json();
        let cost = |day, row: usize| {
            let rows = results(&ours, day);
            Nusd::parse_usd(rows[row]["cost_usd"].as_str().unwrap()).unwrap()
        };
        let (of_m, of_large) = (cost(0, 0), cost(0, 1));
        let number = |amount: Nusd| -> Value { serde_json::from_str(&amount.to_usd()).unwrap() };
        let first = told(
            DAY,
            &[
                ("their-m-2027-01-01, input", number(of_m)),
                ("their-vendor/large, output", number(of_large + TWO)),
                ("Web search", json!("0.5")),
            ],
        );
        // Within a dollar; and a day that is not over is not judged.
        let second = told(
            DAY + DAY_S,
            &[("their-m", number(cost(1, 0) + Nusd::new(900_000_000)))],
        );
        let third = told(DAY + 2 * DAY_S, &[("their-m", json!(1_000))]);
        let bill = json!({"upstream_id": WELL, "costs": {
            "object": "page", "data": [first, second, third], "has_more": false,
        }});
        world.sent().await;
        let import = format!("{COSTS}/import");
        let imported = operator.post(&import, &bill).await.json();
        assert_eq!(imported["alarmed_days"], json!([DAY]), "{imported}");
        assert_eq!(
            (&imported["days"], &imported["is_new"]),
            (&json!(3), &json!(true))
        );
        let sent = world.sent().await;
        let [mail] = &sent[..] else {
            panic!("one mail to the one operator: {sent:?}")
        };
        assert_eq!(&*mail.template, "upstream_drift");
        let again = operator.post(&import, &bill).await.json();
        assert_eq!(
            (&again["is_new"], &again["alarmed_days"]),
            (&json!(false), &json!([]))
        );

        let page = operator
            .get(&format!("{DRIFTS}?start_time={DAY}"))
            .await
            .json();
        is_compared(&page, (of_m, of_large), TWO);
        let rows = results(&page, 0);
        assert_eq!(rows[1]["difference_percent"], "0.00");
        assert_eq!(results(&page, 1)[0]["is_tolerated"], true);
        assert_eq!(results(&page, 2)[0]["difference_percent"], Value::Null);

        // The latest word counts, and nobody is told of the same day again.
        let first = told(DAY, &[("their-m", json!(0))]);
        let bill = json!({"upstream_id": WELL, "costs": {"data": [first]}});
        let imported = operator.post(&import, &bill).await.json();
        assert_eq!(
            (&imported["is_new"], &imported["alarmed_days"]),
            (&json!(true), &json!([]))
        );
        let page = operator
            .get(&format!("{DRIFTS}?start_time={DAY}"))
            .await
            .json();
        assert_eq!(results(&page, 0)[0]["theirs_usd"], "0.00");
        assert_eq!(world.sent().await.len(), 0);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_bill_is_refused_by_name() {
    let world = World::start(testkit::databases::sqlite()).await;
    let mut operator = world.operator().await;
    let good = told(DAY, &[("m", json!(1))]);
    let with = |path: &str, value: Value| {
        let mut bad = good.clone();
        *bad.pointer_mut(path).unwrap() = value;
        json!({"upstream_id": WELL, "costs": {"data": [bad]}})
    };
    let line = "costs.data[0].results[0].amount";
    for (body, param, code) in [
        (
            json!({"upstream_id": WELL}),
            "costs",
            "missing_required_parameter",
        ),
        (
            with("/end_time", json!(DAY + 3_600)),
            "costs.data[0].start_time",
            "invalid_value",
        ),
        (
            with("/start_time", json!("x")),
            "costs.data[0].start_time",
            "invalid_type",
        ),
        (
            with("/results/0/amount/currency", json!("eur")),
            &format!("{line}.currency"),
            "invalid_value",
        ),
        (
            with("/results/0/amount/value", json!("a lot")),
            &format!("{line}.value"),
            "invalid_value",
        ),
    ] {
        let answer = operator.post(&format!("{COSTS}/import"), &body).await;
        refused(&answer, 400, param, code);
    }
    let body = json!({"upstream_id": "nobody", "costs": {"data": []}});
    let answer = operator.post(&format!("{COSTS}/import"), &body).await;
    refused(&answer, 404, Value::Null, "not_found");
}
