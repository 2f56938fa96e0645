//! `/api/billing/exports`: everything that moved in a span, and every request, as tables of any
//! length.
//!
//! The next page is read when the caller has taken the last one, each in a transaction of its own:
//! memory is constant, a slow caller holds nothing up, and one that leaves ends it. The header
//! `x-farebox-rows` says how many rows are to come. An export that fails on the way is cut off,
//! which every client of HTTP notices: what ended well is whole.

use std::collections::VecDeque;

use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use bytes::Bytes;
use domain::id::OrganizationId;
use domain::time::AtUs;
use domain::window::Span;
use futures_util::stream;
use http::HeaderValue;
use store::exports::{self, Movement, Request};
use store::page::Place;
use store::{Store, StoreError, Tx};

use super::csv::{Cell, head, line};
use super::file;
use crate::Control;
use crate::authenticate::Admin;
use crate::query::{self, Query};
use crate::respond::{Outcome, Refusal, answer};

/// As RFC 7111 has it.
pub(super) const CSV: &str = "text/csv; charset=utf-8; header=present";
const ROWS: &str = "x-farebox-rows";
/// Rows of one page.
const PAGE: i64 = 1_000;

const MOVEMENT_COLUMNS: [&str; 5] = ["id", "at", "kind", "amount_usd", "reason"];
const USAGE_COLUMNS: [&str; 16] = [
    "request_id",
    "admitted_at",
    "ended_at",
    "project_id",
    "key_id",
    "model",
    "endpoint",
    "fresh_input_tokens",
    "cached_input_tokens",
    "cache_write_tokens",
    "output_tokens",
    "reasoning_tokens",
    "audio_input_tokens",
    "audio_output_tokens",
    "image_tokens",
    "cost_usd",
];

/// Export all movements of a span but usage, oldest first: purchases, grants, refunds and the like.
#[utoipa::path(
    get, path = "/api/billing/exports/movements", tag = "Billing",
    operation_id = "export_movements",
    params(
        ("start_time" = i64, Query, description = "Unix seconds, inclusive",
            minimum = 0, example = 1_793_491_200),
        ("end_time" = Option<i64>, Query, description = "Unix seconds, exclusive; now if absent",
            minimum = 0),
    ),
    responses((status = 200, body = String, content_type = "text/csv",
        description = "The table. The header `x-farebox-rows` says how many rows it has")),
    security(("admin_key" = []))
)]
pub(crate) async fn movements(
    State(control): State<Control>,
    Admin(admin): Admin,
    RawQuery(query): RawQuery,
) -> Response {
    let outcome = async {
        let span = span(query.as_deref(), control.now())?;
        let organization = admin.organization;
        let of = organization.clone();
        let rows = control
            .store
            .read(move |tx| -> Outcome<_> { Ok(exports::count_movements(tx, &of, span)?) });
        let rows = rows.await?;
        let source = Movements {
            organization,
            span,
            after: None,
        };
        Ok(export(&control, source, rows, "movements.csv"))
    };
    answer(&control, outcome.await)
}

/// Export all requests of a span with what they used and cost, by when they arrived.
#[utoipa::path(
    get, path = "/api/billing/exports/usage", tag = "Billing", operation_id = "export_usage",
    params(
        ("start_time" = i64, Query, description = "Unix seconds, inclusive",
            minimum = 0, example = 1_793_491_200),
        ("end_time" = Option<i64>, Query, description = "Unix seconds, exclusive; now if absent",
            minimum = 0),
    ),
    responses((status = 200, body = String, content_type = "text/csv",
        description = "The table. The header `x-farebox-rows` says how many rows it has, exactly if \
            the span is of whole hours")),
    security(("admin_key" = []))
)]
pub(crate) async fn usage(
    State(control): State<Control>,
    Admin(admin): Admin,
    RawQuery(query): RawQuery,
) -> Response {
    let outcome = async {
        let span = span(query.as_deref(), control.now())?;
        let organization = admin.organization;
        let of = organization.clone();
        let rows = control
            .store
            .read(move |tx| -> Outcome<_> { Ok(exports::estimate_requests(tx, &of, span)?) });
        let rows = rows.await?;
        let source = Requests {
            organization,
            span,
            after: None,
        };
        Ok(export(&control, source, rows, "usage.csv"))
    };
    answer(&control, outcome.await)
}

/// What was asked for: it ends now at the latest, so that an export comes to an end.
fn span(query: Option<&str>, now: AtUs) -> Outcome<Span> {
    let query = Query::parse(query)?;
    let start = query.instant("start_time")?.ok_or(Refusal::Missing {
        param: "start_time".into(),
    })?;
    let end = query.instant("end_time")?.unwrap_or(now).min(now);
    if query.one("end_time").is_some() && end <= start && start < now {
        let message = "Invalid 'end_time': it must be after 'start_time'.";
        return Err(query::invalid("end_time", message.into()));
    }
    Ok(Span { start, end })
}

/// A table that is read page by page.
trait Source: Clone + Send + Sync + 'static {
    const COLUMNS: &'static [&'static str];

    /// The next page as lines, and what comes after it; none at the end.
    fn next(self, tx: &mut Tx<'_>) -> Result<Option<(String, Self)>, StoreError>;
}

#[derive(Clone)]
struct Movements {
    organization: OrganizationId,
    span: Span,
    after: Option<Place>,
}

impl Source for Movements {
    const COLUMNS: &'static [&'static str] = &MOVEMENT_COLUMNS;

    fn next(mut self, tx: &mut Tx<'_>) -> Result<Option<(String, Self)>, StoreError> {
        let after = self.after.as_ref();
        let page = exports::movements(tx, &self.organization, self.span, after, PAGE)?;
        let Some(last) = page.last() else {
            return Ok(None);
        };
        self.after = Some((last.at, last.id.clone()));
        let mut lines = String::new();
        page.iter().for_each(|it| movement(&mut lines, it));
        Ok(Some((lines, self)))
    }
}

#[derive(Clone)]
struct Requests {
    organization: OrganizationId,
    span: Span,
    after: Option<String>,
}

impl Source for Requests {
    const COLUMNS: &'static [&'static str] = &USAGE_COLUMNS;

    fn next(mut self, tx: &mut Tx<'_>) -> Result<Option<(String, Self)>, StoreError> {
        let after = self.after.as_deref();
        let page = exports::requests(tx, &self.organization, self.span, after, PAGE)?;
        let Some(last) = page.last() else {
            return Ok(None);
        };
        self.after = Some(last.id.clone());
        let mut lines = String::new();
        page.iter().for_each(|it| request(&mut lines, it));
        Ok(Some((lines, self)))
    }
}

fn movement(table: &mut String, it: &Movement) {
    let cells = [
        Cell::Text(&it.id),
        Cell::Own(it.at.to_utc()),
        Cell::Text(&it.code),
        Cell::Own(it.amount.to_usd()),
        Cell::Text(&it.reason),
    ];
    line(table, &cells);
}

fn request(table: &mut String, it: &Request) {
    let mut cells = vec![
        Cell::Text(&it.id),
        Cell::Own(it.admitted_at.to_utc()),
        Cell::Own(it.ended_at.to_utc()),
        Cell::Text(&it.project),
        Cell::Text(&it.key),
        Cell::Text(&it.model),
        Cell::Text(&it.endpoint),
    ];
    cells.extend(it.tokens.map(Cell::from));
    cells.push(Cell::Own(it.cost.to_usd()));
    line(table, &cells);
}

/// The answer: the head, then one page after another, each read when it is asked for.
fn export<S: Source>(control: &Control, source: S, rows: u64, name: &str) -> Response {
    struct Reading<S> {
        store: Store,
        ready: VecDeque<Bytes>,
        source: Option<S>,
    }
    let reading = Reading {
        store: control.store.clone(),
        ready: VecDeque::from([Bytes::from(head(S::COLUMNS))]),
        source: Some(source),
    };
    let pages = stream::unfold(reading, |mut reading| async move {
        if let Some(ready) = reading.ready.pop_front() {
            return Some((Ok(ready), reading));
        }
        let source = reading.source.take()?;
        match reading.store.read(move |tx| source.next(tx)).await {
            Ok(Some((lines, source))) => {
                reading.source = Some(source);
                Some((Ok(Bytes::from(lines)), reading))
            }
            Ok(None) => None,
            Err(error) => {
                tracing::warn!(%error, "an export was cut off");
                Some((Err(error), reading))
            }
        }
    });
    let mut response = file(Body::from_stream(pages), CSV, Some(name));
    response.headers_mut().insert(ROWS, HeaderValue::from(rows));
    response
}
