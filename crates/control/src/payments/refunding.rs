//! Gives payments back, in the order that loses nothing.
//!
//! First the credit leaves the wallet, in the transaction that keeps the intent: spent twice it
//! cannot be. Then the provider is asked, with the refund's id as its key, and what it says is
//! kept. Whoever dies in between is followed by [`super::resuming`]. The other order, the provider
//! first, would leave the operator with the loss whenever a request was faster than the books.

use domain::id::{PaymentId, RefundId};
use domain::money::Nusd;
use domain::payment::RefundState;
use serde_json::json;
use store::audit::{Event, Kind};
use store::payments::{self, NewRefund, Payment, Refund, RefundHeard, RefundRefused};
use store::purchases::{self, RefundError};
use store::{StoreError, Tx};

use super::hearing::heard;
use super::provider::{PaymentProvider, RefundAsked};
use super::refusal::{PaymentRefusal, Trouble};
use super::withholding::Withheld;
use crate::Control;
use crate::data_plane::NotWithheld;
use crate::operator::caller::Operator;
use crate::operator::change::Acted;
use crate::respond::{Outcome, Refusal};

/// What an operator wants to give back.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    /// Of which payment.
    pub(crate) payment: PaymentId,
    /// How much of its credit; all that is left if none.
    pub(crate) amount: Option<Nusd>,
    /// Why, in one line.
    pub(crate) reason: String,
    /// The operator's own key for it.
    pub(crate) key: String,
}

/// Gives back what an operator wants, or finds what the same call gave back before.
pub(crate) async fn refund(
    control: &Control,
    operator: Operator,
    wanted: Wanted,
) -> Outcome<Refund> {
    let provider = control.payments.provider()?;
    // In a task of its own: what is withheld meanwhile is taken or given back, whether the caller
    // waits for it or not.
    let control = control.clone();
    let task = tokio::spawn(async move {
        let refund = begin(&control, operator, wanted).await?;
        if refund.state != RefundState::Pending {
            return Ok(refund);
        }
        match give(&control, &*provider, &refund).await {
            Ok(refund) => Ok(refund),
            Err(Trouble::Store(error)) => Err(error.into()),
            Err(Trouble::Provider(error)) => {
                let id = refund.id.as_str();
                tracing::warn!(id, %error, "a refund waits for its provider");
                Ok(refund)
            }
        }
    });
    task.await
        .map_err(|_| Refusal::from(StoreError::Failed("a bug".into())))?
}

async fn begin(control: &Control, operator: Operator, wanted: Wanted) -> Outcome<Refund> {
    let looked = wanted.clone();
    let look = control.store.read(move |tx| -> Outcome<_> {
        let payment = found(tx, &looked.payment)?;
        let before = payments::refund_by_key(tx, &payment.id, &looked.key)?;
        let bought = purchases::find(tx, &payment.organization, &payment.purchase_id())?;
        Ok((payment, before, bought))
    });
    let (payment, before, bought) = look.await?;
    if let Some(before) = before {
        let is_same = wanted.amount.is_none_or(|amount| amount == before.amount);
        return match is_same {
            true => Ok(before),
            false => Err(PaymentRefusal::KeyReused.into()),
        };
    }
    let bought = bought.ok_or(PaymentRefusal::NotPaid)?;
    let left = bought.left().credit;
    let amount = wanted.amount.unwrap_or(left);
    if amount > left || left == Nusd::ZERO {
        return Err(PaymentRefusal::NotFree(left).into());
    }
    let withheld = Withheld::all(control, &payment.organization, amount).await;
    let withheld = withheld.map_err(|why| match why {
        NotWithheld::Short(free) => PaymentRefusal::NotFree(free).into(),
        NotWithheld::Store(error) => Refusal::Store(error),
    })?;
    let begun = take(control, operator, wanted, amount).await;
    withheld.took(begun.as_ref().map_or(Nusd::ZERO, |refund| refund.amount));
    begun
}

/// Takes the credit from the wallet, and keeps the intent.
async fn take(
    control: &Control,
    operator: Operator,
    wanted: Wanted,
    amount: Nusd,
) -> Outcome<Refund> {
    let (entropy, actor) = (control.entropy, operator.for_books());
    let change = control.operate(operator, move |tx, now| {
        let payment = found(tx, &wanted.payment)?;
        let new = NewRefund {
            id: RefundId::random(entropy),
            amount: Some(amount),
            reason: wanted.reason,
            request_key: wanted.key,
            actor,
        };
        let refund = payments::begin_refund(tx, &payment, &new, now).map_err(refused)?;
        let detail = json!({
            "payment_id": payment.id.as_str(),
            "amount_usd": refund.amount.to_usd(),
            "tax_usd": refund.tax.to_usd(),
            "reason": refund.reason,
        });
        let event = Event::new(Kind::PaymentRefunded, &refund.id).data(detail);
        Ok(Acted::new(event, refund).concerning(vec![payment.organization]))
    });
    change.await
}

/// A payment of this installation.
pub(crate) fn found(tx: &mut Tx<'_>, id: &PaymentId) -> Outcome<Payment> {
    let found = payments::get(tx, id)?;
    found.ok_or_else(|| Refusal::Nowhere {
        what: "payment",
        id: id.to_string(),
    })
}

fn refused(why: RefundRefused) -> Refusal {
    match why {
        RefundRefused::NotPaid => PaymentRefusal::NotPaid.into(),
        RefundRefused::Credit(RefundError::NotFree { available }) => {
            PaymentRefusal::NotFree(available).into()
        }
        RefundRefused::Credit(RefundError::Store(error)) | RefundRefused::Store(error) => {
            error.into()
        }
        RefundRefused::Credit(other) => StoreError::Failed(other.to_string()).into(),
    }
}

/// Asks the provider to give a refund's money back, or again what became of it, and keeps what it
/// says.
pub(crate) async fn give(
    control: &Control,
    provider: &dyn PaymentProvider,
    refund: &Refund,
) -> Result<Refund, Trouble> {
    let of = refund.payment.clone();
    let payment = control.store.read(move |tx| payments::get(tx, &of)).await?;
    let charge = payment.and_then(|payment| payment.charge);
    let charge = charge.ok_or_else(|| StoreError::Failed("a refund of no charge".into()))?;
    let asked = RefundAsked {
        refund: refund.id.clone(),
        charge,
        amount: refund.gross(),
    };
    let heard = match provider.refund(&asked).await {
        Ok(answer) => heard(&answer),
        Err(error) if error.is_final() => RefundHeard {
            reference: None,
            state: RefundState::Failed,
            failure: Some(error.to_string()),
        },
        Err(error) => return Err(error.into()),
    };
    let (id, now) = (refund.id.clone(), control.now());
    let write = move |tx: &mut Tx<'_>| payments::hear_of_refund(tx, &id, &heard, now);
    let (refund, _) = control.store.write(write).await?;
    Ok(refund)
}
