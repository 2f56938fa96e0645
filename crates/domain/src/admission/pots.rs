//! What a node has leased of budgets' windows: pots, each with a cap.
//!
//! Where several nodes share an organization's budgets, a book enforces no limits but caps: what is
//! spent and held here in a window stays within what is leased of it.

use std::collections::HashMap;

use crate::lease::PotId;
use crate::money::Nusd;

/// What counts in one pot on this node. Always `spent + held + strays <= cap`.
#[derive(Clone, Copy, Debug, Default)]
struct Pot {
    cap: Nusd,
    spent: Nusd,
    held: Nusd,
    /// What is left of holds that were adopted: it was never leased, so nobody may use it.
    strays: Nusd,
}

impl Pot {
    fn room(&self) -> Nusd {
        self.cap - self.spent - self.held - self.strays
    }
}

/// The pots of windows that this node has something of.
#[derive(Debug, Default)]
pub(super) struct Pots(HashMap<PotId, Pot>);

impl Pots {
    /// What may still be held of a pot.
    pub(super) fn room(&self, pot: &PotId) -> Nusd {
        self.0.get(pot).map_or(Nusd::ZERO, Pot::room)
    }

    /// The least room in any of these; none if there are none.
    pub(super) fn least_room(&self, legs: &[PotId]) -> Option<Nusd> {
        legs.iter().map(|leg| self.room(leg)).min()
    }

    pub(super) fn is_held(&self, pot: &PotId) -> bool {
        self.0.get(pot).is_some_and(|pot| pot.held > Nusd::ZERO)
    }

    pub(super) fn strays(&self, pot: &PotId) -> Nusd {
        self.0.get(pot).map_or(Nusd::ZERO, |pot| pot.strays)
    }

    pub(super) fn hold(&mut self, legs: &[PotId], amount: Nusd) {
        legs.iter().for_each(|leg| self.of(leg).held += amount);
    }

    /// Ends a hold in its pots: `charge` of it is spent, the rest is free again.
    pub(super) fn end(&mut self, legs: &[PotId], held: Nusd, charge: Nusd) {
        for leg in legs {
            let pot = self.of(leg);
            assert!(held <= pot.held, "a hold ends once");
            pot.held -= held;
            pot.spent += charge;
        }
    }

    /// A hold that ended in these pots had been adopted there: so much of it is left.
    pub(super) fn stray(&mut self, legs: &[PotId], left: Nusd) {
        legs.iter().for_each(|leg| self.of(leg).strays += left);
    }

    /// A request in flight comes to count in a pot. What it holds was never leased, and needs not
    /// be: the database counts open holds as taken when the pot is opened.
    pub(super) fn adopt(&mut self, pot: &PotId, amount: Nusd) {
        let pot = self.of(pot);
        pot.cap += amount;
        pot.held += amount;
    }

    pub(super) fn raise(&mut self, pot: &PotId, amount: Nusd) {
        self.of(pot).cap += amount;
    }

    /// Lowers a cap, first by what strays.
    pub(super) fn lower(&mut self, pot: &PotId, amount: Nusd) {
        let pot = self.of(pot);
        pot.cap -= amount;
        pot.strays -= amount.min(pot.strays);
        assert!(pot.room() >= Nusd::ZERO, "a cap never goes below its use");
    }

    pub(super) fn forget(&mut self, pot: &PotId) {
        let pot = self.0.remove(pot).unwrap_or_default();
        let left = pot.cap - pot.spent;
        assert_eq!(left, Nusd::ZERO, "what is forgotten is used up");
    }

    fn of(&mut self, pot: &PotId) -> &mut Pot {
        self.0.entry(pot.clone()).or_default()
    }
}
