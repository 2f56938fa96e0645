//! The server as its clients see it: over HTTP, with a model made for the purpose, and with the
//! real one.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod chat;
mod client;
mod completions;
mod embeddings;
mod load;
mod process;
mod queue;
mod real_model;
mod refusals;
mod synthetic;
