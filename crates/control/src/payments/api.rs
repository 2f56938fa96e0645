//! `/api/billing`: what people ask about paying, and order.

pub(crate) mod checkouts;
pub(crate) mod list;
pub(crate) mod methods;
pub(crate) mod options;
pub(crate) mod webhook;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::Control;

/// The routes of payments.
pub(crate) fn routes() -> OpenApiRouter<Control> {
    OpenApiRouter::new()
        .routes(routes!(options::retrieve))
        .routes(routes!(checkouts::create))
        .routes(routes!(checkouts::retrieve))
        .routes(routes!(checkouts::cancel))
        .routes(routes!(list::list))
        .routes(routes!(list::retrieve))
        .routes(routes!(methods::list, methods::create))
        .routes(routes!(methods::update, methods::delete))
        .routes(routes!(webhook::hear_of_stripe))
        .merge(super::test_provider::pages::routes().into())
}
