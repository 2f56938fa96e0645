//! Disputes: what a provider tells of a payment that the customer's bank asks back. What it moves
//! is booked once, whatever is told how often and in whatever order.

use domain::money::Nusd;
use domain::payment::DisputeState;
use domain::time::AtUs;

use crate::purchases::{self, Decided, Dispute, DisputeError};
use crate::{StoreError, Tx, changes};

use super::refunds::FAREBOX;
use super::{Payment, by_charge};

/// What a provider says of a dispute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DisputeTold {
    /// Who says so.
    pub provider: String,
    /// Its name for the dispute.
    pub reference: String,
    /// Its name for the money.
    pub charge: String,
    /// How much, tax included.
    pub gross: Nusd,
    /// How far it is.
    pub state: DisputeState,
    /// Why, in the provider's words.
    pub reason: String,
    /// The most that may be taken of the wallet, as it is known to be free.
    pub free: Nusd,
}

/// What became of a dispute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DisputeChange {
    /// The payment, as it is now.
    pub payment: Payment,
    /// How far the dispute was, if it was known.
    pub before: Option<DisputeState>,
    /// How far it is.
    pub after: DisputeState,
    /// What was taken of the wallet for it now.
    pub taken: Nusd,
}

/// Takes in what a provider says of a dispute; none if it is of no payment here.
///
/// # Errors
/// [`StoreError`].
pub fn dispute_told(
    tx: &mut Tx<'_>,
    told: &DisputeTold,
    now: AtUs,
) -> Result<Option<DisputeChange>, StoreError> {
    changes::lock(tx)?;
    let Some(payment) = by_charge(tx, &told.provider, &told.charge)? else {
        return Ok(None);
    };
    let before = state_of(tx, &told.provider, &told.reference)?;
    let after = before.map_or(told.state, |known| known.after(told.state));
    let taken = moved(tx, &payment, told, (before, after), now)?;
    let ended_at = matches!(after, DisputeState::Won | DisputeState::Lost).then_some(now.0);
    tx.execute_one(
        "INSERT INTO payment_disputes (provider, dispute_ref, payment_id, organization_id, state,
             amount_nusd, reason, created_at_us, ended_at_us)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
         ON CONFLICT (provider, dispute_ref)
         DO UPDATE SET state = excluded.state,
             ended_at_us = COALESCE(payment_disputes.ended_at_us, excluded.ended_at_us)",
        &[
            told.provider.as_str().into(),
            told.reference.as_str().into(),
            payment.id.as_str().into(),
            payment.organization.as_str().into(),
            after.as_str().into(),
            told.gross.get().into(),
            told.reason.as_str().into(),
            now.0.into(),
            ended_at.into(),
        ],
    )?;
    tx.execute_one(
        "UPDATE payments SET dispute = $2 WHERE id = $1",
        &[payment.id.as_str().into(), after.as_str().into()],
    )?;
    let payment = by_charge(tx, &told.provider, &told.charge)?;
    Ok(payment.map(|payment| DisputeChange {
        payment,
        before,
        after,
        taken,
    }))
}

/// Moves what the step from one state to the other moves; answers what was taken of the wallet.
fn moved(
    tx: &mut Tx<'_>,
    payment: &Payment,
    told: &DisputeTold,
    (before, after): (Option<DisputeState>, DisputeState),
    now: AtUs,
) -> Result<Nusd, StoreError> {
    let id = format!("dispute:{}", told.reference);
    let was_held = before.is_some_and(DisputeState::holds_money);
    let mut taken = Nusd::ZERO;
    if after.holds_money() && !was_held {
        let dispute = Dispute {
            id: id.clone(),
            organization: payment.organization.clone(),
            purchase: payment.purchase_id(),
            amount: told.gross,
            free: told.free,
            reason: told.reason.clone(),
            actor: FAREBOX.to_owned(),
        };
        let disputed = purchases::dispute(tx, &dispute, now).map_err(failed)?;
        if disputed.is_new {
            taken = disputed.taken;
        }
    }
    let decided = Decided {
        id,
        organization: payment.organization.clone(),
        reason: told.reason.clone(),
        actor: FAREBOX.to_owned(),
    };
    match after {
        DisputeState::Won if was_held => purchases::won(tx, &decided, now)?,
        DisputeState::Lost => purchases::lost(tx, &decided, now)?,
        _ => false,
    };
    Ok(taken)
}

/// How far a dispute is, if it is known.
///
/// # Errors
/// [`StoreError`].
fn state_of(
    tx: &mut Tx<'_>,
    provider: &str,
    reference: &str,
) -> Result<Option<DisputeState>, StoreError> {
    let sql = "SELECT state FROM payment_disputes WHERE provider = $1 AND dispute_ref = $2";
    let row = tx.query_optional(sql, &[provider.into(), reference.into()])?;
    let corrupt = || StoreError::Corrupt("the state of a dispute".into());
    row.map(|row| DisputeState::from_word(row.text(0)?).ok_or_else(corrupt))
        .transpose()
}

/// A payment that succeeded has a purchase, so that anything else is a bug.
pub(super) fn failed(error: DisputeError) -> StoreError {
    match error {
        DisputeError::Store(error) => error,
        other => StoreError::Failed(other.to_string()),
    }
}
