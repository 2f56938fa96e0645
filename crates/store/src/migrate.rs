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

/// Refuses a database whose schema is not this program's, and changes nothing.
pub(crate) fn require(tx: &mut Tx<'_>) -> Result<(), OpenError> {
    refuse_half_copied(tx)?;
    let there = match tx.is_sqlite() {
        true => "SELECT COUNT(*) FROM sqlite_schema WHERE name = 'migrations'",
        false => "SELECT COUNT(*) FROM pg_class WHERE oid = to_regclass('migrations')",
    };
    if tx.query_one(there, &[])?.int(0)? == 0 {
        return Err(OpenError::NotSetUp);
    }
    match compare(tx)? {
        (0, _) => Err(OpenError::NotSetUp),
        (found, known) if found < known => Err(OpenError::TooOld { found, known }),
        _ => Ok(()),
    }
}

/// Runs the steps that this database has not seen. On PostgreSQL, processes that start together
/// wait for each other here.
pub(crate) fn migrate(tx: &mut Tx<'_>, now_us: i64) -> Result<(), OpenError> {
    if !tx.is_sqlite() {
        // The number is ours alone: "fare" in ASCII.
        tx.batch("SELECT pg_advisory_xact_lock(1717662309)")?;
    }
    refuse_half_copied(tx)?;
    tx.batch(
        "CREATE TABLE IF NOT EXISTS migrations (
             version BIGINT NOT NULL PRIMARY KEY,
             applied_at_us BIGINT NOT NULL
         )",
    )?;
    let (found, _) = compare(tx)?;
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

/// Whether the database has exactly this program's schema.
pub(crate) fn is_current(tx: &mut Tx<'_>) -> Result<bool, OpenError> {
    let (found, known) = compare(tx)?;
    Ok(found == known)
}

/// Some of an installation must not pass for all of it.
fn refuse_half_copied(tx: &mut Tx<'_>) -> Result<(), OpenError> {
    let there = "SELECT COUNT(*) FROM pg_class WHERE oid = to_regclass('copy_progress')";
    if !tx.is_sqlite() && tx.query_one(there, &[])?.int(0)? > 0 {
        return Err(OpenError::HalfCopied);
    }
    Ok(())
}

/// The schema of the database, and the newest that this program knows.
fn compare(tx: &mut Tx<'_>) -> Result<(i64, i64), OpenError> {
    let found = tx
        .query_one("SELECT COALESCE(MAX(version), 0) FROM migrations", &[])?
        .int(0)?;
    let known = i64::try_from(MIGRATIONS.len()).expect("few migrations");
    if found > known {
        return Err(OpenError::TooNew { found, known });
    }
    Ok((found, known))
}
