//! Every route of the data plane. What is not listed here does not exist: there is no pass-through.

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::state::Gateway;
use crate::{endpoints, receipts};

/// The data plane's routes, and their description.
#[must_use]
pub fn router(gateway: Gateway) -> OpenApiRouter {
    OpenApiRouter::new()
        .routes(routes!(endpoints::chat))
        .routes(routes!(endpoints::completions))
        .routes(routes!(endpoints::responses))
        .routes(routes!(endpoints::embeddings))
        .routes(routes!(endpoints::list_models))
        .routes(routes!(endpoints::retrieve_model))
        .routes(routes!(receipts::retrieve))
        .with_state(gateway)
}
