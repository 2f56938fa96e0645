//! Movements on the account at Stripe, as Farebox compares them with its own.
//!
//! The account may be kept in another currency than customers pay in; what they paid stands with
//! what the movement is for.

use domain::money::Nusd;
use domain::time::AtUs;

use super::objects::BalanceTransaction;
use super::provider::nusd;
use crate::payments::{BalanceKind, BalanceLine, ProviderError};

pub(super) fn line(movement: BalanceTransaction) -> Result<BalanceLine, ProviderError> {
    let (kind, sign) = match &*movement.reporting_category {
        "charge" => (BalanceKind::Charge, 1),
        "refund" => (BalanceKind::Refund, -1),
        "refund_failure" => (BalanceKind::RefundFailure, 1),
        "dispute" => (BalanceKind::Dispute, -1),
        "dispute_reversal" => (BalanceKind::Dispute, 1),
        _ => (BalanceKind::Other, 1),
    };
    let source = movement.source.filter(|_| kind != BalanceKind::Other);
    // A charge is known by its intent.
    let charge = source.as_ref().and_then(|it| it.payment_intent.clone());
    let (source, cents, currency) = match source {
        Some(source) => {
            let id = match (kind, &charge) {
                (BalanceKind::Charge, Some(charge)) => charge.clone(),
                _ => source.id,
            };
            (Some(id), sign * source.amount, source.currency)
        }
        None => (None, movement.amount, movement.currency.clone()),
    };
    Ok(BalanceLine {
        reference: movement.id,
        kind,
        source,
        charge,
        amount: nusd(cents)?,
        fee: match currency == movement.currency {
            true => nusd(movement.fee)?,
            // What is kept in another currency is not compared with anything.
            false => Nusd::ZERO,
        },
        currency,
        at: AtUs::from_seconds(movement.created),
    })
}
