//! Every route of the data plane. What is not listed here does not exist: there is no pass-through.

use axum::Router;
use axum::extract::State;
use axum::routing::{any, get};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::endpoints;
use crate::state::Gateway;

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
        .with_state(gateway)
}

/// Makes `app` answer in OpenAI's words whatever else is asked below `/v1`: unknown paths, and
/// methods that a path does not take. To be called when every route has been merged.
#[must_use]
pub fn with_unknown(app: Router, gateway: Gateway) -> Router {
    let below: Router = Router::new()
        // A model's id may contain slashes, which a single segment does not match.
        .route("/v1/models/{vendor}/{*rest}", get(endpoints::retrieve_slashed_model))
        .route("/v1/{*path}", any(endpoints::no_route))
        .with_state(gateway.clone());
    app.merge(below)
        .method_not_allowed_fallback(move |method, uri| {
            endpoints::no_method(State(gateway.clone()), method, uri)
        })
}
