//! Builds the layers below from the configuration: store, gateway, control plane.

use std::pin::Pin;
use std::sync::Arc;

use axum::Router;
use prometheus_client::registry::Registry;
use tokio::sync::watch;

use crate::cli::Failure;
use crate::config::Config;
use crate::local_model::Health;

/// What the listeners serve, and how it ends.
pub(crate) struct Planes {
    /// The data plane: `/v1/chat/completions` and its neighbours.
    pub(crate) data: Router,
    /// The control plane: the Administration API, `/api`, `/openapi.json`.
    pub(crate) control: Router,
    /// The meters of every layer.
    pub(crate) registry: Registry,
    /// Whether the ledger can commit.
    pub(crate) ready: Ready,
    /// To be awaited when no request runs any more.
    pub(crate) end: End,
}

/// Asks whether the ledger can commit.
pub(crate) type Ready = Arc<
    dyn Fn() -> Pin<Box<dyn Future<Output = Result<(), String>> + Send>> + Send + Sync,
>;

/// Writes what is left and closes the database.
pub(crate) type End = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Opens the store, provisions upstreams and models, and builds both planes. `engines` tells where
/// the built-in engines answer, by upstream.
pub(crate) async fn planes(
    _config: &Config,
    _engines: &[(String, watch::Receiver<Health>)],
) -> Result<Planes, Failure> {
    Ok(Planes {
        data: Router::new(),
        control: Router::new(),
        registry: Registry::default(),
        ready: Arc::new(|| Box::pin(async { Ok(()) })),
        end: Box::pin(async {}),
    })
}
