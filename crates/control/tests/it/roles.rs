//! Roles: their shapes, and what is refused.

use serde_json::{Value, json};
use testkit::on_each_database;

use crate::world::{World, refused};

pub(crate) const ROLES: &str = "/v1/organization/roles";

pub(crate) fn owner_id(world: &World) -> String {
    let organization = &world.made.organization;
    format!("role-api-organization-owner__api-organization__{organization}")
}

pub(crate) async fn made(world: &World, path: &str, body: Value) -> Value {
    let answer = world.post(path, &body).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

#[tokio::test(flavor = "multi_thread")]
async fn roles_are_made_changed_listed_and_deleted() {
    on_each_database(async |database| {
        let world = World::start(database).await;
        let project = world.made.project.to_string();
        let of_project = format!("/v1/projects/{project}/roles");
        for (path, resource, predefined, permissions) in [
            (
                ROLES,
                "api.organization",
                vec!["owner", "reader"],
                ["api.groups.read", "api.usage.read"],
            ),
            (
                of_project.as_str(),
                "api.project",
                vec!["owner", "member", "viewer"],
                ["api.organization.projects.read", "api.model.request"],
            ),
        ] {
            let body = json!({"role_name": "Helpers", "permissions": permissions});
            let role = made(&world, path, body).await;
            let id = role["id"].as_str().unwrap();
            let wanted = json!({
                "object": "role", "id": id, "name": "Helpers", "description": null,
                "permissions": permissions, "resource_type": resource, "predefined_role": false,
            });
            assert_eq!(role, wanted);
            let one = format!("{path}/{id}");
            assert_eq!(world.get(&one).await.json(), wanted);

            let list = world.get(path).await.json();
            assert_eq!(
                (&list["has_more"], &list["next"]),
                (&json!(false), &Value::Null)
            );
            assert_eq!(list["object"], "list");
            let names = list["data"].as_array().unwrap().iter();
            let names: Vec<&str> = names.map(|role| role["name"].as_str().unwrap()).collect();
            assert_eq!(names, [&predefined[..], &["Helpers"]].concat());
            let first = &list["data"][0];
            assert_eq!(first["predefined_role"], true);
            let same = format!("{path}/{}", first["id"].as_str().unwrap());
            assert_eq!(world.get(&same).await.json(), *first);

            let changes = json!({"role_name": "Callers", "description": "They call.",
                "permissions": [permissions[0]]});
            let changed = made(&world, &one, changes).await;
            assert_eq!(changed["name"], "Callers");
            assert_eq!(changed["description"], "They call.");
            assert_eq!(changed["permissions"], json!([permissions[0]]));
            assert_eq!(made(&world, &one, json!({})).await, changed);

            let gone = world.delete(&one).await.json();
            assert_eq!(
                gone,
                json!({"object": "role.deleted", "id": id, "deleted": true})
            );
            refused(&world.get(&one).await, 404, Value::Null, "not_found");
            refused(&world.delete(&one).await, 404, Value::Null, "not_found");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_role_is_refused_and_named() {
    let world = World::start(testkit::databases::sqlite()).await;
    let role =
        |name: &str, permissions: Value| json!({"role_name": name, "permissions": permissions});
    let missing = "missing_required_parameter";
    made(&world, ROLES, role("A", json!([]))).await;
    for (body, param, code) in [
        (json!({"permissions": []}), "role_name", missing),
        (json!({"role_name": "B"}), "permissions", missing),
        (
            json!({"role_name": 1, "permissions": []}),
            "role_name",
            "invalid_type",
        ),
        (role(" ", json!([])), "role_name", "invalid_value"),
        (role("A", json!([])), "role_name", "invalid_value"),
        (role("owner", json!([])), "role_name", "invalid_value"),
        (role("B", json!("x")), "permissions", "invalid_type"),
        (
            role("B", json!(["api.all"])),
            "permissions",
            "invalid_value",
        ),
    ] {
        refused(&world.post(ROLES, &body).await, 400, param, code);
    }
    let other = made(&world, ROLES, role("B", json!([]))).await;
    let other = format!("{ROLES}/{}", other["id"].as_str().unwrap());
    let taken = world.post(&other, &json!({"role_name": "A"})).await;
    refused(&taken, 400, "role_name", "invalid_value");
    for (query, param) in [
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("order=up", "order"),
        ("after=role_b", "after"),
    ] {
        let answer = world.get(&format!("{ROLES}?{query}")).await;
        refused(&answer, 400, param, "invalid_value");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_project_has_roles_of_its_own() {
    let world = World::start(testkit::databases::sqlite()).await;
    let of_project = format!("/v1/projects/{}/roles", world.made.project);
    let fine = json!({"role_name": "A", "permissions": ["api.model.read"]});
    let role = made(&world, ROLES, fine.clone()).await;
    made(&world, &of_project, fine.clone()).await;
    let too_much = json!({"role_name": "B", "permissions": ["api.usage.read"]});
    let answer = world.post(&of_project, &too_much).await;
    refused(&answer, 400, "permissions", "invalid_value");
    // Of another place, or of another organization.
    let id = role["id"].as_str().unwrap();
    for path in [
        format!("{of_project}/{id}"),
        format!("{of_project}/{}", owner_id(&world)),
        format!("{ROLES}/role-api-organization-owner__api-organization__org-b"),
        "/v1/projects/proj_b/roles".to_owned(),
    ] {
        refused(&world.get(&path).await, 404, Value::Null, "not_found");
    }
    let old = made(&world, "/projects", json!({"name": "Old"})).await;
    let old = old["id"].as_str().unwrap();
    made(&world, &format!("/projects/{old}/archive"), json!({})).await;
    let answer = world
        .post(&format!("/v1/projects/{old}/roles"), &fine)
        .await;
    refused(&answer, 400, Value::Null, "project_archived");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_always_exists_stays_as_it_is() {
    let world = World::start(testkit::databases::sqlite()).await;
    let project = world.made.project.as_str();
    for path in [
        format!("{ROLES}/{}", owner_id(&world)),
        format!("/v1/projects/{project}/roles/role-api-project-viewer__api-project__{project}"),
    ] {
        let change = json!({"role_name": "Boss", "permissions": []});
        let answer = world.post(&path, &change).await;
        refused(&answer, 400, "role_id", "unsupported_parameter");
        let answer = world.delete(&path).await;
        refused(&answer, 400, "role_id", "unsupported_parameter");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_of_roles_are_walked_by_next_while_roles_go() {
    let world = World::start(testkit::databases::sqlite()).await;
    for number in 0..5 {
        let body = json!({"role_name": format!("r {number}"), "permissions": []});
        made(&world, ROLES, body).await;
    }
    let mut seen = Vec::new();
    let mut after = String::new();
    loop {
        let path = format!("{ROLES}?limit=2&order=desc&after={after}");
        let list = world.get(&path).await.json();
        for role in list["data"].as_array().unwrap() {
            seen.push(role["name"].as_str().unwrap().to_owned());
            if role["predefined_role"] == false {
                let one = format!("{ROLES}/{}", role["id"].as_str().unwrap());
                assert_eq!(world.delete(&one).await.status, 200);
            }
        }
        match list["next"].as_str() {
            Some(next) => next.clone_into(&mut after),
            None => break,
        }
        assert_eq!(list["has_more"], true);
    }
    assert_eq!(seen, ["r 4", "r 3", "r 2", "r 1", "r 0", "reader", "owner"]);
    let by_id = format!("{ROLES}?after={}", owner_id(&world));
    assert_eq!(world.get(&by_id).await.json()["data"][0]["name"], "reader");
}
