//! `/api/billing/movements`: what moved on an organization's wallet. Operators see any
//! organization's.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use domain::id::OrganizationId;
use domain::ledger::TransferCode;
use serde::Serialize;
use store::movements::{self, Filter, KINDS, Movement};
use store::page::Place;
use utoipa::ToSchema;

use crate::Control;
use crate::authenticate::Admin;
use crate::next_list::{NextList, NextPage, Placed};
use crate::operator::caller::Operator;
use crate::operator::organizations::find;
use crate::path::Ids;
use crate::query::{self, Query};
use crate::respond::{Outcome, answer};

/// What moved on a wallet.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct BillingMovement {
    /// Its id in the books; of a day's usage, `usage:` and the day's first second.
    #[schema(example = "operator:invoice-2026-11")]
    id: String,
    #[schema(value_type = String, example = "billing.movement")]
    object: &'static str,
    /// `usage` (the requests of a day), `purchase`, `grant`, `redeemed`, `expiry`, `refund`,
    /// `refund_failed`, `dispute`, `dispute_won`, `adjustment`, `overdraft` or `overdraft_ended`.
    #[schema(example = "grant")]
    kind: String,
    /// What it added; below 0 if it took.
    #[schema(example = "25.00")]
    amount_usd: String,
    /// Why, as a person put it; null for usage.
    #[schema(example = "Invoice 7")]
    reason: Option<String>,
    /// How many requests it sums up; null if it is none of usage.
    request_count: Option<u64>,
    /// What the wallet had with it, the credit line included; null for usage, between whose
    /// requests other things may have moved.
    #[schema(example = "120.99")]
    balance_after_usd: Option<String>,
    /// When; of a day's usage, when the day began, UTC.
    created_at: i64,
}

impl From<Movement> for BillingMovement {
    fn from(movement: Movement) -> Self {
        BillingMovement {
            id: movement.id,
            object: "billing.movement",
            kind: movement.kind,
            amount_usd: movement.amount.to_usd(),
            reason: Some(movement.reason).filter(|reason| !reason.is_empty()),
            request_count: movement.requests,
            balance_after_usd: movement.balance_after.map(|it| it.to_usd()),
            created_at: movement.at.seconds(),
        }
    }
}

impl Placed for Movement {
    fn place(&self) -> Place {
        Movement::place(self)
    }
}

type MovementPage = NextPage<20, 100>;

fn filter(query: &Query) -> Outcome<Filter> {
    let kind = |word: &String| -> Outcome<TransferCode> {
        let known = KINDS.into_iter().find(|kind| kind.as_str() == word);
        known.ok_or_else(|| {
            let words: Vec<&str> = KINDS.iter().map(|kind| kind.as_str()).collect();
            let message = format!("Invalid 'kind': '{word}'. Expected {}.", words.join(", "));
            query::invalid("kind", message)
        })
    };
    Ok(Filter {
        kinds: query.all("kind").iter().map(kind).collect::<Outcome<_>>()?,
        from: query.instant("start_time")?,
        to: query.instant("end_time")?,
    })
}

async fn page_of(
    control: &Control,
    page: MovementPage,
    query: &Query,
    organization: impl FnOnce(&mut store::Tx<'_>) -> Outcome<OrganizationId> + Send + 'static,
) -> Outcome<Json<NextList<BillingMovement>>> {
    let filter = filter(query)?;
    let list = page.list(control, move |tx, page| {
        let organization = organization(tx)?;
        let part = page.part(|id| movements::place(tx, &organization, id))?;
        Ok(movements::list(tx, &organization, &filter, &part)?)
    });
    list.await
}

/// List what moved on the wallet: every movement, and what requests cost as one line a day.
#[utoipa::path(
    get, path = "/api/billing/movements", tag = "Billing", operation_id = "list_movements",
    params(
        ("kind" = Option<String>, Query, description = "Only those of this kind; may be repeated"),
        ("start_time" = Option<i64>, Query, minimum = 0, maximum = 253_402_300_799_i64,
            description = "Only those from this second on"),
        ("end_time" = Option<i64>, Query, minimum = 0, maximum = 253_402_300_799_i64,
            description = "Only those before this second"),
        NextPage::<20, 100>,
    ),
    responses((status = 200, body = NextList<BillingMovement>)), security(("admin_key" = []))
)]
pub(crate) async fn list(
    State(control): State<Control>,
    Admin(admin): Admin,
    query: Query,
    page: MovementPage,
) -> Response {
    let own = move |_: &mut store::Tx<'_>| Ok(admin.organization);
    answer(&control, page_of(&control, page, &query, own).await)
}

/// List what moved on an organization's wallet, as the organization sees it.
#[utoipa::path(
    get, path = "/api/operator/organizations/{organization_id}/movements", tag = "Operator",
    operation_id = "list_organization_movements",
    params(
        ("organization_id" = String, Path, description = "The organization"),
        ("kind" = Option<String>, Query, description = "Only those of this kind; may be repeated"),
        ("start_time" = Option<i64>, Query, minimum = 0, maximum = 253_402_300_799_i64,
            description = "Only those from this second on"),
        ("end_time" = Option<i64>, Query, minimum = 0, maximum = 253_402_300_799_i64,
            description = "Only those before this second"),
        NextPage::<20, 100>,
    ),
    responses((status = 200, body = NextList<BillingMovement>)), security(("session" = []))
)]
pub(crate) async fn list_of_organization(
    State(control): State<Control>,
    _: Operator,
    Ids([id]): Ids<1>,
    query: Query,
    page: MovementPage,
) -> Response {
    let named = move |tx: &mut store::Tx<'_>| find(tx, &id);
    answer(&control, page_of(&control, page, &query, named).await)
}
