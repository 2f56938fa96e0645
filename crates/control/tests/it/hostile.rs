//! What nobody should send is refused in OpenAI's form, never with a database's complaint.

use http::Method;
use serde_json::{Value, json};
use testkit::http::Request;
use testkit::on_each_database;

use crate::world::{World, refused};

#[tokio::test(flavor = "multi_thread")]
async fn null_characters_reach_no_database() {
    on_each_database(async |database| {
        let world = World::start(database).await;
        let project = &world.made.project;
        for path in [
            "/projects/%00".to_owned(),
            "/projects/proj_%00".into(),
            "/projects/%ff".into(),
            "/projects/a%20b".into(),
            format!("/projects/{project}/api_keys/%00"),
            format!("/projects/{project}/service_accounts/%00"),
            format!("/projects/%00{project}/api_keys"),
        ] {
            let answer = world.get(&path).await;
            refused(&answer, 404, Value::Null, Value::Null);
            assert!(answer.text().contains("Invalid URL (GET /v1/"), "{path}");
        }
        for (path, param) in [
            ("/projects?after=%00", "after"),
            ("/costs?start_time=1&project_ids[]=%00", "project_ids"),
            ("/usage/completions?start_time=1&models=a%00", "models"),
            ("/usage/embeddings?start_time=1&page=%00", "page"),
        ] {
            refused(&world.get(path).await, 400, param, "invalid_value");
        }
        let name = json!({"name": "a\u{0}b"});
        let accounts = format!("/projects/{project}/service_accounts");
        for path in ["/projects", &accounts] {
            refused(&world.post(path, &name).await, 400, "name", "invalid_value");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_are_no_json_or_too_much_are_refused() {
    let world = World::start(testkit::databases::sqlite()).await;
    let post = async |media_type: &str, body: String| {
        let request = world.request(Method::POST, "/projects");
        request.body(media_type, body).send().await.unwrap()
    };
    let fine = r#"{"name": "a", "colour": {"unknown": ["fields", "are", "ignored"]}}"#;
    for media_type in ["application/json", "Application/JSON; charset=utf-8"] {
        assert_eq!(post(media_type, fine.into()).await.status, 200);
    }
    let long = format!(r#"{{"name": "{}"}}"#, "x".repeat(1024 * 1024));
    for (media_type, body, status, opening) in [
        ("text/plain", fine.to_owned(), 400, "Invalid Content-Type"),
        ("", fine.to_owned(), 400, "Invalid Content-Type"),
        ("application/json", "[]".into(), 400, "We could not parse"),
        ("application/json", "null".into(), 400, "We could not parse"),
        (
            "application/json",
            "[".repeat(10_000),
            400,
            "We could not parse",
        ),
        (
            "application/json",
            long,
            413,
            "The request body is too large",
        ),
    ] {
        let answer = post(media_type, body).await;
        refused(&answer, status, Value::Null, Value::Null);
        let message = answer.json()["error"]["message"].clone();
        assert!(message.as_str().unwrap().starts_with(opening), "{message}");
    }
    let packed = world
        .request(Method::POST, "/projects")
        .body("application/json", fine)
        .header("content-encoding", "gzip");
    let answer = packed.send().await.unwrap();
    refused(&answer, 415, Value::Null, Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_key_is_looked_at_before_anything_else() {
    let world = World::start(testkit::databases::sqlite()).await;
    let url = format!("{}/projects", world.base);
    let body = Request::post(&url).body("text/plain", "x".repeat(2_000_000));
    let path = Request::get(&format!("{url}/%00"));
    for request in [body, path] {
        refused(
            &request.send().await.unwrap(),
            401,
            Value::Null,
            Value::Null,
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_comes_second_is_told_so() {
    on_each_database(async |database| {
        let world = World::start(database).await;
        let made = world.post("/projects", &json!({"name": "a"})).await.json();
        let path = format!("/projects/{}/archive", made["id"].as_str().unwrap());
        let nothing = json!({});
        let (a, b, c, d) = tokio::join!(
            world.post(&path, &nothing),
            world.post(&path, &nothing),
            world.post(&path, &nothing),
            world.post(&path, &nothing),
        );
        let mut statuses = [a, b, c, d].map(|answer| answer.status);
        statuses.sort_unstable();
        assert_eq!(statuses[0], 200);
        let second = |status: &u16| [400, 409].contains(status);
        assert!(statuses[1..].iter().all(second), "{statuses:?}");
    })
    .await;
}
