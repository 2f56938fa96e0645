//! `/api/operator`: what whoever runs this installation sees and changes of all of it.
//!
//! Operators are people, apart from every organization: none of what they are allowed as members
//! counts here, and nothing of this makes them a member. A handler that takes a
//! [`caller::Operator`] cannot be reached by anybody else, and changes things only through
//! [`change`], which tells the operators' own log.

mod audit_logs;
mod caller;
mod change;
mod models;
mod price_previews;
mod prices;
mod upstreams;
mod users;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::Control;

/// The routes of operators.
pub(crate) fn routes() -> OpenApiRouter<Control> {
    OpenApiRouter::new()
        .routes(routes!(audit_logs::list))
        .routes(routes!(models::list))
        .routes(routes!(models::retrieve, models::update))
        .routes(routes!(prices::list, prices::create))
        .routes(routes!(prices::retrieve, prices::withdraw))
        .routes(routes!(price_previews::preview))
        .routes(routes!(upstreams::list))
        .routes(routes!(upstreams::retrieve))
        .routes(routes!(upstreams::check))
        .routes(routes!(users::sign_out))
}
