//! The only place that reads a clock. Everything else is handed one.
#![expect(
    clippy::disallowed_methods,
    reason = "the one place that reads a clock"
)]

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use domain::time::{AtUs, Clock, MonoUs};

/// The system's wall clock: microseconds since the Unix epoch, UTC.
#[must_use]
pub fn system() -> Clock {
    Arc::new(now)
}

/// The wall clock now.
#[must_use]
pub fn now() -> AtUs {
    // A clock set before 1970 or after the year 294000 is no clock; zero makes that visible.
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    AtUs(i64::try_from(since.as_micros()).unwrap_or_default())
}

/// How much time has passed since this was first asked.
#[must_use]
pub fn mono() -> MonoUs {
    static START: OnceLock<Instant> = OnceLock::new();
    let passed = START.get_or_init(Instant::now).elapsed();
    MonoUs(i64::try_from(passed.as_micros()).unwrap_or(i64::MAX))
}

/// Measures how long something takes; steps of the wall clock do not touch it.
#[derive(Clone, Copy, Debug)]
pub struct Stopwatch(Instant);

impl Stopwatch {
    /// Starts measuring.
    #[must_use]
    pub fn start() -> Self {
        Stopwatch(Instant::now())
    }

    /// The time since the start.
    #[must_use]
    pub fn elapsed(self) -> Duration {
        self.0.elapsed()
    }
}
