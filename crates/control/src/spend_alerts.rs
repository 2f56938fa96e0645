//! `/v1/organization/spend_alerts` and `/v1/organization/projects/{project_id}/spend_alerts`: mails
//! that tell, once a month, that so much was spent. Nothing stops for them.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use domain::budget::Scope;
use domain::id::{BudgetId, OrganizationId, ProjectId, random_base62};
use domain::money::Nusd;
use serde::Serialize;
use serde_json::{Value, json};
use store::Tx;
use store::audit::{Event, Kind};
use store::budgets;
use store::spend_alerts::{self, SpendAlert as Rules};
use utoipa::ToSchema;

use crate::Control;
use crate::authenticate::{Admin, Caller};
use crate::body::Fields;
use crate::budgets::ensure_room;
use crate::change::Done;
use crate::pagination::{List, Listed, Page, between};
use crate::path::Ids;
use crate::projects::{find, find_active};
use crate::query::Query;
use crate::respond::{Outcome, Refusal, answer};
use crate::service_accounts::Deleted;
use crate::spend_limits::{Currency, Interval, MOST_CENTS};

/// Whom to tell when so much was spent in a month.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SpendAlert {
    #[schema(example = "alert_7YkQ2nV0bX4cR9sLwA3eTz1M")]
    id: String,
    /// `organization.spend_alert` or `project.spend_alert`.
    #[schema(example = "project.spend_alert")]
    object: &'static str,
    /// In US cents.
    #[schema(example = 10_000)]
    threshold_amount: i64,
    currency: Currency,
    interval: Interval,
    notification_channel: NotificationChannel,
}

/// Who is told, and how.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct NotificationChannel {
    #[serde(rename = "type")]
    #[schema(example = "email")]
    kind: &'static str,
    #[schema(example = json!(["ada@example.com"]))]
    recipients: Vec<String>,
    subject_prefix: Option<String>,
}

/// What a spend alert is to be: all of it, also where one is changed.
#[derive(Debug, ToSchema)]
pub(crate) struct NewSpendAlert {
    /// In US cents.
    #[schema(minimum = 0, maximum = 400_000_000_000_i64, example = 10_000, value_type = i64)]
    threshold_amount: Nusd,
    currency: Currency,
    interval: Interval,
    #[schema(value_type = NotificationChannel)]
    notification_channel: (Vec<String>, Option<String>),
}

/// The most people that an alert tells.
const MOST_RECIPIENTS: usize = 50;

impl NewSpendAlert {
    fn read(fields: &Fields) -> Outcome<Self> {
        let cents = fields.integer("threshold_amount", 0..=MOST_CENTS)?;
        let cents = fields.required("threshold_amount", cents)?;
        let currency = fields.word("currency", [("USD", Currency::Usd)])?;
        let interval = fields.word("interval", [("month", Interval::Month)])?;
        let way = "notification_channel";
        let channel = fields.required(way, fields.object(way, "notification_channel.")?)?;
        channel.required("type", channel.word("type", [("email", ())])?)?;
        let recipients = channel.emails("recipients", MOST_RECIPIENTS)?;
        let recipients = channel.required("recipients", recipients)?;
        if recipients.is_empty() {
            return Err(channel.invalid("recipients", "at least one is needed"));
        }
        Ok(NewSpendAlert {
            threshold_amount: Nusd::from_cents(cents).expect("within bounds"),
            currency: fields.required("currency", currency)?,
            interval: fields.required("interval", interval)?,
            notification_channel: (recipients, channel.name("subject_prefix")?),
        })
    }

    fn apply(self, alert: &mut Rules) {
        let NewSpendAlert {
            threshold_amount,
            currency: Currency::Usd,
            interval: Interval::Month,
            notification_channel: (recipients, subject_prefix),
        } = self;
        alert.limit = threshold_amount;
        alert.recipients = recipients;
        alert.subject_prefix = subject_prefix;
    }
}

impl From<Rules> for SpendAlert {
    fn from(alert: Rules) -> Self {
        SpendAlert {
            id: alert.id.to_string(),
            object: match alert.project {
                None => "organization.spend_alert",
                Some(_) => "project.spend_alert",
            },
            threshold_amount: alert.limit.whole_cents().unwrap_or_default(),
            currency: Currency::Usd,
            interval: Interval::Month,
            notification_channel: NotificationChannel {
                kind: "email",
                recipients: alert.recipients,
                subject_prefix: alert.subject_prefix,
            },
        }
    }
}

impl Listed for SpendAlert {
    fn id(&self) -> &str {
        &self.id
    }
}

/// List the organization's spend alerts.
#[utoipa::path(
    get, path = "/v1/organization/spend_alerts", tag = "Spend alerts",
    operation_id = "list_organization_spend_alerts",
    params(
        Page,
        ("before" = Option<String>, Query, description = "The first id of the page after"),
        ("order" = Option<String>, Query, pattern = "^(asc|desc)$",
            description = "asc (if absent): oldest first; or desc"),
    ),
    responses((status = 200, body = List<SpendAlert>)), security(("admin_key" = []))
)]
pub(crate) async fn list(
    State(control): State<Control>,
    Admin(admin): Admin,
    query: Query,
    page: Page,
) -> Response {
    answer(&control, listed(&control, admin, None, &query, &page).await)
}

/// Create a spend alert of the organization.
#[utoipa::path(
    post, path = "/v1/organization/spend_alerts", tag = "Spend alerts",
    operation_id = "create_organization_spend_alert", request_body = NewSpendAlert,
    responses((status = 200, body = SpendAlert)), security(("admin_key" = []))
)]
pub(crate) async fn create(
    State(control): State<Control>,
    Admin(admin): Admin,
    fields: Fields,
) -> Response {
    answer(&control, made(&control, admin, None, &fields).await)
}

/// Retrieve a spend alert of the organization.
#[utoipa::path(
    get, path = "/v1/organization/spend_alerts/{alert_id}", tag = "Spend alerts",
    operation_id = "retrieve_organization_spend_alert",
    params(("alert_id" = String, Path, description = "The alert")),
    responses((status = 200, body = SpendAlert)), security(("admin_key" = []))
)]
pub(crate) async fn retrieve(
    State(control): State<Control>,
    Admin(admin): Admin,
    Ids([id]): Ids<1>,
) -> Response {
    answer(&control, shown(&control, admin, None, id).await)
}

/// Change a spend alert of the organization.
#[utoipa::path(
    post, path = "/v1/organization/spend_alerts/{alert_id}", tag = "Spend alerts",
    operation_id = "update_organization_spend_alert", request_body = NewSpendAlert,
    params(("alert_id" = String, Path, description = "The alert")),
    responses((status = 200, body = SpendAlert)), security(("admin_key" = []))
)]
pub(crate) async fn update(
    State(control): State<Control>,
    Admin(admin): Admin,
    Ids([id]): Ids<1>,
    fields: Fields,
) -> Response {
    answer(
        &control,
        changed(&control, admin, (None, id), &fields).await,
    )
}

/// Delete a spend alert of the organization.
#[utoipa::path(
    delete, path = "/v1/organization/spend_alerts/{alert_id}", tag = "Spend alerts",
    operation_id = "delete_organization_spend_alert",
    params(("alert_id" = String, Path, description = "The alert")),
    responses((status = 200, body = Deleted)), security(("admin_key" = []))
)]
pub(crate) async fn delete(
    State(control): State<Control>,
    Admin(admin): Admin,
    Ids([id]): Ids<1>,
) -> Response {
    answer(&control, removed(&control, admin, (None, id)).await)
}

/// List a project's spend alerts.
#[utoipa::path(
    get, path = "/v1/organization/projects/{project_id}/spend_alerts", tag = "Spend alerts",
    operation_id = "list_project_spend_alerts",
    params(
        ("project_id" = String, Path, description = "The project"),
        Page,
        ("before" = Option<String>, Query, description = "The first id of the page after"),
        ("order" = Option<String>, Query, pattern = "^(asc|desc)$",
            description = "asc (if absent): oldest first; or desc"),
    ),
    responses((status = 200, body = List<SpendAlert>)), security(("admin_key" = []))
)]
pub(crate) async fn list_of_project(
    State(control): State<Control>,
    Admin(admin): Admin,
    Ids([project_id]): Ids<1>,
    query: Query,
    page: Page,
) -> Response {
    let list = listed(&control, admin, Some(project_id), &query, &page);
    answer(&control, list.await)
}

/// Create a spend alert of a project.
#[utoipa::path(
    post, path = "/v1/organization/projects/{project_id}/spend_alerts", tag = "Spend alerts",
    operation_id = "create_project_spend_alert", request_body = NewSpendAlert,
    params(("project_id" = String, Path, description = "The project")),
    responses((status = 200, body = SpendAlert)), security(("admin_key" = []))
)]
pub(crate) async fn create_of_project(
    State(control): State<Control>,
    Admin(admin): Admin,
    Ids([project_id]): Ids<1>,
    fields: Fields,
) -> Response {
    let alert = made(&control, admin, Some(project_id), &fields);
    answer(&control, alert.await)
}

/// Retrieve a spend alert of a project.
#[utoipa::path(
    get, path = "/v1/organization/projects/{project_id}/spend_alerts/{alert_id}",
    tag = "Spend alerts", operation_id = "retrieve_project_spend_alert",
    params(
        ("project_id" = String, Path, description = "The project"),
        ("alert_id" = String, Path, description = "The alert"),
    ),
    responses((status = 200, body = SpendAlert)), security(("admin_key" = []))
)]
pub(crate) async fn retrieve_of_project(
    State(control): State<Control>,
    Admin(admin): Admin,
    Ids([project_id, id]): Ids<2>,
) -> Response {
    let alert = shown(&control, admin, Some(project_id), id);
    answer(&control, alert.await)
}

/// Change a spend alert of a project.
#[utoipa::path(
    post, path = "/v1/organization/projects/{project_id}/spend_alerts/{alert_id}",
    tag = "Spend alerts", operation_id = "update_project_spend_alert",
    request_body = NewSpendAlert,
    params(
        ("project_id" = String, Path, description = "The project"),
        ("alert_id" = String, Path, description = "The alert"),
    ),
    responses((status = 200, body = SpendAlert)), security(("admin_key" = []))
)]
pub(crate) async fn update_of_project(
    State(control): State<Control>,
    Admin(admin): Admin,
    Ids([project_id, id]): Ids<2>,
    fields: Fields,
) -> Response {
    let alert = changed(&control, admin, (Some(project_id), id), &fields);
    answer(&control, alert.await)
}

/// Delete a spend alert of a project.
#[utoipa::path(
    delete, path = "/v1/organization/projects/{project_id}/spend_alerts/{alert_id}",
    tag = "Spend alerts", operation_id = "delete_project_spend_alert",
    params(
        ("project_id" = String, Path, description = "The project"),
        ("alert_id" = String, Path, description = "The alert"),
    ),
    responses((status = 200, body = Deleted)), security(("admin_key" = []))
)]
pub(crate) async fn delete_of_project(
    State(control): State<Control>,
    Admin(admin): Admin,
    Ids([project_id, id]): Ids<2>,
) -> Response {
    let deleted = removed(&control, admin, (Some(project_id), id));
    answer(&control, deleted.await)
}

async fn listed(
    control: &Control,
    admin: Caller,
    project_id: Option<String>,
    query: &Query,
    page: &Page,
) -> Outcome<Json<List<SpendAlert>>> {
    let newest_first = query.is_newest_first()?;
    let read = control.store.read(move |tx| -> Outcome<_> {
        let organization = &admin.organization;
        let project = project_id.map(|id| find(tx, organization, &id));
        let project = project.transpose()?.map(|project| project.id);
        Ok(spend_alerts::of(tx, organization, project.as_ref())?)
    });
    let mut alerts: Vec<SpendAlert> = read.await?.into_iter().map(SpendAlert::from).collect();
    if newest_first {
        alerts.reverse();
    }
    between(alerts, page, query.one("before")).map(Json)
}

async fn made(
    control: &Control,
    admin: Caller,
    project_id: Option<String>,
    fields: &Fields,
) -> Outcome<Json<SpendAlert>> {
    let new = NewSpendAlert::read(fields)?;
    let id = BudgetId::new(&format!("alert_{}", random_base62(24, control.entropy)));
    let change = control.change(admin, move |tx, organization, now| {
        let project = project_id.map(|id| find_active(tx, organization, &id));
        let project = project.transpose()?.map(|project| project.id);
        let scope = project.clone().map_or(Scope::Organization, Scope::Project);
        ensure_room(tx, organization, &scope)?;
        let mut alert = Rules {
            id,
            project,
            limit: Nusd::ZERO,
            recipients: Vec::new(),
            subject_prefix: None,
            created_at: now,
        };
        new.apply(&mut alert);
        spend_alerts::create(tx, organization, &alert)?;
        let event = event(Kind::SpendAlertCreated, &alert).data(told(&alert));
        Ok(Done::new(event, SpendAlert::from(alert)))
    });
    Ok(Json(change.await?))
}

async fn shown(
    control: &Control,
    admin: Caller,
    project_id: Option<String>,
    id: String,
) -> Outcome<Json<SpendAlert>> {
    let read = control.store.read(move |tx| -> Outcome<_> {
        let organization = &admin.organization;
        let project = project_id.map(|id| find(tx, organization, &id));
        let project = project.transpose()?.map(|project| project.id);
        find_alert(tx, organization, project.as_ref(), &id)
    });
    read.await.map(|alert| Json(SpendAlert::from(alert)))
}

async fn changed(
    control: &Control,
    admin: Caller,
    (project_id, id): (Option<String>, String),
    fields: &Fields,
) -> Outcome<Json<SpendAlert>> {
    let new = NewSpendAlert::read(fields)?;
    let change = control.change(admin, move |tx, organization, now| {
        let project = project_id.map(|id| find_active(tx, organization, &id));
        let project = project.transpose()?.map(|project| project.id);
        let mut alert = find_alert(tx, organization, project.as_ref(), &id)?;
        new.apply(&mut alert);
        spend_alerts::change(tx, organization, &alert, now)?;
        let event = event(Kind::SpendAlertUpdated, &alert).changes(told(&alert));
        Ok(Done::new(event, SpendAlert::from(alert)))
    });
    Ok(Json(change.await?))
}

async fn removed(
    control: &Control,
    admin: Caller,
    (project_id, id): (Option<String>, String),
) -> Outcome<Json<Deleted>> {
    let change = control.change(admin, move |tx, organization, now| {
        let project = project_id.map(|id| find_active(tx, organization, &id));
        let project = project.transpose()?.map(|project| project.id);
        let alert = find_alert(tx, organization, project.as_ref(), &id)?;
        budgets::delete(tx, organization, &alert.id, now)?;
        let object = match &alert.project {
            None => "organization.spend_alert.deleted",
            Some(_) => "project.spend_alert.deleted",
        };
        let event = event(Kind::SpendAlertDeleted, &alert);
        Ok(Done::new(event, Deleted::new(object, id)))
    });
    Ok(Json(change.await?))
}

fn event(kind: Kind, alert: &Rules) -> Event {
    match &alert.project {
        None => Event::new(kind, &alert.id),
        Some(project) => Event::new(kind, &alert.id).in_project(project),
    }
}

/// What the audit log says of an alert.
fn told(alert: &Rules) -> Value {
    json!({
        "threshold_amount": alert.limit.whole_cents(), "currency": "USD", "interval": "month",
        "recipients": alert.recipients,
    })
}

fn find_alert(
    tx: &mut Tx<'_>,
    organization: &OrganizationId,
    project: Option<&ProjectId>,
    id: &str,
) -> Outcome<Rules> {
    let found = spend_alerts::get(tx, organization, project, &BudgetId::new(id))?;
    found.ok_or_else(|| Refusal::NotFound {
        what: "spend alert",
        id: id.to_owned(),
    })
}
