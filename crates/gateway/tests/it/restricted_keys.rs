//! Keys that are restricted, rotated and revoked: in force from the next request on, and the same
//! for whoever starts afterwards.

// SQL in a test: it looks at the books as they are kept.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use domain::access::Owner;
use domain::id::KeyId;
use domain::key::{KeyClass, KeySecret};
use domain::network::Network;
use domain::restriction::{KeyPermissions, KeyScope, Restrictions};
use domain::rotation::Grace;
use domain::time::{AtUs, SECOND_US};
use serde_json::{Value, json};
use store::keys::NewKey;
use store::keys::rotation;
use store::keys::settings::{self, Settings};
use store::{StoreError, Tx, keys};
use testkit::http::{Answer, Request};
use testkit::{Upstream, on_each_database};

use crate::world::{MODEL, Plan, World, clock, entropy, hello};

impl World {
    pub(crate) async fn key_id(&self) -> KeyId {
        let digest = self.made.api_key.digest();
        let read = move |tx: &mut Tx<'_>| keys::active_by_digest(tx, &digest);
        self.store.read(read).await.unwrap().unwrap().principal.key
    }

    /// Restricts the key of the world, in place of what was before.
    pub(crate) async fn restrict(&self, restrictions: Restrictions, expires_at: Option<AtUs>) {
        let id = self.key_id().await;
        let settings = Settings {
            name: "k".into(),
            restrictions,
            expires_at,
        };
        let now = (clock())();
        let write = move |tx: &mut Tx<'_>| settings::set(tx, &id, &settings, now);
        self.store.write(write).await.unwrap();
    }

    pub(crate) async fn permit_key(&self, permissions: KeyPermissions) {
        let restrictions = Restrictions {
            permissions,
            ..Restrictions::default()
        };
        self.restrict(restrictions, None).await;
    }

    /// Another key of the same owner; its secret.
    pub(crate) async fn make_key(&self) -> String {
        let secret = KeySecret::mint(KeyClass::Project, entropy);
        let kept = KeySecret::parse(secret.expose()).unwrap();
        let made = &self.made;
        let (organization, project) = (made.organization.clone(), made.project.clone());
        let owner = Owner::User(made.user.clone());
        let make = move |tx: &mut Tx<'_>| -> Result<(), StoreError> {
            let new = NewKey {
                id: KeyId::random(entropy),
                organization: &organization,
                project: Some(&project),
                owner,
                name: "another",
                expires_at: None,
            };
            keys::create(tx, &new, &kept, (clock())())
        };
        self.store.write(make).await.unwrap();
        secret.expose().to_owned()
    }

    async fn ask(&self, path: &str, secret: &str, from: Option<&str>) -> Answer {
        let request = match path {
            "/models" => Request::get(&self.url(path)),
            "/chat/completions" => Request::post(&self.url(path)).json(&hello(5)),
            path => {
                let body = json!({"model": MODEL, "input": "Hi", "prompt": "Hi", "max_tokens": 5});
                Request::post(&self.url(path)).json(&body)
            }
        };
        let request = match from {
            Some(address) => request.header("x-forwarded-for", address),
            None => request,
        };
        request.bearer(secret).send().await.unwrap()
    }
}

fn refused(answer: &Answer, status: u16, code: &str, message: &str) {
    assert_eq!(answer.status, status, "{}", answer.text());
    let error = &answer.json()["error"];
    assert_eq!(error["code"], code, "{error}");
    assert_eq!(error["type"], "invalid_request_error", "{error}");
    assert_eq!(error["param"], Value::Null, "{error}");
    let text = error["message"].as_str().unwrap();
    assert!(text.contains(message), "{text}");
}

const PATHS: [&str; 5] = [
    "/models",
    "/chat/completions",
    "/completions",
    "/responses",
    "/embeddings",
];

#[tokio::test(flavor = "multi_thread")]
async fn a_key_calls_the_endpoints_it_is_restricted_to() {
    on_each_database(async |database| {
        let upstream = Upstream::echo().await;
        let world = World::start(database, &[upstream.base_url()], Plan::default()).await;
        let chat_only = [KeyScope::ChatCompletionsRequest].into_iter().collect();
        let run = "Missing scopes: model.request. Check";
        let write = "Missing scopes: api.responses.write. Check";
        let of = |name: &str| format!("Missing scopes: {name}. Check");
        for (permissions, missing) in [
            (KeyPermissions::All, [None, None, None, None, None]),
            (
                KeyPermissions::ReadOnly,
                [None, Some(run), Some(run), Some(write), Some(run)],
            ),
            (
                KeyPermissions::Restricted(chat_only),
                [
                    Some(&*of("api.model.read")),
                    None,
                    Some(&*of("api.model.completions.request")),
                    Some(write),
                    Some(&*of("api.model.embeddings.request")),
                ],
            ),
        ] {
            world.permit_key(permissions).await;
            for (path, missing) in PATHS.into_iter().zip(missing) {
                let answer = world.ask(path, world.key(), None).await;
                match missing {
                    Some(missing) => refused(&answer, 403, "missing_scope", missing),
                    // What the upstream answers is another test's.
                    None => assert!(![401, 403].contains(&answer.status), "{}", answer.text()),
                }
            }
        }
        world.at_rest().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_bound_to_models_networks_and_time() {
    on_each_database(async |database| {
        let upstream = Upstream::echo().await;
        let world = World::start(database, &[upstream.base_url()], Plan::default()).await;
        let chat = "/chat/completions";
        let models = |name: &str| Restrictions {
            models: Some(vec![name.into()]),
            ..Restrictions::default()
        };
        world.restrict(models("vendor/chat-only"), None).await;
        let answer = world.ask(chat, world.key(), None).await;
        refused(
            &answer,
            403,
            "model_not_found",
            "This key does not have access to model",
        );
        world.restrict(models(MODEL), None).await;
        assert_eq!(world.ask(chat, world.key(), None).await.status, 200);

        let office = Restrictions {
            networks: Some(vec![Network::parse("203.0.113.0/24").unwrap()]),
            ..Restrictions::default()
        };
        world.restrict(office, None).await;
        for path in ["/models", chat] {
            let inside = world.ask(path, world.key(), Some("203.0.113.9")).await;
            assert_eq!(inside.status, 200, "{}", inside.text());
            for (from, seen) in [
                (None, "127.0.0.1"),
                (Some("198.51.100.9"), "198.51.100.9"),
                // What a client claims stands before what the proxy saw.
                (Some("203.0.113.9, 198.51.100.9"), "198.51.100.9"),
            ] {
                let outside = world.ask(path, world.key(), from).await;
                let message = format!("IP not authorized: this key may not be used from {seen}.");
                refused(&outside, 401, "ip_not_authorized", &message);
            }
        }

        let now = (clock())();
        world
            .restrict(Restrictions::default(), Some(now.plus(3_600 * SECOND_US)))
            .await;
        assert_eq!(world.ask(chat, world.key(), None).await.status, 200);
        world.restrict(Restrictions::default(), Some(now)).await;
        let answer = world.ask(chat, world.key(), None).await;
        refused(&answer, 401, "invalid_api_key", "it has expired");
        world.at_rest().await;
    })
    .await;
}

/// Gives the key of a world a new secret.
async fn rotate(world: &World, id: &KeyId, grace_s: i64, now: AtUs) -> String {
    let secret = KeySecret::mint(KeyClass::Project, entropy);
    let (text, id) = (secret.expose().to_owned(), id.clone());
    let grace = Grace::of_seconds(grace_s).unwrap();
    let write = move |tx: &mut Tx<'_>| -> Result<(), StoreError> {
        let end = rotation::rotate(tx, &id, &secret, grace, now);
        assert_eq!(end.unwrap(), now.plus(grace_s * SECOND_US));
        Ok(())
    };
    world.store.write(write).await.unwrap();
    text
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotated_key_has_two_secrets_until_the_grace_ends() {
    on_each_database(async |database| {
        let upstream = Upstream::echo().await;
        let upstreams = [upstream.base_url()];
        let now = Arc::new(AtomicI64::new((clock())().0));
        let turned = Arc::clone(&now);
        let plan = Plan {
            clock: Arc::new(move || AtUs(turned.load(Ordering::Relaxed))),
            ..Plan::default()
        };
        let at = || AtUs(now.load(Ordering::Relaxed));
        let mut world = World::start(database, &upstreams, plan.clone()).await;
        let (first, id) = (world.key().to_owned(), world.key_id().await);
        let second = rotate(&world, &id, 60, at()).await;
        now.fetch_add(30 * SECOND_US, Ordering::Relaxed);
        let third = rotate(&world, &id, 60, at()).await;
        let said = "it was replaced by a new secret, and its time is over";
        let check = async |world: &World, works: [bool; 3]| {
            for (secret, works) in [&first, &second, &third].into_iter().zip(works) {
                let answer = world.ask("/chat/completions", secret, None).await;
                match works {
                    true => assert_eq!(answer.status, 200, "{}", answer.text()),
                    false => refused(&answer, 401, "invalid_api_key", said),
                }
            }
        };
        check(&world, [true; 3]).await;
        now.fetch_add(30 * SECOND_US, Ordering::Relaxed);
        check(&world, [false, true, true]).await;
        world = world.restart_as(&upstreams, plan).await;
        check(&world, [false, true, true]).await;
        now.fetch_add(30 * SECOND_US, Ordering::Relaxed);
        check(&world, [false, false, true]).await;

        // However many secrets a key has: it is one key, and it is revoked as one.
        let used = world
            .query("SELECT DISTINCT key_id FROM usage_records")
            .await;
        assert_eq!(used.len(), 1);
        rotate(&world, &id, 60, at()).await;
        assert_eq!(world.ask("/models", &third, None).await.status, 200);
        let answer = world.ask("/models", &first, None).await;
        refused(
            &answer,
            401,
            "invalid_api_key",
            "Incorrect API key provided: sk-proj-****",
        );
        let revoked_at = at();
        let write = move |tx: &mut Tx<'_>| keys::revoke(tx, &id, revoked_at);
        assert!(world.store.write(write).await.unwrap());
        let answer = world.ask("/chat/completions", &third, None).await;
        refused(
            &answer,
            401,
            "invalid_api_key",
            "Incorrect API key provided: sk-proj-****",
        );
        world.at_rest().await;
    })
    .await;
}
