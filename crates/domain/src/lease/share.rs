//! A node's share of one rate limit: what its bucket is measured against instead of the limit.

use super::demand::Demand;
use super::{LimitId, RateAnswer, RateLine};
use crate::rate::{Bucket, Rate};
use crate::time::{AtUs, MonoUs, SECOND_US};

/// How long the answer to a beat may take before the limit is named again.
const ANSWER_US: i64 = SECOND_US;

/// A part of a rate limit. Empty until the office has answered a beat that named the limit.
///
/// Its bucket must drain by a clock that nobody sets: the process's monotonic one.
#[derive(Clone, Copy, Debug, Default)]
pub struct Share {
    rate: Option<Rate>,
    /// The last beat that named the limit, and when that was.
    beat: u64,
    named_at: MonoUs,
    /// The last beat whose answer was taken.
    adopted: u64,
    demand: Demand,
}

impl Share {
    /// The part of the limit, in units for its window; none if the office has not answered yet.
    #[must_use]
    pub fn rate(&self) -> Option<Rate> {
        self.rate
    }

    /// Notes what was asked of the limit here, given or refused.
    pub fn asked(&mut self, units: u64, now: MonoUs) {
        self.demand.add(units, now);
    }

    /// What the beat of that number says about the limit: nothing while the answer to an earlier
    /// one may be under way, as after this no older answer is taken.
    pub fn line(&mut self, limit: &LimitId, beat: u64, now: MonoUs) -> Option<RateLine> {
        let waits = self.beat != self.adopted;
        if waits && now.since(self.named_at) < ANSWER_US {
            return None;
        }
        self.beat = beat;
        self.named_at = now;
        Some(RateLine {
            limit: limit.clone(),
            using: self.rate.map_or(0, Rate::units),
            adopted: self.adopted,
            demand: self.demand.lately(now),
        })
    }

    /// Takes the answer to the beat of that number, unless it was not the last. True if the share
    /// has shrunk by so much that somebody will be waiting to hear of it.
    #[must_use]
    pub fn answered(
        &mut self,
        beat: u64,
        answer: &RateAnswer,
        bucket: &mut Bucket,
        now: MonoUs,
    ) -> bool {
        let now = AtUs(now.0);
        if beat != self.beat || beat == self.adopted {
            return false;
        }
        self.adopted = beat;
        let before = answer.rate.of(self.rate.map_or(0, Rate::units));
        // What drained until now drained at the old size, and what comes along is full.
        bucket.take(before, answer.filled, now);
        let units = match answer.target < before.units() {
            true => {
                let used = before.units() - bucket.state(before, now).remaining;
                answer.target.max(used)
            }
            false => before.units() + answer.raise,
        };
        self.rate = Some(answer.rate.of(units));
        units < before.units() / 4 * 3
    }

    /// The epoch ended, and the share with it. What was used counts as the office's to drain.
    pub fn lost(&mut self, bucket: &mut Bucket) {
        *bucket = Bucket::default();
        let (beat, demand) = (self.beat, self.demand);
        *self = Share {
            beat,
            demand,
            // The answers to old beats are of the old epoch.
            adopted: beat,
            ..Share::default()
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::MINUTE_US;

    fn answer(target: u64, raise: u64, filled: u64) -> RateAnswer {
        RateAnswer {
            limit: LimitId::new("l"),
            rate: Rate::per_minute(100),
            target,
            raise,
            filled,
        }
    }

    fn units(share: &Share) -> u64 {
        share.rate().map_or(0, Rate::units)
    }

    const LATER: MonoUs = MonoUs(ANSWER_US);

    #[test]
    fn a_share_grows_with_what_fills_it_and_shrinks_to_what_it_has_used() {
        let (mut share, mut bucket) = (Share::default(), Bucket::default());
        let limit = LimitId::new("l");
        share.asked(7, MonoUs(0));
        let line = share.line(&limit, 1, MonoUs(0)).expect("the first");
        assert_eq!((line.using, line.adopted, line.demand), (0, 0, 7));
        let shrunk = share.answered(1, &answer(60, 40, 10), &mut bucket, MonoUs(0));
        assert!(!shrunk);
        let rate = share.rate().expect("answered");
        assert_eq!(bucket.state(rate, AtUs(0)).remaining, 30);
        bucket.take(rate, 5, AtUs(0));

        let line = share.line(&limit, 2, MonoUs(0)).expect("no answer is due");
        assert_eq!((line.using, line.adopted, line.demand), (40, 1, 7));
        let shrunk = share.answered(2, &answer(10, 0, 0), &mut bucket, MonoUs(0));
        assert_eq!((shrunk, units(&share)), (true, 15), "what is used stays");
        assert!(share.line(&limit, 3, MonoUs(0)).is_some());
        // At 15 a minute, 5 of 15 have drained after a third of one.
        let third = MonoUs(MINUTE_US / 3);
        let shrunk = share.answered(3, &answer(0, 0, 0), &mut bucket, third);
        assert_eq!((shrunk, units(&share)), (false, 10), "not by much");
    }

    #[test]
    fn only_the_answer_to_the_last_beat_counts_and_once() {
        let (mut share, mut bucket) = (Share::default(), Bucket::default());
        let limit = LimitId::new("l");
        assert!(share.line(&limit, 1, MonoUs(0)).is_some());
        let early = share.line(&limit, 2, MonoUs(1));
        assert_eq!(early, None, "the first may yet be answered");
        assert!(share.line(&limit, 3, LATER).is_some());
        for (beat, found) in [(1, 0), (3, 40), (3, 40)] {
            let _ = share.answered(beat, &answer(40, 40, 0), &mut bucket, LATER);
            assert_eq!(units(&share), found);
        }
    }

    #[test]
    fn an_ended_epoch_takes_share_and_filling() {
        let (mut share, mut bucket) = (Share::default(), Bucket::default());
        let limit = LimitId::new("l");
        assert!(share.line(&limit, 1, MonoUs(0)).is_some());
        let _ = share.answered(1, &answer(40, 40, 40), &mut bucket, MonoUs(0));
        assert!(share.line(&limit, 2, MonoUs(0)).is_some());
        share.lost(&mut bucket);
        let _ = share.answered(2, &answer(80, 40, 0), &mut bucket, MonoUs(0));
        assert_eq!((share.rate(), bucket), (None, Bucket::default()));
        let line = share.line(&limit, 3, MonoUs(0));
        assert_eq!(line.map(|line| line.adopted), Some(2));
    }
}
