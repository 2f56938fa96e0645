//! People's keys: made, restricted, rotated and revoked by themselves, and by whoever may.

// SQL in a test: it makes what was kept before a model or a permission went away.

use std::sync::atomic::Ordering;

use domain::key::KeySecret;
use domain::time::SECOND_US;
use http::Method;
use serde_json::{Value, json};
use testkit::http::{Answer, Request};
use testkit::on_each_database;

use crate::world::{START_S, World, refused};

impl World {
    fn keys_url(&self) -> String {
        format!("/api/projects/{}/keys", self.made.project)
    }

    /// As somebody with another admin key.
    async fn as_somebody(
        &self,
        who: &KeySecret,
        method: Method,
        path: &str,
        body: Value,
    ) -> Answer {
        let url = self.url(&format!("{}{path}", self.keys_url()));
        let request = Request::new(method, &url).bearer(who.expose());
        request.json(&body).send().await.unwrap()
    }

    /// The events of the audit log, newest first.
    async fn newest_event(&self) -> Value {
        let list = self.get("/audit_logs?limit=1").await.json();
        list["data"][0].clone()
    }
}

fn ids(list: &Answer) -> Vec<String> {
    let list = list.json();
    let keys = list["data"].as_array().unwrap().iter();
    keys.map(|key| key["id"].as_str().unwrap().to_owned())
        .collect()
}

/// Makes a key that is restricted in every way, and answers what was shown of it.
async fn restricted(world: &World, keys: &str) -> Value {
    let asked = json!({
        "name": " CI ", "permissions": "restricted",
        "resources": {"models": "read", "responses": "write", "embeddings": "none"},
        "models": ["m", "vendor/large"], "ip_ranges": ["203.0.113.0/24", "2001:DB8::/32"],
        "expires_in_seconds": 60,
    });
    let made = world.post(keys, &asked).await.json();
    let resources = json!({
        "models": "read", "model_capabilities": "none", "chat_completions": "none",
        "completions": "none", "embeddings": "none", "responses": "write",
    });
    for (member, wanted) in [
        ("object", json!("organization.project.api_key")),
        ("name", json!("CI")),
        ("permissions", json!("restricted")),
        ("resources", resources),
        ("models", json!(["m", "vendor/large"])),
        ("ip_ranges", json!(["203.0.113.0/24", "2001:db8::/32"])),
        (
            "expires_at",
            json!(made["created_at"].as_i64().unwrap() + 60),
        ),
        ("last_used_at", Value::Null),
        ("previous_secret_expires_at", Value::Null),
    ] {
        assert_eq!(made[member], wanted, "{member}");
    }
    assert_eq!(made["owner"]["user"]["email"], "ada@example.com");
    let event = world.newest_event().await;
    let data = json!({
        "name": "CI", "scopes": ["api.model.read", "api.responses.write"],
        "models": ["m", "vendor/large"], "ip_ranges": ["203.0.113.0/24", "2001:db8::/32"],
        "expires_in_seconds": 60,
    });
    assert_eq!(
        event["api_key.created"],
        json!({"id": made["id"], "data": data})
    );
    made
}

/// Changes everything that it was restricted to.
async fn freed(world: &World, keys: &str, one: &str, made: &Value) {
    let mut wanted = made.clone();
    wanted.as_object_mut().unwrap().remove("value");
    assert_eq!(world.get(one).await.json(), wanted);
    let list = world.get(keys).await;
    assert_eq!(list.json()["data"][1], wanted);
    assert!(
        !list.text().contains(made["value"].as_str().unwrap()),
        "it is shown once"
    );

    let asked = json!({
        "name": "Nightly", "permissions": "read_only", "models": null, "ip_ranges": null,
        "expires_in_seconds": null,
    });
    let changed = world.post(one, &asked).await.json();
    for (member, value) in [
        ("name", json!("Nightly")),
        ("permissions", json!("read_only")),
        ("resources", Value::Null),
        ("models", Value::Null),
        ("ip_ranges", Value::Null),
        ("expires_at", Value::Null),
    ] {
        assert_eq!(changed[member], value, "{member}");
        wanted[member] = value;
    }
    assert_eq!(changed, wanted, "nothing else");
    let event = world.newest_event().await;
    let requested = json!({
        "name": "Nightly", "scopes": ["api.all.read"], "models": [], "ip_ranges": [],
        "never_expires": true,
    });
    let detail = json!({"id": made["id"], "changes_requested": requested});
    assert_eq!(event["api_key.updated"], detail);
    assert_eq!(event["project"]["id"], world.made.project.as_str());
    let all = world.post(one, &json!({"permissions": "all"})).await.json();
    assert_eq!(
        (&all["permissions"], &all["name"]),
        (&json!("all"), &json!("Nightly"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_made_shown_once_changed_and_revoked() {
    on_each_database(async |database| {
        let world = World::start(database).await;
        let keys = world.keys_url();
        let made = restricted(&world, &keys).await;
        let secret = made["value"].as_str().unwrap();
        assert!(secret.starts_with("sk-proj-fare"));
        let parsed = KeySecret::parse(secret).unwrap();
        assert!(world.works(&parsed).await);
        let id = made["id"].as_str().unwrap();
        let one = format!("{keys}/{id}");
        freed(&world, &keys, &one, &made).await;

        let gone = world.delete(&one).await.json();
        assert_eq!(gone["object"], "organization.project.api_key.deleted");
        assert_eq!((&gone["id"], &gone["deleted"]), (&json!(id), &json!(true)));
        assert!(!world.works(&parsed).await);
        let rotate = world.post(&format!("{one}/rotate"), &json!({})).await;
        for answer in [world.get(&one).await, world.delete(&one).await, rotate] {
            refused(&answer, 404, Value::Null, "not_found");
        }
    })
    .await;
}

/// What is asked for, the member that is wrong, and the code that says so.
fn nonsense() -> Vec<(Value, &'static str, &'static str)> {
    vec![
        (json!({}), "name", "missing_required_parameter"),
        (json!({"name": ""}), "name", "invalid_value"),
        (
            json!({"permissions": "some"}),
            "permissions",
            "invalid_value",
        ),
        (json!({"permissions": 1}), "permissions", "invalid_type"),
        (
            json!({"permissions": "restricted"}),
            "resources",
            "missing_required_parameter",
        ),
        (
            json!({"permissions": "all", "resources": {}}),
            "resources",
            "invalid_value",
        ),
        (
            json!({"permissions": "read_only", "resources": {"models": "read"}}),
            "resources",
            "invalid_value",
        ),
        (
            json!({"resources": {"models": "write"}}),
            "resources.models",
            "invalid_value",
        ),
        (
            json!({"resources": {"files": "read"}}),
            "resources.files",
            "invalid_value",
        ),
        (
            json!({"resources": {"models": true}}),
            "resources.models",
            "invalid_type",
        ),
        (json!({"models": []}), "models", "invalid_value"),
        (json!({"models": ["nothing"]}), "models", "invalid_value"),
        (json!({"models": ["m", 1]}), "models[1]", "invalid_type"),
        (json!({"ip_ranges": []}), "ip_ranges", "invalid_value"),
        (
            json!({"ip_ranges": vec!["203.0.113.7"; 51]}),
            "ip_ranges",
            "invalid_value",
        ),
        (
            json!({"ip_ranges": ["::1", "203.0.113.7/24"]}),
            "ip_ranges[1]",
            "invalid_value",
        ),
        (
            json!({"expires_in_seconds": 0}),
            "expires_in_seconds",
            "invalid_value",
        ),
        (
            json!({"expires_in_seconds": 31_536_001}),
            "expires_in_seconds",
            "invalid_value",
        ),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn what_makes_no_sense_is_refused_by_name() {
    let world = World::start(testkit::databases::sqlite()).await;
    let keys = world.keys_url();
    for (mut asked, param, code) in nonsense() {
        if param != "name" {
            asked["name"] = "k".into();
        }
        refused(&world.post(&keys, &asked).await, 400, param, code);
    }
    let range = json!({"name": "k", "ip_ranges": ["203.0.113.7/24"]});
    let text = world.post(&keys, &range).await.text();
    assert!(
        text.contains("the range begins at 203.0.113.0/24"),
        "{text}"
    );
    let kept = ids(&world.get(&keys).await);
    assert_eq!(kept.len(), 1, "only the key of the installation");

    // A model that a key has already may stay, though it cannot be called any more.
    let write = "UPDATE keys SET models = '[\"retired\"]'";
    world
        .store
        .write(move |tx| tx.execute(write, &[]))
        .await
        .unwrap();
    let one = format!("{keys}/{}", kept[0]);
    let asked = json!({"models": ["retired", "m"]});
    assert_eq!(world.post(&one, &asked).await.status, 200);
    let asked = json!({"models": ["retired", "n"]});
    refused(
        &world.post(&one, &asked).await,
        400,
        "models",
        "invalid_value",
    );
    refused(
        &world.get(&format!("{keys}?owner=you")).await,
        400,
        "owner",
        "invalid_value",
    );
    refused(
        &world.get(&format!("{keys}?after=key_no")).await,
        400,
        "after",
        "invalid_value",
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn members_manage_their_own_keys_and_owners_everybodys() {
    on_each_database(async |database| {
        let world = World::start(database).await;
        let bob = world.person("bob", "reader", Some("member")).await;
        let eve = world.person("eve", "reader", Some("viewer")).await;
        let lead = world.person("lead", "reader", Some("owner")).await;
        let dan = world.person("dan", "reader", None).await;
        let name = json!({"name": "k"});
        let make = async |who: &KeySecret| {
            let made = world.as_somebody(who, Method::POST, "", name.clone()).await;
            assert_eq!(made.status, 200, "{}", made.text());
            made.json()["id"].as_str().unwrap().to_owned()
        };
        let (of_bob, of_eve) = (make(&bob).await, make(&eve).await);
        let list = async |who: &KeySecret, query: &str| {
            world
                .as_somebody(who, Method::GET, query, Value::Null)
                .await
        };
        for (who, own) in [(&bob, &of_bob), (&eve, &of_eve)] {
            for query in ["", "?owner=me"] {
                assert_eq!(ids(&list(who, query).await), std::slice::from_ref(own));
            }
            refused(
                &list(who, "?owner=all").await,
                403,
                Value::Null,
                "missing_scope",
            );
        }
        assert_eq!(ids(&list(&lead, "").await).len(), 3);
        assert_eq!(ids(&list(&lead, "?owner=all").await).len(), 3);
        assert_eq!(ids(&list(&lead, "?owner=me").await).len(), 0);
        refused(&list(&dan, "").await, 403, Value::Null, "missing_scope");

        // Another's key is not there, for who may not see it.
        let one = format!("/{of_eve}");
        for (method, path) in [
            (Method::GET, one.clone()),
            (Method::POST, one.clone()),
            (Method::DELETE, one.clone()),
            (Method::POST, format!("{one}/rotate")),
        ] {
            let answer = world.as_somebody(&bob, method, &path, name.clone()).await;
            refused(&answer, 404, Value::Null, "not_found");
        }
        let renamed = json!({"name": "by the lead"});
        let answer = world.as_somebody(&lead, Method::POST, &one, renamed).await;
        assert_eq!(answer.json()["name"], "by the lead");
        let rotate = format!("{one}/rotate");
        let answer = world
            .as_somebody(&lead, Method::POST, &rotate, json!({}))
            .await;
        refused(&answer, 403, Value::Null, "not_your_key");
        let answer = world
            .as_somebody(&eve, Method::POST, &rotate, json!({}))
            .await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let answer = world
            .as_somebody(&lead, Method::DELETE, &one, Value::Null)
            .await;
        assert_eq!(answer.status, 200, "{}", answer.text());

        // Whoever leaves the project has no hand in it any more, and owners still see what is left.
        let out = format!("/projects/{}/users/user-bob", world.made.project);
        assert_eq!(world.delete(&out).await.status, 200);
        refused(&list(&bob, "").await, 403, Value::Null, "missing_scope");
        let one = format!("/{of_bob}");
        let left = world
            .as_somebody(&lead, Method::GET, &one, Value::Null)
            .await;
        assert_eq!(left.json()["owner_project_access"], "inactive");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_sees_all_keys_need_not_be_let_change_them_nor_have_one() {
    use domain::permission::{Permission, Permissions, Realm};
    let world = World::start(testkit::databases::sqlite()).await;
    let organization = world.made.organization.clone();
    let write = world.store.write(move |tx| {
        let user = crate::cast::member(tx, &organization, "auditor", "reader")?;
        let realm = Realm::Organization(organization.clone());
        let sees = Permissions::of(&[Permission::ApiKeysRead]);
        crate::cast::custom_role(tx, &organization, realm, &user, sees)?;
        crate::cast::key(tx, &organization, None, domain::access::Owner::User(user))
    });
    let auditor = write.await.unwrap();
    let mine = ids(&world.get(&world.keys_url()).await);
    let list = world
        .as_somebody(&auditor, Method::GET, "", Value::Null)
        .await;
    assert_eq!(ids(&list), mine);
    let one = format!("/{}", mine[0]);
    for method in [Method::POST, Method::DELETE] {
        let answer = world
            .as_somebody(&auditor, method, &one, json!({"name": "x"}))
            .await;
        refused(&answer, 403, Value::Null, "missing_scope");
    }
    let write = "UPDATE roles SET permissions = '[\"api.organization.projects.api_keys.write\"]'";
    world
        .store
        .write(move |tx| tx.execute(write, &[]))
        .await
        .unwrap();
    let answer = world
        .as_somebody(&auditor, Method::POST, "", json!({"name": "x"}))
        .await;
    refused(&answer, 400, "project_id", "invalid_value");
    let answer = world
        .as_somebody(&auditor, Method::DELETE, &one, Value::Null)
        .await;
    assert_eq!(answer.status, 200, "{}", answer.text());
}

/// Limits that no key is made with, what of them is wrong, and how that is refused.
fn limits_that_are_refused() -> [(Value, &'static str, &'static str); 6] {
    [
        (
            json!({"budget": {"window": "month", "force": "hard"}}),
            "budget.limit_usd",
            "missing_required_parameter",
        ),
        (
            json!({"budget": {"window": "year", "limit_usd": "1", "force": "hard"}}),
            "budget.window",
            "invalid_value",
        ),
        (json!({"budget": "12.50"}), "budget", "invalid_type"),
        (
            json!({"rate_limits": [{}]}),
            "rate_limits[0].requests_per_minute",
            "invalid_value",
        ),
        (
            json!({"rate_limits": [{"model": "none", "requests_per_day": 1}]}),
            "rate_limits[0].model",
            "invalid_value",
        ),
        (
            json!({"rate_limits": [{"requests_per_day": 1}, {"requests_per_day": 2}]}),
            "rate_limits[1].model",
            "invalid_value",
        ),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_made_with_its_limits_or_not_at_all() {
    on_each_database(async |database| {
        let world = World::start(database).await;
        let keys = world.keys_url();
        let asked = json!({
            "name": "CI", "budget": {"window": "month", "limit_usd": "12.50", "force": "hard"},
            "rate_limits": [
                {"requests_per_minute": 60}, {"model": "m", "tokens_per_minute": 1_000},
            ],
        });
        let made = world.post(&keys, &asked).await.json();
        let id = made["id"].as_str().unwrap();
        let budget = format!("/api/budgets/{}", made["budget_id"].as_str().unwrap());
        let budget = world.get(&budget).await.json();
        assert_eq!(budget["scope"], json!({"type": "key", "id": id}));
        assert_eq!(
            (&budget["limit_usd"], &budget["force"], &budget["window"]),
            (&json!("12.50"), &json!("hard"), &json!("month"))
        );
        let listed = world
            .get(&format!("/api/rate_limits?scope_type=key&scope_id={id}"))
            .await
            .json();
        assert_eq!(listed["data"], made["rate_limits"]);
        assert_eq!(made["rate_limits"][1]["id"], format!("{id}:m"));
        let events = world.get("/audit_logs?limit=4").await.json();
        let kinds = events["data"].as_array().unwrap().iter();
        let kinds: Vec<_> = kinds.rev().map(|it| it["type"].as_str().unwrap()).collect();
        assert_eq!(kinds[0], "api_key.created");
        assert_eq!(kinds[2..], ["rate_limit.updated", "rate_limit.updated"]);

        let before = ids(&world.get(&keys).await);
        for (limits, param, code) in limits_that_are_refused() {
            let mut asked = limits;
            asked["name"] = json!("refused");
            let answer = world.post(&keys, &asked).await;
            refused(&answer, 400, param, code);
        }
        let bob = world.person("bob", "reader", Some("member")).await;
        for member in ["budget", "rate_limits"] {
            let asked = json!({"name": "k", member: asked[member]});
            let answer = world.as_somebody(&bob, Method::POST, "", asked).await;
            refused(&answer, 403, Value::Null, "missing_scope");
        }
        assert_eq!(ids(&world.get(&keys).await), before, "none was made");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_rotated_with_a_grace() {
    on_each_database(async |database| {
        let world = World::start(database).await;
        let keys = world.keys_url();
        let made = world
            .post(&keys, &json!({"name": "k", "models": ["m"]}))
            .await
            .json();
        let rotate = format!("{keys}/{}/rotate", made["id"].as_str().unwrap());
        for (grace, code) in [
            (json!(-1), "invalid_value"),
            (json!(604_801), "invalid_value"),
            (json!("1"), "invalid_type"),
        ] {
            let answer = world.post(&rotate, &json!({"grace_seconds": grace})).await;
            refused(&answer, 400, "grace_seconds", code);
        }
        let before = world.now.load(Ordering::Relaxed) / SECOND_US;
        let rotated = world.post(&rotate, &json!({})).await.json();
        assert_eq!(
            (&rotated["id"], &rotated["models"]),
            (&made["id"], &made["models"])
        );
        assert_ne!(rotated["value"], made["value"]);
        assert_ne!(rotated["redacted_value"], made["redacted_value"]);
        let ends = rotated["previous_secret_expires_at"].as_i64().unwrap();
        assert!(
            (before + 86_400..=before + 86_401).contains(&ends),
            "a day, if nobody says"
        );
        let event = world.newest_event().await;
        let requested = json!({"rotated": true, "grace_seconds": 86_400});
        let detail = json!({"id": made["id"], "changes_requested": requested});
        assert_eq!(event["api_key.updated"], detail);
        assert!(
            !event
                .to_string()
                .contains(rotated["value"].as_str().unwrap())
        );

        let earlier = KeySecret::parse(made["value"].as_str().unwrap())
            .unwrap()
            .digest();
        let read = move |tx: &mut store::Tx<'_>| store::leaks::find(tx, &earlier);
        let leaked = world.store.read(read).await.unwrap().unwrap();
        assert_eq!(
            (leaked.id.as_str(), leaked.redacted_value.as_str()),
            (
                made["id"].as_str().unwrap(),
                made["redacted_value"].as_str().unwrap(),
            )
        );
        assert_eq!(leaked.expires_at.map(|at| at.seconds()), Some(ends));
        for _ in 0..3 {
            assert_eq!(world.post(&rotate, &json!({})).await.status, 200);
        }
        let answer = world.post(&rotate, &json!({})).await;
        refused(&answer, 400, Value::Null, "too_many_secrets");
        let ended = world
            .post(&rotate, &json!({"grace_seconds": 0}))
            .await
            .json();
        assert!(ended["previous_secret_expires_at"].as_i64().unwrap() < START_S + 60);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_archived_project_gets_no_keys_and_loses_those_it_has() {
    let world = World::start(testkit::databases::sqlite()).await;
    let project = world
        .post("/projects", &json!({"name": "Old"}))
        .await
        .json();
    let project = project["id"].as_str().unwrap();
    let keys = format!("/api/projects/{project}/keys");
    let made = world.post(&keys, &json!({"name": "k"})).await.json();
    let one = format!("{keys}/{}", made["id"].as_str().unwrap());
    let archive = format!("/projects/{project}/archive");
    assert_eq!(world.post(&archive, &json!({})).await.status, 200);
    let name = json!({"name": "k"});
    for path in [&keys, &one, &format!("{one}/rotate")] {
        let answer = world.post(path, &name).await;
        refused(&answer, 400, Value::Null, "project_archived");
    }
    assert_eq!(ids(&world.get(&keys).await).len(), 1);
    assert_eq!(world.delete(&one).await.status, 200);
}
