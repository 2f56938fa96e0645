//! Admin keys as lists show them. They are made and revoked like all [`crate::keys`].

use domain::access::Owner;
use domain::id::{KeyId, OrganizationId, UserId};
use domain::key::KeyClass;
use domain::time::AtUs;

use crate::keys::{Cursor, KeyRow, OwnerRow, settings};
use crate::{Row, StoreError, Tx};

/// Which part of a list is wanted.
#[derive(Clone, Debug)]
pub struct Page {
    /// After this key; from the beginning if none.
    pub after: Option<Cursor>,
    /// The newest first, not the oldest.
    pub newest_first: bool,
    /// At most this many.
    pub limit: i64,
}

const SHOWN: &str = "SELECT k.id, k.name, k.redacted_value, k.created_at_us, k.expires_at_us,
        k.last_used_at_us, u.id, u.name, u.email, COALESCE(m.role, 'reader'), u.created_at_us,
        k.models, k.scopes, k.ip_ranges
     FROM keys k
     JOIN users u ON u.id = k.user_id
     LEFT JOIN members m ON m.user_id = k.user_id AND m.organization_id = k.organization_id
     WHERE k.organization_id = $1 AND k.class = 'admin' AND k.revoked_at_us IS NULL";

/// The place of an admin key in its organization's list; also of one that was revoked since.
///
/// # Errors
/// [`StoreError`].
pub fn cursor(
    tx: &mut Tx<'_>,
    organization: &OrganizationId,
    id: &KeyId,
) -> Result<Option<Cursor>, StoreError> {
    let sql = "SELECT created_at_us FROM keys
               WHERE organization_id = $1 AND class = 'admin' AND id = $2";
    let row = tx.query_optional(sql, &[organization.as_str().into(), id.as_str().into()])?;
    row.map(|row| Ok((AtUs(row.int(0)?), id.clone())))
        .transpose()
}

/// Admin keys of an organization.
///
/// # Errors
/// [`StoreError`].
pub fn list(
    tx: &mut Tx<'_>,
    organization: &OrganizationId,
    page: &Page,
) -> Result<Vec<KeyRow>, StoreError> {
    let (side, order, start) = match page.newest_first {
        true => ("<", "DESC", i64::MAX),
        false => (">", "ASC", i64::MIN),
    };
    let after = page.after.as_ref();
    let (at, id) = after.map_or((start, ""), |(at, id)| (at.0, id.as_str()));
    let sql = format!(
        "{SHOWN} AND (k.created_at_us, k.id) {side} ($2, $3)
         ORDER BY k.created_at_us {order}, k.id {order} LIMIT $4"
    );
    let params = [
        organization.as_str().into(),
        at.into(),
        id.into(),
        page.limit.into(),
    ];
    tx.query(&sql, &params)?.iter().map(from_row).collect()
}

/// One admin key of an organization.
///
/// # Errors
/// [`StoreError`].
pub fn get(
    tx: &mut Tx<'_>,
    organization: &OrganizationId,
    id: &KeyId,
) -> Result<Option<KeyRow>, StoreError> {
    let sql = format!("{SHOWN} AND k.id = $2");
    let row = tx.query_optional(&sql, &[organization.as_str().into(), id.as_str().into()])?;
    row.as_ref().map(from_row).transpose()
}

fn from_row(row: &Row) -> Result<KeyRow, StoreError> {
    Ok(KeyRow {
        id: KeyId::new(row.text(0)?),
        name: row.text(1)?.to_owned(),
        redacted_value: row.text(2)?.to_owned(),
        class: KeyClass::Admin,
        created_at: AtUs(row.int(3)?),
        expires_at: row.opt_int(4)?.map(AtUs),
        last_used_at: row.opt_int(5)?.map(AtUs),
        owner: OwnerRow {
            owner: Owner::User(UserId::new(row.text(6)?)),
            name: row.text(7)?.to_owned(),
            email: row.text(8)?.to_owned(),
            role: row.text(9)?.to_owned(),
            created_at: AtUs(row.int(10)?),
        },
        owner_has_access: true,
        restrictions: settings::read(row.opt_text(11)?, row.opt_text(12)?, row.opt_text(13)?)?,
        retired_until: None,
    })
}
