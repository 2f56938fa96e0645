//! Takes a file of what an upstream says it is owed into the database, day by day, beside a
//! running server too; or only says what that would change.
//!
//! Each day is a transaction of its own: an import that is broken off has kept whole days, and may
//! be made again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use control::upstream_bills;
use domain::money::Nusd;
use domain::time::AtUs;
use serde_json::json;
use store::audit::{self, Act, Actor, Event, Kind};
use store::upstream_costs::{self, Bill, Days, Tolerance};
use store::{Role, Store, StoreError, Tx};

use crate::cli::Failure;
use crate::config::Config;
use crate::progress::watch;
use crate::{clock, entropy, wiring};

/// How often it is told how far the import is.
const TELL_EVERY: Duration = Duration::from_secs(1);

/// A bill to be taken, or only looked at.
pub(crate) struct Import {
    pub(crate) upstream: String,
    pub(crate) bill: Bill,
    pub(crate) is_kept: bool,
}

/// What a bill says of a day.
pub(crate) struct DayChange {
    /// The day's start, UTC.
    pub(crate) day: AtUs,
    /// What it cost by our books, and what the upstream says.
    pub(crate) ours: Nusd,
    pub(crate) theirs: Nusd,
    /// Whether so much of a difference is let pass.
    pub(crate) is_tolerated: bool,
    /// Whether operators were told of it now.
    pub(crate) is_alarmed: bool,
    /// What is not as it was known.
    pub(crate) steps: Vec<Step>,
}

/// A line item that changes.
pub(crate) struct Step {
    pub(crate) line: String,
    pub(crate) from: Option<Nusd>,
    pub(crate) to: Option<Nusd>,
}

/// Reads a page, or a list of pages.
///
/// # Errors
/// What is wrong with it, as a sentence.
pub(crate) fn parse(text: &[u8]) -> Result<Bill, String> {
    let value: serde_json::Value =
        serde_json::from_slice(text).map_err(|error| format!("it is no JSON: {error}."))?;
    let serde_json::Value::Array(pages) = value else {
        return upstream_bills::parse(text);
    };
    let mut bill = Bill::default();
    for page in pages {
        let read = upstream_bills::parse(page.to_string().as_bytes())?;
        for (day, lines) in read.days {
            let known = bill.days.entry(day).or_default();
            for (line, amount) in lines {
                *known.entry(line).or_default() += amount;
            }
        }
    }
    Ok(bill)
}

/// Takes the bill, and says what it changed, or would.
///
/// # Errors
/// [`Failure`] if the database cannot be used: some days may be kept.
pub(crate) async fn run(config: &Config, import: Import) -> Result<Vec<DayChange>, Failure> {
    let role = match import.is_kept {
        true => Role::Command,
        false => Role::Reader,
    };
    let store = wiring::open(config, role).await?;
    let (done, all) = (AtomicUsize::new(0), import.bill.days.len());
    let work = each_day(&store, &import, config.upstream_costs, &done);
    let taken = watch(work, TELL_EVERY, || {
        eprintln!("{} of {all} days", done.load(Ordering::Relaxed));
    });
    let taken = taken.await;
    store.close().await;
    let done = done.into_inner();
    taken.map_err(|error| Failure::new(format!("after {done} of {all} days: {error}.")))
}

async fn each_day(
    store: &Store,
    import: &Import,
    tolerance: Tolerance,
    done: &AtomicUsize,
) -> Result<Vec<DayChange>, StoreError> {
    let mut changes = Vec::with_capacity(import.bill.days.len());
    for (day, lines) in &import.bill.days {
        let (day, lines, upstream) = (*day, lines.clone(), import.upstream.clone());
        let look = move |tx: &mut Tx<'_>| look(tx, (&upstream, day), &lines, tolerance);
        let change = match import.is_kept {
            false => store.read(look).await?,
            true => {
                let bill = Bill {
                    days: BTreeMap::from([(day, import.bill.days[&day].clone())]),
                };
                let upstream = import.upstream.clone();
                let keep = move |tx: &mut Tx<'_>| -> Result<DayChange, StoreError> {
                    let change = look(tx)?;
                    keep(tx, &upstream, &bill, tolerance, change)
                };
                store.write(keep).await?
            }
        };
        changes.push(change);
        done.fetch_add(1, Ordering::Relaxed);
    }
    Ok(changes)
}

/// What a day's lines change.
fn look(
    tx: &mut Tx<'_>,
    (upstream, day): (&str, AtUs),
    lines: &BTreeMap<String, Nusd>,
    tolerance: Tolerance,
) -> Result<DayChange, StoreError> {
    let days = Days::one(day, upstream);
    let told = upstream_costs::told(tx, &days)?;
    let known = told.into_values().next().unwrap_or_default();
    let names: BTreeSet<&String> = known.keys().chain(lines.keys()).collect();
    let steps = names.into_iter().map(|line| Step {
        line: line.clone(),
        from: known.get(line).copied(),
        to: lines.get(line).copied(),
    });
    let ours = upstream_costs::ours(tx, &days)?;
    let theirs = lines.values().copied().sum();
    Ok(DayChange {
        day,
        ours,
        theirs,
        is_tolerated: tolerance.allows(ours, theirs),
        is_alarmed: false,
        steps: steps.filter(|step| step.from != step.to).collect(),
    })
}

/// Keeps a day, tells operators what differs too much, and their log what was imported.
fn keep(
    tx: &mut Tx<'_>,
    upstream: &str,
    bill: &Bill,
    tolerance: Tolerance,
    mut change: DayChange,
) -> Result<DayChange, StoreError> {
    let at = (clock::now(), entropy::system as domain::Entropy);
    let taken = upstream_bills::take(tx, upstream, bill, tolerance, at)?;
    change.is_alarmed = !taken.drifts.is_empty();
    if !taken.is_new && !change.is_alarmed {
        return Ok(change);
    }
    let act = Act {
        actor: &Actor::operator(),
        organization: &audit::operators(),
        at: at.0,
        entropy: at.1,
    };
    let day = change.day.seconds();
    let alarmed: Vec<i64> = change.is_alarmed.then_some(day).into_iter().collect();
    let event = Event::new(Kind::UpstreamCostsImported, upstream).data(json!({
        "first_day": day, "last_day": day, "alarmed_days": alarmed,
    }));
    audit::record(tx, &act, &[event])?;
    Ok(change)
}
