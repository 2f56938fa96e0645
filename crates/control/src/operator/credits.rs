//! `/api/operator/organizations/{organization_id}/credits` and `/adjustments`: money that an
//! operator gives an organization, or takes back.
//!
//! Either comes with a key of its own, so that a call whose answer was lost can be made again.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use domain::id::OrganizationId;
use domain::ledger::TransferCode;
use domain::money::Nusd;
use domain::time::AtUs;
use serde::Serialize;
use serde_json::json;
use store::adjustments::{self, Adjustment, AdjustmentError};
use store::audit::{Event, Kind};
use store::grants::{self, Grant, GrantError};
use store::transfers::{self, Booked};
use store::{StoreError, Tx, credits};
use utoipa::ToSchema;

use super::call_key::call_key;
use super::caller::Operator;
use super::change::Acted;
use super::organizations::find;
use crate::Control;
use crate::body::Fields;
use crate::data_plane::NotWithheld;
use crate::path::Ids;
use crate::respond::{Outcome, Refusal, answer};

/// Money that an operator gave or took back.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Credit {
    /// Its id in the books.
    #[schema(example = "operator:invoice-2026-11")]
    id: String,
    #[schema(value_type = String, example = "operator.credit")]
    object: &'static str,
    organization_id: String,
    /// `grant`, or `adjustment` if it was taken back.
    #[schema(example = "grant")]
    kind: String,
    #[schema(example = "25.00")]
    amount_usd: String,
    #[schema(example = "Invoice 7")]
    reason: String,
    created_at: i64,
    /// What the organization has now: paid in and not spent; below 0 if it spent of its credit
    /// line.
    #[schema(example = "120.99")]
    balance_usd: String,
}

/// Money to be given or taken back.
#[derive(Clone, Debug, ToSchema)]
pub(crate) struct NewCredit {
    /// A decimal number of US dollars, above 0 and at most 1,000,000.
    #[schema(value_type = String, example = "25.00")]
    amount_usd: Nusd,
    /// One line, which the organization's audit log tells too.
    #[schema(example = "Invoice 7")]
    reason: String,
    /// Yours for this call: made again with the same key, it moves no more money. Visible ASCII.
    #[schema(example = "invoice-2026-11", max_length = 100)]
    key: String,
    /// From when on what is left of it lapses, in Unix seconds; never if absent. Of a gift only.
    #[schema(value_type = Option<i64>, example = 1_800_000_000)]
    expires_at: Option<AtUs>,
}

/// The most that moves at once: a slip of the hand is not worth more than that.
pub(super) const MOST: Nusd = Nusd::new(1_000_000 * 1_000_000_000);

impl NewCredit {
    /// Reads money to be given.
    fn given(fields: &Fields) -> Outcome<Self> {
        Ok(NewCredit {
            expires_at: fields.instant("expires_at")?,
            ..NewCredit::read(fields)?
        })
    }

    fn read(fields: &Fields) -> Outcome<Self> {
        let amount = fields.required("amount_usd", fields.usd("amount_usd")?)?;
        if amount <= Nusd::ZERO || amount > MOST {
            let problem = "it must be above 0 and at most 1000000";
            return Err(fields.invalid("amount_usd", problem));
        }
        Ok(NewCredit {
            amount_usd: amount,
            key: call_key(fields)?,
            reason: fields.required("reason", fields.name("reason")?)?,
            expires_at: None,
        })
    }

    /// Its id in the books, where no request's can be.
    fn id(&self) -> String {
        format!("operator:{}", self.key)
    }

    /// What was done with this key before, if anything was: it must have been the same.
    fn before(
        &self,
        tx: &mut Tx<'_>,
        organization: &OrganizationId,
        code: TransferCode,
    ) -> Outcome<Option<Credit>> {
        let Some(booked) = transfers::find(tx, organization, &self.id())? else {
            return Ok(None);
        };
        if (booked.code.as_str(), booked.amount) != (code.as_str(), self.amount_usd) {
            return Err(Refusal::KeyReused);
        }
        self.shown(tx, organization, booked).map(Some)
    }

    fn shown(
        &self,
        tx: &mut Tx<'_>,
        organization: &OrganizationId,
        booked: Booked,
    ) -> Outcome<Credit> {
        let standing = credits::standing(tx, organization)?.unwrap_or_default();
        Ok(Credit {
            id: self.id(),
            object: "operator.credit",
            organization_id: organization.to_string(),
            kind: booked.code,
            amount_usd: booked.amount.to_usd(),
            reason: booked.reason,
            created_at: booked.at.seconds(),
            balance_usd: standing.balance.to_usd(),
        })
    }

    /// The answer of what was just booked, with what the logs say of it.
    fn acted(
        &self,
        tx: &mut Tx<'_>,
        organization: OrganizationId,
        kind: Kind,
    ) -> Outcome<Acted<Credit>> {
        let booked = transfers::find(tx, &organization, &self.id())?;
        let booked = booked.ok_or_else(|| StoreError::Failed("a transfer is gone".into()))?;
        let shown = self.shown(tx, &organization, booked)?;
        let data = json!({"amount_usd": shown.amount_usd, "reason": shown.reason});
        let event = Event::new(kind, &shown.id).data(data);
        Ok(Acted::new(event, shown).concerning(vec![organization]))
    }
}

/// Give an organization credit.
#[utoipa::path(
    post, path = "/api/operator/organizations/{organization_id}/credits", tag = "Operator",
    operation_id = "grant_credit",
    params(("organization_id" = String, Path, description = "The organization")),
    request_body = NewCredit,
    responses((status = 200, body = Credit)), security(("session" = []))
)]
pub(crate) async fn grant(
    State(control): State<Control>,
    operator: Operator,
    Ids([id]): Ids<1>,
    fields: Fields,
) -> Response {
    let outcome = async {
        let new = NewCredit::given(&fields)?;
        let actor = operator.for_books();
        let change = control.operate(operator, move |tx, now| {
            let organization = find(tx, &id)?;
            if let Some(credit) = new.before(tx, &organization, TransferCode::Grant)? {
                return Ok(Acted::nothing(credit));
            }
            let grant = Grant {
                id: new.id(),
                organization: organization.clone(),
                amount: new.amount_usd,
                expires_at: new.expires_at,
                reason: new.reason.clone(),
                actor: actor.clone(),
            };
            grants::give(tx, &grant, now).map_err(|error| match error {
                GrantError::Store(error) => Refusal::Store(error),
                GrantError::Expired => fields.invalid("expires_at", "it must be later than now"),
                other => fields.invalid("amount_usd", &other.to_string()),
            })?;
            new.acted(tx, organization, Kind::CreditGranted)
        });
        Ok(Json(change.await?))
    };
    answer(&control, outcome.await)
}

/// Take credit back that is neither spent nor held.
#[utoipa::path(
    post, path = "/api/operator/organizations/{organization_id}/adjustments", tag = "Operator",
    operation_id = "take_credit_back",
    params(("organization_id" = String, Path, description = "The organization")),
    request_body = NewCredit,
    responses((status = 200, body = Credit)), security(("session" = []))
)]
pub(crate) async fn take_back(
    State(control): State<Control>,
    operator: Operator,
    Ids([id]): Ids<1>,
    fields: Fields,
) -> Response {
    let outcome = async {
        if fields.has("expires_at") {
            return Err(fields.invalid("expires_at", "only what is given expires"));
        }
        let new = NewCredit::read(&fields)?;
        // In a task of its own: what is withheld meanwhile is taken or given back, whether the
        // caller waits for it or not.
        let task = tokio::spawn(adjust(control.clone(), operator, id, new));
        let credit = task.await.map_err(|_| StoreError::Failed("a bug".into()))?;
        credit.map(Json)
    };
    answer(&control, outcome.await)
}

async fn adjust(
    control: Control,
    operator: Operator,
    id: String,
    new: NewCredit,
) -> Outcome<Credit> {
    let looked = new.clone();
    let look = control.store.read(move |tx| -> Outcome<_> {
        let organization = find(tx, &id)?;
        let before = looked.before(tx, &organization, TransferCode::Adjustment)?;
        Ok((organization, before))
    });
    let (organization, before) = look.await?;
    if let Some(credit) = before {
        return Ok(credit);
    }
    let amount = new.amount_usd;
    let withheld = (control.data_plane.withhold)(organization.clone(), amount).await;
    let give_back = withheld.map_err(|why| match why {
        NotWithheld::Short(free) => not_free(free),
        NotWithheld::Store(error) => Refusal::Store(error),
    })?;
    let actor = operator.for_books();
    let change = control.operate(operator, move |tx, now| {
        let adjustment = Adjustment {
            id: new.id(),
            organization: organization.clone(),
            amount,
            reason: new.reason.clone(),
            actor: actor.clone(),
        };
        match adjustments::take(tx, &adjustment, now) {
            Ok(true) => new.acted(tx, organization, Kind::CreditTakenBack),
            Ok(false) => {
                let why = "another call with this key was faster";
                Err(StoreError::Conflict(why.into()).into())
            }
            Err(AdjustmentError::NotFree { available }) => Err(not_free(available)),
            Err(AdjustmentError::Store(error)) => Err(Refusal::Store(error)),
            Err(other) => Err(StoreError::Failed(other.to_string()).into()),
        }
    });
    let taken = change.await;
    if taken.is_err() {
        give_back(amount);
    }
    taken
}

fn not_free(free: Nusd) -> Refusal {
    Refusal::Invalid {
        param: "amount_usd".into(),
        message: format!(
            "Invalid 'amount_usd': only {} is neither spent, nor held for requests in flight, nor leased by nodes.",
            free.to_usd()
        ),
    }
}
