//! Instants as whole microseconds since the Unix epoch, UTC. The clock itself is passed in.

use std::sync::Arc;

/// An instant: microseconds since the Unix epoch, UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AtUs(pub i64);

/// Tells the time. The binary passes the system's clock; tests pass one they can turn.
pub type Clock = Arc<dyn Fn() -> AtUs + Send + Sync>;

/// Tells how time passes, whatever is done to the clock.
pub type MonoClock = fn() -> MonoUs;

/// Microseconds in a second.
pub const SECOND_US: i64 = 1_000_000;
/// Microseconds in a minute.
pub const MINUTE_US: i64 = 60 * SECOND_US;
/// Microseconds in an hour.
pub const HOUR_US: i64 = 60 * MINUTE_US;
/// Microseconds in a (UTC) day.
pub const DAY_US: i64 = 24 * HOUR_US;

impl AtUs {
    /// The instant of a whole number of seconds since the epoch.
    #[must_use]
    pub fn from_seconds(seconds: i64) -> Self {
        AtUs(seconds.saturating_mul(SECOND_US))
    }

    /// Whole seconds since the epoch, rounded down.
    #[must_use]
    pub fn seconds(self) -> i64 {
        self.0.div_euclid(SECOND_US)
    }

    /// Whole milliseconds since the epoch, rounded down; zero before the epoch.
    #[must_use]
    pub fn millis(self) -> u64 {
        u64::try_from(self.0.div_euclid(1_000)).unwrap_or(0)
    }

    /// The start of the bucket of `width_us` that holds this instant.
    #[must_use]
    pub fn floor(self, width_us: i64) -> AtUs {
        AtUs(self.0.div_euclid(width_us) * width_us)
    }

    /// This instant, `us` microseconds later.
    #[must_use]
    pub fn plus(self, us: i64) -> AtUs {
        AtUs(self.0.saturating_add(us))
    }

    /// The instant as people and programs read it: `2026-12-01T00:00:00Z`, to the second.
    #[must_use]
    pub fn to_utc(self) -> String {
        let timestamp = jiff::Timestamp::from_second(self.seconds());
        timestamp.map_or_else(|_| "never".into(), |it| it.to_string())
    }

    /// Microseconds from `earlier` to this instant; zero if the clock went back.
    #[must_use]
    pub fn since(self, earlier: AtUs) -> i64 {
        self.0.saturating_sub(earlier.0).max(0)
    }
}

/// An instant of a process's monotonic clock, in microseconds. Nobody sets that clock, and it means
/// nothing to another process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MonoUs(pub i64);

impl MonoUs {
    /// This instant, `us` microseconds later.
    #[must_use]
    pub fn plus(self, us: i64) -> MonoUs {
        MonoUs(self.0.saturating_add(us))
    }

    /// Microseconds from `earlier` to this instant; zero if it was later.
    #[must_use]
    pub fn since(self, earlier: MonoUs) -> i64 {
        self.0.saturating_sub(earlier.0).max(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_start_at_or_before_their_instants_also_before_the_epoch() {
        assert_eq!(AtUs(HOUR_US + 5).floor(HOUR_US), AtUs(HOUR_US));
        assert_eq!(AtUs(HOUR_US).floor(HOUR_US), AtUs(HOUR_US));
        assert_eq!(AtUs(-1).floor(HOUR_US), AtUs(-HOUR_US));
        assert_eq!(AtUs(-1).seconds(), -1);
    }

    #[test]
    fn instants_are_written_in_utc() {
        let at = AtUs::from_seconds(1_796_083_200).plus(999_999);
        assert_eq!(at.to_utc(), "2026-12-01T00:00:00Z");
        assert_eq!(AtUs(i64::MAX).to_utc(), "never");
    }
}
