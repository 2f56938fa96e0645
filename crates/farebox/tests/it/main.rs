//! The real binary: its commands, its description, and its end by force; and the parts of it that
//! face the outside.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(
    clippy::disallowed_methods,
    reason = "tests give children an environment of their own"
)]

mod assets;
mod books;
mod careless;
mod commands;
mod config;
mod config_messages;
mod config_oidc;
mod config_payments;
mod crash;
mod demo;
#[cfg(target_os = "linux")]
mod disk_faults;
mod door;
mod expiry;
mod fleet;
mod fleet_rates;
mod insisting;
mod keys_scan;
mod limits;
mod load;
mod local_model;
mod messages;
mod migrate;
mod openapi;
mod operator;
mod paying;
mod people;
mod place;
mod postgres_faults;
mod prices;
mod race;
mod recharges;
mod server;
mod stage;
mod takeover;
mod upstream_costs;
mod user_keys;
