//! What is said while it runs, on standard error.

use std::future::Future;
use std::time::Duration;

use crate::progress;

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
    progress::watch(work, EVERY, || note(&how_far())).await
}
