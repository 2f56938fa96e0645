//! Committing a node's batch: holds are registered and end, leases come back.
//!
//! A node's book never believes more than its lease has, and steps arrive in the order in which
//! they were taken, so a batch of a living epoch fits. That it fits is checked all the same: what
//! does not is refused, and nothing of it may be delivered.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{Charged, Member, Office, OpenHold};
use crate::id::RequestId;
use crate::lease::{Batch, Committed, End, Ending, Fenced, HOLD_US, Late, NewHold, NodeId, PotId};
use crate::money::Nusd;
use crate::time::AtUs;

impl Office {
    /// Commits a batch of a living epoch. Told the same again, it answers the same.
    ///
    /// # Errors
    /// [`Fenced`].
    pub fn commit(&mut self, batch: &Batch, now: AtUs) -> Result<Committed, Fenced> {
        let member = self.fence(&batch.node, batch.epoch)?;
        if batch.number > member.batch {
            member.batch = batch.number;
            self.apply(batch, now);
        }
        // From the rows, so that it is the same when the first answer was lost: the node sends
        // nothing else before it knows.
        let holds = batch.holds.iter().map(|hold| hold.id);
        let unregistered = holds.filter(|id| !self.holds.contains_key(id));
        let quick = batch.quick.iter().map(|(hold, _)| hold.id);
        let ends = batch.ends.iter().filter(|end| end.is_charged());
        let settled = quick.chain(ends.map(|end| end.id));
        let uncharged = settled.filter(|id| !self.charged.contains_key(id));
        Ok(Committed {
            refused: unregistered.chain(uncharged).collect(),
        })
    }

    /// Ends holds of epochs that are over, those that are still there: whatever was resolved since
    /// stays as it is.
    pub fn commit_late(&mut self, late: &Late) -> Committed {
        for end in &late.ends {
            // Nothing grows in an epoch that is over.
            let grown = Nusd::ZERO;
            self.end(&late.node, &End { grown, ..*end });
        }
        let refused = late.ends.iter().filter(|end| !self.is_done(end));
        Committed {
            refused: refused.map(|end| end.id).collect(),
        }
    }

    fn apply(&mut self, batch: &Batch, now: AtUs) {
        let short = self.short(batch);
        let fits = |legs: &[PotId]| !legs.iter().any(|leg| short.contains(leg));
        for end in &batch.ends {
            if end.grown == Nusd::ZERO || fits(self.legs(end.id)) {
                self.end(&batch.node, end);
            }
        }
        for new in batch.holds.iter().filter(|new| fits(&new.legs)) {
            self.register(batch, new, now);
        }
        for (id, more) in &batch.grown {
            self.grow(&batch.node, *id, *more, &short);
        }
        for (new, cost) in batch.quick.iter().filter(|(new, _)| fits(&new.legs)) {
            self.charge_at_once(&batch.node, new, *cost);
        }
        for (id, seen) in &batch.seen {
            if let Some(hold) = self.holds.get_mut(id) {
                hold.seen = *seen;
            }
        }
        for back in batch.returns.iter().filter(|it| !short.contains(&it.pot)) {
            if let Some(lease) = self.lease_mut(&back.pot, &batch.node) {
                lease.free -= back.amount;
                lease.recalled = false;
                self.pot_mut(&back.pot).take_back(back.amount);
            }
        }
    }

    /// The pots in which the batch as a whole would take more than the node has leased.
    fn short(&self, batch: &Batch) -> BTreeSet<PotId> {
        let mut changes = Changes::default();
        for new in &batch.holds {
            changes.take(&new.legs, new.amount);
        }
        for (new, cost) in &batch.quick {
            changes.take(&new.legs, *cost);
        }
        for (id, more) in &batch.grown {
            changes.take(self.legs(*id), *more);
        }
        for end in &batch.ends {
            let held = self.holds.get(&end.id).map(|hold| hold.amount);
            changes.free(self.legs(end.id), held.unwrap_or_default() - end.cost());
        }
        for back in &batch.returns {
            changes.take(std::slice::from_ref(&back.pot), back.amount);
        }
        let over = changes.0.into_iter().filter(|(pot, change)| {
            let lease = self.lease(pot, &batch.node).unwrap_or_default();
            lease.free + *change < Nusd::ZERO
        });
        over.map(|(pot, _)| pot.clone()).collect()
    }

    fn legs(&self, id: RequestId) -> &[PotId] {
        self.holds.get(&id).map_or(&[], |hold| &hold.legs)
    }

    fn register(&mut self, batch: &Batch, new: &NewHold, now: AtUs) {
        if self.charged.contains_key(&new.id) || self.holds.contains_key(&new.id) {
            return;
        }
        self.take(&batch.node, &new.legs, new.amount);
        let hold = OpenHold {
            node: batch.node.clone(),
            epoch: batch.epoch,
            amount: new.amount,
            legs: new.legs.clone(),
            deadline: now.plus(HOLD_US),
            seen: new.seen,
        };
        self.holds.insert(new.id, hold);
    }

    fn grow(&mut self, node: &NodeId, id: RequestId, more: Nusd, short: &BTreeSet<PotId>) {
        let hold = self.holds.get_mut(&id);
        let Some(hold) = hold.filter(|it| !it.legs.iter().any(|leg| short.contains(leg))) else {
            return;
        };
        hold.amount += more;
        let legs = hold.legs.clone();
        self.take(node, &legs, more);
    }

    fn charge_at_once(&mut self, node: &NodeId, new: &NewHold, cost: Nusd) {
        if self.charged.contains_key(&new.id) {
            return;
        }
        self.take(node, &new.legs, cost);
        self.charge(new.id, cost, &new.legs, false);
    }

    fn take(&mut self, node: &NodeId, legs: &[PotId], amount: Nusd) {
        for leg in legs {
            if let Some(lease) = self.lease_mut(leg, node) {
                lease.free -= amount;
            }
        }
    }

    /// Ends an open hold of this node. What was not charged is free again for its lease, if the
    /// lease is of the hold's own epoch, and else goes back to the pot.
    fn end(&mut self, node: &NodeId, end: &End) {
        let own = |it: &&OpenHold| it.node == *node && end.cost() <= it.amount + end.grown;
        if self.holds.get(&end.id).filter(own).is_some() {
            self.end_open(end.id, end.ending, false);
        }
    }

    pub(super) fn end_open(&mut self, id: RequestId, ending: Ending, orphan: bool) {
        let Some(hold) = self.holds.remove(&id) else {
            return;
        };
        let cost = ending.cost();
        let rest = hold.amount - cost;
        let lives = |it: &Member| it.epoch == hold.epoch;
        let lives = self.members.get(&hold.node).is_some_and(lives);
        for leg in hold.legs.iter() {
            match self.lease_mut(leg, &hold.node).filter(|_| lives) {
                Some(lease) => lease.free += rest,
                None => self.pot_mut(leg).take_back(rest),
            }
        }
        if let Ending::Settled(cost) = ending {
            self.charge(id, cost, &hold.legs, orphan);
        }
    }

    fn charge(&mut self, id: RequestId, cost: Nusd, legs: &Arc<[PotId]>, orphan: bool) {
        for leg in legs.iter() {
            self.pot_mut(leg).spend(cost);
        }
        let legs = legs.clone();
        let row = Charged { cost, legs, orphan };
        self.charged.insert(id, row);
    }

    /// Whether a late end has taken effect, now or before.
    fn is_done(&self, end: &End) -> bool {
        match end.ending {
            Ending::Released => true,
            Ending::Settled(cost) => self
                .charged
                .get(&end.id)
                .is_some_and(|row| row.cost == cost && !row.orphan),
        }
    }
}

/// What a batch changes in a node's leases, by pot.
#[derive(Default)]
struct Changes<'a>(BTreeMap<&'a PotId, Nusd>);

impl<'a> Changes<'a> {
    fn take(&mut self, legs: &'a [PotId], amount: Nusd) {
        self.free(legs, Nusd::ZERO - amount);
    }

    fn free(&mut self, legs: &'a [PotId], amount: Nusd) {
        for leg in legs {
            *self.0.entry(leg).or_default() += amount;
        }
    }
}

impl Ending {
    /// What is charged.
    #[must_use]
    pub fn cost(self) -> Nusd {
        match self {
            Ending::Settled(cost) => cost,
            Ending::Released => Nusd::ZERO,
        }
    }
}

impl End {
    fn cost(&self) -> Nusd {
        self.ending.cost()
    }

    fn is_charged(&self) -> bool {
        matches!(self.ending, Ending::Settled(_))
    }
}
