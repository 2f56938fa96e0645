//! Brings a database to this program's schema: forward only, each step one transaction.

use crate::{OpenError, Tx};

/// A step: its text for SQLite and for PostgreSQL. They make the same tables.
struct Migration {
    sqlite: &'static str,
    postgres: &'static str,
}

const MIGRATIONS: &[Migration] = &[Migration {
    sqlite: include_str!("../migrations/sqlite/0001_init.sql"),
    postgres: include_str!("../migrations/postgres/0001_init.sql"),
}];

/// Runs the steps that this database has not seen. On PostgreSQL, processes that start together
/// wait for each other here.
pub(crate) fn migrate(tx: &mut Tx<'_>, now_us: i64) -> Result<(), OpenError> {
    if !tx.is_sqlite() {
        // The number is ours alone: "fare" in ASCII.
        tx.batch("SELECT pg_advisory_xact_lock(1717662309)")?;
    }
    tx.batch(
        "CREATE TABLE IF NOT EXISTS migrations (
             version BIGINT PRIMARY KEY,
             applied_at_us BIGINT NOT NULL
         )",
    )?;
    let found = tx
        .query_one("SELECT COALESCE(MAX(version), 0) FROM migrations", &[])?
        .int(0)?;
    let known = i64::try_from(MIGRATIONS.len()).expect("few migrations");
    if found > known {
        return Err(OpenError::TooNew { found, known });
    }
    for (version, migration) in (1..)
        .zip(MIGRATIONS)
        .skip(usize::try_from(found).unwrap_or(0))
    {
        tx.batch(if tx.is_sqlite() {
            migration.sqlite
        } else {
            migration.postgres
        })?;
        tx.execute(
            "INSERT INTO migrations (version, applied_at_us) VALUES ($1, $2)",
            &[i64::into(version), now_us.into()],
        )?;
        tracing::info!(version, "database migrated");
    }
    Ok(())
}
