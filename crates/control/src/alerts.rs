//! `/api/alerts` and `/api/alert_settings`: what an organization was told of, and who gets the
//! mails.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use domain::alert::{AlertKind, MailTo};
use domain::id::OrganizationId;
use serde::Serialize;
use serde_json::{Map, Value, json};
use store::Tx;
use store::alerts::{self, Past, low_balances, settings};
use store::audit::{Event, Kind};
use store::page::Place;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::Control;
use crate::authenticate::Admin;
use crate::body::Fields;
use crate::change::Done;
use crate::next_list::{NextList, NextPage, Placed};
use crate::respond::{Outcome, answer};
use crate::webhooks;

/// The routes of alerts, and of the endpoints that they go to.
pub(crate) fn routes() -> OpenApiRouter<Control> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(retrieve, update))
        .routes(routes!(webhooks::list, webhooks::create))
        .routes(routes!(
            webhooks::retrieve,
            webhooks::update,
            webhooks::delete
        ))
        .routes(routes!(webhooks::rotate))
        .routes(routes!(webhooks::deliveries::test))
        .routes(routes!(webhooks::deliveries::list))
        .routes(routes!(webhooks::deliveries::retrieve))
        .routes(routes!(webhooks::deliveries::replay))
}

/// Something that the organization was told of, once.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Alert {
    /// Also the id of its events.
    #[schema(example = "alert_2nV0bX4cR9sLwA3eTz1M7YkQ")]
    id: String,
    #[schema(value_type = String, example = "alert")]
    object: &'static str,
    #[schema(value_type = String, example = "low_balance")]
    kind: &'static str,
    /// Its facts by name, as they are in events.
    #[schema(value_type = Object, example = json!({"available_usd": "0.75"}))]
    data: Value,
    created_at: i64,
}

/// Who gets the mails of an organization's alerts.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AlertSettings {
    #[schema(value_type = String, example = "alert_settings")]
    object: &'static str,
    /// For each kind of alert: `owners`, `billing` (the address of the billing profile; the owners
    /// if there is none), `owners_and_billing` or `nobody`. Webhooks are told in any case.
    #[schema(example = json!({"low_balance": "owners_and_billing", "receipt": "billing"}))]
    mails: BTreeMap<&'static str, &'static str>,
    /// Below which balance the organization is told; `0.00`: never.
    #[schema(example = "1.00")]
    low_balance_usd: String,
}

/// What is to change of an organization's alerts; what is absent stays.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "describes a body that is read field by field")]
pub(crate) struct AlertSettingsChanges {
    /// Who gets the mails of these kinds: `owners`, `billing`, `owners_and_billing` or `nobody`.
    #[schema(example = json!({"low_balance": "billing"}))]
    mails: Option<BTreeMap<String, String>>,
    /// Below which balance the organization is told, a decimal number of US dollars; 0: never.
    #[schema(example = "5.00")]
    low_balance_usd: Option<String>,
}

impl From<Past> for Alert {
    fn from(past: Past) -> Self {
        Alert {
            id: past.id.to_string(),
            object: "alert",
            kind: past.kind.as_str(),
            data: serde_json::from_str(&past.data).unwrap_or_default(),
            created_at: past.at.seconds(),
        }
    }
}

impl Placed for Past {
    fn place(&self) -> Place {
        (self.at, self.id.to_string())
    }
}

impl AlertSettings {
    fn of(tx: &mut Tx<'_>, organization: &OrganizationId) -> Outcome<Self> {
        let mails = settings::mails(tx, organization)?.into_iter();
        Ok(AlertSettings {
            object: "alert_settings",
            mails: mails
                .map(|(kind, to)| (kind.as_str(), to.as_str()))
                .collect(),
            low_balance_usd: low_balances::threshold(tx, organization)?.to_usd(),
        })
    }
}

/// List what the organization was told of.
#[utoipa::path(
    get, path = "/api/alerts", tag = "Alerts", operation_id = "list_alerts",
    params(NextPage::<20, 100>),
    responses((status = 200, body = NextList<Alert>)), security(("admin_key" = []))
)]
pub(crate) async fn list(
    State(control): State<Control>,
    Admin(admin): Admin,
    page: NextPage<20, 100>,
) -> Response {
    let list = page.list::<Alert, _>(&control, move |tx, page| {
        let organization = &admin.organization;
        let part = page.part(|id| alerts::place(tx, organization, id))?;
        Ok(alerts::list(tx, organization, &part)?)
    });
    answer(&control, list.await)
}

/// Retrieve who gets the mails of alerts.
#[utoipa::path(
    get, path = "/api/alert_settings", tag = "Alerts", operation_id = "retrieve_alert_settings",
    responses((status = 200, body = AlertSettings)), security(("admin_key" = []))
)]
pub(crate) async fn retrieve(State(control): State<Control>, Admin(admin): Admin) -> Response {
    let read = control
        .store
        .read(move |tx| -> Outcome<_> { Ok(Json(AlertSettings::of(tx, &admin.organization)?)) });
    answer(&control, read.await)
}

/// Decide who gets the mails of alerts.
#[utoipa::path(
    post, path = "/api/alert_settings", tag = "Alerts", operation_id = "update_alert_settings",
    request_body = AlertSettingsChanges,
    responses((status = 200, body = AlertSettings)), security(("admin_key" = []))
)]
pub(crate) async fn update(
    State(control): State<Control>,
    Admin(admin): Admin,
    fields: Fields,
) -> Response {
    let outcome = async {
        let (wanted, threshold) = (mails(&fields)?, fields.usd("low_balance_usd")?);
        let change = control.change(admin, move |tx, organization, _| {
            let mut changes = Map::new();
            let before = settings::mails(tx, organization)?;
            let mut mails = Map::new();
            for (kind, to) in wanted {
                if before.get(&kind) != Some(&to) {
                    settings::set_mail(tx, organization, kind, to)?;
                    mails.insert(kind.as_str().into(), json!(to.as_str()));
                }
            }
            if !mails.is_empty() {
                changes.insert("mails".into(), mails.into());
            }
            let before = low_balances::threshold(tx, organization)?;
            if let Some(threshold) = threshold.filter(|it| *it != before) {
                low_balances::set_threshold(tx, organization, threshold)?;
                changes.insert("low_balance_usd".into(), json!(threshold.to_usd()));
            }
            let answer = AlertSettings::of(tx, organization)?;
            if changes.is_empty() {
                return Ok(Done::nothing(answer));
            }
            let event = Event::new(Kind::AlertSettingsUpdated, organization);
            Ok(Done::new(event.changes(changes.into()), answer))
        });
        change.await.map(Json)
    };
    answer(&control, outcome.await)
}

fn mails(fields: &Fields) -> Outcome<Vec<(AlertKind, MailTo)>> {
    let Some(mails) = fields.object("mails", "mails.")? else {
        return Ok(Vec::new());
    };
    let mut wanted = Vec::new();
    for name in mails.names() {
        let unknown = || fields.invalid("mails", "it names a kind of alert that there is not");
        let kind = AlertKind::from_word(name).ok_or_else(unknown)?;
        let to = mails.word(name, MailTo::ALL.map(|it| (it.as_str(), it)))?;
        wanted.extend(to.map(|to| (kind, to)));
    }
    Ok(wanted)
}
