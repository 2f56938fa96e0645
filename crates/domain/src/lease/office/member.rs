//! Nodes come and go: joining, renewing, leaving, being given up, and what becomes of their holds.

use std::collections::BTreeSet;

use super::rates::Balanced;
use super::{Member, Office};
use crate::id::RequestId;
use crate::lease::{
    Alive, Beat, Ending, Epoch, Fenced, HOLD_US, Join, Joined, NodeId, PotId, TTL_US,
};
use crate::money::Nusd;
use crate::time::AtUs;

/// What became of a beat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Beaten {
    /// The answer.
    pub alive: Alive,
    /// Nodes that should give up a part of their rate shares: to be notified, which is a hint.
    pub holders: Vec<NodeId>,
}

impl Office {
    /// A process takes a place, from whoever had it, and begins an epoch there.
    pub fn join(&mut self, join: &Join, now: AtUs) -> Joined {
        let before = self.members.get(&join.node).copied();
        if before.is_some_and(|it| it.process > join.process) {
            return Joined::Replaced;
        }
        let same = before.filter(|it| it.process == join.process);
        // A repeated call: the epoch it began is the answer, if it lives.
        let begun = same.filter(|it| it.attempt >= join.attempt && it.expires_at.is_some());
        if let Some(begun) = begun {
            return self.joined(begun.epoch);
        }
        self.give_up(&join.node, now);
        let epoch = self.members.get(&join.node).map_or(Epoch(1), |it| it.epoch);
        let member = Member {
            epoch,
            process: join.process,
            attempt: join.attempt,
            first_epoch: same.map_or(epoch, |it| it.first_epoch),
            batch: 0,
            expires_at: Some(now.plus(TTL_US)),
        };
        self.members.insert(join.node.clone(), member);
        self.joined(epoch)
    }

    fn joined(&self, epoch: Epoch) -> Joined {
        let nodes = self.nodes();
        Joined::In { epoch, nodes }
    }

    /// Renews a node's leases, and balances the rate limits that it names.
    ///
    /// # Errors
    /// [`Fenced`].
    pub fn beat(&mut self, beat: &Beat, now: AtUs) -> Result<Beaten, Fenced> {
        let member = self.fence(&beat.node, beat.epoch)?;
        member.expires_at = Some(now.plus(TTL_US));
        let lines = beat.rates.iter();
        let balanced = lines.filter_map(|line| self.balance(beat, line, now));
        let balanced: Vec<Balanced> = balanced.collect();
        let holders = balanced.iter().flat_map(|it| it.holders.clone());
        let holders: BTreeSet<NodeId> = holders.collect();
        let alive = Alive {
            nodes: self.nodes(),
            recalled: self.recalled(&beat.node),
            rates: balanced.into_iter().map(|it| it.answer).collect(),
        };
        let holders = holders.into_iter().collect();
        Ok(Beaten { alive, holders })
    }

    /// A node ends: what it has goes back. Its holds have ended before.
    pub fn leave(&mut self, node: &NodeId, epoch: Epoch, now: AtUs) {
        if self.fence(node, epoch).is_ok() {
            self.give_up(node, now);
        }
    }

    /// Ends the epochs of nodes that were silent for too long. Any node may see to it.
    pub fn expire(&mut self, now: AtUs) {
        // The clock was set back: nobody may be waited for longer than usual.
        for member in self.members.values_mut() {
            member.expires_at = member.expires_at.map(|at| at.min(now.plus(TTL_US)));
        }
        let silent = |member: &Member| member.expires_at.is_some_and(|at| at <= now);
        let silent = self.members.iter().filter(|(_, it)| silent(it));
        let silent: Vec<NodeId> = silent.map(|(node, _)| node.clone()).collect();
        for node in silent {
            self.give_up(&node, now);
        }
    }

    /// Resolves the holds that nobody will end: those of a process that is dead, and those of
    /// ended epochs whose deadline has passed. What had been delivered, as far as anybody noted,
    /// is charged.
    pub fn resolve(&mut self, now: AtUs) {
        for hold in self.holds.values_mut() {
            hold.deadline = hold.deadline.min(now.plus(HOLD_US));
        }
        let due = self.holds.iter().filter(|(_, hold)| {
            let member = &self.members[&hold.node];
            let dead = hold.epoch < member.first_epoch;
            let ended = hold.epoch < member.epoch;
            dead || (ended && hold.deadline <= now)
        });
        let due: Vec<(RequestId, Nusd)> = due.map(|(id, hold)| (*id, hold.seen)).collect();
        for (id, seen) in due {
            let ending = match seen > Nusd::ZERO {
                true => Ending::Settled(seen),
                false => Ending::Released,
            };
            self.end_open(id, ending, true);
        }
    }

    /// Ends a node's epoch. What it could still hold is free again; what it holds stays held.
    fn give_up(&mut self, node: &NodeId, now: AtUs) {
        let Some(member) = self.members.get_mut(node) else {
            return;
        };
        if member.expires_at.take().is_none() {
            return;
        }
        member.epoch = Epoch(member.epoch.0 + 1);
        member.batch = 0;
        for (pot, of_pot) in &mut self.leases {
            if let Some(lease) = of_pot.remove(node) {
                let row = self.pots.get_mut(pot).expect("a leased pot has a row");
                row.take_back(lease.free);
            }
        }
        self.give_up_shares(node, now);
    }

    /// The pots of which a node is to return what it does not hold: those that others need, and
    /// those that are above their limits, for as long as they are. Also where it holds all that it
    /// has: what becomes free of that is not to be used again.
    pub(super) fn recalled(&self, node: &NodeId) -> Vec<PotId> {
        let leases = self.leases.iter().filter_map(|(pot, of_pot)| {
            let lease = of_pot.get(node)?;
            let row = &self.pots[pot];
            (lease.recalled || row.cap > row.limit).then(|| pot.clone())
        });
        leases.collect()
    }
}
