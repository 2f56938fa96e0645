//! Groups: who is in them, and which projects they have a role in.

use serde_json::{Value, json};
use testkit::on_each_database;

use crate::cast::{leave, member};
use crate::world::{World, refused};

async fn made(world: &World, path: &str, body: Value) -> Value {
    let answer = world.post(path, &body).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

async fn members(world: &World, names: &'static [&'static str]) {
    let organization = world.made.organization.clone();
    let write = world.store.write(move |tx| {
        for name in names {
            member(tx, &organization, name, "reader")?;
        }
        Ok::<_, store::StoreError>(())
    });
    write.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn groups_are_made_renamed_listed_and_deleted() {
    on_each_database(async |database| {
        let world = World::start(database).await;
        let group = made(&world, "/groups", json!({"name": "Ops"})).await;
        let id = group["id"].as_str().unwrap();
        assert!(id.starts_with("group_"), "{id}");
        let wanted = json!({"id": id, "name": "Ops", "created_at": group["created_at"],
            "is_scim_managed": false, "group_type": "group"});
        assert_eq!(group, wanted);
        let one = format!("/groups/{id}");
        assert_eq!(world.get(&one).await.json(), wanted);
        let renamed = made(&world, &one, json!({"name": "Operations"})).await;
        assert_eq!(renamed["name"], "Operations");
        let list = world.get("/groups").await.json();
        let wanted = json!({"object": "list", "data": [renamed], "has_more": false, "next": null});
        assert_eq!(list, wanted);
        let gone = world.delete(&one).await.json();
        assert_eq!(
            gone,
            json!({"object": "group.deleted", "id": id, "deleted": true})
        );
        refused(&world.get(&one).await, 404, Value::Null, "not_found");
        refused(&world.delete(&one).await, 404, Value::Null, "not_found");
        let nameless = world.post("/groups", &json!({})).await;
        refused(&nameless, 400, "name", "missing_required_parameter");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_of_groups_and_their_users_are_walked_while_they_go() {
    on_each_database(async |database| {
        let world = World::start(database).await;
        const NAMES: [&str; 5] = ["a", "b", "c", "d", "e"];
        members(&world, &NAMES).await;
        let mut groups = Vec::new();
        for name in NAMES {
            groups.push(made(&world, "/groups", json!({"name": name})).await);
        }
        let group = groups[0]["id"].as_str().unwrap();
        for name in NAMES {
            let user_id = format!("user-{name}");
            let path = format!("/groups/{group}/users");
            made(&world, &path, json!({"user_id": user_id})).await;
        }
        for (path, key) in [
            (format!("/groups/{group}/users"), "name"),
            ("/groups".into(), "name"),
        ] {
            let (mut seen, mut after) = (Vec::new(), String::new());
            loop {
                let list = world
                    .get(&format!("{path}?limit=2&after={after}"))
                    .await
                    .json();
                for row in list["data"].as_array().unwrap() {
                    seen.push(row[key].as_str().unwrap().to_owned());
                    let one = format!("{path}/{}", row["id"].as_str().unwrap());
                    assert_eq!(world.delete(&one).await.status, 200);
                }
                match list["next"].as_str() {
                    Some(next) => next.clone_into(&mut after),
                    None => break,
                }
            }
            assert_eq!(seen, NAMES, "{path}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn members_of_the_organization_are_put_into_groups() {
    on_each_database(async |database| {
        let world = World::start(database).await;
        members(&world, &["bob", "gone"]).await;
        let away = world
            .store
            .write(|tx| leave(tx, &domain::id::UserId::new("user-gone")));
        away.await.unwrap();
        let group = made(&world, "/groups", json!({"name": "Ops"})).await;
        let group = group["id"].as_str().unwrap();
        let users = format!("/groups/{group}/users");
        for _ in 0..2 {
            let added = made(&world, &users, json!({"user_id": "user-bob"})).await;
            let wanted = json!({"object": "group.user", "user_id": "user-bob", "group_id": group});
            assert_eq!(added, wanted);
        }
        for user in ["user-gone", "user-none"] {
            let answer = world.post(&users, &json!({"user_id": user})).await;
            refused(&answer, 404, Value::Null, "not_found");
        }
        let list = world.get(&users).await.json();
        let bob = json!({"id": "user-bob", "name": "bob", "email": "bob@example.com"});
        let wanted = json!({"object": "list", "data": [bob], "has_more": false, "next": null});
        assert_eq!(list, wanted);
        let one = format!("{users}/user-bob");
        let shown = world.get(&one).await.json();
        let wanted = json!({"id": "user-bob", "name": "bob", "email": "bob@example.com",
            "picture": null, "is_service_account": false, "user_type": "user"});
        assert_eq!(shown, wanted);
        let removed = world.delete(&one).await.json();
        assert_eq!(
            removed,
            json!({"object": "group.user.deleted", "deleted": true})
        );
        refused(&world.get(&one).await, 404, Value::Null, "not_found");
        refused(&world.delete(&one).await, 404, Value::Null, "not_found");
        refused(
            &world.get("/groups/group_none/users").await,
            404,
            Value::Null,
            "not_found",
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn groups_get_roles_in_projects() {
    on_each_database(async |database| {
        let world = World::start(database).await;
        let group = made(&world, "/groups", json!({"name": "Ops"})).await;
        let group = group["id"].as_str().unwrap();
        let project = world.made.project.as_str();
        let groups = format!("/projects/{project}/groups");
        let role = |name: &str| format!("role-api-project-{name}__api-project__{project}");
        let add = |role: String| json!({"group_id": group, "role": role});
        let added = made(&world, &groups, add(role("viewer"))).await;
        let wanted = json!({"object": "project.group", "project_id": project, "group_id": group,
            "group_name": "Ops", "group_type": "group", "created_at": added["created_at"]});
        assert_eq!(added, wanted);
        assert_eq!(made(&world, &groups, add(role("member"))).await, wanted);
        let one = format!("{groups}/{group}");
        assert_eq!(world.get(&one).await.json(), wanted);
        let list = world.get(&groups).await.json();
        let all = json!({"object": "list", "data": [wanted], "has_more": false, "next": null});
        assert_eq!(list, all);
        let roles = format!("/v1/projects/{project}/groups/{group}/roles");
        let held = world.get(&roles).await.json();
        let names: Vec<&Value> = held["data"]
            .as_array()
            .unwrap()
            .iter()
            .map(|it| &it["name"])
            .collect();
        assert_eq!(names, ["viewer", "member"]);

        for (body, param, status, code) in [
            (
                json!({"role": role("viewer")}),
                "group_id".into(),
                400,
                "missing_required_parameter",
            ),
            (
                json!({"group_id": group}),
                "role".into(),
                400,
                "missing_required_parameter",
            ),
            (
                json!({"group_id": group, "role": "viewer"}),
                Value::Null,
                404,
                "not_found",
            ),
            (
                json!({"group_id": "group_none", "role": role("viewer")}),
                Value::Null,
                404,
                "not_found",
            ),
        ] {
            refused(&world.post(&groups, &body).await, status, param, code);
        }
        let removed = world.delete(&one).await.json();
        assert_eq!(
            removed,
            json!({"object": "project.group.deleted", "deleted": true})
        );
        refused(&world.get(&one).await, 404, Value::Null, "not_found");
        refused(&world.delete(&one).await, 404, Value::Null, "not_found");
        assert_eq!(world.get(&roles).await.json()["data"], json!([]));
    })
    .await;
}
