//! A person's key at the real binary: restricted, rotated and revoked, from the next request on;
//! and on another node within the time that changes take.

use std::time::Instant;

use http::Method;
use serde_json::{Value, json};
use testkit::http::{Answer, Request};
use testkit::{PATIENCE, Reply, Upstream, eventually, on_each_database};

use crate::place::Place;

/// Whoever manages the keys of the project that an installation begins with.
struct Owner {
    admin_key: String,
    keys: String,
}

impl Owner {
    fn of(made: &Value) -> Owner {
        let text = |name: &str| made[name].as_str().unwrap().to_owned();
        Owner {
            admin_key: text("admin_key"),
            keys: format!("/api/projects/{}/keys", text("project_id")),
        }
    }

    async fn send(&self, place: &Place, method: Method, path: &str, body: &Value) -> Value {
        let url = place.url(&format!("{}{path}", self.keys));
        let request = Request::new(method, &url).bearer(&self.admin_key);
        let answer = request.json(body).send().await.unwrap();
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()
    }

    async fn post(&self, place: &Place, path: &str, body: Value) -> Value {
        self.send(place, Method::POST, path, &body).await
    }
}

async fn chat(place: &Place, key: &str, from: &str) -> Answer {
    let body = json!({
        "model": "m", "max_tokens": 5, "messages": [{"role": "user", "content": "Hi"}],
    });
    let request = Request::post(&place.url("/v1/chat/completions")).bearer(key);
    let request = request.header("x-forwarded-for", from).json(&body);
    request.send().await.unwrap()
}

fn code(answer: &Answer) -> (u16, Value) {
    (answer.status, answer.json()["error"]["code"].clone())
}

const OFFICE: &str = "203.0.113.9";
const HOME: &str = "198.51.100.9";

#[tokio::test(flavor = "multi_thread")]
async fn a_key_obeys_from_the_next_request_on() {
    on_each_database(async |database| {
        let upstream = Upstream::start(|_| Reply::chat_with_usage("Hello.", 1, 2)).await;
        let place = Place::new(&database.url, &upstream.base_url());
        let owner = Owner::of(&place.set_up("1"));
        let mut server = place.serve().await;
        let asked = json!({"name": "CI", "ip_ranges": ["203.0.113.0/24"]});
        let made = owner.post(&place, "", asked).await;
        let (first, one) = (
            made["value"].as_str().unwrap(),
            format!("/{}", made["id"].as_str().unwrap()),
        );
        assert_eq!(chat(&place, first, OFFICE).await.status, 200);
        let outside = (401, "ip_not_authorized".into());
        assert_eq!(code(&chat(&place, first, HOME).await), outside);
        owner.post(&place, &one, json!({"ip_ranges": null})).await;
        assert_eq!(chat(&place, first, HOME).await.status, 200);

        let asked = json!({"permissions": "read_only"});
        owner.post(&place, &one, asked).await;
        let lacks = (403, "missing_scope".into());
        assert_eq!(code(&chat(&place, first, HOME).await), lacks);
        let asked = json!({"resources": {"chat_completions": "request"}});
        owner.post(&place, &one, asked).await;
        assert_eq!(chat(&place, first, HOME).await.status, 200);

        let rotated = owner
            .post(&place, &format!("{one}/rotate"), json!({}))
            .await;
        let second = rotated["value"].as_str().unwrap();
        for secret in [first, second] {
            assert_eq!(chat(&place, secret, HOME).await.status, 200);
        }
        let at_once = json!({"grace_seconds": 0});
        let rotated = owner.post(&place, &format!("{one}/rotate"), at_once).await;
        let third = rotated["value"].as_str().unwrap();
        let dead = (401, "invalid_api_key".into());
        for secret in [first, second] {
            assert_eq!(code(&chat(&place, secret, HOME).await), dead);
        }
        assert_eq!(chat(&place, third, HOME).await.status, 200);
        owner.send(&place, Method::DELETE, &one, &json!({})).await;
        assert_eq!(code(&chat(&place, third, HOME).await), dead);

        server.signal("TERM");
        server.wait(PATIENCE).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_one_node_revokes_is_refused_by_the_other() {
    let database = testkit::databases::postgres().await;
    let upstream = Upstream::start(|_| Reply::chat_with_usage("Hello.", 1, 2)).await;
    let places = [(); 2].map(|()| Place::new(&database.url, &upstream.base_url()));
    let owner = Owner::of(&places[0].set_up("1"));
    let mut servers = Vec::new();
    for place in &places {
        servers.push(place.serve().await);
    }
    let [here, there] = &places;
    let made = owner.post(here, "", json!({"name": "CI"})).await;
    let (first, one) = (
        made["value"].as_str().unwrap(),
        format!("/{}", made["id"].as_str().unwrap()),
    );
    eventually("the other node knows the key", async || {
        chat(there, first, HOME).await.status == 200
    })
    .await;
    eventually("its use is noted", async || {
        let key = owner.send(here, Method::GET, &one, &json!({})).await;
        !key["last_used_at"].is_null()
    })
    .await;
    let rotated = owner.post(here, &format!("{one}/rotate"), json!({})).await;
    let second = rotated["value"].as_str().unwrap();
    eventually("the other node knows the new secret", async || {
        chat(there, second, HOME).await.status == 200
    })
    .await;
    assert_eq!(chat(there, first, HOME).await.status, 200, "the grace");

    owner.send(here, Method::DELETE, &one, &json!({})).await;
    let began = Instant::now();
    for secret in [first, second] {
        assert_eq!(chat(here, secret, HOME).await.status, 401, "at once here");
    }
    eventually("the other node has heard of it", async || {
        let first = chat(there, first, HOME).await.status;
        let second = chat(there, second, HOME).await.status;
        (first, second) == (401, 401)
    })
    .await;
    eprintln!("revoked on the other node after {:?}", began.elapsed());
    for mut server in servers {
        server.signal("TERM");
        server.wait(PATIENCE).await;
    }
}
