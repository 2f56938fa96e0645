//! Lists of keys and service accounts: walked, filtered; and the ways a key may come.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use domain::access::Owner;
use serde_json::{Value, json};
use testkit::http::Request;
use testkit::on_each_database;

use crate::cast::{join, key, member};
use crate::world::{World, refused};

fn count(list: &Value) -> usize {
    list["data"].as_array().unwrap().len()
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_can_be_walked_while_what_they_show_is_deleted() {
    on_each_database(async |database| {
        let world = World::start(database).await;
        let accounts = format!("/projects/{}/service_accounts", world.made.project);
        let names: Vec<String> = (0..7).map(|number| format!("bot {number}")).collect();
        for name in &names {
            let made = world.post(&accounts, &json!({"name": name})).await;
            assert_eq!(made.status, 200, "{}", made.text());
        }
        let (mut after, mut deleted) = (String::new(), Vec::new());
        loop {
            let path = format!("{accounts}?limit=3&after={after}");
            let list = world.get(&path).await.json();
            for account in list["data"].as_array().unwrap() {
                let id = account["id"].as_str().unwrap();
                world.delete(&format!("{accounts}/{id}")).await;
                deleted.push(account["name"].as_str().unwrap().to_owned());
            }
            after = list["last_id"].as_str().unwrap().to_owned();
            if list["has_more"] == false {
                break;
            }
        }
        assert_eq!(deleted, names);

        let keys = format!("/projects/{}/api_keys", world.made.project);
        let left = world.get(&keys).await.json();
        assert_eq!(count(&left), 1, "only the person's");
        let key = left["last_id"].as_str().unwrap();
        world.delete(&format!("{keys}/{key}")).await;
        let rest = world.get(&format!("{keys}?after={key}")).await.json();
        assert_eq!((count(&rest), &rest["has_more"]), (0, &json!(false)));
        assert_eq!(
            (&rest["first_id"], &rest["last_id"]),
            (&Value::Null, &Value::Null)
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_listed_by_their_owners_access() {
    on_each_database(async |database| {
        let world = World::start(database).await;
        let (organization, project) = (world.made.organization.clone(), world.made.project.clone());
        let write = world.store.write(move |tx| {
            for number in 0..5 {
                let name = format!("{number}");
                let user = member(tx, &organization, &name, "reader")?;
                if number % 2 == 0 {
                    join(tx, &organization, &project, &user, "viewer")?;
                }
                key(tx, &organization, Some(&project), Owner::User(user))?;
            }
            Ok::<_, store::StoreError>(())
        });
        write.await.unwrap();
        let keys = format!("/projects/{}/api_keys", world.made.project);
        for (access, wanted) in [("active", 4), ("inactive", 2), ("any", 6)] {
            let (mut seen, mut after) = (0, String::new());
            loop {
                let path = format!("{keys}?owner_project_access={access}&limit=1&after={after}");
                let list = world.get(&path).await.json();
                for shown in list["data"].as_array().unwrap() {
                    let said = &shown["owner_project_access"];
                    assert!(access == "any" || *said == json!(access), "{shown}");
                    let one = format!("{keys}/{}", shown["id"].as_str().unwrap());
                    assert_eq!(world.get(&one).await.json(), *shown);
                    seen += 1;
                }
                if list["has_more"] == false {
                    break;
                }
                list["last_id"].as_str().unwrap().clone_into(&mut after);
            }
            assert_eq!(seen, wanted, "{access}");
        }
        let path = format!("{keys}?owner_project_access=some");
        let answer = world.get(&path).await;
        refused(&answer, 400, "owner_project_access", "invalid_value");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_admin_key_may_come_as_a_password() {
    let world = World::start(testkit::databases::sqlite()).await;
    let url = format!("{}/projects", world.base);
    let encoded = STANDARD.encode(format!(":{}", world.made.admin_key.expose()));
    let request = Request::get(&url).header("authorization", &format!("Basic {encoded}"));
    assert_eq!(request.send().await.unwrap().status, 200);
}
