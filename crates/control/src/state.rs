//! What the control plane knows.

use std::sync::Arc;

use domain::Entropy;
use domain::network::TrustedProxies;
use domain::time::{AtUs, Clock};
use store::Store;

use crate::payments::Payments;
use crate::upstream_bills::UpstreamBills;
use crate::{DataPlane, LastUses, LowWallets, Meters, People, Signers, Webhooks};

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
    /// Who is believed about the addresses that requests come from.
    pub trusted_proxies: Arc<TrustedProxies>,
    /// Whether messages are kept here instead of sent, on an installation that only its own machine
    /// reaches: they are shown then.
    pub shows_outbox: bool,
    /// What can be asked of the data plane.
    pub data_plane: DataPlane,
    /// What was decided about accounts.
    pub people: People,
    /// When admin keys were last used, until [`crate::Caretaker`] writes it.
    pub last_uses: LastUses,
    /// How many days refused requests are kept in the log.
    pub refusal_days: u64,
    /// How people pay.
    pub payments: Payments,
    /// Wallets that ran low, until [`crate::Recharger`] looks at them.
    pub low_wallets: LowWallets,
    /// Who may report that keys leaked; nobody, if none.
    pub leak_signers: Option<Signers>,
    /// What was decided about webhooks.
    pub webhooks: Webhooks,
    /// What was decided about upstreams' bills.
    pub upstream_bills: Arc<UpstreamBills>,
    /// Whether the books of others are the same as ours, for Prometheus.
    pub meters: Meters,
    /// Shows the configuration in force.
    pub settings: ShowSettings,
}

/// Shows the configuration in force: it may be read again while servers run.
pub type ShowSettings = Arc<dyn Fn() -> Settings + Send + Sync>;

/// The configuration in force. Whoever made it left every secret out.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The file it was read from, if any.
    pub file: Option<String>,
    /// All of it, as TOML.
    pub toml: String,
    /// What was stated, by name, and where; the rest is as usual.
    pub stated: Vec<(String, String)>,
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
