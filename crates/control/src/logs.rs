//! `/api/logs`: every request of an organization, what it came to, and why one was refused.
//!
//! Somebody sees the requests of the projects that they may see the log of, and those that were
//! made with keys of their own. docs/logs.md says how the list is followed while it grows.

mod entry;
mod filter;
mod prompt;
mod settings;
mod tidying;

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use domain::id::RequestId;
use domain::permission::Permission;
use domain::time::SECOND_US;
use serde::Serialize;
use serde_json::Value;
use store::page::{Page as Part, Place};
use store::request_log::{self, Listed, Sight};
use store::request_receipts::{self, Found};
use store::{Tx, standing};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::Control;
use crate::authenticate::{Admin, Caller};
use crate::next_list::{place, text};
use crate::pagination::{Page, unknown_cursor};
use crate::path::Ids;
use crate::query::Query;
use crate::request_receipts::RequestReceipt;
use crate::respond::{Outcome, Refusal, answer};
use entry::{LogEntry, LogRefusal};
use filter::{LogFilters, read_filter};
use prompt::LogPrompt;

/// The routes of the log.
pub(crate) fn routes() -> OpenApiRouter<Control> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(retrieve))
        .routes(routes!(settings::retrieve, settings::update))
}

/// A list that is followed ends so long ago: what ended since may not be written yet.
const SETTLED_US: i64 = 2 * SECOND_US;

/// A page of the log.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LogList {
    #[schema(value_type = String, example = "list")]
    object: &'static str,
    data: Vec<LogEntry>,
    /// Whether there is more now. Where a filter fits few requests, a page may be short, or empty,
    /// and there is more still.
    has_more: bool,
    /// What to send as `after` to go on; null if the list ends here. With `order=asc` it never
    /// does: ask again, and hear of what ended meanwhile.
    #[schema(example = "1798761602000123-req_019b77a1c2f07d3e9a6b1c2d3e4f5a6b")]
    next: Option<String>,
    /// What to send as `after`, with `order=asc`, to follow the log from here on.
    #[schema(example = "1798761602000123-")]
    follow: String,
    /// How many refused requests in this span are not in the log, as there were too many in their
    /// minute.
    #[schema(example = 0)]
    not_kept: u64,
}

/// A request, with all that is known of it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LogRequest {
    #[serde(flatten)]
    entry: LogEntry,
    /// What it cost and why; null if it was not charged.
    #[schema(value_type = Option<RequestReceipt>)]
    receipt: Option<Value>,
    /// Why it was refused, or failed; null if it was charged.
    refusal: Option<LogRefusal>,
    prompt: LogPrompt,
}

/// List requests by when they ended, the latest first, or follow those that end from now on.
///
/// A member sees the requests of projects whose log they may read, and those made with keys of
/// their own.
#[utoipa::path(
    get, path = "/api/logs", tag = "Logs", operation_id = "list_logs",
    params(
        ("order" = Option<String>, Query,
            description = "`desc` (if absent): the latest first. `asc`: the earliest first, up to \
                two seconds ago; the way to follow the log"),
        Page<50, 200>,
        LogFilters,
    ),
    responses((status = 200, body = LogList)), security(("admin_key" = []))
)]
pub(crate) async fn list(
    State(control): State<Control>,
    Admin(admin): Admin,
    query: Query,
) -> Response {
    let outcome = async {
        let page = Page::<50, 200>::of(&query)?;
        let is_descending = query.one("order").is_none() || query.is_newest_first()?;
        let after = page.after.as_deref().map(|after| {
            let found = place(after);
            found.ok_or_else(|| unknown_cursor("after", after))
        });
        let part = Part {
            after: after.transpose()?,
            is_descending,
            limit: i64::try_from(page.limit).unwrap_or(i64::MAX),
        };
        let mut filter = read_filter(&query)?;
        let settled_at = control.now().plus(-SETTLED_US);
        if !is_descending {
            filter.to = Some(filter.to.map_or(settled_at, |to| to.min(settled_at)));
        }
        let after = part.after.clone();
        let read = control.store.read(move |tx| -> Outcome<_> {
            let organization = &admin.organization;
            let sight = sight(tx, &admin)?;
            let not_kept = match sight {
                Sight::All => request_log::not_kept(tx, organization, &filter)?,
                Sight::Some(..) => 0,
            };
            let listed = request_log::list(tx, organization, (&sight, &filter), &part)?;
            Ok((listed, not_kept))
        });
        let (Listed { entries, next }, not_kept) = read.await?;
        let follow = (settled_at, String::new());
        let has_more = next.is_some();
        let next = match is_descending {
            true => next,
            false => Some(next.unwrap_or_else(|| latest(&entries, after, &follow))),
        };
        Ok(Json(LogList {
            object: "list",
            data: entries.into_iter().map(LogEntry::from).collect(),
            has_more,
            next: next.as_ref().map(text),
            follow: text(&follow),
            not_kept,
        }))
    };
    answer(&control, outcome.await)
}

/// Where a list goes on that is followed, and was read to its present end.
fn latest(entries: &[request_log::Entry], after: Option<Place>, end: &Place) -> Place {
    let last = entries.last().map(|it| (it.ended_at, it.id.clone()));
    let known = last.or(after);
    known.unwrap_or_else(|| end.clone())
}

/// Retrieve a request: its receipt, or why it was refused.
#[utoipa::path(
    get, path = "/api/logs/{request_id}", tag = "Logs", operation_id = "retrieve_log",
    params(("request_id" = String, Path, description = "The answer's `x-request-id`")),
    responses((status = 200, body = LogRequest)), security(("admin_key" = []))
)]
pub(crate) async fn retrieve(
    State(control): State<Control>,
    Admin(admin): Admin,
    Ids([id]): Ids<1>,
) -> Response {
    let asked = control.clone();
    let read = asked.store.read(move |tx| -> Outcome<_> {
        let none = || Refusal::NotFound {
            what: "request in the log",
            id: id.clone(),
        };
        let request = RequestId::parse(&id).ok_or_else(none)?;
        let sight = sight(tx, &admin)?;
        let organization = &admin.organization;
        let found = request_log::find(tx, organization, &sight, request)?.ok_or_else(none)?;
        let receipt = match request_receipts::find(tx, organization, request)? {
            Found::Receipt(receipt) => Some(receipt.to_json()),
            Found::Running { .. } | Found::Nothing => None,
        };
        Ok(LogRequest {
            refusal: LogRefusal::of(&found),
            prompt: LogPrompt::read(tx, (&control, &admin), &found.entry, request)?,
            entry: found.entry.into(),
            receipt,
        })
    });
    answer(&asked, read.await.map(Json))
}

/// Which requests a caller may see.
fn sight(tx: &mut Tx<'_>, caller: &Caller) -> Outcome<Sight> {
    let everywhere = caller.standing.in_organization();
    if everywhere.contains(Permission::LogsRead) {
        return Ok(Sight::All);
    }
    let user = caller.actor.user().cloned();
    let projects = match &user {
        Some(user) => {
            let permission = Permission::LogsRead;
            standing::projects_with(tx, &caller.organization, user, permission)?
        }
        None => Vec::new(),
    };
    Ok(Sight::Some(projects, user))
}
