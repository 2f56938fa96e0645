//! One organization's desk: its book, and beside it, where several nodes share the money, what this
//! node has leased of it and who waits for more.
//!
//! Everything here happens under one lock, and queues to the ledger what it takes and frees, in the
//! order in which the book sees it.

use std::collections::HashMap;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Weak};

use domain::admission::{Book, Looked, RateStates, Refusal, Unknown};
use domain::bound::TokenBound;
use domain::budget::Budget;
use domain::hold::Hold;
use domain::id::{BudgetId, OrganizationId, RequestId};
use domain::lease::{Answered, Ask, Effect, Leases, PotId, Verdict};
use domain::money::Nusd;
use domain::recharge::{Hopeless, Recharge};
use domain::time::{AtUs, MonoUs};
use parking_lot::Mutex;
use store::{Fleet, HoldTicket, NoteTicket};
use tokio::sync::oneshot;

use super::Bid;
use super::branch::{Around, Branch};
use super::recharging::Recharging;

/// An organization's desk.
pub(crate) struct Desk {
    book: Book,
    around: Arc<Around>,
    leased: Option<Leased>,
    /// None where nobody ever wanted the wallet to be filled up by itself.
    recharging: Option<Box<Recharging>>,
}

/// What is leased, and who waits for more.
struct Leased {
    leases: Leases,
    wallet: PotId,
    waiting: HashMap<RequestId, Waiting>,
    /// What of each pot was given back since it was asked for last.
    returning: HashMap<PotId, NoteTicket>,
    /// When the timer looks here.
    due: MonoUs,
    branch: Arc<Branch>,
    desk: Weak<Mutex<Desk>>,
}

/// A request that waits for money.
struct Waiting {
    want: Want,
    tell: oneshot::Sender<Answer>,
}

/// What a request waits for.
pub(super) enum Want {
    /// To be admitted.
    Admission {
        bid: Box<Bid>,
        /// What it would hold for.
        bound: TokenBound,
    },
    /// To hold more.
    More { id: RequestId, range: Range },
}

/// From how much on more is of use, and up to how much.
#[derive(Clone, Copy, Debug)]
pub(super) struct Range {
    pub(super) least: Nusd,
    pub(super) most: Nusd,
}

/// What a request that waited is told.
pub(super) enum Answer {
    Taken(Box<Taken>),
    Grown(Grown),
    /// A limit has no room that no lease helps with.
    Refused(Refusal),
    /// There is no money for it.
    Verdict(Verdict),
}

/// What a bid took.
pub(super) struct Taken {
    pub(super) hold: Arc<Hold>,
    pub(super) rates: RateStates,
    pub(super) ticket: HoldTicket,
    pub(super) bound: TokenBound,
}

/// Why a hold does not grow.
pub(super) enum Short {
    /// The wallet has only this.
    Of(Nusd),
    /// Something else has no room.
    OfAnother,
}

/// What a hold grew by.
pub(super) struct Grown {
    pub(super) more: Nusd,
    pub(super) ticket: HoldTicket,
}

impl Deref for Desk {
    type Target = Book;

    fn deref(&self) -> &Book {
        &self.book
    }
}

impl DerefMut for Desk {
    fn deref_mut(&mut self) -> &mut Book {
        &mut self.book
    }
}

impl Desk {
    /// The desk of an organization that spends from this process alone.
    pub(super) fn alone(book: Book, around: &Arc<Around>) -> Arc<Mutex<Self>> {
        Arc::new(Mutex::new(Desk {
            book,
            around: Arc::clone(around),
            leased: None,
            recharging: None,
        }))
    }

    /// The desk of an organization of whose money this node has what it leases.
    pub(super) fn of_branch(
        book: Book,
        organization: &OrganizationId,
        around: &Arc<Around>,
        branch: &Arc<Branch>,
    ) -> Arc<Mutex<Self>> {
        let fleet = &branch.fleet;
        let mut leases = Leases::new(fleet.node().clone());
        // A process has one epoch, from its start to its end.
        leases.begin(fleet.epoch(), fleet.nodes());
        Arc::new_cyclic(|desk| {
            let leased = Leased {
                leases,
                wallet: PotId::Wallet(organization.clone()),
                waiting: HashMap::new(),
                returning: HashMap::new(),
                due: MonoUs(i64::MAX),
                branch: Arc::clone(branch),
                desk: Weak::clone(desk),
            };
            Mutex::new(Desk {
                book,
                around: Arc::clone(around),
                leased: Some(leased),
                recharging: None,
            })
        })
    }

    /// Whether there may be more money than this node has.
    pub(super) fn is_leased(&self) -> bool {
        self.leased.is_some()
    }

    /// Takes what a bid needs, or nothing.
    pub(super) fn take(&mut self, bid: &Bid, bound: TokenBound) -> Result<Taken, Refusal> {
        let (now, mono) = (self.around.now(), self.around.mono());
        let admission = self.book.admit(&bid.ask(&bound), now, mono)?;
        let rates = admission.rates;
        let hold = Arc::new(bid.hold(bid.amount(&bound), admission));
        if let Some(leased) = &mut self.leased
            && hold.amount > Nusd::ZERO
        {
            let (legs, amount) = (&hold.legs, hold.amount);
            let wallet = std::slice::from_ref(&leased.wallet);
            leased.leases.admitted(wallet, amount, mono);
            leased.leases.admitted(legs, amount, mono);
        }
        // Queued under the lock: holds enter the ledger in the order they were admitted.
        let ledger = &self.around.ledger;
        let ticket = match bid.stream {
            true => ledger.hold_soon(Arc::clone(&hold)),
            false => ledger.hold(Arc::clone(&hold)),
        };
        Ok(Taken {
            hold,
            rates,
            ticket,
            bound,
        })
    }

    /// Takes what a bid needs; where the money does not pay for all of it and the answer may be
    /// shortened, takes what there is. What this node has leased is not all there is, so nothing
    /// is shortened to that.
    pub(super) fn take_most(&mut self, bid: &Bid) -> Result<Taken, Refusal> {
        match self.take(bid, bid.bound) {
            Err(refusal) if refusal.is_about_money() && !self.is_leased() => {
                let now = self.around.now();
                let room = self.book.room(&bid.project, &bid.key, now);
                let bound = bid.shortened(room).ok_or(refusal)?;
                self.take(bid, bound)
            }
            outcome => outcome,
        }
    }

    /// What the limits of a bid are, that was refused just now.
    pub(super) fn looked_at(&mut self, bid: &Bid, refusal: &Refusal) -> Vec<Looked> {
        let (now, mono) = (self.around.now(), self.around.mono());
        let ask = bid.ask(&bid.bound);
        self.book.looked_at(&ask, refusal, now, mono)
    }

    /// Holds more for a request in flight: as much as there is, up to the most that is of use.
    pub(super) fn grow(&mut self, id: RequestId, range: Range) -> Option<Grown> {
        let more = self.book.extend(id, range.least, range.most)?;
        let ticket = self.around.ledger.extend(id, more);
        if let Some(leased) = &mut self.leased {
            let (wallet, mono) = (std::slice::from_ref(&leased.wallet), self.around.mono());
            leased.leases.admitted(wallet, more, mono);
            leased.leases.admitted(self.book.legs_of(id), more, mono);
        }
        Some(Grown { more, ticket })
    }

    /// As [`Desk::grow`]; or says whether the wallet is what has too little.
    pub(super) fn grow_or_short(&mut self, id: RequestId, range: Range) -> Result<Grown, Short> {
        let available = self.book.wallet().available();
        self.grow(id, range).ok_or(match available < range.least {
            true => Short::Of(available),
            false => Short::OfAnother,
        })
    }

    /// Ends an admitted request. Its end is in the ledger's queue already: no prefix of that may
    /// overdraw a wallet.
    pub(super) fn end(&mut self, id: RequestId, charge: Nusd, used_tokens: u64, now: AtUs) {
        let draining = match &self.leased {
            None => Vec::new(),
            Some(leased) => {
                let wallet = std::iter::once(&leased.wallet);
                let pots = wallet.chain(self.book.legs_of(id));
                leased.branch.draining(pots)
            }
        };
        let adopted = self.book.adopted_legs_of(id).to_vec();
        self.book.end(id, charge, used_tokens, now);
        if let Some(leased) = &mut self.leased {
            // A process has one epoch; what became free is this node's.
            let epoch = leased.branch.fleet.epoch();
            leased.leases.ended(epoch, &[], Nusd::ZERO);
            let is_idle = draining.is_empty() && adopted.is_empty() && leased.waiting.is_empty();
            draining.iter().for_each(|pot| leased.leases.recalled(pot));
            adopted.iter().for_each(|pot| leased.leases.strayed(pot));
            if !is_idle {
                self.work();
            }
        }
        self.see_to_recharging();
    }

    /// A request ended: the wallet may be low now, and what it held and did not use is free. (Where
    /// money is leased, those who wait for a recharge are not asked again for every such bit: each
    /// would ask the database.)
    fn see_to_recharging(&mut self) {
        let (is_leased, available) = (self.is_leased(), self.book.wallet().available());
        let Some(recharging) = &mut self.recharging else {
            return;
        };
        if recharging.is_low(available) {
            recharging.look(&self.around.look(available), &self.around.low);
        }
        if !is_leased {
            recharging.wake();
        }
    }

    pub(super) fn recharging(&mut self) -> Option<&mut Recharging> {
        self.recharging.as_deref_mut()
    }

    /// Whether a recharge may bring what is `required`, where only this is `available`; none if the
    /// organization knows none. If the wallet is low, that is told.
    pub(super) fn hope(&mut self, required: Nusd, available: Nusd) -> Option<Result<(), Hopeless>> {
        let recharging = self.recharging.as_mut()?;
        let look = self.around.look(available);
        recharging.look(&look, &self.around.low);
        Some(recharging.hope(required, &look))
    }

    /// Follows the database: how the organization's auto-recharge stands now.
    pub(super) fn set_recharge(&mut self, organization: &OrganizationId, recharge: Recharge) {
        match &mut self.recharging {
            Some(recharging) => recharging.set(recharge),
            None => {
                let recharging = Recharging::new(organization.clone(), recharge);
                self.recharging = Some(Box::new(recharging));
            }
        }
    }

    /// Money was paid in: whoever waits for that looks again.
    pub(super) fn paid(&mut self) {
        if let Some(recharging) = &mut self.recharging {
            recharging.turn();
        }
    }

    /// Ends an admitted request of which nothing was delivered.
    pub(super) fn release(&mut self, id: RequestId) {
        self.around.ledger.release(id);
        let now = self.around.now();
        self.end(id, Nusd::ZERO, 0, now);
    }

    /// What the wallet has, if this process alone knows.
    pub(crate) fn balance(&self) -> Option<Nusd> {
        (!self.is_leased()).then(|| self.book.wallet().balance())
    }

    /// Puts budgets into force, and tells the ledger which requests in flight come to count in
    /// them. Answers of which it must be known what was spent before.
    pub(super) fn set_budgets(&mut self, budgets: Vec<Budget>, now: AtUs) -> Vec<Unknown> {
        let told = |budget: &Budget| !budget.thresholds.is_empty();
        let told: Vec<BudgetId> = match self.is_leased() {
            true => budgets
                .iter()
                .filter(|it| told(it))
                .map(|it| it.id.clone())
                .collect(),
            false => Vec::new(),
        };
        let mut to_do = self.book.set_budgets(budgets, now);
        if let Some(leased) = &mut self.leased {
            // Caps say what may be spent; what was spent is for telling of it.
            to_do
                .unknown
                .retain(|unknown| told.contains(&unknown.budget));
            for (id, pot) in to_do.adopted {
                leased.branch.has(&pot, &leased.wallet);
                leased.leases.adopted(&pot);
                self.around.ledger.adopt(id, pot);
            }
            for pot in to_do.lowered {
                if leased.leases.lowered(&pot) {
                    leased.branch.drain(&pot);
                }
            }
            self.work();
        }
        to_do.unknown
    }

    /// Lets a request wait for money.
    pub(super) fn wait(&mut self, want: Want) -> oneshot::Receiver<Answer> {
        let (tell, answer) = oneshot::channel();
        self.queue_up(Waiting { want, tell });
        self.work();
        answer
    }

    fn queue_up(&mut self, waiting: Waiting) {
        let Some(leased) = &mut self.leased else {
            return;
        };
        let (id, amount) = match &waiting.want {
            Want::Admission { bid, bound } => (bid.id, bid.amount(bound)),
            Want::More { id, range } => (*id, range.least),
        };
        let windows = match &waiting.want {
            Want::Admission { bid, bound } => {
                let now = self.around.now();
                self.book.legs(&bid.ask(bound), now)
            }
            Want::More { id, .. } => self.book.legs_of(*id).into(),
        };
        let wallet = std::iter::once(leased.wallet.clone());
        let legs = wallet.chain(windows.iter().cloned()).collect();
        leased.leases.wait(id, legs, amount, self.around.mono());
        leased.waiting.insert(id, waiting);
    }

    /// A request waits no longer. Whatever it was given in that moment goes back.
    pub(super) fn leave(&mut self, id: RequestId, told: Option<Answer>) {
        if let Some(Answer::Taken(taken)) = told {
            self.release(taken.hold.id);
        }
        if let Some(leased) = &mut self.leased
            && leased.waiting.remove(&id).is_some()
        {
            leased.leases.leave(id);
            self.work();
        }
    }

    /// Others need what is not held of a pot.
    pub(super) fn recalled(&mut self, pot: &PotId) {
        if let Some(leased) = &mut self.leased {
            leased.leases.recalled(pot);
            self.work();
        }
    }

    /// What is leased of the wallet and not held goes back.
    pub(super) fn give_up_wallet(&mut self) {
        if let Some(leased) = &mut self.leased {
            leased.leases.give_up(&leased.wallet);
            self.work();
        }
    }

    /// The timer looks here, as it was told for `at`.
    pub(super) fn tick(&mut self, at: MonoUs) {
        let mono = self.around.mono();
        let Some(leased) = self.leased.as_mut().filter(|it| it.due == at) else {
            return;
        };
        leased.due = MonoUs(i64::MAX);
        leased.leases.set_nodes(leased.branch.fleet.nodes());
        if mono >= leased.leases.due() {
            leased.leases.tick(mono);
        }
        self.work();
    }

    fn answered(&mut self, answered: Answered) {
        let mono = self.around.mono();
        if let Some(leased) = &mut self.leased {
            leased.leases.answered(answered, mono, &self.book);
            self.work();
        }
    }

    /// Does what leases ask for, until nothing is left to do.
    fn work(&mut self) {
        let mono = self.around.mono();
        while let Some(leased) = &mut self.leased
            && let Some(effect) = leased.leases.poll(mono, &self.book)
        {
            match effect {
                Effect::Send(ask) => leased.ask(ask),
                Effect::Raise(pot, amount) => {
                    leased.branch.has(&pot, &leased.wallet);
                    self.book.raise(&pot, amount);
                }
                Effect::Lower(pot, amount) => self.book.lower(&pot, amount),
                Effect::GiveBack(pot, amount) => {
                    self.book.lower(&pot, amount);
                    let ticket = self.around.ledger.give_back(pot.clone(), amount);
                    leased.returning.insert(pot, ticket);
                }
                Effect::Forget(pot) => {
                    leased.branch.has_not(&pot);
                    leased.returning.remove(&pot);
                    self.book.forget(&pot);
                }
                Effect::Admit(id) => {
                    if let Some(waiting) = leased.waiting.remove(&id) {
                        self.serve(waiting);
                    }
                }
                Effect::Refuse(id, verdict) => {
                    if let Some(waiting) = leased.waiting.remove(&id) {
                        // One that has just left is told nothing.
                        let _ = waiting.tell.send(Answer::Verdict(verdict));
                    }
                }
            }
        }
        if let Some(leased) = &mut self.leased {
            leased.set_timer();
        }
    }

    /// There is room for a request that waited. All else is looked at again, as time has passed:
    /// a rate limit may stop it, and a window may have turned.
    fn serve(&mut self, waiting: Waiting) {
        let answer = match &waiting.want {
            Want::Admission { bid, bound } => match self.take(bid, *bound) {
                Ok(taken) => Answer::Taken(Box::new(taken)),
                Err(refusal) if refusal.is_about_money() => return self.queue_up(waiting),
                Err(refusal) => Answer::Refused(refusal),
            },
            Want::More { id, range } => match self.grow(*id, *range) {
                Some(grown) => Answer::Grown(grown),
                None => return self.queue_up(waiting),
            },
        };
        // Whoever waits leaves under this lock, so nobody has left without having said so.
        let _ = waiting.tell.send(answer);
    }
}

impl Leased {
    /// Sends a question, behind whatever was given back of its pots: else the database would deny
    /// what is on its way. One that is not answered is repeated, so an error needs no more.
    fn ask(&mut self, ask: Ask) {
        let (fleet, desk): (Fleet, _) = (self.branch.fleet.clone(), Weak::clone(&self.desk));
        let pots = ask.lines.iter().map(|line| &line.pot);
        let returning = pots.filter_map(|pot| self.returning.remove(pot));
        let returning: Vec<NoteTicket> = returning.collect();
        self.branch.runtime.spawn(async move {
            for ticket in returning {
                // If the ledger broke, there is nothing to be had.
                let _ = ticket.durable().await;
            }
            match fleet.ask(ask).await {
                Ok(answered) => {
                    if let Some(desk) = desk.upgrade() {
                        desk.lock().answered(answered);
                    }
                }
                Err(error) => tracing::debug!(%error, "a lease could not be asked for"),
            }
        });
    }

    fn set_timer(&mut self) {
        let due = self.leases.due();
        if due < self.due {
            self.due = due;
            if let PotId::Wallet(organization) = &self.wallet {
                self.branch.timer.set(due, organization.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests;
