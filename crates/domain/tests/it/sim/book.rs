//! A node's book of one organization, as far as money goes: pots with caps.

use std::collections::BTreeMap;

use domain::lease::{PotId, Rooms};
use domain::money::Nusd;

#[derive(Clone, Copy, Debug, Default)]
struct Pot {
    cap: Nusd,
    spent: Nusd,
    held: Nusd,
}

#[derive(Debug, Default)]
pub(crate) struct Book(BTreeMap<PotId, Pot>);

impl Rooms for Book {
    fn room(&self, pot: &PotId) -> Nusd {
        self.0.get(pot).map_or(Nusd::ZERO, Pot::room)
    }

    fn is_held(&self, pot: &PotId) -> bool {
        self.0.get(pot).is_some_and(|row| row.held > Nusd::ZERO)
    }
}

impl Pot {
    fn room(&self) -> Nusd {
        self.cap - self.spent - self.held
    }
}

impl Book {
    /// Takes `amount` in all pots, or nothing.
    pub(crate) fn hold(&mut self, legs: &[PotId], amount: Nusd) -> bool {
        let fits = legs.iter().all(|leg| amount <= self.room(leg));
        if fits {
            legs.iter().for_each(|leg| self.of(leg).held += amount);
        }
        fits
    }

    pub(crate) fn end(&mut self, legs: &[PotId], held: Nusd, charge: Nusd) {
        assert!(charge <= held, "a charge never exceeds its hold");
        for leg in legs {
            let pot = self.of(leg);
            assert!(held <= pot.held, "a hold ends once");
            pot.held -= held;
            pot.spent += charge;
        }
    }

    pub(crate) fn raise(&mut self, pot: &PotId, amount: Nusd) {
        self.of(pot).cap += amount;
    }

    pub(crate) fn lower(&mut self, pot: &PotId, amount: Nusd) {
        let row = self.of(pot);
        row.cap -= amount;
        assert!(
            row.room() >= Nusd::ZERO,
            "a cap below what is used: {row:?}"
        );
    }

    pub(crate) fn forget(&mut self, pot: &PotId) {
        let row = self.0.remove(pot).unwrap_or_default();
        assert_eq!(row.room() + row.held, Nusd::ZERO, "{pot} is still in use");
    }

    fn of(&mut self, pot: &PotId) -> &mut Pot {
        self.0.entry(pot.clone()).or_default()
    }
}
