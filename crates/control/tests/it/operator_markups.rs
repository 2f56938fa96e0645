//! Markups by the operator's API, what one would have changed, and the receipts that tell them.

// SQL in a test: requests of tests are priced by an entry that no model of theirs has.

use serde_json::{Value, json};
use testkit::on_each_database;

use crate::people_world::Browser;
use crate::reports::used;
use crate::world::{START_S, World, refused};

const HOUR_S: i64 = 3_600;

impl World {
    fn markups(&self) -> String {
        let organization = &self.made.organization;
        format!("/api/operator/organizations/{organization}/markups")
    }

    /// The entry of the price book that the requests of tests name.
    async fn book_their_price(&self) {
        let price =
            "150000000 75000000 150000000 600000000 600000000 150000000 600000000 150000000 0";
        let sql = format!(
            "INSERT INTO prices (id, model, effective_at_us, price, cost, source, created_at_us)
             VALUES ('price_test', 'm', 1, '{price}', '0 0 0 0 0 0 0 0 0', 'operator', 1)"
        );
        let write = self.store.write(move |tx| tx.execute(&sql, &[]));
        let written: Result<u64, store::StoreError> = write.await;
        written.expect("a row");
    }
}

async fn posted(operator: &mut Browser<'_>, path: &str, body: &Value) -> Value {
    let answer = operator.post(path, body).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_organization_gets_markups_and_loses_them() {
    on_each_database(async |database| {
        let world = World::start(database).await;
        let mut operator = world.operator().await;
        let markups = world.markups();
        let general = posted(&mut operator, &markups, &json!({"basis_points": 1_250})).await;
        assert_eq!(
            (&general["state"], &general["model"], &general["ended_at"]),
            (&json!("in_force"), &Value::Null, &Value::Null)
        );
        let body = json!({
            "basis_points": -1_000, "model": "m", "effective_at": START_S + HOUR_S,
        });
        let to_come = posted(&mut operator, &markups, &body).await;
        assert_eq!(to_come["state"], "to_come");
        let list = operator.get(&markups).await.json();
        let ids = list["data"].as_array().unwrap().iter().map(|it| &it["id"]);
        assert_eq!(ids.collect::<Vec<_>>(), [&to_come["id"], &general["id"]]);

        for (markup, state) in [(&to_come, "withdrawn"), (&general, "past")] {
            let path = format!("{markups}/{}", markup["id"].as_str().unwrap());
            let ended = operator.delete(&path).await;
            assert_eq!(ended.json()["state"], state, "{}", ended.text());
            refused(
                &operator.delete(&path).await,
                400,
                Value::Null,
                "price_stands",
            );
        }
        let list = operator.get(&markups).await.json();
        let states = list["data"].as_array().unwrap().iter();
        let states: Vec<_> = states.map(|it| it["state"].as_str().unwrap()).collect();
        assert_eq!(states, ["withdrawn", "past"]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_markup_is_refused() {
    on_each_database(async |database| {
        let world = World::start(database).await;
        let mut operator = world.operator().await;
        let markups = world.markups();
        for (body, code, param) in [
            (json!({}), "missing_required_parameter", "basis_points"),
            (
                json!({"basis_points": -10_000}),
                "integer_below_min_value",
                "basis_points",
            ),
            (
                json!({"basis_points": 100_001}),
                "integer_above_max_value",
                "basis_points",
            ),
            (
                json!({"basis_points": 12.5}),
                "invalid_type",
                "basis_points",
            ),
            (
                json!({"basis_points": 1, "effective_at": START_S - 1}),
                "invalid_value",
                "effective_at",
            ),
        ] {
            let answer = operator.post(&markups, &body).await;
            let error = &answer.json()["error"];
            assert_eq!(answer.status, 400, "{body}");
            assert_eq!(error["param"], param, "{body}: {error}");
            let known = [code, "invalid_value"].contains(&error["code"].as_str().unwrap());
            assert!(known, "{body}: {error}");
        }
        let elsewhere = "/api/operator/organizations/org-none/markups";
        let answer = operator.post(elsewhere, &json!({"basis_points": 1})).await;
        refused(&answer, 404, Value::Null, "not_found");
        let answer = operator.delete(&format!("{markups}/markup_none")).await;
        refused(&answer, 404, Value::Null, "not_found");
        let body = json!({"basis_points": 1, "model": "none"});
        assert_eq!(operator.post(&markups, &body).await.status, 404);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preview_says_what_a_markup_would_have_changed() {
    on_each_database(async |database| {
        let world = World::start(database).await;
        world.book_their_price().await;
        let mut cost = domain::money::Nusd::ZERO;
        for at_s in [5, 65] {
            cost += used(&world, at_s, "m", "chat").await;
        }
        used(&world, 70, "other", "chat").await;
        let mut operator = world.operator().await;
        let organization = &world.made.organization;
        let previews = format!("/api/operator/organizations/{organization}/markup_previews");
        let days = |mut body: Value| {
            body["start_time"] = START_S.into();
            body["end_time"] = (START_S + 100).into();
            body
        };
        let same = days(json!({"basis_points": 0, "model": "m"}));
        let same = posted(&mut operator, &previews, &same).await;
        assert_eq!(same["billed_usd"], cost.to_usd());
        assert_eq!(same["proposed_usd"], cost.to_usd());
        assert_eq!(
            (&same["difference_usd"], &same["is_exact"]),
            (&json!("0.00"), &json!(true))
        );

        let double = days(json!({"basis_points": 10_000, "model": "m"}));
        let double = posted(&mut operator, &previews, &double).await;
        // Every price doubles, and both costs were whole nano-dollars but for their rounding.
        let difference = domain::money::Nusd::parse_usd(double["difference_usd"].as_str().unwrap());
        let difference = difference.unwrap().get();
        assert!(
            (cost.get() - 2..=cost.get()).contains(&difference),
            "{double}"
        );
        assert_eq!(double["requests"], 2);
        let all = posted(
            &mut operator,
            &previews,
            &days(json!({"basis_points": 10_000})),
        )
        .await;
        let models = all["models"].as_array().unwrap().iter();
        let models: Vec<_> = models.map(|it| it["model"].as_str().unwrap()).collect();
        assert_eq!(models, ["m", "other"]);
        // With a rule of its own, one for every model does not touch it.
        let own = json!({"basis_points": 5, "model": "m"});
        posted(&mut operator, &world.markups(), &own).await;
        let all = posted(
            &mut operator,
            &previews,
            &days(json!({"basis_points": 10_000})),
        )
        .await;
        assert_eq!(all["models"].as_array().unwrap().len(), 1, "{all}");
        let nothing = posted(&mut operator, &previews, &json!({"basis_points": 1})).await;
        assert_eq!(
            (&nothing["requests"], &nothing["models"]),
            (&json!(0), &json!([]))
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn people_get_receipts_of_requests() {
    on_each_database(async |database| {
        let world = World::start(database).await;
        world.book_their_price().await;
        let cost = used(&world, 5, "m", "chat").await;
        let read = world.store.read(|tx| {
            tx.query_one("SELECT id FROM usage_records", &[])?
                .text(0)
                .map(str::to_owned)
        });
        let id: Result<String, store::StoreError> = read.await;
        let id = id.unwrap();
        let receipt = world.get(&format!("/api/receipts/{id}")).await;
        assert_eq!(receipt.status, 200, "{}", receipt.text());
        let receipt = receipt.json();
        assert_eq!(
            (&receipt["id"], &receipt["cost_usd"]),
            (&json!(id), &json!(cost.to_usd()))
        );
        for unknown in ["req_00000000000000000000000000000000", "nothing"] {
            let none = world.get(&format!("/api/receipts/{unknown}")).await;
            refused(&none, 404, Value::Null, "not_found");
        }
    })
    .await;
}
