//! Signing in and out; who is kept out, and who is not.

use http::Method;
use serde_json::{Value, json};
use testkit::on_each_database;

use crate::people_world::{Browser, PASSWORD, sign_up, with_account};
use crate::world::refused;

const EMAIL: &str = "grace@example.com";

#[tokio::test(flavor = "multi_thread")]
async fn a_session_lasts_from_signing_in_to_signing_out() {
    on_each_database(async |database| {
        let world = with_account(database).await;
        let mut browser = Browser::new(&world);
        assert_eq!(browser.who().await, Err(401));
        let answer = browser.sign_in("Grace@Example.com ", PASSWORD).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let set = answer.header("set-cookie").unwrap();
        assert!(set.starts_with("farebox_session=") && set.contains("; HttpOnly; SameSite=Lax"));
        assert!(
            !answer
                .text()
                .contains(&browser.cookie.clone().unwrap()[16..]),
            "not in the body"
        );
        let session = answer.json();
        assert_eq!(session["ip_address"], "192.0.2.7");
        assert_eq!(session["user_agent"], "a browser");
        assert!(browser.who().await.is_ok());

        let kept = browser.cookie.clone();
        let out = browser.delete("/api/sessions/current").await;
        assert_eq!((out.status, &browser.cookie), (200, &None));
        browser.cookie = kept;
        let answer = browser.get("/api/me").await;
        refused(&answer, 401, Value::Null, "not_signed_in");
        let told = world.audited().await;
        assert_eq!(told[..2], ["logout.succeeded", "login.succeeded"]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_passwords_and_unknown_addresses_are_refused_in_the_same_words() {
    on_each_database(async |database| {
        let world = with_account(database).await;
        let mut browser = Browser::new(&world);
        let too_long = "a".repeat(10_000);
        let mut told = Vec::new();
        for (email, password) in [
            (EMAIL, "correct horse battery stapl"),
            (EMAIL, ""),
            (EMAIL, &too_long),
            ("unknown@example.com", PASSWORD),
            // Made by the set-up of the test, with what is no hash.
            ("ada@example.com", "none"),
        ] {
            let answer = browser.sign_in(email, password).await;
            refused(&answer, 401, Value::Null, "wrong_credentials");
            told.push(answer.json());
        }
        assert!(told.iter().all(|it| *it == told[0]), "{told:?}");
        assert_eq!(browser.cookie, None);
        for _ in 0..500 {
            if world
                .audited()
                .await
                .iter()
                .filter(|it| *it == "login.failed")
                .count()
                == 4
            {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        panic!("failed sign-ins are missing: {:?}", world.audited().await);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn guessing_is_slow_from_one_network_and_keeps_nobody_else_out() {
    on_each_database(async |database| {
        let world = with_account(database).await;
        let mut guesser = Browser::at(&world, "203.0.113.9");
        for _ in 0..10 {
            let answer = guesser.sign_in(EMAIL, "wrong").await;
            refused(&answer, 401, Value::Null, "wrong_credentials");
        }
        let answer = guesser.sign_in(EMAIL, PASSWORD).await;
        refused(&answer, 429, Value::Null, "too_many_attempts");
        let wait: i64 = answer.header("retry-after").unwrap().parse().unwrap();
        assert!((1..=60).contains(&wait), "{wait}");
        let unknown = guesser.sign_in("unknown@example.com", "wrong").await;
        refused(&unknown, 401, Value::Null, "wrong_credentials");

        let mut owner = Browser::new(&world);
        assert_eq!(owner.sign_in(EMAIL, PASSWORD).await.status, 200);
        world.wait_s(wait);
        assert_eq!(guesser.sign_in(EMAIL, PASSWORD).await.status, 200);
        // Whoever turned out to be the owner has all tries again.
        for _ in 0..10 {
            let answer = guesser.sign_in(EMAIL, "wrong").await;
            refused(&answer, 401, Value::Null, "wrong_credentials");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_guesses_at_once_are_no_more_than_one_after_the_other() {
    on_each_database(async |database| {
        let world = with_account(database).await;
        let browser = Browser::at(&world, "203.0.113.9");
        let body = json!({"email": EMAIL, "password": "wrong"});
        let guesses: Vec<_> = (0..25)
            .map(|_| {
                let request = browser.request(Method::POST, "/api/sessions").json(&body);
                tokio::spawn(async move { request.send().await.unwrap().status })
            })
            .collect();
        let mut judged = 0;
        for guess in guesses {
            judged += u32::from(guess.await.unwrap() == 401);
        }
        assert_eq!(judged, 10);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_are_listed_and_ended_one_by_one_or_all_others() {
    on_each_database(async |database| {
        let world = with_account(database).await;
        let mut stranger = sign_up(&world, "eve@example.com").await;
        let mut browsers = [
            Browser::new(&world),
            Browser::new(&world),
            Browser::new(&world),
        ];
        for browser in &mut browsers {
            assert_eq!(browser.sign_in(EMAIL, PASSWORD).await.status, 200);
        }
        let [first, second, third] = &mut browsers;
        let listed = third.get("/api/sessions").await.json();
        let data = listed["data"].as_array().unwrap();
        // And the one that signing up began.
        assert_eq!(data.len(), 4);
        assert_eq!(data[0]["is_current"], true);
        assert!(data[1..].iter().all(|it| it["is_current"] == false));
        let path = format!("/api/sessions/{}", data[1]["id"].as_str().unwrap());
        refused(&stranger.delete(&path).await, 404, Value::Null, "not_found");
        assert!(second.who().await.is_ok());
        assert_eq!(third.delete(&path).await.status, 200);
        assert_eq!(second.who().await, Err(401));
        assert!(first.who().await.is_ok());
        let ended = third
            .post("/api/sessions/end_others", &json!({}))
            .await
            .json();
        assert_eq!(ended["ended"], 2);
        assert_eq!(first.who().await, Err(401));
        assert!(third.who().await.is_ok());
        assert!(stranger.who().await.is_ok());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_sign_in_replaces_the_session_of_the_cookie() {
    on_each_database(async |database| {
        let world = with_account(database).await;
        let mut browser = Browser::new(&world);
        browser.sign_in(EMAIL, PASSWORD).await;
        let before = browser.cookie.clone();
        browser.sign_in(EMAIL, PASSWORD).await;
        assert_ne!(browser.cookie, before);
        let mut thief = Browser::new(&world);
        thief.cookie = before;
        assert_eq!(thief.who().await, Err(401));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unused_session_is_over_after_two_weeks_and_a_used_one_after_three_months() {
    on_each_database(async |database| {
        let world = with_account(database).await;
        let (mut idle, mut used) = (Browser::new(&world), Browser::new(&world));
        idle.sign_in(EMAIL, PASSWORD).await;
        used.sign_in(EMAIL, PASSWORD).await;
        let day_s = 86_400;
        for _ in 0..8 {
            world.wait_s(11 * day_s);
            // The use is noted beside the answer.
            assert!(used.who().await.is_ok());
            let mut noted = 0;
            while noted == 0 {
                let seen = used.get("/api/sessions").await.json();
                noted = seen["data"][0]["last_used_at"].as_i64().unwrap();
                if noted < world.now.load(std::sync::atomic::Ordering::Relaxed) / 1_000_000 - 600 {
                    noted = 0;
                    tokio::time::sleep(std::time::Duration::from_millis(5)).await;
                }
            }
        }
        assert_eq!(idle.who().await, Err(401));
        world.wait_s(3 * day_s);
        assert_eq!(used.who().await, Err(401), "91 days");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_of_another_site_changes_nothing() {
    let world = with_account(testkit::databases::sqlite()).await;
    let mut browser = Browser::new(&world);
    browser.sign_in(EMAIL, PASSWORD).await;
    let cross = ("sec-fetch-site", "cross-site");
    for (method, path) in [
        (Method::POST, "/api/signup"),
        (Method::POST, "/api/sessions"),
        (Method::DELETE, "/api/sessions/current"),
        (Method::POST, "/api/sessions/end_others"),
        (Method::POST, "/api/me"),
        (Method::POST, "/api/me/password"),
        (Method::POST, "/api/password_resets"),
        (Method::POST, "/api/sessions/totp"),
        (Method::POST, "/api/sessions/recovery_code"),
        (Method::POST, "/api/sessions/passkey"),
        (Method::POST, "/api/sessions/passkey_options"),
        (Method::POST, "/api/sessions/current/proof"),
        (Method::DELETE, "/api/me/totp"),
        (Method::POST, "/api/invites/lookup"),
        (Method::POST, "/api/me/invites/accept"),
        (Method::POST, "/api/me/invites/invite-x/accept"),
    ] {
        for (name, value) in [cross, ("origin", "https://evil.example")] {
            let request = browser.request(method.clone(), path).header(name, value);
            let answer = browser.send(request.json(&json!({}))).await;
            refused(&answer, 403, Value::Null, "cross_origin");
        }
    }
    let request = browser
        .request(Method::GET, "/api/me")
        .header(cross.0, cross.1);
    assert_eq!(
        browser.send(request).await.status,
        200,
        "a link is followed"
    );
    let request = browser.request(Method::POST, "/api/me");
    let ours = request
        .header("origin", "http://farebox.test")
        .json(&json!({"name": "G"}));
    assert_eq!(browser.send(ours).await.json()["name"], "G");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_an_account_is_shown_without_its_session() {
    let world = with_account(testkit::databases::sqlite()).await;
    for (method, path) in [
        (Method::GET, "/api/me"),
        (Method::POST, "/api/me"),
        (Method::GET, "/api/sessions"),
        (Method::DELETE, "/api/sessions/current"),
        (Method::DELETE, "/api/sessions/session_x"),
        (Method::POST, "/api/sessions/end_others"),
        (Method::POST, "/api/me/password"),
        (Method::POST, "/api/me/email"),
        (Method::POST, "/api/me/email/code"),
        (Method::POST, "/api/me/phone"),
        (Method::POST, "/api/me/phone/code"),
        (Method::GET, "/api/me/factors"),
        (Method::POST, "/api/me/totp"),
        (Method::POST, "/api/me/totp/confirm"),
        (Method::DELETE, "/api/me/totp"),
        (Method::POST, "/api/me/recovery_codes"),
        (Method::GET, "/api/me/passkeys"),
        (Method::POST, "/api/me/passkeys"),
        (Method::POST, "/api/me/passkeys/options"),
        (Method::POST, "/api/me/passkeys/passkey_x"),
        (Method::DELETE, "/api/me/passkeys/passkey_x"),
        (Method::POST, "/api/sessions/current/passkey_options"),
        (Method::POST, "/api/sessions/current/proof"),
        (Method::GET, "/api/me/invites"),
        (Method::POST, "/api/me/invites/accept"),
        (Method::POST, "/api/me/invites/invite-x/accept"),
        (Method::POST, "/api/me/invites/invite-x/decline"),
    ] {
        let mut nobody = Browser::new(&world);
        for cookie in [None, Some(format!("farebox_session={}", "x".repeat(43)))] {
            nobody.cookie = cookie;
            let answer = nobody.send(nobody.request(method.clone(), path)).await;
            refused(&answer, 401, Value::Null, "not_signed_in");
        }
        let key = world.made.admin_key.expose();
        let answer = nobody.send(nobody.request(method, path).bearer(key)).await;
        refused(&answer, 401, Value::Null, "not_signed_in");
    }
}
