//! What the control plane knows.

use std::sync::Arc;

use domain::Entropy;
use domain::time::{AtUs, Clock};
use store::Store;

use crate::{DataPlane, LastUses, People};

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
    /// When admin keys were last used, until [`crate::Caretaker`] writes it.
    pub last_uses: LastUses,
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
