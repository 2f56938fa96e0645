//! `/v1/organization/projects/{project_id}/service_accounts`.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use domain::id::{ProjectId, ServiceAccountId};
use domain::permission::{PredefinedRole, Realm};
use serde::Serialize;
use serde_json::json;
use store::Tx;
use store::audit::{Event, Kind};
use store::service_accounts::{self, NO_ROLE};
use utoipa::ToSchema;

use crate::Control;
use crate::authenticate::Admin;
use crate::body::Fields;
use crate::change::Done;
use crate::pagination::{List, Listed, Page};
use crate::path::Ids;
use crate::projects::{find, find_active};
use crate::respond::{Outcome, Refusal, answer};
use crate::roles::may_give;
use crate::service_account_keys::{AccountKey, CreatedKey};

/// A service account.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ServiceAccount {
    id: String,
    #[schema(example = "organization.project.service_account")]
    object: &'static str,
    name: String,
    /// `owner`, `member`, or `none`: it may do nothing yet.
    #[schema(example = "member")]
    role: String,
    created_at: i64,
}

/// What is to change of a service account.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "describes; `Fields` reads")]
pub(crate) struct ServiceAccountChange {
    /// One line of text.
    #[schema(example = "Nightly build", min_length = 1, max_length = 256)]
    name: Option<String>,
    /// `owner` or `member`.
    #[schema(example = "owner")]
    role: Option<String>,
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

/// What a service account's role is to be, by name.
fn role(fields: &Fields) -> Outcome<Option<PredefinedRole>> {
    let roles = [PredefinedRole::ProjectMember, PredefinedRole::ProjectOwner];
    fields.word("role", roles.map(|role| (role.name(), role)))
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

/// Create a service account with the role `member`, and its first key. If only the account is asked
/// for, it has no role yet.
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
        let key = match fields.flag("create_service_account_only")?.unwrap_or(false) {
            false => Some(AccountKey::first(&fields, &control)?),
            true if fields.has("expires_in_seconds") => {
                return Err(fields.invalid("expires_in_seconds", "no key is made that could"));
            }
            true => None,
        };
        let id = ServiceAccountId::random(control.entropy);
        let standing = admin.standing;
        let change = control.change(admin, move |tx, organization, now| {
            let project = find_active(tx, organization, &project_id)?.id;
            let role = match key {
                Some(_) => PredefinedRole::ProjectMember.name(),
                None => NO_ROLE,
            };
            let account = service_accounts::ServiceAccount {
                id,
                name,
                role: role.into(),
                created_at: now,
            };
            let realm = Realm::Project(project.clone());
            may_give(account.permissions()?, &realm, &standing)?;
            service_accounts::create(tx, organization, &project, &account)?;
            let event = Event::new(Kind::ServiceAccountCreated, &account.id).in_project(&project);
            let event = event.data(json!({"role": account.role}));
            let Some(key) = key else {
                let created = CreatedServiceAccount {
                    account: account.into(),
                    api_key: None,
                };
                return Ok(Done::new(event, created));
            };
            let (key, made) = key.make(tx, (organization, &project), &account, now)?;
            let created = CreatedServiceAccount {
                account: account.into(),
                api_key: Some(key),
            };
            Ok(Done::new(event, created).and(made))
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

/// Change the name or the role of a service account. It needs every permission of the new role.
#[utoipa::path(
    post, path = "/v1/organization/projects/{project_id}/service_accounts/{service_account_id}",
    operation_id = "update_service_account",
    tag = "Service accounts",
    params(
        ("project_id" = String, Path, description = "The project"),
        ("service_account_id" = String, Path, description = "The service account"),
    ),
    request_body = ServiceAccountChange,
    responses((status = 200, body = ServiceAccount)), security(("admin_key" = []))
)]
pub(crate) async fn update(
    State(control): State<Control>,
    Admin(admin): Admin,
    Ids([project_id, id]): Ids<2>,
    fields: Fields,
) -> Response {
    let outcome = async {
        let (name, role) = (fields.name("name")?, role(&fields)?);
        let standing = admin.standing;
        let change = control.change(admin, move |tx, organization, now| {
            let project = find_active(tx, organization, &project_id)?.id;
            let old = find_account(tx, &project, &id)?;
            let mut new = old.clone();
            if let Some(name) = &name {
                new.name.clone_from(name);
            }
            if let Some(role) = role {
                new.role = role.name().into();
            }
            if new == old {
                return Ok(Done::nothing(old));
            }
            if new.role != old.role {
                may_give(
                    new.permissions()?,
                    &Realm::Project(project.clone()),
                    &standing,
                )?;
            }
            service_accounts::update(tx, &new, now)?;
            let event = Event::new(Kind::ServiceAccountUpdated, &new.id).in_project(&project);
            let asked = json!({"name": name, "role": role.map(PredefinedRole::name)});
            Ok(Done::new(event.changes(asked), new))
        });
        Ok(Json(ServiceAccount::from(change.await?)))
    };
    answer(&control, outcome.await)
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

/// A service account of a project.
pub(crate) fn find_account(
    tx: &mut Tx<'_>,
    project: &ProjectId,
    id: &str,
) -> Outcome<service_accounts::ServiceAccount> {
    service_accounts::get(tx, project, &ServiceAccountId::new(id))?.ok_or_else(|| {
        Refusal::NotFound {
            what: "service account",
            id: id.to_owned(),
        }
    })
}
