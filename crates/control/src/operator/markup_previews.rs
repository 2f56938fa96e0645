//! `/api/operator/organizations/{organization_id}/markup_previews`: what a markup would have
//! changed of an organization's bill, looked at before it is stated. Nothing is kept of it.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use domain::money::Nusd;
use serde::Serialize;
use store::markup_previews::{self, Affected, Question};
use utoipa::ToSchema;

use super::caller::Operator;
use super::markups::asked;
use super::organizations::find;
use super::price_previews::{MOST_RECORDS, days};
use crate::Control;
use crate::body::Fields;
use crate::path::Ids;
use crate::respond::{Outcome, answer};

/// What a markup would have changed of an organization's bill.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct MarkupPreview {
    #[schema(value_type = String, example = "operator.markup_preview")]
    object: &'static str,
    organization_id: String,
    /// The markup that is looked at.
    #[schema(example = 1_250)]
    basis_points: i32,
    /// The first second of the time that is looked at, and the first one after it.
    #[schema(example = 1_796_083_200)]
    start_time: i64,
    #[schema(example = 1_798_761_600)]
    end_time: i64,
    #[serde(flatten)]
    total: MarkupEffect,
    /// Each model that the markup would be for and that was used, by name. One with a markup of its
    /// own is left out, unless it is asked about.
    models: Vec<MarkedUpModel>,
}

/// What a markup would have changed for a model.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct MarkedUpModel {
    #[schema(example = "gpt-4o-mini")]
    model: String,
    #[serde(flatten)]
    effect: MarkupEffect,
}

/// What a markup would have changed.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct MarkupEffect {
    #[schema(example = 12_000)]
    requests: u64,
    /// What was paid, with the markups of then.
    #[schema(example = "12.00")]
    billed_usd: String,
    /// What would have been paid.
    #[schema(example = "13.50")]
    proposed_usd: String,
    /// What would have been paid more; less if it is negative.
    #[schema(example = "1.50")]
    difference_usd: String,
    /// Whether each request was priced again. If not, the sums of each day were, at the price that
    /// was in force when the day began.
    is_exact: bool,
}

/// A markup to be looked at.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "describes; read by the handler")]
pub(crate) struct NewMarkupPreview {
    /// Hundredths of a per cent on each unit price; a discount below 0.
    #[schema(example = 1_250, minimum = -9_999, maximum = 100_000)]
    basis_points: i64,
    /// The model that it would be for; every model without a markup of its own if absent.
    #[schema(example = "gpt-4o-mini")]
    model: Option<String>,
    /// The day that is looked at first holds this second (UTC); last month's first day if absent.
    #[schema(minimum = 0, maximum = 253_402_300_799_i64, example = 1_796_083_200)]
    start_time: Option<i64>,
    /// The second after the last day, which is rounded up to whole days; last month's if absent.
    #[schema(minimum = 0, maximum = 253_402_300_799_i64, example = 1_798_761_600)]
    end_time: Option<i64>,
}

impl MarkupEffect {
    fn of(affected: &[Affected]) -> Self {
        let sum = |of: fn(&Affected) -> Nusd| {
            let amounts = affected.iter().map(|it| i128::from(of(it).get()));
            Nusd::saturating_from(amounts.sum())
        };
        let (billed, proposed) = (sum(|it| it.billed), sum(|it| it.proposed));
        MarkupEffect {
            requests: affected.iter().map(|it| it.requests).sum(),
            billed_usd: billed.to_usd(),
            proposed_usd: proposed.to_usd(),
            difference_usd: (proposed - billed).to_usd(),
            is_exact: affected.iter().all(|it| it.is_exact),
        }
    }
}

impl From<&Affected> for MarkedUpModel {
    fn from(affected: &Affected) -> Self {
        MarkedUpModel {
            model: affected.model.clone(),
            effect: MarkupEffect::of(std::slice::from_ref(affected)),
        }
    }
}

/// Preview a markup: what it would have changed of an organization's bill. Nothing is kept.
#[utoipa::path(
    post, path = "/api/operator/organizations/{organization_id}/markup_previews",
    tag = "Operator", operation_id = "preview_markup", request_body = NewMarkupPreview,
    params(("organization_id" = String, Path, description = "The organization")),
    responses((status = 200, body = MarkupPreview)), security(("session" = []))
)]
pub(crate) async fn preview(
    State(control): State<Control>,
    _: Operator,
    Ids([id]): Ids<1>,
    fields: Fields,
) -> Response {
    let outcome = async {
        let now = control.now();
        let (markup, model) = asked(&control, &fields)?;
        let days = days(&fields, now)?;
        let read = control.store.read(move |tx| -> Outcome<_> {
            let question = Question {
                organization: find(tx, &id)?,
                model,
                markup,
                from: days.start,
                to: days.end,
                most_records: MOST_RECORDS,
            };
            let affected = markup_previews::preview(tx, &question, now)?;
            Ok((question, affected))
        });
        let (question, affected) = read.await?;
        Ok(Json(MarkupPreview {
            object: "operator.markup_preview",
            organization_id: question.organization.to_string(),
            basis_points: question.markup.basis_points(),
            start_time: question.from.seconds(),
            end_time: question.to.seconds(),
            total: MarkupEffect::of(&affected),
            models: affected.iter().map(MarkedUpModel::from).collect(),
        }))
    };
    answer(&control, outcome.await)
}
