//! kill -9 at any moment: whatever was acknowledged is there, once, and nothing stays reserved.

use std::collections::BTreeSet;
use std::io::Write;
use std::time::Duration;

use domain::usage::Usage;
use testkit::process::spawn_binary;
use testkit::{TestDatabase, eventually};

use crate::fixture::{
    Customer, assert_verified, entropy, number, rows, serve, serve_url, settlement,
};

/// Tells the child, which is this same program, where to work.
const CHILD_URL: &str = "STORE_TEST_CHILD_URL";
const KILLS: usize = 10;

/// Not a test by itself: serves until it is killed, and prints what is durable when it is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_child_that_works_until_it_is_killed() {
    #[expect(clippy::disallowed_methods, reason = "a variable makes it the child")]
    let Ok(url) = std::env::var(CHILD_URL) else {
        return;
    };
    let store = serve_url(&url).await;
    let customer = Customer::new(&store, 1_000_000_000).await;
    let workers: Vec<_> = (0..8)
        .map(|worker| {
            let (ledger, customer) = (store.ledger(), customer.clone());
            tokio::spawn(async move {
                for round in 0_u64.. {
                    let hold = customer.hold(500);
                    let ticket = ledger.hold(hold.clone());
                    if worker % 2 == 0 {
                        ticket.durable().await.expect("durable");
                    }
                    ledger.checkpoint(hold.id, round % 7, round % 5);
                    if round % 10 == 9 {
                        ledger.release(hold.id);
                        continue;
                    }
                    let settled = ledger.settle(settlement(&hold, Usage::text(10, round % 300)));
                    settled.durable().await.expect("durable");
                    let mut out = std::io::stdout().lock();
                    writeln!(out, "durable {}", hold.id).expect("the parent reads");
                }
            })
        })
        .collect();
    for worker in workers {
        worker.await.expect("killed before it ends");
    }
}

fn durable(stdout: &str) -> BTreeSet<String> {
    stdout
        .split_inclusive('\n')
        .filter_map(|line| {
            line.strip_suffix('\n')?
                .split_once("durable ")?
                .1
                .split(' ')
                .next()
        })
        .map(str::to_owned)
        .collect()
}

async fn survives_kills(database: TestDatabase) {
    let program = std::env::current_exe().expect("this program has a name");
    let child_test = "kill9::a_child_that_works_until_it_is_killed";
    let arguments = ["--exact", child_test, "--nocapture"];
    let mut told = BTreeSet::new();
    for round in 0..KILLS {
        let environment = [(CHILD_URL, database.url.as_str())];
        let mut child = spawn_binary(&program, &arguments, "/", &environment);
        eventually("the child works", async || {
            assert!(
                child.ended().is_none(),
                "{}\n{}",
                child.stdout(),
                child.stderr()
            );
            !durable(&child.stdout()).is_empty()
        })
        .await;
        let mut random = [0];
        entropy(&mut random);
        tokio::time::sleep(Duration::from_micros(u64::from(random[0]) * 600)).await;
        child.kill9();
        told.extend(durable(&child.stdout()));

        let store = serve(&database).await;
        let kept: Vec<String> = rows(&store, "SELECT id FROM usage_records")
            .await
            .iter()
            .map(|row| row.text(0).expect("text").to_owned())
            .collect();
        let unique: BTreeSet<String> = kept.iter().cloned().collect();
        assert_eq!(kept.len(), unique.len(), "round {round}: twice");
        let lost: Vec<_> = told.difference(&unique).collect();
        assert!(
            lost.is_empty(),
            "round {round}: {} lost, such as {:?}",
            lost.len(),
            lost[0]
        );
        assert_eq!(number(&store, "SELECT COUNT(*) FROM holds").await, 0);
        let held = "SELECT CAST(SUM(held_nusd) AS BIGINT) FROM accounts";
        assert_eq!(number(&store, held).await, 0);
        assert_verified(&store).await;
        store.close().await;
    }
    assert!(
        told.len() > 10 * KILLS,
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
