//! Hears what providers tell by themselves. News are hints: what they are about is asked for, and
//! the answer counts, so that news which are forged, old, twice or out of order do no harm.

use domain::alert::{Alert, AlertEvent};
use domain::id::PaymentId;
use domain::money::Nusd;
use domain::payment::{DisputeState, RefundState};
use serde_json::json;
use store::audit::{Event, Kind};
use store::payments::{
    self, DisputeChange, DisputeTold, ElsewhereRefunded, Payment, RefundHeard, Told,
};
use store::{StoreError, Tx, alerts};

use super::orders::look;
use super::provider::{About, Notice, PaymentProvider, ProviderDispute, ProviderRefund};
use super::refusal::Trouble;
use super::taking::Taking;
use super::withholding::Withheld;
use crate::Control;

/// Takes in a piece of news, once. Answers what came of it, as a word.
///
/// # Errors
/// [`Trouble`]: the provider should tell it again.
pub(crate) async fn hear(
    control: &Control,
    provider: &dyn PaymentProvider,
    notice: &Notice,
) -> Result<&'static str, Trouble> {
    let (name, id) = (provider.name(), notice.id.clone());
    let was_told = move |tx: &mut Tx<'_>| payments::was_told(tx, name, &id);
    if control.store.read(was_told).await? {
        return Ok("told_before");
    }
    let hearing = Hearing {
        control,
        provider,
        notice,
    };
    let outcome = match &notice.about {
        About::Checkout(reference) => hearing.checkout(reference).await?,
        About::Charge(reference) => hearing.charge(reference).await?,
        About::Dispute(reference) => hearing.dispute(reference).await?,
        About::Method(reference) => hearing.method(reference).await?,
        About::Payment(id) => hearing.payment(id).await?,
        About::Nothing => hearing.keep("ignored").await?,
    };
    tracing::info!(
        provider = name,
        event = notice.id,
        kind = notice.kind,
        outcome,
        "a payment provider told something"
    );
    Ok(outcome)
}

struct Hearing<'a> {
    control: &'a Control,
    provider: &'a dyn PaymentProvider,
    notice: &'a Notice,
}

impl Hearing<'_> {
    fn told(&self, outcome: &'static str) -> Told {
        Told {
            provider: self.provider.name().to_owned(),
            id: self.notice.id.clone(),
            kind: self.notice.kind.clone(),
            outcome,
        }
    }

    fn taking(&self) -> Taking {
        Taking {
            provider: self.provider.name(),
            entropy: self.control.entropy,
            is_called_off: false,
        }
    }

    async fn checkout(&self, reference: &str) -> Result<&'static str, Trouble> {
        let checkout = self.provider.checkout(reference).await?;
        let (taking, told, now) = (self.taking(), self.told("gone"), self.control.now());
        let write = move |tx: &mut Tx<'_>| -> Result<_, StoreError> {
            let outcome = match checkout {
                Some(checkout) => taking.checkout(tx, &checkout, now)?.outcome,
                None => told.outcome,
            };
            payments::first_told(tx, &Told { outcome, ..told }, now)?;
            Ok(outcome)
        };
        Ok(self.control.store.write(write).await?)
    }

    /// How a charge is, and what of it went back.
    async fn charge(&self, reference: &str) -> Result<&'static str, Trouble> {
        let charge = self.provider.charge(reference).await?;
        let (taking, told, now) = (self.taking(), self.told("gone"), self.control.now());
        let name = self.provider.name();
        let of = reference.to_owned();
        let write = move |tx: &mut Tx<'_>| -> Result<_, StoreError> {
            let outcome = match charge {
                Some(charge) => taking.charge(tx, &charge, now)?.outcome,
                None => told.outcome,
            };
            payments::first_told(tx, &Told { outcome, ..told }, now)?;
            Ok((outcome, payments::by_charge(tx, name, &of)?))
        };
        let (outcome, payment) = self.control.store.write(write).await?;
        if let Some(payment) = payment.filter(|payment| payment.state.is_over()) {
            refunds(self.control, self.provider, &payment).await?;
        }
        Ok(outcome)
    }

    async fn dispute(&self, reference: &str) -> Result<&'static str, Trouble> {
        let Some(dispute) = self.provider.dispute(reference).await? else {
            return self.keep("gone").await;
        };
        let outcome = disputed(self.control, self.provider.name(), &dispute).await?;
        self.keep(outcome).await
    }

    /// Whether a saved card is still there: the provider may have forgotten it.
    async fn method(&self, reference: &str) -> Result<&'static str, Trouble> {
        let (name, of) = (self.provider.name(), reference.to_owned());
        let read = move |tx: &mut Tx<'_>| -> Result<_, StoreError> {
            let Some(method) = payments::method_at(tx, name, &of)? else {
                return Ok(None);
            };
            let customer = payments::customer_of(tx, &method.saved.organization, name)?;
            Ok(customer.map(|customer| (method, customer)))
        };
        let Some((method, customer)) = self.control.store.read(read).await? else {
            return self.keep("not_ours").await;
        };
        let known = self.provider.methods(&customer).await?;
        if known.iter().any(|known| known.reference == reference) {
            return self.keep("still_there").await;
        }
        let (taking, told, now) = (self.taking(), self.told("removed"), self.control.now());
        let write = move |tx: &mut Tx<'_>| -> Result<_, StoreError> {
            let organization = &method.saved.organization;
            if payments::method(tx, organization, &method.id)?.is_some() {
                payments::remove_method(tx, &method, now)?;
                let card = &method.saved.card;
                let detail = json!({"brand": card.brand, "last4": card.last4});
                let event = Event::new(Kind::PaymentMethodRemoved, &method.id).data(detail);
                taking.tell(tx, organization, event, now)?;
            }
            payments::first_told(tx, &told, now)?;
            Ok(told.outcome)
        };
        Ok(self.control.store.write(write).await?)
    }

    /// How a payment is that the provider names.
    async fn payment(&self, id: &PaymentId) -> Result<&'static str, Trouble> {
        let of = id.clone();
        let read = move |tx: &mut Tx<'_>| payments::get(tx, &of);
        let Some(payment) = self.control.store.read(read).await? else {
            return self.keep("no_order").await;
        };
        let payment = look(self.control, payment).await?;
        self.keep(payment.state.as_str()).await
    }

    /// Keeps that it was told.
    async fn keep(&self, outcome: &'static str) -> Result<&'static str, Trouble> {
        let (told, now) = (self.told(outcome), self.control.now());
        let write = move |tx: &mut Tx<'_>| payments::first_told(tx, &told, now);
        self.control.store.write(write).await?;
        Ok(outcome)
    }
}

/// Asks the provider what of a payment went back, and takes it in: refunds of ours, and those that
/// were made without Farebox.
pub(crate) async fn refunds(
    control: &Control,
    provider: &dyn PaymentProvider,
    payment: &Payment,
) -> Result<(), Trouble> {
    let Some(charge) = &payment.charge else {
        return Ok(());
    };
    for refund in provider.refunds(charge).await? {
        match &refund.refund {
            Some(ours) => {
                let (id, heard, now) = (ours.clone(), heard(&refund), control.now());
                let write = move |tx: &mut Tx<'_>| -> Result<(), StoreError> {
                    if payments::refund(tx, &id)?.is_some() {
                        payments::hear_of_refund(tx, &id, &heard, now)?;
                    }
                    Ok(())
                };
                control.store.write(write).await?;
            }
            None => elsewhere(control, payment, &refund).await?,
        }
    }
    Ok(())
}

/// What a provider's refund says of ours.
pub(crate) fn heard(refund: &ProviderRefund) -> RefundHeard {
    RefundHeard {
        reference: Some(refund.reference.clone()),
        state: refund.state,
        failure: refund.failure.clone(),
    }
}

async fn elsewhere(
    control: &Control,
    payment: &Payment,
    refund: &ProviderRefund,
) -> Result<(), Trouble> {
    let (control, payment, refund) = (control.clone(), payment.clone(), refund.clone());
    // In a task of its own: what is withheld meanwhile is taken or given back, whatever becomes of
    // whoever waits.
    let task = tokio::spawn(async move {
        let most = match refund.state {
            RefundState::Failed => Nusd::ZERO,
            _ => refund.amount,
        };
        let withheld = Withheld::up_to(&control, &payment.organization, most).await?;
        let told = ElsewhereRefunded {
            reference: refund.reference.clone(),
            gross: refund.amount,
            state: refund.state,
            failure: refund.failure.clone(),
            free: withheld.amount,
        };
        let (entropy, now) = (control.entropy, control.now());
        let write = move |tx: &mut Tx<'_>| -> Result<_, StoreError> {
            let payment = payments::get(tx, &payment.id)?;
            let payment = payment.ok_or_else(|| StoreError::Failed("a payment is gone".into()))?;
            payments::elsewhere(tx, &payment, &told, entropy, now)
        };
        let taken = control.store.write(write).await;
        let took = taken.as_ref().ok().copied().unwrap_or(Nusd::ZERO);
        withheld.took(took);
        taken.map(|_| ())
    });
    let done = task.await.map_err(|_| StoreError::Failed("a bug".into()))?;
    Ok(done?)
}

/// Takes in how a dispute is. Answers what came of it, as a word.
pub(crate) async fn disputed(
    control: &Control,
    provider: &'static str,
    dispute: &ProviderDispute,
) -> Result<&'static str, Trouble> {
    let (name, charge) = (provider, dispute.charge.clone());
    let find = move |tx: &mut Tx<'_>| payments::by_charge(tx, name, &charge);
    let Some(payment) = control.store.read(find).await? else {
        return Ok("not_ours");
    };
    let (control, dispute) = (control.clone(), dispute.clone());
    // In a task of its own, as above.
    let task = tokio::spawn(async move {
        let most = match dispute.state.holds_money() {
            true => dispute.amount.min(payment.amount),
            false => Nusd::ZERO,
        };
        let withheld = Withheld::up_to(&control, &payment.organization, most).await?;
        let told = DisputeTold {
            provider: provider.to_owned(),
            reference: dispute.reference,
            charge: dispute.charge,
            gross: dispute.amount,
            state: dispute.state,
            reason: dispute.reason,
            free: withheld.amount,
        };
        let taking = Taking {
            provider,
            entropy: control.entropy,
            is_called_off: false,
        };
        let (now, entropy) = (control.now(), control.entropy);
        let write = move |tx: &mut Tx<'_>| -> Result<_, StoreError> {
            let change = payments::dispute_told(tx, &told, now)?;
            if let Some(change) = change.as_ref().filter(|it| it.before != Some(it.after)) {
                let event = told_of(change, &told);
                taking.tell(tx, &change.payment.organization, event, now)?;
                if change.after.holds_money() {
                    alerts::raise(tx, &alert_of(change, &told), now, entropy)?;
                }
            }
            Ok(change)
        };
        let change = control.store.write(write).await;
        let change_ok = change.as_ref().ok().and_then(Option::as_ref);
        withheld.took(change_ok.map_or(Nusd::ZERO, |change| change.taken));
        change.map(|change| change.map(|it| it.after))
    });
    let after: Result<Option<DisputeState>, StoreError> =
        task.await.map_err(|_| StoreError::Failed("a bug".into()))?;
    Ok(after?.map_or("not_ours", DisputeState::as_str))
}

fn told_of(change: &DisputeChange, told: &DisputeTold) -> Event {
    let detail = json!({
        "state": change.after.as_str(),
        "amount_usd": told.gross.to_usd(),
        "reason": told.reason,
        "taken_usd": change.taken.to_usd(),
    });
    Event::new(Kind::PaymentDisputed, &change.payment.id).data(detail)
}

/// What the organization is told, once for each dispute, when the bank takes the money.
fn alert_of(change: &DisputeChange, told: &DisputeTold) -> Alert {
    let event = AlertEvent::PaymentDisputed {
        payment: change.payment.id.to_string(),
        amount: told.gross,
        reason: told.reason.clone(),
    };
    let cause = format!("{}:{}", told.provider, told.reference);
    Alert::new(&change.payment.organization, cause, event)
}
