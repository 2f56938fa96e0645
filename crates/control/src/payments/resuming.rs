//! Goes on with what was left half done: by a process that died, a provider that did not answer, or
//! news that never came. Every node does this now and then; what two do at once is done once.

use domain::payment::{PaymentKind, PaymentNews, RefundState};
use domain::time::{AtUs, HOUR_US};
use store::payments::{self, Heard, Payment, Refund};
use store::{StoreError, Tx};

use super::hearing;
use super::orders::look;
use super::provider::PaymentProvider;
use super::refunding::give;
use super::refusal::Trouble;
use crate::Control;

/// So many of each are looked at in one go.
const AT_ONCE: i64 = 20;
/// Providers forget after a day that they were asked with a key: asked later, they would do it
/// again. Stripe keeps them for 24 hours at least.
const KEYS_US: i64 = 23 * HOUR_US;

/// Whether a provider still knows that it was asked at `since`.
pub(crate) fn may_ask_again(since: AtUs, now: AtUs) -> bool {
    now < since.plus(KEYS_US)
}

/// Looks at what has waited long enough.
///
/// # Errors
/// [`Trouble`]; what is left waits for the next time.
pub(crate) async fn resume(control: &Control) -> Result<(), Trouble> {
    let Some(provider) = control.payments.provider.clone() else {
        return Ok(());
    };
    let now = control.now();
    let read = control.store.read(move |tx| -> Result<_, StoreError> {
        Ok((
            payments::due(tx, now, AT_ONCE)?,
            payments::refunds_due(tx, now, AT_ONCE)?,
        ))
    });
    let (waiting, refunds) = read.await?;
    for payment in waiting {
        let id = payment.id.clone();
        if let Err(error) = go_on(control, payment).await {
            tracing::warn!(payment = id.as_str(), %error, "a payment was not looked at");
        }
        // Whatever came of it, others have their turn before it is looked at again.
        let write = move |tx: &mut Tx<'_>| payments::looked_at(tx, &id, now);
        control.store.write(write).await?;
    }
    for refund in refunds {
        let id = refund.id.clone();
        if let Err(error) = go_on_with_refund(control, &*provider, refund).await {
            tracing::warn!(refund = id.as_str(), %error, "a refund was not looked at");
        }
        let write = move |tx: &mut Tx<'_>| payments::refund_looked_at(tx, &id, now);
        control.store.write(write).await?;
    }
    Ok(())
}

async fn go_on(control: &Control, payment: Payment) -> Result<(), Trouble> {
    let is_begun = payment.checkout.is_some() || payment.charge.is_some();
    if is_begun || payment.kind == PaymentKind::Recharge {
        // What a rule ordered and no provider answered, the rule orders again.
        return look(control, payment).await.map(|_| ());
    }
    // Nobody ever saw its page.
    let now = control.now();
    if payment.expires_at.is_some_and(|at| at <= now) {
        let heard = Heard {
            news: Some(PaymentNews::Expired),
            ..Heard::default()
        };
        let write = move |tx: &mut Tx<'_>| payments::hear(tx, &payment.id, &heard, now);
        control.store.write(write).await?;
    }
    Ok(())
}

async fn go_on_with_refund(
    control: &Control,
    provider: &dyn PaymentProvider,
    refund: Refund,
) -> Result<(), Trouble> {
    let (of, id) = (refund.payment.clone(), refund.id.clone());
    let payment = control.store.read(move |tx| payments::get(tx, &of)).await?;
    let Some(payment) = payment.filter(|payment| payment.provider == provider.name()) else {
        return Ok(());
    };
    hearing::refunds(control, provider, &payment).await?;
    let now = control
        .store
        .read(move |tx| payments::refund(tx, &id))
        .await?;
    let is_unknown =
        now.is_some_and(|now| now.state == RefundState::Pending && now.reference.is_none());
    if !is_unknown {
        return Ok(());
    }
    if !may_ask_again(refund.created_at, control.now()) {
        tracing::error!(
            refund = refund.id.as_str(),
            "a refund was not answered for a day, and the provider does not list it: look there, and give it back by hand"
        );
        return Ok(());
    }
    give(control, provider, &refund).await.map(|_| ())
}
