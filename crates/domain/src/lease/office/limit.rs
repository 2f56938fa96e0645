//! Pots come, change and go: credit is paid in, limits are raised and lowered, budgets deleted.

use super::{Office, Pot};
use crate::lease::{NodeId, PotId};
use crate::money::Nusd;

impl Office {
    /// Makes a pot that is not there yet: a window's, in the transaction that first asks for it.
    /// One that was closed limits again, with what was spent and is reserved.
    pub fn open(&mut self, pot: &PotId, limit: Nusd) {
        let row = self.pots.entry(pot.clone()).or_insert(Pot {
            closed: true,
            ..Pot::default()
        });
        if row.closed {
            row.closed = false;
            row.limit = limit;
            row.cap = row.least_cap();
        }
    }

    /// Changes the limit of a pot. What was spent and reserved above it stays, and comes down as
    /// leases return. Answers which nodes are to return some.
    pub fn set_limit(&mut self, pot: &PotId, limit: Nusd) -> Vec<NodeId> {
        let Some(row) = self.pots.get_mut(pot) else {
            return Vec::new();
        };
        row.limit = limit;
        row.cap = row.least_cap();
        match row.cap > row.limit {
            true => self.recall_all(pot),
            false => Vec::new(),
        }
    }

    /// A pot limits nobody any more: its budget was deleted. Requests that count in it end as they
    /// would have.
    pub fn close(&mut self, pot: &PotId) -> Vec<NodeId> {
        let nodes = self.set_limit(pot, Nusd::ZERO);
        if let Some(row) = self.pots.get_mut(pot) {
            row.closed = true;
        }
        nodes
    }

    fn recall_all(&mut self, pot: &PotId) -> Vec<NodeId> {
        let leases = self.leases.get_mut(pot).into_iter().flatten();
        let some = leases.filter(|(_, lease)| lease.free > Nusd::ZERO);
        some.map(|(node, lease)| {
            lease.recalled = true;
            node.clone()
        })
        .collect()
    }
}
