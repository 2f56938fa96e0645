//! Trial credit: granted once for each phone number, whoever comes with it.

use domain::Entropy;
use domain::id::{OrganizationId, RequestId, UserId};
use domain::money::Nusd;
use domain::people::phone::Phone;
use domain::time::{AtUs, DAY_US};

use crate::grants::{self, Grant, GrantError};
use crate::{StoreError, Tx};

/// Who gets trial credit, and how much.
#[derive(Clone, Copy, Debug)]
pub struct Trial<'a> {
    /// The number that they proved to be theirs.
    pub phone: &'a Phone,
    /// The organization that gets it.
    pub organization: &'a OrganizationId,
    /// Its owner.
    pub user: &'a UserId,
    /// What they get; an amount of zero grants nothing, and leaves the number as it is.
    pub credit: TrialCredit,
}

/// Credit to try things with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TrialCredit {
    /// How much.
    pub amount: Nusd,
    /// What is left of it lapses after so many days.
    pub days: u64,
}

impl TrialCredit {
    /// When it lapses, if it is given now.
    fn expires_at(self, now: AtUs) -> AtUs {
        let days = i64::try_from(self.days).unwrap_or(i64::MAX);
        now.plus(days.saturating_mul(DAY_US))
    }
}

/// Grants trial credit if this phone number has not had any. Answers whether it did.
///
/// # Errors
/// [`StoreError`].
pub fn grant(
    tx: &mut Tx<'_>,
    trial: &Trial<'_>,
    now: AtUs,
    entropy: Entropy,
) -> Result<bool, StoreError> {
    if trial.credit.amount <= Nusd::ZERO {
        return Ok(false);
    }
    let first = tx.execute(
        "INSERT INTO trial_credits (phone, organization_id, user_id, granted_at_us)
         VALUES ($1, $2, $3, $4) ON CONFLICT (phone) DO NOTHING",
        &[
            trial.phone.as_str().into(),
            trial.organization.as_str().into(),
            trial.user.as_str().into(),
            now.0.into(),
        ],
    )?;
    if first == 0 {
        return Ok(false);
    }
    let grant = Grant {
        id: format!("grant_{}", RequestId::random(now, entropy).hex()),
        organization: trial.organization.clone(),
        amount: trial.credit.amount,
        expires_at: Some(trial.credit.expires_at(now)),
        reason: "Trial credit".into(),
        actor: "farebox".into(),
    };
    match grants::give(tx, &grant, now) {
        Ok(given) => Ok(given),
        Err(GrantError::Store(error)) => Err(error),
        Err(other) => Err(StoreError::Failed(other.to_string())),
    }
}
