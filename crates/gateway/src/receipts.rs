//! `GET /v1/receipts/{request_id}`: what a request cost and why, for whoever paid for it.
//!
//! Also an organization that is suspended may look at what it was charged. The control plane shows
//! people the same.

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::request::Parts;
use axum::http::{Response, Uri};
use domain::access::Receipts;
use domain::id::{OrganizationId, RequestId};
use store::request_receipts::{self, Found};

use crate::headers::Stamp;
use crate::refusal::Refusal;
use crate::state::Gateway;
use crate::{authenticate, endpoints, respond};

/// Retrieve the receipt of a request: what it used, at which prices, what it cost, what was left.
///
/// A key sees the receipts of its own requests. One of somebody who may see the organization's
/// usage sees all of them, unless the key is restricted.
#[utoipa::path(
    get, path = "/v1/receipts/{request_id}", tag = "Models", operation_id = "retrieve_receipt",
    params(("request_id" = String, Path, description = "The answer's `x-request-id`",
        max_length = 64)),
    responses((status = 200, description = "The receipt", body = Object, example = json!({
        "id": "req_019b77a1c2f07d3e9a6b1c2d3e4f5a6b", "object": "request.receipt",
        "organization_id": "org-7YkQ2nV0bX4cR9sLwA3eTz1M",
        "project_id": "proj_7YkQ2nV0bX4cR9sLwA3eTz1M",
        "api_key_id": "key_7YkQ2nV0bX4cR9sLwA3eTz1M",
        "model": "gpt-4o-mini", "endpoint": "chat", "upstream": "vllm",
        "admitted_at": 1_798_761_600, "ended_at": 1_798_761_602, "duration_ms": 1_480,
        "price": {
            "id": "price_7YkQ2nV0bX4cR9sLwA3eTz1M", "effective_at": 1_798_675_200,
            "markup_basis_points": 1_250
        },
        "classes": [
            {"class": "input", "units": 9, "unit_price_usd": "0.16875",
             "amount_usd": "0.00000151875"},
            {"class": "output", "units": 2, "unit_price_usd": "0.675", "amount_usd": "0.00000135"},
            {"class": "request", "units": 1, "unit_price_usd": "0.00", "amount_usd": "0.00"}
        ],
        "subtotal_usd": "0.00000286875", "rounding_usd": "0.00000000025", "overrun_usd": "0.00",
        "cost_usd": "0.000002869", "held_usd": "0.0042", "balance_after_usd": "4.999997131",
        "flags": [],
        "integrity": {
            "chain": "node:main", "batch": 7,
            "hash": "8740fa7c2c565aea438e5a41b6efbcaff1c058f4e926c76e1326a97448213077",
            "previous_hash": "f2b45298ba75b82333a7e416c5e06da3232ac42cd68beb848cc45db126912025"
        }
    }))),
    security(("key" = []))
)]
pub(crate) async fn retrieve(
    State(gateway): State<Gateway>,
    id: Result<Path<String>, axum::extract::rejection::PathRejection>,
    uri: Uri,
    head: Parts,
) -> Response<Body> {
    let now = gateway.now();
    let mut stamp = Stamp::new(RequestId::random(now, gateway.0.settings.entropy));
    // What is no text is no request's id either.
    let id = id.map_or_else(|_| uri.path().to_owned(), |Path(id)| id);
    match look(&gateway, &head, &id, &mut stamp).await {
        Ok((body, organization)) => endpoints::free(&gateway, &stamp, body, &organization).await,
        Err(refusal) => respond::respond(&refusal, &stamp, &gateway.0.settings.public_url),
    }
}

async fn look(
    gateway: &Gateway,
    head: &Parts,
    id: &str,
    stamp: &mut Stamp,
) -> Result<(Vec<u8>, OrganizationId), Refusal> {
    let now = gateway.now();
    let (caller, project, which) = authenticate::reader(gateway, head, now)?;
    let organization = caller.principal.organization.clone();
    stamp.caller = Some((organization.clone(), project));
    caller.used(now);
    let none = |is_running| Refusal::NoReceipt {
        id: id.to_owned(),
        is_running,
    };
    let request = RequestId::parse(id).ok_or_else(|| none(false))?;
    let of = organization.clone();
    let find = move |tx: &mut store::Tx<'_>| request_receipts::find(tx, &of, request);
    let found = gateway.0.store.read(find).await.map_err(|error| {
        tracing::warn!(%error, "a receipt cannot be read");
        Refusal::Ledger
    })?;
    let may_see = |key: &str| which == Receipts::All || key == caller.principal.key.as_str();
    match found {
        Found::Receipt(receipt) if may_see(&receipt.key) => {
            let body = receipt.to_json().to_string().into_bytes();
            Ok((body, organization))
        }
        Found::Running { key } if may_see(&key) => Err(none(true)),
        _ => Err(none(false)),
    }
}
