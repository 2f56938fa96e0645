//! Signing up: who gets an account, a session and trial credit; and what strangers find out.

use domain::id::OrganizationId;
use domain::money::Nusd;
use farebox_control::{SignupMode, SignupRules};
use serde_json::{Value, json};
use testkit::on_each_database;

use crate::people_world::{Browser, PASSWORD, PHONE, WITHOUT_PHONE, sign_up};
use crate::world::{World, refused};

/// Signs up with a phone, to the end.
async fn with_phone<'a>(world: &'a World, email: &str) -> Browser<'a> {
    let mut browser = Browser::new(world);
    let body = json!({"email": email, "password": PASSWORD, "name": "Grace"});
    let begun = browser.post("/api/signup", &body).await.json();
    assert_eq!(begun["status"], "email_code_required", "{begun}");
    let id = &begun["id"];
    let code = world.fact(email, "email_code", "code").await;
    let body = json!({"id": id, "code": code});
    let proved = browser.post("/api/signup/email_code", &body).await.json();
    assert_eq!(proved["status"], "phone_required", "{proved}");
    assert_eq!(browser.cookie, None, "not yet");
    let body = json!({"id": id, "phone": "+49 (30) 901820"});
    let given = browser.post("/api/signup/phone", &body).await.json();
    assert_eq!(given["status"], "phone_code_required", "{given}");
    let code = world.fact(PHONE, "phone_code", "code").await;
    let body = json!({"id": id, "code": code});
    let done = browser.post("/api/signup/phone_code", &body).await.json();
    assert_eq!(done["status"], "complete", "{done}");
    browser
}

async fn balance(world: &World, me: &Value) -> Nusd {
    let id = me["organizations"][0]["id"].as_str().unwrap();
    let id = OrganizationId::new(id);
    let read = world.store.read(move |tx| store::wallets::get(tx, &id));
    read.await.unwrap().unwrap().balance()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_phone_verified_person_gets_an_organization_with_trial_credit_once() {
    on_each_database(async |database| {
        let world = World::start(database).await;
        let mut first = with_phone(&world, "grace@example.com").await;
        let me = first.get("/api/me").await.json();
        assert_eq!(me["email"], "grace@example.com");
        assert_eq!(me["name"], "Grace");
        assert_eq!(me["phone"], PHONE);
        assert_eq!(me["is_operator"], false);
        let organization = &me["organizations"][0];
        assert_eq!(organization["name"], "Personal");
        assert_eq!(organization["role"], "owner");
        let project = organization["default_project_id"].as_str().unwrap();
        assert!(project.starts_with("proj_"));
        assert_eq!(balance(&world, &me).await.to_usd(), "5.00");

        let mut second = with_phone(&world, "other@example.com").await;
        let me = second.get("/api/me").await.json();
        assert_eq!(balance(&world, &me).await, Nusd::ZERO, "the same phone");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_known_address_gets_the_same_answers_as_an_unknown_one() {
    on_each_database(async |database| {
        let world = World::start_with(database, WITHOUT_PHONE).await;
        sign_up(&world, "grace@example.com").await;
        let mut told = Vec::new();
        for (email, template) in [
            ("grace@example.com", "address_in_use"),
            ("unknown@example.com", "email_code"),
        ] {
            let mut browser = Browser::at(&world, "192.0.2.8");
            let body = json!({"email": email, "password": PASSWORD});
            let mut begun = browser.post("/api/signup", &body).await;
            let sent = world.sent().await;
            let [message] = &sent[..] else {
                panic!("one message: {sent:?}")
            };
            assert_eq!((&*message.to, &*message.template), (email, template));
            let id = begun.json()["id"].clone();
            let wrong = json!({"id": id, "code": "1"});
            let code = browser.post("/api/signup/email_code", &wrong).await;
            refused(&code, 400, Value::Null, "wrong_code");
            let resent = browser.post("/api/signup/resend", &json!({"id": id})).await;
            refused(&resent, 429, Value::Null, "too_many_attempts");
            begun.headers.remove("x-request-id");
            begun.headers.remove("date");
            let mut body = begun.json();
            for varying in ["id", "resend_at", "expires_at"] {
                assert!(body.as_object_mut().unwrap().remove(varying).is_some());
            }
            told.push((
                begun.status,
                begun.headers,
                body,
                code.json(),
                resent.json(),
            ));
        }
        assert_eq!(told[0], told[1]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_is_tried_five_times_and_sent_again_after_a_wait() {
    on_each_database(async |database| {
        let world = World::start_with(database, WITHOUT_PHONE).await;
        let mut browser = Browser::new(&world);
        let body = json!({"email": "grace@example.com", "password": PASSWORD});
        let id = browser.post("/api/signup", &body).await.json()["id"].clone();
        let code = world.fact("grace@example.com", "email_code", "code").await;
        let wrong = if code == "000000" { "000001" } else { "000000" };
        let path = "/api/signup/email_code";
        for expected in [
            "wrong_code",
            "wrong_code",
            "wrong_code",
            "wrong_code",
            "code_expired",
        ] {
            let answer = browser.post(path, &json!({"id": id, "code": wrong})).await;
            refused(&answer, 400, Value::Null, expected);
        }
        let answer = browser.post(path, &json!({"id": id, "code": code})).await;
        refused(&answer, 400, Value::Null, "code_expired");

        let again = json!({"id": id});
        let early = browser.post("/api/signup/resend", &again).await;
        refused(&early, 429, Value::Null, "too_many_attempts");
        let wait: i64 = early.header("retry-after").unwrap().parse().unwrap();
        assert!((1..=30).contains(&wait), "{wait}");
        world.wait_s(wait);
        let resent = browser.post("/api/signup/resend", &again).await;
        assert_eq!(resent.status, 200, "{}", resent.text());
        let other = world.fact("grace@example.com", "email_code", "code").await;
        let done = browser.post(path, &json!({"id": id, "code": other})).await;
        assert_eq!(done.json()["status"], "complete", "{}", done.text());
        assert!(browser.who().await.is_ok());
        let over = browser.post(path, &json!({"id": id, "code": other})).await;
        refused(&over, 404, Value::Null, "signup_expired");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_steps_of_a_sign_up_cannot_be_left_out() {
    on_each_database(async |database| {
        let world = World::start(database).await;
        let mut browser = Browser::new(&world);
        let body = json!({"email": "grace@example.com", "password": PASSWORD});
        let id = browser.post("/api/signup", &body).await.json()["id"].clone();
        for (path, body) in [
            ("/api/signup/phone", json!({"id": id, "phone": PHONE})),
            (
                "/api/signup/phone_code",
                json!({"id": id, "code": "123456"}),
            ),
        ] {
            let answer = browser.post(path, &body).await;
            refused(&answer, 400, Value::Null, "signup_order");
        }
        let stranger = json!({"id": "x".repeat(43), "code": "123456"});
        let answer = browser.post("/api/signup/email_code", &stranger).await;
        refused(&answer, 404, Value::Null, "signup_expired");
        let code = world.fact("grace@example.com", "email_code", "code").await;
        let body = json!({"id": id, "code": code});
        browser.post("/api/signup/email_code", &body).await;
        let again = browser.post("/api/signup/resend", &json!({"id": id})).await;
        refused(&again, 400, Value::Null, "signup_order");
        let guess = json!({"id": id, "code": "123456"});
        let answer = browser.post("/api/signup/phone_code", &guess).await;
        refused(&answer, 400, Value::Null, "code_expired");
        world.wait_s(3_600);
        let late = browser
            .post("/api/signup/phone", &json!({"id": id, "phone": PHONE}))
            .await;
        refused(&late, 404, Value::Null, "signup_expired");
        assert_eq!(browser.who().await, Err(401));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_account_is_refused_with_a_reason() {
    let world = World::start(testkit::databases::sqlite()).await;
    let mut browser = Browser::new(&world);
    let long = "a b c d ".repeat(40);
    for (body, param, code) in [
        (json!({}), "email", "missing_required_parameter"),
        (
            json!({"email": "a@b.example"}),
            "password",
            "missing_required_parameter",
        ),
        (
            json!({"email": "nobody", "password": PASSWORD}),
            "email",
            "invalid_value",
        ),
        (
            json!({"email": 1, "password": PASSWORD}),
            "email",
            "invalid_type",
        ),
        (
            json!({"email": "a@b.example", "password": "short"}),
            "password",
            "invalid_value",
        ),
        (
            json!({"email": "a@b.example", "password": "password1"}),
            "password",
            "invalid_value",
        ),
        (
            json!({"email": "a@b.example", "password": long}),
            "password",
            "invalid_value",
        ),
        (
            json!({"email": "a@b.example", "password": PASSWORD, "name": "\n"}),
            "name",
            "invalid_value",
        ),
    ] {
        let answer = browser.post("/api/signup", &body).await;
        refused(&answer, 400, param, code);
        let told = answer.text();
        assert!(
            !told.contains("password1") && !told.contains("a b c"),
            "{told}"
        );
    }
    assert!(world.sent().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_operator_decides_who_may_sign_up() {
    for (mode, word) in [
        (SignupMode::Closed, "closed"),
        (SignupMode::Invite, "invite"),
    ] {
        let rules = SignupRules {
            mode,
            ..WITHOUT_PHONE
        };
        let world = World::start_with(testkit::databases::sqlite(), rules).await;
        let mut browser = Browser::new(&world);
        let terms = browser.get("/api/signup").await.json();
        assert_eq!(terms["mode"], word);
        assert_eq!(terms["is_phone_required"], false);
        let body = json!({"email": "grace@example.com", "password": PASSWORD});
        let answer = browser.post("/api/signup", &body).await;
        refused(&answer, 403, Value::Null, "signup_closed");
        assert!(world.sent().await.is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_floods_a_mailbox_and_nobody_is_kept_from_theirs() {
    on_each_database(async |database| {
        let world = World::start_with(database, WITHOUT_PHONE).await;
        let body = json!({"email": "grace@example.com", "password": PASSWORD});
        let mut flood = Browser::at(&world, "203.0.113.9");
        let mut mailed = 0;
        for _ in 0..8 {
            let answer = flood.post("/api/signup", &body).await;
            match answer.status {
                200 => mailed += 1,
                _ => refused(&answer, 429, Value::Null, "too_many_attempts"),
            }
        }
        assert_eq!((mailed, world.sent().await.len()), (4, 4));
        let mut owner = Browser::new(&world);
        assert_eq!(owner.post("/api/signup", &body).await.status, 200);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_was_invited_joins_that_organization_and_no_other_address_does() {
    on_each_database(async |database| {
        let rules = SignupRules {
            mode: SignupMode::Invite,
            ..WITHOUT_PHONE
        };
        let world = World::start_with(database, rules).await;
        let email = "grace@example.com";
        let invited = world
            .post("/invites", &json!({"email": email, "role": "reader"}))
            .await;
        assert_eq!(invited.status, 200, "{}", invited.text());
        let link = world.fact(email, "invite", "link").await;
        let secret = link.split_once('#').unwrap().1;

        let mut browser = Browser::new(&world);
        let as_somebody_else =
            json!({"email": "eve@example.com", "password": PASSWORD, "invite": secret});
        let answer = browser.post("/api/signup", &as_somebody_else).await;
        refused(&answer, 400, Value::Null, "link_expired");
        let made_up = json!({"email": email, "password": PASSWORD, "invite": "x".repeat(43)});
        let answer = browser.post("/api/signup", &made_up).await;
        refused(&answer, 400, Value::Null, "link_expired");

        let body = json!({"email": email, "password": PASSWORD, "invite": secret});
        let begun = browser.post("/api/signup", &body).await;
        assert_eq!(begun.status, 200, "{}", begun.text());
        let code = world.fact(email, "email_code", "code").await;
        let body = json!({"id": begun.json()["id"], "code": code});
        let done = browser.post("/api/signup/email_code", &body).await;
        assert_eq!(done.json()["status"], "complete", "{}", done.text());
        let me = browser.get("/api/me").await.json();
        let organizations = me["organizations"].as_array().unwrap();
        assert_eq!(organizations.len(), 1, "none of their own");
        assert_eq!(organizations[0]["id"], world.made.organization.as_str());
        assert_eq!(organizations[0]["role"], "reader");
        let again = json!({"email": email, "password": PASSWORD, "invite": secret});
        let answer = Browser::new(&world).post("/api/signup", &again).await;
        refused(&answer, 400, Value::Null, "link_expired");
    })
    .await;
}
