//! `/v1/organization/projects/{project_id}/rate_limits`: what each model may be asked, a row each.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use domain::admission::{DefaultRates, RateRule, RateRules};
use domain::budget::Scope;
use domain::id::ProjectId;
use serde::Serialize;
use serde_json::json;
use store::audit::{Event, Kind};
use store::rate_limits::{self, RateLimitRow};
use utoipa::ToSchema;

use crate::Control;
use crate::authenticate::Admin;
use crate::body::Fields;
use crate::change::Done;
use crate::pagination::{List, Listed, Page, unknown_cursor};
use crate::path::Ids;
use crate::projects::{find, find_active};
use crate::query::Query;
use crate::rate_limits::{MOST_UNITS, OF_ORGANIZATION, check_below, set_rule};
use crate::respond::{Outcome, Refusal, answer};

/// What a project may ask of a model. Limits that are not there do not exist.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ProjectRateLimit {
    /// `rl-` and the model's id.
    #[schema(example = "rl-gpt-4o-mini")]
    id: String,
    #[schema(example = "project.rate_limit")]
    object: &'static str,
    #[schema(example = "gpt-4o-mini")]
    model: String,
    max_requests_per_1_minute: u64,
    max_tokens_per_1_minute: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_requests_per_1_day: Option<u64>,
}

/// Limits of a project and model that are to change; the others stay.
#[derive(Debug, ToSchema)]
pub(crate) struct ProjectRateLimitChanges {
    #[schema(minimum = 1, maximum = 1_000_000_000_000_000_i64, example = 500)]
    max_requests_per_1_minute: Option<u64>,
    #[schema(minimum = 1, maximum = 1_000_000_000_000_000_i64, example = 200_000)]
    max_tokens_per_1_minute: Option<u64>,
    #[schema(minimum = 1, maximum = 1_000_000_000_000_000_i64)]
    max_requests_per_1_day: Option<u64>,
}

/// Limits of OpenAI's that nothing here is counted against.
const NOT_ENFORCED: [&str; 3] = [
    "max_images_per_1_minute",
    "max_audio_megabytes_per_1_minute",
    "batch_1_day_max_input_tokens",
];

const PREFIX: &str = "rl-";

impl ProjectRateLimit {
    fn of(model: &Arc<str>, project: &ProjectId, rules: &RateRules, rates: DefaultRates) -> Self {
        let rule = rules.of_project(project, model, rates);
        ProjectRateLimit {
            id: format!("{PREFIX}{model}"),
            object: "project.rate_limit",
            model: model.to_string(),
            max_requests_per_1_minute: rule
                .requests_per_minute
                .unwrap_or(rates.requests_per_minute),
            max_tokens_per_1_minute: rule.tokens_per_minute.unwrap_or(rates.tokens_per_minute),
            max_requests_per_1_day: rule.requests_per_day,
        }
    }
}

impl Listed for ProjectRateLimit {
    fn id(&self) -> &str {
        &self.id
    }
}

impl ProjectRateLimitChanges {
    fn read(fields: &Fields) -> Outcome<Self> {
        if let Some(param) = NOT_ENFORCED.into_iter().find(|param| fields.has(param)) {
            return Err(Refusal::Unsupported {
                param,
                message: "Farebox does not enforce this limit, so it cannot be set.",
            });
        }
        let limit = |param| -> Outcome<_> {
            let limit = fields.integer(param, 1..=MOST_UNITS)?;
            Ok(limit.map(i64::unsigned_abs))
        };
        Ok(ProjectRateLimitChanges {
            max_requests_per_1_minute: limit("max_requests_per_1_minute")?,
            max_tokens_per_1_minute: limit("max_tokens_per_1_minute")?,
            max_requests_per_1_day: limit("max_requests_per_1_day")?,
        })
    }

    fn rule(&self) -> RateRule {
        RateRule {
            requests_per_minute: self.max_requests_per_1_minute,
            tokens_per_minute: self.max_tokens_per_1_minute,
            requests_per_day: self.max_requests_per_1_day,
            ..RateRule::default()
        }
    }
}

/// List a project's rate limits, a row for each model.
#[utoipa::path(
    get, path = "/v1/organization/projects/{project_id}/rate_limits", tag = "Project rate limits",
    operation_id = "list_project_rate_limits",
    params(
        ("project_id" = String, Path, description = "The project"),
        Page::<100>,
        ("before" = Option<String>, Query, description = "The first id of the page after"),
    ),
    responses((status = 200, body = List<ProjectRateLimit>)), security(("admin_key" = []))
)]
pub(crate) async fn list(
    State(control): State<Control>,
    Admin(admin): Admin,
    Ids([project_id]): Ids<1>,
    query: Query,
    page: Page<100>,
) -> Response {
    let outcome = async {
        let models = control.models();
        let (models, has_more) = on_page(&models, &page, query.one("before"))?;
        let models = models.to_vec();
        let rates = control.data_plane.rates;
        let rows = control.store.read(move |tx| -> Outcome<_> {
            let project = find(tx, &admin.organization, &project_id)?.id;
            let rules = rate_limits::of_project(tx, &admin.organization, &project)?;
            let row = |model| ProjectRateLimit::of(model, &project, &rules, rates);
            Ok(models.iter().map(row).collect())
        });
        let rows: Vec<ProjectRateLimit> = rows.await?;
        Ok(Json(List::of(rows, has_more)))
    };
    answer(&control, outcome.await)
}

/// The models of a page, and whether there are more: before it, if it is asked for by what comes
/// after it; else behind it.
fn on_page<'a>(
    models: &'a [Arc<str>],
    page: &Page<100>,
    before: Option<&str>,
) -> Outcome<(&'a [Arc<str>], bool)> {
    let place = |param: &'static str, id: &str| {
        let named = |model: &Arc<str>| id.strip_prefix(PREFIX) == Some(model);
        let place = models.iter().position(named);
        place.ok_or_else(|| unknown_cursor(param, id))
    };
    let start = page.after.as_deref().map(|id| place("after", id));
    let start = start.transpose()?.map_or(0, |place| place + 1);
    let end = before.map(|id| place("before", id)).transpose()?;
    let between = &models[start..end.unwrap_or(models.len()).max(start)];
    let shown = between.len().min(page.limit);
    let on_page = match end {
        Some(_) if start == 0 => &between[between.len() - shown..],
        _ => &between[..shown],
    };
    Ok((on_page, shown < between.len()))
}

/// Change a project's limits for a model. They can only be lower than the organization's.
#[utoipa::path(
    post, path = "/v1/organization/projects/{project_id}/rate_limits/{rate_limit_id}",
    operation_id = "update_project_rate_limit",
    tag = "Project rate limits",
    params(
        ("project_id" = String, Path, description = "The project"),
        ("rate_limit_id" = String, Path,
            description = "`rl-` and the model's id, with slashes written as %2F"),
    ),
    request_body = ProjectRateLimitChanges,
    responses((status = 200, body = ProjectRateLimit)), security(("admin_key" = []))
)]
pub(crate) async fn update(
    State(control): State<Control>,
    Admin(admin): Admin,
    Ids([project_id, id]): Ids<2>,
    fields: Fields,
) -> Response {
    let outcome = async {
        let asked = ProjectRateLimitChanges::read(&fields)?.rule();
        let models = control.models();
        let named = |model: &Arc<str>| id.strip_prefix(PREFIX) == Some(model);
        let model = models.into_iter().find(named);
        let rates = control.data_plane.rates;
        let change = control.change(admin, move |tx, organization, now| {
            let project = find_active(tx, organization, &project_id)?.id;
            let what = "rate limit";
            let model = model.ok_or(Refusal::NotFound { what, id })?;
            let rules = rate_limits::of_project(tx, organization, &project)?;
            check_below_organization(&asked, &rules.of_organization(&model, rates))?;
            if asked == RateRule::default() {
                let shown = ProjectRateLimit::of(&model, &project, &rules, rates);
                return Ok(Done::nothing(shown));
            }
            let scope = Scope::Project(project.clone());
            let before = rate_limits::get(tx, organization, &scope, Some(&model))?;
            let row = RateLimitRow {
                scope,
                model: Some(model.to_string()),
                rule: asked.or(before.unwrap_or_default()),
            };
            set_rule(tx, organization, &row, now)?;
            let rules = rate_limits::of_project(tx, organization, &project)?;
            let shown = ProjectRateLimit::of(&model, &project, &rules, rates);
            let event = Event::new(Kind::RateLimitUpdated, &shown.id).in_project(&project);
            let event = event.changes(json!({
                "max_requests_per_1_minute": asked.requests_per_minute,
                "max_tokens_per_1_minute": asked.tokens_per_minute,
                "max_requests_per_1_day": asked.requests_per_day,
            }));
            Ok(Done::new(event, shown))
        });
        Ok(Json(change.await?))
    };
    answer(&control, outcome.await)
}

fn check_below_organization(asked: &RateRule, most: &RateRule) -> Outcome<()> {
    let limits = [
        (
            "max_requests_per_1_minute",
            asked.requests_per_minute,
            most.requests_per_minute,
        ),
        (
            "max_tokens_per_1_minute",
            asked.tokens_per_minute,
            most.tokens_per_minute,
        ),
        (
            "max_requests_per_1_day",
            asked.requests_per_day,
            most.requests_per_day,
        ),
    ];
    check_below(&limits, OF_ORGANIZATION)
}
