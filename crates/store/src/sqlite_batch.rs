//! Committing a batch to SQLite: a transaction of prepared statements, sums folded in memory.

mod counts;
mod folding;
mod holds;
mod keys;
mod settlements;
mod sums;

use std::fs::File;
use std::time::Duration;

use rusqlite::Connection;

use crate::ballast::Room;
use crate::batch::{Batch, Writer};
use crate::chain::{self, Head, Linking};
use crate::commit::{Balances, CommitError, Committer};
use crate::tx::Engine;
use crate::{StoreError, Tx, sqlite};

pub(crate) use counts::{MOST_UNITS, TOKEN_CLASSES, count};
use sums::Sums;

/// After this many rows the log is folded into the file, off the path of any request.
const CHECKPOINT_ROWS: usize = 16_384;

/// A log that is longer than this after folding, 1 GiB, is worth a word.
const LONG_LOG_PAGES: i64 = 262_144;

pub(crate) struct SqliteCommitter {
    connection: Connection,
    /// Where the writer's chain stands; unknown before the first commit, and after one that failed.
    head: Option<Head>,
    rows_since_checkpoint: usize,
    room: Room,
    /// Given back when nothing can be written any more, not before.
    lock: Option<File>,
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
