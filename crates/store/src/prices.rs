//! The price book: entries that are never changed, only followed by later ones.
//!
//! An entry begins when it is made or later, never before: what was priced stays priced. One that
//! has not begun can be withdrawn, early enough that no server can have used it.

use std::collections::{BTreeMap, HashMap};

use domain::Entropy;
use domain::id::PriceId;
use domain::money::Nusd;
use domain::price::{PriceEntry, PriceHistory, UnitPrices};
use domain::time::{AtUs, SECOND_US};
use domain::usage::UsageClass;

use serde_json::json;

use crate::audit::{Event, Kind};
use crate::changes::{self, ChangeKind};
use crate::{Row, StoreError, Tx, Value};

/// A price can be withdrawn until so long before it comes into force: by then every server has
/// heard of it, whatever its clock says.
pub const WITHDRAWAL_LEAD_US: i64 = 10 * SECOND_US;
/// The most entries of a model that wait to come into force.
const MOST_AHEAD: usize = 100;

/// A price as an operator states it for a model.
#[derive(Clone, Debug)]
pub struct Stated {
    /// The model's public name.
    pub model: String,
    /// What the customer pays.
    pub price: UnitPrices,
    /// What the operator pays.
    pub cost: UnitPrices,
}

/// Who states a price.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The configuration file, at a start or when it was read again.
    Configuration,
    /// An operator, through the API.
    Operator,
    /// The command that reads a price file.
    Import,
}

impl Source {
    const ALL: [Source; 3] = [Source::Configuration, Source::Operator, Source::Import];

    /// Its word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Source::Configuration => "configuration",
            Source::Operator => "operator",
            Source::Import => "import",
        }
    }
}

/// An entry of the price book, with where it came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// The model's public name.
    pub model: String,
    /// What is in force, and from when on.
    pub entry: PriceEntry,
    /// Who stated it.
    pub source: Source,
    /// When it was stated.
    pub created_at: AtUs,
    /// When it was withdrawn; then it never comes into force.
    pub withdrawn_at: Option<AtUs>,
}

impl Version {
    /// What the operators' log says of it.
    #[must_use]
    pub fn event(&self, kind: Kind) -> Event {
        let usd = |prices: &UnitPrices| {
            let amount = |class: UsageClass| (class.name().to_owned(), prices.of(class).to_usd());
            json!(
                UsageClass::ALL
                    .map(amount)
                    .into_iter()
                    .collect::<BTreeMap<_, _>>()
            )
        };
        Event::new(kind, &self.entry.id).data(json!({
            "model": self.model,
            "effective_at": self.entry.effective_at.seconds(),
            "price": usd(&self.entry.price),
            "cost": usd(&self.entry.cost),
        }))
    }
}

/// Why the price book stays as it is.
#[derive(Debug, thiserror::Error)]
pub enum PriceError {
    /// It would have begun already.
    #[error("a price begins when it is made, or later")]
    Past,
    /// Another one begins at that very instant.
    #[error("the price {0} begins at the same instant")]
    Taken(PriceId),
    /// Too many wait.
    #[error("{MOST_AHEAD} prices of the model wait to come into force already")]
    TooMany,
    /// It is in force, was, or will be in a moment.
    #[error("the price has begun, or does so within ten seconds")]
    Begun,
    /// It was withdrawn before.
    #[error("the price was withdrawn before")]
    Withdrawn,
    /// The model has no such price.
    #[error("the model has no such price")]
    Unknown,
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A price that is to be added to the book.
#[derive(Clone, Debug)]
pub struct NewVersion {
    /// What is to be in force.
    pub stated: Stated,
    /// From when on; from now on if none.
    pub start: Option<AtUs>,
    /// Who states it.
    pub source: Source,
}

/// Makes a price the one in force from its start on. Servers hear of it.
///
/// # Errors
/// [`PriceError`]: `Past`, `Taken` or `TooMany` where a start is stated.
pub fn add(
    tx: &mut Tx<'_>,
    new: &NewVersion,
    now: AtUs,
    entropy: Entropy,
) -> Result<Version, PriceError> {
    let NewVersion {
        stated,
        start,
        source,
    } = new;
    changes::lock(tx)?;
    let valid = valid(tx, &stated.model)?;
    let (effective_at, created_at) = match *start {
        None => {
            let at = from_now_on(&valid, now);
            (at, at)
        }
        Some(start) if start < now => return Err(PriceError::Past),
        Some(start) => {
            if let Some(other) = valid.iter().find(|it| it.entry.effective_at == start) {
                return Err(PriceError::Taken(other.entry.id.clone()));
            }
            let ahead = valid.iter().filter(|it| it.entry.effective_at > now);
            if ahead.count() >= MOST_AHEAD {
                return Err(PriceError::TooMany);
            }
            (start, now)
        }
    };
    let version = Version {
        model: stated.model.clone(),
        entry: PriceEntry {
            id: PriceId::random(entropy),
            effective_at,
            price: stated.price,
            cost: stated.cost,
        },
        source: *source,
        created_at,
        withdrawn_at: None,
    };
    insert(tx, &version)?;
    changes::record(tx, ChangeKind::Model, &version.model, now)?;
    Ok(version)
}

/// When a price begins that is to be in force at once: after every other that was, also if the
/// clock stands still or went back. What is to come stays to come.
fn from_now_on(valid: &[Version], now: AtUs) -> AtUs {
    let begun = |it: &&Version| it.entry.effective_at <= it.created_at.max(now);
    let last = valid.iter().filter(begun);
    let last = last.map(|it| it.entry.effective_at).max();
    let mut at = last.map_or(now, |last| last.plus(1).max(now));
    while valid.iter().any(|it| it.entry.effective_at == at) {
        at = at.plus(1);
    }
    at
}

fn insert(tx: &mut Tx<'_>, version: &Version) -> Result<(), StoreError> {
    let entry = &version.entry;
    tx.execute_one(
        "INSERT INTO prices (id, model, effective_at_us, price, cost, source, created_at_us)
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
        &[
            entry.id.as_str().into(),
            version.model.as_str().into(),
            entry.effective_at.0.into(),
            to_text(&entry.price).into(),
            to_text(&entry.cost).into(),
            version.source.as_str().into(),
            version.created_at.0.into(),
        ],
    )
}

/// Takes in what the configuration states: in force from now on, unless it stated the same before.
/// So a file that did not change undoes nobody's price. Answers the model's history.
///
/// # Errors
/// [`StoreError`].
pub fn provision(
    tx: &mut Tx<'_>,
    stated: &Stated,
    now: AtUs,
    entropy: Entropy,
) -> Result<PriceHistory, StoreError> {
    changes::lock(tx)?;
    let valid = valid(tx, &stated.model)?;
    let mut from_file = valid.iter().rev();
    let before = from_file.find(|it| it.source == Source::Configuration);
    let is_same = |it: &Version| it.entry.price == stated.price && it.entry.cost == stated.cost;
    if !before.is_some_and(is_same) {
        let new = NewVersion {
            stated: stated.clone(),
            start: None,
            source: Source::Configuration,
        };
        add(tx, &new, now, entropy).map_err(|error| match error {
            PriceError::Store(error) => error,
            other => StoreError::Failed(other.to_string()),
        })?;
    }
    history(tx, &stated.model)
}

/// Withdraws a price that is to come: it never comes into force. Servers hear of it.
///
/// # Errors
/// [`PriceError`]: `Unknown`, `Begun` or `Withdrawn`.
pub fn withdraw(
    tx: &mut Tx<'_>,
    model: &str,
    id: &PriceId,
    now: AtUs,
) -> Result<Version, PriceError> {
    changes::lock(tx)?;
    let mut version = version(tx, model, id)?.ok_or(PriceError::Unknown)?;
    if version.withdrawn_at.is_some() {
        return Err(PriceError::Withdrawn);
    }
    if version.entry.effective_at < now.plus(WITHDRAWAL_LEAD_US) {
        return Err(PriceError::Begun);
    }
    tx.execute_one(
        "INSERT INTO price_withdrawals (price_id, withdrawn_at_us) VALUES ($1, $2)",
        &[id.as_str().into(), now.0.into()],
    )?;
    changes::record(tx, ChangeKind::Model, model, now)?;
    version.withdrawn_at = Some(now);
    Ok(version)
}

/// One entry by its id.
///
/// # Errors
/// [`StoreError`].
pub fn get(tx: &mut Tx<'_>, id: &PriceId) -> Result<Option<PriceEntry>, StoreError> {
    let found = select(tx, "WHERE p.id = $1", &[id.as_str().into()])?;
    Ok(found.into_iter().next().map(|version| version.entry))
}

/// One entry of a model.
///
/// # Errors
/// [`StoreError`].
pub fn version(tx: &mut Tx<'_>, model: &str, id: &PriceId) -> Result<Option<Version>, StoreError> {
    let named = [id.as_str().into(), model.into()];
    let found = select(tx, "WHERE p.id = $1 AND p.model = $2", &named)?;
    Ok(found.into_iter().next())
}

/// Every entry of a model, also those that were withdrawn, the first to begin first.
///
/// # Errors
/// [`StoreError`].
pub fn versions(tx: &mut Tx<'_>, model: &str) -> Result<Vec<Version>, StoreError> {
    select(tx, "WHERE p.model = $1", &[model.into()])
}

/// What is, was and will be in force of a model's prices.
///
/// # Errors
/// [`StoreError`].
pub fn history(tx: &mut Tx<'_>, model: &str) -> Result<PriceHistory, StoreError> {
    let entries = valid(tx, model)?.into_iter().map(|it| it.entry);
    Ok(PriceHistory::new(entries.collect()))
}

/// The histories of all models that have any price.
///
/// # Errors
/// [`StoreError`].
pub fn histories(tx: &mut Tx<'_>) -> Result<HashMap<String, PriceHistory>, StoreError> {
    let mut entries: HashMap<String, Vec<PriceEntry>> = HashMap::new();
    for version in select(tx, "WHERE w.price_id IS NULL", &[])? {
        entries
            .entry(version.model)
            .or_default()
            .push(version.entry);
    }
    let history = |(model, entries)| (model, PriceHistory::new(entries));
    Ok(entries.into_iter().map(history).collect())
}

/// Every entry of every model, by its id.
///
/// # Errors
/// [`StoreError`].
pub(crate) fn entries(tx: &mut Tx<'_>) -> Result<HashMap<String, PriceEntry>, StoreError> {
    let all = select(tx, "", &[])?.into_iter();
    Ok(all
        .map(|version| (version.entry.id.to_string(), version.entry))
        .collect())
}

/// A model's entries that were not withdrawn, the first to begin first.
fn valid(tx: &mut Tx<'_>, model: &str) -> Result<Vec<Version>, StoreError> {
    let condition = "WHERE p.model = $1 AND w.price_id IS NULL";
    select(tx, condition, &[model.into()])
}

fn select(tx: &mut Tx<'_>, condition: &str, params: &[Value]) -> Result<Vec<Version>, StoreError> {
    let sql = format!(
        "SELECT p.id, p.effective_at_us, p.price, p.cost, p.model, p.source, p.created_at_us,
                w.withdrawn_at_us
         FROM prices p LEFT JOIN price_withdrawals w ON w.price_id = p.id
         {condition} ORDER BY p.model, p.effective_at_us, p.id"
    );
    tx.query(&sql, params)?.iter().map(from_row).collect()
}

fn from_row(row: &Row) -> Result<Version, StoreError> {
    let word = row.text(5)?;
    let source = Source::ALL.into_iter().find(|it| it.as_str() == word);
    Ok(Version {
        entry: PriceEntry {
            id: PriceId::new(row.text(0)?),
            effective_at: AtUs(row.int(1)?),
            price: from_text(row.text(2)?)?,
            cost: from_text(row.text(3)?)?,
        },
        model: row.text(4)?.to_owned(),
        source: source
            .ok_or_else(|| StoreError::Corrupt(format!("nobody states prices as {word}")))?,
        created_at: AtUs(row.int(6)?),
        withdrawn_at: row.opt_int(7)?.map(AtUs),
    })
}

/// nano-USD per million units, in the order of the classes, with spaces between.
fn to_text(prices: &UnitPrices) -> String {
    let numbers = UsageClass::ALL.map(|class| prices.of(class).get().to_string());
    numbers.join(" ")
}

fn from_text(text: &str) -> Result<UnitPrices, StoreError> {
    let numbers: Option<Vec<Nusd>> = text
        .split(' ')
        .map(|number| number.parse().ok().map(Nusd::new))
        .collect();
    numbers
        .and_then(|numbers| <[Nusd; 9]>::try_from(numbers).ok())
        .map(UnitPrices::by_class)
        .ok_or_else(|| StoreError::Corrupt(format!("prices should be nine numbers: {text}")))
}
