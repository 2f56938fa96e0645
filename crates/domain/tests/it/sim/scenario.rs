//! What a seed decides: how many nodes, whose money, how much traffic, and what goes wrong when.

use domain::id::BudgetId;
use domain::money::Nusd;

use super::database::Budget;
use super::faults::{Fault, Timed};
use super::network::Network;
use super::request::Trial;
use super::rng::Rng;
use super::{MS, S};

/// What kind of run it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Weather {
    /// Anything may happen.
    Storm,
    /// The traffic of a storm, and nothing goes wrong.
    Fair,
    /// Nothing goes wrong; all of the traffic wants the same money, and there is enough.
    Plenty,
    /// The same, until there is no more.
    Drought,
}

#[derive(Clone, Debug)]
pub(crate) struct Scenario {
    pub(crate) nodes: usize,
    /// What each organization has paid in.
    pub(crate) credits: Vec<Nusd>,
    /// Requests a minute of each organization.
    pub(crate) rates: Vec<u64>,
    pub(crate) budgets: Vec<Budget>,
    pub(crate) network: Network,
    pub(crate) faults: Vec<Timed>,
    pub(crate) weather: Weather,
    /// Mean time between clients at one node.
    pub(crate) gap: i64,
    /// How long clients come.
    pub(crate) load: i64,
    most: i64,
}

/// Of so many scenarios, one has plenty, one ends in a drought, and one is fair.
const ROUND: u64 = 32;

impl Scenario {
    pub(crate) fn of(seed: u64) -> (Scenario, Rng) {
        let mut rng = Rng::new(seed);
        let scenario = match seed % ROUND {
            0 => Scenario::calm(&mut rng, Weather::Plenty, 3_000),
            1 => Scenario::calm(&mut rng, Weather::Drought, 2_000),
            2 => Scenario {
                weather: Weather::Fair,
                network: GOOD,
                faults: Vec::new(),
                ..Scenario::storm(&mut rng)
            },
            _ => Scenario::storm(&mut rng),
        };
        (scenario, rng)
    }

    /// A long drought: what the figures of a hot pot are measured on.
    pub(crate) fn long_drought(seed: u64) -> (Scenario, Rng) {
        let mut rng = Rng::new(seed);
        let scenario = Scenario::calm(&mut rng, Weather::Drought, 30_000);
        (scenario, rng)
    }

    /// One organization's money, spent by every node at full speed; `requests` or so.
    fn calm(rng: &mut Rng, weather: Weather, requests: i64) -> Scenario {
        let nodes = rng.index(4) + 2;
        let most = 1_000_000;
        // Requests cost a third of what they hold, which is half of the most.
        let traffic = most / 6 * requests;
        let credit = Nusd::new(match weather {
            Weather::Drought => traffic / 10 * rng.between(7, 11),
            _ => 4 * traffic,
        });
        let wider = |index| budget(0, index, credit + credit, None);
        let mut budgets: Vec<Budget> = (1..=rng.index(3)).map(wider).collect();
        let mut credits = vec![credit];
        if rng.chance(500) {
            credits[0] = credit + credit;
            budgets.push(budget(0, 0, credit, None));
        }
        let gap = rng.between(6, 12) * MS;
        let load = S + requests * gap / i64::try_from(nodes).expect("few");
        Scenario {
            nodes,
            credits,
            rates: vec![10_000_000],
            budgets,
            network: GOOD,
            faults: Vec::new(),
            weather,
            gap,
            load: match weather {
                Weather::Drought => 4 * load,
                _ => load,
            },
            most,
        }
    }

    fn storm(rng: &mut Rng) -> Scenario {
        let nodes = rng.index(6) + 2;
        let orgs = rng.index(3) + 1;
        let most = 1_000_000;
        let load = rng.between(15, 40) * S;
        let gap = rng.between(60, 400) * MS;
        // What all of the traffic would cost, and some have less.
        let traffic = i64::try_from(nodes).expect("few") * (load / gap) * most / 6;
        let traffic = traffic / i64::try_from(orgs).expect("few");
        let mut part = |least, most| Nusd::new(traffic / 100 * rng.between(least, most));
        let credits = (0..orgs).map(|_| part(10, 200)).collect();
        let mut budgets = Vec::new();
        for org in 0..orgs {
            for index in 0..rng.index(5) {
                let period = match rng.index(3) {
                    0 => None,
                    _ => Some(rng.between(5, 30) * S),
                };
                let limit = Nusd::new(traffic / 100 * rng.between(5, 150));
                budgets.push(budget(org, index, limit, period));
            }
        }
        let rates = (0..orgs).map(|_| match rng.chance(300) {
            true => u64::try_from(rng.between(1, 600)).expect("positive"),
            false => 10_000_000,
        });
        let rates = rates.collect();
        let network = network(rng);
        let faults = Fault::several(rng, nodes, &budgets, load);
        Scenario {
            nodes,
            credits,
            rates,
            budgets,
            network,
            faults,
            weather: Weather::Storm,
            gap,
            load,
            most,
        }
    }

    /// What the next client wants.
    pub(crate) fn trial(&self, rng: &mut Rng) -> Trial {
        let most = self.most;
        let calm = matches!(self.weather, Weather::Plenty | Weather::Drought);
        let amount = match calm || rng.chance(900) {
            true => rng.between(most / 100, most),
            false => rng.between(most, 20 * most),
        };
        let cost = match rng.chance(100) {
            true => amount,
            false => amount * rng.between(5, 60) / 100,
        };
        let stream = rng.chance(400);
        let lasts = match (calm, stream) {
            (true, _) => rng.between(10 * MS, 800 * MS),
            (false, true) => rng.between(100 * MS, 15 * S),
            (false, false) => rng.between(MS, 2 * S),
        };
        let grows = (stream && rng.chance(300)).then(|| Nusd::new(amount / 2));
        let budgets = match calm {
            true => u32::MAX,
            false => u32::try_from(rng.between(0, 15)).expect("four bits"),
        };
        Trial {
            org: rng.index(self.credits.len()),
            amount: Nusd::new(amount),
            cost: Nusd::new(cost),
            lasts,
            stream,
            fails: !stream && rng.chance(50),
            grows,
            budgets,
            tries: 0,
            hasty: !calm && rng.chance(50),
        }
    }
}

/// Quick, and nothing is lost.
const GOOD: Network = Network {
    least: MS / 2,
    most: 3 * MS,
    slow: 5,
    tail: 20 * MS,
    lost: 0,
    twice: 0,
};

fn network(rng: &mut Rng) -> Network {
    let bad = |rng: &mut Rng, most| match rng.chance(500) {
        true => rng.between(0, most),
        false => 0,
    };
    Network {
        least: MS / 2,
        most: rng.between(1, 30) * MS,
        slow: bad(rng, 100),
        tail: rng.between(50, 3_000) * MS,
        lost: bad(rng, 100),
        twice: bad(rng, 100),
    }
}

pub(crate) fn budget(org: usize, index: usize, limit: Nusd, period: Option<i64>) -> Budget {
    Budget {
        id: BudgetId::new(&format!("budget_{org}_{index}")),
        org,
        bit: 1 << (index % 4),
        limit,
        period,
    }
}
