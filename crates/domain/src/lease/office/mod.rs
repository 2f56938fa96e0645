//! The office: the database's side of leases, as plain rules over tables in memory.
//!
//! Each rule is one transaction, and reads as its statements do: what it locks and asks, what it
//! changes, and that it changes nothing when it is told the same again. Time is the database's own.
//! [`Office::check`] and [`Office::audit`] say what must be true between any two of them.

mod check;
mod commit;
mod grant;
mod limit;
mod member;
pub mod rates;

use std::collections::BTreeMap;
use std::sync::Arc;

use rates::{Part, Shares};

use super::{Epoch, Fenced, LimitId, NodeId, PotId};
use crate::id::RequestId;
use crate::money::Nusd;
use crate::time::AtUs;

pub use check::Broken;
pub use grant::{Asked, Decision, Found, Place, decide};
pub use member::Beaten;

/// A row of a pot. Always `spent + reserved <= cap`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pot {
    /// The most that should be spent of it; no grant passes it.
    pub limit: Nusd,
    /// The limit, or while the limit was lowered below it, what is spent and reserved.
    pub cap: Nusd,
    /// What requests were charged.
    pub spent: Nusd,
    /// What leases and open holds have of it.
    pub reserved: Nusd,
    /// It limits nobody any more; what it reserves is on its way back.
    pub closed: bool,
}

impl Pot {
    /// What can still be leased.
    #[must_use]
    pub fn free(&self) -> Nusd {
        (self.limit - self.spent - self.reserved).max(Nusd::ZERO)
    }

    fn lease(&mut self, amount: Nusd) {
        self.reserved += amount;
    }

    fn spend(&mut self, cost: Nusd) {
        self.reserved -= cost;
        self.spent += cost;
    }

    /// Takes back what was reserved. A cap above the limit comes down as far as it can.
    fn take_back(&mut self, amount: Nusd) {
        self.reserved -= amount;
        self.cap = self.cap.min(self.least_cap());
    }

    fn least_cap(&self) -> Nusd {
        self.limit.max(self.spent + self.reserved)
    }
}

/// A row of a lease: what one node has of one pot, in its present epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lease {
    /// What the node may still hold.
    pub free: Nusd,
    /// The number of the last question about it.
    pub asked: u64,
    /// What that question brought.
    pub granted: Nusd,
    /// Somebody else needs it.
    pub recalled: bool,
}

/// A row of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Member {
    /// The present epoch, or the next one if there is none.
    epoch: Epoch,
    /// The process that has the place.
    process: u64,
    /// The number of its last attempt to join.
    attempt: u64,
    /// Its first epoch: whoever made holds in an earlier one is dead.
    first_epoch: Epoch,
    /// The number of the last batch in this epoch.
    batch: u64,
    /// When its leases are lost; none if it has none.
    expires_at: Option<AtUs>,
}

/// A row of an open hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenHold {
    /// Who made it.
    pub node: NodeId,
    /// In which epoch.
    pub epoch: Epoch,
    /// How much it holds in each pot.
    pub amount: Nusd,
    /// The pots.
    pub legs: Arc<[PotId]>,
    /// When it is resolved, if its epoch has ended.
    pub deadline: AtUs,
    /// What is charged then.
    pub seen: Nusd,
}

/// A row of a request that was charged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Charged {
    /// How much.
    pub cost: Nusd,
    /// The pots it was taken from.
    pub legs: Arc<[PotId]>,
    /// Resolved by rule, because whoever made the hold did not end it.
    pub orphan: bool,
}

/// The tables.
#[derive(Clone, Debug, Default)]
pub struct Office {
    pots: BTreeMap<PotId, Pot>,
    members: BTreeMap<NodeId, Member>,
    leases: BTreeMap<PotId, BTreeMap<NodeId, Lease>>,
    holds: BTreeMap<RequestId, OpenHold>,
    charged: BTreeMap<RequestId, Charged>,
    limits: BTreeMap<LimitId, Part>,
    shares: BTreeMap<LimitId, Shares>,
}

impl Office {
    /// The row of a pot.
    #[must_use]
    pub fn pot(&self, pot: &PotId) -> Option<Pot> {
        self.pots.get(pot).copied()
    }

    /// Every pot.
    pub fn pots(&self) -> impl Iterator<Item = (&PotId, &Pot)> {
        self.pots.iter()
    }

    /// What a node has of a pot.
    #[must_use]
    pub fn lease(&self, pot: &PotId, node: &NodeId) -> Option<Lease> {
        self.leases.get(pot)?.get(node).copied()
    }

    /// Every lease of a node.
    pub fn leases<'a>(&'a self, node: &'a NodeId) -> impl Iterator<Item = (&'a PotId, &'a Lease)> {
        let leases = self.leases.iter();
        leases.filter_map(move |(pot, of_pot)| Some((pot, of_pot.get(node)?)))
    }

    /// The present epoch of a node and when it expires; or its next epoch, while it has none.
    #[must_use]
    pub fn epoch(&self, node: &NodeId) -> Option<(Epoch, Option<AtUs>)> {
        let member = self.members.get(node)?;
        Some((member.epoch, member.expires_at))
    }

    /// Every rate limit: what is no node's, and the nodes' shares.
    pub fn parts(&self) -> impl Iterator<Item = (&LimitId, &Part, &Shares)> {
        let limits = self.limits.iter();
        limits.map(|(limit, part)| (limit, part, &self.shares[limit]))
    }

    /// The hold of a request, while it is open.
    #[must_use]
    pub fn hold(&self, id: RequestId) -> Option<&OpenHold> {
        self.holds.get(&id)
    }

    /// Every open hold.
    pub fn holds(&self) -> impl Iterator<Item = (&RequestId, &OpenHold)> {
        self.holds.iter()
    }

    /// What a request was charged.
    #[must_use]
    pub fn charged(&self, id: RequestId) -> Option<&Charged> {
        self.charged.get(&id)
    }

    /// Every request that was charged.
    pub fn all_charged(&self) -> impl Iterator<Item = (&RequestId, &Charged)> {
        self.charged.iter()
    }

    /// How many nodes have leases now.
    fn nodes(&self) -> u32 {
        let living = self.members.values().filter(|it| it.expires_at.is_some());
        u32::try_from(living.count()).unwrap_or(u32::MAX)
    }

    /// The row of a node, if this is its present epoch: locked, so that the epoch cannot end before
    /// the transaction does.
    fn fence(&mut self, node: &NodeId, epoch: Epoch) -> Result<&mut Member, Fenced> {
        let member = self.members.get_mut(node);
        member.filter(|it| it.epoch == epoch).ok_or(Fenced)
    }

    fn pot_mut(&mut self, pot: &PotId) -> &mut Pot {
        self.pots.get_mut(pot).expect("a leased pot has a row")
    }

    fn lease_mut(&mut self, pot: &PotId, node: &NodeId) -> Option<&mut Lease> {
        self.leases.get_mut(pot)?.get_mut(node)
    }
}

#[cfg(test)]
mod tests;
