//! `…/users/{user_id}/roles` and `…/groups/{group_id}/roles`, below `/v1/organization` and
//! `/v1/projects/{project_id}`: who has which role.

use axum::Json;
use axum::response::{IntoResponse, Response};
use domain::id::{GroupId, OrganizationId, RoleAssignmentId, UserId};
use domain::permission::Realm;
use serde::Serialize;
use serde_json::{Map, Value, json};
use store::audit::{Event, Kind};
use store::page::Place;
use store::role_assignments::{self, Assigned, Assignment, Holder};
use store::{Tx, groups, members};
use utoipa::ToSchema;

use crate::Control;
use crate::authenticate::Caller;
use crate::body::Fields;
use crate::change::Done;
use crate::next_list::{NextPage, Placed};
use crate::respond::{Outcome, Refusal, answer};
use crate::roles::{
    AnyRole, Role, RoleFacts, RoleIn, active_realm, find_role, in_realm, may_give, named, realm,
};

/// A role that somebody has.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AssignedRole {
    #[serde(flatten)]
    facts: RoleFacts,
    /// Null if the role always exists.
    created_at: Option<i64>,
    updated_at: Option<i64>,
    created_by: Option<String>,
    created_by_user_obj: Option<RoleAuthor>,
    #[schema(value_type = Object)]
    metadata: Map<String, Value>,
    /// Who has the role: the one that was asked about, or groups that they are in.
    assignment_sources: Vec<AssignmentSource>,
}

/// Whoever made a role.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct RoleAuthor {
    id: String,
    name: String,
    email: String,
}

/// By whom somebody has a role.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AssignmentSource {
    principal_id: String,
    /// `user` or `group`.
    principal_type: &'static str,
}

/// A user got a role.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct UserRole {
    #[schema(example = "user.role")]
    object: &'static str,
    user: RoleUser,
    role: Role,
}

/// A group got a role.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct GroupRole {
    #[schema(example = "group.role")]
    object: &'static str,
    group: RoleGroup,
    role: Role,
}

/// A user, as a member of the organization.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RoleUser {
    #[schema(example = "organization.user")]
    object: &'static str,
    id: String,
    name: String,
    email: String,
    role: String,
    added_at: i64,
}

/// A group.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RoleGroup {
    #[schema(example = "group")]
    object: &'static str,
    id: String,
    name: String,
    created_at: i64,
    scim_managed: bool,
}

/// A role to be given.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "the form of a body, which is read by its member")]
pub(crate) struct NewAssignment {
    role_id: String,
}

/// Something that is gone, and had no id.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Removed {
    #[schema(example = "user.role.deleted")]
    object: &'static str,
    deleted: bool,
}

impl Removed {
    pub(crate) fn new(object: &'static str) -> Self {
        Removed {
            object,
            deleted: true,
        }
    }
}

/// Whose roles are meant, and where.
pub(crate) struct Target {
    project: Option<String>,
    holder: Holder,
}

/// Somebody who can have roles, as they are shown.
enum Known {
    User(RoleUser),
    Group(RoleGroup),
}

/// What is read of a role that somebody has.
pub(crate) struct AssignedIn {
    place: Place,
    role: RoleIn,
    through: Vec<Holder>,
    author: Option<RoleAuthor>,
}

impl Placed for AssignedIn {
    fn place(&self) -> Place {
        self.place.clone()
    }
}

impl From<AssignedIn> for AssignedRole {
    fn from(assigned: AssignedIn) -> Self {
        let (created, updated, author) = match &assigned.role.role {
            AnyRole::Predefined(_) => (None, None, None),
            AnyRole::Custom(role) => (
                Some(role.created_at.seconds()),
                Some(role.updated_at.seconds()),
                role.created_by.as_ref().map(ToString::to_string),
            ),
        };
        let source = |holder: Holder| AssignmentSource {
            principal_id: holder.id().to_owned(),
            principal_type: holder.kind(),
        };
        AssignedRole {
            facts: assigned.role.into(),
            created_at: created,
            updated_at: updated,
            created_by: author,
            created_by_user_obj: assigned.author,
            metadata: Map::new(),
            assignment_sources: assigned.through.into_iter().map(source).collect(),
        }
    }
}

impl Target {
    fn user(project: Option<String>, id: &str) -> Self {
        let holder = Holder::User(UserId::new(id));
        Target { project, holder }
    }

    fn group(project: Option<String>, id: &str) -> Self {
        let holder = Holder::Group(GroupId::new(id));
        Target { project, holder }
    }

    /// Finds who is meant: for roles in a project, a user who is a member of it.
    fn find(
        &self,
        tx: &mut Tx<'_>,
        organization: &OrganizationId,
        realm: &Realm,
    ) -> Outcome<Known> {
        let not_found = || Refusal::NotFound {
            what: self.holder.kind(),
            id: self.holder.id().to_owned(),
        };
        match &self.holder {
            Holder::User(id) => {
                let member = members::get(tx, organization, id)?.ok_or_else(not_found)?;
                if let Realm::Project(project) = realm {
                    members::role_in_project(tx, project, id)?.ok_or_else(not_found)?;
                }
                Ok(Known::User(RoleUser {
                    object: "organization.user",
                    id: member.id.to_string(),
                    name: member.name,
                    email: member.email,
                    role: member.role,
                    added_at: member.added_at.seconds(),
                }))
            }
            Holder::Group(id) => {
                let group = groups::get(tx, organization, id)?.ok_or_else(not_found)?;
                Ok(Known::Group(RoleGroup {
                    object: "group",
                    id: group.id.to_string(),
                    name: group.name,
                    created_at: group.created_at.seconds(),
                    scim_managed: false,
                }))
            }
        }
    }

    /// Whether a role is a user's because they are a member.
    fn is_of_membership(
        &self,
        tx: &mut Tx<'_>,
        organization: &OrganizationId,
        realm: &Realm,
        role: &AnyRole,
    ) -> Outcome<bool> {
        let Holder::User(id) = &self.holder else {
            return Ok(false);
        };
        let word = match realm {
            Realm::Organization(_) => members::get(tx, organization, id)?.map(|it| it.role),
            Realm::Project(project) => members::role_in_project(tx, project, id)?,
        };
        Ok(word.as_deref() == Some(role.name().as_str()))
    }

    fn assignment(
        &self,
        organization: &OrganizationId,
        realm: &Realm,
        role: &AnyRole,
    ) -> Assignment {
        Assignment {
            organization: organization.clone(),
            realm: realm.clone(),
            holder: self.holder.clone(),
            role: role.name(),
        }
    }

    fn event(&self, kind: Kind, id: &RoleAssignmentId, realm: &Realm, role_id: &str) -> Event {
        in_realm(Event::new(kind, id), realm)
            .with("principal_type", json!(self.holder.kind()))
            .with("principal_id", json!(self.holder.id()))
            .with("role_id", json!(role_id))
    }
}

/// The roles that somebody has, the earliest first.
fn assigned(
    tx: &mut Tx<'_>,
    organization: &OrganizationId,
    target: &Target,
) -> Outcome<Vec<AssignedIn>> {
    let realm = realm(tx, organization, target.project.as_deref())?;
    target.find(tx, organization, &realm)?;
    let mut all = Vec::new();
    for Assigned {
        role,
        through,
        since,
    } in role_assignments::list(tx, organization, &realm, &target.holder)?
    {
        let Some(role) = named(tx, organization, &realm, &role)? else {
            continue;
        };
        let author = match &role {
            AnyRole::Custom(role) => role.created_by.clone(),
            AnyRole::Predefined(_) => None,
        };
        let author = match author {
            None => None,
            Some(id) => members::get(tx, organization, &id)?.map(|member| RoleAuthor {
                id: member.id.to_string(),
                name: member.name,
                email: member.email,
            }),
        };
        let role = RoleIn {
            realm: realm.clone(),
            role,
        };
        let id = role.place().1;
        all.push(AssignedIn {
            place: (since, id),
            role,
            through,
            author,
        });
    }
    Ok(all)
}

async fn list(control: Control, admin: Caller, target: Target, page: NextPage<1_000>) -> Response {
    let list = page.list::<AssignedRole, _>(&control, move |tx, page| {
        let all = assigned(tx, &admin.organization, &target)?;
        let place = |id: &str| {
            let named = |role: &&AssignedIn| role.place.1 == id;
            all.iter().find(named).map(Placed::place)
        };
        let part = page.part(|id| Ok(place(id)))?;
        Ok(part.of(all, Placed::place))
    });
    answer(&control, list.await)
}

async fn retrieve(control: Control, admin: Caller, target: Target, role_id: String) -> Response {
    let read = control.store.read(move |tx| -> Outcome<_> {
        let all = assigned(tx, &admin.organization, &target)?;
        let found = all.into_iter().find(|role| role.place.1 == role_id);
        let found = found.ok_or(Refusal::NotFound {
            what: "role",
            id: role_id,
        })?;
        Ok(AssignedRole::from(found))
    });
    answer(&control, read.await.map(Json))
}

async fn assign(control: Control, admin: Caller, target: Target, fields: Fields) -> Response {
    let outcome = async {
        let role_id = fields
            .required("role_id", fields.id("role_id")?)?
            .to_owned();
        let id = RoleAssignmentId::random(control.entropy);
        let standing = admin.standing;
        let change = control.change(admin, move |tx, organization, now| {
            let realm = active_realm(tx, organization, target.project.as_deref())?;
            let known = target.find(tx, organization, &realm)?;
            let role = find_role(tx, organization, &realm, &role_id)?;
            may_give(role.permissions(), &realm, &standing)?;
            let has_it = target.is_of_membership(tx, organization, &realm, &role)?;
            let new = target.assignment(organization, &realm, &role);
            let done = !has_it && role_assignments::assign(tx, &id, &new, now)?;
            let event = target.event(Kind::RoleAssignmentCreated, &id, &realm, &role_id);
            let role = Role::from(RoleIn { realm, role });
            Ok(Done::when(done, event, (known, role)))
        });
        let (known, role) = change.await?;
        Ok(match known {
            Known::User(user) => {
                let object = "user.role";
                Json(UserRole { object, user, role }).into_response()
            }
            Known::Group(group) => {
                let object = "group.role";
                Json(GroupRole {
                    object,
                    group,
                    role,
                })
                .into_response()
            }
        })
    };
    answer(&control, outcome.await)
}

async fn unassign(control: Control, admin: Caller, target: Target, role_id: String) -> Response {
    let change = control.change(admin, move |tx, organization, now| {
        let realm = active_realm(tx, organization, target.project.as_deref())?;
        target.find(tx, organization, &realm)?;
        let role = find_role(tx, organization, &realm, &role_id)?;
        let gone = target.assignment(organization, &realm, &role);
        let Some(id) = role_assignments::unassign(tx, &gone, now)? else {
            return match target.is_of_membership(tx, organization, &realm, &role)? {
                true => Err(Refusal::Unsupported {
                    param: "role_id",
                    message: "This is the user's role as a member. Change the member's role.",
                }),
                false => Err(Refusal::NotFound {
                    what: "role",
                    id: role_id,
                }),
            };
        };
        let removed = match &target.holder {
            Holder::User(_) => Removed::new("user.role.deleted"),
            Holder::Group(_) => Removed::new("group.role.deleted"),
        };
        let event = target.event(Kind::RoleAssignmentDeleted, &id, &realm, &role_id);
        Ok(Done::new(event, removed))
    });
    answer(&control, change.await.map(Json))
}

/// The four routes of one kind of holder in one kind of place.
macro_rules! routes_of {
    (
        $module:ident: $path:tt, $one:tt, ($($part:ident),+) => $target:expr,
        params($($param:tt),+), gives $given:ident,
        $list:tt, $assign:tt, $retrieve:tt, $unassign:tt
    ) => {
        pub(crate) mod $module {
            use axum::extract::State;
            use axum::response::Response;

            use super::{AssignedRole, $given, NewAssignment, Removed, Target};
            use crate::Control;
            use crate::authenticate::Admin;
            use crate::body::Fields;
            use crate::next_list::{NextList, NextPage};
            use crate::path::Ids;

            /// List roles, the earliest first; of a user, also those of membership and groups.
            #[utoipa::path(
                get, path = $path, tag = "Role assignments", operation_id = $list,
                params(
                    $($param,)+
                    NextPage::<1000>,
                ),
                responses((status = 200, body = NextList<AssignedRole>)),
                security(("admin_key" = []))
            )]
            pub(crate) async fn list(
                State(control): State<Control>,
                Admin(admin): Admin,
                Ids([$($part),+]): Ids<{ [$(stringify!($part)),+].len() }>,
                page: NextPage<1_000>,
            ) -> Response {
                super::list(control, admin, $target, page).await
            }

            /// Give a role. It needs every permission of the role.
            #[utoipa::path(
                post, path = $path, tag = "Role assignments", operation_id = $assign,
                params($($param,)+), request_body = NewAssignment,
                responses((status = 200, body = $given)), security(("admin_key" = []))
            )]
            pub(crate) async fn assign(
                State(control): State<Control>,
                Admin(admin): Admin,
                Ids([$($part),+]): Ids<{ [$(stringify!($part)),+].len() }>,
                fields: Fields,
            ) -> Response {
                super::assign(control, admin, $target, fields).await
            }

            /// Retrieve a role that somebody has.
            #[utoipa::path(
                get, path = $one, tag = "Role assignments", operation_id = $retrieve,
                params($($param,)+ ("role_id" = String, Path, description = "The role")),
                responses((status = 200, body = AssignedRole)), security(("admin_key" = []))
            )]
            pub(crate) async fn retrieve(
                State(control): State<Control>,
                Admin(admin): Admin,
                Ids([$($part,)+ role]): Ids<{ [$(stringify!($part)),+].len() + 1 }>,
            ) -> Response {
                super::retrieve(control, admin, $target, role).await
            }

            /// Take a role away.
            #[utoipa::path(
                delete, path = $one, tag = "Role assignments", operation_id = $unassign,
                params($($param,)+ ("role_id" = String, Path, description = "The role")),
                responses((status = 200, body = Removed)), security(("admin_key" = []))
            )]
            pub(crate) async fn unassign(
                State(control): State<Control>,
                Admin(admin): Admin,
                Ids([$($part,)+ role]): Ids<{ [$(stringify!($part)),+].len() + 1 }>,
            ) -> Response {
                super::unassign(control, admin, $target, role).await
            }
        }
    };
}

routes_of! {
    of_users: "/v1/organization/users/{user_id}/roles",
    "/v1/organization/users/{user_id}/roles/{role_id}",
    (user) => Target::user(None, &user),
    params(("user_id" = String, Path, description = "The user")), gives UserRole,
    "list_user_roles", "assign_user_role", "retrieve_user_role", "unassign_user_role"
}

routes_of! {
    of_groups: "/v1/organization/groups/{group_id}/roles",
    "/v1/organization/groups/{group_id}/roles/{role_id}",
    (group) => Target::group(None, &group),
    params(("group_id" = String, Path, description = "The group")), gives GroupRole,
    "list_group_roles", "assign_group_role", "retrieve_group_role", "unassign_group_role"
}

routes_of! {
    of_project_users: "/v1/projects/{project_id}/users/{user_id}/roles",
    "/v1/projects/{project_id}/users/{user_id}/roles/{role_id}",
    (project, user) => Target::user(Some(project), &user),
    params(
        ("project_id" = String, Path, description = "The project"),
        ("user_id" = String, Path, description = "A member of the project")
    ),
    gives UserRole,
    "list_project_user_roles", "assign_project_user_role", "retrieve_project_user_role",
    "unassign_project_user_role"
}

routes_of! {
    of_project_groups: "/v1/projects/{project_id}/groups/{group_id}/roles",
    "/v1/projects/{project_id}/groups/{group_id}/roles/{role_id}",
    (project, group) => Target::group(Some(project), &group),
    params(
        ("project_id" = String, Path, description = "The project"),
        ("group_id" = String, Path, description = "The group")
    ),
    gives GroupRole,
    "list_project_group_roles", "assign_project_group_role", "retrieve_project_group_role",
    "unassign_project_group_role"
}
