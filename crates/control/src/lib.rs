//! The control plane: the Administration API in OpenAI's wire format.
//!
//! Every endpoint is a module; each handler authenticates through [`authenticate::Admin`], which
//! it cannot forget, and answers refusals through [`respond`]. Nothing here knows SQL, or that
//! there is a data plane: changes reach it through the store's change log.

mod authenticate;
mod body;
mod costs;
mod pagination;
mod path;
mod project_api_keys;
mod projects;
mod query;
pub mod respond;
mod routes;
mod service_accounts;
mod state;
mod usage;

pub use routes::router;
pub use state::Control;
