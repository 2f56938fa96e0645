//! Works out every charge again: units times the pinned prices with the markup, at most the hold.
//!
//! What a record says is all that is needed, beside the price book: so also years later nobody has
//! to believe that a charge was right.

use std::collections::HashMap;

use domain::markup::Markup;
use domain::money::Nusd;
use domain::price::{PriceEntry, UnitPrices};
use domain::usage::{LineItem, Usage, UsageClass};

use super::{Check, HEED_ROWS, SHOWN};
use crate::sqlite_batch::{MOST_UNITS, TOKEN_CLASSES};
use crate::usage_reports::TOKENS;
use crate::{Row, StoreError, Tx, prices};

/// Looks at every usage record. `heed` is called now and then, and ends the walk with an error.
pub(super) fn check(
    tx: &mut Tx<'_>,
    heed: &mut dyn FnMut() -> Result<(), StoreError>,
) -> Result<Check, StoreError> {
    let book = prices::entries(tx)?;
    let sql = format!(
        "SELECT id, price_id, markup_bp, held_nusd, cost_nusd, overrun_nusd, upstream_cost_nusd,
                input_cost_nusd, cached_input_cost_nusd, output_cost_nusd, request_cost_nusd, {}
         FROM usage_records",
        TOKENS.join(", ")
    );
    let mut violations = Vec::new();
    let mut pinned = Pinned::default();
    let mut rows = 0_u64;
    tx.for_each(&sql, &[], |row| {
        if rows.is_multiple_of(HEED_ROWS) {
            heed()?;
        }
        rows += 1;
        if violations.len() < SHOWN {
            violations.extend(wrong(row, &book, &mut pinned)?);
        }
        Ok::<_, StoreError>(())
    })?;
    Ok(Check {
        name: "priced",
        claim: "each request cost what its usage comes to at the prices and the markup that it was admitted with",
        violations,
    })
}

/// The prices of the record before: as a rule, the next one has the same.
#[derive(Default)]
struct Pinned(Option<(String, i64, UnitPrices)>);

/// How a record is not what its prices make of its usage.
fn wrong(
    row: &Row,
    book: &HashMap<String, PriceEntry>,
    pinned: &mut Pinned,
) -> Result<Option<String>, StoreError> {
    let (id, price, markup) = (row.text(0)?, row.text(1)?, row.int(2)?);
    let Some(entry) = book.get(price) else {
        return Ok(Some(format!("{id}: its price {price} is in no book")));
    };
    let is_same = |it: &&(String, i64, UnitPrices)| it.0 == price && it.1 == markup;
    let prices = match pinned.0.as_ref().filter(is_same) {
        Some((_, _, prices)) => *prices,
        None => {
            let Some(markup) = Markup::new(markup) else {
                return Ok(Some(format!("{id}: {markup} basis points are no markup")));
            };
            let prices = markup.on(&entry.price);
            pinned.0 = Some((price.to_owned(), markup.basis_points().into(), prices));
            prices
        }
    };
    let mut usage = Usage::default();
    for (index, class) in (11..).zip(TOKEN_CLASSES) {
        usage[class] = row.count(index)?;
    }
    usage[UsageClass::Request] = 1;
    // Of more than is kept, nobody knows how much it was.
    if TOKEN_CLASSES
        .iter()
        .any(|class| usage[*class] >= MOST_UNITS.unsigned_abs())
    {
        return Ok(None);
    }
    let amount = |index| row.int(index).map(Nusd::new);
    let full = prices.cost(&usage);
    let cost = full.capped(amount(3)?);
    let should = [
        cost.total,
        full.total - cost.total,
        entry.cost.cost(&usage).total,
    ];
    let is = [amount(4)?, amount(5)?, amount(6)?];
    for (index, line) in (7..).zip(LineItem::ALL) {
        if amount(index)? != cost.line(line) {
            return Ok(Some(says(id, is[0], should[0])));
        }
    }
    let differs = is.into_iter().zip(should).find(|(is, should)| is != should);
    Ok(differs.map(|(is, should)| says(id, is, should)))
}

fn says(id: &str, is: Nusd, should: Nusd) -> String {
    let (is, should) = (is.get(), should.get());
    format!(
        "{id}: is {is} nUSD, should be {should} nUSD, off by {}",
        is - should
    )
}
