//! The change log: numbers in the order of commits, and writes that wait until they are heard.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use domain::money::Nusd;
use domain::time::AtUs;
use domain::usage::Usage;
use store::changes::{self, ChangeKind};
use store::grants::{self, Grant, GrantError};
use store::{Role, Store, StoreError};
use testkit::on_each_database;

use crate::fixture::{Customer, assert_verified, open, serve, settlement};

async fn change(store: &Store, reference: String) -> Result<(), StoreError> {
    store
        .write(move |tx| changes::record(tx, ChangeKind::Key, &reference, AtUs(0)))
        .await
}

#[tokio::test]
async fn numbers_follow_the_order_of_commits() {
    on_each_database(async |database| {
        const WRITERS: i64 = 6;
        const EACH: i64 = 25;
        let store = serve(&database).await;
        let command = open(&database.url, Role::Command).await.expect("it opens");
        let done = Arc::new(AtomicBool::new(false));
        let follower = tokio::spawn({
            let (store, done) = (store.clone(), Arc::clone(&done));
            async move {
                let (mut seq, mut seen) = (0, Vec::new());
                loop {
                    let last_round = done.load(Ordering::Acquire);
                    let page = store.read(move |tx| changes::after(tx, seq, 7)).await;
                    let page = page.expect("it is read");
                    seq = page.last().map_or(seq, |change| change.seq);
                    if page.is_empty() && last_round {
                        return seen;
                    }
                    seen.extend(page);
                }
            }
        });
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| {
                let store = if writer % 2 == 0 {
                    store.clone()
                } else {
                    command.clone()
                };
                tokio::spawn(async move {
                    for number in 0..EACH {
                        let reference = format!("{writer} {number}");
                        change(&store, reference).await.expect("it is recorded");
                    }
                })
            })
            .collect();
        for writer in writers {
            writer.await.expect("no panic");
        }
        done.store(true, Ordering::Release);
        let seen = follower.await.expect("no panic");
        let numbers: Vec<i64> = seen.iter().map(|change| change.seq).collect();
        let all: Vec<i64> = (1..=WRITERS * EACH).collect();
        assert_eq!(numbers, all, "a follower misses none and sees none twice");
        for writer in 0..WRITERS {
            let mark = format!("{writer} ");
            let own: Vec<&str> = seen
                .iter()
                .filter_map(|change| change.reference.strip_prefix(&mark))
                .collect();
            let in_order: Vec<String> = (0..EACH).map(|number| number.to_string()).collect();
            assert_eq!(own, in_order);
        }
        command.close().await;
        store.close().await;
    })
    .await;
}

#[tokio::test]
async fn a_write_returns_when_the_follower_has_heard() {
    on_each_database(async |database| {
        let store = serve(&database).await;
        change(&store, "before there is a follower".into())
            .await
            .expect("at once");

        let heard = Arc::new(AtomicI64::new(1));
        store.heard(1);
        let follower = tokio::spawn({
            let (store, heard) = (store.clone(), Arc::clone(&heard));
            async move {
                // Who shares the database wakes it too, so it may look more often than needed.
                while heard.load(Ordering::Acquire) < 6 {
                    // Far longer than the test may take: only the wake-up can end it.
                    store.changed(Duration::from_secs(600)).await;
                    let latest = store.read(changes::latest).await.expect("it is read");
                    tokio::time::sleep(Duration::from_millis(20)).await;
                    heard.store(latest, Ordering::Release);
                    store.heard(latest);
                }
            }
        });
        for number in 2..=6 {
            change(&store, "followed".into()).await.expect("heard");
            assert!(heard.load(Ordering::Acquire) >= number);
        }
        follower.await.expect("no panic");

        // The follower is dead now: a write waits, but not for ever.
        change(&store, "unheard".into())
            .await
            .expect("kept all the same");
        let latest = store.read(changes::latest).await.expect("it is read");
        assert_eq!(latest, 7);
        store.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn credit_given_amid_other_changes_waits_for_nobody_in_a_circle() {
    on_each_database(async |database| {
        let store = serve(&database).await;
        let customer = Customer::new(&store, 1_000_000).await;
        let tasks: Vec<_> = (0..6_u64)
            .map(|task| {
                let (store, customer) = (store.clone(), customer.clone());
                tokio::spawn(async move {
                    for number in 0..15 {
                        match task % 3 {
                            0 => customer.grant(&store, 1).await.expect("a grant"),
                            1 => change_and_grant(&store, &customer, task, number).await,
                            _ => {
                                let hold = customer.hold(10);
                                let ticket = store.ledger().hold(hold.clone());
                                ticket.durable().await.expect("durable");
                                let used = settlement(&hold, Usage::text(1, 1));
                                let ticket = store.ledger().settle(used);
                                ticket.durable().await.expect("durable");
                            }
                        }
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.expect("nothing was refused");
        }
        // 30 requests of 6 nUSD were paid, and 60 nUSD given.
        let left = 1_000_000 - 30 * 6 + 60;
        assert_eq!(customer.money(&store).await, (left, left));
        assert_verified(&store).await;
        store.close().await;
    })
    .await;
}

/// One transaction that records another change before it gives credit, as making an account does.
async fn change_and_grant(store: &Store, customer: &Customer, task: u64, number: u64) {
    let grant = Grant {
        id: format!("with a change {task} {number}"),
        organization: customer.organization.clone(),
        amount: Nusd::new(1),
        expires_at: None,
        reason: String::new(),
        actor: String::new(),
    };
    let write = store.write(move |tx| {
        changes::record(tx, ChangeKind::Key, "key_a", AtUs(0))?;
        grants::give(tx, &grant, AtUs(0))
    });
    write
        .await
        .map_err(|error: GrantError| error)
        .expect("a grant");
}

#[tokio::test]
async fn a_refused_write_leaves_no_change() {
    on_each_database(async |database| {
        let store = serve(&database).await;
        let refused: Result<(), StoreError> = store
            .write(|tx| {
                changes::record(tx, ChangeKind::Project, "proj_a", AtUs(0))?;
                Err(StoreError::Conflict("the test says no".into()))
            })
            .await;
        assert!(refused.is_err());
        let latest = store.read(changes::latest).await.expect("it is read");
        assert_eq!(latest, 0);
        store.close().await;
    })
    .await;
}
