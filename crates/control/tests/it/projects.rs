//! Projects: made, listed, renamed, archived.

use http::Method;
use serde_json::{Value, json};
use testkit::on_each_database;

use crate::world::{World, refused};

#[tokio::test(flavor = "multi_thread")]
async fn a_project_from_its_creation_to_its_archive() {
    on_each_database(async |database| {
        let world = World::start(database).await;
        let made = world
            .post("/projects", &json!({"name": "  Search  "}))
            .await
            .json();
        assert_eq!(made["object"], "organization.project");
        assert_eq!(
            (&made["name"], &made["status"]),
            (&json!("Search"), &json!("active"))
        );
        assert_eq!(made["archived_at"], Value::Null);
        let id = made["id"].as_str().unwrap();
        assert!(id.starts_with("proj_") && id.len() == 29);
        let path = format!("/projects/{id}");
        assert_eq!(world.get(&path).await.json(), made);
        let renamed = world.post(&path, &json!({"name": "Find"})).await.json();
        assert_eq!(renamed["name"], "Find");
        let archived = world
            .post(&format!("{path}/archive"), &json!({}))
            .await
            .json();
        assert_eq!(archived["status"], "archived");
        assert!(archived["archived_at"].as_i64().unwrap() > 0);
        let again = world.post(&path, &json!({"name": "x"})).await;
        refused(&again, 400, Value::Null, "project_archived");
        let ids = |list: Value| list["data"].as_array().unwrap().len();
        assert_eq!(
            ids(world.get("/projects").await.json()),
            1,
            "only the default one"
        );
        assert_eq!(
            ids(world.get("/projects?include_archived=true").await.json()),
            2
        );

        let default = format!("/projects/{}/archive", world.made.project);
        refused(
            &world.post(&default, &json!({})).await,
            400,
            Value::Null,
            "project_archived",
        );
        let missing = world.get("/projects/proj_nothing").await;
        refused(&missing, 404, Value::Null, "not_found");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_are_walked_page_by_page() {
    on_each_database(async |database| {
        let world = World::start(database).await;
        for number in 0..44 {
            world
                .post("/projects", &json!({"name": format!("p{number}")}))
                .await;
        }
        let (mut after, mut seen, mut pages) = (String::new(), Vec::new(), 0);
        loop {
            let list = world
                .get(&format!("/projects?limit=20&after={after}"))
                .await
                .json();
            let data = list["data"].as_array().unwrap();
            assert_eq!(list["first_id"], data.first().unwrap()["id"]);
            assert_eq!(list["last_id"], data.last().unwrap()["id"]);
            seen.extend(
                data.iter()
                    .map(|project| project["name"].as_str().unwrap().to_owned()),
            );
            pages += 1;
            after = list["last_id"].as_str().unwrap().to_owned();
            if list["has_more"] == false {
                break;
            }
        }
        assert_eq!((pages, seen.len()), (3, 45));
        assert_eq!(
            (seen[0].as_str(), seen[44].as_str()),
            ("Default project", "p43")
        );
        for limit in ["0", "101", "x", "-1", "1.5"] {
            let answer = world.get(&format!("/projects?limit={limit}")).await;
            refused(&answer, 400, "limit", "invalid_value");
        }
        let answer = world.get("/projects?after=proj_nothing").await;
        refused(&answer, 400, "after", "invalid_value");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_make_no_sense_are_explained() {
    let world = World::start(testkit::databases::sqlite()).await;
    let missing = world.post("/projects", &json!({})).await;
    refused(&missing, 400, "name", "missing_required_parameter");
    for (name, code) in [
        (json!(""), "invalid_value"),
        (json!("   "), "invalid_value"),
        (json!(5), "invalid_type"),
        (json!("x".repeat(257)), "invalid_value"),
    ] {
        let answer = world.post("/projects", &json!({"name": name})).await;
        refused(&answer, 400, "name", code);
    }
    let request = world
        .request(Method::POST, "/projects")
        .body("application/json", "{nonsense");
    refused(
        &request.send().await.unwrap(),
        400,
        Value::Null,
        Value::Null,
    );
}
