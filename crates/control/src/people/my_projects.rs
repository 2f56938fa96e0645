//! What one may do in a project. `/api/me` tells of whole organizations; roles in a project allow
//! more there, and a console that asks here offers nobody what would be refused.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use domain::id::ProjectId;
use domain::permission::{Permission, Standing};
use serde::Serialize;
use store::people::users::{self, User};
use store::{Tx, projects, standing};
use utoipa::ToSchema;

use super::caller::SignedIn;
use crate::Control;
use crate::path::Ids;
use crate::respond::{Outcome, Refusal, answer};

/// A project, and what one may do in it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct MyProject {
    id: String,
    #[schema(value_type = String, example = "my.project")]
    object: &'static str,
    /// Whether you belong to it, so that keys of your own work there.
    is_mine: bool,
    /// What your roles allow there: those in the project and those in the organization.
    #[schema(example = json!(["api.organization.projects.read", "api.model.request"]))]
    permissions: Vec<&'static str>,
}

/// Tell what you may do in a project.
#[utoipa::path(
    get, path = "/api/me/projects/{project_id}", tag = "Accounts",
    operation_id = "retrieve_my_project",
    params(("project_id" = String, Path, description = "The project")),
    responses((status = 200, body = MyProject)), security(("session" = []))
)]
pub(crate) async fn retrieve(
    State(control): State<Control>,
    caller: SignedIn,
    Ids([project_id]): Ids<1>,
) -> Response {
    let read = control.store.read(move |tx| -> Outcome<_> {
        let id = ProjectId::new(&project_id);
        let standing = find(tx, &caller.user, &id)?.ok_or(Refusal::NotFound {
            what: "project",
            id: project_id,
        })?;
        Ok(Json(MyProject {
            id: id.to_string(),
            object: "my.project",
            is_mine: standing.belongs(),
            permissions: standing.in_project().iter().map(|it| it.as_str()).collect(),
        }))
    });
    answer(&control, read.await)
}

/// What somebody may do in a project of any of their organizations. Whoever may not even see it is
/// not told that it is there.
fn find(tx: &mut Tx<'_>, user: &User, id: &ProjectId) -> Outcome<Option<Standing>> {
    for membership in users::memberships(tx, &user.id)? {
        let organization = membership.organization;
        if projects::get(tx, &organization, id)?.is_some() {
            let standing = standing::of_user(tx, &organization, &user.id, Some(id))?;
            let sees = standing.in_project().contains(Permission::ProjectsRead);
            return Ok((sees || standing.belongs()).then_some(standing));
        }
    }
    Ok(None)
}
