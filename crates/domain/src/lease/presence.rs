//! A process's place among the nodes: its epoch, its heartbeats, and how long it may trust them.
//!
//! The deadline is reckoned from before a call was sent, by the monotonic clock, and is shorter
//! than the office's. It only keeps a node that is cut off from taking requests that it could not
//! finish; that no money is spent twice does not hang on any clock.

use std::collections::VecDeque;

use super::{BEAT_US, Epoch, Join, NodeId, TRUST_US};
use crate::time::{MonoUs, SECOND_US};

/// How long to wait for an answer before a call to join is repeated.
const REPEAT_US: i64 = SECOND_US;
/// Beats out of turn come no faster than this.
const HURRY_US: i64 = SECOND_US / 50;
/// Answers to older beats than these are of no use.
const KEPT_BEATS: usize = 8;

/// What a process must say now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Call {
    /// Take the place, or a new epoch in it.
    Join(Join),
    /// Renew the leases.
    Beat {
        /// Of this epoch.
        epoch: Epoch,
        /// The number of the beat.
        number: u64,
    },
}

/// A process's place among the nodes.
#[derive(Clone, Debug)]
pub struct Presence {
    node: NodeId,
    process: u64,
    attempt: u64,
    stage: Stage,
    beats: u64,
    /// The beats that may still be answered, and when they were sent.
    sent: VecDeque<(u64, MonoUs)>,
}

#[derive(Clone, Copy, Debug)]
enum Stage {
    /// Without an epoch. When the call to join was first sent, and last.
    Outside { asked: Option<(MonoUs, MonoUs)> },
    /// With one: until when it may be trusted, when the last beat was, and when the next is due.
    Inside {
        epoch: Epoch,
        until: MonoUs,
        beaten: MonoUs,
        due: MonoUs,
    },
    /// It has left, and says nothing more.
    Left,
}

impl Presence {
    /// A process that has just started and will take this place. One that starts later has a
    /// greater number.
    #[must_use]
    pub fn new(node: NodeId, process: u64) -> Self {
        Presence {
            node,
            process,
            attempt: 1,
            stage: Stage::Outside { asked: None },
            beats: 0,
            sent: VecDeque::new(),
        }
    }

    /// The place.
    #[must_use]
    pub fn node(&self) -> &NodeId {
        &self.node
    }

    /// The present epoch, if there is one.
    #[must_use]
    pub fn epoch(&self) -> Option<Epoch> {
        match self.stage {
            Stage::Inside { epoch, .. } => Some(epoch),
            Stage::Outside { .. } | Stage::Left => None,
        }
    }

    /// Whether requests may be admitted now: the last renewal is fresh enough.
    #[must_use]
    pub fn may_admit(&self, now: MonoUs) -> bool {
        matches!(self.stage, Stage::Inside { until, .. } if now < until)
    }

    /// What must be said now, if anything.
    pub fn poll(&mut self, now: MonoUs) -> Option<Call> {
        match &mut self.stage {
            Stage::Outside { asked } => {
                let first = match *asked {
                    Some((_, last)) if now.since(last) < REPEAT_US => return None,
                    Some((first, _)) => first,
                    None => now,
                };
                *asked = Some((first, now));
                Some(Call::Join(Join {
                    node: self.node.clone(),
                    process: self.process,
                    attempt: self.attempt,
                }))
            }
            Stage::Inside {
                epoch, beaten, due, ..
            } => {
                if now < *due {
                    return None;
                }
                self.beats += 1;
                (*beaten, *due) = (now, now.plus(BEAT_US));
                self.sent.push_back((self.beats, now));
                if self.sent.len() > KEPT_BEATS {
                    self.sent.pop_front();
                }
                Some(Call::Beat {
                    epoch: *epoch,
                    number: self.beats,
                })
            }
            Stage::Left => None,
        }
    }

    /// When [`Presence::poll`] will have something to say.
    #[must_use]
    pub fn due(&self) -> MonoUs {
        match self.stage {
            Stage::Outside { asked: None } => MonoUs(i64::MIN),
            Stage::Outside {
                asked: Some((_, last)),
            } => last.plus(REPEAT_US),
            Stage::Inside { due, .. } => due,
            Stage::Left => MonoUs(i64::MAX),
        }
    }

    /// The office gave this process an epoch, in answer to that attempt. False if it came too late
    /// to matter.
    pub fn joined(&mut self, attempt: u64, epoch: Epoch) -> bool {
        let Stage::Outside {
            asked: Some((first, last)),
        } = self.stage
        else {
            return false;
        };
        if attempt != self.attempt {
            return false;
        }
        // Which of the repeated calls was heard first is not known: the first sent, at worst.
        self.stage = Stage::Inside {
            epoch,
            until: first.plus(TRUST_US),
            beaten: last,
            due: last,
        };
        true
    }

    /// A beat was heard.
    pub fn alive(&mut self, number: u64) {
        let sent = self.sent.iter().find(|(beat, _)| *beat == number);
        if let (Some((_, sent)), Stage::Inside { until, .. }) = (sent, &mut self.stage) {
            *until = (*until).max(sent.plus(TRUST_US));
        }
    }

    /// Somebody needs something of this node, or this node of the others: beat out of turn.
    pub fn hurry(&mut self, now: MonoUs) {
        if let Stage::Inside { beaten, due, .. } = &mut self.stage {
            *due = (*due).min(now.max(beaten.plus(HURRY_US)));
        }
    }

    /// The process ends in good order: no more beats. Answers which epoch is to be left, if any.
    pub fn leave(&mut self) -> Option<Epoch> {
        let epoch = self.epoch();
        self.stage = Stage::Left;
        epoch
    }

    /// The office says that this epoch has ended. False if that is known already.
    pub fn fenced(&mut self, ended: Epoch) -> bool {
        if self.epoch() != Some(ended) {
            return false;
        }
        self.stage = Stage::Outside { asked: None };
        self.attempt += 1;
        self.sent.clear();
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lease::TTL_US;

    fn started() -> Presence {
        Presence::new(NodeId::new("a"), 7)
    }

    fn inside(now: MonoUs) -> Presence {
        let mut presence = started();
        presence.poll(now).expect("joins");
        assert!(presence.joined(1, Epoch(3)));
        presence
    }

    const START: MonoUs = MonoUs(1_000 * SECOND_US);

    #[test]
    fn it_joins_until_it_is_answered_and_then_beats() {
        let mut presence = started();
        let join = presence.poll(START);
        assert!(matches!(join, Some(Call::Join(Join { attempt: 1, .. }))));
        assert_eq!(presence.poll(START.plus(REPEAT_US - 1)), None);
        assert_eq!(presence.due(), START.plus(REPEAT_US));
        assert_eq!(presence.poll(START.plus(REPEAT_US)), join);
        assert!(!presence.may_admit(START));
        assert!(presence.joined(1, Epoch(3)));
        let beat = |number| {
            Some(Call::Beat {
                epoch: Epoch(3),
                number,
            })
        };
        let now = START.plus(REPEAT_US);
        assert_eq!(presence.poll(now), beat(1));
        assert_eq!(presence.poll(now.plus(BEAT_US - 1)), None);
        assert_eq!(presence.poll(now.plus(BEAT_US)), beat(2));
    }

    #[test]
    fn trust_is_reckoned_from_before_the_first_call_and_ends_before_the_office_gives_up() {
        let mut presence = started();
        presence.poll(START).expect("joins");
        presence.poll(START.plus(REPEAT_US)).expect("joins again");
        presence.joined(1, Epoch(1));
        assert!(presence.may_admit(START.plus(TRUST_US - 1)));
        assert!(!presence.may_admit(START.plus(TRUST_US)));
        const { assert!(TRUST_US < TTL_US) };

        let mut presence = inside(START);
        let beats = [START, START.plus(BEAT_US), START.plus(2 * BEAT_US)];
        for at in beats {
            presence.poll(at).expect("beats");
        }
        presence.alive(2);
        assert!(presence.may_admit(beats[1].plus(TRUST_US - 1)));
        assert!(!presence.may_admit(beats[1].plus(TRUST_US)));
        presence.alive(1);
        assert!(
            presence.may_admit(beats[1].plus(TRUST_US - 1)),
            "an older answer takes none away"
        );
        presence.alive(99);
        assert!(!presence.may_admit(beats[1].plus(TRUST_US)));
    }

    #[test]
    fn an_ended_epoch_is_left_once_and_joined_anew() {
        let mut presence = inside(START);
        assert!(!presence.fenced(Epoch(2)), "that was over before");
        assert!(presence.fenced(Epoch(3)));
        assert!(!presence.fenced(Epoch(3)));
        assert!(!presence.may_admit(START));
        assert!(!presence.joined(2, Epoch(4)), "it has not asked yet");
        let join = presence.poll(START);
        assert!(matches!(join, Some(Call::Join(Join { attempt: 2, .. }))));
        assert!(
            !presence.joined(1, Epoch(3)),
            "an answer to the attempt before"
        );
        assert!(presence.joined(2, Epoch(4)));
        assert_eq!(presence.epoch(), Some(Epoch(4)));
    }

    #[test]
    fn whoever_has_left_is_silent() {
        let mut presence = inside(START);
        assert_eq!(presence.leave(), Some(Epoch(3)));
        assert!(!presence.may_admit(START));
        assert!(!presence.fenced(Epoch(3)));
        assert_eq!(presence.poll(START.plus(BEAT_US)), None);
        assert_eq!(started().leave(), None);
    }

    #[test]
    fn a_beat_out_of_turn_comes_at_once_but_not_all_the_time() {
        let mut presence = inside(START);
        presence.poll(START).expect("beats");
        presence.hurry(START.plus(1));
        assert_eq!(presence.due(), START.plus(HURRY_US));
        presence.poll(START.plus(HURRY_US)).expect("beats");
        presence.hurry(START.plus(5 * HURRY_US));
        assert_eq!(presence.due(), START.plus(5 * HURRY_US));
    }
}
