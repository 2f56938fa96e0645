//! `farebox upstream-costs import`: takes what an upstream says it is owed from a file, and shows
//! what that changes.

use std::fs;

use domain::money::Nusd;
use domain::time::AtUs;
use serde_json::{Value, json};
use store::upstream_costs::Bill;

use super::print;
use crate::bill_import::{self, DayChange, Import};
use crate::cli::{Failure, ImportCosts};
use crate::config::Loaded;

/// No file of costs is larger.
const MOST_BYTES: u64 = 256 * 1024 * 1024;

/// Imports, or only compares.
pub(super) async fn run(loaded: &Loaded, import: ImportCosts) -> Result<(), Failure> {
    let config = &loaded.config;
    if !config.upstreams.iter().any(|it| it.id == import.upstream) {
        return Err(Failure::usage(format!(
            "--upstream names \"{}\", which the configuration does not have.",
            import.upstream
        )));
    }
    let bill = read(&import)?;
    let order = Import {
        upstream: import.upstream.clone(),
        bill,
        is_kept: !import.dry_run,
    };
    let changes = bill_import::run(config, order).await?;
    match import.json {
        true => print(&format!("{:#}\n", as_json(&changes, &import))),
        false => print(&as_text(&changes, &import)),
    }
}

fn read(import: &ImportCosts) -> Result<Bill, Failure> {
    let path = import.file.display();
    let unreadable = |why: String| Failure::new(format!("{path} cannot be read: {why}"));
    let meta = fs::metadata(&import.file).map_err(|error| unreadable(format!("{error}.")))?;
    if meta.len() > MOST_BYTES {
        return Err(unreadable("it is larger than any file of costs.".into()));
    }
    let text = fs::read(&import.file).map_err(|error| unreadable(format!("{error}.")))?;
    bill_import::parse(&text).map_err(unreadable)
}

fn day(at: AtUs) -> String {
    at.to_utc().chars().take(10).collect()
}

fn usd(amount: Option<Nusd>) -> String {
    amount.map_or("none".into(), Nusd::to_usd)
}

fn as_text(changes: &[DayChange], import: &ImportCosts) -> String {
    let mut page = String::new();
    for change in changes {
        let differs = match change.is_tolerated {
            true => "",
            false => ": more than is let pass",
        };
        page.push_str(&format!(
            "{}: {} of {} by our books{differs}\n",
            day(change.day),
            change.theirs.to_usd(),
            change.ours.to_usd()
        ));
        for step in &change.steps {
            let line = if step.line.is_empty() {
                "all"
            } else {
                &step.line
            };
            let (from, to) = (usd(step.from), usd(step.to));
            page.push_str(&format!("    {line}  {from} -> {to}\n"));
        }
    }
    let changed = changes.iter().filter(|it| !it.steps.is_empty()).count();
    let days = changes.len();
    let of = &import.upstream;
    page.push_str(&format!("{changed} of {days} days of {of} change\n"));
    page.push_str(match (changed, import.dry_run) {
        (0, _) => "Nothing changes.\n",
        (_, true) => "Nothing was kept: leave --dry-run out to keep this.\n",
        (_, false) => "Kept.\n",
    });
    page
}

fn as_json(changes: &[DayChange], import: &ImportCosts) -> Value {
    let day = |change: &DayChange| {
        let steps = change.steps.iter().map(|step| {
            json!({
                "line_item": step.line,
                "from_usd": step.from.map(Nusd::to_usd),
                "to_usd": step.to.map(Nusd::to_usd),
            })
        });
        json!({
            "day": day(change.day),
            "ours_usd": change.ours.to_usd(),
            "theirs_usd": change.theirs.to_usd(),
            "is_tolerated": change.is_tolerated,
            "is_alarmed": change.is_alarmed,
            "changes": steps.collect::<Vec<_>>(),
        })
    };
    json!({
        "upstream": import.upstream,
        "is_kept": !import.dry_run,
        "days": changes.iter().map(day).collect::<Vec<_>>(),
    })
}
