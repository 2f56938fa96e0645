//! What the control plane knows.

use std::sync::Arc;

use domain::Entropy;
use domain::admission::DefaultRates;
use domain::id::{BudgetId, OrganizationId};
use domain::time::{AtUs, Clock};
use store::Store;

use crate::People;

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
    /// Whether messages are kept here instead of sent, on an installation that only its own machine
    /// reaches: they are shown then.
    pub shows_outbox: bool,
    /// What can be asked of the data plane.
    pub data_plane: DataPlane,
    /// What was decided about accounts.
    pub people: People,
}

/// Tells of an organization and one of its budgets whether requests are refused for it now.
pub type IsRefusing = Arc<dyn Fn(&OrganizationId, &BudgetId) -> bool + Send + Sync>;

/// What the control plane may ask of the data plane. It knows no more of it: the binary puts both
/// together.
#[derive(Clone)]
pub struct DataPlane {
    /// Names the models that can be called now, in any order: they change with the configuration.
    pub models: Arc<dyn Fn() -> Vec<Arc<str>> + Send + Sync>,
    /// The rate limits of every project and model where no rule lowers them.
    pub rates: DefaultRates,
    /// Whether the latest request that needed money of a budget was refused for it.
    pub is_refusing: IsRefusing,
}

impl Control {
    pub(crate) fn now(&self) -> AtUs {
        (self.clock)()
    }

    /// The models that can be called now, by name.
    pub(crate) fn models(&self) -> Vec<Arc<str>> {
        let mut models = (self.data_plane.models)();
        models.sort_unstable();
        models
    }
}
