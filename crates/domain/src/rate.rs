//! Rate limits as a leaky bucket over sliding time (GCRA), in whole numbers.
//!
//! The bucket's level is kept in units times the window's microseconds, so that it drains by
//! exactly `limit` a microsecond and no rounding ever adds or loses a unit. Keeping the level
//! free of the limit lets a limit change without touching what was used.

use crate::time::{AtUs, MINUTE_US};

/// At most `units` in any minute's worth of drain, with a burst of the same size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PerMinute {
    /// Requests or tokens.
    pub units: u64,
}

/// What was used of a rate limit and has not drained yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bucket {
    level: i128,
    at: AtUs,
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

const WINDOW_US: i128 = MINUTE_US as i128;

impl Bucket {
    /// Whether `units` fit now; takes nothing.
    ///
    /// # Errors
    /// [`RateRefusal`], with the wait after which they will fit.
    pub fn check(&self, limit: PerMinute, units: u64, now: AtUs) -> Result<(), RateRefusal> {
        let level = self.drained(limit, now);
        let over = level + scaled(units) - scaled(limit.units);
        if over <= 0 {
            return Ok(());
        }
        let fits_ever = units <= limit.units && limit.units > 0;
        Err(RateRefusal {
            state: self.state(limit, now),
            requested: units,
            retry_after_us: fits_ever.then(|| drain_time(over, limit)),
        })
    }

    /// Takes `units`, whether they fit or not: call after [`Bucket::check`].
    pub fn take(&mut self, limit: PerMinute, units: u64, now: AtUs) {
        self.level = self.drained(limit, now) + scaled(units);
        self.at = self.at.max(now);
    }

    /// Gives back `units` that were taken and not used.
    pub fn give_back(&mut self, units: u64) {
        self.level = (self.level - scaled(units)).max(0);
    }

    /// Where the limit stands now.
    #[must_use]
    pub fn state(&self, limit: PerMinute, now: AtUs) -> RateState {
        let level = self.drained(limit, now);
        let free = (scaled(limit.units) - level).max(0) / WINDOW_US;
        RateState {
            limit: limit.units,
            remaining: u64::try_from(free).expect("at most the limit"),
            reset_us: drain_time(level, limit),
        }
    }

    /// Whether nothing was taken for `idle_us` before `now`.
    #[must_use]
    pub fn idle_since(&self, now: AtUs, idle_us: i64) -> bool {
        now.since(self.at) > idle_us
    }

    fn drained(&self, limit: PerMinute, now: AtUs) -> i128 {
        let drained = i128::from(now.since(self.at)) * i128::from(limit.units);
        (self.level - drained).max(0)
    }
}

fn scaled(units: u64) -> i128 {
    i128::from(units) * WINDOW_US
}

/// Microseconds in which `level` drains, rounded up so that waiting them suffices.
fn drain_time(level: i128, limit: PerMinute) -> i64 {
    let per_us = i128::from(limit.units.max(1));
    i64::try_from((level + per_us - 1) / per_us).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_full_bucket_refuses_and_tells_a_true_wait() {
        let limit = PerMinute { units: 60 };
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
            .check(PerMinute { units: 10 }, 11, AtUs(0))
            .expect_err("larger than the limit");
        assert_eq!(refusal.retry_after_us, None);
    }

    #[test]
    fn a_clock_that_goes_back_gives_nothing_away() {
        let limit = PerMinute { units: 1 };
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
            let limit = PerMinute { units };
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
                prop_assert!(admitted * WINDOW_US <= scaled(units) + drained);
            }
        }

        #[test]
        fn giving_back_restores_exactly(units in 1..1_000_u64, a in 0..500_u64, b in 0..500_u64) {
            let limit = PerMinute { units };
            let mut bucket = Bucket::default();
            bucket.take(limit, a, AtUs(7));
            let before = bucket;
            bucket.take(limit, b, AtUs(7));
            bucket.give_back(b);
            prop_assert_eq!(bucket, before);
        }
    }
}
