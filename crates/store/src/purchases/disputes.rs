//! Disputes: a bank takes a purchase back, and may be told that it is wrong.
//!
//! The money is gone at the provider at once. What is there of the credit is taken from the wallet,
//! the tax is owed no more, and the rest was spent: it is the operator's loss.

use domain::credit::NotCovered;
use domain::id::OrganizationId;
use domain::ledger::{Account, TransferCode};
use domain::money::Nusd;
use domain::purchase::Taxed;
use domain::time::AtUs;

use super::{count, find, negative, taxed};
use crate::credits::{self, Credit, Moved, Why};
use crate::{StoreError, Tx};

/// What a bank takes back of a purchase.
#[derive(Clone, Debug)]
pub struct Dispute {
    /// Unique; the same dispute told again moves nothing more.
    pub id: String,
    /// Whose purchase.
    pub organization: OrganizationId,
    /// Its id.
    pub purchase: String,
    /// How much the bank takes, tax included; above zero.
    pub amount: Nusd,
    /// The most that may be taken of the wallet, as it is known to be free.
    pub free: Nusd,
    /// Why, as the bank put it.
    pub reason: String,
    /// Who says so, such as `farebox`.
    pub actor: String,
}

/// What a dispute moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Disputed {
    /// What was taken of the wallet.
    pub taken: Nusd,
    /// The tax that is owed no more.
    pub tax: Nusd,
    /// What the operator lost.
    pub lost: Nusd,
    /// Whether it was not told before.
    pub is_new: bool,
}

/// Why a dispute cannot be booked.
#[derive(Debug, thiserror::Error)]
pub enum DisputeError {
    /// There is no such purchase.
    #[error("the organization {0} has no purchase {1}")]
    NoPurchase(OrganizationId, String),
    /// Nothing or less would be taken back.
    #[error("the amount must be more than 0")]
    NotPositive,
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Books what a bank takes back: of the wallet what is free of it, up to the credit that the amount
/// stands for, of that purchase first; its tax; and the rest as lost. The same dispute told again
/// moves nothing, and answers what it moved.
///
/// # Errors
/// [`DisputeError`]; nothing was moved.
pub fn dispute(tx: &mut Tx<'_>, dispute: &Dispute, now: AtUs) -> Result<Disputed, DisputeError> {
    let organization = &dispute.organization;
    let none = || DisputeError::NoPurchase(organization.clone(), dispute.purchase.clone());
    if dispute.amount <= Nusd::ZERO {
        return Err(DisputeError::NotPositive);
    }
    let credit = credits::lock(tx, organization, Some(&dispute.purchase))?;
    let mut credit = credit.ok_or_else(none)?;
    if let Some(kept) = kept(tx, organization, &dispute.id)? {
        return Ok(kept.moved);
    }
    let bought = find(tx, organization, &dispute.purchase)?.ok_or_else(none)?;
    let counted = bought.left().split(dispute.amount);
    let taken = counted
        .credit
        .min(dispute.free)
        .min(credit.wallet.available());
    let moved = Disputed {
        taken,
        tax: counted.tax,
        lost: dispute.amount - counted.tax - taken,
        is_new: true,
    };
    let gone = credit.lots.take_back_purchase(&bought.id, taken);
    gone.map_err(|NotCovered { missing }| {
        StoreError::Corrupt(format!(
            "{missing} of a wallet is in none of its credit lots"
        ))
    })?;
    let why = Why {
        reason: &dispute.reason,
        actor: &dispute.actor,
        at: now,
    };
    let payments = Account::Payments(bought.provider.clone());
    for (id, code, debit, amount) in [
        ("", TransferCode::Dispute, credit.account(), moved.taken),
        (":tax", TransferCode::RefundedTax, Account::Tax, moved.tax),
        (
            ":lost",
            TransferCode::DisputedLoss,
            Account::Disputes,
            moved.lost,
        ),
    ] {
        let moved = Moved {
            id: format!("{}{id}", dispute.id),
            code,
            debit,
            credit: payments.clone(),
            amount,
            why,
        };
        credit.transfer(tx, moved)?;
    }
    insert(tx, dispute, counted, moved, now)?;
    count(tx, organization, &bought.id, [Taxed::default(), counted])?;
    credit.keep(tx)?;
    Ok(moved)
}

fn insert(
    tx: &mut Tx<'_>,
    dispute: &Dispute,
    counted: Taxed,
    moved: Disputed,
    now: AtUs,
) -> Result<(), StoreError> {
    tx.execute_one(
        "INSERT INTO purchase_disputes (organization_id, id, purchase_id, state, amount_nusd,
             credit_nusd, tax_nusd, taken_nusd, lost_nusd, created_at_us, ended_at_us)
         VALUES ($1, $2, $3, 'open', $4, $5, $6, $7, $8, $9, NULL)",
        &[
            dispute.organization.as_str().into(),
            dispute.id.as_str().into(),
            dispute.purchase.as_str().into(),
            dispute.amount.get().into(),
            counted.credit.get().into(),
            counted.tax.get().into(),
            moved.taken.get().into(),
            moved.lost.get().into(),
            now.0.into(),
        ],
    )
}

struct Kept {
    purchase: String,
    counted: Taxed,
    moved: Disputed,
    is_open: bool,
}

fn kept(
    tx: &mut Tx<'_>,
    organization: &OrganizationId,
    id: &str,
) -> Result<Option<Kept>, StoreError> {
    let sql = "SELECT purchase_id, credit_nusd, tax_nusd, taken_nusd, lost_nusd, state
               FROM purchase_disputes WHERE organization_id = $1 AND id = $2";
    let row = tx.query_optional(sql, &[organization.as_str().into(), id.into()])?;
    row.map(|row| {
        let counted = taxed(&row, 1)?;
        Ok(Kept {
            purchase: row.text(0)?.to_owned(),
            counted,
            moved: Disputed {
                taken: Nusd::new(row.int(3)?),
                tax: counted.tax,
                lost: Nusd::new(row.int(4)?),
                is_new: false,
            },
            is_open: row.text(5)? == "open",
        })
    })
    .transpose()
}

/// A dispute that was decided.
#[derive(Clone, Debug)]
pub struct Decided {
    /// Its id.
    pub id: String,
    /// Whose purchase.
    pub organization: OrganizationId,
    /// Why, as the bank put it.
    pub reason: String,
    /// Who says so, such as `farebox`.
    pub actor: String,
}

/// A dispute was decided for the operator: what it moved moves back, exactly. False if it was
/// decided before, or there is no such dispute.
///
/// # Errors
/// [`StoreError`]; nothing was moved.
pub fn won(tx: &mut Tx<'_>, decided: &Decided, now: AtUs) -> Result<bool, StoreError> {
    let Some((mut credit, kept)) = open(tx, decided)? else {
        return Ok(false);
    };
    let organization = &decided.organization;
    let bought = find(tx, organization, &kept.purchase)?
        .ok_or_else(|| StoreError::Corrupt(format!("{} disputes nothing", decided.id)))?;
    let why = Why {
        reason: &decided.reason,
        actor: &decided.actor,
        at: now,
    };
    for (id, to, amount) in [
        ("won", credit.account(), kept.moved.taken),
        ("won_tax", Account::Tax, kept.moved.tax),
        ("won_lost", Account::Disputes, kept.moved.lost),
    ] {
        let moved = Moved {
            id: format!("{}:{id}", decided.id),
            code: TransferCode::DisputeWon,
            debit: Account::Payments(bought.provider.clone()),
            credit: to,
            amount,
            why,
        };
        credit.transfer(tx, moved)?;
    }
    end(tx, decided, "won", now)?;
    let counted = negative(kept.counted);
    count(tx, organization, &bought.id, [Taxed::default(), counted])?;
    credit.lots.restore(&bought.id, kept.moved.taken);
    credit.keep_and_tell(tx, now)?;
    Ok(true)
}

/// A dispute was decided for who paid: nothing moves any more. False if it was decided before, or
/// there is no such dispute.
///
/// # Errors
/// [`StoreError`].
pub fn lost(tx: &mut Tx<'_>, decided: &Decided, now: AtUs) -> Result<bool, StoreError> {
    let is_open = open(tx, decided)?.is_some();
    if is_open {
        end(tx, decided, "lost", now)?;
    }
    Ok(is_open)
}

/// A dispute that is not decided yet, with the credit that it is about, locked.
fn open(tx: &mut Tx<'_>, decided: &Decided) -> Result<Option<(Credit, Kept)>, StoreError> {
    let organization = &decided.organization;
    let Some(told) = kept(tx, organization, &decided.id)? else {
        return Ok(None);
    };
    let credit = credits::lock(tx, organization, Some(&told.purchase))?;
    // Only now is it known that nobody else decides it.
    let told = kept(tx, organization, &decided.id)?.filter(|it| it.is_open);
    Ok(credit.zip(told))
}

fn end(tx: &mut Tx<'_>, decided: &Decided, state: &str, now: AtUs) -> Result<(), StoreError> {
    let sql = "UPDATE purchase_disputes SET state = $3, ended_at_us = $4
               WHERE organization_id = $1 AND id = $2";
    tx.execute_one(
        sql,
        &[
            decided.organization.as_str().into(),
            decided.id.as_str().into(),
            state.into(),
            now.0.into(),
        ],
    )
}
