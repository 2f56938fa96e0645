//! `/v1/organization/projects/{project_id}/model_permissions`: which models a project may use.

use std::collections::BTreeSet;

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use domain::model_permissions::{Mode, ModelPermissions as Rules};
use serde::Serialize;
use serde_json::json;
use store::audit::{Event, Kind};
use store::model_permissions;
use utoipa::ToSchema;

use crate::Control;
use crate::authenticate::Admin;
use crate::body::Fields;
use crate::change::Done;
use crate::path::Ids;
use crate::projects::{find, find_active};
use crate::respond::{Outcome, Refusal, answer};

/// Which models a project may use.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ModelPermissions {
    #[schema(example = "project.model_permissions")]
    object: &'static str,
    mode: PermissionMode,
    #[schema(example = json!(["gpt-4o-mini"]))]
    model_ids: BTreeSet<String>,
}

/// What a list of models means: these and no others, or all but these.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum PermissionMode {
    AllowList,
    DenyList,
}

/// Which models a project is to use.
#[derive(Debug, ToSchema)]
pub(crate) struct NewModelPermissions {
    #[schema(value_type = PermissionMode)]
    mode: Mode,
    /// Models that do not exist (yet) may be named.
    #[schema(value_type = Vec<String>, max_items = 1000, example = json!(["gpt-4o-mini"]))]
    model_ids: BTreeSet<String>,
}

/// A project may use every model again.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ModelPermissionsDeleted {
    #[schema(example = "project.model_permissions.deleted")]
    object: &'static str,
    deleted: bool,
}

/// The most models of a list.
const MOST_MODELS: usize = 1_000;

impl From<Rules> for ModelPermissions {
    fn from(rules: Rules) -> Self {
        ModelPermissions {
            object: "project.model_permissions",
            mode: match rules.mode {
                Mode::AllowList => PermissionMode::AllowList,
                Mode::DenyList => PermissionMode::DenyList,
            },
            model_ids: rules.models,
        }
    }
}

impl NewModelPermissions {
    fn read(fields: &Fields) -> Outcome<Self> {
        let mode = fields.word("mode", Mode::ALL.map(|mode| (mode.as_str(), mode)))?;
        let models = fields.ids("model_ids", MOST_MODELS)?;
        let models = fields.required("model_ids", models)?.into_iter();
        Ok(NewModelPermissions {
            mode: fields.required("mode", mode)?,
            model_ids: models.map(ToOwned::to_owned).collect(),
        })
    }
}

/// Retrieve a project's model permissions.
#[utoipa::path(
    get, path = "/v1/organization/projects/{project_id}/model_permissions",
    tag = "Model permissions", operation_id = "retrieve_model_permissions",
    params(("project_id" = String, Path, description = "The project")),
    responses(
        (status = 200, body = ModelPermissions),
        (status = 404, description = "None are set: the project may use every model"),
    ),
    security(("admin_key" = []))
)]
pub(crate) async fn retrieve(
    State(control): State<Control>,
    Admin(admin): Admin,
    Ids([project_id]): Ids<1>,
) -> Response {
    let read = control.store.read(move |tx| -> Outcome<_> {
        let project = find(tx, &admin.organization, &project_id)?.id;
        model_permissions::get(tx, &project)?.ok_or_else(|| none(&project_id))
    });
    let outcome = read.await.map(|rules| Json(ModelPermissions::from(rules)));
    answer(&control, outcome)
}

/// Set a project's model permissions, in place of those before.
#[utoipa::path(
    post, path = "/v1/organization/projects/{project_id}/model_permissions",
    tag = "Model permissions", operation_id = "set_model_permissions",
    params(("project_id" = String, Path, description = "The project")),
    request_body = NewModelPermissions,
    responses((status = 200, body = ModelPermissions)), security(("admin_key" = []))
)]
pub(crate) async fn set(
    State(control): State<Control>,
    Admin(admin): Admin,
    Ids([project_id]): Ids<1>,
    fields: Fields,
) -> Response {
    let outcome = async {
        let NewModelPermissions { mode, model_ids } = NewModelPermissions::read(&fields)?;
        let rules = Rules {
            mode,
            models: model_ids,
        };
        let change = control.change(admin, move |tx, organization, now| {
            let project = find_active(tx, organization, &project_id)?.id;
            model_permissions::set(tx, organization, &project, &rules, now)?;
            let event = Event::new(Kind::ModelPermissionsUpdated, &project).in_project(&project);
            let asked = json!({"mode": rules.mode.as_str(), "model_ids": rules.models});
            Ok(Done::new(event.changes(asked), rules.into()))
        });
        let shown: ModelPermissions = change.await?;
        Ok(Json(shown))
    };
    answer(&control, outcome.await)
}

/// Delete a project's model permissions: it may use every model.
#[utoipa::path(
    delete, path = "/v1/organization/projects/{project_id}/model_permissions",
    tag = "Model permissions", operation_id = "delete_model_permissions",
    params(("project_id" = String, Path, description = "The project")),
    responses(
        (status = 200, body = ModelPermissionsDeleted),
        (status = 404, description = "None are set"),
    ),
    security(("admin_key" = []))
)]
pub(crate) async fn delete(
    State(control): State<Control>,
    Admin(admin): Admin,
    Ids([project_id]): Ids<1>,
) -> Response {
    let change = control.change(admin, move |tx, organization, now| {
        let project = find_active(tx, organization, &project_id)?.id;
        if !model_permissions::delete(tx, &project, now)? {
            return Err(none(&project_id));
        }
        let event = Event::new(Kind::ModelPermissionsDeleted, &project).in_project(&project);
        let deleted = ModelPermissionsDeleted {
            object: "project.model_permissions.deleted",
            deleted: true,
        };
        Ok(Done::new(event, deleted))
    });
    answer(&control, change.await.map(Json))
}

fn none(project: &str) -> Refusal {
    Refusal::NoLimit {
        message: format!(
            "The project '{project}' has no model permissions: it may use every model."
        ),
    }
}
