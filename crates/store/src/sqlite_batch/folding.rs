//! Adds a batch's sums to the rows that hold them: accounts, and what reports read.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use domain::time::{AtUs, DAY_US};
use rusqlite::{OptionalExtension, params};

use super::SqliteCommitter;
use super::sums::{Place, Sums, UsageSums};
use crate::StoreError;
use crate::usage_reports::SUMS;

/// The parameter of a place's `whose`: behind the rest of its place and its sums.
const WHOSE_PARAMETER: usize = 21;

static ADD_HOUR: LazyLock<String> = LazyLock::new(|| {
    let place = "organization_id, hour_at_us, project_id, model, endpoint";
    adding("usage_hours", place, Some("key_id"))
});
static ADD_DAY: LazyLock<String> = LazyLock::new(|| {
    let place = "organization_id, day_at_us, project_id, model, endpoint";
    adding("usage_days", place, None)
});
static ADD_USER_DAY: LazyLock<String> = LazyLock::new(|| {
    let place = "organization_id, day_at_us, project_id, model, endpoint";
    adding("usage_user_days", place, Some("user_id"))
});
static ADD_UPSTREAM_DAY: LazyLock<String> = LazyLock::new(|| {
    adding(
        "upstream_days",
        "chain, day_at_us, upstream_id, model",
        None,
    )
});

/// What adds sums to those of a place: its parameters come first, then the sums', then `whose`.
fn adding(table: &str, place: &str, whose: Option<&str>) -> String {
    let whose = whose.map_or(String::new(), |column| format!(", {column}"));
    let first = place.split(',').count() + 1;
    let values: Vec<String> = (1..first + SUMS.len())
        .map(|index| format!("?{index}"))
        .collect();
    let whose_value = if whose.is_empty() { "" } else { ", ?21" };
    let add = |(index, column): (usize, &&str)| format!("{column} = {column} + ?{index}");
    let added: Vec<String> = (first..).zip(&SUMS).map(add).collect();
    format!(
        "INSERT INTO {table} ({place}, {sums}{whose}) VALUES ({values}{whose_value})
         ON CONFLICT ({place}{whose}) DO UPDATE SET {added}",
        sums = SUMS.join(", "),
        values = values.join(", "),
        added = added.join(", "),
    )
}

impl SqliteCommitter {
    pub(super) fn move_accounts(&self, sums: &Sums) -> Result<(), StoreError> {
        let mut update = self.connection.prepare_cached(
            "UPDATE accounts SET debits_nusd = debits_nusd + ?2,
                 credits_nusd = credits_nusd + ?3, held_nusd = held_nusd + ?4,
                 has_moved = CASE WHEN ?2 + ?3 > 0 THEN 1 ELSE has_moved END WHERE id = ?1",
        )?;
        let mut insert = self.connection.prepare_cached(
            "INSERT INTO accounts (id, overdraft, debits_nusd, credits_nusd, held_nusd)
             VALUES (?1, 1, ?2, ?3, ?4)",
        )?;
        for (account, (debits, credits, held)) in &sums.accounts {
            let moved = params![account, debits.get(), credits.get(), held.get()];
            if update.execute(moved)? == 1 {
                continue;
            }
            // Accounts of the house open with their first transfer; a wallet must exist.
            if account.starts_with("wallet:") {
                return Err(StoreError::Failed(format!("there is no account {account}")));
            }
            insert.execute(params![account, debits.get(), credits.get(), held.get()])?;
        }
        Ok(())
    }

    pub(super) fn fold_usage(&self, sums: &Sums) -> Result<(), StoreError> {
        let user_days = self.by_user(&sums.hours)?;
        for (sql, usage) in [
            (&*ADD_HOUR, &sums.hours),
            (&*ADD_DAY, &sums.days),
            (&*ADD_USER_DAY, &user_days),
        ] {
            let mut upsert = self.connection.prepare_cached(sql)?;
            for (place, sums) in usage {
                upsert.raw_bind_parameter(1, place.organization.as_str())?;
                upsert.raw_bind_parameter(2, place.at_us)?;
                upsert.raw_bind_parameter(3, place.project.as_str())?;
                upsert.raw_bind_parameter(4, &*place.model)?;
                upsert.raw_bind_parameter(5, place.endpoint)?;
                for (index, sum) in (6..).zip(sums) {
                    upsert.raw_bind_parameter(index, sum)?;
                }
                if let Some(whose) = &place.whose {
                    upsert.raw_bind_parameter(WHOSE_PARAMETER, &**whose)?;
                }
                upsert.raw_execute()?;
            }
        }
        Ok(())
    }

    pub(super) fn fold_upstreams(&self, sums: &Sums, chain: &str) -> Result<(), StoreError> {
        let mut upsert = self.connection.prepare_cached(&ADD_UPSTREAM_DAY)?;
        for (place, sums) in &sums.upstreams {
            upsert.raw_bind_parameter(1, chain)?;
            upsert.raw_bind_parameter(2, place.at_us)?;
            upsert.raw_bind_parameter(3, &*place.upstream)?;
            upsert.raw_bind_parameter(4, &*place.model)?;
            for (index, sum) in (5..).zip(sums) {
                upsert.raw_bind_parameter(index, sum)?;
            }
            upsert.raw_execute()?;
        }
        Ok(())
    }

    /// The sums of hours by day and whose key it was: nobody's (empty) if a service account's.
    fn by_user(
        &self,
        hours: &HashMap<Place, UsageSums>,
    ) -> Result<HashMap<Place, UsageSums>, StoreError> {
        let mut select = self
            .connection
            .prepare_cached("SELECT user_id FROM keys WHERE id = ?1")?;
        let mut owners: HashMap<&str, Arc<str>> = HashMap::new();
        let mut days: HashMap<Place, UsageSums> = HashMap::new();
        for (hour, sums) in hours {
            let key = hour.whose.as_deref().unwrap_or_default();
            let owner = match owners.get(key) {
                Some(owner) => Arc::clone(owner),
                None => {
                    let of = |row: &rusqlite::Row<'_>| row.get::<_, Option<String>>(0);
                    let user = select.query_row([key], of).optional()?.flatten();
                    let owner: Arc<str> = user.unwrap_or_default().into();
                    owners.insert(key, Arc::clone(&owner));
                    owner
                }
            };
            let place = Place {
                at_us: AtUs(hour.at_us).floor(DAY_US).0,
                whose: Some(owner),
                ..hour.clone()
            };
            let day = days.entry(place).or_default();
            for (day, part) in day.iter_mut().zip(sums) {
                *day += part;
            }
        }
        Ok(days)
    }
}
