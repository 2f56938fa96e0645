//! A key gets a new secret, and the one before it works on for a while.
//!
//! A rotation never lengthens what an earlier one decided, and nothing that is older than the new
//! secret outlives the new grace: so one without a grace leaves the new secret alone, whatever went
//! before.

use crate::time::{AtUs, SECOND_US};

/// How many earlier secrets of a key may work beside its present one.
pub const MOST_RETIRED: usize = 4;

/// How long the secret before the new one works on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grace {
    us: i64,
}

impl Grace {
    /// The longest: a week.
    pub const MOST_S: i64 = 7 * 24 * 3_600;
    /// Where nobody says how long: a day.
    pub const USUAL_S: i64 = 24 * 3_600;

    /// A grace of so many seconds; none if that is too long, or less than nothing.
    #[must_use]
    pub fn of_seconds(seconds: i64) -> Option<Self> {
        let is_possible = (0..=Self::MOST_S).contains(&seconds);
        is_possible.then(|| Grace {
            us: seconds * SECOND_US,
        })
    }

    /// When the secret stops working that the new one takes the place of.
    #[must_use]
    pub fn end(self, rotated_at: AtUs) -> AtUs {
        rotated_at.plus(self.us)
    }

    /// When an even earlier secret stops working, which was to work until `end`.
    #[must_use]
    pub fn end_of_earlier(self, rotated_at: AtUs, end: AtUs) -> AtUs {
        end.min(self.end(rotated_at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grace_is_at_most_a_week() {
        for (seconds, is_possible) in [
            (-1, false),
            (0, true),
            (604_800, true),
            (604_801, false),
            (i64::MAX, false),
        ] {
            let grace = Grace::of_seconds(seconds);
            assert_eq!(grace.is_some(), is_possible, "{seconds}");
        }
    }

    /// Rotations (when, and with which grace in seconds), and until when each secret works that was
    /// replaced, oldest first; all in seconds.
    #[test]
    fn several_rotations() {
        for (rotations, wanted) in [
            (&[(10, 60)][..], &[70][..]),
            (&[(10, 0)], &[10]),
            // Twice in a row: both earlier ones have their time.
            (&[(10, 60), (11, 60)], &[70, 71]),
            // A shorter one takes the earlier ones along.
            (&[(10, 600), (20, 60)], &[80, 80]),
            (&[(10, 600), (20, 600), (30, 0)], &[30, 30, 30]),
            // What is over stays over.
            (&[(10, 5), (100, 600)], &[15, 700]),
        ] {
            let mut ends: Vec<AtUs> = Vec::new();
            for (at_s, grace_s) in rotations {
                let at = AtUs::from_seconds(*at_s);
                let grace = Grace::of_seconds(*grace_s).unwrap();
                for end in &mut ends {
                    *end = grace.end_of_earlier(at, *end);
                }
                ends.push(grace.end(at));
            }
            let ends: Vec<i64> = ends.iter().map(|end| end.seconds()).collect();
            assert_eq!(ends, wanted, "{rotations:?}");
        }
    }
}
