//! Credit lines: what an operator lets an organization spend before it pays.
//!
//! A line is a lot like the others, lent from an account of its own and spent last. So a wallet is
//! never overdrawn, and admission knows nothing of lines. Purchases pay back what was spent of it.

use domain::credit::NotCovered;
use domain::id::OrganizationId;
use domain::ledger::{Account, TransferCode};
use domain::money::Nusd;
use domain::time::AtUs;

use crate::credits::{self, Moved, Why};
use crate::{StoreError, Tx};

/// A credit line as it shall be.
#[derive(Clone, Debug)]
pub struct Overdraft {
    /// Unique; the same change made again changes nothing more, and another one is refused.
    pub id: String,
    /// Whose.
    pub organization: OrganizationId,
    /// How much may be lent from now on; zero ends the line.
    pub line: Nusd,
    /// Why, as a person put it.
    pub reason: String,
    /// Who approved it: a user's id, or `operator`.
    pub actor: String,
}

/// What became of a credit line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Changed {
    /// What it was.
    pub before: Nusd,
    /// What it is.
    pub line: Nusd,
}

/// Why a credit line cannot be changed.
#[derive(Debug, thiserror::Error)]
pub enum OverdraftError {
    /// There is no such organization.
    #[error("there is no organization {0}")]
    NoOrganization(OrganizationId),
    /// A line cannot be less than nothing.
    #[error("the line must not be less than 0")]
    Negative,
    /// The rest of it is spent, held for requests in flight, or leased by nodes.
    #[error("it cannot be less than {least}: that much is spent or held")]
    InUse {
        /// The least that it can be now.
        least: Nusd,
    },
    /// Another line was asked for under this id, or something else was booked.
    #[error("something else was done under the id {0}")]
    OtherChange(String),
    /// The wallet would pass what an account can hold.
    #[error("the organization's credit would pass what an account can hold")]
    TooLarge,
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Opens a credit line, or makes it larger, smaller, or nothing. A running server hears of one that
/// grows. None if this change was made before, or there is nothing to change.
///
/// A process that holds money of the wallet in its memory must have withheld there what a line is
/// lowered by.
///
/// # Errors
/// [`OverdraftError`]; nothing was changed.
pub fn set(
    tx: &mut Tx<'_>,
    overdraft: &Overdraft,
    now: AtUs,
) -> Result<Option<Changed>, OverdraftError> {
    if overdraft.line < Nusd::ZERO {
        return Err(OverdraftError::Negative);
    }
    let organization = &overdraft.organization;
    let credit = credits::lock(tx, organization, None)?;
    let mut credit = credit.ok_or_else(|| OverdraftError::NoOrganization(organization.clone()))?;
    match asked_for(tx, organization, &overdraft.id)? {
        Some(line) if line == overdraft.line => return Ok(None),
        None if !credit.has_moved(tx, &overdraft.id)? => {}
        _ => return Err(OverdraftError::OtherChange(overdraft.id.clone())),
    }
    remember(tx, overdraft, now)?;
    let before = credit.lots.line().0;
    if before == overdraft.line {
        return Ok(None);
    }
    let lent = Account::Overdraft(organization.clone());
    let (code, debit, to, amount) = match overdraft.line > before {
        true => {
            let more = overdraft.line - before;
            if !credit.has_room(more) {
                return Err(OverdraftError::TooLarge);
            }
            (TransferCode::Overdraft, lent, credit.account(), more)
        }
        false => {
            let less = before - overdraft.line;
            let free = before.min(credit.wallet.available());
            if less > free {
                let least = (before - free).max(credit.lots.line().1);
                return Err(OverdraftError::InUse { least });
            }
            (TransferCode::OverdraftEnded, credit.account(), lent, less)
        }
    };
    let set = credit.lots.set_line(overdraft.line, now);
    set.map_err(|NotCovered { missing }| OverdraftError::InUse {
        least: overdraft.line + missing,
    })?;
    let moved = Moved {
        id: overdraft.id.clone(),
        code,
        debit,
        credit: to,
        amount,
        why: Why {
            reason: &overdraft.reason,
            actor: &overdraft.actor,
            at: now,
        },
    };
    credit.transfer(tx, moved)?;
    match code {
        TransferCode::Overdraft => credit.keep_and_tell(tx, now)?,
        _ => credit.keep(tx)?,
    }
    Ok(Some(Changed {
        before,
        line: overdraft.line,
    }))
}

/// The line that was asked for under this id, if any was.
///
/// # Errors
/// [`StoreError`].
pub fn asked_for(
    tx: &mut Tx<'_>,
    organization: &OrganizationId,
    id: &str,
) -> Result<Option<Nusd>, StoreError> {
    let sql = "SELECT line_nusd FROM overdraft_changes WHERE organization_id = $1 AND id = $2";
    let row = tx.query_optional(sql, &[organization.as_str().into(), id.into()])?;
    row.map(|row| row.int(0).map(Nusd::new)).transpose()
}

/// What moves tells by how much a line changed, and not to what; one that changes nothing moves
/// nothing. So what was asked for is kept by itself.
fn remember(tx: &mut Tx<'_>, overdraft: &Overdraft, now: AtUs) -> Result<(), StoreError> {
    tx.execute_one(
        "INSERT INTO overdraft_changes (organization_id, id, line_nusd, asked_at_us)
         VALUES ($1, $2, $3, $4)",
        &[
            overdraft.organization.as_str().into(),
            overdraft.id.as_str().into(),
            overdraft.line.get().into(),
            now.0.into(),
        ],
    )
}
