//! What can go wrong when opening an installation, and in a read or a write.

use std::error::Error;

use domain::sealed::NotOpened;

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
    /// The database is from an older Farebox, and whoever opens it may not change it.
    #[error(
        "this database was written by an older Farebox (its schema is {found}, this program's {known}). Start `farebox serve` once: it brings it up to date."
    )]
    TooOld {
        /// The schema found.
        found: i64,
        /// The schema that this program knows.
        known: i64,
    },
    /// There is nothing in the database.
    #[error("there is no Farebox installation in this database. Run `farebox setup` first.")]
    NotSetUp,
    /// An installation is being copied into the database, or was, and not to the end.
    #[error(
        "this database is the target of a `farebox migrate` that has not come to its end. Run it again, or use another database."
    )]
    HalfCopied,
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
    /// The database does not answer, or is busy: trying again may work.
    #[error("the database is not available: {0}")]
    Unavailable(String),
    /// The database's disk is full: trying again works when there is room.
    #[error("the disk is full: {0}")]
    Full(String),
    /// A row that must be unique exists, or a check refused a row.
    #[error("the change conflicts with what is stored: {0}")]
    Conflict(String),
    /// What is stored is not what was written.
    #[error("the database holds something unexpected: {0}")]
    Corrupt(String),
    /// A statement is wrong, or the database broke.
    #[error("the database failed: {0}")]
    Failed(String),
    /// A secret that is kept sealed cannot be read with this server's key.
    #[error("a secret cannot be read: {0}")]
    Sealed(#[from] NotOpened),
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode::{
            CannotOpen, ConstraintViolation, DatabaseBusy, DatabaseCorrupt, DatabaseLocked,
            DiskFull, NotADatabase,
        };
        let text = error.to_string();
        let extended = error.sqlite_error().map(|error| error.extended_code);
        match error.sqlite_error_code() {
            Some(DiskFull) => StoreError::Full(text),
            // The index beside the write-ahead log could not grow, which only takes room.
            _ if extended == Some(rusqlite::ffi::SQLITE_IOERR_SHMSIZE) => StoreError::Full(text),
            Some(DatabaseBusy | DatabaseLocked | CannotOpen) => StoreError::Unavailable(text),
            Some(ConstraintViolation) => StoreError::Conflict(text),
            Some(DatabaseCorrupt | NotADatabase) => StoreError::Corrupt(text),
            _ => StoreError::Failed(text),
        }
    }
}

impl From<tokio_postgres::Error> for StoreError {
    fn from(error: tokio_postgres::Error) -> Self {
        let Some(server) = error.as_db_error() else {
            let cause = error.source();
            let text = cause.map_or_else(|| error.to_string(), |cause| format!("{error}: {cause}"));
            // A connection that broke may be made again; anything else is a bug on this side.
            return match error.is_closed() || cause.is_some_and(<dyn Error>::is::<std::io::Error>) {
                true => StoreError::Unavailable(text),
                false => StoreError::Failed(text),
            };
        };
        let (code, text) = (server.code().code(), server.to_string());
        match (code, &code[..2]) {
            ("53100", _) => StoreError::Full(text),
            (_, "23") => StoreError::Conflict(text),
            // Connection, resources, operator intervention, serialization: all pass. So do a lock
            // that was not given in time, a transaction that idled, and a standby's refusal.
            (_, "08" | "53" | "57" | "40") | ("55P03" | "25P03" | "25006", _) => {
                StoreError::Unavailable(text)
            }
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
