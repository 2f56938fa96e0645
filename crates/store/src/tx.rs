//! A transaction on either database: the one place with a match on which.
//!
//! Its methods are plain synchronous functions, so that an aggregate's code reads top to bottom and
//! is the same for both. They run where waiting is allowed: on SQLite's writer thread, or on a
//! thread for blocking work that waits for PostgreSQL. SQL is written once, with `$1` parameters,
//! in the subset that both understand. Connections keep statements prepared, so that each takes one
//! round trip to PostgreSQL.

use std::sync::Arc;

use bytes::Bytes;
use rusqlite::Connection;
use tokio::runtime::Handle;

use crate::{Row, StoreError, Value};

/// Rows that PostgreSQL sends at once while a query is walked.
const PORTAL_ROWS: i32 = 2_000;

/// An open transaction. It is committed or rolled back by whoever opened it.
pub struct Tx<'a> {
    pub(crate) engine: Engine<'a>,
    /// Whether a job was put into the queue: its workers are woken when this is committed.
    pub(crate) has_enqueued: bool,
}

pub(crate) enum Engine<'a> {
    Sqlite(&'a Connection),
    Postgres {
        transaction: deadpool_postgres::Transaction<'a>,
        runtime: Handle,
    },
}

impl<'a> Tx<'a> {
    pub(crate) fn on(engine: Engine<'a>) -> Self {
        Tx {
            engine,
            has_enqueued: false,
        }
    }

    /// Runs a statement; answers how many rows it touched.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn execute(&mut self, sql: &str, params: &[Value]) -> Result<u64, StoreError> {
        match &mut self.engine {
            Engine::Sqlite(connection) => {
                let mut statement = connection.prepare_cached(&numbered(sql))?;
                let rows = statement.execute(rusqlite::params_from_iter(params))?;
                Ok(rows as u64)
            }
            Engine::Postgres {
                transaction,
                runtime,
            } => runtime.block_on(async {
                let statement = transaction.prepare_cached(sql).await?;
                Ok(transaction.execute(&statement, &borrowed(params)).await?)
            }),
        }
    }

    /// Runs a query; answers all its rows.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn query(&mut self, sql: &str, params: &[Value]) -> Result<Vec<Row>, StoreError> {
        match &mut self.engine {
            Engine::Sqlite(_) => {
                let mut answer = Vec::new();
                self.for_each(sql, params, |row| -> Result<(), StoreError> {
                    answer.push(row.clone());
                    Ok(())
                })?;
                Ok(answer)
            }
            Engine::Postgres {
                transaction,
                runtime,
            } => runtime
                .block_on(async {
                    let statement = transaction.prepare_cached(sql).await?;
                    transaction.query(&statement, &borrowed(params)).await
                })?
                .iter()
                .map(|row| {
                    let mut answer = Row::of_nulls(row.len());
                    read_postgres(row, &mut answer)?;
                    Ok(answer)
                })
                .collect(),
        }
    }

    /// Runs a query and hands out its rows one by one: however many there are, few are in memory.
    ///
    /// # Errors
    /// What `each` answers, which ends it, or [`StoreError`].
    pub fn for_each<E: From<StoreError>>(
        &mut self,
        sql: &str,
        params: &[Value],
        mut each: impl FnMut(&Row) -> Result<(), E>,
    ) -> Result<(), E> {
        match &mut self.engine {
            Engine::Sqlite(connection) => {
                tracing::trace!(sql, "reading");
                let mut statement = connection
                    .prepare_cached(&numbered(sql))
                    .map_err(StoreError::from)?;
                let mut answer = Row::of_nulls(statement.column_count());
                let mut rows = statement
                    .query(rusqlite::params_from_iter(params))
                    .map_err(StoreError::from)?;
                while let Some(row) = rows.next().map_err(StoreError::from)? {
                    read_sqlite(row, &mut answer)?;
                    each(&answer)?;
                }
                Ok(())
            }
            Engine::Postgres {
                transaction,
                runtime,
            } => {
                let portal = runtime
                    .block_on(async {
                        let statement = transaction.prepare_cached(sql).await?;
                        transaction.bind(&statement, &borrowed(params)).await
                    })
                    .map_err(StoreError::from)?;
                let mut answer = Row::of_nulls(0);
                loop {
                    let page = runtime
                        .block_on(transaction.query_portal(&portal, PORTAL_ROWS))
                        .map_err(StoreError::from)?;
                    for row in &page {
                        answer.0.resize(row.len(), Value::Null);
                        read_postgres(row, &mut answer)?;
                        each(&answer)?;
                    }
                    if page.len() < PORTAL_ROWS as usize {
                        return Ok(());
                    }
                }
            }
        }
    }

    /// Runs a query that answers at most one row.
    ///
    /// # Errors
    /// [`StoreError`]; [`StoreError::Corrupt`] if there are more.
    pub fn query_optional(
        &mut self,
        sql: &str,
        params: &[Value],
    ) -> Result<Option<Row>, StoreError> {
        let mut rows = self.query(sql, params)?;
        match rows.len() {
            0 | 1 => Ok(rows.pop()),
            many => Err(StoreError::Corrupt(format!(
                "{many} rows where one was expected"
            ))),
        }
    }

    /// Runs a query that answers exactly one row.
    ///
    /// # Errors
    /// [`StoreError`]; [`StoreError::Corrupt`] if there is none, or more.
    pub fn query_one(&mut self, sql: &str, params: &[Value]) -> Result<Row, StoreError> {
        self.query_optional(sql, params)?
            .ok_or_else(|| StoreError::Corrupt("no row where one was expected".into()))
    }

    /// Runs a statement that must touch exactly one row.
    ///
    /// # Errors
    /// [`StoreError`]; [`StoreError::Conflict`] if it touched another number.
    pub fn execute_one(&mut self, sql: &str, params: &[Value]) -> Result<(), StoreError> {
        match self.execute(sql, params)? {
            1 => Ok(()),
            rows => Err(StoreError::Conflict(format!(
                "{rows} rows changed where one was expected"
            ))),
        }
    }

    /// Runs statements without parameters, such as a migration.
    pub(crate) fn batch(&mut self, sql: &str) -> Result<(), StoreError> {
        match &mut self.engine {
            Engine::Sqlite(connection) => Ok(connection.execute_batch(sql)?),
            Engine::Postgres {
                transaction,
                runtime,
            } => Ok(runtime.block_on(transaction.batch_execute(sql))?),
        }
    }

    /// The migrations of this database.
    pub(crate) fn is_sqlite(&self) -> bool {
        matches!(self.engine, Engine::Sqlite(_))
    }
}

/// SQLite counts `$2, $1` by appearance but `?2, ?1` by number; PostgreSQL knows only `$`.
fn numbered(sql: &str) -> Arc<str> {
    sql.replace('$', "?").into()
}

fn borrowed(params: &[Value]) -> Vec<&(dyn tokio_postgres::types::ToSql + Sync)> {
    params.iter().map(|value| value as _).collect()
}

/// Reads a row into one whose texts keep their room from row to row.
fn read_sqlite(row: &rusqlite::Row<'_>, answer: &mut Row) -> Result<(), StoreError> {
    use rusqlite::types::ValueRef;
    for (index, value) in answer.0.iter_mut().enumerate() {
        match row.get_ref(index)? {
            ValueRef::Integer(number) => *value = Value::Int(number),
            ValueRef::Null => *value = Value::Null,
            ValueRef::Text(text) => value.set_text(
                std::str::from_utf8(text)
                    .map_err(|_| StoreError::Corrupt(format!("column {index} is not UTF-8")))?,
            ),
            ValueRef::Blob(bytes) => *value = Value::Bytes(Bytes::copy_from_slice(bytes)),
            ValueRef::Real(_) => {
                return Err(StoreError::Corrupt(format!("column {index} is a fraction")));
            }
        }
    }
    Ok(())
}

/// As [`read_sqlite`].
fn read_postgres(row: &tokio_postgres::Row, answer: &mut Row) -> Result<(), StoreError> {
    use tokio_postgres::types::Type;
    for (index, value) in answer.0.iter_mut().enumerate() {
        match *row.columns()[index].type_() {
            Type::INT8 => *value = row.try_get::<_, Option<i64>>(index)?.into(),
            Type::TEXT => match row.try_get::<_, Option<&str>>(index)? {
                Some(text) => value.set_text(text),
                None => *value = Value::Null,
            },
            Type::BYTEA => {
                let bytes = row.try_get::<_, Option<&[u8]>>(index)?;
                *value = bytes.map_or(Value::Null, |bytes| {
                    Value::Bytes(Bytes::copy_from_slice(bytes))
                });
            }
            ref other => {
                return Err(StoreError::Corrupt(format!(
                    "column {index} is of the type {other}"
                )));
            }
        }
    }
    Ok(())
}
