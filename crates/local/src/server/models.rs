//! `GET /v1/models`: the one model that is served here.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde_json::{Value, json};

use super::App;
use super::error::ApiError;

pub(crate) async fn list(State(app): State<Arc<App>>) -> Json<Value> {
    Json(json!({"object": "list", "data": [model(&app)]}))
}

pub(crate) async fn one(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
) -> Result<Json<Value>, ApiError> {
    if id == app.model_id {
        return Ok(Json(model(&app)));
    }
    Err(
        ApiError::invalid(format!("The model '{id}' does not exist"))
            .with_status(StatusCode::NOT_FOUND)
            .with_param("model")
            .with_code("model_not_found"),
    )
}

/// `max_model_len` is vLLM's addition to OpenAI's shape: the context in tokens.
fn model(app: &App) -> Value {
    json!({
        "id": app.model_id,
        "object": "model",
        "created": app.started_at_s,
        "owned_by": "farebox-local",
        "max_model_len": app.engine.context_tokens(),
    })
}
