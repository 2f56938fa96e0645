//! The real binary: its commands, its description, and its end by force.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod commands;
mod crash;
mod openapi;
mod place;
