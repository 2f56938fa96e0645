//! How an upstream is, as the requests of this process found it: for operators to look at. No
//! request is decided by it; failover asks the upstream itself.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use domain::time::{AtUs, MINUTE_US, MonoUs};
use parking_lot::Mutex;

use crate::refusal::UpstreamFailure;

/// Answers so long ago say nothing of how fast an upstream is now.
const RECENT_US: i64 = 5 * MINUTE_US;
/// The most recent answers that are remembered.
const MOST_RECENT: usize = 1_024;

/// What requests found.
#[derive(Debug, Default)]
pub(super) struct Health {
    in_flight: AtomicU64,
    found: Mutex<Found>,
}

#[derive(Debug, Default)]
struct Found {
    last_answer_at: Option<AtUs>,
    last_failure: Option<(AtUs, &'static str)>,
    failures_in_a_row: u64,
    /// When they came, and how long they took to begin, in microseconds.
    recent: VecDeque<(AtUs, i64)>,
}

/// How an upstream is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UpstreamHealth {
    /// Requests that it works on for this process.
    pub in_flight: u64,
    /// When it last began an answer, or said properly what is wrong with a request.
    pub last_answer_at: Option<AtUs>,
    /// When it last failed, and how.
    pub last_failure: Option<(AtUs, &'static str)>,
    /// Failures since its last answer.
    pub failures_in_a_row: u64,
    /// Answers of the last minutes that the next two are of.
    pub recent_answers: usize,
    /// Half of them began within so many microseconds.
    pub median_us: Option<i64>,
    /// Nineteen of twenty began within so many microseconds.
    pub p95_us: Option<i64>,
}

impl Health {
    pub(super) fn at(&self, now: AtUs) -> UpstreamHealth {
        let mut found = self.found.lock();
        found.forget(now);
        let mut took: Vec<i64> = found.recent.iter().map(|(_, us)| *us).collect();
        took.sort_unstable();
        // The nearest rank: the smallest that so many of a hundred do not exceed.
        let rank = |percent: usize| (took.len() * percent).div_ceil(100).checked_sub(1);
        let within = |percent| rank(percent).map(|rank| took[rank]);
        UpstreamHealth {
            in_flight: self.in_flight.load(Ordering::Relaxed),
            last_answer_at: found.last_answer_at,
            last_failure: found.last_failure,
            failures_in_a_row: found.failures_in_a_row,
            recent_answers: took.len(),
            median_us: within(50),
            p95_us: within(95),
        }
    }

    pub(super) fn failed(&self, now: AtUs, failure: &UpstreamFailure) {
        let mut found = self.found.lock();
        found.last_failure = Some((now, failure.name()));
        found.failures_in_a_row += 1;
    }

    fn answered(&self, now: AtUs, took_us: i64) {
        let mut found = self.found.lock();
        found.last_answer_at = Some(now);
        found.failures_in_a_row = 0;
        found.forget(now);
        if found.recent.len() == MOST_RECENT {
            found.recent.pop_front();
        }
        found.recent.push_back((now, took_us));
    }
}

impl Found {
    fn forget(&mut self, now: AtUs) {
        let is_old = |(at, _): &(AtUs, i64)| now.since(*at) > RECENT_US;
        while self.recent.front().is_some_and(is_old) {
            self.recent.pop_front();
        }
    }
}

/// A request that an upstream works on, until it is dropped.
#[derive(Debug)]
pub(crate) struct Call {
    health: Arc<Health>,
    begun: MonoUs,
}

impl Call {
    pub(super) fn begin(health: &Arc<Health>, now: MonoUs) -> Self {
        health.in_flight.fetch_add(1, Ordering::Relaxed);
        Call {
            health: Arc::clone(health),
            begun: now,
        }
    }

    /// An answer began, at this instant of both clocks.
    pub(crate) fn answered(&self, now: AtUs, mono: MonoUs) {
        self.health.answered(now, mono.since(self.begun));
    }

    /// The answer that had begun failed.
    pub(crate) fn failed(&self, now: AtUs, failure: &UpstreamFailure) {
        self.health.failed(now, failure);
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.health.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_recent_answers_say_how_fast_an_upstream_is() {
        let health = Arc::new(Health::default());
        assert_eq!(health.at(AtUs(0)), UpstreamHealth::default());
        let answer = |at: i64, took_us: i64| {
            let call = Call::begin(&health, MonoUs(at));
            call.answered(AtUs(at), MonoUs(at + took_us));
            assert_eq!(health.at(AtUs(at)).in_flight, 1);
        };
        answer(0, 9_000);
        let late = RECENT_US + 1;
        for took_us in 1..=20 {
            answer(late, took_us);
        }
        let found = health.at(AtUs(late));
        assert_eq!((found.in_flight, found.recent_answers), (0, 20));
        assert_eq!((found.median_us, found.p95_us), (Some(10), Some(19)));
        for _ in 0..2 * MOST_RECENT {
            answer(late, 1);
        }
        assert_eq!(health.at(AtUs(late)).recent_answers, MOST_RECENT);
        let later = health.at(AtUs(3 * RECENT_US));
        assert_eq!((later.recent_answers, later.median_us), (0, None));
        assert_eq!(later.last_answer_at, Some(AtUs(late)), "this is kept");
    }

    #[test]
    fn failures_are_counted_until_an_answer() {
        let health = Arc::new(Health::default());
        health.failed(AtUs(1), &UpstreamFailure::TimedOut);
        health.failed(AtUs(2), &UpstreamFailure::BrokeOff);
        let found = health.at(AtUs(3));
        assert_eq!(found.failures_in_a_row, 2);
        assert_eq!(found.last_failure, Some((AtUs(2), "broke_off")));
        Call::begin(&health, MonoUs(0)).answered(AtUs(3), MonoUs(1));
        let found = health.at(AtUs(3));
        assert_eq!(found.failures_in_a_row, 0);
        assert_eq!(found.last_failure, Some((AtUs(2), "broke_off")), "it was");
    }
}
