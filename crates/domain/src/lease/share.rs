//! A node's share of one rate limit: what its bucket is measured against instead of the limit.
//!
//! A request that the share has no room for may wait: the next beat says what is wanted, and others
//! give up what they have not used. Only where nobody has any is the limit itself used up.

use super::demand::Demand;
use super::{LimitId, RateAnswer, RateLine};
use crate::rate::{Bucket, Rate};
use crate::time::{AtUs, MINUTE_US, MonoUs, SECOND_US};

/// How long the answer to a beat may take before the limit is named again.
const ANSWER_US: i64 = SECOND_US;
/// A limit that wants nothing is named no more often than this, however often the node beats.
const CALM_US: i64 = SECOND_US / 20;
/// When all of a limit is used, that is believed for so long.
const BELIEVED_US: i64 = SECOND_US / 4;
/// A share that was not asked for so long is given up.
const IDLE_US: i64 = MINUTE_US;

/// A limit, cut into what is shared and what every node has without asking.
///
/// Where a limit is far above all use, nodes need not share it. Each has a small part of it as its
/// own; the parts of [`Cut::NODES`] nodes are not shared, so that all together stay within the
/// limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cut {
    limit: Rate,
    shared: Rate,
    own: u64,
}

impl Cut {
    /// So many nodes may have parts of their own.
    const NODES: u64 = 64;
    /// Each of them this part of the limit: a sixteenth of it altogether.
    const PART: u64 = 16 * Cut::NODES;

    /// A limit that is shared to the last unit.
    #[must_use]
    pub fn all(limit: Rate) -> Self {
        Cut {
            limit,
            shared: limit,
            own: 0,
        }
    }

    /// A limit that is far above all use.
    #[must_use]
    pub fn high(limit: Rate) -> Self {
        let own = limit.units() / Cut::PART;
        Cut {
            limit,
            shared: limit.of(limit.units() - own * Cut::NODES),
            own,
        }
    }

    /// The limit itself.
    #[must_use]
    pub fn limit(self) -> Rate {
        self.limit
    }
}

/// The number of a beat, and the time at which it is sent or heard of.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// Which beat.
    pub beat: u64,
    /// When, by the monotonic clock.
    pub now: MonoUs,
}

/// A part of a rate limit. Empty until the office has answered a beat that named the limit.
///
/// Its bucket must drain by a clock that nobody sets: the process's monotonic one.
#[derive(Clone, Copy, Debug, Default)]
pub struct Share {
    rate: Option<Rate>,
    /// The last beat that named the limit, when that was, and what it said was the share.
    beat: u64,
    named_at: MonoUs,
    told: u64,
    /// The last beat whose answer was taken.
    adopted: u64,
    demand: Demand,
    /// When anything was asked of the limit.
    asked_at: MonoUs,
    /// What could not be given since the last beat that named the limit.
    wanted: u64,
    /// The smallest part of that.
    least: u64,
    /// It is given up as far as possible.
    leaves: bool,
    /// Until then it is known that nobody has any left.
    exhausted_until: MonoUs,
}

impl Share {
    /// The part of the limit, in units for its window; none if the office has not answered yet.
    #[must_use]
    pub fn rate(&self) -> Option<Rate> {
        self.rate
    }

    /// What the bucket of a limit that was cut like this is measured against; none if this node has
    /// nothing of it yet.
    #[must_use]
    pub fn part(&self, cut: Cut) -> Option<Rate> {
        let own = (cut.own > 0).then_some(0);
        let share = self.rate.map(|it| it.units().min(cut.shared.units()));
        share.or(own).map(|share| cut.shared.of(share + cut.own))
    }

    /// Notes what was asked of the limit here, given or refused.
    pub fn asked(&mut self, units: u64, now: MonoUs) {
        self.demand.add(units, now);
        self.asked_at = now;
    }

    /// There was no room for this much: the next beat asks for it.
    pub fn lacks(&mut self, units: u64) {
        self.leaves = false;
        self.add(units);
    }

    fn add(&mut self, units: u64) {
        self.least = match self.wanted {
            0 => units,
            _ => self.least.min(units),
        };
        self.wanted = self.wanted.saturating_add(units);
    }

    /// What those ask for that wait, each with so many units, in place of what they lacked before:
    /// also where there is room by now that they have not looked for, or it would go to others.
    pub fn claimed(&mut self, units: impl Iterator<Item = u64>) {
        (self.wanted, self.least) = (0, 0);
        units.for_each(|units| self.add(units));
    }

    /// Whether others may have room for what has none here.
    #[must_use]
    pub fn may_get(&self, cut: Cut, now: MonoUs) -> bool {
        let has_all = |rate: Rate| rate.units() >= cut.shared.units();
        now >= self.exhausted_until && !self.rate.is_some_and(has_all)
    }

    /// Whether nothing was asked of it for a long time.
    #[must_use]
    pub fn is_idle(&self, now: MonoUs) -> bool {
        now.since(self.asked_at) >= IDLE_US && self.wanted == 0
    }

    /// What the beat of that number says about the limit, of which `used` units are used: nothing
    /// while the answer to an earlier one may be under way, as after this no older answer is taken.
    pub fn line(&mut self, limit: &LimitId, cut: Cut, used: u64, at: Moment) -> Option<RateLine> {
        let Moment { beat, now } = at;
        let waits = self.beat != self.adopted;
        if waits && now.since(self.named_at) < ANSWER_US {
            return None;
        }
        let share = self.rate.map_or(0, Rate::units);
        let calm = self.rate.is_some() && self.wanted == 0 && share == self.told;
        if calm && now.since(self.named_at) < CALM_US {
            return None;
        }
        self.beat = beat;
        self.named_at = now;
        self.told = share;
        Some(RateLine {
            limit: limit.clone(),
            rate: cut.shared,
            share,
            used: used.saturating_sub(cut.own).min(share),
            wanted: std::mem::take(&mut self.wanted),
            least: std::mem::take(&mut self.least),
            adopted: self.adopted,
            demand: self.demand.lately(now),
            leaves: self.leaves,
        })
    }

    /// Takes the answer to the beat of that number, unless it was not the last. True if the share
    /// has shrunk by so much that somebody will be waiting to hear of it.
    #[must_use]
    pub fn answered(
        &mut self,
        answer: &RateAnswer,
        cut: Cut,
        bucket: &mut Bucket,
        at: Moment,
    ) -> bool {
        let Moment { beat, now } = at;
        if beat != self.beat || beat == self.adopted {
            return false;
        }
        self.adopted = beat;
        if answer.exhausted {
            self.exhausted_until = now.plus(BELIEVED_US);
        }
        let now = AtUs(now.0);
        let before = self.rate.map_or(0, Rate::units);
        let measured = answer.rate.of(before + cut.own);
        // What drained until now drained at the old size, and what comes along is full.
        bucket.take(measured, answer.filled, now);
        let used = bucket.used(measured, now).saturating_sub(cut.own);
        let units = match answer.target < before {
            true => answer.target.max(used.min(before - answer.cut.min(before))),
            false => before + answer.raise,
        };
        self.rate = Some(answer.rate.of(units));
        units < before / 4 * 3
    }

    /// Gives up what is not used, in the beat that comes next: all of it, if nothing is.
    pub fn give_up(&mut self, cut: Cut, used: u64) {
        self.leaves = true;
        let used = used.saturating_sub(cut.own);
        self.rate = self.rate.map(|rate| rate.of(rate.units().min(used)));
    }

    /// Whether it was given up whole, and the office knows.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        let has = self.rate.map_or(0, Rate::units);
        self.leaves && (has, self.told) == (0, 0) && self.beat == self.adopted
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
mod tests;
