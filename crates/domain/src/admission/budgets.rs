//! The budgets of one organization, and what counts in their windows now.
//!
//! A request counts in the windows that hold its admission, until it ends and with its charge after
//! that. A window whose turn is over stays for as long as requests that count in it run.

use std::collections::HashMap;
use std::sync::Arc;

use super::looked::{Limit, Looked, Numbers};
use super::{Ask, Open};
use crate::budget::{Budget, Force, Scope};
use crate::id::{BudgetId, KeyId, ProjectId, RequestId};
use crate::lease::PotId;
use crate::money::Nusd;
use crate::time::AtUs;
use crate::window::{Span, Window};

/// A request does not fit into a hard budget.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BudgetRefusal {
    /// Which budget.
    pub budget: BudgetId,
    /// What it is put on.
    pub scope: Scope,
    /// What it counts over.
    pub window: Window,
    /// The most that may be spent in the window.
    pub limit: Nusd,
    /// What was spent in it.
    pub spent: Nusd,
    /// What is held in it for requests in flight.
    pub held: Nusd,
    /// What this request would have to hold.
    pub required: Nusd,
    /// When the next window begins.
    pub ends_at: AtUs,
}

/// Spending in a window reached a threshold of its budget.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Crossing {
    /// Whose threshold.
    pub budget: BudgetId,
    /// The start of the window.
    pub window_at: AtUs,
    /// Per cent of the limit.
    pub threshold: u16,
    /// The limit at that moment.
    pub limit: Nusd,
    /// What was spent in the window.
    pub spent: Nusd,
    /// When.
    pub at: AtUs,
}

/// A budget whose spending so far this book does not know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unknown {
    /// Which budget.
    pub budget: BudgetId,
    /// What it is put on.
    pub scope: Scope,
    /// The window whose spending is asked for.
    pub span: Span,
}

/// What counts in one turn of a budget's window.
#[derive(Clone, Copy, Debug)]
struct Tally {
    span: Span,
    spent: Nusd,
    held: Nusd,
    /// Requests in flight that count in it.
    running: u32,
    /// It was over when the budget was made: what was spent in it is not known.
    past: bool,
    /// The latest request that needed money of it did not fit.
    refusing: bool,
}

/// A budget at work.
#[derive(Debug)]
struct Gauge {
    budget: Budget,
    /// What was spent before this book knew of the budget is in its tally, so it can be enforced.
    known: bool,
    /// The present turn last; before it those that requests in flight still count in.
    tallies: Vec<Tally>,
}

/// The budgets of an organization.
#[derive(Debug, Default)]
pub(super) struct Budgets {
    gauges: Vec<Gauge>,
    places: Places,
    crossings: Vec<Crossing>,
}

/// Where the budgets are that a request counts in.
#[derive(Debug, Default)]
struct Places {
    organization: Vec<usize>,
    projects: HashMap<ProjectId, Vec<usize>>,
    keys: HashMap<KeyId, Vec<usize>>,
}

impl Gauge {
    fn new(budget: Budget, now: AtUs) -> Self {
        let span = budget.window.span(now);
        Gauge {
            budget,
            known: false,
            tallies: vec![Tally::of(span)],
        }
    }

    fn present(&self) -> &Tally {
        self.tallies.last().expect("there is a present turn")
    }

    /// The present tally, once the window has turned as far as `now`.
    fn turned(&mut self, now: AtUs) -> &mut Tally {
        if now >= self.present().span.end {
            self.tallies.retain(|tally| tally.running > 0);
            self.tallies.push(Tally::of(self.budget.window.span(now)));
        }
        self.tallies.last_mut().expect("there is a present turn")
    }

    /// The tally in which a request admitted at `at` counts.
    fn of(&mut self, at: AtUs) -> Option<&mut Tally> {
        self.tallies
            .iter_mut()
            .rev()
            .find(|tally| tally.span.contains(at))
    }

    /// The same budget with another limit, force or thresholds, or with none of them changed.
    fn changed(mut self, budget: Budget) -> Gauge {
        let is_new = (self.budget.limit, self.budget.force) != (budget.limit, budget.force);
        if let Some(present) = self.tallies.last_mut() {
            present.refusing &= !is_new;
        }
        Gauge { budget, ..self }
    }

    fn is_hard(&self) -> bool {
        self.budget.force == Force::Hard
    }

    fn is_enforced(&self) -> bool {
        self.known && self.is_hard()
    }

    /// The thresholds that the tally has reached and had not when `before` was spent in it.
    fn crossings(&self, tally: Tally, before: Nusd, at: AtUs) -> impl Iterator<Item = Crossing> {
        let budget = &self.budget;
        let already = budget.reached(before).count();
        budget
            .reached(tally.spent)
            .skip(already)
            .map(move |threshold| Crossing {
                budget: budget.id.clone(),
                window_at: tally.span.start,
                threshold,
                limit: budget.limit,
                spent: tally.spent,
                at,
            })
    }
}

/// A budget that is new to this book, with everything in flight that counts in it.
fn counting(budget: Budget, open: &HashMap<RequestId, Open>, now: AtUs) -> Gauge {
    let mut gauge = Gauge::new(budget, now);
    for open in open.values() {
        if !gauge.budget.scope.covers(&open.project, &open.key) {
            continue;
        }
        if gauge.of(open.at).is_none() {
            let span = gauge.budget.window.span(open.at);
            let past = true;
            gauge.tallies.insert(
                0,
                Tally {
                    past,
                    ..Tally::of(span)
                },
            );
        }
        let tally = gauge.of(open.at).expect("just made");
        tally.held += open.amount;
        tally.running += 1;
    }
    gauge
}

impl Places {
    fn add(&mut self, scope: &Scope, index: usize) {
        match scope {
            Scope::Organization => self.organization.push(index),
            Scope::Project(id) => self.projects.entry(id.clone()).or_default().push(index),
            Scope::Key(id) => self.keys.entry(id.clone()).or_default().push(index),
        }
    }

    fn of(&self, project: &ProjectId, key: &KeyId) -> impl Iterator<Item = usize> {
        let none: &[usize] = &[];
        let of_project = self.projects.get(project).map_or(none, Vec::as_slice);
        let of_key = self.keys.get(key).map_or(none, Vec::as_slice);
        let all = self.organization.iter().chain(of_project).chain(of_key);
        all.copied()
    }
}

impl Tally {
    fn of(span: Span) -> Self {
        Tally {
            span,
            spent: Nusd::ZERO,
            held: Nusd::ZERO,
            running: 0,
            past: false,
            refusing: false,
        }
    }

    fn room(&self, limit: Nusd) -> Nusd {
        limit - self.spent - self.held
    }
}

impl Budgets {
    /// Puts these budgets into force, in place of those before. `open` are the requests in flight.
    /// Answers which ones need to be told what was spent; until then they stop nobody.
    pub(super) fn set(
        &mut self,
        budgets: Vec<Budget>,
        open: &HashMap<RequestId, Open>,
        now: AtUs,
    ) -> Vec<Unknown> {
        let mut before: HashMap<BudgetId, Gauge> = std::mem::take(&mut self.gauges)
            .into_iter()
            .map(|gauge| (gauge.budget.id.clone(), gauge))
            .collect();
        self.places = Places::default();
        for budget in budgets {
            // One that was not told yet begins anew: what it counted meanwhile is told with the
            // rest.
            let same = |gauge: &Gauge| {
                gauge.known
                    && gauge.budget.scope == budget.scope
                    && gauge.budget.window == budget.window
            };
            let mut gauge = match before.remove(&budget.id).filter(same) {
                Some(gauge) => gauge.changed(budget),
                None => counting(budget, open, now),
            };
            let present = *gauge.turned(now);
            self.crossings
                .extend(gauge.crossings(present, Nusd::ZERO, now));
            self.places.add(&gauge.budget.scope, self.gauges.len());
            self.gauges.push(gauge);
        }
        let unknown = self.gauges.iter().filter(|gauge| !gauge.known);
        let asked = |gauge: &Gauge| Unknown {
            budget: gauge.budget.id.clone(),
            scope: gauge.budget.scope.clone(),
            span: gauge.present().span,
        };
        unknown.map(asked).collect()
    }

    /// A budget learns what had been spent in a window before this book counted for it, and is in
    /// force from now on.
    pub(super) fn know(&mut self, budget: &BudgetId, span: Span, spent: Nusd, now: AtUs) {
        let mut gauges = self.gauges.iter_mut();
        let Some(gauge) = gauges.find(|it| it.budget.id == *budget && !it.known) else {
            return;
        };
        gauge.known = true;
        // If the window turned meanwhile, this book has counted all of the present one itself.
        let mut tallies = gauge.tallies.iter_mut();
        if let Some(tally) = tallies.find(|tally| tally.span == span) {
            tally.spent += spent;
            let tally = *tally;
            self.crossings
                .extend(gauge.crossings(tally, Nusd::ZERO, now));
        }
    }

    /// Whether a request of `amount` fits into every hard budget; takes nothing.
    pub(super) fn check(
        &mut self,
        project: &ProjectId,
        key: &KeyId,
        amount: Nusd,
        now: AtUs,
    ) -> Result<(), BudgetRefusal> {
        for index in self.places.of(project, key) {
            let gauge = &mut self.gauges[index];
            let (limit, is_enforced) = (gauge.budget.limit, gauge.is_enforced());
            let tally = gauge.turned(now);
            if is_enforced && amount > tally.room(limit) {
                tally.refusing = true;
                let (tally, budget) = (*tally, &gauge.budget);
                return Err(BudgetRefusal {
                    budget: budget.id.clone(),
                    scope: budget.scope.clone(),
                    window: budget.window,
                    limit: budget.limit,
                    spent: tally.spent,
                    held: tally.held,
                    required: amount,
                    ends_at: tally.span.end,
                });
            }
        }
        Ok(())
    }

    /// Every hard budget of a request, in the order in which they are looked at. Where money is
    /// leased, what is used of one only the database knows.
    pub(super) fn looked_at(&mut self, ask: &Ask, is_leased: bool, now: AtUs) -> Vec<Looked> {
        let looked = self.places.of(&ask.project, &ask.key).filter_map(|index| {
            let gauge = &mut self.gauges[index];
            let is_enforced = gauge.is_enforced() || (is_leased && gauge.is_hard());
            let tally = *gauge.turned(now);
            let budget = &gauge.budget;
            let known = |amount: Nusd| (!is_leased).then(|| amount.get());
            let numbers = Numbers {
                limit: Some(budget.limit.get()),
                used: known(tally.spent),
                held: known(tally.held),
                asked: ask.amount.get(),
                resets_at: (budget.window != Window::Always).then_some(tally.span.end),
            };
            let limit = Limit::Budget(budget.id.clone(), budget.scope.clone(), budget.window);
            is_enforced.then(|| Looked::passed(limit, numbers))
        });
        looked.collect()
    }

    /// The hard budgets' windows that a request of now counts in, as pots.
    pub(super) fn legs(&mut self, project: &ProjectId, key: &KeyId, now: AtUs) -> Arc<[PotId]> {
        let windows = self.places.of(project, key).filter_map(|index| {
            let gauge = &mut self.gauges[index];
            let start = gauge.turned(now).span.start;
            let is_hard = gauge.budget.force == Force::Hard;
            is_hard.then(|| PotId::Window {
                budget: gauge.budget.id.clone(),
                start,
            })
        });
        windows.collect()
    }

    /// The present windows of hard budgets whose limits these would lower, as pots.
    pub(super) fn lowered(&mut self, budgets: &[Budget], now: AtUs) -> Vec<PotId> {
        let limits: HashMap<&BudgetId, Nusd> =
            budgets.iter().map(|it| (&it.id, it.limit)).collect();
        let lowered = self.gauges.iter_mut().filter_map(|gauge| {
            let is_lower = *limits.get(&gauge.budget.id)? < gauge.budget.limit;
            (is_lower && gauge.budget.force == Force::Hard).then(|| PotId::Window {
                budget: gauge.budget.id.clone(),
                start: gauge.turned(now).span.start,
            })
        });
        lowered.collect()
    }

    /// Whether an instant is in the window that is that pot.
    pub(super) fn counts(&self, pot: &PotId, at: AtUs) -> bool {
        let found = self.find(pot);
        found.is_some_and(|(index, start)| {
            let window = self.gauges[index].budget.window;
            window.span(start).contains(at)
        })
    }

    /// Why a request does not fit into a pot of which only `left` is left. Of what is used of it,
    /// this node knows what it holds itself.
    pub(super) fn short(&self, pot: &PotId, left: Nusd, required: Nusd) -> Option<BudgetRefusal> {
        let (index, start) = self.find(pot)?;
        let Gauge {
            budget, tallies, ..
        } = &self.gauges[index];
        let tally = tallies.iter().find(|tally| tally.span.start == start);
        let (spent, held) = tally.map_or((Nusd::ZERO, Nusd::ZERO), |it| (it.spent, it.held));
        Some(BudgetRefusal {
            budget: budget.id.clone(),
            scope: budget.scope.clone(),
            window: budget.window,
            limit: budget.limit,
            spent: spent.max(budget.limit - left - held),
            held,
            required,
            ends_at: budget.window.span(start).end,
        })
    }

    /// The same for one that is refused now.
    pub(super) fn refuse(
        &mut self,
        pot: &PotId,
        left: Nusd,
        required: Nusd,
    ) -> Option<BudgetRefusal> {
        let (index, start) = self.find(pot)?;
        let mut tallies = self.gauges[index].tallies.iter_mut();
        if let Some(tally) = tallies.find(|tally| tally.span.start == start) {
            tally.refusing = true;
        }
        self.short(pot, left, required)
    }

    fn find(&self, pot: &PotId) -> Option<(usize, AtUs)> {
        let PotId::Window { budget, start } = pot else {
            return None;
        };
        let mut budgets = self.gauges.iter().map(|gauge| &gauge.budget);
        let hard = |it: &Budget| it.id == *budget && it.force == Force::Hard;
        Some((budgets.position(hard)?, *start))
    }

    /// The most that hard budgets leave for a request admitted at `at`; none if there are none. A
    /// window that was over when its budget was made is not limited by it.
    pub(super) fn room(&mut self, project: &ProjectId, key: &KeyId, at: AtUs) -> Option<Nusd> {
        let rooms = self.places.of(project, key).filter_map(|index| {
            let gauge = &mut self.gauges[index];
            let (limit, enforced) = (gauge.budget.limit, gauge.is_enforced());
            let tally = gauge.of(at).filter(|tally| enforced && !tally.past)?;
            Some(tally.room(limit))
        });
        rooms.min()
    }

    /// Counts a request that was admitted.
    pub(super) fn begin(&mut self, open: &Open) {
        for index in self.places.of(&open.project, &open.key) {
            let tally = self.gauges[index].turned(open.at);
            tally.held += open.amount;
            tally.running += 1;
            // One that needs no money is admitted whatever is left.
            tally.refusing &= open.amount == Nusd::ZERO;
        }
    }

    /// Whether the latest request that needed money of this budget did not fit into it.
    pub(super) fn is_refusing(&mut self, budget: &BudgetId, now: AtUs) -> bool {
        let mut gauges = self.gauges.iter_mut();
        let gauge = gauges.find(|gauge| gauge.budget.id == *budget);
        gauge.is_some_and(|gauge| gauge.turned(now).refusing)
    }

    /// Counts `more` as held for a request in flight.
    pub(super) fn extend(&mut self, open: &Open, more: Nusd) {
        for index in self.places.of(&open.project, &open.key) {
            if let Some(tally) = self.gauges[index].of(open.at) {
                tally.held += more;
            }
        }
    }

    /// Ends a request: its hold is gone, its charge is spent.
    pub(super) fn end(&mut self, open: &Open, charge: Nusd, now: AtUs) {
        for index in self.places.of(&open.project, &open.key) {
            let gauge = &mut self.gauges[index];
            let Some(tally) = gauge.of(open.at) else {
                continue;
            };
            assert!(open.amount <= tally.held, "a hold ends once");
            let before = tally.spent;
            tally.held -= open.amount;
            tally.running -= 1;
            tally.spent += charge;
            let tally = *tally;
            self.crossings.extend(gauge.crossings(tally, before, now));
        }
    }

    pub(super) fn tell_thresholds(&self) -> bool {
        let mut gauges = self.gauges.iter();
        gauges.any(|gauge| !gauge.budget.thresholds.is_empty())
    }

    /// The thresholds reached since this was last asked.
    pub(super) fn take_crossings(&mut self) -> Vec<Crossing> {
        std::mem::take(&mut self.crossings)
    }
}
