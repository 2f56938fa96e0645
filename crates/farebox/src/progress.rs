//! Work that says now and then how far it is.

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};

/// Does `work`, and calls `tell` each time that `every` has passed.
pub(crate) async fn watch<T>(work: impl Future<Output = T>, every: Duration, tell: impl Fn()) -> T {
    let mut work = pin!(work);
    let mut pace = interval(every);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // The first tick is at once, when there is nothing to say.
    pace.tick().await;
    loop {
        tokio::select! {
            done = &mut work => return done,
            _ = pace.tick() => tell(),
        }
    }
}
