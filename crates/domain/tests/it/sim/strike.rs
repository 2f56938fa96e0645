//! What a fault does to the world.

use domain::money::Nusd;

use super::S;
use super::database::wallet;
use super::faults::Fault;
use super::scenario::budget;
use super::world::{Event, Life, World};

impl World {
    pub(crate) fn strike(&mut self, fault: Fault) {
        let life_of = |world: &World, node: usize| world.nodes[node].life;
        match fault {
            Fault::Kill { node, down } => {
                if let Some(life) = life_of(self, node) {
                    self.gone(life);
                }
                self.at(self.now + down, Event::Start(node));
            }
            Fault::Stop { node, down } => {
                if let Some(life) = life_of(self, node)
                    && let Some(process) = &mut self.lives[life].1
                {
                    process.stop();
                    self.wake(life);
                }
                for again in 0..40 {
                    self.at(self.now + down + again * S, Event::Start(node));
                }
            }
            Fault::Pause {
                node,
                lasts,
                suspended,
            } => {
                if let Some(life) = life_of(self, node) {
                    self.pause(life, lasts, suspended);
                }
            }
            Fault::Replace { node, lasts } => {
                if let Some(life) = life_of(self, node) {
                    self.pause(life, lasts, false);
                    self.nodes[node].life = None;
                }
                self.start(node);
            }
            Fault::Cut { node, lasts } => self.nodes[node].cut_until = self.now + lasts,
            Fault::Deafen { node, lasts } => self.nodes[node].deaf_until = self.now + lasts,
            Fault::Slow { node, lasts, by } => {
                self.nodes[node].slow_until = self.now + lasts;
                self.nodes[node].slow_by = by;
            }
            Fault::SetClock { node, by } => {
                if let Some(life) = life_of(self, node)
                    && let Some(process) = &mut self.lives[life].1
                {
                    process.wall_off += by;
                }
            }
            Fault::SetDatabaseClock { by } => self.database.off += by,
            Fault::SetLimit { .. }
            | Fault::Delete { .. }
            | Fault::Add { .. }
            | Fault::Pay { .. } => {
                self.change(fault);
            }
        }
    }

    fn pause(&mut self, life: Life, lasts: i64, suspended: bool) {
        let until = self.now + lasts;
        if let Some(process) = &mut self.lives[life].1 {
            let already = process.paused_until.is_some_and(|until| until > self.now);
            if already {
                return;
            }
            process.paused_until = Some(until);
            if suspended {
                process.lag += lasts;
            }
        }
    }

    /// People change what there is to spend.
    fn change(&mut self, fault: Fault) {
        let percent = |amount: Nusd, percent: i64| Nusd::new(amount.get() / 100 * percent);
        let notified = match fault {
            Fault::SetLimit {
                budget,
                percent: to,
            } => {
                let mut budgets = self.database.budgets.iter();
                let limit = budgets.find(|it| it.id == budget).map(|it| it.limit);
                limit.map(|limit| self.database.set_limit(&budget, percent(limit, to)))
            }
            Fault::Delete { budget } => Some(self.database.delete(&budget)),
            Fault::Add { org, limit, period } => {
                self.added += 1;
                let index = self.added + 10;
                self.database.add(budget(org, index, limit, Some(period)));
                None
            }
            Fault::Pay { org, percent: by } => {
                let pot = wallet(org);
                let row = self.database.office.pot(&pot).unwrap_or_default();
                let limit = row.limit + percent(row.limit, by);
                Some(self.database.office.set_limit(&pot, limit))
            }
            _ => None,
        };
        self.truth.look(&self.database.office);
        self.notify(&notified.unwrap_or_default());
    }
}
