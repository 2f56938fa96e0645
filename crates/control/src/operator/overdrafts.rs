//! `/api/operator/organizations/{organization_id}/overdraft`: what an operator lets an organization
//! spend before it pays.
//!
//! A line that is lowered takes credit out of the wallet, so that much of it is withheld from
//! requests first.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use domain::id::OrganizationId;
use domain::money::Nusd;
use domain::time::AtUs;
use serde::Serialize;
use serde_json::json;
use store::audit::{Event, Kind};
use store::credits::{self, Standing};
use store::overdrafts::{self, Overdraft, OverdraftError};
use store::{StoreError, Tx};
use utoipa::ToSchema;

use super::call_key::call_key;
use super::caller::Operator;
use super::change::Acted;
use super::credits::MOST;
use super::organizations::find;
use crate::Control;
use crate::body::Fields;
use crate::data_plane::NotWithheld;
use crate::path::Ids;
use crate::payments::withholding::Withheld;
use crate::respond::{Outcome, Refusal, answer};

/// What an organization may spend before it pays.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CreditLine {
    #[schema(value_type = String, example = "operator.overdraft")]
    object: &'static str,
    organization_id: String,
    /// The line; 0 if there is none.
    #[schema(example = "500.00")]
    line_usd: String,
    /// What of it is spent.
    #[schema(example = "20.50")]
    used_usd: String,
    /// What was paid in or given, and not spent; below 0 if some of the line is spent.
    #[schema(example = "-20.50")]
    balance_usd: String,
    /// What new requests may use.
    #[schema(example = "479.50")]
    available_usd: String,
}

/// A credit line as it shall be.
#[derive(Clone, Debug, ToSchema)]
pub(crate) struct NewCreditLine {
    /// A decimal number of US dollars, at most 1,000,000; 0 ends the line. It cannot be less than
    /// what of it is spent or held.
    #[schema(value_type = String, example = "500.00")]
    line_usd: Nusd,
    /// One line, which the organization's audit log tells too.
    #[schema(example = "Pays by invoice, approved by Dana")]
    reason: String,
    /// Yours for this call: made again with the same key, it changes nothing more. Visible ASCII.
    #[schema(example = "line-2026-11", max_length = 100)]
    key: String,
}

impl NewCreditLine {
    fn read(fields: &Fields) -> Outcome<Self> {
        let line_usd = fields.required("line_usd", fields.usd("line_usd")?)?;
        if line_usd < Nusd::ZERO || line_usd > MOST {
            return Err(fields.invalid("line_usd", "it must be from 0 to 1000000"));
        }
        Ok(NewCreditLine {
            line_usd,
            key: call_key(fields)?,
            reason: fields.required("reason", fields.name("reason")?)?,
        })
    }
}

impl CreditLine {
    fn read(tx: &mut Tx<'_>, organization: &OrganizationId) -> Result<Self, StoreError> {
        let standing = credits::standing(tx, organization)?.unwrap_or_default();
        Ok(CreditLine::of(organization, &standing))
    }

    fn of(organization: &OrganizationId, standing: &Standing) -> Self {
        CreditLine {
            object: "operator.overdraft",
            organization_id: organization.to_string(),
            line_usd: standing.overdraft.to_usd(),
            used_usd: standing.overdraft_used.to_usd(),
            balance_usd: standing.balance.to_usd(),
            available_usd: standing.available.to_usd(),
        }
    }
}

/// Retrieve an organization's credit line.
#[utoipa::path(
    get, path = "/api/operator/organizations/{organization_id}/overdraft", tag = "Operator",
    operation_id = "retrieve_overdraft",
    params(("organization_id" = String, Path, description = "The organization")),
    responses((status = 200, body = CreditLine)), security(("session" = []))
)]
pub(crate) async fn retrieve(
    State(control): State<Control>,
    _: Operator,
    Ids([id]): Ids<1>,
) -> Response {
    let read = control.store.read(move |tx| -> Outcome<_> {
        let organization = find(tx, &id)?;
        Ok(CreditLine::read(tx, &organization)?)
    });
    answer(&control, read.await.map(Json))
}

/// Open, raise, lower or end what an organization may spend before it pays.
#[utoipa::path(
    post, path = "/api/operator/organizations/{organization_id}/overdraft", tag = "Operator",
    operation_id = "set_overdraft",
    params(("organization_id" = String, Path, description = "The organization")),
    request_body = NewCreditLine,
    responses((status = 200, body = CreditLine)), security(("session" = []))
)]
pub(crate) async fn set(
    State(control): State<Control>,
    operator: Operator,
    Ids([id]): Ids<1>,
    fields: Fields,
) -> Response {
    let outcome = async {
        let new = NewCreditLine::read(&fields)?;
        // In a task of its own: what is withheld meanwhile is taken or given back, whether the
        // caller waits for it or not.
        let task = tokio::spawn(change(control.clone(), operator, id, new));
        let line = task.await.map_err(|_| StoreError::Failed("a bug".into()))?;
        line.map(Json)
    };
    answer(&control, outcome.await)
}

async fn change(
    control: Control,
    operator: Operator,
    id: String,
    new: NewCreditLine,
) -> Outcome<CreditLine> {
    let (change_id, line) = (format!("operator:{}", new.key), new.line_usd);
    let asked = change_id.clone();
    let look = control.store.read(move |tx| -> Outcome<_> {
        let organization = find(tx, &id)?;
        let before = overdrafts::asked_for(tx, &organization, &asked)?;
        if before.is_some_and(|before| before != line) {
            return Err(Refusal::KeyReused);
        }
        let standing = credits::standing(tx, &organization)?.unwrap_or_default();
        Ok((organization, standing, before.is_some()))
    });
    let (organization, standing, was_asked) = look.await?;
    if was_asked {
        return Ok(CreditLine::of(&organization, &standing));
    }
    let least = |free: Nusd| in_use(standing.overdraft - free.min(standing.overdraft));
    let less = (standing.overdraft - line).max(Nusd::ZERO);
    let withheld = match less {
        Nusd::ZERO => None,
        less => {
            let withheld = Withheld::all(&control, &organization, less).await;
            Some(withheld.map_err(|why| match why {
                NotWithheld::Short(free) => least(free),
                NotWithheld::Store(error) => Refusal::Store(error),
            })?)
        }
    };
    let overdraft = Overdraft {
        id: change_id,
        organization,
        line,
        reason: new.reason,
        actor: operator.for_books(),
    };
    let change = control.operate(operator, move |tx, now| set_line(tx, &overdraft, less, now));
    let changed = change.await;
    if let Some(withheld) = withheld {
        let taken = changed.as_ref().map_or(Nusd::ZERO, |(_, taken)| *taken);
        withheld.took(taken);
    }
    changed.map(|(line, _)| line)
}

/// Sets the line; answers it, and what that took of the wallet: at most what is withheld.
fn set_line(
    tx: &mut Tx<'_>,
    overdraft: &Overdraft,
    withheld: Nusd,
    now: AtUs,
) -> Outcome<Acted<(CreditLine, Nusd)>> {
    let organization = &overdraft.organization;
    let changed = overdrafts::set(tx, overdraft, now).map_err(|error| match error {
        OverdraftError::Store(error) => Refusal::Store(error),
        OverdraftError::InUse { least } => in_use(least),
        OverdraftError::OtherChange(_) => Refusal::KeyReused,
        other => Refusal::Invalid {
            param: "line_usd".into(),
            message: format!("Invalid 'line_usd': {other}."),
        },
    })?;
    let shown = CreditLine::read(tx, organization)?;
    let Some(changed) = changed else {
        return Ok(Acted::nothing((shown, Nusd::ZERO)));
    };
    let taken = (changed.before - changed.line).max(Nusd::ZERO);
    if taken > withheld {
        let why = "another call changed the line meanwhile";
        return Err(StoreError::Conflict(why.into()).into());
    }
    let data = json!({
        "line_usd": changed.line.to_usd(),
        "before_usd": changed.before.to_usd(),
        "reason": overdraft.reason,
    });
    let event = Event::new(Kind::OverdraftSet, &overdraft.id).data(data);
    Ok(Acted::new(event, (shown, taken)).concerning(vec![organization.clone()]))
}

fn in_use(least: Nusd) -> Refusal {
    Refusal::Invalid {
        param: "line_usd".into(),
        message: format!(
            "Invalid 'line_usd': it cannot be less than {}, which is spent, or held for requests in flight.",
            least.to_usd()
        ),
    }
}
