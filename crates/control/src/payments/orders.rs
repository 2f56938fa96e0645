//! Orders: what people and rules want to be paid.
//!
//! An order is a row before its provider hears of it, and its id is the key that the provider knows
//! it by. So whoever asks again, whoever dies half way, and whatever answer is lost, there is one
//! order, one page and one charge.

use domain::id::{OrganizationId, PaymentId, UserId};
use domain::money::Nusd;
use domain::payment::{PaymentKind, PaymentNews, PaymentState};
use domain::time::{AtUs, MINUTE_US};
use serde_json::json;
use store::audit::{Event, Kind};
use store::payments::{self, Failure, Heard, NewPayment, Payment};
use store::{StoreError, Tx, members, organizations};

use super::provider::{
    NewCharge, NewCheckout, NewCustomer, PaymentProvider, ProviderError, Purpose,
};
use super::refusal::{PaymentRefusal, Trouble};
use super::resuming::may_ask_again;
use super::taking::Taking;
use super::{CURRENCY, Payments};
use crate::Control;
use crate::authenticate::Caller;
use crate::change::Done;
use crate::respond::{Outcome, Refusal};

/// How long a page can be paid on: Stripe wants 30 minutes at least, and a card needs no more.
const PAGE_US: i64 = 60 * MINUTE_US;

/// What somebody wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wish {
    /// Credit, paid on a page.
    Credit {
        /// How much; it was checked against the bounds.
        amount: Nusd,
        /// Whether the card is saved.
        saves_method: bool,
    },
    /// A card to be saved, on a page.
    SavedCard,
}

/// Orders something for a caller, or finds what the same call ordered before, and opens the page
/// where it is done.
pub(crate) async fn begin(
    control: &Control,
    caller: Caller,
    wish: Wish,
    request_key: Option<String>,
) -> Outcome<Payment> {
    let provider = control.payments.provider()?;
    let (kind, amount, saves_method) = match wish {
        Wish::Credit {
            amount,
            saves_method,
        } => (PaymentKind::Checkout, amount, saves_method),
        Wish::SavedCard => (PaymentKind::Setup, Nusd::ZERO, true),
    };
    let new = New {
        kind,
        amount,
        saves_method,
        user: caller.actor.user().cloned(),
        request_key,
        payments: control.payments.clone(),
        provider: provider.name(),
    };
    let entropy = control.entropy;
    let change = control.change(caller, move |tx, organization, now| {
        if let Some(before) = new.before(tx, organization)? {
            return Ok(Done::nothing(before));
        }
        let id = PaymentId::random(entropy);
        let payment = payments::create(tx, &new.row(id, organization, now), now)?;
        let detail = json!({
            "kind": payment.kind.as_str(),
            "amount_usd": payment.amount.to_usd(),
            "tax_usd": payment.tax.to_usd(),
        });
        let event = Event::new(Kind::PaymentCreated, &payment.id).data(detail);
        Ok(Done::new(event, payment))
    });
    let payment = change.await?;
    if payment.state != PaymentState::Open || payment.url.is_some() {
        return Ok(payment);
    }
    open(control, &*provider, payment).await
}

/// An order to be written.
struct New {
    kind: PaymentKind,
    amount: Nusd,
    saves_method: bool,
    user: Option<UserId>,
    request_key: Option<String>,
    payments: Payments,
    provider: &'static str,
}

impl New {
    /// What the same call ordered before: it must have been the same.
    fn before(&self, tx: &mut Tx<'_>, organization: &OrganizationId) -> Outcome<Option<Payment>> {
        let Some(key) = &self.request_key else {
            return Ok(None);
        };
        let Some(before) = payments::by_request_key(tx, organization, key)? else {
            return Ok(None);
        };
        let is_same = (before.kind, before.amount, before.saves_method)
            == (self.kind, self.amount, self.saves_method);
        match is_same {
            true => Ok(Some(before)),
            false => Err(PaymentRefusal::KeyReused.into()),
        }
    }

    fn row(&self, id: PaymentId, organization: &OrganizationId, now: AtUs) -> NewPayment {
        NewPayment {
            id,
            organization: organization.clone(),
            kind: self.kind,
            amount: self.amount,
            tax: self.payments.tax_rate.on(self.amount),
            tax_rate: self.payments.tax_rate,
            currency: CURRENCY.to_owned(),
            provider: self.provider.to_owned(),
            saves_method: self.saves_method,
            user: self.user.clone(),
            method: None,
            request_key: self.request_key.clone(),
            expires_at: Some(now.plus(PAGE_US)),
        }
    }
}

/// Opens the page of an order that has none.
async fn open(
    control: &Control,
    provider: &dyn PaymentProvider,
    payment: Payment,
) -> Outcome<Payment> {
    match try_to_open(control, provider, &payment).await {
        Ok(payment) => Ok(payment),
        Err(Trouble::Store(error)) => Err(error.into()),
        Err(Trouble::Provider(error)) => {
            let id = payment.id.as_str();
            tracing::warn!(id, %error, "a page to pay on was not opened");
            if error.is_final() {
                fail(control, &payment.id, &error).await?;
            }
            Err(PaymentRefusal::of(&error).into())
        }
    }
}

/// Opens the page of a recharge whose card's bank wants to see its owner there.
pub(crate) async fn open_page(control: &Control, payment: Payment) -> Result<Payment, Trouble> {
    let Some(provider) = control.payments.of(&payment.provider) else {
        return Ok(payment);
    };
    try_to_open(control, &*provider, &payment).await
}

async fn try_to_open(
    control: &Control,
    provider: &dyn PaymentProvider,
    payment: &Payment,
) -> Result<Payment, Trouble> {
    let customer = customer(control, provider, &payment.organization).await?;
    let back = |more: &str| {
        let (url, id) = (&control.public_url, &payment.id);
        format!("{url}/billing?checkout={id}{more}")
    };
    let purpose = match payment.kind {
        PaymentKind::Setup => Purpose::Setup,
        _ => Purpose::Pay {
            amount: payment.amount,
            tax: payment.tax,
            currency: payment.currency.clone(),
            saves_method: payment.saves_method,
        },
    };
    let new = NewCheckout {
        payment: payment.id.clone(),
        organization: payment.organization.clone(),
        customer: customer.clone(),
        purpose,
        success_url: back(""),
        cancel_url: back("&cancelled=1"),
        // As it was when it was ordered: asked again, it is the same call.
        expires_at: payment
            .expires_at
            .unwrap_or(payment.created_at.plus(PAGE_US)),
    };
    let checkout = provider.begin_checkout(&new).await?;
    let (id, now) = (payment.id.clone(), control.now());
    let taking = taking(control, provider);
    let write = control.store.write(move |tx| -> Result<_, StoreError> {
        let heard = Heard {
            customer: Some(customer),
            ..Heard::default()
        };
        let payment = payments::hear(tx, &id, &heard, now)?;
        let taken = taking.checkout(tx, &checkout, now)?;
        Ok(taken.payment.unwrap_or(payment))
    });
    Ok(write.await?)
}

/// How a provider knows an organization; it is introduced if it is not known yet.
async fn customer(
    control: &Control,
    provider: &dyn PaymentProvider,
    organization: &OrganizationId,
) -> Result<String, Trouble> {
    let (of, name) = (organization.clone(), provider.name());
    let read = control.store.read(move |tx| -> Result<_, StoreError> {
        let known = payments::customer_of(tx, &of, name)?;
        let owner = members::owners(tx, &of)?.into_iter().next();
        Ok((
            known,
            organizations::name(tx, &of)?,
            owner.map(|owner| owner.email),
        ))
    });
    let (known, called, email) = read.await?;
    if let Some(known) = known {
        return Ok(known);
    }
    let new = NewCustomer {
        organization: organization.clone(),
        name: called,
        email,
    };
    let made = provider.create_customer(&new).await?;
    let (of, now) = (organization.clone(), control.now());
    let keep = move |tx: &mut Tx<'_>| payments::keep_customer(tx, &of, name, &made, now);
    Ok(control.store.write(keep).await?)
}

/// Writes that a provider will not do what was ordered.
async fn fail(
    control: &Control,
    id: &PaymentId,
    error: &ProviderError,
) -> Result<Option<Payment>, StoreError> {
    match error {
        ProviderError::Refused { code, message } => {
            give_up(control, id, code, message).await.map(Some)
        }
        _ => Ok(None),
    }
}

async fn give_up(
    control: &Control,
    id: &PaymentId,
    code: &str,
    message: &str,
) -> Result<Payment, StoreError> {
    let heard = Heard {
        failure: Some(Failure {
            code: code.to_owned(),
            message: message.to_owned(),
        }),
        news: Some(PaymentNews::Failed),
        ..Heard::default()
    };
    let (id, now) = (id.clone(), control.now());
    let write = move |tx: &mut Tx<'_>| payments::hear(tx, &id, &heard, now);
    control.store.write(write).await
}

fn taking(control: &Control, provider: &dyn PaymentProvider) -> Taking {
    Taking {
        provider: provider.name(),
        entropy: control.entropy,
        is_called_off: false,
    }
}

/// Asks the provider how a payment is, and takes in what it says. A payment that is over is
/// answered as it is.
pub(crate) async fn look(control: &Control, payment: Payment) -> Result<Payment, Trouble> {
    let Some(provider) = control.payments.of(&payment.provider) else {
        return Ok(payment);
    };
    if payment.state.is_over() {
        return Ok(payment);
    }
    let taking = taking(control, &*provider);
    let now = control.now();
    if let Some(reference) = &payment.checkout
        && let Some(checkout) = provider.checkout(reference).await?
    {
        let write = move |tx: &mut Tx<'_>| taking.checkout(tx, &checkout, now);
        let taken = control.store.write(write).await?;
        return Ok(taken.payment.unwrap_or(payment));
    }
    if let Some(reference) = &payment.charge
        && let Some(charge) = provider.charge(reference).await?
    {
        let write = move |tx: &mut Tx<'_>| taking.charge(tx, &charge, now);
        let taken = control.store.write(write).await?;
        return Ok(taken.payment.unwrap_or(payment));
    }
    Ok(payment)
}

/// Calls an order off: its page is closed, unless it was paid meanwhile.
pub(crate) async fn call_off(
    control: &Control,
    caller: Caller,
    payment: Payment,
) -> Outcome<Payment> {
    let provider = control.payments.of(&payment.provider);
    let provider = provider.ok_or(PaymentRefusal::NobodyTakes)?;
    if payment.state != PaymentState::Open || payment.kind == PaymentKind::Recharge {
        return Err(PaymentRefusal::Over.into());
    }
    let checkout = match &payment.checkout {
        None => None,
        Some(reference) => {
            let closed = provider.expire_checkout(reference).await;
            Some(closed.map_err(|error| PaymentRefusal::of(&error))?)
        }
    };
    let taking = Taking {
        is_called_off: true,
        ..taking(control, &*provider)
    };
    let change = control.change(caller, move |tx, _, now| {
        let payment = match &checkout {
            Some(checkout) => {
                let taken = taking.checkout(tx, checkout, now)?;
                taken.payment.unwrap_or(payment)
            }
            None => {
                let heard = Heard {
                    news: Some(PaymentNews::Cancelled),
                    ..Heard::default()
                };
                payments::hear(tx, &payment.id, &heard, now)?
            }
        };
        match payment.state {
            PaymentState::Cancelled => {
                let event = Event::new(Kind::PaymentCancelled, &payment.id);
                Ok(Done::new(event, payment))
            }
            _ => Ok(Done::nothing(payment)),
        }
    });
    let payment = change.await?;
    match payment.state {
        PaymentState::Open | PaymentState::Processing => Err(PaymentRefusal::Over.into()),
        _ => Ok(payment),
    }
}

/// Charges the saved card of a recharge; asked again, it is the same charge. How it went says the
/// payment: it succeeded, and is credited; it is processing; it failed, with a code; or it is open,
/// and the card's owner must prove who they are: at its address, or nowhere yet.
pub(crate) async fn charge(control: &Control, payment: Payment) -> Result<Payment, Trouble> {
    // Another provider's waits for the operator.
    let Some(provider) = control.payments.of(&payment.provider) else {
        return Ok(payment);
    };
    let Some(card) = payment.method.clone() else {
        return Ok(payment);
    };
    if payment.charge.is_none() && !may_ask_again(payment.created_at, control.now()) {
        // Should it have been charged, the provider tells.
        let message = "The payment provider did not answer for a day.";
        return Ok(give_up(control, &payment.id, "unclear", message).await?);
    }
    // The same card, even if it was removed meanwhile: it may be charged already.
    let read = move |tx: &mut Tx<'_>| payments::method_ever(tx, &card);
    let card = control.store.read(read).await?;
    let card = card.ok_or_else(|| StoreError::Failed("a card is gone".into()))?;
    let asked = async {
        let new = NewCharge {
            payment: payment.id.clone(),
            organization: payment.organization.clone(),
            customer: customer(control, &*provider, &payment.organization).await?,
            method: card.saved.reference,
            amount: payment.gross(),
            currency: payment.currency.clone(),
            description: payment.kind.reason().to_owned(),
            return_url: format!("{}/billing?checkout={}", control.public_url, payment.id),
        };
        Ok::<_, Trouble>(provider.charge_saved(&new).await?)
    };
    let charge = match asked.await {
        Ok(charge) => charge,
        Err(Trouble::Provider(error)) if error.is_final() => {
            return Ok(fail(control, &payment.id, &error).await?.unwrap_or(payment));
        }
        Err(trouble) => return Err(trouble),
    };
    let (taking, now) = (taking(control, &*provider), control.now());
    let write = move |tx: &mut Tx<'_>| taking.charge(tx, &charge, now);
    let taken = control.store.write(write).await?;
    Ok(taken.payment.unwrap_or(payment))
}

impl From<PaymentRefusal> for Refusal {
    fn from(refusal: PaymentRefusal) -> Self {
        Refusal::Payment(refusal)
    }
}
