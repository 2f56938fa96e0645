//! What the command line and the environment ask of a run, checked.

use std::net::SocketAddr;
use std::time::Duration;

use domain::money::Nusd;
use domain::price::{StatedPrices, UnitPrices};

use super::plan::{self, Plan, SMALLEST};
use crate::cli::{Failure, Part, Race};
use crate::config::{Environment, Secret};
use crate::http_client::BaseUrl;

/// A budget of fewer average requests shows nothing.
const LEAST_REQUESTS: u64 = 20;
/// A budget of more takes too long, and fills the books.
const MOST_REQUESTS: u64 = 250_000;

/// A run's settings.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) base: BaseUrl,
    pub(super) key: Secret,
    /// Pays for the latency and the kill, if it is there.
    pub(super) load_key: Option<Secret>,
    pub(super) admin_key: Option<Secret>,
    pub(super) budget: Nusd,
    /// For a million input and output tokens.
    pub(super) stated_prices: (Nusd, Nusd),
    pub(super) prices: UnitPrices,
    pub(super) model: String,
    pub(super) upstream_listen: SocketAddr,
    pub(super) clients: u32,
    pub(super) stream: bool,
    pub(super) answer_ms: u64,
    pub(super) retries: u32,
    pub(super) most_requests: u64,
    pub(super) most_time: Duration,
    pub(super) kill: Option<Kill>,
    pub(super) wait: Duration,
    pub(super) seed: u64,
    only: Vec<Part>,
}

/// How the gateway is killed and started.
#[derive(Clone, Debug)]
pub(super) struct Kill {
    pub(super) pids: Vec<u32>,
    pub(super) restart: String,
}

impl Settings {
    /// Settings of a command line.
    ///
    /// # Errors
    /// What is missing, or does not fit together: wrong usage.
    pub(super) fn read(race: Race, environment: &Environment) -> Result<Self, Failure> {
        let key = race.key.or_else(|| {
            let names = ["FAREBOX_RACE_KEY", "OPENAI_API_KEY"];
            names.iter().find_map(|name| environment.secret(name))
        });
        let key = key.ok_or_else(|| {
            Failure::usage(
                "there is no key. Set FAREBOX_RACE_KEY, or give --key, which others on this \
                 machine can read.",
            )
        })?;
        let (input, output) = race.prices;
        let prices = UnitPrices::from(StatedPrices {
            input,
            output,
            ..StatedPrices::default()
        });
        let affordable = plan::affordable(race.seed, &prices, race.budget);
        check_budget(race.budget, affordable)?;
        let wants_kill = race.only.is_empty() || race.only.contains(&Part::Kill);
        let kill = race.restart.filter(|_| wants_kill).map(|restart| Kill {
            pids: race.pid,
            restart,
        });
        if race.only.contains(&Part::Kill) && kill.is_none() {
            return Err(Failure::usage(
                "a kill needs the gateway's process and how to start it again: --pid and \
                 --restart.",
            ));
        }
        if let Some(kill) = &kill
            && kill.pids.contains(&std::process::id())
        {
            return Err(Failure::usage(
                "--pid is this command itself. Name the gateway's process.",
            ));
        }
        Ok(Settings {
            base: race.base_url,
            key,
            load_key: race
                .load_key
                .or_else(|| environment.secret("FAREBOX_RACE_LOAD_KEY")),
            admin_key: race
                .admin_key
                .or_else(|| environment.secret("FAREBOX_RACE_ADMIN_KEY")),
            budget: race.budget,
            stated_prices: race.prices,
            prices,
            model: race.model,
            upstream_listen: race.upstream_listen,
            clients: race.clients,
            stream: race.stream,
            answer_ms: race.answer_ms,
            retries: race.retries,
            most_requests: race.requests,
            most_time: Duration::from_secs(race.seconds.into()),
            kill,
            wait: Duration::from_secs(race.wait_seconds.into()),
            seed: race.seed,
            only: race.only,
        })
    }

    /// Whether a part is to be measured.
    pub(super) fn measures(&self, part: Part) -> bool {
        self.only.is_empty() || self.only.contains(&part)
    }

    /// Whether a part was asked for by name, so that not measuring it is a failure.
    pub(super) fn insists_on(&self, part: Part) -> bool {
        self.only.contains(&part) || (part == Part::Kill && self.kill.is_some())
    }

    /// How many of the smallest requests the latency, or the kill, may have answered: as many as a
    /// tenth of the budget pays for, or `most` if another key pays.
    pub(super) fn allowance(&self, most: u64) -> u64 {
        if self.load_key.is_some() {
            return most;
        }
        let dearest = (0..256)
            .map(|number| Plan::new(self.seed, number, SMALLEST, 0).cost(&self.prices))
            .max()
            .unwrap_or(Nusd::ZERO);
        let tenth = self.budget.get() / 10 / dearest.get().max(1);
        u64::try_from(tenth).unwrap_or(0).min(most)
    }

    /// The key that pays for the latency and the kill.
    pub(super) fn paying_key(&self) -> &Secret {
        self.load_key.as_ref().unwrap_or(&self.key)
    }
}

fn check_budget(budget: Nusd, affordable: u64) -> Result<(), Failure> {
    if affordable < LEAST_REQUESTS {
        return Err(Failure::usage(format!(
            "{budget} pays for about {affordable} requests at these prices, which shows nothing. \
             Race with a larger --budget, or lower --prices, here and in the gateway."
        )));
    }
    if affordable > MOST_REQUESTS {
        return Err(Failure::usage(format!(
            "{budget} pays for about {affordable} requests at these prices, which takes too long. \
             Race with a smaller --budget, or higher --prices, here and in the gateway."
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn race(budget: &str) -> Race {
        use clap::Parser;
        let line = [
            "farebox",
            "race",
            "--base-url",
            "http://127.0.0.1:1/v1",
            "--budget",
            budget,
        ];
        match crate::cli::Cli::try_parse_from(line).unwrap().command {
            crate::cli::Command::Race(race) => *race,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_key_comes_from_the_line_or_from_either_variable() {
        let nothing = Environment::default();
        let failure = Settings::read(race("1"), &nothing).unwrap_err().to_string();
        assert!(failure.contains("FAREBOX_RACE_KEY"), "{failure}");
        let both = [("FAREBOX_RACE_KEY", "one"), ("OPENAI_API_KEY", "two")];
        for (variables, key) in [(&both[..], "one"), (&both[1..], "two")] {
            let environment = Environment::of(variables.iter().copied());
            let settings = Settings::read(race("1"), &environment).unwrap();
            assert_eq!(settings.key.expose(), key);
        }
        let mut line = race("1");
        line.key = Some(Secret::new("three".to_owned()));
        let settings = Settings::read(line, &Environment::of(both)).unwrap();
        assert_eq!(settings.key.expose(), "three");
    }

    #[test]
    fn budgets_that_show_nothing_or_take_for_ever_are_refused() {
        let environment = Environment::of([("OPENAI_API_KEY", "k")]);
        let read = |budget| Settings::read(race(budget), &environment);
        for (budget, word) in [("0.001", "larger"), ("1000", "smaller")] {
            let failure = read(budget).unwrap_err().to_string();
            assert!(failure.contains(word), "{failure}");
        }
        let settings = read("1").unwrap();
        // A tenth of a dollar, for requests of at most 12 + 2 × 16 millionths.
        assert!(settings.allowance(1_000_000) >= 2_272, "{settings:?}");
        assert_eq!(settings.allowance(50), 50);
    }
}
