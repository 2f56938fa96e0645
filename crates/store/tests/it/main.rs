//! What the store promises, on SQLite and on a real PostgreSQL.

// By the name that its users know it by.
extern crate farebox_store as store;

mod change_log;
mod connection_loss;
mod fixture;
mod kill9;
mod ledger_life;
mod model;
mod orphans;
mod proofs;
mod roles;
mod schema;
mod snapshots;
