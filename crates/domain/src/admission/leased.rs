//! A book that has what its node has leased: the wallet, and the caps of windows.

use std::sync::Arc;

use super::{Ask, Book, DefaultRates, Pots, Refusal, Wallet};
use crate::id::RequestId;
use crate::lease::{PotId, Rooms};
use crate::money::Nusd;
use crate::time::AtUs;

impl Book {
    /// A book of a node that shares the money with others: it has what is leased, so far nothing.
    #[must_use]
    pub fn leased(defaults: DefaultRates) -> Self {
        Book {
            pots: Some(Pots::default()),
            ..Book::new(Wallet::default(), defaults)
        }
    }

    /// The windows that a request takes leased money of; none where nothing is leased.
    #[must_use]
    pub fn legs(&mut self, ask: &Ask, now: AtUs) -> Arc<[PotId]> {
        let now = self.turn(now);
        self.legs_at(ask, now)
    }

    pub(super) fn legs_at(&mut self, ask: &Ask, now: AtUs) -> Arc<[PotId]> {
        match self.pots.is_some() && ask.amount > Nusd::ZERO {
            true => self.budgets.legs(&ask.project, &ask.key, now),
            false => Arc::default(),
        }
    }

    /// The windows that a request in flight takes leased money of.
    #[must_use]
    pub fn legs_of(&self, id: RequestId) -> &[PotId] {
        self.open.get(&id).map_or(&[], |open| &open.legs)
    }

    /// Those of them that adopted it.
    #[must_use]
    pub fn adopted_legs_of(&self, id: RequestId) -> &[PotId] {
        let open = self.open.get(&id);
        open.map_or(&[], |open| &open.legs[open.own_legs..])
    }

    /// Requests in flight come to count in windows that are new to them.
    pub(super) fn adopt(&mut self, now: AtUs) -> Vec<(RequestId, PotId)> {
        let mut adopted = Vec::new();
        let Some(pots) = &mut self.pots else {
            return adopted;
        };
        let paid = self
            .open
            .iter_mut()
            .filter(|(_, it)| it.amount > Nusd::ZERO);
        for (id, open) in paid {
            let all = self.budgets.legs(&open.project, &open.key, now);
            // A window that was over when its budget was made is not limited by it.
            let is_new =
                |leg: &&PotId| !open.legs.contains(leg) && self.budgets.counts(leg, open.at);
            let new: Vec<PotId> = all.iter().filter(is_new).cloned().collect();
            if new.is_empty() {
                continue;
            }
            new.iter().for_each(|leg| pots.adopt(leg, open.amount));
            open.legs = open.legs.iter().chain(&new).cloned().collect();
            adopted.extend(new.into_iter().map(|leg| (*id, leg)));
        }
        adopted
    }

    /// More is leased of a pot.
    pub fn raise(&mut self, pot: &PotId, amount: Nusd) {
        match pot {
            PotId::Wallet(_) => self.wallet.raise(amount),
            PotId::Window { .. } => self.windows().raise(pot, amount),
        }
    }

    /// Less is leased of a pot: at most its room.
    ///
    /// # Panics
    /// If it is more than that: the books would be wrong.
    pub fn lower(&mut self, pot: &PotId, amount: Nusd) {
        match pot {
            PotId::Wallet(_) => self.wallet.lower(amount),
            PotId::Window { .. } => self.windows().lower(pot, amount),
        }
    }

    /// Forgets a pot of which nothing is left.
    ///
    /// # Panics
    /// If something is: the books would be wrong.
    pub fn forget(&mut self, pot: &PotId) {
        if let PotId::Window { .. } = pot {
            self.windows().forget(pot);
        }
    }

    fn windows(&mut self) -> &mut Pots {
        self.pots.as_mut().expect("this book has leases")
    }

    /// The refusal of a request that found only `left` in a pot, on all nodes together. None if the
    /// pot limits nobody here any more.
    #[must_use]
    pub fn exhausted(&mut self, pot: &PotId, left: Nusd, required: Nusd) -> Option<Refusal> {
        match pot {
            PotId::Wallet(_) => Some(Refusal::Credit {
                available: left,
                required,
            }),
            PotId::Window { .. } => {
                let refusal = self.budgets.refuse(pot, left, required)?;
                Some(Refusal::Budget(Box::new(refusal)))
            }
        }
    }
}

impl Rooms for Book {
    fn room(&self, pot: &PotId) -> Nusd {
        let windows = self.pots.as_ref();
        match pot {
            PotId::Wallet(_) => self.wallet.available(),
            PotId::Window { .. } => windows.map_or(Nusd::ZERO, |pots| pots.room(pot)),
        }
    }

    fn strays(&self, pot: &PotId) -> Nusd {
        match pot {
            PotId::Wallet(_) => Nusd::ZERO,
            PotId::Window { .. } => {
                let windows = self.pots.as_ref();
                windows.map_or(Nusd::ZERO, |pots| pots.strays(pot))
            }
        }
    }

    fn is_held(&self, pot: &PotId) -> bool {
        match pot {
            PotId::Wallet(_) => self.wallet.is_held(),
            PotId::Window { .. } => self.pots.as_ref().is_some_and(|pots| pots.is_held(pot)),
        }
    }
}
