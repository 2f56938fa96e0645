//! kill -9 in the middle of load: the gateway is killed while all clients wait for answers, and
//! started again. What clients had got in full by then must have been billed.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::sleep;

use super::ask::Client;
use super::books::Sum;
use super::gateway_process::{self, Started};
use super::plan::SMALLEST;
use super::probe;
use super::progress::{self, note};
use super::run::{Fate, Run, Tally};
use super::settings::Kill;
use super::upstream::Upstream;
use crate::cli::Failure;
use crate::clock::Stopwatch;

/// The most answers of the load, before and after the kill.
const MOST_ANSWERS: u64 = 20_000;
/// Fewer for each client, and the kill meets no load.
const LEAST_FOR_EACH: u64 = 4;
/// Answers before the kill, where the money allows.
const BEFORE: u64 = 500;
/// Load that does not come so far in this time is killed as it is.
const LONGEST_BEFORE: Duration = Duration::from_secs(30);
/// Dead processes close their ports; if one is still open then, somebody else has it.
const CLOSED_WITHIN: Duration = Duration::from_secs(2);

/// What came of it.
#[derive(Debug)]
pub(super) struct Killed {
    pub(super) tally: Tally,
    /// Calls of the upstream that no client has in full.
    pub(super) open: Sum,
    /// From the kill to the next answer.
    pub(super) down: Duration,
    /// What the restart command started, if it runs on.
    pub(super) running: Option<u32>,
}

struct Load {
    run: Arc<Run>,
    tally: Mutex<Tally>,
    answers: AtomicU64,
    most: u64,
    killed: AtomicBool,
}

/// Makes sure that there is something to kill, before anything is measured.
///
/// # Errors
/// If there is no such process, or it may not be killed.
pub(super) async fn look(kill: &Kill) -> Result<(), Failure> {
    for &pid in &kill.pids {
        if !gateway_process::exists(pid).await {
            return Err(Failure::new(format!(
                "process {pid} is not there, or may not be killed. Give the gateway's with --pid."
            )));
        }
    }
    Ok(())
}

/// Kills and restarts; `Err` within says why there was nothing to measure.
///
/// # Errors
/// If the gateway did not die, or does not come back.
pub(super) async fn measure(
    run: &Arc<Run>,
    upstream: &Upstream,
    kill: &Kill,
) -> Result<Result<Killed, String>, Failure> {
    let settings = &run.settings;
    let clients = u64::from(settings.clients);
    let most = settings.allowance(MOST_ANSWERS);
    if most < LEAST_FOR_EACH * clients {
        return Ok(Err(format!(
            "a tenth of the budget pays for {most} small requests, too few for {clients} clients"
        )));
    }
    let mark = run.books.count();
    let load = Arc::new(Load {
        run: Arc::clone(run),
        tally: Mutex::default(),
        answers: AtomicU64::new(0),
        most,
        killed: AtomicBool::new(false),
    });
    let mut loops = JoinSet::new();
    for client in run.clients(&settings.base, settings.paying_key())? {
        loops.spawn(ask_on(Arc::clone(&load), client));
    }
    load.until(BEFORE.min(most / 2)).await;
    let unharmed = load.broken();
    load.killed.store(true, Ordering::SeqCst);
    let dead = Stopwatch::start();
    gateway_process::kill(&kill.pids).await;
    note(&format!(
        "killed after {} answers; waiting for what was under way",
        load.answers.load(Ordering::Relaxed)
    ));
    loops.join_all().await;
    gateway_process::gone(&kill.pids).await;
    if !load.felt_it(unharmed).await {
        return Err(Failure::new(
            "the gateway went on answering after the kill. --pid was not its process, or not all \
             of them: name those that answer.",
        ));
    }
    let (back, running) = restart(run, upstream, kill).await?;
    let down = dead.elapsed();
    let mut tally = std::mem::take(&mut *load.tally());
    tally.merge(back);
    Ok(Ok(Killed {
        tally,
        open: run.books.undelivered(mark),
        down,
        running,
    }))
}

/// Runs the restart command and waits for an answer through the gateway.
async fn restart(
    run: &Run,
    upstream: &Upstream,
    kill: &Kill,
) -> Result<(Tally, Option<u32>), Failure> {
    note(&format!("starting it again: {}", kill.restart));
    let mut started = Started::by(&kill.restart)?;
    let failed = async {
        while !started.failed() {
            sleep(Duration::from_millis(50)).await;
        }
        Failure::new("the gateway did not come back: --restart failed.")
    };
    let back = tokio::select! {
        back = probe::road(run, upstream, run.settings.paying_key()) => back,
        failure = failed => Err(failure),
    };
    let back = back.map_err(|failure| {
        Failure::new(format!(
            "{failure}\nThe output of --restart is in {}",
            started.log_tail()
        ))
    })?;
    let running = started.running();
    if let Some(pid) = running {
        note(&format!(
            "it is back, as process {pid}, and left running; its output goes to {}",
            started.log().display()
        ));
    }
    Ok((back, running))
}

async fn ask_on(load: Arc<Load>, mut client: Client) {
    let run = &load.run;
    while !load.killed.load(Ordering::SeqCst) && load.answers.load(Ordering::Relaxed) < load.most {
        let plan = run.plan(SMALLEST, run.settings.answer_ms);
        let (outcome, _) = client.ask(&plan).await;
        let fate = load.tally().note(&run.books, &plan, &outcome);
        if fate == Fate::Served {
            load.answers.fetch_add(1, Ordering::Relaxed);
        } else {
            sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Load {
    fn tally(&self) -> std::sync::MutexGuard<'_, Tally> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until so many answers have come.
    async fn until(&self, answers: u64) {
        let enough = async {
            while self.answers.load(Ordering::Relaxed) < answers {
                sleep(Duration::from_millis(1)).await;
            }
        };
        let how_far = || {
            let so_far = self.answers.load(Ordering::Relaxed);
            format!("{so_far} of {answers} answers before the kill")
        };
        let waited = tokio::time::timeout(LONGEST_BEFORE, enough);
        // Without that many answers, the kill comes all the same.
        let _ = progress::watch(waited, how_far).await;
    }

    /// Requests that broke, with or without text.
    fn broken(&self) -> u64 {
        let tally = self.tally();
        tally.broken + tally.partial.count
    }

    /// Whether the gateway is dead, or was: more broke than before, or it cannot be reached.
    async fn felt_it(&self, unharmed: u64) -> bool {
        let since = Stopwatch::start();
        loop {
            if self.broken() > unharmed || self.run.settings.base.connect().await.is_err() {
                return true;
            }
            if since.elapsed() > CLOSED_WITHIN {
                return false;
            }
            sleep(Duration::from_millis(20)).await;
        }
    }
}
