//! Prompts that are kept with the log: only where an owner says so, shown to those who may see
//! them, and gone when they are to be.

use std::sync::atomic::Ordering;

use domain::id::RequestId;
use domain::key::KeySecret;
use domain::permission::{Permission, Permissions, Realm};
use domain::sealed::SealingKey;
use domain::time::AtUs;
use serde_json::{Value, json};
use store::prompts::{self, Kept, Side};
use store::{StoreError, Tx};
use testkit::http::Request;
use testkit::on_each_database;

use crate::cast::custom_role;
use crate::logs::refusal;
use crate::world::{START_S, World, entropy, refused};

const SETTINGS: &str = "/api/log_settings";

impl World {
    /// A request that was refused, and what is kept of it if that is wanted now.
    async fn asked(&self, text: &str) -> String {
        let now = AtUs(self.now.load(Ordering::Relaxed));
        let entry = refusal(self, now, self.made.project.as_str(), "key_a");
        let (organization, request) = (entry.organization.clone(), entry.id);
        let key = SealingKey::new(&[7; 32]);
        let kept = Kept {
            request: Side {
                sealed: key
                    .seal(
                        text.as_bytes(),
                        &prompts::place(request, "request"),
                        entropy,
                    )
                    .into(),
                whole_bytes: 100_000,
            },
            response: None,
        };
        let write = self.store.write(move |tx| -> Result<(), StoreError> {
            store::request_log::keep(tx, &entry)?;
            prompts::keep(tx, &organization, request, &kept, now)
        });
        write.await.unwrap();
        request.to_string()
    }

    async fn prompt(&self, key: &KeySecret, id: &str) -> Value {
        let url = self.url(&format!("/api/logs/{id}"));
        let answer = Request::get(&url)
            .bearer(key.expose())
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()["prompt"].clone()
    }

    async fn own_prompt(&self, id: &str) -> Value {
        self.get(&format!("/api/logs/{id}")).await.json()["prompt"].clone()
    }

    async fn kept_rows(&self, id: &str) -> bool {
        let request = RequestId::parse(id).unwrap().to_string();
        // SQL in a test: what is not shown must not be there either.
        let sql = "SELECT COUNT(*) FROM kept_prompts WHERE id = $1";
        let read = self
            .store
            .read(move |tx: &mut Tx<'_>| tx.query_one(sql, &[request.into()]));
        let row: Result<_, StoreError> = read.await;
        row.unwrap().int(0).unwrap() == 1
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_kept_until_an_owner_says_so_nor_after() {
    on_each_database(async |database| {
        let world = World::start(database).await;
        let off = json!({
            "object": "log_settings", "keep_prompts": false, "prompt_days": 30,
            "refusal_days": 30,
        });
        assert_eq!(world.get(SETTINGS).await.json(), off);
        let before = world.asked("before").await;
        assert_eq!(world.own_prompt(&before).await["state"], "none");
        assert!(!world.kept_rows(&before).await);

        let on = world
            .post(SETTINGS, &json!({"keep_prompts": true, "prompt_days": 2}))
            .await;
        assert_eq!(on.json()["keep_prompts"], true);
        let zero = "/data_retention";
        assert_eq!(world.get(zero).await.json()["type"], "none");
        let id = world.asked("a secret plan").await;
        let shown = world.own_prompt(&id).await;
        assert_eq!(shown["state"], "shown");
        assert_eq!(shown["request"]["text"], "a secret plan");
        assert_eq!(shown["request"]["whole_bytes"], 100_000);
        assert_eq!(shown["request"]["is_cut"], true);
        assert_eq!(shown["response"], Value::Null);

        let off = world.post(SETTINGS, &json!({"keep_prompts": false})).await;
        assert_eq!(off.json()["keep_prompts"], false);
        let after = world.asked("after").await;
        assert_eq!(world.own_prompt(&after).await["state"], "none");
        assert_eq!(
            world.own_prompt(&id).await["state"],
            "shown",
            "it has its days"
        );
        world.post(SETTINGS, &json!({"keep_prompts": true})).await;
        let erased = world
            .post(zero, &json!({"retention_type": "zero_data_retention"}))
            .await;
        assert_eq!(erased.json()["type"], "zero_data_retention");
        assert_eq!(world.own_prompt(&id).await["state"], "none");
        world.caretaker.tend().await;
        assert!(!world.kept_rows(&id).await);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_kept_goes_when_its_days_are_over_or_at_once() {
    on_each_database(async |database| {
        let world = World::start(database).await;
        world
            .post(SETTINGS, &json!({"keep_prompts": true, "prompt_days": 3}))
            .await;
        let id = world.asked("x").await;
        let day = |day: i64| {
            world
                .now
                .store((START_S + day * 86_400) * 1_000_000, Ordering::Relaxed)
        };
        day(2);
        world.caretaker.tend().await;
        assert!(world.kept_rows(&id).await);
        assert_eq!(world.own_prompt(&id).await["state"], "shown");
        world.post(SETTINGS, &json!({"prompt_days": 1})).await;
        assert_eq!(
            world.own_prompt(&id).await["state"],
            "none",
            "not shown any more"
        );
        world.caretaker.tend().await;
        assert!(!world.kept_rows(&id).await);
        let young = world.asked("y").await;
        assert!(world.kept_rows(&young).await);
        let asked = json!({"keep_prompts": false, "erase_prompts": true});
        world.post(SETTINGS, &asked).await;
        assert!(!world.kept_rows(&young).await, "gone when it is answered");
        for days in [0, 31] {
            let answer = world.post(SETTINGS, &json!({"prompt_days": days})).await;
            assert_eq!(answer.status, 400, "{}", answer.text());
        }
        let answer = world.post(SETTINGS, &json!({"keep_prompts": "yes"})).await;
        refused(&answer, 400, "keep_prompts", "invalid_type");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_who_may_is_shown_what_is_kept() {
    on_each_database(async |database| {
        let world = World::start(database).await;
        world.post(SETTINGS, &json!({"keep_prompts": true})).await;
        let id = world.asked("x").await;
        let lead = world.person("lead", "reader", Some("owner")).await;
        assert_eq!(world.prompt(&lead, &id).await["state"], "not_allowed");
        let reader = world.person("rea", "reader", Some("viewer")).await;
        let (organization, project) = (world.made.organization.clone(), world.made.project.clone());
        let write = world.store.write(move |tx| {
            let may = Permissions::of(&[Permission::LogsRead, Permission::PromptsRead]);
            let user = domain::id::UserId::new("user-rea");
            custom_role(tx, &organization, Realm::Project(project), &user, may)
        });
        write.await.unwrap();
        assert_eq!(world.prompt(&reader, &id).await["state"], "shown");
    })
    .await;
}
