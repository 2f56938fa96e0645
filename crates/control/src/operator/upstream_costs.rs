//! `/api/operator/upstream_costs`: what upstreams earn and cost by our books, and, where they tell
//! what they are owed, by their own.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use domain::money::Nusd;
use domain::time::AtUs;
use serde::Serialize;
use serde_json::{Value, json};
use store::audit::{Event, Kind};
use store::upstream_costs::{self, Days, Grouping, Sums, Told, Tolerance};
use store::usage_reports;
use utoipa::ToSchema;

use super::caller::Operator;
use super::change::Acted;
use crate::body::Fields;
use crate::query::Query;
use crate::respond::{Outcome, Refusal, answer};
use crate::upstream_bills;
use crate::usage::{Asked, BucketPage, Span};
use crate::{Control, OfferedModel};

/// What an upstream earned and cost on a day, by our books. A grouping field is null unless it was
/// asked for.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct UpstreamCost {
    #[schema(value_type = String, example = "operator.upstream_cost")]
    object: &'static str,
    #[schema(example = "openai")]
    upstream_id: Option<String>,
    #[schema(example = "gpt-4o-mini")]
    model: Option<String>,
    num_model_requests: i64,
    input_tokens: i64,
    output_tokens: i64,
    /// What customers were charged.
    #[schema(example = "12.50")]
    revenue_usd: String,
    /// What it costs the operator.
    #[schema(example = "7.25")]
    cost_usd: String,
    /// Revenue less cost.
    #[schema(example = "5.25")]
    margin_usd: String,
}

/// What an upstream's word and our books say of a day: of one model, or of all together.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct UpstreamDrift {
    #[schema(value_type = String, example = "operator.upstream_drift")]
    object: &'static str,
    #[schema(example = "openai")]
    upstream_id: String,
    /// Null: all of the day. Line items of the upstream that name no model of ours are only there.
    #[schema(example = "gpt-4o-mini")]
    model: Option<String>,
    #[schema(example = "7.25")]
    ours_usd: String,
    #[schema(example = "7.40")]
    theirs_usd: String,
    /// Theirs less ours.
    #[schema(example = "0.15")]
    difference_usd: String,
    /// Of ours; null if there is none.
    #[schema(example = "2.06")]
    difference_percent: Option<String>,
    /// Whether that is let pass. Null for a model.
    is_tolerated: Option<bool>,
}

/// What an upstream says it is owed.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes; `Fields` reads")]
pub(crate) struct UpstreamCostsImport {
    #[schema(example = "openai")]
    upstream_id: String,
    /// A page as OpenAI's `GET /v1/organization/costs` answers it, in daily buckets; by line item,
    /// if models are to be compared.
    #[schema(value_type = Object, example = json!({"data": [{
        "start_time": 1_798_761_600, "end_time": 1_798_848_000,
        "results": [{"amount": {"value": 0.06, "currency": "usd"},
                     "line_item": "gpt-4o-mini-2024-07-18, input"}],
    }]}))]
    costs: Value,
}

/// What became of an import.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct UpstreamCostsImported {
    #[schema(value_type = String, example = "operator.upstream_costs_import")]
    object: &'static str,
    #[schema(example = "openai")]
    upstream_id: String,
    /// The days that were told of.
    days: usize,
    /// Whether they said anything that was not known.
    is_new: bool,
    /// The days that were over, are off by more than is let pass, and were not told of before.
    alarmed_days: Vec<i64>,
}

impl From<&Sums> for UpstreamCost {
    fn from(sums: &Sums) -> Self {
        UpstreamCost {
            object: "operator.upstream_cost",
            upstream_id: sums.upstream.clone(),
            model: sums.model.clone(),
            num_model_requests: sums.requests,
            input_tokens: sums.input_tokens,
            output_tokens: sums.output_tokens,
            revenue_usd: sums.revenue.to_usd(),
            cost_usd: sums.cost.to_usd(),
            margin_usd: (sums.revenue - sums.cost).to_usd(),
        }
    }
}

/// What a page of days was asked for.
fn asked(query: &Query, fields: &[&str], now: AtUs) -> Outcome<(Asked, Days)> {
    let span = Span {
        kind: usage_reports::Kind::All,
        default: Some(7),
        most: Some(180),
    };
    let asked = Asked::read(query, &span, fields, now)?;
    let (from, to) = asked.bounds();
    let days = Days {
        from,
        to,
        upstreams: query.all("upstream_ids"),
        models: query.all("models"),
    };
    Ok((asked, days))
}

/// Report what upstreams earned and cost, by day (UTC).
#[utoipa::path(
    get, path = "/api/operator/upstream_costs", tag = "Operator",
    operation_id = "list_upstream_costs",
    params(
        ("start_time" = i64, Query, description = "The first second of the first day"),
        ("end_time" = Option<i64>, Query, description = "The end; now, if absent"),
        ("group_by" = Option<Vec<String>>, Query, description = "upstream_id, model"),
        ("upstream_ids" = Option<Vec<String>>, Query, description = "Only these upstreams"),
        ("models" = Option<Vec<String>>, Query, description = "Only these models"),
        ("limit" = Option<i64>, Query, minimum = 1, maximum = 180,
            description = "How many days; 7 if absent"),
        ("page" = Option<String>, Query, description = "The next_page of an answer"),
    ),
    responses((status = 200, body = BucketPage<UpstreamCost>)), security(("session" = []))
)]
pub(crate) async fn list(State(control): State<Control>, _: Operator, query: Query) -> Response {
    let outcome = async {
        let (asked, days) = asked(&query, &["upstream_id", "model"], control.now())?;
        let group_by = query.all("group_by");
        let by = |field: &str| group_by.iter().any(|asked| asked == field);
        let grouping = Grouping {
            upstream: by("upstream_id"),
            model: by("model"),
        };
        let read = control
            .store
            .read(move |tx| upstream_costs::sums(tx, &days, grouping));
        let sums: Vec<Sums> = read.await?;
        Ok(Json(asked.buckets(
            &sums,
            |it| it.day,
            |it| vec![UpstreamCost::from(it)],
        )))
    };
    answer(&control, outcome.await)
}

/// Compare what upstreams say they are owed with our books, on the days that they told of.
#[utoipa::path(
    get, path = "/api/operator/upstream_drifts", tag = "Operator",
    operation_id = "list_upstream_drifts",
    params(
        ("start_time" = i64, Query, description = "The first second of the first day"),
        ("end_time" = Option<i64>, Query, description = "The end; now, if absent"),
        ("upstream_ids" = Option<Vec<String>>, Query, description = "Only these upstreams"),
        ("limit" = Option<i64>, Query, minimum = 1, maximum = 180,
            description = "How many days; 7 if absent"),
        ("page" = Option<String>, Query, description = "The next_page of an answer"),
    ),
    responses((status = 200, body = BucketPage<UpstreamDrift>)), security(("session" = []))
)]
pub(crate) async fn drifts(State(control): State<Control>, _: Operator, query: Query) -> Response {
    let outcome = async {
        let (asked, mut days) = asked(&query, &[], control.now())?;
        days.models = Vec::new();
        let offered = (control.data_plane.offered)();
        let read = control.store.read(move |tx| -> Outcome<_> {
            let grouping = Grouping {
                upstream: true,
                model: true,
            };
            let ours = upstream_costs::sums(tx, &days, grouping)?;
            Ok((ours, upstream_costs::told(tx, &days)?))
        });
        let (ours, told) = read.await?;
        let rows = compared(&ours, &told, &offered);
        Ok(Json(asked.buckets(
            &rows,
            |(day, _)| *day,
            |(_, drift)| vec![drift.shown(control.upstream_bills.tolerance)],
        )))
    };
    answer(&control, outcome.await)
}

/// Both sides of a day and upstream, of one model or of all.
struct Both {
    upstream: String,
    model: Option<String>,
    ours: Nusd,
    theirs: Nusd,
}

impl Both {
    fn shown(&self, tolerance: Tolerance) -> UpstreamDrift {
        let difference = self.theirs - self.ours;
        let is_tolerated = tolerance.allows(self.ours, self.theirs);
        UpstreamDrift {
            object: "operator.upstream_drift",
            upstream_id: self.upstream.clone(),
            model: self.model.clone(),
            ours_usd: self.ours.to_usd(),
            theirs_usd: self.theirs.to_usd(),
            difference_usd: difference.to_usd(),
            difference_percent: percent(difference, self.ours),
            is_tolerated: self.model.is_none().then_some(is_tolerated),
        }
    }
}

/// A share in per cent, to two places.
fn percent(part: Nusd, of: Nusd) -> Option<String> {
    if of == Nusd::ZERO {
        return None;
    }
    let hundredths = i128::from(part.get()) * 10_000 / i128::from(of.get());
    let sign = if hundredths < 0 { "-" } else { "" };
    let size = hundredths.unsigned_abs();
    Some(format!("{sign}{}.{:02}", size / 100, size % 100))
}

/// Each day that an upstream told of: all of it, then each model.
fn compared(ours: &[Sums], told: &Told, offered: &[OfferedModel]) -> Vec<(AtUs, Both)> {
    let mut rows = Vec::new();
    for ((day, upstream), lines) in told {
        let of_day = ours
            .iter()
            .filter(|sums| sums.day == *day && sums.upstream.as_deref() == Some(upstream.as_str()));
        let of_day: BTreeMap<&str, Nusd> = of_day
            .map(|sums| (sums.model.as_deref().unwrap_or_default(), sums.cost))
            .collect();
        let names = upstream_bills::names(upstream, offered);
        let mut models: BTreeMap<&str, (Nusd, Nusd)> = BTreeMap::new();
        for (model, cost) in &of_day {
            models.entry(*model).or_default().0 += *cost;
        }
        for (line, amount) in lines {
            if let Some(model) = upstream_bills::model_of(line, &names) {
                models.entry(model).or_default().1 += *amount;
            }
        }
        let both = |model: Option<&str>, ours, theirs| {
            let both = Both {
                upstream: upstream.clone(),
                model: model.map(ToOwned::to_owned),
                ours,
                theirs,
            };
            (*day, both)
        };
        let all = (
            of_day.values().copied().sum(),
            lines.values().copied().sum(),
        );
        rows.push(both(None, all.0, all.1));
        for (model, (ours, theirs)) in models {
            rows.push(both(Some(model), ours, theirs));
        }
    }
    rows
}

/// Import what an upstream says it is owed, as OpenAI's costs API tells it.
///
/// The latest word on a day replaces what was said of it before. A day that is over and off by more
/// than is let pass is told to every operator, once.
#[utoipa::path(
    post, path = "/api/operator/upstream_costs/import", tag = "Operator",
    operation_id = "import_upstream_costs", request_body = UpstreamCostsImport,
    responses((status = 200, body = UpstreamCostsImported)), security(("session" = []))
)]
pub(crate) async fn import(
    State(control): State<Control>,
    operator: Operator,
    fields: Fields,
) -> Response {
    let outcome = async {
        let upstream = fields
            .required("upstream_id", fields.id("upstream_id")?)?
            .to_owned();
        let is_known = (control.data_plane.upstreams)()
            .iter()
            .any(|it| *it.id == *upstream);
        if !is_known {
            let what = "upstream";
            return Err(Refusal::NotFound { what, id: upstream });
        }
        let costs = fields.required("costs", fields.object("costs", "costs.")?)?;
        let bill = upstream_bills::read(&costs)?;
        let (entropy, tolerance) = (control.entropy, control.upstream_bills.tolerance);
        let change = control.operate(operator, move |tx, now| {
            let at = (now, entropy);
            let taken = upstream_bills::take(tx, &upstream, &bill, tolerance, at)?;
            let (is_new, drifts) = (taken.is_new, taken.drifts);
            let imported = UpstreamCostsImported {
                object: "operator.upstream_costs_import",
                upstream_id: upstream.clone(),
                days: bill.days.len(),
                is_new,
                alarmed_days: drifts.iter().map(|drift| drift.day.seconds()).collect(),
            };
            if !is_new && drifts.is_empty() {
                return Ok(Acted::nothing(imported));
            }
            let event = Event::new(Kind::UpstreamCostsImported, &upstream).data(json!({
                "first_day": bill.days.keys().next().map(|day| day.seconds()),
                "last_day": bill.days.keys().last().map(|day| day.seconds()),
                "alarmed_days": imported.alarmed_days,
            }));
            Ok(Acted::new(event, imported))
        });
        Ok(Json(change.await?))
    };
    answer(&control, outcome.await)
}
