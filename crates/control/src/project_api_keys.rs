//! `/v1/organization/projects/{project_id}/api_keys`.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use domain::access::Owner;
use domain::id::{KeyId, ProjectId};
use domain::time::SECOND_US;
use serde::Serialize;
use serde_json::json;
use store::audit::{Event, Kind};
use store::keys::settings::{self, Settings};
use store::keys::{self, KeyRow, OwnerRow};
use utoipa::ToSchema;

use crate::Control;
use crate::authenticate::Admin;
use crate::body::Fields;
use crate::change::Done;
use crate::key_scopes;
use crate::pagination::{List, Listed, Page};
use crate::path::Ids;
use crate::projects::{find, find_active};
use crate::query::{Query, invalid};
use crate::respond::{Outcome, Refusal, answer};
use crate::service_account_keys::key_lifetime_us;
use crate::service_accounts::Deleted;

/// A key of a project.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ProjectApiKey {
    id: String,
    #[schema(example = "organization.project.api_key")]
    object: &'static str,
    name: String,
    redacted_value: String,
    created_at: i64,
    last_used_at: Option<i64>,
    expires_at: Option<i64>,
    /// `active`: the owner belongs to the project; `inactive`: not any more, and the key does not
    /// work.
    owner_project_access: &'static str,
    owner: KeyOwner,
}

/// What is to change of a key: one of both at least.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "describes; `Fields` reads")]
pub(crate) struct ProjectApiKeyChange {
    /// Permissions that the key is restricted to; none named means all of its owner's.
    #[schema(example = json!(["api.model.request"]))]
    scopes: Option<Vec<String>>,
    /// From now on.
    #[schema(minimum = 1, maximum = 31_536_000)]
    expires_in_seconds: Option<i64>,
}

/// Whose a key is.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct KeyOwner {
    /// `user` or `service_account`.
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<Person>,
    #[serde(skip_serializing_if = "Option::is_none")]
    service_account: Option<Account>,
}

/// A person who owns a key.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Person {
    id: String,
    email: String,
    name: String,
    role: String,
    created_at: i64,
}

/// A service account that owns a key.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Account {
    id: String,
    name: String,
    role: String,
    created_at: i64,
}

impl From<KeyRow> for ProjectApiKey {
    fn from(key: KeyRow) -> Self {
        ProjectApiKey {
            id: key.id.to_string(),
            object: "organization.project.api_key",
            name: key.name,
            redacted_value: key.redacted_value,
            created_at: key.created_at.seconds(),
            last_used_at: key.last_used_at.map(|at| at.seconds()),
            expires_at: key.expires_at.map(|at| at.seconds()),
            owner_project_access: match key.owner_has_access {
                true => "active",
                false => "inactive",
            },
            owner: key.owner.into(),
        }
    }
}

impl From<OwnerRow> for KeyOwner {
    fn from(row: OwnerRow) -> Self {
        let OwnerRow {
            owner,
            name,
            email,
            role,
            created_at,
        } = row;
        let created_at = created_at.seconds();
        match owner {
            Owner::User(id) => KeyOwner {
                kind: "user",
                user: Some(Person {
                    id: id.to_string(),
                    email,
                    name,
                    role,
                    created_at,
                }),
                service_account: None,
            },
            Owner::ServiceAccount(id) => KeyOwner {
                kind: "service_account",
                user: None,
                service_account: Some(Account {
                    id: id.to_string(),
                    name,
                    role,
                    created_at,
                }),
            },
        }
    }
}

impl Listed for ProjectApiKey {
    fn id(&self) -> &str {
        &self.id
    }
}

/// List the keys of a project.
#[utoipa::path(
    get, path = "/v1/organization/projects/{project_id}/api_keys", tag = "Project API keys",
    operation_id = "list_project_api_keys",
    params(
        ("project_id" = String, Path, description = "The project"),
        Page,
    ),
    responses((status = 200, body = List<ProjectApiKey>)), security(("admin_key" = []))
)]
pub(crate) async fn list(
    State(control): State<Control>,
    Admin(admin): Admin,
    Ids([project_id]): Ids<1>,
    query: Query,
    page: Page,
) -> Response {
    let outcome = async {
        let has_access = access(&query)?;
        let list = page.list::<ProjectApiKey, _>(&control, move |tx, page| {
            let project = find(tx, &admin.organization, &project_id)?.id;
            let after = page.cursor(|id| keys::cursor(tx, &project, &KeyId::new(id)))?;
            let (after, rows) = (after.as_ref(), page.rows());
            Ok(keys::list(tx, &project, has_access, after, rows)?)
        });
        list.await
    };
    answer(&control, outcome.await)
}

/// Retrieve a key of a project.
#[utoipa::path(
    get, path = "/v1/organization/projects/{project_id}/api_keys/{key_id}",
    operation_id = "retrieve_project_api_key",
    tag = "Project API keys",
    params(
        ("project_id" = String, Path, description = "The project"),
        ("key_id" = String, Path, description = "The key"),
    ),
    responses((status = 200, body = ProjectApiKey)), security(("admin_key" = []))
)]
pub(crate) async fn retrieve(
    State(control): State<Control>,
    Admin(admin): Admin,
    Ids([project_id, key_id]): Ids<2>,
) -> Response {
    let read = control.store.read(move |tx| -> Outcome<_> {
        let project = find(tx, &admin.organization, &project_id)?.id;
        find_key(tx, &project, &key_id)
    });
    let outcome = read.await.map(|key| Json(ProjectApiKey::from(key)));
    answer(&control, outcome)
}

/// Restrict a key, or let it expire, also one of a service account.
#[utoipa::path(
    post, path = "/v1/organization/projects/{project_id}/api_keys/{key_id}",
    operation_id = "update_project_api_key",
    tag = "Project API keys",
    params(
        ("project_id" = String, Path, description = "The project"),
        ("key_id" = String, Path, description = "The key"),
    ),
    request_body = ProjectApiKeyChange,
    responses((status = 200, body = ProjectApiKey)), security(("admin_key" = []))
)]
pub(crate) async fn update(
    State(control): State<Control>,
    Admin(admin): Admin,
    Ids([project_id, key_id]): Ids<2>,
    fields: Fields,
) -> Response {
    let outcome = async {
        let permissions = key_scopes::scopes(&fields)?;
        let lifetime_us = key_lifetime_us(&fields)?;
        if permissions.is_none() && lifetime_us.is_none() {
            fields.required("scopes", permissions)?;
        }
        let change = control.change(admin, move |tx, organization, now| {
            let project = find_active(tx, organization, &project_id)?.id;
            let key = find_key(tx, &project, &key_id)?;
            if key.expires_at.is_some_and(|at| at <= now) {
                return Err(Refusal::Unsupported {
                    param: "key_id",
                    message: "This key has expired. Make a new one.",
                });
            }
            let mut settings = Settings::from(&key);
            if let Some(permissions) = permissions {
                settings.restrictions.permissions = permissions;
            }
            if let Some(us) = lifetime_us {
                settings.expires_at = Some(now.plus(us));
            }
            settings::set(tx, &key.id, &settings, now)?;
            let event = Event::new(Kind::ApiKeyUpdated, &key.id).in_project(&project);
            let asked = json!({
                "scopes": permissions.map(key_scopes::names),
                "expires_in_seconds": lifetime_us.map(|us| us / SECOND_US),
            });
            Ok(Done::new(
                event.changes(asked),
                find_key(tx, &project, &key_id)?,
            ))
        });
        Ok(Json(ProjectApiKey::from(change.await?)))
    };
    answer(&control, outcome.await)
}

/// Delete a key, also one of a service account, which keeps its other keys.
#[utoipa::path(
    delete, path = "/v1/organization/projects/{project_id}/api_keys/{key_id}",
    operation_id = "delete_project_api_key",
    tag = "Project API keys",
    params(
        ("project_id" = String, Path, description = "The project"),
        ("key_id" = String, Path, description = "The key"),
    ),
    responses((status = 200, body = Deleted)), security(("admin_key" = []))
)]
pub(crate) async fn delete(
    State(control): State<Control>,
    Admin(admin): Admin,
    Ids([project_id, key_id]): Ids<2>,
) -> Response {
    let change = control.change(admin, move |tx, organization, now| {
        let project = find(tx, organization, &project_id)?.id;
        let key = find_key(tx, &project, &key_id)?;
        keys::revoke(tx, &key.id, now)?;
        let event = Event::new(Kind::ApiKeyDeleted, &key.id).in_project(&project);
        let object = "organization.project.api_key.deleted";
        Ok(Done::new(event, Deleted::new(object, key_id)))
    });
    answer(&control, change.await.map(Json))
}

/// Whether `owner_project_access` wants only keys whose owner has access, or has not.
fn access(query: &Query) -> Outcome<Option<bool>> {
    match query.one("owner_project_access").unwrap_or("any") {
        "any" => Ok(None),
        "active" => Ok(Some(true)),
        "inactive" => Ok(Some(false)),
        other => Err(invalid(
            "owner_project_access",
            format!(
                "Invalid 'owner_project_access': '{other}'. Expected 'active', 'inactive' or 'any'."
            ),
        )),
    }
}

fn find_key(tx: &mut store::Tx<'_>, project: &ProjectId, id: &str) -> Outcome<KeyRow> {
    keys::get(tx, project, &KeyId::new(id))?.ok_or_else(|| no_key(id))
}

/// There is no such key, or not for this caller.
pub(crate) fn no_key(id: &str) -> Refusal {
    Refusal::NotFound {
        what: "key",
        id: id.to_owned(),
    }
}
