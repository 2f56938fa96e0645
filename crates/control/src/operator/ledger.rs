//! `/api/operator/ledger`: the books at a glance, and proofs of them.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use domain::id::VerificationId;
use serde::Serialize;
use serde_json::Value;
use store::audit::{Event, Kind};
use store::books::{self, Glance};
use store::verifications::{self, Verification as Row};
use utoipa::ToSchema;

use super::caller::Operator;
use super::change::Acted;
use super::proving;
use crate::Control;
use crate::path::Ids;
use crate::respond::{Outcome, Refusal, answer};

/// The books at a glance.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OperatorLedger {
    #[schema(value_type = String, example = "operator.ledger")]
    object: &'static str,
    /// Every account that is no organization's wallet.
    house: Vec<HouseAccount>,
    wallets: AllWallets,
    holds: OpenHolds,
    /// Where each chain of batches ends: keep the hashes elsewhere, to prove later that nothing up
    /// to them was changed.
    heads: Vec<ChainHead>,
    nodes: Vec<LedgerNode>,
    /// The latest proof; null if there was none.
    last_verification: Option<LedgerVerification>,
}

/// An account of the house.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct HouseAccount {
    /// Such as `grants`, `overrun`, or `revenue:` and a node.
    #[schema(example = "grants")]
    id: String,
    /// What was taken from it.
    #[schema(example = "125.00")]
    debits_usd: String,
    /// What was added to it.
    #[schema(example = "0.00")]
    credits_usd: String,
}

/// The wallets of all organizations together.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AllWallets {
    count: u64,
    /// What can be spent from them: what was paid in or is lent by credit lines, and not spent.
    #[schema(example = "120.25")]
    balance_usd: String,
    /// What of it is held for requests in flight, or leased by nodes.
    #[schema(example = "0.00")]
    held_usd: String,
}

/// Requests in flight.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OpenHolds {
    count: u64,
    #[schema(example = "0.02")]
    amount_usd: String,
    /// How long ago the oldest was admitted; null if there is none.
    oldest_age_ms: Option<i64>,
}

/// Where a chain of batches ends.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ChainHead {
    /// `control`, or `node:` and a node.
    #[schema(example = "control")]
    chain: String,
    /// The number of the last batch.
    batch: i64,
    /// SHA-256 over it and all before it.
    #[schema(example = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08")]
    hash: String,
    committed_at: i64,
}

/// A place for a serving process.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LedgerNode {
    #[schema(example = "main")]
    id: String,
    /// How often the place was taken.
    epoch: i64,
    started_at: i64,
    /// Until when others count on it; it says every few seconds that it lives. Null if it does not
    /// lease, as the only node there is does not.
    expires_at: Option<i64>,
    /// The number of the latest change that it has heard of.
    heard: i64,
}

/// A proof of the books.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LedgerVerification {
    #[schema(example = "verification_7YkQ2nV0bX4cR9sLwA3eTz1M")]
    id: String,
    #[schema(value_type = String, example = "operator.ledger.verification")]
    object: &'static str,
    /// `running`, `proved` (all of it holds), `broken` (something does not), `failed` (the database
    /// could not be read) or `given_up` (its server ended).
    #[schema(value_type = String, example = "proved")]
    state: &'static str,
    steps_done: u64,
    /// 0 until it is known.
    steps: u64,
    begun_at: i64,
    ended_at: Option<i64>,
    /// What was found: each invariant with what breaks it, and where the chains end. Null until the
    /// proof has ended.
    #[schema(value_type = Option<Object>)]
    report: Option<Value>,
}

/// Proofs, the latest first.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LedgerVerificationList {
    #[schema(value_type = String, example = "list")]
    object: &'static str,
    data: Vec<LedgerVerification>,
}

/// The most proofs that a list shows.
const SHOWN: i64 = 20;

impl From<Row> for LedgerVerification {
    fn from(row: Row) -> Self {
        // Written by this program; what cannot be read is shown as none.
        let report = row.report.and_then(|text| serde_json::from_str(&text).ok());
        LedgerVerification {
            id: row.id.to_string(),
            object: "operator.ledger.verification",
            state: row.state.as_str(),
            steps_done: row.steps_done,
            steps: row.steps,
            begun_at: row.begun_at.seconds(),
            ended_at: row.ended_at.map(|at| at.seconds()),
            report,
        }
    }
}

impl OperatorLedger {
    fn of(glance: Glance, oldest_age_ms: Option<i64>, last: Option<Row>) -> Self {
        let account = |account: books::HouseAccount| HouseAccount {
            id: account.id,
            debits_usd: account.debits.to_usd(),
            credits_usd: account.credits.to_usd(),
        };
        let node = |node: books::Node| LedgerNode {
            id: node.id,
            epoch: node.epoch,
            started_at: node.started_at.seconds(),
            expires_at: node.expires_at.map(|at| at.seconds()),
            heard: node.heard,
        };
        let heads = glance.heads.into_iter().map(|(head, at)| ChainHead {
            chain: head.chain,
            batch: head.batch,
            hash: head.hash,
            committed_at: at.seconds(),
        });
        OperatorLedger {
            object: "operator.ledger",
            house: glance.house.into_iter().map(account).collect(),
            wallets: AllWallets {
                count: glance.wallets.count,
                balance_usd: glance.wallets.balance.to_usd(),
                held_usd: glance.wallets.held.to_usd(),
            },
            holds: OpenHolds {
                count: glance.holds.count,
                amount_usd: glance.holds.amount.to_usd(),
                oldest_age_ms,
            },
            heads: heads.collect(),
            nodes: glance.nodes.into_iter().map(node).collect(),
            last_verification: last.map(Into::into),
        }
    }
}

/// Look at the books.
#[utoipa::path(
    get, path = "/api/operator/ledger", tag = "Operator", operation_id = "retrieve_ledger",
    responses((status = 200, body = OperatorLedger)), security(("session" = []))
)]
pub(crate) async fn retrieve(State(control): State<Control>, _: Operator) -> Response {
    let now = control.now();
    let read = control.store.read(move |tx| -> Outcome<_> {
        let glance = books::glance(tx)?;
        let age = glance
            .holds
            .oldest_at
            .map(|at| now.since(at).max(0) / 1_000);
        let last = verifications::latest(tx, 1)?.pop();
        Ok(Json(OperatorLedger::of(glance, age, last)))
    });
    answer(&control, read.await)
}

/// Begin to prove the books, beside all that runs. One proof runs at a time.
#[utoipa::path(
    post, path = "/api/operator/ledger/verifications", tag = "Operator",
    operation_id = "verify_ledger",
    responses((status = 200, body = LedgerVerification)), security(("session" = []))
)]
pub(crate) async fn verify(State(control): State<Control>, operator: Operator) -> Response {
    let outcome = async {
        let id = VerificationId::random(control.entropy);
        let begun = id.clone();
        let change = control.operate(operator, move |tx, now| {
            if !verifications::begin(tx, &begun, now)? {
                return Err(Refusal::Proving);
            }
            let row = verifications::get(tx, &begun)?;
            let row = row.ok_or_else(|| none(begun.as_str()))?;
            let event = Event::new(Kind::LedgerVerified, &begun);
            Ok(Acted::new(event, LedgerVerification::from(row)))
        });
        let verification = change.await?;
        tokio::spawn(proving::run(control.clone(), id));
        Ok(Json(verification))
    };
    answer(&control, outcome.await)
}

/// List the proofs that are remembered, the latest first.
#[utoipa::path(
    get, path = "/api/operator/ledger/verifications", tag = "Operator",
    operation_id = "list_ledger_verifications",
    responses((status = 200, body = LedgerVerificationList)), security(("session" = []))
)]
pub(crate) async fn list(State(control): State<Control>, _: Operator) -> Response {
    let read = control.store.read(|tx| -> Outcome<_> {
        let rows = verifications::latest(tx, SHOWN)?.into_iter();
        Ok(Json(LedgerVerificationList {
            object: "list",
            data: rows.map(Into::into).collect(),
        }))
    });
    answer(&control, read.await)
}

/// Retrieve a proof: how far it is, and what it found.
#[utoipa::path(
    get, path = "/api/operator/ledger/verifications/{verification_id}", tag = "Operator",
    operation_id = "retrieve_ledger_verification",
    params(("verification_id" = String, Path, description = "The proof")),
    responses((status = 200, body = LedgerVerification)), security(("session" = []))
)]
pub(crate) async fn show(
    State(control): State<Control>,
    _: Operator,
    Ids([id]): Ids<1>,
) -> Response {
    let read = control.store.read(move |tx| {
        let row = verifications::get(tx, &VerificationId::new(&id))?;
        row.ok_or_else(|| none(&id))
    });
    let outcome = read.await.map(|row| Json(LedgerVerification::from(row)));
    answer(&control, outcome)
}

fn none(id: &str) -> Refusal {
    Refusal::Nowhere {
        what: "verification",
        id: id.to_owned(),
    }
}
