//! Which models a project may use: set, replaced, removed.

use serde_json::{Value, json};
use testkit::on_each_database;

use crate::world::{World, refused};

#[tokio::test(flavor = "multi_thread")]
async fn permissions_are_set_replaced_and_removed() {
    on_each_database(async |database| {
        let world = World::start(database).await;
        let path = format!("/projects/{}/model_permissions", world.made.project);
        refused(&world.get(&path).await, 404, Value::Null, "not_found");
        refused(&world.delete(&path).await, 404, Value::Null, "not_found");
        for (mode, models, shown) in [
            (
                "allow_list",
                json!(["vendor/large", "a", "a"]),
                json!(["a", "vendor/large"]),
            ),
            ("deny_list", json!([]), json!([])),
        ] {
            let asked = json!({"mode": mode, "model_ids": models});
            let set = world.post(&path, &asked).await.json();
            let wanted = json!({
                "object": "project.model_permissions", "mode": mode, "model_ids": shown,
            });
            assert_eq!(set, wanted);
            assert_eq!(world.get(&path).await.json(), wanted);
        }
        let deleted = json!({"object": "project.model_permissions.deleted", "deleted": true});
        assert_eq!(world.delete(&path).await.json(), deleted);
        refused(&world.get(&path).await, 404, Value::Null, "not_found");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_are_no_permissions_is_refused_and_named() {
    let world = World::start(testkit::databases::sqlite()).await;
    let path = format!("/projects/{}/model_permissions", world.made.project);
    let many = vec!["m"; 1_001];
    for (body, param, code) in [
        (
            json!({"model_ids": []}),
            "mode",
            "missing_required_parameter",
        ),
        (
            json!({"mode": "deny_list"}),
            "model_ids",
            "missing_required_parameter",
        ),
        (
            json!({"mode": "some", "model_ids": []}),
            "mode",
            "invalid_value",
        ),
        (
            json!({"mode": "deny_list", "model_ids": "m"}),
            "model_ids",
            "invalid_type",
        ),
        (
            json!({"mode": "deny_list", "model_ids": ["m", 5]}),
            "model_ids[1]",
            "invalid_type",
        ),
        (
            json!({"mode": "deny_list", "model_ids": ["a b"]}),
            "model_ids[0]",
            "invalid_value",
        ),
        (
            json!({"mode": "deny_list", "model_ids": [""]}),
            "model_ids[0]",
            "invalid_value",
        ),
        (
            json!({"mode": "deny_list", "model_ids": many}),
            "model_ids",
            "invalid_value",
        ),
    ] {
        refused(&world.post(&path, &body).await, 400, param, code);
    }
    let nowhere = "/projects/proj_nothing/model_permissions";
    let fine = json!({"mode": "deny_list", "model_ids": []});
    refused(&world.get(nowhere).await, 404, Value::Null, "not_found");
    refused(
        &world.post(nowhere, &fine).await,
        404,
        Value::Null,
        "not_found",
    );
    let project = world.post("/projects", &json!({"name": "a"})).await.json();
    let project = format!("/projects/{}", project["id"].as_str().unwrap());
    world.post(&format!("{project}/archive"), &json!({})).await;
    let archived = world
        .post(&format!("{project}/model_permissions"), &fine)
        .await;
    refused(&archived, 400, Value::Null, "project_archived");
}
