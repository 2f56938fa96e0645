//! OpenAI's other lists: `limit`, `after` and `order`, answered with `next` and `has_more`.
//!
//! What `next` holds names a place, not a thing: a list can be walked while what it shows is
//! deleted. A thing's id does for `after`, too, as long as the thing is there.

use axum::Json;
use axum::extract::FromRequestParts;
use axum::response::Response;
use domain::time::AtUs;
use http::request::Parts;
use serde::Serialize;
use store::page::{Page as Part, Place};
use store::{StoreError, Tx};
use utoipa::openapi::path::{Parameter, ParameterIn};
use utoipa::openapi::{ObjectBuilder, Type};
use utoipa::{IntoParams, ToSchema};

use crate::Control;
use crate::pagination::{Page, parameter};
use crate::query::Query;
use crate::respond::{Outcome, answer};

/// What a list reads: its place is where the list goes on.
pub(crate) trait Placed {
    fn place(&self) -> Place;
}

/// One page of a list.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct NextList<T> {
    #[schema(example = "list")]
    object: &'static str,
    data: Vec<T>,
    has_more: bool,
    /// What to send as `after` for the next page; null on the last one.
    next: Option<String>,
}

/// What a caller asks of a list: at most `MOST` rows, `USUAL` if nobody says how many.
#[derive(Debug)]
pub(crate) struct NextPage<const USUAL: i64, const MOST: i64 = 1_000> {
    page: Page<USUAL, MOST>,
    is_descending: bool,
}

impl<const USUAL: i64, const MOST: i64> FromRequestParts<Control> for NextPage<USUAL, MOST> {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, control: &Control) -> Result<Self, Response> {
        let page = Query::parse(parts.uri.query()).and_then(|query| {
            Ok(NextPage {
                page: Page::of(&query)?,
                is_descending: query.is_newest_first()?,
            })
        });
        page.map_err(|refusal| answer::<()>(control, Err(refusal)))
    }
}

impl<const USUAL: i64, const MOST: i64> NextPage<USUAL, MOST> {
    /// What to read; `find` knows the places of ids.
    pub(crate) fn part(
        &self,
        find: impl FnOnce(&str) -> Result<Option<Place>, StoreError>,
    ) -> Outcome<Part> {
        Ok(Part {
            after: self.page.cursor(|after| match place(after) {
                None => find(after),
                found => Ok(found),
            })?,
            is_descending: self.is_descending,
            limit: self.page.rows(),
        })
    }

    /// The answer, from what `read` finds of the [`NextPage::part`].
    pub(crate) async fn list<T, R>(
        self,
        control: &Control,
        read: impl FnOnce(&mut Tx<'_>, &Self) -> Outcome<Vec<R>> + Send + 'static,
    ) -> Outcome<Json<NextList<T>>>
    where
        T: From<R>,
        R: Placed + Send + 'static,
    {
        let limit = self.page.limit;
        let mut rows = control.store.read(move |tx| read(tx, &self)).await?;
        let has_more = rows.len() > limit;
        rows.truncate(limit);
        let last = rows.last().filter(|_| has_more);
        let next = last.map(|row| text(&row.place()));
        Ok(Json(NextList {
            object: "list",
            data: rows.into_iter().map(T::from).collect(),
            has_more,
            next,
        }))
    }
}

impl<const USUAL: i64, const MOST: i64> IntoParams for NextPage<USUAL, MOST> {
    fn into_params(place: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let order = ObjectBuilder::new()
            .schema_type(Type::String)
            .enum_values(Some(["asc", "desc"]))
            .default(Some("asc".into()));
        let after = ObjectBuilder::new().schema_type(Type::String);
        let page = Page::<USUAL, MOST>::into_params(place);
        let limit = page.into_iter().filter(|part| part.name == "limit");
        limit
            .chain([
                parameter("after", "What `next` of the page before was", after),
                parameter(
                    "order",
                    "Whether the oldest come first, or the newest",
                    order,
                ),
            ])
            .collect()
    }
}

/// A place, as `next` says it.
pub(crate) fn text((at, id): &Place) -> String {
    format!("{}-{id}", at.0)
}

/// The place that `next` held.
pub(crate) fn place(text: &str) -> Option<Place> {
    let (at, id) = text.split_once('-')?;
    Some((AtUs(at.parse().ok()?), id.to_owned()))
}
