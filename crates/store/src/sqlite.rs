//! SQLite: one connection that writes, on a thread of its own, and many that read.
//!
//! WAL with `synchronous=FULL`: a commit that was acknowledged survives kill -9 and, as far as the
//! disk honours a flush, power loss. A lock file keeps a second server out.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use parking_lot::Mutex;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use crate::{OpenError, StoreError};

/// Long enough for another process's short write, such as a grant from the command line.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
const KEPT_READERS: usize = 8;

/// The database file, and connections for reading.
pub(crate) struct SqliteFile {
    path: PathBuf,
    readers: Mutex<Vec<Connection>>,
}

impl SqliteFile {
    pub(crate) fn new(path: &Path) -> Self {
        SqliteFile {
            path: path.to_owned(),
            readers: Mutex::default(),
        }
    }

    /// Runs a read in one snapshot.
    pub(crate) fn read<T>(&self, read: impl FnOnce(&Connection) -> T) -> Result<T, StoreError> {
        let kept = self.readers.lock().pop();
        let reader = kept.map_or_else(|| open_reader(&self.path), Ok)?;
        reader.execute_batch("BEGIN DEFERRED")?;
        let answer = read(&reader);
        reader.execute_batch("COMMIT")?;
        let mut readers = self.readers.lock();
        if readers.len() < KEPT_READERS {
            readers.push(reader);
        }
        Ok(answer)
    }
}

/// Opens the connection that writes, making the file if `create`.
pub(crate) fn open_writer(path: &Path, create: bool) -> Result<Connection, OpenError> {
    if !create && !path.exists() {
        let reason = "there is no such file. Run `farebox setup` first.";
        return Err(unusable(path, reason.into()));
    }
    let connection =
        Connection::open(path).map_err(|error| unusable(path, explain(path, &error)))?;
    configure(&connection).map_err(|error| unusable(path, explain(path, &error)))?;
    Ok(connection)
}

fn configure(connection: &Connection) -> Result<(), rusqlite::Error> {
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.set_prepared_statement_cache_capacity(128);
    connection.execute_batch(
        "PRAGMA journal_mode = WAL;
         PRAGMA synchronous = FULL;
         PRAGMA foreign_keys = ON;
         PRAGMA trusted_schema = OFF;
         PRAGMA wal_autocheckpoint = 0;
         PRAGMA journal_size_limit = 67108864;
         PRAGMA cache_size = -32768;",
    )
}

fn open_reader(path: &Path) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.execute_batch("PRAGMA query_only = ON; PRAGMA trusted_schema = OFF;")?;
    leave_log(&connection)?;
    Ok(connection)
}

/// Keeps this connection, should it be the last one, from folding the write-ahead log into the file
/// and deleting it: that is for the writer to do, and only if all is well.
pub(crate) fn leave_log(connection: &Connection) -> rusqlite::Result<()> {
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    Ok(())
}

/// Why a file cannot be opened as a database.
pub(crate) fn unusable(path: &Path, reason: String) -> OpenError {
    OpenError::Unusable {
        database: format!("sqlite://{}", path.display()),
        reason,
    }
}

fn explain(path: &Path, error: &rusqlite::Error) -> String {
    match error.sqlite_error_code() {
        Some(rusqlite::ErrorCode::CannotOpen) => out_of_reach(path),
        Some(rusqlite::ErrorCode::NotADatabase) => {
            format!("{} is not a Farebox database", path.display())
        }
        _ => error.to_string(),
    }
}

fn out_of_reach(path: &Path) -> String {
    let file = path.display();
    format!("cannot open {file}: does its folder exist, may it be written?")
}

/// Takes the lock that a server holds while it lives.
pub(crate) fn lock(path: &Path) -> Result<File, OpenError> {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let name = PathBuf::from(name);
    let failed = |error: std::io::Error| {
        let reason = match error.kind() {
            ErrorKind::NotFound | ErrorKind::PermissionDenied => out_of_reach(path),
            _ => format!("{}: {error}", name.display()),
        };
        unusable(path, reason)
    };
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(&name)
        .map_err(failed)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(std::fs::TryLockError::WouldBlock) => {
            let mut holder = String::new();
            file.read_to_string(&mut holder).map_err(failed)?;
            return Err(OpenError::InUse(holder.trim().to_owned()));
        }
        Err(std::fs::TryLockError::Error(error)) => return Err(failed(error)),
    }
    let note = format!("process {}, {}\n", std::process::id(), path.display());
    file.set_len(0)
        .and_then(|()| file.rewind())
        .map_err(failed)?;
    file.write_all(note.as_bytes()).map_err(failed)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commits_wait_for_the_disk_and_readers_only_read() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("farebox.db");
        let writer = open_writer(&path, true).expect("it opens");
        let pragma = |connection: &Connection, name: &str| -> String {
            let value = connection.query_row(&format!("PRAGMA {name}"), [], |row| {
                row.get::<_, rusqlite::types::Value>(0)
            });
            format!("{:?}", value.expect("it answers"))
        };
        // FULL: without it, a power cut takes acknowledged commits along.
        assert_eq!(pragma(&writer, "synchronous"), "Integer(2)");
        assert_eq!(pragma(&writer, "journal_mode"), "Text(\"wal\")");
        assert_eq!(pragma(&writer, "foreign_keys"), "Integer(1)");
        let reader = open_reader(&path).expect("it opens");
        assert_eq!(pragma(&reader, "query_only"), "Integer(1)");
    }
}
