//! Random calls of three nodes, made to the office and to the database alike.

use std::collections::BTreeMap;
use std::sync::Arc;

use domain::budget::Force;
use domain::hold::Hold;
use domain::id::RequestId;
use domain::lease::office::{Office, OpenHold};
use domain::lease::{
    Ask, AskLine, Batch, Beat, End, Ending, Epoch, Join, Joined, Late, NewHold, NodeId, PotId,
    Return, TTL_US,
};
use domain::money::Nusd;
use domain::time::{AtUs, DAY_US, HOUR_US, MonoUs, SECOND_US};

use super::desk::{self, BEGIN, CREDITS, Desk, Owned, node, wallet};
use super::sharer::Sharer;
use super::till::{self, Till};
use crate::batch::Op;
use crate::{Tx, budgets, leases};

/// Numbers that a seed decides: SplitMix64.
pub(super) struct Rng(pub(super) u64);

impl Rng {
    fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From zero, and less than `count`.
    pub(super) fn below(&mut self, count: u64) -> u64 {
        self.draw() % count
    }

    pub(super) fn amount(&mut self, most: i64) -> Nusd {
        let most = u64::try_from(most).expect("not negative");
        Nusd::new(i64::try_from(self.below(most + 1)).expect("small"))
    }

    pub(super) fn one<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        let count = u64::try_from(all.len()).expect("few");
        &all[usize::try_from(self.below(count)).expect("few")]
    }
}

const NO_LATE_END: &str = "no late end";

/// What a node knows of itself.
#[derive(Clone, Debug, Default)]
struct Known {
    epoch: Epoch,
    processes: u64,
    questions: u64,
    beats: u64,
    batches: u64,
    asked: Vec<Ask>,
    rates: Vec<Sharer>,
    said: Option<Beat>,
}

pub(super) struct Walk {
    pub(super) desk: Desk,
    pub(super) office: Office,
    pub(super) now: AtUs,
    pub(super) budgets: Vec<Owned>,
    pub(super) tally: BTreeMap<String, u64>,
    rng: Rng,
    /// How much time has passed, whatever was done to the clock.
    passed: MonoUs,
    nodes: BTreeMap<NodeId, Known>,
    tills: BTreeMap<NodeId, Till>,
    holds: BTreeMap<RequestId, Arc<Hold>>,
    ids: u64,
}

impl Walk {
    pub(super) fn new(desk: Desk, seed: u64) -> Self {
        let mut office = Office::default();
        let budgets = desk::all_budgets();
        for owned in &budgets {
            office.open(&wallet(&owned.organization), CREDITS);
        }
        let names = ["a", "b", "c"].map(|name| (node(name), Known::default()));
        Walk {
            desk,
            office,
            now: BEGIN,
            budgets,
            tally: BTreeMap::new(),
            rng: Rng(seed),
            passed: MonoUs(BEGIN.0),
            nodes: names.into(),
            tills: BTreeMap::new(),
            holds: BTreeMap::new(),
            ids: 0,
        }
    }

    /// Something happens. Answers what.
    pub(super) fn step(&mut self) -> String {
        let nodes: Vec<NodeId> = self.nodes.keys().cloned().collect();
        let node = self.rng.one(&nodes).clone();
        let gone = self
            .office
            .epoch(&node)
            .is_none_or(|(_, expires_at)| expires_at.is_none());
        let what = match self.rng.below(100) {
            0..60 if gone => self.join(&node),
            0..2 => self.join(&node),
            2..3 => self.leave(&node),
            3..12 => self.beat(&node),
            12..45 => self.ask(&node),
            45..80 => self.commit(&node),
            80..85 => self.late(&node),
            85..89 => self.expire(),
            89..96 => self.pass(),
            _ => self.change_budget(),
        };
        let kind = what.split(':').next().unwrap_or_default().to_owned();
        *self.tally.entry(kind).or_default() += 1;
        what
    }

    fn known(&mut self, node: &NodeId) -> &mut Known {
        self.nodes.get_mut(node).expect("one of three")
    }

    /// The epoch that a node is in, or at times one that has ended.
    fn epoch(&mut self, node: &NodeId) -> Epoch {
        let stale = self.rng.below(12) == 0;
        let epoch = self.known(node).epoch;
        match stale {
            true => Epoch(epoch.0 - 1),
            false => epoch,
        }
    }

    fn join(&mut self, node: &NodeId) -> String {
        let known = self.known(node);
        known.processes += 1;
        let join = Join {
            node: node.clone(),
            process: known.processes,
            attempt: 1,
        };
        let joined = self.office.join(&join, self.now);
        let (epoch, nodes) = self.desk.run(|tx| leases::join(tx, node));
        assert_eq!(joined, Joined::In { epoch, nodes });
        let known = self.known(node);
        known.epoch = epoch;
        known.batches = 0;
        known.rates = Sharer::both();
        let till = Till::open(&self.desk, node, epoch);
        self.tills.insert(node.clone(), till);
        format!("joined: {node} {joined:?}")
    }

    fn beat(&mut self, node: &NodeId) -> String {
        let again = self.rng.below(10) == 0;
        let beat = match self.nodes[node].said.clone().filter(|_| again) {
            Some(said) => said,
            None => self.say(node),
        };
        let beaten = self.office.beat(&beat, self.now);
        let found = self.desk.run(|tx| leases::beat(tx, &beat, 0));
        assert_eq!(found, beaten, "{beat:?}");
        let Ok(beaten) = beaten else {
            return format!("beat fenced: {node}");
        };
        if self.rng.below(5) > 0 {
            let passed = self.passed;
            for share in &mut self.known(node).rates {
                share.answered(beat.number, &beaten.alive.rates, passed);
            }
        }
        let raised = beaten.alive.rates.iter().any(|answer| answer.raise > 0);
        let recalled = !beaten.alive.recalled.is_empty();
        let kind = match (recalled, raised, beaten.holders.is_empty()) {
            (true, ..) => "alive and recalled",
            (_, true, _) => "alive and shares more",
            (_, _, false) => "alive and needs shares of others",
            _ => "alive",
        };
        format!("{kind}: {node} {beaten:?}")
    }

    fn say(&mut self, node: &NodeId) -> Beat {
        let epoch = self.epoch(node);
        let (known, passed) = (self.nodes.get_mut(node), self.passed);
        let known = known.expect("one of three");
        known.beats += 1;
        let number = known.beats;
        let lines = known.rates.iter_mut();
        let lines = lines.filter_map(|it| it.line(&mut self.rng, number, passed));
        let beat = Beat {
            node: node.clone(),
            epoch,
            number,
            rates: lines.collect(),
        };
        known.said = Some(beat.clone());
        beat
    }

    fn ask(&mut self, node: &NodeId) -> String {
        let ask = match self.rng.below(5) {
            0 if !self.nodes[node].asked.is_empty() => {
                let asked = self.nodes[node].asked.clone();
                self.rng.one(&asked).clone()
            }
            _ => self.question(node),
        };
        let known = &self.nodes[node];
        let again = match ask.number < known.questions {
            true => " again",
            false => "",
        };
        let present = self.office.epoch(node).map(|(epoch, _)| epoch);
        if present == Some(ask.epoch) {
            self.open(ask.lines.iter().map(|line| &line.pot));
        }
        let asked = self.office.ask(&ask);
        let found = self.desk.run(|tx| leases::ask(tx, &ask));
        assert_eq!(found, asked, "{ask:?}");
        match asked {
            Ok(asked) => {
                let answer = format!("{:?}", asked.answered.answer);
                let kind = answer.split('(').next().unwrap_or_default();
                format!("{kind}{again}: {answer} to {ask:?}")
            }
            Err(_) => format!("question fenced: {ask:?}"),
        }
    }

    /// Windows' pots open when they are asked for, and when nothing is left that may count in them.
    fn open<'a>(&mut self, pots: impl Iterator<Item = &'a PotId>) {
        for pot in pots {
            let owned = self.budgets.iter().find(|it| is_of(pot, it));
            let Some(budget) = owned.map(|it| it.budget.clone()) else {
                continue;
            };
            let open = self.office.pot(pot).is_some_and(|row| !row.closed);
            if budget.force == Force::Hard && !open {
                for node in ["a", "b", "c"].map(node) {
                    while self.late(&node) != NO_LATE_END {}
                }
                self.office.open(pot, budget.limit);
            }
        }
    }

    fn question(&mut self, node: &NodeId) -> Ask {
        let epoch = self.epoch(node);
        let lines = self.pots().into_iter().map(|pot| {
            let need = self.rng.amount(120);
            let want = need + self.rng.amount(200);
            AskLine { pot, need, want }
        });
        let lines = lines.collect();
        let known = self.known(node);
        known.questions += 1;
        let ask = Ask {
            node: node.clone(),
            epoch,
            number: known.questions,
            lines,
        };
        known.asked.push(ask.clone());
        if known.asked.len() > 4 {
            known.asked.remove(0);
        }
        ask
    }

    /// Some pots of an organization, in order.
    fn pots(&mut self) -> Vec<PotId> {
        let organization = self.rng.one(&self.budgets).organization.clone();
        let of = |it: &&Owned| it.organization == organization;
        let windows = self.budgets.iter().filter(of).map(|it| it.pot(self.now));
        let mut pots: Vec<PotId> = windows.collect();
        pots.push(wallet(&organization));
        pots.retain(|_| self.rng.below(4) > 0);
        pots.sort();
        pots
    }

    /// Commits a batch with one step, if it fits into the leases.
    fn commit(&mut self, node: &NodeId) -> String {
        let epoch = self.known(node).epoch;
        let present = self.office.epoch(node).map(|(present, _)| present);
        if present != Some(epoch) {
            return "no commit: fenced".into();
        }
        let known = self.known(node);
        known.batches += 1;
        let number = known.batches;
        let empty = Batch {
            node: node.clone(),
            epoch,
            number,
            holds: Vec::new(),
            grown: Vec::new(),
            seen: Vec::new(),
            ends: Vec::new(),
            quick: Vec::new(),
            returns: Vec::new(),
        };
        let batch = self.fill(empty);
        let ops = self.ops(&batch);
        let committed = self
            .office
            .commit(&batch, self.now)
            .expect("a living epoch");
        assert_eq!(committed.refused, [], "{batch:?}");
        let till = self.tills.get_mut(node).expect("it has joined");
        till.commit(ops).expect("a living epoch");
        format!("commit: {batch:?}")
    }

    /// The steps of a batch, as the queue has them.
    fn ops(&mut self, batch: &Batch) -> Vec<Op> {
        let mut ops = Vec::new();
        for new in &batch.holds {
            ops.push(Op::Hold(self.hold(new)));
        }
        for (new, cost) in &batch.quick {
            let hold = self.hold(new);
            ops.push(Op::Hold(Arc::clone(&hold)));
            ops.push(till::end(&hold, Ending::Settled(*cost)));
        }
        for (id, more) in &batch.grown {
            let mut hold = Hold::clone(&self.holds[id]);
            hold.amount += *more;
            self.holds.insert(*id, Arc::new(hold));
            ops.push(Op::Extend(*id, *more));
        }
        for end in &batch.ends {
            ops.push(till::end(&self.holds[&end.id], end.ending));
        }
        for back in &batch.returns {
            ops.push(Op::Return(back.pot.clone(), back.amount));
        }
        ops
    }

    fn hold(&mut self, new: &NewHold) -> Arc<Hold> {
        let hold = till::hold(self.ids, &new.legs, new.amount, self.now);
        self.holds.insert(new.id, Arc::clone(&hold));
        hold
    }

    fn fill(&mut self, mut batch: Batch) -> Batch {
        let held = self.office.holds();
        let own = held.filter(|(_, hold)| hold.node == batch.node && hold.epoch == batch.epoch);
        let own: Vec<(RequestId, Nusd)> = own.map(|(id, hold)| (*id, hold.amount)).collect();
        match self.rng.below(7) {
            6 if !own.is_empty() => {
                let (id, _) = *self.rng.one(&own);
                let legs = self.office.hold(id).expect("open").legs.clone();
                if let Some(most) = self.room(&batch.node, &legs) {
                    batch.grown.push((id, self.rng.amount(most.get())));
                }
            }
            0 | 1 => batch.holds.extend(self.new_hold(&batch.node)),
            2 => {
                let new = self.new_hold(&batch.node);
                batch.quick.extend(new.map(|it| (it.clone(), it.amount)));
            }
            3 | 4 if !own.is_empty() => {
                let (id, amount) = *self.rng.one(&own);
                batch.ends.push(self.end_of(id, amount));
            }
            _ => {
                let leases = self.office.leases(&batch.node);
                let pots = leases.map(|(pot, lease)| (pot.clone(), lease.free));
                let pots: Vec<(PotId, Nusd)> = pots.collect();
                if !pots.is_empty() {
                    let (pot, free) = self.rng.one(&pots).clone();
                    let amount = self.rng.amount(free.get());
                    batch.returns.push(Return { pot, amount });
                }
            }
        }
        batch
    }

    fn end_of(&mut self, id: RequestId, amount: Nusd) -> End {
        let ending = match self.rng.below(3) {
            0 => Ending::Released,
            _ => Ending::Settled(self.rng.amount(amount.get())),
        };
        End {
            id,
            ending,
            grown: Nusd::ZERO,
        }
    }

    fn new_hold(&mut self, node: &NodeId) -> Option<NewHold> {
        let organization = self.rng.one(&self.budgets).organization.clone();
        let counts =
            |it: &&Owned| it.organization == organization && it.budget.force == Force::Hard;
        let windows = self
            .budgets
            .iter()
            .filter(counts)
            .map(|it| it.pot(self.now));
        let windows: Vec<PotId> = windows.filter(|_| self.rng.below(3) > 0).collect();
        let legs: Arc<[PotId]> = std::iter::once(wallet(&organization))
            .chain(windows)
            .collect();
        let most = self.room(node, &legs)?;
        self.ids += 1;
        Some(NewHold {
            id: RequestId::parse(&format!("req_{:032x}", self.ids)).expect("32 digits"),
            amount: self.rng.amount(most.get()),
            legs,
            seen: Nusd::ZERO,
        })
    }

    /// What a node may hold in all of these pots.
    fn room(&self, node: &NodeId, legs: &[PotId]) -> Option<Nusd> {
        let free = |leg| Some(self.office.lease(leg, node)?.free);
        legs.iter().map(free).min()?
    }

    /// An end of a hold whose epoch is over.
    fn late(&mut self, node: &NodeId) -> String {
        let present = self.office.epoch(node).map(|(epoch, _)| epoch);
        let over = |hold: &&OpenHold| {
            hold.node == *node && present.is_some_and(|epoch| hold.epoch < epoch)
        };
        let lives = |node: &&NodeId| {
            let epoch = self.office.epoch(node);
            epoch.is_some_and(|(_, expires_at)| expires_at.is_some())
        };
        let Some(by) = self.nodes.keys().find(lives).cloned() else {
            return NO_LATE_END.into();
        };
        let left = self.office.holds().find(|(_, hold)| over(hold));
        let Some((id, hold)) = left.map(|(id, hold)| (*id, hold.clone())) else {
            return NO_LATE_END.into();
        };
        let end = self.end_of(id, hold.amount);
        let late = Late {
            node: node.clone(),
            ends: vec![end],
        };
        assert_eq!(self.office.commit_late(&late).refused, []);
        let ops = vec![till::end(&self.holds[&id], end.ending)];
        let till = self.tills.get_mut(&by).expect("it has joined");
        till.commit(ops).expect("a living epoch");
        format!("late end: {late:?}")
    }

    fn leave(&mut self, node: &NodeId) -> String {
        let epoch = self.epoch(node);
        self.office.leave(node, epoch, self.now);
        self.desk.run(|tx| leases::leave(tx, node, epoch));
        format!("left: {node} {epoch:?}")
    }

    /// Somebody who is no node looks after all of them; at times it sees that one has died.
    fn expire(&mut self) -> String {
        let (nobody, finds) = (node("nobody"), self.rng.below(2) == 0);
        let ended = self
            .desk
            .run(|tx| leases::expire(tx, &nobody, |_, _| Ok(finds)));
        self.office.expire(self.now);
        for dead in &ended {
            let (epoch, expires_at) = self.office.epoch(dead).expect("a node");
            let silent = expires_at.is_none_or(|at| at <= self.now.plus(TTL_US - 5 * SECOND_US));
            assert!(
                silent && (finds || expires_at.is_none()),
                "{dead} {expires_at:?}"
            );
            self.office.leave(dead, epoch, self.now);
        }
        format!("expired: {ended:?}")
    }

    /// Time passes, or the database's clock is set back.
    fn pass(&mut self) -> String {
        let us = match self.rng.below(40) {
            0 => -HOUR_US,
            1 => DAY_US,
            2 => HOUR_US,
            _ => self.rng.amount(4 * SECOND_US).get(),
        };
        self.now = self.now.plus(us);
        self.passed = self.passed.plus(us.max(0));
        self.desk.set_clock(self.now);
        format!("time passed: {us}")
    }

    fn change_budget(&mut self) -> String {
        let index = usize::try_from(self.rng.below(3)).expect("few");
        let limit = self.rng.amount(800);
        let harder = self.rng.below(5) > 0;
        let owned = &mut self.budgets[index];
        owned.budget.limit = limit;
        owned.budget.force = match harder {
            true => Force::Hard,
            false => Force::Soft,
        };
        let owned = owned.clone();
        let pots = self.office.pots().map(|(pot, _)| pot.clone());
        let pots: Vec<PotId> = pots.filter(|pot| is_of(pot, &owned)).collect();
        for pot in pots {
            match owned.budget.force {
                Force::Hard if self.office.pot(&pot).is_some_and(|row| !row.closed) => {
                    self.office.set_limit(&pot, limit);
                }
                Force::Soft if self.office.pot(&pot).is_some_and(|row| !row.closed) => {
                    self.office.close(&pot);
                }
                _ => {}
            }
        }
        let now = self.now;
        let change = |tx: &mut Tx<'_>| budgets::change(tx, &owned.organization, &owned.budget, now);
        self.desk.run(change);
        self.desk.all_have_heard();
        format!("budget changed: {:?}", owned.budget)
    }
}

fn is_of(pot: &PotId, owned: &Owned) -> bool {
    matches!(pot, PotId::Window { budget, .. } if *budget == owned.budget.id)
}
