//! `farebox race`: the public money bench, for this and any other OpenAI-compatible gateway.
//!
//! It speaks HTTP and nothing else: clients on one side of the gateway, a mock upstream on the
//! other, and the upstream's books in the middle. What clients have in full and what the upstream
//! said it costs is the truth, without asking the gateway.
//!
//! The order is latency, kill, race: after the race the budget admits nothing any more. What the
//! first two spend of the budget is counted.

mod answer;
mod ask;
mod billing;
mod books;
mod delivery;
mod gateway_process;
mod kill;
mod latency;
mod plan;
mod probe;
mod progress;
mod results;
mod run;
mod settings;
mod spend;
mod table;
mod upstream;

use std::sync::Arc;

use domain::id::random_base62;

use self::billing::{Bill, Billed};
use self::books::{Books, Sum};
use self::kill::Killed;
use self::latency::Latency;
use self::progress::{heading, note};
use self::results::{Part, Raced, Results};
use self::run::{Run, Tally};
use self::settings::Settings;
use self::upstream::Upstream;
use crate::cli::{self, Failure, Race};
use crate::commands::print;
use crate::config::Environment;
use crate::entropy;

const NOT_ASKED: &str = "left out by --only";

/// Runs the bench and prints what it found.
///
/// # Errors
/// [`Failure`]: wrong usage, or nothing could be measured.
pub(crate) async fn run(race: Race, environment: &Environment) -> Result<(), Failure> {
    let json = race.json;
    let settings = Settings::read(race, environment)?;
    let results = measure(settings).await?;
    match json {
        true => print(&format!("{}\n", results.json()))?,
        false => {
            eprintln!();
            print(&table::render(&results))?;
        }
    }
    results.verdict()
}

async fn measure(settings: Settings) -> Result<Results, Failure> {
    if let Some(kill) = &settings.kill {
        kill::look(kill).await?;
    }
    // Gateways with a cache must not know a prompt from an earlier run.
    let name = random_base62(10, entropy::system);
    let books = Arc::new(Books::new(settings.prices));
    let listen = settings.upstream_listen;
    let upstream = Upstream::start(listen, Arc::clone(&books), &name, &settings.model).await?;
    let run = Arc::new(Run::new(settings, books, name));
    let mut stage = Stage::open(run, upstream).await?;
    let latency = stage.latency().await?;
    let kill = stage.kill().await?;
    let race = stage.race().await?;
    let billed = match &race {
        Ok(_) => stage.billed().await,
        Err(why) => Err(why.clone()),
    };
    Ok(Results {
        run: stage.run,
        race,
        kill,
        latency,
        billed,
    })
}

/// The run with its upstream, and what clients have got so far.
struct Stage {
    run: Arc<Run>,
    upstream: Upstream,
    bill: Part<Bill>,
    /// Paid from the budget that is raced for.
    of_budget: Sum,
    /// Delivered in full, whoever pays.
    in_full: Sum,
    parts: usize,
    part: usize,
}

impl Stage {
    /// Finds the road through the gateway.
    async fn open(run: Arc<Run>, upstream: Upstream) -> Result<Self, Failure> {
        let settings = &run.settings;
        let parts = [cli::Part::Latency, cli::Part::Kill, cli::Part::Race];
        let wanted = |part: &&cli::Part| {
            settings.measures(**part) && (**part != cli::Part::Kill || settings.kill.is_some())
        };
        let parts = parts.iter().filter(wanted).count();
        eprintln!(
            "Upstream at {}, for the gateway to call; first request through {}",
            upstream.base_url(),
            settings.base
        );
        probe::listening(&run).await?;
        let bill = match &settings.admin_key {
            None => Err("there is no --admin-key to read costs with".to_owned()),
            Some(key) => Ok(Bill::open(&settings.base, key).await.map_err(|problem| {
                Failure::new(format!(
                    "the costs cannot be read with the admin key: {problem}. Leave it out if the \
                     gateway is no Farebox."
                ))
            })?),
        };
        let mut stage = Stage {
            run: Arc::clone(&run),
            upstream,
            bill,
            of_budget: Sum::default(),
            in_full: Sum::default(),
            parts,
            part: 0,
        };
        let first = probe::road(&run, &stage.upstream, &run.settings.key).await?;
        stage.in_full = first.whole;
        stage.of_budget = first.served();
        if let Some(key) = &run.settings.load_key {
            let first = probe::road(&run, &stage.upstream, key).await?;
            stage.in_full = stage.in_full + first.whole;
        }
        Ok(stage)
    }

    async fn latency(&mut self) -> Result<Part<Latency>, Failure> {
        if !self.run.settings.measures(cli::Part::Latency) {
            return Ok(Err(NOT_ASKED.to_owned()));
        }
        self.begin("Latency with billing on");
        let measured = latency::measure(&self.run, &self.upstream).await?;
        if let Ok(latency) = &measured {
            self.note_paid(&latency.tally, latency.tally.served());
        }
        Ok(told(measured))
    }

    async fn kill(&mut self) -> Result<Part<(Killed, Part<Billed>)>, Failure> {
        let settings = &self.run.settings;
        if !settings.measures(cli::Part::Kill) {
            return Ok(Err(NOT_ASKED.to_owned()));
        }
        let Some(kill) = settings.kill.clone() else {
            return Ok(Err("it takes --pid and --restart".to_owned()));
        };
        self.begin("kill -9 in the middle of load");
        let killed = match told(kill::measure(&self.run, &self.upstream, &kill).await?) {
            Ok(killed) => killed,
            Err(why) => return Ok(Err(why)),
        };
        // What the beginnings of answers should cost that the kill broke off, nobody can say: they
        // are not held against the budget.
        self.note_paid(&killed.tally, killed.tally.whole);
        let billed = self.billed().await;
        Ok(Ok((killed, billed)))
    }

    async fn race(&mut self) -> Result<Part<Raced>, Failure> {
        let settings = &self.run.settings;
        if !settings.measures(cli::Part::Race) {
            return Ok(Err(NOT_ASKED.to_owned()));
        }
        let (clients, budget) = (settings.clients, settings.budget);
        self.begin(&format!("The race: {clients} clients for {budget}"));
        let mark = self.run.books.count();
        let before = self.of_budget;
        let spent = spend::race(&self.run).await?;
        self.in_full = self.in_full + spent.tally.whole;
        Ok(Ok(Raced {
            budget: self.run.settings.budget,
            before,
            spent,
            upstream: self.run.books.answered_since(mark),
        }))
    }

    /// All that was delivered so far beside all that was billed.
    async fn billed(&self) -> Part<Billed> {
        let bill = self.bill.as_ref().map_err(Clone::clone)?;
        note("reading what the gateway billed");
        let open = self.run.books.undelivered(0);
        bill.compare(self.in_full, open, self.run.settings.wait)
            .await
    }

    fn begin(&mut self, what: &str) {
        self.part += 1;
        heading(self.part, self.parts, what);
    }

    /// Counts what the latency or the kill spent.
    fn note_paid(&mut self, tally: &Tally, served: Sum) {
        self.in_full = self.in_full + tally.whole;
        if self.run.settings.load_key.is_none() {
            self.of_budget = self.of_budget + served;
        }
    }
}

/// Says at once why a part was not measured.
fn told<T>(part: Part<T>) -> Part<T> {
    if let Err(why) = &part {
        note(&format!("not measured: {why}"));
    }
    part
}
