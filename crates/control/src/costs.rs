//! `/v1/organization/costs`: money over time, by day; `/api/costs`: the same, also by the minute or
//! hour.

use axum::Json;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use domain::id::OrganizationId;
use domain::money::Nusd;
use domain::usage::LineItem;
use serde::Serialize;
use serde_json::value::RawValue;
use store::usage_reports::{self, Dimension, Kind, Sums};
use utoipa::ToSchema;

use crate::Control;
use crate::authenticate::Admin;
use crate::query::Query;
use crate::respond::{Outcome, answer};
use crate::usage::{Asked, BucketPage, Filters, Span, Stretch};

/// Costs of one group on one day. A grouping field is null unless it was asked for.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CostsResult {
    #[schema(example = "organization.costs.result")]
    object: &'static str,
    amount: Amount,
    /// The model and what of it, such as `gpt-4o-mini, input`.
    line_item: Option<String>,
    project_id: Option<String>,
    api_key_id: Option<String>,
    user_id: Option<String>,
    /// Units on this line: tokens, or requests.
    quantity: Option<i64>,
    quantity_unit: Option<&'static str>,
    /// `unlabeled`, if it was asked for: sources are not told apart.
    api_source: Option<&'static str>,
}

/// Money, as OpenAI's shape wants it: a number of dollars.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Amount {
    /// Written out exactly, to the nano-dollar.
    #[schema(value_type = f64)]
    value: Box<RawValue>,
    #[schema(example = "usd")]
    currency: &'static str,
}

impl Amount {
    fn of(amount: Nusd) -> Self {
        let value = RawValue::from_string(amount.to_usd()).expect("a decimal is a JSON number");
        Amount {
            value,
            currency: "usd",
        }
    }
}

/// Costs by day.
#[utoipa::path(
    get, path = "/v1/organization/costs", tag = "Usage",
    params(
        ("start_time" = i64, Query, description = "Unix seconds, inclusive",
            minimum = 0, example = 1_798_761_600),
        ("end_time" = Option<i64>, Query, description = "Unix seconds, exclusive", minimum = 0),
        ("bucket_width" = Option<String>, Query, description = "1d", pattern = "^1d$"),
        ("limit" = Option<i64>, Query, description = "Days in a page; 7 if absent",
            minimum = 1, maximum = 180),
        ("page" = Option<String>, Query, description = "next_page of the page before"),
        ("group_by" = Option<Vec<String>>, Query, description = "project_id, line_item, api_key_id, user_id"),
        ("project_ids" = Option<Vec<String>>, Query, description = "Only these"),
        ("line_items" = Option<Vec<String>>, Query, description = "Only these lines"),
        ("api_key_ids" = Option<Vec<String>>, Query, description = "Only these"),
    ),
    responses((status = 200, body = BucketPage<CostsResult>)), security(("admin_key" = []))
)]
pub(crate) async fn costs(
    State(control): State<Control>,
    Admin(admin): Admin,
    RawQuery(query): RawQuery,
) -> Response {
    let days = Span {
        kind: Kind::All,
        default: Some(7),
        most: Some(180),
    };
    let outcome = report(&control, admin.organization, query, &days).await;
    answer(&control, outcome)
}

/// Costs, in buckets as narrow as those of usage.
#[utoipa::path(
    get, path = "/api/costs", tag = "Usage", operation_id = "costs_in_buckets",
    params(Stretch, Filters),
    responses((status = 200, body = BucketPage<CostsResult>)), security(("admin_key" = []))
)]
pub(crate) async fn in_buckets(
    State(control): State<Control>,
    Admin(admin): Admin,
    RawQuery(query): RawQuery,
) -> Response {
    let any = Span {
        kind: Kind::All,
        default: None,
        most: None,
    };
    let outcome = report(&control, admin.organization, query, &any).await;
    answer(&control, outcome)
}

/// The costs that are asked for.
async fn report(
    control: &Control,
    organization: OrganizationId,
    query: Option<String>,
    span: &Span,
) -> Outcome<Json<BucketPage<CostsResult>>> {
    let query = Query::parse(query.as_deref())?;
    let fields = [
        "project_id",
        "line_item",
        "api_key_id",
        "user_id",
        "api_source",
    ];
    let asked = Asked::read(&query, span, &fields, control.now())?;
    let mut question = asked.question(organization, span);
    let (group_by, only) = (query.all("group_by"), query.all("line_items"));
    let has = |field: &str| group_by.iter().any(|asked| asked == field);
    let (by_line, by_source) = (has("line_item"), has("api_source"));
    if !only.is_empty() && !by_line {
        // A line names its model.
        question.group_by.push(Dimension::Model);
    }
    let sums = control
        .store
        .read(move |tx| -> Outcome<_> { Ok(usage_reports::sums(tx, &question)?) });
    let mut sums = sums.await?;
    if !only.is_empty() {
        sums = on_lines(sums, &only, by_line);
    }
    Ok(Json(asked.page(&sums, |sums| {
        let mut results = match by_line {
            true => lines(sums),
            false => vec![result(sums, sums.costs.into_iter().sum(), None)],
        };
        if !only.is_empty() && by_line {
            results.retain(|it| {
                it.line_item
                    .as_ref()
                    .is_some_and(|line| only.contains(line))
            });
        }
        if by_source {
            // Sources are not told apart.
            results
                .iter_mut()
                .for_each(|it| it.api_source = Some("unlabeled"));
        }
        results
    })))
}

/// What fell on some lines of the bill, by what else it is grouped by.
fn on_lines(sums: Vec<Sums>, only: &[String], by_line: bool) -> Vec<Sums> {
    let mut found: Vec<Sums> = Vec::new();
    for mut sums in sums {
        let model = sums.model.clone().unwrap_or_default();
        let mut is_on_one = false;
        for (item, cost) in LineItem::ALL.into_iter().zip(&mut sums.costs) {
            match only.contains(&line_name(&model, item)) {
                true => is_on_one = true,
                false => *cost = Nusd::ZERO,
            }
        }
        if !is_on_one {
            continue;
        }
        if by_line {
            found.push(sums);
            continue;
        }
        sums.model = None;
        let place = |it: &Sums| {
            (
                it.bucket,
                it.project.clone(),
                it.user.clone(),
                it.key.clone(),
            )
        };
        let wanted = place(&sums);
        match found.iter_mut().rev().find(|it| place(it) == wanted) {
            Some(same) => {
                for (sum, cost) in same.costs.iter_mut().zip(sums.costs) {
                    *sum += cost;
                }
            }
            None => found.push(sums),
        }
    }
    found
}

fn line_name(model: &str, item: LineItem) -> String {
    format!("{model}, {}", item.label())
}

/// A result for each line of the bill that something was used on.
fn lines(sums: &Sums) -> Vec<CostsResult> {
    let [
        fresh,
        cached,
        cache_write,
        output,
        reasoning,
        audio_in,
        audio_out,
        image,
    ] = sums.tokens;
    let quantities = [
        fresh + cache_write + audio_in + image,
        cached,
        output + reasoning + audio_out,
        sums.requests,
    ];
    let model = sums.model.as_deref().unwrap_or_default();
    LineItem::ALL
        .into_iter()
        .zip(sums.costs)
        .zip(quantities)
        .filter(|((item, cost), quantity)| match item {
            LineItem::Request => *cost > Nusd::ZERO,
            _ => *cost > Nusd::ZERO || *quantity > 0,
        })
        .map(|((item, cost), quantity)| {
            let unit = if item == LineItem::Request {
                "requests"
            } else {
                "tokens"
            };
            let line = (line_name(model, item), quantity, unit);
            result(sums, cost, Some(line))
        })
        .collect()
}

fn result(sums: &Sums, cost: Nusd, line: Option<(String, i64, &'static str)>) -> CostsResult {
    let (line_item, quantity, quantity_unit) = match line {
        Some((item, quantity, unit)) => (Some(item), Some(quantity), Some(unit)),
        None => (None, None, None),
    };
    CostsResult {
        object: "organization.costs.result",
        amount: Amount::of(cost),
        line_item,
        project_id: sums.project.clone(),
        api_key_id: sums.key.clone(),
        user_id: sums.user.clone().filter(|user| !user.is_empty()),
        quantity,
        quantity_unit,
        api_source: None,
    }
}
