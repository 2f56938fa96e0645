//! What the control plane knows.

use std::sync::Arc;

use domain::Entropy;
use domain::time::{AtUs, Clock};
use store::Store;

/// The control plane. Cheap to clone.
#[derive(Clone)]
pub struct Control {
    /// The installation.
    pub store: Store,
    /// Tells the time.
    pub clock: Clock,
    /// Gives randomness.
    pub entropy: Entropy,
    /// Where this installation's console is, without a slash at the end.
    pub public_url: Arc<str>,
}

impl Control {
    pub(crate) fn now(&self) -> AtUs {
        (self.clock)()
    }
}
