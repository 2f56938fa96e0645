//! `/v1/organization/projects/{project_id}/service_accounts`.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use domain::access::Owner;
use domain::id::{KeyId, ServiceAccountId};
use domain::key::{KeyClass, KeySecret};
use domain::time::SECOND_US;
use serde::Serialize;
use serde_json::json;
use store::audit::{Event, Kind};
use store::keys::{self, NewKey};
use store::service_accounts;
use utoipa::ToSchema;

use crate::Control;
use crate::authenticate::Admin;
use crate::body::Fields;
use crate::change::Done;
use crate::pagination::{List, Listed, Page};
use crate::path::Ids;
use crate::projects::{find, find_active};
use crate::respond::{Outcome, Refusal, answer};

/// The longest that a key may be made to work.
const YEAR_S: i64 = 31_536_000;

/// A service account.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ServiceAccount {
    id: String,
    #[schema(example = "organization.project.service_account")]
    object: &'static str,
    name: String,
    role: String,
    created_at: i64,
}

/// A service account that was just made, with its first key.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CreatedServiceAccount {
    #[serde(flatten)]
    account: ServiceAccount,
    /// Shown this once; none if only the account was asked for.
    api_key: Option<CreatedKey>,
}

/// A service account to be made.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes; `Fields` reads")]
struct NewServiceAccount {
    /// One line of text.
    #[schema(example = "deploy bot", min_length = 1, max_length = 256)]
    name: String,
    /// Whether to make no key.
    create_service_account_only: Option<bool>,
    /// How long the key is to work; for good, if absent.
    #[schema(example = 2_592_000, minimum = 1, maximum = 31_536_000)]
    expires_in_seconds: Option<i64>,
}

/// A key that was just made.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CreatedKey {
    id: String,
    #[schema(example = "organization.project.service_account.api_key")]
    object: &'static str,
    name: String,
    created_at: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<i64>,
    /// The secret, shown this once.
    value: String,
}

/// Something that is gone.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Deleted {
    #[schema(example = "organization.project.service_account.deleted")]
    object: &'static str,
    id: String,
    deleted: bool,
}

impl Deleted {
    pub(crate) fn new(object: &'static str, id: impl Into<String>) -> Self {
        Deleted {
            object,
            id: id.into(),
            deleted: true,
        }
    }
}

/// How long a key that is asked for is to work, in microseconds; for good if none.
pub(crate) fn key_lifetime_us(fields: &Fields) -> Outcome<Option<i64>> {
    let seconds = fields.integer("expires_in_seconds", 1..=YEAR_S)?;
    Ok(seconds.map(|seconds| seconds * SECOND_US))
}

impl From<service_accounts::ServiceAccount> for ServiceAccount {
    fn from(account: service_accounts::ServiceAccount) -> Self {
        ServiceAccount {
            id: account.id.to_string(),
            object: "organization.project.service_account",
            name: account.name,
            role: account.role,
            created_at: account.created_at.seconds(),
        }
    }
}

impl Listed for ServiceAccount {
    fn id(&self) -> &str {
        &self.id
    }
}

/// List the service accounts of a project.
#[utoipa::path(
    get, path = "/v1/organization/projects/{project_id}/service_accounts",
    operation_id = "list_service_accounts",
    tag = "Service accounts",
    params(
        ("project_id" = String, Path, description = "The project"),
        Page,
    ),
    responses((status = 200, body = List<ServiceAccount>)), security(("admin_key" = []))
)]
pub(crate) async fn list(
    State(control): State<Control>,
    Admin(admin): Admin,
    Ids([project_id]): Ids<1>,
    page: Page,
) -> Response {
    let list = page.list::<ServiceAccount, _>(&control, move |tx, page| {
        let project = find(tx, &admin.organization, &project_id)?.id;
        let find = |id: &str| service_accounts::cursor(tx, &project, &ServiceAccountId::new(id));
        let after = page.cursor(find)?;
        Ok(service_accounts::list(
            tx,
            &project,
            after.as_ref(),
            page.rows(),
        )?)
    });
    answer(&control, list.await)
}

/// Create a service account, and its first key.
#[utoipa::path(
    post, path = "/v1/organization/projects/{project_id}/service_accounts",
    operation_id = "create_service_account",
    tag = "Service accounts",
    params(("project_id" = String, Path, description = "The project")),
    request_body = NewServiceAccount,
    responses((status = 200, body = CreatedServiceAccount)), security(("admin_key" = []))
)]
pub(crate) async fn create(
    State(control): State<Control>,
    Admin(admin): Admin,
    Ids([project_id]): Ids<1>,
    fields: Fields,
) -> Response {
    let outcome = async {
        let name = fields.required("name", fields.name("name")?)?;
        let keyless = fields.flag("create_service_account_only")?;
        let lifetime = key_lifetime_us(&fields)?;
        let id = ServiceAccountId::random(control.entropy);
        let secret = KeySecret::mint(KeyClass::ServiceAccount, control.entropy);
        let key_id = KeyId::random(control.entropy);
        let change = control.change(admin, move |tx, organization, now| {
            let project = find_active(tx, organization, &project_id)?.id;
            let account = service_accounts::ServiceAccount {
                id,
                name,
                role: "member".into(),
                created_at: now,
            };
            service_accounts::create(tx, organization, &project, &account)?;
            let event = Event::new(Kind::ServiceAccountCreated, &account.id).in_project(&project);
            let event = event.data(json!({"role": account.role}));
            if keyless {
                let created = CreatedServiceAccount {
                    account: account.into(),
                    api_key: None,
                };
                return Ok(Done::new(event, created));
            }
            let expires_at = lifetime.map(|us| now.plus(us));
            let new = NewKey {
                id: key_id.clone(),
                organization,
                project: Some(&project),
                owner: Owner::ServiceAccount(account.id.clone()),
                name: "Secret key",
                expires_at,
            };
            keys::create(tx, &new, &secret, now)?;
            let api_key = CreatedKey {
                id: key_id.to_string(),
                object: "organization.project.service_account.api_key",
                name: "Secret key".into(),
                created_at: now.seconds(),
                expires_at: expires_at.map(|at| at.seconds()),
                value: secret.expose().to_owned(),
            };
            let created = CreatedServiceAccount {
                account: account.into(),
                api_key: Some(api_key),
            };
            let key = Event::new(Kind::ApiKeyCreated, &key_id).in_project(&project);
            Ok(Done::new(event, created).and(key.data(json!({"scopes": []}))))
        });
        Ok(Json(change.await?))
    };
    answer(&control, outcome.await)
}

/// Retrieve a service account.
#[utoipa::path(
    get, path = "/v1/organization/projects/{project_id}/service_accounts/{service_account_id}",
    operation_id = "retrieve_service_account",
    tag = "Service accounts",
    params(
        ("project_id" = String, Path, description = "The project"),
        ("service_account_id" = String, Path, description = "The service account"),
    ),
    responses((status = 200, body = ServiceAccount)), security(("admin_key" = []))
)]
pub(crate) async fn retrieve(
    State(control): State<Control>,
    Admin(admin): Admin,
    Ids([project_id, id]): Ids<2>,
) -> Response {
    let read = control.store.read(move |tx| -> Outcome<_> {
        let project = find(tx, &admin.organization, &project_id)?.id;
        find_account(tx, &project, &id)
    });
    let outcome = read
        .await
        .map(|account| Json(ServiceAccount::from(account)));
    answer(&control, outcome)
}

/// Delete a service account: its keys work no more.
#[utoipa::path(
    delete, path = "/v1/organization/projects/{project_id}/service_accounts/{service_account_id}",
    operation_id = "delete_service_account",
    tag = "Service accounts",
    params(
        ("project_id" = String, Path, description = "The project"),
        ("service_account_id" = String, Path, description = "The service account"),
    ),
    responses((status = 200, body = Deleted)), security(("admin_key" = []))
)]
pub(crate) async fn delete(
    State(control): State<Control>,
    Admin(admin): Admin,
    Ids([project_id, id]): Ids<2>,
) -> Response {
    let change = control.change(admin, move |tx, organization, now| {
        let project = find(tx, organization, &project_id)?.id;
        let account = find_account(tx, &project, &id)?;
        service_accounts::delete(tx, &account.id, now)?;
        let event = Event::new(Kind::ServiceAccountDeleted, &account.id).in_project(&project);
        let object = "organization.project.service_account.deleted";
        Ok(Done::new(event, Deleted::new(object, id)))
    });
    answer(&control, change.await.map(Json))
}

fn find_account(
    tx: &mut store::Tx<'_>,
    project: &domain::id::ProjectId,
    id: &str,
) -> Outcome<service_accounts::ServiceAccount> {
    service_accounts::get(tx, project, &ServiceAccountId::new(id))?.ok_or_else(|| {
        Refusal::NotFound {
            what: "service account",
            id: id.to_owned(),
        }
    })
}
