//! Refunds: what is left of a purchase goes back to who paid, with its tax in proportion.

use domain::credit::NotCovered;
use domain::id::OrganizationId;
use domain::ledger::{Account, TransferCode};
use domain::money::Nusd;
use domain::purchase::Taxed;
use domain::time::AtUs;

use super::{count, find, negative, taxed};
use crate::credits::{self, Moved, Why};
use crate::{StoreError, Tx};

/// A purchase to be given back, or a part of it.
#[derive(Clone, Debug)]
pub struct Refund {
    /// Unique; the same refund made again gives nothing more.
    pub id: String,
    /// Whose credit.
    pub organization: OrganizationId,
    /// The purchase's id.
    pub purchase: String,
    /// How much of its credit, above zero and in whole cents, as cards take no less. Its tax comes
    /// on top.
    pub amount: Nusd,
    /// Why, as a person put it.
    pub reason: String,
    /// Who gives it: a user's id, or `operator`.
    pub actor: String,
}

/// What was given back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refunded {
    /// The credit, and the tax on it: both together go to whoever paid.
    pub paid: Taxed,
    /// Whether it was not given back before.
    pub is_new: bool,
}

/// Why nothing can be given back.
#[derive(Debug, thiserror::Error)]
pub enum RefundError {
    /// There is no such purchase.
    #[error("the organization {0} has no purchase {1}")]
    NoPurchase(OrganizationId, String),
    /// Nothing or less would be given back, or parts of a cent.
    #[error("the amount must be more than 0, and in whole cents")]
    NotCents,
    /// The rest is spent, held for requests in flight, leased by nodes, in dispute, or was given
    /// back.
    #[error("only {available} of the purchase is free")]
    NotFree {
        /// What could be given back.
        available: Nusd,
    },
    /// Something else was given back with this id.
    #[error("another refund has this id")]
    Reused,
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Gives a purchase back, as far as it is there: from the wallet, and its tax, to the provider.
///
/// # Errors
/// [`RefundError`]; nothing was given back.
pub fn refund(tx: &mut Tx<'_>, refund: &Refund, now: AtUs) -> Result<Refunded, RefundError> {
    let organization = &refund.organization;
    let none = || RefundError::NoPurchase(organization.clone(), refund.purchase.clone());
    if refund.amount <= Nusd::ZERO || refund.amount.whole_cents().is_none() {
        return Err(RefundError::NotCents);
    }
    let credit = credits::lock(tx, organization, Some(&refund.purchase))?;
    let mut credit = credit.ok_or_else(none)?;
    if let Some(before) = kept(tx, organization, &refund.id)? {
        let is_same = (before.purchase, before.paid.credit);
        return match is_same == (refund.purchase.clone(), refund.amount) {
            true => Ok(Refunded {
                paid: before.paid,
                is_new: false,
            }),
            false => Err(RefundError::Reused),
        };
    }
    let bought = find(tx, organization, &refund.purchase)?.ok_or_else(none)?;
    let left = bought.left();
    let of_lot = credit.lots.find(&refund.purchase);
    let of_lot = of_lot.map_or(Nusd::ZERO, |lot| lot.remaining);
    let available = of_lot.min(left.credit).min(credit.wallet.available());
    if refund.amount > available {
        return Err(RefundError::NotFree { available });
    }
    let taken = credit.lots.take_of(&refund.purchase, refund.amount);
    taken.map_err(|NotCovered { .. }| RefundError::NotFree { available })?;
    let paid = Taxed {
        credit: refund.amount,
        tax: left.tax_of(refund.amount),
    };
    let why = Why {
        reason: &refund.reason,
        actor: &refund.actor,
        at: now,
    };
    let payments = || Account::Payments(bought.provider.clone());
    for moved in [
        Moved {
            id: refund.id.clone(),
            code: TransferCode::Refund,
            debit: credit.account(),
            credit: payments(),
            amount: paid.credit,
            why,
        },
        Moved {
            id: format!("{}:tax", refund.id),
            code: TransferCode::RefundedTax,
            debit: Account::Tax,
            credit: payments(),
            amount: paid.tax,
            why,
        },
    ] {
        credit.transfer(tx, moved)?;
    }
    insert(tx, refund, paid, now)?;
    count(tx, organization, &bought.id, [paid, Taxed::default()])?;
    credit.keep(tx)?;
    Ok(Refunded { paid, is_new: true })
}

fn insert(tx: &mut Tx<'_>, refund: &Refund, paid: Taxed, now: AtUs) -> Result<(), StoreError> {
    tx.execute_one(
        "INSERT INTO purchase_refunds (organization_id, id, purchase_id, amount_nusd, tax_nusd,
                                       created_at_us, failed_at_us)
         VALUES ($1, $2, $3, $4, $5, $6, NULL)",
        &[
            refund.organization.as_str().into(),
            refund.id.as_str().into(),
            refund.purchase.as_str().into(),
            paid.credit.get().into(),
            paid.tax.get().into(),
            now.0.into(),
        ],
    )
}

struct Kept {
    purchase: String,
    paid: Taxed,
    has_failed: bool,
}

fn kept(
    tx: &mut Tx<'_>,
    organization: &OrganizationId,
    id: &str,
) -> Result<Option<Kept>, StoreError> {
    let sql = "SELECT purchase_id, amount_nusd, tax_nusd, failed_at_us FROM purchase_refunds
               WHERE organization_id = $1 AND id = $2";
    let row = tx.query_optional(sql, &[organization.as_str().into(), id.into()])?;
    row.map(|row| {
        Ok(Kept {
            purchase: row.text(0)?.to_owned(),
            paid: taxed(&row, 1)?,
            has_failed: row.opt_int(3)?.is_some(),
        })
    })
    .transpose()
}

/// A refund that did not reach who paid.
#[derive(Clone, Debug)]
pub struct Failed {
    /// The refund's id.
    pub id: String,
    /// Whose credit.
    pub organization: OrganizationId,
    /// Why, as the provider put it.
    pub reason: String,
    /// Who says so, such as `farebox`.
    pub actor: String,
}

/// Takes back a refund that did not reach who paid: the wallet has the credit again. False if that
/// was done before, or there is no such refund.
///
/// # Errors
/// [`StoreError`]; nothing was taken back.
pub fn refund_failed(tx: &mut Tx<'_>, failed: &Failed, now: AtUs) -> Result<bool, StoreError> {
    let organization = &failed.organization;
    let refund = kept(tx, organization, &failed.id)?;
    let Some(purchase) = refund.map(|it| it.purchase) else {
        return Ok(false);
    };
    let Some(mut credit) = credits::lock(tx, organization, Some(&purchase))? else {
        return Ok(false);
    };
    // Only now is it known that nobody else does the same.
    let (refund, bought) = (
        kept(tx, organization, &failed.id)?,
        find(tx, organization, &purchase)?,
    );
    let (Some(refund), Some(bought)) = (refund, bought) else {
        return Ok(false);
    };
    if refund.has_failed {
        return Ok(false);
    }
    let why = Why {
        reason: &failed.reason,
        actor: &failed.actor,
        at: now,
    };
    let payments = || Account::Payments(bought.provider.clone());
    for (id, to, amount) in [
        ("failed", credit.account(), refund.paid.credit),
        ("failed_tax", Account::Tax, refund.paid.tax),
    ] {
        let moved = Moved {
            id: format!("{}:{id}", failed.id),
            code: TransferCode::RefundFailed,
            debit: payments(),
            credit: to,
            amount,
            why,
        };
        credit.transfer(tx, moved)?;
    }
    let sql = "UPDATE purchase_refunds SET failed_at_us = $3
               WHERE organization_id = $1 AND id = $2";
    let id = failed.id.as_str().into();
    tx.execute_one(sql, &[organization.as_str().into(), id, now.0.into()])?;
    count(
        tx,
        organization,
        &purchase,
        [negative(refund.paid), Taxed::default()],
    )?;
    credit.lots.restore(&purchase, refund.paid.credit);
    credit.keep_and_tell(tx, now)?;
    Ok(true)
}
