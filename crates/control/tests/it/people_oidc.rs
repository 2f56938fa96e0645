//! Signing in by a provider: who is known there is let in, and nobody else.

use std::sync::atomic::Ordering;

use domain::id::UserId;
use domain::time::AtUs;
use serde_json::{Value, json};
use store::people::users;
use testkit::issuer::{CLIENT_ID, Issuer, Signer, query_of};
use testkit::{Reply, on_each_database};

use crate::people_oidc_world::{HERE, grace, settings, with_provider, wrong};
use crate::people_world::{Browser, WITHOUT_PHONE};
use crate::world::{World, refused};

#[tokio::test(flavor = "multi_thread")]
async fn whoever_a_provider_knows_gets_an_account_and_signs_in_again() {
    on_each_database(async |database| {
        let (world, issuer) = with_provider(database, WITHOUT_PHONE, |_| {}).await;
        let mut browser = Browser::new(&world);
        let listed = browser.get("/api/sso").await.json();
        let start = "/api/sso/acme/start";
        let wanted = json!([{
            "id": "acme", "object": "sso_provider", "name": "Acme", "start": start,
        }]);
        assert_eq!(listed["data"], wanted);

        let to_usage = "/api/sso/acme/start?return_to=/usage%3Fa=1";
        let page = browser.go_by(to_usage, &world, &issuer, &grace()).await;
        assert_eq!(page, "/usage?a=1");
        let me = browser.get("/api/me").await.json();
        assert_eq!(
            (&me["email"], &me["name"], &me["has_password"]),
            (
                &json!("grace@example.com"),
                &json!("Grace Hopper"),
                &json!(false)
            )
        );
        assert_eq!(me["organizations"][0]["name"], "Personal");
        assert_eq!(me["organizations"][0]["role"], "owner");
        let identities = browser.get("/api/me/identities").await.json();
        let [identity] = &identities["data"].as_array().unwrap()[..] else {
            panic!("one: {identities}")
        };
        assert_eq!(identity["provider"]["name"], "Acme");
        assert_eq!(identity["issuer"], issuer.url());
        assert_eq!(identity["email"], "grace@example.com");

        // Again, elsewhere, with another address there: the subject counts.
        let mut elsewhere = Browser::at(&world, "203.0.113.9");
        let renamed = json!({"sub": "grace-1", "email": "g@example.org"});
        assert_eq!(elsewhere.go(&world, &issuer, &renamed).await, "/");
        assert_eq!(elsewhere.who().await, browser.who().await);
        let told = world.audited().await;
        assert_eq!(told[..2], ["login.succeeded", "login.succeeded"]);
        let wrong = browser.sign_in("grace@example.com", "").await;
        refused(&wrong, 401, Value::Null, "wrong_credentials");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_locked_out_stays_out_this_way_too() {
    on_each_database(async |database| {
        let (world, issuer) = with_provider(database, WITHOUT_PHONE, |_| {}).await;
        let mut browser = Browser::new(&world);
        browser.go(&world, &issuer, &grace()).await;
        let id = UserId::new(&browser.who().await.unwrap());
        let now = AtUs(world.now.load(Ordering::Relaxed));
        let lock = world.store.write(move |tx| users::lock(tx, &id, now));
        assert!(lock.await.unwrap());
        let mut other = grace();
        for subject in ["grace-1", "another account with the address"] {
            other["sub"] = json!(subject);
            let page = browser.go(&world, &issuer, &other).await;
            assert_eq!(wrong(&page), "account_locked");
        }
        assert_eq!(browser.who().await, Err(401));
        assert_eq!(world.audited().await[0], "login.failed");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_is_sent_with_what_only_it_can_redeem() {
    let (world, issuer) = with_provider(testkit::databases::sqlite(), WITHOUT_PHONE, |_| {}).await;
    let mut browser = Browser::new(&world);
    let answer = browser.get("/api/sso/acme/start").await;
    let set = answer.header("set-cookie").unwrap();
    assert!(set.starts_with("farebox_sso="), "{set}");
    assert!(
        set.contains("; Path=/; Max-Age=600; HttpOnly; SameSite=Lax"),
        "{set}"
    );
    let there = answer.header("location").unwrap();
    let query = query_of(there);
    assert_eq!(query["scope"], "openid email");
    assert_eq!(
        query["redirect_uri"],
        format!("{HERE}/api/sso/acme/callback")
    );
    let secret = browser.sso_cookie.clone().unwrap()["farebox_sso=".len()..].to_owned();
    assert!(
        !there.contains(&secret),
        "the cookie's secret stays in the browser"
    );

    // Another start is another attempt of the same browser; both come back.
    let other = browser.follow("/api/sso/acme/start").await;
    assert_ne!(query_of(&other)["state"], query["state"]);
    assert_ne!(query_of(&other)["nonce"], query["nonce"]);
    assert_eq!(
        browser.come_back(&other, &world, &issuer, &grace()).await,
        "/"
    );
    assert_eq!(
        browser.come_back(there, &world, &issuer, &grace()).await,
        "/"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn only_paths_of_this_installation_are_returned_to() {
    let (world, issuer) = with_provider(testkit::databases::sqlite(), WITHOUT_PHONE, |_| {}).await;
    let mut browser = Browser::new(&world);
    for evil in [
        "//evil.example",
        "https://evil.example",
        "/%5Cevil.example",
        "javascript:alert(1)",
        "/%0d%0aSet-Cookie:a=b",
        "",
    ] {
        let start = format!("/api/sso/acme/start?return_to={evil}");
        let page = browser.go_by(&start, &world, &issuer, &grace()).await;
        assert_eq!(page, "/", "{evil}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_provider_signs_is_believed_whatever_key_it_has() {
    let (world, issuer) = with_provider(testkit::databases::sqlite(), WITHOUT_PHONE, |_| {}).await;
    issuer.set_signers(
        vec![Signer::rsa("r"), Signer::p256("p"), Signer::ed25519("e")],
        0,
    );
    for signing in 0..3 {
        issuer.set_signers(
            vec![Signer::rsa("r"), Signer::p256("p"), Signer::ed25519("e")],
            signing,
        );
        // New keys under the same names: the provider is asked again after an hour.
        world.wait_s(3_600);
        let mut browser = Browser::new(&world);
        assert_eq!(browser.go(&world, &issuer, &grace()).await, "/");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_key_is_found_by_asking_again_but_not_for_every_token() {
    let (world, issuer) = with_provider(testkit::databases::sqlite(), WITHOUT_PHONE, |_| {}).await;
    let mut browser = Browser::new(&world);
    assert_eq!(browser.go(&world, &issuer, &grace()).await, "/");
    assert_eq!(issuer.asked("/jwks"), 1);
    issuer.set_signers(vec![Signer::p256("second")], 0);
    // The first answer is younger than a minute.
    let page = browser.go(&world, &issuer, &grace()).await;
    assert_eq!(wrong(&page), "sso_failed");
    assert_eq!(issuer.asked("/jwks"), 1);
    world.wait_s(60);
    assert_eq!(browser.go(&world, &issuer, &grace()).await, "/");
    assert_eq!(issuer.asked("/jwks"), 2);
    // Keys that nobody has are asked for once in a minute.
    issuer.set_token(Some(Signer::p256("made up").token(&json!({}))));
    world.wait_s(60);
    for _ in 0..3 {
        let page = browser.go(&world, &issuer, &grace()).await;
        assert_eq!(wrong(&page), "sso_failed");
    }
    assert_eq!(issuer.asked("/jwks"), 3);
    assert_eq!(issuer.asked("/.well-known/openid-configuration"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_lies_signs_nobody_in() {
    let (world, issuer) = with_provider(testkit::databases::sqlite(), WITHOUT_PHONE, |_| {}).await;
    let mut browser = Browser::new(&world);
    for lie in [
        json!({"iss": "https://evil.example"}),
        json!({"aud": "another"}),
        json!({"aud": [CLIENT_ID, "another"]}),
        json!({"azp": "another"}),
        json!({"nonce": "another"}),
        json!({"nonce": null}),
        json!({"exp": 1}),
        json!({"iat": 1}),
        json!({"sub": null}),
    ] {
        issuer.set_claims(lie.clone());
        let page = browser.go(&world, &issuer, &grace()).await;
        assert_eq!(wrong(&page), "sso_failed", "{lie}");
    }
    issuer.set_claims(json!({}));
    let signer = Signer::p256("first");
    for token in [
        signer.signed(r#"{"alg":"none"}"#, &grace().to_string()),
        signer.token(&grace()),
        "not a token".into(),
        String::new(),
    ] {
        issuer.set_token(Some(token.clone()));
        let page = browser.go(&world, &issuer, &grace()).await;
        assert_eq!(wrong(&page), "sso_failed", "{token}");
    }
    assert_eq!(browser.who().await, Err(401));
    issuer.set_token(None);
    assert_eq!(browser.go(&world, &issuer, &grace()).await, "/");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_may_want_the_secret_in_the_form_and_tell_addresses_elsewhere() {
    let (world, issuer) = with_provider(testkit::databases::sqlite(), WITHOUT_PHONE, |_| {}).await;
    issuer.set_metadata(json!({"token_endpoint_auth_methods_supported": ["client_secret_post"]}));
    let subject = json!({"sub": "grace-1"});
    let mut browser = Browser::new(&world);
    issuer.set_userinfo(grace());
    issuer.set_reply("/userinfo", Some(Reply::json(403, &json!({}))));
    let page = browser.go(&world, &issuer, &subject).await;
    assert_eq!(wrong(&page), "sso_unavailable");
    issuer.set_reply("/userinfo", None);
    let mut other = grace();
    other["sub"] = json!("somebody else");
    issuer.set_userinfo(other);
    let page = browser.go(&world, &issuer, &subject).await;
    assert_eq!(wrong(&page), "sso_failed");
    issuer.set_userinfo(grace());
    assert_eq!(browser.go(&world, &issuer, &subject).await, "/");
    let me = browser.get("/api/me").await.json();
    assert_eq!(me["email"], "grace@example.com");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_nobody_configured_is_not_there() {
    let issuer = Issuer::start(0).await;
    let providers = farebox_control::Providers::new(vec![settings(&issuer)]).unwrap();
    let database = testkit::databases::sqlite();
    let world = World::start_with_providers(database, WITHOUT_PHONE, providers).await;
    let mut browser = Browser::new(&world);
    for path in [
        "/api/sso/other/start",
        "/api/sso/other/callback?state=x&code=y",
    ] {
        refused(&browser.get(path).await, 404, Value::Null, "not_found");
    }
}
