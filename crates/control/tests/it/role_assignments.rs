//! Who has which role: given, shown, taken away; and that nobody gives what they lack.

use domain::access::Owner;
use domain::permission::{Permission, Permissions, Realm};
use http::Method;
use serde_json::{Value, json};
use testkit::http::{Answer, Request};
use testkit::on_each_database;

use crate::cast::{custom_role, join, key, member};
use crate::roles::{ROLES, made, owner_id};
use crate::world::{START_S, World, refused};

/// Bob, who reads in the organization and views the project; and a group.
async fn with_bob(world: &World) -> (String, String) {
    let (organization, project) = (world.made.organization.clone(), world.made.project.clone());
    let write = world.store.write(move |tx| {
        let bob = member(tx, &organization, "bob", "reader")?;
        join(tx, &organization, &project, &bob, "viewer")?;
        member(tx, &organization, "eve", "reader")?;
        Ok::<_, store::StoreError>(bob.to_string())
    });
    let bob = write.await.unwrap();
    let group = made(world, "/groups", json!({"name": "Ops"})).await;
    (bob, group["id"].as_str().unwrap().to_owned())
}

/// The organization, and its project: as the beginning of paths, with the role that Bob has there
/// as a member.
fn places(world: &World) -> [(String, &'static str); 2] {
    let project = &world.made.project;
    [
        ("/v1/organization".into(), "reader"),
        (format!("/v1/projects/{project}"), "viewer"),
    ]
}

async fn role_in(world: &World, place: &str) -> Value {
    let body = json!({"role_name": "R", "permissions": ["api.model.request"]});
    made(world, &format!("{place}/roles"), body).await
}

#[tokio::test(flavor = "multi_thread")]
async fn users_get_and_lose_roles() {
    on_each_database(async |database| {
        let world = World::start(database).await;
        let (bob, _) = with_bob(&world).await;
        for (place, membership) in places(&world) {
            let path = format!("{place}/users/{bob}/roles");
            let role = role_in(&world, &place).await;
            let id = role["id"].as_str().unwrap();
            for _ in 0..2 {
                let got = made(&world, &path, json!({"role_id": id})).await;
                let wanted = json!({"object": "user.role", "role": role, "user": {
                    "object": "organization.user", "id": bob, "name": "bob",
                    "email": "bob@example.com", "role": "reader", "added_at": START_S}});
                assert_eq!(got, wanted);
            }
            let list = world.get(&path).await.json();
            assert_eq!(list["data"].as_array().unwrap().len(), 2, "{list}");
            assert_eq!(list["data"][0]["name"], membership);
            assert_eq!(list["data"][0]["created_at"], Value::Null);
            let held = &list["data"][1];
            let author = world.made.user.as_str();
            let wanted = json!({
                "id": id, "name": "R", "description": null, "permissions": ["api.model.request"],
                "resource_type": role["resource_type"], "predefined_role": false,
                "created_at": START_S, "updated_at": START_S, "created_by": author,
                "created_by_user_obj": {"id": author, "name": "ada", "email": "ada@example.com"},
                "metadata": {},
                "assignment_sources": [{"principal_id": bob, "principal_type": "user"}],
            });
            assert_eq!(*held, wanted);
            let one = format!("{path}/{id}");
            assert_eq!(world.get(&one).await.json(), wanted);
            let removed = world.delete(&one).await.json();
            assert_eq!(
                removed,
                json!({"object": "user.role.deleted", "deleted": true})
            );
            refused(&world.get(&one).await, 404, Value::Null, "not_found");
            refused(&world.delete(&one).await, 404, Value::Null, "not_found");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_role_of_a_member_is_not_given_and_not_taken() {
    let world = World::start(testkit::databases::sqlite()).await;
    let (bob, _) = with_bob(&world).await;
    for (place, membership) in places(&world) {
        let path = format!("{place}/users/{bob}/roles");
        let list = world.get(&path).await.json();
        let id = list["data"][0]["id"].as_str().unwrap();
        let one = format!("{path}/{id}");
        refused(
            &world.delete(&one).await,
            400,
            "role_id",
            "unsupported_parameter",
        );
        let again = made(&world, &path, json!({"role_id": id})).await;
        assert_eq!(again["role"]["name"], membership);
        refused(
            &world.delete(&one).await,
            400,
            "role_id",
            "unsupported_parameter",
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn groups_get_and_lose_roles_for_who_is_in_them() {
    on_each_database(async |database| {
        let world = World::start(database).await;
        let (bob, group) = with_bob(&world).await;
        made(
            &world,
            &format!("/groups/{group}/users"),
            json!({"user_id": bob}),
        )
        .await;
        for (place, _) in places(&world) {
            let role = role_in(&world, &place).await;
            let id = role["id"].as_str().unwrap();
            let path = format!("{place}/groups/{group}/roles");
            let got = made(&world, &path, json!({"role_id": id})).await;
            let wanted = json!({"object": "group.role", "role": role, "group": {
                "object": "group", "id": group, "name": "Ops", "created_at": START_S,
                "scim_managed": false}});
            assert_eq!(got, wanted);
            let of_bob = format!("{place}/users/{bob}/roles/{id}");
            for one in [format!("{path}/{id}"), of_bob.clone()] {
                let held = world.get(&one).await.json();
                let source = json!([{"principal_id": group, "principal_type": "group"}]);
                assert_eq!(held["assignment_sources"], source);
            }
            refused(&world.delete(&of_bob).await, 404, Value::Null, "not_found");
            let removed = world.delete(&format!("{path}/{id}")).await.json();
            assert_eq!(
                removed,
                json!({"object": "group.role.deleted", "deleted": true})
            );
            assert_eq!(world.get(&path).await.json()["data"], json!([]));
            refused(&world.get(&of_bob).await, 404, Value::Null, "not_found");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_goes_only_to_who_is_there() {
    let world = World::start(testkit::databases::sqlite()).await;
    let (bob, group) = with_bob(&world).await;
    let project = world.made.project.as_str();
    let member_id = format!("role-api-project-member__api-project__{project}");
    let member = json!({"role_id": member_id});
    let owner = json!({"role_id": owner_id(&world)});
    let everywhere = "/v1/organization";
    let here = format!("/v1/projects/{project}");
    for (path, body) in [
        // Eve is no member of the project, and nobody is no member at all.
        (format!("{here}/users/user-eve/roles"), &member),
        (format!("{everywhere}/users/user-none/roles"), &owner),
        (format!("{everywhere}/groups/group_none/roles"), &owner),
        (
            format!("/v1/projects/proj_none/groups/{group}/roles"),
            &member,
        ),
        // Roles of the other kind of place.
        (format!("{here}/users/{bob}/roles"), &owner),
        (format!("{everywhere}/users/{bob}/roles"), &member),
    ] {
        refused(
            &world.post(&path, body).await,
            404,
            Value::Null,
            "not_found",
        );
    }
    let path = format!("{everywhere}/users/{bob}/roles");
    let nothing = world.post(&path, &json!({})).await;
    refused(&nothing, 400, "role_id", "missing_required_parameter");
    let number = world.post(&path, &json!({"role_id": 5})).await;
    refused(&number, 400, "role_id", "invalid_type");
    let nobody = world.get("/v1/organization/users/user-none/roles").await;
    refused(&nobody, 404, Value::Null, "not_found");
}

/// Somebody whose roles allow exactly this in the organization, and more in its project.
async fn helper(world: &World, permissions: &'static [Permission]) -> String {
    let (organization, project) = (world.made.organization.clone(), world.made.project.clone());
    let write = world.store.write(move |tx| {
        let user = member(tx, &organization, "helper", "reader")?;
        join(tx, &organization, &project, &user, "owner")?;
        let realm = Realm::Organization(organization.clone());
        let permissions = Permissions::of(permissions);
        custom_role(tx, &organization, realm, &user, permissions)?;
        let owner = Owner::User(user);
        let key = key(tx, &organization, None, owner)?;
        Ok::<_, store::StoreError>(key.expose().to_owned())
    });
    write.await.unwrap()
}

async fn as_helper(world: &World, secret: &str, path: &str, body: Value) -> Answer {
    let request = Request::new(Method::POST, &world.url(path)).bearer(secret);
    request.json(&body).send().await.unwrap()
}

fn lacks(answer: &Answer, names: &str) {
    refused(answer, 403, Value::Null, "missing_scope");
    let message = answer.json()["error"]["message"].clone();
    let wanted = format!("Missing scopes: {names}. Check");
    assert!(message.as_str().unwrap().contains(&wanted), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_gives_what_they_do_not_have() {
    on_each_database(async |database| {
        let world = World::start(database).await;
        let (bob, group) = with_bob(&world).await;
        let secret = helper(
            &world,
            &[
                Permission::ManagementRead,
                Permission::ManagementWrite,
                Permission::GroupsWrite,
                Permission::UsageRead,
            ],
        )
        .await;
        let post = async |path: &str, body: Value| as_helper(&world, &secret, path, body).await;
        let role = |permissions: &[&str]| json!({"role_name": "X", "permissions": permissions});
        let answer = post(
            ROLES,
            role(&["api.usage.read", "api.audit_logs.read", "api.model.request"]),
        )
        .await;
        lacks(&answer, "api.audit_logs.read, model.request");
        let answer = post(ROLES, role(&["api.usage.read"])).await;
        assert_eq!(answer.status, 200);
        let one = format!("{ROLES}/{}", answer.json()["id"].as_str().unwrap());
        let wider = json!({"permissions": ["api.usage.read", "api.groups.read"]});
        lacks(&post(&one, wider.clone()).await, "api.groups.read");
        // Once somebody else widened it, it can be changed otherwise, and narrowed.
        made(&world, &one, wider).await;
        let renamed = json!({"role_name": "Y", "permissions": ["api.groups.read"]});
        assert_eq!(post(&one, renamed).await.status, 200);

        let owner = json!({"role_id": owner_id(&world)});
        for path in [
            format!("/v1/organization/users/{bob}/roles"),
            "/v1/organization/users/user-helper/roles".to_owned(),
            format!("/v1/organization/groups/{group}/roles"),
        ] {
            refused(
                &post(&path, owner.clone()).await,
                403,
                Value::Null,
                "missing_scope",
            );
        }
        let project = world.made.project.as_str();
        let project_owner = format!("role-api-project-owner__api-project__{project}");
        let give = json!({"group_id": group, "role": project_owner});
        let path = format!("/v1/organization/projects/{project}/groups");
        assert_eq!(
            post(&path, give).await.status,
            200,
            "owners of a project make others"
        );

        // A group of owners takes in nobody by the hand of one who is none.
        let join = json!({"user_id": bob});
        let users = format!("/v1/organization/groups/{group}/users");
        assert_eq!(post(&users, join.clone()).await.status, 200);
        world.delete(&format!("{users}/{bob}")).await;
        made(
            &world,
            &format!("/v1/organization/groups/{group}/roles"),
            owner,
        )
        .await;
        refused(&post(&users, join).await, 403, Value::Null, "missing_scope");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_makes_others_members_of_more_than_they_are() {
    let world = World::start(testkit::databases::sqlite()).await;
    let (bob, _) = with_bob(&world).await;
    let other = made(&world, "/projects", json!({"name": "Other"})).await;
    let other = other["id"].as_str().unwrap();
    let permissions = &[Permission::ManagementWrite, Permission::ProjectUsersWrite];
    let secret = helper(&world, permissions).await;
    let user = format!("/v1/organization/users/{bob}");
    let users = format!("/v1/organization/projects/{other}/users");
    let owner = json!({"role": "owner"});
    let as_owner = json!({"user_id": bob, "role": "owner"});
    let invites = "/v1/organization/invites".to_owned();
    let invited = json!({"email": "new@example.com", "role": "owner"});
    let into_project = json!({"email": "new@example.com", "role": "reader",
        "projects": [{"id": other, "role": "owner"}]});
    for (path, body) in [
        (&user, &owner),
        (&users, &as_owner),
        (&invites, &invited),
        (&invites, &into_project),
    ] {
        let answer = as_helper(&world, &secret, path, body.clone()).await;
        refused(&answer, 403, Value::Null, "missing_scope");
    }
    made(&world, &users, json!({"user_id": bob, "role": "viewer"})).await;
    let one = format!("{users}/{bob}");
    let answer = as_helper(&world, &secret, &one, owner.clone()).await;
    refused(&answer, 403, Value::Null, "missing_scope");
    made(&world, &one, owner.clone()).await;
    made(&world, &user, owner).await;
}
