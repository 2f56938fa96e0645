//! `/api/operator/payments`: every payment, what goes back, and money that matches no order.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use domain::id::{OrganizationId, PaymentId, UnmatchedPaymentId};
use domain::money::Nusd;
use domain::payment::PaymentState;
use serde::Serialize;
use serde_json::json;
use store::audit::{Event, Kind};
use store::page::Place;
use store::payments::{self, Filter, Payment, Unmatched};
use utoipa::ToSchema;

use super::call_key::call_key;
use super::caller::Operator;
use super::change::Acted;
use super::filter::either;
use crate::Control;
use crate::body::Fields;
use crate::next_list::{NextList, NextPage, Placed};
use crate::path::Ids;
use crate::payments::api::list::{BillingPayment, BillingPaymentDetail, BillingRefund};
use crate::payments::refunding::{Wanted, found, refund};
use crate::query::{Query, invalid};
use crate::respond::{Outcome, Refusal, answer};

/// A payment, as operators see it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OperatorPayment {
    #[schema(example = "org-7YkQ2nV0bX4cR9sLwA3eTz1M")]
    organization_id: String,
    /// What the provider calls the charge.
    #[schema(example = "pi_3MtwBwLkdIwHu7ix28a3tqPa")]
    charge: Option<String>,
    #[serde(flatten)]
    payment: BillingPayment,
}

/// A payment, with what of it went back, as operators see it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OperatorPaymentDetail {
    #[schema(example = "org-7YkQ2nV0bX4cR9sLwA3eTz1M")]
    organization_id: String,
    /// What the provider calls the charge.
    #[schema(example = "pi_3MtwBwLkdIwHu7ix28a3tqPa")]
    charge: Option<String>,
    #[serde(flatten)]
    detail: BillingPaymentDetail,
}

/// Money to be given back.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "it describes a body that is read by hand")]
pub(crate) struct NewPaymentRefund {
    /// How much of the credit, in whole cents; left out, all that can go back. Its tax goes with
    /// it.
    #[schema(value_type = Option<String>, example = "25.00")]
    amount_usd: Option<Nusd>,
    /// One line, which the organization's audit log tells too.
    #[schema(example = "Ordered twice")]
    reason: String,
    /// Yours for this call: made again with the same key, it gives nothing more. Visible ASCII.
    #[schema(example = "ticket-4711", max_length = 100)]
    key: String,
}

/// Money that a provider took, or says it did, and that matches no order: nothing was credited.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct UnmatchedPayment {
    #[schema(example = "unmatched_7YkQ2nV0bX4cR9sLwA3eTz1M")]
    id: String,
    #[schema(value_type = String, example = "operator.unmatched_payment")]
    object: &'static str,
    #[schema(example = "stripe")]
    provider: String,
    /// What the provider calls it.
    #[schema(example = "pi_3MtwBwLkdIwHu7ix28a3tqPa")]
    charge: String,
    /// `no_order`, `buys_nothing`, `other_provider`, `other_checkout`, `other_currency`,
    /// `other_amount`, `other_order`, `paid_twice` or `too_much`.
    #[schema(example = "other_amount")]
    problem: String,
    /// The order that it is said to be for.
    #[schema(example = "pay_7YkQ2nV0bX4cR9sLwA3eTz1M")]
    payment_id: Option<String>,
    /// How much, tax included, in units of the currency.
    #[schema(example = "25.00")]
    amount: String,
    #[schema(example = "usd")]
    currency: String,
    seen_at: i64,
    /// What became of it; null until an operator says so.
    #[schema(example = "Given back at the provider")]
    resolution: Option<String>,
    resolved_at: Option<i64>,
}

/// What became of money that matches no order.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "it describes a body that is read by hand")]
pub(crate) struct UnmatchedResolution {
    /// One line.
    #[schema(example = "Given back at the provider")]
    resolution: String,
}

impl From<Payment> for OperatorPayment {
    fn from(payment: Payment) -> Self {
        OperatorPayment {
            organization_id: payment.organization.to_string(),
            charge: payment.charge.clone(),
            payment: payment.into(),
        }
    }
}

impl From<Unmatched> for UnmatchedPayment {
    fn from(unmatched: Unmatched) -> Self {
        let (resolved_at, resolution) = unmatched.resolution.unzip();
        UnmatchedPayment {
            id: unmatched.id.to_string(),
            object: "operator.unmatched_payment",
            provider: unmatched.provider,
            charge: unmatched.charge,
            problem: unmatched.problem,
            payment_id: unmatched.payment.map(|id| id.to_string()),
            amount: unmatched.amount.to_usd(),
            currency: unmatched.currency,
            seen_at: unmatched.seen_at.seconds(),
            resolution,
            resolved_at: resolved_at.map(|at| at.seconds()),
        }
    }
}

impl Placed for Unmatched {
    fn place(&self) -> Place {
        Unmatched::place(self)
    }
}

/// List the payments of all organizations.
#[utoipa::path(
    get, path = "/api/operator/payments", tag = "Operator", operation_id = "list_all_payments",
    params(
        NextPage<50, 100>,
        ("organization_id" = Option<String>, Query, description = "Only this organization's"),
        ("state" = Option<String>, Query,
         description = "Only `open`, `processing`, `succeeded`, `failed`, `cancelled` or `expired`"),
    ),
    responses((status = 200, body = NextList<OperatorPayment>)), security(("session" = []))
)]
pub(crate) async fn list(
    State(control): State<Control>,
    _: Operator,
    page: NextPage<50, 100>,
    query: Query,
) -> Response {
    let outcome = async {
        let organization = query.one("organization_id").filter(|id| !id.is_empty());
        let filter = Filter {
            organization: organization.map(OrganizationId::new),
            state: state(&query)?,
        };
        let list = page.list::<OperatorPayment, Payment>(&control, move |tx, page| {
            let part = page.part(|id| {
                let found = payments::get(tx, &PaymentId::new(id))?;
                Ok(found.map(|payment| payment.place()))
            })?;
            Ok(payments::list(tx, &filter, &part)?)
        });
        list.await
    };
    answer(&control, outcome.await)
}

fn state(query: &Query) -> Outcome<Option<PaymentState>> {
    let Some(given) = query.one("state").filter(|state| !state.is_empty()) else {
        return Ok(None);
    };
    let words = PaymentState::ALL.map(|state| format!("'{}'", state.as_str()));
    let known = PaymentState::from_word(given);
    known.map(Some).ok_or_else(|| {
        let words = words.join(" or ");
        invalid("state", format!("Invalid 'state': expected {words}."))
    })
}

/// Retrieve a payment of any organization, with what of it went back.
#[utoipa::path(
    get, path = "/api/operator/payments/{payment_id}", tag = "Operator",
    operation_id = "retrieve_any_payment",
    params(("payment_id" = String, Path, description = "The payment")),
    responses((status = 200, body = OperatorPaymentDetail)), security(("session" = []))
)]
pub(crate) async fn retrieve(
    State(control): State<Control>,
    _: Operator,
    Ids([id]): Ids<1>,
) -> Response {
    let read = control.store.read(move |tx| -> Outcome<_> {
        let payment = found(tx, &PaymentId::new(&id))?;
        Ok(Json(OperatorPaymentDetail {
            organization_id: payment.organization.to_string(),
            charge: payment.charge.clone(),
            detail: BillingPaymentDetail::of(tx, payment)?,
        }))
    });
    answer(&control, read.await)
}

/// Give a payment back, or a part of it: the credit must be there, neither spent nor held.
#[utoipa::path(
    post, path = "/api/operator/payments/{payment_id}/refunds", tag = "Operator",
    operation_id = "refund_payment",
    params(("payment_id" = String, Path, description = "The payment")),
    request_body = NewPaymentRefund,
    responses((status = 200, body = BillingRefund)), security(("session" = []))
)]
pub(crate) async fn give_back(
    State(control): State<Control>,
    operator: Operator,
    Ids([id]): Ids<1>,
    fields: Fields,
) -> Response {
    let outcome = async {
        let wanted = wanted(&id, &fields)?;
        let refund = refund(&control, operator, wanted).await?;
        Ok(Json(BillingRefund::from(refund)))
    };
    answer(&control, outcome.await)
}

fn wanted(id: &str, fields: &Fields) -> Outcome<Wanted> {
    let amount = fields.usd("amount_usd")?;
    if amount.is_some_and(|it| it == Nusd::ZERO || it.whole_cents().is_none()) {
        let problem = "it must be above 0, in whole cents";
        return Err(fields.invalid("amount_usd", problem));
    }
    Ok(Wanted {
        payment: PaymentId::new(id),
        amount,
        key: call_key(fields)?,
        reason: fields.required("reason", fields.name("reason")?)?,
    })
}

/// List money that a provider took and that matches no order.
#[utoipa::path(
    get, path = "/api/operator/unmatched_payments", tag = "Operator",
    operation_id = "list_unmatched_payments",
    params(
        NextPage<50, 100>,
        ("show" = Option<String>, Query,
         description = "`unresolved` (the usual), or `all`"),
    ),
    responses((status = 200, body = NextList<UnmatchedPayment>)), security(("session" = []))
)]
pub(crate) async fn list_unmatched(
    State(control): State<Control>,
    _: Operator,
    page: NextPage<50, 100>,
    query: Query,
) -> Response {
    let outcome = async {
        let shows_all = either(&query, "show", ["unresolved", "all"])?.unwrap_or(false);
        let list = page.list::<UnmatchedPayment, Unmatched>(&control, move |tx, page| {
            let part = page.part(|id| {
                let found = payments::unmatched(tx, &UnmatchedPaymentId::new(id))?;
                Ok(found.map(|unmatched| unmatched.place()))
            })?;
            Ok(payments::list_unmatched(tx, !shows_all, &part)?)
        });
        list.await
    };
    answer(&control, outcome.await)
}

/// Say what became of money that matches no order.
#[utoipa::path(
    post, path = "/api/operator/unmatched_payments/{unmatched_payment_id}/resolve",
    tag = "Operator", operation_id = "resolve_unmatched_payment",
    params(("unmatched_payment_id" = String, Path, description = "The money")),
    request_body = UnmatchedResolution,
    responses((status = 200, body = UnmatchedPayment)), security(("session" = []))
)]
pub(crate) async fn resolve(
    State(control): State<Control>,
    operator: Operator,
    Ids([id]): Ids<1>,
    fields: Fields,
) -> Response {
    let outcome = async {
        let resolution = fields.required("resolution", fields.name("resolution")?)?;
        let change = control.operate(operator, move |tx, now| {
            let id = UnmatchedPaymentId::new(&id);
            let none = || Refusal::Nowhere {
                what: "unmatched payment",
                id: id.to_string(),
            };
            let known = payments::unmatched(tx, &id)?.ok_or_else(none)?;
            if known
                .resolution
                .as_ref()
                .is_some_and(|(_, it)| *it == resolution)
            {
                return Ok(Acted::nothing(UnmatchedPayment::from(known)));
            }
            payments::resolve(tx, &id, &resolution, now)?;
            let data = json!({"resolution": resolution, "charge": known.charge});
            let event = Event::new(Kind::PaymentUnmatchedResolved, &id).data(data);
            let known = payments::unmatched(tx, &id)?.ok_or_else(none)?;
            Ok(Acted::new(event, UnmatchedPayment::from(known)))
        });
        Ok(Json(change.await?))
    };
    answer(&control, outcome.await)
}
