//! The writer's loop against a full disk, and against a committer that fails as it is told.

use std::collections::VecDeque;
use std::sync::atomic::AtomicBool;

use bytes::Bytes;
use tokio::runtime::Runtime;

use super::*;
use crate::Ledger;
use crate::batch::tests::{hold, kept, settle};
use crate::commit::tests::{make, sqlite_committer, writer};
use crate::sqlite_batch::SqliteCommitter;
use crate::verify;

fn queue() -> Arc<Queue> {
    Queue::new(Arc::new(|| AtUs(1)))
}

fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..3_000 {
        if holds() {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("still waiting for this: {what}");
}

/// SQLite on a disk that has no room until told.
struct Full {
    inner: SqliteCommitter,
    room: Arc<AtomicBool>,
}

impl Committer for Full {
    fn commit(&mut self, batch: &Batch, writer: &Writer) -> Result<Balances, CommitError> {
        // Less than there is means: as much as there is.
        let pages = match self.room.load(Ordering::Acquire) {
            true => i64::from(u32::MAX) - 1,
            false => 1,
        };
        let connection = self.inner.connection().expect("SQLite's own");
        connection
            .query_row(&format!("PRAGMA max_page_count = {pages}"), [], |_| Ok(()))
            .expect("it is set");
        self.inner.commit(batch, writer)
    }
}

#[test]
fn a_full_disk_stalls_the_ledger_and_loses_nothing() {
    let runtime = Runtime::new().expect("a runtime");
    let database = testkit::databases::sqlite();
    let store = runtime.block_on(make(&database, 1_000_000));
    let records = || {
        let count = store.read(|tx| {
            tx.query_one("SELECT COUNT(*) FROM usage_records", &[])?
                .count(0)
        });
        let count: Result<u64, crate::StoreError> = runtime.block_on(count);
        count.expect("it is read")
    };
    let room = Arc::new(AtomicBool::new(false));
    let mut committer = Full {
        inner: sqlite_committer(&database),
        room: Arc::clone(&room),
    };
    let queue = queue();
    let thread = std::thread::spawn({
        let queue = Arc::clone(&queue);
        move || run(&queue, &mut committer, &writer())
    });
    let ledger = Ledger::new(Arc::clone(&queue), None);
    let settle_one = |number: u32| {
        let hold = hold(number, 100);
        let held = ledger.hold(Arc::clone(&hold));
        let settlement = settle(&hold, 7);
        (held, ledger.settle(crate::Settlement::clone(&settlement)))
    };
    let mut tickets: Vec<_> = (0..500).map(settle_one).collect();
    wait_until("the ledger stalls", || {
        ledger.state() != LedgerState::Healthy
    });
    let LedgerState::Stalled(reason) = ledger.state() else {
        panic!("{:?}", ledger.state());
    };
    assert!(reason.contains("the disk is full"), "{reason}");
    tickets.extend((500..800).map(settle_one));
    // What fitted into the pages there were may be in; of the rest, nothing.
    let fitted = records();
    assert!(fitted < 500, "the disk was not full: {fitted}");
    std::thread::sleep(2 * RETRY_PAUSE);
    assert_eq!(records(), fitted);
    assert!(matches!(ledger.state(), LedgerState::Stalled(_)));

    room.store(true, Ordering::Release);
    for (held, settled) in tickets {
        runtime.block_on(held.durable()).expect("durable at last");
        runtime
            .block_on(settled.durable())
            .expect("durable at last");
    }
    assert_eq!(ledger.state(), LedgerState::Healthy);
    assert_eq!(records(), 800);
    let report = runtime
        .block_on(store.read(verify::verify))
        .expect("it runs");
    assert!(report.holds(), "{:#?}", report.checks);
    assert_eq!(report.open_holds, 0);
    queue.close();
    thread.join().expect("no panic");
}

/// Answers as scripted, then succeeds; notes how many requests each commit that succeeded had.
struct Script {
    answers: VecDeque<Result<(), CommitError>>,
    /// Never takes a batch of full size, whatever the answers say.
    narrow: bool,
    committed: Arc<Mutex<Vec<usize>>>,
}

impl Committer for Script {
    fn commit(&mut self, batch: &Batch, _: &Writer) -> Result<Balances, CommitError> {
        if self.narrow && batch.holds.len() == BATCH_OPS {
            return retry();
        }
        match self.answers.pop_front().unwrap_or(Ok(())) {
            Err(CommitError::Poison(reason)) if reason == "panic" => panic!("as scripted"),
            Err(error) => Err(error),
            Ok(()) => {
                let requests = batch.holds.len() + batch.settlements.len();
                self.committed.lock().push(requests);
                Ok(Balances::default())
            }
        }
    }
}

/// As [`play_steps`], over holds.
fn play(
    answers: Vec<Result<(), CommitError>>,
    holds: u32,
    narrow: bool,
) -> (Vec<usize>, Vec<bool>, LedgerState) {
    let steps = (0..holds).map(|number| Op::Hold(hold(number, 1)));
    play_steps(answers, steps, narrow)
}

/// Runs the writer over steps that all wait when it starts. A narrow one is closed while it tries.
fn play_steps(
    answers: Vec<Result<(), CommitError>>,
    steps: impl Iterator<Item = Op>,
    narrow: bool,
) -> (Vec<usize>, Vec<bool>, LedgerState) {
    let queue = queue();
    let acks: Vec<_> = steps
        .map(|step| {
            let (sender, ack) = oneshot::channel();
            queue.push(step, Some(Ack::Done(sender)));
            ack
        })
        .collect();
    let committed = Arc::new(Mutex::new(Vec::new()));
    let mut script = Script {
        answers: answers.into(),
        narrow,
        committed: Arc::clone(&committed),
    };
    let thread = std::thread::spawn({
        let queue = Arc::clone(&queue);
        move || run(&queue, &mut script, &writer())
    });
    if narrow {
        wait_until("a stall", || {
            matches!(queue.state(), LedgerState::Stalled(_))
        });
        queue.close();
    }
    let told = acks.into_iter().map(|ack| ack.blocking_recv().is_ok());
    let told: Vec<bool> = told.collect();
    let state = queue.state();
    queue.close();
    // The scripted panic ends the thread, and that is the test.
    let _ = thread.join();
    let committed = committed.lock().clone();
    (committed, told, state)
}

fn retry<T>() -> Result<T, CommitError> {
    Err(CommitError::Retry("away".into()))
}

fn poison(reason: &str) -> Result<(), CommitError> {
    Err(CommitError::Poison(reason.into()))
}

#[test]
fn a_refused_batch_is_sent_again_until_it_is_in() {
    let (committed, told, state) = play(vec![retry(), retry()], 3, false);
    assert_eq!((committed, told), (vec![3], vec![true; 3]));
    assert_eq!(state, LedgerState::Healthy);
}

#[test]
fn a_batch_has_an_upper_size() {
    let (committed, told, _) = play(vec![], 20_000, false);
    assert_eq!(committed, [BATCH_OPS, BATCH_OPS, 20_000 - 2 * BATCH_OPS]);
    assert!(told.iter().all(|told| *told));
}

#[test]
fn a_batch_carries_answers_of_an_upper_size() {
    let body = Bytes::from(vec![b'a'; BATCH_ANSWER_BYTES / 4 + 1]);
    let steps = (0..11).map(|number| {
        let mut settlement = crate::Settlement::clone(&settle(&hold(number, 1), 1));
        // Every third has none.
        settlement.kept = (number % 3 > 0).then(|| kept(&settlement.hold, body.clone()));
        Op::Settle(Arc::new(settlement))
    });
    let (committed, told, _) = play_steps(vec![], steps, false);
    // 0 1 2 3 4 5 | 6 7 8 9 10: four answers are too much for a fifth.
    assert_eq!(committed, [6, 5]);
    assert!(told.iter().all(|told| *told));
}

#[test]
fn nothing_is_committed_after_poison() {
    let holds = u32::try_from(BATCH_OPS).expect("a few") + 5;
    let (committed, told, state) = play(vec![poison("broken")], holds, false);
    assert!(committed.is_empty(), "{committed:?}");
    assert!(told.iter().all(|told| !told));
    assert_eq!(state, LedgerState::Poisoned("broken".into()));
}

#[test]
fn nothing_is_committed_after_a_batch_was_given_up() {
    // Its successors stand on it: a settlement must not be in while its hold is not.
    let holds = u32::try_from(BATCH_OPS).expect("a few") + 5;
    let (committed, told, state) = play(vec![], holds, true);
    assert!(committed.is_empty(), "{committed:?}");
    assert!(told.iter().all(|told| !told));
    assert_eq!(state, LedgerState::Poisoned("away".into()));
}

#[test]
fn a_writer_that_panics_leaves_nobody_waiting() {
    let holds = u32::try_from(BATCH_OPS).expect("a few") + 5;
    let (committed, told, state) = play(vec![Ok(()), poison("panic")], holds, false);
    assert_eq!(committed, [BATCH_OPS]);
    assert_eq!(told.iter().filter(|told| **told).count(), BATCH_OPS);
    assert!(matches!(state, LedgerState::Poisoned(_)), "{state:?}");
}

/// Commits whatever it gets, and is short of something until told.
struct Short {
    shortage: Arc<AtomicBool>,
    idled: Arc<AtomicI64>,
}

impl Committer for Short {
    fn commit(&mut self, _: &Batch, _: &Writer) -> Result<Balances, CommitError> {
        Ok(Balances::default())
    }

    fn idle(&mut self) -> Result<(), CommitError> {
        self.idled.fetch_add(1, Ordering::AcqRel);
        Ok(())
    }

    fn shortage(&self) -> Option<&str> {
        self.shortage.load(Ordering::Acquire).then_some("no room")
    }
}

#[test]
fn a_shortage_refuses_what_is_new_commits_what_is_old_and_passes_by_itself() {
    let queue = queue();
    let (shortage, idled) = (Arc::new(AtomicBool::new(true)), Arc::default());
    let mut committer = Short {
        shortage: Arc::clone(&shortage),
        idled: Arc::clone(&idled),
    };
    queue.heed(committer.shortage());
    let thread = std::thread::spawn({
        let queue = Arc::clone(&queue);
        move || run(&queue, &mut committer, &writer())
    });
    let stalled = LedgerState::Stalled("no room".into());
    assert_eq!(queue.state(), stalled);
    let (sender, ack) = oneshot::channel();
    queue.push_urgent(Op::Hold(hold(1, 1)), Some(Ack::Done(sender)));
    ack.blocking_recv().expect("committed all the same");
    assert_eq!(queue.state(), stalled);
    let before = idled.load(Ordering::Acquire);
    wait_until("it looks again, though nothing comes", || {
        idled.load(Ordering::Acquire) > before + 1
    });
    assert_eq!(queue.state(), stalled);
    shortage.store(false, Ordering::Release);
    wait_until("it is well", || queue.state() == LedgerState::Healthy);
    queue.close();
    thread.join().expect("no panic");
}

#[test]
fn a_commit_under_way_for_long_stalls_admission() {
    let now_us = Arc::new(AtomicI64::new(1));
    let clock = Arc::clone(&now_us);
    let queue = Queue::new(Arc::new(move || AtUs(clock.load(Ordering::Acquire))));
    queue.committing_since_us.store(1, Ordering::Release);
    now_us.store(1 + SLOW_US, Ordering::Release);
    assert_eq!(queue.state(), LedgerState::Healthy);
    now_us.store(2 + SLOW_US, Ordering::Release);
    assert!(matches!(queue.state(), LedgerState::Stalled(_)));
    queue.committing_since_us.store(0, Ordering::Release);
    assert_eq!(queue.state(), LedgerState::Healthy);
}
