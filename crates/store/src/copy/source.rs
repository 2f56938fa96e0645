//! The SQLite side: locked against servers and writers, and only read.

use std::fs::File;
use std::path::Path;

use domain::time::AtUs;
use rusqlite::Connection;
use sha2::{Digest, Sha256};
use tokio_postgres::types::Type;

use super::{Column, CopyError, NOT_COPIED, TABLES, Table};
use crate::ballast::Room;
use crate::chain::to_hex;
use crate::tx::Engine;
use crate::verify::Head;
use crate::{Row, StoreError, Tx, Value, migrate, sqlite, store};

/// Every table of SQLite's.
pub(super) const TABLE_NAMES: &str =
    "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'";

/// An installation that nobody serves and nobody changes meanwhile.
pub(super) struct Source {
    connection: Connection,
    /// Keeps servers out, as long as this lives.
    lock: Option<File>,
}

impl Source {
    /// Locks the installation, and decides what its last server left undecided.
    pub(super) fn open(path: &Path, now: AtUs) -> Result<Self, CopyError> {
        let connection = sqlite::open_writer(path, false)?;
        let lock = Some(sqlite::lock(path)?);
        let mut source = Source { connection, lock };
        migrate::require(&mut source.tx())?;
        if source.open_holds()? > 0 {
            let Source { connection, lock } = source;
            let (committer, _) = store::take_over(connection, lock, Room::with(None), now)?;
            let (connection, lock) = committer.into_parts();
            source = Source { connection, lock };
        }
        // A command that would write, such as a grant, waits or is refused: its change might
        // otherwise be missing in the copy.
        source
            .connection
            .execute_batch("BEGIN IMMEDIATE")
            .map_err(StoreError::from)?;
        Ok(source)
    }

    fn open_holds(&self) -> Result<i64, StoreError> {
        self.tx()
            .query_one("SELECT COUNT(*) FROM holds", &[])?
            .int(0)
    }

    fn tx(&self) -> Tx<'_> {
        Tx::on(Engine::Sqlite(&self.connection))
    }

    /// What is to be copied, in the order of [`TABLES`].
    pub(super) fn tables(&self) -> Result<Vec<Table>, CopyError> {
        for row in self.tx().query(TABLE_NAMES, &[])? {
            let name = row.text(0)?;
            if !TABLES.contains(&name) && !NOT_COPIED.contains(&name) {
                return Err(CopyError::UnknownTable(name.to_owned()));
            }
        }
        TABLES.iter().map(|name| self.table(name)).collect()
    }

    fn table(&self, name: &'static str) -> Result<Table, CopyError> {
        let sql = "SELECT name, type, pk FROM pragma_table_info($1) ORDER BY cid";
        let rows = self.tx().query(sql, &[name.into()])?;
        let mut columns = Vec::with_capacity(rows.len());
        let mut key = Vec::new();
        for (index, row) in rows.iter().enumerate() {
            columns.push(Column {
                name: row.text(0)?.to_owned(),
                kind: match row.text(1)? {
                    "TEXT" => Type::TEXT,
                    "BLOB" => Type::BYTEA,
                    _ => Type::INT8,
                },
            });
            let place = row.int(2)?;
            if place > 0 {
                key.push((place, index));
            }
        }
        key.sort_unstable();
        let key: Vec<usize> = key.into_iter().map(|(_, index)| index).collect();
        if key.is_empty() {
            return Err(CopyError::UnknownTable(name.to_owned()));
        }
        Ok(Table { name, columns, key })
    }

    pub(super) fn rows(&self, table: &Table) -> Result<u64, StoreError> {
        let sql = format!("SELECT COUNT(*) FROM {}", table.name);
        self.tx().query_one(&sql, &[])?.count(0)
    }

    /// The next rows by key, at most `most`, after the row with the key `after`.
    pub(super) fn page(
        &self,
        table: &Table,
        after: Option<&[Value]>,
        most: usize,
    ) -> Result<Vec<Row>, StoreError> {
        let key: Vec<&str> = table
            .key
            .iter()
            .map(|index| &*table.columns[*index].name)
            .collect();
        let key = key.join(", ");
        let mut params = after.unwrap_or_default().to_vec();
        let condition = match params.len() {
            0 => String::new(),
            many => {
                let marks: Vec<String> = (1..=many).map(|number| format!("${number}")).collect();
                format!("WHERE ({key}) > ({})", marks.join(", "))
            }
        };
        params.push(i64::try_from(most).unwrap_or(i64::MAX).into());
        let (columns, name, limit) = (table.column_names(), table.name, params.len());
        let sql = format!("SELECT {columns} FROM {name} {condition} ORDER BY {key} LIMIT ${limit}");
        self.tx().query(&sql, &params)
    }

    /// Where each chain of batches ends.
    pub(super) fn heads(&self) -> Result<Vec<Head>, StoreError> {
        let sql = "SELECT chain, seq, hash FROM batches AS it
                   WHERE seq = (SELECT MAX(seq) FROM batches WHERE chain = it.chain)";
        let head = |row: &Row| {
            Ok(Head {
                chain: row.text(0)?.to_owned(),
                batch: row.int(1)?,
                hash: row.text(2)?.to_owned(),
            })
        };
        self.tx().query(sql, &[])?.iter().map(head).collect()
    }

    /// Says whether the source was changed between two runs: every start of a server, every change
    /// that servers hear of and everything that was booked shows in it.
    pub(super) fn fingerprint(&self) -> Result<String, StoreError> {
        let mut hasher = Sha256::new();
        for sql in [
            "SELECT * FROM counters ORDER BY name",
            "SELECT * FROM nodes ORDER BY id",
        ] {
            hasher.update(format!("{:?}", self.tx().query(sql, &[])?));
        }
        hasher.update(format!("{:?}", self.heads()?));
        Ok(to_hex(hasher))
    }
}
