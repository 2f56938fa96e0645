//! `/api/budgets/{budget_id}/events`: the thresholds that a budget's spending reached.

use axum::extract::State;
use axum::response::Response;
use domain::time::AtUs;
use serde::Serialize;
use store::budgets::{self, Event, EventPlace};
use utoipa::ToSchema;

use crate::Control;
use crate::authenticate::Admin;
use crate::budgets::find_budget;
use crate::pagination::{List, Listed, Page};
use crate::path::Ids;
use crate::respond::answer;

/// Spending in a budget's window reached a threshold. It is told once for each window.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct BudgetEvent {
    /// The window's first second and the threshold: an id within this budget.
    #[schema(example = "1798761600-80")]
    id: String,
    #[schema(example = "budget.event")]
    object: &'static str,
    /// The first second of the window; null if the budget counts for good.
    #[schema(example = 1_798_761_600)]
    window_starts_at: Option<i64>,
    /// Per cent of the limit.
    #[schema(example = 80)]
    threshold: u16,
    /// The limit at that moment.
    #[schema(example = "12.50")]
    limit_usd: String,
    /// What was spent in the window at that moment.
    #[schema(example = "10.0001")]
    spent_usd: String,
    /// When.
    #[schema(example = 1_799_000_000)]
    created_at: i64,
}

impl From<Event> for BudgetEvent {
    fn from(event: Event) -> Self {
        let window = event.window_at.seconds();
        BudgetEvent {
            id: format!("{window}-{}", event.threshold),
            object: "budget.event",
            window_starts_at: Some(window).filter(|window| *window > 0),
            threshold: event.threshold,
            limit_usd: event.limit.to_usd(),
            spent_usd: event.spent.to_usd(),
            created_at: event.at.seconds(),
        }
    }
}

impl Listed for BudgetEvent {
    fn id(&self) -> &str {
        &self.id
    }
}

/// List the thresholds that a budget's spending reached, newest window first.
#[utoipa::path(
    get, path = "/api/budgets/{budget_id}/events", tag = "Budgets",
    operation_id = "list_budget_events",
    params(
        ("budget_id" = String, Path, description = "The budget"),
        Page,
    ),
    responses((status = 200, body = List<BudgetEvent>)), security(("admin_key" = []))
)]
pub(crate) async fn list(
    State(control): State<Control>,
    Admin(admin): Admin,
    Ids([budget_id]): Ids<1>,
    page: Page,
) -> Response {
    let list = page.list::<BudgetEvent, _>(&control, move |tx, page| {
        let organization = &admin.organization;
        let after = page.cursor(|id| Ok(place(id)))?;
        let budget = find_budget(tx, organization, &budget_id)?.budget.id;
        Ok(budgets::events(
            tx,
            organization,
            &budget,
            after,
            page.rows(),
        )?)
    });
    answer(&control, list.await)
}

/// The place in the list that an event's id names.
fn place(id: &str) -> Option<EventPlace> {
    let (window, threshold) = id.split_once('-')?;
    let window = AtUs::from_seconds(window.parse().ok()?);
    Some((window, threshold.parse().ok()?))
}
