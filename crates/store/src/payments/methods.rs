//! Saved cards. One of an organization's cards is its default as long as it has any.

use domain::Entropy;
use domain::id::{OrganizationId, PaymentMethodId};
use domain::payment::Card;
use domain::time::AtUs;

use crate::{Row, StoreError, Tx, Value, changes, recharges};

/// A card as its provider knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SavedMethod {
    /// Whose.
    pub organization: OrganizationId,
    /// Who has it.
    pub provider: String,
    /// What the provider calls it.
    pub reference: String,
    /// What is shown of it.
    pub card: Card,
    /// The month it ends with, from 1.
    pub exp_month: u8,
    /// The year of that month.
    pub exp_year: u16,
}

/// A saved card.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Method {
    /// Which.
    pub id: PaymentMethodId,
    /// What the provider says of it.
    pub saved: SavedMethod,
    /// Whether credit is bought with it unless somebody says otherwise.
    pub is_default: bool,
    /// When it was saved.
    pub created_at: AtUs,
}

const COLUMNS: &str = "SELECT id, organization_id, provider, method_ref, brand, last4, exp_month,
        exp_year, default_since_us, created_at_us FROM payment_methods";

/// Keeps a card, once; the first one is the default. Answers the card, and whether it is new.
///
/// # Errors
/// [`StoreError`].
pub fn save_method(
    tx: &mut Tx<'_>,
    new: &SavedMethod,
    entropy: Entropy,
    now: AtUs,
) -> Result<(Method, bool), StoreError> {
    changes::lock(tx)?;
    if let Some(known) = any(tx, &new.provider, &new.reference)? {
        return Ok((known, false));
    }
    let is_first = default_method(tx, &new.organization, &new.provider)?.is_none();
    let id = PaymentMethodId::random(entropy);
    tx.execute_one(
        "INSERT INTO payment_methods (id, organization_id, provider, method_ref, brand, last4,
             exp_month, exp_year, default_since_us, created_at_us)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        &[
            id.as_str().into(),
            new.organization.as_str().into(),
            new.provider.as_str().into(),
            new.reference.as_str().into(),
            new.card.brand.as_str().into(),
            new.card.last4.as_str().into(),
            i64::from(new.exp_month).into(),
            i64::from(new.exp_year).into(),
            is_first.then_some(now.0).into(),
            now.0.into(),
        ],
    )?;
    recharges::new_method(tx, &new.organization, now)?;
    let method = Method {
        id,
        saved: new.clone(),
        is_default: is_first,
        created_at: now,
    };
    Ok((method, true))
}

/// The card of this name at its provider, if it is still saved here.
///
/// # Errors
/// [`StoreError`].
pub fn method_at(
    tx: &mut Tx<'_>,
    provider: &str,
    reference: &str,
) -> Result<Option<Method>, StoreError> {
    let params = [provider.into(), reference.into()];
    let which = "provider = $1 AND method_ref = $2 AND removed_at_us IS NULL";
    one(tx, which, &params)
}

/// The card of this name at its provider, also one that was removed here.
fn any(tx: &mut Tx<'_>, provider: &str, reference: &str) -> Result<Option<Method>, StoreError> {
    let params = [provider.into(), reference.into()];
    one(tx, "provider = $1 AND method_ref = $2", &params)
}

/// One saved card of an organization.
///
/// # Errors
/// [`StoreError`].
pub fn method(
    tx: &mut Tx<'_>,
    organization: &OrganizationId,
    id: &PaymentMethodId,
) -> Result<Option<Method>, StoreError> {
    let params = [organization.as_str().into(), id.as_str().into()];
    one(
        tx,
        "organization_id = $1 AND id = $2 AND removed_at_us IS NULL",
        &params,
    )
}

/// One saved card, also one that was removed.
///
/// # Errors
/// [`StoreError`].
pub fn method_ever(tx: &mut Tx<'_>, id: &PaymentMethodId) -> Result<Option<Method>, StoreError> {
    one(tx, "id = $1", &[id.as_str().into()])
}

/// The card that credit is bought with unless somebody says otherwise.
///
/// # Errors
/// [`StoreError`].
pub fn default_method(
    tx: &mut Tx<'_>,
    organization: &OrganizationId,
    provider: &str,
) -> Result<Option<Method>, StoreError> {
    let params = [organization.as_str().into(), provider.into()];
    one(
        tx,
        "organization_id = $1 AND provider = $2 AND default_since_us IS NOT NULL",
        &params,
    )
}

/// The saved cards of an organization at a provider, oldest first.
///
/// # Errors
/// [`StoreError`].
pub fn methods(
    tx: &mut Tx<'_>,
    organization: &OrganizationId,
    provider: &str,
) -> Result<Vec<Method>, StoreError> {
    let sql = format!(
        "{COLUMNS} WHERE organization_id = $1 AND provider = $2 AND removed_at_us IS NULL
         ORDER BY created_at_us, id"
    );
    let rows = tx.query(&sql, &[organization.as_str().into(), provider.into()])?;
    rows.iter().map(from_row).collect()
}

/// Makes a saved card the default.
///
/// # Errors
/// [`StoreError`].
pub fn make_default(tx: &mut Tx<'_>, method: &Method, now: AtUs) -> Result<(), StoreError> {
    changes::lock(tx)?;
    tx.execute(
        "UPDATE payment_methods SET default_since_us = NULL
         WHERE organization_id = $1 AND provider = $2 AND default_since_us IS NOT NULL",
        &[
            method.saved.organization.as_str().into(),
            method.saved.provider.as_str().into(),
        ],
    )?;
    tx.execute_one(
        "UPDATE payment_methods SET default_since_us = $2 WHERE id = $1 AND removed_at_us IS NULL",
        &[method.id.as_str().into(), now.0.into()],
    )?;
    recharges::new_method(tx, &method.saved.organization, now)
}

/// Removes a saved card; if it was the default, the newest of the others is.
///
/// # Errors
/// [`StoreError`].
pub fn remove_method(tx: &mut Tx<'_>, method: &Method, now: AtUs) -> Result<(), StoreError> {
    changes::lock(tx)?;
    tx.execute_one(
        "UPDATE payment_methods SET removed_at_us = $2, default_since_us = NULL
         WHERE id = $1 AND removed_at_us IS NULL",
        &[method.id.as_str().into(), now.0.into()],
    )?;
    let saved = &method.saved;
    if default_method(tx, &saved.organization, &saved.provider)?.is_none() {
        let left = methods(tx, &saved.organization, &saved.provider)?;
        if let Some(newest) = left.last() {
            make_default(tx, newest, now)?;
        }
    }
    Ok(())
}

fn one(tx: &mut Tx<'_>, which: &str, params: &[Value]) -> Result<Option<Method>, StoreError> {
    let row = tx.query_optional(&format!("{COLUMNS} WHERE {which}"), params)?;
    row.as_ref().map(from_row).transpose()
}

fn from_row(row: &Row) -> Result<Method, StoreError> {
    let corrupt = |_| StoreError::Corrupt("the end of a card".into());
    Ok(Method {
        id: PaymentMethodId::new(row.text(0)?),
        saved: SavedMethod {
            organization: OrganizationId::new(row.text(1)?),
            provider: row.text(2)?.to_owned(),
            reference: row.text(3)?.to_owned(),
            card: Card {
                brand: row.text(4)?.to_owned(),
                last4: row.text(5)?.to_owned(),
            },
            exp_month: row.int(6)?.try_into().map_err(corrupt)?,
            exp_year: row.int(7)?.try_into().map_err(corrupt)?,
        },
        is_default: row.opt_int(8)?.is_some(),
        created_at: AtUs(row.int(9)?),
    })
}
