//! Benchmarks of Farebox beside a bare relay, measured alternately in one run.
//!
//! The parts are programs of their own (`farebox-bench upstream`, `relay`, `load`), so that each
//! can be used alone and so that the processor time of each is known. `farebox-bench run` puts them
//! together.

#![expect(
    clippy::disallowed_methods,
    reason = "a benchmark reads the clock; that is what it does"
)]

pub mod histogram;
pub mod load;
pub mod procfs;
pub mod relay;
pub mod run;
pub mod upstream;

use std::net::SocketAddr;

/// Says where a server listens, in the line that `run` waits for.
fn announce(address: SocketAddr) {
    println!("{LISTENING}{address}");
}

/// What the line of [`announce`] begins with.
const LISTENING: &str = "listening on ";
