//! The data plane against scripted upstreams, on both databases.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod limits;
mod plain;
mod refusals;
mod responses;
mod streams;
mod upstreams;
mod world;
