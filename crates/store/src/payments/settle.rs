//! The one way to credit a payment: what a provider took is matched with an order of ours, and
//! moves money once.
//!
//! Everything that can say "this was paid" ends here: the news that a provider sends, the answer
//! when it is asked again, the answer to a charge, reconciliation. They may say so twice, at the
//! same time, on several nodes, late or wrongly. Whoever settles first waits at the change log,
//! which all movements of money wait for; whoever comes after finds it done. What does not match in
//! every part credits nothing, and is kept where an operator sees it.

use domain::Entropy;
use domain::alert::{Alert, AlertEvent};
use domain::document::{Line, PaidWith};
use domain::id::{PaymentId, UserId};
use domain::money::Nusd;
use domain::payment::{Card, PaymentKind, PaymentNews, PaymentState};
use domain::time::AtUs;

use crate::purchases::{self, Purchase, PurchaseError};
use crate::receipts::{self, Sale};
use crate::{StoreError, Tx, alerts, changes};

use super::refunds::FAREBOX;
use super::{Payment, by_charge, by_checkout, get, unmatched};

/// What a provider took, as it says itself when it is asked with our own key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paid {
    /// Who took it.
    pub provider: String,
    /// The order that the provider says it is for, as it was told at the beginning.
    pub payment: Option<PaymentId>,
    /// What the provider calls the page that it was paid on, if it was on one.
    pub checkout: Option<String>,
    /// What the provider calls the money that it took.
    pub charge: String,
    /// How much, tax included.
    pub amount: Nusd,
    /// Of what, in any letters.
    pub currency: String,
    /// What it was paid with.
    pub card: Option<Card>,
}

/// What came of settling.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Settled {
    /// It was credited now.
    Credited(Box<Payment>),
    /// It was credited before, by this very charge.
    Before(Box<Payment>),
    /// It matches no order: nothing was credited, and it is kept among the unmatched.
    Unmatched(Mismatch),
}

/// Why money is not credited.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mismatch {
    /// There is no such order.
    NoOrder,
    /// The order is to save a card, and buys nothing.
    BuysNothing,
    /// The order is another provider's.
    OtherProvider,
    /// The order is paid on another page.
    OtherCheckout,
    /// The money is of another currency.
    OtherCurrency,
    /// The order is of another amount.
    OtherAmount,
    /// The money was taken for another order.
    OtherOrder,
    /// The order was paid before, by other money.
    PaidTwice,
    /// The wallet cannot hold that much.
    TooMuch,
}

impl Mismatch {
    /// Every reason.
    pub const ALL: [Mismatch; 9] = [
        Mismatch::NoOrder,
        Mismatch::BuysNothing,
        Mismatch::OtherProvider,
        Mismatch::OtherCheckout,
        Mismatch::OtherCurrency,
        Mismatch::OtherAmount,
        Mismatch::OtherOrder,
        Mismatch::PaidTwice,
        Mismatch::TooMuch,
    ];

    /// The word it is stored as.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Mismatch::NoOrder => "no_order",
            Mismatch::BuysNothing => "buys_nothing",
            Mismatch::OtherProvider => "other_provider",
            Mismatch::OtherCheckout => "other_checkout",
            Mismatch::OtherCurrency => "other_currency",
            Mismatch::OtherAmount => "other_amount",
            Mismatch::OtherOrder => "other_order",
            Mismatch::PaidTwice => "paid_twice",
            Mismatch::TooMuch => "too_much",
        }
    }
}

/// Credits what a provider took, once, if it matches an order in every part.
///
/// # Errors
/// [`StoreError`]; nothing was credited or kept.
pub fn settle_payment(
    tx: &mut Tx<'_>,
    paid: &Paid,
    entropy: Entropy,
    now: AtUs,
) -> Result<Settled, StoreError> {
    // Before anything is read: whoever settles at the same time is done when this goes on.
    changes::lock(tx)?;
    let refused = |tx: &mut Tx<'_>, problem| {
        unmatched::keep(tx, paid, problem, entropy, now)?;
        Ok(Settled::Unmatched(problem))
    };
    let Some(payment) = order(tx, paid)? else {
        return refused(tx, Mismatch::NoOrder);
    };
    if let Some(problem) = mismatch(tx, &payment, paid)? {
        return refused(tx, problem);
    }
    if payment.state == PaymentState::Succeeded {
        return Ok(Settled::Before(Box::new(payment)));
    }
    let purchase = Purchase {
        id: payment.purchase_id(),
        organization: payment.organization.clone(),
        amount: payment.amount,
        tax: payment.tax,
        provider: payment.provider.clone(),
        reason: payment.kind.reason().to_owned(),
        actor: payment
            .user
            .as_ref()
            .map_or(FAREBOX, UserId::as_str)
            .to_owned(),
    };
    match purchases::book(tx, &purchase, now) {
        Ok(_) => {}
        Err(PurchaseError::TooLarge) => return refused(tx, Mismatch::TooMuch),
        Err(PurchaseError::Store(error)) => return Err(error),
        Err(other) => return Err(StoreError::Failed(other.to_string())),
    }
    close(tx, &payment, paid, now)?;
    let settled = get(tx, &payment.id)?;
    let settled = settled.ok_or_else(|| StoreError::Failed("a payment is gone".into()))?;
    issue_receipt(tx, &settled, entropy, now)?;
    Ok(Settled::Credited(Box::new(settled)))
}

/// Issues the receipt, and tells the organization of it.
fn issue_receipt(
    tx: &mut Tx<'_>,
    payment: &Payment,
    entropy: Entropy,
    now: AtUs,
) -> Result<(), StoreError> {
    let purchase = payment.purchase_id();
    let sale = Sale {
        purchase: &purchase,
        organization: &payment.organization,
        lines: vec![Line {
            description: "Prepaid credit".into(),
            amount: payment.amount,
        }],
        tax: payment.tax,
        tax_percent: &payment.tax_rate.to_string(),
        paid_with: payment.card.as_ref().map(|card| PaidWith {
            brand: card.brand.clone(),
            last4: card.last4.clone(),
        }),
    };
    let receipt = receipts::issue(tx, &sale, now)?;
    let event = AlertEvent::Receipt {
        number: receipt.number.clone(),
        payment: payment.id.to_string(),
        amount: receipt.total(),
        tax: receipt.tax,
    };
    let alert = Alert::new(&payment.organization, receipt.number, event);
    alerts::raise(tx, &alert, now, entropy)?;
    Ok(())
}

/// The order that money is for: the one that the provider names, or else the one whose page or
/// charge it is.
fn order(tx: &mut Tx<'_>, paid: &Paid) -> Result<Option<Payment>, StoreError> {
    if let Some(named) = &paid.payment {
        return get(tx, named);
    }
    if let Some(checkout) = &paid.checkout
        && let Some(found) = by_checkout(tx, &paid.provider, checkout)?
    {
        return Ok(Some(found));
    }
    by_charge(tx, &paid.provider, &paid.charge)
}

/// In what the money is not that of the order.
fn mismatch(
    tx: &mut Tx<'_>,
    payment: &Payment,
    paid: &Paid,
) -> Result<Option<Mismatch>, StoreError> {
    let other_checkout = match (&payment.checkout, &paid.checkout) {
        (Some(ours), Some(theirs)) => ours != theirs,
        _ => false,
    };
    let is_paid = payment.state == PaymentState::Succeeded;
    let other_charge = payment.charge.as_ref().is_some_and(|it| *it != paid.charge);
    Ok(Some(match () {
        () if payment.kind == PaymentKind::Setup => Mismatch::BuysNothing,
        () if payment.provider != paid.provider => Mismatch::OtherProvider,
        () if !payment.currency.eq_ignore_ascii_case(&paid.currency) => Mismatch::OtherCurrency,
        () if payment.gross() != paid.amount => Mismatch::OtherAmount,
        () if other_checkout => Mismatch::OtherCheckout,
        () if is_paid && other_charge => Mismatch::PaidTwice,
        () => {
            let of = by_charge(tx, &paid.provider, &paid.charge)?;
            match of {
                Some(other) if other.id != payment.id => Mismatch::OtherOrder,
                _ => return Ok(None),
            }
        }
    }))
}

/// Writes that an order is paid. A charge that was tried for it before and failed is forgotten.
fn close(tx: &mut Tx<'_>, payment: &Payment, paid: &Paid, now: AtUs) -> Result<(), StoreError> {
    let state = payment.state.after(PaymentNews::Succeeded);
    let card = paid.card.as_ref();
    tx.execute_one(
        "UPDATE payments SET state = $2, charge_ref = $3, checkout_ref = COALESCE(checkout_ref, $4),
             card_brand = COALESCE($5, card_brand), card_last4 = COALESCE($6, card_last4),
             url = NULL, failure_code = NULL, failure_message = NULL, looked_at_us = $7,
             ended_at_us = $7
         WHERE id = $1",
        &[
            payment.id.as_str().into(),
            state.as_str().into(),
            paid.charge.as_str().into(),
            paid.checkout.as_deref().into(),
            card.map(|card| card.brand.as_str()).into(),
            card.map(|card| card.last4.as_str()).into(),
            now.0.into(),
        ],
    )
}
