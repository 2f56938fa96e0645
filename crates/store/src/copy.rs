//! Copying an installation from SQLite into an empty PostgreSQL database.
//!
//! The source is locked and only read. Rows are copied table by table in the order of their keys,
//! some at once; how far it came is kept in the target, in the transaction that writes the rows. So
//! whoever is killed goes on where it was, and nothing is there twice. Until all of it is proved to
//! be there, no Farebox opens the target.

mod source;
mod target;

use domain::time::AtUs;
use tokio::runtime::Handle;
use tokio_postgres::types::Type;

use crate::verify::{self, Head, Report};
use crate::{DatabaseUrl, OpenError, Options, StoreError, Value};

use source::Source;
use target::Target;

/// What is to be copied, and where to.
pub struct Order {
    /// The installation; it must be on SQLite.
    pub from: Options,
    /// An empty PostgreSQL database, or one that the same copying was begun with.
    pub to: DatabaseUrl,
    /// How many rows are in memory, and in a transaction, at once.
    pub rows_at_once: usize,
}

/// How far the copying is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Some of a table's rows are there.
    Rows {
        /// The table.
        table: &'static str,
        /// Rows that are in the target.
        done: u64,
        /// All its rows.
        all: u64,
    },
    /// All rows are there, and the books are proved.
    Proving,
}

/// What was copied, and proved to be there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copied {
    /// Tables that were copied.
    pub tables: usize,
    /// Rows of all of them.
    pub rows: u64,
    /// What was proved of the books in the target.
    pub report: Report,
}

/// Why an installation was not copied.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// It is not on SQLite.
    #[error("{0} is not a SQLite database, and only those can be copied")]
    NotSqlite(DatabaseUrl),
    /// It would not go to PostgreSQL.
    #[error("{0} is not a PostgreSQL database, and only to those can be copied")]
    NotPostgres(DatabaseUrl),
    /// The source or the target cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The target has tables that are not of this copying.
    #[error(
        "the database {database} is not empty: it has the table {table}. Make a new one for Farebox, such as with `createdb`."
    )]
    NotEmpty {
        /// The target.
        database: String,
        /// One of its tables.
        table: String,
    },
    /// The copying was begun by a program with another schema.
    #[error(
        "the copying to {0} was begun by another version of Farebox. Make a new database for this one."
    )]
    OtherVersion(String),
    /// The source has a table that this program does not copy.
    #[error("the source has the table {0}, which this Farebox does not know")]
    UnknownTable(String),
    /// PostgreSQL cannot keep a text.
    #[error(
        "PostgreSQL cannot keep a text with a null character: it is in the column {column} of {table}, in the row {key}. Change it in the source."
    )]
    NullCharacter {
        /// The table.
        table: &'static str,
        /// Its column.
        column: String,
        /// The row's key.
        key: String,
    },
    /// What is in the target is not what is in the source.
    #[error(
        "the copy is not the same as the source: {0}. Copy again into a new database, and tell Farebox's makers."
    )]
    NotTheSame(String),
    /// The books do not hold in the target.
    #[error(
        "the books in the copy do not hold: {}. If `farebox ledger verify` says so of the source too, they did not hold before.",
        .0.join("; ")
    )]
    NotProved(Vec<String>),
    /// A read or a write failed.
    #[error("{0}. Run it again: it goes on where it was.")]
    Store(#[from] StoreError),
}

/// Every table that is copied, those first that others refer to.
const TABLES: &[&str] = &[
    "counters",
    "nodes",
    "change_log",
    "organizations",
    "users",
    "members",
    "projects",
    "project_members",
    "groups",
    "group_members",
    "roles",
    "role_assignments",
    "service_accounts",
    "keys",
    "retired_secrets",
    "sessions",
    "signups",
    "identities",
    "sso_attempts",
    "codes",
    "password_resets",
    "totp",
    "totp_enrolments",
    "passkeys",
    "passkey_challenges",
    "recovery_codes",
    "pending_sign_ins",
    "trial_credits",
    "payments",
    "payment_customers",
    "payment_methods",
    "payment_events",
    "unmatched_payments",
    "payment_refunds",
    "payment_disputes",
    "payment_reconciliations",
    "payment_differences",
    "auto_recharges",
    "recharges",
    "test_payments",
    "throttles",
    "prices",
    "price_withdrawals",
    "markups",
    "markup_ends",
    "redeem_batches",
    "redeem_codes",
    "redeem_uses",
    "disabled_models",
    "accounts",
    "batches",
    "transfers",
    "credit_lots",
    "credit_watermarks",
    "overdraft_changes",
    "purchases",
    "purchase_refunds",
    "purchase_disputes",
    "holds",
    "usage_records",
    "usage_hours",
    "usage_days",
    "usage_user_days",
    "refused_requests",
    "refusal_counts",
    "prompt_logging",
    "kept_prompts",
    "upstream_days",
    "upstream_costs",
    "upstream_drifts",
    "idempotent_requests",
    "budgets",
    "budget_events",
    "rate_limits",
    "alerts",
    "alert_mails",
    "low_balances",
    "sign_in_places",
    "webhook_endpoints",
    "webhook_deliveries",
    "webhook_attempts",
    "billing_profiles",
    "seller",
    "receipt_series",
    "receipts",
    "jobs",
    "outbox",
    "outbox_attachments",
    "settings",
    "verifications",
    "audit_log",
    "model_permissions",
    "invites",
];
/// The most rows at once of a table whose rows may be large.
const LARGE_ROWS: usize = 16;
/// Every table that is not copied: the target has its own, or they are empty in the source.
const NOT_COPIED: &[&str] = &["migrations", "pots", "leases", "rate_parts", "rate_shares"];

/// A table of both databases.
struct Table {
    name: &'static str,
    columns: Vec<Column>,
    /// Which of the columns are its key, in the order of the key.
    key: Vec<usize>,
}

struct Column {
    name: String,
    kind: Type,
}

impl Table {
    fn column_names(&self) -> String {
        let names: Vec<&str> = self.columns.iter().map(|column| &*column.name).collect();
        names.join(", ")
    }

    fn rows_at_once(&self, most: usize) -> usize {
        let is_large = |column: &Column| column.kind == Type::BYTEA;
        match self.columns.iter().any(is_large) {
            true => most.min(LARGE_ROWS),
            false => most,
        }
    }

    fn key_of(&self, row: &[Value]) -> Vec<Value> {
        self.key.iter().map(|index| row[*index].clone()).collect()
    }
}

/// Copies, from where it was left if it was begun before, and proves the copy.
///
/// # Errors
/// [`CopyError`]; the source is as it was, but for requests that a server left undecided.
pub async fn copy(
    order: Order,
    progress: impl FnMut(Progress) + Send + 'static,
) -> Result<Copied, CopyError> {
    let path = match &order.from.url {
        DatabaseUrl::Sqlite(path) => path.clone(),
        other => return Err(CopyError::NotSqlite(other.clone())),
    };
    let DatabaseUrl::Postgres(to) = order.to.clone() else {
        return Err(CopyError::NotPostgres(order.to));
    };
    let now = (order.from.clock)();
    let source = off_the_runtime(move || Source::open(&path, now)).await?;
    let target = Target::open(&to).await?;
    let run = Run {
        source,
        target,
        rows_at_once: order.rows_at_once,
        progress,
    };
    off_the_runtime(move || run.finish(now)).await
}

/// A copying under way.
struct Run<P> {
    source: Source,
    target: Target,
    rows_at_once: usize,
    progress: P,
}

impl<P: FnMut(Progress)> Run<P> {
    fn finish(mut self, now: AtUs) -> Result<Copied, CopyError> {
        let tables = self.source.tables()?;
        self.target
            .begin(&tables, &self.source.fingerprint()?, now)?;
        let mut rows = 0;
        for table in &tables {
            rows += self.copy_table(table)?;
        }
        (self.progress)(Progress::Proving);
        let report = self.prove(&tables)?;
        self.target.finish()?;
        Ok(Copied {
            tables: tables.len(),
            rows,
            report,
        })
    }

    /// Copies what is missing of a table; answers how many rows it has.
    fn copy_table(&mut self, table: &Table) -> Result<u64, CopyError> {
        let all = self.source.rows(table)?;
        let (mut done, mut last_key) = self.target.reached(table)?;
        let at_once = table.rows_at_once(self.rows_at_once);
        loop {
            (self.progress)(Progress::Rows {
                table: table.name,
                done,
                all,
            });
            let page = self.source.page(table, last_key.as_deref(), at_once)?;
            let Some(last) = page.last() else {
                return Ok(done);
            };
            let key = table.key_of(&last.0);
            done += page.len() as u64;
            self.target.append(table, &page, done, &key)?;
            last_key = Some(key);
        }
    }

    /// Proves that the target has the same rows, the same history, and books that hold.
    fn prove(&mut self, tables: &[Table]) -> Result<Report, CopyError> {
        self.target.analyze()?;
        for table in tables {
            let (is, should) = (self.target.rows(table)?, self.source.rows(table)?);
            if is != should {
                let name = table.name;
                let wrong = format!("{name} has {is} rows, should have {should}");
                return Err(CopyError::NotTheSame(wrong));
            }
        }
        let report = self.target.verify()?;
        if !report.holds() {
            let line = |check: &verify::Check| {
                let first = check.violations.first()?;
                Some(format!("{}: {first}", check.name))
            };
            return Err(CopyError::NotProved(
                report.checks.iter().filter_map(line).collect(),
            ));
        }
        let sorted = |mut heads: Vec<Head>| {
            heads.sort_by(|a, b| a.chain.cmp(&b.chain));
            heads
        };
        if sorted(report.heads.clone()) != sorted(self.source.heads()?) {
            return Err(CopyError::NotTheSame("a chain ends elsewhere".into()));
        }
        Ok(report)
    }
}

async fn off_the_runtime<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    Handle::current()
        .spawn_blocking(work)
        .await
        .unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use tokio::runtime::Runtime;

    use super::*;
    use crate::Role;
    use crate::commit::tests::open;

    #[test]
    fn every_table_of_both_databases_is_copied_or_said_not_to_be() {
        let runtime = Runtime::new().expect("a runtime");
        let known: BTreeSet<&str> = TABLES.iter().chain(NOT_COPIED).copied().collect();
        for database in runtime.block_on(testkit::databases()) {
            let sql = match database.name {
                "sqlite" => source::TABLE_NAMES,
                _ => target::TABLE_NAMES,
            };
            let store = runtime.block_on(open(&database, Role::Server));
            let rows = runtime.block_on(store.read(|tx| tx.query(sql, &[])));
            let rows = rows.map_err(|error: StoreError| error).expect("it is read");
            let found = rows.iter().map(|row| row.text(0).expect("a name"));
            assert_eq!(found.collect::<BTreeSet<_>>(), known, "{}", database.name);
        }
    }
}
