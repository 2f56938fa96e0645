//! Rules for rates of organizations, projects and keys: put, listed, replaced, removed.

use domain::admission::RateRule;
use domain::budget::Scope;
use domain::id::KeyId;
use domain::time::AtUs;
use serde_json::{Value, json};
use store::rate_limits::{self, RateLimitRow};
use testkit::on_each_database;

use crate::spending::Spender;
use crate::world::{World, refused};

const PATH: &str = "/api/rate_limits";

async fn put(world: &World, body: &Value) -> Value {
    let answer = world.post(PATH, body).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

fn ids(list: &Value) -> Vec<String> {
    let rows = list["data"].as_array().unwrap().iter();
    rows.map(|row| row["id"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rule_is_put_and_replaced() {
    on_each_database(async |database| {
        let world = World::start(database).await;
        let organization = world.made.organization.as_str();
        let scope = json!({"type": "organization"});
        let mut want = json!({
            "id": organization,
            "object": "rate_limit",
            "scope": {"type": "organization", "id": organization},
            "model": null,
            "requests_per_minute": 100,
            "tokens_per_minute": null,
            "requests_per_day": null,
            "tokens_per_day": null,
            "concurrent_requests": null,
        });
        let first = json!({"scope": scope, "requests_per_minute": 100});
        assert_eq!(put(&world, &first).await, want);
        want["requests_per_minute"] = Value::Null;
        want["concurrent_requests"] = json!(2);
        let second = json!({"scope": scope, "model": null, "concurrent_requests": 2});
        assert_eq!(put(&world, &second).await, want, "replaced, not merged");
        assert_eq!(world.get(PATH).await.json()["data"], json!([want]));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_are_listed_and_removed() {
    on_each_database(async |database| {
        let world = World::start(database).await;
        let spender = Spender::new(&world).await;
        let organization = world.made.organization.as_str();
        let of_project = json!({"type": "project", "id": spender.project});
        // A key may have more than its project: its limits hold in addition.
        let of_key = json!({
            "scope": {"type": "key", "id": spender.key}, "model": "vendor/large",
            "requests_per_minute": 5_000, "tokens_per_minute": 6, "requests_per_day": 7,
            "tokens_per_day": 8, "concurrent_requests": 9,
        });
        for rule in [
            &of_key,
            &json!({"scope": of_project, "model": "m", "requests_per_minute": 3}),
            &json!({"scope": {"type": "organization"}, "requests_per_minute": 100}),
        ] {
            put(&world, rule).await;
        }
        let list = world.get(PATH).await.json();
        let of_key_id = format!("{}:vendor/large", spender.key);
        let of_project_id = format!("{}:m", spender.project);
        assert_eq!(ids(&list), [organization, &of_key_id, &of_project_id]);
        for (name, value) in of_key.as_object().unwrap() {
            assert_eq!(list["data"][1][name], *value, "{name}");
        }
        let listed = async |query: &str| ids(&world.get(&format!("{PATH}?{query}")).await.json());
        let first = listed(&format!("limit=1&after={organization}")).await;
        assert_eq!(first, [of_key_id.as_str()]);
        let rest = listed(&format!("after={of_key_id}")).await;
        assert_eq!(rest, [of_project_id.as_str()]);
        let of_one = format!("scope_type=key&scope_id={}", spender.key);
        assert_eq!(listed(&of_one).await, [of_key_id.as_str()]);

        let one = format!("{PATH}?{of_one}&model=vendor%2Flarge");
        let gone = json!({"object": "rate_limit.deleted", "id": of_key_id, "deleted": true});
        assert_eq!(world.delete(&one).await.json(), gone);
        for nothing in [one, format!("{PATH}?{of_one}")] {
            let answer = world.delete(&nothing).await;
            refused(&answer, 404, Value::Null, "not_found");
        }
        let all_models = format!("{PATH}?scope_type=organization");
        assert_eq!(world.delete(&all_models).await.json()["id"], organization);
        assert_eq!(listed("").await, [of_project_id.as_str()]);
    })
    .await;
}

/// What is named, the rule that is none, and the code.
fn wrong_rules() -> Vec<(&'static str, Value, &'static str)> {
    let organization = || json!({"type": "organization"});
    vec![
        (
            "scope",
            json!({"requests_per_minute": 1}),
            "missing_required_parameter",
        ),
        (
            "scope.type",
            json!({"scope": {"type": "team"}, "requests_per_minute": 1}),
            "invalid_value",
        ),
        (
            "requests_per_minute",
            json!({"scope": organization()}),
            "invalid_value",
        ),
        (
            "requests_per_minute",
            json!({"scope": organization(), "requests_per_minute": null}),
            "invalid_value",
        ),
        (
            "requests_per_day",
            json!({"scope": organization(), "requests_per_day": 0}),
            "invalid_value",
        ),
        (
            "tokens_per_day",
            json!({"scope": organization(), "tokens_per_day": "9"}),
            "invalid_type",
        ),
        (
            "concurrent_requests",
            json!({"scope": organization(), "concurrent_requests": 1.5}),
            "invalid_value",
        ),
        (
            "model",
            json!({"scope": organization(), "model": "nothing", "requests_per_day": 1}),
            "invalid_value",
        ),
        (
            "model",
            json!({"scope": organization(), "model": "", "requests_per_day": 1}),
            "invalid_value",
        ),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_rule_is_refused_and_named() {
    let world = World::start(testkit::databases::sqlite()).await;
    for (param, body, code) in wrong_rules() {
        refused(&world.post(PATH, &body).await, 400, param, code);
    }
    for (query, param, code) in [
        ("", "scope_type", "missing_required_parameter"),
        (
            "?scope_id=proj_a",
            "scope_type",
            "missing_required_parameter",
        ),
        ("?scope_type=team", "scope_type", "invalid_value"),
        ("?scope_type=key", "scope_id", "missing_required_parameter"),
        (
            "?scope_type=organization&scope_id=org-b",
            "scope_id",
            "invalid_value",
        ),
    ] {
        let answer = world.delete(&format!("{PATH}{query}")).await;
        refused(&answer, 400, param, code);
    }
    let answer = world.get(&format!("{PATH}?after=nothing")).await;
    refused(&answer, 400, "after", "invalid_value");
    for scope in [
        json!({"type": "project", "id": "proj_nothing"}),
        json!({"type": "key", "id": "key_nothing"}),
    ] {
        let body = json!({"scope": scope, "requests_per_minute": 1});
        refused(
            &world.post(PATH, &body).await,
            404,
            Value::Null,
            "not_found",
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_only_ever_narrow_downwards() {
    on_each_database(async |database| {
        let world = World::start(database).await;
        let of_project = json!({"type": "project", "id": world.made.project.as_str()});
        let organization = json!({"type": "organization"});
        let above = async |scope: &Value, model: Value, param: &str, number: i64, most: i64| {
            let body = json!({"scope": scope, "model": model, param: number});
            let answer = world.post(PATH, &body).await;
            refused(&answer, 400, param, "invalid_value");
            let message = answer.json()["error"]["message"].to_string();
            for number in [number, most] {
                assert!(message.contains(&number.to_string()), "{message}");
            }
        };
        above(
            &organization,
            Value::Null,
            "requests_per_minute",
            1_001,
            1_000,
        )
        .await;
        above(
            &organization,
            json!("m"),
            "tokens_per_minute",
            100_001,
            100_000,
        )
        .await;
        above(
            &of_project,
            Value::Null,
            "requests_per_minute",
            1_001,
            1_000,
        )
        .await;
        put(
            &world,
            &json!({
                "scope": organization, "model": "m",
                "requests_per_minute": 50, "tokens_per_day": 9,
            }),
        )
        .await;
        put(
            &world,
            &json!({"scope": organization, "concurrent_requests": 4, "requests_per_minute": 70}),
        )
        .await;
        above(&of_project, json!("m"), "requests_per_minute", 51, 50).await;
        above(&of_project, json!("m"), "tokens_per_day", 10, 9).await;
        above(&of_project, json!("m"), "concurrent_requests", 5, 4).await;
        above(&of_project, json!("a"), "requests_per_minute", 71, 70).await;
        above(&of_project, Value::Null, "requests_per_minute", 71, 70).await;
        let fits = json!({
            "scope": of_project, "model": "a",
            "requests_per_minute": 70, "tokens_per_day": 1_000_000, "concurrent_requests": 4,
        });
        put(&world, &fits).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn there_are_only_so_many_rules() {
    let world = World::start(testkit::databases::sqlite()).await;
    let organization = world.made.organization.clone();
    let fill = move |tx: &mut store::Tx<'_>| -> Result<(), store::StoreError> {
        for number in 0..10_000 {
            let row = RateLimitRow {
                scope: Scope::Key(KeyId::new(&format!("key_{number}"))),
                model: None,
                rule: RateRule {
                    requests_per_day: Some(1),
                    ..RateRule::default()
                },
            };
            rate_limits::set(tx, &organization, &row, AtUs(1))?;
        }
        Ok(())
    };
    world.store.write(fill).await.unwrap();
    let body = json!({"scope": {"type": "organization"}, "requests_per_day": 1});
    let answer = world.post(PATH, &body).await;
    refused(&answer, 400, Value::Null, "too_many_limits");
    world
        .delete(&format!("{PATH}?scope_type=key&scope_id=key_1"))
        .await;
    put(&world, &body).await;
    put(&world, &body).await;
}
