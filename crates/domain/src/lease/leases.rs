//! The leases that a node has of one organization's pots, and the requests that wait for more.
//!
//! Lives beside the organization's book, under the same lock: what it answers must be done before
//! anybody else looks at the book. Nothing here counts money; the book does, and what may be held
//! is always the book's room. This decides only what to ask for, what to give back, and whom to
//! refuse.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use super::demand::Demand;
use super::{Answer, Answered, Ask, AskLine, BEAT_US, Epoch, HORIZON_US, NodeId, PotId};
use crate::id::RequestId;
use crate::money::Nusd;
use crate::time::{MonoUs, SECOND_US};

/// A question without an answer is repeated after this time.
const REPEAT_US: i64 = SECOND_US;
/// How long others get to return what they were asked for; up to twice that, so that nodes that
/// wait for the same pot do not ask in step.
const PAUSE_US: i64 = SECOND_US / 20;
/// How long a request waits for money.
const PATIENCE_US: i64 = 2 * SECOND_US;

/// What a book still lets requests of this node hold.
pub trait Rooms {
    /// The room in a pot: what is leased of it and neither spent nor held. Never below zero.
    fn room(&self, pot: &PotId) -> Nusd;

    /// Whether requests in flight hold something in a pot.
    fn is_held(&self, pot: &PotId) -> bool;

    /// What is left in a pot of holds that came to count in it while they were there: it was never
    /// leased, so nobody may use it before it went back.
    fn strays(&self, pot: &PotId) -> Nusd {
        let _ = pot;
        Nusd::ZERO
    }
}

/// Something to be done now, in the order in which it is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Ask the office.
    Send(Ask),
    /// More is leased: raise the book's cap.
    Raise(PotId, Nusd),
    /// The lease is gone: lower the book's cap.
    Lower(PotId, Nusd),
    /// Lower the book's cap, then queue a return behind everything that happened before.
    GiveBack(PotId, Nusd),
    /// There is room now: admit this request, at once.
    Admit(RequestId),
    /// This request gets no money.
    Refuse(RequestId, Verdict),
    /// Nothing is left of the pot here: the book may forget it.
    Forget(PotId),
}

/// Why a request that waited for money gets none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The office said so: this pot has only that much left, on all nodes together.
    Exhausted(PotId, Nusd),
    /// Nobody could say in time: the office is away, or the money is with a node that is.
    Unavailable,
    /// A pot limits nobody any more: look up again which ones apply.
    Changed,
}

/// A request that lacks money.
#[derive(Clone, Debug)]
struct Waiter {
    id: RequestId,
    amount: Nusd,
    legs: Arc<[PotId]>,
    until: MonoUs,
    /// Counts waiters and questions alike: an answer is about those who came before its question.
    came: u64,
}

/// What is known of one pot.
#[derive(Clone, Debug, Default)]
struct Lease {
    /// The question under way about it.
    asked: Option<u64>,
    /// No question before then: others were asked to return something.
    pause_until: MonoUs,
    demand: Demand,
    /// The last grant, and when it came.
    grant: Option<(MonoUs, Nusd)>,
    /// The office has decided about it, so it takes back what is returned.
    is_open: bool,
    /// Its limit was lowered since it was asked about.
    is_outdated: bool,
}

impl Lease {
    /// What requests took in [`HORIZON_US`] lately.
    fn taken_lately(&mut self, now: MonoUs) -> Nusd {
        Nusd::saturating_from(self.demand.lately(now).into())
    }
}

/// A question under way.
#[derive(Clone, Debug)]
struct Question {
    ask: Ask,
    sent: MonoUs,
}

/// Why a pot's room is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Review {
    /// Others need it.
    Recalled,
    /// It is to be taken out of the pot.
    GivenUp,
    /// It may be more than is needed here.
    Idle,
    /// Something may be left of holds that came to count in it.
    Strays,
    /// The epoch ended.
    Lost,
}

/// The leases of one organization on one node.
#[derive(Debug)]
pub struct Leases {
    node: NodeId,
    epoch: Option<Epoch>,
    nodes: u32,
    pots: BTreeMap<PotId, Lease>,
    waiters: VecDeque<Waiter>,
    /// Waiters before this one were looked at since something changed.
    looked: usize,
    questions: BTreeMap<u64, Question>,
    count: u64,
    reviews: VecDeque<(PotId, Review)>,
    review_at: MonoUs,
    effects: VecDeque<Effect>,
}

impl Leases {
    /// No leases, on that node.
    #[must_use]
    pub fn new(node: NodeId) -> Self {
        Leases {
            node,
            epoch: None,
            nodes: 1,
            pots: BTreeMap::new(),
            waiters: VecDeque::new(),
            looked: 0,
            questions: BTreeMap::new(),
            count: 0,
            reviews: VecDeque::new(),
            review_at: MonoUs(0),
            effects: VecDeque::new(),
        }
    }

    /// The node has begun an epoch: it may ask.
    pub fn begin(&mut self, epoch: Epoch, nodes: u32) {
        self.epoch = Some(epoch);
        self.set_nodes(nodes);
        self.looked = 0;
    }

    /// The node's epoch has ended, and every lease with it.
    pub fn lost(&mut self) {
        self.epoch = None;
        self.questions.clear();
        for (pot, lease) in &mut self.pots {
            lease.asked = None;
            self.reviews.push_back((pot.clone(), Review::Lost));
        }
    }

    /// So many nodes there are: one alone keeps what it has.
    pub fn set_nodes(&mut self, nodes: u32) {
        self.nodes = nodes;
    }

    /// A request was admitted: its pots are in use.
    pub fn admitted(&mut self, legs: &[PotId], amount: Nusd, now: MonoUs) {
        for leg in legs {
            // Whatever has room was asked for once, and is kept while it is in use.
            if let Some(lease) = self.pots.get_mut(leg) {
                lease.demand.add(amount.get().unsigned_abs(), now);
            }
        }
    }

    /// A request in flight came to count in a pot, perhaps before the office has opened it.
    pub fn adopted(&mut self, pot: &PotId) {
        self.pots.entry(pot.clone()).or_default();
    }

    /// A request that came to count in a pot while it was in flight has ended.
    pub fn strayed(&mut self, pot: &PotId) {
        self.reviews.push_back((pot.clone(), Review::Strays));
    }

    /// A request admitted in `epoch` ended, and the book has freed what was not charged. If the
    /// epoch is over, that is the office's and not this node's.
    pub fn ended(&mut self, epoch: Epoch, legs: &[PotId], freed: Nusd) {
        if self.epoch == Some(epoch) {
            self.looked = 0;
            return;
        }
        let lower = |leg: &PotId| Effect::Lower(leg.clone(), freed);
        self.effects.extend(legs.iter().map(lower));
    }

    /// A request does not fit into the room of these pots. It will be admitted or refused.
    pub fn wait(&mut self, id: RequestId, legs: Arc<[PotId]>, amount: Nusd, now: MonoUs) {
        self.count += 1;
        self.waiters.push_back(Waiter {
            id,
            amount,
            legs,
            until: now.plus(PATIENCE_US),
            came: self.count,
        });
    }

    /// A request waits no longer: its client left.
    pub fn leave(&mut self, id: RequestId) {
        self.waiters.retain(|waiter| waiter.id != id);
        self.looked = 0;
    }

    /// A pot's limit was lowered: what is leased goes back, and what is on its way. False if
    /// nothing can be.
    pub fn lowered(&mut self, pot: &PotId) -> bool {
        let Some(lease) = self.pots.get_mut(pot) else {
            return false;
        };
        lease.is_outdated = lease.asked.is_some();
        if lease.is_open {
            self.reviews.push_back((pot.clone(), Review::Recalled));
        }
        lease.is_open || lease.is_outdated
    }

    fn is_open(&self, pot: &PotId) -> bool {
        self.pots.get(pot).is_some_and(|lease| lease.is_open)
    }

    /// What is not held of this pot is needed elsewhere, or its limit was lowered.
    pub fn recalled(&mut self, pot: &PotId) {
        if let Some(lease) = self.pots.get_mut(pot) {
            lease.is_open = true;
            self.reviews.push_back((pot.clone(), Review::Recalled));
        }
    }

    /// What is not held of this pot goes back, though no other node needs it: it is to be taken
    /// there.
    pub fn give_up(&mut self, pot: &PotId) {
        self.reviews.push_back((pot.clone(), Review::GivenUp));
    }

    /// Time has passed: see [`Leases::due`].
    pub fn tick(&mut self, now: MonoUs) {
        self.looked = 0;
        let over = |lease: &&mut Lease| lease.pause_until <= now;
        let over = self.pots.values_mut().filter(over);
        over.for_each(|lease| lease.pause_until = MonoUs(0));
        if now >= self.review_at {
            self.review_at = now.plus(BEAT_US);
            let idle = |pot: &PotId| (pot.clone(), Review::Idle);
            self.reviews.extend(self.pots.keys().map(idle));
        }
    }

    /// When [`Leases::tick`] is due, whatever else happens; never, while nothing is leased and
    /// nobody waits.
    #[must_use]
    pub fn due(&self) -> MonoUs {
        if self.pots.is_empty() && self.waiters.is_empty() {
            return MonoUs(i64::MAX);
        }
        // All wait equally long: whoever came first gives up first.
        let patience = self.waiters.front().map(|waiter| waiter.until);
        let pauses = self.pots.values().map(|lease| lease.pause_until);
        let pauses = pauses.filter(|until| *until > MonoUs(0));
        let repeats = self.questions.values().map(|it| it.sent.plus(REPEAT_US));
        let all = patience.into_iter().chain(pauses).chain(repeats);
        all.fold(self.review_at, MonoUs::min)
    }

    /// The office answered a question.
    pub fn answered(&mut self, answered: Answered, now: MonoUs, rooms: &impl Rooms) {
        self.set_nodes(answered.nodes);
        let Some(question) = self.questions.remove(&answered.number) else {
            return;
        };
        for line in &question.ask.lines {
            if let Some(lease) = self.pots.get_mut(&line.pot) {
                lease.asked = None;
                lease.pause_until = MonoUs(0);
            }
        }
        self.looked = 0;
        match answered.answer {
            Answer::Granted(granted) => {
                for (pot, amount) in granted {
                    let lease = self.pots.entry(pot.clone()).or_default();
                    lease.grant = Some((now, amount));
                    self.effects.push_back(Effect::Raise(pot.clone(), amount));
                    self.opened(&pot);
                    self.renew(pot);
                }
            }
            Answer::Wait => {
                let spread = i64::try_from(answered.number * 7_919 % PAUSE_US.unsigned_abs());
                let until = now.plus(PAUSE_US + spread.unwrap_or(0));
                for line in &question.ask.lines {
                    if let Some(lease) = self.pots.get_mut(&line.pot) {
                        lease.pause_until = until;
                    }
                }
            }
            Answer::Denied(short) => self.deny(&short, answered.number, rooms),
            Answer::Gone(pots) => {
                let gone = |waiter: &Waiter| waiter.legs.iter().any(|leg| pots.contains(leg));
                self.refuse(|waiter| gone(waiter).then_some(Verdict::Changed));
            }
        }
    }

    /// What was granted under a limit that was lowered since goes back: under the new one it is
    /// asked for anew.
    fn renew(&mut self, pot: PotId) {
        let lease = self.pots.get_mut(&pot);
        if lease.is_some_and(|lease| std::mem::take(&mut lease.is_outdated)) {
            self.reviews.push_back((pot, Review::Recalled));
        }
    }

    /// The office has decided about a pot: it takes back what strayed there.
    fn opened(&mut self, pot: &PotId) {
        if let Some(lease) = self.pots.get_mut(pot) {
            lease.is_open = true;
            self.reviews.push_back((pot.clone(), Review::Strays));
        }
    }

    /// Refuses whoever waited before that question was asked and lacks more than there is. The
    /// answer may be older than what was paid in before a later one came.
    fn deny(&mut self, short: &[(PotId, Nusd)], question: u64, rooms: &impl Rooms) {
        short.iter().for_each(|(pot, _)| self.opened(pot));
        // What strays here goes back now, and may help.
        let left = |(pot, left): &(PotId, Nusd)| *left + rooms.room(pot) + rooms.strays(pot);
        self.refuse(|waiter| {
            let over =
                |line: &&(PotId, Nusd)| waiter.legs.contains(&line.0) && waiter.amount > left(line);
            let line = short.iter().find(over).filter(|_| waiter.came < question)?;
            Some(Verdict::Exhausted(line.0.clone(), left(line)))
        });
    }

    fn refuse(&mut self, verdict: impl Fn(&Waiter) -> Option<Verdict>) {
        let effects = &mut self.effects;
        self.waiters.retain(|waiter| match verdict(waiter) {
            Some(verdict) => {
                effects.push_back(Effect::Refuse(waiter.id, verdict));
                false
            }
            None => true,
        });
    }

    /// The next thing to be done, until there is none. The book must show each before the next.
    pub fn poll(&mut self, now: MonoUs, rooms: &impl Rooms) -> Option<Effect> {
        let ready = self.effects.pop_front();
        ready
            .or_else(|| self.review(now, rooms))
            .or_else(|| self.serve(now, rooms))
            .or_else(|| self.repeat(now))
    }

    /// Looks at the rooms that may have to be given back.
    fn review(&mut self, now: MonoUs, rooms: &impl Rooms) -> Option<Effect> {
        while let Some((pot, review)) = self.reviews.pop_front() {
            let (room, strays) = (rooms.room(&pot), rooms.strays(&pot));
            let effect = match review {
                Review::Lost if room > Nusd::ZERO => Some(Effect::Lower(pot, room)),
                Review::Lost => None,
                // Also when there is nothing to give: it is the answer to the recall.
                Review::Recalled if self.epoch.is_some() => {
                    Some(Effect::GiveBack(pot, room + strays))
                }
                Review::Recalled => None,
                Review::GivenUp => self.back(pot, room + strays),
                Review::Strays => self.back(pot, strays),
                Review::Idle => self.tidy(pot, now, rooms),
            };
            if effect.is_some() {
                return effect;
            }
        }
        None
    }

    /// Gives back so much, if it is anything, and the pot is open.
    fn back(&mut self, pot: PotId, amount: Nusd) -> Option<Effect> {
        let gives = self.is_open(&pot) && self.epoch.is_some() && amount > Nusd::ZERO;
        gives.then_some(Effect::GiveBack(pot, amount))
    }

    /// Gives back what is not needed here; forgets a pot of which nothing is left.
    fn tidy(&mut self, pot: PotId, now: MonoUs, rooms: &impl Rooms) -> Option<Effect> {
        let lease = self.pots.get_mut(&pot)?;
        let waited = self.waiters.iter().any(|waiter| waiter.legs.contains(&pot));
        if lease.asked.is_some() || waited {
            return None;
        }
        let (room, want) = (rooms.room(&pot), lease.taken_lately(now));
        let used = rooms.is_held(&pot) || rooms.strays(&pot) > Nusd::ZERO;
        if room == Nusd::ZERO && want == Nusd::ZERO && !used {
            self.pots.remove(&pot);
            return Some(Effect::Forget(pot));
        }
        let surplus = match room > want + want {
            true => room - want,
            false => Nusd::ZERO,
        };
        let gives = self.epoch.is_some() && self.nodes > 1 && surplus > Nusd::ZERO;
        gives.then_some(Effect::GiveBack(pot, surplus))
    }

    /// Looks at those who wait, first come first: admits, gives up, or asks.
    fn serve(&mut self, now: MonoUs, rooms: &impl Rooms) -> Option<Effect> {
        while let Some(waiter) = self.waiters.get(self.looked) {
            if now >= waiter.until {
                let id = waiter.id;
                self.waiters.remove(self.looked);
                return Some(Effect::Refuse(id, Verdict::Unavailable));
            }
            let lacks = |leg: &&PotId| waiter.amount > rooms.room(leg);
            let lacking: Vec<PotId> = waiter.legs.iter().filter(lacks).cloned().collect();
            if lacking.is_empty() {
                let id = waiter.id;
                self.waiters.remove(self.looked);
                return Some(Effect::Admit(id));
            }
            let amount = waiter.amount;
            self.looked += 1;
            if let Some(ask) = self.ask(lacking, amount, now, rooms) {
                return Some(Effect::Send(ask));
            }
        }
        None
    }

    /// A question about those of the pots that none is under way about.
    fn ask(
        &mut self,
        mut pots: Vec<PotId>,
        amount: Nusd,
        now: MonoUs,
        rooms: &impl Rooms,
    ) -> Option<Ask> {
        let epoch = self.epoch?;
        pots.retain(|pot| {
            let lease = self.pots.entry(pot.clone()).or_default();
            lease.asked.is_none() && now >= lease.pause_until
        });
        if pots.is_empty() {
            return None;
        }
        pots.sort();
        self.count += 1;
        let number = self.count;
        let mut lines = Vec::with_capacity(pots.len());
        for pot in pots {
            let need = amount - rooms.room(&pot);
            let want = self.want(&pot, now).max(need);
            if let Some(lease) = self.pots.get_mut(&pot) {
                lease.asked = Some(number);
                lease.is_outdated = false;
                lease.pause_until = MonoUs(0);
            }
            lines.push(AskLine { pot, need, want });
        }
        let ask = Ask {
            node: self.node.clone(),
            epoch,
            number,
            lines,
        };
        let question = Question {
            ask: ask.clone(),
            sent: now,
        };
        self.questions.insert(number, question);
        Some(ask)
    }

    /// What would last for [`HORIZON_US`]: as much as was taken in that time lately, or twice a
    /// grant that did not last as long, and enough for all that wait.
    fn want(&mut self, pot: &PotId, now: MonoUs) -> Nusd {
        let waiting = self.waiters.iter().filter(|it| it.legs.contains(pot));
        let waiting: Nusd = waiting.map(|waiter| waiter.amount).sum();
        let Some(lease) = self.pots.get_mut(pot) else {
            return waiting;
        };
        let short_lived = lease.grant.filter(|(at, _)| now.since(*at) < HORIZON_US);
        let doubled = short_lived.map_or(Nusd::ZERO, |(_, amount)| amount + amount);
        lease.taken_lately(now).max(doubled).max(waiting)
    }

    /// Sends a question again that was not answered.
    fn repeat(&mut self, now: MonoUs) -> Option<Effect> {
        let mut overdue = self.questions.values_mut();
        let question = overdue.find(|it| now.since(it.sent) >= REPEAT_US)?;
        question.sent = now;
        Some(Effect::Send(question.ask.clone()))
    }
}

#[cfg(test)]
mod tests;
