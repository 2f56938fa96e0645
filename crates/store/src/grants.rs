//! Grants: free credit, given by an operator, by a rule or for a code. It may expire.

use domain::credit::{Lot, LotKind};
use domain::id::OrganizationId;
use domain::ledger::{Account, TransferCode};
use domain::money::Nusd;
use domain::time::AtUs;

use crate::credits::{self, Moved, Why};
use crate::{StoreError, Tx};

/// Credit to be given.
#[derive(Clone, Debug)]
pub struct Grant {
    /// Unique; the same grant made again gives nothing more.
    pub id: String,
    /// Who gets it.
    pub organization: OrganizationId,
    /// How much, above zero.
    pub amount: Nusd,
    /// From when on what is left of it lapses; none if it never does.
    pub expires_at: Option<AtUs>,
    /// Why, as a person put it.
    pub reason: String,
    /// Who gives it: a user's id, `operator`, or `farebox` by a rule.
    pub actor: String,
}

/// Why credit cannot be given.
#[derive(Debug, thiserror::Error)]
pub enum GrantError {
    /// There is no such organization.
    #[error("there is no organization {0}")]
    NoOrganization(OrganizationId),
    /// Nothing or less would be given.
    #[error("the amount must be more than 0")]
    NotPositive,
    /// It would have lapsed before it is given.
    #[error("it would have expired already")]
    Expired,
    /// The wallet would pass what an account can hold.
    #[error("the organization's credit would pass what an account can hold")]
    TooLarge,
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Gives credit: a transfer from grants to the wallet. A running server hears of it. False if it
/// was given before.
///
/// # Errors
/// [`GrantError`]; nothing was given.
pub fn give(tx: &mut Tx<'_>, grant: &Grant, now: AtUs) -> Result<bool, GrantError> {
    pay_in(tx, grant, TransferCode::Grant, now)
}

/// As [`give`], in exchange for a code.
///
/// # Errors
/// [`GrantError`]; nothing was given.
pub fn redeem(tx: &mut Tx<'_>, grant: &Grant, now: AtUs) -> Result<bool, GrantError> {
    pay_in(tx, grant, TransferCode::Redeemed, now)
}

fn pay_in(
    tx: &mut Tx<'_>,
    grant: &Grant,
    code: TransferCode,
    now: AtUs,
) -> Result<bool, GrantError> {
    if grant.amount <= Nusd::ZERO {
        return Err(GrantError::NotPositive);
    }
    let organization = &grant.organization;
    let credit = credits::lock(tx, organization, None)?;
    let mut credit = credit.ok_or_else(|| GrantError::NoOrganization(organization.clone()))?;
    if credit.has_moved(tx, &grant.id)? {
        return Ok(false);
    }
    if grant.expires_at.is_some_and(|at| at <= now) {
        return Err(GrantError::Expired);
    }
    if !credit.has_room(grant.amount) {
        return Err(GrantError::TooLarge);
    }
    let moved = Moved {
        id: grant.id.clone(),
        code,
        debit: Account::Grants,
        credit: credit.account(),
        amount: grant.amount,
        why: Why {
            reason: &grant.reason,
            actor: &grant.actor,
            at: now,
        },
    };
    credit.transfer(tx, moved)?;
    credit.lots.add(Lot {
        expires_at: grant.expires_at,
        ..Lot::new(&*grant.id, LotKind::Grant, grant.amount, now)
    });
    credit.keep_and_tell(tx, now)?;
    Ok(true)
}
