//! PostgreSQL with a standby that takes over: what a synchronous one keeps, what an asynchronous
//! one may lose, and that the ledger knows.

use std::sync::Arc;

use domain::hold::Hold;
use domain::usage::Usage;
use store::{LedgerState, Store};
use testkit::eventually;
use testkit::postgres::{Server, disconnect};

use crate::fixture::{Customer, Outside, assert_verified, number, serve_url, settlement};

const CREDIT_NUSD: i64 = 1_000_000;
/// One input and one output token and the request: 1 + 2 + 3.
const COST_NUSD: i64 = 6;

/// A primary, its standby, and the installation on whichever takes writes.
struct Pair {
    primary: Server,
    standby: Server,
    /// The database on the primary.
    primary_url: String,
    url: String,
}

impl Pair {
    async fn start() -> Self {
        let primary = Server::start().await;
        let standby = primary.start_standby().await;
        let primary_url = primary.database().await;
        let url = primary.url_of_either(&standby, &primary_url);
        Pair {
            primary,
            standby,
            primary_url,
            url,
        }
    }

    /// The primary is lost, and the standby with what it has takes its place.
    async fn fail_over(&mut self) {
        self.primary.kill();
        self.standby.start_again().await;
        self.standby.promote().await;
    }
}

async fn settle(store: &Store, hold: &Arc<Hold>) {
    let ticket = store.ledger().settle(settlement(hold, Usage::text(1, 1)));
    ticket.durable().await.expect("durable");
}

async fn assert_settled(store: &Store, customer: &Customer, settled: i64) {
    assert_eq!(number(store, SETTLED).await, settled);
    let left = CREDIT_NUSD - COST_NUSD * settled;
    assert_eq!(customer.money(store).await, (left, left));
    assert_verified(store).await;
}

/// The number that a query answers on the primary itself.
async fn on_primary(pair: &Pair, sql: &str) -> i64 {
    let Outside::Postgres(client) = Outside::at(&pair.primary_url).await else {
        panic!("it is a PostgreSQL server");
    };
    client.query_one(sql, &[]).await.expect("it answers").get(0)
}

const SETTLED: &str = "SELECT COUNT(*) FROM usage_records";
/// Connections that wait for the standby.
const WAITING: &str = "SELECT COUNT(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'";
const FOLLOWED: &str =
    "SELECT COUNT(*) FROM pg_stat_replication WHERE replay_lsn >= pg_current_wal_lsn()";

/// The acknowledgement of a commit is lost while its standby does not have it: on the primary it is
/// there to see, and yet it counts only when the standby has it too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_acknowledged_is_on_the_standby_too() {
    let mut pair = Pair::start().await;
    pair.primary.replicate_synchronously().await;
    let store = serve_url(&pair.url).await;
    let customer = Customer::new(&store, CREDIT_NUSD).await;
    let holds = [customer.hold(100), customer.hold(100)];
    for hold in &holds {
        store
            .ledger()
            .hold(hold.clone())
            .durable()
            .await
            .expect("durable");
    }
    // The first one opens the accounts of the house, so that the second is one commit.
    settle(&store, &holds[0]).await;

    pair.standby.kill();
    let (ledger, last) = (store.ledger(), settlement(&holds[1], Usage::text(1, 1)));
    let acknowledged = tokio::spawn(async move { ledger.settle(last).durable().await });
    eventually("the commit waits for the standby", async || {
        on_primary(&pair, WAITING).await == 1
    })
    .await;
    disconnect(&pair.primary_url).await;
    eventually("the next connection waits too", async || {
        // Only a new one can: the old one has gone when the record is there to see.
        acknowledged.is_finished()
            || (on_primary(&pair, SETTLED).await == 2 && on_primary(&pair, WAITING).await == 1)
    })
    .await;
    assert!(!acknowledged.is_finished(), "the standby does not have it");

    pair.fail_over().await;
    acknowledged
        .await
        .expect("no panic")
        .expect("durable, on what was the standby");
    assert_settled(&store, &customer, 2).await;
    store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_standby_that_lagged_behind_is_noticed_and_not_written_on() {
    let mut pair = Pair::start().await;
    let store = serve_url(&pair.url).await;
    let customer = Customer::new(&store, CREDIT_NUSD).await;
    let holds: Vec<_> = (0..4).map(|_| customer.hold(100)).collect();
    for hold in &holds {
        store
            .ledger()
            .hold(hold.clone())
            .durable()
            .await
            .expect("durable");
    }
    settle(&store, &holds[0]).await;
    eventually("the standby has all of this", async || {
        on_primary(&pair, FOLLOWED).await == 1
    })
    .await;
    pair.standby.kill();
    // Nobody waits for a standby: these are acknowledged, and lost.
    settle(&store, &holds[1]).await;
    settle(&store, &holds[2]).await;

    pair.fail_over().await;
    let late = store
        .ledger()
        .settle(settlement(&holds[3], Usage::text(1, 1)));
    late.durable().await.expect_err("the ledger broke");
    let LedgerState::Poisoned(reason) = store.ledger().state() else {
        panic!("{:?}", store.ledger().state());
    };
    assert!(reason.contains("lost 2 commits"), "{reason}");
    store.close().await;

    // The next server goes on with what is left: the first settlement, and holds that it resolves.
    let store = serve_url(&pair.url).await;
    assert_settled(&store, &customer, 1).await;
    store.close().await;
}
