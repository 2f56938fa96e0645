//! `/v1/organization/admin_api_keys`: the keys that call this API.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use domain::access::Owner;
use domain::id::{KeyId, OrganizationId};
use domain::key::{KeyClass, KeySecret};
use domain::network::Network;
use domain::time::SECOND_US;
use serde::Serialize;
use serde_json::json;
use store::admin_keys;
use store::audit::{Actor, Event, Kind, Who};
use store::keys::settings::{self, Settings};
use store::keys::{self, KeyRow, NewKey};
use utoipa::ToSchema;

use crate::Control;
use crate::authenticate::Admin;
use crate::body::Fields;
use crate::change::Done;
use crate::pagination::{List, Listed, Page};
use crate::path::Ids;
use crate::people::refusal::PeopleRefusal;
use crate::query::Query;
use crate::respond::{Outcome, Refusal, answer};
use crate::service_account_keys::key_lifetime_us;
use crate::service_accounts::Deleted;
use crate::user_key_changes::networks;

/// A key of the Administration API.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AdminApiKey {
    id: String,
    #[schema(example = "organization.admin_api_key")]
    object: &'static str,
    name: String,
    #[schema(example = "sk-admin-fare...x7Qz")]
    redacted_value: String,
    created_at: i64,
    expires_at: Option<i64>,
    last_used_at: Option<i64>,
    /// The addresses and networks it may be used from; absent means all.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = json!(["203.0.113.0/24"]))]
    ip_ranges: Option<Vec<String>>,
    owner: AdminKeyOwner,
}

/// Whoever made an admin key.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AdminKeyOwner {
    #[serde(rename = "type")]
    #[schema(example = "user")]
    kind: &'static str,
    #[schema(example = "organization.user")]
    object: &'static str,
    id: String,
    name: String,
    created_at: i64,
    /// `owner` or `reader` of the organization.
    role: String,
}

/// An admin key that was just made.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CreatedAdminApiKey {
    #[serde(flatten)]
    key: AdminApiKey,
    /// The secret, shown this once.
    value: String,
}

impl From<KeyRow> for AdminApiKey {
    fn from(key: KeyRow) -> Self {
        let owner = match &key.owner.owner {
            Owner::User(id) => id.to_string(),
            Owner::ServiceAccount(id) => id.to_string(),
        };
        AdminApiKey {
            id: key.id.to_string(),
            object: "organization.admin_api_key",
            name: key.name,
            redacted_value: key.redacted_value,
            created_at: key.created_at.seconds(),
            expires_at: key.expires_at.map(|at| at.seconds()),
            last_used_at: key.last_used_at.map(|at| at.seconds()),
            ip_ranges: key.restrictions.networks.as_deref().map(texts),
            owner: AdminKeyOwner {
                kind: "user",
                object: "organization.user",
                id: owner,
                name: key.owner.name,
                created_at: key.owner.created_at.seconds(),
                role: key.owner.role,
            },
        }
    }
}

fn texts(networks: &[Network]) -> Vec<String> {
    networks.iter().map(ToString::to_string).collect()
}

impl Listed for AdminApiKey {
    fn id(&self) -> &str {
        &self.id
    }
}

/// An admin key to be made.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes; `Fields` reads")]
struct NewAdminApiKey {
    /// One line of text.
    #[schema(example = "Terraform", min_length = 1, max_length = 256)]
    name: String,
    /// How long it is to work; for good, if absent.
    #[schema(example = 2_592_000, minimum = 1, maximum = 31_536_000)]
    expires_in_seconds: Option<i64>,
    /// IPv4 and IPv6 addresses, and networks in CIDR's notation, that it may be used from. Absent
    /// or null: all.
    #[schema(example = json!(["203.0.113.0/24"]), min_items = 1, max_items = 50)]
    ip_ranges: Option<Vec<String>>,
}

/// What is to change of an admin key; what is absent stays.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes; `Fields` reads")]
struct AdminApiKeyChanges {
    /// One line of text.
    #[schema(example = "Terraform", min_length = 1, max_length = 256)]
    name: Option<String>,
    /// From now on; null: for good.
    #[schema(example = 2_592_000, minimum = 1, maximum = 31_536_000)]
    expires_in_seconds: Option<i64>,
    /// Null: all.
    #[schema(example = json!(["203.0.113.0/24"]), min_items = 1, max_items = 50)]
    ip_ranges: Option<Vec<String>>,
}

/// List admin keys.
#[utoipa::path(
    get, path = "/v1/organization/admin_api_keys", tag = "Admin API keys",
    operation_id = "list_admin_api_keys",
    params(
        Page,
        ("order" = Option<String>, Query, pattern = "^(asc|desc)$",
            description = "asc (if absent): oldest first; or desc"),
    ),
    responses((status = 200, body = List<AdminApiKey>)), security(("admin_key" = []))
)]
pub(crate) async fn list(
    State(control): State<Control>,
    Admin(admin): Admin,
    query: Query,
    page: Page,
) -> Response {
    let outcome = async {
        let newest_first = query.is_newest_first()?;
        let list = page.list::<AdminApiKey, _>(&control, move |tx, page| {
            let organization = &admin.organization;
            let find = |id: &str| admin_keys::cursor(tx, organization, &KeyId::new(id));
            let part = admin_keys::Page {
                after: page.cursor(find)?,
                newest_first,
                limit: page.rows(),
            };
            Ok(admin_keys::list(tx, organization, &part)?)
        });
        list.await
    };
    answer(&control, outcome.await)
}

/// Create an admin key. It is owned by whoever makes it, who proved lately who they are if they
/// call with a session.
#[utoipa::path(
    post, path = "/v1/organization/admin_api_keys", tag = "Admin API keys",
    operation_id = "create_admin_api_key", request_body = NewAdminApiKey,
    responses((status = 200, body = CreatedAdminApiKey)), security(("admin_key" = []))
)]
pub(crate) async fn create(
    State(control): State<Control>,
    Admin(admin): Admin,
    fields: Fields,
) -> Response {
    let outcome = async {
        // It outlives the session, and does all that its owner may.
        if !admin.is_proved {
            return Err(PeopleRefusal::ProofRequired.into());
        }
        let name = fields.required("name", fields.name("name")?)?;
        let lifetime = key_lifetime_us(&fields)?;
        let networks = networks(&fields)?.flatten();
        let owner = admin.actor.user().cloned();
        let owner = owner.ok_or(Refusal::Unsupported {
            param: "name",
            message: "Admin keys belong to people, and whoever calls is none.",
        })?;
        let secret = KeySecret::mint(KeyClass::Admin, control.entropy);
        let id = KeyId::random(control.entropy);
        let change = control.change(admin, move |tx, organization, now| {
            let new = NewKey {
                id: id.clone(),
                organization,
                project: None,
                owner: Owner::User(owner),
                name: &name,
                expires_at: lifetime.map(|us| now.plus(us)),
            };
            keys::create(tx, &new, &secret, now)?;
            let ranges = networks.as_deref().map(texts);
            if networks.is_some() {
                let mut settings = Settings::from(&find(tx, organization, id.as_str())?);
                settings.restrictions.networks = networks;
                settings::set(tx, &id, &settings, now)?;
            }
            let key = find(tx, organization, id.as_str())?;
            let created = CreatedAdminApiKey {
                key: key.into(),
                value: secret.expose().to_owned(),
            };
            let event = Event::new(Kind::ApiKeyCreated, &id);
            let event = event.data(json!({"scopes": [], "ip_ranges": ranges}));
            Ok(Done::new(event, created))
        });
        Ok(Json(change.await?))
    };
    answer(&control, outcome.await)
}

/// Retrieve an admin key.
#[utoipa::path(
    get, path = "/v1/organization/admin_api_keys/{key_id}", tag = "Admin API keys",
    operation_id = "retrieve_admin_api_key",
    params(("key_id" = String, Path, description = "The key")),
    responses((status = 200, body = AdminApiKey)), security(("admin_key" = []))
)]
pub(crate) async fn retrieve(
    State(control): State<Control>,
    Admin(admin): Admin,
    Ids([id]): Ids<1>,
) -> Response {
    let read = control
        .store
        .read(move |tx| find(tx, &admin.organization, &id));
    let outcome = read.await.map(|key| Json(AdminApiKey::from(key)));
    answer(&control, outcome)
}

/// Rename an admin key, bind it to networks, or let it expire.
///
/// The key that calls is not bound to networks that it does not call from.
#[utoipa::path(
    post, path = "/v1/organization/admin_api_keys/{key_id}", tag = "Admin API keys",
    operation_id = "update_admin_api_key",
    params(("key_id" = String, Path, description = "The key")),
    request_body = AdminApiKeyChanges,
    responses((status = 200, body = AdminApiKey)), security(("admin_key" = []))
)]
pub(crate) async fn update(
    State(control): State<Control>,
    Admin(admin): Admin,
    Ids([id]): Ids<1>,
    fields: Fields,
) -> Response {
    let outcome = async {
        // As for making one: what is let go here lasts longer than the session.
        if !admin.is_proved {
            return Err(PeopleRefusal::ProofRequired.into());
        }
        let name = fields.name("name")?;
        let lifetime_us = fields.or_null("expires_in_seconds", key_lifetime_us(&fields)?);
        let networks = networks(&fields)?;
        let shut_out = fields.invalid("ip_ranges", "this key would not work from where it calls");
        let caller = admin.actor.clone();
        let change = control.change(admin, move |tx, organization, now| {
            let key = find(tx, organization, &id)?;
            if name.is_none() && lifetime_us.is_none() && networks.is_none() {
                return Ok(Done::nothing(key));
            }
            if let Some(Some(networks)) = &networks
                && !lets_in(&key.id, networks, &caller)
            {
                return Err(shut_out);
            }
            let asked = json!({
                "name": name,
                "ip_ranges": networks.as_ref().map(|it| it.as_deref().map_or(Vec::new(), texts)),
                "expires_in_seconds": lifetime_us.flatten().map(|us| us / SECOND_US),
                "never_expires": (lifetime_us == Some(None)).then_some(true),
            });
            let mut settings = Settings::from(&key);
            settings.name = name.unwrap_or(settings.name);
            if let Some(networks) = networks {
                settings.restrictions.networks = networks;
            }
            if let Some(lifetime_us) = lifetime_us {
                settings.expires_at = lifetime_us.map(|us| now.plus(us));
            }
            settings::set(tx, &key.id, &settings, now)?;
            let event = Event::new(Kind::ApiKeyUpdated, &key.id).changes(asked);
            Ok(Done::new(event, find(tx, organization, &id)?))
        });
        Ok(Json(AdminApiKey::from(change.await?)))
    };
    answer(&control, outcome.await)
}

/// Whether a key that is bound to networks still works where it is used now, if it is the caller's.
fn lets_in(key: &KeyId, networks: &[Network], caller: &Actor) -> bool {
    let is_callers = matches!(&caller.who, Who::Key(id, _) if id == key);
    let address = caller.ip_address.as_ref().and_then(|it| it.parse().ok());
    !is_callers || address.is_some_and(|address| networks.iter().any(|it| it.contains(address)))
}

/// Delete an admin key: it works no more. It may be the one that calls.
#[utoipa::path(
    delete, path = "/v1/organization/admin_api_keys/{key_id}", tag = "Admin API keys",
    operation_id = "delete_admin_api_key",
    params(("key_id" = String, Path, description = "The key")),
    responses((status = 200, body = Deleted)), security(("admin_key" = []))
)]
pub(crate) async fn delete(
    State(control): State<Control>,
    Admin(admin): Admin,
    Ids([id]): Ids<1>,
) -> Response {
    let change = control.change(admin, move |tx, organization, now| {
        let key = find(tx, organization, &id)?.id;
        keys::revoke(tx, &key, now)?;
        let deleted = Deleted::new("organization.admin_api_key.deleted", id);
        Ok(Done::new(Event::new(Kind::ApiKeyDeleted, &key), deleted))
    });
    answer(&control, change.await.map(Json))
}

fn find(tx: &mut store::Tx<'_>, organization: &OrganizationId, id: &str) -> Outcome<KeyRow> {
    admin_keys::get(tx, organization, &KeyId::new(id))?.ok_or_else(|| Refusal::NotFound {
        what: "admin key",
        id: id.to_owned(),
    })
}
