//! `/api/billing/options`: what can be bought, and how.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use domain::money::Nusd;
use serde::Serialize;
use utoipa::ToSchema;

use crate::Control;
use crate::authenticate::Admin;
use crate::payments::CURRENCY;
use crate::respond::answer;

/// Amounts that are offered at a click, in dollars: those of them that are within the bounds.
const PRESETS_USD: [i64; 6] = [5, 10, 25, 50, 100, 250];

/// What can be bought, and how.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct BillingOptions {
    #[schema(value_type = String, example = "billing.options")]
    object: &'static str,
    /// Whether anything can be bought: somebody takes money here.
    can_pay: bool,
    /// Who takes it: `stripe`, `test` (no money moves), or null.
    #[schema(value_type = Option<String>, example = "stripe")]
    provider: Option<&'static str>,
    /// What everything is paid in.
    #[schema(value_type = String, example = "usd")]
    currency: &'static str,
    /// The least credit that can be bought at once.
    #[schema(example = "5.00")]
    minimum_usd: String,
    /// The most.
    #[schema(example = "10000.00")]
    maximum_usd: String,
    /// Amounts to offer. Any other in whole cents within the bounds is taken too.
    #[schema(example = json!(["5.00", "10.00", "25.00"]))]
    presets_usd: Vec<String>,
    /// The tax that comes on top of the credit, in per cent; `0` if there is none.
    #[schema(example = "19")]
    tax_percent: String,
}

/// Show what can be bought: bounds, amounts to offer, and the tax on top.
#[utoipa::path(
    get, path = "/api/billing/options", tag = "Billing", operation_id = "retrieve_billing_options",
    responses((status = 200, body = BillingOptions)), security(("admin_key" = []))
)]
pub(crate) async fn retrieve(State(control): State<Control>, _: Admin) -> Response {
    let payments = &control.payments;
    let provider = payments.provider.as_ref();
    let presets = PRESETS_USD
        .iter()
        .filter_map(|usd| Nusd::from_cents(usd * 100));
    let presets = presets.filter(|amount| payments.bounds.check(*amount).is_ok());
    let options = BillingOptions {
        object: "billing.options",
        can_pay: provider.is_some(),
        provider: provider.map(|provider| provider.name()),
        currency: CURRENCY,
        minimum_usd: payments.bounds.minimum.to_usd(),
        maximum_usd: payments.bounds.maximum.to_usd(),
        presets_usd: presets.map(Nusd::to_usd).collect(),
        tax_percent: payments.tax_rate.to_string(),
    };
    answer(&control, Ok(Json(options)))
}
