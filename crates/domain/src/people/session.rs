//! How long a sign-in lasts.
//!
//! A session ends two weeks after it was last used, and three months after it began however much it
//! is used. What changes how an account is entered asks for proof that is fresh.

use crate::time::{AtUs, DAY_US, MINUTE_US};

/// A session that is not used for so long is over.
pub const IDLE_US: i64 = 14 * DAY_US;
/// No session lasts longer.
pub const MOST_US: i64 = 90 * DAY_US;
/// When a session was last used is written at most so often.
const NOTED_EVERY_US: i64 = 10 * MINUTE_US;
/// For so long after signing in, no further proof is needed to change how one signs in.
const FRESH_US: i64 = 15 * MINUTE_US;

/// The instants of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifetime {
    /// When somebody signed in.
    pub began_at: AtUs,
    /// When it was last used, as far as was written.
    pub seen_at: AtUs,
    /// When its holder last proved who they are.
    pub proved_at: AtUs,
}

impl Lifetime {
    /// A session that begins now.
    #[must_use]
    pub fn beginning(now: AtUs) -> Self {
        Lifetime {
            began_at: now,
            seen_at: now,
            proved_at: now,
        }
    }

    /// The instant from which the session is over if it is not used again.
    #[must_use]
    pub fn expires_at(&self) -> AtUs {
        let idle = self.seen_at.plus(IDLE_US);
        idle.min(self.began_at.plus(MOST_US))
    }

    /// Whether the session is over.
    #[must_use]
    pub fn is_over(&self, now: AtUs) -> bool {
        now >= self.expires_at()
    }

    /// Whether it is time to write that the session is in use.
    #[must_use]
    pub fn is_to_be_noted(&self, now: AtUs) -> bool {
        now.since(self.seen_at) >= NOTED_EVERY_US
    }

    /// The instant until which nothing further is asked for to change how one signs in.
    #[must_use]
    pub fn fresh_until(&self) -> AtUs {
        self.proved_at.plus(FRESH_US)
    }

    /// Whether its holder proved lately who they are.
    #[must_use]
    pub fn is_fresh(&self, now: AtUs) -> bool {
        now < self.fresh_until()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: AtUs = AtUs(1_800_000_000_000_000);

    #[test]
    fn a_session_ends_when_it_is_not_used_and_in_any_case() {
        let began = Lifetime::beginning(START);
        for (seen_days, now_us, over) in [
            (0, 0, false),
            (0, 14 * DAY_US - 1, false),
            (0, 14 * DAY_US, true),
            (10, 24 * DAY_US - 1, false),
            (10, 24 * DAY_US, true),
            (85, 90 * DAY_US - 1, false),
            (85, 90 * DAY_US, true),
        ] {
            let used = Lifetime {
                seen_at: START.plus(seen_days * DAY_US),
                ..began
            };
            assert_eq!(
                used.is_over(START.plus(now_us)),
                over,
                "{seen_days} {now_us}"
            );
        }
    }

    #[test]
    fn use_is_noted_now_and_then_and_proof_is_fresh_for_a_while() {
        let began = Lifetime::beginning(START);
        for (minutes, noted, fresh) in [(0, false, true), (9, false, true), (10, true, true)] {
            let now = START.plus(minutes * MINUTE_US);
            assert_eq!(
                (began.is_to_be_noted(now), began.is_fresh(now)),
                (noted, fresh)
            );
        }
        assert!(!began.is_fresh(START.plus(15 * MINUTE_US)));
        assert!(!began.is_over(START.plus(-DAY_US)), "a clock went back");
    }
}
