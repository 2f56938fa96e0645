//! A payment provider without any money: what Stripe's published test cards do, on this machine.
//!
//! It keeps what it knows in the database, as a provider of its own would, so that several nodes
//! and restarts see the same. It has pages ([`pages`]) where a card is typed in, and it calls back
//! as a webhook would: late, after the page was left. Everything else of Farebox treats it as it
//! treats Stripe, so that whoever tries Farebox out sees the whole way.

mod cards;
mod html;
pub(crate) mod pages;
mod steps;
mod things;
mod typed;

use std::sync::Arc;

use domain::id::PaymentId;
use domain::payment::{DisputeState, RefundState};
use domain::time::{AtUs, Clock};
use http::HeaderMap;
use store::page::Page;
use store::payments::Failure;
use store::{Store, StoreError, Tx, test_payments};

use self::cards::{RefundEnd, Try};
use self::things::{
    BalanceThing, ChargeStage, ChargeThing, CheckoutStage, CheckoutThing, CustomerThing,
    DisputeThing, Kept, MethodThing, RefundThing, add, change, keep, owned,
};
use super::provider::{
    Asking, BalanceLine, BalancePage, BalanceQuery, Charge, ChargeState, Checkout, CheckoutState,
    NewCharge, NewCheckout, NewCustomer, Notice, PaymentProvider, ProviderDispute, ProviderError,
    ProviderMethod, ProviderRefund, RefundAsked, WebhookError,
};

/// What the books know it by.
pub(crate) const NAME: &str = "test";

/// The test provider. Cheap to clone.
#[derive(Clone)]
pub struct TestProvider {
    store: Store,
    clock: Clock,
    public_url: Arc<str>,
}

impl TestProvider {
    /// One that keeps what it knows in `store`; its pages are below `public_url`.
    #[must_use]
    pub fn new(store: Store, clock: Clock, public_url: &str) -> Self {
        TestProvider {
            store,
            clock,
            public_url: public_url.into(),
        }
    }

    fn now(&self) -> AtUs {
        (self.clock)()
    }

    fn url(&self, reference: &str, step: &str) -> String {
        format!("{}/test-payments/{reference}{step}", self.public_url)
    }

    async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Tx<'_>, AtUs) -> Result<T, ProviderError> + Send + 'static,
    ) -> Result<T, ProviderError> {
        let now = self.now();
        self.store.write(move |tx| work(tx, now)).await
    }

    /// How a page is, as everybody else may know it.
    fn seen(
        &self,
        tx: &mut Tx<'_>,
        kept: &Kept<CheckoutThing>,
        now: AtUs,
    ) -> Result<Checkout, ProviderError> {
        let CheckoutThing { order, stage, .. } = &kept.body;
        let stage = stage.at(order.expires_at(), now);
        let is_open = matches!(
            stage,
            CheckoutStage::Open | CheckoutStage::Authenticating { .. }
        );
        let method = match &stage {
            CheckoutStage::Done { method, .. } => things::get::<MethodThing>(tx, method)?,
            _ => None,
        };
        Ok(Checkout {
            reference: kept.reference.clone(),
            payment: Some(PaymentId::new(&order.payment)),
            url: is_open.then(|| self.url(&kept.reference, "")),
            state: match stage {
                CheckoutStage::Open | CheckoutStage::Authenticating { .. } => CheckoutState::Open,
                CheckoutStage::Done { .. } => CheckoutState::Done,
                CheckoutStage::Expired => CheckoutState::Expired,
            },
            amount: order.gross()?,
            currency: order.currency.clone(),
            charge: match &stage {
                CheckoutStage::Done { charge, .. } => charge.clone(),
                _ => None,
            },
            method: method.as_ref().map(seen_method),
            has_saved_method: method.is_some_and(|method| method.body.is_saved),
            failure: kept.body.failure.clone().map(Failure::from),
            expires_at: Some(order.expires_at()),
        })
    }

    fn seen_charge(
        &self,
        tx: &mut Tx<'_>,
        kept: &Kept<ChargeThing>,
    ) -> Result<Charge, ProviderError> {
        let method = things::get::<MethodThing>(tx, &kept.body.method)?;
        Ok(Charge {
            reference: kept.reference.clone(),
            payment: Some(PaymentId::new(&kept.body.payment)),
            state: match &kept.body.stage {
                ChargeStage::Succeeded => ChargeState::Succeeded,
                ChargeStage::NeedsAction => ChargeState::NeedsAction {
                    url: Some(self.url(&kept.reference, "/authenticate")),
                },
                ChargeStage::Declined(failure) => ChargeState::Declined(failure.clone().into()),
            },
            amount: things::cents(kept.body.amount_cents)?,
            currency: kept.body.currency.clone(),
            method: method.as_ref().map(seen_method),
        })
    }
}

/// The name of something that belongs to something of ours.
fn reference(kind: &str, of: &str) -> String {
    let name = of.split_once(['_', '-']).map_or(of, |(_, name)| name);
    format!("test_{kind}_{name}")
}

fn seen_method(kept: &Kept<MethodThing>) -> ProviderMethod {
    ProviderMethod {
        reference: kept.reference.clone(),
        card: kept.body.card(),
        exp_month: kept.body.exp_month,
        exp_year: kept.body.exp_year,
    }
}

fn seen_refund(kept: &Kept<RefundThing>) -> Result<ProviderRefund, ProviderError> {
    let state = RefundState::from_word(&kept.body.state);
    Ok(ProviderRefund {
        reference: kept.reference.clone(),
        refund: Some(domain::id::RefundId::new(&kept.body.refund)),
        amount: things::cents(kept.body.amount_cents)?,
        currency: kept.body.currency.clone(),
        state: state.ok_or_else(|| things::unreadable("the state of a refund"))?,
        failure: kept.body.failure.clone(),
    })
}

impl PaymentProvider for TestProvider {
    fn name(&self) -> &'static str {
        NAME
    }

    fn create_customer<'a>(&'a self, new: &'a NewCustomer) -> Asking<'a, String> {
        let name = reference("cus", new.organization.as_str());
        let thing = CustomerThing {
            organization: new.organization.to_string(),
            name: new.name.clone(),
        };
        Box::pin(self.write(move |tx, now| {
            add(tx, &name, "", &thing, now)?;
            Ok(name)
        }))
    }

    fn begin_checkout<'a>(&'a self, new: &'a NewCheckout) -> Asking<'a, Checkout> {
        let (provider, new) = (self.clone(), new.clone());
        Box::pin(self.write(move |tx, now| {
            let name = reference("cs", new.payment.as_str());
            let thing = CheckoutThing::new(&new)?;
            let kept = add(tx, &name, &new.customer, &thing, now)?;
            provider.seen(tx, &kept, now)
        }))
    }

    fn checkout<'a>(&'a self, reference: &'a str) -> Asking<'a, Option<Checkout>> {
        let (provider, reference) = (self.clone(), reference.to_owned());
        Box::pin(self.write(move |tx, now| {
            let kept = things::get::<CheckoutThing>(tx, &reference)?;
            kept.map(|kept| provider.seen(tx, &kept, now)).transpose()
        }))
    }

    fn expire_checkout<'a>(&'a self, reference: &'a str) -> Asking<'a, Checkout> {
        let (provider, reference) = (self.clone(), reference.to_owned());
        Box::pin(self.write(move |tx, now| {
            let mut kept = keep::<CheckoutThing>(tx, &reference)?;
            if !matches!(kept.body.stage, CheckoutStage::Done { .. }) {
                kept.body.stage = CheckoutStage::Expired;
                change(tx, &kept)?;
            }
            provider.seen(tx, &kept, now)
        }))
    }

    fn charge_saved<'a>(&'a self, new: &'a NewCharge) -> Asking<'a, Charge> {
        let (provider, new) = (self.clone(), new.clone());
        Box::pin(self.write(move |tx, now| {
            let name = reference("pi", new.payment.as_str());
            if let Some(before) = things::get::<ChargeThing>(tx, &name)? {
                return provider.seen_charge(tx, &before);
            }
            let method = things::get::<MethodThing>(tx, &new.method)?;
            let method = method.filter(|it| it.owner == new.customer && it.body.is_saved);
            let method = method.ok_or_else(|| ProviderError::Refused {
                code: "resource_missing".into(),
                message: "No such payment method.".into(),
            })?;
            let card = method.body.behaviour()?;
            let stage = match card.off_session() {
                Try::Succeeds => ChargeStage::Succeeded,
                Try::Asks => ChargeStage::NeedsAction,
                Try::Declines(decline) => ChargeStage::Declined(decline.into()),
            };
            let thing = ChargeThing {
                payment: new.payment.to_string(),
                amount_cents: things::whole_cents(new.amount)?,
                currency: new.currency.clone(),
                method: method.reference.clone(),
                return_url: new.return_url.clone(),
                stage,
            };
            let kept = add(tx, &name, &new.customer, &thing, now)?;
            if kept.body.stage == ChargeStage::Succeeded {
                took(tx, &kept, now)?;
            }
            provider.seen_charge(tx, &kept)
        }))
    }

    fn charge<'a>(&'a self, reference: &'a str) -> Asking<'a, Option<Charge>> {
        let (provider, reference) = (self.clone(), reference.to_owned());
        Box::pin(self.write(move |tx, _| {
            let kept = things::get::<ChargeThing>(tx, &reference)?;
            kept.map(|kept| provider.seen_charge(tx, &kept)).transpose()
        }))
    }

    fn methods<'a>(&'a self, customer: &'a str) -> Asking<'a, Vec<ProviderMethod>> {
        let customer = customer.to_owned();
        Box::pin(self.write(move |tx, _| {
            let methods = owned::<MethodThing>(tx, &customer)?;
            let saved = methods.iter().filter(|method| method.body.is_saved);
            Ok(saved.map(seen_method).collect())
        }))
    }

    fn detach_method<'a>(&'a self, reference: &'a str) -> Asking<'a, ()> {
        let reference = reference.to_owned();
        Box::pin(self.write(move |tx, _| {
            if let Some(mut method) = things::get::<MethodThing>(tx, &reference)? {
                method.body.is_saved = false;
                change(tx, &method)?;
            }
            Ok(())
        }))
    }

    fn refund<'a>(&'a self, new: &'a RefundAsked) -> Asking<'a, ProviderRefund> {
        let new = new.clone();
        Box::pin(self.write(move |tx, now| {
            let name = reference("re", new.refund.as_str());
            if let Some(before) = things::get::<RefundThing>(tx, &name)? {
                return seen_refund(&before);
            }
            seen_refund(&give_back(tx, &name, &new, now)?)
        }))
    }

    fn refunds<'a>(&'a self, charge: &'a str) -> Asking<'a, Vec<ProviderRefund>> {
        let charge = charge.to_owned();
        Box::pin(self.write(move |tx, now| {
            let mut refunds = owned::<RefundThing>(tx, &charge)?;
            for refund in &mut refunds {
                finish(tx, refund, now)?;
            }
            refunds.iter().map(seen_refund).collect()
        }))
    }

    fn dispute<'a>(&'a self, reference: &'a str) -> Asking<'a, Option<ProviderDispute>> {
        let reference = reference.to_owned();
        Box::pin(self.write(move |tx, _| {
            let kept = things::get::<DisputeThing>(tx, &reference)?;
            kept.map(|kept| {
                let state = DisputeState::from_word(&kept.body.state);
                Ok(ProviderDispute {
                    reference: kept.reference,
                    charge: kept.owner,
                    amount: things::cents(kept.body.amount_cents)?,
                    currency: kept.body.currency,
                    state: state.ok_or_else(|| things::unreadable("the state of a dispute"))?,
                    reason: kept.body.reason,
                })
            })
            .transpose()
        }))
    }

    fn read_webhook(&self, _: &HeaderMap, _: &[u8], _: AtUs) -> Result<Notice, WebhookError> {
        // It calls back within this process: nothing comes over the network.
        Err(WebhookError::NotHere)
    }

    fn balance<'a>(&'a self, query: &'a BalanceQuery) -> Asking<'a, BalancePage> {
        let query = query.clone();
        Box::pin(self.write(move |tx, _| balance(tx, &query)))
    }
}

/// The most movements of a page.
const LINES: usize = 100;

fn balance(tx: &mut Tx<'_>, query: &BalanceQuery) -> Result<BalancePage, ProviderError> {
    let after = match &query.after {
        None => None,
        Some(last) => test_payments::get(tx, last)?.map(|thing| (thing.at, thing.reference)),
    };
    let page = Page {
        after,
        is_descending: false,
        limit: LINES as i64 + 1,
    };
    let mut lines = things::between::<BalanceThing>(tx, (query.from, query.until), &page)?;
    let has_more = lines.len() > LINES;
    lines.truncate(LINES);
    let next = lines.last().filter(|_| has_more);
    let next = next.map(|last| last.reference.clone());
    let line = |kept: Kept<BalanceThing>| {
        Ok(BalanceLine {
            kind: kept.body.kind(),
            charge: (kept.body.kind() == super::BalanceKind::Charge).then(|| kept.owner.clone()),
            source: Some(kept.owner),
            amount: things::cents(kept.body.amount_cents)?,
            fee: things::cents(kept.body.fee_cents)?,
            currency: kept.body.currency,
            at: kept.at,
            reference: kept.reference,
        })
    };
    Ok(BalancePage {
        lines: lines
            .into_iter()
            .map(line)
            .collect::<Result<_, ProviderError>>()?,
        next,
    })
}

/// Money was taken: it is in the balance, and a card that is to be disputed is. Answers the name of
/// the dispute.
fn took(
    tx: &mut Tx<'_>,
    charge: &Kept<ChargeThing>,
    now: AtUs,
) -> Result<Option<String>, ProviderError> {
    let line = BalanceThing::charge(&charge.body);
    add(
        tx,
        &format!("{}_txn", charge.reference),
        &charge.reference,
        &line,
        now,
    )?;
    let method = keep::<MethodThing>(tx, &charge.body.method)?;
    let Some((state, reason)) = method.body.behaviour()?.dispute else {
        return Ok(None);
    };
    let dispute = DisputeThing {
        amount_cents: charge.body.amount_cents,
        currency: charge.body.currency.clone(),
        state: state.as_str().to_owned(),
        reason: reason.to_owned(),
    };
    let name = reference("dp", &charge.body.payment);
    add(tx, &name, &charge.reference, &dispute, now)?;
    if state.holds_money() {
        let line = BalanceThing::dispute(&dispute, -1);
        add(tx, &format!("{name}_txn"), &name, &line, now)?;
    }
    Ok(Some(name))
}

fn give_back(
    tx: &mut Tx<'_>,
    name: &str,
    new: &RefundAsked,
    now: AtUs,
) -> Result<Kept<RefundThing>, ProviderError> {
    let refused = |message: &str| ProviderError::Refused {
        code: "charge_not_refundable".into(),
        message: message.into(),
    };
    let charge = keep::<ChargeThing>(tx, &new.charge)?;
    if charge.body.stage != ChargeStage::Succeeded {
        return Err(refused("This charge was not paid."));
    }
    let asked = things::whole_cents(new.amount)?;
    let failed = RefundState::Failed.as_str();
    let before = owned::<RefundThing>(tx, &new.charge)?;
    let before = before.iter().filter(|refund| refund.body.state != failed);
    let before: i64 = before.map(|refund| refund.body.amount_cents).sum();
    if before + asked > charge.body.amount_cents {
        return Err(refused("More would go back than was paid."));
    }
    let method = keep::<MethodThing>(tx, &charge.body.method)?;
    let state = match method.body.behaviour()?.refund {
        RefundEnd::AtOnce => RefundState::Succeeded,
        RefundEnd::Later | RefundEnd::Fails => RefundState::Pending,
    };
    let thing = RefundThing {
        refund: new.refund.to_string(),
        amount_cents: asked,
        currency: charge.body.currency.clone(),
        state: state.as_str().to_owned(),
        failure: None,
    };
    let kept = add(tx, name, &new.charge, &thing, now)?;
    let line = BalanceThing::refund(&thing, -1);
    add(tx, &format!("{name}_txn"), name, &line, now)?;
    Ok(kept)
}

/// A refund that takes its time has had it when somebody asks again.
fn finish(tx: &mut Tx<'_>, refund: &mut Kept<RefundThing>, now: AtUs) -> Result<(), ProviderError> {
    if refund.body.state != RefundState::Pending.as_str() {
        return Ok(());
    }
    let charge = keep::<ChargeThing>(tx, &refund.owner)?;
    let method = keep::<MethodThing>(tx, &charge.body.method)?;
    let state = match method.body.behaviour()?.refund {
        RefundEnd::AtOnce | RefundEnd::Later => RefundState::Succeeded,
        RefundEnd::Fails => {
            let name = &refund.reference;
            let line = BalanceThing::refund(&refund.body, 1);
            add(tx, &format!("{name}_failed_txn"), name, &line, now)?;
            refund.body.failure = Some("expired_or_canceled_card".to_owned());
            RefundState::Failed
        }
    };
    refund.body.state = state.as_str().to_owned();
    change(tx, refund)
}

impl From<StoreError> for ProviderError {
    fn from(error: StoreError) -> Self {
        ProviderError::Store(error.to_string())
    }
}
