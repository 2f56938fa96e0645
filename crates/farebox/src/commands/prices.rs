//! `farebox prices import`: takes costs from a file of prices, after showing what would change.

use std::fs;

use serde_json::{Map, Value, json};

use super::print;
use crate::cli::{Failure, ImportPrices, Prices};
use crate::config::Loaded;
use crate::installation;
use crate::price_file::PriceFile;
use crate::price_import::{Change, Line, Offered, Step, Taken, Wanted};

/// No file of prices is larger: LiteLLM's has a tenth.
const MOST_BYTES: u64 = 64 * 1024 * 1024;

/// Does what `prices` says.
pub(super) async fn run(loaded: &Loaded, prices: Prices) -> Result<(), Failure> {
    let Prices::Import(import) = prices;
    let file = read(&import)?;
    let offered = |model: &crate::config::Model| Offered {
        id: model.id.clone(),
        context_tokens: model.context_tokens,
    };
    let models: Vec<Offered> = loaded.config.models.iter().map(offered).collect();
    if let Some((unknown, _)) = import
        .names
        .iter()
        .find(|(model, _)| !models.iter().any(|it| it.id == *model))
    {
        return Err(Failure::usage(format!(
            "--map names the model \"{unknown}\", which the configuration does not have."
        )));
    }
    let entries = file.len();
    let wanted = Wanted {
        provider: import.provider.clone(),
        names: import.names.iter().cloned().collect(),
        taken: taken(&import),
    };
    let config = &loaded.config;
    let lines = installation::import_prices(config, file, models, wanted, import.apply).await?;
    match import.json {
        true => print(&format!("{:#}\n", as_json(&lines, entries, import.apply))),
        false => print(&as_text(&lines, entries, import.apply)),
    }
}

fn read(import: &ImportPrices) -> Result<PriceFile, Failure> {
    let path = import.file.display();
    let unreadable = |why: String| Failure::new(format!("{path} cannot be read: {why}."));
    let meta = fs::metadata(&import.file).map_err(|error| unreadable(error.to_string()))?;
    if meta.len() > MOST_BYTES {
        return Err(unreadable("it is larger than any file of prices".into()));
    }
    let text = fs::read_to_string(&import.file).map_err(|error| unreadable(error.to_string()))?;
    PriceFile::parse(&text).map_err(|error| unreadable(error.to_string()))
}

fn taken(import: &ImportPrices) -> Taken {
    match (import.markup, import.taken_as) {
        (Some(millionths), _) => Taken::MarkedUp(millionths),
        (None, crate::cli::TakenAs::Price) => Taken::Price,
        (None, crate::cli::TakenAs::Cost) => Taken::Cost,
    }
}

fn counts(lines: &[Line]) -> [(&'static str, usize); 5] {
    ["new", "changed", "unchanged", "unsupported", "unknown"].map(|name| {
        let of_kind = lines.iter().filter(|line| line.change.name() == name);
        (name, of_kind.count())
    })
}

fn as_text(lines: &[Line], entries: usize, applied: bool) -> String {
    let mut page = String::new();
    for line in lines {
        let entry = match &line.entry {
            Some(entry) if *entry != line.model => format!(" ({entry})"),
            _ => String::new(),
        };
        page.push_str(&format!("{}{entry}: {}\n", line.model, line.change.name()));
        if let Change::Unsupported(reason) = &line.change {
            page.push_str(&format!("    {reason}\n"));
        }
        for (side, steps) in ["price", "cost"].into_iter().zip(line.change.steps()) {
            let shown = steps.iter().map(|step| step_as_text(side, step));
            page.extend(shown);
        }
        page.extend(line.notes.iter().map(|note| format!("    ! {note}\n")));
    }
    let counts = counts(lines).map(|(name, count)| format!("{count} {name}"));
    page.push_str(&format!(
        "{} of {entries} entries in the file\n",
        counts.join(", ")
    ));
    let changes = lines.iter().any(|line| line.change.stated().is_some());
    page.push_str(match (changes, applied) {
        (false, _) => "Nothing changes.\n",
        (true, true) => "In force from now on.\n",
        (true, false) => "Nothing was changed: say --apply to put this into force now.\n",
    });
    page
}

fn step_as_text(side: &str, step: &Step) -> String {
    let Step { class, from, to } = step;
    let from = from.map_or("none".to_owned(), |from| from.to_string());
    let percent = step.percent().map_or(String::new(), |it| format!("  {it}"));
    format!(
        "    {side:<5} {:<12}  {from} -> {to}{percent}\n",
        class.name()
    )
}

fn as_json(lines: &[Line], entries: usize, applied: bool) -> Value {
    let line = |line: &Line| {
        let [price, cost] = line.change.steps();
        let reason = match &line.change {
            Change::Unsupported(reason) => Some(reason),
            _ => None,
        };
        json!({
            "model": line.model,
            "entry": line.entry,
            "change": line.change.name(),
            "reason": reason,
            "price": steps_as_json(&price),
            "cost": steps_as_json(&cost),
            "notes": line.notes,
        })
    };
    let counts: Map<String, Value> = counts(lines)
        .into_iter()
        .map(|(name, count)| (name.to_owned(), count.into()))
        .collect();
    json!({
        "applied": applied,
        "entries": entries,
        "counts": counts,
        "models": lines.iter().map(line).collect::<Vec<_>>(),
    })
}

fn steps_as_json(steps: &[Step]) -> Value {
    let step = |step: &Step| {
        let usd = json!({
            "from": step.from.map(domain::money::Nusd::to_usd),
            "to": step.to.to_usd(),
            "percent": step.percent(),
        });
        (step.class.name().to_owned(), usd)
    };
    Value::Object(steps.iter().map(step).collect())
}
