//! Papers about money, as people file them: receipts, credit notes, statements.
//!
//! What a paper shows is decided once, as a [`Paper`]; [`html`] and [`pdf`] set the same words. The
//! same paper is the same bytes, whenever and wherever it is set: nothing here knows the time.

mod face;
pub(crate) mod html;
mod layout;
pub(crate) mod pdf;
pub(crate) mod receipt;
pub(crate) mod statement;
#[cfg(test)]
mod tests;
pub(crate) mod words;

use serde::Serialize;

/// What a paper shows, in the order it is shown in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Paper {
    /// What it is: "Receipt".
    pub(crate) title: String,
    /// What finds it: "Receipt number", and the number.
    pub(crate) facts: Vec<(String, String)>,
    /// Who it is from: the name, then the rest, line by line.
    pub(crate) from: Vec<String>,
    /// Who it is for, likewise.
    pub(crate) to: Vec<String>,
    /// What it comes to, in one line.
    pub(crate) headline: String,
    pub(crate) tables: Vec<Table>,
    /// What is to be known beside, paragraph by paragraph.
    pub(crate) notes: Vec<String>,
}

/// Rows under heads, and what they come to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Table {
    /// Empty if it needs none.
    pub(crate) heading: String,
    pub(crate) columns: Vec<Column>,
    pub(crate) rows: Vec<Vec<String>>,
    pub(crate) totals: Vec<Total>,
}

/// A column: its head, how much of the width it takes in hundredths, and whether it has numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Column {
    pub(crate) head: &'static str,
    pub(crate) percent: u8,
    pub(crate) is_number: bool,
}

impl Column {
    pub(crate) const fn text(head: &'static str, percent: u8) -> Self {
        Column {
            head,
            percent,
            is_number: false,
        }
    }

    pub(crate) const fn number(head: &'static str, percent: u8) -> Self {
        Column {
            head,
            percent,
            is_number: true,
        }
    }
}

/// A sum under a table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Total {
    pub(crate) label: String,
    pub(crate) value: String,
    pub(crate) is_strong: bool,
}

impl Total {
    pub(crate) fn plain(label: impl Into<String>, value: String) -> Self {
        Total {
            label: label.into(),
            value,
            is_strong: false,
        }
    }

    pub(crate) fn strong(label: impl Into<String>, value: String) -> Self {
        Total {
            is_strong: true,
            ..Total::plain(label, value)
        }
    }
}
