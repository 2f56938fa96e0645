//! The load generator: closed loop, open loop, and streams.
//!
//! Its own HTTP/1.1 client, since it shares the machine with what it measures: one write and mostly
//! one read per request, nothing allocated. Every request that is sent is waited for, also after
//! the measured window, so that what was answered can be compared with what was billed.

pub mod cli;
mod closed;
mod exchange;
mod open;
mod response;
mod streams;
mod target;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::histogram::Histogram;
use exchange::Exchange;

pub use closed::closed;
pub use open::open;
pub use response::{Malformed, Response};
pub use streams::streams;
pub use target::{Prompt, Target};

/// How long a run lasts.
#[derive(Clone, Copy, Debug)]
pub enum Length {
    /// Unmeasured at first, measured after.
    Time {
        warm_up: Duration,
        measured: Duration,
    },
    /// Exactly so many requests, all measured.
    Requests(u64),
}

/// What came of a run.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Answers by status, of all requests, warm-up included.
    pub statuses: BTreeMap<u16, u64>,
    /// Requests without a whole answer, warm-up included.
    pub broken: u64,
    /// The first reason for one.
    pub first_problem: Option<String>,
    /// Answers with status 200 within the measured window: count and latency.
    pub latency: Histogram,
    /// Of the same: until the first byte, and for streams until the first event with text.
    pub first_byte: Histogram,
    pub first_event: Histogram,
    /// Events of all streams that ended, warm-up included.
    pub events: u64,
    /// How long the measured window was.
    pub measured: Duration,
}

impl Report {
    /// Answers with status 200, warm-up included.
    pub fn answered(&self) -> u64 {
        self.statuses.get(&200).copied().unwrap_or(0)
    }

    /// Everything that was not answered with 200, warm-up included.
    pub fn failed(&self) -> u64 {
        self.statuses.values().sum::<u64>() - self.answered() + self.broken
    }

    /// Answers with status 200 per second of the measured window.
    pub fn rate(&self) -> f64 {
        self.latency.count() as f64 / self.measured.as_secs_f64().max(f64::MIN_POSITIVE)
    }

    /// Everything, for machines.
    pub fn json(&self) -> Value {
        let mut report = json!({
            "requests_per_second": self.rate(),
            "latency": self.latency.json(),
            "statuses": self.statuses.iter().map(|(s, n)| (s.to_string(), (*n).into()))
                .collect::<serde_json::Map<_, _>>(),
            "broken": self.broken,
            "measured_s": self.measured.as_secs_f64(),
        });
        if self.first_event.count() > 0 {
            report["first_byte"] = self.first_byte.json();
            report["first_event"] = self.first_event.json();
            report["events"] = self.events.into();
        }
        report
    }

    fn merge(&mut self, other: &Self) {
        for (status, count) in &other.statuses {
            *self.statuses.entry(*status).or_default() += count;
        }
        self.broken += other.broken;
        if self.first_problem.is_none() {
            self.first_problem.clone_from(&other.first_problem);
        }
        self.latency.merge(&other.latency);
        self.first_byte.merge(&other.first_byte);
        self.first_event.merge(&other.first_event);
        self.events += other.events;
    }

    fn answer(&mut self, exchange: &Exchange, measured: bool) {
        *self.statuses.entry(exchange.status).or_default() += 1;
        self.events += exchange.events;
        if exchange.status != 200 || !measured {
            return;
        }
        self.latency.record(exchange.whole);
        if let Some(first_event) = exchange.first_event {
            self.first_byte.record(exchange.first_byte);
            self.first_event.record(first_event);
        }
    }

    fn failure(&mut self, problem: &std::io::Error) {
        self.broken += 1;
        self.first_problem
            .get_or_insert_with(|| problem.to_string());
    }
}

/// The measured window of a run.
#[derive(Clone, Copy, Debug)]
struct Window {
    start: Instant,
    end: Instant,
}

impl Window {
    fn after(start: Instant, warm_up: Duration, measured: Duration) -> Self {
        Self {
            start: start + warm_up,
            end: start + warm_up + measured,
        }
    }

    fn contains(&self, time: Instant) -> bool {
        self.start <= time && time < self.end
    }
}
