//! How a run ends, and whether it kept what is promised.

use domain::lease::office::{Office, Pot};
use domain::lease::{HOLD_US, PotId, TTL_US};
use domain::money::Nusd;
use domain::rate::Rate;

use super::S;
use super::faults::{Fault, HOUR, Timed};
use super::network::Network;
use super::rates::limit_of;
use super::scenario::Weather;
use super::world::{Outcome, World};

/// What never happens when nothing goes wrong.
const TROUBLES: [&str; 4] = [
    "fenced",
    "refused: broken",
    "refused: unavailable",
    "orphans charged",
];
/// Of ten thousand parts of a pot, so many at least can be spent.
const USED: i64 = 9_900;
/// So many grants at most for a thousand requests on a hot pot.
const GRANTS: u64 = 20;

impl World {
    /// Nothing goes wrong any more: every request ends, and nodes and office agree.
    pub(crate) fn rest(&mut self) {
        self.scenario.network = Network {
            slow: 0,
            lost: 0,
            twice: 0,
            ..self.scenario.network
        };
        self.run_until(self.now + 40 * S);
        for (_, process) in &self.lives {
            let Some(process) = process else { continue };
            let node = process.presence.node();
            assert!(
                process.serves(self.now),
                "{node} does not serve: {process:#?}"
            );
            assert!(
                process.is_idle(),
                "{node} does not come to rest: {process:#?}"
            );
            let mut holds = self.database.office.holds();
            let left = holds.find(|(_, hold)| hold.node == *node);
            assert_eq!(left, None, "{node} rests, and has not ended everything");
            for (pot, lease) in self.database.office.leases(node) {
                let room = process.room(pot);
                assert_eq!(
                    room, lease.free,
                    "{node} and the office disagree about {pot}"
                );
                let row = self.database.office.pot(pot).unwrap_or_default();
                let kept = row.spent + row.reserved <= row.limit || lease.free == Nusd::ZERO;
                assert!(
                    kept,
                    "{node} may spend of {pot}, which is over its limit: {row:?}"
                );
            }
        }
    }

    /// Some leave and some are killed; when their leases and holds have run out, nothing is left.
    pub(crate) fn end(&mut self) {
        for (_, process) in &mut self.lives {
            if let Some(process) = process {
                match self.rng.chance(500) {
                    true => process.stop(),
                    false => process.paused_until = Some(i64::MAX),
                }
            }
        }
        for life in 0..self.lives.len() {
            self.wake(life);
        }
        self.run_until(self.now + 10 * S);
        if self.rng.chance(100) {
            self.database.off -= HOUR;
        }
        for later in [0, TTL_US, TTL_US + HOLD_US] {
            let at = self.database.now(self.now + later);
            self.database.office.expire(at);
            self.database.office.resolve(at);
        }
        let office = &self.database.office;
        assert_eq!(office.holds().count(), 0, "holds are left");
        for (pot, row) in office.pots() {
            assert_eq!(row.reserved, Nusd::ZERO, "{pot} gets not everything back");
            assert_eq!(
                row.cap,
                row.limit.max(row.spent),
                "{pot} keeps a cap it had"
            );
        }
        self.truth.settle_up(&self.database.office);
    }

    /// Whether the run kept what is promised of such runs.
    pub(crate) fn judge(self) -> Outcome {
        let ahead = |timed: &Timed| matches!(timed.fault, Fault::SetDatabaseClock { by: 1.. });
        // A database whose clock leaps ahead lets go of what it remembers of dead nodes.
        if !self.scenario.faults.iter().any(ahead) {
            let limits = self.scenario.rates.iter().enumerate();
            let limits = limits.map(|(org, units)| (limit_of(org), Rate::per_minute(*units)));
            self.truth.rates_held(&limits.collect::<Vec<_>>());
        }
        let all = (self.truth.tally.of("admitted"), self.database.grants());
        let (admitted, grants) = self.plenty.unwrap_or(all);
        let outcome = Outcome {
            tally: self.truth.tally,
            used: used(&self.database.office),
            admitted,
            grants,
        };
        let tally = &outcome.tally;
        if self.scenario.weather != Weather::Storm {
            for trouble in TROUBLES {
                assert_eq!(
                    tally.of(trouble),
                    0,
                    "nothing goes wrong by itself: {tally:?}"
                );
            }
        }
        match self.scenario.weather {
            Weather::Storm | Weather::Fair => {}
            Weather::Plenty => assert!(grants * 1_000 <= admitted * GRANTS, "{outcome:?}"),
            Weather::Drought => assert!(outcome.used >= USED, "{outcome:?}"),
        }
        outcome
    }
}

/// Of ten thousand parts of the scarcest pot, so many were spent.
fn used(office: &Office) -> i64 {
    let used = |(_, pot): (&PotId, &Pot)| {
        let spent = i128::from(pot.spent.get()) * 10_000;
        i64::try_from(spent / i128::from(pot.limit.get().max(1))).unwrap_or(i64::MAX)
    };
    office.pots().map(used).max().unwrap_or(0)
}
