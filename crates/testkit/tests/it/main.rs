//! The test kit's own tests: what every other test relies on must hold by itself.

#![expect(
    clippy::disallowed_methods,
    reason = "a test tells its own copy what to do by a variable"
)]

mod databases;
mod http;
mod process;
mod replies;
mod upstream;
