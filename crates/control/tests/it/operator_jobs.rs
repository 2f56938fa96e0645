//! Operators look after the queue of messages.

use std::sync::atomic::Ordering;

use domain::message::{Letter, Message};
use domain::time::AtUs;
use serde_json::{Value, json};
use store::jobs::{self, Job};
use store::page::Page;
use store::{StoreError, Tx};
use testkit::on_each_database;

use crate::people_world::Browser;
use crate::world::{World, entropy, refused};

const PATH: &str = "/api/operator/jobs";
/// What a message says and no list may.
const SECRET: &str = "482913";

/// A moment that nothing else has.
fn now(world: &World) -> AtUs {
    AtUs(world.now.fetch_add(10, Ordering::Relaxed))
}

/// A mail with a code, to be sent; of no use after a minute if `expires`.
pub(crate) async fn mail(world: &World, to: &'static str, expires: bool) -> String {
    let now = now(world);
    let write = world.store.write(move |tx| {
        let job = Job {
            key: to.into(),
            message: Message::Mail {
                to: to.into(),
                letter: Letter::EmailCode {
                    code: SECRET.into(),
                    valid_minutes: 10,
                },
            },
            expires_at: expires.then(|| now.plus(60_000_000)),
        };
        assert!(jobs::enqueue(tx, &job, now, entropy)?);
        let newest = Page {
            after: None,
            is_descending: true,
            limit: 1,
        };
        jobs::list(tx, None, &newest, now)
    });
    write.await.unwrap()[0].job.id.to_string()
}

/// Does something with the one message that is due.
pub(crate) async fn begun<T: Send + 'static>(
    world: &World,
    end: impl FnOnce(&mut Tx<'_>, &jobs::Claimed, AtUs) -> Result<T, StoreError> + Send + 'static,
) -> T {
    let now = now(world);
    let write = world.store.write(move |tx| -> Result<_, StoreError> {
        let claimed = jobs::claim(tx, 10, now, entropy)?;
        assert_eq!(claimed.len(), 1);
        end(tx, &claimed[0], now)
    });
    write.await.unwrap()
}

async fn states(operator: &mut Browser<'_>, query: &str) -> Vec<(String, String)> {
    let list = operator.get(&format!("{PATH}?{query}")).await;
    assert_eq!(list.status, 200, "{}", list.text());
    assert!(!list.text().contains(SECRET), "{}", list.text());
    let list = list.json();
    let rows = list["data"].as_array().unwrap().iter();
    let word = |row: &Value, name: &str| row[name].as_str().unwrap().to_owned();
    rows.map(|row| (word(row, "to"), word(row, "state")))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_are_listed_by_how_far_they_are_and_never_say_what_they_say() {
    on_each_database(async |database| {
        let world = World::start(database).await;
        let mut operator = world.operator().await;
        mail(&world, "done@example.com", false).await;
        assert!(begun(&world, jobs::done).await);
        mail(&world, "dead@example.com", false).await;
        assert!(
            begun(&world, |tx, job, now| jobs::bury(
                tx,
                job,
                "no such address",
                now
            ))
            .await
        );
        mail(&world, "running@example.com", false).await;
        begun(&world, |_, _, _| Ok(())).await;
        mail(&world, "waiting@example.com", false).await;
        let all = [
            ("done@example.com", "done"),
            ("dead@example.com", "dead"),
            ("running@example.com", "running"),
            ("waiting@example.com", "waiting"),
        ];
        let all = all.map(|(to, state)| (to.to_owned(), state.to_owned()));
        assert_eq!(states(&mut operator, "").await, all);
        for one in &all {
            let query = format!("state={}", one.1);
            let listed = states(&mut operator, &query).await;
            assert_eq!(listed, std::slice::from_ref(one));
        }
        assert_eq!(states(&mut operator, "limit=1&order=desc").await, all[3..]);
        let odd = operator.get(&format!("{PATH}?state=odd")).await;
        refused(&odd, 400, "state", "invalid_value");
        let counts = operator.get("/api/operator/job_counts").await.json();
        let each = json!({"waiting": 1, "running": 1, "dead": 1, "done": 1});
        assert_eq!(counts["mail"], each);
        assert_eq!(counts["sms"]["waiting"], 0);
        // A worker that died has its message until its lease is over.
        world.wait_s(3_600);
        let waiting = states(&mut operator, "state=waiting").await;
        assert_eq!(waiting.len(), 2, "{waiting:?}");
    })
    .await;
}

async fn only(operator: &mut Browser<'_>) -> Value {
    let list = operator.get(PATH).await.json();
    assert_eq!(list["data"].as_array().unwrap().len(), 1, "{list}");
    list["data"][0].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_are_sent_again_or_dropped() {
    on_each_database(async |database| {
        let world = World::start(database).await;
        let mut operator = world.operator().await;
        mail(&world, "a@example.com", true).await;
        assert!(begun(&world, |tx, job, now| jobs::bury(tx, job, "refused", now)).await);
        let dead = only(&mut operator).await;
        assert_eq!(dead["reason"], "refused");
        let path = format!("{PATH}/{}", dead["id"].as_str().unwrap());
        assert_eq!(operator.get(&path).await.json(), dead);
        let anew = operator.post(&format!("{path}/retry"), &Value::Null).await;
        let told = (&anew.json()["state"], &anew.json()["tries"]);
        assert_eq!(told, (&json!("waiting"), &json!(0)), "{}", anew.text());
        begun(&world, |_, _, _| Ok(())).await;
        let busy = operator.delete(&path).await;
        refused(&busy, 409, Value::Null, Value::Null);
        world.wait_s(3_600);
        let dropped = operator.delete(&path).await;
        assert_eq!(dropped.json()["deleted"], true, "{}", dropped.text());
        for gone in [
            operator.get(&path).await,
            operator.delete(&path).await,
            operator.post(&format!("{path}/retry"), &Value::Null).await,
        ] {
            refused(&gone, 404, Value::Null, "not_found");
        }

        mail(&world, "b@example.com", true).await;
        let later = now(&world).plus(30_000_000);
        let failed = begun(&world, move |tx, job, _| {
            jobs::try_again(tx, job, "busy", later)
        });
        assert!(failed.await);
        let waiting = only(&mut operator).await;
        let path = format!("{PATH}/{}/retry", waiting["id"].as_str().unwrap());
        let hurried = operator.post(&path, &Value::Null).await.json();
        assert!(hurried["due_at"].as_i64() < waiting["due_at"].as_i64());
        assert!(begun(&world, |tx, job, now| jobs::bury(tx, job, "refused", now)).await);
        world.wait_s(3_600);
        let over = operator.post(&path, &Value::Null).await;
        refused(&over, 400, "job_id", "invalid_value");
    })
    .await;
}
