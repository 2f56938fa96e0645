//! How the two sides of a sale are named on papers about money: organizations by their billing
//! profiles, the seller as the configuration of the server that started last says. What is on a
//! paper that was issued stays there.

use domain::document::{Party, Seller};
use domain::id::OrganizationId;
use domain::time::AtUs;

use crate::{Row, StoreError, Tx, organizations};

/// How an organization is named on papers that are issued from now on: by its profile, and by its
/// own name where that says none.
///
/// # Errors
/// [`StoreError`].
pub fn party(tx: &mut Tx<'_>, organization: &OrganizationId) -> Result<Party, StoreError> {
    let mut party = get(tx, organization)?.unwrap_or_default();
    if party.name.is_empty() {
        party.name = organizations::name(tx, organization)?;
    }
    Ok(party)
}

/// An organization's profile, if it ever set one.
///
/// # Errors
/// [`StoreError`].
pub fn get(tx: &mut Tx<'_>, organization: &OrganizationId) -> Result<Option<Party>, StoreError> {
    let sql = "SELECT name, address, country, tax_id, email FROM billing_profiles
               WHERE organization_id = $1";
    let row = tx.query_optional(sql, &[organization.as_str().into()])?;
    row.as_ref().map(from_row).transpose()
}

/// Sets an organization's profile, all of it.
///
/// # Errors
/// [`StoreError`].
pub fn set(
    tx: &mut Tx<'_>,
    organization: &OrganizationId,
    profile: &Party,
    now: AtUs,
) -> Result<(), StoreError> {
    tx.execute_one(
        "INSERT INTO billing_profiles (organization_id, name, address, country, tax_id, email,
                                       set_at_us)
         VALUES ($1, $2, $3, $4, $5, $6, $7)
         ON CONFLICT (organization_id) DO UPDATE SET name = EXCLUDED.name,
             address = EXCLUDED.address, country = EXCLUDED.country, tax_id = EXCLUDED.tax_id,
             email = EXCLUDED.email, set_at_us = EXCLUDED.set_at_us",
        &[
            organization.as_str().into(),
            profile.name.as_str().into(),
            profile.address.as_str().into(),
            profile.country.as_str().into(),
            profile.tax_id.as_str().into(),
            profile.email.as_str().into(),
            now.0.into(),
        ],
    )
}

/// Who sells; nobody that has a name, before any server started.
///
/// # Errors
/// [`StoreError`].
pub fn seller(tx: &mut Tx<'_>) -> Result<Seller, StoreError> {
    let sql = "SELECT name, address, country, tax_id, email, prefix FROM seller";
    let Some(row) = tx.query_optional(sql, &[])? else {
        return Ok(Seller::default());
    };
    Ok(Seller {
        party: from_row(&row)?,
        prefix: row.text(5)?.to_owned(),
    })
}

/// Says who sells, from now on.
///
/// # Errors
/// [`StoreError`].
pub fn set_seller(tx: &mut Tx<'_>, seller: &Seller, now: AtUs) -> Result<(), StoreError> {
    let party = &seller.party;
    tx.execute_one(
        "INSERT INTO seller (id, prefix, name, address, country, tax_id, email, set_at_us)
         VALUES (1, $1, $2, $3, $4, $5, $6, $7)
         ON CONFLICT (id) DO UPDATE SET prefix = EXCLUDED.prefix, name = EXCLUDED.name,
             address = EXCLUDED.address, country = EXCLUDED.country, tax_id = EXCLUDED.tax_id,
             email = EXCLUDED.email, set_at_us = EXCLUDED.set_at_us",
        &[
            seller.prefix.as_str().into(),
            party.name.as_str().into(),
            party.address.as_str().into(),
            party.country.as_str().into(),
            party.tax_id.as_str().into(),
            party.email.as_str().into(),
            now.0.into(),
        ],
    )
}

fn from_row(row: &Row) -> Result<Party, StoreError> {
    let text = |index| row.text(index).map(str::to_owned);
    Ok(Party {
        name: text(0)?,
        address: text(1)?,
        country: text(2)?,
        tax_id: text(3)?,
        email: text(4)?,
    })
}
