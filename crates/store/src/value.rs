//! The kinds of value that both databases store: whole numbers, text and bytes, any of them null.

use std::error::Error;

use bytes::{Bytes, BytesMut};
use tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};

use crate::StoreError;

/// A parameter or a column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// `BIGINT`.
    Int(i64),
    /// `TEXT`.
    Text(String),
    /// `BYTEA` or `BLOB`.
    Bytes(Bytes),
    /// Nothing.
    Null,
}

impl Value {
    /// Becomes a text, in the room of the text that it was.
    pub(crate) fn set_text(&mut self, text: &str) {
        match self {
            Value::Text(kept) => {
                kept.clear();
                kept.push_str(text);
            }
            other => *other = text.into(),
        }
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Value::Int(number)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Value::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Value::Text(text)
    }
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Value::Null, Into::into)
    }
}

impl rusqlite::ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<rusqlite::types::ToSqlOutput<'_>> {
        use rusqlite::types::{ToSqlOutput, ValueRef};
        Ok(ToSqlOutput::Borrowed(match self {
            Value::Int(number) => ValueRef::Integer(*number),
            Value::Text(text) => ValueRef::Text(text.as_bytes()),
            Value::Bytes(bytes) => ValueRef::Blob(bytes),
            Value::Null => ValueRef::Null,
        }))
    }
}

impl ToSql for Value {
    fn to_sql(
        &self,
        ty: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        match self {
            Value::Int(number) => number.to_sql(ty, out),
            Value::Text(text) => text.as_str().to_sql(ty, out),
            Value::Bytes(bytes) => <&[u8] as ToSql>::to_sql(&&**bytes, ty, out),
            Value::Null => Ok(IsNull::Yes),
        }
    }

    fn accepts(ty: &Type) -> bool {
        matches!(*ty, Type::INT8 | Type::BYTEA) || <&str as ToSql>::accepts(ty)
    }

    to_sql_checked!();
}

/// One row of an answer, read by position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row(pub(crate) Vec<Value>);

impl Row {
    /// A row of so many columns, to be read into.
    pub(crate) fn of_nulls(columns: usize) -> Self {
        Row(vec![Value::Null; columns])
    }

    /// The number in column `index`.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] if it is null or text.
    pub fn int(&self, index: usize) -> Result<i64, StoreError> {
        self.opt_int(index)?
            .ok_or_else(|| self.unexpected(index, "a number"))
    }

    /// The number in column `index`, or none if it is null.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] if it is text.
    pub fn opt_int(&self, index: usize) -> Result<Option<i64>, StoreError> {
        match self.0.get(index) {
            Some(Value::Int(number)) => Ok(Some(*number)),
            Some(Value::Null) => Ok(None),
            _ => Err(self.unexpected(index, "a number")),
        }
    }

    /// The text in column `index`.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] if it is null or a number.
    pub fn text(&self, index: usize) -> Result<&str, StoreError> {
        self.opt_text(index)?
            .ok_or_else(|| self.unexpected(index, "text"))
    }

    /// The text in column `index`, or none if it is null.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] if it is a number.
    pub fn opt_text(&self, index: usize) -> Result<Option<&str>, StoreError> {
        match self.0.get(index) {
            Some(Value::Text(text)) => Ok(Some(text)),
            Some(Value::Null) => Ok(None),
            _ => Err(self.unexpected(index, "text")),
        }
    }

    /// The bytes at `index`.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] if there are none.
    pub fn bytes(&self, index: usize) -> Result<&Bytes, StoreError> {
        let bytes = self.opt_bytes(index)?;
        bytes.ok_or_else(|| StoreError::Corrupt(format!("column {index} is null")))
    }

    /// The bytes in column `index`, or none if it is null.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] if it is something else.
    pub fn opt_bytes(&self, index: usize) -> Result<Option<&Bytes>, StoreError> {
        match self.0.get(index) {
            Some(Value::Bytes(bytes)) => Ok(Some(bytes)),
            Some(Value::Null) => Ok(None),
            _ => Err(self.unexpected(index, "bytes")),
        }
    }

    /// The count in column `index`.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] if it is not a number of zero or more.
    pub fn count(&self, index: usize) -> Result<u64, StoreError> {
        u64::try_from(self.int(index)?).map_err(|_| self.unexpected(index, "a count"))
    }

    fn unexpected(&self, index: usize, wanted: &str) -> StoreError {
        StoreError::Corrupt(format!(
            "column {index} should be {wanted}: {:?}",
            self.0.get(index)
        ))
    }
}
