//! The use of a limit as the books have it, for when whoever counted it is gone.
//!
//! Books tell how much was used by when, but not since ever. So a bucket is filled with it anew,
//! from full: however much was in the lost one, it was not more. If the limit was idle for long
//! enough since, both come to the same.

use super::{Bucket, Rate};
use crate::time::AtUs;

/// How much of a limit was used, by when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Booked {
    /// Everything since then is told.
    since: AtUs,
    /// Units, and when they were used at the latest, in the order of time.
    used: Vec<(u64, AtUs)>,
}

impl Booked {
    /// Nothing was used since then.
    #[must_use]
    pub fn nothing(since: AtUs) -> Self {
        Booked {
            since,
            used: Vec::new(),
        }
    }

    /// So many units were used, at `at` at the latest. Tell it in the order of time.
    pub fn add(&mut self, units: u64, at: AtUs) {
        match self.used.last_mut() {
            Some((last, of)) if *of == at => *last = last.saturating_add(units),
            _ => self.used.push((units, at)),
        }
    }

    /// The same in the units of [`Rate::fine`].
    #[must_use]
    pub fn fine(mut self) -> Self {
        for (units, _) in &mut self.used {
            *units = units.saturating_mul(Rate::FINE);
        }
        self
    }

    /// A bucket that is at least as full as any that counted this use, if it let nothing drain
    /// since `until`. It is never above the limit: that much was never let through at once.
    #[must_use]
    pub fn bucket(&self, rate: Rate, until: AtUs) -> Bucket {
        let full = Bucket::of_level(rate.scaled(rate.units), self.since.min(until));
        self.used
            .iter()
            .fold(full, |mut bucket, (units, at)| {
                bucket.take(rate, (*units).min(rate.units), (*at).min(until));
                bucket.level = bucket.level.min(rate.scaled(rate.units));
                bucket
            })
            .drained_until(rate, until)
    }
}

impl Bucket {
    fn drained_until(mut self, rate: Rate, until: AtUs) -> Bucket {
        self.take(rate, 0, until);
        self
    }

    /// Takes `units`, or only so much of them that the level is that of `known`.
    pub fn take_up_to(&mut self, rate: Rate, units: u64, known: &Bucket) {
        let most = self.level + rate.scaled(units);
        self.level = self.level.max(known.level.min(most));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::time::{DAY_US, HOUR_US};

    const NOW: AtUs = AtUs(1_800_000_000_000_000);

    fn booked(days: i64, used: &[(u64, i64)]) -> Booked {
        let mut booked = Booked::nothing(NOW.plus(-days * DAY_US));
        for (units, ago) in used {
            booked.add(*units, NOW.plus(-ago));
        }
        booked
    }

    #[test]
    fn what_was_used_just_now_is_all_that_counts() {
        let limit = Rate::per_day(12);
        let cases: [(&[(u64, i64)], u64); 7] = [
            (&[], 0),
            (&[(5, 0)], 5),
            (&[(2, 0), (3, 0)], 5),
            // A quarter of a day drains three.
            (&[(5, DAY_US / 4)], 2),
            (&[(5, DAY_US / 4), (1, 0)], 3),
            (&[(12, DAY_US)], 0),
            // More than the limit was used when there was another.
            (&[(1_000, DAY_US / 4)], 9),
        ];
        for (used, level) in cases {
            let bucket = booked(3, used).bucket(limit, NOW);
            assert_eq!(bucket.used(limit, NOW), level, "{used:?}");
        }
    }

    #[test]
    fn what_came_before_may_have_been_all_of_it() {
        let limit = Rate::per_day(12);
        let level = |days, used: &[(u64, i64)]| {
            let bucket = booked(days, used).bucket(limit, NOW);
            bucket.used(limit, NOW)
        };
        assert_eq!(level(0, &[]), 12);
        // Six drained in half a day, three came.
        assert_eq!(
            booked(1, &[])
                .bucket(limit, NOW.plus(-DAY_US / 2))
                .used(limit, NOW.plus(-DAY_US / 2)),
            6
        );
        // A limit that was always used up is used up still.
        let hours: Vec<(u64, i64)> = (0..72).rev().map(|hour| (1, hour * 2 * HOUR_US)).collect();
        assert_eq!(level(6, &hours), 12);
    }

    #[test]
    fn what_drains_after_until_does_not_count() {
        let limit = Rate::per_day(24);
        let until = NOW.plus(-HOUR_US);
        for ago in [0, HOUR_US / 2, HOUR_US] {
            let bucket =
                booked(3, &[(2, 5 * HOUR_US), (10, 2 * HOUR_US), (5, ago)]).bucket(limit, until);
            assert_eq!(bucket.level().0, limit.scaled(14), "{ago}");
        }
    }

    #[test]
    fn fine_units_are_as_many() {
        let limit = Rate::per_day(12);
        let used = [(5, DAY_US / 4), (1, 0)];
        let bucket = booked(3, &used).fine().bucket(limit.fine(), NOW);
        assert_eq!(bucket.used(limit.fine(), NOW), 3 * Rate::FINE);
    }

    #[test]
    fn no_more_is_taken_than_is_known() {
        let limit = Rate::per_day(12);
        for (own, units, known, level) in [(0, 12, 5, 5), (2, 12, 5, 5), (2, 2, 5, 4), (7, 3, 5, 7)]
        {
            let mut bucket = Bucket::of_level(limit.scaled(own), NOW);
            let known = Bucket::of_level(limit.scaled(known), NOW);
            bucket.take_up_to(limit, units, &known);
            assert_eq!(bucket.level(), (limit.scaled(level), NOW));
        }
    }

    proptest! {
        /// Whatever happened before, the books are never behind the bucket that was lost; and if
        /// nothing did for so long that it was empty, they are as far as an hour allows.
        #[test]
        fn books_are_never_behind(
            units in 1..50_u64,
            read_days in 1..4_i64,
            steps in proptest::collection::vec((0..5 * HOUR_US, 1..9_u64), 1..120),
        ) {
            let limit = Rate::per_day(units);
            let mut bucket = Bucket::default();
            let mut taken = Vec::new();
            let mut now = NOW;
            for (wait, want) in steps {
                now = now.plus(wait);
                if bucket.check(limit, want, now).is_ok() {
                    bucket.take(limit, want, now);
                    taken.push((want, now));
                }
            }
            let since = now.plus(-read_days * DAY_US).floor(HOUR_US);
            let mut books = Booked::nothing(since);
            for (units, at) in taken {
                if at >= since {
                    books.add(units, at.floor(HOUR_US).plus(HOUR_US).min(now));
                }
            }
            let level = books.bucket(limit, now).used(limit, now);
            prop_assert!(level >= bucket.used(limit, now));
            prop_assert!(level <= units);
        }
    }
}
