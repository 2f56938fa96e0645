//! kill -9 at any moment: whatever was acknowledged is there, once, and nothing stays reserved.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::time::Duration;

use domain::usage::Usage;
use store::{Ledger, LedgerError, LedgerState};
use testkit::process::{Process, spawn_binary};
use testkit::{TestDatabase, eventually};

use crate::fixture::{
    Customer, assert_verified, entropy, number, rows, serve, serve_url, settlement,
};

/// Tells the child, which is this same program, where to work.
const CHILD_URL: &str = "STORE_TEST_CHILD_URL";

/// Not a test by itself: serves until it is killed or its ledger breaks. It prints what is durable
/// when it is, and every new state of its ledger.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_child_that_works_until_it_is_killed() {
    #[expect(clippy::disallowed_methods, reason = "a variable makes it the child")]
    let Ok(url) = std::env::var(CHILD_URL) else {
        return;
    };
    let store = serve_url(&url).await;
    let customer = Customer::new(&store, 1_000_000_000).await;
    let watched = store.ledger();
    tokio::spawn(async move {
        let mut last = LedgerState::Healthy;
        loop {
            let state = watched.state();
            if state != last {
                println!("state {state:?}");
                last = state;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    let workers: Vec<_> = (0..8)
        .map(|worker| tokio::spawn(work(store.ledger(), customer.clone(), worker)))
        .collect();
    for worker in workers {
        let Err(LedgerError) = worker.await.expect("no panic");
    }
    // Well-behaved to the end: a broken ledger must not be tidied away with it.
    store.close().await;
    drop(store);
    panic!("the ledger broke");
}

async fn work(ledger: Ledger, customer: Customer, worker: u64) -> Result<Infallible, LedgerError> {
    for round in 0_u64.. {
        let hold = customer.hold(500);
        let ticket = ledger.hold(hold.clone());
        if worker.is_multiple_of(2) {
            ticket.durable().await?;
        }
        ledger.checkpoint(hold.id, round % 7, round % 5);
        if round % 10 == 9 {
            ledger.release(hold.id);
            continue;
        }
        let settled = ledger.settle(settlement(&hold, Usage::text(10, round % 300)));
        settled.durable().await?;
        println!("durable {}", hold.id);
    }
    unreachable!("rounds have no end")
}

/// A process that works on a database.
pub(crate) struct Child(Process);

impl Child {
    pub(crate) fn start(database: &TestDatabase, environment: &[(&str, &str)]) -> Self {
        let program = std::env::current_exe().expect("this program has a name");
        let child_test = "kill9::a_child_that_works_until_it_is_killed";
        let arguments = ["--exact", child_test, "--nocapture"];
        let url = [(CHILD_URL, database.url.as_str())];
        let environment = [environment, &url].concat();
        Child(spawn_binary(&program, &arguments, "/", &environment))
    }

    /// What it said was durable.
    pub(crate) fn durable(&self) -> BTreeSet<String> {
        let stdout = self.0.stdout();
        let whole_lines = stdout
            .split_inclusive('\n')
            .filter_map(|line| line.strip_suffix('\n'));
        whole_lines
            .filter_map(|line| line.split_once("durable ")?.1.split(' ').next())
            .map(str::to_owned)
            .collect()
    }

    /// Why its ledger could not commit, each time. (The tests' clock makes every commit look slow,
    /// which is left out.)
    pub(crate) fn troubles(&self) -> Vec<String> {
        let stdout = self.0.stdout();
        let states = stdout.lines().filter_map(|line| line.split_once("state "));
        states
            .map(|(_, state)| state.to_owned())
            .filter(|state| state != "Healthy" && !state.contains("longer than 2 seconds"))
            .collect()
    }

    pub(crate) fn has_ended(&mut self) -> bool {
        self.0.ended().is_some()
    }

    pub(crate) fn kill9(&mut self) {
        self.0.kill9();
    }

    pub(crate) fn output(&self) -> String {
        format!("{}\n{}", self.0.stdout(), self.0.stderr())
    }
}

/// Opens the installation as the next server, and finds all of `told` there once, nothing held, and
/// the books in order.
pub(crate) async fn assert_kept(database: &TestDatabase, told: &BTreeSet<String>) {
    let store = serve(database).await;
    let kept: Vec<String> = rows(&store, "SELECT id FROM usage_records")
        .await
        .iter()
        .map(|row| row.text(0).expect("text").to_owned())
        .collect();
    let unique: BTreeSet<String> = kept.iter().cloned().collect();
    assert_eq!(kept.len(), unique.len(), "twice");
    let lost: Vec<_> = told.difference(&unique).collect();
    assert!(lost.is_empty(), "{} lost, such as {}", lost.len(), lost[0]);
    assert_eq!(number(&store, "SELECT COUNT(*) FROM holds").await, 0);
    let held = "SELECT CAST(COALESCE(SUM(held_nusd), 0)
                            - COALESCE((SELECT SUM(free_nusd) FROM leases), 0) AS BIGINT)
                FROM accounts";
    assert_eq!(number(&store, held).await, 0);
    assert_verified(&store).await;
    store.close().await;
}

async fn survives_kills(database: TestDatabase) {
    let kills = testkit::times("FAREBOX_KILLS", 10);
    let mut told = BTreeSet::new();
    for round in 0..kills {
        let mut child = Child::start(&database, &[]);
        eventually("the child works", async || {
            assert!(!child.has_ended(), "{}", child.output());
            !child.durable().is_empty()
        })
        .await;
        let mut random = [0];
        entropy(&mut random);
        tokio::time::sleep(Duration::from_micros(u64::from(random[0]) * 600)).await;
        child.kill9();
        told.extend(child.durable());
        eprintln!("round {round}");
        assert_kept(&database, &told).await;
    }
    assert!(
        told.len() > 10 * kills,
        "the children hardly worked: {}",
        told.len()
    );
}

#[tokio::test]
async fn a_sqlite_server_killed_at_any_moment_loses_nothing() {
    survives_kills(testkit::databases::sqlite()).await;
}

#[tokio::test]
async fn a_postgres_server_killed_at_any_moment_loses_nothing() {
    survives_kills(testkit::databases::postgres().await).await;
}
