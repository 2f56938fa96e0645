//! Rate limits as a leaky bucket over sliding time (GCRA), in whole numbers.
//!
//! The bucket's level is kept in units times the window's microseconds, so that it drains by
//! exactly `limit` a microsecond and no rounding ever adds or loses a unit. Keeping the level
//! free of the limit lets a limit change without touching what was used.
//!
//! Instants are of whichever clock the caller goes by, as long as it is always the same. A node
//! goes by its monotonic clock: one that is set ahead would empty every bucket.

mod booked;

use crate::time::{AtUs, DAY_US, MINUTE_US};

pub use booked::Booked;

/// At most `units` in any window's worth of drain, with a burst of the same size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    units: u64,
    window_us: i64,
}

/// Stands for the window of a limit on what is used at once, which does not drain.
const AT_ONCE_US: i64 = 1;
/// Finer rates than this are cut off: nobody reaches them, and a database must be able to keep
/// them.
const MOST_FINE: u64 = i64::MAX as u64;

impl Rate {
    /// A unit of a [fine](Rate::fine) rate is this part of one.
    pub const FINE: u64 = 1_000_000;

    /// At most `units` in any `window_us` microseconds' worth of drain.
    #[must_use]
    pub const fn of_window(units: u64, window_us: i64) -> Self {
        Rate { units, window_us }
    }

    /// At most `units` at once: they are free again when they are given back, and only then.
    #[must_use]
    pub fn at_once(units: u64) -> Self {
        Rate::of_window(units, AT_ONCE_US)
    }

    /// At most `units` a minute.
    #[must_use]
    pub fn per_minute(units: u64) -> Self {
        Rate {
            units,
            window_us: MINUTE_US,
        }
    }

    /// At most `units` a day.
    #[must_use]
    pub fn per_day(units: u64) -> Self {
        Rate {
            units,
            window_us: DAY_US,
        }
    }

    /// The most that may be used in a window.
    #[must_use]
    pub fn units(self) -> u64 {
        self.units
    }

    /// The window, in microseconds.
    #[must_use]
    pub fn window_us(self) -> i64 {
        self.window_us
    }

    /// Whether what was used drains as time passes.
    #[must_use]
    pub fn drains(self) -> bool {
        self.window_us != AT_ONCE_US
    }

    /// The same limit in smaller units, of which it can be cut into parts that add up to it.
    #[must_use]
    pub fn fine(self) -> Self {
        self.of(self.units.saturating_mul(Rate::FINE).min(MOST_FINE))
    }

    /// Another number of units in the same window.
    #[must_use]
    pub fn of(self, units: u64) -> Self {
        Rate { units, ..self }
    }

    fn scaled(&self, units: u64) -> i128 {
        i128::from(units) * i128::from(self.window_us)
    }

    /// Microseconds in which `level` drains, rounded up so that waiting them suffices.
    fn drain_time(&self, level: i128) -> i64 {
        let per_us = i128::from(self.units.max(1));
        i64::try_from((level + per_us - 1) / per_us).unwrap_or(i64::MAX)
    }
}

/// What was used of a rate limit and has not drained yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bucket {
    level: i128,
    at: AtUs,
}

impl Default for Bucket {
    /// Empty since ever: whatever instant comes first is later.
    fn default() -> Self {
        Bucket {
            level: 0,
            at: AtUs(i64::MIN),
        }
    }
}

/// Where a rate limit stands: what the `x-ratelimit-*` headers tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateState {
    /// The limit itself.
    pub limit: u64,
    /// What may be used at once, now.
    pub remaining: u64,
    /// Microseconds until the bucket is empty again.
    pub reset_us: i64,
}

/// A request did not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateRefusal {
    /// Where the limit stands.
    pub state: RateState,
    /// How much was asked for.
    pub requested: u64,
    /// Waiting this many microseconds suffices; none if the request exceeds the limit itself.
    pub retry_after_us: Option<i64>,
}

impl Bucket {
    /// A bucket with this level, in units times the window's microseconds, at that instant.
    #[must_use]
    pub fn of_level(level: i128, at: AtUs) -> Self {
        Bucket { level, at }
    }

    /// The level, as [`Bucket::of_level`] takes it, and the instant it is of.
    #[must_use]
    pub fn level(&self) -> (i128, AtUs) {
        (self.level, self.at)
    }

    /// The units that are used now, those in part as well.
    #[must_use]
    pub fn used(&self, rate: Rate, now: AtUs) -> u64 {
        let window = i128::from(rate.window_us);
        let units = (self.drained(rate, now) + window - 1) / window;
        u64::try_from(units).unwrap_or(u64::MAX)
    }

    /// Whether `units` fit now; takes nothing.
    ///
    /// # Errors
    /// [`RateRefusal`], with the wait after which they will fit.
    pub fn check(&self, rate: Rate, units: u64, now: AtUs) -> Result<(), RateRefusal> {
        self.check_part(rate, rate, units, now)
    }

    /// Whether `units` fit now into this bucket, which is a `part` of `limit`. The other parts are
    /// taken to be full, and what drains out of them to come here.
    ///
    /// # Errors
    /// [`RateRefusal`], with the wait after which they will fit.
    pub fn check_part(
        &self,
        limit: Rate,
        part: Rate,
        units: u64,
        now: AtUs,
    ) -> Result<(), RateRefusal> {
        let over = self.drained(part, now) + part.scaled(units) - part.scaled(part.units);
        if over <= 0 {
            return Ok(());
        }
        let fits_ever = units <= limit.units && limit.units > 0;
        let wait = || {
            // All parts drain as the limit does, until this one is empty; then only the others do.
            let others = limit.of(limit.units.saturating_sub(part.units));
            let theirs = limit.scaled(units.saturating_sub(part.units));
            limit.drain_time(over).max(others.drain_time(theirs))
        };
        Err(RateRefusal {
            state: RateState {
                limit: limit.units,
                ..self.state(part, now)
            },
            requested: units,
            retry_after_us: (fits_ever && limit.drains()).then(wait),
        })
    }

    /// Takes `units`, whether they fit or not: call after [`Bucket::check`].
    pub fn take(&mut self, rate: Rate, units: u64, now: AtUs) {
        self.level = self.drained(rate, now) + rate.scaled(units);
        self.at = self.at.max(now);
    }

    /// Gives back `units` that were taken and not used.
    pub fn give_back(&mut self, rate: Rate, units: u64) {
        self.level = (self.level - rate.scaled(units)).max(0);
    }

    /// Where the limit stands now.
    #[must_use]
    pub fn state(&self, rate: Rate, now: AtUs) -> RateState {
        let level = self.drained(rate, now);
        let free = (rate.scaled(rate.units) - level).max(0) / i128::from(rate.window_us);
        RateState {
            limit: rate.units,
            remaining: u64::try_from(free).expect("at most the limit"),
            reset_us: rate.drain_time(level),
        }
    }

    /// Whether everything that was taken has drained: the bucket is as good as new.
    #[must_use]
    pub fn is_empty(&self, rate: Rate, now: AtUs) -> bool {
        self.drained(rate, now) == 0
    }

    fn drained(&self, rate: Rate, now: AtUs) -> i128 {
        if !rate.drains() {
            return self.level;
        }
        let drained = i128::from(now.since(self.at)) * i128::from(rate.units);
        (self.level - drained).max(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_full_bucket_refuses_and_tells_a_true_wait() {
        let limit = Rate::per_minute(60);
        let mut bucket = Bucket::default();
        let start = AtUs::from_seconds(1_000);
        for _ in 0..60 {
            bucket.check(limit, 1, start).expect("within the burst");
            bucket.take(limit, 1, start);
        }
        let refusal = bucket
            .check(limit, 1, start)
            .expect_err("the bucket is full");
        assert_eq!(refusal.retry_after_us, Some(1_000_000));
        assert_eq!(
            refusal.state,
            RateState {
                limit: 60,
                remaining: 0,
                reset_us: MINUTE_US
            }
        );
        bucket
            .check(limit, 1, start.plus(999_999))
            .expect_err("a microsecond early");
        bucket
            .check(limit, 1, start.plus(1_000_000))
            .expect("after the wait it was told");
    }

    #[test]
    fn more_than_the_limit_never_fits() {
        let refusal = Bucket::default()
            .check(Rate::per_minute(10), 11, AtUs(0))
            .expect_err("larger than the limit");
        assert_eq!(refusal.retry_after_us, None);
    }

    #[test]
    fn a_limit_that_was_lowered_to_nothing_is_not_worth_a_wait() {
        let mut bucket = Bucket::default();
        bucket.take(Rate::per_minute(10), 5, AtUs(0));
        let refusal = bucket.check(Rate::per_minute(0), 0, AtUs(0));
        assert_eq!(refusal.expect_err("five too many").retry_after_us, None);
    }

    #[test]
    fn a_day_drains_in_a_day() {
        let limit = Rate::per_day(2);
        let mut bucket = Bucket::default();
        bucket.take(limit, 2, AtUs(0));
        let refusal = bucket.check(limit, 1, AtUs(0)).expect_err("full");
        assert_eq!(refusal.retry_after_us, Some(DAY_US / 2));
        assert!(!bucket.is_empty(limit, AtUs(DAY_US - 1)));
        assert!(bucket.is_empty(limit, AtUs(DAY_US)));
    }

    #[test]
    fn a_clock_that_goes_back_gives_nothing_away() {
        let limit = Rate::per_minute(1);
        let mut bucket = Bucket::default();
        bucket.take(limit, 1, AtUs::from_seconds(100));
        bucket
            .check(limit, 1, AtUs::from_seconds(10))
            .expect_err("time does not run backwards");
    }

    proptest! {
        #[test]
        fn no_window_admits_more_than_burst_and_drain(
            units in 1..100_u64,
            steps in proptest::collection::vec((0..2_000_000_i64, 1..20_u64), 1..200),
        ) {
            let limit = Rate::per_minute(units);
            let mut bucket = Bucket::default();
            let (mut now, mut admitted, start) = (AtUs(0), 0_i128, AtUs(0));
            for (wait, want) in steps {
                now = now.plus(wait);
                match bucket.check(limit, want, now) {
                    Ok(()) => {
                        bucket.take(limit, want, now);
                        admitted += i128::from(want);
                    }
                    Err(RateRefusal { retry_after_us: Some(wait), .. }) => {
                        let later = now.plus(wait);
                        prop_assert!(bucket.check(limit, want, later).is_ok());
                    }
                    Err(_) => prop_assert!(want > units),
                }
                let drained = i128::from(now.since(start)) * i128::from(units);
                prop_assert!(admitted * i128::from(MINUTE_US) <= limit.scaled(units) + drained);
            }
        }

        #[test]
        fn giving_back_restores_exactly(units in 1..1_000_u64, a in 0..500_u64, b in 0..500_u64) {
            let limit = Rate::per_minute(units);
            let mut bucket = Bucket::default();
            bucket.take(limit, a, AtUs(7));
            let before = bucket;
            bucket.take(limit, b, AtUs(7));
            bucket.give_back(limit, b);
            prop_assert_eq!(bucket, before);
        }
    }
}
