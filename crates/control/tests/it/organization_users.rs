//! The people of an organization: listed, given other roles, removed.

use domain::id::UserId;
use domain::time::AtUs;
use serde_json::{Value, json};
use store::members::MemberError;
use testkit::on_each_database;

use crate::world::{START_S, World, refused};

fn names(list: &Value) -> Vec<&str> {
    let rows = list["data"].as_array().unwrap().iter();
    rows.map(|row| row["name"].as_str().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_is_shown_with_its_projects() {
    on_each_database(async |database| {
        let world = World::start(database).await;
        let bob = world.member("bob", "reader").await;
        let project = world
            .post("/projects", &json!({"name": "Search"}))
            .await
            .json();
        let project = project["id"].as_str().unwrap();
        let asked = json!({"user_id": bob.as_str(), "role": "member"});
        world
            .post(&format!("/projects/{project}/users"), &asked)
            .await;
        let shown = world.get("/users/user-bob").await.json();
        assert_eq!(
            shown,
            json!({
                "object": "organization.user", "id": "user-bob", "name": "bob",
                "email": "bob@example.com", "role": "reader", "added_at": START_S,
                "created": START_S, "is_service_account": false, "is_scim_managed": false,
                "api_key_last_used_at": null,
                "user": {
                    "object": "user", "id": "user-bob", "name": "bob", "email": "bob@example.com",
                    "picture": null, "enabled": true, "banned": false, "banned_at": null,
                },
                "projects": {
                    "object": "list",
                    "data": [{"id": project, "name": "Search", "role": "member"}],
                },
            })
        );
        assert_eq!(world.get("/users?after=").await.json()["data"][1], shown);
        world
            .post(&format!("/projects/{project}/archive"), &json!({}))
            .await;
        let after = world.get("/users/user-bob").await.json();
        assert_eq!(after["projects"]["data"], json!([]));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn members_are_walked_while_they_are_removed_and_found_by_address() {
    on_each_database(async |database| {
        let world = World::start(database).await;
        for name in ["bob", "eve", "joe"] {
            world.member(name, "reader").await;
        }
        world.user("stranger").await;
        let first = world.get("/users?limit=2").await.json();
        assert_eq!(
            (names(&first), &first["has_more"]),
            (vec!["ada", "bob"], &json!(true))
        );
        assert_eq!(world.delete("/users/user-bob").await.status, 200);
        let rest = world.get("/users?limit=2&after=user-bob").await.json();
        assert_eq!(
            (names(&rest), &rest["has_more"]),
            (vec!["eve", "joe"], &json!(false))
        );
        for (query, wanted) in [
            (
                "emails[]=EVE@example.com&emails[]=joe@example.com",
                vec!["eve", "joe"],
            ),
            ("emails[]=eve@example.com&after=user-eve", vec![]),
            ("emails[]=stranger@example.com", vec![]),
            ("emails[]=nonsense", vec![]),
        ] {
            let list = world.get(&format!("/users?{query}")).await.json();
            assert_eq!(names(&list), wanted, "{query}");
        }
        refused(
            &world.get("/users?after=user-no").await,
            400,
            "after",
            "invalid_value",
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_is_given_by_name_or_id() {
    on_each_database(async |database| {
        let world = World::start(database).await;
        world.member("bob", "reader").await;
        let organization = &world.made.organization;
        let id =
            |role: &str| format!("role-api-organization-{role}__api-organization__{organization}");
        for (asked, role) in [
            (json!({"role": "owner"}), "owner"),
            (json!({"role_id": id("reader")}), "reader"),
            (json!({"role_id": id("owner"), "role": "owner"}), "owner"),
            (json!({}), "owner"),
        ] {
            let changed = world.post("/users/user-bob", &asked).await.json();
            assert_eq!(changed["role"], role, "{asked}: {changed}");
            assert_eq!(world.get("/users/user-bob").await.json(), changed);
        }
        for (asked, param, code) in [
            (json!({"role": "admin"}), "role", "invalid_value"),
            (json!({"role": 5}), "role", "invalid_type"),
            (
                json!({"role_id": "role_custom"}),
                "role_id",
                "invalid_value",
            ),
            (
                json!({"role_id": id("owner"), "role": "reader"}),
                "role_id",
                "invalid_value",
            ),
            (
                json!({"technical_level": "high"}),
                "technical_level",
                "unsupported_parameter",
            ),
        ] {
            let answer = world.post("/users/user-bob", &asked).await;
            refused(&answer, 400, param, code);
        }
        for answer in [
            world.get("/users/user-no").await,
            world
                .post("/users/user-no", &json!({"role": "owner"}))
                .await,
            world.delete("/users/user-no").await,
        ] {
            refused(&answer, 404, Value::Null, "not_found");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_of_a_removed_member_work_no_more() {
    on_each_database(async |database| {
        let world = World::start(database).await;
        let bob = world.member("bob", "owner").await;
        let project = world.made.project.to_string();
        let keys = [
            world.key_of(&bob, Some(&project)).await,
            world.key_of(&bob, None).await,
        ];
        assert!(world.works(&keys[0]).await);
        let deleted = json!({
            "object": "organization.user.deleted", "id": "user-bob", "deleted": true,
        });
        assert_eq!(world.delete("/users/user-bob").await.json(), deleted);
        for key in &keys {
            assert!(!world.works(key).await);
        }
        // Not even when they come back.
        let organization = world.made.organization.clone();
        let again = move |tx: &mut store::Tx<'_>| {
            store::members::add(tx, &organization, &bob, "owner", domain::time::AtUs(1))
        };
        assert!(world.store.write(again).await.unwrap());
        for key in &keys {
            assert!(!world.works(key).await);
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_owner_stays() {
    on_each_database(async |database| {
        let world = World::start(database).await;
        let ada = format!("/users/{}", world.made.user);
        world.member("bob", "reader").await;
        let reader = json!({"role": "reader"});
        refused(
            &world.post(&ada, &reader).await,
            400,
            Value::Null,
            "last_owner",
        );
        refused(&world.delete(&ada).await, 400, Value::Null, "last_owner");
        assert_eq!(
            world
                .post("/users/user-bob", &json!({"role": "owner"}))
                .await
                .status,
            200
        );
        // Both may go, but not both at once.
        let demote = |user: UserId| {
            let organization = world.made.organization.clone();
            world.store.write(move |tx| {
                store::members::set_role(tx, &organization, &user, "reader", AtUs(START_S))
            })
        };
        let bob = UserId::new("user-bob");
        let (first, second) = tokio::join!(demote(world.made.user.clone()), demote(bob));
        assert_ne!(first.is_ok(), second.is_ok());
        let refusal = first.and(second).unwrap_err();
        assert!(matches!(refusal, MemberError::LastOwner), "{refusal}");
    })
    .await;
}
