//! `/api/billing/payment_methods`: saved cards.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use domain::id::{OrganizationId, PaymentMethodId};
use http::HeaderMap;
use serde::Serialize;
use serde_json::json;
use store::Tx;
use store::audit::{Event, Kind};
use store::payments::{self, Method};
use utoipa::ToSchema;

use super::checkouts::request_key;
use super::list::BillingPayment;
use crate::Control;
use crate::authenticate::Admin;
use crate::body::Fields;
use crate::change::Done;
use crate::pagination::{List, Listed};
use crate::path::Ids;
use crate::payments::orders::{Wish, begin};
use crate::respond::{Outcome, Refusal, answer};
use crate::service_accounts::Deleted;

/// A saved card.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct BillingMethod {
    #[schema(example = "card_7YkQ2nV0bX4cR9sLwA3eTz1M")]
    id: String,
    #[schema(value_type = String, example = "billing.payment_method")]
    object: &'static str,
    #[schema(example = "visa")]
    brand: String,
    #[schema(example = "4242")]
    last4: String,
    /// The month it ends with, from 1.
    #[schema(minimum = 1, maximum = 12, example = 12)]
    exp_month: u8,
    #[schema(example = 2034)]
    exp_year: u16,
    /// Whether credit is bought with it while nobody is there.
    is_default: bool,
    created_at: i64,
}

/// What is to become of a saved card.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "it describes a body that is read by hand")]
pub(crate) struct BillingMethodChanges {
    /// Only `true`: it becomes the default, in the place of another one.
    is_default: bool,
}

impl From<Method> for BillingMethod {
    fn from(method: Method) -> Self {
        BillingMethod {
            id: method.id.to_string(),
            object: "billing.payment_method",
            brand: method.saved.card.brand,
            last4: method.saved.card.last4,
            exp_month: method.saved.exp_month,
            exp_year: method.saved.exp_year,
            is_default: method.is_default,
            created_at: method.created_at.seconds(),
        }
    }
}

impl Listed for BillingMethod {
    fn id(&self) -> &str {
        &self.id
    }
}

fn find(tx: &mut Tx<'_>, organization: &OrganizationId, id: &str) -> Outcome<Method> {
    let found = payments::method(tx, organization, &PaymentMethodId::new(id))?;
    found.ok_or_else(|| Refusal::NotFound {
        what: "saved card",
        id: id.to_owned(),
    })
}

/// List saved cards, oldest first: all of them.
#[utoipa::path(
    get, path = "/api/billing/payment_methods", tag = "Billing",
    operation_id = "list_payment_methods",
    responses((status = 200, body = List<BillingMethod>)), security(("admin_key" = []))
)]
pub(crate) async fn list(State(control): State<Control>, Admin(admin): Admin) -> Response {
    let provider = control.payments.provider.as_ref().map(|it| it.name());
    let read = control.store.read(move |tx| -> Outcome<_> {
        let methods = match provider {
            Some(provider) => payments::methods(tx, &admin.organization, provider)?,
            None => Vec::new(),
        };
        let shown = methods.into_iter().map(BillingMethod::from).collect();
        Ok(Json(List::of(shown, false)))
    });
    answer(&control, read.await)
}

/// Begin to save a card: answers the address of the page where it is typed in.
#[utoipa::path(
    post, path = "/api/billing/payment_methods", tag = "Billing",
    operation_id = "create_payment_method",
    params(("Idempotency-Key" = Option<String>, Header, description = "Yours for this call",
            max_length = 255)),
    responses((status = 200, body = BillingPayment)), security(("admin_key" = []))
)]
pub(crate) async fn create(
    State(control): State<Control>,
    Admin(admin): Admin,
    headers: HeaderMap,
) -> Response {
    let outcome = async {
        let payment = begin(&control, admin, Wish::SavedCard, request_key(&headers)?).await?;
        Ok(Json(BillingPayment::from(payment)))
    };
    answer(&control, outcome.await)
}

/// Make a saved card the default.
#[utoipa::path(
    post, path = "/api/billing/payment_methods/{payment_method_id}", tag = "Billing",
    operation_id = "update_payment_method",
    params(("payment_method_id" = String, Path, description = "The card")),
    request_body = BillingMethodChanges,
    responses((status = 200, body = BillingMethod)), security(("admin_key" = []))
)]
pub(crate) async fn update(
    State(control): State<Control>,
    Admin(admin): Admin,
    Ids([id]): Ids<1>,
    fields: Fields,
) -> Response {
    let outcome = async {
        let is_default = fields.required("is_default", fields.flag("is_default")?)?;
        if !is_default {
            let problem = "make another card the default instead";
            return Err(fields.invalid("is_default", problem));
        }
        let change = control.change(admin, move |tx, organization, now| {
            let mut method = find(tx, organization, &id)?;
            if method.is_default {
                return Ok(Done::nothing(BillingMethod::from(method)));
            }
            payments::make_default(tx, &method, now)?;
            method.is_default = true;
            let event = Event::new(Kind::PaymentMethodUpdated, &method.id);
            let event = event.changes(json!({"is_default": true}));
            Ok(Done::new(event, BillingMethod::from(method)))
        });
        Ok(Json(change.await?))
    };
    answer(&control, outcome.await)
}

/// Remove a saved card: it is never charged again.
#[utoipa::path(
    delete, path = "/api/billing/payment_methods/{payment_method_id}", tag = "Billing",
    operation_id = "delete_payment_method",
    params(("payment_method_id" = String, Path, description = "The card")),
    responses((status = 200, body = Deleted)), security(("admin_key" = []))
)]
pub(crate) async fn delete(
    State(control): State<Control>,
    Admin(admin): Admin,
    Ids([id]): Ids<1>,
) -> Response {
    let outcome = async {
        let change = control.change(admin, move |tx, organization, now| {
            let method = find(tx, organization, &id)?;
            payments::remove_method(tx, &method, now)?;
            let event = Event::new(Kind::PaymentMethodRemoved, &method.id);
            Ok(Done::new(event, method))
        });
        let method = change.await?;
        // It is gone here whatever the provider says: nothing of ours charges it again.
        if let Some(provider) = control.payments.of(&method.saved.provider)
            && let Err(error) = provider.detach_method(&method.saved.reference).await
        {
            let card = method.id.as_str();
            tracing::warn!(card, %error, "the provider did not forget a card that was removed");
        }
        let object = "billing.payment_method.deleted";
        Ok(Json(Deleted::new(object, method.id.as_str())))
    };
    answer(&control, outcome.await)
}
