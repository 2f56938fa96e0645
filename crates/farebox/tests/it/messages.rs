//! The real binary sends what is in its queue: into the outbox, unless it is told better.

use domain::message::{Message, Text};
use domain::time::{AtUs, Clock};
use std::sync::Arc;
use store::jobs::{self, Job};
use store::{DatabaseUrl, Options, Role, Store, StoreError};
use testkit::http::{Answer, get};
use testkit::{eventually, on_each_database};

use crate::place::Place;

fn entropy(bytes: &mut [u8]) {
    getrandom::fill(bytes).unwrap();
}

/// Puts a text message into the queue from outside the server.
async fn enqueue(database_url: &str, key: &str) {
    let clock: Clock = Arc::new(|| AtUs(0));
    let options = Options {
        url: DatabaseUrl::parse(database_url).unwrap(),
        role: Role::Command,
        ballast_bytes: 0,
        clock,
    };
    let store = Store::open(options).await.unwrap();
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
    let write = store.write(move |tx| jobs::enqueue(tx, &job, AtUs(0), entropy));
    assert!(write.await.map_err(|error: StoreError| error).unwrap());
    store.close().await;
}

async fn outbox(place: &Place) -> Answer {
    get(&place.url("/api/outbox"), "").await
}

#[tokio::test]
async fn messages_are_kept_in_the_outbox_and_metered() {
    on_each_database(async |database| {
        let place = Place::new(&database.url, "http://127.0.0.1:9/v1");
        place.set_up("1");
        enqueue(&database.url, "a").await;
        let mut server = place.serve().await;
        eventually("what waited is kept", async || {
            outbox(&place).await.json()["data"][0]["to"] == "+4930123456"
        })
        .await;
        enqueue(&database.url, "b").await;
        eventually("what another process put in is kept", async || {
            outbox(&place).await.json()["data"]
                .as_array()
                .unwrap()
                .len()
                == 2
        })
        .await;
        eventually("the meters tell", async || {
            let meters = get(&place.url("/metrics"), "").await.text();
            let tried = "farebox_message_tries_total{channel=\"sms\",end=\"kept\"} 2";
            let waiting = "farebox_messages{channel=\"sms\",state=\"waiting\"} 0";
            meters.contains(tried) && meters.contains(waiting)
        })
        .await;
        server.signal("TERM");
        assert!(server.wait(testkit::PATIENCE).await.success());
        let log = server.stderr();
        for private in ["482913", "4930123456"] {
            assert!(!log.contains(private), "{log}");
        }
    })
    .await;
}

/// Reached under another name, it is not at home.
#[tokio::test]
async fn an_installation_with_a_public_name_does_not_show_its_outbox() {
    let database = testkit::databases::sqlite();
    let place = Place::new(&database.url, "http://127.0.0.1:9/v1");
    place.set_up("1");
    let file = place.path().join("farebox.toml");
    let config = std::fs::read_to_string(&file).unwrap();
    let at_home = format!("public_url = \"http://127.0.0.1:{}\"", place.port);
    assert!(config.contains(&at_home));
    place.write(
        "farebox.toml",
        &config.replace(&at_home, "public_url = \"https://ai.example.com\""),
    );
    let _server = place.serve().await;
    let answer = outbox(&place).await;
    assert_eq!(answer.status, 404, "{}", answer.text());
}
