//! `/v1/organization/projects/{project_id}/users`: the people of a project.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use domain::id::{OrganizationId, ProjectId, UserId};
use domain::people::email::Email;
use domain::permission::{PredefinedRole, Realm, Resource};
use serde::Serialize;
use serde_json::json;
use store::Tx;
use store::audit::{Event, Kind};
use store::members::{self, Member};
use store::project_members::{self, NewMember, ProjectMember};
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
use crate::service_accounts::Deleted;

/// A member of a project.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ProjectUser {
    #[schema(example = "organization.project.user")]
    object: &'static str,
    id: String,
    name: String,
    email: String,
    /// `owner`, `member` or `viewer`.
    role: String,
    added_at: i64,
}

/// Somebody to be added to a project.
#[derive(Debug, ToSchema)]
pub(crate) struct NewProjectUser {
    /// A member of the organization.
    #[schema(example = "user-7YkQ2nV0bX4cR9sLwA3eTz1M")]
    user_id: Option<String>,
    /// The member's address, in place of the id.
    #[schema(value_type = Option<String>, example = "ada@example.com")]
    email: Option<Email>,
    /// `owner`, `member` or `viewer`.
    #[schema(value_type = String, example = "member")]
    role: PredefinedRole,
}

impl From<ProjectMember> for ProjectUser {
    fn from(member: ProjectMember) -> Self {
        ProjectUser {
            object: "organization.project.user",
            id: member.id.to_string(),
            name: member.name,
            email: member.email,
            role: member.role,
            added_at: member.added_at.seconds(),
        }
    }
}

impl Listed for ProjectUser {
    fn id(&self) -> &str {
        &self.id
    }
}

impl NewProjectUser {
    fn read(fields: &Fields) -> Outcome<Self> {
        let email = fields.email("email")?;
        let user_id = fields.id("user_id")?.map(ToOwned::to_owned);
        if user_id.is_none() && email.is_none() {
            return Err(Refusal::Missing {
                param: "user_id".into(),
            });
        }
        Ok(NewProjectUser {
            user_id,
            email,
            role: fields.required("role", role(fields)?)?,
        })
    }

    /// The member of the organization that is meant.
    fn find(&self, tx: &mut Tx<'_>, organization: &OrganizationId) -> Outcome<Member> {
        let (param, found) = match (&self.user_id, &self.email) {
            (Some(id), _) => ("user_id", members::get(tx, organization, &UserId::new(id))?),
            (None, email) => {
                let email = email.as_ref().map_or("", Email::as_str);
                ("email", members::with_email(tx, organization, email)?)
            }
        };
        found.ok_or_else(|| Refusal::Invalid {
            param: param.into(),
            message: format!(
                "Invalid '{param}': there is no such member of the organization. Invite them first."
            ),
        })
    }
}

/// What is to change of a member of a project.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes; `Fields` reads")]
struct ProjectUserChanges {
    /// `owner` or `member`.
    #[schema(example = "member")]
    role: Option<String>,
}

/// List the members of a project.
#[utoipa::path(
    get, path = "/v1/organization/projects/{project_id}/users", tag = "Project users",
    operation_id = "list_project_users",
    params(
        ("project_id" = String, Path, description = "The project"),
        Page,
    ),
    responses((status = 200, body = List<ProjectUser>)), security(("admin_key" = []))
)]
pub(crate) async fn list(
    State(control): State<Control>,
    Admin(admin): Admin,
    Ids([project_id]): Ids<1>,
    page: Page,
) -> Response {
    let list = page.list::<ProjectUser, _>(&control, move |tx, page| {
        let project = find(tx, &admin.organization, &project_id)?.id;
        let after = page.cursor(|id| members::cursor(tx, &UserId::new(id)))?;
        Ok(project_members::list(
            tx,
            &project,
            after.as_ref(),
            page.rows(),
        )?)
    });
    answer(&control, list.await)
}

/// Add a member of the organization to a project. Nobody is added to the default project.
#[utoipa::path(
    post, path = "/v1/organization/projects/{project_id}/users", tag = "Project users",
    operation_id = "create_project_user",
    params(("project_id" = String, Path, description = "The project")),
    request_body = NewProjectUser,
    responses((status = 200, body = ProjectUser)), security(("admin_key" = []))
)]
pub(crate) async fn create(
    State(control): State<Control>,
    Admin(admin): Admin,
    Ids([project_id]): Ids<1>,
    fields: Fields,
) -> Response {
    let outcome = async {
        let new = NewProjectUser::read(&fields)?;
        let standing = admin.standing;
        let change = control.change(admin, move |tx, organization, now| {
            let project = find_active(tx, organization, &project_id)?;
            if project.is_default {
                return Err(Refusal::Unsupported {
                    param: "project_id",
                    message: "Members cannot be added to the default project.",
                });
            }
            let realm = Realm::Project(project.id.clone());
            may_give(new.role.permissions(), &realm, &standing)?;
            let user = new.find(tx, organization)?.id;
            let member = NewMember {
                project: &project.id,
                user: &user,
                role: new.role.name(),
            };
            if !project_members::add(tx, organization, &member, now)? {
                let param = if new.user_id.is_some() {
                    "user_id"
                } else {
                    "email"
                };
                let message = format!("Invalid '{param}': they belong to the project already.");
                return Err(Refusal::Invalid {
                    param: param.into(),
                    message,
                });
            }
            let event = Event::new(Kind::UserAdded, &user).in_project(&project.id);
            let event = event.data(json!({"role": member.role}));
            Ok(Done::new(event, find_user(tx, &project.id, user.as_str())?))
        });
        Ok(Json(ProjectUser::from(change.await?)))
    };
    answer(&control, outcome.await)
}

/// Retrieve a member of a project.
#[utoipa::path(
    get, path = "/v1/organization/projects/{project_id}/users/{user_id}", tag = "Project users",
    operation_id = "retrieve_project_user",
    params(
        ("project_id" = String, Path, description = "The project"),
        ("user_id" = String, Path, description = "The user"),
    ),
    responses((status = 200, body = ProjectUser)), security(("admin_key" = []))
)]
pub(crate) async fn retrieve(
    State(control): State<Control>,
    Admin(admin): Admin,
    Ids([project_id, id]): Ids<2>,
) -> Response {
    let read = control.store.read(move |tx| -> Outcome<_> {
        let project = find(tx, &admin.organization, &project_id)?.id;
        find_user(tx, &project, &id)
    });
    let outcome = read.await.map(|member| Json(ProjectUser::from(member)));
    answer(&control, outcome)
}

/// Change the role of a member of a project. It needs every permission of the new one.
#[utoipa::path(
    post, path = "/v1/organization/projects/{project_id}/users/{user_id}", tag = "Project users",
    operation_id = "update_project_user",
    params(
        ("project_id" = String, Path, description = "The project"),
        ("user_id" = String, Path, description = "The user"),
    ),
    request_body = ProjectUserChanges,
    responses((status = 200, body = ProjectUser)), security(("admin_key" = []))
)]
pub(crate) async fn update(
    State(control): State<Control>,
    Admin(admin): Admin,
    Ids([project_id, id]): Ids<2>,
    fields: Fields,
) -> Response {
    let outcome = async {
        let role = role(&fields)?;
        let standing = admin.standing;
        let change = control.change(admin, move |tx, organization, now| {
            let project = find_active(tx, organization, &project_id)?.id;
            let member = find_user(tx, &project, &id)?;
            match role {
                Some(role) if role.name() != member.role => {
                    let realm = Realm::Project(project.clone());
                    may_give(role.permissions(), &realm, &standing)?;
                    let role = role.name();
                    project_members::set_role(tx, &project, &member.id, role, now)?;
                    let event = Event::new(Kind::UserUpdated, &member.id).in_project(&project);
                    let event = event.changes(json!({"role": role}));
                    Ok(Done::new(event, find_user(tx, &project, &id)?))
                }
                _ => Ok(Done::nothing(member)),
            }
        });
        Ok(Json(ProjectUser::from(change.await?)))
    };
    answer(&control, outcome.await)
}

/// Remove a member from a project: their keys in it work no more.
#[utoipa::path(
    delete, path = "/v1/organization/projects/{project_id}/users/{user_id}",
    tag = "Project users", operation_id = "delete_project_user",
    params(
        ("project_id" = String, Path, description = "The project"),
        ("user_id" = String, Path, description = "The user"),
    ),
    responses((status = 200, body = Deleted)), security(("admin_key" = []))
)]
pub(crate) async fn delete(
    State(control): State<Control>,
    Admin(admin): Admin,
    Ids([project_id, id]): Ids<2>,
) -> Response {
    let change = control.change(admin, move |tx, organization, now| {
        let project = find_active(tx, organization, &project_id)?.id;
        let user = find_user(tx, &project, &id)?.id;
        project_members::remove(tx, &project, &user, now)?;
        let event = Event::new(Kind::UserDeleted, &user).in_project(&project);
        let deleted = Deleted::new("organization.project.user.deleted", id);
        Ok(Done::new(event, deleted))
    });
    answer(&control, change.await.map(Json))
}

/// A role of a project, by name.
pub(crate) fn role(fields: &Fields) -> Outcome<Option<PredefinedRole>> {
    let names = PredefinedRole::of(Resource::Project).map(|role| (role.name(), role));
    fields.word("role", names)
}

fn find_user(tx: &mut Tx<'_>, project: &ProjectId, id: &str) -> Outcome<ProjectMember> {
    let found = project_members::get(tx, project, &UserId::new(id))?;
    found.ok_or_else(|| Refusal::NotFound {
        what: "user of the project",
        id: id.to_owned(),
    })
}
