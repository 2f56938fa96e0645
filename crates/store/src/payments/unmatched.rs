//! Money that a provider took and that matches no order: kept until an operator says what became
//! of it.

use domain::Entropy;
use domain::id::{PaymentId, UnmatchedPaymentId};
use domain::money::Nusd;
use domain::time::AtUs;

use crate::page::{Page, Place};
use crate::{Row, StoreError, Tx, Value};

use super::settle::{Mismatch, Paid};

/// Money that was not credited.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unmatched {
    /// Which.
    pub id: UnmatchedPaymentId,
    /// Who has it.
    pub provider: String,
    /// What the provider calls it.
    pub charge: String,
    /// Why it was not credited, as a word.
    pub problem: String,
    /// The order that the provider says it is for, whether there is one or not.
    pub payment: Option<PaymentId>,
    /// How much, as the provider says.
    pub amount: Nusd,
    /// Of what.
    pub currency: String,
    /// When it was first seen.
    pub seen_at: AtUs,
    /// What became of it, as an operator put it, and when they did.
    pub resolution: Option<(AtUs, String)>,
}

impl Unmatched {
    /// Where it stands in lists.
    #[must_use]
    pub fn place(&self) -> Place {
        (self.seen_at, self.id.to_string())
    }
}

const COLUMNS: &str = "SELECT id, provider, charge_ref, problem, payment_id, amount_nusd, currency,
        seen_at_us, resolved_at_us, resolution FROM unmatched_payments";

/// Keeps money that matches no order; once, however often it is told.
pub(super) fn keep(
    tx: &mut Tx<'_>,
    paid: &Paid,
    problem: Mismatch,
    entropy: Entropy,
    now: AtUs,
) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO unmatched_payments (id, provider, charge_ref, problem, payment_id, amount_nusd,
             currency, seen_at_us)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
         ON CONFLICT (provider, charge_ref, problem) DO NOTHING",
        &[
            UnmatchedPaymentId::random(entropy).as_str().into(),
            paid.provider.as_str().into(),
            paid.charge.as_str().into(),
            problem.as_str().into(),
            paid.payment.as_ref().map(PaymentId::as_str).into(),
            paid.amount.get().into(),
            paid.currency.as_str().into(),
            now.0.into(),
        ],
    )?;
    Ok(())
}

/// One of them.
///
/// # Errors
/// [`StoreError`].
pub fn get(tx: &mut Tx<'_>, id: &UnmatchedPaymentId) -> Result<Option<Unmatched>, StoreError> {
    let row = tx.query_optional(&format!("{COLUMNS} WHERE id = $1"), &[id.as_str().into()])?;
    row.as_ref().map(from_row).transpose()
}

/// A page of them: all, or those that nobody resolved.
///
/// # Errors
/// [`StoreError`].
pub fn list(
    tx: &mut Tx<'_>,
    only_unresolved: bool,
    page: &Page,
) -> Result<Vec<Unmatched>, StoreError> {
    let mut params: Vec<Value> = Vec::new();
    let which = match only_unresolved {
        true => "resolved_at_us IS NULL",
        false => "1 = 1",
    };
    let mut sql = format!("{COLUMNS} WHERE {which}");
    sql.push_str(&page.tail("seen_at_us", "id", &mut params));
    tx.query(&sql, &params)?.iter().map(from_row).collect()
}

/// Keeps what became of it.
///
/// # Errors
/// [`StoreError`]; a conflict if somebody said so before.
pub fn resolve(
    tx: &mut Tx<'_>,
    id: &UnmatchedPaymentId,
    resolution: &str,
    now: AtUs,
) -> Result<(), StoreError> {
    tx.execute_one(
        "UPDATE unmatched_payments SET resolved_at_us = $2, resolution = $3
         WHERE id = $1 AND resolved_at_us IS NULL",
        &[id.as_str().into(), now.0.into(), resolution.into()],
    )
}

fn from_row(row: &Row) -> Result<Unmatched, StoreError> {
    let resolution = row.opt_text(9)?.map(ToOwned::to_owned);
    Ok(Unmatched {
        id: UnmatchedPaymentId::new(row.text(0)?),
        provider: row.text(1)?.to_owned(),
        charge: row.text(2)?.to_owned(),
        problem: row.text(3)?.to_owned(),
        payment: row.opt_text(4)?.map(PaymentId::new),
        amount: Nusd::new(row.int(5)?),
        currency: row.text(6)?.to_owned(),
        seen_at: AtUs(row.int(7)?),
        resolution: row.opt_int(8)?.map(AtUs).zip(resolution),
    })
}
