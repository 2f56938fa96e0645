//! `/api/rate_limits`: rules for an organization, its projects and its keys, for one model or for
//! every model that has no rule of its own there. OpenAI's endpoints know only a project and model.

use std::sync::Arc;

use axum::Json;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use domain::admission::{DefaultRates, RateRule};
use domain::budget::Scope;
use domain::id::{KeyId, OrganizationId, ProjectId};
use domain::time::AtUs;
use serde::Serialize;
use serde_json::json;
use store::Tx;
use store::audit::{Event, Kind};
use store::rate_limits::{self, Place, RateLimitRow};
use utoipa::ToSchema;

use crate::Control;
use crate::authenticate::Admin;
use crate::body::Fields;
use crate::change::Done;
use crate::limit_scope::{LimitScope, NewLimitScope, ScopeType};
use crate::pagination::{List, Listed, Page};
use crate::query::{Query, invalid};
use crate::respond::{Outcome, Refusal, answer};
use crate::service_accounts::Deleted;

/// A rule: the rate limits of a scope, for a model. A limit that is null is not set by this rule.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RateLimit {
    /// The scope's id; of a rule for one model, a colon and the model's id behind it.
    #[schema(example = "proj_7YkQ2nV0bX4cR9sLwA3eTz1M:gpt-4o-mini")]
    id: String,
    #[schema(example = "rate_limit")]
    object: &'static str,
    scope: LimitScope,
    /// Null: every model without a rule of its own in this scope.
    #[schema(example = "gpt-4o-mini")]
    model: Option<String>,
    #[schema(example = 500)]
    requests_per_minute: Option<u64>,
    #[schema(example = 200_000)]
    tokens_per_minute: Option<u64>,
    requests_per_day: Option<u64>,
    tokens_per_day: Option<u64>,
    /// Requests in flight at once.
    concurrent_requests: Option<u64>,
}

/// A rule to be put on a scope and model, in place of the one before. It sets at least one limit.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes; `RateLimitTerms` reads")]
pub(crate) struct NewRateLimit {
    scope: NewLimitScope,
    /// Absent or null: every model without a rule of its own in this scope.
    #[schema(example = "gpt-4o-mini")]
    model: Option<String>,
    #[schema(minimum = 1, maximum = 1_000_000_000_000_000_i64, example = 500)]
    requests_per_minute: Option<u64>,
    #[schema(minimum = 1, maximum = 1_000_000_000_000_000_i64, example = 200_000)]
    tokens_per_minute: Option<u64>,
    #[schema(minimum = 1, maximum = 1_000_000_000_000_000_i64)]
    requests_per_day: Option<u64>,
    #[schema(minimum = 1, maximum = 1_000_000_000_000_000_i64)]
    tokens_per_day: Option<u64>,
    /// Requests in flight at once.
    #[schema(minimum = 1, maximum = 1_000_000_000_000_000_i64)]
    concurrent_requests: Option<u64>,
}

/// A rule to be put on what it comes with, for a model. It sets at least one limit.
#[derive(Debug, ToSchema)]
#[schema(example = json!({"model": "gpt-4o-mini", "requests_per_minute": 500}))]
pub(crate) struct RateLimitTerms {
    /// Absent or null: every model without a rule of its own in this scope.
    #[schema(example = "gpt-4o-mini")]
    model: Option<String>,
    #[schema(minimum = 1, maximum = 1_000_000_000_000_000_i64, example = 500)]
    requests_per_minute: Option<u64>,
    #[schema(minimum = 1, maximum = 1_000_000_000_000_000_i64, example = 200_000)]
    tokens_per_minute: Option<u64>,
    #[schema(minimum = 1, maximum = 1_000_000_000_000_000_i64)]
    requests_per_day: Option<u64>,
    #[schema(minimum = 1, maximum = 1_000_000_000_000_000_i64)]
    tokens_per_day: Option<u64>,
    /// Requests in flight at once.
    #[schema(minimum = 1, maximum = 1_000_000_000_000_000_i64)]
    concurrent_requests: Option<u64>,
}

/// The most that a limit may be set to: more is no limit anybody reaches.
pub(crate) const MOST_UNITS: i64 = 1_000_000_000_000_000;
/// The most rules of an organization: servers keep all of them in memory.
const MOST_RULES: u64 = 10_000;

/// What a project's limits may not exceed.
pub(crate) const OF_ORGANIZATION: &str = "its organization may use";
/// What an organization's limits may not exceed.
const OF_INSTALLATION: &str = "this installation offers to any organization";

impl RateLimit {
    fn of(row: &RateLimitRow, organization: &OrganizationId) -> Self {
        let scope = LimitScope::of(&row.scope, organization);
        let rule = row.rule;
        RateLimit {
            id: id(&scope, row.model.as_deref()),
            object: "rate_limit",
            scope,
            model: row.model.clone(),
            requests_per_minute: rule.requests_per_minute,
            tokens_per_minute: rule.tokens_per_minute,
            requests_per_day: rule.requests_per_day,
            tokens_per_day: rule.tokens_per_day,
            concurrent_requests: rule.concurrent_requests,
        }
    }
}

impl Listed for RateLimit {
    fn id(&self) -> &str {
        &self.id
    }
}

impl RateLimitTerms {
    /// Reads what sets a limit, for a model that is here.
    pub(crate) fn read(fields: &Fields, models: &[Arc<str>]) -> Outcome<Self> {
        let limit = |param| -> Outcome<_> {
            let limit = fields.integer(param, 1..=MOST_UNITS)?;
            Ok(limit.map(i64::unsigned_abs))
        };
        let terms = RateLimitTerms {
            model: fields.id("model")?.map(ToOwned::to_owned),
            requests_per_minute: limit("requests_per_minute")?,
            tokens_per_minute: limit("tokens_per_minute")?,
            requests_per_day: limit("requests_per_day")?,
            tokens_per_day: limit("tokens_per_day")?,
            concurrent_requests: limit("concurrent_requests")?,
        };
        if terms.rule() == RateRule::default() {
            let problem = "set at least one limit. To remove a rule, delete it";
            return Err(fields.invalid("requests_per_minute", problem));
        }
        match &terms.model {
            Some(model) if !models.iter().any(|known| **known == **model) => {
                Err(fields.invalid("model", &format!("there is no model '{model}' here")))
            }
            _ => Ok(terms),
        }
    }

    /// What it is for; none is every model without a rule of its own.
    pub(crate) fn model(&self) -> Option<&str> {
        self.model.as_deref()
    }

    /// Puts the rule on a scope that is there.
    pub(crate) fn put(
        self,
        tx: &mut Tx<'_>,
        (organization, scope): (&OrganizationId, Scope),
        rates: DefaultRates,
        now: AtUs,
    ) -> Outcome<(RateLimit, Event)> {
        let row = RateLimitRow {
            scope,
            rule: self.rule(),
            model: self.model,
        };
        match &row.scope {
            Scope::Organization => {
                check_all_below(&row.rule, &rates.into(), OF_INSTALLATION)?;
            }
            Scope::Project(project) => {
                let rules = rate_limits::of_project(tx, organization, project)?;
                // Without a model, what the organization allows of any it does not name.
                let model: Arc<str> = row.model.clone().unwrap_or_default().into();
                let most = rules.of_organization(&model, rates);
                check_all_below(&row.rule, &most, OF_ORGANIZATION)?;
            }
            Scope::Key(_) => {}
        }
        set_rule(tx, organization, &row, now)?;
        let shown = RateLimit::of(&row, organization);
        let event = event(Kind::RateLimitUpdated, &shown.id, &row.scope);
        let event = event.changes(json!({
            "max_requests_per_1_minute": shown.requests_per_minute,
            "max_tokens_per_1_minute": shown.tokens_per_minute,
            "max_requests_per_1_day": shown.requests_per_day,
            "max_tokens_per_1_day": shown.tokens_per_day,
            "max_concurrent_requests": shown.concurrent_requests,
        }));
        Ok((shown, event))
    }

    fn rule(&self) -> RateRule {
        RateRule {
            requests_per_minute: self.requests_per_minute,
            tokens_per_minute: self.tokens_per_minute,
            requests_per_day: self.requests_per_day,
            tokens_per_day: self.tokens_per_day,
            concurrent_requests: self.concurrent_requests,
        }
    }
}

/// List rate limits: the organization's first, then those of keys, then those of projects.
#[utoipa::path(
    get, path = "/api/rate_limits", tag = "Rate limits",
    operation_id = "list_rate_limits",
    params(
        ("scope_type" = Option<ScopeType>, Query, description = "Only the rules of one scope"),
        ("scope_id" = Option<String>, Query, description = "The project or key, if that is meant"),
        Page,
    ),
    responses((status = 200, body = List<RateLimit>)), security(("admin_key" = []))
)]
pub(crate) async fn list(
    State(control): State<Control>,
    Admin(admin): Admin,
    query: Query,
    page: Page,
) -> Response {
    let outcome = async {
        let organization = admin.organization;
        let of = NewLimitScope::asked(&query)?;
        let of = of.map(|scope| scope.named(&organization)).transpose()?;
        let list = page.list(&control, move |tx, page| {
            let after = page.cursor(|id| Ok(place(id, &organization)))?;
            let (of, after) = (of.as_ref(), after.as_ref());
            let rows = rate_limits::list(tx, &organization, of, after, page.rows())?;
            let shown = rows.iter().map(|row| RateLimit::of(row, &organization));
            Ok(shown.collect())
        });
        let list: Json<List<RateLimit>> = list.await?;
        Ok(list)
    };
    answer(&control, outcome.await)
}

/// Put a rule on a scope and model, in place of the one before.
///
/// A project's limits can only be lower than its organization's, and an organization's than what
/// the installation offers. A key's hold in addition to its project's.
#[utoipa::path(
    post, path = "/api/rate_limits", tag = "Rate limits", request_body = NewRateLimit,
    operation_id = "put_rate_limit",
    responses((status = 200, body = RateLimit)), security(("admin_key" = []))
)]
pub(crate) async fn put(
    State(control): State<Control>,
    Admin(admin): Admin,
    fields: Fields,
) -> Response {
    let outcome = async {
        let scope = fields.required("scope", NewLimitScope::read(&fields)?)?;
        let terms = RateLimitTerms::read(&fields, &control.models())?;
        let rates = control.data_plane.rates;
        let change = control.change(admin, move |tx, organization, now| {
            let scope = scope.found(tx, organization)?;
            let (shown, event) = terms.put(tx, (organization, scope), rates, now)?;
            Ok(Done::new(event, shown))
        });
        Ok(Json(change.await?))
    };
    answer(&control, outcome.await)
}

/// Delete the rule of a scope and model.
#[utoipa::path(
    delete, path = "/api/rate_limits", tag = "Rate limits",
    operation_id = "delete_rate_limit",
    params(
        ("scope_type" = ScopeType, Query, description = "What the rule is put on"),
        ("scope_id" = Option<String>, Query, description = "The project or key, if that is meant"),
        ("model" = Option<String>, Query,
            description = "The rule's model; absent for the rule of every model"),
    ),
    responses((status = 200, body = Deleted), (status = 404, description = "There is none")),
    security(("admin_key" = []))
)]
pub(crate) async fn delete(
    State(control): State<Control>,
    Admin(admin): Admin,
    RawQuery(query): RawQuery,
) -> Response {
    let outcome = async {
        let query = Query::parse(query.as_deref())?;
        let organization = admin.organization.clone();
        let scope = NewLimitScope::asked(&query)?.ok_or_else(|| Refusal::Missing {
            param: "scope_type".into(),
        })?;
        let scope = scope.named(&organization)?;
        let model = query.one("model").filter(|model| !model.is_empty());
        let model = model.map(ToOwned::to_owned);
        let id = id(&LimitScope::of(&scope, &organization), model.as_deref());
        let change = control.change(admin, move |tx, organization, now| {
            if !rate_limits::delete(tx, organization, &scope, model.as_deref(), now)? {
                let what = "rate limit";
                return Err(Refusal::NotFound { what, id });
            }
            let event = event(Kind::RateLimitDeleted, &id, &scope);
            Ok(Done::new(event, Deleted::new("rate_limit.deleted", id)))
        });
        Ok(Json(change.await?))
    };
    answer(&control, outcome.await)
}

/// Puts a rule on its scope and model, if there may be another one.
pub(crate) fn set_rule(
    tx: &mut Tx<'_>,
    organization: &OrganizationId,
    row: &RateLimitRow,
    now: AtUs,
) -> Outcome<()> {
    let before = rate_limits::get(tx, organization, &row.scope, row.model.as_deref())?;
    if before.is_none() && rate_limits::count(tx, organization)? >= MOST_RULES {
        let message = format!(
            "This organization has {MOST_RULES} rate limits, the most there may be. Delete one first, or put one on a project for all of its models."
        );
        return Err(Refusal::TooManyLimits { message });
    }
    Ok(rate_limits::set(tx, organization, row, now)?)
}

/// Refuses a limit that is above what stands over it: a parameter's name, what is asked for, and
/// the most there is.
pub(crate) fn check_below(limits: &[(&str, Option<u64>, Option<u64>)], whose: &str) -> Outcome<()> {
    for (param, asked, most) in limits {
        if let (Some(asked), Some(most)) = (asked, most)
            && asked > most
        {
            let problem = format!("{asked} is more than {most}, which is what {whose}");
            return Err(invalid(param, format!("Invalid '{param}': {problem}.")));
        }
    }
    Ok(())
}

fn check_all_below(rule: &RateRule, most: &RateRule, whose: &str) -> Outcome<()> {
    let limits = [
        (
            "requests_per_minute",
            rule.requests_per_minute,
            most.requests_per_minute,
        ),
        (
            "tokens_per_minute",
            rule.tokens_per_minute,
            most.tokens_per_minute,
        ),
        (
            "requests_per_day",
            rule.requests_per_day,
            most.requests_per_day,
        ),
        ("tokens_per_day", rule.tokens_per_day, most.tokens_per_day),
        (
            "concurrent_requests",
            rule.concurrent_requests,
            most.concurrent_requests,
        ),
    ];
    check_below(&limits, whose)
}

/// What the audit log says of a rule: it is of a project where its scope is one.
fn event(kind: Kind, id: &str, scope: &Scope) -> Event {
    match scope {
        Scope::Project(project) => Event::new(kind, id).in_project(project),
        Scope::Organization | Scope::Key(_) => Event::new(kind, id),
    }
}

/// A rule's id. No scope's id has a colon.
fn id(scope: &LimitScope, model: Option<&str>) -> String {
    match model {
        None => scope.id().to_owned(),
        Some(model) => format!("{}:{model}", scope.id()),
    }
}

/// The place in the list that a rule's id names, whether the rule is still there or not.
fn place(id: &str, organization: &OrganizationId) -> Option<Place> {
    let (scope, model) = match id.split_once(':') {
        None => (id, None),
        Some((scope, model)) => (scope, Some(model.to_owned())),
    };
    let scope = match scope {
        it if it == organization.as_str() => Scope::Organization,
        it if it.starts_with(ProjectId::PREFIX) => Scope::Project(ProjectId::new(it)),
        it if it.starts_with(KeyId::PREFIX) => Scope::Key(KeyId::new(it)),
        _ => return None,
    };
    Some((scope, model))
}
