//! A disk that fails at any moment, in any way, under a working ledger on SQLite: what was
//! acknowledged is there, once, and no failure is silent.
//!
//! `FAREBOX_FAULTS` says how many moments to try of each way, where it is to be more than usual.

use std::collections::BTreeSet;
use std::path::Path;

use testkit::disk_faults::{Calls, DiskFault, Error, Lasts};
use testkit::{TestDatabase, eventually};

use crate::kill9::{Child, assert_kept};

const WAYS: [(Calls, Error, Lasts); 10] = [
    (Calls::Writes, Error::Broken, Lasts::Once),
    (Calls::Writes, Error::Broken, Lasts::UntilEnded),
    (Calls::Writes, Error::Full, Lasts::Once),
    (Calls::Writes, Error::Full, Lasts::UntilEnded),
    (Calls::Writes, Error::Short, Lasts::Once),
    (Calls::Writes, Error::Short, Lasts::UntilEnded),
    (Calls::Syncs, Error::Broken, Lasts::Once),
    (Calls::Syncs, Error::Broken, Lasts::UntilEnded),
    (Calls::Truncations, Error::Broken, Lasts::Once),
    (Calls::Truncations, Error::Full, Lasts::UntilEnded),
];

/// Which calls fail, counting from 1: in making the installation, in opening it, and under load.
fn moments(calls: Calls) -> Vec<usize> {
    match (testkit::times("FAREBOX_FAULTS", 0), calls) {
        // There are hardly any.
        (_, Calls::Truncations) => vec![1, 2, 3],
        (0, _) => vec![2, 11, 40, 150],
        (times, _) => (1..=times).collect(),
    }
}

fn folder(database: &TestDatabase) -> &Path {
    let file = database.url.strip_prefix("sqlite://").expect("a file");
    Path::new(file).parent().expect("it is in a folder")
}

/// How a process with a fault got on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    /// The fault never came.
    Spared,
    /// It never came to work, or its ledger broke.
    Ended,
    /// It went on by itself, after the fault had passed.
    WentOn,
}

#[tokio::test]
async fn a_disk_that_fails_at_any_moment_loses_nothing_acknowledged() {
    for (calls, error, lasts) in WAYS {
        let database = testkit::databases::sqlite();
        let mut told = BTreeSet::new();
        let mut outcomes = Vec::new();
        for moment in moments(calls) {
            let fault = DiskFault::new(folder(&database), calls, error, moment, lasts);
            let mut child = Child::start(&database, &fault.environment());
            let outcome = suffer(&fault, &mut child, 2_000).await;
            child.kill9();
            let what = format!("{calls:?} {error:?} {lasts:?} at {moment}: {outcome:?}");
            assert!(
                is_right(&fault, error, lasts, outcome),
                "{what}: {:?}: {:?}\n{}",
                fault.told(),
                child.troubles(),
                child.output(),
            );
            told.extend(child.durable());
            assert_kept(&database, &told).await;
            outcomes.push(outcome);
        }
        eprintln!("{calls:?} {error:?} {lasts:?}: {outcomes:?}");
        let reached = outcomes.iter().filter(|it| **it != Outcome::Spared).count();
        assert!(
            reached * 2 >= outcomes.len(),
            "most faults come: {outcomes:?}"
        );
    }
}

/// No failure may be silent, and what passes is waited for.
fn is_right(fault: &DiskFault, error: Error, lasts: Lasts, outcome: Outcome) -> bool {
    let told = fault.told();
    let only = |what: &str| told.iter().all(|call| call.ends_with(what));
    match (error, outcome) {
        (_, Outcome::Spared) => true,
        // The rest of a short write is written with the next call.
        (Error::Short, outcome) if lasts == Lasts::Once => outcome == Outcome::WentOn,
        // A full disk is waited for, but by a server that is only starting.
        (Error::Full, _) => true,
        (_, Outcome::Ended) => true,
        // SQLite does not tell that a folder could not be flushed: the store does that itself, once
        // more, and that it tells.
        (Error::Broken, Outcome::WentOn) => {
            lasts == Lasts::Once && !only(".db-wal") && !only(".db")
        }
        (Error::Short, Outcome::WentOn) => false,
    }
}

/// The log is folded into the file; the disk does not take it. (That is one of the syncs that
/// SQLite does not report with any commit.)
#[tokio::test]
async fn a_log_that_cannot_be_folded_into_the_file_is_told_and_kept() {
    let database = testkit::databases::sqlite();
    assert_kept(&database, &BTreeSet::new()).await;
    let folder = folder(&database);
    let fault = DiskFault::new(folder, Calls::Syncs, Error::Broken, 1, Lasts::Once).named(".db");
    let mut child = Child::start(&database, &fault.environment());
    let outcome = suffer(&fault, &mut child, 100_000).await;
    assert_eq!(outcome, Outcome::Ended, "{}", child.output());
    let log = std::fs::metadata(folder.join("farebox.db-wal"));
    assert!(
        log.is_ok_and(|log| log.len() > 0),
        "the next process folds it anew"
    );
    assert_kept(&database, &child.durable()).await;
}

/// Waits until the fault has come and its outcome is known; or until so much is durable without it.
async fn suffer(fault: &DiskFault, child: &mut Child, enough: usize) -> Outcome {
    // Far more than can be durable already and not told yet.
    const MORE: usize = 1_000;
    eventually("the fault comes, or not", async || {
        !fault.told().is_empty() || child.has_ended() || child.durable().len() > enough
    })
    .await;
    let before = child.durable().len();
    if fault.told().is_empty() {
        assert!(!child.has_ended(), "{}", child.output());
        return Outcome::Spared;
    }
    eventually("the ledger goes on or breaks", async || {
        let troubles = child.troubles();
        if troubles.last().is_some_and(|it| it.contains("Stalled")) {
            fault.end();
        }
        child.has_ended() || child.durable().len() > before + MORE
    })
    .await;
    match child.has_ended() {
        true => Outcome::Ended,
        false => Outcome::WentOn,
    }
}
