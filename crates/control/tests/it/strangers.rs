//! Limits of another organization are not there, and other keys than admin keys see none at all.

// SQL in a test: nothing in the product makes a second organization yet.

use http::Method;
use serde_json::{Value, json};
use testkit::http::Request;
use testkit::on_each_database;

use crate::world::{World, refused};

const RATE_LIMITS: &str = "/api/rate_limits";

/// With a project, a key, a budget and a rate limit.
const OTHER_ORGANIZATION: [&str; 5] = [
    "INSERT INTO organizations (id, name, created_at_us) VALUES ('org-b', 'B', 1)",
    "INSERT INTO projects (id, organization_id, name, created_at_us)
     VALUES ('proj_b', 'org-b', 'b', 1)",
    "INSERT INTO keys (id, organization_id, project_id, class, user_id, name, digest,
                       redacted_value, created_at_us)
     SELECT 'key_b', 'org-b', 'proj_b', 'project', user_id, 'b',
            'bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb', 'b', 1
     FROM keys WHERE class = 'admin'",
    "INSERT INTO budgets (id, organization_id, calendar, limit_nusd, force, thresholds, created_at_us)
     VALUES ('budget_b', 'org-b', 'day', 1, 'hard', '', 1)",
    "INSERT INTO rate_limits (organization_id, project_id, key_id, model, requests_per_day)
     VALUES ('org-b', 'proj_b', '', '', 1)",
];

/// What belongs to another organization is not there.
#[tokio::test(flavor = "multi_thread")]
async fn another_organization_is_not_seen() {
    on_each_database(async |database| {
        let world = World::start(database).await;
        let write = |tx: &mut store::Tx<'_>| -> Result<(), store::StoreError> {
            for statement in OTHER_ORGANIZATION {
                tx.execute_one(statement, &[])?;
            }
            Ok(())
        };
        world.store.write(write).await.unwrap();
        let path = "/api/budgets/budget_b";
        for answer in [
            world.get(path).await,
            world.post(path, &json!({"limit_usd": "1"})).await,
            world.delete(path).await,
            world.get("/api/budgets/budget_b/events").await,
        ] {
            refused(&answer, 404, Value::Null, "not_found");
        }
        for path in ["/api/budgets", RATE_LIMITS] {
            assert_eq!(world.get(path).await.json()["data"], json!([]), "{path}");
        }
        for path in [
            "/projects/proj_b/spend_limit",
            "/projects/proj_b/rate_limits",
        ] {
            refused(&world.get(path).await, 404, Value::Null, "not_found");
        }
        for (kind, id) in [("project", "proj_b"), ("key", "key_b")] {
            let scope = json!({"type": kind, "id": id});
            let budget =
                json!({"scope": scope, "window": "day", "limit_usd": "1", "force": "hard"});
            let rule = json!({"scope": scope, "requests_per_day": 1});
            for (path, body) in [("/api/budgets", budget), (RATE_LIMITS, rule)] {
                let answer = world.post(path, &body).await;
                refused(&answer, 404, Value::Null, "not_found");
            }
            let path = format!("{RATE_LIMITS}?scope_type={kind}&scope_id={id}");
            refused(&world.delete(&path).await, 404, Value::Null, "not_found");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_admin_keys_see_limits() {
    let world = World::start(testkit::databases::sqlite()).await;
    for path in ["/api/budgets", RATE_LIMITS, "/spend_limit"] {
        let nobody = Request::new(Method::GET, &world.url(path));
        refused(&nobody.send().await.unwrap(), 401, Value::Null, Value::Null);
        let data_key = world.made.api_key.expose();
        let request = Request::new(Method::GET, &world.url(path)).bearer(data_key);
        let answer = request.send().await.unwrap();
        refused(&answer, 401, Value::Null, "invalid_api_key");
    }
}
