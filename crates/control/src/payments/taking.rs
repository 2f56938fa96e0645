//! Takes in what a provider says when it is asked: in one transaction, whoever asked and why.
//!
//! What was paid is settled; all else is a step of the payment's state. Each of these functions may
//! be called with the same answer as often as anybody likes.

use domain::Entropy;
use domain::id::OrganizationId;
use domain::payment::{PaymentKind, PaymentNews, PaymentState};
use domain::time::AtUs;
use serde_json::json;
use store::audit::{self, Act, Actor, Event, Kind};
use store::payments::{self, Heard, Paid, Payment, SavedMethod, Settled};
use store::{StoreError, Tx, recharges};

use super::provider::{Charge, ChargeState, Checkout, CheckoutState, ProviderMethod};

/// With what answers are taken in.
#[derive(Clone)]
pub(crate) struct Taking {
    /// Who answered.
    pub(crate) provider: &'static str,
    /// Makes ids.
    pub(crate) entropy: Entropy,
    /// Whether a page that is closed was closed by somebody who would rather not pay.
    pub(crate) is_called_off: bool,
}

/// What came of an answer.
#[derive(Clone, Debug)]
pub(crate) struct Taken {
    /// The payment, as it is now; none if the answer is of no payment here.
    pub(crate) payment: Option<Payment>,
    /// What came of it, as a word.
    pub(crate) outcome: &'static str,
}

impl Taken {
    fn of(payment: Payment, outcome: &'static str) -> Self {
        Taken {
            payment: Some(payment),
            outcome,
        }
    }

    fn nothing(outcome: &'static str) -> Self {
        Taken {
            payment: None,
            outcome,
        }
    }
}

impl Taking {
    /// Takes in how a page is.
    pub(crate) fn checkout(
        &self,
        tx: &mut Tx<'_>,
        checkout: &Checkout,
        now: AtUs,
    ) -> Result<Taken, StoreError> {
        let known = match &checkout.payment {
            Some(id) => payments::get(tx, id)?,
            None => payments::by_checkout(tx, self.provider, &checkout.reference)?,
        };
        let is_setup = known
            .as_ref()
            .is_some_and(|it| it.kind == PaymentKind::Setup);
        let taken = match (checkout.state, known) {
            // Somebody else's, who has the same account at the provider.
            (_, None) if checkout.payment.is_none() => return Ok(Taken::nothing("not_ours")),
            (CheckoutState::Done, _) if !is_setup => {
                self.settle(tx, &paid_on(self.provider, checkout), now)?
            }
            (_, None) => return Ok(Taken::nothing("no_order")),
            (_, Some(payment)) if is_another(payment.checkout.as_ref(), &checkout.reference) => {
                return Ok(Taken::nothing("other_checkout"));
            }
            (state, Some(payment)) => {
                self.hear(tx, &payment, &self.heard_of_page(checkout, state), now)?
            }
        };
        if checkout.state == CheckoutState::Done
            && checkout.has_saved_method
            && let (Some(payment), Some(method)) = (&taken.payment, &checkout.method)
        {
            self.save(tx, &payment.organization, method, now)?;
        }
        Ok(taken)
    }

    fn heard_of_page(&self, checkout: &Checkout, state: CheckoutState) -> Heard {
        let news = match state {
            CheckoutState::Open => None,
            CheckoutState::Processing => Some(PaymentNews::Processing),
            // A card was saved: what was paid is settled.
            CheckoutState::Done => Some(PaymentNews::Succeeded),
            CheckoutState::Failed => Some(PaymentNews::Failed),
            CheckoutState::Expired if self.is_called_off => Some(PaymentNews::Cancelled),
            CheckoutState::Expired => Some(PaymentNews::Expired),
        };
        Heard {
            checkout: Some(checkout.reference.clone()),
            charge: checkout.charge.clone(),
            url: checkout.url.clone(),
            expires_at: checkout.expires_at,
            card: checkout.method.as_ref().map(|method| method.card.clone()),
            failure: checkout.failure.clone(),
            news,
            ..Heard::default()
        }
    }

    /// Takes in how a charge is.
    pub(crate) fn charge(
        &self,
        tx: &mut Tx<'_>,
        charge: &Charge,
        now: AtUs,
    ) -> Result<Taken, StoreError> {
        let known = match &charge.payment {
            Some(id) => payments::get(tx, id)?,
            None => payments::by_charge(tx, self.provider, &charge.reference)?,
        };
        match (&charge.state, known) {
            (_, None) if charge.payment.is_none() => Ok(Taken::nothing("not_ours")),
            (ChargeState::Succeeded, _) => {
                let paid = Paid {
                    provider: self.provider.to_owned(),
                    payment: charge.payment.clone(),
                    checkout: None,
                    charge: charge.reference.clone(),
                    amount: charge.amount,
                    currency: charge.currency.clone(),
                    card: charge.method.as_ref().map(|method| method.card.clone()),
                };
                self.settle(tx, &paid, now)
            }
            (_, None) => Ok(Taken::nothing("no_order")),
            (_, Some(payment)) if is_another(payment.charge.as_ref(), &charge.reference) => {
                Ok(Taken::nothing("other_charge"))
            }
            (state, Some(payment)) => {
                let heard = heard_of_charge(&payment, charge, state);
                self.hear(tx, &payment, &heard, now)
            }
        }
    }

    fn hear(
        &self,
        tx: &mut Tx<'_>,
        payment: &Payment,
        heard: &Heard,
        now: AtUs,
    ) -> Result<Taken, StoreError> {
        let before = payment.state;
        let payment = payments::hear(tx, &payment.id, heard, now)?;
        if before != payment.state {
            self.tell_end(tx, &payment, now)?;
        }
        recharges::follow(tx, &payment, (now, self.entropy))?;
        Ok(Taken::of(payment, heard.news.map_or("open", word)))
    }

    fn settle(&self, tx: &mut Tx<'_>, paid: &Paid, now: AtUs) -> Result<Taken, StoreError> {
        Ok(
            match payments::settle_payment(tx, paid, self.entropy, now)? {
                Settled::Credited(payment) => {
                    let detail = json!({
                        "amount_usd": payment.amount.to_usd(),
                        "tax_usd": payment.tax.to_usd(),
                    });
                    let event = Event::new(Kind::PaymentSucceeded, &payment.id).data(detail);
                    self.tell(tx, &payment.organization, event, now)?;
                    recharges::follow(tx, &payment, (now, self.entropy))?;
                    Taken::of(*payment, "credited")
                }
                Settled::Before(payment) => Taken::of(*payment, "credited_before"),
                Settled::Unmatched(problem) => {
                    let (charge, provider) = (&paid.charge, &paid.provider);
                    let problem = problem.as_str();
                    tracing::error!(
                        charge,
                        provider,
                        problem,
                        "money came in that matches no order: nothing is credited, an operator must look"
                    );
                    Taken::nothing(problem)
                }
            },
        )
    }

    /// Keeps a card that a provider saved.
    fn save(
        &self,
        tx: &mut Tx<'_>,
        organization: &OrganizationId,
        method: &ProviderMethod,
        now: AtUs,
    ) -> Result<(), StoreError> {
        let saved = SavedMethod {
            organization: organization.clone(),
            provider: self.provider.to_owned(),
            reference: method.reference.clone(),
            card: method.card.clone(),
            exp_month: method.exp_month,
            exp_year: method.exp_year,
        };
        let (method, is_new) = payments::save_method(tx, &saved, self.entropy, now)?;
        if is_new {
            let card = &method.saved.card;
            let detail = json!({"brand": card.brand, "last4": card.last4});
            let event = Event::new(Kind::PaymentMethodAdded, &method.id).data(detail);
            self.tell(tx, organization, event, now)?;
        }
        Ok(())
    }

    /// Writes into the audit log that a payment ended without money.
    fn tell_end(&self, tx: &mut Tx<'_>, payment: &Payment, now: AtUs) -> Result<(), StoreError> {
        let kind = match payment.state {
            PaymentState::Failed => Kind::PaymentFailed,
            PaymentState::Expired => Kind::PaymentExpired,
            _ => return Ok(()),
        };
        let code = payment
            .failure
            .as_ref()
            .map(|failure| failure.code.as_str());
        let event = Event::new(kind, &payment.id).data(json!({"failure_code": code}));
        self.tell(tx, &payment.organization, event, now)
    }

    /// Writes into an organization's audit log what no person did.
    pub(crate) fn tell(
        &self,
        tx: &mut Tx<'_>,
        organization: &OrganizationId,
        event: Event,
        now: AtUs,
    ) -> Result<(), StoreError> {
        let act = Act {
            actor: &Actor::operator(),
            organization,
            at: now,
            entropy: self.entropy,
        };
        audit::record(tx, &act, &[event])
    }
}

/// Whether a payment is known to have another page, or charge, than this one.
fn is_another(known: Option<&String>, told: &str) -> bool {
    known.is_some_and(|known| known != told)
}

fn paid_on(provider: &str, checkout: &Checkout) -> Paid {
    // A page that is paid names its charge; should it not, the page's own name is as unique.
    let charge = checkout.charge.as_ref().unwrap_or(&checkout.reference);
    Paid {
        provider: provider.to_owned(),
        payment: checkout.payment.clone(),
        checkout: Some(checkout.reference.clone()),
        charge: charge.clone(),
        amount: checkout.amount,
        currency: checkout.currency.clone(),
        card: checkout.method.as_ref().map(|method| method.card.clone()),
    }
}

fn heard_of_charge(payment: &Payment, charge: &Charge, state: &ChargeState) -> Heard {
    let mut heard = Heard {
        charge: Some(charge.reference.clone()),
        card: charge.method.as_ref().map(|method| method.card.clone()),
        ..Heard::default()
    };
    match state {
        ChargeState::Succeeded => {}
        ChargeState::Processing => heard.news = Some(PaymentNews::Processing),
        ChargeState::NeedsAction { url } => heard.url.clone_from(url),
        // On a page, another card may still be tried: the page says when it is over.
        ChargeState::Declined(failure) if payment.kind == PaymentKind::Checkout => {
            heard.failure = Some(failure.clone());
        }
        ChargeState::Declined(failure) => {
            heard.failure = Some(failure.clone());
            heard.news = Some(PaymentNews::Failed);
        }
        ChargeState::Cancelled => heard.news = Some(PaymentNews::Cancelled),
    }
    heard
}

fn word(news: PaymentNews) -> &'static str {
    match news {
        PaymentNews::Processing => "processing",
        PaymentNews::Succeeded => "succeeded",
        PaymentNews::Failed => "failed",
        PaymentNews::Cancelled => "cancelled",
        PaymentNews::Expired => "expired",
    }
}
