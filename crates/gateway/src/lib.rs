//! The data plane: one request in, one upstream call out, money settled.
//!
//! [`pipeline`] alone knows the order of the steps; every other module is one of them. A request
//! whose hold is taken runs in a task of its own that nobody cancels: it sees a client leave, and
//! settles what was produced. Nothing here knows SQL, or that there is a control plane.

mod admission;
mod authenticate;
mod bodies;
mod body;
pub mod catalog;
mod count;
mod directory;
mod ending;
mod endpoints;
mod fallback;
mod follow;
mod headers;
mod idempotency;
mod in_place;
mod log;
mod meter;
mod metrics;
mod pipeline;
mod plain;
mod project_models;
mod receipts;
mod refusal;
mod relay;
pub mod respond;
mod routes;
mod size;
mod state;
mod stream;
mod suspended;
mod terms;
mod upkeep;
mod upstream;

pub use admission::LowCredit;
pub use catalog::{BaseUrl, Catalog, Deployment, Model, OnDisconnect, ResponsesMode, UpstreamSpec};
pub use count::Tokenizer;
pub use fallback::with_unknown;
pub use routes::router;
pub use state::{Gateway, NotWithheld, Settings};
pub use upstream::{Check, CheckOutcome, Upstream, UpstreamHealth};
