//! `/v1/organization/spend_limit` and `/v1/organization/projects/{project_id}/spend_limit`.
//!
//! A spend limit is a hard monthly budget that knows it is the one which these endpoints speak of.
//! OpenAI counts it in whole cents.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use domain::budget::{Budget, Force, Scope};
use domain::id::{BudgetId, OrganizationId, ProjectId};
use domain::money::Nusd;
use domain::window::Window;
use serde::Serialize;
use serde_json::json;
use store::Tx;
use store::audit::{Event, Kind};
use store::budgets::{self, BudgetRow};
use utoipa::ToSchema;

use crate::Control;
use crate::authenticate::{Admin, Caller};
use crate::body::Fields;
use crate::budgets::{ensure_room, is_enforcing};
use crate::change::Done;
use crate::path::Ids;
use crate::projects::{find, find_active};
use crate::respond::{Outcome, Refusal, answer};

/// A hard limit on what an organization or project spends in a month.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SpendLimit {
    /// `organization.spend_limit` or `project.spend_limit`.
    #[schema(example = "project.spend_limit")]
    object: &'static str,
    /// In US cents.
    #[schema(example = 10_000)]
    threshold_amount: i64,
    currency: Currency,
    interval: Interval,
    enforcement: Enforcement,
}

/// What a spend limit is to be.
#[derive(Debug, ToSchema)]
pub(crate) struct NewSpendLimit {
    /// In US cents.
    #[schema(minimum = 1, maximum = 400_000_000_000_i64, example = 10_000, value_type = i64)]
    threshold_amount: Nusd,
    currency: Currency,
    interval: Interval,
}

/// The currency of a spend limit: US dollars.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub(crate) enum Currency {
    #[serde(rename = "USD")]
    Usd,
}

/// What a spend limit counts over: a calendar month, UTC.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Interval {
    Month,
}

/// What a spend limit does now.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Enforcement {
    status: EnforcementStatus,
}

/// Whether a spend limit stops requests now: it is `enforcing` while nothing is left of this
/// month's limit, or the latest request that it had to decide on did not fit; else `inactive`.
#[derive(Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum EnforcementStatus {
    Inactive,
    Enforcing,
}

/// A spend limit that is gone.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SpendLimitDeleted {
    /// `organization.spend_limit.deleted` or `project.spend_limit.deleted`.
    #[schema(example = "project.spend_limit.deleted")]
    object: &'static str,
    deleted: bool,
}

/// As many cents as an account can hold.
pub(crate) const MOST_CENTS: i64 = Nusd::MAX.get() / 10_000_000;

impl NewSpendLimit {
    fn read(fields: &Fields) -> Outcome<Self> {
        let cents = fields.integer("threshold_amount", 1..=MOST_CENTS)?;
        let cents = fields.required("threshold_amount", cents)?;
        let currency = fields.word("currency", [("USD", Currency::Usd)])?;
        let interval = fields.word("interval", [("month", Interval::Month)])?;
        Ok(NewSpendLimit {
            threshold_amount: Nusd::from_cents(cents).expect("within bounds"),
            currency: fields.required("currency", currency)?,
            interval: fields.required("interval", interval)?,
        })
    }
}

impl SpendLimit {
    fn of(budget: &Budget, status: EnforcementStatus) -> Outcome<Self> {
        let object = match &budget.scope {
            Scope::Organization => "organization.spend_limit",
            _ => "project.spend_limit",
        };
        let cents = budget.limit.whole_cents();
        let corrupt = || store::StoreError::Corrupt("a spend limit is no whole cents".into());
        Ok(SpendLimit {
            object,
            threshold_amount: cents.ok_or_else(corrupt)?,
            currency: Currency::Usd,
            interval: Interval::Month,
            enforcement: Enforcement { status },
        })
    }
}

/// Retrieve the organization's spend limit.
#[utoipa::path(
    get, path = "/v1/organization/spend_limit", tag = "Spend limits",
    operation_id = "retrieve_organization_spend_limit",
    responses((status = 200, body = SpendLimit), (status = 404, description = "None is set")),
    security(("admin_key" = []))
)]
pub(crate) async fn retrieve(State(control): State<Control>, Admin(admin): Admin) -> Response {
    let outcome = shown(&control, admin.organization, None).await;
    answer(&control, outcome)
}

/// Set the organization's spend limit, in place of the one before.
#[utoipa::path(
    post, path = "/v1/organization/spend_limit", tag = "Spend limits",
    operation_id = "set_organization_spend_limit",
    request_body = NewSpendLimit,
    responses((status = 200, body = SpendLimit)), security(("admin_key" = []))
)]
pub(crate) async fn set(
    State(control): State<Control>,
    Admin(admin): Admin,
    fields: Fields,
) -> Response {
    let outcome = put(&control, admin, None, &fields).await;
    answer(&control, outcome)
}

/// Delete the organization's spend limit.
#[utoipa::path(
    delete, path = "/v1/organization/spend_limit", tag = "Spend limits",
    operation_id = "delete_organization_spend_limit",
    responses(
        (status = 200, body = SpendLimitDeleted),
        (status = 404, description = "None is set"),
    ),
    security(("admin_key" = []))
)]
pub(crate) async fn delete(State(control): State<Control>, Admin(admin): Admin) -> Response {
    let outcome = remove(&control, admin, None).await;
    answer(&control, outcome)
}

/// Retrieve a project's spend limit.
#[utoipa::path(
    get, path = "/v1/organization/projects/{project_id}/spend_limit", tag = "Spend limits",
    operation_id = "retrieve_project_spend_limit",
    params(("project_id" = String, Path, description = "The project")),
    responses((status = 200, body = SpendLimit), (status = 404, description = "None is set")),
    security(("admin_key" = []))
)]
pub(crate) async fn retrieve_of_project(
    State(control): State<Control>,
    Admin(admin): Admin,
    Ids([project_id]): Ids<1>,
) -> Response {
    let outcome = shown(&control, admin.organization, Some(project_id)).await;
    answer(&control, outcome)
}

/// Set a project's spend limit, in place of the one before.
#[utoipa::path(
    post, path = "/v1/organization/projects/{project_id}/spend_limit", tag = "Spend limits",
    operation_id = "set_project_spend_limit",
    params(("project_id" = String, Path, description = "The project")),
    request_body = NewSpendLimit,
    responses((status = 200, body = SpendLimit)), security(("admin_key" = []))
)]
pub(crate) async fn set_of_project(
    State(control): State<Control>,
    Admin(admin): Admin,
    Ids([project_id]): Ids<1>,
    fields: Fields,
) -> Response {
    let outcome = put(&control, admin, Some(project_id), &fields).await;
    answer(&control, outcome)
}

/// Delete a project's spend limit.
#[utoipa::path(
    delete, path = "/v1/organization/projects/{project_id}/spend_limit", tag = "Spend limits",
    operation_id = "delete_project_spend_limit",
    params(("project_id" = String, Path, description = "The project")),
    responses(
        (status = 200, body = SpendLimitDeleted),
        (status = 404, description = "None is set"),
    ),
    security(("admin_key" = []))
)]
pub(crate) async fn delete_of_project(
    State(control): State<Control>,
    Admin(admin): Admin,
    Ids([project_id]): Ids<1>,
) -> Response {
    let outcome = remove(&control, admin, Some(project_id)).await;
    answer(&control, outcome)
}

async fn shown(
    control: &Control,
    organization: OrganizationId,
    project_id: Option<String>,
) -> Outcome<Json<SpendLimit>> {
    let (owner, now) = (organization.clone(), control.now());
    let read = control.store.read(move |tx| -> Outcome<_> {
        let project = project_id.map(|id| find(tx, &owner, &id));
        let project = project.transpose()?.map(|project| project.id);
        let budget = current(tx, &owner, project.as_ref())?.budget;
        let standing = budgets::standings(tx, &owner, std::slice::from_ref(&budget), now)?[0];
        Ok((budget, standing))
    });
    let (budget, standing) = read.await?;
    // OpenAI's word says whether the limit stops requests at this moment, not whether it is set.
    let status = match is_enforcing(control, &organization, &budget, standing) {
        true => EnforcementStatus::Enforcing,
        false => EnforcementStatus::Inactive,
    };
    SpendLimit::of(&budget, status).map(Json)
}

async fn put(
    control: &Control,
    admin: Caller,
    project_id: Option<String>,
    fields: &Fields,
) -> Outcome<Json<SpendLimit>> {
    // There is one currency and one interval, so nothing but the amount is kept.
    let NewSpendLimit {
        threshold_amount: limit,
        currency: Currency::Usd,
        interval: Interval::Month,
    } = NewSpendLimit::read(fields)?;
    let id = BudgetId::random(control.entropy);
    let (organization, project_asked) = (admin.organization.clone(), project_id.clone());
    let change = control.change(admin, move |tx, owner, now| {
        let project = project_asked.map(|id| find_active(tx, owner, &id));
        let project = project.transpose()?.map(|project| project.id);
        let event = event(Kind::SpendLimitUpdated, owner, project.as_ref());
        let event = event.changes(json!({
            "threshold_amount": limit.whole_cents(), "currency": "USD", "interval": "month",
        }));
        if let Some(row) = budgets::spend_limit(tx, owner, project.as_ref())? {
            let budget = Budget {
                limit,
                ..row.budget
            };
            budgets::change(tx, owner, &budget, now)?;
            return Ok(Done::new(event, ()));
        }
        let budget = Budget {
            id,
            scope: project.map_or(Scope::Organization, Scope::Project),
            window: Window::Month,
            limit,
            force: Force::Hard,
            thresholds: Vec::new(),
        };
        ensure_room(tx, owner, &budget.scope)?;
        let row = BudgetRow {
            budget,
            is_spend_limit: true,
            created_at: now,
        };
        budgets::create(tx, owner, &row)?;
        Ok(Done::new(event, ()))
    });
    change.await?;
    // What was spent is added up in a read: the writer has the ledger's steps to commit.
    shown(control, organization, project_id).await
}

async fn remove(
    control: &Control,
    admin: Caller,
    project_id: Option<String>,
) -> Outcome<Json<SpendLimitDeleted>> {
    let change = control.change(admin, move |tx, organization, now| {
        let project = project_id.map(|id| find_active(tx, organization, &id));
        let project = project.transpose()?.map(|project| project.id);
        let budget = current(tx, organization, project.as_ref())?.budget;
        budgets::delete(tx, organization, &budget.id, now)?;
        let event = event(Kind::SpendLimitDeleted, organization, project.as_ref());
        let object = match budget.scope {
            Scope::Organization => "organization.spend_limit.deleted",
            _ => "project.spend_limit.deleted",
        };
        let deleted = true;
        Ok(Done::new(event, SpendLimitDeleted { object, deleted }))
    });
    change.await.map(Json)
}

/// A spend limit has no id of its own: it is its organization's, or its project's.
fn event(kind: Kind, organization: &OrganizationId, project: Option<&ProjectId>) -> Event {
    match project {
        Some(project) => Event::new(kind, project).in_project(project),
        None => Event::new(kind, organization),
    }
}

fn current(
    tx: &mut Tx<'_>,
    organization: &OrganizationId,
    project: Option<&ProjectId>,
) -> Outcome<BudgetRow> {
    let limit = budgets::spend_limit(tx, organization, project)?;
    limit.ok_or_else(|| Refusal::NoLimit {
        message: match project {
            None => format!("The organization '{organization}' has no spend limit."),
            Some(project) => format!("The project '{project}' has no spend limit."),
        },
    })
}
