//! What was measured, and its medians.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use super::Settings;
use super::money::Comparison;
use super::stage::{Clock, Server};
use crate::load::Report;

/// What was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scene {
    Throughput { connections: u32 },
    Latency,
    Streams,
    Million,
}

/// One server in one scene, in one round.
#[derive(Debug)]
pub(super) struct Measurement {
    pub(super) scene: Scene,
    pub(super) server: Server,
    pub(super) report: Report,
    /// Processor time within the measured window.
    pub(super) clock: Clock,
}

/// Everything measured.
#[derive(Debug, Default)]
pub(super) struct Results {
    pub(super) machine: BTreeMap<&'static str, String>,
    pub(super) file_system: String,
    /// What a small write costs that waits for the disk; none if the database is elsewhere.
    pub(super) commit: Option<Duration>,
    pub(super) measurements: Vec<Measurement>,
    /// Requests answered so far, resident bytes then, and the most ever.
    pub(super) memory: BTreeMap<Server, (u64, u64, u64)>,
    pub(super) money: Option<Comparison>,
}

impl Results {
    pub(super) fn add(&mut self, measurement: Measurement) {
        self.measurements.push(measurement);
    }

    /// The median over the rounds of something that was measured; `None` if it was not.
    pub(super) fn median(
        &self,
        scene: Scene,
        server: Server,
        figure: impl Fn(&Measurement) -> f64,
    ) -> Option<f64> {
        let rounds = self.measurements.iter();
        let rounds = rounds.filter(|found| (found.scene, found.server) == (scene, server));
        let mut figures: Vec<f64> = rounds.map(figure).collect();
        figures.sort_by(f64::total_cmp);
        let middle = figures.len() / 2;
        match figures.len() {
            0 => None,
            length if length % 2 == 1 => Some(figures[middle]),
            _ => Some(f64::midpoint(figures[middle - 1], figures[middle])),
        }
    }

    /// Answers with 200 of a server, warm-ups included.
    pub(super) fn answered(&self, server: Server) -> u64 {
        self.of(server).map(|found| found.report.answered()).sum()
    }

    /// The same, of streams only.
    pub(super) fn streamed(&self, server: Server) -> u64 {
        let streams = self
            .of(server)
            .filter(|found| found.scene == Scene::Streams);
        streams.map(|found| found.report.answered()).sum()
    }

    /// Whatever a server did not answer with 200, warm-ups included.
    pub(super) fn failed(&self, server: Server) -> u64 {
        self.of(server).map(|found| found.report.failed()).sum()
    }

    /// Events that the streams of a server had in the mean.
    pub(super) fn events_per_stream(&self, server: Server) -> f64 {
        let events: u64 = self.of(server).map(|found| found.report.events).sum();
        events as f64 / self.streamed(server).max(1) as f64
    }

    /// # Errors
    /// If Farebox refused or failed a request, or billed otherwise than it answered.
    pub(super) fn verdict(&self) -> Result<(), String> {
        match self.failed(Server::Farebox) {
            0 => {}
            failed => return Err(format!("Farebox refused or failed {failed} requests")),
        }
        match &self.money {
            Some(money) if !money.problems.is_empty() => Err(money.problems.join("\n")),
            _ => Ok(()),
        }
    }

    /// Everything, for machines.
    pub(super) fn json(&self, settings: &Settings) -> Value {
        let measurements: Vec<Value> = self.measurements.iter().map(measurement_json).collect();
        let memory = |(requests, now, peak): &(u64, u64, u64)| {
            json!({
                "after_requests": requests,
                "resident_bytes": now,
                "peak_resident_bytes": peak,
            })
        };
        let memory = self
            .memory
            .iter()
            .map(|(server, found)| (server.name().to_owned(), memory(found)));
        json!({
            "machine": self.machine,
            "file_system": self.file_system,
            "database": if settings.database.is_some() { "postgres" } else { "sqlite" },
            "commit_us": self.commit.map(|commit| commit.as_secs_f64() * 1e6),
            "rounds": settings.rounds,
            "seconds": settings.seconds,
            "measurements": measurements,
            "memory": memory.collect::<serde_json::Map<_, _>>(),
            "refused_or_failed": self.failed(Server::Farebox),
            "money": self.money.as_ref().map(Comparison::json),
        })
    }

    fn of(&self, server: Server) -> impl Iterator<Item = &Measurement> {
        self.measurements
            .iter()
            .filter(move |found| found.server == server)
    }
}

impl Measurement {
    /// Processor time of the gateway for each request answered in the window, in microseconds.
    pub(super) fn cpu_us(&self) -> f64 {
        self.clock.gateway.as_secs_f64() * 1e6 / self.report.latency.count().max(1) as f64
    }
}

fn measurement_json(measurement: &Measurement) -> Value {
    let mut value = measurement.report.json();
    let (scene, connections) = match measurement.scene {
        Scene::Throughput { connections } => ("throughput", Some(connections)),
        Scene::Latency => ("latency", None),
        Scene::Streams => ("streams", None),
        Scene::Million => ("million", None),
    };
    value["scene"] = scene.into();
    value["connections"] = connections.into();
    value["server"] = measurement.server.name().into();
    if measurement.clock.machine > Duration::ZERO {
        value["cpu_us_per_request"] = measurement.cpu_us().into();
        value["processor_percent"] = json!(measurement.clock.shares(measurement.report.measured));
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(scene: Scene, server: Server, answers: &[(u16, u64)]) -> Measurement {
        let statuses = answers.iter().copied().collect();
        let report = Report {
            statuses,
            ..Report::default()
        };
        Measurement {
            scene,
            server,
            report,
            clock: Clock::default(),
        }
    }

    fn results(measurements: Vec<Measurement>) -> Results {
        Results {
            measurements,
            ..Results::default()
        }
    }

    fn comparison(problems: &[&str]) -> Comparison {
        Comparison {
            expected_nusd: 0,
            from_balance_nusd: Some(0),
            from_costs_nusd: Some(0),
            transfers: Some(0),
            problems: problems.iter().map(|&problem| problem.to_owned()).collect(),
        }
    }

    #[test]
    fn medians_are_of_one_server_in_one_scene() {
        let [few, many] = [64, 256].map(|connections| Scene::Throughput { connections });
        let mut rounds: Vec<_> = [30, 10, 20]
            .map(|n| measured(few, Server::Farebox, &[(200, n)]))
            .into();
        rounds.push(measured(few, Server::Relay, &[(200, 1000)]));
        rounds.push(measured(many, Server::Farebox, &[(200, 2000)]));
        let mut all = results(rounds);
        let answered = |found: &Measurement| found.report.answered() as f64;
        assert_eq!(all.median(few, Server::Farebox, answered), Some(20.0));
        assert_eq!(all.median(Scene::Latency, Server::Farebox, answered), None);
        all.add(measured(few, Server::Farebox, &[(200, 40)]));
        assert_eq!(
            all.median(few, Server::Farebox, answered),
            Some(25.0),
            "between two"
        );
    }

    #[test]
    fn one_refusal_or_one_wrong_amount_fails_the_run() {
        let good = || measured(Scene::Latency, Server::Farebox, &[(200, 9)]);
        let relay_failed = measured(Scene::Latency, Server::Relay, &[(200, 9), (502, 1)]);
        let mut fine = results(vec![good(), relay_failed]);
        fine.money = Some(comparison(&[]));
        assert_eq!(fine.verdict(), Ok(()));

        fine.money = Some(comparison(&["a cent is missing"]));
        assert_eq!(fine.verdict(), Err("a cent is missing".to_owned()));

        let refused = measured(Scene::Latency, Server::Farebox, &[(200, 9), (429, 1)]);
        assert!(results(vec![good(), refused]).verdict().is_err());
        let mut broken = good();
        broken.report.broken = 1;
        assert!(results(vec![broken]).verdict().is_err());
    }

    #[test]
    fn streams_and_whole_answers_are_told_apart() {
        let mut streams = measured(Scene::Streams, Server::Farebox, &[(200, 4)]);
        streams.report.events = 808;
        let whole = measured(Scene::Latency, Server::Farebox, &[(200, 10), (500, 3)]);
        let all = results(vec![streams, whole]);
        assert_eq!(
            (all.answered(Server::Farebox), all.streamed(Server::Farebox)),
            (14, 4)
        );
        assert_eq!(all.failed(Server::Farebox), 3);
        assert!((all.events_per_stream(Server::Farebox) - 202.0).abs() < 1e-9);
    }
}
