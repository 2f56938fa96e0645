//! PostgreSQL goes away, between commits and amid them: what waits is committed once it is back.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use domain::usage::Usage;
use store::{LedgerState, Store};
use testkit::eventually;
use testkit::postgres::{Server, disconnect};
use tokio::task::JoinHandle;

use crate::fixture::{Customer, assert_verified, number, serve, serve_url, settlement};

/// Requests that go on until told to stop; each must become durable however long it takes.
struct Load {
    stop: Arc<AtomicBool>,
    settled: Arc<AtomicI64>,
    workers: Vec<JoinHandle<()>>,
}

impl Load {
    fn on(store: &Store, customer: &Customer) -> Self {
        let (stop, settled) = (
            Arc::new(AtomicBool::new(false)),
            Arc::new(AtomicI64::new(0)),
        );
        let worker = || {
            let (ledger, customer) = (store.ledger(), customer.clone());
            let (stop, settled) = (Arc::clone(&stop), Arc::clone(&settled));
            tokio::spawn(async move {
                while !stop.load(Ordering::Acquire) {
                    let hold = customer.hold(100);
                    ledger
                        .hold(hold.clone())
                        .durable()
                        .await
                        .expect("durable at last");
                    let ticket = ledger.settle(settlement(&hold, Usage::text(1, 1)));
                    ticket.durable().await.expect("durable at last");
                    settled.fetch_add(1, Ordering::AcqRel);
                }
            })
        };
        let workers = (0..16).map(|_| worker()).collect();
        Load {
            stop,
            settled,
            workers,
        }
    }

    async fn goes_on(&self) {
        let before = self.settled.load(Ordering::Acquire);
        eventually("requests are settled", async || {
            self.settled.load(Ordering::Acquire) > before + 16
        })
        .await;
    }

    async fn end(self) -> i64 {
        self.stop.store(true, Ordering::Release);
        for worker in self.workers {
            worker.await.expect("no panic");
        }
        self.settled.load(Ordering::Acquire)
    }
}

async fn assert_exactly(store: &Store, customer: &Customer, settled: i64) {
    assert_eq!(
        number(store, "SELECT COUNT(*) FROM usage_records").await,
        settled
    );
    // One input and one output token and the request: 1 + 2 + 3.
    let left = 1_000_000_000 - 6 * settled;
    assert_eq!(customer.money(store).await, (left, left));
    assert_verified(store).await;
}

#[tokio::test]
async fn a_connection_lost_between_commits_is_made_again() {
    let database = testkit::databases::postgres().await;
    let store = serve(&database).await;
    let customer = Customer::new(&store, 1_000_000_000).await;
    for settled in 1..=3 {
        let hold = customer.hold(100);
        store
            .ledger()
            .hold(hold.clone())
            .durable()
            .await
            .expect("durable");
        disconnect(&database.url).await;
        let ticket = store.ledger().settle(settlement(&hold, Usage::text(1, 1)));
        ticket.durable().await.expect("durable after reconnecting");
        assert_eq!(store.ledger().state(), LedgerState::Healthy);
        // The pool's connections are gone too; reads find new ones.
        eventually("reads work again", async || {
            store.read(store::changes::latest).await.is_ok()
        })
        .await;
        assert_exactly(&store, &customer, settled).await;
    }
    store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_lost_under_load_lose_and_double_nothing() {
    let database = testkit::databases::postgres().await;
    let store = serve(&database).await;
    let customer = Customer::new(&store, 1_000_000_000).await;
    let load = Load::on(&store, &customer);
    for _ in 0..8 {
        load.goes_on().await;
        disconnect(&database.url).await;
    }
    load.goes_on().await;
    let settled = load.end().await;
    eventually("reads work again", async || {
        store.read(store::changes::latest).await.is_ok()
    })
    .await;
    assert_exactly(&store, &customer, settled).await;
    store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_dies_freezes_and_comes_back_loses_nothing() {
    let mut server = Server::start().await;
    let url = server.database().await;
    let store = serve_url(&url).await;
    let customer = Customer::new(&store, 1_000_000_000).await;
    let load = Load::on(&store, &customer);
    load.goes_on().await;

    server.kill();
    eventually("the ledger tells that it cannot commit", async || {
        matches!(store.ledger().state(), LedgerState::Stalled(_))
    })
    .await;
    server.start_again().await;
    load.goes_on().await;

    server.freeze();
    eventually("the ledger tells that it is slow", async || {
        matches!(store.ledger().state(), LedgerState::Stalled(_))
    })
    .await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    server.thaw();
    load.goes_on().await;

    let settled = load.end().await;
    eventually("reads work again", async || {
        store.read(store::changes::latest).await.is_ok()
    })
    .await;
    assert_exactly(&store, &customer, settled).await;
    assert_eq!(store.ledger().state(), LedgerState::Healthy);
    store.close().await;
}
