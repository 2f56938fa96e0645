//! Reads are snapshots, and a long one keeps nobody from committing.

use std::sync::mpsc;

use domain::usage::Usage;
use store::StoreError;
use testkit::on_each_database;

use crate::fixture::{Customer, serve, settlement};

#[tokio::test]
async fn a_long_read_sees_one_moment_and_blocks_no_commit() {
    on_each_database(async |database| {
        let store = serve(&database).await;
        let customer = Customer::new(&store, 1_000).await;
        let (begun, has_begun) = tokio::sync::oneshot::channel();
        let (go_on, wait) = mpsc::channel::<()>();
        let long = tokio::spawn({
            let store = store.clone();
            async move {
                let count = "SELECT COUNT(*) FROM usage_records";
                store
                    .read(move |tx| {
                        let before = tx.query_one(count, &[])?.int(0)?;
                        let _ = begun.send(());
                        let _ = wait.recv();
                        let after = tx.query_one(count, &[])?.int(0)?;
                        let held = tx.query_one("SELECT COUNT(*) FROM holds", &[])?.int(0)?;
                        Ok::<_, StoreError>((before, after, held))
                    })
                    .await
            }
        });
        has_begun.await.expect("it has begun");
        for _ in 0..20 {
            let hold = customer.hold(10);
            store
                .ledger()
                .hold(hold.clone())
                .durable()
                .await
                .expect("durable");
            let ticket = store.ledger().settle(settlement(&hold, Usage::text(1, 1)));
            ticket.durable().await.expect("durable");
        }
        let open = customer.hold(10);
        store.ledger().hold(open).durable().await.expect("durable");
        customer.grant(&store, 5).await.expect("a write works too");
        go_on.send(()).expect("it waits");
        let seen = long.await.expect("no panic").expect("it is read");
        assert_eq!(seen, (0, 0, 0));
        assert_eq!(customer.money(&store).await, (885, 875));
        store.close().await;
    })
    .await;
}

#[tokio::test]
async fn a_read_cannot_write() {
    on_each_database(async |database| {
        let store = serve(&database).await;
        let customer = Customer::new(&store, 10).await;
        let refused = store
            .read(|tx| tx.execute("DELETE FROM accounts", &[]))
            .await;
        assert!(refused.is_err());
        assert_eq!(customer.money(&store).await, (10, 10));
        store.close().await;
    })
    .await;
}
