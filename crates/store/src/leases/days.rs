//! What the books have of limits a day: of those that dead nodes had shares of, and of all that an
//! installation brings along from SQLite.

use std::collections::{BTreeMap, HashMap};

use domain::admission::DayLimit;
use domain::id::OrganizationId;
use domain::lease::LimitId;
use domain::lease::office::rates::Part;
use domain::rate::Booked;
use domain::time::AtUs;
use serde_json::json;

use super::{rates, rows};
use crate::{StoreError, Tx, budgets, rate_limits};

/// What was used of those of these limits that are limits a day. Whoever ends an epoch has ended it
/// before: nothing of it is booked later but the ends of what it holds.
pub(super) fn read<'a>(
    tx: &mut Tx<'_>,
    limits: impl Iterator<Item = &'a LimitId>,
    now: AtUs,
) -> Result<HashMap<LimitId, Booked>, StoreError> {
    let mut of_all: BTreeMap<OrganizationId, HashMap<DayLimit, LimitId>> = BTreeMap::new();
    for id in limits {
        if let Some((organization, limit)) = DayLimit::named(id) {
            let of_one = of_all.entry(organization).or_default();
            of_one.insert(limit, id.clone());
        }
    }
    let mut books = HashMap::new();
    for (organization, mut ids) in of_all {
        let recent = rate_limits::recent(tx, &organization, now)?;
        for (limit, booked) in recent.booked(|limit| ids.contains_key(limit)) {
            if let Some(id) = ids.remove(&limit) {
                books.insert(id, booked.fine());
            }
        }
        let unused = ids.into_values().map(|id| (id, recent.nothing()));
        books.extend(unused);
    }
    Ok(books)
}

/// Makes the parts of all limits a day that something was used of, where there are none yet: an
/// installation was copied to here, in which one process counted them.
pub(crate) fn begin(tx: &mut Tx<'_>) -> Result<(), StoreError> {
    let now = rows::now(tx)?;
    for organization in budgets::limited_organizations(tx)? {
        let rules = rate_limits::of(tx, &organization)?;
        if !rules.limit_days() {
            continue;
        }
        let recent = rate_limits::recent(tx, &organization, now)?;
        let booked = recent.booked(|limit| rules.day(limit).is_some());
        let parts = booked.into_iter().filter_map(|(limit, booked)| {
            let rate = rules.day(&limit)?.fine();
            let bucket = booked.fine().bucket(rate, now);
            let part = Part { rate, bucket };
            Some(rates::part_row(&limit.name(&organization), &part))
        });
        let parts: Vec<_> = parts.collect();
        tx.execute(
            "INSERT INTO rate_parts (limit_id, units, window_us, level_high, level_low, at_us)
             SELECT limit_id, units, window_us, level_high, level_low, at_us
             FROM jsonb_to_recordset($1::text::jsonb) AS new (
                 limit_id TEXT, units BIGINT, window_us BIGINT, level_high BIGINT,
                 level_low BIGINT, at_us BIGINT)
             ON CONFLICT (limit_id) DO NOTHING",
            &[json!(parts).to_string().into()],
        )?;
    }
    Ok(())
}
