//! `/healthz`, `/readyz` and `/metrics`: for load balancers and monitors, without a key.

use std::sync::Arc;

use axum::Router;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;

/// The media type of [`metrics`], as Prometheus asks for it.
const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The routes. `ready` tells, without waiting long, whether the ledger can commit, and if not, why;
/// the reason is shown to whoever asks, so it names no secret.
pub fn routes<Ready, Answer>(ready: Ready, registry: Arc<Registry>) -> Router
where
    Ready: Fn() -> Answer + Clone + Send + Sync + 'static,
    Answer: Future<Output = Result<(), String>> + Send,
{
    Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(move || answer(ready.clone())))
        .route("/metrics", get(move || async move { metrics(&registry) }))
}

async fn answer<Ready, Answer>(ready: Ready) -> Response
where
    Ready: Fn() -> Answer,
    Answer: Future<Output = Result<(), String>>,
{
    match ready().await {
        Ok(()) => "ready\n".into_response(),
        Err(reason) => (
            StatusCode::SERVICE_UNAVAILABLE,
            format!("not ready: {reason}\n"),
        )
            .into_response(),
    }
}

fn metrics(registry: &Registry) -> Response {
    let mut text = String::new();
    match encode(&mut text, registry) {
        Ok(()) => ([(header::CONTENT_TYPE, OPENMETRICS)], text).into_response(),
        Err(error) => {
            tracing::error!(%error, "the metrics could not be written");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}
