//! What Farebox's own tests stand on: real databases, a scripted upstream, a plain HTTP client,
//! child processes.
//!
//! Nothing here knows a product crate, so every crate can use it as a development dependency.
//! Whatever a test starts ends with it, even when the test is killed.

#![expect(
    clippy::disallowed_methods,
    reason = "tests wait on the real clock and are set by variables"
)]

pub mod authenticator;
pub mod databases;
pub mod disk_faults;
mod form;
pub mod http;
pub mod issuer;
pub mod postgres;
pub mod process;
pub mod smtp;
pub mod stripe;
pub mod upstream;
mod watchdog;

use std::net::{Ipv4Addr, TcpListener};
use std::time::{Duration, Instant};

pub use databases::{TestDatabase, databases, on_each_database};
pub use upstream::{Reply, Upstream, UpstreamRequest};

/// How long [`eventually`] waits before it gives up: long, since a busy machine is not a failure.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Waits until `condition` holds, and panics naming `what` if it has not after [`PATIENCE`].
pub async fn eventually(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let started = Instant::now();
    while !condition().await {
        assert!(
            started.elapsed() < PATIENCE,
            "still waiting for this after {PATIENCE:?}: {what}"
        );
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// How often to do something that proves more the more often it is done: what the environment says
/// in `variable`, or `usually`.
///
/// # Panics
/// If the environment says something that is no number.
pub fn times(variable: &str, usually: usize) -> usize {
    match std::env::var(variable) {
        Ok(text) if !text.is_empty() => text
            .parse()
            .unwrap_or_else(|_| panic!("{variable} says how often, and {text} is no number")),
        _ => usually,
    }
}

/// A loopback TCP port that nobody listened on a moment ago.
///
/// Another process may take it first: prefer port 0 wherever the server can tell what it got.
pub fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .and_then(|listener| listener.local_addr())
        .expect("loopback always has a free port")
        .port()
}

/// A loopback address that a rush of clients may come to at once. To be called in a runtime.
///
/// # Panics
/// If the operating system has no port left.
pub fn listener() -> tokio::net::TcpListener {
    let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
    let anywhere = (Ipv4Addr::LOCALHOST, 0).into();
    socket.bind(anywhere).expect("a free port");
    socket.listen(16_384).expect("nobody else listens there")
}

/// Microseconds that passed since this was first asked, whatever is done to the clock.
pub fn mono_us() -> i64 {
    static START: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
    let passed = START.get_or_init(Instant::now).elapsed();
    i64::try_from(passed.as_micros()).unwrap_or(i64::MAX)
}
