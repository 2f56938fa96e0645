//! Admin keys, service accounts and project keys.

use domain::key::{KeyClass, KeySecret};
use http::Method;
use serde_json::{Value, json};
use testkit::http::Request;
use testkit::on_each_database;

use crate::world::{World, refused};

#[tokio::test(flavor = "multi_thread")]
async fn only_admin_keys_are_let_in() {
    let world = World::start(testkit::databases::sqlite()).await;
    let url = format!("{}/projects", world.base);
    let none = Request::get(&url).send().await.unwrap();
    refused(&none, 401, Value::Null, Value::Null);
    assert!(none.text().contains("You didn't provide an API key."));
    let other = KeySecret::mint(KeyClass::Admin, crate::world::entropy);
    for key in ["nonsense", other.expose(), world.made.api_key.expose()] {
        let answer = Request::get(&url).bearer(key).send().await.unwrap();
        refused(&answer, 401, Value::Null, "invalid_api_key");
        assert!(answer.text().contains("Incorrect API key provided: "));
        assert!(!answer.text().contains(key));
    }
    let elsewhere = world.request(Method::GET, "/projects");
    let elsewhere = elsewhere
        .header("openai-organization", "org-other")
        .send()
        .await
        .unwrap();
    refused(&elsewhere, 401, Value::Null, "mismatched_organization");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_account_and_its_key() {
    on_each_database(async |database| {
        let world = World::start(database).await;
        let accounts = format!("/projects/{}/service_accounts", world.made.project);
        let made = world.post(&accounts, &json!({"name": "bot"})).await.json();
        assert_eq!(made["object"], "organization.project.service_account");
        assert_eq!(made["role"], "member");
        let key = &made["api_key"];
        assert_eq!(
            key["object"],
            "organization.project.service_account.api_key"
        );
        let secret = KeySecret::parse(key["value"].as_str().unwrap()).unwrap();
        assert_eq!(secret.class(), KeyClass::ServiceAccount);
        let digest = secret.digest();
        let works = async || {
            let read = move |tx: &mut store::Tx<'_>| store::keys::active_by_digest(tx, &digest);
            world.store.read(read).await.unwrap().is_some()
        };
        assert!(works().await);
        let keyless = json!({"name": "later", "create_service_account_only": true});
        assert_eq!(
            world.post(&accounts, &keyless).await.json()["api_key"],
            Value::Null
        );
        let listed = world.get(&accounts).await.json();
        assert_eq!(listed["data"].as_array().unwrap().len(), 2);
        assert!(
            !listed.to_string().contains(secret.expose()),
            "a secret is shown once"
        );

        let keys = format!("/projects/{}/api_keys", world.made.project);
        let listed = world.get(&keys).await.json();
        let data = listed["data"].as_array().unwrap();
        let owners: Vec<&str> = data
            .iter()
            .map(|key| key["owner"]["type"].as_str().unwrap())
            .collect();
        assert_eq!(owners, ["user", "service_account"]);
        assert_eq!(data[0]["owner"]["user"]["email"], "ada@example.com");
        assert_eq!(data[0]["redacted_value"], world.made.api_key.redacted());
        let of_account = format!("{keys}/{}", data[1]["id"].as_str().unwrap());
        let gone = world.delete(&of_account).await.json();
        assert_eq!(
            (&gone["id"], &gone["deleted"]),
            (&data[1]["id"], &json!(true))
        );
        assert!(!works().await, "it is deleted alone");

        let account = format!("{accounts}/{}", made["id"].as_str().unwrap());
        assert_eq!(world.get(&account).await.json()["name"], "bot");
        let gone = world.delete(&account).await.json();
        assert_eq!(
            gone["object"],
            "organization.project.service_account.deleted"
        );
        assert_eq!((&gone["id"], &gone["deleted"]), (&made["id"], &json!(true)));
        refused(&world.get(&account).await, 404, Value::Null, "not_found");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_persons_key_is_deleted_and_servers_hear_of_it() {
    on_each_database(async |database| {
        let world = World::start(database).await;
        let keys = format!("/projects/{}/api_keys", world.made.project);
        let id = world.get(&keys).await.json()["data"][0]["id"]
            .as_str()
            .unwrap()
            .to_owned();
        let key = format!("{keys}/{id}");
        assert_eq!(
            world.get(&key).await.json()["object"],
            "organization.project.api_key"
        );
        let before = world.store.read(store::changes::latest).await.unwrap();
        let gone = world.delete(&key).await.json();
        assert_eq!(gone["object"], "organization.project.api_key.deleted");
        let read = move |tx: &mut store::Tx<'_>| store::changes::after(tx, before, 10);
        let changes = world.store.read(read).await.unwrap();
        assert_eq!(changes.len(), 1);
        assert_eq!(changes[0].reference, id);
        refused(&world.delete(&key).await, 404, Value::Null, "not_found");
        assert_eq!(world.get(&keys).await.json()["data"], json!([]));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_may_be_made_to_expire() {
    let world = World::start(testkit::databases::sqlite()).await;
    let accounts = format!("/projects/{}/service_accounts", world.made.project);
    let body = json!({"name": "bot", "expires_in_seconds": 60});
    let key = &world.post(&accounts, &body).await.json()["api_key"];
    let lasts = key["expires_at"].as_i64().unwrap() - key["created_at"].as_i64().unwrap();
    assert_eq!(lasts, 60);
    for (seconds, code) in [
        (json!(0), "invalid_value"),
        (json!(31_536_001), "invalid_value"),
        (json!("60"), "invalid_type"),
    ] {
        let body = json!({"name": "b", "expires_in_seconds": seconds});
        let answer = world.post(&accounts, &body).await;
        refused(&answer, 400, "expires_in_seconds", code);
    }
}
