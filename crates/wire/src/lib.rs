//! The protocols Farebox speaks: OpenAI's requests, answers, streams and error envelope.
//!
//! Everything here is a pure function of bytes: no I/O, clock or randomness, so ids and times are
//! passed in. Bodies are never built into trees. Fields that Farebox does not know pass through
//! byte for byte, and an upstream's data can at worst be called malformed, never cause a panic.

pub mod answer;
pub mod authorization;
pub mod chunk;
pub mod cut;
pub mod error;
mod finish;
mod json;
pub mod models;
mod produced;
pub mod request;
pub mod responses;
pub mod sse;
pub mod usage;
