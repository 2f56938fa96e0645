//! The data plane against scripted upstreams, on both databases.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(
    clippy::disallowed_methods,
    reason = "these tests wait on the real clock"
)]

mod bounds;
mod budgets;
mod cut_off;
mod idempotency;
mod leased;
mod ledger_away;
mod limits;
mod log;
mod members;
mod output_limits;
mod people;
mod plain;
mod project_models;
mod receipts;
mod recharges;
mod refusals;
mod responses;
mod restricted_keys;
mod rush;
mod shorter;
mod streams;
mod suspension;
mod terms;
mod upstreams;
mod world;
