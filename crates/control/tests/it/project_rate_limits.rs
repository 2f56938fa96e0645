//! A project's rate limits in OpenAI's form: a row for each model, below the organization's.

use http::Method;
use serde_json::{Value, json};
use testkit::on_each_database;

use crate::spending::Spender;
use crate::world::{World, refused};

fn models(list: &Value) -> Vec<&str> {
    let rows = list["data"].as_array().unwrap().iter();
    rows.map(|row| row["model"].as_str().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_model_has_a_row() {
    on_each_database(async |database| {
        let world = World::start(database).await;
        let path = format!("/projects/{}/rate_limits", world.made.project);
        let list = world.get(&path).await.json();
        assert_eq!(models(&list), ["a", "m", "vendor/large", "vendor/small"]);
        assert_eq!(
            list["data"][2],
            json!({
                "id": "rl-vendor/large",
                "object": "project.rate_limit",
                "model": "vendor/large",
                "max_requests_per_1_minute": 1_000,
                "max_tokens_per_1_minute": 100_000,
            })
        );
        assert_eq!(
            (&list["object"], &list["first_id"], &list["last_id"]),
            (&json!("list"), &json!("rl-a"), &json!("rl-vendor/small"))
        );
        let table: [(&str, &[&str], bool); 8] = [
            ("limit=2", &["a", "m"], true),
            (
                "limit=2&after=rl-m",
                &["vendor/large", "vendor/small"],
                false,
            ),
            ("after=rl-vendor%2Flarge", &["vendor/small"], false),
            ("after=rl-vendor/small", &[], false),
            (
                "limit=2&before=rl-vendor/small",
                &["m", "vendor/large"],
                true,
            ),
            ("limit=2&before=rl-vendor/large", &["a", "m"], false),
            ("before=rl-a", &[], false),
            ("after=rl-a&before=rl-vendor/small&limit=1", &["m"], true),
        ];
        for (query, want, has_more) in table {
            let list = world.get(&format!("{path}?{query}")).await.json();
            assert_eq!(models(&list), want, "{query}");
            assert_eq!(list["has_more"], has_more, "{query}");
        }
        for (query, param) in [
            ("limit=101", "limit"),
            ("limit=0", "limit"),
            ("after=rl-nothing", "after"),
            ("after=a", "after"),
            ("before=rl-nothing", "before"),
        ] {
            let answer = world.get(&format!("{path}?{query}")).await;
            refused(&answer, 400, param, "invalid_value");
        }
        let nowhere = world.get("/projects/proj_nothing/rate_limits").await;
        refused(&nowhere, 404, Value::Null, "not_found");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_named_changes_and_the_rest_stays() {
    on_each_database(async |database| {
        let world = World::start(database).await;
        let path = format!("/projects/{}/rate_limits", world.made.project);
        let row = format!("{path}/rl-vendor%2Flarge");
        let changed = world
            .post(&row, &json!({"max_requests_per_1_minute": 7}))
            .await;
        let mut want = json!({
            "id": "rl-vendor/large",
            "object": "project.rate_limit",
            "model": "vendor/large",
            "max_requests_per_1_minute": 7,
            "max_tokens_per_1_minute": 100_000,
        });
        assert_eq!(changed.json(), want);
        let more = json!({"max_tokens_per_1_minute": 100_000, "max_requests_per_1_day": 9});
        want["max_requests_per_1_day"] = json!(9);
        assert_eq!(world.post(&row, &more).await.json(), want);
        assert_eq!(world.post(&row, &json!({})).await.json(), want);
        let none = json!({"max_images_per_1_minute": null, "max_requests_per_1_minute": null});
        assert_eq!(world.post(&row, &none).await.json(), want);
        let list = world.get(&path).await.json();
        assert_eq!(list["data"][2], want);
        assert_eq!(list["data"][3]["max_requests_per_1_minute"], 1_000);
        let other = Spender::new(&world).await.project;
        let list = world.get(&format!("/projects/{other}/rate_limits")).await;
        assert_eq!(list.json()["data"][2]["max_requests_per_1_minute"], 1_000);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_that_cannot_be_are_refused_and_named() {
    on_each_database(async |database| {
        let world = World::start(database).await;
        let project = Spender::new(&world).await.project;
        let row = format!("/projects/{project}/rate_limits/rl-m");
        let table = [
            ("max_requests_per_1_minute", json!(0), "invalid_value"),
            ("max_requests_per_1_minute", json!(1_001), "invalid_value"),
            ("max_requests_per_1_minute", json!("5"), "invalid_type"),
            ("max_tokens_per_1_minute", json!(100_001), "invalid_value"),
            ("max_tokens_per_1_minute", json!(1.5), "invalid_value"),
            ("max_requests_per_1_day", json!(-1), "invalid_value"),
            ("max_images_per_1_minute", json!(5), "unsupported_parameter"),
            (
                "max_audio_megabytes_per_1_minute",
                json!(5),
                "unsupported_parameter",
            ),
            (
                "batch_1_day_max_input_tokens",
                json!(5),
                "unsupported_parameter",
            ),
        ];
        for (param, value, code) in table {
            let answer = world.post(&row, &json!({param: value})).await;
            refused(&answer, 400, param, code);
        }
        let above = world
            .post(&row, &json!({"max_requests_per_1_minute": 1_001}))
            .await;
        let message = above.json()["error"]["message"].to_string();
        assert!(
            message.contains("1001") && message.contains("1000"),
            "{message}"
        );
        for id in ["rl-nothing", "m", "rl-vendor/large"] {
            let path = format!("/projects/{project}/rate_limits/{id}");
            let answer = world.post(&path, &json!({})).await;
            assert_eq!(answer.status, 404, "{id}: {}", answer.text());
        }
        let nowhere = world
            .post("/projects/proj_nothing/rate_limits/rl-m", &json!({}))
            .await;
        refused(&nowhere, 404, Value::Null, "not_found");
        world
            .post(&format!("/projects/{project}/archive"), &json!({}))
            .await;
        let archived = world
            .post(&row, &json!({"max_requests_per_1_minute": 1}))
            .await;
        refused(&archived, 400, Value::Null, "project_archived");
    })
    .await;
}

/// What an organization may use is the most that its projects show and can be given.
#[tokio::test(flavor = "multi_thread")]
async fn a_project_follows_its_organization_down() {
    on_each_database(async |database| {
        let world = World::start(database).await;
        let row = format!("/projects/{}/rate_limits/rl-m", world.made.project);
        world
            .post(&row, &json!({"max_requests_per_1_minute": 500}))
            .await;
        let lower = json!({
            "scope": {"type": "organization"}, "model": "m",
            "requests_per_minute": 200, "requests_per_day": 5_000,
        });
        assert_eq!(world.post("/api/rate_limits", &lower).await.status, 200);
        let shown = world.post(&row, &json!({})).await.json();
        assert_eq!(shown["max_requests_per_1_minute"], 200);
        assert_eq!(shown["max_requests_per_1_day"], 5_000);
        for (param, above) in [
            ("max_requests_per_1_minute", 201),
            ("max_requests_per_1_day", 5_001),
        ] {
            let answer = world.post(&row, &json!({param: above})).await;
            refused(&answer, 400, param, "invalid_value");
        }
        world
            .request(
                Method::DELETE,
                "/api/rate_limits?scope_type=organization&model=m",
            )
            .send()
            .await
            .unwrap();
        let shown = world.post(&row, &json!({})).await.json();
        assert_eq!(shown["max_requests_per_1_minute"], 500, "its own again");
    })
    .await;
}
