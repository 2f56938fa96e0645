//! One process of a node: what a gateway does with the rules, as far as money goes.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use domain::id::RequestId;
use domain::lease::office::Office;
use domain::lease::{
    Batch, Beat, Committed, Effect, Ending, Epoch, Joined, Leases, NodeId, PotId, Presence, Rooms,
    Verdict,
};
use domain::money::Nusd;
use domain::time::MonoUs;

use super::book::Book;
use super::database::{BEGINNING, Budget, wallet};
use super::ended::LateEnds;
use super::network::{Call, Letter, Reply};
use super::queue::{Op, Queue};
use super::rates::{Pass, Rates};
use super::request::{Open, Step, Trial, id_of};
use super::truth::Truth;
use super::{MS, S};

/// What a process sees of the world, and what it does to it.
pub(crate) struct Io<'a> {
    pub(crate) now: i64,
    pub(crate) office: &'a Office,
    pub(crate) truth: &'a mut Truth,
    pub(crate) ids: &'a mut u64,
    pub(crate) out: &'a mut Vec<Out>,
}

#[derive(Debug)]
pub(crate) enum Out {
    Call(Call),
    Step(i64, RequestId, Step),
    Refused(Trial, Why),
    /// The process has left in good order, or must end because another has its place.
    Ends,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    Exhausted,
    Unavailable,
    TooFast,
    Broken,
}

/// One organization on this node.
#[derive(Debug)]
pub(crate) struct Side {
    pub(crate) book: Book,
    pub(crate) leases: Leases,
    pub(crate) waiting: BTreeMap<RequestId, (Trial, Arc<[PotId]>)>,
}

#[derive(Debug)]
pub(crate) struct Process {
    pub(crate) presence: Presence,
    pub(crate) sides: Vec<Side>,
    pub(crate) rates: Rates,
    pub(crate) queue: Queue,
    pub(crate) open: BTreeMap<RequestId, Open>,
    pub(crate) late: LateEnds,
    budgets: Rc<Vec<Budget>>,
    /// By how much its wall clock is wrong.
    pub(crate) wall_off: i64,
    /// For how long its monotonic clock stood still.
    pub(crate) lag: i64,
    pub(crate) paused_until: Option<i64>,
    pub(crate) stopping: bool,
    /// The epoch that was left, and when that was said last.
    pub(crate) farewell: Option<(Epoch, i64)>,
}

impl Process {
    pub(crate) fn new(node: &NodeId, number: u64, rates: &[u64], budgets: Rc<Vec<Budget>>) -> Self {
        let side = |_| Side {
            book: Book::default(),
            leases: Leases::new(node.clone()),
            waiting: BTreeMap::new(),
        };
        Process {
            sides: (0..rates.len()).map(side).collect(),
            presence: Presence::new(node.clone(), number),
            rates: Rates::new(rates),
            queue: Queue::default(),
            open: BTreeMap::new(),
            late: LateEnds::default(),
            budgets,
            wall_off: 0,
            lag: 0,
            paused_until: None,
            stopping: false,
            farewell: None,
        }
    }

    fn mono(&self, now: i64) -> MonoUs {
        MonoUs(now - self.lag)
    }

    /// Requests would be admitted.
    pub(crate) fn serves(&self, now: i64) -> bool {
        !self.stopping && self.presence.may_admit(self.mono(now))
    }

    /// Nothing is under way.
    pub(crate) fn is_idle(&self) -> bool {
        let waits = self.sides.iter().any(|side| !side.waiting.is_empty());
        !waits && self.is_settled() && self.open.is_empty()
    }

    fn is_settled(&self) -> bool {
        self.queue.is_idle() && self.late.is_idle()
    }

    /// What this process believes that it may still hold of a pot.
    pub(crate) fn room(&self, pot: &PotId) -> Nusd {
        self.sides.iter().map(|side| side.book.room(pot)).sum()
    }

    /// No new requests; then it ends.
    pub(crate) fn stop(&mut self) {
        self.stopping = true;
    }

    /// When something is due, whatever else happens.
    pub(crate) fn due(&self) -> i64 {
        let sides = self.sides.iter().map(|side| side.leases.due());
        let mono = sides.fold(self.presence.due(), MonoUs::min);
        let farewell = self.farewell_due();
        let queue = self.queue.due().filter(|_| self.presence.epoch().is_some());
        let mono = mono.0.saturating_add(self.lag);
        mono.min(self.late.due())
            .min(farewell)
            .min(queue.unwrap_or(i64::MAX))
    }

    /// A client comes.
    pub(crate) fn arrive(&mut self, trial: Trial, io: &mut Io<'_>) {
        let mono = self.mono(io.now);
        if self.stopping || !self.presence.may_admit(mono) {
            return io.out.push(Out::Refused(trial, Why::Unavailable));
        }
        let pass = self.rates.check(trial.org, mono);
        if pass == Pass::Short {
            self.presence.hurry(mono);
        }
        if pass != Pass::Yes {
            return io.out.push(Out::Refused(trial, Why::TooFast));
        }
        *io.ids += 1;
        let id = id_of(*io.ids);
        let legs = self.legs(&trial, io.now);
        if self.admit(id, trial, &legs, io) {
            return;
        }
        let side = &mut self.sides[trial.org];
        side.waiting.insert(id, (trial, legs.clone()));
        side.leases.wait(id, legs, trial.amount, mono);
        if trial.hasty {
            let leaves = Step::GiveUp(trial.org);
            io.out.push(Out::Step(io.now + 100 * MS, id, leaves));
        }
    }

    fn legs(&self, trial: &Trial, now: i64) -> Arc<[PotId]> {
        let wall = BEGINNING + now + self.wall_off;
        let counts = |budget: &&Budget| budget.org == trial.org && trial.budgets & budget.bit != 0;
        let windows = self
            .budgets
            .iter()
            .filter(counts)
            .map(|budget| budget.pot(wall));
        std::iter::once(wallet(trial.org)).chain(windows).collect()
    }

    fn admit(&mut self, id: RequestId, trial: Trial, legs: &Arc<[PotId]>, io: &mut Io<'_>) -> bool {
        let mono = self.mono(io.now);
        let side = &mut self.sides[trial.org];
        let Some(epoch) = self.presence.epoch() else {
            return false;
        };
        if !side.book.hold(legs, trial.amount) {
            return false;
        }
        side.leases.admitted(legs, trial.amount, mono);
        self.rates.take(trial.org, mono);
        let hold = Op::Hold(id, trial.amount, legs.clone());
        self.queue.push(hold, trial.stream, io.now);
        io.truth.admitted(id, &trial, legs, io.now);
        if trial.stream {
            let begins = io.now + trial.lasts / 10;
            io.out.push(Out::Step(begins, id, Step::Begin));
            if trial.lasts > S {
                io.out.push(Out::Step(begins + S, id, Step::Second));
            }
        }
        io.out.push(Out::Step(io.now + trial.lasts, id, Step::End));
        let open = Open {
            trial,
            epoch,
            legs: legs.clone(),
            amount: trial.amount,
            registered: None,
            seen: Nusd::ZERO,
            begun_at: io.now,
            wants_begin: false,
            begun: false,
            ended: None,
        };
        self.open.insert(id, open);
        true
    }

    /// Time passes for an admitted request.
    pub(crate) fn step(&mut self, id: RequestId, step: Step, io: &mut Io<'_>) {
        if let Step::GiveUp(org) = step {
            let side = &mut self.sides[org];
            if side.waiting.remove(&id).is_some() {
                side.leases.leave(id);
                io.truth.tally.count("gave up");
            }
            return;
        }
        let Some(open) = self.open.get_mut(&id).filter(|open| open.ended.is_none()) else {
            return;
        };
        match step {
            Step::Begin => {
                open.wants_begin = true;
                match open.registered {
                    Some(_) => begin(id, open, io.truth),
                    None => self.queue.urge(),
                }
            }
            Step::Second => self.second(id, io),
            Step::End => self.end(id, io),
            Step::GiveUp(_) => {}
        }
    }

    /// A stream goes on: what it cost so far is noted, and its hold may grow.
    fn second(&mut self, id: RequestId, io: &mut Io<'_>) {
        let Some(open) = self.open.get_mut(&id) else {
            return;
        };
        io.out.push(Out::Step(io.now + S, id, Step::Second));
        if self.presence.epoch() != Some(open.epoch) {
            return;
        }
        let part = i128::from(open.trial.cost.get()) * i128::from(io.now - open.begun_at);
        let part = Nusd::saturating_from(part / i128::from(open.trial.lasts));
        open.seen = part.min(open.amount);
        self.queue.push(Op::Seen(id, open.seen), false, io.now);
        let side = &mut self.sides[open.trial.org];
        if let Some(more) = open
            .trial
            .grows
            .take_if(|more| side.book.hold(&open.legs, *more))
        {
            open.amount += more;
            io.truth.grew(id, more);
            self.queue.push(Op::Grow(id, more), true, io.now);
        }
    }

    /// The upstream is done, or failed: the request is charged, or released.
    fn end(&mut self, id: RequestId, io: &mut Io<'_>) {
        let Some(open) = self.open.get_mut(&id) else {
            return;
        };
        let charge = (!open.trial.fails).then(|| open.trial.cost.min(open.amount));
        open.ended = Some(charge);
        if let Some(cost) = charge {
            io.truth.charges(id, cost);
        }
        let cost = charge.unwrap_or_default();
        if self.presence.epoch() == Some(open.epoch) {
            self.queue.push(Op::End(id, ending(charge)), true, io.now);
        } else {
            self.late.push(id, charge);
        }
        let side = &mut self.sides[open.trial.org];
        side.book.end(&open.legs, open.amount, cost);
        side.leases
            .ended(open.epoch, &open.legs, open.amount - cost);
    }

    /// The database answered, or has something to say.
    pub(crate) fn hear(&mut self, letter: Letter, io: &mut Io<'_>) {
        let mono = self.mono(io.now);
        self.budgets = letter.budgets;
        match letter.reply {
            Reply::Joined(_, Joined::Replaced) => {
                io.truth.tally.count("replaced");
                io.out.push(Out::Ends);
            }
            Reply::Joined(attempt, Joined::In { epoch, nodes }) => {
                if self.presence.joined(attempt, epoch) {
                    let sides = self.sides.iter_mut();
                    sides.for_each(|side| side.leases.begin(epoch, nodes));
                }
            }
            Reply::Alive(number, alive) => {
                self.presence.alive(number);
                if self.rates.answered(number, &alive.rates, mono) {
                    self.presence.hurry(mono);
                }
                for side in &mut self.sides {
                    side.leases.set_nodes(alive.nodes);
                    alive
                        .recalled
                        .iter()
                        .for_each(|pot| side.leases.recalled(pot));
                }
            }
            Reply::Answered(org, answered) => {
                let Side { book, leases, .. } = &mut self.sides[org];
                leases.answered(answered, mono, book);
            }
            Reply::Committed(epoch, number, committed) => {
                if self.presence.epoch() == Some(epoch)
                    && let Some(sent) = self.queue.answered(number)
                {
                    self.committed(&sent.batch, &committed, io);
                    sent.unsaid
                        .into_iter()
                        .for_each(|id| self.finish(id, None, io));
                }
            }
            Reply::Late(number, committed) => self.late_done(number, &committed, io),
            Reply::Fenced(epoch, _) => self.fenced(epoch, io),
            Reply::Left => io.out.push(Out::Ends),
            Reply::Notice => self.presence.hurry(mono),
        }
    }

    /// A batch is durable.
    fn committed(&mut self, batch: &Batch, committed: &Committed, io: &mut Io<'_>) {
        // A living lease has what its node believes, so nothing of its batches is ever refused.
        let refused = &committed.refused;
        assert!(
            refused.is_empty(),
            "a living lease refused {refused:?} of {batch:?}"
        );
        for new in &batch.holds {
            if let Some(open) = self.open.get_mut(&new.id) {
                open.registered = Some(new.amount);
                if open.wants_begin {
                    begin(new.id, open, io.truth);
                }
            }
        }
        for (id, more) in &batch.grown {
            let open = self.open.get_mut(id);
            if let Some(registered) = open.and_then(|open| open.registered.as_mut()) {
                *registered += *more;
            }
        }
        let quick = batch.quick.iter().map(|(new, cost)| (new.id, Some(*cost)));
        let ends = batch.ends.iter().map(|end| (end.id, charge(end.ending)));
        for (id, charge) in ends.chain(quick) {
            self.finish(id, charge, io);
        }
    }

    /// The end of a request is durable: the rest of the answer may leave.
    pub(crate) fn finish(&mut self, id: RequestId, charge: Option<Nusd>, io: &mut Io<'_>) {
        let Some(mut open) = self.open.remove(&id) else {
            return;
        };
        if let Some(cost) = charge {
            if !open.begun {
                begin(id, &mut open, io.truth);
            }
            io.truth.completes(id, cost, io.office);
        }
    }

    /// Says and does whatever is due.
    pub(crate) fn wake(&mut self, io: &mut Io<'_>) {
        let mono = self.mono(io.now);
        for org in 0..self.sides.len() {
            if mono >= self.sides[org].leases.due() {
                self.sides[org].leases.tick(mono);
            }
            self.do_effects(org, io);
        }
        while let Some(call) = self.presence.poll(mono) {
            let call = match call {
                domain::lease::Call::Join(join) => Call::Join(join),
                domain::lease::Call::Beat { epoch, number } => Call::Beat(Beat {
                    node: self.presence.node().clone(),
                    epoch,
                    number,
                    rates: self.rates.lines(number, mono),
                }),
            };
            io.out.push(Out::Call(call));
        }
        if let Some(epoch) = self.presence.epoch()
            && let Some(batch) = self.queue.poll(self.presence.node(), epoch, io.now)
        {
            io.out.push(Out::Call(Call::Commit(batch)));
        }
        self.say_late(io);
        self.say_farewell(io);
    }

    pub(crate) fn do_effects(&mut self, org: usize, io: &mut Io<'_>) {
        let mono = self.mono(io.now);
        loop {
            let Side {
                book,
                leases,
                waiting,
            } = &mut self.sides[org];
            let Some(effect) = leases.poll(mono, book) else {
                return;
            };
            match effect {
                Effect::Send(ask) => io.out.push(Out::Call(Call::Ask(org, ask))),
                Effect::Raise(pot, amount) => book.raise(&pot, amount),
                Effect::Lower(pot, amount) => book.lower(&pot, amount),
                Effect::GiveBack(pot, amount) => {
                    book.lower(&pot, amount);
                    self.queue.push(Op::Return(pot, amount), true, io.now);
                }
                Effect::Forget(pot) => book.forget(&pot),
                Effect::Admit(id) => {
                    let (trial, legs) = waiting.remove(&id).expect("it waits");
                    self.admit_late(id, trial, &legs, io);
                }
                Effect::Refuse(id, verdict) => {
                    let (trial, _) = waiting.remove(&id).expect("it waits");
                    match verdict {
                        Verdict::Exhausted(..) => {
                            io.out.push(Out::Refused(trial, Why::Exhausted));
                        }
                        Verdict::Unavailable => {
                            io.truth.tally.count("waited in vain");
                            io.out.push(Out::Refused(trial, Why::Unavailable));
                        }
                        // The budgets came with the answer: look again.
                        Verdict::Changed => self.arrive(trial, io),
                    }
                }
            }
        }
    }

    /// There is money now; time has passed, so all else is looked at again.
    fn admit_late(&mut self, id: RequestId, trial: Trial, legs: &Arc<[PotId]>, io: &mut Io<'_>) {
        let mono = self.mono(io.now);
        if !self.presence.may_admit(mono) {
            return io.out.push(Out::Refused(trial, Why::Unavailable));
        }
        if self.rates.check(trial.org, mono) != Pass::Yes {
            return io.out.push(Out::Refused(trial, Why::TooFast));
        }
        assert!(
            self.admit(id, trial, legs, io),
            "there is room for {trial:?}"
        );
    }
}

fn begin(id: RequestId, open: &mut Open, truth: &mut Truth) {
    open.begun = true;
    truth.begins(id);
}

pub(crate) fn ending(charge: Option<Nusd>) -> Ending {
    charge.map_or(Ending::Released, Ending::Settled)
}

pub(crate) fn charge(ending: Ending) -> Option<Nusd> {
    match ending {
        Ending::Settled(cost) => Some(cost),
        Ending::Released => None,
    }
}
