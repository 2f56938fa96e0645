//! Reports of leaked keys: believed if they are signed by who may, and acted on once.

// SQL in a test: it looks at the mails that were queued.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Router;
use axum::routing::get;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use farebox_control::{BadSigners, Signers};
use http::Method;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};
use serde_json::{Value, json};
use testkit::http::{Answer, Request};
use testkit::on_each_database;

use crate::world::{World, refused};

/// What a P-256 key's DER begins with.
const HEAD: &str = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE";

/// Somebody who signs.
struct Signer {
    keys: EcdsaKeyPair,
    id: &'static str,
}

impl Signer {
    fn new(id: &'static str) -> Self {
        let (curve, random) = (&ECDSA_P256_SHA256_ASN1_SIGNING, SystemRandom::new());
        let made = EcdsaKeyPair::generate_pkcs8(curve, &random).unwrap();
        let keys = EcdsaKeyPair::from_pkcs8(curve, made.as_ref(), &random).unwrap();
        Signer { keys, id }
    }

    /// Its public key, as it is published.
    fn published(&self) -> Value {
        let mut der = STANDARD.decode(HEAD).unwrap();
        der.pop();
        der.extend_from_slice(self.keys.public_key().as_ref());
        let body = STANDARD.encode(der);
        let pem = format!("-----BEGIN PUBLIC KEY-----\n{body}\n-----END PUBLIC KEY-----\n");
        json!({"key_identifier": self.id, "key": pem, "is_current": true})
    }

    fn sign(&self, body: &str) -> String {
        let signature = self.keys.sign(&SystemRandom::new(), body.as_bytes());
        STANDARD.encode(signature.unwrap())
    }
}

fn list(signers: &[&Signer]) -> Vec<u8> {
    let keys: Vec<Value> = signers.iter().map(|signer| signer.published()).collect();
    json!({"public_keys": keys}).to_string().into_bytes()
}

async fn send(world: &World, body: &str, headers: &[(&str, &str)]) -> Answer {
    let mut request = Request::new(Method::POST, &world.url("/api/leak_reports"));
    for (name, value) in headers {
        request = request.header(name, value);
    }
    request
        .body("application/json", body.to_owned())
        .send()
        .await
        .unwrap()
}

async fn report(world: &World, signer: &Signer, body: &str) -> Answer {
    let signature = signer.sign(body);
    let headers = [
        ("Github-Public-Key-Identifier", signer.id),
        ("Github-Public-Key-Signature", &signature),
    ];
    send(world, body, &headers).await
}

const URL: &str =
    "https://github.com/octocat/hello/blob/12345600b9cbe38a219f39a9941c9319b600c002/.env";

fn leak(token: &str) -> Value {
    json!({"token": token, "type": "farebox_api_key", "url": URL, "source": "content"})
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leaked_key_is_revoked_and_its_owner_told_once() {
    on_each_database(async |database| {
        let signer = Signer::new("one");
        let signers = Signers::new(Some(&list(&[&signer])), None).unwrap();
        let world = World::start_told_by(database, signers).await;
        let accounts = format!("/projects/{}/service_accounts", world.made.project);
        let account = world.post(&accounts, &json!({"name": "bot"})).await.json();
        let of_account = account["api_key"]["value"].as_str().unwrap();
        let of_ada = world.made.api_key.expose();
        let strange =
            domain::key::KeySecret::mint(domain::key::KeyClass::Project, |bytes| bytes.fill(7));
        let body = json!([
            leak(of_ada),
            leak("nonsense"),
            leak(strange.expose()),
            leak(of_account),
            leak(of_ada),
        ]);
        let body = body.to_string();
        let digest = world.made.api_key.digest().to_hex();
        for _ in 0..2 {
            let answer = report(&world, &signer, &body).await;
            assert_eq!(answer.status, 200, "{}", answer.text());
            let answer = answer.json();
            let labels = answer.as_array().unwrap();
            let found: Vec<&str> = labels
                .iter()
                .map(|label| label["label"].as_str().unwrap())
                .collect();
            let (yes, no) = ("true_positive", "false_positive");
            assert_eq!(found, [yes, no, no, yes, yes]);
            assert_eq!(labels[0]["token_hash"], json!(digest));
            assert_eq!(labels[0]["token_type"], "farebox_api_key");
            assert!(
                !answer.to_string().contains(of_ada),
                "the secret is not repeated"
            );
        }
        let keys = world
            .get(&format!("/projects/{}/api_keys", world.made.project))
            .await;
        assert_eq!(keys.json()["data"], json!([]), "both are revoked");

        let log = world
            .get("/audit_logs?event_types[]=farebox.api_key.leaked")
            .await
            .json();
        let entries = log["data"].as_array().unwrap();
        assert_eq!(entries.len(), 2, "one for each key");
        let detail = &entries[0]["farebox.api_key.leaked"];
        assert_eq!(detail["data"], json!({"place": URL, "source": "content"}));
        let log = world
            .get("/audit_logs?event_types[]=api_key.deleted")
            .await
            .json();
        assert_eq!(log["data"].as_array().unwrap().len(), 2);

        told(&world, of_ada).await;
    })
    .await;
}

/// Two mails, one for each key, say where they were found and not what they are.
async fn told(world: &World, secret: &str) {
    let read = |tx: &mut store::Tx<'_>| {
        tx.query(
            "SELECT recipient, facts FROM jobs WHERE template = 'key_leaked'",
            &[],
        )
    };
    let mails: Result<_, store::StoreError> = world.store.read(read).await;
    let mails = mails.unwrap();
    assert_eq!(mails.len(), 2, "one for each key");
    for mail in &mails {
        let (to, facts) = (mail.text(0).unwrap(), mail.text(1).unwrap());
        assert_eq!(
            to, "ada@example.com",
            "who owns the key, or the organization"
        );
        assert!(facts.contains(URL) && !facts.contains(secret), "{facts}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_signed_by_who_may_changes_nothing() {
    let signer = Signer::new("one");
    let signers = Signers::new(Some(&list(&[&signer])), None).unwrap();
    let world = World::start_told_by(testkit::databases::sqlite(), signers).await;
    let body = json!([leak(world.made.api_key.expose())]).to_string();
    let (signature, other) = (signer.sign(&body), signer.sign("[]"));
    let forged = Signer::new("one").sign(&body);
    let (id, by) = (
        "Github-Public-Key-Identifier",
        "Github-Public-Key-Signature",
    );
    for headers in [
        vec![],
        vec![(id, "one")],
        vec![(by, &*signature)],
        vec![(id, "two"), (by, &signature)],
        vec![(id, "one"), (by, &other)],
        vec![(id, "one"), (by, &forged)],
        vec![(id, "one"), (by, "!!")],
    ] {
        let answer = send(&world, &body, &headers).await;
        refused(&answer, 401, Value::Null, "invalid_signature");
    }
    let digest = world.made.api_key.digest();
    let read = move |tx: &mut store::Tx<'_>| store::keys::active_by_digest(tx, &digest);
    assert!(
        world.store.read(read).await.unwrap().is_some(),
        "it works as before"
    );

    for nonsense in ["", "{}", "[{}]", "[1]", "no"] {
        let answer = report(&world, &signer, nonsense).await;
        refused(&answer, 400, Value::Null, Value::Null);
    }
    let answer = report(&world, &signer, "[]").await;
    assert_eq!((answer.status, answer.json()), (200, json!([])));
    let large = format!("[{}]", " ".repeat(1_100_000));
    refused(
        &report(&world, &signer, &large).await,
        413,
        Value::Null,
        Value::Null,
    );

    // Whoever goes on trying has to wait; whoever can sign has not.
    let mut last = 401;
    for _ in 0..20 {
        last = send(&world, &body, &[]).await.status;
    }
    assert_eq!(last, 429);
    assert_eq!(report(&world, &signer, "[]").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_signers_there_is_no_such_route() {
    let world = World::start(testkit::databases::sqlite()).await;
    let answer = report(&world, &Signer::new("one"), "[]").await;
    refused(&answer, 404, Value::Null, Value::Null);
    assert!(answer.text().contains("Invalid URL"), "{}", answer.text());
}

/// Publishes what `answer` says, and counts how often it is asked.
async fn publisher(
    answer: impl Fn() -> Option<Vec<u8>> + Send + Sync + 'static,
) -> (String, Arc<AtomicU64>) {
    let asked = Arc::<AtomicU64>::default();
    let (count, answer) = (Arc::clone(&asked), Arc::new(answer));
    let publish = move || {
        count.fetch_add(1, Ordering::Relaxed);
        let answer = answer();
        async move { answer.ok_or(http::StatusCode::SERVICE_UNAVAILABLE) }
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/keys", listener.local_addr().unwrap());
    let app = Router::new().route("/keys", get(publish));
    tokio::spawn(async move { axum::serve(listener, app).await });
    (url, asked)
}

#[tokio::test(flavor = "multi_thread")]
async fn published_keys_are_asked_for_seldom_and_followed() {
    let (old, new) = (Signer::new("old"), Signer::new("new"));
    let phase = Arc::<AtomicU64>::default();
    let lists = [list(&[&old]), list(&[&new])];
    let now_in = Arc::clone(&phase);
    let (url, asked) = publisher(move || match now_in.load(Ordering::Relaxed) {
        0 => None,
        1 => Some(lists[0].clone()),
        _ => Some(lists[1].clone()),
    })
    .await;
    let signers = Signers::new(None, Some(url)).unwrap();
    let world = World::start_told_by(testkit::databases::sqlite(), signers).await;
    let pass = |minutes: i64| world.now.fetch_add(minutes * 60_000_000, Ordering::Relaxed);
    let asked = || asked.load(Ordering::Relaxed);

    // While nobody answers, nothing is believed, and it may come again.
    let answer = report(&world, &old, "[]").await;
    refused(&answer, 503, Value::Null, "signers_unavailable");
    phase.store(1, Ordering::Relaxed);
    assert_eq!(
        report(&world, &old, "[]").await.status,
        503,
        "asked a moment ago"
    );
    pass(6);
    assert_eq!(report(&world, &old, "[]").await.status, 200);
    assert_eq!(report(&world, &old, "[]").await.status, 200);
    assert_eq!(asked(), 2);

    // A new key is looked for, but not each time that somebody names one.
    phase.store(2, Ordering::Relaxed);
    assert_eq!(report(&world, &new, "[]").await.status, 401);
    pass(6);
    assert_eq!(report(&world, &new, "[]").await.status, 200);
    assert_eq!(
        report(&world, &old, "[]").await.status,
        401,
        "no longer published"
    );
    assert_eq!(asked(), 3);

    // What was published is believed for a day, and not for longer.
    phase.store(0, Ordering::Relaxed);
    pass(23 * 60);
    assert_eq!(report(&world, &new, "[]").await.status, 200);
    pass(60);
    assert_eq!(report(&world, &new, "[]").await.status, 503);
    assert_eq!(asked(), 4);
}

#[test]
fn a_list_of_other_things_is_refused() {
    let key = json!({"public_keys": [{"key_identifier": "k", "key": "none"}]}).to_string();
    for (text, wanted) in [
        ("[]", BadSigners::Form),
        (&*key, BadSigners::Key("k".into())),
    ] {
        let refused = Signers::new(Some(text.as_bytes()), None).err();
        assert_eq!(refused, Some(wanted), "{text}");
    }
}
