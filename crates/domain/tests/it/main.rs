//! The rules of leases under everything that can go wrong between nodes and their database.
#![expect(
    clippy::disallowed_methods,
    reason = "which seeds to run is said in the environment"
)]

// By the name that its users know it by.
extern crate farebox_domain as domain;

mod leases;
mod sim;
