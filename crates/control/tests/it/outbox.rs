//! `GET /api/outbox`: for who is at home, and for nobody else.

use std::sync::atomic::Ordering;

use domain::message::{Message, Text};
use domain::time::AtUs;
use http::Method;
use store::StoreError;
use store::jobs::{self, Job};
use store::outbox::Kept;
use testkit::http::{Answer, Request};
use testkit::on_each_database;

use crate::world::{World, entropy, refused};

/// Keeps a message in the outbox, as a worker does.
async fn keep(world: &World, key: &str) {
    let text = Text::PhoneCode {
        code: "482913".into(),
        valid_minutes: 10,
    };
    let job = Job {
        key: key.into(),
        message: Message::Sms {
            to: "+4930123456".into(),
            text,
        },
        expires_at: None,
    };
    let now = AtUs(world.now.fetch_add(1_000_000, Ordering::Relaxed));
    let kept = Kept {
        text: format!("Message {key}"),
        ..Kept::default()
    };
    let write = world.store.write(move |tx| {
        jobs::enqueue(tx, &job, now, entropy)?;
        let claimed = jobs::claim(tx, 1, now, entropy)?.remove(0);
        assert!(jobs::done_into_outbox(tx, &claimed, &kept, now)?);
        Ok::<_, StoreError>(())
    });
    write.await.unwrap();
}

/// Without a key, as a browser asks.
async fn ask(world: &World, path: &str, headers: &[(&str, &str)]) -> Answer {
    let mut request = Request::new(Method::GET, &world.url(path));
    for (name, value) in headers {
        request = request.header(name, value);
    }
    request.send().await.unwrap()
}

#[tokio::test]
async fn messages_are_listed_newest_first_page_by_page() {
    on_each_database(async |database| {
        let world = World::start(database).await;
        let empty = ask(&world, "/api/outbox", &[]).await;
        assert_eq!(empty.json()["data"], serde_json::json!([]));
        for key in ["1", "2", "3"] {
            keep(&world, key).await;
        }
        let first = ask(&world, "/api/outbox?limit=2", &[]).await;
        assert_eq!(first.status, 200, "{}", first.text());
        let page = first.json();
        assert_eq!(page["data"][0]["text"], "Message 3");
        assert_eq!(page["data"][1]["text"], "Message 2");
        assert_eq!(page["has_more"], true);
        let message = &page["data"][0];
        assert_eq!(message["object"], "outbox.message");
        assert_eq!(message["channel"], "sms");
        assert_eq!(message["to"], "+4930123456");
        assert_eq!(message["subject"], serde_json::Value::Null);
        assert_eq!(message["html"], serde_json::Value::Null);
        assert_eq!(message["attachments"], serde_json::json!([]));
        assert_eq!(message["created_at"], 1_800_000_002);

        let after = page["last_id"].as_str().unwrap();
        let rest = ask(&world, &format!("/api/outbox?after={after}"), &[]).await;
        let rest = rest.json();
        assert_eq!(rest["data"][0]["text"], "Message 1");
        assert_eq!(rest["has_more"], false);

        let unknown = ask(&world, "/api/outbox?after=job_none", &[]).await;
        refused(&unknown, 400, "after", "invalid_value");
        let limit = ask(&world, "/api/outbox?limit=0", &[]).await;
        refused(&limit, 400, "limit", "invalid_value");
    })
    .await;
}

#[tokio::test]
async fn who_may_come_from_elsewhere_finds_nothing() {
    let world = World::start(testkit::databases::sqlite()).await;
    keep(&world, "1").await;
    assert_eq!(ask(&world, "/api/outbox", &[]).await.status, 200);
    assert_eq!(
        ask(&world, "/api/outbox", &[("host", "localhost")])
            .await
            .status,
        200
    );
    for header in [
        ("host", "evil.example"),
        ("host", "127.0.0.1.evil.example"),
        ("x-forwarded-for", "127.0.0.1"),
        ("x-real-ip", "127.0.0.1"),
        ("x-forwarded-host", "localhost"),
        ("forwarded", "for=127.0.0.1"),
        ("via", "1.1 proxy"),
    ] {
        let answer = ask(&world, "/api/outbox", &[header]).await;
        refused(
            &answer,
            404,
            serde_json::Value::Null,
            serde_json::Value::Null,
        );
        assert!(!answer.text().contains("Message"), "{header:?}");
    }
    // An installation that is reached from elsewhere, or sends what it writes.
    let world = World::start_showing(testkit::databases::sqlite(), false).await;
    keep(&world, "1").await;
    let answer = ask(&world, "/api/outbox", &[]).await;
    refused(
        &answer,
        404,
        serde_json::Value::Null,
        serde_json::Value::Null,
    );
}
