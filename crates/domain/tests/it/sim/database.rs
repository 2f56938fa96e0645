//! The database: the office behind a clock of its own, and the budgets that exist.

use std::collections::BTreeSet;
use std::rc::Rc;

use domain::id::{BudgetId, OrganizationId};
use domain::lease::office::Office;
use domain::lease::{Answer, NodeId, PotId};
use domain::money::Nusd;
use domain::time::AtUs;

use super::network::{Call, Reply};

/// The instant at which simulations begin, by clocks that are right.
pub(crate) const BEGINNING: i64 = 1_800_000_000 * super::S;

/// A hard budget of an organization.
#[derive(Clone, Debug)]
pub(crate) struct Budget {
    pub(crate) id: BudgetId,
    pub(crate) org: usize,
    /// Which requests count in it: those with this bit.
    pub(crate) bit: u32,
    pub(crate) limit: Nusd,
    /// How long its window is; none is for good.
    pub(crate) period: Option<i64>,
}

impl Budget {
    pub(crate) fn pot(&self, wall: i64) -> PotId {
        let start = self.period.map_or(0, |us| wall.div_euclid(us) * us);
        PotId::Window {
            budget: self.id.clone(),
            start: AtUs(start),
        }
    }

    fn owns(&self, pot: &PotId) -> bool {
        matches!(pot, PotId::Window { budget, .. } if *budget == self.id)
    }
}

pub(crate) fn wallet(org: usize) -> PotId {
    PotId::Wallet(OrganizationId::new(&format!("org-{org}")))
}

#[derive(Debug)]
pub(crate) struct Database {
    pub(crate) office: Office,
    /// By how much its clock is wrong.
    pub(crate) off: i64,
    pub(crate) budgets: Rc<Vec<Budget>>,
    /// Questions that were granted, each once.
    granted: BTreeSet<(NodeId, i64, usize, u64)>,
}

impl Database {
    pub(crate) fn new(budgets: Vec<Budget>) -> Self {
        Database {
            office: Office::default(),
            off: 0,
            budgets: Rc::new(budgets),
            granted: BTreeSet::new(),
        }
    }

    pub(crate) fn now(&self, now: i64) -> AtUs {
        AtUs(BEGINNING + now + self.off)
    }

    /// Does what a call says. Answers what to reply, and whom to notify.
    pub(crate) fn hear(&mut self, call: &Call, now: i64) -> (Reply, Vec<NodeId>) {
        let now = self.now(now);
        let office = &mut self.office;
        let reply = match call {
            Call::Join(join) => Reply::Joined(join.attempt, office.join(join, now)),
            Call::Beat(beat) => {
                let beaten = office.beat(beat, now);
                // Whoever beats looks after the others.
                office.expire(now);
                office.resolve(now);
                return match beaten {
                    Ok(beaten) => (Reply::Alive(beat.number, beaten.alive), beaten.holders),
                    Err(fenced) => (Reply::Fenced(beat.epoch, fenced), Vec::new()),
                };
            }
            Call::Ask(org, ask) => {
                self.open_windows(ask.lines.iter().map(|line| &line.pot));
                return match self.office.ask(ask) {
                    Ok(asked) => {
                        if matches!(asked.answered.answer, Answer::Granted(_)) {
                            let key = (ask.node.clone(), ask.epoch.0, *org, ask.number);
                            self.granted.insert(key);
                        }
                        (Reply::Answered(*org, asked.answered), asked.recalled)
                    }
                    Err(fenced) => (Reply::Fenced(ask.epoch, fenced), Vec::new()),
                };
            }
            Call::Commit(batch) => match office.commit(batch, now) {
                Ok(committed) => Reply::Committed(batch.epoch, batch.number, committed),
                Err(fenced) => Reply::Fenced(batch.epoch, fenced),
            },
            Call::Late(number, late) => Reply::Late(*number, office.commit_late(late)),
            Call::Leave(node, epoch) => {
                office.leave(node, *epoch, now);
                Reply::Left
            }
        };
        (reply, Vec::new())
    }

    /// How many questions were granted something.
    pub(crate) fn grants(&self) -> u64 {
        u64::try_from(self.granted.len()).expect("countable")
    }

    fn open_windows<'a>(&mut self, pots: impl Iterator<Item = &'a PotId>) {
        for pot in pots {
            if let Some(budget) = self.budgets.iter().find(|budget| budget.owns(pot)) {
                self.office.open(pot, budget.limit);
            }
        }
    }

    /// Changes a budget's limit, in every window that there is.
    pub(crate) fn set_limit(&mut self, id: &BudgetId, limit: Nusd) -> Vec<NodeId> {
        let mut budgets = (*self.budgets).clone();
        let mut notified = Vec::new();
        if let Some(budget) = budgets.iter_mut().find(|budget| budget.id == *id) {
            budget.limit = limit;
            for pot in self.pots_of(id) {
                notified.extend(self.office.set_limit(&pot, limit));
            }
        }
        self.budgets = Rc::new(budgets);
        notified
    }

    pub(crate) fn delete(&mut self, id: &BudgetId) -> Vec<NodeId> {
        let mut budgets = (*self.budgets).clone();
        budgets.retain(|budget| budget.id != *id);
        self.budgets = Rc::new(budgets);
        let pots = self.pots_of(id).into_iter();
        pots.flat_map(|pot| self.office.close(&pot)).collect()
    }

    pub(crate) fn add(&mut self, budget: Budget) {
        let mut budgets = (*self.budgets).clone();
        budgets.push(budget);
        self.budgets = Rc::new(budgets);
    }

    fn pots_of(&self, id: &BudgetId) -> Vec<PotId> {
        let of = |pot: &&PotId| matches!(pot, PotId::Window { budget, .. } if budget == id);
        self.office
            .pots()
            .map(|(pot, _)| pot)
            .filter(of)
            .cloned()
            .collect()
    }
}
