//! `/api/operator/code_batches`: redeem codes, made in batches, shown once, and what became of
//! them.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use domain::id::RedeemBatchId;
use domain::money::Nusd;
use domain::redeem_code::RedeemCode;
use domain::time::AtUs;
use serde::Serialize;
use serde_json::json;
use store::Tx;
use store::audit::{Event, Kind};
use store::page::Place;
use store::redeem_codes::{self, Batch, MOST_CODES, Terms, Use};
use utoipa::ToSchema;

use super::caller::Operator;
use super::change::Acted;
use crate::Control;
use crate::body::Fields;
use crate::next_list::{NextList, NextPage, Placed};
use crate::path::Ids;
use crate::respond::{Outcome, Refusal, answer};

/// Redeem codes that were made together.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CodeBatch {
    #[schema(example = "codes_7YkQ2nV0bX4cR9sLwA3eTz1M")]
    id: String,
    #[schema(value_type = String, example = "operator.code_batch")]
    object: &'static str,
    /// What they are for; who redeems one is told.
    #[schema(example = "Conference 2026")]
    note: String,
    /// What each use gives.
    #[schema(example = "10.00")]
    amount_usd: String,
    /// How many codes there are.
    #[schema(example = 50)]
    code_count: i64,
    /// How often each can be used.
    #[schema(example = 1)]
    max_uses: i64,
    /// An organization can use one code of the batch only.
    once_per_organization: bool,
    /// How often any was used.
    #[schema(example = 12)]
    use_count: i64,
    /// `active`, `expired` or `disabled`.
    #[schema(value_type = String, example = "active")]
    state: &'static str,
    /// From when on the codes are worth nothing; null: never.
    expires_at: Option<i64>,
    /// After how many days the credit lapses; null: it does not.
    #[schema(example = 90)]
    credit_days: Option<i64>,
    created_at: i64,
    disabled_at: Option<i64>,
}

/// Redeem codes that were just made. Nobody can show them again.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct MadeCodeBatch {
    #[serde(flatten)]
    batch: CodeBatch,
    /// Each code, as it is to be handed out.
    #[schema(example = json!(["7YKQ2-N0BX4-CR9SA-W3ETZ"]))]
    codes: Vec<String>,
}

/// A redeem code that was used.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CodeUse {
    /// The movement that gave the credit, in the organization's books.
    #[schema(example = "code:9f86d081884c7d659a2feaa0c55ad015")]
    id: String,
    #[schema(value_type = String, example = "operator.code_use")]
    object: &'static str,
    /// The code's beginning.
    #[schema(example = "7YKQ…")]
    code_hint: String,
    organization_id: String,
    /// Who typed it: a user's id, or `key`.
    #[schema(example = "user-7YkQ2nV0bX4cR9sLwA3eTz1M")]
    actor: String,
    created_at: i64,
}

/// Redeem codes to be made.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "describes; read by `terms`")]
pub(crate) struct NewCodeBatch {
    /// What they are for; who redeems one is told.
    #[schema(example = "Conference 2026")]
    note: String,
    /// What each use gives: a decimal number of US dollars, above 0 and at most 10,000.
    #[schema(example = "10.00")]
    amount_usd: String,
    /// How many codes; 1 if absent.
    #[schema(example = 50, minimum = 1, maximum = 1_000)]
    code_count: Option<i64>,
    /// How often each can be used; once if absent.
    #[schema(example = 1, minimum = 1, maximum = 1_000_000)]
    max_uses: Option<i64>,
    /// Whether an organization can use one code of the batch only; true if absent. The same code is
    /// never used twice by one.
    once_per_organization: Option<bool>,
    /// From when on the codes are worth nothing, in Unix seconds; never if absent.
    #[schema(minimum = 0, maximum = 253_402_300_799_i64, example = 1_798_761_600)]
    expires_at: Option<i64>,
    /// After how many days the credit lapses; it does not if absent.
    #[schema(example = 90, minimum = 1, maximum = 3_650)]
    credit_days: Option<i64>,
}

const MOST_USES: i64 = 1_000_000;
const MOST_DAYS: i64 = 3_650;
/// What one use can give at most: a slip of the hand is not worth more than that.
const MOST: Nusd = Nusd::new(10_000 * 1_000_000_000);

impl CodeBatch {
    fn of(batch: Batch, now: AtUs) -> Self {
        let Batch { terms, .. } = batch;
        let state = match terms.expires_at {
            _ if batch.disabled_at.is_some() => "disabled",
            Some(expires_at) if expires_at <= now => "expired",
            _ => "active",
        };
        CodeBatch {
            id: batch.id.to_string(),
            object: "operator.code_batch",
            note: terms.note,
            amount_usd: terms.amount.to_usd(),
            code_count: batch.codes,
            max_uses: terms.max_uses,
            once_per_organization: terms.once_per_organization,
            use_count: batch.uses,
            state,
            expires_at: terms.expires_at.map(AtUs::seconds),
            credit_days: terms.credit_days,
            created_at: batch.created_at.seconds(),
            disabled_at: batch.disabled_at.map(AtUs::seconds),
        }
    }
}

/// A batch, and when it is looked at.
struct Seen(Batch, AtUs);

impl From<Seen> for CodeBatch {
    fn from(Seen(batch, now): Seen) -> Self {
        CodeBatch::of(batch, now)
    }
}

impl Placed for Seen {
    fn place(&self) -> Place {
        self.0.place()
    }
}

impl From<Use> for CodeUse {
    fn from(used: Use) -> Self {
        CodeUse {
            id: used.id,
            object: "operator.code_use",
            code_hint: used.hint,
            organization_id: used.organization.to_string(),
            actor: used.actor,
            created_at: used.at.seconds(),
        }
    }
}

impl Placed for Use {
    fn place(&self) -> Place {
        Use::place(self)
    }
}

/// What is asked for, and how many.
fn terms(fields: &Fields, now: AtUs) -> Outcome<(Terms, i64)> {
    let amount = fields.required("amount_usd", fields.usd("amount_usd")?)?;
    if amount <= Nusd::ZERO || amount > MOST {
        let problem = "it must be above 0 and at most 10000";
        return Err(fields.invalid("amount_usd", problem));
    }
    let expires_at = fields.instant("expires_at")?;
    if expires_at.is_some_and(|at| at <= now) {
        return Err(fields.invalid("expires_at", "it must be later than now"));
    }
    let once = fields.flag("once_per_organization")?.unwrap_or(true);
    let terms = Terms {
        amount,
        max_uses: fields.integer("max_uses", 1..=MOST_USES)?.unwrap_or(1),
        once_per_organization: once,
        expires_at,
        credit_days: fields.integer("credit_days", 1..=MOST_DAYS)?,
        note: fields.required("note", fields.name("note")?)?,
    };
    let count = fields.integer("code_count", 1..=MOST_CODES)?.unwrap_or(1);
    Ok((terms, count))
}

fn event(kind: Kind, batch: &Batch) -> Event {
    Event::new(kind, &batch.id).data(json!({
        "note": batch.terms.note,
        "amount_usd": batch.terms.amount.to_usd(),
        "code_count": batch.codes,
        "max_uses": batch.terms.max_uses,
    }))
}

/// Make redeem codes. They are shown in this answer, and never again.
#[utoipa::path(
    post, path = "/api/operator/code_batches", tag = "Operator", operation_id = "create_code_batch",
    request_body = NewCodeBatch,
    responses((status = 200, body = MadeCodeBatch)), security(("session" = []))
)]
pub(crate) async fn create(
    State(control): State<Control>,
    operator: Operator,
    fields: Fields,
) -> Response {
    let outcome = async {
        let (terms, count) = terms(&fields, control.now())?;
        let entropy = control.entropy;
        let change = control.operate(operator, move |tx, now| {
            let (batch, codes) = redeem_codes::make(tx, terms, count, now, entropy)?;
            let event = event(Kind::CodesMade, &batch);
            let made = MadeCodeBatch {
                batch: CodeBatch::of(batch, now),
                codes: codes.iter().map(RedeemCode::expose).collect(),
            };
            Ok(Acted::new(event, made))
        });
        change.await.map(Json)
    };
    answer(&control, outcome.await)
}

/// List batches of redeem codes.
#[utoipa::path(
    get, path = "/api/operator/code_batches", tag = "Operator", operation_id = "list_code_batches",
    params(NextPage::<20, 100>),
    responses((status = 200, body = NextList<CodeBatch>)), security(("session" = []))
)]
pub(crate) async fn list(
    State(control): State<Control>,
    _: Operator,
    page: NextPage<20, 100>,
) -> Response {
    let now = control.now();
    let list = page.list::<CodeBatch, _>(&control, move |tx, page| {
        let part = page.part(|id| {
            let batch = redeem_codes::get(tx, &RedeemBatchId::new(id))?;
            Ok(batch.map(|batch| batch.place()))
        })?;
        let found = redeem_codes::list(tx, &part)?;
        Ok(found.into_iter().map(|batch| Seen(batch, now)).collect())
    });
    answer(&control, list.await)
}

fn find(tx: &mut Tx<'_>, id: &str) -> Outcome<Batch> {
    let batch = redeem_codes::get(tx, &RedeemBatchId::new(id))?;
    batch.ok_or_else(|| none(id))
}

fn none(id: &str) -> Refusal {
    Refusal::Nowhere {
        what: "batch of redeem codes",
        id: id.to_owned(),
    }
}

/// Retrieve a batch of redeem codes; not the codes.
#[utoipa::path(
    get, path = "/api/operator/code_batches/{batch_id}", tag = "Operator",
    operation_id = "retrieve_code_batch",
    params(("batch_id" = String, Path, description = "The batch")),
    responses((status = 200, body = CodeBatch)), security(("session" = []))
)]
pub(crate) async fn retrieve(
    State(control): State<Control>,
    _: Operator,
    Ids([id]): Ids<1>,
) -> Response {
    let now = control.now();
    let read = control
        .store
        .read(move |tx| -> Outcome<_> { Ok(CodeBatch::of(find(tx, &id)?, now)) });
    answer(&control, read.await.map(Json))
}

/// Disable the codes of a batch: none of them gives anything from now on.
#[utoipa::path(
    post, path = "/api/operator/code_batches/{batch_id}/disable", tag = "Operator",
    operation_id = "disable_code_batch",
    params(("batch_id" = String, Path, description = "The batch")),
    responses((status = 200, body = CodeBatch)), security(("session" = []))
)]
pub(crate) async fn disable(
    State(control): State<Control>,
    operator: Operator,
    Ids([id]): Ids<1>,
) -> Response {
    let change = control.operate(operator, move |tx, now| {
        let disabled = redeem_codes::disable(tx, &RedeemBatchId::new(&id), now)?;
        let (batch, is_new) = disabled.ok_or_else(|| none(&id))?;
        let event = event(Kind::CodesDisabled, &batch);
        let shown = CodeBatch::of(batch, now);
        Ok(Acted::when(is_new, event, shown))
    });
    answer(&control, change.await.map(Json))
}

/// List the uses of a batch's codes.
#[utoipa::path(
    get, path = "/api/operator/code_batches/{batch_id}/uses", tag = "Operator",
    operation_id = "list_code_uses",
    params(
        ("batch_id" = String, Path, description = "The batch"),
        NextPage::<20, 100>,
    ),
    responses((status = 200, body = NextList<CodeUse>)), security(("session" = []))
)]
pub(crate) async fn uses(
    State(control): State<Control>,
    _: Operator,
    Ids([id]): Ids<1>,
    page: NextPage<20, 100>,
) -> Response {
    let list = page.list::<CodeUse, _>(&control, move |tx, page| {
        let batch = find(tx, &id)?.id;
        // Uses have no ids of their own in an installation: a list goes on where `next` says.
        let part = page.part(|_| Ok(None))?;
        Ok(redeem_codes::uses(tx, &batch, &part)?)
    });
    answer(&control, list.await)
}
