//! `/api/operator/margins`: what each organization brought in, and what that cost.

use axum::extract::State;
use axum::response::Response;
use domain::time::{AtUs, DAY_US};
use domain::window::Window;
use serde::Serialize;
use store::margins::{self, Measure, OrganizationMargin, Question};
use utoipa::ToSchema;

use super::caller::Operator;
use crate::Control;
use crate::pagination::{List, Listed, Page};
use crate::query::{Query, invalid};
use crate::respond::{Outcome, answer};

/// What an organization brought in, by our books.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Margin {
    /// The organization's id.
    #[schema(example = "org-7YkQ2nV0bX4cR9sLwA3eTz1M")]
    id: String,
    #[schema(value_type = String, example = "operator.margin")]
    object: &'static str,
    /// What the organization is called.
    #[schema(example = "Acme")]
    name: String,
    num_model_requests: i64,
    /// What it was charged.
    #[schema(example = "12.50")]
    revenue_usd: String,
    /// What that costs the operator.
    #[schema(example = "7.25")]
    cost_usd: String,
    /// Revenue less cost.
    #[schema(example = "5.25")]
    margin_usd: String,
}

impl From<OrganizationMargin> for Margin {
    fn from(sums: OrganizationMargin) -> Self {
        Margin {
            id: sums.organization.to_string(),
            object: "operator.margin",
            name: sums.name,
            num_model_requests: sums.requests,
            revenue_usd: sums.revenue.to_usd(),
            cost_usd: sums.cost.to_usd(),
            margin_usd: (sums.revenue - sums.cost).to_usd(),
        }
    }
}

impl Listed for Margin {
    fn id(&self) -> &str {
        &self.id
    }
}

/// What is asked: whole days that hold the times given; this month, unless others are.
fn asked(query: &Query, now: AtUs) -> Outcome<Question> {
    let from = query.instant("start_time")?;
    let from = from.unwrap_or_else(|| Window::Month.span(now).start);
    let to = query.instant("end_time")?.unwrap_or(now.plus(1));
    if to <= from {
        let message = "Invalid 'end_time': it must be later than 'start_time'.";
        return Err(invalid("end_time", message.into()));
    }
    let by = match query.one("order_by").unwrap_or("revenue") {
        "revenue" => Measure::Revenue,
        "cost" => Measure::Cost,
        "margin" => Measure::Margin,
        other => {
            let message =
                format!("Invalid 'order_by': '{other}'. Expected 'revenue', 'cost' or 'margin'.");
            return Err(invalid("order_by", message));
        }
    };
    let is_descending = query.one("order").is_none() || query.is_newest_first()?;
    Ok(Question {
        from: AtUs(from.0 - from.0.rem_euclid(DAY_US)),
        to: AtUs(to.0 + (-to.0).rem_euclid(DAY_US)),
        by,
        is_ascending: !is_descending,
    })
}

/// List organizations by revenue, cost or margin, over whole days (UTC).
///
/// Those without usage in that time are not among them. A page that is asked for later tells what
/// was charged until then.
#[utoipa::path(
    get, path = "/api/operator/margins", tag = "Operator", operation_id = "list_margins",
    params(
        ("start_time" = Option<i64>, Query, minimum = 0,
            description = "A second of the first day; of this month's first, if absent"),
        ("end_time" = Option<i64>, Query, minimum = 0,
            description = "The end, exclusive: all of its day counts; now, if absent"),
        ("order_by" = Option<String>, Query,
            description = "`revenue`, which it is if absent, `cost` or `margin`"),
        ("order" = Option<String>, Query, description = "`desc`, which it is if absent, or `asc`"),
        Page::<20, 100>,
    ),
    responses((status = 200, body = List<Margin>)), security(("session" = []))
)]
pub(crate) async fn list(
    State(control): State<Control>,
    _: Operator,
    query: Query,
    page: Page<20, 100>,
) -> Response {
    let outcome = async {
        let asked = asked(&query, control.now())?;
        let list = page.list::<Margin, _>(&control, move |tx, page| {
            let after = page.cursor(|id| margins::place(tx, asked, id))?;
            let after = after.zip(page.after.as_deref());
            Ok(margins::list(tx, asked, after, page.rows())?)
        });
        list.await
    };
    answer(&control, outcome.await)
}
