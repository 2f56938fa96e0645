//! The control plane: the Administration API.

use std::sync::Arc;

use domain::Entropy;
use domain::time::Clock;
use store::Store;
use utoipa_axum::router::OpenApiRouter;

/// What the control plane knows.
#[derive(Clone)]
pub struct Control {
    /// The installation.
    pub store: Store,
    /// Tells the time.
    pub clock: Clock,
    /// Gives randomness.
    pub entropy: Entropy,
    /// Where the console is.
    pub public_url: Arc<str>,
}

/// The routes.
pub fn router(state: Control) -> OpenApiRouter {
    OpenApiRouter::new().with_state(state)
}
