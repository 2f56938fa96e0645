//! Operators let organizations spend before they pay, and give credit that expires.

use std::sync::atomic::Ordering;

use domain::lease::PotId;
use domain::money::Nusd;
use domain::time::DAY_US;
use serde_json::{Value, json};
use store::{Tx, verify};
use testkit::on_each_database;

use crate::world::{World, refused};

async fn assert_proved(world: &World) {
    let prove = |tx: &mut Tx<'_>| verify::verify(tx);
    let report = world.store.read(prove).await.unwrap();
    assert!(report.holds(), "{:?}", report.checks);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_credit_line_is_opened_lowered_and_ended() {
    on_each_database(async |database| {
        let world = World::start(database).await;
        let mut operator = world.operator().await;
        let of = format!("/api/operator/organizations/{}", world.made.organization);
        let path = format!("{of}/overdraft");
        let none = operator.get(&path).await.json();
        assert_eq!(none["line_usd"], "0.00");
        let line = |amount: &str, key: &str| {
            json!({"line_usd": amount, "reason": "Pays by invoice", "key": key})
        };
        let opened = operator.post(&path, &line("500", "a")).await.json();
        assert_eq!(opened["line_usd"], "500.00", "{opened}");
        assert_eq!(opened["used_usd"], "0.00");
        assert_eq!(opened["balance_usd"], "100.00", "a line is no credit");
        assert_eq!(operator.get(&of).await.json()["balance_usd"], "100.00");
        let again = operator.post(&path, &line("500", "a")).await.json();
        assert_eq!(again, opened);
        // Under a key that is known nothing else is done: neither another line, whichever way, nor
        // what another endpoint did under it.
        let credit = json!({"amount_usd": "1", "reason": "Gift", "key": "gift"});
        let given = operator.post(&format!("{of}/credits"), &credit).await;
        assert_eq!(given.status, 200);
        for (amount, key) in [("500.01", "a"), ("0", "a"), ("700", "gift")] {
            let other = operator.post(&path, &line(amount, key)).await;
            refused(&other, 409, "key", "idempotency_key_reused");
        }
        assert_eq!(operator.get(&path).await.json()["line_usd"], "500.00");
        let back = json!({"amount_usd": "1", "reason": "Slip", "key": "slip"});
        let taken = operator.post(&format!("{of}/adjustments"), &back).await;
        assert_eq!(taken.status, 200);
        for (amount, key, wanted) in [("700.5", "b", "700.50"), ("200", "c", "200.00")] {
            let changed = operator.post(&path, &line(amount, key)).await.json();
            assert_eq!(changed["line_usd"], wanted, "{changed}");
        }
        let log = world.get("/audit_logs?limit=1").await.json();
        let entry = &log["data"][0];
        assert_eq!(entry["type"], "farebox.overdraft.set");
        let data = &entry["farebox.overdraft.set"]["data"];
        let wanted = json!({
            "line_usd": "200.00", "before_usd": "700.50", "reason": "Pays by invoice",
        });
        assert_eq!(*data, wanted);
        for (body, param) in [
            (json!({"reason": "a", "key": "d"}), "line_usd"),
            (json!({"line_usd": "-1", "reason": "a", "key": "d"}), "line_usd"),
            (json!({"line_usd": "1000001", "reason": "a", "key": "d"}), "line_usd"),
            (json!({"line_usd": "1", "key": "d"}), "reason"),
            (json!({"line_usd": "1", "reason": "a"}), "key"),
        ] {
            let answer = operator.post(&path, &body).await;
            assert_eq!(answer.status, 400, "{body}");
            assert_eq!(answer.json()["error"]["param"], param, "{body}");
        }
        // Credit that was given is taken back, and what is lent is not.
        let back = json!({"amount_usd": "100.01", "reason": "All", "key": "all"});
        let too_much = operator.post(&format!("{of}/adjustments"), &back).await;
        refused(&too_much, 400, "amount_usd", "invalid_value");
        let ended = operator.post(&path, &line("0", "e")).await.json();
        assert_eq!(ended["line_usd"], "0.00", "{ended}");
        assert_proved(&world).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn credit_expires_at_its_time_and_not_before() {
    on_each_database(async |database| {
        let world = World::start(database).await;
        let mut operator = world.operator().await;
        let of = format!("/api/operator/organizations/{}", world.made.organization);
        let credits = format!("{of}/credits");
        let now_s = world.now.load(Ordering::Relaxed) / 1_000_000;
        let until = |at_s: i64, key: &str| {
            json!({"amount_usd": "7", "reason": "Try it", "key": key, "expires_at": at_s})
        };
        let given = operator.post(&credits, &until(now_s + 86_400, "a")).await.json();
        assert_eq!(given["balance_usd"], "107.00", "{given}");
        let late = operator.post(&credits, &until(now_s - 1, "b")).await;
        refused(&late, 400, "expires_at", "invalid_value");
        let back = operator.post(&format!("{of}/adjustments"), &until(now_s + 86_400, "c")).await;
        refused(&back, 400, "expires_at", "invalid_value");

        let balance = async || -> Value {
            let balance = world.get("/api/billing/balance").await.json();
            balance["balance_usd"].clone()
        };
        world.caretaker.tend().await;
        assert_eq!(balance().await, "107.00");
        world.now.fetch_add(DAY_US, Ordering::Relaxed);
        // What nodes have leased counts as held: it lapses once they gave it back.
        if world.store.fleet().is_some() {
            world.caretaker.tend().await;
            assert_eq!(balance().await, "107.00");
            let pot = PotId::Wallet(world.made.organization.clone());
            let returned = world.store.ledger().give_back(pot, Nusd::new(100_000_000_000));
            returned.durable().await.unwrap();
        }
        world.caretaker.tend().await;
        world.caretaker.tend().await;
        assert_eq!(balance().await, "100.00");
        assert_proved(&world).await;
    })
    .await;
}
