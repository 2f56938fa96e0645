//! `/v1/organization/projects/{project_id}/groups`: groups that have a role in a project.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use domain::id::{GroupId, ProjectId, RoleAssignmentId};
use domain::permission::Realm;
use serde::Serialize;
use serde_json::json;
use store::audit::{Event, Kind};
use store::groups;
use store::role_assignments::{self, Assignment, Holder};
use utoipa::ToSchema;

use crate::Control;
use crate::authenticate::Admin;
use crate::body::Fields;
use crate::change::Done;
use crate::groups::{GROUP_TYPE, find_group};
use crate::next_list::{NextList, NextPage, Placed};
use crate::path::Ids;
use crate::projects::{find, find_active};
use crate::respond::{Outcome, Refusal, answer};
use crate::role_assignments::Removed;
use crate::roles::{find_role, in_realm, may_give};

/// A group that has a role in a project.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ProjectGroup {
    #[schema(example = "project.group")]
    object: &'static str,
    project_id: String,
    group_id: String,
    group_name: String,
    #[schema(example = "group")]
    group_type: &'static str,
    /// When it got the first of its roles in the project.
    created_at: i64,
}

/// A group that is to have a role in a project.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "the form of a body, which is read by its members")]
pub(crate) struct NewProjectGroup {
    group_id: String,
    /// The id of a role of the project.
    role: String,
}

/// A group in a project, as it is read.
struct GroupIn(ProjectId, groups::Group);

impl From<GroupIn> for ProjectGroup {
    fn from(GroupIn(project, group): GroupIn) -> Self {
        ProjectGroup {
            object: "project.group",
            project_id: project.to_string(),
            group_id: group.id.to_string(),
            group_name: group.name,
            group_type: GROUP_TYPE,
            created_at: group.created_at.seconds(),
        }
    }
}

impl Placed for GroupIn {
    fn place(&self) -> store::page::Place {
        self.1.place()
    }
}

/// List the groups that have a role in a project.
#[utoipa::path(
    get, path = "/v1/organization/projects/{project_id}/groups", tag = "Project groups",
    operation_id = "list_project_groups",
    params(
        ("project_id" = String, Path, description = "The project"),
        NextPage::<20>,
    ),
    responses((status = 200, body = NextList<ProjectGroup>)), security(("admin_key" = []))
)]
pub(crate) async fn list(
    State(control): State<Control>,
    Admin(admin): Admin,
    Ids([project_id]): Ids<1>,
    page: NextPage<20>,
) -> Response {
    let list = page.list::<ProjectGroup, _>(&control, move |tx, page| {
        let organization = &admin.organization;
        let project = find(tx, organization, &project_id)?.id;
        let part = page.part(|id| {
            let group = groups::get_of_project(tx, organization, &project, &GroupId::new(id))?;
            Ok(group.as_ref().map(Placed::place))
        })?;
        let groups = groups::list_of_project(tx, organization, &project, &part)?;
        let shown = |group| GroupIn(project.clone(), group);
        Ok(groups.into_iter().map(shown).collect())
    });
    answer(&control, list.await)
}

/// Give a group a role in a project.
#[utoipa::path(
    post, path = "/v1/organization/projects/{project_id}/groups", tag = "Project groups",
    operation_id = "add_project_group", request_body = NewProjectGroup,
    params(("project_id" = String, Path, description = "The project")),
    responses((status = 200, body = ProjectGroup)), security(("admin_key" = []))
)]
pub(crate) async fn add(
    State(control): State<Control>,
    Admin(admin): Admin,
    Ids([project_id]): Ids<1>,
    fields: Fields,
) -> Response {
    let outcome = async {
        let group_id = fields
            .required("group_id", fields.id("group_id")?)?
            .to_owned();
        let role_id = fields.required("role", fields.id("role")?)?.to_owned();
        let id = RoleAssignmentId::random(control.entropy);
        let standing = admin.standing;
        let change = control.change(admin, move |tx, organization, now| {
            let project = find_active(tx, organization, &project_id)?.id;
            let realm = Realm::Project(project.clone());
            let group = find_group(tx, organization, &group_id)?.id;
            let role = find_role(tx, organization, &realm, &role_id)?;
            may_give(role.permissions(), &realm, &standing)?;
            let new = Assignment {
                organization: organization.clone(),
                realm,
                holder: Holder::Group(group.clone()),
                role: role.name(),
            };
            let is_new = role_assignments::assign(tx, &id, &new, now)?;
            let event = in_realm(Event::new(Kind::RoleAssignmentCreated, &id), &new.realm)
                .with("principal_type", json!("group"))
                .with("principal_id", json!(group_id))
                .with("role_id", json!(role_id));
            let shown = groups::get_of_project(tx, organization, &project, &group)?;
            let shown = shown.ok_or_else(|| not_in_project(group_id))?;
            let shown = ProjectGroup::from(GroupIn(project, shown));
            Ok(Done::when(is_new, event, shown))
        });
        Ok(Json(change.await?))
    };
    answer(&control, outcome.await)
}

/// Retrieve a group that has a role in a project.
#[utoipa::path(
    get, path = "/v1/organization/projects/{project_id}/groups/{group_id}",
    tag = "Project groups", operation_id = "retrieve_project_group",
    params(
        ("project_id" = String, Path, description = "The project"),
        ("group_id" = String, Path, description = "The group"),
    ),
    responses((status = 200, body = ProjectGroup)), security(("admin_key" = []))
)]
pub(crate) async fn retrieve(
    State(control): State<Control>,
    Admin(admin): Admin,
    Ids([project_id, group_id]): Ids<2>,
) -> Response {
    let read = control.store.read(move |tx| -> Outcome<_> {
        let organization = &admin.organization;
        let project = find(tx, organization, &project_id)?.id;
        let id = GroupId::new(&group_id);
        let group = groups::get_of_project(tx, organization, &project, &id)?;
        let group = group.ok_or_else(|| not_in_project(group_id))?;
        Ok(ProjectGroup::from(GroupIn(project, group)))
    });
    answer(&control, read.await.map(Json))
}

/// Take every role in a project from a group.
#[utoipa::path(
    delete, path = "/v1/organization/projects/{project_id}/groups/{group_id}",
    tag = "Project groups", operation_id = "remove_project_group",
    params(
        ("project_id" = String, Path, description = "The project"),
        ("group_id" = String, Path, description = "The group"),
    ),
    responses((status = 200, body = Removed)), security(("admin_key" = []))
)]
pub(crate) async fn remove(
    State(control): State<Control>,
    Admin(admin): Admin,
    Ids([project_id, group_id]): Ids<2>,
) -> Response {
    let change = control.change(admin, move |tx, organization, now| {
        let project = find_active(tx, organization, &project_id)?.id;
        let group = find_group(tx, organization, &group_id)?.id;
        let gone = groups::remove_from_project(tx, organization, &project, &group, now)?;
        let realm = Realm::Project(project);
        let mut events = gone.iter().map(|id| {
            in_realm(Event::new(Kind::RoleAssignmentDeleted, id), &realm)
                .with("principal_type", json!("group"))
                .with("principal_id", json!(group_id))
        });
        let first = events
            .next()
            .ok_or_else(|| not_in_project(group_id.clone()))?;
        let done = Done::new(first, Removed::new("project.group.deleted"));
        Ok(events.fold(done, Done::and))
    });
    answer(&control, change.await.map(Json))
}

fn not_in_project(group_id: String) -> Refusal {
    Refusal::NotFound {
        what: "group",
        id: group_id,
    }
}
