//! Cursor lists: `limit` and `after`, answered with `first_id`, `last_id` and `has_more`.
//!
//! A list handler takes a [`Page`] and says how its rows are found; the rest is here.

use axum::Json;
use axum::extract::FromRequestParts;
use axum::response::Response;
use http::request::Parts;
use serde::Serialize;
use store::{StoreError, Tx};
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::{ObjectBuilder, Type};
use utoipa::{IntoParams, ToSchema};

use crate::Control;
use crate::query::Query;
use crate::respond::{Outcome, Refusal, answer};

/// What a list shows: its id is where the list goes on.
pub(crate) trait Listed {
    fn id(&self) -> &str;
}

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

/// What a caller asks of a list: at most `MOST` rows, `USUAL` if nobody says how many.
#[derive(Clone, Debug)]
pub(crate) struct Page<const USUAL: i64 = 20, const MOST: i64 = 100> {
    pub(crate) limit: usize,
    pub(crate) after: Option<String>,
}

impl<const USUAL: i64, const MOST: i64> FromRequestParts<Control> for Page<USUAL, MOST> {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, control: &Control) -> Result<Self, Response> {
        let page = Query::parse(parts.uri.query()).and_then(|query| Page::of(&query));
        page.map_err(|refusal| answer::<()>(control, Err(refusal)))
    }
}

impl<const USUAL: i64, const MOST: i64> Page<USUAL, MOST> {
    pub(crate) fn of(query: &Query) -> Outcome<Self> {
        let limit = query.number("limit", USUAL, 1..=MOST)?;
        let after = query.one("after").filter(|after| !after.is_empty());
        Ok(Page {
            limit: usize::try_from(limit).expect("at least one"),
            after: after.map(ToOwned::to_owned),
        })
    }

    /// How many rows to read: one more than shown tells whether there are more.
    pub(crate) fn rows(&self) -> i64 {
        i64::try_from(self.limit + 1).expect("it was an i64")
    }

    /// Where the page begins, from what `find` knows of the row that the last page ended with.
    pub(crate) fn cursor<C>(
        &self,
        find: impl FnOnce(&str) -> Result<Option<C>, StoreError>,
    ) -> Outcome<Option<C>> {
        let Some(id) = &self.after else {
            return Ok(None);
        };
        match find(id)? {
            None => Err(unknown_cursor("after", id)),
            found => Ok(found),
        }
    }

    /// The answer, from the [`Page::rows`] that `read` finds.
    pub(crate) async fn list<T, R>(
        self,
        control: &Control,
        read: impl FnOnce(&mut Tx<'_>, &Self) -> Outcome<Vec<R>> + Send + 'static,
    ) -> Outcome<Json<List<T>>>
    where
        T: Listed + From<R>,
        R: Send + 'static,
    {
        let limit = self.limit;
        let mut rows = control.store.read(move |tx| read(tx, &self)).await?;
        let has_more = rows.len() > limit;
        rows.truncate(limit);
        let shown = rows.into_iter().map(T::from).collect();
        Ok(Json(List::of(shown, has_more)))
    }
}

impl<const USUAL: i64, const MOST: i64> IntoParams for Page<USUAL, MOST> {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let limit = ObjectBuilder::new()
            .schema_type(Type::Integer)
            .minimum(Some(1))
            .maximum(Some(MOST))
            .default(Some(USUAL.into()));
        let after = ObjectBuilder::new().schema_type(Type::String);
        vec![
            parameter("limit", "The most rows to answer", limit),
            parameter("after", "The last id of the page before", after),
        ]
    }
}

/// The description of a query parameter that may be left out.
pub(crate) fn parameter(name: &str, description: &str, schema: ObjectBuilder) -> Parameter {
    ParameterBuilder::new()
        .name(name)
        .parameter_in(ParameterIn::Query)
        .description(Some(description))
        .schema(Some(schema))
        .build()
}

impl<T: Listed> List<T> {
    /// The answer of exactly these rows.
    pub(crate) fn of(rows: Vec<T>, has_more: bool) -> Self {
        let id = |row: &T| row.id().to_owned();
        List {
            object: "list",
            first_id: rows.first().map(id),
            last_id: rows.last().map(id),
            data: rows,
            has_more,
        }
    }
}

/// The page of a list that is known whole: after `page.after`, before `before`; without the former,
/// what is nearest to the latter.
pub(crate) fn between<T: Listed>(
    mut rows: Vec<T>,
    page: &Page,
    before: Option<&str>,
) -> Outcome<List<T>> {
    let place = |param: &str, id: &str| {
        let place = rows.iter().position(|row| row.id() == id);
        place.ok_or_else(|| unknown_cursor(param, id))
    };
    let start = page.after.as_deref().map(|id| place("after", id));
    let start = start.transpose()?.map(|place| place + 1);
    let before = before.filter(|id| !id.is_empty());
    let end = before.map(|id| place("before", id)).transpose()?;
    rows.truncate(end.unwrap_or(rows.len()));
    rows.drain(..start.unwrap_or(0).min(rows.len()));
    let has_more = rows.len() > page.limit;
    match (start, end) {
        (None, Some(_)) => drop(rows.drain(..rows.len().saturating_sub(page.limit))),
        _ => rows.truncate(page.limit),
    }
    Ok(List::of(rows, has_more))
}

/// The cursor `param` names nothing.
pub(crate) fn unknown_cursor(param: &str, id: &str) -> Refusal {
    Refusal::Invalid {
        param: param.into(),
        message: format!("Invalid '{param}': there is no '{id}' in this list."),
    }
}
