//! An identity and an account that was there before: linked by its owner, and by nobody else.

use serde_json::{Value, json};
use testkit::on_each_database;

use crate::people_oidc_world::{grace, with_provider, wrong};
use crate::people_world::{Browser, PASSWORD, WITHOUT_PHONE, sign_up};
use crate::world::refused;

const GRACE: &str = "grace@example.com";

#[tokio::test(flavor = "multi_thread")]
async fn an_address_alone_takes_over_no_account_and_its_owner_links_it() {
    on_each_database(async |database| {
        let (world, issuer) = with_provider(database, WITHOUT_PHONE, |_| {}).await;
        sign_up(&world, GRACE).await;
        let mut browser = Browser::new(&world);
        let page = browser.go(&world, &issuer, &grace()).await;
        assert_eq!(page, "/sign-in?error=sso_link_required&provider=acme");
        assert_eq!(browser.who().await, Err(401));

        browser.sign_in(GRACE, PASSWORD).await;
        let body = json!({"provider": "acme", "return_to": "/account/security"});
        let there = browser.begin_to_link(&body).await;
        let page = browser.come_back(&there, &world, &issuer, &grace()).await;
        assert_eq!(page, "/account/security");
        world.fact(GRACE, "identity_linked", "provider").await;
        assert_eq!(world.audited().await[0], "farebox.account.updated");
        let mut elsewhere = Browser::new(&world);
        assert_eq!(elsewhere.go(&world, &issuer, &grace()).await, "/");
        assert_eq!(elsewhere.who().await, browser.who().await);
        // Once more is no harm.
        let there = browser.begin_to_link(&body).await;
        let page = browser.come_back(&there, &world, &issuer, &grace()).await;
        assert_eq!(page, "/account/security");

        let listed = browser.get("/api/me/identities").await.json();
        let path = format!(
            "/api/me/identities/{}",
            listed["data"][0]["id"].as_str().unwrap()
        );
        let mut eve = sign_up(&world, "eve@example.com").await;
        refused(&eve.delete(&path).await, 404, Value::Null, "not_found");
        let gone = browser.delete(&path).await;
        assert_eq!(gone.json()["object"], "identity.deleted", "{}", gone.text());
        world.fact(GRACE, "identity_unlinked", "provider").await;
        let page = elsewhere.go(&world, &issuer, &grace()).await;
        assert_eq!(wrong(&page), "sso_link_required");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_decides_about_addresses_links_by_them() {
    on_each_database(async |database| {
        let (world, issuer) = with_provider(database, WITHOUT_PHONE, |settings| {
            settings.trusted_domains = vec!["example.com".into()];
        })
        .await;
        let mut owner = sign_up(&world, GRACE).await;
        let unproved = json!({"sub": "g", "email": GRACE, "email_verified": false});
        let mut browser = Browser::new(&world);
        let page = browser.go(&world, &issuer, &unproved).await;
        assert_eq!(wrong(&page), "sso_email_unverified");
        assert_eq!(browser.go(&world, &issuer, &grace()).await, "/");
        assert_eq!(browser.who().await, owner.who().await);
        world.fact(GRACE, "identity_linked", "provider").await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_identity_is_linked_by_whoever_began_it_while_they_are_signed_in() {
    on_each_database(async |database| {
        let (world, issuer) = with_provider(database, WITHOUT_PHONE, |_| {}).await;
        let mut browser = sign_up(&world, GRACE).await;
        let mut eve = sign_up(&world, "eve@example.com").await;
        let body = json!({"provider": "acme"});
        let theirs = json!({"sub": "theirs"});

        // Somebody else is signed in now.
        let there = browser.begin_to_link(&body).await;
        let hers = browser.cookie.clone();
        browser.cookie = eve.cookie.clone();
        let page = browser.come_back(&there, &world, &issuer, &theirs).await;
        assert_eq!(page, "/account?error=not_signed_in&provider=acme");
        // Nobody is.
        browser.cookie.clone_from(&hers);
        let there = browser.begin_to_link(&body).await;
        browser.cookie = None;
        let page = browser.come_back(&there, &world, &issuer, &theirs).await;
        assert_eq!(wrong(&page), "not_signed_in");
        browser.cookie = hers;

        // An address that is not proved is no hindrance to who is signed in.
        let there = browser.begin_to_link(&body).await;
        let page = browser.come_back(&there, &world, &issuer, &theirs).await;
        assert_eq!(page, "/account");
        let there = eve.begin_to_link(&body).await;
        let page = eve.come_back(&there, &world, &issuer, &theirs).await;
        assert_eq!(wrong(&page), "sso_identity_taken");

        // A while after signing in, it takes the password.
        world.wait_s(15 * 60);
        let answer = browser.post("/api/me/identities", &body).await;
        refused(&answer, 403, Value::Null, "proof_required");
        let wrong_one = json!({"provider": "acme", "current_password": "wrong"});
        let answer = browser.post("/api/me/identities", &wrong_one).await;
        refused(&answer, 400, "current_password", "invalid_value");
        let right = json!({"provider": "acme", "current_password": PASSWORD});
        browser.begin_to_link(&right).await;
        let unknown = json!({"provider": "other", "current_password": PASSWORD});
        let answer = browser.post("/api/me/identities", &unknown).await;
        refused(&answer, 404, Value::Null, "not_found");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_way_to_sign_in_is_kept() {
    on_each_database(async |database| {
        let (world, issuer) = with_provider(database, WITHOUT_PHONE, |_| {}).await;
        let mut browser = Browser::new(&world);
        browser.go(&world, &issuer, &grace()).await;
        let listed = browser.get("/api/me/identities").await.json();
        let first = listed["data"][0]["id"].as_str().unwrap();
        let first = format!("/api/me/identities/{first}");
        let answer = browser.delete(&first).await;
        refused(&answer, 400, Value::Null, "last_sign_in_method");

        // With another one it can go, and then that one stays.
        let there = browser.begin_to_link(&json!({"provider": "acme"})).await;
        let second = json!({"sub": "grace-2"});
        browser.come_back(&there, &world, &issuer, &second).await;
        assert_eq!(browser.delete(&first).await.status, 200);
        let listed = browser.get("/api/me/identities").await.json();
        let [second] = &listed["data"].as_array().unwrap()[..] else {
            panic!("one: {listed}")
        };
        let second = format!("/api/me/identities/{}", second["id"].as_str().unwrap());
        let answer = browser.delete(&second).await;
        refused(&answer, 400, Value::Null, "last_sign_in_method");
        // With a password it can.
        let body = json!({"new_password": PASSWORD});
        assert_eq!(browser.post("/api/me/password", &body).await.status, 200);
        assert_eq!(browser.delete(&second).await.status, 200);
        assert_eq!(browser.sign_in(GRACE, PASSWORD).await.status, 200);
    })
    .await;
}
