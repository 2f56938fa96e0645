//! The audit log as it is read: rows in OpenAI's shape, filters, pages.

// SQL in a test: nothing in the product makes a second organization yet.

use std::sync::atomic::Ordering;

use http::Method;
use serde_json::{Value, json};
use testkit::on_each_database;

use crate::world::{START_S, World, refused};

/// The names of the projects that the listed events made, in the order of the list; `?` of others.
fn names(list: &Value) -> Vec<&str> {
    let entries = list["data"].as_array().unwrap().iter();
    entries
        .map(|entry| {
            entry["project.created"]["data"]["name"]
                .as_str()
                .unwrap_or("?")
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_says_who_did_what_from_where() {
    on_each_database(async |database| {
        let world = World::start(database).await;
        let request = world
            .request(Method::POST, "/projects")
            .json(&json!({"name": "Search"}))
            .header("user-agent", "curl/8");
        let made = request.send().await.unwrap().json();
        let list = world.get("/audit_logs").await.json();
        let entry = &list["data"][0];
        assert!(entry["id"].as_str().unwrap().starts_with("audit_log-"));
        assert_eq!(
            (&list["first_id"], &list["last_id"]),
            (&entry["id"], &entry["id"])
        );
        assert_eq!(entry["type"], "project.created");
        assert_eq!(entry["effective_at"], START_S);
        let project = json!({"id": made["id"], "name": "Search"});
        assert_eq!(entry["project"], project);
        let detail = json!({"id": made["id"], "data": {"name": "Search", "title": "Search"}});
        assert_eq!(entry["project.created"], detail);
        let key = &entry["actor"]["api_key"];
        assert_eq!(entry["actor"]["type"], "api_key");
        assert!(key["id"].as_str().unwrap().starts_with("key_"));
        let user = json!({"id": world.made.user.as_str(), "email": "ada@example.com"});
        assert_eq!((&key["type"], &key["user"]), (&json!("user"), &user));
        assert_eq!(key["ip_address"], "127.0.0.1");
        assert_eq!(key["user_agent"], "curl/8");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_key_does_to_the_organization_is_told_of_the_default_project() {
    let world = World::start(testkit::databases::sqlite()).await;
    let limit = json!({"threshold_amount": 500, "currency": "USD", "interval": "month"});
    world.post("/spend_limit", &limit).await;
    let entry = world.get("/audit_logs").await.json()["data"][0].clone();
    assert_eq!(entry["project"]["id"], world.made.project.as_str());
    let detail = json!({"id": world.made.organization.as_str(), "changes_requested": limit});
    assert_eq!(entry["spend_limit.updated"], detail);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_is_refused_leaves_nothing() {
    let world = World::start(testkit::databases::sqlite()).await;
    let default = format!("/projects/{}/archive", world.made.project);
    refused(
        &world.post(&default, &json!({})).await,
        400,
        Value::Null,
        "project_archived",
    );
    assert_eq!(world.get("/audit_logs").await.json()["data"], json!([]));
}

/// Makes projects a to f, a second apart.
async fn six_projects(world: &World) -> Vec<String> {
    let mut ids = Vec::new();
    for (second, name) in (START_S..).zip(["a", "b", "c", "d", "e", "f"]) {
        world.now.store(second * 1_000_000, Ordering::Relaxed);
        let made = world.post("/projects", &json!({"name": name})).await.json();
        ids.push(made["id"].as_str().unwrap().to_owned());
    }
    ids
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_let_through_what_passes_all_of_them() {
    on_each_database(async |database| {
        let world = World::start(database).await;
        let ids = six_projects(&world).await;
        let [a, b] = [&ids[0], &ids[1]];
        world
            .post(&format!("/projects/{a}/archive"), &json!({}))
            .await;
        let (s, user) = (START_S, world.made.user.as_str());
        let list = world.get("/audit_logs").await.json();
        let key = list["data"][0]["actor"]["api_key"]["id"].as_str().unwrap();
        for (query, wanted) in [
            (String::new(), "?fedcba"),
            (format!("effective_at[gt]={}", s + 3), "?fe"),
            (format!("effective_at[gte]={}", s + 3), "?fed"),
            (format!("effective_at[lt]={}", s + 2), "ba"),
            (format!("effective_at%5Blte%5D={}", s + 2), "cba"),
            (
                format!("effective_at[gte]={}&effective_at[lte]={}", s + 1, s + 2),
                "cb",
            ),
            ("event_types[]=project.created".into(), "fedcba"),
            (
                "event_types[]=project.archived&event_types[]=tunnel.created".into(),
                "?",
            ),
            (format!("project_ids[]={a}&project_ids[]={b}"), "?ba"),
            (
                format!("resource_ids[]={a}&event_types[]=project.created"),
                "a",
            ),
            (format!("resource_ids[]={b}&effective_at[gt]={}", s + 1), ""),
            (format!("actor_ids[]={user}&limit=2"), "?f"),
            (format!("actor_ids[]={key}&limit=2"), "?f"),
            ("actor_ids[]=user-nobody".into(), ""),
            ("actor_emails[]=ada@example.com&limit=1".into(), "?"),
            ("actor_emails[]=bob@example.com".into(), ""),
        ] {
            let list = world.get(&format!("/audit_logs?{query}")).await.json();
            assert_eq!(names(&list).concat(), wanted, "{query}");
        }
        for (query, param) in [
            ("effective_at[gt]=x", "effective_at[gt]"),
            ("effective_at[lte]=-1", "effective_at[lte]"),
            ("limit=101", "limit"),
            ("after=audit_log-nothing", "after"),
            ("before=audit_log-nothing", "before"),
        ] {
            let answer = world.get(&format!("/audit_logs?{query}")).await;
            refused(&answer, 400, param, "invalid_value");
        }
        let tenants = world.get("/audit_logs?tenant_only=true").await;
        refused(&tenants, 400, "tenant_only", "unsupported_parameter");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_is_walked_in_both_directions() {
    on_each_database(async |database| {
        let world = World::start(database).await;
        six_projects(&world).await;
        let list = async |query: String| world.get(&format!("/audit_logs?{query}")).await.json();
        let first = list("limit=4".into()).await;
        assert_eq!(
            (names(&first).concat(), &first["has_more"]),
            ("fedc".into(), &json!(true))
        );
        let last_id = first["last_id"].as_str().unwrap();
        let second = list(format!("limit=4&after={last_id}")).await;
        assert_eq!(
            (names(&second).concat(), &second["has_more"]),
            ("ba".into(), &json!(false))
        );
        let back = list(format!("limit=2&before={last_id}")).await;
        assert_eq!(
            (names(&back).concat(), &back["has_more"]),
            ("ed".into(), &json!(true))
        );
        let first_id = first["first_id"].as_str().unwrap();
        let between = list(format!("after={first_id}&before={last_id}")).await;
        assert_eq!(names(&between).concat(), "ed");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_organizations_log_is_not_seen() {
    let world = World::start(testkit::databases::sqlite()).await;
    let write = |tx: &mut store::Tx<'_>| {
        tx.execute(
            "INSERT INTO audit_log (organization_id, id, at_us, kind, resource_id, detail)
             VALUES ('org-b', 'audit_log-b', 1, 'project.created', 'proj_b', '{}')",
            &[],
        )
    };
    world.store.write(write).await.unwrap();
    assert_eq!(world.get("/audit_logs").await.json()["data"], json!([]));
    let answer = world.get("/audit_logs?after=audit_log-b").await;
    refused(&answer, 400, "after", "invalid_value");
}
