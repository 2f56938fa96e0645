//! Whom a provider knows an organization as.

use domain::id::OrganizationId;
use domain::time::AtUs;

use crate::{StoreError, Tx};

/// The provider's name for an organization, if it has one.
///
/// # Errors
/// [`StoreError`].
pub fn customer_of(
    tx: &mut Tx<'_>,
    organization: &OrganizationId,
    provider: &str,
) -> Result<Option<String>, StoreError> {
    let sql = "SELECT customer_ref FROM payment_customers
               WHERE organization_id = $1 AND provider = $2";
    let row = tx.query_optional(sql, &[organization.as_str().into(), provider.into()])?;
    row.map(|row| row.text(0).map(ToOwned::to_owned))
        .transpose()
}

/// Keeps the provider's name for an organization, unless there is one already; answers the one that
/// counts.
///
/// # Errors
/// [`StoreError`].
pub fn keep_customer(
    tx: &mut Tx<'_>,
    organization: &OrganizationId,
    provider: &str,
    customer: &str,
    now: AtUs,
) -> Result<String, StoreError> {
    tx.execute(
        "INSERT INTO payment_customers (organization_id, provider, customer_ref, created_at_us)
         VALUES ($1, $2, $3, $4) ON CONFLICT (organization_id, provider) DO NOTHING",
        &[
            organization.as_str().into(),
            provider.into(),
            customer.into(),
            now.0.into(),
        ],
    )?;
    let kept = customer_of(tx, organization, provider)?;
    kept.ok_or_else(|| StoreError::Failed("a customer is gone".into()))
}
