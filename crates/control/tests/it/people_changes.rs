//! Changing password, address and phone: with proof, and with a word to whom it concerns.

use serde_json::{Value, json};
use testkit::on_each_database;

use crate::people_world::{Browser, PASSWORD, PHONE, sign_up, with_account};
use crate::world::refused;

const EMAIL: &str = "grace@example.com";
const OTHER: &str = "violet otter bakes slowly";

#[tokio::test(flavor = "multi_thread")]
async fn another_password_ends_every_other_session_and_is_told() {
    on_each_database(async |database| {
        let world = with_account(database).await;
        let (mut here, mut there) = (Browser::new(&world), Browser::new(&world));
        here.sign_in(EMAIL, PASSWORD).await;
        there.sign_in(EMAIL, PASSWORD).await;
        let path = "/api/me/password";
        for (body, param) in [
            (
                json!({"current_password": "wrong", "new_password": OTHER}),
                "current_password",
            ),
            (
                json!({"current_password": PASSWORD, "new_password": "12345678"}),
                "new_password",
            ),
            (json!({"new_password": EMAIL}), "new_password"),
        ] {
            refused(&here.post(path, &body).await, 400, param, "invalid_value");
        }
        assert!(world.sent().await.is_empty());
        let body = json!({"current_password": PASSWORD, "new_password": OTHER});
        let changed = here.post(path, &body).await;
        assert_eq!(
            changed.json()["ended_sessions"],
            2,
            "and that of the sign-up"
        );
        world.fact(EMAIL, "password_changed", "at").await;
        assert_eq!(world.audited().await[0], "farebox.account.updated");
        assert!(here.who().await.is_ok());
        assert_eq!(there.who().await, Err(401));
        let old = there.sign_in(EMAIL, PASSWORD).await;
        refused(&old, 401, Value::Null, "wrong_credentials");
        assert_eq!(there.sign_in(EMAIL, OTHER).await.status, 200);

        world.wait_s(900);
        let stale = there.post(path, &json!({"new_password": PASSWORD})).await;
        refused(&stale, 403, Value::Null, "proof_required");
        let body = json!({"current_password": OTHER, "new_password": PASSWORD});
        assert_eq!(there.post(path, &body).await.status, 200);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forgotten_password_is_replaced_by_whoever_reads_the_mail() {
    on_each_database(async |database| {
        let world = with_account(database).await;
        let mut signed_in = Browser::new(&world);
        signed_in.sign_in(EMAIL, PASSWORD).await;
        let mut browser = Browser::new(&world);
        let asked = browser
            .post("/api/password_resets", &json!({"email": EMAIL}))
            .await;
        let link = world.fact(EMAIL, "password_reset", "link").await;
        let secret = link
            .strip_prefix("http://farebox.test/reset-password#")
            .unwrap();

        let path = "/api/password_resets/complete";
        let weak = json!({"secret": secret, "new_password": "12345678"});
        refused(
            &browser.post(path, &weak).await,
            400,
            "new_password",
            "invalid_value",
        );
        let body = json!({"secret": secret, "new_password": OTHER});
        let done = browser.post(path, &body).await;
        assert_eq!(done.json()["ended_sessions"], 2, "{}", done.text());
        assert_eq!(browser.cookie, None, "a link is no session");
        world.fact(EMAIL, "password_changed", "at").await;
        assert_eq!(signed_in.who().await, Err(401));
        assert_eq!(browser.sign_in(EMAIL, OTHER).await.status, 200);
        let again = browser.post(path, &body).await;
        refused(&again, 400, Value::Null, "link_expired");
        let nonsense = json!({"secret": "x".repeat(43), "new_password": OTHER});
        refused(
            &browser.post(path, &nonsense).await,
            400,
            Value::Null,
            "link_expired",
        );

        let unknown = json!({"email": "unknown@example.com"});
        let unknown = browser.post("/api/password_resets", &unknown).await;
        assert_eq!(
            (unknown.status, unknown.json()),
            (asked.status, asked.json())
        );
        assert_eq!(
            browser
                .post("/api/password_resets", &json!({"email": EMAIL}))
                .await
                .status,
            200
        );
        let link = world.fact(EMAIL, "password_reset", "link").await;
        world.wait_s(1_800);
        let secret = link.split_once('#').unwrap().1;
        let late = json!({"secret": secret, "new_password": PASSWORD});
        refused(
            &browser.post(path, &late).await,
            400,
            Value::Null,
            "link_expired",
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_address_is_proved_and_told_to_the_old_one() {
    on_each_database(async |database| {
        let world = with_account(database).await;
        let mut browser = Browser::new(&world);
        browser.sign_in(EMAIL, PASSWORD).await;
        let (path, new) = ("/api/me/email", "grace@example.org");
        refused(
            &browser.post(path, &json!({"email": EMAIL})).await,
            400,
            "email",
            "invalid_value",
        );
        let sent = browser
            .post(path, &json!({"email": "Grace@Example.org"}))
            .await;
        assert_eq!(sent.json()["object"], "code.sent", "{}", sent.text());
        let code = world.fact(new, "email_code", "code").await;
        let wrong = browser
            .post("/api/me/email/code", &json!({"code": "1"}))
            .await;
        refused(&wrong, 400, Value::Null, "wrong_code");
        let me = browser
            .post("/api/me/email/code", &json!({"code": code}))
            .await
            .json();
        assert_eq!(me["email"], new);
        assert_eq!(world.fact(EMAIL, "email_changed", "new").await, new);
        let mut again = Browser::new(&world);
        refused(
            &again.sign_in(EMAIL, PASSWORD).await,
            401,
            Value::Null,
            "wrong_credentials",
        );
        assert_eq!(again.sign_in(new, PASSWORD).await.status, 200);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_of_somebody_else_is_not_told_apart() {
    on_each_database(async |database| {
        let world = with_account(database).await;
        sign_up(&world, "eve@example.com").await;
        let mut browser = Browser::new(&world);
        browser.sign_in(EMAIL, PASSWORD).await;
        let taken = browser
            .post("/api/me/email", &json!({"email": "eve@example.com"}))
            .await;
        assert_eq!(taken.json()["object"], "code.sent", "{}", taken.text());
        let sent = world.sent().await;
        assert_eq!(sent.len(), 1);
        assert_eq!(
            (&*sent[0].to, &*sent[0].template),
            ("eve@example.com", "address_in_use")
        );
        for number in 0..5 {
            let guess = json!({"code": format!("00000{number}")});
            assert_eq!(browser.post("/api/me/email/code", &guess).await.status, 400);
        }
        assert_eq!(browser.get("/api/me").await.json()["email"], EMAIL);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_phone_is_proved_and_its_owner_told() {
    on_each_database(async |database| {
        let world = with_account(database).await;
        let mut browser = Browser::new(&world);
        browser.sign_in(EMAIL, PASSWORD).await;
        let (path, body) = ("/api/me/phone", json!({"phone": PHONE}));
        assert_eq!(browser.post(path, &body).await.status, 200);
        let code = world.fact(PHONE, "phone_code", "code").await;
        let elsewhere = browser
            .post("/api/me/email/code", &json!({"code": code}))
            .await;
        refused(&elsewhere, 400, Value::Null, "code_expired");
        let me = browser
            .post("/api/me/phone/code", &json!({"code": code}))
            .await
            .json();
        assert_eq!(me["phone"], PHONE);
        let told = world.fact(EMAIL, "phone_changed", "new").await;
        assert_eq!(told, "+49******20");
        world.wait_s(900);
        refused(
            &browser.post(path, &body).await,
            403,
            Value::Null,
            "proof_required",
        );
        let with_password = json!({"phone": PHONE, "current_password": PASSWORD});
        assert_eq!(browser.post(path, &with_password).await.status, 200);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_admin_key_is_made_by_whoever_proved_lately_who_they_are() {
    on_each_database(async |database| {
        let world = with_account(database).await;
        let mut browser = Browser::new(&world);
        browser.sign_in(EMAIL, PASSWORD).await;
        let (path, name) = ("/v1/organization/admin_api_keys", json!({"name": "k"}));
        assert_eq!(browser.post(path, &name).await.status, 200);
        world.wait_s(900);
        let stale = browser.post(path, &name).await;
        refused(&stale, 403, Value::Null, "proof_required");
        let proof = json!({"current_password": PASSWORD});
        browser.post("/api/sessions/current/proof", &proof).await;
        assert_eq!(browser.post(path, &name).await.status, 200);
    })
    .await;
}
