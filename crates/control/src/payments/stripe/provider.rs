//! Stripe, as the rest of Farebox asks any provider.
//!
//! A charge is known by its payment intent, which lives as long as the payment does.

use domain::id::{PaymentId, RefundId};
use domain::money::Nusd;
use domain::payment::{Card, DisputeState, RefundState};
use domain::time::AtUs;
use http::HeaderMap;
use store::payments::Failure;

use super::failure::{CardRefusal, StripeError};
use super::objects::{
    CheckoutSession, Dispute, DisputeStatus, IntentStatus, PaymentIntent, PaymentMethod, Refund,
    RefundStatus, SessionMode, SessionPayment, SessionStatus,
};
use super::{
    NewCharge, NewCheckout, NewRefund, PAYMENT, Purpose, REFUND, Stripe, WebhookSecrets, movement,
    webhook,
};
use crate::payments::{self, Asking, PaymentProvider, ProviderError, WebhookError};

/// What a page and a bank's statement call what is bought.
const WHAT: &str = "Prepaid credit";
/// The bank wants to hear from whoever owns the card.
const MUST_AGREE: &str = "authentication_required";

type Asked<T> = Result<T, ProviderError>;

/// Takes money through Stripe.
#[derive(Debug)]
pub struct StripePayments {
    stripe: Stripe,
    /// Without them Stripe tells nothing here.
    secrets: Option<WebhookSecrets>,
}

impl StripePayments {
    /// Takes money through this account, and believes webhooks that are signed with these secrets.
    #[must_use]
    pub fn new(stripe: Stripe, secrets: Option<WebhookSecrets>) -> Self {
        StripePayments { stripe, secrets }
    }
}

impl PaymentProvider for StripePayments {
    fn name(&self) -> &'static str {
        "stripe"
    }

    fn create_customer<'a>(&'a self, new: &'a payments::NewCustomer) -> Asking<'a, String> {
        Box::pin(async move {
            let (organization, email) = (new.organization.as_str(), new.email.as_deref());
            let made = self.stripe.create_customer(organization, &new.name, email);
            Ok(made.await?.id)
        })
    }

    fn begin_checkout<'a>(
        &'a self,
        new: &'a payments::NewCheckout,
    ) -> Asking<'a, payments::Checkout> {
        Box::pin(async move {
            let purpose = match &new.purpose {
                payments::Purpose::Pay {
                    amount,
                    tax,
                    currency,
                    saves_method,
                } => Purpose::Pay {
                    amount_cents: cents(*amount)?,
                    tax_cents: cents(*tax)?,
                    currency,
                    what: WHAT,
                    saves_card: *saves_method,
                },
                payments::Purpose::Setup => Purpose::Save { currency: "usd" },
            };
            let new = NewCheckout {
                payment: new.payment.as_str(),
                organization: new.organization.as_str(),
                customer: &new.customer,
                purpose,
                success_url: &new.success_url,
                cancel_url: &new.cancel_url,
                expires_at_s: new.expires_at.seconds(),
            };
            self.page(self.stripe.create_checkout(&new).await?).await
        })
    }

    fn checkout<'a>(&'a self, reference: &'a str) -> Asking<'a, Option<payments::Checkout>> {
        Box::pin(async move {
            match found(self.stripe.checkout(reference).await)? {
                Some(page) => Ok(Some(self.page(page).await?)),
                None => Ok(None),
            }
        })
    }

    fn expire_checkout<'a>(&'a self, reference: &'a str) -> Asking<'a, payments::Checkout> {
        Box::pin(async move {
            let page = match self.stripe.expire_checkout(reference).await {
                // It is not open any more.
                Err(StripeError::Refused { .. }) => self.stripe.checkout(reference).await?,
                page => page?,
            };
            self.page(page).await
        })
    }

    fn charge_saved<'a>(&'a self, new: &'a payments::NewCharge) -> Asking<'a, payments::Charge> {
        Box::pin(async move {
            let wanted = NewCharge {
                payment: new.payment.as_str(),
                organization: new.organization.as_str(),
                customer: &new.customer,
                card: &new.method,
                amount_cents: cents(new.amount)?,
                currency: &new.currency,
                what: Some(&new.description),
            };
            match self.stripe.charge_saved_card(&wanted).await {
                Ok(intent) => self.charged(intent).await,
                Err(StripeError::Card(refusal)) => self.declined(new, *refusal).await,
                Err(error) => Err(error.into()),
            }
        })
    }

    fn charge<'a>(&'a self, reference: &'a str) -> Asking<'a, Option<payments::Charge>> {
        Box::pin(async move {
            match found(self.stripe.payment_intent(reference).await)? {
                Some(intent) => Ok(Some(self.charged(intent).await?)),
                None => Ok(None),
            }
        })
    }

    fn methods<'a>(&'a self, customer: &'a str) -> Asking<'a, Vec<payments::ProviderMethod>> {
        Box::pin(async move {
            let cards = self.stripe.saved_cards(customer).await?;
            Ok(cards.into_iter().filter_map(method).collect())
        })
    }

    fn detach_method<'a>(&'a self, reference: &'a str) -> Asking<'a, ()> {
        Box::pin(async move {
            match self.stripe.forget_card(reference).await {
                Ok(_) | Err(StripeError::Missing(_)) => Ok(()),
                // Nobody's card cannot be forgotten; its error has no code.
                Err(error @ StripeError::Refused { .. }) => {
                    match found(self.stripe.saved_card(reference).await)? {
                        Some(card) if card.customer.is_some() => Err(error.into()),
                        _ => Ok(()),
                    }
                }
                Err(error) => Err(error.into()),
            }
        })
    }

    fn refund<'a>(
        &'a self,
        new: &'a payments::RefundAsked,
    ) -> Asking<'a, payments::ProviderRefund> {
        Box::pin(async move {
            let new = NewRefund {
                refund: new.refund.as_str(),
                intent: &new.charge,
                amount_cents: cents(new.amount)?,
            };
            refund(self.stripe.create_refund(&new).await?)
        })
    }

    fn refunds<'a>(&'a self, charge: &'a str) -> Asking<'a, Vec<payments::ProviderRefund>> {
        Box::pin(async move {
            let refunds = self.stripe.refunds(charge).await?;
            refunds.into_iter().map(refund).collect()
        })
    }

    fn dispute<'a>(&'a self, reference: &'a str) -> Asking<'a, Option<payments::ProviderDispute>> {
        Box::pin(async move {
            match found(self.stripe.dispute(reference).await)? {
                Some(found) => dispute(found),
                None => Ok(None),
            }
        })
    }

    fn hears(&self) -> bool {
        self.secrets.is_some()
    }

    fn read_webhook(
        &self,
        headers: &HeaderMap,
        body: &[u8],
        now: AtUs,
    ) -> Result<payments::Notice, WebhookError> {
        let secrets = self.secrets.as_ref().ok_or(WebhookError::NotHere)?;
        webhook::read(secrets, headers, body, now)
    }

    fn balance<'a>(
        &'a self,
        query: &'a payments::BalanceQuery,
    ) -> Asking<'a, payments::BalancePage> {
        Box::pin(async move {
            let (from_s, to_s) = (query.from.seconds(), query.until.seconds());
            let page = self
                .stripe
                .balance_page(from_s, to_s, query.after.as_deref());
            let page = page.await?;
            let lines: Asked<Vec<_>> = page.movements.into_iter().map(movement::line).collect();
            Ok(payments::BalancePage {
                lines: lines?,
                next: page.next,
            })
        })
    }
}

impl StripePayments {
    /// How a page is: of one that led to a payment, what the payment says counts.
    async fn page(&self, page: CheckoutSession) -> Asked<payments::Checkout> {
        let payment = of_ours(page.client_reference_id.as_ref());
        let mut checkout = payments::Checkout {
            reference: page.id,
            payment,
            url: page.url,
            state: payments::CheckoutState::Open,
            amount: nusd(page.amount_total.unwrap_or(0))?,
            currency: match page.mode {
                SessionMode::Payment => page.currency.unwrap_or_default(),
                _ => String::new(),
            },
            charge: None,
            method: None,
            has_saved_method: false,
            failure: None,
            expires_at: page.expires_at.map(AtUs::from_seconds),
        };
        let mut card = None;
        if let Some(setup) = page.setup_intent {
            card = self.stripe.setup_intent(&setup).await?.payment_method;
        }
        let mut intent_status = None;
        if let Some(intent) = page.payment_intent {
            let intent = self.stripe.payment_intent(&intent).await?;
            intent_status = Some(intent.status);
            checkout.failure = failure(&intent);
            if intent.status == IntentStatus::Succeeded {
                checkout.amount = nusd(intent.amount_received)?;
                checkout.currency = intent.currency;
            }
            card = intent.payment_method;
            checkout.charge = Some(intent.id);
        }
        if let Some(card) = card
            && let Some(card) = found(self.stripe.saved_card(&card).await)?
        {
            checkout.has_saved_method = card.customer.is_some();
            checkout.method = method(card);
        }
        checkout.state = state(page.status, page.payment_status, intent_status);
        Ok(checkout)
    }

    /// How a payment is, with the card that it was made with.
    async fn charged(&self, intent: PaymentIntent) -> Asked<payments::Charge> {
        let state = match intent.status {
            IntentStatus::Succeeded => payments::ChargeState::Succeeded,
            IntentStatus::Canceled => payments::ChargeState::Cancelled,
            IntentStatus::RequiresAction => payments::ChargeState::NeedsAction {
                url: intent.action_url(),
            },
            IntentStatus::RequiresPaymentMethod | IntentStatus::RequiresConfirmation => {
                match failure(&intent) {
                    Some(failure) => payments::ChargeState::Declined(failure),
                    None => payments::ChargeState::NeedsAction { url: None },
                }
            }
            _ => payments::ChargeState::Processing,
        };
        let amount = match intent.status {
            IntentStatus::Succeeded => intent.amount_received,
            _ => intent.amount,
        };
        let card = match &intent.payment_method {
            Some(card) => found(self.stripe.saved_card(card).await)?,
            None => None,
        };
        Ok(payments::Charge {
            payment: of_ours(intent.metadata.get(PAYMENT)),
            reference: intent.id,
            state,
            amount: nusd(amount)?,
            currency: intent.currency,
            method: card.and_then(method),
        })
    }

    /// What becomes of a charge that the bank did not let pass: where it only wants to hear from
    /// the card's owner, there is a page for that.
    async fn declined(
        &self,
        new: &payments::NewCharge,
        refusal: CardRefusal,
    ) -> Asked<payments::Charge> {
        let Some(intent) = refusal.intent else {
            return Err(ProviderError::Refused {
                code: refusal.code,
                message: refusal.message,
            });
        };
        if refusal.code == MUST_AGREE {
            let (payment, back) = (new.payment.as_str(), &new.return_url);
            let agree = self
                .stripe
                .ask_owner(&intent.id, payment, &new.method, back);
            match agree.await {
                // Whatever was said, and however long ago, how it is now is asked below.
                Ok(_) | Err(StripeError::Card(_) | StripeError::Refused { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        let intent = self.stripe.payment_intent(&intent.id).await?;
        self.charged(intent).await
    }
}

/// How far a page is. Money that is there counts, whatever else is said.
fn state(
    page: SessionStatus,
    paid: SessionPayment,
    intent: Option<IntentStatus>,
) -> payments::CheckoutState {
    use payments::CheckoutState as State;
    match (page, paid, intent) {
        (_, _, Some(IntentStatus::Succeeded)) => State::Done,
        (SessionStatus::Open, ..) => State::Open,
        (SessionStatus::Expired, ..) => State::Expired,
        (SessionStatus::Complete, SessionPayment::NoPaymentRequired, None) => State::Done,
        (
            SessionStatus::Complete,
            _,
            Some(IntentStatus::RequiresPaymentMethod | IntentStatus::Canceled),
        ) => State::Failed,
        // Paid, says the page, and the payment does not yet.
        _ => State::Processing,
    }
}

/// Why a payment failed the last time, if it has not succeeded since.
fn failure(intent: &PaymentIntent) -> Option<Failure> {
    match intent.status {
        IntentStatus::Succeeded => None,
        _ => intent.failure(),
    }
}

fn method(card: PaymentMethod) -> Option<payments::ProviderMethod> {
    let shown = card.card?;
    Some(payments::ProviderMethod {
        reference: card.id,
        card: Card {
            brand: shown.brand,
            last4: shown.last4,
        },
        exp_month: shown.exp_month,
        exp_year: shown.exp_year,
    })
}

fn refund(made: Refund) -> Asked<payments::ProviderRefund> {
    Ok(payments::ProviderRefund {
        refund: made.metadata.get(REFUND).map(|id| RefundId::new(id)),
        reference: made.id,
        amount: nusd(made.amount)?,
        currency: made.currency,
        state: match made.status {
            RefundStatus::Succeeded => RefundState::Succeeded,
            RefundStatus::Failed | RefundStatus::Canceled => RefundState::Failed,
            _ => RefundState::Pending,
        },
        failure: made.failure_reason,
    })
}

/// A dispute; none if it is of no payment that Farebox could have made.
fn dispute(found: Dispute) -> Asked<Option<payments::ProviderDispute>> {
    let Some(charge) = found.payment_intent else {
        return Ok(None);
    };
    let state = match found.status {
        DisputeStatus::WarningNeedsResponse | DisputeStatus::WarningUnderReview => {
            DisputeState::Inquiry
        }
        DisputeStatus::NeedsResponse | DisputeStatus::UnderReview => DisputeState::Open,
        DisputeStatus::Won | DisputeStatus::WarningClosed | DisputeStatus::Prevented => {
            DisputeState::Won
        }
        DisputeStatus::Lost => DisputeState::Lost,
        DisputeStatus::Other => {
            let reason = format!("the dispute {} is in no state that is known here", found.id);
            return Err(ProviderError::Unreadable(reason));
        }
    };
    Ok(Some(payments::ProviderDispute {
        reference: found.id,
        charge,
        amount: nusd(found.amount)?,
        currency: found.currency,
        state,
        reason: found.reason,
    }))
}

/// The payment of ours that Stripe names, if it can be one.
pub(super) fn of_ours(id: Option<&String>) -> Option<PaymentId> {
    id.filter(|id| id.starts_with("pay_"))
        .map(|id| PaymentId::new(id))
}

/// What was found; none if there is no such thing.
fn found<T>(outcome: Result<T, StripeError>) -> Asked<Option<T>> {
    match outcome {
        Ok(found) => Ok(Some(found)),
        Err(StripeError::Missing(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn cents(amount: Nusd) -> Asked<i64> {
    amount.whole_cents().ok_or_else(|| ProviderError::Refused {
        code: "amount_invalid".into(),
        message: "Cards are charged whole cents.".into(),
    })
}

pub(super) fn nusd(cents: i64) -> Asked<Nusd> {
    let unreadable = || ProviderError::Unreadable(format!("{cents} cents are too much"));
    Nusd::from_cents(cents).ok_or_else(unreadable)
}

impl From<StripeError> for ProviderError {
    fn from(error: StripeError) -> Self {
        let text = error.to_string();
        match error {
            StripeError::Unavailable(_) => ProviderError::Unreachable(text),
            StripeError::Unauthorized(_) => ProviderError::Misconfigured,
            StripeError::Unreadable(_) => ProviderError::Unreadable(text),
            StripeError::Card(refusal) => ProviderError::Refused {
                code: refusal.code,
                message: refusal.message,
            },
            StripeError::Missing(_) => ProviderError::Refused {
                code: "resource_missing".into(),
                message: text,
            },
            StripeError::KeyReused(_) => ProviderError::Refused {
                code: "idempotency_error".into(),
                message: text,
            },
            StripeError::Refused { code, message, .. } => ProviderError::Refused { code, message },
        }
    }
}
