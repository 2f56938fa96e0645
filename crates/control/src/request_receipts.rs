//! `/api/receipts/{request_id}`: what a request cost and why, for people. The data plane shows it
//! to keys.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use domain::id::RequestId;
use store::request_receipts::{self, Found};
use utoipa::ToSchema;

use crate::Control;
use crate::authenticate::Admin;
use crate::path::Ids;
use crate::respond::{Outcome, Refusal, answer};

/// What a request cost, and why.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "describes what the store puts together")]
pub(crate) struct RequestReceipt {
    /// The request: its answer's `x-request-id`.
    #[schema(example = "req_019b77a1c2f07d3e9a6b1c2d3e4f5a6b")]
    id: String,
    #[schema(example = "request.receipt")]
    object: String,
    organization_id: String,
    project_id: String,
    /// The key that it was made with.
    api_key_id: String,
    #[schema(example = "gpt-4o-mini")]
    model: String,
    /// `chat`, `responses`, `completions` or `embeddings`.
    #[schema(example = "chat")]
    endpoint: String,
    /// The operator's name of the server that answered; `unknown` if the process that asked it
    /// died.
    #[schema(example = "vllm")]
    upstream: String,
    #[schema(example = 1_798_761_600)]
    admitted_at: i64,
    #[schema(example = 1_798_761_602)]
    ended_at: i64,
    #[schema(example = 1_480)]
    duration_ms: i64,
    price: ReceiptPrice,
    /// Each class that something was used of.
    classes: Vec<ReceiptClass>,
    /// The sum of the classes, exact.
    #[schema(example = "0.00000286875")]
    subtotal_usd: String,
    /// What rounding the sum up to a nano-dollar adds.
    #[schema(example = "0.00000000025")]
    rounding_usd: String,
    /// What of it the hold did not pay for: the operator's, and not charged.
    #[schema(example = "0.00")]
    overrun_usd: String,
    /// What was charged: subtotal and rounding, without the overrun.
    #[schema(example = "0.000002869")]
    cost_usd: String,
    /// What was held for the request at its end; what it did not cost was free again.
    #[schema(example = "0.0042")]
    held_usd: String,
    /// What the organization had once this was charged, and before anything was booked after it;
    /// null if nothing was charged.
    #[schema(example = "4.999997131")]
    balance_after_usd: Option<String>,
    /// What else happened.
    flags: Vec<ReceiptFlag>,
    integrity: ReceiptIntegrity,
}

/// The price that was pinned when a request was admitted.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "describes what the store puts together")]
pub(crate) struct ReceiptPrice {
    /// The entry of the price book.
    #[schema(example = "price_7YkQ2nV0bX4cR9sLwA3eTz1M")]
    id: String,
    /// When it came into force.
    #[schema(example = 1_798_675_200)]
    effective_at: i64,
    /// What was on it for this organization: hundredths of a per cent.
    #[schema(example = 1_250)]
    markup_basis_points: i64,
}

/// What a request used of one class.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "describes what the store puts together")]
pub(crate) struct ReceiptClass {
    /// Named as in prices: `input`, `cached_input`, `output` and so on; `request` is the request
    /// itself.
    #[schema(example = "input")]
    class: String,
    #[schema(example = 9)]
    units: u64,
    /// For a million units, with the markup.
    #[schema(example = "0.16875")]
    unit_price_usd: String,
    /// Units times price, exact.
    #[schema(example = "0.00000151875")]
    amount_usd: String,
}

/// What happened to a request.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "describes what the store puts together")]
pub(crate) struct ReceiptFlag {
    /// `estimated`, `overrun`, `orphan`, `disconnected`, `broken_off` or `cut_off`.
    #[schema(example = "estimated")]
    flag: String,
    /// The same in a sentence.
    #[schema(
        example = "Tokens were counted here, at least in part: the model's server did not tell."
    )]
    meaning: String,
}

/// Where the usage record is in the chains of batches, so that an auditor can check it.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "describes what the store puts together")]
pub(crate) struct ReceiptIntegrity {
    #[schema(example = "node:main")]
    chain: String,
    /// The batch's number in the chain.
    #[schema(example = 7)]
    batch: i64,
    /// SHA-256 over the batch's rows and all before it.
    #[schema(example = "8740fa7c2c565aea438e5a41b6efbcaff1c058f4e926c76e1326a97448213077")]
    hash: String,
    /// The hash of the batch before it.
    #[schema(example = "f2b45298ba75b82333a7e416c5e06da3232ac42cd68beb848cc45db126912025")]
    previous_hash: String,
}

/// Retrieve the receipt of a request: what it used, at which prices, what it cost, what was left.
#[utoipa::path(
    get, path = "/api/receipts/{request_id}", tag = "Billing",
    operation_id = "retrieve_request_receipt",
    params(("request_id" = String, Path, description = "The answer's `x-request-id`")),
    responses((status = 200, body = RequestReceipt)), security(("admin_key" = []))
)]
pub(crate) async fn retrieve(
    State(control): State<Control>,
    Admin(admin): Admin,
    Ids([id]): Ids<1>,
) -> Response {
    let read = control.store.read(move |tx| -> Outcome<_> {
        let none = || Refusal::NotFound {
            what: "receipt of a request",
            id: id.clone(),
        };
        let request = RequestId::parse(&id).ok_or_else(none)?;
        match request_receipts::find(tx, &admin.organization, request)? {
            Found::Receipt(receipt) => Ok(receipt.to_json()),
            Found::Running { .. } => Err(Refusal::StillRunning { id }),
            Found::Nothing => Err(none()),
        }
    });
    answer(&control, read.await.map(Json))
}
