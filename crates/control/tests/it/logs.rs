//! The log of requests: who sees what, filters, one request, and following it.

use std::sync::atomic::Ordering;

use domain::id::{KeyId, ProjectId, RequestId, UserId};
use domain::key::KeySecret;
use domain::time::{AtUs, DAY_US};
use serde_json::{Value, json};
use store::page::Page;
use store::request_log::{self, Filter, Outcome, Refused, Sight};
use store::{StoreError, keys};
use testkit::http::Request;
use testkit::on_each_database;

use crate::reports::used;
use crate::world::{START_S, World, entropy, refused};

/// A request that was refused.
pub(crate) fn refusal(world: &World, ended_at: AtUs, project: &str, key: &str) -> Refused {
    Refused {
        id: RequestId::random(ended_at, entropy),
        organization: world.made.organization.clone(),
        project: Some(ProjectId::new(project)),
        key: KeyId::new(key),
        model: Some("b".into()),
        endpoint: "chat",
        upstream: None,
        streamed: Some(true),
        started_at: ended_at.plus(-7_000),
        ended_at,
        outcome: Outcome::Refused,
        status: 429,
        error_code: Some("project_spend_limit_exceeded".into()),
        error_message: "No.".into(),
        checks: json!([{"check": "key", "verdict": "passed"}]).to_string(),
    }
}

impl World {
    /// A request that was refused so many seconds after the start.
    async fn refuse(&self, at_s: i64, project: &str, key: &str) -> String {
        let refused = refusal(self, AtUs::from_seconds(START_S + at_s), project, key);
        let id = refused.id.to_string();
        let write = self.store.write(move |tx| request_log::keep(tx, &refused));
        write.await.unwrap();
        id
    }

    async fn logs(&self, key: &KeySecret, query: &str) -> Value {
        let url = self.url(&format!("/api/logs{query}"));
        let answer = Request::get(&url)
            .bearer(key.expose())
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()
    }

    async fn own_logs(&self, query: &str) -> Value {
        let answer = self.get(&format!("/api/logs{query}")).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()
    }
}

fn ids(list: &Value) -> Vec<&str> {
    let data = list["data"].as_array().unwrap();
    data.iter().map(|it| it["id"].as_str().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_is_shown_with_what_is_known_of_it() {
    on_each_database(async |database| {
        let world = World::start(database).await;
        used(&world, 5, "a", "chat").await;
        let project = world.made.project.to_string();
        let refused_id = world.refuse(6, &project, "key_gone").await;
        world
            .now
            .store((START_S + 60) * 1_000_000, Ordering::Relaxed);
        let list = world.own_logs("").await;
        let [last, first] = &list["data"].as_array().unwrap()[..] else {
            panic!("{list}");
        };
        assert_eq!(
            (&list["has_more"], &list["next"]),
            (&json!(false), &Value::Null)
        );
        assert_eq!(first["outcome"], "ok");
        assert_eq!(first["status"], 200);
        assert_eq!(first["model"], "a");
        assert_eq!(first["project_id"], project);
        assert_eq!(first["user_id"], world.made.user.as_str());
        assert_eq!(first["tokens"]["input"], 1_005 - 333);
        assert_eq!(first["tokens"]["cached_input"], 333);
        assert_eq!(first["tokens"]["output"], 77);
        assert_eq!(first["upstream"], "u");
        assert_eq!(first["error_code"], Value::Null);
        assert_ne!(first["cost_usd"], "0.00");
        assert_eq!(last["id"], refused_id);
        assert_eq!(last["outcome"], "refused");
        assert_eq!(last["started_at_ms"], (START_S + 6) * 1_000 - 7);
        assert_eq!(last["duration_ms"], 7);
        assert_eq!(last["tokens"], Value::Null);
        assert_eq!(last["cost_usd"], "0.00");
        assert_eq!(last["streamed"], true);

        let one = world.get(&format!("/api/logs/{refused_id}")).await.json();
        assert_eq!(one["id"], refused_id);
        assert_eq!(one["receipt"], Value::Null);
        assert_eq!(one["refusal"]["code"], "project_spend_limit_exceeded");
        assert_eq!(one["refusal"]["message"], "No.");
        assert_eq!(one["refusal"]["checks"][0]["check"], "key");
        for unknown in ["req_0", &format!("req_{}", "0".repeat(32))] {
            let answer = world.get(&format!("/api/logs/{unknown}")).await;
            assert_eq!(answer.status, 404, "{}", answer.text());
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn everybody_sees_their_own_and_who_may_sees_a_projects() {
    on_each_database(async |database| {
        let world = World::start(database).await;
        let other = world
            .post("/projects", &json!({"name": "Other"}))
            .await
            .json();
        let other = other["id"].as_str().unwrap().to_owned();
        let here = world.made.project.to_string();
        let lead = world.person("lead", "reader", Some("owner")).await;
        let member = world.person("mia", "reader", Some("member")).await;
        let nobody = world.person("nob", "reader", None).await;
        let mias = member.digest();
        let read = world.store.read(move |tx| keys::ever_of_digest(tx, &mias));
        let known: Result<_, StoreError> = read.await;
        let mias = known.unwrap().unwrap().key;
        let there = world.refuse(1, &other, "key_x").await;
        let ours = world.refuse(2, &here, "key_y").await;
        let mine = world.refuse(3, &other, mias.as_str()).await;
        let owner = world.own_logs("").await;
        assert_eq!(ids(&owner), [&mine, &ours, &there]);
        assert_eq!(ids(&world.logs(&lead, "").await), [&ours]);
        let seen = world.logs(&member, "").await;
        assert_eq!(ids(&seen), [&mine]);
        assert_eq!(seen["data"][0]["user_id"], UserId::new("user-mia").as_str());
        assert!(ids(&world.logs(&nobody, "").await).is_empty());
        for (key, id, status) in [
            (&lead, &ours, 200),
            (&lead, &there, 404),
            (&member, &mine, 200),
        ] {
            let url = world.url(&format!("/api/logs/{id}"));
            let answer = Request::get(&url)
                .bearer(key.expose())
                .send()
                .await
                .unwrap();
            assert_eq!(answer.status, status, "{}", answer.text());
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_are_read_and_wrong_ones_named() {
    let world = World::start(testkit::databases::sqlite()).await;
    used(&world, 5, "a", "chat").await;
    let project = world.made.project.to_string();
    let id = world.refuse(6, &project, "key_a").await;
    let start = START_S;
    for (query, count) in [
        ("?outcome=refused", 1),
        ("?outcome=ok", 1),
        ("?status=429", 1),
        ("?error_code=project_spend_limit_exceeded", 1),
        ("?model=a", 1),
        ("?endpoint=chat", 2),
        ("?upstream=u", 1),
        ("?api_key_id=key_a", 1),
        (&format!("?user_id={}", world.made.user), 1),
        (&format!("?project_id={project}"), 2),
        ("?min_cost_usd=0.000000001", 1),
        ("?min_cost_usd=1000", 0),
        ("?min_duration_ms=7", 1),
        (&format!("?request_id={id}"), 1),
        (&format!("?start_time={}", start + 6), 1),
        (&format!("?end_time={}", start + 6), 1),
        ("?outcome=&model=", 2),
    ] {
        let list = world.own_logs(query).await;
        assert_eq!(ids(&list).len(), count, "{query}");
    }
    for (query, param) in [
        ("?outcome=good", "outcome"),
        ("?status=x", "status"),
        ("?status=1000", "status"),
        ("?min_cost_usd=-", "min_cost_usd"),
        ("?min_duration_ms=-1", "min_duration_ms"),
        ("?request_id=req_1", "request_id"),
        ("?start_time=x", "start_time"),
        ("?order=up", "order"),
        ("?after=nowhere", "after"),
        ("?limit=201", "limit"),
    ] {
        let answer = world.get(&format!("/api/logs{query}")).await;
        refused(&answer, 400, param, "invalid_value");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_follows_the_log_sees_each_request_once_and_in_order() {
    on_each_database(async |database| {
        let world = World::start(database).await;
        let project = world.made.project.to_string();
        let at = |second: i64| {
            world
                .now
                .store((START_S + second) * 1_000_000, Ordering::Relaxed)
        };
        let old = world.refuse(1, &project, "key_a").await;
        at(10);
        let list = world.own_logs("").await;
        assert_eq!(ids(&list), [&old]);
        let mut after = list["follow"].as_str().unwrap().to_owned();
        let (mut seen, mut wanted) = (Vec::new(), Vec::new());
        for second in 10..30 {
            at(second);
            wanted.push(world.refuse(second, &project, "key_a").await);
            if second % 5 == 0 {
                wanted.push(world.refuse(second, &project, "key_a").await);
            }
            let page = world
                .own_logs(&format!("?order=asc&limit=1&after={after}"))
                .await;
            seen.extend(ids(&page).into_iter().map(str::to_owned));
            after = page["next"].as_str().unwrap().to_owned();
        }
        at(60);
        loop {
            let page = world.own_logs(&format!("?order=asc&after={after}")).await;
            seen.extend(ids(&page).into_iter().map(str::to_owned));
            after = page["next"].as_str().unwrap().to_owned();
            if page["has_more"] == false {
                break;
            }
        }
        wanted.sort_unstable();
        assert_eq!(seen, wanted, "ids sort by time, too");
        let end = world.own_logs(&format!("?order=asc&after={after}")).await;
        assert_eq!((ids(&end).len(), &end["next"]), (0, &json!(after)));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_caretaker_forgets_refused_requests_whose_days_are_over() {
    on_each_database(async |database| {
        let world = World::start(database).await;
        let project = world.made.project.to_string();
        used(&world, 1, "a", "chat").await;
        world.refuse(2, &project, "key_a").await;
        let young = world.refuse(2 * 86_400, &project, "key_a").await;
        let days = |days: i64| START_S * 1_000_000 + days * DAY_US + 10_000_000;
        world.now.store(days(29), Ordering::Relaxed);
        world.caretaker.tend().await;
        assert_eq!(ids(&world.own_logs("").await).len(), 3);
        world.now.store(days(30), Ordering::Relaxed);
        world.caretaker.tend().await;
        let of = world.made.organization.clone();
        let read = world.store.read(move |tx| -> Result<_, StoreError> {
            let page = Page {
                after: None,
                is_descending: true,
                limit: 10,
            };
            request_log::list(tx, &of, (&Sight::All, &Filter::default()), &page)
        });
        let left = read.await.unwrap().entries;
        assert_eq!(left.len(), 2, "what was charged stays");
        assert_eq!(left[0].id, young);
    })
    .await;
}
