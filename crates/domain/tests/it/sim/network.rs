//! Messages, and a network that delays, loses, repeats and reorders them.

use std::rc::Rc;
use std::sync::Arc;

use domain::lease::{
    Alive, Answered, Ask, Batch, Beat, Committed, Epoch, Fenced, Join, Joined, Late, NodeId,
};

use super::database::Budget;
use super::rng::Rng;

/// From a node to the database.
#[derive(Clone, Debug)]
pub(crate) enum Call {
    Join(Join),
    Beat(Beat),
    Ask(usize, Ask),
    Commit(Arc<Batch>),
    /// Numbered, so that the answer finds its question.
    Late(u64, Rc<Late>),
    Leave(NodeId, Epoch),
}

/// From the database to a node.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    Joined(u64, Joined),
    Alive(u64, Alive),
    Answered(usize, Answered),
    Committed(Epoch, u64, Committed),
    Late(u64, Committed),
    Fenced(Epoch, Fenced),
    Left,
    /// Somebody recalls something: a hint.
    Notice,
}

/// A reply, with the budgets as the database had them then.
#[derive(Clone, Debug)]
pub(crate) struct Letter {
    pub(crate) reply: Reply,
    pub(crate) budgets: Rc<Vec<Budget>>,
}

/// How bad it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Network {
    pub(crate) least: i64,
    pub(crate) most: i64,
    /// Permille of messages that take up to `tail`.
    pub(crate) slow: i64,
    pub(crate) tail: i64,
    pub(crate) lost: i64,
    pub(crate) twice: i64,
}

impl Network {
    /// After how long a message arrives: never, once, or more than once.
    pub(crate) fn delays(&self, rng: &mut Rng) -> Vec<i64> {
        if rng.chance(self.lost) {
            return Vec::new();
        }
        let mut delays = vec![self.delay(rng)];
        if rng.chance(self.twice) {
            delays.push(self.delay(rng) + rng.between(0, self.tail));
        }
        delays
    }

    fn delay(&self, rng: &mut Rng) -> i64 {
        match rng.chance(self.slow) {
            true => rng.between(self.least, self.tail),
            false => rng.between(self.least, self.most),
        }
    }
}
