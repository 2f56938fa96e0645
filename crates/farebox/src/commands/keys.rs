//! `farebox keys scan`: finds keys in files, says whose they are, and revokes them if told to.

use std::io::{self, BufRead, IsTerminal, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use store::leaks::{FoundKey as Known, KeyState};

use super::print;
use crate::cli::{Failure, ScanKeys};
use crate::config::Loaded;
use crate::installation::leaks::{Leaked, Registry};
use crate::key_scan::{self, FoundKey, Order, Places, Progress, Scanned, Skipped};
use crate::{clock, progress};

/// How often a long scan says how far it is.
const EVERY: Duration = Duration::from_secs(5);

/// How git's history is looked through, which is compressed where it is kept.
const GIT_HINT: &str = "what git keeps of the past is compressed and was not looked through: \
                        `git log -p --all | farebox keys scan -` does";

/// A key that was found, and what is known of it.
struct Row {
    found: FoundKey,
    standing: Standing,
    /// It was revoked by this command.
    revoked: bool,
}

/// What is known of a key.
enum Standing {
    /// There was no database to ask.
    Unasked,
    /// The installation does not know it.
    Unknown,
    /// It is one of the installation's.
    Known(Box<Known>),
}

impl Row {
    /// A word for how the key is.
    fn state(&self) -> &'static str {
        match &self.standing {
            Standing::Unasked => "unchecked",
            Standing::Unknown => "unknown",
            Standing::Known(_) if self.revoked => KeyState::Revoked.as_str(),
            Standing::Known(known) => known.state(clock::now()).as_str(),
        }
    }

    /// Whether it works, for all that is known.
    fn may_work(&self) -> bool {
        match &self.standing {
            Standing::Unasked => true,
            Standing::Unknown => false,
            Standing::Known(known) => !self.revoked && is_live(known),
        }
    }
}

fn is_live(known: &Known) -> bool {
    known.state(clock::now()) == KeyState::Live
}

/// Scans, and prints what was found.
pub(super) async fn run(loaded: &Loaded, scan: ScanKeys) -> Result<(), Failure> {
    let registry = match scan.no_database {
        true => None,
        false => Registry::open(&loaded.config, scan.revoke).await?,
    };
    let (scanned, progress) = looked_through(&scan).await?;
    let Scanned { findings, skipped } = scanned;
    let mut found: Vec<FoundKey> = findings.keys.into_values().collect();
    found.sort_by_key(|key| key.number);
    let mut rows = match &registry {
        Some(registry) => recognised(registry, found).await?,
        None => found.into_iter().map(unasked).collect(),
    };
    if let Some(registry) = &registry {
        if scan.revoke && may_revoke(&scan, &rows)? {
            revoke(registry, &mut rows).await?;
        }
        registry.close().await;
    }
    print(&match scan.json {
        true => as_json(&rows, &findings.damaged, &skipped, &progress),
        false => as_text(&rows, &findings.damaged, &skipped, &progress),
    })?;
    if skipped.git_objects > 0 {
        eprintln!("farebox: {GIT_HINT}.");
    }
    ended(&rows, registry.is_some())
}

async fn looked_through(scan: &ScanKeys) -> Result<(Scanned, Arc<Progress>), Failure> {
    let order = Order {
        paths: scan.paths.clone(),
        with_binary: scan.binary,
    };
    let progress = Arc::new(Progress::default());
    let watched = Arc::clone(&progress);
    let work = tokio::task::spawn_blocking(move || {
        let warn = |what: &str| eprintln!("farebox: {what}.");
        key_scan::scan(&order, &watched, warn)
    });
    let tell = || eprintln!("farebox: looked through {} so far", how_much(&progress));
    let scanned = progress::watch(work, EVERY, tell).await;
    let scanned = scanned.map_err(|error| Failure::new(format!("the scan broke off: {error}.")))?;
    let scanned = scanned.map_err(|error| Failure::usage(format!("{error}.")))?;
    Ok((scanned, progress))
}

fn unasked(found: FoundKey) -> Row {
    Row {
        found,
        standing: Standing::Unasked,
        revoked: false,
    }
}

async fn recognised(registry: &Registry, found: Vec<FoundKey>) -> Result<Vec<Row>, Failure> {
    let digests = found.iter().map(|key| key.digest).collect();
    let known = registry.find(digests).await?;
    let row = |(found, known): (FoundKey, Option<Known>)| Row {
        found,
        standing: match known {
            Some(known) => Standing::Known(Box::new(known)),
            None => Standing::Unknown,
        },
        revoked: false,
    };
    Ok(found.into_iter().zip(known).map(row).collect())
}

/// Asks whoever sits at the terminal, if there is one; a program has said so with `--revoke`.
fn may_revoke(scan: &ScanKeys, rows: &[Row]) -> Result<bool, Failure> {
    let live: Vec<&Row> = rows.iter().filter(|row| row.may_work()).collect();
    let reads_input = scan.paths.iter().any(|path| path == Path::new("-"));
    if live.is_empty() || scan.yes || reads_input || !io::stdin().is_terminal() {
        return Ok(!live.is_empty());
    }
    for row in &live {
        eprint!("{}", row_as_text(row));
    }
    eprint!(
        "Revoke {}? Programs that use them are refused then. [y/N] ",
        keys(live.len())
    );
    let mut answer = String::new();
    let read = io::stderr()
        .flush()
        .and_then(|()| io::stdin().lock().read_line(&mut answer));
    read.map_err(|error| Failure::new(format!("nothing was revoked: {error}.")))?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

async fn revoke(registry: &Registry, rows: &mut [Row]) -> Result<(), Failure> {
    for row in rows.iter_mut() {
        let Standing::Known(known) = &row.standing else {
            continue;
        };
        let leaked = Leaked {
            key: (**known).clone(),
            place: row.found.places.first.first().map(ToString::to_string),
        };
        row.revoked = registry.revoke(leaked).await?;
    }
    Ok(())
}

fn ended(rows: &[Row], was_asked: bool) -> Result<(), Failure> {
    let live = rows.iter().filter(|row| row.may_work()).count();
    match (live, was_asked) {
        (0, _) => Ok(()),
        (live, true) => Err(Failure::new(format!(
            "{} that work can be read there. `--revoke` ends them.",
            keys(live)
        ))),
        (live, false) => Err(Failure::new(format!(
            "{} can be read there, and no database says whether they work.",
            keys(live)
        ))),
    }
}

fn keys(count: usize) -> String {
    match count {
        1 => "1 key".to_owned(),
        many => format!("{many} keys"),
    }
}

/// As `12 files, 3.4 MB`, and how many keys were in them.
fn how_much(progress: &Progress) -> String {
    let (files, bytes) = (progress.files(), progress.bytes());
    let tenths = bytes / 100_000;
    let megabytes = format!("{}.{}", tenths / 10, tenths % 10);
    format!("{files} files, {megabytes} MB: {} keys", progress.keys())
}

fn as_text(rows: &[Row], damaged: &Places, skipped: &Skipped, progress: &Progress) -> String {
    let mut page: String = rows.iter().map(row_as_text).collect();
    if damaged.count > 0 {
        page.push_str("Cut or mistyped, so that they are none\n");
        page.push_str(&places_as_text(damaged));
    }
    page.push_str(&format!("Looked through {}.", how_much(progress)));
    let skipped = [
        (
            skipped.binary,
            "files that are no text (`--binary` looks into them)",
        ),
        (skipped.links, "links"),
        (skipped.git_objects, "folders of git objects"),
        (skipped.unreadable, "that cannot be read"),
    ];
    let skipped: Vec<String> = skipped
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{count} {what}"))
        .collect();
    if !skipped.is_empty() {
        page.push_str(&format!(" Left out: {}.", skipped.join(", ")));
    }
    page.push('\n');
    page
}

fn row_as_text(row: &Row) -> String {
    let what = match &row.standing {
        Standing::Unasked => "a key by its check sum; no database was asked".to_owned(),
        Standing::Unknown => "no key of this installation".to_owned(),
        Standing::Known(known) => whose(known),
    };
    let state = match row.revoked {
        true => "revoked now",
        false => row.state(),
    };
    let places = places_as_text(&row.found.places);
    format!("{}  {state}: {what}\n{places}", row.found.redacted_value)
}

fn whose(known: &Known) -> String {
    let project = match &known.project {
        Some((_, name)) => format!("project {name}, "),
        None => String::new(),
    };
    let owner = known.email.as_deref().unwrap_or("a service account");
    let (name, organization) = (&known.name, &known.organization.1);
    format!(
        "\"{name}\" ({}), {project}organization {organization}, of {owner}",
        known.id
    )
}

fn places_as_text(places: &Places) -> String {
    let mut lines: String = places
        .first
        .iter()
        .map(|place| format!("    {place}\n"))
        .collect();
    let more = places.count - places.first.len() as u64;
    if more > 0 {
        lines.push_str(&format!("    and {more} more\n"));
    }
    lines
}

fn as_json(rows: &[Row], damaged: &Places, skipped: &Skipped, progress: &Progress) -> String {
    let object = json!({
        "files": progress.files(),
        "bytes": progress.bytes(),
        "live_count": rows.iter().filter(|row| row.may_work()).count(),
        "keys": rows.iter().map(row_as_json).collect::<Vec<_>>(),
        "damaged_count": damaged.count,
        "damaged": places_as_json(damaged),
        "skipped": {
            "binary": skipped.binary,
            "links": skipped.links,
            "git_objects": skipped.git_objects,
            "unreadable": skipped.unreadable,
        },
    });
    format!("{object:#}\n")
}

fn row_as_json(row: &Row) -> Value {
    let mut object = json!({
        "redacted_value": row.found.redacted_value,
        "class": row.found.class.as_str(),
        "state": row.state(),
        "revoked_now": row.revoked,
        "places_count": row.found.places.count,
        "places": places_as_json(&row.found.places),
    });
    if let Standing::Known(known) = &row.standing {
        let named = |id: &str, name: &str| json!({"id": id, "name": name});
        let project = known.project.as_ref();
        object["id"] = json!(known.id.as_str());
        object["name"] = json!(known.name);
        object["organization"] = named(known.organization.0.as_str(), &known.organization.1);
        object["project"] = json!(project.map(|(id, name)| named(id.as_str(), name)));
        object["owner_email"] = json!(known.email);
    }
    object
}

fn places_as_json(places: &Places) -> Vec<Value> {
    let place = |place: &key_scan::Place| json!({"path": place.path, "line": place.line});
    places.first.iter().map(place).collect()
}
