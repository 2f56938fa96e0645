//! `farebox-bench run`: Farebox beside the relay, in turns, so that both see the same machine.
//!
//! Ends with an error if Farebox refused or failed anything, or if what it billed is not what it
//! answered: speed at that price would not be speed.

mod child;
mod farebox;
mod measure;
mod money;
mod results;
mod stage;
mod table;

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::procfs;
use results::Results;
use stage::Stage;

/// What is measured and for how long.
#[derive(clap::Args, Clone, Debug)]
pub struct Settings {
    /// The Farebox binary [default: $FAREBOX_BIN, or target/release/farebox]
    #[arg(long, value_name = "PATH")]
    farebox: Option<PathBuf>,
    /// An empty PostgreSQL database, as postgres://…, instead of a SQLite file
    #[arg(long, value_name = "URL")]
    database: Option<String>,
    /// Where the throwaway installation goes: on the disk that is to be measured
    #[arg(long, value_name = "FOLDER", default_value = "target/bench")]
    folder: PathBuf,
    /// Rounds of each measurement; the medians are shown
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Seconds of each measurement
    #[arg(long, default_value_t = 5.0)]
    seconds: f64,
    /// Seconds before each measurement
    #[arg(long, default_value_t = 2.0)]
    warm_up_seconds: f64,
    /// Connections of the closed loops
    #[arg(long, value_delimiter = ',', default_value = "64,256")]
    connections: Vec<u32>,
    /// Requests per second of the open loop
    #[arg(long, default_value_t = 1000.0)]
    rate: f64,
    /// Streams under way at a time
    #[arg(long, default_value_t = 64)]
    streams: u32,
    /// Chunks of each stream
    #[arg(long, default_value_t = 200)]
    chunks: u64,
    /// Milliseconds between two chunks
    #[arg(long, default_value_t = 10)]
    interval_ms: u64,
    /// Measure only these
    #[arg(long, value_delimiter = ',', value_enum)]
    only: Vec<Part>,
    /// Go on until Farebox has answered a million requests, for its memory then
    #[arg(long)]
    million: bool,
    /// Write everything measured, each round by itself, to a file
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// A part of the run.
#[derive(clap::ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    /// Requests per second and processor time, closed loops
    Throughput,
    /// Added latency at a fixed rate, open loop
    Latency,
    /// Time to the first token
    Streams,
}

impl Settings {
    fn measures(&self, part: Part) -> bool {
        self.only.is_empty() || self.only.contains(&part)
    }

    fn binary(&self) -> Result<PathBuf, String> {
        let given = self
            .farebox
            .clone()
            .or_else(|| std::env::var_os("FAREBOX_BIN").map(Into::into));
        let path = given.unwrap_or_else(|| "target/release/farebox".into());
        path.canonicalize().map_err(|error| {
            format!(
                "{} is not there ({error}). Run `make build`, or name it with --farebox.",
                path.display()
            )
        })
    }

    fn times(&self) -> Result<(Duration, Duration), String> {
        let time = |seconds| Duration::try_from_secs_f64(seconds).map_err(|e| e.to_string());
        Ok((time(self.warm_up_seconds)?, time(self.seconds)?))
    }
}

/// Runs everything and prints the table.
///
/// # Errors
/// If something cannot be started, if Farebox refused or failed a request, or if it billed
/// otherwise than it answered.
pub async fn run(settings: &Settings) -> Result<(), String> {
    let binary = settings.binary()?;
    settings.times()?;
    fs::create_dir_all(&settings.folder)
        .map_err(|error| format!("{} cannot be made: {error}", settings.folder.display()))?;
    let folder = tempfile::Builder::new()
        .prefix("installation-")
        .tempdir_in(&settings.folder)
        .map_err(|error| format!("no folder in {}: {error}", settings.folder.display()))?;
    let path = folder
        .path()
        .canonicalize()
        .map_err(|error| error.to_string())?;

    let mut results = Results {
        machine: procfs::machine(),
        file_system: procfs::file_system(&path),
        ..Results::default()
    };
    if settings.database.is_none() {
        results.commit = Some(time_commit(&path).map_err(|error| error.to_string())?);
    }
    progress("starting the upstream, the relay and Farebox");
    let stage = Stage::start(settings, &binary, &path).await?;
    let outcome = measure::everything(&stage, settings, &mut results).await;
    // A server that died says why in its log, which goes with the folder.
    outcome.map_err(|problem| format!("{problem}\n{}", stage.farebox.log_tail()))?;

    progress("comparing what was answered with what was billed");
    results.money = Some(money::compare(&stage.farebox, &results, settings.chunks).await);
    print!("{}", table::render(settings, &results));
    if let Some(file) = &settings.json {
        fs::write(file, format!("{:#}\n", results.json(settings)))
            .map_err(|error| format!("{} cannot be written: {error}", file.display()))?;
    }
    results.verdict()
}

/// The median of some small writes that wait for the disk: what one commit costs at least.
fn time_commit(folder: &Path) -> std::io::Result<Duration> {
    let mut file = fs::File::create(folder.join("commit"))?;
    let mut times = Vec::new();
    for _ in 0..101 {
        let start = Instant::now();
        file.write_all(&[7; 4096])?;
        file.sync_data()?;
        times.push(start.elapsed());
    }
    times.sort_unstable();
    Ok(times[times.len() / 2])
}

fn progress(what: &str) {
    eprintln!("· {what}");
}
