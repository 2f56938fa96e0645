//! Any router behind the binary's own front door, on a free port.

use std::time::Duration;

use axum::Router;
use farebox::server::{Bounds, bind, serve};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub(crate) struct Door {
    base: String,
    pub(crate) stop: CancellationToken,
    served: JoinHandle<usize>,
}

pub(crate) const BOUNDS: Bounds = Bounds {
    header_bytes: 4096,
    header_timeout: Duration::from_secs(30),
    grace: testkit::PATIENCE,
};

impl Door {
    pub(crate) async fn open(app: Router) -> Door {
        Door::bounded(app, BOUNDS).await
    }

    pub(crate) async fn bounded(app: Router, bounds: Bounds) -> Door {
        let listener = bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let stop = CancellationToken::new();
        let served = tokio::spawn(serve(listener, app, bounds, stop.clone()));
        Door { base, stop, served }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    /// Stops, and answers how many connections had to be cut.
    pub(crate) async fn close(self) -> usize {
        self.stop.cancel();
        self.served.await.unwrap()
    }
}
