//! `/api/operator`: what whoever runs this installation sees and changes of all of it.
//!
//! Operators are people, apart from every organization: none of what they are allowed as members
//! counts here, and nothing of this makes them a member. A handler that takes a
//! [`caller::Operator`] cannot be reached by anybody else, and changes things only through
//! [`change`], which tells the operators' own log.

mod audit_logs;
mod call_key;
pub(crate) mod caller;
pub(crate) mod change;
mod code_batches;
mod credits;
mod filter;
mod jobs;
mod ledger;
mod margins;
mod markup_previews;
mod markups;
mod models;
pub(crate) mod organizations;
mod overdrafts;
mod payments;
mod price_previews;
mod prices;
mod proving;
mod reconciliations;
mod settings;
mod signup_policy;
mod upstream_costs;
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
        .routes(routes!(markups::list, markups::create))
        .routes(routes!(markups::end))
        .routes(routes!(markup_previews::preview))
        .routes(routes!(margins::list))
        .routes(routes!(upstream_costs::list))
        .routes(routes!(upstream_costs::import))
        .routes(routes!(upstream_costs::drifts))
        .routes(routes!(upstreams::list))
        .routes(routes!(upstreams::retrieve))
        .routes(routes!(upstreams::check))
        .routes(routes!(organizations::list))
        .routes(routes!(organizations::retrieve))
        .routes(routes!(organizations::suspend))
        .routes(routes!(organizations::resume))
        .routes(routes!(credits::grant))
        .routes(routes!(credits::take_back))
        .routes(routes!(overdrafts::retrieve, overdrafts::set))
        .routes(routes!(payments::list))
        .routes(routes!(payments::retrieve))
        .routes(routes!(payments::give_back))
        .routes(routes!(payments::list_unmatched))
        .routes(routes!(payments::resolve))
        .routes(routes!(code_batches::list, code_batches::create))
        .routes(routes!(code_batches::retrieve))
        .routes(routes!(code_batches::disable))
        .routes(routes!(code_batches::uses))
        .routes(routes!(jobs::list))
        .routes(routes!(jobs::retrieve, jobs::discard))
        .routes(routes!(jobs::retry))
        .routes(routes!(jobs::count))
        .routes(routes!(reconciliations::list, reconciliations::begin))
        .routes(routes!(reconciliations::show))
        .routes(routes!(ledger::retrieve))
        .routes(routes!(ledger::list, ledger::verify))
        .routes(routes!(ledger::show))
        .routes(routes!(
            signup_policy::retrieve,
            signup_policy::update,
            signup_policy::reset
        ))
        .routes(routes!(settings::retrieve))
        .routes(routes!(users::list))
        .routes(routes!(users::retrieve))
        .routes(routes!(users::lock))
        .routes(routes!(users::unlock))
        .routes(routes!(users::sign_out))
        .routes(routes!(users::set_email))
        .routes(routes!(users::reset_factors))
        .routes(routes!(users::make_operator, users::unmake_operator))
}
