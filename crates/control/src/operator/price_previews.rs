//! `/api/operator/models/{model_id}/price_previews`: what a price would have changed, looked at
//! before it is stated. Nothing is kept of it.

use std::cmp::Reverse;

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use domain::money::Nusd;
use domain::time::{AtUs, DAY_US};
use domain::usage::{Usage, UsageClass};
use domain::window::{Span, Window};
use serde::Serialize;
use store::price_previews::{self, Affected, Question};
use utoipa::ToSchema;

use super::caller::Operator;
use super::models::ensure_offered;
use super::prices::{Amounts, NewPrice};
use crate::Control;
use crate::body::Fields;
use crate::pagination::{List, Listed, Page, between};
use crate::path::Ids;
use crate::respond::{Outcome, answer};

/// What a price would have changed.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PricePreview {
    #[schema(example = "operator.price_preview")]
    object: &'static str,
    #[schema(example = "gpt-4o-mini")]
    model: String,
    /// The first second of the time that is looked at, and the first one after it.
    start_time: i64,
    end_time: i64,
    /// The price that is looked at, and the operator's cost.
    price: Amounts,
    cost: Amounts,
    total: PreviewTotal,
    /// Those that used the model, the most affected first.
    organizations: List<AffectedOrganization>,
}

/// What would have changed for everybody together.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PreviewTotal {
    /// Organizations that used the model.
    organizations: usize,
    #[serde(flatten)]
    effect: Effect,
}

/// What would have changed for an organization.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AffectedOrganization {
    /// The organization's.
    #[schema(example = "org-7YkQ2nV0bX4cR9sLwA3eTz1M")]
    id: String,
    #[schema(example = "operator.price_preview.organization")]
    object: &'static str,
    #[schema(example = "Acme")]
    name: String,
    #[serde(flatten)]
    effect: Effect,
}

/// What would have changed.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Effect {
    requests: u64,
    tokens: Tokens,
    /// What was paid.
    #[schema(example = "12.00")]
    billed_usd: String,
    /// What would have been paid.
    #[schema(example = "13.00")]
    proposed_usd: String,
    /// What would have been paid more; less if it is negative.
    #[schema(example = "1.00")]
    difference_usd: String,
    /// What the operator paid.
    #[schema(example = "8.00")]
    upstream_cost_usd: String,
    /// What the operator would have paid.
    #[schema(example = "8.00")]
    proposed_upstream_cost_usd: String,
    /// Whether each request was priced again. If not, their sums were: the amounts may be too low
    /// by less than a nano-dollar a request, and too high for requests beyond their holds.
    is_exact: bool,
}

/// Tokens by class; no token is in two of them.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Tokens {
    input: u64,
    cached_input: u64,
    cache_write: u64,
    output: u64,
    reasoning: u64,
    audio_input: u64,
    audio_output: u64,
    image: u64,
}

/// A price to be looked at.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "describes; read by the handler")]
pub(crate) struct NewPricePreview {
    /// What customers would pay.
    price: super::prices::StatedAmounts,
    /// What the operator would pay; what it is now if absent.
    cost: Option<super::prices::StatedAmounts>,
    /// The day that is looked at first holds this second (UTC); last month's first day if absent.
    #[schema(minimum = 0, maximum = 253_402_300_799_i64, example = 1_796_083_200)]
    start_time: Option<i64>,
    /// The second after the last day, which is rounded up to whole days; last month's if absent.
    #[schema(minimum = 0, maximum = 253_402_300_799_i64, example = 1_798_761_600)]
    end_time: Option<i64>,
}

/// The most days that are looked at.
const MOST_DAYS: i64 = 92;
/// The most requests that are priced one by one: a second's work for a small machine.
pub(super) const MOST_RECORDS: i64 = 100_000;

impl From<&Usage> for Tokens {
    fn from(usage: &Usage) -> Self {
        Tokens {
            input: usage[UsageClass::FreshInput],
            cached_input: usage[UsageClass::CachedInput],
            cache_write: usage[UsageClass::CacheWrite],
            output: usage[UsageClass::Output],
            reasoning: usage[UsageClass::Reasoning],
            audio_input: usage[UsageClass::AudioInput],
            audio_output: usage[UsageClass::AudioOutput],
            image: usage[UsageClass::Image],
        }
    }
}

impl From<&Affected> for Effect {
    fn from(affected: &Affected) -> Self {
        Effect {
            requests: affected.usage[UsageClass::Request],
            tokens: Tokens::from(&affected.usage),
            billed_usd: affected.billed.to_usd(),
            proposed_usd: affected.proposed.to_usd(),
            difference_usd: affected.difference().to_usd(),
            upstream_cost_usd: affected.upstream_cost.to_usd(),
            proposed_upstream_cost_usd: affected.proposed_upstream_cost.to_usd(),
            is_exact: affected.is_exact,
        }
    }
}

impl From<&Affected> for AffectedOrganization {
    fn from(affected: &Affected) -> Self {
        AffectedOrganization {
            id: affected.organization.to_string(),
            object: "operator.price_preview.organization",
            name: affected.name.clone(),
            effect: Effect::from(affected),
        }
    }
}

impl Listed for AffectedOrganization {
    fn id(&self) -> &str {
        &self.id
    }
}

/// Preview a price: what it would have changed in a stretch of days, for whom. Nothing is kept.
#[utoipa::path(
    post, path = "/api/operator/models/{model_id}/price_previews", tag = "Operator",
    operation_id = "preview_price", request_body = NewPricePreview,
    params(
        ("model_id" = String, Path, description = "The model, its slashes as %2F"),
        Page,
    ),
    responses((status = 200, body = PricePreview)), security(("session" = []))
)]
pub(crate) async fn preview(
    State(control): State<Control>,
    _: Operator,
    Ids([model]): Ids<1>,
    page: Page,
    fields: Fields,
) -> Response {
    let outcome = async {
        let now = control.now();
        let (new, days) = (NewPrice::read(&fields)?, days(&fields, now)?);
        ensure_offered(&control, &model)?;
        let read = control.store.read(move |tx| -> Outcome<_> {
            let stated = new.stated(tx, &model, now)?;
            let question = Question {
                model,
                from: days.start,
                to: days.end,
                price: stated.price,
                cost: stated.cost,
                most_records: MOST_RECORDS,
            };
            let affected = price_previews::preview(tx, &question)?;
            Ok((question, affected))
        });
        let (question, affected) = read.await?;
        shown(question, affected, &page).map(Json)
    };
    answer(&control, outcome.await)
}

/// The days that are asked for.
pub(super) fn days(fields: &Fields, now: AtUs) -> Outcome<Span> {
    let month = Window::Month;
    let last_month = month.span(month.span(now).start.plus(-1));
    let second =
        |param: &str, usual: AtUs| -> Outcome<AtUs> { Ok(fields.instant(param)?.unwrap_or(usual)) };
    let start = second("start_time", last_month.start)?.floor(DAY_US);
    let usual = match fields.has("start_time") {
        true => now,
        false => last_month.end,
    };
    let end = second("end_time", usual)?.plus(DAY_US - 1).floor(DAY_US);
    if end <= start {
        return Err(fields.invalid("end_time", "it must be after 'start_time'"));
    }
    if end.since(start) > MOST_DAYS * DAY_US {
        let problem = format!("at most {MOST_DAYS} days can be looked at");
        return Err(fields.invalid("start_time", &problem));
    }
    Ok(Span { start, end })
}

fn shown(question: Question, mut affected: Vec<Affected>, page: &Page) -> Outcome<PricePreview> {
    let much = |it: &Affected| it.difference().get().unsigned_abs();
    affected.sort_by_cached_key(|it| (Reverse(much(it)), it.organization.to_string()));
    let total = PreviewTotal {
        organizations: affected.len(),
        effect: sum(&affected),
    };
    let rows = affected.iter().map(AffectedOrganization::from).collect();
    Ok(PricePreview {
        object: "operator.price_preview",
        model: question.model,
        start_time: question.from.seconds(),
        end_time: question.to.seconds(),
        price: Amounts::of(&question.price),
        cost: Amounts::of(&question.cost),
        total,
        organizations: between(rows, page, None)?,
    })
}

fn sum(affected: &[Affected]) -> Effect {
    let amount = |of: fn(&Affected) -> Nusd| {
        let amounts = affected.iter().map(|it| i128::from(of(it).get()));
        Nusd::saturating_from(amounts.sum()).to_usd()
    };
    let mut usage = Usage::default();
    for it in affected {
        for class in UsageClass::ALL {
            usage[class] = usage[class].saturating_add(it.usage[class]);
        }
    }
    Effect {
        requests: usage[UsageClass::Request],
        tokens: Tokens::from(&usage),
        billed_usd: amount(|it| it.billed),
        proposed_usd: amount(|it| it.proposed),
        difference_usd: amount(Affected::difference),
        upstream_cost_usd: amount(|it| it.upstream_cost),
        proposed_upstream_cost_usd: amount(|it| it.proposed_upstream_cost),
        is_exact: affected.iter().all(|it| it.is_exact),
    }
}
