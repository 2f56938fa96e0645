//! `/api/operator/audit_logs`: what operators did, newest first.

use axum::extract::State;
use axum::response::Response;
use store::audit;

use super::caller::Operator;
use crate::Control;
use crate::audit_logs::{AuditLog, entries};
use crate::pagination::{List, Page};
use crate::query::Query;
use crate::respond::answer;

/// List what operators did, newest first.
#[utoipa::path(
    get, path = "/api/operator/audit_logs", tag = "Operator",
    operation_id = "list_operator_audit_logs",
    params(
        ("effective_at[gt]" = Option<i64>, Query, minimum = 0,
            description = "After this Unix second"),
        ("effective_at[gte]" = Option<i64>, Query, minimum = 0, description = "Not before it"),
        ("effective_at[lt]" = Option<i64>, Query, minimum = 0, description = "Before it"),
        ("effective_at[lte]" = Option<i64>, Query, minimum = 0, description = "Not after it"),
        ("event_types[]" = Option<Vec<String>>, Query, description = "Only of these types"),
        ("actor_ids[]" = Option<Vec<String>>, Query, description = "Only by these operators"),
        ("actor_emails[]" = Option<Vec<String>>, Query, description = "Only by these operators"),
        ("resource_ids[]" = Option<Vec<String>>, Query, description = "Only to these"),
        Page,
        ("before" = Option<String>, Query, description = "The first id of the page after"),
    ),
    responses((status = 200, body = List<AuditLog>)), security(("session" = []))
)]
pub(crate) async fn list(
    State(control): State<Control>,
    _: Operator,
    query: Query,
    page: Page,
) -> Response {
    let outcome = entries(&control, audit::operators(), &query, page);
    answer(&control, outcome.await)
}
