//! Somebody who is signed in calls the Administration API with the rights that they have.

use domain::permission::{Permissions, PredefinedRole};
use http::Method;
use serde_json::{Value, json};
use testkit::on_each_database;

use crate::people_world::{Browser, PASSWORD, sign_up, with_account};
use crate::world::refused;

const EMAIL: &str = "grace@example.com";

#[tokio::test(flavor = "multi_thread")]
async fn an_owner_who_is_signed_in_administers_their_organization_and_no_other() {
    on_each_database(async |database| {
        let world = with_account(database).await;
        let mut stranger = sign_up(&world, "eve@example.com").await;
        let mut browser = Browser::new(&world);
        browser.sign_in(EMAIL, PASSWORD).await;
        let made = browser.post("/projects", &json!({"name": "Search"})).await;
        assert_eq!(made.status, 200, "{}", made.text());
        let path = format!("/projects/{}", made.json()["id"].as_str().unwrap());
        assert_eq!(browser.get(&path).await.json()["name"], "Search");
        refused(&stranger.get(&path).await, 404, Value::Null, "not_found");
        let budgets = browser.get("/api/budgets").await;
        assert_eq!(budgets.json()["data"], json!([]), "{}", budgets.text());
        let log = browser
            .get("/audit_logs?event_types[]=project.created")
            .await;
        let actor = &log.json()["data"][0]["actor"];
        assert_eq!(actor["type"], "session", "{actor}");
        assert_eq!(actor["session"]["user"]["email"], EMAIL);

        // Another's organization, by its name.
        let me = browser.get("/api/me").await.json();
        let mine = me["organizations"][0]["id"].as_str().unwrap();
        let named = |browser: &Browser<'_>| {
            let request = browser.request(Method::GET, &path);
            request.header("openai-organization", mine)
        };
        assert_eq!(browser.send(named(&browser)).await.status, 200);
        let request = named(&stranger);
        refused(
            &stranger.send(request).await,
            403,
            Value::Null,
            "missing_scope",
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_is_no_good_from_another_sites_page_nor_when_it_is_over() {
    let world = with_account(testkit::databases::sqlite()).await;
    let mut browser = Browser::new(&world);
    browser.sign_in(EMAIL, PASSWORD).await;
    let request = browser
        .request(Method::POST, "/projects")
        .json(&json!({"name": "a"}));
    let cross = request.header("sec-fetch-site", "cross-site");
    refused(&browser.send(cross).await, 403, Value::Null, "cross_origin");
    let cookie = browser.cookie.clone();
    browser.delete("/api/sessions/current").await;
    browser.cookie = cookie;
    let answer = browser.get("/projects").await;
    refused(&answer, 401, Value::Null, "not_signed_in");
    // A key that comes along counts, and not the cookie.
    let key = world.made.admin_key.expose();
    let request = browser.request(Method::GET, "/projects").bearer(key);
    assert_eq!(browser.send(request).await.status, 200);
}

/// The names of what a role allows, and a role in the organization beside it.
fn names(roles: [PredefinedRole; 2]) -> Value {
    let permissions = roles.map(PredefinedRole::permissions);
    let all: Permissions = permissions.iter().flat_map(|it| it.iter()).collect();
    all.iter().map(|it| it.as_str()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn one_is_told_what_one_may_do_in_a_project_and_of_no_project_that_one_may_not_see() {
    use PredefinedRole::{
        OrganizationOwner, OrganizationReader, ProjectMember, ProjectOwner, ProjectViewer,
    };
    on_each_database(async |database| {
        let world = with_account(database).await;
        let mut grace = Browser::new(&world);
        grace.sign_in(EMAIL, PASSWORD).await;
        let made = world.post("/projects", &json!({"name": "Search"})).await;
        let project = made.json()["id"].as_str().unwrap().to_owned();
        let path = format!("/api/me/projects/{project}");
        let not_there = |answer| refused(&answer, 404, Value::Null, "not_found");

        // Nobody in Acme, then a reader of it, then in the project with one role after another.
        not_there(grace.get(&path).await);
        let invited = json!({"email": EMAIL, "role": "reader"});
        let invite = world.post("/invites", &invited).await.json();
        let accept = format!("/api/me/invites/{}/accept", invite["id"].as_str().unwrap());
        assert_eq!(grace.post(&accept, &json!({})).await.status, 200);
        not_there(grace.get(&path).await);
        let users = format!("/projects/{project}/users");
        let joins = json!({"email": EMAIL, "role": "viewer"});
        assert_eq!(world.post(&users, &joins).await.status, 200);
        let user = grace.who().await.unwrap();
        for role in [ProjectViewer, ProjectMember, ProjectOwner] {
            let given = json!({"role": role.name()});
            let given = world.post(&format!("{users}/{user}"), &given).await;
            assert_eq!(given.status, 200, "{}", given.text());
            let wanted = json!({
                "object": "my.project", "id": project, "is_mine": true,
                "permissions": names([OrganizationReader, role]),
            });
            assert_eq!(grace.get(&path).await.json(), wanted);
        }

        // An owner of the organization belongs to each project; and who leaves one is told no more.
        world.delete(&format!("{users}/{user}")).await;
        not_there(grace.get(&path).await);
        let owner = json!({"role": "owner"});
        assert_eq!(
            world.post(&format!("/users/{user}"), &owner).await.status,
            200
        );
        let told = grace.get(&path).await.json();
        assert_eq!(
            told["permissions"],
            names([OrganizationOwner, ProjectOwner])
        );
        assert_eq!(told["is_mine"], true);
        not_there(grace.get("/api/me/projects/proj_nothing").await);
        let nobody = Browser::new(&world).get(&path).await;
        refused(&nobody, 401, Value::Null, "not_signed_in");
    })
    .await;
}
