//! The book against a model that keeps every request and adds everything up anew each time.
//!
//! A failure prints its seed; `FAREBOX_BOOK_SEED` runs that one alone, `FAREBOX_BOOK_RUNS` more.

use super::*;

const RUNS: u64 = 8_000;
const STEPS: u32 = 125;

/// SplitMix64: small, and the same everywhere.
pub(super) struct Dice(pub(super) u64);

impl Dice {
    pub(super) fn throw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }

    pub(super) fn below(&mut self, limit: i64) -> i64 {
        let limit = u64::try_from(limit).expect("positive");
        i64::try_from(self.throw() % limit).expect("below an i64")
    }

    pub(super) fn pick<'a, T>(&mut self, from: &'a [T]) -> Option<&'a T> {
        let count = i64::try_from(from.len()).expect("few");
        (count > 0).then(|| &from[usize::try_from(self.below(count)).expect("an index")])
    }
}

/// A request as the model remembers it.
#[derive(Clone)]
struct Past {
    number: u32,
    project: ProjectId,
    key: KeyId,
    at: AtUs,
    held: Nusd,
    charge: Option<Nusd>,
    /// In the ledger: what a budget made later is told.
    settled_step: u32,
}

struct World {
    dice: Dice,
    book: Book,
    credits: Nusd,
    past: Vec<Past>,
    budgets: Vec<Budget>,
    /// The start of the first window that each limits: the one in which it was made.
    since: HashMap<BudgetId, AtUs>,
    /// Not told yet, with the step in which they were asked for.
    unknown: Vec<(Unknown, u32)>,
    now: AtUs,
    step: u32,
    made: u32,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut dice = Dice(seed);
        let credits = dice.below(2_000);
        World {
            book: book(credits),
            dice,
            credits: Nusd::new(credits),
            past: Vec::new(),
            budgets: Vec::new(),
            since: HashMap::new(),
            unknown: Vec::new(),
            now: AtUs(3 * DAY_US),
            step: 0,
            made: 0,
        }
    }

    fn scope(&mut self) -> Scope {
        let letter = ["a", "b"][usize::from(self.dice.below(2) == 1)];
        match self.dice.below(3) {
            0 => Scope::Organization,
            1 => Scope::Project(ProjectId::new(&format!("proj_{letter}"))),
            _ => Scope::Key(KeyId::new(&format!("key_{letter}"))),
        }
    }

    fn spent(&self, budget: &Budget, at: AtUs) -> (Nusd, Nusd) {
        let span = budget.window.span(at);
        let counts = |it: &&Past| span.contains(it.at) && budget.scope.covers(&it.project, &it.key);
        let all = self.past.iter().filter(counts);
        all.fold((Nusd::ZERO, Nusd::ZERO), |(spent, held), it| {
            match it.charge {
                Some(charge) => (spent + charge, held),
                None => (spent, held + it.held),
            }
        })
    }

    fn is_known(&self, budget: &Budget) -> bool {
        !self.unknown.iter().any(|(it, _)| it.budget == budget.id)
    }

    /// The most that the model would let a request hold.
    fn room(&self, project: &ProjectId, key: &KeyId, at: AtUs) -> Nusd {
        let balance = |it: &Past| it.charge.unwrap_or(it.held);
        let wallet = self.credits - self.past.iter().map(balance).sum();
        let budgets = self.budgets.iter().filter(|budget| {
            budget.force == Force::Hard
                && budget.scope.covers(project, key)
                && self.is_known(budget)
                && self.since[&budget.id] <= at
        });
        let rooms = budgets.map(|budget| {
            let (spent, held) = self.spent(budget, at);
            budget.limit - spent - held
        });
        rooms.fold(wallet, Nusd::min).max(Nusd::ZERO)
    }

    fn open(&self) -> Vec<usize> {
        (0..self.past.len())
            .filter(|index| self.past[*index].charge.is_none())
            .collect()
    }

    fn turn(&mut self) {
        self.step += 1;
        match self.dice.below(100) {
            0..40 => self.admit(),
            40..70 => self.end(),
            70..78 => self.extend(),
            78..86 => self.change_budgets(),
            86..92 => self.tell(),
            92..96 => {
                self.credits += Nusd::new(self.dice.below(500));
                self.book.set_credits(self.credits);
            }
            // Now and then the clock jumps, also back: the book's time does not.
            _ => self.now = self.now.plus(self.dice.below(2 * DAY_US) - DAY_US / 4),
        }
        self.look();
    }

    fn admit(&mut self) {
        self.made += 1;
        let letter = |dice: &mut Dice| ["a", "b", "c"][usize::try_from(dice.below(3)).expect("")];
        let wanted = Ask {
            project: ProjectId::new(&format!("proj_{}", letter(&mut self.dice))),
            key: KeyId::new(&format!("key_{}", letter(&mut self.dice))),
            ..ask(self.made, self.dice.below(120))
        };
        let at = self.book.latest.max(self.now);
        let fits = wanted.amount == Nusd::ZERO
            || wanted.amount <= self.room(&wanted.project, &wanted.key, at);
        let outcome = admit(&mut self.book, &wanted, self.now);
        assert_eq!(outcome.is_ok(), fits, "{wanted:?}: {outcome:?}");
        if let Ok(admission) = outcome {
            assert_eq!(admission.at, at);
            self.past.push(Past {
                number: self.made,
                project: wanted.project,
                key: wanted.key,
                at,
                held: wanted.amount,
                charge: None,
                settled_step: 0,
            });
        }
    }

    fn end(&mut self) {
        if let Some(index) = self.dice.pick(&self.open()).copied() {
            let charge = self.dice.below(self.past[index].held.get() + 1);
            let it = &mut self.past[index];
            it.charge = Some(Nusd::new(charge));
            it.settled_step = self.step;
            self.book.end(id(it.number), Nusd::new(charge), 1, self.now);
        }
    }

    fn extend(&mut self) {
        if let Some(index) = self.dice.pick(&self.open()).copied() {
            let it = self.past[index].clone();
            let (least, more) = (self.dice.below(20), self.dice.below(60));
            let most = Nusd::new(least + more);
            let room = self.room(&it.project, &it.key, it.at).min(most);
            let want = (room >= Nusd::new(least) && room > Nusd::ZERO).then_some(room);
            let got = self.book.extend(id(it.number), Nusd::new(least), most);
            assert_eq!(got, want);
            self.past[index].held += got.unwrap_or_default();
        }
    }

    fn change_budgets(&mut self) {
        let index = self.dice.pick(&[0, 1, 2, 3, 4, 5]).copied().expect("six");
        let name = format!("budget_{index}");
        let before = self.budgets.iter().position(|it| it.id.as_str() == name);
        let limit = Nusd::new(self.dice.below(400));
        match (before, self.dice.below(3)) {
            (Some(index), 0) => {
                self.budgets.remove(index);
            }
            (Some(index), _) => self.budgets[index].limit = limit,
            (None, _) => {
                let scope = self.scope();
                let window = *self.dice.pick(&Window::ALL).expect("four");
                let mut new = budget(&name, scope, window, limit.get());
                if self.dice.below(4) == 0 {
                    new.force = Force::Soft;
                }
                self.budgets.push(new);
            }
        }
        let now = self.book.latest.max(self.now);
        for budget in &self.budgets {
            let begun = budget.window.span(now).start;
            if self.is_known(budget) {
                self.since.entry(budget.id.clone()).or_insert(begun);
            } else {
                self.since.insert(budget.id.clone(), begun);
            }
        }
        let made = |id: &BudgetId, _: &mut AtUs| self.budgets.iter().any(|it| it.id == *id);
        self.since.retain(made);
        let unknown = self
            .book
            .set_budgets(self.budgets.clone(), self.now)
            .unknown;
        let step = self.step;
        self.unknown = unknown.into_iter().map(|it| (it, step)).collect();
    }

    /// What the ledger would answer that was asked when the budgets were set.
    fn tell(&mut self) {
        for (unknown, step) in std::mem::take(&mut self.unknown) {
            let settled = self.past.iter().filter(|it| {
                it.settled_step <= step
                    && unknown.span.contains(it.at)
                    && unknown.scope.covers(&it.project, &it.key)
            });
            let spent = settled.filter_map(|it| it.charge).sum();
            self.book.know(&unknown.budget, unknown.span, spent);
        }
    }

    fn look(&mut self) {
        let charged: Nusd = self.past.iter().filter_map(|it| it.charge).sum();
        let open = self.past.iter().filter(|it| it.charge.is_none());
        let held: Nusd = open.map(|it| it.held).sum();
        assert_eq!(self.book.wallet().balance(), self.credits - charged);
        assert_eq!(
            self.book.wallet().available(),
            self.credits - charged - held
        );
        assert!(self.book.wallet().available() >= Nusd::ZERO);
        let at = self.book.latest.max(self.now);
        for (project, key) in [
            ("proj_a", "key_a"),
            ("proj_b", "key_c"),
            ("proj_c", "key_b"),
        ] {
            let (project, key) = (ProjectId::new(project), KeyId::new(key));
            let want = self.room(&project, &key, at);
            // Only a request turns windows; asking for the room of one must not differ.
            let _ = self.book.budgets.check(&project, &key, Nusd::ZERO, at);
            assert_eq!(self.book.room(&project, &key, self.now), want);
        }
    }
}

#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "which seeds a test runs is no setting"
)]
fn the_book_agrees_with_a_model_over_a_million_steps() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let seeds = match number("FAREBOX_BOOK_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("FAREBOX_BOOK_RUNS").unwrap_or(RUNS),
    };
    for seed in seeds {
        let run = || {
            let mut world = World::new(seed);
            (0..STEPS).for_each(|_| world.turn());
        };
        if let Err(panic) = std::panic::catch_unwind(run) {
            eprintln!("again with FAREBOX_BOOK_SEED={seed}");
            std::panic::resume_unwind(panic);
        }
    }
}
