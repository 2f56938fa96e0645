//! Cursor lists: `limit` and `after`, answered with `first_id`, `last_id` and `has_more`.

use serde::Serialize;
use utoipa::ToSchema;

use crate::query::Query;
use crate::respond::Refusal;

/// One page of a list.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct List<T> {
    #[schema(example = "list")]
    object: &'static str,
    data: Vec<T>,
    first_id: Option<String>,
    last_id: Option<String>,
    has_more: bool,
}

/// What a caller asks of a list.
pub(crate) struct Page {
    pub(crate) limit: usize,
    pub(crate) after: Option<String>,
}

impl Page {
    pub(crate) fn of(query: &Query) -> Result<Self, Refusal> {
        Self::with_default(query, 20)
    }

    /// As [`Page::of`], for a list that shows `default` rows if nobody says how many.
    pub(crate) fn with_default(query: &Query, default: i64) -> Result<Self, Refusal> {
        let limit = query.number("limit", default, 1..=100)?;
        let after = query.one("after").filter(|after| !after.is_empty());
        Ok(Page {
            limit: usize::try_from(limit).expect("at most 100"),
            after: after.map(ToOwned::to_owned),
        })
    }

    /// How many rows to read: one more than shown tells whether there are more.
    pub(crate) fn rows(&self) -> i64 {
        i64::try_from(self.limit + 1).expect("at most 101")
    }

    /// The answer, from as many rows as [`Page::rows`] asks for.
    pub(crate) fn list<T>(&self, mut rows: Vec<T>, id: impl Fn(&T) -> String) -> List<T> {
        let has_more = rows.len() > self.limit;
        rows.truncate(self.limit);
        List::of(rows, has_more, id)
    }
}

impl<T> List<T> {
    /// The answer of exactly these rows.
    pub(crate) fn of(rows: Vec<T>, has_more: bool, id: impl Fn(&T) -> String) -> Self {
        List {
            object: "list",
            first_id: rows.first().map(&id),
            last_id: rows.last().map(&id),
            data: rows,
            has_more,
        }
    }
}

/// The cursor `param` names nothing.
pub(crate) fn unknown_cursor(param: &str, id: &str) -> Refusal {
    Refusal::Invalid {
        param: param.into(),
        message: format!("Invalid '{param}': there is no '{id}' in this list."),
    }
}
