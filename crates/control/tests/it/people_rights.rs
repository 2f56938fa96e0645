//! Somebody who is signed in calls the Administration API with the rights that they have.

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
