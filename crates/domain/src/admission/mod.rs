//! Admission: one organization's money and rates, looked at together, taken all or not at all.
//!
//! The book lives in memory under one lock per organization. It is built from the ledger at start
//! and follows it; its invariants are the ledger's: a wallet's `debits + held <= credits`, and in
//! the window of a hard budget `spent + held <= limit`, unless the limit was lowered since.
//!
//! Where several nodes share the money, a book begins with none and sees what this node has leased:
//! that is the wallet, and the cap of each window. [`crate::lease`] moves both; all else is the
//! same.

mod budgets;
mod leased;
mod looked;
mod pots;
mod rates;
mod shares;
mod wallet;

use std::collections::HashMap;
use std::sync::Arc;

use crate::budget::Budget;
use crate::id::{BudgetId, KeyId, ProjectId, RequestId};
use crate::lease::PotId;
use crate::money::Nusd;
use crate::time::{AtUs, MonoUs};
use crate::window::Span;

use budgets::Budgets;
use pots::Pots;
use rates::{Applied, Rates, Who};

pub use budgets::{BudgetRefusal, Crossing, Unknown};
pub use looked::{Limit, Looked, Numbers, Verdict};
pub use rates::{
    DayLimit, DefaultRates, Hope, PastUse, RateKind, RateRule, RateRules, RateStates, RateStop,
    Recent,
};
pub use wallet::Wallet;

/// What a request needs to be admitted.
#[derive(Clone, Debug)]
pub struct Ask {
    /// Names the request.
    pub id: RequestId,
    /// The project it is made for.
    pub project: ProjectId,
    /// The key it is made with.
    pub key: KeyId,
    /// The public name of the model.
    pub model: Arc<str>,
    /// The most it can cost.
    pub amount: Nusd,
    /// The most tokens it can use.
    pub tokens: u64,
}

impl Ask {
    fn who(&self) -> Who<'_> {
        Who {
            project: &self.project,
            key: &self.key,
            model: &self.model,
        }
    }
}

/// Why a request is not admitted. Nothing was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// A rate limit has no room.
    Rate(Box<RateStop>),
    /// Too little credit.
    Credit {
        /// What a new request may hold.
        available: Nusd,
        /// What this one would have to hold.
        required: Nusd,
    },
    /// A hard budget has no room.
    Budget(Box<BudgetRefusal>),
}

impl Refusal {
    /// Whether a request that costs less might be admitted.
    #[must_use]
    pub fn is_about_money(&self) -> bool {
        !matches!(self, Refusal::Rate(_))
    }
}

/// A request that was admitted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admission {
    /// When, by the book: the instant that decides in which windows it counts.
    pub at: AtUs,
    /// Where its rate limits stand.
    pub rates: RateStates,
    /// The windows that it takes leased money of, beside the wallet.
    pub legs: Arc<[PotId]>,
}

/// What is still to be done for budgets that were put into force.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use = "until it is done, budgets are not what they should be"]
pub struct ToDo {
    /// Budgets of which it is not known what was spent before; see [`Book::know`].
    pub unknown: Vec<Unknown>,
    /// Requests in flight that count in one more leased window from now on. The ledger must hear of
    /// it behind their holds, and before whatever becomes of them.
    pub adopted: Vec<(RequestId, PotId)>,
    /// Leased windows whose limits were lowered: what is leased of them goes back, so that the new
    /// ones apply at once.
    pub lowered: Vec<PotId>,
}

/// A request in flight.
#[derive(Clone, Debug)]
struct Open {
    project: ProjectId,
    key: KeyId,
    model: Arc<str>,
    amount: Nusd,
    tokens: u64,
    at: AtUs,
    applied: Applied,
    /// The windows that it takes leased money of: first those it was admitted in, so many, then
    /// those that adopted it.
    legs: Arc<[PotId]>,
    own_legs: usize,
}

/// One organization's wallet, budgets and rates.
#[derive(Debug)]
pub struct Book {
    wallet: Wallet,
    budgets: Budgets,
    /// What is leased of windows, if this book has only what is leased.
    pots: Option<Pots>,
    rates: Rates,
    defaults: DefaultRates,
    open: HashMap<RequestId, Open>,
    /// The latest instant that was seen: a clock that goes back turns no window back.
    latest: AtUs,
}

impl Book {
    /// A book with this wallet, no budgets, and nothing used of any rate.
    #[must_use]
    pub fn new(wallet: Wallet, defaults: DefaultRates) -> Self {
        Book {
            wallet,
            budgets: Budgets::default(),
            pots: None,
            rates: Rates::default(),
            defaults,
            open: HashMap::new(),
            latest: AtUs(0),
        }
    }

    /// The organization's money.
    #[must_use]
    pub fn wallet(&self) -> Wallet {
        self.wallet
    }

    /// Takes everything `ask` needs, or nothing. Rates are looked at before money: a caller who
    /// may simply wait is told so, and only one who cannot is told to pay. Windows are told by the
    /// clock, `now`; rates by how time passes, `mono`.
    ///
    /// # Errors
    /// The first limit that does not have room.
    ///
    /// # Panics
    /// If a request of that id is in flight.
    pub fn admit(&mut self, ask: &Ask, now: AtUs, mono: MonoUs) -> Result<Admission, Refusal> {
        let now = self.turn(now);
        let who = ask.who();
        let applied = self.rates.check(&who, ask.tokens, self.defaults, mono);
        let applied = applied.map_err(|stop| {
            if stop.hope != Hope::None {
                self.rates.want(ask, self.defaults, mono);
            }
            Refusal::Rate(Box::new(stop))
        })?;
        let legs = self.legs_at(ask, now);
        // A price of zero needs no money; anything else needs some, even if it rounds to nothing.
        if ask.amount > Nusd::ZERO {
            self.check_money(ask, &legs, now)?;
        }
        let rates = self.rates.take(&who, ask.tokens, &applied, mono);
        self.rates.waits_no_longer(ask.id);
        let open = Open {
            project: ask.project.clone(),
            key: ask.key.clone(),
            model: Arc::clone(&ask.model),
            amount: ask.amount,
            tokens: ask.tokens,
            at: now,
            applied,
            own_legs: legs.len(),
            legs: Arc::clone(&legs),
        };
        self.wallet.hold(ask.amount);
        self.budgets.begin(&open);
        if let Some(pots) = &mut self.pots {
            pots.hold(&legs, ask.amount);
        }
        let before = self.open.insert(ask.id, open);
        assert!(before.is_none(), "a request is admitted once");
        Ok(Admission {
            at: now,
            rates,
            legs,
        })
    }

    fn check_money(&mut self, ask: &Ask, legs: &[PotId], now: AtUs) -> Result<(), Refusal> {
        let available = self.wallet.available();
        if ask.amount > available {
            return Err(Refusal::Credit {
                available,
                required: ask.amount,
            });
        }
        if let Some(pots) = &self.pots {
            let short = legs.iter().find(|leg| ask.amount > pots.room(leg));
            return short.map_or(Ok(()), |leg| {
                let refusal = self.budgets.short(leg, pots.room(leg), ask.amount);
                Err(Refusal::Budget(Box::new(
                    refusal.expect("it is a budget's"),
                )))
            });
        }
        self.budgets
            .check(&ask.project, &ask.key, ask.amount, now)
            .map_err(|refusal| Refusal::Budget(Box::new(refusal)))
    }

    /// The most money that a request of `project` and `key` could hold now.
    #[must_use]
    pub fn room(&mut self, project: &ProjectId, key: &KeyId, now: AtUs) -> Nusd {
        let now = self.turn(now);
        let windows = match &self.pots {
            Some(pots) => pots.least_room(&self.budgets.legs(project, key, now)),
            None => self.budgets.room(project, key, now),
        };
        self.room_within(windows)
    }

    fn room_within(&self, windows: Option<Nusd>) -> Nusd {
        let available = self.wallet.available();
        let room = windows.map_or(available, |room| room.min(available));
        room.max(Nusd::ZERO)
    }

    /// Holds more for a request in flight: up to `most`, as much as there is, at least `least`, or
    /// nothing. Answers how much more.
    #[must_use]
    pub fn extend(&mut self, id: RequestId, least: Nusd, most: Nusd) -> Option<Nusd> {
        let open = self.open.get(&id)?.clone();
        let windows = match &self.pots {
            Some(pots) => pots.least_room(&open.legs),
            None => self.budgets.room(&open.project, &open.key, open.at),
        };
        let more = self.room_within(windows).min(most);
        if more < least || more <= Nusd::ZERO {
            return None;
        }
        self.wallet.hold(more);
        self.budgets.extend(&open, more);
        if let Some(pots) = &mut self.pots {
            pots.hold(&open.legs, more);
        }
        self.open.get_mut(&id)?.amount += more;
        Some(more)
    }

    /// Ends an admitted request: its hold is gone, `charge` of it is spent, and of its tokens
    /// `used_tokens` were used.
    ///
    /// # Panics
    /// If the charge exceeds the hold, or no such request is in flight: the books would be wrong.
    pub fn end(&mut self, id: RequestId, charge: Nusd, used_tokens: u64, now: AtUs) {
        let now = self.turn(now);
        let open = self.open.remove(&id).expect("a hold ends once");
        assert!(charge <= open.amount, "a charge never exceeds its hold");
        self.wallet.end(open.amount, charge);
        self.budgets.end(&open, charge, now);
        if let Some(pots) = &mut self.pots {
            pots.end(&open.legs, open.amount, charge);
            pots.stray(&open.legs[open.own_legs..], open.amount - charge);
        }
        let who = Who {
            project: &open.project,
            key: &open.key,
            model: &open.model,
        };
        let unused = open.tokens.saturating_sub(used_tokens);
        self.rates.end(&who, &open.applied, unused);
    }

    /// Takes money out of the wallet before the ledger does, so that no request can hold it any
    /// more; false, and nothing is taken, if not so much is free.
    #[must_use]
    pub fn take_out(&mut self, amount: Nusd) -> bool {
        self.wallet.take_out(amount)
    }

    /// Puts back what was taken out, as the ledger did not.
    pub fn put_back(&mut self, amount: Nusd) {
        self.wallet.put_back(amount);
    }

    /// Follows the ledger: money came in elsewhere. Credits only ever grow there.
    pub fn set_credits(&mut self, credits: Nusd) {
        self.wallet.set_credits(credits);
    }

    /// Puts budgets into force, in place of those before. Whatever is in flight counts in them.
    ///
    /// A budget that this book did not know, or of which it has not been told yet, is answered: it
    /// stops nobody until [`Book::know`] is called with what was settled in its span *before* this
    /// call. What settles after it, the book counts itself.
    ///
    /// Where money is leased, caps do not wait for that, and requests in flight are adopted: what
    /// one holds counts as leased and held in the window that is new to it, and what is left of it
    /// at its end strays there until it is given back.
    pub fn set_budgets(&mut self, budgets: Vec<Budget>, now: AtUs) -> ToDo {
        let now = self.turn(now);
        let lowered = match self.pots {
            Some(_) => self.budgets.lowered(&budgets, now),
            None => Vec::new(),
        };
        ToDo {
            unknown: self.budgets.set(budgets, &self.open, now),
            adopted: self.adopt(now),
            lowered,
        }
    }

    /// Tells what had been spent in a window before the book counted for its budget.
    pub fn know(&mut self, budget: &BudgetId, span: Span, spent: Nusd) {
        self.budgets.know(budget, span, spent, self.latest);
    }

    /// Puts rules for rates into force, in place of those before. What was used stays used.
    pub fn set_rates(&mut self, rules: RateRules) {
        self.rates.set_rules(rules);
    }

    /// Counts what was used before this book was opened against the limits a day: as long ago as
    /// it was by the clock. Tell it once the rules are known.
    pub fn recall(&mut self, recent: &Recent, mono: MonoUs) {
        // What is shared is not forgotten when one process ends.
        if !self.rates.is_shared() {
            self.rates.recall(recent, mono);
        }
    }

    /// Whether a budget stops requests now: the latest that needed money of it was refused for it.
    #[must_use]
    pub fn is_refusing(&mut self, budget: &BudgetId, now: AtUs) -> bool {
        let now = self.turn(now);
        self.budgets.is_refusing(budget, now)
    }

    /// Whether reaching a threshold of some budget is to be told.
    #[must_use]
    pub fn tells_thresholds(&self) -> bool {
        self.budgets.tell_thresholds()
    }

    /// The thresholds of budgets reached since this was last asked; now and then one is told again.
    #[must_use]
    pub fn take_crossings(&mut self) -> Vec<Crossing> {
        self.budgets.take_crossings()
    }

    /// Forgets rates that have drained: they are as good as new.
    pub fn forget_idle(&mut self, mono: MonoUs) {
        self.rates.forget_idle(self.defaults, mono);
    }

    fn turn(&mut self, now: AtUs) -> AtUs {
        self.latest = self.latest.max(now);
        self.latest
    }
}

#[cfg(test)]
mod tests;
