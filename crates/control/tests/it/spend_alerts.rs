//! Spend alerts: made, listed, changed, told of by mail, deleted.

// SQL in a test: mails are looked at before a worker sends them.

use domain::admission::Crossing;
use domain::id::BudgetId;
use domain::money::Nusd;
use domain::time::AtUs;
use serde_json::{Value, json};
use store::budgets;
use testkit::on_each_database;

use crate::world::{START_S, World, entropy, refused};

fn asked(cents: i64, recipients: &[&str]) -> Value {
    json!({
        "threshold_amount": cents, "currency": "USD", "interval": "month",
        "notification_channel": {
            "type": "email", "recipients": recipients, "subject_prefix": "Money",
        },
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alert_from_its_creation_to_its_end() {
    on_each_database(async |database| {
        let world = World::start(database).await;
        let project = format!("/projects/{}/spend_alerts", world.made.project);
        for (path, of) in [("/spend_alerts", "organization"), (&project, "project")] {
            let made = world
                .post(path, &asked(500, &["Ada@example.com"]))
                .await
                .json();
            let id = made["id"].as_str().unwrap();
            assert!(id.starts_with("alert_"));
            let mut wanted = asked(500, &["ada@example.com"]);
            wanted["object"] = json!(format!("{of}.spend_alert"));
            wanted["id"] = json!(id);
            assert_eq!(made, wanted);
            let one = format!("{path}/{id}");
            assert_eq!(world.get(&one).await.json(), made);
            let changed = world
                .post(&one, &asked(0, &["b@c.d", "e@f.g"]))
                .await
                .json();
            assert_eq!(changed["threshold_amount"], 0);
            assert_eq!(world.get(&one).await.json(), changed);
            // It is no budget to whoever looks at those.
            assert_eq!(world.get("/api/budgets").await.json()["data"], json!([]));
            let budget = world.get(&format!("/api/budgets/{id}")).await;
            refused(&budget, 404, Value::Null, "not_found");
            let gone = world.delete(&one).await.json();
            let deleted =
                json!({"object": format!("{of}.spend_alert.deleted"), "id": id, "deleted": true});
            assert_eq!(gone, deleted);
            refused(&world.get(&one).await, 404, Value::Null, "not_found");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn alerts_are_listed_from_either_end() {
    let world = World::start(testkit::databases::sqlite()).await;
    let mut ids = Vec::new();
    for cents in 1..=4 {
        let made = world
            .post("/spend_alerts", &asked(cents, &["a@b.c"]))
            .await
            .json();
        ids.push(made["id"].as_str().unwrap().to_owned());
    }
    for (query, wanted, more) in [
        (String::new(), vec![0, 1, 2, 3], false),
        ("order=desc&limit=3".into(), vec![3, 2, 1], true),
        (format!("after={}&limit=2", ids[0]), vec![1, 2], true),
        (format!("before={}&limit=2", ids[3]), vec![1, 2], true),
        (format!("before={}", ids[0]), vec![], false),
        (
            format!("after={}&before={}", ids[0], ids[3]),
            vec![1, 2],
            false,
        ),
        (format!("order=desc&after={}", ids[1]), vec![0], false),
    ] {
        let list = world.get(&format!("/spend_alerts?{query}")).await.json();
        let rows = list["data"].as_array().unwrap().iter();
        let found: Vec<&str> = rows.map(|row| row["id"].as_str().unwrap()).collect();
        let wanted: Vec<&str> = wanted.into_iter().map(|at: usize| &*ids[at]).collect();
        assert_eq!(
            (found, &list["has_more"]),
            (wanted, &json!(more)),
            "{query}"
        );
    }
    let unknown = world.get("/spend_alerts?before=alert_no").await;
    refused(&unknown, 400, "before", "invalid_value");
    // A project's are its own.
    let project = format!("/projects/{}/spend_alerts", world.made.project);
    assert_eq!(world.get(&project).await.json()["data"], json!([]));
    let one = format!("{project}/{}", ids[0]);
    refused(&world.get(&one).await, 404, Value::Null, "not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_reached_is_told_once_to_everybody() {
    on_each_database(async |database| {
        let world = World::start(database).await;
        let alert = asked(500, &["a@b.c", "d@e.f"]);
        let made = world.post("/spend_alerts", &alert).await.json();
        let crossing = Crossing {
            budget: BudgetId::new(made["id"].as_str().unwrap()),
            window_at: AtUs::from_seconds(START_S),
            threshold: 100,
            limit: Nusd::from_cents(500).unwrap(),
            spent: Nusd::from_cents(501).unwrap(),
            at: AtUs::from_seconds(START_S + 7),
        };
        for _ in 0..2 {
            let (organization, crossings) = (world.made.organization.clone(), [crossing.clone()]);
            let keep = move |tx: &mut store::Tx<'_>| {
                budgets::keep_events(tx, &organization, &crossings, entropy)
            };
            let kept: Result<(), store::StoreError> = world.store.write(keep).await;
            kept.unwrap();
        }
        let read = |tx: &mut store::Tx<'_>| {
            tx.query(
                "SELECT recipient, template, facts FROM jobs ORDER BY recipient",
                &[],
            )
        };
        let mails: Result<_, store::StoreError> = world.store.read(read).await;
        let mails = mails.unwrap();
        let to: Vec<&str> = mails.iter().map(|mail| mail.text(0).unwrap()).collect();
        assert_eq!(to, ["a@b.c", "d@e.f"]);
        let facts = mails[0].text(2).unwrap();
        assert!(facts.contains("Acme") && facts.contains("5.01"), "{facts}");
        assert!(facts.contains("Money"), "how its subject begins: {facts}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_alert_is_refused_and_named() {
    let world = World::start(testkit::databases::sqlite()).await;
    let mut bad = Vec::new();
    for (param, value, code) in [
        (
            "threshold_amount",
            Value::Null,
            "missing_required_parameter",
        ),
        ("threshold_amount", json!(-1), "invalid_value"),
        ("threshold_amount", json!(1.5), "invalid_value"),
        ("currency", json!("EUR"), "invalid_value"),
        ("interval", Value::Null, "missing_required_parameter"),
        (
            "notification_channel",
            Value::Null,
            "missing_required_parameter",
        ),
    ] {
        let mut body = asked(5, &["a@b.c"]);
        body[param] = value;
        bad.push((body, param, code));
    }
    for (member, value, param, code) in [
        (
            "type",
            json!("sms"),
            "notification_channel.type",
            "invalid_value",
        ),
        (
            "recipients",
            json!([]),
            "notification_channel.recipients",
            "invalid_value",
        ),
        (
            "recipients",
            json!(["x"]),
            "notification_channel.recipients[0]",
            "invalid_value",
        ),
        (
            "recipients",
            json!("x"),
            "notification_channel.recipients",
            "invalid_type",
        ),
    ] {
        let mut body = asked(5, &["a@b.c"]);
        body["notification_channel"][member] = value;
        bad.push((body, param, code));
    }
    for (body, param, code) in bad {
        refused(&world.post("/spend_alerts", &body).await, 400, param, code);
    }
}
