//! `/api/operator/organizations`: all of them, and whether they are served.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use domain::budget::Scope;
use domain::id::OrganizationId;
use serde::Serialize;
use serde_json::json;
use store::audit::{Event, Kind};
use store::budgets::{self, BudgetRow};
use store::members::{self, Member};
use store::organizations::{self, Filter, Listed};
use store::page::Place;
use store::projects::{self, Project};
use store::{Tx, wallets};
use utoipa::ToSchema;

use super::caller::Operator;
use super::change::Acted;
use super::filter::{either, searched};
use crate::Control;
use crate::body::Fields;
use crate::next_list::{NextList, NextPage, Placed};
use crate::path::Ids;
use crate::query::Query;
use crate::respond::{Outcome, Refusal, answer};

/// An organization, as operators see it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OperatorOrganization {
    #[schema(example = "org-7YkQ2nV0bX4cR9sLwA3eTz1M")]
    id: String,
    #[schema(value_type = String, example = "operator.organization")]
    object: &'static str,
    name: String,
    /// `active` or `suspended`.
    #[schema(value_type = String, example = "active")]
    state: &'static str,
    suspended_at: Option<i64>,
    suspension_reason: Option<String>,
    created_at: i64,
    /// How many people belong to it.
    member_count: u64,
    /// What was paid in and not spent, held or not; negative while a credit line is used.
    #[schema(example = "95.99")]
    balance_usd: String,
    /// What was charged to its requests admitted in this month, UTC.
    #[schema(example = "4.01")]
    spent_this_month_usd: String,
}

/// An organization, with what is in it: of each kind the first 100.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OperatorOrganizationDetail {
    #[serde(flatten)]
    organization: OperatorOrganization,
    /// What is held for requests in flight.
    #[schema(example = "0.02")]
    held_usd: String,
    /// What nodes have leased of the balance and do not hold for requests; 0 on one node.
    #[schema(example = "0")]
    leased_usd: String,
    members: Vec<OperatorMember>,
    projects: Vec<OperatorProject>,
    budgets: Vec<OperatorBudget>,
}

/// A member of an organization.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OperatorMember {
    id: String,
    email: String,
    name: String,
    /// `owner` or `reader`.
    #[schema(example = "owner")]
    role: String,
}

/// A project of an organization.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OperatorProject {
    id: String,
    name: String,
    is_default: bool,
    archived_at: Option<i64>,
}

/// A budget of an organization.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OperatorBudget {
    id: String,
    /// The project or key that it is on; null if on the organization.
    #[schema(example = "proj_7YkQ2nV0bX4cR9sLwA3eTz1M")]
    on: Option<String>,
    /// `day`, `week`, `month` or `always`.
    #[schema(value_type = String, example = "month")]
    window: &'static str,
    #[schema(example = "12.50")]
    limit_usd: String,
    /// `hard` or `soft`.
    #[schema(value_type = String, example = "hard")]
    force: &'static str,
}

/// Why an organization is to be suspended.
#[derive(Debug, ToSchema)]
pub(crate) struct NewSuspension {
    /// One line, which the organization's audit log tells too.
    #[schema(example = "Chargeback of May")]
    reason: String,
}

/// The most members, projects and budgets that are shown with an organization.
const SHOWN: i64 = 100;

impl From<Listed> for OperatorOrganization {
    fn from(listed: Listed) -> Self {
        let Listed { organization, .. } = listed;
        let (since, reason) = match organization.suspension {
            Some(suspension) => (Some(suspension.since.seconds()), Some(suspension.reason)),
            None => (None, None),
        };
        OperatorOrganization {
            id: organization.id.to_string(),
            object: "operator.organization",
            name: organization.name,
            state: match since {
                Some(_) => "suspended",
                None => "active",
            },
            suspended_at: since,
            suspension_reason: reason,
            created_at: organization.created_at.seconds(),
            member_count: listed.members,
            balance_usd: listed.balance.to_usd(),
            spent_this_month_usd: listed.spent_this_month.to_usd(),
        }
    }
}

impl Placed for Listed {
    fn place(&self) -> Place {
        let Listed { organization, .. } = self;
        (organization.created_at, organization.id.to_string())
    }
}

impl From<Member> for OperatorMember {
    fn from(member: Member) -> Self {
        OperatorMember {
            id: member.id.to_string(),
            email: member.email,
            name: member.name,
            role: member.role,
        }
    }
}

impl From<Project> for OperatorProject {
    fn from(project: Project) -> Self {
        OperatorProject {
            id: project.id.to_string(),
            name: project.name,
            is_default: project.is_default,
            archived_at: project.archived_at.map(|at| at.seconds()),
        }
    }
}

impl From<BudgetRow> for OperatorBudget {
    fn from(BudgetRow { budget, .. }: BudgetRow) -> Self {
        OperatorBudget {
            id: budget.id.to_string(),
            on: match &budget.scope {
                Scope::Organization => None,
                Scope::Project(project) => Some(project.to_string()),
                Scope::Key(key) => Some(key.to_string()),
            },
            window: budget.window.as_str(),
            limit_usd: budget.limit.to_usd(),
            force: budget.force.as_str(),
        }
    }
}

/// List organizations.
#[utoipa::path(
    get, path = "/api/operator/organizations", tag = "Operator",
    operation_id = "list_operator_organizations",
    params(
        ("search" = Option<String>, Query,
            description = "Only those with this in their name or in a member's address, or with this id"),
        ("state" = Option<String>, Query, description = "Only those: `active` or `suspended`"),
        NextPage::<20, 100>,
    ),
    responses((status = 200, body = NextList<OperatorOrganization>)), security(("session" = []))
)]
pub(crate) async fn list(
    State(control): State<Control>,
    _: Operator,
    query: Query,
    page: NextPage<20, 100>,
) -> Response {
    let outcome = async {
        let filter = Filter {
            search: searched(&query),
            is_suspended: either(&query, "state", ["active", "suspended"])?,
        };
        let now = control.now();
        let list = page.list::<OperatorOrganization, _>(&control, move |tx, page| {
            let part = page.part(|id| organizations::place(tx, id))?;
            Ok(organizations::list(tx, &filter, &part, now)?)
        });
        list.await
    };
    answer(&control, outcome.await)
}

/// Retrieve an organization, with its members, projects and budgets.
#[utoipa::path(
    get, path = "/api/operator/organizations/{organization_id}", tag = "Operator",
    operation_id = "retrieve_operator_organization",
    params(("organization_id" = String, Path, description = "The organization")),
    responses((status = 200, body = OperatorOrganizationDetail)), security(("session" = []))
)]
pub(crate) async fn retrieve(
    State(control): State<Control>,
    _: Operator,
    Ids([id]): Ids<1>,
) -> Response {
    let now = control.now();
    let read = control.store.read(move |tx| -> Outcome<_> {
        let listed = organizations::get(tx, &OrganizationId::new(&id), now)?;
        let listed = listed.ok_or_else(|| none(&id))?;
        let organization = listed.organization.id.clone();
        let wallet = wallets::get(tx, &organization)?.unwrap_or_default();
        let held = wallets::held_for_requests(tx, &organization)?;
        let leased = wallet.balance() - wallet.available() - held;
        let members = members::list(tx, &organization, &[], None, SHOWN)?;
        let page = projects::Page {
            after: None,
            limit: SHOWN,
            include_archived: true,
            seen_by: None,
        };
        let projects = projects::list(tx, &organization, &page)?;
        let budgets = budgets::list(tx, &organization, None, SHOWN)?;
        Ok(Json(OperatorOrganizationDetail {
            organization: listed.into(),
            held_usd: held.to_usd(),
            leased_usd: leased.to_usd(),
            members: members.into_iter().map(Into::into).collect(),
            projects: projects.into_iter().map(Into::into).collect(),
            budgets: budgets.into_iter().map(Into::into).collect(),
        }))
    });
    answer(&control, read.await)
}

/// Suspend an organization: its requests are refused from the next one on, and its people change
/// nothing of it. Requests in flight end as they would.
#[utoipa::path(
    post, path = "/api/operator/organizations/{organization_id}/suspend", tag = "Operator",
    operation_id = "suspend_organization",
    params(("organization_id" = String, Path, description = "The organization")),
    request_body = NewSuspension,
    responses((status = 200, body = OperatorOrganization)), security(("session" = []))
)]
pub(crate) async fn suspend(
    State(control): State<Control>,
    operator: Operator,
    Ids([id]): Ids<1>,
    fields: Fields,
) -> Response {
    let outcome = async {
        let new = NewSuspension {
            reason: fields.required("reason", fields.name("reason")?)?,
        };
        let change = control.operate(operator, move |tx, now| {
            let organization = find(tx, &id)?;
            let is_new = organizations::suspend(tx, &organization, &new.reason, now)?;
            let shown = organizations::get(tx, &organization, now)?;
            let shown = OperatorOrganization::from(shown.ok_or_else(|| none(&id))?);
            let event = Event::new(Kind::OrganizationSuspended, &organization)
                .data(json!({"reason": new.reason}));
            Ok(Acted::when(is_new, event, shown).concerning(vec![organization]))
        });
        Ok(Json(change.await?))
    };
    answer(&control, outcome.await)
}

/// End the suspension of an organization: its next request is served.
#[utoipa::path(
    post, path = "/api/operator/organizations/{organization_id}/resume", tag = "Operator",
    operation_id = "resume_organization",
    params(("organization_id" = String, Path, description = "The organization")),
    responses((status = 200, body = OperatorOrganization)), security(("session" = []))
)]
pub(crate) async fn resume(
    State(control): State<Control>,
    operator: Operator,
    Ids([id]): Ids<1>,
) -> Response {
    let change = control.operate(operator, move |tx, now| {
        let organization = find(tx, &id)?;
        let was_suspended = organizations::resume(tx, &organization, now)?;
        let shown = organizations::get(tx, &organization, now)?;
        let shown = OperatorOrganization::from(shown.ok_or_else(|| none(&id))?);
        let event = Event::new(Kind::OrganizationResumed, &organization);
        Ok(Acted::when(was_suspended, event, shown).concerning(vec![organization]))
    });
    answer(&control, change.await.map(Json))
}

/// The id of an organization that exists.
pub(crate) fn find(tx: &mut Tx<'_>, id: &str) -> Outcome<OrganizationId> {
    match organizations::place(tx, id)? {
        Some(_) => Ok(OrganizationId::new(id)),
        None => Err(none(id)),
    }
}

fn none(id: &str) -> Refusal {
    Refusal::Nowhere {
        what: "organization",
        id: id.to_owned(),
    }
}
