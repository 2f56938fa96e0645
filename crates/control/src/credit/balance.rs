//! `/api/billing/balance`: what an organization has, and what that is made of.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use domain::credit::Lot;
use domain::time::AtUs;
use serde::Serialize;
use store::credits::{self, Standing};
use utoipa::ToSchema;

use crate::Control;
use crate::authenticate::Admin;
use crate::respond::{Outcome, answer};

/// What an organization has.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct BillingBalance {
    #[schema(value_type = String, example = "billing.balance")]
    object: &'static str,
    /// What was paid in or given, and not spent; below 0 if some of the credit line is spent.
    #[schema(example = "14.98")]
    balance_usd: String,
    /// What new requests may use: the balance and the credit line, without what is held.
    #[schema(example = "14.95")]
    available_usd: String,
    /// What is held for requests in flight, or set aside by servers for those to come.
    #[schema(example = "0.03")]
    held_usd: String,
    /// What is left of grants.
    #[schema(example = "4.98")]
    granted_usd: String,
    /// What is left of purchases.
    #[schema(example = "10.00")]
    purchased_usd: String,
    /// The credit line: what may be spent beyond what was paid in.
    #[schema(example = "0.00")]
    overdraft_usd: String,
    /// What of the credit line is spent.
    #[schema(example = "0.00")]
    overdraft_used_usd: String,
    /// What it is made of, in the order in which it is spent; the first 100.
    credits: Vec<BillingCredit>,
}

/// One grant, purchase or credit line, with what is left of it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct BillingCredit {
    /// The movement that it came by.
    #[schema(example = "operator:invoice-2026-11")]
    id: String,
    /// `grant`, `purchase` or `overdraft`.
    #[schema(value_type = String, example = "grant")]
    kind: &'static str,
    #[schema(example = "5.00")]
    amount_usd: String,
    #[schema(example = "4.98")]
    remaining_usd: String,
    created_at: i64,
    /// When what is left of it lapses; null if it does not.
    expires_at: Option<i64>,
}

/// The most lots that are shown.
const SHOWN: usize = 100;

impl From<Lot> for BillingCredit {
    fn from(lot: Lot) -> Self {
        BillingCredit {
            id: lot.id,
            kind: lot.kind.as_str(),
            amount_usd: lot.amount.to_usd(),
            remaining_usd: lot.remaining.to_usd(),
            created_at: lot.created_at.seconds(),
            expires_at: lot.expires_at.map(AtUs::seconds),
        }
    }
}

impl BillingBalance {
    fn of(standing: &Standing, lots: Vec<Lot>) -> Self {
        BillingBalance {
            object: "billing.balance",
            balance_usd: standing.balance.to_usd(),
            available_usd: standing.available.to_usd(),
            held_usd: standing.held.to_usd(),
            granted_usd: standing.granted.to_usd(),
            purchased_usd: standing.purchased.to_usd(),
            overdraft_usd: standing.overdraft.to_usd(),
            overdraft_used_usd: standing.overdraft_used.to_usd(),
            credits: lots
                .into_iter()
                .take(SHOWN)
                .map(BillingCredit::from)
                .collect(),
        }
    }
}

/// Retrieve the balance: what there is, what of it is held, and what it is made of.
#[utoipa::path(
    get, path = "/api/billing/balance", tag = "Billing", operation_id = "retrieve_balance",
    responses((status = 200, body = BillingBalance)), security(("admin_key" = []))
)]
pub(crate) async fn retrieve(State(control): State<Control>, Admin(admin): Admin) -> Response {
    let read = control.store.read(move |tx| -> Outcome<_> {
        let standing = credits::standing(tx, &admin.organization)?.unwrap_or_default();
        let lots = credits::lots(tx, &admin.organization)?.unwrap_or_default();
        Ok(BillingBalance::of(&standing, lots))
    });
    answer(&control, read.await.map(Json))
}
