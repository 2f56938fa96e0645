//! What goes wrong on the way to a provider and back ends on a page, and signs nobody in.

use std::time::Duration;

use farebox_control::Providers;
use serde_json::{Value, json};
use testkit::issuer::Issuer;
use testkit::{Reply, on_each_database};

use crate::people_oidc_world::{HERE, grace, settings, with_provider, wrong};
use crate::people_world::{Browser, WITHOUT_PHONE, sign_up};
use crate::world::{START_S, World, refused};

#[tokio::test(flavor = "multi_thread")]
async fn a_callback_is_good_once_in_the_browser_that_began_it_and_soon() {
    on_each_database(async |database| {
        let (world, issuer) = with_provider(database, WITHOUT_PHONE, |_| {}).await;
        let mut browser = Browser::new(&world);
        // Another browser: with none of its own, and with one.
        let there = browser.follow("/api/sso/acme/start").await;
        let back = issuer.sign_in(&there, &grace());
        let mut victim = Browser::new(&world);
        assert_eq!(wrong(&victim.follow(&back).await), "sso_expired");
        victim.follow("/api/sso/acme/start").await;
        assert_eq!(wrong(&victim.follow(&back).await), "sso_expired");
        assert_eq!(victim.who().await, Err(401));
        // The right one is none the worse for it; but once.
        assert_eq!(browser.follow(&back).await, format!("{HERE}/"));
        assert_eq!(wrong(&browser.follow(&back).await), "sso_expired");
        assert_eq!(issuer.asked("/token"), 1, "nobody else's code was redeemed");

        // Another code for the same attempt.
        let replayed = issuer.sign_in(&there, &grace());
        assert_eq!(wrong(&browser.follow(&replayed).await), "sso_expired");

        let there = browser.follow("/api/sso/acme/start").await;
        let back = issuer.sign_in(&there, &grace());
        world.wait_s(600);
        assert_eq!(wrong(&browser.follow(&back).await), "sso_expired");
        for odd in ["", "?code=x", "?state=short&code=x", "?state=%00&code=x"] {
            let path = format!("/api/sso/acme/callback{odd}");
            let answer = browser.get(&path).await;
            match answer.header("location") {
                Some(page) => assert_eq!(wrong(page), "sso_expired"),
                None => refused(&answer, 400, "state", "invalid_value"),
            }
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_callbacks_at_once_are_one() {
    on_each_database(async |database| {
        let (world, issuer) = with_provider(database, WITHOUT_PHONE, |_| {}).await;
        let mut browser = Browser::new(&world);
        let there = browser.follow("/api/sso/acme/start").await;
        let back = issuer.sign_in(&there, &grace());
        let path = back.strip_prefix(HERE).unwrap();
        let tries: Vec<_> = (0..8)
            .map(|_| {
                let request = browser.request(http::Method::GET, path);
                tokio::spawn(async move {
                    let answer = request.send().await.unwrap();
                    answer.header("location").unwrap() == format!("{HERE}/")
                })
            })
            .collect();
        let mut entered = 0;
        for one in tries {
            entered += u32::from(one.await.unwrap());
        }
        assert_eq!((entered, issuer.asked("/token")), (1, 1));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_of_another_provider_is_not_taken() {
    let (honest, evil) = (Issuer::start(START_S).await, Issuer::start(START_S).await);
    let mut other = settings(&evil);
    other.id = "evil".into();
    let providers = Providers::new(vec![settings(&honest), other]).unwrap();
    let database = testkit::databases::sqlite();
    let world = World::start_with_providers(database, WITHOUT_PHONE, providers).await;
    let mut browser = Browser::new(&world);
    // The evil one sends the browser on to the honest one's callback, and waits for the code.
    let there = browser.follow("/api/sso/acme/start").await;
    let back = honest.sign_in(&there, &grace());
    let mixed = back.replace("/acme/", "/evil/");
    assert_eq!(wrong(&browser.follow(&mixed).await), "sso_expired");
    let there = browser.follow("/api/sso/evil/start").await;
    let back = honest.send_back(&there, "code=stolen");
    assert_eq!(wrong(&browser.follow(&back).await), "sso_failed", "iss");
    assert_eq!((honest.asked("/token"), evil.asked("/token")), (0, 0));
    // A provider that always says who it is says so.
    let there = browser.follow("/api/sso/acme/start").await;
    let back = honest.sign_in(&there, &grace());
    let nameless = back.split("&iss=").next().unwrap();
    assert_eq!(wrong(&browser.follow(nameless).await), "sso_failed");
    assert_eq!(browser.who().await, Err(401));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_provider_says_instead_of_a_code_is_told() {
    let (world, issuer) = with_provider(testkit::databases::sqlite(), WITHOUT_PHONE, |_| {}).await;
    let mut browser = Browser::new(&world);
    for (answer, code) in [
        ("error=access_denied", "sso_denied"),
        ("error=access_denied&code=x", "sso_denied"),
        ("error=login_required", "sso_failed"),
        ("error=%3Cscript%3E", "sso_failed"),
        ("error=temporarily_unavailable", "sso_unavailable"),
        ("code=made+up", "sso_failed"),
        ("nothing=1", "sso_failed"),
    ] {
        let there = browser.follow("/api/sso/acme/start").await;
        let back = issuer.send_back(&there, answer);
        let page = browser.follow(&back).await;
        assert_eq!(
            page,
            format!("{HERE}/sign-in?error={code}&provider=acme"),
            "{answer}"
        );
    }
    assert_eq!(browser.who().await, Err(401));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_is_down_slow_or_broken_is_told_of_and_not_asked_for_everybody() {
    let (world, mut issuer) =
        with_provider(testkit::databases::sqlite(), WITHOUT_PHONE, |settings| {
            settings.timeout = Duration::from_millis(300);
        })
        .await;
    let mut member = sign_up(&world, "eve@example.com").await;
    let mut browser = Browser::new(&world);
    let discovery = "/.well-known/openid-configuration";
    for reply in [
        Reply::json(500, &json!({})),
        Reply::json(404, &json!({})),
        Reply::raw(200, "text/html", "<html>"),
        Reply::json(200, &json!({"issuer": "https://evil.example"})),
        Reply::raw(200, "application/json", vec![b' '; 300 * 1024]),
        Reply::hang(),
        Reply::refuse(),
    ] {
        issuer.set_reply(discovery, Some(reply));
        let asked = issuer.asked(discovery);
        for _ in 0..3 {
            let page = browser.follow("/api/sso/acme/start").await;
            assert_eq!(wrong(&page), "sso_unavailable");
        }
        let answer = member
            .post("/api/me/identities", &json!({"provider": "acme"}))
            .await;
        refused(&answer, 502, Value::Null, "sso_unavailable");
        assert_eq!(
            issuer.asked(discovery),
            asked + 1,
            "a failure is remembered"
        );
        world.wait_s(5);
    }
    issuer.set_reply(discovery, None);
    assert_eq!(browser.go(&world, &issuer, &grace()).await, "/");
    for path in ["/token", "/jwks"] {
        for reply in [
            Reply::json(503, &json!({"error": "server_error"})),
            Reply::raw(200, "application/json", "[]"),
            Reply::hang(),
        ] {
            world.wait_s(3_600);
            issuer.set_reply(path, Some(reply));
            let page = browser.go(&world, &issuer, &grace()).await;
            assert_eq!(wrong(&page), "sso_unavailable", "{path}");
        }
        issuer.set_reply(path, None);
    }
    world.wait_s(5);
    assert_eq!(browser.go(&world, &issuer, &grace()).await, "/");
    issuer.stop();
    world.wait_s(3_600);
    let page = browser.follow("/api/sso/acme/start").await;
    assert_eq!(wrong(&page), "sso_unavailable");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_with_the_wrong_secret_is_the_operators_trouble() {
    let (world, issuer) = with_provider(testkit::databases::sqlite(), WITHOUT_PHONE, |settings| {
        settings.client_secret = None;
    })
    .await;
    let page = Browser::new(&world).go(&world, &issuer, &grace()).await;
    assert_eq!(wrong(&page), "sso_failed");
}

#[tokio::test(flavor = "multi_thread")]
async fn browsers_of_one_network_are_sent_so_often_and_no_more() {
    let (world, _issuer) = with_provider(testkit::databases::sqlite(), WITHOUT_PHONE, |_| {}).await;
    let mut flood = Browser::at(&world, "203.0.113.9");
    let mut sent = 0;
    loop {
        let page = flood.follow("/api/sso/acme/start").await;
        if page.starts_with(HERE) {
            assert_eq!(wrong(&page), "too_many_attempts");
            break;
        }
        sent += 1;
        assert!(sent <= 100, "and so on");
    }
    assert_eq!(sent, 100);
    let page = Browser::new(&world).follow("/api/sso/acme/start").await;
    assert!(!page.starts_with(HERE), "from elsewhere: {page}");
}
