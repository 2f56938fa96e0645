//! When the ledger cannot go on: who is told, and what is left in the rows.

use domain::usage::Usage;
use store::grants::GrantError;
use store::{LedgerError, LedgerState, Role, StoreError};
use testkit::{eventually, on_each_database};

use crate::fixture::{
    Customer, Outside, assert_verified, execute, number, open, rows, serve, settlement,
};

#[tokio::test]
async fn a_hold_beyond_the_wallet_poisons_the_ledger_and_changes_nothing() {
    on_each_database(async |database| {
        let store = serve(&database).await;
        let ledger = store.ledger();
        let customer = Customer::new(&store, 100).await;
        let good = customer.hold(60);
        ledger.hold(good).durable().await.expect("durable");
        let before = rows(&store, "SELECT * FROM accounts ORDER BY id").await;
        let refused = ledger.hold(customer.hold(1_000)).durable().await;
        assert_eq!(refused, Err(LedgerError));
        let LedgerState::Poisoned(reason) = ledger.state() else {
            panic!("{:?}", ledger.state());
        };
        assert!(reason.to_lowercase().contains("check"), "{reason}");

        let later = customer.hold(1);
        assert_eq!(ledger.hold(later.clone()).durable().await, Err(LedgerError));
        let settled = ledger.settle(settlement(&later, Usage::text(0, 0)));
        assert_eq!(settled.durable().await, Err(LedgerError));
        assert_eq!(
            rows(&store, "SELECT * FROM accounts ORDER BY id").await,
            before
        );
        assert_verified(&store).await;
        // What is not money goes on.
        customer.grant(&store, 1).await.expect("writes work");
        store.close().await;
    })
    .await;
}

#[tokio::test]
async fn money_on_an_account_that_does_not_exist_poisons_and_changes_nothing() {
    on_each_database(async |database| {
        let store = serve(&database).await;
        let real = Customer::new(&store, 100).await;
        let ghost = Customer {
            organization: domain::id::OrganizationId::new("org-ghost"),
            ..real.clone()
        };
        let refused = store.ledger().hold(ghost.hold(1)).durable().await;
        assert_eq!(refused, Err(LedgerError));
        assert!(matches!(store.ledger().state(), LedgerState::Poisoned(_)));
        assert_eq!(number(&store, "SELECT COUNT(*) FROM holds").await, 0);
        assert_verified(&store).await;
        store.close().await;
    })
    .await;
}

#[tokio::test]
async fn after_the_end_nothing_is_taken_and_nobody_waits() {
    on_each_database(async |database| {
        let store = serve(&database).await;
        let customer = Customer::new(&store, 100).await;
        let ledger = store.ledger();
        let last = ledger.hold(customer.hold(10));
        store.close().await;
        last.durable()
            .await
            .expect("what was queued before is committed");
        assert!(matches!(ledger.state(), LedgerState::Stalled(_)));
        let late = ledger.hold(customer.hold(10));
        assert_eq!(late.durable().await, Err(LedgerError));
        if database.name == "sqlite" {
            let refused = customer.grant(&store, 1).await;
            let unavailable = GrantError::Store(StoreError::Unavailable(String::new()));
            assert_eq!(
                std::mem::discriminant(&refused.expect_err("closed")),
                std::mem::discriminant(&unavailable)
            );
        }
        drop(store);
        // The ledger outlives its store without keeping the installation from anybody.
        let store = serve(&database).await;
        assert_eq!(
            customer.money(&store).await,
            (100, 100),
            "the orphan was released"
        );
        store.close().await;
    })
    .await;
}

#[tokio::test]
async fn a_write_that_panics_ends_itself_and_nothing_else() {
    on_each_database(async |database| {
        let store = serve(&database).await;
        let customer = Customer::new(&store, 100).await;
        let broken = store
            .write(|tx| -> Result<(), StoreError> {
                tx.execute("DELETE FROM accounts", &[])?;
                panic!("a bug, as the test wants it");
            })
            .await;
        assert!(broken.is_err());
        let hold = customer.hold(10);
        store.ledger().hold(hold).durable().await.expect("durable");
        assert_eq!(customer.money(&store).await, (100, 90));
        assert_eq!(store.ledger().state(), LedgerState::Healthy);
        store.close().await;
    })
    .await;
}

#[tokio::test]
async fn an_absurd_report_of_an_upstream_stops_nobody() {
    on_each_database(async |database| {
        let store = serve(&database).await;
        let customer = Customer::new(&store, 1_000).await;
        for _ in 0..5 {
            let hold = customer.hold(100);
            let ticket = store.ledger().hold(hold.clone());
            ticket.durable().await.expect("durable");
            let absurd = settlement(&hold, Usage::text(u64::MAX, u64::MAX));
            let ticket = store.ledger().settle(absurd);
            ticket.durable().await.expect("durable");
        }
        assert_eq!(customer.money(&store).await, (500, 500));
        assert_eq!(store.ledger().state(), LedgerState::Healthy);
        assert_verified(&store).await;
        store.close().await;
    })
    .await;
}

#[tokio::test]
async fn a_commit_that_takes_long_is_said_to() {
    on_each_database(async |database| {
        let store = serve(&database).await;
        let customer = Customer::new(&store, 100).await;
        let outside = Outside::at(&database.url).await;
        outside.hold_up().await;
        let stuck = tokio::spawn(store.ledger().hold(customer.hold(1)).durable());
        // The clock goes a second further whenever it is read.
        eventually("the state tells", async || {
            matches!(store.ledger().state(), LedgerState::Stalled(_))
        })
        .await;
        outside.let_go().await;
        stuck.await.expect("no panic").expect("durable");
        eventually("and recovers", async || {
            store.ledger().state() == LedgerState::Healthy
        })
        .await;
        store.close().await;
    })
    .await;
}

#[tokio::test]
async fn only_a_server_settles_on_postgres() {
    let database = testkit::databases::postgres().await;
    let command = open(&database.url, Role::Command).await.expect("it opens");
    let customer = Customer::new(&command, 100).await;
    let refused = command.ledger().hold(customer.hold(1)).durable().await;
    assert_eq!(refused, Err(LedgerError));
    assert_eq!(
        execute(&command, "UPDATE counters SET value = value")
            .await
            .ok(),
        Some(1)
    );
    command.close().await;
}
