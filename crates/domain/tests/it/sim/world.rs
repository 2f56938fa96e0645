//! The event loop: clients, nodes, network and database in the order of one time.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use domain::id::RequestId;
use domain::lease::NodeId;

use super::S;
use super::database::{Database, wallet};
use super::network::{Call, Letter, Reply};
use super::process::{Io, Out, Process, Why};
use super::request::{Step, Trial};
use super::rng::Rng;
use super::scenario::{Scenario, Weather};
use super::truth::{Tally, Truth};

/// Names a process: its place in the list of all that ever ran.
pub(crate) type Life = usize;

#[derive(Debug)]
pub(crate) enum Event {
    /// A client of that node; another follows.
    Client(usize),
    Trial(Trial),
    Call(Life, Call),
    Letter(Life, Letter),
    Step(Life, RequestId, Step),
    Wake(Life),
    Fault(usize),
    /// A process is started at a node, if there is none.
    Start(usize),
}

/// An event's time, order and place; the earliest is the greatest.
type Due = Reverse<(i64, u64, usize)>;

/// One place for a process, and how it is connected.
#[derive(Debug, Default)]
pub(crate) struct Node {
    pub(crate) life: Option<Life>,
    pub(crate) cut_until: i64,
    pub(crate) deaf_until: i64,
    pub(crate) slow_until: i64,
    pub(crate) slow_by: i64,
}

pub(crate) struct World {
    pub(crate) now: i64,
    order: u64,
    due: BinaryHeap<Due>,
    events: Vec<Option<Event>>,
    /// Places of events that have happened.
    vacant: Vec<usize>,
    pub(crate) rng: Rng,
    pub(crate) scenario: Scenario,
    pub(crate) database: Database,
    pub(crate) nodes: Vec<Node>,
    /// Every process that ever ran, and its node; none once it is gone.
    pub(crate) lives: Vec<(usize, Option<Process>)>,
    pub(crate) wakes: Vec<i64>,
    ids: u64,
    pub(crate) truth: Truth,
    /// How many requests had been admitted with how many grants when money first ran out.
    pub(crate) plenty: Option<(u64, u64)>,
    /// How many budgets were added.
    pub(crate) added: usize,
    trace: bool,
}

/// How often a client comes again.
const TRIES: u32 = 2;

/// What a run came to.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) tally: Tally,
    /// Of ten thousand parts of the scarcest pot, so many were spent.
    pub(crate) used: i64,
    /// Requests admitted until money ran out for the first time, and the grants they took.
    pub(crate) admitted: u64,
    pub(crate) grants: u64,
}

/// Runs what a seed says, and panics where a promise is broken.
pub(crate) fn run(seed: u64, trace: bool) -> Outcome {
    play(Scenario::of(seed), trace)
}

/// Runs a long drought.
pub(crate) fn run_dry(seed: u64) -> Outcome {
    play(Scenario::long_drought(seed), false)
}

fn play((scenario, rng): (Scenario, Rng), trace: bool) -> Outcome {
    let mut world = World::new(scenario, rng, trace);
    world.live();
    world.rest();
    world.end();
    world.judge()
}

impl World {
    fn new(scenario: Scenario, rng: Rng, trace: bool) -> Self {
        let mut database = Database::new(scenario.budgets.clone());
        for (org, credit) in scenario.credits.iter().enumerate() {
            database.office.open(&wallet(org), *credit);
        }
        let mut truth = Truth::default();
        truth.thorough = trace;
        World {
            now: 0,
            order: 0,
            due: BinaryHeap::new(),
            events: Vec::new(),
            vacant: Vec::new(),
            rng,
            nodes: (0..scenario.nodes).map(|_| Node::default()).collect(),
            scenario,
            database,
            lives: Vec::new(),
            wakes: Vec::new(),
            ids: 0,
            truth,
            plenty: None,
            added: 0,
            trace,
        }
    }

    /// Clients come, and whatever is to go wrong does.
    fn live(&mut self) {
        if self.trace {
            println!("{:#?}", self.scenario);
        }
        for node in 0..self.nodes.len() {
            let at = self.rng.between(0, S);
            self.at(at, Event::Start(node));
            self.at(at + S, Event::Client(node));
        }
        for index in 0..self.scenario.faults.len() {
            self.at(self.scenario.faults[index].at, Event::Fault(index));
        }
        let faults = self.scenario.faults.iter();
        let over = faults.map(|timed| timed.at + timed.fault.lasts()).max();
        let until = self.scenario.load.max(over.unwrap_or(0));
        self.run_until(until);
    }

    pub(crate) fn at(&mut self, at: i64, event: Event) {
        self.order += 1;
        let place = self.vacant.pop().unwrap_or_else(|| {
            self.events.push(None);
            self.events.len() - 1
        });
        self.events[place] = Some(event);
        self.due
            .push(Reverse((at.max(self.now), self.order, place)));
    }

    pub(crate) fn run_until(&mut self, until: i64) {
        while let Some(&Reverse((at, _, place))) = self.due.peek()
            && at <= until
        {
            self.due.pop();
            self.now = at;
            self.vacant.push(place);
            if let Some(event) = self.events[place].take() {
                self.happen(event);
            }
        }
        self.now = until;
    }

    fn happen(&mut self, event: Event) {
        if self.trace && !matches!(event, Event::Wake(_)) {
            println!("{:>12} {event:?}", self.now);
        }
        match event {
            Event::Client(node) => self.client(node),
            Event::Trial(trial) => {
                let node = self.rng.index(self.nodes.len());
                self.arrive(node, trial);
            }
            Event::Call(life, call) => self.call(life, &call),
            Event::Letter(life, letter) => {
                self.with(life, Event::Letter, letter, |it, letter, io| {
                    it.hear(letter, io)
                });
            }
            Event::Step(life, id, step) => {
                let again = |life, (id, step)| Event::Step(life, id, step);
                self.with(life, again, (id, step), |it, (id, step), io| {
                    it.step(id, step, io)
                });
            }
            // Of several, only the earliest is meant.
            Event::Wake(life) if self.wakes[life] == self.now => {
                self.wakes[life] = i64::MAX;
                self.with(life, |life, ()| Event::Wake(life), (), |_, (), _| {});
                let process = self.lives[life].1.as_ref();
                if let Some(until) = process.and_then(|it| it.paused_until)
                    && until > self.now
                {
                    self.wakes[life] = until;
                }
            }
            Event::Wake(_) => {}
            Event::Fault(index) => {
                let fault = self.scenario.faults[index].fault.clone();
                self.strike(fault);
            }
            Event::Start(node) => {
                if self.nodes[node].life.is_none() {
                    self.start(node);
                }
            }
        }
    }

    fn client(&mut self, node: usize) {
        let trial = self.scenario.trial(&mut self.rng);
        self.arrive(node, trial);
        let next = self.now + self.rng.gap(self.scenario.gap);
        if next < self.scenario.load {
            self.at(next, Event::Client(node));
        }
    }

    fn arrive(&mut self, node: usize, trial: Trial) {
        match self.nodes[node].life {
            // A client of a process that stands still gives up and tries another.
            Some(life) if self.is_awake(life) => {
                self.with(
                    life,
                    |_, trial| Event::Trial(trial),
                    trial,
                    |it, trial, io| {
                        it.arrive(trial, io);
                    },
                );
            }
            _ => self.refused(trial, Why::Unavailable),
        }
    }

    fn is_awake(&self, life: Life) -> bool {
        let process = self.lives[life].1.as_ref();
        process.is_some_and(|it| it.paused_until.is_none_or(|until| until <= self.now))
    }

    /// Lets a process do something, or, while it stands still, later.
    fn with<T>(
        &mut self,
        life: Life,
        again: impl FnOnce(Life, T) -> Event,
        what: T,
        act: impl FnOnce(&mut Process, T, &mut Io<'_>),
    ) {
        let (_, Some(process)) = &mut self.lives[life] else {
            return;
        };
        if let Some(until) = process.paused_until.filter(|until| *until > self.now) {
            if until < i64::MAX {
                self.at(until, again(life, what));
            }
            return;
        }
        let mut out = Vec::new();
        let mut io = Io {
            now: self.now,
            office: &self.database.office,
            truth: &mut self.truth,
            ids: &mut self.ids,
            out: &mut out,
        };
        act(process, what, &mut io);
        process.wake(&mut io);
        self.take(life, out);
        self.wake(life);
    }

    /// Sees to it that a process is woken when something is due.
    pub(crate) fn wake(&mut self, life: Life) {
        let Some(process) = &self.lives[life].1 else {
            return;
        };
        let due = process.due().max(self.now);
        if due < self.wakes[life] {
            self.wakes[life] = due;
            self.at(due, Event::Wake(life));
        }
    }

    fn take(&mut self, life: Life, out: Vec<Out>) {
        for out in out {
            match out {
                Out::Call(call) => self.send(life, &call),
                Out::Step(at, id, step) => self.at(at, Event::Step(life, id, step)),
                Out::Refused(trial, why) => self.refused(trial, why),
                Out::Ends => self.gone(life),
            }
        }
    }

    pub(crate) fn gone(&mut self, life: Life) {
        let (node, process) = &mut self.lives[life];
        *process = None;
        let place = &mut self.nodes[*node];
        if place.life == Some(life) {
            place.life = None;
        }
    }

    fn refused(&mut self, mut trial: Trial, why: Why) {
        self.truth.tally.count(match why {
            Why::Exhausted => "refused: exhausted",
            Why::Unavailable => "refused: unavailable",
            Why::TooFast => "refused: too fast",
            Why::Broken => "refused: broken",
        });
        if why == Why::Exhausted && self.plenty.is_none() {
            self.plenty = Some((self.truth.tally.of("admitted"), self.database.grants()));
            // Who wants the rest comes within a few seconds.
            if self.scenario.weather == Weather::Drought {
                self.scenario.load = self.scenario.load.min(self.now + 3 * S);
            }
        }
        if trial.tries < TRIES {
            trial.tries += 1;
            let at = self.now + self.rng.between(S / 5, S);
            self.at(at, Event::Trial(trial));
        }
    }

    /// A node sends: through a network, and through whatever is wrong with it.
    fn send(&mut self, life: Life, call: &Call) {
        let node = &self.nodes[self.lives[life].0];
        if node.cut_until > self.now {
            return;
        }
        let late = match node.slow_until > self.now {
            true => self.rng.between(0, node.slow_by),
            false => 0,
        };
        for delay in self.scenario.network.delays(&mut self.rng) {
            self.at(self.now + late + delay, Event::Call(life, call.clone()));
        }
    }

    /// The database hears a call, and answers.
    fn call(&mut self, life: Life, call: &Call) {
        let (reply, notified) = self.database.hear(call, self.now);
        if self.trace {
            println!("{:>12} answers {life}: {reply:?}", "");
        }
        self.truth.did(call, &reply, &self.database.office);
        let commits = matches!(call, Call::Commit(_));
        self.reply(life, &reply, commits);
        self.notify(&notified);
    }

    fn reply(&mut self, life: Life, reply: &Reply, commits: bool) {
        let node = &self.nodes[self.lives[life].0];
        let deaf = commits && node.deaf_until > self.now;
        if node.cut_until > self.now || deaf {
            return;
        }
        for delay in self.scenario.network.delays(&mut self.rng) {
            let letter = Letter {
                reply: reply.clone(),
                budgets: self.database.budgets.clone(),
            };
            self.at(self.now + delay, Event::Letter(life, letter));
        }
    }

    pub(crate) fn notify(&mut self, nodes: &[NodeId]) {
        for index in 0..self.nodes.len() {
            if nodes.contains(&node_id(index))
                && let Some(life) = self.nodes[index].life
            {
                self.reply(life, &Reply::Notice, false);
            }
        }
    }

    pub(crate) fn start(&mut self, node: usize) {
        let life = self.lives.len();
        let number = u64::try_from(life).expect("few") + 1;
        let rates = &self.scenario.rates;
        let budgets = self.database.budgets.clone();
        let process = Process::new(&node_id(node), number, rates, budgets);
        self.lives.push((node, Some(process)));
        self.wakes.push(i64::MAX);
        self.nodes[node].life = Some(life);
        self.wake(life);
    }
}

fn node_id(index: usize) -> NodeId {
    NodeId::new(&format!("node-{index}"))
}
