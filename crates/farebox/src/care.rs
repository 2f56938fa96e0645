//! The control plane's caretaker, running beside the servers.

use control::{Caretaker, Control};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// What is done now and then, being done.
pub(crate) struct Care {
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Care {
    /// Begins.
    pub(crate) fn start(control: Control) -> Self {
        let stop = CancellationToken::new();
        let task = tokio::spawn(Caretaker::new(control).run(stop.clone()));
        Care { stop, task }
    }

    /// Writes what is left, and ends.
    pub(crate) async fn end(self) {
        self.stop.cancel();
        if let Err(error) = self.task.await {
            tracing::error!(%error, "the caretaker broke off");
        }
    }
}
