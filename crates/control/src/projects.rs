//! `/v1/organization/projects`.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use domain::id::{OrganizationId, ProjectId};
use domain::permission::Permission;
use serde::Serialize;
use serde_json::json;
use store::audit::{Event, Kind};
use store::projects::{self, Page as ProjectPage};
use utoipa::ToSchema;

use crate::Control;
use crate::authenticate::Admin;
use crate::body::Fields;
use crate::change::Done;
use crate::pagination::{List, Listed, Page};
use crate::path::Ids;
use crate::query::Query;
use crate::respond::{Outcome, Refusal, answer};

/// A project.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Project {
    id: String,
    #[schema(example = "organization.project")]
    object: &'static str,
    name: String,
    created_at: i64,
    archived_at: Option<i64>,
    /// `active` or `archived`.
    status: &'static str,
}

/// A project to be made.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes; `Fields` reads")]
struct NewProject {
    /// One line of text.
    #[schema(example = "Search", min_length = 1, max_length = 256)]
    name: String,
}

/// What is to change of a project.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes; `Fields` reads")]
struct ProjectChanges {
    /// One line of text.
    #[schema(example = "Search", min_length = 1, max_length = 256)]
    name: Option<String>,
}

impl From<projects::Project> for Project {
    fn from(project: projects::Project) -> Self {
        Project {
            id: project.id.to_string(),
            object: "organization.project",
            name: project.name,
            created_at: project.created_at.seconds(),
            archived_at: project.archived_at.map(|at| at.seconds()),
            status: if project.archived_at.is_some() {
                "archived"
            } else {
                "active"
            },
        }
    }
}

impl Listed for Project {
    fn id(&self) -> &str {
        &self.id
    }
}

/// List projects: those that the caller may see.
#[utoipa::path(
    get, path = "/v1/organization/projects", tag = "Projects",
    operation_id = "list_projects",
    params(
        Page,
        ("include_archived" = Option<bool>, Query, description = "Also archived ones"),
    ),
    responses((status = 200, body = List<Project>)), security(("admin_key" = []))
)]
pub(crate) async fn list(
    State(control): State<Control>,
    Admin(admin): Admin,
    query: Query,
    page: Page,
) -> Response {
    let include_archived = query.flag("include_archived");
    let list = page.list::<Project, _>(&control, move |tx, page| {
        let include_archived = include_archived?;
        let organization = &admin.organization;
        let sees_all = admin
            .standing
            .in_organization()
            .contains(Permission::ProjectsRead);
        let find = |id: &str| projects::get(tx, organization, &ProjectId::new(id));
        let page = ProjectPage {
            after: page.cursor(find)?,
            limit: page.rows(),
            include_archived,
            seen_by: admin.actor.user().filter(|_| !sees_all).cloned(),
        };
        Ok(projects::list(tx, organization, &page)?)
    });
    answer(&control, list.await)
}

/// Create a project.
#[utoipa::path(
    post, path = "/v1/organization/projects", tag = "Projects", request_body = NewProject,
    operation_id = "create_project",
    responses((status = 200, body = Project)), security(("admin_key" = []))
)]
pub(crate) async fn create(
    State(control): State<Control>,
    Admin(admin): Admin,
    fields: Fields,
) -> Response {
    let outcome = async {
        let name = fields.required("name", fields.name("name")?)?;
        let id = ProjectId::random(control.entropy);
        let change = control.change(admin, move |tx, organization, now| {
            let project = projects::Project {
                id,
                name,
                is_default: false,
                created_at: now,
                archived_at: None,
            };
            projects::create(tx, organization, &project)?;
            let data = json!({"name": project.name, "title": project.name});
            let event = Event::new(Kind::ProjectCreated, &project.id).in_project(&project.id);
            Ok(Done::new(event.data(data), project))
        });
        Ok(Json(Project::from(change.await?)))
    };
    answer(&control, outcome.await)
}

/// Retrieve a project.
#[utoipa::path(
    get, path = "/v1/organization/projects/{project_id}", tag = "Projects",
    operation_id = "retrieve_project",
    params(("project_id" = String, Path, description = "The project")),
    responses((status = 200, body = Project)), security(("admin_key" = []))
)]
pub(crate) async fn retrieve(
    State(control): State<Control>,
    Admin(admin): Admin,
    Ids([project_id]): Ids<1>,
) -> Response {
    let read = control
        .store
        .read(move |tx| find(tx, &admin.organization, &project_id));
    let outcome = read.await.map(|project| Json(Project::from(project)));
    answer(&control, outcome)
}

/// Rename a project.
#[utoipa::path(
    post, path = "/v1/organization/projects/{project_id}", tag = "Projects",
    operation_id = "update_project",
    params(("project_id" = String, Path, description = "The project")),
    request_body = ProjectChanges,
    responses((status = 200, body = Project)), security(("admin_key" = []))
)]
pub(crate) async fn update(
    State(control): State<Control>,
    Admin(admin): Admin,
    Ids([project_id]): Ids<1>,
    fields: Fields,
) -> Response {
    let outcome = async {
        let name = fields.name("name")?;
        let change = control.change(admin, move |tx, organization, now| {
            let mut project = find_active(tx, organization, &project_id)?;
            let Some(name) = name else {
                return Ok(Done::nothing(project));
            };
            projects::rename(tx, &project.id, &name, now)?;
            let event = Event::new(Kind::ProjectUpdated, &project.id).in_project(&project.id);
            let event = event.changes(json!({"title": name}));
            project.name = name;
            Ok(Done::new(event, project))
        });
        Ok(Json(Project::from(change.await?)))
    };
    answer(&control, outcome.await)
}

/// Archive a project: its keys work no more.
#[utoipa::path(
    post, path = "/v1/organization/projects/{project_id}/archive", tag = "Projects",
    operation_id = "archive_project",
    params(("project_id" = String, Path, description = "The project")),
    responses((status = 200, body = Project)), security(("admin_key" = []))
)]
pub(crate) async fn archive(
    State(control): State<Control>,
    Admin(admin): Admin,
    Ids([project_id]): Ids<1>,
) -> Response {
    let change = control.change(admin, move |tx, organization, now| {
        let project = find_active(tx, organization, &project_id)?;
        if project.is_default {
            let message = "The default project cannot be archived.";
            return Err(Refusal::Archived { message });
        }
        projects::archive(tx, &project.id, now)?;
        let event = Event::new(Kind::ProjectArchived, &project.id).in_project(&project.id);
        let archived_at = Some(now);
        Ok(Done::new(
            event,
            projects::Project {
                archived_at,
                ..project
            },
        ))
    });
    let outcome = change.await.map(|project| Json(Project::from(project)));
    answer(&control, outcome)
}

/// A project of the caller's organization.
pub(crate) fn find(
    tx: &mut store::Tx<'_>,
    organization: &OrganizationId,
    id: &str,
) -> Outcome<projects::Project> {
    projects::get(tx, organization, &ProjectId::new(id))?.ok_or_else(|| Refusal::NotFound {
        what: "project",
        id: id.to_owned(),
    })
}

/// As [`find`], refusing one that is archived.
pub(crate) fn find_active(
    tx: &mut store::Tx<'_>,
    organization: &OrganizationId,
    id: &str,
) -> Outcome<projects::Project> {
    let project = find(tx, organization, id)?;
    match project.archived_at {
        Some(_) => Err(Refusal::Archived {
            message: "Archived projects cannot be used or updated.",
        }),
        None => Ok(project),
    }
}
