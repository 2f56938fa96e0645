//! Committing a batch to SQLite: a transaction of prepared statements, sums folded in memory.

use std::collections::HashMap;
use std::fs::File;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use domain::id::{OrganizationId, ProjectId};
use domain::ledger::{Account, Transfer};
use domain::money::Nusd;
use domain::time::{AtUs, DAY_US, HOUR_US};
use domain::usage::{LineItem, UsageClass};
use rusqlite::{CachedStatement, Connection, OptionalExtension, params};

use crate::ballast::Room;
use crate::batch::{Batch, Settlement, Writer};
use crate::chain::{self, Head, Linking};
use crate::commit::{Balances, CommitError, Committer};
use crate::idempotency::Kept;
use crate::tx::Engine;
use crate::usage_reports::SUMS;
use crate::{StoreError, Tx, sqlite};

/// After this many rows the log is folded into the file, off the path of any request.
const CHECKPOINT_ROWS: usize = 16_384;

/// A log that is longer than this after folding, 1 GiB, is worth a word.
const LONG_LOG_PAGES: i64 = 262_144;

/// The classes that have columns, in the order of the columns.
pub(crate) const TOKEN_CLASSES: [UsageClass; 8] = [
    UsageClass::FreshInput,
    UsageClass::CachedInput,
    UsageClass::CacheWrite,
    UsageClass::Output,
    UsageClass::Reasoning,
    UsageClass::AudioInput,
    UsageClass::AudioOutput,
    UsageClass::Image,
];

pub(crate) struct SqliteCommitter {
    connection: Connection,
    /// Where the writer's chain stands; unknown before the first commit, and after one that failed.
    head: Option<Head>,
    rows_since_checkpoint: usize,
    room: Room,
    /// Given back when nothing can be written any more, not before.
    lock: Option<File>,
}

#[derive(Default)]
struct Sums {
    accounts: HashMap<String, (Nusd, Nusd, Nusd)>,
    hours: HashMap<Place, UsageSums>,
    days: HashMap<Place, UsageSums>,
    upstreams: HashMap<UpstreamDay, UsageSums>,
}

/// The primary key of a row of sums.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Place {
    organization: OrganizationId,
    at_us: i64,
    project: ProjectId,
    /// An hour's key, or the person of a person's day.
    whose: Option<Arc<str>>,
    model: Arc<str>,
    endpoint: &'static str,
}

/// The primary key of an upstream's day, behind the writer's chain.
#[derive(PartialEq, Eq, Hash)]
struct UpstreamDay {
    at_us: i64,
    upstream: Arc<str>,
    model: Arc<str>,
}

/// What stands in the columns of [`SUMS`].
type UsageSums = [i64; SUMS.len()];

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
    pub(crate) fn new(connection: Connection, lock: Option<File>, room: Room) -> Self {
        SqliteCommitter {
            connection,
            head: None,
            rows_since_checkpoint: 0,
            room,
            lock,
        }
    }

    /// The connection and the lock, for what comes after the last batch.
    pub(crate) fn into_parts(self) -> (Connection, Option<File>) {
        (self.connection, self.lock)
    }

    /// Writes the batch, and answers where the chain then stands.
    fn write(&mut self, batch: &Batch, writer: &Writer) -> Result<Head, StoreError> {
        let chain = chain::of_node(writer);
        let head = match self.head.take() {
            Some(head) => head,
            None => chain::head(&mut Tx::on(Engine::Sqlite(&self.connection)), &chain)?,
        };
        let mut linking = Linking::after(&head, chain);
        let mut sums = Sums::default();
        self.write_holds(batch, writer, &mut sums)?;
        self.write_progress(batch, &mut sums)?;
        self.end_holds(batch, &mut sums)?;
        self.write_settlements(batch, writer, &mut linking, &mut sums)?;
        self.move_accounts(&sums)?;
        self.fold_usage(&sums)?;
        self.fold_upstreams(&sums, &chain::of_node(writer))?;
        if batch.has_keys() {
            self.keep_answers(batch)?;
            self.give_back_keys(batch)?;
        }
        let link = linking.finish();
        if link.is_empty() {
            return Ok(head);
        }
        chain::append(&mut Tx::on(Engine::Sqlite(&self.connection)), &link)?;
        Ok(link.into_head())
    }

    fn write_holds(
        &self,
        batch: &Batch,
        writer: &Writer,
        sums: &mut Sums,
    ) -> Result<(), StoreError> {
        let mut insert = self.connection.prepare_cached(
            "INSERT INTO holds VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13,
                 '[]', ?14)
             ON CONFLICT (id) DO NOTHING",
        )?;
        for new in &batch.holds {
            let hold = &new.hold;
            let inserted = insert.execute(params![
                hold.id.to_string(),
                hold.organization.as_str(),
                hold.project.as_str(),
                hold.key.as_str(),
                &*hold.model,
                hold.endpoint,
                writer.node,
                writer.epoch,
                new.amount.get(),
                hold.price_id.as_str(),
                hold.admitted_at.0,
                count(new.seen.input_tokens),
                count(new.seen.output_tokens),
                hold.markup.basis_points(),
            ])?;
            if inserted == 1 {
                sums.wallet(hold.organization.as_str()).2 += new.amount;
            }
        }
        Ok(())
    }

    // What a row says is asked for by itself: for RETURNING, SQLite makes a table in memory each
    // time.

    fn write_progress(&self, batch: &Batch, sums: &mut Sums) -> Result<(), StoreError> {
        let mut select = self
            .connection
            .prepare_cached("SELECT organization_id FROM holds WHERE id = ?1")?;
        let mut update = self.connection.prepare_cached(
            "UPDATE holds SET seen_input_tokens = MAX(seen_input_tokens, ?2),
                 seen_output_tokens = MAX(seen_output_tokens, ?3), amount_nusd = amount_nusd + ?4
             WHERE id = ?1",
        )?;
        for (id, progress) in &batch.progress {
            let (id, seen) = (id.to_string(), progress.seen);
            let of = |row: &rusqlite::Row<'_>| row.get::<_, String>(0);
            let Some(organization) = select.query_row([&id], of).optional()? else {
                continue;
            };
            let (input, output) = (count(seen.input_tokens), count(seen.output_tokens));
            update.execute(params![id, input, output, progress.more.get()])?;
            sums.wallet(&organization).2 += progress.more;
        }
        Ok(())
    }

    fn end_holds(&self, batch: &Batch, sums: &mut Sums) -> Result<(), StoreError> {
        let mut select = self
            .connection
            .prepare_cached("SELECT organization_id, amount_nusd FROM holds WHERE id = ?1")?;
        let mut delete = self
            .connection
            .prepare_cached("DELETE FROM holds WHERE id = ?1")?;
        for id in &batch.ended {
            let id = id.to_string();
            let of = |row: &rusqlite::Row<'_>| {
                let organization: String = row.get(0)?;
                sums.wallet(&organization).2 -= Nusd::new(row.get(1)?);
                Ok(())
            };
            if select.query_row([&id], of).optional()?.is_some() {
                delete.execute([&id])?;
            }
        }
        Ok(())
    }

    fn write_settlements(
        &self,
        batch: &Batch,
        writer: &Writer,
        linking: &mut Linking,
        sums: &mut Sums,
    ) -> Result<(), StoreError> {
        let mut usage = self.connection.prepare_cached(
            "INSERT INTO usage_records VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12,
                 ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23, ?24, ?25, ?26, ?27, ?28, ?29,
                 ?30)
             ON CONFLICT (organization_id, id) DO NOTHING",
        )?;
        let mut transfers = self.connection.prepare_cached(
            "INSERT INTO transfers VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, '', '', ?8, ?9, ?10, ?11, ?12)
             ON CONFLICT (organization_id, id) DO NOTHING",
        )?;
        let mut wallets = Wallets::of(&self.connection)?;
        for settlement in &batch.settlements {
            if insert_usage(&mut usage, settlement, linking.place())? == 0 {
                continue;
            }
            linking.usage_record(settlement);
            sums.fold_usage(settlement);
            for transfer in settlement.transfers(writer) {
                let (debit, credit) = (transfer.debit.to_string(), transfer.credit.to_string());
                let (chain, seq) = linking.place();
                let (debits, credits) = wallets.after(&transfer, &debit)?.unzip();
                transfers.execute(params![
                    transfer.organization.as_str(),
                    transfer.id,
                    debit,
                    credit,
                    transfer.amount.get(),
                    transfer.code.as_str(),
                    transfer.request.map(|id| id.to_string()),
                    transfer.at.0,
                    chain,
                    seq,
                    debits,
                    credits,
                ])?;
                linking.transfer(&transfer);
                sums.account(&debit).0 += transfer.amount;
                sums.account(&credit).1 += transfer.amount;
            }
        }
        Ok(())
    }

    /// Keeps nothing on a disk that is short of room: the ballast's is for money. A key whose row
    /// went on to another request is that one's.
    fn keep_answers(&self, batch: &Batch) -> Result<(), StoreError> {
        if self.shortage().is_some() {
            return Ok(());
        }
        let mut update = self.connection.prepare_cached(
            "UPDATE idempotent_requests SET content_type = ?5, answer = ?6
             WHERE organization_id = ?1 AND project_id = ?2 AND key_digest = ?3 AND request_id = ?4",
        )?;
        for Kept { claim, answer } in batch.kept() {
            update.execute(params![
                claim.organization.as_str(),
                claim.project.as_str(),
                claim.key.to_hex(),
                claim.request.to_string(),
                answer.content_type,
                &*answer.body,
            ])?;
        }
        Ok(())
    }

    fn give_back_keys(&self, batch: &Batch) -> Result<(), StoreError> {
        let mut delete = self.connection.prepare_cached(
            "DELETE FROM idempotent_requests
             WHERE organization_id = ?1 AND project_id = ?2 AND key_digest = ?3 AND request_id = ?4",
        )?;
        for claim in &batch.unclaimed {
            delete.execute(params![
                claim.organization.as_str(),
                claim.project.as_str(),
                claim.key.to_hex(),
                claim.request.to_string(),
            ])?;
        }
        Ok(())
    }

    fn move_accounts(&self, sums: &Sums) -> Result<(), StoreError> {
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

    fn fold_usage(&self, sums: &Sums) -> Result<(), StoreError> {
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

    fn fold_upstreams(&self, sums: &Sums, chain: &str) -> Result<(), StoreError> {
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

    fn try_commit(&mut self, batch: &Batch, writer: &Writer) -> Result<(), StoreError> {
        let outcome = self
            .connection
            .execute_batch("BEGIN IMMEDIATE")
            .map_err(StoreError::from)
            .and_then(|()| self.write(batch, writer))
            .and_then(|head| {
                self.connection.execute_batch("COMMIT")?;
                self.head = Some(head);
                Ok(())
            });
        // A full disk already rolled back by itself; anything else is rolled back here.
        if outcome.is_err() && !self.connection.is_autocommit() {
            self.connection.execute_batch("ROLLBACK")?;
        }
        outcome
    }

    /// Folds the write-ahead log into the file, as far as no read still needs it.
    ///
    /// A log that cannot be folded keeps what the file lacks, and the next time does it. Not so if
    /// the disk fails: what was written to the file and not flushed, the operating system may have
    /// given up, and SQLite would not write it again. Only whoever opens the file anew does.
    fn fold_log(&mut self) -> Result<(), CommitError> {
        let folding = self
            .connection
            .query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |row| {
                Ok((row.get::<_, i64>(1)?, row.get::<_, i64>(2)?))
            });
        match folding.map_err(StoreError::from) {
            Ok((pages, folded)) => {
                if pages - folded > LONG_LOG_PAGES {
                    tracing::warn!(
                        pages,
                        folded,
                        "a long read keeps the write-ahead log growing"
                    );
                }
                Ok(())
            }
            Err(error @ (StoreError::Full(_) | StoreError::Unavailable(_))) => {
                tracing::warn!(%error, "the write-ahead log was not folded into the database");
                Ok(())
            }
            Err(error) => {
                let reason = format!("the write-ahead log cannot be folded: {error}");
                Err(CommitError::Poison(reason))
            }
        }
    }
}

impl Committer for SqliteCommitter {
    fn commit(&mut self, batch: &Batch, writer: &Writer) -> Result<Balances, CommitError> {
        let mut outcome = self.try_commit(batch, writer);
        if matches!(outcome, Err(StoreError::Full(_))) && self.room.give_up_ballast() {
            outcome = self.try_commit(batch, writer);
        }
        self.rows_since_checkpoint += batch.rows();
        outcome?;
        // Only this process spends here, and knows what is left.
        Ok(Balances::default())
    }

    fn idle(&mut self) -> Result<(), CommitError> {
        self.room.restore_ballast();
        // A log that is folded is written again from its beginning, which takes no more room.
        if self.rows_since_checkpoint >= CHECKPOINT_ROWS || self.shortage().is_some() {
            self.rows_since_checkpoint = 0;
            self.fold_log()?;
        }
        Ok(())
    }

    fn end(&mut self, sound: bool) {
        let ended = match sound {
            // The file alone holds everything then, as whoever copies it expects.
            true if self.lock.is_some() => {
                self.connection.busy_timeout(Duration::ZERO).and_then(|()| {
                    let sql = "PRAGMA wal_checkpoint(TRUNCATE)";
                    self.connection.query_row(sql, [], |_| Ok(()))
                })
            }
            true => Ok(()),
            // Whoever opens it next folds the log from its beginning.
            false => sqlite::leave_log(&self.connection),
        };
        if let Err(error) = ended {
            tracing::warn!(%error, "the write-ahead log stays beside the database");
        }
    }

    fn shortage(&self) -> Option<&str> {
        self.room.shortage()
    }

    fn connection(&mut self) -> Option<&mut Connection> {
        Some(&mut self.connection)
    }
}

fn insert_usage(
    statement: &mut CachedStatement<'_>,
    settlement: &Settlement,
    (chain, seq): (&str, i64),
) -> Result<usize, StoreError> {
    let (hold, usage) = (&settlement.hold, &settlement.usage);
    let cost = settlement.charge.cost;
    Ok(statement.execute(params![
        hold.organization.as_str(),
        hold.id.to_string(),
        hold.project.as_str(),
        hold.key.as_str(),
        &*hold.model,
        &*settlement.upstream,
        hold.endpoint,
        hold.admitted_at.0,
        settlement.ended_at.0,
        count(usage[UsageClass::FreshInput]),
        count(usage[UsageClass::CachedInput]),
        count(usage[UsageClass::CacheWrite]),
        count(usage[UsageClass::Output]),
        count(usage[UsageClass::Reasoning]),
        count(usage[UsageClass::AudioInput]),
        count(usage[UsageClass::AudioOutput]),
        count(usage[UsageClass::Image]),
        hold.amount.get(),
        cost.total.get(),
        cost.line(LineItem::Input).get(),
        cost.line(LineItem::CachedInput).get(),
        cost.line(LineItem::Output).get(),
        cost.line(LineItem::Request).get(),
        settlement.charge.overrun.get(),
        settlement.charge.upstream_cost.get(),
        hold.price_id.as_str(),
        hold.markup.basis_points(),
        settlement.flags.to_bits(),
        chain,
        seq,
    ])?)
}

/// No request uses a trillion units: an upstream that reports more is wrong, and must not make the
/// sums of an hour overflow.
pub(crate) const MOST_UNITS: i64 = 1_000_000_000_000;

/// A count as it is kept.
pub(crate) fn count(units: u64) -> i64 {
    i64::try_from(units).unwrap_or(MOST_UNITS).min(MOST_UNITS)
}

/// Where each wallet stands, with what the batch moved so far.
struct Wallets<'a> {
    select: CachedStatement<'a>,
    /// Debits and credits, in nUSD.
    sums: HashMap<String, (i64, i64)>,
}

impl<'a> Wallets<'a> {
    fn of(connection: &'a Connection) -> Result<Self, StoreError> {
        let sql = "SELECT debits_nusd, credits_nusd FROM accounts WHERE id = ?1";
        Ok(Wallets {
            select: connection.prepare_cached(sql)?,
            sums: HashMap::new(),
        })
    }

    /// What was ever taken from a wallet and added to it with this transfer, if it takes from one:
    /// usage moves money in no other way.
    fn after(
        &mut self,
        transfer: &Transfer,
        debit: &str,
    ) -> Result<Option<(i64, i64)>, StoreError> {
        if !matches!(transfer.debit, Account::Wallet(_)) {
            return Ok(None);
        }
        if !self.sums.contains_key(debit) {
            let read = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?));
            // One that is not there stops the batch when its accounts are moved.
            let stands = self.select.query_row([debit], read).optional()?;
            self.sums
                .insert(debit.to_owned(), stands.unwrap_or_default());
        }
        Ok(self.sums.get_mut(debit).map(|sums| {
            sums.0 = sums.0.saturating_add(transfer.amount.get());
            *sums
        }))
    }
}

impl Sums {
    fn account(&mut self, account: &str) -> &mut (Nusd, Nusd, Nusd) {
        if !self.accounts.contains_key(account) {
            self.accounts.insert(account.to_owned(), Default::default());
        }
        self.accounts.get_mut(account).expect("inserted above")
    }

    fn wallet(&mut self, organization: &str) -> &mut (Nusd, Nusd, Nusd) {
        self.account(&format!("wallet:{organization}"))
    }

    fn fold_usage(&mut self, settlement: &Settlement) {
        let hold = &settlement.hold;
        let hour = Place {
            organization: hold.organization.clone(),
            at_us: hold.admitted_at.floor(HOUR_US).0,
            project: hold.project.clone(),
            whose: Some(hold.key.as_str().into()),
            model: Arc::clone(&hold.model),
            endpoint: hold.endpoint,
        };
        let day = Place {
            at_us: hold.admitted_at.floor(DAY_US).0,
            whose: None,
            ..hour.clone()
        };
        let usage = TOKEN_CLASSES.map(|class| count(settlement.usage[class]));
        let cost = settlement.charge.cost;
        let lines = LineItem::ALL.map(|item| cost.line(item).get());
        let rest = [settlement.charge.upstream_cost.get()];
        let parts = [1]
            .into_iter()
            .chain(usage)
            .chain([cost.total.get()])
            .chain(lines)
            .chain(rest);
        let upstream = UpstreamDay {
            at_us: day.at_us,
            upstream: Arc::clone(&settlement.upstream),
            model: Arc::clone(&hold.model),
        };
        let hour = self.hours.entry(hour).or_default();
        let day = self.days.entry(day).or_default();
        let upstream = self.upstreams.entry(upstream).or_default();
        for (((hour, day), upstream), part) in hour.iter_mut().zip(day).zip(upstream).zip(parts) {
            *hour += part;
            *day += part;
            *upstream += part;
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::runtime::Runtime;

    use super::*;
    use crate::batch::Op;
    use crate::batch::tests::hold;
    use crate::commit::tests::{make, sqlite_committer, writer};

    #[test]
    fn a_disk_that_fails_while_the_log_is_folded_gets_no_more_money() {
        let runtime = Runtime::new().expect("a runtime");
        let database = testkit::databases::sqlite();
        let _store = runtime.block_on(make(&database, 1_000));
        let mut committer = sqlite_committer(&database);
        let batch = Batch::gather([Op::Hold(hold(1, 10))]);
        committer.commit(&batch, &writer()).expect("committed");
        let log = database.url.strip_prefix("sqlite://").expect("a file");
        let log = format!("{log}-wal");
        let pages = std::fs::read(&log).expect("there is a log");
        assert!(!pages.is_empty());
        let mut fold = || {
            committer.rows_since_checkpoint = CHECKPOINT_ROWS;
            committer.idle()
        };
        // A page that cannot be read is to SQLite what a page is that cannot be written.
        File::create(&log).expect("it is emptied");
        let Err(CommitError::Poison(reason)) = fold() else {
            panic!("nothing may be committed any more");
        };
        assert!(reason.contains("disk I/O error"), "{reason}");
        std::fs::write(&log, pages).expect("it is whole again");
        assert_eq!(fold(), Ok(()));
    }
}
