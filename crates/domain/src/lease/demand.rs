//! How much was asked for lately: nano-dollars of a pot, or units of a rate limit.

use super::HORIZON_US;
use crate::time::MonoUs;

/// Sums over the present period of [`HORIZON_US`] and the one before it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Demand {
    period: i64,
    present: u64,
    before: u64,
}

impl Demand {
    /// Counts what a request asked for.
    pub(super) fn add(&mut self, amount: u64, now: MonoUs) {
        self.turn(now);
        self.present = self.present.saturating_add(amount);
    }

    /// What was asked for in a period lately; nothing once a whole period was idle.
    pub(super) fn lately(&mut self, now: MonoUs) -> u64 {
        self.turn(now);
        self.present.max(self.before)
    }

    fn turn(&mut self, now: MonoUs) {
        let period = now.0.div_euclid(HORIZON_US);
        if period > self.period {
            self.before = match period == self.period + 1 {
                true => self.present,
                false => 0,
            };
            self.present = 0;
            self.period = period;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_larger_of_two_periods_counts_and_idleness_forgets() {
        let mut demand = Demand::default();
        let at = |periods: i64| MonoUs(periods * HORIZON_US);
        demand.add(5, at(7));
        demand.add(6, at(7));
        assert_eq!(demand.lately(at(7)), 11);
        demand.add(2, at(8));
        assert_eq!(demand.lately(at(8)), 11);
        assert_eq!(demand.lately(at(9)), 2);
        assert_eq!(demand.lately(at(11)), 0);
    }
}
