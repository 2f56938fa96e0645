//! `/api/webhook_endpoints`: addresses that an organization's alerts are sent to, as signed events
//! or as messages for a chat. docs/alerts.md says what is sent; `senders` sends it.

mod address;
pub(crate) mod deliveries;
mod fields;

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use domain::Entropy;
use domain::id::{OrganizationId, WebhookEndpointId};
use domain::sealed::SealingKey;
use domain::time::SECOND_US;
use domain::webhook::{Form, MOST_ENDPOINTS, MOST_OVERLAP_US, OVERLAP_US, Off, Reach};
use serde::Serialize;
use serde_json::json;
use store::Tx;
use store::audit::{Event, Kind};
use store::page::Place;
use store::webhooks::{self, Endpoint};
use utoipa::ToSchema;

use crate::Control;
use crate::authenticate::Admin;
use crate::body::Fields;
use crate::change::Done;
use crate::next_list::{NextList, NextPage, Placed};
use crate::path::Ids;
use crate::respond::{Outcome, Refusal, answer};
use crate::senders::SECRET_PREFIX;
use crate::service_accounts::Deleted;

use fields::{EndpointChanges, NewEndpoint};

/// What was decided about webhooks.
#[derive(Clone, Debug)]
pub struct Webhooks {
    /// What endpoints may be.
    pub reach: Reach,
    /// What their secrets are sealed with; none if this server has no key.
    pub sealing: Option<SealingKey>,
}

/// An address that alerts are sent to.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct WebhookEndpoint {
    #[schema(example = "webhook_7YkQ2nV0bX4cR9sLwA3eTz1M")]
    id: String,
    #[schema(value_type = String, example = "webhook_endpoint")]
    object: &'static str,
    #[serde(rename = "type")]
    form: WebhookForm,
    /// Of a chat's endpoint only the host: the address lets whoever has it write there.
    #[schema(example = "https://example.com/farebox")]
    url: String,
    /// The kinds of alerts that it is told of; null means all.
    #[schema(example = json!(["low_balance", "recharge_failed"]))]
    kinds: Option<Vec<&'static str>>,
    #[schema(example = "Pages whoever is on call")]
    description: String,
    /// Whether alerts are sent to it.
    enabled: bool,
    /// Why it is switched off: `by_hand`, `failing` (it took nothing for five days) or `gone` (it
    /// answered 410).
    #[schema(value_type = Option<String>, example = "failing")]
    disabled_reason: Option<&'static str>,
    disabled_at: Option<i64>,
    /// Since when it took nothing; null if the latest try worked.
    failing_since: Option<i64>,
    /// Until when events carry a signature of the secret before the last rotation, too.
    earlier_secret_expires_at: Option<i64>,
    created_at: i64,
}

/// An endpoint with its secret, which is shown this once.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct WebhookEndpointWithSecret {
    #[serde(flatten)]
    endpoint: WebhookEndpoint,
    /// What events are signed with. It cannot be shown again. Null for a chat's endpoint.
    #[schema(example = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")]
    secret: Option<String>,
}

/// What is sent: `standard`, signed events as Standard Webhooks says; or `slack`, messages as
/// Slack's incoming webhooks take them.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum WebhookForm {
    Standard,
    Slack,
}

/// How a secret is to be rotated.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "describes a body that is read field by field")]
pub(crate) struct WebhookSecretRotation {
    /// How long events carry a signature of the secret before, too; a day if absent.
    #[schema(minimum = 0, maximum = 2_592_000, example = 86_400)]
    overlap_seconds: Option<i64>,
}

impl From<Endpoint> for WebhookEndpoint {
    fn from(endpoint: Endpoint) -> Self {
        let (off, off_at) = endpoint.off.unzip();
        let kinds = endpoint.kinds;
        WebhookEndpoint {
            id: endpoint.id.to_string(),
            object: "webhook_endpoint",
            form: match endpoint.form {
                Form::Standard => WebhookForm::Standard,
                Form::Slack => WebhookForm::Slack,
            },
            url: endpoint.url,
            kinds: kinds.map(|kinds| kinds.iter().map(|kind| kind.as_str()).collect()),
            description: endpoint.description,
            enabled: off.is_none(),
            disabled_reason: off.map(Off::as_str),
            disabled_at: off_at.map(|at| at.seconds()),
            failing_since: endpoint.failing_since.map(|at| at.seconds()),
            earlier_secret_expires_at: endpoint.earlier.map(|(_, at)| at.seconds()),
            created_at: endpoint.created_at.seconds(),
        }
    }
}

impl Placed for Endpoint {
    fn place(&self) -> Place {
        (self.created_at, self.id.to_string())
    }
}

/// List webhook endpoints.
#[utoipa::path(
    get, path = "/api/webhook_endpoints", tag = "Alerts", operation_id = "list_webhook_endpoints",
    params(NextPage::<20, 100>),
    responses((status = 200, body = NextList<WebhookEndpoint>)), security(("admin_key" = []))
)]
pub(crate) async fn list(
    State(control): State<Control>,
    Admin(admin): Admin,
    page: NextPage<20, 100>,
) -> Response {
    let list = page.list::<WebhookEndpoint, _>(&control, move |tx, page| {
        let organization = &admin.organization;
        let part = page.part(|id| webhooks::place(tx, organization, id))?;
        Ok(webhooks::list(tx, organization, &part)?)
    });
    answer(&control, list.await)
}

/// Create a webhook endpoint. Its secret is shown this once.
#[utoipa::path(
    post, path = "/api/webhook_endpoints", tag = "Alerts",
    operation_id = "create_webhook_endpoint", request_body = fields::NewWebhookEndpoint,
    responses((status = 200, body = WebhookEndpointWithSecret)), security(("admin_key" = []))
)]
pub(crate) async fn create(
    State(control): State<Control>,
    Admin(admin): Admin,
    fields: Fields,
) -> Response {
    let outcome = async {
        let sealing = control.sealing()?;
        let new = NewEndpoint::read(&fields, &control.webhooks.reach)?;
        let entropy = control.entropy;
        let id = WebhookEndpointId::random(entropy);
        let secret = (new.form == Form::Standard).then(|| mint(entropy));
        let plain = secret.as_deref().unwrap_or(&new.url);
        let sealed = sealing.seal(plain.as_bytes(), id.as_str(), entropy).into();
        let change = control.change(admin, move |tx, organization, now| {
            if webhooks::of(tx, organization)?.len() >= MOST_ENDPOINTS {
                let message = format!("An organization has at most {MOST_ENDPOINTS} endpoints.");
                return Err(Refusal::TooManyLimits { message });
            }
            let endpoint = Endpoint {
                id,
                form: new.form,
                url: address::shown(&new.url, new.form),
                kinds: new.kinds,
                description: new.description,
                secret: sealed,
                earlier: None,
                off: None,
                failing_since: None,
                created_at: now,
            };
            webhooks::create(tx, organization, &endpoint)?;
            let data = json!({"type": endpoint.form.as_str(), "url": endpoint.url});
            let event = Event::new(Kind::WebhookEndpointCreated, &endpoint.id).data(data);
            Ok(Done::new(event, endpoint))
        });
        let endpoint = WebhookEndpoint::from(change.await?);
        Ok(Json(WebhookEndpointWithSecret { endpoint, secret }))
    };
    answer(&control, outcome.await)
}

/// Retrieve a webhook endpoint.
#[utoipa::path(
    get, path = "/api/webhook_endpoints/{endpoint_id}", tag = "Alerts",
    operation_id = "retrieve_webhook_endpoint",
    params(("endpoint_id" = String, Path, description = "The endpoint")),
    responses((status = 200, body = WebhookEndpoint)), security(("admin_key" = []))
)]
pub(crate) async fn retrieve(
    State(control): State<Control>,
    Admin(admin): Admin,
    Ids([id]): Ids<1>,
) -> Response {
    let read = control
        .store
        .read(move |tx| found(tx, &admin.organization, &id));
    let outcome = read.await.map(|it| Json(WebhookEndpoint::from(it)));
    answer(&control, outcome)
}

/// Change a webhook endpoint, or switch it off or on again.
#[utoipa::path(
    post, path = "/api/webhook_endpoints/{endpoint_id}", tag = "Alerts",
    operation_id = "update_webhook_endpoint", request_body = fields::WebhookEndpointChanges,
    params(("endpoint_id" = String, Path, description = "The endpoint")),
    responses((status = 200, body = WebhookEndpoint)), security(("admin_key" = []))
)]
pub(crate) async fn update(
    State(control): State<Control>,
    Admin(admin): Admin,
    Ids([id]): Ids<1>,
    fields: Fields,
) -> Response {
    let outcome = async {
        let changes = EndpointChanges::read(&fields, &control.webhooks.reach)?;
        let sealing = changes.url.as_ref().map(|_| control.sealing());
        let (sealing, entropy) = (sealing.transpose()?, control.entropy);
        let change = control.change(admin, move |tx, organization, now| {
            let mut endpoint = found(tx, organization, &id)?;
            let event = changes.to_event(&endpoint);
            let Some(event) = event else {
                return Ok(Done::nothing(endpoint));
            };
            if let (Some(url), Some(sealing)) = (&changes.url, sealing) {
                endpoint.url = address::shown(url, endpoint.form);
                if endpoint.form == Form::Slack {
                    let place = endpoint.id.as_str();
                    endpoint.secret = sealing.seal(url.as_bytes(), place, entropy).into();
                }
            }
            changes.apply(&mut endpoint, now);
            webhooks::change(tx, &endpoint)?;
            Ok(Done::new(event, endpoint))
        });
        Ok(Json(WebhookEndpoint::from(change.await?)))
    };
    answer(&control, outcome.await)
}

/// Delete a webhook endpoint, with the log of what was sent to it.
#[utoipa::path(
    delete, path = "/api/webhook_endpoints/{endpoint_id}", tag = "Alerts",
    operation_id = "delete_webhook_endpoint",
    params(("endpoint_id" = String, Path, description = "The endpoint")),
    responses((status = 200, body = Deleted)), security(("admin_key" = []))
)]
pub(crate) async fn delete(
    State(control): State<Control>,
    Admin(admin): Admin,
    Ids([id]): Ids<1>,
) -> Response {
    let change = control.change(admin, move |tx, organization, _| {
        let endpoint = found(tx, organization, &id)?;
        webhooks::delete(tx, &endpoint.id)?;
        let event = Event::new(Kind::WebhookEndpointDeleted, &endpoint.id);
        let answer = Deleted::new("webhook_endpoint.deleted", id);
        Ok(Done::new(event, answer))
    });
    answer(&control, change.await.map(Json))
}

/// Give a webhook endpoint a new secret, shown this once; the one before signs too for a while.
#[utoipa::path(
    post, path = "/api/webhook_endpoints/{endpoint_id}/rotate_secret", tag = "Alerts",
    operation_id = "rotate_webhook_secret", request_body = WebhookSecretRotation,
    params(("endpoint_id" = String, Path, description = "The endpoint")),
    responses((status = 200, body = WebhookEndpointWithSecret)), security(("admin_key" = []))
)]
pub(crate) async fn rotate(
    State(control): State<Control>,
    Admin(admin): Admin,
    Ids([id]): Ids<1>,
    fields: Fields,
) -> Response {
    let outcome = async {
        let most_s = MOST_OVERLAP_US / SECOND_US;
        let overlap_s = fields.integer("overlap_seconds", 0..=most_s)?;
        let overlap_us = overlap_s.map_or(OVERLAP_US, |seconds| seconds * SECOND_US);
        let (sealing, entropy) = (control.sealing()?, control.entropy);
        let secret = mint(entropy);
        let plain = secret.clone();
        let change = control.change(admin, move |tx, organization, now| {
            let mut endpoint = found(tx, organization, &id)?;
            if endpoint.form == Form::Slack {
                let message = "A chat's endpoint has no secret but its address.".into();
                let param = "endpoint_id".into();
                return Err(Refusal::Invalid { param, message });
            }
            let sealed = sealing.seal(plain.as_bytes(), endpoint.id.as_str(), entropy);
            let before = std::mem::replace(&mut endpoint.secret, Bytes::from(sealed));
            endpoint.earlier = (overlap_us > 0).then(|| (before, now.plus(overlap_us)));
            webhooks::change(tx, &endpoint)?;
            let changes = json!({"secret": "rotated", "overlap_seconds": overlap_us / SECOND_US});
            let event = Event::new(Kind::WebhookEndpointUpdated, &endpoint.id).changes(changes);
            Ok(Done::new(event, endpoint))
        });
        Ok(Json(WebhookEndpointWithSecret {
            endpoint: change.await?.into(),
            secret: Some(secret),
        }))
    };
    answer(&control, outcome.await)
}

impl Control {
    /// What secrets are sealed with.
    pub(crate) fn sealing(&self) -> Outcome<SealingKey> {
        let sealing = self.webhooks.sealing.clone();
        sealing.ok_or(Refusal::NoSecretKey)
    }
}

/// A secret as Standard Webhooks writes it: 256 bits.
fn mint(entropy: Entropy) -> String {
    let mut bytes = [0; 32];
    entropy(&mut bytes);
    format!("{SECRET_PREFIX}{}", STANDARD.encode(bytes))
}

/// An endpoint of the organization.
fn found(tx: &mut Tx<'_>, organization: &OrganizationId, id: &str) -> Outcome<Endpoint> {
    let found = webhooks::get(tx, organization, &WebhookEndpointId::new(id))?;
    found.ok_or_else(|| Refusal::NotFound {
        what: "webhook endpoint",
        id: id.to_owned(),
    })
}
