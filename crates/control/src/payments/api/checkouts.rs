//! `/api/billing/checkouts`: credit is bought on a page of the provider.
//!
//! An order is made, the customer is sent to its address, pays there and comes back; whoever asks
//! for the order then is told how it is, as the provider is asked again. Credit comes by that or by
//! what the provider sends, whichever is first, and never because somebody came back.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use domain::idempotency::IdempotencyKey;
use domain::money::Nusd;
use http::HeaderMap;
use utoipa::ToSchema;

use super::list::{BillingPayment, find};
use crate::Control;
use crate::authenticate::Admin;
use crate::body::Fields;
use crate::path::Ids;
use crate::payments::orders::{Wish, begin, call_off, look};
use crate::payments::refusal::{PaymentRefusal, Trouble};
use crate::respond::{Outcome, answer};

/// Credit to be bought.
#[derive(Debug, ToSchema)]
pub(crate) struct NewBillingCheckout {
    /// The credit, a decimal number of US dollars in whole cents, within the bounds of the options.
    /// Tax comes on top.
    #[schema(value_type = String, example = "25.00")]
    amount_usd: Nusd,
    /// Whether the card is saved, so that credit can be bought with it while nobody is there.
    #[schema(value_type = Option<bool>, default = false)]
    save_method: bool,
}

impl NewBillingCheckout {
    fn read(control: &Control, fields: &Fields) -> Outcome<Self> {
        let amount = fields.required("amount_usd", fields.usd("amount_usd")?)?;
        let checked = control.payments.bounds.check(amount);
        checked.map_err(|problem| fields.invalid("amount_usd", &problem.to_string()))?;
        Ok(NewBillingCheckout {
            amount_usd: amount,
            save_method: fields.flag("save_method")?.unwrap_or(false),
        })
    }
}

/// The caller's own key for a call, as it is kept.
pub(super) fn request_key(headers: &HeaderMap) -> Outcome<Option<String>> {
    let Some(value) = headers.get("idempotency-key") else {
        return Ok(None);
    };
    let key = IdempotencyKey::parse(value.as_bytes()).ok_or(PaymentRefusal::BadKey)?;
    Ok(Some(key.to_hex()))
}

/// Begin to buy credit: answers the address of the page where it is paid. Made again with the same
/// `Idempotency-Key`, it is the same order.
#[utoipa::path(
    post, path = "/api/billing/checkouts", tag = "Billing", operation_id = "create_checkout",
    params(("Idempotency-Key" = Option<String>, Header, description = "Yours for this order",
            max_length = 255)),
    request_body = NewBillingCheckout,
    responses((status = 200, body = BillingPayment)), security(("admin_key" = []))
)]
pub(crate) async fn create(
    State(control): State<Control>,
    Admin(admin): Admin,
    headers: HeaderMap,
    fields: Fields,
) -> Response {
    let outcome = async {
        let new = NewBillingCheckout::read(&control, &fields)?;
        let wish = Wish::Credit {
            amount: new.amount_usd,
            saves_method: new.save_method,
        };
        let payment = begin(&control, admin, wish, request_key(&headers)?).await?;
        Ok(Json(BillingPayment::from(payment)))
    };
    answer(&control, outcome.await)
}

/// Retrieve an order. While it is under way, the provider is asked how it is.
#[utoipa::path(
    get, path = "/api/billing/checkouts/{checkout_id}", tag = "Billing",
    operation_id = "retrieve_checkout",
    params(("checkout_id" = String, Path, description = "The payment")),
    responses((status = 200, body = BillingPayment)), security(("admin_key" = []))
)]
pub(crate) async fn retrieve(
    State(control): State<Control>,
    Admin(admin): Admin,
    Ids([id]): Ids<1>,
) -> Response {
    let outcome = async {
        let organization = admin.organization;
        let read = control.store.read(move |tx| find(tx, &organization, &id));
        let payment = read.await?;
        let now = match look(&control, payment.clone()).await {
            Ok(now) => now,
            Err(Trouble::Store(error)) => return Err(error.into()),
            Err(Trouble::Provider(error)) => {
                let id = payment.id.as_str();
                tracing::warn!(id, %error, "a payment is shown as it was");
                payment
            }
        };
        Ok(Json(BillingPayment::from(now)))
    };
    answer(&control, outcome.await)
}

/// Call an order off that nobody paid yet.
#[utoipa::path(
    post, path = "/api/billing/checkouts/{checkout_id}/cancel", tag = "Billing",
    operation_id = "cancel_checkout",
    params(("checkout_id" = String, Path, description = "The payment")),
    responses((status = 200, body = BillingPayment)), security(("admin_key" = []))
)]
pub(crate) async fn cancel(
    State(control): State<Control>,
    Admin(admin): Admin,
    Ids([id]): Ids<1>,
) -> Response {
    let outcome = async {
        let organization = admin.organization.clone();
        let read = control.store.read(move |tx| find(tx, &organization, &id));
        let payment = read.await?;
        let payment = call_off(&control, admin, payment).await?;
        Ok(Json(BillingPayment::from(payment)))
    };
    answer(&control, outcome.await)
}
