//! The clocks, read in this one place.
#![expect(
    clippy::disallowed_methods,
    reason = "this is where the clocks are read"
)]

use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Now, in whole seconds since the Unix epoch; 0 on a machine whose clock is set before it.
pub(crate) fn unix_now_s() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

/// A moment to measure a duration from.
pub(crate) fn start() -> Instant {
    Instant::now()
}
