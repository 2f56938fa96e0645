//! Every route of the control plane.

use axum::extract::DefaultBodyLimit;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::respond::BODY_BYTES;
use crate::{Control, costs, project_api_keys, projects, service_accounts, usage};

/// The control plane's routes, and their description.
#[must_use]
pub fn router(control: Control) -> OpenApiRouter {
    OpenApiRouter::new()
        .routes(routes!(projects::list, projects::create))
        .routes(routes!(projects::retrieve, projects::update))
        .routes(routes!(projects::archive))
        .routes(routes!(service_accounts::list, service_accounts::create))
        .routes(routes!(
            service_accounts::retrieve,
            service_accounts::delete
        ))
        .routes(routes!(project_api_keys::list))
        .routes(routes!(
            project_api_keys::retrieve,
            project_api_keys::delete
        ))
        .routes(routes!(usage::completions))
        .routes(routes!(usage::embeddings))
        .routes(routes!(costs::costs))
        .layer(DefaultBodyLimit::max(BODY_BYTES))
        .with_state(control)
}
