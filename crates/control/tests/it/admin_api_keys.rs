//! Admin keys: made, listed, used, deleted.

use std::sync::atomic::Ordering;

use http::Method;
use serde_json::{Value, json};
use testkit::http::Request;
use testkit::on_each_database;

use crate::world::{World, refused};

const KEYS: &str = "/admin_api_keys";

async fn status_with(world: &World, key: &str) -> u16 {
    let request = Request::new(Method::GET, &world.url("/projects")).bearer(key);
    request.send().await.unwrap().status
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_from_its_creation_to_its_end() {
    on_each_database(async |database| {
        let world = World::start(database).await;
        let asked = json!({"name": "Terraform", "expires_in_seconds": 3_600});
        let mut made = world.post(KEYS, &asked).await.json();
        let value = made["value"].as_str().unwrap().to_owned();
        assert!(value.starts_with("sk-admin-fare"));
        assert_eq!(made["object"], "organization.admin_api_key");
        assert_eq!(made["name"], "Terraform");
        let lifetime_s =
            made["expires_at"].as_i64().unwrap() - made["created_at"].as_i64().unwrap();
        assert_eq!(lifetime_s, 3_600);
        let redacted = made["redacted_value"].as_str().unwrap();
        assert!(redacted.contains("...") && value.ends_with(&redacted[redacted.len() - 4..]));
        let owner = &made["owner"];
        assert_eq!(
            (
                &owner["type"],
                &owner["object"],
                &owner["id"],
                &owner["role"]
            ),
            (
                &json!("user"),
                &json!("organization.user"),
                &json!(world.made.user.as_str()),
                &json!("owner")
            )
        );
        assert_eq!(status_with(&world, &value).await, 200);

        made.as_object_mut().unwrap().remove("value");
        let path = format!("{KEYS}/{}", made["id"].as_str().unwrap());
        assert_eq!(
            world.get(&path).await.json(),
            made,
            "the secret is shown once"
        );

        let gone = world.delete(&path).await.json();
        let deleted = json!({
            "object": "organization.admin_api_key.deleted", "id": made["id"], "deleted": true,
        });
        assert_eq!(gone, deleted);
        assert_eq!(status_with(&world, &value).await, 401);
        refused(&world.get(&path).await, 404, Value::Null, "not_found");
        refused(&world.delete(&path).await, 404, Value::Null, "not_found");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_listed_from_either_end() {
    on_each_database(async |database| {
        let world = World::start(database).await;
        for name in ["a", "b", "c"] {
            world.post(KEYS, &json!({"name": name})).await;
        }
        for (order, wanted) in [
            ("", ["First admin key", "a", "b", "c"]),
            ("order=asc&", ["First admin key", "a", "b", "c"]),
            ("order=desc&", ["c", "b", "a", "First admin key"]),
        ] {
            let first = world.get(&format!("{KEYS}?{order}limit=3")).await.json();
            assert_eq!(first["has_more"], true);
            let after = first["last_id"].as_str().unwrap();
            let second = world
                .get(&format!("{KEYS}?{order}after={after}"))
                .await
                .json();
            assert_eq!(second["has_more"], false);
            let pages = [&first, &second].map(|page| page["data"].as_array().unwrap().clone());
            let names: Vec<Value> = pages
                .concat()
                .iter()
                .map(|key| key["name"].clone())
                .collect();
            assert_eq!(names, wanted, "{order}");
        }
        let answer = world.get(&format!("{KEYS}?order=up")).await;
        refused(&answer, 400, "order", "invalid_value");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_admin_key_is_refused_and_named() {
    let world = World::start(testkit::databases::sqlite()).await;
    for (body, param, code) in [
        (json!({}), "name", "missing_required_parameter"),
        (json!({"name": ""}), "name", "invalid_value"),
        (
            json!({"name": "a", "expires_in_seconds": 0}),
            "expires_in_seconds",
            "invalid_value",
        ),
        (
            json!({"name": "a", "expires_in_seconds": "1"}),
            "expires_in_seconds",
            "invalid_type",
        ),
    ] {
        refused(&world.post(KEYS, &body).await, 400, param, code);
    }
    let keys = world
        .get(&format!("/projects/{}/api_keys", world.made.project))
        .await;
    let project_key = keys.json()["data"][0]["id"].as_str().unwrap().to_owned();
    let path = format!("{KEYS}/{project_key}");
    refused(&world.delete(&path).await, 404, Value::Null, "not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_use_of_a_key_is_written_now_and_then() {
    on_each_database(async |database| {
        let world = World::start(database).await;
        let made = world.post(KEYS, &json!({"name": "a"})).await.json();
        let path = format!("{KEYS}/{}", made["id"].as_str().unwrap());
        let last_use = async || world.get(&path).await.json()["last_used_at"].clone();
        assert_eq!(last_use().await, Value::Null);
        let value = made["value"].as_str().unwrap();
        assert_eq!(status_with(&world, value).await, 200);
        assert_eq!(last_use().await, Value::Null, "no request writes it");
        world.caretaker.tend().await;
        let first = last_use().await.as_i64().unwrap();

        world.now.fetch_add(60_000_000, Ordering::Relaxed);
        world.caretaker.tend().await;
        assert_eq!(last_use().await, first);
        assert_eq!(status_with(&world, value).await, 200);
        world.caretaker.tend().await;
        assert_eq!(last_use().await, first + 60);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_bound_to_networks_when_it_is_made_and_later() {
    on_each_database(async |database| {
        let world = World::start(database).await;
        let ranges = json!(["127.0.0.0/8", "2001:db8::/32"]);
        let asked = json!({"name": "Terraform", "ip_ranges": ranges});
        let made = world.post(KEYS, &asked).await.json();
        assert_eq!(made["ip_ranges"], ranges, "{made}");
        let value = made["value"].as_str().unwrap();
        assert_eq!(status_with(&world, value).await, 200);
        let path = format!("{KEYS}/{}", made["id"].as_str().unwrap());
        let far = json!({"ip_ranges": ["203.0.113.0/24"], "name": "Far", "expires_in_seconds": 60});
        // Not by itself: it could not take that back.
        let own = Request::new(Method::POST, &world.url(&path))
            .bearer(value)
            .json(&far);
        refused(
            &own.send().await.unwrap(),
            400,
            "ip_ranges",
            "invalid_value",
        );
        assert_eq!(status_with(&world, value).await, 200);

        let changed = world.post(&path, &far).await.json();
        assert_eq!(
            (&changed["name"], &changed["ip_ranges"]),
            (&far["name"], &far["ip_ranges"])
        );
        assert!(changed["expires_at"].is_i64());
        let request = Request::new(Method::GET, &world.url("/projects")).bearer(value);
        refused(
            &request.send().await.unwrap(),
            401,
            Value::Null,
            "ip_not_authorized",
        );
        let free = json!({"ip_ranges": null, "expires_in_seconds": null});
        let changed = world.post(&path, &free).await.json();
        assert_eq!(
            (&changed["ip_ranges"], &changed["expires_at"]),
            (&Value::Null, &Value::Null)
        );
        assert_eq!(changed["name"], "Far", "what is left out stays");
        assert_eq!(status_with(&world, value).await, 200);
        for ranges in [json!([]), json!(["203.0.113.0/33"]), json!("127.0.0.1")] {
            let answer = world.post(&path, &json!({"ip_ranges": ranges})).await;
            assert_eq!(answer.status, 400, "{ranges}");
        }
    })
    .await;
}
