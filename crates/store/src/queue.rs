//! The queue before the writer, and the writer's loop: group commit.
//!
//! Everything that waits is committed together, in the order it came. A step that nobody waits
//! for (a hold whose answer has not begun) does not start a commit by itself: it rides with the
//! next one, or goes after [`PATIENCE`]. So a request with a quick answer costs one commit.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU8, Ordering};
use std::time::Duration;

use domain::id::OrganizationId;
use domain::money::Nusd;
use domain::time::{AtUs, Clock, SECOND_US};
use parking_lot::{Condvar, Mutex};
use tokio::sync::oneshot;

use crate::LedgerState;
use crate::batch::{Batch, Op, Writer};
use crate::commit::{Balances, CommitError, Committer};

/// How long a step may wait for company.
const PATIENCE: Duration = Duration::from_millis(5);
/// How long to wait before a refused batch is sent again.
const RETRY_PAUSE: Duration = Duration::from_millis(250);
/// How often a writer that is short of something looks whether it still is.
const RECHECK: Duration = Duration::from_secs(1);
/// The most steps in one commit: bounds its time and memory.
const BATCH_OPS: usize = 8_192;
/// No commit takes on more steps when it carries this many bytes of answers.
const BATCH_ANSWER_BYTES: usize = 16 * 1_024 * 1_024;
/// Above this many waiting steps nothing new is admitted.
const BACKLOG_OPS: usize = 200_000;
/// While a commit takes longer, nothing new is admitted.
const SLOW_US: i64 = 2 * SECOND_US;

/// A write of the control plane that must run on the writer's connection.
pub(crate) type Task = Box<dyn FnOnce(&mut rusqlite::Connection) + Send>;

/// What the writer does between two batches: everything queued before it is committed then, and
/// nothing queued after it.
pub(crate) type Between = Box<dyn FnOnce() + Send>;

/// An entry of the queue.
enum Step {
    /// A step of a request, and who is to be told.
    Op(Op, Option<Ack>),
    Between(Between),
}

/// What the writer does next.
#[derive(Default)]
struct Work {
    ops: Vec<Op>,
    acks: Vec<Option<Ack>>,
    between: Option<Between>,
    tasks: Vec<Task>,
}

/// Told when a step is durable; dropped if it never will be.
pub(crate) enum Ack {
    Done(oneshot::Sender<()>),
    /// Also what is then left in the wallet, if the database says.
    Settled(OrganizationId, oneshot::Sender<Option<Nusd>>),
}

impl Ack {
    /// Whoever waited may have given up; the step is durable all the same.
    fn tell(self, balances: &Balances) {
        let _ = match self {
            Ack::Done(sender) => sender.send(()).is_ok(),
            Ack::Settled(organization, sender) => sender.send(balances.of(&organization)).is_ok(),
        };
    }
}

pub(crate) struct Queue {
    pending: Mutex<Pending>,
    wake: Condvar,
    state: AtomicU8,
    trouble: Mutex<String>,
    clock: Clock,
    /// When the commit under way began; zero when there is none.
    committing_since_us: AtomicI64,
}

#[derive(Default)]
struct Pending {
    steps: VecDeque<Step>,
    tasks: Vec<Task>,
    urgent: bool,
    closed: bool,
}

const HEALTHY: u8 = 0;
const STALLED: u8 = 1;
const POISONED: u8 = 2;

/// The trouble after a bug in the writer.
const BROKE: &str = "the writer broke; restart this process";

impl Queue {
    pub(crate) fn new(clock: Clock) -> Arc<Self> {
        Arc::new(Queue {
            pending: Mutex::default(),
            wake: Condvar::new(),
            state: AtomicU8::new(HEALTHY),
            trouble: Mutex::default(),
            clock,
            committing_since_us: AtomicI64::new(0),
        })
    }

    /// Appends a step that nobody waits for yet. After the end it is dropped, and its ack with it.
    pub(crate) fn push(&self, op: Op, ack: Option<Ack>) {
        let mut pending = self.pending.lock();
        if pending.closed {
            return;
        }
        pending.steps.push_back(Step::Op(op, ack));
        // The writer sleeps without limit while nothing waits: the first step starts its patience.
        if pending.steps.len() == 1 {
            self.wake.notify_one();
        }
    }

    /// Appends a step that somebody waits for.
    pub(crate) fn push_urgent(&self, op: Op, ack: Option<Ack>) {
        let mut pending = self.pending.lock();
        if pending.closed {
            return;
        }
        pending.steps.push_back(Step::Op(op, ack));
        self.hurry(&mut pending);
    }

    /// Somebody began to wait for a step pushed before.
    pub(crate) fn urge(&self) {
        let mut pending = self.pending.lock();
        if !pending.steps.is_empty() {
            self.hurry(&mut pending);
        }
    }

    /// Appends a write for the writer's connection.
    pub(crate) fn push_task(&self, task: Task) {
        let mut pending = self.pending.lock();
        if pending.closed {
            return;
        }
        pending.tasks.push(task);
        self.hurry(&mut pending);
    }

    /// Appends something to be done between two batches.
    pub(crate) fn push_between(&self, between: Between) {
        let mut pending = self.pending.lock();
        if pending.closed {
            return;
        }
        pending.steps.push_back(Step::Between(between));
        self.hurry(&mut pending);
    }

    /// Lets the writer finish what waits, and end.
    pub(crate) fn close(&self) {
        let mut pending = self.pending.lock();
        pending.closed = true;
        pending.urgent = true;
        self.wake.notify_one();
    }

    pub(crate) fn state(&self) -> LedgerState {
        let stalled = |reason: &str| LedgerState::Stalled(reason.to_owned());
        match self.state.load(Ordering::Acquire) {
            HEALTHY => {
                let (closed, waiting) = {
                    let pending = self.pending.lock();
                    (pending.closed, pending.steps.len())
                };
                if closed {
                    stalled("the store is being closed")
                } else if waiting > BACKLOG_OPS {
                    stalled("the database does not keep up")
                } else if self.is_slow() {
                    stalled("the database takes longer than 2 seconds to commit")
                } else {
                    LedgerState::Healthy
                }
            }
            STALLED => LedgerState::Stalled(self.trouble.lock().clone()),
            _ => LedgerState::Poisoned(self.trouble.lock().clone()),
        }
    }

    /// Whether what was queued may never be committed.
    pub(crate) fn is_poisoned(&self) -> bool {
        self.state.load(Ordering::Acquire) == POISONED
    }

    fn is_slow(&self) -> bool {
        let since = self.committing_since_us.load(Ordering::Acquire);
        since != 0 && (self.clock)().since(AtUs(since)) > SLOW_US
    }

    fn hurry(&self, pending: &mut Pending) {
        if !pending.urgent {
            pending.urgent = true;
            self.wake.notify_one();
        }
    }

    fn set_state(&self, state: u8, trouble: &str) {
        *self.trouble.lock() = trouble.to_owned();
        self.state.store(state, Ordering::Release);
    }

    /// Refuses everything from now on.
    pub(crate) fn poison(&self, reason: &str) {
        if !self.is_poisoned() {
            tracing::error!(reason, "the ledger broke; restart this process");
            self.set_state(POISONED, reason);
        }
    }

    /// Refuses new requests while the committer is short of something.
    pub(crate) fn heed(&self, shortage: Option<&str>) {
        match (self.state.load(Ordering::Acquire), shortage) {
            (POISONED, _) | (HEALTHY, None) => {}
            (_, Some(reason)) => self.set_state(STALLED, reason),
            (_, None) => {
                self.set_state(HEALTHY, "");
                tracing::info!("the ledger commits again");
            }
        }
    }

    /// Waits for work; none when the queue is closed and empty. Stalled, it may come without any.
    fn take(&self) -> Option<Work> {
        let mut pending = self.pending.lock();
        while pending.steps.is_empty() && pending.tasks.is_empty() {
            if pending.closed {
                return None;
            }
            if self.state.load(Ordering::Acquire) != STALLED {
                self.wake.wait(&mut pending);
            } else if self.wake.wait_for(&mut pending, RECHECK).timed_out() {
                return Some(Work::default());
            }
        }
        if !pending.urgent {
            self.wake
                .wait_while_for(&mut pending, |pending| !pending.urgent, PATIENCE);
        }
        let mut work = Work::default();
        let mut answer_bytes = 0;
        while work.ops.len() < BATCH_OPS
            && answer_bytes < BATCH_ANSWER_BYTES
            && work.between.is_none()
        {
            match pending.steps.pop_front() {
                Some(Step::Op(op, ack)) => {
                    answer_bytes += op.answer_bytes();
                    work.ops.push(op);
                    work.acks.push(ack);
                }
                Some(Step::Between(between)) => work.between = Some(between),
                None => break,
            }
        }
        pending.urgent = !pending.steps.is_empty() || pending.closed;
        work.tasks = std::mem::take(&mut pending.tasks);
        Some(work)
    }

    /// Waits a little before trying again; false when the queue was closed meanwhile.
    fn pause(&self) -> bool {
        let mut pending = self.pending.lock();
        self.wake
            .wait_while_for(&mut pending, |pending| !pending.closed, RETRY_PAUSE);
        !pending.closed
    }
}

/// The writer: runs on its own thread until the queue is closed and empty.
pub(crate) fn run(queue: &Queue, committer: &mut dyn Committer, writer: &Writer) {
    let _ending = Ending(queue);
    work(queue, committer, writer);
    committer.end(!queue.is_poisoned());
}

fn work(queue: &Queue, committer: &mut dyn Committer, writer: &Writer) {
    while let Some(work) = queue.take() {
        let Work {
            ops,
            acks,
            between,
            tasks,
        } = work;
        let committing = || match ops.is_empty() {
            true => None,
            false => commit(queue, committer, writer, &Batch::gather(ops)),
        };
        let Ok(committed) = catch_unwind(AssertUnwindSafe(committing)) else {
            // Before the acks are dropped: who learns that a step failed finds the ledger broken.
            queue.set_state(POISONED, BROKE);
            return;
        };
        if let Some(balances) = committed {
            acks.into_iter()
                .flatten()
                .for_each(|ack| ack.tell(&balances));
        }
        // A bug in a read or a write must not end the ledger; whoever asked for it is told.
        if let Some(between) = between {
            let _ = catch_unwind(AssertUnwindSafe(between));
        }
        if let Some(connection) = committer.connection() {
            for task in tasks {
                let _ = catch_unwind(AssertUnwindSafe(|| task(connection)));
            }
        }
        match committer.idle() {
            Ok(()) => queue.heed(committer.shortage()),
            Err(CommitError::Retry(reason) | CommitError::Poison(reason)) => queue.poison(&reason),
        }
    }
}

/// However the writer ends, nobody waits for it any more.
struct Ending<'a>(&'a Queue);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.set_state(POISONED, BROKE);
        }
        let mut pending = self.0.pending.lock();
        pending.closed = true;
        pending.steps.clear();
        pending.tasks.clear();
    }
}

/// Commits a batch, however long the database takes to come back. None if it never will: then no
/// later one may be committed either, as it stands on this one.
fn commit(
    queue: &Queue,
    committer: &mut dyn Committer,
    writer: &Writer,
    batch: &Batch,
) -> Option<Balances> {
    if queue.is_poisoned() {
        return None;
    }
    let now = (queue.clock)().0;
    queue.committing_since_us.store(now, Ordering::Release);
    let committed = commit_at_last(queue, committer, writer, batch);
    queue.committing_since_us.store(0, Ordering::Release);
    committed
}

fn commit_at_last(
    queue: &Queue,
    committer: &mut dyn Committer,
    writer: &Writer,
    batch: &Batch,
) -> Option<Balances> {
    loop {
        match committer.commit(batch, writer) {
            Ok(balances) => {
                queue.heed(committer.shortage());
                return Some(balances);
            }
            Err(CommitError::Retry(reason)) => {
                if queue.state.load(Ordering::Acquire) == HEALTHY {
                    tracing::error!(reason, "the ledger cannot commit; refusing new requests");
                }
                queue.set_state(STALLED, &reason);
                if !queue.pause() {
                    tracing::error!(
                        reason,
                        "stopping with money undecided; a restart settles it"
                    );
                    queue.set_state(POISONED, &reason);
                    return None;
                }
            }
            Err(CommitError::Poison(reason)) => {
                queue.poison(&reason);
                return None;
            }
        }
    }
}

#[cfg(test)]
mod tests;
