//! Answers below `/v1` for what no documented route takes: unknown paths and methods, and models
//! whose ids come with their slashes unencoded.

use axum::Router;
use axum::extract::State;
use axum::routing::{any, get};

use crate::endpoints;
use crate::state::Gateway;

/// Makes `app` answer in OpenAI's words whatever else is asked below `/v1`: unknown paths, and
/// methods that a path does not take. To be called when every route has been merged.
pub fn with_unknown(app: Router, gateway: Gateway) -> Router {
    let below: Router = Router::new()
        // A model's id may contain slashes, which a single segment does not match.
        .route("/v1/models/{vendor}/{*rest}", get(endpoints::retrieve_slashed_model))
        .route("/v1/{*path}", any(endpoints::no_route))
        .with_state(gateway.clone());
    app.merge(below)
        .method_not_allowed_fallback(move |request| {
            endpoints::no_method(State(gateway.clone()), request)
        })
}
