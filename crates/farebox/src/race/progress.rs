//! What is said while it runs, on standard error.

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};

const EVERY: Duration = Duration::from_secs(2);

/// Says that a part begins.
pub(super) fn heading(number: usize, of: usize, what: &str) {
    eprintln!("\n[{number}/{of}] {what}");
}

/// Says one thing that happened.
pub(super) fn note(what: &str) {
    eprintln!("  {what}");
}

/// Does `work`, saying now and then how far it is.
pub(super) async fn watch<T>(work: impl Future<Output = T>, how_far: impl Fn() -> String) -> T {
    let mut work = pin!(work);
    let mut pace = interval(EVERY);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // The first tick is at once, when there is nothing to say.
    pace.tick().await;
    loop {
        tokio::select! {
            done = &mut work => return done,
            _ = pace.tick() => note(&how_far()),
        }
    }
}
