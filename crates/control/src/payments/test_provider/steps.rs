//! What happens on the pages of the test provider: each step reads and writes in one transaction,
//! so that two tabs of one page do not pay twice.

use domain::money::Nusd;
use domain::payment::DisputeState;
use domain::time::AtUs;
use store::Tx;

use super::cards::{Decline, NOT_AUTHENTICATED, TestCard, Try};
use super::things::{
    BalanceThing, ChargeStage, ChargeThing, CheckoutStage, CheckoutThing, DisputeThing, Kept,
    MethodThing, TypedCard, add, change, get as kept, keep, owned,
};
use super::typed::Form;
use super::{reference, took};
use crate::payments::provider::{About, ProviderError};

/// What a page shows, or where it leads.
pub(super) enum Next {
    /// The page of a checkout, with what is wrong with the last try.
    Form(Box<Kept<CheckoutThing>>, Option<String>),
    /// The bank asks.
    Ask(String, Option<Nusd>),
    /// It is over.
    Over(Over),
    /// To another page here or elsewhere.
    To(String),
}

/// A page on which nothing can be done any more.
pub(super) struct Over {
    pub(super) reference: String,
    pub(super) title: &'static str,
    pub(super) text: &'static str,
    pub(super) back_url: String,
    pub(super) is_disputed: bool,
}

/// What happened that Farebox is to hear of, as from a webhook.
pub(super) type News = Vec<(&'static str, About)>;

/// The page of a checkout, or of what is left of it.
pub(super) fn view(tx: &mut Tx<'_>, name: &str, now: AtUs) -> Result<Next, ProviderError> {
    let checkout = keep::<CheckoutThing>(tx, name)?;
    let stage = checkout
        .body
        .stage
        .at(checkout.body.order.expires_at(), now);
    match stage {
        CheckoutStage::Open => Ok(Next::Form(Box::new(checkout), None)),
        CheckoutStage::Authenticating { .. } => Ok(Next::To(question_of(name))),
        CheckoutStage::Done { charge, .. } => {
            let is_disputed = match charge {
                Some(charge) => dispute_of(tx, &charge)?.is_some(),
                None => false,
            };
            Ok(Next::Over(Over {
                reference: name.to_owned(),
                title: match checkout.body.order.is_setup {
                    true => "The card is saved",
                    false => "Paid",
                },
                text: "This is done: there is nothing more to do on this page.",
                back_url: checkout.body.order.success_url,
                is_disputed,
            }))
        }
        CheckoutStage::Expired => Ok(Next::Over(Over {
            reference: name.to_owned(),
            title: "This page is closed",
            text: "It was called off, or is too old. Nothing was charged. Go back, and begin again.",
            back_url: checkout.body.order.cancel_url,
            is_disputed: false,
        })),
    }
}

fn question_of(name: &str) -> String {
    format!("/test-payments/{name}/authenticate")
}

/// The question of the bank, if it has one.
pub(super) fn question(tx: &mut Tx<'_>, name: &str, now: AtUs) -> Result<Next, ProviderError> {
    if let Some(charge) = kept::<ChargeThing>(tx, name)? {
        return Ok(match charge.body.stage {
            ChargeStage::NeedsAction => {
                Next::Ask(name.to_owned(), Nusd::from_cents(charge.body.amount_cents))
            }
            _ => Next::To(charge.body.return_url),
        });
    }
    let checkout = keep::<CheckoutThing>(tx, name)?;
    let order = &checkout.body.order;
    match checkout.body.stage.at(order.expires_at(), now) {
        CheckoutStage::Authenticating { .. } => {
            let amount = (!order.is_setup).then(|| order.gross()).transpose()?;
            Ok(Next::Ask(name.to_owned(), amount))
        }
        _ => Ok(Next::To(format!("/test-payments/{name}"))),
    }
}

pub(super) fn try_to_pay(
    tx: &mut Tx<'_>,
    name: &str,
    form: &Form,
    now: AtUs,
) -> Result<(Next, News), ProviderError> {
    let mut checkout = keep::<CheckoutThing>(tx, name)?;
    let stage = checkout
        .body
        .stage
        .at(checkout.body.order.expires_at(), now);
    if !matches!(
        stage,
        CheckoutStage::Open | CheckoutStage::Authenticating { .. }
    ) {
        return Ok((view(tx, name, now)?, Vec::new()));
    }
    let (card, typed) = match form.card(now) {
        Ok(card) => card,
        Err(problem) => {
            return Ok((
                Next::Form(Box::new(checkout), Some(problem.to_owned())),
                Vec::new(),
            ));
        }
    };
    match card.on_page(!checkout.body.order.is_setup, false) {
        Try::Succeeds => complete(tx, checkout, &typed, now),
        Try::Declines(decline) => declined(tx, checkout, decline),
        Try::Asks => {
            checkout.body.stage = CheckoutStage::Authenticating { card: typed };
            checkout.body.failure = None;
            change(tx, &checkout)?;
            Ok((Next::To(question_of(name)), Vec::new()))
        }
    }
}

/// The bank said no: the page stays open for another card.
fn declined(
    tx: &mut Tx<'_>,
    mut checkout: Kept<CheckoutThing>,
    decline: Decline,
) -> Result<(Next, News), ProviderError> {
    checkout.body.stage = CheckoutStage::Open;
    checkout.body.failure = Some(decline.into());
    change(tx, &checkout)?;
    let about = About::Checkout(checkout.reference.clone());
    let news = vec![("payment_intent.payment_failed", about)];
    Ok((
        Next::To(format!("/test-payments/{}", checkout.reference)),
        news,
    ))
}

/// The card is good: it is charged, or saved, and the page is done.
fn complete(
    tx: &mut Tx<'_>,
    mut checkout: Kept<CheckoutThing>,
    typed: &TypedCard,
    now: AtUs,
) -> Result<(Next, News), ProviderError> {
    let (order, customer) = (checkout.body.order.clone(), checkout.owner.clone());
    let method = reference("pm", &order.payment);
    let thing = MethodThing::new(typed, order.is_setup || order.saves_method);
    add(tx, &method, &customer, &thing, now)?;
    let about = About::Checkout(checkout.reference.clone());
    let mut news = vec![("checkout.session.completed", about)];
    let charge = match order.is_setup {
        true => None,
        false => {
            let name = reference("pi", &order.payment);
            let thing = ChargeThing {
                payment: order.payment.clone(),
                amount_cents: order.gross_cents(),
                currency: order.currency.clone(),
                method: method.clone(),
                return_url: order.success_url.clone(),
                stage: ChargeStage::Succeeded,
            };
            let charge = add(tx, &name, &customer, &thing, now)?;
            if let Some(dispute) = took(tx, &charge, now)? {
                news.push(("charge.dispute.created", About::Dispute(dispute)));
            }
            Some(name)
        }
    };
    checkout.body.stage = CheckoutStage::Done { charge, method };
    checkout.body.failure = None;
    change(tx, &checkout)?;
    Ok((Next::To(order.success_url), news))
}

/// The customer answered the bank.
pub(super) fn answered(
    tx: &mut Tx<'_>,
    name: &str,
    is_known: bool,
    now: AtUs,
) -> Result<(Next, News), ProviderError> {
    if let Some(charge) = kept::<ChargeThing>(tx, name)? {
        return answered_for_charge(tx, charge, is_known, now);
    }
    let checkout = keep::<CheckoutThing>(tx, name)?;
    let order = &checkout.body.order;
    let stage = checkout.body.stage.at(order.expires_at(), now);
    let CheckoutStage::Authenticating { card: typed } = stage else {
        return Ok((view(tx, name, now)?, Vec::new()));
    };
    let card = TestCard::find(&typed.number);
    let pays = !order.is_setup;
    let tried = match card.filter(|_| is_known) {
        Some(card) => card.on_page(pays, true),
        None => Try::Declines(NOT_AUTHENTICATED),
    };
    match tried {
        Try::Declines(decline) => declined(tx, checkout, decline),
        Try::Succeeds | Try::Asks => complete(tx, checkout, &typed, now),
    }
}

fn answered_for_charge(
    tx: &mut Tx<'_>,
    mut charge: Kept<ChargeThing>,
    is_known: bool,
    now: AtUs,
) -> Result<(Next, News), ProviderError> {
    let back = charge.body.return_url.clone();
    if charge.body.stage != ChargeStage::NeedsAction {
        return Ok((Next::To(back), Vec::new()));
    }
    let method = keep::<MethodThing>(tx, &charge.body.method)?;
    let tried = match is_known {
        true => method.body.behaviour()?.once_known(),
        false => Try::Declines(NOT_AUTHENTICATED),
    };
    let mut news = Vec::new();
    let kind = match tried {
        Try::Declines(decline) => {
            charge.body.stage = ChargeStage::Declined(decline.into());
            "payment_intent.payment_failed"
        }
        Try::Succeeds | Try::Asks => {
            charge.body.stage = ChargeStage::Succeeded;
            let dispute = took(tx, &charge, now)?;
            news.extend(dispute.map(|it| ("charge.dispute.created", About::Dispute(it))));
            "payment_intent.succeeded"
        }
    };
    change(tx, &charge)?;
    news.insert(0, (kind, About::Charge(charge.reference)));
    Ok((Next::To(back), news))
}

/// The open dispute of a charge.
fn dispute_of(tx: &mut Tx<'_>, charge: &str) -> Result<Option<Kept<DisputeThing>>, ProviderError> {
    let open = [DisputeState::Open.as_str(), DisputeState::Inquiry.as_str()];
    let disputes = owned::<DisputeThing>(tx, charge)?;
    let mut disputes = disputes.into_iter();
    Ok(disputes.find(|dispute| open.contains(&dispute.body.state.as_str())))
}

/// A bank decided a dispute.
pub(super) fn decided(
    tx: &mut Tx<'_>,
    name: &str,
    is_won: bool,
    now: AtUs,
) -> Result<(Next, News), ProviderError> {
    let checkout = keep::<CheckoutThing>(tx, name)?;
    let dispute = match &checkout.body.stage {
        CheckoutStage::Done {
            charge: Some(charge),
            ..
        } => dispute_of(tx, charge)?,
        _ => None,
    };
    let page = format!("/test-payments/{name}");
    let Some(mut dispute) = dispute else {
        return Ok((Next::To(page), Vec::new()));
    };
    let was_held = dispute.body.state == DisputeState::Open.as_str();
    let state = match is_won {
        true => DisputeState::Won,
        false => DisputeState::Lost,
    };
    dispute.body.state = state.as_str().to_owned();
    change(tx, &dispute)?;
    // What an open dispute took comes back when it is won; an inquiry takes only what is lost.
    let sign = match (was_held, is_won) {
        (true, true) => 1,
        (false, false) => -1,
        _ => 0,
    };
    if sign != 0 {
        let line = BalanceThing::dispute(&dispute.body, sign);
        let of = &dispute.reference;
        add(tx, &format!("{of}_closed_txn"), of, &line, now)?;
    }
    let news = ("charge.dispute.closed", About::Dispute(dispute.reference));
    Ok((Next::To(page), vec![news]))
}
