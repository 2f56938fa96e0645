//! Passkeys, made and used by a software authenticator: honest, careless and hostile.

use http::Method;
use serde_json::{Value, json};
use testkit::authenticator::{Algorithm, Authenticator, base64};
use testkit::http::Answer;
use testkit::on_each_database;

use crate::people_world::{Browser, PASSWORD, sign_up, with_account};
use crate::world::{World, refused};

const EMAIL: &str = "grace@example.com";
const ORIGIN: &str = "http://farebox.test";

/// What an answer asks the browser for.
async fn asked(browser: &mut Browser<'_>, path: &str, body: &Value) -> Value {
    let answer = browser.post(path, body).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()["public_key"].clone()
}

/// Adds a passkey to the account that somebody is signed in to just now.
async fn add(browser: &mut Browser<'_>, authenticator: &mut Authenticator, name: &str) -> Answer {
    let options = asked(browser, "/api/me/passkeys/options", &json!({})).await;
    let body = json!({"name": name, "credential": authenticator.create(&options)});
    browser.post("/api/me/passkeys", &body).await
}

/// What a browser answers to being asked to sign in, alone or, with `id`, after the password.
async fn signature(
    browser: &mut Browser<'_>,
    authenticator: &mut Authenticator,
    id: Option<&str>,
) -> Value {
    let path = "/api/sessions/passkey_options";
    let options = asked(browser, path, &json!({"id": id})).await;
    json!({"id": id, "credential": authenticator.get(&options)})
}

async fn sign_in(
    browser: &mut Browser<'_>,
    authenticator: &mut Authenticator,
    id: Option<&str>,
) -> Answer {
    let body = signature(browser, authenticator, id).await;
    browser.post("/api/sessions/passkey", &body).await
}

/// Shows the password; answers what goes on with the sign-in.
async fn first_step(browser: &mut Browser<'_>) -> String {
    let answer = browser.sign_in(EMAIL, PASSWORD).await;
    assert_eq!(answer.status, 202, "{}", answer.text());
    answer.json()["id"].as_str().unwrap().to_owned()
}

/// A world in which Grace has a passkey, and nobody is signed in but her first browser.
async fn with_passkey(database: testkit::TestDatabase) -> (World, Authenticator) {
    let world = with_account(database).await;
    let mut browser = Browser::new(&world);
    browser.sign_in(EMAIL, PASSWORD).await;
    let mut authenticator = Authenticator::new(Algorithm::Es256, ORIGIN);
    let added = add(&mut browser, &mut authenticator, "key").await;
    assert_eq!(added.status, 200, "{}", added.text());
    world.fact(EMAIL, "second_factors_changed", "what").await;
    (world, authenticator)
}

/// Refuses with this in the message.
fn passkey_refused(answer: &Answer, because: &str) {
    refused(answer, 400, Value::Null, "passkey_refused");
    assert!(answer.text().contains(because), "{}", answer.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_passkey_lets_in_alone_and_after_the_password() {
    on_each_database(async |database| {
        let world = with_account(database).await;
        let (mut here, mut there) = (Browser::new(&world), Browser::new(&world));
        here.sign_in(EMAIL, PASSWORD).await;
        there.sign_in(EMAIL, PASSWORD).await;
        let options = asked(&mut here, "/api/me/passkeys/options", &json!({})).await;
        assert_eq!(options["rp"]["id"], "farebox.test");
        assert_eq!(options["attestation"], "none");
        assert_eq!(
            options["authenticatorSelection"]["userVerification"],
            "preferred"
        );
        assert_eq!(options["pubKeyCredParams"].as_array().unwrap().len(), 3);

        let every = [Algorithm::Es256, Algorithm::EdDsa, Algorithm::Rs256];
        for (number, algorithm) in every.into_iter().enumerate() {
            let mut authenticator = Authenticator::new(algorithm, ORIGIN);
            let added = add(&mut here, &mut authenticator, "key").await;
            assert_eq!(added.status, 200, "{}", added.text());
            let is_first = number == 0;
            assert_eq!(added.json()["recovery_codes"].is_array(), is_first);
            assert_eq!(there.who().await.is_err(), is_first, "it was begun without");
            let told = world.fact(EMAIL, "second_factors_changed", "what").await;
            assert_eq!(told, "A passkey was added");

            let path = "/api/sessions/passkey_options";
            let options = asked(&mut there, path, &json!({})).await;
            assert_eq!(options["allowCredentials"], json!([]), "nobody's are told");
            assert_eq!(options["userVerification"], "required");
            let done = sign_in(&mut there, &mut authenticator, None).await;
            assert_eq!(done.status, 200, "{}", done.text());
            let session = done.json();
            let shown = (&session["method"], &session["second_factor"]);
            assert_eq!(shown, (&json!("passkey"), &Value::Null));
            assert!(there.who().await.is_ok());

            let pending = there.sign_in(EMAIL, PASSWORD).await;
            let pending = pending.json();
            let offered = json!(["passkey", "recovery_code"]);
            assert_eq!(pending["second_factors"], offered);
            let id = pending["id"].as_str();
            let options = asked(&mut there, path, &json!({"id": id})).await;
            let allowed = options["allowCredentials"].as_array().unwrap();
            assert_eq!(allowed.len(), number + 1);
            assert_eq!(allowed[0]["transports"], json!(["internal", "hybrid"]));
            let done = sign_in(&mut there, &mut authenticator, id).await;
            let session = done.json();
            let shown = (&session["method"], &session["second_factor"]);
            assert_eq!(
                shown,
                (&json!("password"), &json!("passkey")),
                "{}",
                done.text()
            );
        }
        assert_eq!(world.audited().await[0], "login.succeeded");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_is_good_once_in_time_and_for_what_was_asked() {
    on_each_database(async |database| {
        let (world, mut key) = with_passkey(database).await;
        let mut browser = Browser::new(&world);
        let (path, late) = ("/api/sessions/passkey", "in the last five minutes");
        let body = signature(&mut browser, &mut key, None).await;
        assert_eq!(browser.post(path, &body).await.status, 200);
        passkey_refused(&browser.post(path, &body).await, late);

        let body = signature(&mut browser, &mut key, None).await;
        world.wait_s(300);
        passkey_refused(&browser.post(path, &body).await, late);

        // Asked for to sign in alone, and shown after the password; and the other way round.
        let id = first_step(&mut browser).await;
        let mut alone = signature(&mut browser, &mut key, None).await;
        alone["id"] = json!(id);
        passkey_refused(&browser.post(path, &alone).await, late);
        let mut second = signature(&mut browser, &mut key, Some(&id)).await;
        second["id"] = Value::Null;
        passkey_refused(&browser.post(path, &second).await, late);
        // Asked for in one sign-in, and shown in another one.
        let other = first_step(&mut browser).await;
        let mut elsewhere = signature(&mut browser, &mut key, Some(&other)).await;
        elsewhere["id"] = json!(id);
        passkey_refused(&browser.post(path, &elsewhere).await, late);
        // Another challenge takes the place of the first.
        let first = signature(&mut browser, &mut key, Some(&id)).await;
        let second = signature(&mut browser, &mut key, Some(&id)).await;
        passkey_refused(&browser.post(path, &first).await, late);
        assert_eq!(browser.post(path, &second).await.status, 200);
        let unknown = signature(&mut browser, &mut key, None).await;
        let unknown = json!({"id": "x", "credential": unknown["credential"]});
        refused(
            &browser.post(path, &unknown).await,
            401,
            Value::Null,
            "sign_in_expired",
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_wrong_passkey_does_lets_nobody_in() {
    on_each_database(async |database| {
        let (world, mut key) = with_passkey(database).await;
        let mut eve = sign_up(&world, "eve@example.com").await;
        let mut hers = Authenticator::new(Algorithm::EdDsa, ORIGIN);
        assert_eq!(add(&mut eve, &mut hers, "key").await.status, 200);
        let mut browser = Browser::new(&world);
        let good = key.habits.clone();
        type Spoil = fn(&mut Authenticator);
        let wrong: [(Spoil, &str); 6] = [
            (
                |it| it.habits.origin = "https://evil.example".into(),
                "another page",
            ),
            (
                |it| it.habits.rp_id = Some("evil.example".into()),
                "another site",
            ),
            (|it| it.habits.user_present = false, "nobody touched"),
            (
                |it| it.habits.user_verified = false,
                "did not see who is there",
            ),
            (
                |it| it.habits.breaks_signatures = true,
                "signature is wrong",
            ),
            (
                |it| it.habits.user_handle = Some(base64(b"user-x").into()),
                "no account",
            ),
        ];
        for (spoil, because) in wrong {
            spoil(&mut key);
            let answer = sign_in(&mut browser, &mut key, None).await;
            passkey_refused(&answer, because);
            assert_eq!(world.audited().await[0], "login.failed");
            key.habits = good.clone();
        }
        // Eve knows Grace's password, and shows her own passkey.
        let id = first_step(&mut browser).await;
        let answer = sign_in(&mut browser, &mut hers, Some(&id)).await;
        passkey_refused(&answer, "not to this one");
        let mut unknown = Authenticator::new(Algorithm::Es256, ORIGIN);
        let answer = sign_in(&mut browser, &mut unknown, Some(&id)).await;
        passkey_refused(&answer, "no account");
        // A copy of the passkey does not know how often the other one signed.
        assert_eq!(sign_in(&mut browser, &mut key, None).await.status, 200);
        key.count -= 3;
        let answer = sign_in(&mut browser, &mut key, None).await;
        passkey_refused(&answer, "counts backwards");
        key.count += 9;
        assert_eq!(sign_in(&mut browser, &mut key, None).await.status, 200);

        for body in [
            json!({}),
            json!({"credential": []}),
            json!({"credential": {"type": "password", "id": "", "response": {}}}),
            json!({"credential": {"type": "public-key", "id": "é", "response": {}}}),
            json!({"credential": {"type": "public-key", "id": "", "response": {
                "clientDataJSON": "e30", "authenticatorData": "", "signature": "",
            }}}),
        ] {
            let answer = browser.post("/api/sessions/passkey", &body).await;
            assert_eq!(answer.status, 400, "{}", answer.text());
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_signature_at_once_lets_one_in() {
    on_each_database(async |database| {
        let (world, mut key) = with_passkey(database).await;
        let mut browser = Browser::new(&world);
        let body = signature(&mut browser, &mut key, None).await;
        let attempts: Vec<_> = (0..8)
            .map(|_| {
                let request = browser.request(Method::POST, "/api/sessions/passkey");
                let request = request.json(&body);
                tokio::spawn(async move { request.send().await.unwrap().status })
            })
            .collect();
        let mut let_in = 0;
        for attempt in attempts {
            let_in += u32::from(attempt.await.unwrap() == 200);
        }
        assert_eq!(let_in, 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_without_a_pin_does_not_let_in_alone() {
    on_each_database(async |database| {
        let world = with_account(database).await;
        let mut browser = Browser::new(&world);
        browser.sign_in(EMAIL, PASSWORD).await;
        let mut key = Authenticator::new(Algorithm::Es256, ORIGIN);
        key.habits.user_verified = false;
        let added = add(&mut browser, &mut key, "old key").await;
        assert_eq!(added.json()["passkey"]["signs_in_alone"], false);
        // Whoever found it gave it a PIN.
        key.habits.user_verified = true;
        let answer = sign_in(&mut browser, &mut key, None).await;
        passkey_refused(&answer, "never used with a PIN");
        key.habits.user_verified = false;
        for verified in [false, true] {
            key.habits.user_verified = verified;
            let id = first_step(&mut browser).await;
            let done = sign_in(&mut browser, &mut key, Some(&id)).await;
            assert_eq!(done.status, 200, "{}", done.text());
        }
        assert_eq!(sign_in(&mut browser, &mut key, None).await.status, 200);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn passkeys_are_made_in_a_session_that_was_proved_and_by_it_alone() {
    on_each_database(async |database| {
        let (world, mut key) = with_passkey(database).await;
        let mut browser = Browser::new(&world);
        sign_in(&mut browser, &mut key, None).await;
        let path = "/api/me/passkeys/options";
        let options = asked(&mut browser, path, &json!({})).await;
        let known = &options["excludeCredentials"][0]["id"];
        assert_eq!(*known, base64(&key.credential_id));
        // The browser makes one again although it was told not to.
        let body = json!({"credential": key.create(&options)});
        let again = browser.post("/api/me/passkeys", &body).await;
        passkey_refused(&again, "belongs to an account already");
        let replayed = browser.post("/api/me/passkeys", &body).await;
        passkey_refused(&replayed, "in the last five minutes");

        let mut eve = sign_up(&world, "eve@example.com").await;
        let options = asked(&mut eve, path, &json!({})).await;
        let mut new = Authenticator::new(Algorithm::Es256, ORIGIN);
        let body = json!({"credential": new.create(&options)});
        let elsewhere = browser.post("/api/me/passkeys", &body).await;
        passkey_refused(&elsewhere, "in the last five minutes");
        new.habits.origin = "https://evil.example".into();
        passkey_refused(&add(&mut browser, &mut new, "x").await, "another page");

        world.wait_s(900);
        let stale = browser.post(path, &json!({})).await;
        refused(&stale, 403, Value::Null, "proof_required");
        let with_password = json!({"current_password": PASSWORD});
        assert_eq!(browser.post(path, &with_password).await.status, 200);
        let proof = "/api/sessions/current/passkey_options";
        let options = asked(&mut browser, proof, &json!({})).await;
        let body = json!({"credential": key.get(&options)});
        let proved = browser.post("/api/sessions/current/proof", &body).await;
        assert_eq!(proved.status, 200, "{}", proved.text());
        let replayed = browser.post("/api/sessions/current/proof", &body).await;
        passkey_refused(&replayed, "in the last five minutes");
        assert_eq!(browser.post(path, &json!({})).await.status, 200);
        let none = eve.post(proof, &json!({})).await;
        refused(&none, 404, Value::Null, "no_second_factor");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_locked_out_is_told_so_with_a_passkey_too() {
    on_each_database(async |database| {
        let (world, mut key) = with_passkey(database).await;
        let mut browser = Browser::new(&world);
        let pending = first_step(&mut browser).await;
        let mut here = Browser::new(&world);
        sign_in(&mut here, &mut key, None).await;
        let id = here.who().await.unwrap();
        let mut operator = world.operator().await;
        let path = format!("/api/operator/users/{id}/lock");
        operator.post(&path, &json!({"reason": "Stolen"})).await;

        let answer = sign_in(&mut browser, &mut key, None).await;
        refused(&answer, 403, Value::Null, "account_locked");
        assert_eq!(browser.cookie, None);
        assert_eq!(world.audited().await[0], "login.failed");
        // What was begun before is over.
        let body = json!({"id": pending});
        let answer = browser.post("/api/sessions/passkey_options", &body).await;
        refused(&answer, 401, Value::Null, "sign_in_expired");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_way_in_is_kept() {
    on_each_database(async |database| {
        let (world, mut key) = with_passkey(database).await;
        let mut browser = Browser::new(&world);
        sign_in(&mut browser, &mut key, None).await;
        // SQL in a test: as somebody who came by a provider, whose provider went away since.
        let forget = "UPDATE users SET password_hash = NULL WHERE email = 'grace@example.com'";
        let write = world.store.write(|tx| tx.execute(forget, &[]));
        write
            .await
            .map_err(|error: store::StoreError| error)
            .unwrap();
        let listed = browser.get("/api/me/passkeys").await.json();
        let id = listed["data"][0]["id"].as_str().unwrap();
        let path = format!("/api/me/passkeys/{id}");
        let answer = browser.delete(&path).await;
        refused(&answer, 400, Value::Null, "last_sign_in_method");
        let mut phone = Authenticator::new(Algorithm::Rs256, ORIGIN);
        add(&mut browser, &mut phone, "phone").await;
        let removed = browser.delete(&path).await;
        assert_eq!(removed.status, 200, "{}", removed.text());
        assert_eq!(
            sign_in(&mut Browser::new(&world), &mut phone, None)
                .await
                .status,
            200
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn passkeys_are_listed_named_and_removed() {
    on_each_database(async |database| {
        let (world, mut key) = with_passkey(database).await;
        let mut browser = Browser::new(&world);
        sign_in(&mut browser, &mut key, None).await;
        let mut second = Authenticator::new(Algorithm::Rs256, ORIGIN);
        second.habits.backup_eligible = true;
        second.habits.backed_up = true;
        let added = add(&mut browser, &mut second, "phone").await.json();
        let id = added["passkey"]["id"].as_str().unwrap();
        let listed = browser.get("/api/me/passkeys").await.json();
        let data = listed["data"].as_array().unwrap();
        assert_eq!(data.len(), 2);
        assert!(data[0]["last_used_at"].is_i64() && data[1]["last_used_at"].is_null());
        assert_eq!(data[1]["is_backed_up"], true);
        assert_eq!(
            browser.get("/api/me/factors").await.json()["passkeys"],
            listed["data"]
        );

        let path = format!("/api/me/passkeys/{id}");
        world.sent().await;
        let mut eve = sign_up(&world, "eve@example.com").await;
        let name = json!({"name": "Grace's phone"});
        for answer in [eve.post(&path, &name).await, eve.delete(&path).await] {
            refused(&answer, 404, Value::Null, "not_found");
        }
        let renamed = browser.post(&path, &name).await.json();
        assert_eq!(renamed["name"], "Grace's phone");
        let removed = browser.delete(&path).await;
        assert_eq!(removed.json()["is_on"], true, "{}", removed.text());
        let mut elsewhere = Browser::new(&world);
        let answer = sign_in(&mut elsewhere, &mut second, None).await;
        passkey_refused(&answer, "no account");
        refused(&browser.delete(&path).await, 404, Value::Null, "not_found");

        world.wait_s(900);
        let first = data[0]["id"].as_str().unwrap();
        let path = format!("/api/me/passkeys/{first}");
        refused(
            &browser.delete(&path).await,
            403,
            Value::Null,
            "proof_required",
        );
        let body = json!({"current_password": PASSWORD});
        browser.post("/api/sessions/current/proof", &body).await;
        let removed = browser.delete(&path).await;
        assert_eq!(removed.json()["is_on"], false, "{}", removed.text());
        let left = browser.get("/api/me/factors").await.json();
        assert_eq!(left["recovery_codes_left"], 0);
        assert_eq!(elsewhere.sign_in(EMAIL, PASSWORD).await.status, 200);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_has_more_than_twenty_passkeys() {
    let world = with_account(testkit::databases::sqlite()).await;
    let mut browser = Browser::new(&world);
    browser.sign_in(EMAIL, PASSWORD).await;
    for _ in 0..20 {
        world.wait_s(20);
        let mut key = Authenticator::new(Algorithm::EdDsa, ORIGIN);
        let added = add(&mut browser, &mut key, "key").await;
        assert_eq!(added.status, 200, "{}", added.text());
    }
    let more = browser.post("/api/me/passkeys/options", &json!({})).await;
    refused(&more, 400, Value::Null, "too_many_passkeys");
}
