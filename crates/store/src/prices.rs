//! The price book: entries that are never changed, only followed by later ones.

use domain::Entropy;
use domain::id::PriceId;
use domain::money::Nusd;
use domain::price::{PriceEntry, PriceHistory, UnitPrices};
use domain::time::AtUs;
use domain::usage::UsageClass;

use crate::{StoreError, Tx};

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

/// Makes a stated price the one in force from now on, unless it already is, and answers the
/// model's history.
///
/// # Errors
/// [`StoreError`].
pub fn provision(
    tx: &mut Tx<'_>,
    stated: &Stated,
    now: AtUs,
    entropy: Entropy,
) -> Result<PriceHistory, StoreError> {
    let mut entries = of_model(tx, &stated.model)?;
    let in_force = PriceHistory::new(entries.clone());
    let same = in_force
        .in_force(now)
        .is_some_and(|entry| entry.price == stated.price && entry.cost == stated.cost);
    if !same {
        // After every other, also if the clock stands still or went back.
        let after = entries.last().map(|last| last.effective_at.plus(1));
        let effective_at = after.map_or(now, |after| after.max(now));
        let entry = PriceEntry {
            id: PriceId::random(entropy),
            effective_at,
            price: stated.price,
            cost: stated.cost,
        };
        tx.execute_one(
            "INSERT INTO prices (id, model, effective_at_us, price, cost)
             VALUES ($1, $2, $3, $4, $5)",
            &[
                entry.id.as_str().into(),
                stated.model.as_str().into(),
                effective_at.0.into(),
                to_text(&entry.price).into(),
                to_text(&entry.cost).into(),
            ],
        )?;
        entries.push(entry);
    }
    Ok(PriceHistory::new(entries))
}

/// One entry by its id.
///
/// # Errors
/// [`StoreError`].
pub fn get(tx: &mut Tx<'_>, id: &PriceId) -> Result<Option<PriceEntry>, StoreError> {
    let sql = "SELECT id, effective_at_us, price, cost FROM prices WHERE id = $1";
    tx.query_optional(sql, &[id.as_str().into()])?
        .map(|row| from_row(&row))
        .transpose()
}

fn of_model(tx: &mut Tx<'_>, model: &str) -> Result<Vec<PriceEntry>, StoreError> {
    let sql = "SELECT id, effective_at_us, price, cost FROM prices WHERE model = $1
               ORDER BY effective_at_us";
    tx.query(sql, &[model.into()])?
        .iter()
        .map(from_row)
        .collect()
}

fn from_row(row: &crate::Row) -> Result<PriceEntry, StoreError> {
    Ok(PriceEntry {
        id: PriceId::new(row.text(0)?),
        effective_at: AtUs(row.int(1)?),
        price: from_text(row.text(2)?)?,
        cost: from_text(row.text(3)?)?,
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
