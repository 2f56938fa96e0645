//! Service accounts that change, their further keys, and keys that are restricted later.

use domain::key::{KeyClass, KeySecret};
use domain::permission::{Permission, Permissions, PredefinedRole, Realm};
use domain::restriction::{KeyPermissions, KeyScope};
use http::Method;
use serde_json::{Value, json};
use store::keys::ActiveKey;
use testkit::http::Request;
use testkit::on_each_database;

use crate::cast::{custom_role, join, key, member};
use crate::world::{World, refused};

/// The key of this secret, if it works.
async fn active(world: &World, made: &Value) -> Option<ActiveKey> {
    let secret = KeySecret::parse(made["value"].as_str().unwrap()).unwrap();
    assert_eq!(secret.class(), KeyClass::ServiceAccount);
    let digest = secret.digest();
    let read = move |tx: &mut store::Tx<'_>| store::keys::active_by_digest(tx, &digest);
    world.store.read(read).await.unwrap()
}

async fn may(world: &World, made: &Value) -> Option<Permissions> {
    active(world, made).await.unwrap().principal.granted
}

fn accounts(world: &World) -> String {
    format!("/projects/{}/service_accounts", world.made.project)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_without_a_role_may_do_nothing_until_it_gets_one() {
    on_each_database(async |database| {
        let world = World::start(database).await;
        let accounts = accounts(&world);
        let keyless = json!({"name": "bot", "create_service_account_only": true});
        let made = world.post(&accounts, &keyless).await.json();
        assert_eq!(
            (&made["role"], &made["api_key"]),
            (&json!("none"), &Value::Null)
        );
        let account = format!("{accounts}/{}", made["id"].as_str().unwrap());

        let key = world
            .post(&format!("{account}/api_keys"), &json!({}))
            .await
            .json();
        assert_eq!(
            key["object"],
            "organization.project.service_account.api_key"
        );
        assert_eq!(
            (&key["name"], &key["expires_at"]),
            (&json!("Secret key"), &Value::Null)
        );
        assert_eq!(may(&world, &key).await, Some(Permissions::NONE));

        let before = world.store.read(store::changes::latest).await.unwrap();
        let asked = json!({"name": "Bot", "role": "owner"});
        let changed = world.post(&account, &asked).await.json();
        assert_eq!(
            (&changed["name"], &changed["role"]),
            (&json!("Bot"), &json!("owner"))
        );
        assert_eq!(world.get(&account).await.json(), changed);
        let allowed = PredefinedRole::ProjectOwner.permissions();
        assert_eq!(may(&world, &key).await, Some(allowed));
        let read = move |tx: &mut store::Tx<'_>| store::changes::after(tx, before, 10);
        let told = world.store.read(read).await.unwrap();
        assert_eq!(told.len(), 1);
        assert_eq!(
            told[0].reference,
            key["id"].as_str().unwrap(),
            "servers hear of it"
        );

        refused(
            &world.post(&account, &json!({"role": "viewer"})).await,
            400,
            "role",
            "invalid_value",
        );
        let expiring = json!({
            "name": "b", "create_service_account_only": true, "expires_in_seconds": 60,
        });
        let answer = world.post(&accounts, &expiring).await;
        refused(&answer, 400, "expires_in_seconds", "invalid_value");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn further_keys_are_named_restricted_and_go_with_the_account() {
    on_each_database(async |database| {
        let world = World::start(database).await;
        let made = world
            .post(&accounts(&world), &json!({"name": "bot"}))
            .await
            .json();
        let account = format!("{}/{}", accounts(&world), made["id"].as_str().unwrap());
        let keys = format!("{account}/api_keys");
        let asked = json!({
            "name": "nightly", "scopes": ["api.model.read"], "expires_in_seconds": 60,
        });
        let key = world.post(&keys, &asked).await.json();
        assert_eq!(key["name"], "nightly");
        let lasts = key["expires_at"].as_i64().unwrap() - key["created_at"].as_i64().unwrap();
        assert_eq!(lasts, 60);
        let principal = active(&world, &key).await.unwrap().principal;
        let reads = [KeyScope::ModelsRead].into_iter().collect();
        let permissions = principal.restrictions.permissions;
        assert_eq!(permissions, KeyPermissions::Restricted(reads));
        assert_eq!(
            principal.granted,
            Some(PredefinedRole::ProjectMember.permissions())
        );
        for (scopes, code) in [
            (json!(["api.model.fly"]), "invalid_value"),
            (json!(["api.management.read"]), "invalid_value"),
            (json!("api.model.read"), "invalid_type"),
        ] {
            let answer = world.post(&keys, &json!({"scopes": scopes})).await;
            refused(&answer, 400, "scopes", code);
        }

        world.delete(&account).await;
        assert!(active(&world, &key).await.is_none());
        assert!(active(&world, &made["api_key"]).await.is_none());
        let answer = world.post(&keys, &json!({})).await;
        refused(&answer, 404, Value::Null, "not_found");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_restricted_later_until_it_has_expired() {
    on_each_database(async |database| {
        let world = World::start(database).await;
        let made = world
            .post(&accounts(&world), &json!({"name": "bot"}))
            .await
            .json();
        let value = made["api_key"].clone();
        let key = format!(
            "/projects/{}/api_keys/{}",
            world.made.project,
            value["id"].as_str().unwrap()
        );
        let scopes = async || {
            let principal = active(&world, &value).await.unwrap().principal;
            principal.restrictions.permissions
        };
        world.post(&key, &json!({"scopes": ["api.all.read"]})).await;
        assert_eq!(scopes().await, KeyPermissions::ReadOnly);
        let changed = world
            .post(&key, &json!({"expires_in_seconds": 3_600}))
            .await
            .json();
        assert_eq!(changed["object"], "organization.project.api_key");
        assert!(changed["expires_at"].as_i64().unwrap() > changed["created_at"].as_i64().unwrap());
        assert_eq!(
            scopes().await,
            KeyPermissions::ReadOnly,
            "what is left out stays"
        );
        let changed = world.post(&key, &json!({"scopes": []})).await.json();
        assert_eq!(scopes().await, KeyPermissions::All, "none named means all");
        assert!(changed["expires_at"].is_i64(), "what is left out stays");

        let answer = world.post(&key, &json!({})).await;
        refused(&answer, 400, "scopes", "missing_required_parameter");
        world
            .now
            .fetch_add(3_601_000_000, std::sync::atomic::Ordering::Relaxed);
        let answer = world.post(&key, &json!({"scopes": []})).await;
        refused(&answer, 400, "key_id", "unsupported_parameter");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_renamed_bound_rotated_and_deleted_like_a_persons() {
    on_each_database(async |database| {
        let world = World::start(database).await;
        let made = world
            .post(&accounts(&world), &json!({"name": "bot"}))
            .await
            .json();
        let first = made["api_key"].clone();
        let id = first["id"].as_str().unwrap();
        let url = format!("/api/projects/{}/keys/{id}", world.made.project);
        assert_eq!(
            world.get(&url).await.json()["owner"]["type"],
            "service_account"
        );
        let asked = json!({"name": "nightly", "models": ["m"], "ip_ranges": ["203.0.113.0/24"]});
        let changed = world.post(&url, &asked).await.json();
        for member in ["name", "models", "ip_ranges"] {
            assert_eq!(changed[member], asked[member], "{changed}");
        }
        let rotate = format!("{url}/rotate");
        let rotated = world
            .post(&rotate, &json!({"grace_seconds": 0}))
            .await
            .json();
        let value = rotated["value"].as_str().unwrap();
        assert!(value.starts_with("sk-svcacct-fare"), "{rotated}");
        let principal = active(&world, &rotated).await.unwrap().principal;
        assert_eq!(principal.key.as_str(), id);
        assert!(principal.restrictions.networks.is_some());

        // One key goes, the account and its other keys stay.
        let account = format!("{}/{}", accounts(&world), made["id"].as_str().unwrap());
        let second = world
            .post(&format!("{account}/api_keys"), &json!({}))
            .await
            .json();
        let project_key = format!("/projects/{}/api_keys/{id}", world.made.project);
        let deleted = world.delete(&project_key).await.json();
        let told = json!({
            "object": "organization.project.api_key.deleted", "id": id, "deleted": true,
        });
        assert_eq!(deleted, told);
        assert!(active(&world, &rotated).await.is_none());
        assert!(active(&world, &second).await.is_some());
        assert_eq!(world.get(&account).await.status, 200);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_gets_by_an_account_what_they_may_not_do() {
    let world = World::start(testkit::databases::sqlite()).await;
    let made = world
        .post(&accounts(&world), &json!({"name": "bot"}))
        .await
        .json();
    let account = format!("{}/{}", accounts(&world), made["id"].as_str().unwrap());
    let (organization, project) = (world.made.organization.clone(), world.made.project.clone());
    let write = world.store.write(move |tx| {
        let eve = member(tx, &organization, "eve", "reader")?;
        join(tx, &organization, &project, &eve, "viewer")?;
        let realm = Realm::Project(project.clone());
        let writes = Permissions::of(&[Permission::ServiceAccountsWrite]);
        custom_role(tx, &organization, realm.clone(), &eve, writes)?;
        let mallory = member(tx, &organization, "mallory", "reader")?;
        join(tx, &organization, &project, &mallory, "viewer")?;
        let writes = Permissions::of(&[Permission::ApiKeysWrite]);
        custom_role(tx, &organization, realm, &mallory, writes)?;
        let mut key = |user| key(tx, &organization, None, domain::access::Owner::User(user));
        Ok::<_, store::StoreError>((key(eve)?, key(mallory)?))
    });
    let (eve, changer) = write.await.unwrap();
    for (path, body) in [
        (accounts(&world), json!({"name": "mine"})),
        (account.clone(), json!({"role": "owner"})),
        (format!("{account}/api_keys"), json!({})),
    ] {
        let request = Request::new(Method::POST, &world.url(&path)).bearer(eve.expose());
        let answer = request.json(&body).send().await.unwrap();
        refused(&answer, 403, Value::Null, "missing_scope");
        assert!(
            answer.text().contains("Missing scopes: "),
            "{}",
            answer.text()
        );
    }
    // Who may change keys sees no secret of who may do more.
    let id = made["api_key"]["id"].as_str().unwrap();
    let key = format!("/api/projects/{}/keys/{id}", world.made.project);
    for (path, body) in [
        (format!("{key}/rotate"), json!({})),
        (key, json!({"name": "mine"})),
    ] {
        let request = Request::new(Method::POST, &world.url(&path)).bearer(changer.expose());
        let status = request.json(&body).send().await.unwrap().status;
        assert_eq!(
            status,
            if path.ends_with("rotate") { 403 } else { 200 },
            "{path}"
        );
    }
    // What needs no more than they have.
    let url = world.url(&accounts(&world));
    let keyless = json!({"name": "mine", "create_service_account_only": true});
    let request = Request::new(Method::POST, &url).bearer(eve.expose());
    assert_eq!(request.json(&keyless).send().await.unwrap().status, 200);
}
