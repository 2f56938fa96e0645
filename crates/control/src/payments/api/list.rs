//! `/api/billing/payments`: what an organization paid, or is about to.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use domain::id::{OrganizationId, PaymentId};
use serde::Serialize;
use store::Tx;
use store::page::Place;
use store::payments::{self, Filter, Payment, Refund};
use utoipa::ToSchema;

use crate::Control;
use crate::authenticate::Admin;
use crate::next_list::{NextList, NextPage, Placed};
use crate::path::Ids;
use crate::respond::{Outcome, Refusal, answer};

/// A payment.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct BillingPayment {
    #[schema(example = "pay_7YkQ2nV0bX4cR9sLwA3eTz1M")]
    id: String,
    #[schema(value_type = String, example = "billing.payment")]
    object: &'static str,
    /// `checkout` (paid on a page), `setup` (a card is saved) or `recharge` (bought by itself).
    #[schema(value_type = String, example = "checkout")]
    kind: &'static str,
    /// `open`, `processing`, `succeeded`, `failed`, `cancelled`, `expired`, and of what was paid
    /// `partly_refunded`, `refunded`, `disputed` or `charged_back`.
    #[schema(value_type = String, example = "succeeded")]
    status: &'static str,
    /// The credit that it buys.
    #[schema(example = "25.00")]
    amount_usd: String,
    /// The tax on top of it.
    #[schema(example = "4.75")]
    tax_usd: String,
    /// The rate of that tax, in per cent.
    #[schema(example = "19")]
    tax_percent: String,
    /// What the card is charged.
    #[schema(example = "29.75")]
    total_usd: String,
    #[schema(example = "usd")]
    currency: String,
    /// Who takes the money: `stripe` or `test`.
    #[schema(example = "stripe")]
    provider: String,
    /// Where to send the customer to pay, or to prove to the bank who they are; null if there is
    /// nothing to be done.
    #[schema(example = "https://checkout.stripe.com/c/pay/cs_a1b2c3")]
    url: Option<String>,
    /// The card, once it is known.
    card: Option<BillingCard>,
    /// Why the last attempt failed, if it did and none succeeded after it.
    failure: Option<BillingFailure>,
    /// How much of the credit went back.
    #[schema(example = "0.00")]
    refunded_usd: String,
    /// Who ordered it; null if it was bought by itself.
    #[schema(example = "user-7YkQ2nV0bX4cR9sLwA3eTz1M")]
    created_by: Option<String>,
    created_at: i64,
    /// Until when it can be paid.
    expires_at: Option<i64>,
    /// When it was over.
    ended_at: Option<i64>,
}

/// What is shown of a card.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct BillingCard {
    #[schema(example = "visa")]
    pub(crate) brand: String,
    /// The last four digits of its number.
    #[schema(example = "4242")]
    pub(crate) last4: String,
}

/// Why an attempt to pay failed.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct BillingFailure {
    /// The provider's word for it.
    #[schema(example = "insufficient_funds")]
    code: String,
    /// The same, for people.
    #[schema(example = "Your card has insufficient funds.")]
    message: String,
}

/// A payment, with what of it went back.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct BillingPaymentDetail {
    #[serde(flatten)]
    payment: BillingPayment,
    refunds: Vec<BillingRefund>,
}

/// Money that went back, or is about to.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct BillingRefund {
    #[schema(example = "refund_7YkQ2nV0bX4cR9sLwA3eTz1M")]
    id: String,
    #[schema(value_type = String, example = "billing.refund")]
    object: &'static str,
    #[schema(example = "pay_7YkQ2nV0bX4cR9sLwA3eTz1M")]
    payment_id: String,
    /// `pending`, `succeeded`, or `failed` (the credit is the organization's again).
    #[schema(value_type = String, example = "succeeded")]
    status: &'static str,
    /// The credit that went back.
    #[schema(example = "25.00")]
    amount_usd: String,
    /// The tax that went back with it.
    #[schema(example = "4.75")]
    tax_usd: String,
    #[schema(example = "Ordered twice")]
    reason: String,
    /// Why it failed.
    #[schema(example = "expired_or_canceled_card")]
    failure: Option<String>,
    created_at: i64,
    ended_at: Option<i64>,
}

impl From<Payment> for BillingPayment {
    fn from(payment: Payment) -> Self {
        BillingPayment {
            id: payment.id.to_string(),
            object: "billing.payment",
            kind: payment.kind.as_str(),
            status: payment.status().as_str(),
            amount_usd: payment.amount.to_usd(),
            tax_usd: payment.tax.to_usd(),
            tax_percent: payment.tax_rate.to_string(),
            total_usd: payment.gross().to_usd(),
            currency: payment.currency,
            provider: payment.provider,
            url: payment.url,
            card: payment.card.map(|card| BillingCard {
                brand: card.brand,
                last4: card.last4,
            }),
            failure: payment.failure.map(|failure| BillingFailure {
                code: failure.code,
                message: failure.message,
            }),
            refunded_usd: payment.refunded.credit.to_usd(),
            created_by: payment.user.map(|user| user.to_string()),
            created_at: payment.created_at.seconds(),
            expires_at: payment.expires_at.map(|at| at.seconds()),
            ended_at: payment.ended_at.map(|at| at.seconds()),
        }
    }
}

impl From<Refund> for BillingRefund {
    fn from(refund: Refund) -> Self {
        BillingRefund {
            id: refund.id.to_string(),
            object: "billing.refund",
            payment_id: refund.payment.to_string(),
            status: refund.state.as_str(),
            amount_usd: refund.amount.to_usd(),
            tax_usd: refund.tax.to_usd(),
            reason: refund.reason,
            failure: refund.failure,
            created_at: refund.created_at.seconds(),
            ended_at: refund.ended_at.map(|at| at.seconds()),
        }
    }
}

impl BillingPaymentDetail {
    pub(crate) fn of(tx: &mut Tx<'_>, payment: Payment) -> Outcome<Self> {
        let refunds = payments::refunds_of(tx, &payment.id)?;
        Ok(BillingPaymentDetail {
            payment: payment.into(),
            refunds: refunds.into_iter().map(BillingRefund::from).collect(),
        })
    }
}

impl Placed for Payment {
    fn place(&self) -> Place {
        Payment::place(self)
    }
}

/// A payment of an organization.
pub(super) fn find(tx: &mut Tx<'_>, organization: &OrganizationId, id: &str) -> Outcome<Payment> {
    let found = payments::of(tx, organization, &PaymentId::new(id))?;
    found.ok_or_else(|| Refusal::NotFound {
        what: "payment",
        id: id.to_owned(),
    })
}

/// List payments: what was paid, what is under way, and what was not paid after all.
#[utoipa::path(
    get, path = "/api/billing/payments", tag = "Billing", operation_id = "list_payments",
    params(NextPage<20, 100>),
    responses((status = 200, body = NextList<BillingPayment>)), security(("admin_key" = []))
)]
pub(crate) async fn list(
    State(control): State<Control>,
    Admin(admin): Admin,
    page: NextPage<20, 100>,
) -> Response {
    let list = page.list::<BillingPayment, Payment>(&control, move |tx, page| {
        let of = &admin.organization;
        let part = page.part(|id| {
            let found = payments::of(tx, of, &PaymentId::new(id))?;
            Ok(found.map(|payment| payment.place()))
        })?;
        let filter = Filter {
            organization: Some(of.clone()),
            state: None,
        };
        Ok(payments::list(tx, &filter, &part)?)
    });
    answer(&control, list.await)
}

/// Retrieve a payment, with what of it went back.
#[utoipa::path(
    get, path = "/api/billing/payments/{payment_id}", tag = "Billing",
    operation_id = "retrieve_payment",
    params(("payment_id" = String, Path, description = "The payment")),
    responses((status = 200, body = BillingPaymentDetail)), security(("admin_key" = []))
)]
pub(crate) async fn retrieve(
    State(control): State<Control>,
    Admin(admin): Admin,
    Ids([id]): Ids<1>,
) -> Response {
    let read = control.store.read(move |tx| -> Outcome<_> {
        let payment = find(tx, &admin.organization, &id)?;
        BillingPaymentDetail::of(tx, payment).map(Json)
    });
    answer(&control, read.await)
}
