//! The measurements, each server in turn within a round.

use std::time::Duration;

use super::results::{Measurement, Results, Scene};
use super::stage::{Clock, Server, Stage};
use super::{Part, Settings, progress};
use crate::load::{self, Length, Report};
use crate::procfs;

const MILLION: u64 = 1_000_000;
/// As many as the latency of a slow disk needs at a thousand requests per second.
const OPEN_CONNECTIONS: u32 = 64;

/// Measures all that the settings ask for.
pub(super) async fn everything(
    stage: &Stage,
    settings: &Settings,
    results: &mut Results,
) -> Result<(), String> {
    for round in 0..settings.rounds {
        if settings.measures(Part::Throughput) {
            for &connections in &settings.connections {
                for server in in_turn(round, &[Server::Relay, Server::Farebox]) {
                    throughput(stage, settings, results, (server, connections)).await?;
                }
            }
        }
        let all = [Server::Direct, Server::Relay, Server::Farebox];
        for server in in_turn(round, &all) {
            if settings.measures(Part::Latency) {
                latency(stage, settings, results, server).await?;
            }
        }
        for server in in_turn(round, &all) {
            if settings.measures(Part::Streams) {
                streams(stage, settings, results, server).await?;
            }
        }
    }
    note_memory(stage, results);
    if settings.million {
        million(stage, results).await?;
        note_memory(stage, results);
    }
    Ok(())
}

/// The order changes from round to round, so that nobody always comes first.
fn in_turn(round: u32, servers: &[Server]) -> Vec<Server> {
    let mut servers = servers.to_vec();
    if round % 2 == 1 {
        servers.reverse();
    }
    servers
}

async fn throughput(
    stage: &Stage,
    settings: &Settings,
    results: &mut Results,
    (server, connections): (Server, u32),
) -> Result<(), String> {
    let target = stage.target(server, false)?;
    let (warm_up, measured) = settings.times()?;
    let mut clocks = Vec::new();
    let length = Length::Time { warm_up, measured };
    let probe = || clocks.push(stage.clock(server));
    let report = load::closed(&target, connections as usize, length, probe).await;
    progress(&format!(
        "{}, {connections} connections: {:.0} requests/s{}",
        server.name(),
        report.rate(),
        trouble(&report),
    ));
    let scene = Scene::Throughput { connections };
    results.add(Measurement {
        scene,
        server,
        report,
        clock: between(&clocks),
    });
    alive(results, server)
}

async fn latency(
    stage: &Stage,
    settings: &Settings,
    results: &mut Results,
    server: Server,
) -> Result<(), String> {
    let target = stage.target(server, false)?;
    let times = settings.times()?;
    let rate = settings.rate;
    let run = move || load::open(&target, rate, OPEN_CONNECTIONS, times);
    let report = tokio::task::spawn_blocking(run)
        .await
        .map_err(|error| error.to_string())?;
    progress(&format!(
        "{}, {rate} requests/s: median {:.2?}{}",
        server.name(),
        report.latency.quantile(0.5),
        trouble(&report),
    ));
    let clock = Clock::default();
    results.add(Measurement {
        scene: Scene::Latency,
        server,
        report,
        clock,
    });
    alive(results, server)
}

async fn streams(
    stage: &Stage,
    settings: &Settings,
    results: &mut Results,
    server: Server,
) -> Result<(), String> {
    let target = stage.target(server, true)?;
    let (warm_up, measured) = settings.times()?;
    let one_stream = Duration::from_millis(settings.chunks * settings.interval_ms);
    let times = (warm_up.max(one_stream), measured);
    let mut clocks = Vec::new();
    let probe = || clocks.push(stage.clock(server));
    let report = load::streams(&target, settings.streams, times, probe).await;
    progress(&format!(
        "{}, {} streams: first token after {:.2?}{}",
        server.name(),
        settings.streams,
        report.first_event.quantile(0.5),
        trouble(&report),
    ));
    results.add(Measurement {
        scene: Scene::Streams,
        server,
        report,
        clock: between(&clocks),
    });
    alive(results, server)
}

async fn million(stage: &Stage, results: &mut Results) -> Result<(), String> {
    let target = stage.target(Server::Farebox, false)?;
    let missing = MILLION.saturating_sub(results.answered(Server::Farebox));
    progress(&format!(
        "farebox, {missing} more requests to make it a million"
    ));
    let mut clocks = Vec::new();
    let probe = || clocks.push(stage.clock(Server::Farebox));
    let report = load::closed(&target, 64, Length::Requests(missing), probe).await;
    progress(&format!(
        "farebox: {:.0} requests/s{}",
        report.rate(),
        trouble(&report)
    ));
    let (server, clock) = (Server::Farebox, between(&clocks));
    results.add(Measurement {
        scene: Scene::Million,
        server,
        report,
        clock,
    });
    alive(results, server)
}

fn note_memory(stage: &Stage, results: &mut Results) {
    for server in [Server::Relay, Server::Farebox] {
        let pid = stage.pid(server);
        let requests = results.answered(server);
        let memory = (
            requests,
            procfs::resident_bytes(pid),
            procfs::peak_resident_bytes(pid),
        );
        results.memory.insert(server, memory);
    }
}

/// There is nothing to go on with if a server does not answer at all.
fn alive(results: &Results, server: Server) -> Result<(), String> {
    match results.measurements.last() {
        Some(last) if last.report.answered() == 0 => Err(format!(
            "{} answered nothing with 200: {:?} {}",
            server.name(),
            last.report.statuses,
            last.report.first_problem.as_deref().unwrap_or_default(),
        )),
        _ => Ok(()),
    }
}

fn between(clocks: &[Clock]) -> Clock {
    match clocks {
        [before, after] => after.since(*before),
        _ => Clock::default(),
    }
}

fn trouble(report: &Report) -> String {
    if report.failed() == 0 {
        return String::new();
    }
    format!(
        ", {} refused or failed {:?}",
        report.failed(),
        report.statuses
    )
}
