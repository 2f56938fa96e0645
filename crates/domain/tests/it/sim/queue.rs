//! A node's queue to the ledger: steps in the order they were taken, folded into batches.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use domain::id::RequestId;
use domain::lease::{Batch, End, Ending, Epoch, NewHold, NodeId, PotId, Return};
use domain::money::Nusd;

#[derive(Clone, Debug)]
pub(crate) enum Op {
    Hold(RequestId, Nusd, Arc<[PotId]>),
    Grow(RequestId, Nusd),
    Seen(RequestId, Nusd),
    End(RequestId, Ending),
    Return(PotId, Nusd),
}

/// A batch under way, and when it was last sent.
#[derive(Debug)]
pub(crate) struct Sent {
    pub(crate) batch: Arc<Batch>,
    /// What was held and released within it: nobody has to hear of that.
    pub(crate) unsaid: Vec<RequestId>,
    at: i64,
}

#[derive(Debug, Default)]
pub(crate) struct Queue {
    ops: Vec<Op>,
    /// When the first step that waits was taken.
    since: i64,
    urgent: bool,
    number: u64,
    pub(crate) sent: Option<Sent>,
}

/// How long steps wait for company when nobody is in a hurry.
const PATIENCE: i64 = 5 * super::MS;
/// When a batch without an answer is sent again.
const REPEAT: i64 = 250 * super::MS;

impl Queue {
    pub(crate) fn push(&mut self, op: Op, urgent: bool, now: i64) {
        if self.ops.is_empty() {
            self.since = now;
        }
        self.ops.push(op);
        self.urgent |= urgent;
    }

    pub(crate) fn urge(&mut self) {
        self.urgent |= !self.ops.is_empty();
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.ops.is_empty() && self.sent.is_none()
    }

    /// The next batch, or one to be repeated.
    pub(crate) fn poll(&mut self, node: &NodeId, epoch: Epoch, now: i64) -> Option<Arc<Batch>> {
        if let Some(sent) = &mut self.sent {
            if now - sent.at < REPEAT {
                return None;
            }
            sent.at = now;
            return Some(sent.batch.clone());
        }
        if self.ops.is_empty() || !(self.urgent || now - self.since >= PATIENCE) {
            return None;
        }
        self.number += 1;
        self.urgent = false;
        let ops = std::mem::take(&mut self.ops);
        let (batch, unsaid) = fold(ops, node, epoch, self.number);
        let batch = Arc::new(batch);
        self.sent = Some(Sent {
            batch: batch.clone(),
            unsaid,
            at: now,
        });
        Some(batch)
    }

    pub(crate) fn due(&self) -> Option<i64> {
        match (&self.sent, self.ops.is_empty()) {
            (Some(sent), _) => Some(sent.at + REPEAT),
            (None, true) => None,
            (None, false) if self.urgent => Some(self.since),
            (None, false) => Some(self.since + PATIENCE),
        }
    }

    /// The answer to a batch has come: which one it was, if it was the one under way.
    pub(crate) fn answered(&mut self, number: u64) -> Option<Sent> {
        self.sent.take_if(|sent| sent.batch.number == number)
    }

    /// The epoch is over: the batch whose fate nobody knows, and the steps that were not sent.
    pub(crate) fn lost(&mut self) -> (Option<Arc<Batch>>, Vec<Op>) {
        self.number = 0;
        self.urgent = false;
        let sent = self.sent.take().map(|sent| sent.batch);
        (sent, std::mem::take(&mut self.ops))
    }
}

fn fold(ops: Vec<Op>, node: &NodeId, epoch: Epoch, number: u64) -> (Batch, Vec<RequestId>) {
    let mut order = Vec::new();
    let mut holds: BTreeMap<RequestId, NewHold> = BTreeMap::new();
    let mut grown: BTreeMap<RequestId, Nusd> = BTreeMap::new();
    let mut seen: BTreeMap<RequestId, Nusd> = BTreeMap::new();
    let (mut ends, mut quick, mut returns) = (Vec::new(), Vec::new(), Vec::new());
    let (mut ended, mut unsaid) = (BTreeSet::new(), Vec::new());
    for op in ops {
        match op {
            Op::Hold(id, amount, legs) => {
                let seen = Nusd::ZERO;
                order.push(id);
                let hold = NewHold {
                    id,
                    amount,
                    legs,
                    seen,
                };
                holds.insert(id, hold);
            }
            Op::Grow(id, more) => match holds.get_mut(&id) {
                Some(hold) => hold.amount += more,
                None => *grown.entry(id).or_default() += more,
            },
            Op::Seen(id, cost) => match holds.get_mut(&id) {
                Some(hold) => hold.seen = cost,
                None => {
                    seen.insert(id, cost);
                }
            },
            Op::End(id, ending) => match (holds.remove(&id), ending) {
                (Some(hold), Ending::Settled(cost)) => quick.push((hold, cost)),
                (Some(_), Ending::Released) => unsaid.push(id),
                (None, _) => {
                    ended.insert(id);
                    let grown = grown.remove(&id).unwrap_or_default();
                    ends.push(End { id, ending, grown });
                }
            },
            Op::Return(pot, amount) => returns.push(Return { pot, amount }),
        }
    }
    // What ends needs no checkpoint.
    seen.retain(|id, _| !ended.contains(id));
    let batch = Batch {
        node: node.clone(),
        epoch,
        number,
        holds: order.iter().filter_map(|id| holds.remove(id)).collect(),
        grown: grown.into_iter().collect(),
        seen: seen.into_iter().collect(),
        ends,
        quick,
        returns,
    };
    (batch, unsaid)
}
