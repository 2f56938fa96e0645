//! `/v1/organization/roles` and `/v1/projects/{project_id}/roles`: roles that always exist, and
//! roles that somebody made.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use domain::id::{OrganizationId, RoleId};
use domain::permission::{
    Permission, Permissions, PredefinedRole, Realm, Resource, RoleName, Standing,
};
use domain::time::AtUs;
use serde::Serialize;
use serde_json::json;
use store::audit::{Event, Kind};
use store::page::Place;
use store::roles;
use store::{Tx, standing};
use utoipa::ToSchema;

use crate::Control;
use crate::authenticate::{Admin, Caller};
use crate::body::Fields;
use crate::change::Done;
use crate::next_list::{NextList, NextPage, Placed};
use crate::path::Ids;
use crate::projects::{find, find_active};
use crate::respond::{Outcome, Refusal, answer};
use crate::service_accounts::Deleted;

/// A role.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Role {
    #[schema(example = "role")]
    object: &'static str,
    #[serde(flatten)]
    facts: RoleFacts,
}

/// What is to be told of a role wherever it is shown.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RoleFacts {
    #[schema(example = "role_7YkQ2nV0bX4cR9sLwA3eTz1M")]
    id: String,
    name: String,
    description: Option<String>,
    #[schema(example = json!(["api.groups.read", "api.groups.write"]))]
    permissions: Vec<&'static str>,
    /// `api.organization` or `api.project`.
    resource_type: &'static str,
    /// Whether it always exists, and cannot be changed or deleted.
    predefined_role: bool,
}

/// A role to be made.
#[derive(Debug, ToSchema)]
pub(crate) struct NewRole {
    role_name: String,
    /// docs/access.md names them. A role of a project can have only those of projects.
    #[schema(value_type = Vec<String>, example = json!(["api.groups.read"]))]
    permissions: Permissions,
    description: Option<String>,
}

/// What is to change of a role; what is absent stays.
#[derive(Debug, ToSchema)]
pub(crate) struct RoleChanges {
    role_name: Option<String>,
    #[schema(value_type = Option<Vec<String>>)]
    permissions: Option<Permissions>,
    description: Option<String>,
}

/// The most roles that somebody may make in an organization, and in a project.
const MOST_ROLES: usize = 200;

/// A role of an organization or project, of either kind.
#[derive(Clone, Debug)]
pub(crate) enum AnyRole {
    Predefined(PredefinedRole),
    Custom(roles::Role),
}

/// A role, and where it is.
pub(crate) struct RoleIn {
    pub(crate) realm: Realm,
    pub(crate) role: AnyRole,
}

impl AnyRole {
    pub(crate) fn name(&self) -> RoleName {
        match self {
            AnyRole::Predefined(role) => RoleName::Predefined(*role),
            AnyRole::Custom(role) => RoleName::Custom(role.id.clone()),
        }
    }

    pub(crate) fn permissions(&self) -> Permissions {
        match self {
            AnyRole::Predefined(role) => role.permissions(),
            AnyRole::Custom(role) => role.permissions,
        }
    }

    /// The role that somebody made, who wants to change it.
    fn changeable(self) -> Outcome<roles::Role> {
        match self {
            AnyRole::Custom(role) => Ok(role),
            AnyRole::Predefined(_) => Err(Refusal::Unsupported {
                param: "role_id",
                message: "Predefined roles cannot be changed or deleted. Make a role of your own.",
            }),
        }
    }
}

impl From<RoleIn> for RoleFacts {
    fn from(RoleIn { realm, role }: RoleIn) -> Self {
        let (resource_type, names) = (realm.resource().as_str(), role.permissions());
        let permissions = names.iter().map(Permission::as_str).collect();
        match role {
            AnyRole::Predefined(role) => RoleFacts {
                id: role.id(realm.id()),
                name: role.name().to_owned(),
                description: Some(role.description().to_owned()),
                permissions,
                resource_type,
                predefined_role: true,
            },
            AnyRole::Custom(role) => RoleFacts {
                id: role.id.to_string(),
                name: role.name,
                description: role.description,
                permissions,
                resource_type,
                predefined_role: false,
            },
        }
    }
}

impl From<RoleIn> for Role {
    fn from(role: RoleIn) -> Self {
        Role {
            object: "role",
            facts: role.into(),
        }
    }
}

impl Placed for RoleIn {
    /// Predefined ones come first, as they are listed.
    fn place(&self) -> Place {
        match &self.role {
            AnyRole::Predefined(role) => (AtUs(*role as i64), role.id(self.realm.id())),
            AnyRole::Custom(role) => (role.created_at, role.id.to_string()),
        }
    }
}

impl NewRole {
    fn read(fields: &Fields, resource: Resource) -> Outcome<Self> {
        let permissions = permissions(fields, resource)?;
        Ok(NewRole {
            role_name: fields.required("role_name", fields.name("role_name")?)?,
            permissions: fields.required("permissions", permissions)?,
            description: fields.name("description")?,
        })
    }
}

impl RoleChanges {
    fn read(fields: &Fields, resource: Resource) -> Outcome<Self> {
        Ok(RoleChanges {
            role_name: fields.name("role_name")?,
            permissions: permissions(fields, resource)?,
            description: fields.name("description")?,
        })
    }
}

fn permissions(fields: &Fields, resource: Resource) -> Outcome<Option<Permissions>> {
    let Some(names) = fields.ids("permissions", Permission::ALL.len())? else {
        return Ok(None);
    };
    let permission = |name: &str| {
        let known = Permission::from_name(name);
        let known = known
            .ok_or_else(|| fields.invalid("permissions", &format!("there is no '{name}' here")))?;
        match (resource, known.resource()) {
            (Resource::Project, Resource::Organization) => Err(fields.invalid(
                "permissions",
                &format!("'{name}' is for the whole organization, not for a project"),
            )),
            _ => Ok(known),
        }
    };
    let permissions = names.into_iter().map(permission);
    permissions.collect::<Result<_, _>>().map(Some)
}

/// List the roles of the organization: those that always exist, then the others, oldest first.
#[utoipa::path(
    get, path = "/v1/organization/roles", tag = "Roles", operation_id = "list_roles",
    params(NextPage::<1000>),
    responses((status = 200, body = NextList<Role>)), security(("admin_key" = []))
)]
pub(crate) async fn list(
    State(control): State<Control>,
    Admin(admin): Admin,
    page: NextPage<1_000>,
) -> Response {
    list_in(control, admin, None, page).await
}

/// List the roles of a project: those that always exist, then the others, oldest first.
#[utoipa::path(
    get, path = "/v1/projects/{project_id}/roles", tag = "Roles",
    operation_id = "list_project_roles",
    params(
        ("project_id" = String, Path, description = "The project"),
        NextPage::<1000>,
    ),
    responses((status = 200, body = NextList<Role>)), security(("admin_key" = []))
)]
pub(crate) async fn list_of_project(
    State(control): State<Control>,
    Admin(admin): Admin,
    Ids([project_id]): Ids<1>,
    page: NextPage<1_000>,
) -> Response {
    list_in(control, admin, Some(project_id), page).await
}

/// Create a role of the organization.
#[utoipa::path(
    post, path = "/v1/organization/roles", tag = "Roles", operation_id = "create_role",
    request_body = NewRole,
    responses((status = 200, body = Role)), security(("admin_key" = []))
)]
pub(crate) async fn create(
    State(control): State<Control>,
    Admin(admin): Admin,
    fields: Fields,
) -> Response {
    create_in(control, admin, None, fields).await
}

/// Create a role of a project.
#[utoipa::path(
    post, path = "/v1/projects/{project_id}/roles", tag = "Roles",
    operation_id = "create_project_role", request_body = NewRole,
    params(("project_id" = String, Path, description = "The project")),
    responses((status = 200, body = Role)), security(("admin_key" = []))
)]
pub(crate) async fn create_of_project(
    State(control): State<Control>,
    Admin(admin): Admin,
    Ids([project_id]): Ids<1>,
    fields: Fields,
) -> Response {
    create_in(control, admin, Some(project_id), fields).await
}

/// Retrieve a role of the organization.
#[utoipa::path(
    get, path = "/v1/organization/roles/{role_id}", tag = "Roles", operation_id = "retrieve_role",
    params(("role_id" = String, Path, description = "The role")),
    responses((status = 200, body = Role)), security(("admin_key" = []))
)]
pub(crate) async fn retrieve(
    State(control): State<Control>,
    Admin(admin): Admin,
    Ids([role_id]): Ids<1>,
) -> Response {
    retrieve_in(control, admin, None, role_id).await
}

/// Retrieve a role of a project.
#[utoipa::path(
    get, path = "/v1/projects/{project_id}/roles/{role_id}", tag = "Roles",
    operation_id = "retrieve_project_role",
    params(
        ("project_id" = String, Path, description = "The project"),
        ("role_id" = String, Path, description = "The role"),
    ),
    responses((status = 200, body = Role)), security(("admin_key" = []))
)]
pub(crate) async fn retrieve_of_project(
    State(control): State<Control>,
    Admin(admin): Admin,
    Ids([project_id, role_id]): Ids<2>,
) -> Response {
    retrieve_in(control, admin, Some(project_id), role_id).await
}

/// Change a role of the organization. Whoever has it may do what it then allows.
#[utoipa::path(
    post, path = "/v1/organization/roles/{role_id}", tag = "Roles", operation_id = "update_role",
    params(("role_id" = String, Path, description = "The role")), request_body = RoleChanges,
    responses((status = 200, body = Role)), security(("admin_key" = []))
)]
pub(crate) async fn update(
    State(control): State<Control>,
    Admin(admin): Admin,
    Ids([role_id]): Ids<1>,
    fields: Fields,
) -> Response {
    update_in(control, admin, (None, role_id), fields).await
}

/// Change a role of a project. Whoever has it may do what it then allows.
#[utoipa::path(
    post, path = "/v1/projects/{project_id}/roles/{role_id}", tag = "Roles",
    operation_id = "update_project_role", request_body = RoleChanges,
    params(
        ("project_id" = String, Path, description = "The project"),
        ("role_id" = String, Path, description = "The role"),
    ),
    responses((status = 200, body = Role)), security(("admin_key" = []))
)]
pub(crate) async fn update_of_project(
    State(control): State<Control>,
    Admin(admin): Admin,
    Ids([project_id, role_id]): Ids<2>,
    fields: Fields,
) -> Response {
    update_in(control, admin, (Some(project_id), role_id), fields).await
}

/// Delete a role of the organization: nobody has it any more.
#[utoipa::path(
    delete, path = "/v1/organization/roles/{role_id}", tag = "Roles",
    operation_id = "delete_role",
    params(("role_id" = String, Path, description = "The role")),
    responses((status = 200, body = Deleted)), security(("admin_key" = []))
)]
pub(crate) async fn delete(
    State(control): State<Control>,
    Admin(admin): Admin,
    Ids([role_id]): Ids<1>,
) -> Response {
    delete_in(control, admin, None, role_id).await
}

/// Delete a role of a project: nobody has it any more.
#[utoipa::path(
    delete, path = "/v1/projects/{project_id}/roles/{role_id}", tag = "Roles",
    operation_id = "delete_project_role",
    params(
        ("project_id" = String, Path, description = "The project"),
        ("role_id" = String, Path, description = "The role"),
    ),
    responses((status = 200, body = Deleted)), security(("admin_key" = []))
)]
pub(crate) async fn delete_of_project(
    State(control): State<Control>,
    Admin(admin): Admin,
    Ids([project_id, role_id]): Ids<2>,
) -> Response {
    delete_in(control, admin, Some(project_id), role_id).await
}

async fn list_in(
    control: Control,
    admin: Caller,
    project: Option<String>,
    page: NextPage<1_000>,
) -> Response {
    let list = page.list::<Role, _>(&control, move |tx, page| {
        let organization = &admin.organization;
        let realm = realm(tx, organization, project.as_deref())?;
        let all = all(tx, organization, &realm)?;
        let place = |id: &str| {
            let named = |role: &&RoleIn| role.place().1 == id;
            all.iter().find(named).map(Placed::place)
        };
        let part = page.part(|id| Ok(place(id)))?;
        Ok(part.of(all, Placed::place))
    });
    answer(&control, list.await)
}

async fn create_in(
    control: Control,
    admin: Caller,
    project: Option<String>,
    fields: Fields,
) -> Response {
    let outcome = async {
        let new = NewRole::read(&fields, resource(project.as_deref()))?;
        let id = RoleId::random(control.entropy);
        let (author, standing) = (admin.actor.user().cloned(), admin.standing);
        let change = control.change(admin, move |tx, organization, now| {
            let realm = active_realm(tx, organization, project.as_deref())?;
            may_give(new.permissions, &realm, &standing)?;
            let others = all(tx, organization, &realm)?;
            check_name(&fields, &new.role_name, None, &others)?;
            if others.len() >= MOST_ROLES {
                let message = format!(
                    "There are {MOST_ROLES} roles here, the most there may be. Delete one."
                );
                return Err(Refusal::TooManyLimits { message });
            }
            let role = roles::Role {
                id,
                name: new.role_name,
                description: new.description,
                permissions: new.permissions,
                created_by: author,
                created_at: now,
                updated_at: now,
            };
            roles::create(tx, organization, &realm, &role)?;
            let names: Vec<&str> = role.permissions.iter().map(Permission::as_str).collect();
            let event = in_realm(Event::new(Kind::RoleCreated, &role.id), &realm)
                .with("role_name", json!(role.name))
                .with("permissions", json!(names));
            let role = AnyRole::Custom(role);
            Ok(Done::new(event, Role::from(RoleIn { realm, role })))
        });
        Ok(Json(change.await?))
    };
    answer(&control, outcome.await)
}

async fn retrieve_in(
    control: Control,
    admin: Caller,
    project: Option<String>,
    role_id: String,
) -> Response {
    let read = control.store.read(move |tx| -> Outcome<_> {
        let realm = realm(tx, &admin.organization, project.as_deref())?;
        let role = find_role(tx, &admin.organization, &realm, &role_id)?;
        Ok(Role::from(RoleIn { realm, role }))
    });
    answer(&control, read.await.map(Json))
}

async fn update_in(
    control: Control,
    admin: Caller,
    (project, role_id): (Option<String>, String),
    fields: Fields,
) -> Response {
    let outcome = async {
        let changes = RoleChanges::read(&fields, resource(project.as_deref()))?;
        let standing = admin.standing;
        let change = control.change(admin, move |tx, organization, now| {
            let realm = active_realm(tx, organization, project.as_deref())?;
            let before = find_role(tx, organization, &realm, &role_id)?.changeable()?;
            let others = all(tx, organization, &realm)?;
            let mut role = roles::Role {
                updated_at: now,
                ..before.clone()
            };
            if let Some(name) = &changes.role_name {
                check_name(&fields, name, Some(&role.id), &others)?;
                role.name.clone_from(name);
            }
            role.permissions = changes.permissions.unwrap_or(role.permissions);
            may_give(
                role.permissions.without(before.permissions),
                &realm,
                &standing,
            )?;
            role.description = changes.description.clone().or(role.description);
            let same = roles::Role {
                updated_at: before.updated_at,
                ..role.clone()
            };
            if same == before {
                let role = AnyRole::Custom(before);
                return Ok(Done::nothing(Role::from(RoleIn { realm, role })));
            }
            roles::change(tx, organization, &role)?;
            let names =
                |some: Permissions| -> Vec<&str> { some.iter().map(Permission::as_str).collect() };
            let asked = json!({
                "role_name": changes.role_name,
                "description": changes.description,
                "permissions_added": names(role.permissions.without(before.permissions)),
                "permissions_removed": names(before.permissions.without(role.permissions)),
                "resource_type": realm.resource().as_str(),
                "resource_id": realm.id(),
            });
            let event = Event::new(Kind::RoleUpdated, &role.id).changes(asked);
            let event = of_project(event, &realm);
            let role = AnyRole::Custom(role);
            Ok(Done::new(event, Role::from(RoleIn { realm, role })))
        });
        Ok(Json(change.await?))
    };
    answer(&control, outcome.await)
}

async fn delete_in(
    control: Control,
    admin: Caller,
    project: Option<String>,
    role_id: String,
) -> Response {
    let change = control.change(admin, move |tx, organization, now| {
        let realm = active_realm(tx, organization, project.as_deref())?;
        let role = find_role(tx, organization, &realm, &role_id)?.changeable()?;
        roles::delete(tx, organization, &role.id, now)?;
        let event = of_project(Event::new(Kind::RoleDeleted, &role.id), &realm);
        Ok(Done::new(event, Deleted::new("role.deleted", role_id)))
    });
    answer(&control, change.await.map(Json))
}

/// What roles are bound to: a project, if one is named.
fn resource(project: Option<&str>) -> Resource {
    match project {
        None => Resource::Organization,
        Some(_) => Resource::Project,
    }
}

/// The organization, or one of its projects.
pub(crate) fn realm(
    tx: &mut Tx<'_>,
    organization: &OrganizationId,
    project: Option<&str>,
) -> Outcome<Realm> {
    match project {
        None => Ok(Realm::Organization(organization.clone())),
        Some(id) => Ok(Realm::Project(find(tx, organization, id)?.id)),
    }
}

/// As [`realm`], refusing a project that is archived.
pub(crate) fn active_realm(
    tx: &mut Tx<'_>,
    organization: &OrganizationId,
    project: Option<&str>,
) -> Outcome<Realm> {
    if let Some(id) = project {
        find_active(tx, organization, id)?;
    }
    realm(tx, organization, project)
}

/// Every role there is in an organization or project.
pub(crate) fn all(
    tx: &mut Tx<'_>,
    organization: &OrganizationId,
    realm: &Realm,
) -> Outcome<Vec<RoleIn>> {
    let predefined = PredefinedRole::of(realm.resource()).map(AnyRole::Predefined);
    let custom = roles::list(tx, organization, realm)?.into_iter();
    let every = predefined.chain(custom.map(AnyRole::Custom));
    let in_realm = |role| RoleIn {
        realm: realm.clone(),
        role,
    };
    Ok(every.map(in_realm).collect())
}

/// A role of the caller's organization or project.
pub(crate) fn find_role(
    tx: &mut Tx<'_>,
    organization: &OrganizationId,
    realm: &Realm,
    id: &str,
) -> Outcome<AnyRole> {
    let found = match RoleName::from_id(realm, id) {
        None => None,
        Some(name) => named(tx, organization, realm, &name)?,
    };
    found.ok_or_else(|| Refusal::NotFound {
        what: "role",
        id: id.to_owned(),
    })
}

/// The role of this name.
pub(crate) fn named(
    tx: &mut Tx<'_>,
    organization: &OrganizationId,
    realm: &Realm,
    name: &RoleName,
) -> Outcome<Option<AnyRole>> {
    match name {
        RoleName::Predefined(role) => Ok(Some(AnyRole::Predefined(*role))),
        RoleName::Custom(id) => {
            let role = roles::get(tx, organization, realm, id)?;
            Ok(role.map(AnyRole::Custom))
        }
    }
}

fn check_name(fields: &Fields, name: &str, own: Option<&RoleId>, others: &[RoleIn]) -> Outcome<()> {
    let taken = others.iter().any(|RoleIn { role, .. }| match role {
        AnyRole::Predefined(role) => role.name() == name,
        AnyRole::Custom(role) => role.name == name && Some(&role.id) != own,
    });
    match taken {
        true => Err(fields.invalid("role_name", "there is a role of this name")),
        false => Ok(()),
    }
}

/// Refuses to give permissions that the giver does not have.
pub(crate) fn may_give(permissions: Permissions, realm: &Realm, giver: &Standing) -> Outcome<()> {
    let held = match realm {
        Realm::Organization(_) => giver.in_organization(),
        Realm::Project(_) => giver.in_project(),
    };
    let missing = permissions.without(held);
    match missing.is_empty() {
        true => Ok(()),
        false => Err(Refusal::NotToGive(missing)),
    }
}

/// As [`may_give`], of a caller and any project of theirs.
pub(crate) fn may_give_in(
    tx: &mut Tx<'_>,
    permissions: Permissions,
    realm: &Realm,
    caller: &Caller,
) -> Outcome<()> {
    let standing = match (realm, caller.actor.user()) {
        (Realm::Project(project), Some(user)) => {
            standing::of_user(tx, &caller.organization, user, Some(project))?
        }
        _ => caller.standing,
    };
    may_give(permissions, realm, &standing)
}

/// Says of an event where it was.
pub(crate) fn in_realm(event: Event, realm: &Realm) -> Event {
    of_project(event, realm)
        .with("resource_type", json!(realm.resource().as_str()))
        .with("resource_id", json!(realm.id()))
}

fn of_project(event: Event, realm: &Realm) -> Event {
    match realm {
        Realm::Organization(_) => event,
        Realm::Project(id) => event.in_project(id),
    }
}
