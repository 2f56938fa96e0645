//! The Administration API over HTTP, on both databases.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod agreement;
mod hostile;
mod key_lists;
mod keys;
mod projects;
mod reports;
mod world;
