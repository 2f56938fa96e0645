//! `/api/operator/payments/reconciliations`: comparisons of the payment provider's books with ours.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use domain::id::ReconciliationId;
use domain::time::{AtUs, DAY_US};
use serde::Serialize;
use serde_json::json;
use store::audit::{Event, Kind, Who};
use store::page::Place;
use store::payments::reconciliations::{self, Difference, NewReconciliation, Reconciliation};
use utoipa::ToSchema;

use super::caller::Operator;
use super::change::Acted;
use crate::Control;
use crate::body::Fields;
use crate::next_list::{NextList, NextPage, Placed};
use crate::path::Ids;
use crate::payments::reconciling::{run, since};
use crate::payments::refusal::PaymentRefusal;
use crate::respond::{Outcome, Refusal, answer};

/// How far back a comparison may be asked for, in days.
const MOST_DAYS: i64 = 90;

/// A comparison of the payment provider's books with ours.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PaymentReconciliation {
    #[schema(example = "reconciliation_7YkQ2nV0bX4cR9sLwA3eTz1M")]
    id: String,
    #[schema(value_type = String, example = "operator.payment_reconciliation")]
    object: &'static str,
    #[schema(example = "stripe")]
    provider: String,
    /// `running`, `matched` (all is the same), `different` (something is not), `failed` (the
    /// provider or the database did not answer to the end) or `given_up` (its server ended).
    #[schema(value_type = String, example = "matched")]
    state: &'static str,
    /// The operator who asked for it; null for the nightly one.
    user_id: Option<String>,
    /// Movements from then on were compared…
    from: i64,
    /// … and before this.
    until: i64,
    /// The provider's movements that were looked at.
    movements: u64,
    /// Payments that were paid there and open here, and are credited now.
    settled: u64,
    /// What is not the same.
    differences: u64,
    /// Why it failed, if it did.
    #[schema(example = "The provider did not answer.")]
    failure: Option<String>,
    begun_at: i64,
    ended_at: Option<i64>,
}

/// A comparison, with what is not the same.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PaymentReconciliationDetail {
    #[serde(flatten)]
    reconciliation: PaymentReconciliation,
    /// At most a thousand; all are counted.
    found: Vec<PaymentDifference>,
}

/// Something that is not the same there and here.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PaymentDifference {
    /// `charge`, `refund` or `dispute`.
    #[schema(value_type = String, example = "charge")]
    kind: &'static str,
    /// The provider's name for it.
    #[schema(example = "pi_3MtwBwLkdIwHu7ix28a3tqPa")]
    reference: String,
    /// `not_here` (nothing is known of it here), `not_there` (the provider does not know it),
    /// `not_taken` (it did not take the money), `other_amount`, `other_currency`, `other_state`,
    /// `nameless`, or why money matches no order, as unmatched payments say it.
    #[schema(example = "other_amount")]
    problem: String,
    /// Our payment, if there is one.
    #[schema(example = "pay_7YkQ2nV0bX4cR9sLwA3eTz1M")]
    payment_id: Option<String>,
    /// How much it is here, tax included.
    #[schema(example = "25.00")]
    ours_usd: Option<String>,
    /// How much it is there, in the currency that is named.
    #[schema(example = "24.00")]
    theirs: Option<String>,
    #[schema(example = "usd")]
    currency: Option<String>,
}

/// How much is to be compared.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "it describes a body that is read by hand")]
pub(crate) struct NewPaymentReconciliation {
    /// So many days up to now; left out, what was not compared yet, and a day before it.
    #[schema(value_type = Option<i64>, minimum = 1, maximum = 90, example = 7)]
    days: Option<i64>,
}

impl From<Reconciliation> for PaymentReconciliation {
    fn from(row: Reconciliation) -> Self {
        PaymentReconciliation {
            id: row.id.to_string(),
            object: "operator.payment_reconciliation",
            provider: row.provider,
            state: row.state.as_str(),
            user_id: row.user.map(|user| user.to_string()),
            from: row.from.seconds(),
            until: row.until.seconds(),
            movements: row.tally.movements,
            settled: row.tally.settled,
            differences: row.tally.differences,
            failure: row.failure,
            begun_at: row.begun_at.seconds(),
            ended_at: row.ended_at.map(AtUs::seconds),
        }
    }
}

impl From<Difference> for PaymentDifference {
    fn from(found: Difference) -> Self {
        PaymentDifference {
            kind: found.kind.as_str(),
            reference: found.reference,
            problem: found.problem,
            payment_id: found.payment.map(|id| id.to_string()),
            ours_usd: found.ours.map(|amount| amount.to_usd()),
            theirs: found.theirs.map(|amount| amount.to_usd()),
            currency: found.currency,
        }
    }
}

impl Placed for Reconciliation {
    fn place(&self) -> Place {
        Reconciliation::place(self)
    }
}

/// List the comparisons that are remembered.
#[utoipa::path(
    get, path = "/api/operator/payments/reconciliations", tag = "Operator",
    operation_id = "list_payment_reconciliations", params(NextPage::<20, 100>),
    responses((status = 200, body = NextList<PaymentReconciliation>)), security(("session" = []))
)]
pub(crate) async fn list(
    State(control): State<Control>,
    _: Operator,
    page: NextPage<20, 100>,
) -> Response {
    let list = page.list::<PaymentReconciliation, _>(&control, move |tx, page| {
        let part = page.part(|id| {
            let found = reconciliations::get(tx, &ReconciliationId::new(id))?;
            Ok(found.map(|found| found.place()))
        })?;
        Ok(reconciliations::list(tx, &part)?)
    });
    answer(&control, list.await)
}

/// Begin to compare the payment provider's books with ours. One comparison runs at a time.
#[utoipa::path(
    post, path = "/api/operator/payments/reconciliations", tag = "Operator",
    operation_id = "reconcile_payments", request_body = NewPaymentReconciliation,
    responses((status = 200, body = PaymentReconciliation)), security(("session" = []))
)]
pub(crate) async fn begin(
    State(control): State<Control>,
    operator: Operator,
    fields: Fields,
) -> Response {
    let outcome = async {
        let days = fields.integer("days", 1..=MOST_DAYS)?;
        let provider = control.payments.provider()?;
        let name = provider.name();
        let id = ReconciliationId::random(control.entropy);
        let user = match &operator.actor.who {
            Who::Session(user) => Some(user.clone()),
            _ => None,
        };
        let begun = id.clone();
        let change = control.operate(operator, move |tx, now| {
            let from = match days {
                Some(days) => now.plus(-days * DAY_US),
                None => since(reconciliations::compared_until(tx, name)?, now),
            };
            let new = NewReconciliation {
                id: begun.clone(),
                provider: name.to_owned(),
                user,
                from,
                until: now,
            };
            if !reconciliations::begin(tx, &new, now)? {
                return Err(PaymentRefusal::Reconciling.into());
            }
            let row = reconciliations::get(tx, &begun)?;
            let row = row.ok_or_else(|| none(begun.as_str()))?;
            let detail = json!({"provider": name, "from": from.seconds()});
            let event = Event::new(Kind::PaymentsReconciled, &begun).data(detail);
            Ok(Acted::new(event, PaymentReconciliation::from(row)))
        });
        let reconciliation = change.await?;
        tokio::spawn(run(control.clone(), provider, id));
        Ok(Json(reconciliation))
    };
    answer(&control, outcome.await)
}

/// Retrieve a comparison: how far it is, and what is not the same.
#[utoipa::path(
    get, path = "/api/operator/payments/reconciliations/{reconciliation_id}", tag = "Operator",
    operation_id = "retrieve_payment_reconciliation",
    params(("reconciliation_id" = String, Path, description = "The comparison")),
    responses((status = 200, body = PaymentReconciliationDetail)), security(("session" = []))
)]
pub(crate) async fn show(
    State(control): State<Control>,
    _: Operator,
    Ids([id]): Ids<1>,
) -> Response {
    let read = control.store.read(move |tx| -> Outcome<_> {
        let of = ReconciliationId::new(&id);
        let row = reconciliations::get(tx, &of)?.ok_or_else(|| none(&id))?;
        let found = reconciliations::differences(tx, &of)?;
        Ok(Json(PaymentReconciliationDetail {
            reconciliation: row.into(),
            found: found.into_iter().map(Into::into).collect(),
        }))
    });
    answer(&control, read.await)
}

fn none(id: &str) -> Refusal {
    Refusal::Nowhere {
        what: "reconciliation",
        id: id.to_owned(),
    }
}
