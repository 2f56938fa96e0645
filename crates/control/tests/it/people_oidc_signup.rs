//! Who gets an account by coming from a provider, and what they belong to then.

use domain::money::Nusd;
use farebox_control::{Join, SignupMode, SignupRules};
use serde_json::json;
use testkit::on_each_database;

use crate::people_oidc_world::{grace, with_provider, wrong};
use crate::people_world::{Browser, PHONE, WITHOUT_PHONE};
use crate::world::World;

const BY_INVITE: SignupRules = SignupRules {
    mode: SignupMode::Invite,
    ..WITHOUT_PHONE
};

async fn names(browser: &mut Browser<'_>) -> Vec<(String, String)> {
    let me = browser.get("/api/me").await.json();
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    let organizations = me["organizations"].as_array().unwrap().iter();
    organizations
        .map(|it| (text(&it["name"]), text(&it["role"])))
        .collect()
}

fn acme_as(role: &str) -> Vec<(String, String)> {
    vec![("Acme".into(), role.into())]
}

/// Everybody from `example.com` joins Acme, which is made after the provider was configured.
fn joining(world: &World, role: &str) -> Join {
    Join {
        domain: "example.com".into(),
        organization: world.made.organization.to_string(),
        role: role.into(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_counts_if_the_provider_proved_it() {
    let trusting = |settings: &mut farebox_control::ProviderSettings| {
        settings.trusted_domains = vec!["example.com".into()];
        settings.allowed_domains = vec!["example.com".into(), "example.org".into()];
    };
    on_each_database(async |database| {
        let (world, issuer) = with_provider(database, WITHOUT_PHONE, trusting).await;
        let mut browser = Browser::new(&world);
        for (email, verified, page) in [
            ("a@example.org", json!(false), "sso_email_unverified"),
            ("a@example.org", json!(null), "sso_email_unverified"),
            // Trusted to decide; but it says no.
            ("b@example.com", json!(false), "sso_email_unverified"),
            ("c@example.net", json!(true), "sso_domain_refused"),
            ("c@sub.example.com", json!(true), "sso_domain_refused"),
            ("nobody", json!(true), "sso_email_unverified"),
        ] {
            let person = json!({"sub": email, "email": email, "email_verified": verified});
            let ended = browser.go(&world, &issuer, &person).await;
            assert_eq!(wrong(&ended), page, "{person}");
            assert_eq!(browser.who().await, Err(401));
        }
        for (email, verified) in [
            ("d@example.org", json!(true)),
            ("e@example.org", json!("true")),
            ("f@EXAMPLE.com", json!(null)),
        ] {
            let person = json!({"sub": email, "email": email, "email_verified": verified});
            assert_eq!(browser.go(&world, &issuer, &person).await, "/", "{person}");
        }
        // Whoever is known must still come from one of the domains.
        let moved =
            json!({"sub": "d@example.org", "email": "d@evil.example", "email_verified": true});
        let ended = browser.go(&world, &issuer, &moved).await;
        assert_eq!(wrong(&ended), "sso_domain_refused");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_operator_decides_who_may_sign_up_this_way_too() {
    on_each_database(async |database| {
        let (world, issuer) = with_provider(database, BY_INVITE, |_| {}).await;
        let mut browser = Browser::new(&world);
        let ended = browser.go(&world, &issuer, &grace()).await;
        assert_eq!(wrong(&ended), "signup_closed");
        let asked = json!({"email": "grace@example.com", "role": "reader"});
        world.post("/invites", &asked).await;
        assert_eq!(browser.go(&world, &issuer, &grace()).await, "/");
        assert_eq!(names(&mut browser).await, acme_as("reader"));
        // All of one moment.
        let told = world.audited().await;
        for kind in ["login.succeeded", "user.added", "invite.accepted"] {
            assert!(told[..3].iter().any(|it| it == kind), "{told:?}");
        }
    })
    .await;
    let closed = SignupRules {
        mode: SignupMode::Closed,
        ..WITHOUT_PHONE
    };
    let (world, issuer) = with_provider(testkit::databases::sqlite(), closed, |settings| {
        settings.joins = vec![Join {
            domain: "example.com".into(),
            organization: "org-any".into(),
            role: "reader".into(),
        }];
    })
    .await;
    let asked = json!({"email": "grace@example.com", "role": "reader"});
    world.post("/invites", &asked).await;
    let ended = Browser::new(&world).go(&world, &issuer, &grace()).await;
    assert_eq!(wrong(&ended), "signup_closed");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invite_is_accepted_on_the_way_by_its_address_alone() {
    on_each_database(async |database| {
        let (world, issuer) = with_provider(database, WITHOUT_PHONE, |_| {}).await;
        let asked = json!({"email": "grace@example.com", "role": "owner"});
        let invite = world.post("/invites", &asked).await.json();
        let start = format!(
            "/api/sso/acme/start?invite={}",
            invite["id"].as_str().unwrap()
        );
        let mut eve = Browser::new(&world);
        let person = json!({"sub": "eve", "email": "eve@example.com", "email_verified": true});
        let ended = eve.go_by(&start, &world, &issuer, &person).await;
        assert_eq!(wrong(&ended), "link_expired");
        assert_eq!(eve.who().await, Err(401));
        let mut browser = Browser::new(&world);
        assert_eq!(browser.go_by(&start, &world, &issuer, &grace()).await, "/");
        assert_eq!(names(&mut browser).await, acme_as("owner"));
        let mut late = Browser::new(&world);
        let late_person = json!({"sub": "g2", "email": "g2@example.com", "email_verified": true});
        let ended = late.go_by(&start, &world, &issuer, &late_person).await;
        assert_eq!(wrong(&ended), "link_expired");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_has_an_address_of_a_domain_joins_its_organization_once() {
    on_each_database(async |database| {
        let issuer = testkit::issuer::Issuer::start(crate::world::START_S).await;
        let mut settings = crate::people_oidc_world::settings(&issuer);
        // The organization's id is known once there is a world: another process has the settings.
        let first = World::start_with(database, BY_INVITE).await;
        settings.joins = vec![joining(&first, "reader")];
        let world = first
            .again_with(
                BY_INVITE,
                farebox_control::Providers::new(vec![settings]).unwrap(),
            )
            .await;
        let mut browser = Browser::new(&world);
        assert_eq!(browser.go(&world, &issuer, &grace()).await, "/");
        assert_eq!(names(&mut browser).await, acme_as("reader"));
        let told = world.audited().await;
        for kind in ["login.succeeded", "user.added"] {
            assert!(told[..2].iter().any(|it| it == kind), "{told:?}");
        }
        let other = json!({"sub": "o", "email": "o@example.org", "email_verified": true});
        let ended = Browser::new(&world).go(&world, &issuer, &other).await;
        assert_eq!(wrong(&ended), "signup_closed", "another domain");

        // Whoever was removed stays out.
        let user = browser.who().await.unwrap();
        let removed = world.delete(&format!("/users/{user}")).await;
        assert_eq!(removed.status, 200, "{}", removed.text());
        assert_eq!(browser.go(&world, &issuer, &grace()).await, "/");
        assert_eq!(names(&mut browser).await, []);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_organization_to_join_that_is_not_there_lets_nobody_in() {
    let (world, issuer) = with_provider(testkit::databases::sqlite(), BY_INVITE, |settings| {
        settings.joins = vec![Join {
            domain: "example.com".into(),
            organization: "org-gone".into(),
            role: "owner".into(),
        }];
    })
    .await;
    let ended = Browser::new(&world).go(&world, &issuer, &grace()).await;
    assert_eq!(wrong(&ended), "signup_closed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_phone_is_asked_for_as_of_everybody_and_brings_trial_credit_once() {
    let rules = SignupRules {
        needs_phone: true,
        trial_credit: Nusd::new(5_000_000_000),
        ..WITHOUT_PHONE
    };
    on_each_database(async |database| {
        let (world, issuer) = with_provider(database, rules, |_| {}).await;
        let mut browser = Browser::new(&world);
        let page = browser.go(&world, &issuer, &grace()).await;
        let secret = page.strip_prefix("/sign-up#").expect(&page);
        assert_eq!(browser.who().await, Err(401), "not yet");
        let body = json!({"id": secret, "phone": PHONE});
        let asked = browser.post("/api/signup/phone", &body).await;
        assert_eq!(
            asked.json()["status"],
            "phone_code_required",
            "{}",
            asked.text()
        );
        let code = world.fact(PHONE, "phone_code", "code").await;
        let body = json!({"id": secret, "code": code});
        let done = browser.post("/api/signup/phone_code", &body).await;
        assert_eq!(done.json()["status"], "complete", "{}", done.text());
        let me = browser.get("/api/me").await.json();
        assert_eq!(
            (&me["phone"], &me["has_password"]),
            (&json!(PHONE), &json!(false))
        );
        // From now on the provider is enough.
        let mut elsewhere = Browser::at(&world, "203.0.113.9");
        assert_eq!(elsewhere.go(&world, &issuer, &grace()).await, "/");
        assert_eq!(elsewhere.who().await, browser.who().await);
        assert!(
            world
                .audited()
                .await
                .contains(&"login.succeeded".to_owned())
        );
    })
    .await;
}
