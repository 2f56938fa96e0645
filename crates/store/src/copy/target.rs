//! The PostgreSQL side: written a page at a time, with how far it came.

use std::pin::pin;
use std::sync::Arc;

use domain::time::AtUs;
use tokio::runtime::Handle;
use tokio_postgres::Client;
use tokio_postgres::binary_copy::BinaryCopyInWriter;
use tokio_postgres::types::Type;

use super::{CopyError, Table};
use crate::postgres::PostgresServer;
use crate::verify::{self, Report};
use crate::{DatabaseUrl, OpenError, Row, StoreError, Value, leases, migrate};

/// Every table of PostgreSQL's.
pub(super) const TABLE_NAMES: &str =
    "SELECT tablename::text FROM pg_tables WHERE schemaname = current_schema() ORDER BY tablename";

/// What there is until the copy is proved. No Farebox opens a database that has it.
const BEGIN: &str = "
    CREATE TABLE copy_progress (
        table_name TEXT PRIMARY KEY,
        rows BIGINT NOT NULL,
        last_key TEXT NOT NULL
    );
    CREATE TABLE copy_source (fingerprint TEXT NOT NULL)";

/// A database of this copying's own.
pub(super) struct Target {
    server: Arc<PostgresServer>,
    /// Holds the lock of a server: nobody else copies into it, and nobody serves it.
    client: Client,
    runtime: Handle,
    name: String,
}

impl Target {
    pub(super) async fn open(url: &str) -> Result<Self, CopyError> {
        let name = DatabaseUrl::Postgres(url.to_owned()).to_string();
        let server = PostgresServer::new(url, Handle::current())?;
        let client = server
            .connect()
            .await
            .map_err(|error| OpenError::Unusable {
                database: name.clone(),
                reason: error.to_string(),
            })?;
        PostgresServer::take_all_places(&client).await?;
        // What is done at the end takes as long as there are rows.
        client
            .batch_execute("SET statement_timeout = 0")
            .await
            .map_err(StoreError::from)?;
        Ok(Target {
            server: Arc::new(server),
            client,
            runtime: Handle::current(),
            name,
        })
    }

    /// Makes the tables, or finds those of the same copying. What is there of another source, or of
    /// this one before it changed, is given up.
    pub(super) fn begin(
        &mut self,
        tables: &[Table],
        fingerprint: &str,
        now: AtUs,
    ) -> Result<(), CopyError> {
        let names = self.query(TABLE_NAMES)?;
        let names: Vec<String> = names.iter().map(|row| row.get(0)).collect();
        let is_begun = names.iter().any(|name| name == "copy_progress");
        if let Some(table) = names.first().filter(|_| !is_begun) {
            return Err(CopyError::NotEmpty {
                database: self.name.clone(),
                table: table.clone(),
            });
        }
        let listed: Vec<&str> = tables.iter().map(|table| table.name).collect();
        let listed = listed.join(", ");
        let name = self.name.clone();
        self.server.transaction(false, |tx| {
            if is_begun {
                if !migrate::is_current(tx)? {
                    return Err(CopyError::OtherVersion(name));
                }
                let row = tx.query_one("SELECT fingerprint FROM copy_source", &[])?;
                if row.text(0)? == fingerprint {
                    return Ok(());
                }
            } else {
                migrate::migrate(tx, now.0)?;
                tx.batch(BEGIN)?;
            }
            // A new installation has rows of its own; what nodes share refers to some of them.
            let emptied = format!("TRUNCATE copy_source, copy_progress, {listed} CASCADE");
            tx.batch(&emptied)?;
            let sql = "INSERT INTO copy_source (fingerprint) VALUES ($1)";
            Ok(tx.execute_one(sql, &[fingerprint.into()])?)
        })
    }

    /// How many rows of a table are there, and the key of the last one.
    pub(super) fn reached(&self, table: &Table) -> Result<(u64, Option<Vec<Value>>), StoreError> {
        let sql = "SELECT rows, last_key FROM copy_progress WHERE table_name = $1";
        let row = self
            .runtime
            .block_on(self.client.query_opt(sql, &[&table.name]))?;
        row.map_or(Ok((0, None)), |row| {
            let rows = u64::try_from(row.get::<_, i64>(0)).unwrap_or(0);
            Ok((rows, Some(read_key(row.get(1))?)))
        })
    }

    /// Adds the next rows of a table: then `done` are there, and the last one has the key `key`.
    pub(super) fn append(
        &mut self,
        table: &Table,
        page: &[Row],
        done: u64,
        key: &[Value],
    ) -> Result<(), CopyError> {
        refuse_null_characters(table, page)?;
        let done = i64::try_from(done).unwrap_or(i64::MAX);
        let adding = add(&mut self.client, table, page, (done, write_key(key)));
        Ok(self.runtime.block_on(adding).map_err(StoreError::from)?)
    }

    pub(super) fn rows(&self, table: &Table) -> Result<u64, StoreError> {
        let rows = self.query(&format!("SELECT COUNT(*) FROM {}", table.name))?;
        Ok(rows
            .first()
            .map_or(0, |row| row.get::<_, i64>(0).unsigned_abs()))
    }

    /// Lets PostgreSQL know how much there is of what, without which proving may take for ever.
    pub(super) fn analyze(&self) -> Result<(), StoreError> {
        Ok(self
            .runtime
            .block_on(self.client.batch_execute("ANALYZE"))?)
    }

    pub(super) fn verify(&self) -> Result<Report, StoreError> {
        self.server.transaction(true, verify::verify)
    }

    /// From here on it is an installation like any other: its limits a day go on where they stood.
    pub(super) fn finish(&self) -> Result<(), StoreError> {
        self.server.transaction(false, |tx| {
            leases::begin(tx)?;
            tx.batch("DROP TABLE copy_progress, copy_source")
        })
    }

    fn query(&self, sql: &str) -> Result<Vec<tokio_postgres::Row>, StoreError> {
        Ok(self.runtime.block_on(self.client.query(sql, &[]))?)
    }
}

/// One transaction: the rows, and how far it came.
async fn add(
    client: &mut Client,
    table: &Table,
    page: &[Row],
    (done, key): (i64, String),
) -> Result<(), tokio_postgres::Error> {
    let transaction = client.transaction().await?;
    let (name, columns) = (table.name, table.column_names());
    let sql = format!("COPY {name} ({columns}) FROM STDIN (FORMAT binary)");
    let types = table.columns.iter().map(|column| column.kind.clone());
    let types: Vec<Type> = types.collect();
    let mut writer = pin!(BinaryCopyInWriter::new(
        transaction.copy_in(&sql).await?,
        &types
    ));
    for row in page {
        writer.as_mut().write_raw(row.0.iter()).await?;
    }
    writer.finish().await?;
    let sql = "INSERT INTO copy_progress (table_name, rows, last_key) VALUES ($1, $2, $3)
               ON CONFLICT (table_name)
               DO UPDATE SET rows = EXCLUDED.rows, last_key = EXCLUDED.last_key";
    transaction.execute(sql, &[&name, &done, &key]).await?;
    transaction.commit().await
}

/// SQLite keeps every text, PostgreSQL none with a null character.
fn refuse_null_characters(table: &Table, page: &[Row]) -> Result<(), CopyError> {
    for row in page {
        for (column, value) in table.columns.iter().zip(&row.0) {
            if matches!(value, Value::Text(text) if text.contains('\0')) {
                return Err(CopyError::NullCharacter {
                    table: table.name,
                    column: column.name.clone(),
                    key: write_key(&table.key_of(&row.0)),
                });
            }
        }
    }
    Ok(())
}

fn write_key(key: &[Value]) -> String {
    let part = |value: &Value| match value {
        Value::Int(number) => serde_json::Value::from(*number),
        Value::Text(text) => text.as_str().into(),
        Value::Null | Value::Bytes(_) => serde_json::Value::Null,
    };
    serde_json::Value::Array(key.iter().map(part).collect()).to_string()
}

fn read_key(text: &str) -> Result<Vec<Value>, StoreError> {
    let corrupt = || StoreError::Corrupt(format!("a copied row has the key {text}"));
    let parts: Vec<serde_json::Value> = serde_json::from_str(text).map_err(|_| corrupt())?;
    let part = |value: &serde_json::Value| {
        let number = value.as_i64().map(Value::from);
        number.or_else(|| value.as_str().map(Value::from))
    };
    parts
        .iter()
        .map(|value| part(value).ok_or_else(corrupt))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_as_they_were_written() {
        let key = [
            Value::from("org-\"é\\"),
            Value::from(i64::MIN),
            Value::from(""),
        ];
        assert_eq!(read_key(&write_key(&key)).expect("a key"), key);
    }
}
