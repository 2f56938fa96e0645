//! What the control plane does by itself, running beside the servers: its caretaker, and what
//! recharges wallets.

use control::{Caretaker, Control, Recharger};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// What is done now and then, being done.
pub(crate) struct Care {
    stop: CancellationToken,
    caretaker: JoinHandle<()>,
    recharger: JoinHandle<()>,
}

impl Care {
    /// Begins.
    pub(crate) fn start(control: Control) -> Self {
        let stop = CancellationToken::new();
        let recharger = Recharger::new(control.clone()).run(stop.clone());
        let caretaker = Caretaker::new(control).run(stop.clone());
        Care {
            stop,
            caretaker: tokio::spawn(caretaker),
            recharger: tokio::spawn(recharger),
        }
    }

    /// Writes what is left, and ends.
    pub(crate) async fn end(self) {
        self.stop.cancel();
        if let Err(error) = self.caretaker.await {
            tracing::error!(%error, "the caretaker broke off");
        }
        if let Err(error) = self.recharger.await {
            tracing::error!(%error, "recharging broke off");
        }
    }
}
