//! The bounded queue between the HTTP handlers and the inference threads.
//!
//! - At most `parallel` jobs run and at most `limit` wait; another one is refused, never parked.
//! - A waiting job whose client has left gives up its place as soon as someone needs it.
//! - A job that panics takes nothing else with it.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use crate::clock;

/// What a client waits at least and at most before it tries again.
const RETRY_AFTER_S: (f64, f64) = (1.0, 60.0);

/// Work for a thread that has a `C`.
pub(crate) struct Job<C> {
    /// Whether nobody waits for the result any more.
    pub(crate) abandoned: Box<dyn Fn() -> bool + Send>,
    /// The work.
    pub(crate) run: Box<dyn FnOnce(&mut C) + Send>,
}

/// The queue is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Overloaded {
    /// When a place is likely to be free.
    pub(crate) retry_after_s: u64,
}

/// How busy a queue is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Load {
    pub(crate) running: usize,
    pub(crate) waiting: usize,
}

/// Jobs on their way to the threads that call [`Queue::work`].
pub(crate) struct Queue<C> {
    state: Mutex<State<C>>,
    changed: Condvar,
    parallel: usize,
    limit: usize,
}

struct State<C> {
    waiting: VecDeque<Job<C>>,
    running: usize,
    closed: bool,
    /// A moving average, for an estimate of when there will be room.
    job_s: f64,
}

impl<C> Queue<C> {
    pub(crate) fn new(parallel: usize, limit: usize) -> Self {
        Self {
            state: Mutex::new(State {
                waiting: VecDeque::new(),
                running: 0,
                closed: false,
                job_s: 1.0,
            }),
            changed: Condvar::new(),
            parallel,
            limit,
        }
    }

    /// Takes a job, or refuses it at once.
    pub(crate) fn submit(&self, job: Job<C>) -> Result<(), Overloaded> {
        let mut state = self.state.lock();
        if self.is_full(&state) {
            state.waiting.retain(|job| !(job.abandoned)());
        }
        if self.is_full(&state) {
            let rounds = (state.waiting.len() + 1).div_ceil(self.parallel.max(1));
            let wait_s = rounds as f64 * state.job_s;
            let wait_s = wait_s.ceil().clamp(RETRY_AFTER_S.0, RETRY_AFTER_S.1);
            return Err(Overloaded {
                retry_after_s: wait_s as u64,
            });
        }
        state.waiting.push_back(job);
        self.changed.notify_one();
        Ok(())
    }

    pub(crate) fn load(&self) -> Load {
        let state = self.state.lock();
        Load {
            running: state.running,
            waiting: state.waiting.len(),
        }
    }

    /// Runs jobs, one after the other, until the queue is closed.
    pub(crate) fn work(&self, context: &mut C) {
        while let Some(job) = self.next() {
            if (job.abandoned)() {
                self.done(None);
                continue;
            }
            let start = clock::start();
            let run = job.run;
            // The context is only scratch memory, which every job starts by clearing.
            if catch_unwind(AssertUnwindSafe(|| run(context))).is_err() {
                tracing::error!("a job panicked; its client is told of an internal error");
            }
            self.done(Some(start.elapsed()));
        }
    }

    /// Ends the threads once their jobs are done, and drops all jobs that wait.
    pub(crate) fn close(&self) {
        let mut state = self.state.lock();
        state.closed = true;
        state.waiting.clear();
        self.changed.notify_all();
    }

    fn is_full(&self, state: &State<C>) -> bool {
        state.closed || state.running + state.waiting.len() >= self.parallel + self.limit
    }

    fn next(&self) -> Option<Job<C>> {
        let mut state = self.state.lock();
        loop {
            if state.closed {
                return None;
            }
            if let Some(job) = state.waiting.pop_front() {
                state.running += 1;
                return Some(job);
            }
            self.changed.wait(&mut state);
        }
    }

    fn done(&self, took: Option<Duration>) {
        let mut state = self.state.lock();
        state.running -= 1;
        if let Some(took) = took {
            state.job_s = 0.8 * state.job_s + 0.2 * took.as_secs_f64();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::sync::mpsc::{Sender, channel};
    use std::thread;

    use super::*;

    fn job(run: impl FnOnce() + Send + 'static) -> Job<()> {
        Job {
            abandoned: Box::new(|| false),
            run: Box::new(|()| run()),
        }
    }

    fn telling(sender: &Sender<&'static str>, word: &'static str) -> Job<()> {
        let sender = sender.clone();
        job(move || sender.send(word).unwrap())
    }

    #[test]
    fn what_does_not_fit_is_refused_and_the_rest_runs_in_order() {
        let queue = Arc::new(Queue::new(1, 1));
        let (sender, results) = channel();
        queue.submit(telling(&sender, "first")).unwrap();
        queue.submit(telling(&sender, "second")).unwrap();
        let refused = queue.submit(telling(&sender, "third")).unwrap_err();
        assert!((1..=60).contains(&refused.retry_after_s));
        assert_eq!(
            queue.load(),
            Load {
                running: 0,
                waiting: 2
            }
        );

        let worker = thread::spawn({
            let queue = Arc::clone(&queue);
            move || queue.work(&mut ())
        });
        assert_eq!(results.recv(), Ok("first"));
        assert_eq!(results.recv(), Ok("second"));
        queue.close();
        worker.join().unwrap();
    }

    #[test]
    fn a_client_who_left_makes_room() {
        let queue = Queue::new(1, 0);
        let left = Arc::new(AtomicBool::new(false));
        let watched = Arc::clone(&left);
        let abandoned = Job {
            abandoned: Box::new(move || watched.load(Ordering::Relaxed)),
            run: Box::new(|&mut ()| ()),
        };
        queue.submit(abandoned).unwrap();
        assert!(queue.submit(job(|| ())).is_err());
        left.store(true, Ordering::Relaxed);
        assert!(queue.submit(job(|| ())).is_ok());
    }

    #[test]
    fn a_panic_ends_one_job_and_not_the_thread() {
        let queue = Arc::new(Queue::new(1, 2));
        let (sender, results) = channel();
        queue.submit(job(|| panic!("on purpose"))).unwrap();
        queue.submit(telling(&sender, "after")).unwrap();
        let worker = thread::spawn({
            let queue = Arc::clone(&queue);
            move || queue.work(&mut ())
        });
        assert_eq!(results.recv(), Ok("after"));
        queue.close();
        worker.join().unwrap();
        assert_eq!(queue.load().running, 0);
    }

    #[test]
    fn a_closed_queue_takes_nothing() {
        let queue = Queue::new(1, 1);
        queue.close();
        assert!(queue.submit(job(|| ())).is_err());
    }
}
