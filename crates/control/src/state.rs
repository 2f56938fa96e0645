//! What the control plane knows.

use std::sync::Arc;

use domain::Entropy;
use domain::admission::DefaultRates;
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
    /// What its customers are offered.
    pub offer: Offer,
}

/// What an installation offers its customers, as far as limits speak of it.
#[derive(Clone)]
pub struct Offer {
    /// Names the models that can be called now, in any order: they change with the configuration.
    pub models: Arc<dyn Fn() -> Vec<Arc<str>> + Send + Sync>,
    /// The rate limits of every project and model where no rule lowers them.
    pub rates: DefaultRates,
}

impl Control {
    pub(crate) fn now(&self) -> AtUs {
        (self.clock)()
    }

    /// The models that can be called now, by name.
    pub(crate) fn models(&self) -> Vec<Arc<str>> {
        let mut models = (self.offer.models)();
        models.sort_unstable();
        models
    }
}
