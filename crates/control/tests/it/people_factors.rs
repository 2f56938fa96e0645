//! Second factors: an authenticator app after the password, and recovery codes when it is lost.

use std::sync::atomic::Ordering;

use domain::people::totp::TotpSecret;
use domain::time::AtUs;
use http::Method;
use serde_json::{Value, json};
use testkit::http::Answer;
use testkit::on_each_database;

use crate::people_world::{Browser, PASSWORD, sign_up, with_account};
use crate::world::{World, refused};

const EMAIL: &str = "grace@example.com";
const OTHER: &str = "violet otter bakes slowly";

/// What an account with an app has.
struct App {
    secret: TotpSecret,
    recovery_codes: Vec<String>,
}

impl App {
    /// A code that was not used: that of the next half minute.
    fn code(&self, world: &World) -> String {
        world.wait_s(30);
        let now = AtUs(world.now.load(Ordering::Relaxed));
        self.secret.code_at(now)
    }
}

/// Adds an authenticator app to the account that somebody is signed in to just now.
async fn add_app(world: &World, browser: &mut Browser<'_>) -> App {
    let begun = browser.post("/api/me/totp", &json!({})).await.json();
    let secret = TotpSecret::parse(begun["secret"].as_str().unwrap()).unwrap();
    let mut app = App {
        secret,
        recovery_codes: Vec::new(),
    };
    let code = json!({"code": app.code(world)});
    let added = browser.post("/api/me/totp/confirm", &code).await;
    assert_eq!(added.status, 200, "{}", added.text());
    if let Value::Array(codes) = &added.json()["recovery_codes"] {
        let text = |code: &Value| code.as_str().unwrap().to_owned();
        app.recovery_codes = codes.iter().map(text).collect();
    }
    app
}

/// A world in which Grace has an app, and nobody is signed in but her first browser.
async fn with_app(database: testkit::TestDatabase) -> (World, App) {
    let world = with_account(database).await;
    let mut browser = Browser::new(&world);
    browser.sign_in(EMAIL, PASSWORD).await;
    let app = add_app(&world, &mut browser).await;
    world.fact(EMAIL, "second_factors_changed", "what").await;
    (world, app)
}

/// Signs in with the password; answers what goes on with it.
async fn first_step(browser: &mut Browser<'_>, password: &str) -> String {
    let answer = browser.sign_in(EMAIL, password).await;
    assert_eq!(answer.status, 202, "{}", answer.text());
    assert_eq!(answer.header("set-cookie"), None);
    answer.json()["id"].as_str().unwrap().to_owned()
}

async fn second_step(browser: &mut Browser<'_>, with: &str, id: &str, code: &str) -> Answer {
    let body = json!({"id": id, "code": code});
    browser.post(&format!("/api/sessions/{with}"), &body).await
}

/// A fact of the latest mail of this kind, sent just now: the clock of these tests runs so fast
/// that earlier messages come again.
async fn told(world: &World, template: &str, name: &str) -> String {
    let sent = world.sent().await.into_iter();
    let new = sent.filter(|it| it.tries == 1 && it.template == template);
    let facts: Vec<String> = new.map(|it| it.facts[name].clone()).collect();
    assert_eq!(facts.len(), 1, "{template}");
    facts.into_iter().next().unwrap()
}

/// Six digits that are not a code of the app now.
fn wrong(app: &App, world: &World) -> String {
    let code = app.code(world);
    let last = if code.ends_with('5') { "6" } else { "5" };
    format!("{}{last}", &code[..5])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_of_the_app_is_asked_for_after_the_password() {
    on_each_database(async |database| {
        let world = with_account(database).await;
        let (mut here, mut there) = (Browser::new(&world), Browser::new(&world));
        here.sign_in(EMAIL, PASSWORD).await;
        let begun = here.post("/api/me/totp", &json!({})).await.json();
        let uri = begun["uri"].as_str().unwrap();
        assert!(
            uri.starts_with("otpauth://totp/Farebox%20%28farebox.test%29:grace%40example.com?"),
            "{uri}"
        );
        assert_eq!(
            there.sign_in(EMAIL, PASSWORD).await.status,
            200,
            "it is not added yet"
        );
        let short = json!({"code": "12345"});
        let answer = here.post("/api/me/totp/confirm", &short).await;
        refused(&answer, 400, Value::Null, "wrong_factor");

        let app = add_app(&world, &mut here).await;
        assert_eq!(app.recovery_codes.len(), 10);
        let told = world.fact(EMAIL, "second_factors_changed", "what").await;
        assert_eq!(told, "An authenticator app was added");
        assert_eq!(world.audited().await[0], "farebox.account.updated");
        assert_eq!(there.who().await, Err(401), "it was begun without");
        let shown = here.get("/api/me").await.json();
        assert_eq!(shown["session"]["second_factor"], "totp");
        let factors = here.get("/api/me/factors").await.json();
        assert_eq!(
            (&factors["is_on"], &factors["recovery_codes_left"]),
            (&json!(true), &json!(10))
        );

        let pending = there.sign_in(EMAIL, PASSWORD).await.json();
        assert_eq!(pending["object"], "session.pending");
        assert_eq!(pending["second_factors"], json!(["totp", "recovery_code"]));
        let id = pending["id"].as_str().unwrap();
        there.cookie = Some(format!("farebox_session={id}"));
        assert_eq!(there.who().await, Err(401), "it is no session");
        there.cookie = None;
        let answer = second_step(&mut there, "totp", id, &wrong(&app, &world)).await;
        refused(&answer, 400, Value::Null, "wrong_factor");
        assert_eq!(world.audited().await[0], "login.failed");
        let code = app.code(&world);
        let done = second_step(&mut there, "totp", id, &code).await;
        assert_eq!(done.status, 200, "{}", done.text());
        let session = done.json();
        assert_eq!(
            (&session["method"], &session["second_factor"]),
            (&json!("password"), &json!("totp"))
        );
        assert_eq!(session["needs_recovery_codes"], false);
        assert!(there.who().await.is_ok());
        assert_eq!(world.audited().await[0], "login.succeeded");

        let again = second_step(&mut there, "totp", id, &app.code(&world)).await;
        refused(&again, 401, Value::Null, "sign_in_expired");
        let id = first_step(&mut there, PASSWORD).await;
        let used = second_step(&mut there, "totp", &id, &code).await;
        refused(&used, 400, Value::Null, "wrong_factor");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_not_the_password_learns_nothing_of_factors() {
    on_each_database(async |database| {
        let (world, _) = with_app(database).await;
        sign_up(&world, "eve@example.com").await;
        let mut told = Vec::new();
        for email in [EMAIL, "eve@example.com", "unknown@example.com"] {
            let answer = Browser::new(&world).sign_in(email, "wrong").await;
            refused(&answer, 401, Value::Null, "wrong_credentials");
            told.push(answer.json());
        }
        assert!(told.iter().all(|it| *it == told[0]), "{told:?}");
        for with in ["totp", "recovery_code"] {
            for id in ["x", &"x".repeat(43)] {
                let mut nobody = Browser::new(&world);
                let answer = second_step(&mut nobody, with, id, "123456").await;
                refused(&answer, 401, Value::Null, "sign_in_expired");
            }
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_step_is_soon_over_and_seldom_tried() {
    on_each_database(async |database| {
        let (world, app) = with_app(database).await;
        let mut thief = Browser::at(&world, "203.0.113.9");
        for _ in 0..2 {
            let id = first_step(&mut thief, PASSWORD).await;
            for _ in 0..5 {
                let answer = second_step(&mut thief, "totp", &id, &wrong(&app, &world)).await;
                refused(&answer, 400, Value::Null, "wrong_factor");
            }
            let answer = second_step(&mut thief, "totp", &id, &app.code(&world)).await;
            refused(&answer, 401, Value::Null, "sign_in_expired");
            told(&world, "second_factor_failed", "at").await;
        }
        // Ten codes were tried: nobody tries another one, wherever they are.
        let mut owner = Browser::new(&world);
        let id = first_step(&mut owner, PASSWORD).await;
        let answer = second_step(&mut owner, "totp", &id, &app.code(&world)).await;
        refused(&answer, 429, Value::Null, "too_many_attempts");
        let code = &app.recovery_codes[0];
        let answer = second_step(&mut owner, "recovery_code", &id, code).await;
        assert_eq!(answer.status, 200, "nobody guesses that: {}", answer.text());

        world.wait_s(3_600);
        let id = first_step(&mut thief, PASSWORD).await;
        world.wait_s(600);
        let late = second_step(&mut thief, "totp", &id, &app.code(&world)).await;
        refused(&late, 401, Value::Null, "sign_in_expired");
        let id = first_step(&mut thief, PASSWORD).await;
        let body = json!({"current_password": PASSWORD, "new_password": OTHER});
        assert_eq!(owner.post("/api/me/password", &body).await.status, 200);
        let old = second_step(&mut thief, "totp", &id, &app.code(&world)).await;
        refused(&old, 401, Value::Null, "sign_in_expired");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_code_at_once_lets_one_in() {
    on_each_database(async |database| {
        let (world, app) = with_app(database).await;
        let mut browser = Browser::new(&world);
        let mut ids = Vec::new();
        for _ in 0..6 {
            ids.push(first_step(&mut browser, PASSWORD).await);
        }
        let code = app.code(&world);
        let attempts: Vec<_> = ids
            .iter()
            .map(|id| {
                let request = browser.request(Method::POST, "/api/sessions/totp");
                let request = request.json(&json!({"id": id, "code": code}));
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
async fn a_recovery_code_works_once_and_its_owner_is_told() {
    on_each_database(async |database| {
        let (world, app) = with_app(database).await;
        let mut eve = sign_up(&world, "eve@example.com").await;
        let hers = add_app(&world, &mut eve).await;
        world.sent().await;
        let mut browser = Browser::new(&world);
        let with = "recovery_code";
        for (used, code) in (1..).zip(&app.recovery_codes[..7]) {
            let id = first_step(&mut browser, PASSWORD).await;
            let other = second_step(&mut browser, with, &id, &hers.recovery_codes[0]).await;
            refused(&other, 400, Value::Null, "wrong_factor");
            let done = second_step(&mut browser, with, &id, &code.to_lowercase()).await;
            let session = done.json();
            assert_eq!(session["second_factor"], "recovery_code", "{}", done.text());
            assert_eq!(session["recovery_codes_left"], 10 - used);
            assert_eq!(session["needs_recovery_codes"], used == 7);
            let left = told(&world, "recovery_code_used", "left").await;
            assert_eq!(left, format!("{} codes", 10 - used));
        }
        let id = first_step(&mut browser, PASSWORD).await;
        let again = second_step(&mut browser, with, &id, &app.recovery_codes[0]).await;
        refused(&again, 400, Value::Null, "wrong_factor");

        let made = browser.post("/api/me/recovery_codes", &json!({})).await;
        let made = made.json()["recovery_codes"].clone();
        let what = told(&world, "second_factors_changed", "what").await;
        assert!(what.starts_with("New recovery codes were made"), "{what}");
        let old = second_step(&mut browser, with, &id, &app.recovery_codes[9]).await;
        refused(&old, 400, Value::Null, "wrong_factor");
        let new = made[9].as_str().unwrap();
        let done = second_step(&mut browser, with, &id, new).await;
        assert_eq!(done.json()["recovery_codes_left"], 9, "{}", done.text());

        world.sent().await;
        let mut fred = sign_up(&world, "fred@example.com").await;
        let none = fred.post("/api/me/recovery_codes", &json!({})).await;
        refused(&none, 404, Value::Null, "no_second_factor");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn factors_are_changed_by_whoever_proved_lately_who_they_are() {
    on_each_database(async |database| {
        let (world, app) = with_app(database).await;
        let mut browser = Browser::new(&world);
        let id = first_step(&mut browser, PASSWORD).await;
        second_step(&mut browser, "totp", &id, &app.code(&world)).await;
        world.wait_s(900);
        for (method, path) in [
            (Method::POST, "/api/me/totp"),
            (Method::DELETE, "/api/me/totp"),
            (Method::POST, "/api/me/recovery_codes"),
        ] {
            let stale = browser.send(browser.request(method, path)).await;
            refused(&stale, 403, Value::Null, "proof_required");
        }
        let path = "/api/sessions/current/proof";
        let nothing = browser.post(path, &json!({})).await;
        let missing = "missing_required_parameter";
        refused(&nothing, 400, "current_password", missing);
        let body = json!({"current_password": "wrong"});
        let answer = browser.post(path, &body).await;
        refused(&answer, 400, "current_password", "invalid_value");
        let body = json!({"code": wrong(&app, &world)});
        refused(
            &browser.post(path, &body).await,
            400,
            Value::Null,
            "wrong_factor",
        );
        assert_eq!(browser.delete("/api/me/totp").await.status, 403);

        for with_code in [false, true] {
            world.wait_s(900);
            let proof = match with_code {
                false => json!({"current_password": PASSWORD}),
                true => json!({"code": app.code(&world)}),
            };
            let proved = browser.post(path, &proof).await;
            let now_s = world.now.load(Ordering::Relaxed) / 1_000_000;
            let until = &proved.json()["proved_until"];
            assert_eq!(*until, now_s + 900, "{}", proved.text());
            let begun = browser.post("/api/me/totp", &json!({})).await;
            assert_eq!(begun.status, 200, "{}", begun.text());
        }
        // Another app takes the place of the first, and makes no new codes.
        let second = add_app(&world, &mut browser).await;
        assert!(second.recovery_codes.is_empty());
        let mut elsewhere = Browser::new(&world);
        let id = first_step(&mut elsewhere, PASSWORD).await;
        let old = second_step(&mut elsewhere, "totp", &id, &app.code(&world)).await;
        refused(&old, 400, Value::Null, "wrong_factor");
        let done = second_step(&mut elsewhere, "totp", &id, &second.code(&world)).await;
        assert_eq!(done.status, 200, "{}", done.text());

        world.sent().await;
        let removed = browser.delete("/api/me/totp").await;
        assert_eq!(removed.json()["is_on"], false, "{}", removed.text());
        let what = told(&world, "second_factors_changed", "what").await;
        assert_eq!(what, "The authenticator app was removed");
        let left = browser.get("/api/me/factors").await.json();
        assert_eq!(
            (&left["is_on"], &left["recovery_codes_left"]),
            (&json!(false), &json!(0))
        );
        let none = browser.delete("/api/me/totp").await;
        refused(&none, 404, Value::Null, "no_second_factor");
        assert_eq!(
            Browser::new(&world).sign_in(EMAIL, PASSWORD).await.status,
            200
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_that_is_not_confirmed_in_time_is_not_added() {
    on_each_database(async |database| {
        let world = with_account(database).await;
        let mut browser = Browser::new(&world);
        browser.sign_in(EMAIL, PASSWORD).await;
        let begun = browser.post("/api/me/totp", &json!({})).await.json();
        let secret = TotpSecret::parse(begun["secret"].as_str().unwrap()).unwrap();
        world.wait_s(900);
        let now = AtUs(world.now.load(Ordering::Relaxed));
        let code = json!({"code": secret.code_at(now)});
        let late = browser.post("/api/me/totp/confirm", &code).await;
        refused(&late, 400, Value::Null, "enrolment_expired");
        assert_eq!(
            Browser::new(&world).sign_in(EMAIL, PASSWORD).await.status,
            200
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_password_by_mail_does_not_remove_the_factor() {
    on_each_database(async |database| {
        let (world, app) = with_app(database).await;
        let mut browser = Browser::new(&world);
        let asked = json!({"email": EMAIL});
        browser.post("/api/password_resets", &asked).await;
        let link = world.fact(EMAIL, "password_reset", "link").await;
        let secret = link.split_once('#').unwrap().1;
        let body = json!({"secret": secret, "new_password": OTHER});
        let done = browser.post("/api/password_resets/complete", &body).await;
        assert_eq!(done.status, 200, "{}", done.text());
        let id = first_step(&mut browser, OTHER).await;
        assert!(browser.who().await.is_err());
        let done = second_step(&mut browser, "totp", &id, &app.code(&world)).await;
        assert_eq!(done.status, 200, "{}", done.text());
    })
    .await;
}
