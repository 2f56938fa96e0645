//! The operator signs in at the real binary, and what they decide is in force on real calls.

use std::sync::atomic::{AtomicBool, Ordering};

use domain::money::Nusd;
use serde_json::{Value, json};
use testkit::http::{Answer, Request};
use testkit::{PATIENCE, Reply, Upstream, eventually, on_each_database};

use crate::people::Browser;
use crate::place::Place;

async fn chat(place: &Place, key: &str) -> Answer {
    let body = json!({"model": "m", "messages": [{"role": "user", "content": "Hi"}]});
    let request = Request::post(&place.url("/v1/chat/completions")).bearer(key);
    request.json(&body).send().await.unwrap()
}

async fn operator<'a>(place: &'a Place, made: &Value) -> Browser<'a> {
    let mut browser = Browser {
        place,
        cookie: String::new(),
    };
    let credentials = json!({"email": "ada@example.com", "password": made["password"]});
    browser.post("/api/sessions", &credentials).await;
    browser
}

/// The next request is refused while the organization is suspended, and served again after it.
async fn suspend_and_resume(place: &Place, key: &str, operator: &mut Browser<'_>, path: &str) {
    assert_eq!(chat(place, key).await.status, 200);
    let reason = json!({"reason": "Unpaid"});
    operator.post(&format!("{path}/suspend"), &reason).await;
    let refused = chat(place, key).await;
    assert_eq!(refused.status, 429, "{}", refused.text());
    assert_eq!(refused.json()["error"]["code"], "billing_not_active");
    operator.post(&format!("{path}/resume"), &json!({})).await;
    assert_eq!(chat(place, key).await.status, 200);
}

/// How a proof of the books ends.
async fn proof(operator: &mut Browser<'_>) -> Value {
    let proofs = "/api/operator/ledger/verifications";
    let begun = operator.post(proofs, &Value::Null).await;
    let proof = format!("{proofs}/{}", begun["id"].as_str().unwrap());
    let mut state = Value::Null;
    eventually("the proof ends", async || {
        state = operator.get(&proof).await["state"].clone();
        state != "running"
    })
    .await;
    state
}

#[tokio::test(flavor = "multi_thread")]
async fn an_organization_is_suspended_and_resumed_and_its_credit_corrected_under_load() {
    on_each_database(async |database| {
        let upstream = Upstream::start(|_| Reply::chat_with_usage("Hello.", 10, 100)).await;
        let place = Place::new(&database.url, &upstream.base_url());
        let made = place.set_up("10");
        let key = made["api_key"].as_str().unwrap();
        let mut server = place.serve().await;
        let mut operator = operator(&place, &made).await;
        let organization = made["organization_id"].as_str().unwrap();
        let path = format!("/api/operator/organizations/{organization}");
        suspend_and_resume(&place, key, &mut operator, &path).await;

        // Money is spent and taken back at the same time: never more than there is.
        let stop = AtomicBool::new(false);
        let spend = async || {
            let mut served = 0;
            while !stop.load(Ordering::Relaxed) {
                served += u32::from(chat(&place, key).await.status == 200);
            }
            served
        };
        let cookie = operator.cookie.clone();
        let correct = async {
            let mut taken = 0;
            for number in 0..20 {
                let body = json!({"amount_usd": "0.25", "reason": "a", "key": number.to_string()});
                let request = Request::post(&place.url(&format!("{path}/adjustments")));
                let request = request.header("cookie", &cookie).json(&body);
                let status = request.send().await.unwrap().status;
                // On PostgreSQL it may all be leased: then nothing is free to be taken.
                assert!([200, 400].contains(&status), "{status}");
                taken += i64::from(status == 200);
            }
            stop.store(true, Ordering::Relaxed);
            taken
        };
        let (one, other, taken) = tokio::join!(spend(), spend(), correct);
        assert!(one + other > 0, "some were served meanwhile");
        eventually("all is at rest", async || {
            operator.get(&path).await["held_usd"] == "0.00"
        })
        .await;
        let shown = operator.get(&path).await;
        let balance = shown["balance_usd"].as_str().unwrap();
        let spent = shown["spent_this_month_usd"].as_str().unwrap();
        let usd = |text: &str| Nusd::parse_usd(text).unwrap();
        let left = usd("10") - Nusd::new(taken * 250_000_000);
        assert_eq!(
            usd(balance) + usd(spent),
            left,
            "{taken} times 0.25 were taken"
        );
        if database.url.starts_with("sqlite") {
            assert_eq!(taken, 20);
        }

        assert_eq!(proof(&mut operator).await, "proved");
        server.signal("TERM");
        server.wait(PATIENCE).await;
        let verified = place.run(&["ledger", "verify"]);
        assert!(verified.status.success(), "the books are in order");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_settings_in_force_are_shown_without_secrets() {
    let upstream = Upstream::start(|_| Reply::chat_with_usage("Hello.", 10, 100)).await;
    let database = testkit::databases::sqlite();
    let place = Place::new(&database.url, &upstream.base_url());
    let made = place.set_up("10");
    let mut server = place.serve().await;
    let mut operator = operator(&place, &made).await;
    let settings = operator.get("/api/operator/settings").await;
    assert_eq!(settings["file"], "farebox.toml");
    let toml = settings["toml"].as_str().unwrap();
    assert!(
        toml.contains("[limits]") && toml.contains(&upstream.base_url()),
        "{toml}"
    );
    let stated = settings["stated"].as_array().unwrap().iter();
    let names: Vec<&str> = stated.map(|it| it["name"].as_str().unwrap()).collect();
    assert!(names.contains(&"listen"), "{names:?}");
    assert!(names.contains(&"models[0].id"), "{names:?}");
    server.signal("TERM");
    server.wait(PATIENCE).await;
}
