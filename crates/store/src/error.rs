//! What can go wrong when opening an installation, and in a read or a write.

use crate::DatabaseUrlError;

/// Why an installation cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The address cannot be read.
    #[error(transparent)]
    Url(#[from] DatabaseUrlError),
    /// Another process serves it.
    #[error(
        "another Farebox is serving this installation ({0}). Stop it first, or give this one a database of its own."
    )]
    InUse(String),
    /// The database is from a newer Farebox.
    #[error(
        "this database was written by a newer Farebox (its schema is {found}, this program knows {known}). Use that version or a later one."
    )]
    TooNew {
        /// The schema found.
        found: i64,
        /// The newest schema that this program knows.
        known: i64,
    },
    /// The file or server cannot be used.
    #[error("cannot open the database {database}: {reason}")]
    Unusable {
        /// The database, without its password.
        database: String,
        /// What the operating system or the server said.
        reason: String,
    },
    /// A statement failed while opening.
    #[error("cannot prepare the database: {0}")]
    Store(#[from] StoreError),
}

/// Why a read or a write failed. Nothing of it was kept.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database does not answer, is full, or is busy: trying again may work.
    #[error("the database is not available: {0}")]
    Unavailable(String),
    /// A row that must be unique exists, or a check refused a row.
    #[error("the change conflicts with what is stored: {0}")]
    Conflict(String),
    /// What is stored is not what was written.
    #[error("the database holds something unexpected: {0}")]
    Corrupt(String),
    /// A statement is wrong, or the database broke.
    #[error("the database failed: {0}")]
    Failed(String),
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode::{
            CannotOpen, ConstraintViolation, DatabaseBusy, DatabaseCorrupt, DatabaseLocked,
            DiskFull, NotADatabase,
        };
        let text = error.to_string();
        match error.sqlite_error_code() {
            Some(DiskFull) => StoreError::Unavailable(format!("{text} (the disk is full)")),
            Some(DatabaseBusy | DatabaseLocked | CannotOpen) => StoreError::Unavailable(text),
            Some(ConstraintViolation) => StoreError::Conflict(text),
            Some(DatabaseCorrupt | NotADatabase) => StoreError::Corrupt(text),
            _ => StoreError::Failed(text),
        }
    }
}

impl From<tokio_postgres::Error> for StoreError {
    fn from(error: tokio_postgres::Error) -> Self {
        let Some(code) = error.code().map(tokio_postgres::error::SqlState::code) else {
            // Without a code it never came from the server: the connection is gone.
            return StoreError::Unavailable(error.to_string());
        };
        let text = error
            .as_db_error()
            .map_or_else(|| error.to_string(), ToString::to_string);
        match &code[..2] {
            "23" => StoreError::Conflict(text),
            // Connection, resources, operator intervention, serialization: all pass.
            "08" | "53" | "57" | "40" => StoreError::Unavailable(text),
            _ => StoreError::Failed(format!("{text} ({code})")),
        }
    }
}

impl From<deadpool_postgres::PoolError> for StoreError {
    fn from(error: deadpool_postgres::PoolError) -> Self {
        match error {
            deadpool_postgres::PoolError::Backend(error) => error.into(),
            other => StoreError::Unavailable(other.to_string()),
        }
    }
}
