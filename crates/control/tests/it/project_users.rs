//! The people of a project: added, listed, given other roles, removed.

use serde_json::{Value, json};
use testkit::on_each_database;

use crate::world::{World, refused};

async fn project(world: &World) -> String {
    let made = world
        .post("/projects", &json!({"name": "Search"}))
        .await
        .json();
    made["id"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_from_joining_to_leaving() {
    on_each_database(async |database| {
        let world = World::start(database).await;
        let bob = world.member("bob", "reader").await;
        let project = project(&world).await;
        let key = world.key_of(&bob, Some(&project)).await;
        assert!(!world.works(&key).await, "no member yet");
        let users = format!("/projects/{project}/users");
        let added = world
            .post(&users, &json!({"user_id": "user-bob", "role": "member"}))
            .await
            .json();
        assert!(world.works(&key).await);
        let wanted = json!({
            "object": "organization.project.user", "id": "user-bob", "name": "bob",
            "email": "bob@example.com", "role": "member", "added_at": added["added_at"],
        });
        assert_eq!(added, wanted);
        let one = format!("{users}/user-bob");
        assert_eq!(world.get(&one).await.json(), added);
        let changed = world.post(&one, &json!({"role": "owner"})).await.json();
        assert_eq!(changed["role"], "owner");
        let deleted = json!({
            "object": "organization.project.user.deleted", "id": "user-bob", "deleted": true,
        });
        assert_eq!(world.delete(&one).await.json(), deleted);
        assert!(!world.works(&key).await);
        for answer in [
            world.get(&one).await,
            world.post(&one, &json!({"role": "owner"})).await,
            world.delete(&one).await,
        ] {
            refused(&answer, 404, Value::Null, "not_found");
        }
        // By address, and with the key that they had.
        let asked = json!({"email": "Bob@Example.com", "role": "viewer"});
        assert_eq!(world.post(&users, &asked).await.json()["id"], "user-bob");
        assert!(world.works(&key).await);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn members_are_walked_while_they_are_removed() {
    on_each_database(async |database| {
        let world = World::start(database).await;
        let project = project(&world).await;
        let users = format!("/projects/{project}/users");
        for name in ["bob", "eve", "joe"] {
            let user = world.member(name, "reader").await;
            let asked = json!({"user_id": user.as_str(), "role": "member"});
            assert_eq!(world.post(&users, &asked).await.status, 200);
        }
        let first = world.get(&format!("{users}?limit=2")).await.json();
        assert_eq!(
            (&first["last_id"], &first["has_more"]),
            (&json!("user-eve"), &json!(true))
        );
        world.delete(&format!("{users}/user-eve")).await;
        let rest = world.get(&format!("{users}?after=user-eve")).await.json();
        assert_eq!(
            (&rest["first_id"], &rest["has_more"]),
            (&json!("user-joe"), &json!(false))
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_cannot_be_added_is_refused() {
    on_each_database(async |database| {
        let world = World::start(database).await;
        world.user("stranger").await;
        world.member("bob", "reader").await;
        let users = format!("/projects/{}/users", project(&world).await);
        for (body, param, code) in [
            (
                json!({"role": "member"}),
                "user_id",
                "missing_required_parameter",
            ),
            (
                json!({"user_id": "user-bob"}),
                "role",
                "missing_required_parameter",
            ),
            (
                json!({"user_id": "user-bob", "role": "reader"}),
                "role",
                "invalid_value",
            ),
            (
                json!({"user_id": "user-stranger", "role": "member"}),
                "user_id",
                "invalid_value",
            ),
            (
                json!({"email": "bob", "role": "member"}),
                "email",
                "invalid_value",
            ),
            (
                json!({"email": "no@example.com", "role": "member"}),
                "email",
                "invalid_value",
            ),
        ] {
            refused(&world.post(&users, &body).await, 400, param, code);
        }
        let bob = json!({"user_id": "user-bob", "role": "member"});
        assert_eq!(world.post(&users, &bob).await.status, 200);
        refused(
            &world.post(&users, &bob).await,
            400,
            "user_id",
            "invalid_value",
        );
        let default = format!("/projects/{}/users", world.made.project);
        let answer = world.post(&default, &bob).await;
        refused(&answer, 400, "project_id", "unsupported_parameter");
        let nowhere = world.post("/projects/proj_no/users", &bob).await;
        refused(&nowhere, 404, Value::Null, "not_found");
    })
    .await;
}
