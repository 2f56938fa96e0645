//! Auto-recharge: wallets that run low are filled up by charging the card that their owners saved.

mod low_wallets;
mod settings;
mod worker;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::Control;

pub use low_wallets::LowWallets;
pub use worker::Recharger;

/// What people ask of it.
pub(crate) fn routes() -> OpenApiRouter<Control> {
    OpenApiRouter::new()
        .routes(routes!(settings::retrieve, settings::update))
        .routes(routes!(settings::list))
}
