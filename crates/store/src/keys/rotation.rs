//! New secrets for keys, and the earlier ones, which work on for a while: [`domain::rotation`] says
//! for how long.

use std::collections::HashMap;

use domain::id::KeyId;
use domain::key::{KeyDigest, KeySecret};
use domain::rotation::{Grace, MOST_RETIRED};
use domain::time::AtUs;

use crate::changes::{self, ChangeKind};
use crate::{Row, StoreError, Tx, Value};

/// An earlier secret of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retired {
    /// What is kept of it.
    pub digest: KeyDigest,
    /// When it stops working.
    pub ends_at: AtUs,
}

/// Why a key did not get a new secret.
#[derive(Debug, thiserror::Error)]
pub enum RotationError {
    /// [`MOST_RETIRED`] of its earlier secrets still work.
    #[error("{MOST_RETIRED} earlier secrets of this key still work")]
    TooMany,
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Gives a key that works a new secret, and says when its present one stops working. What is known
/// of secrets that already did is forgotten. Servers hear of it.
///
/// # Errors
/// [`RotationError`]; a conflict if the key was revoked.
pub fn rotate(
    tx: &mut Tx<'_>,
    id: &KeyId,
    secret: &KeySecret,
    grace: Grace,
    now: AtUs,
) -> Result<AtUs, RotationError> {
    // Two at once would both retire the same secret: whoever is second waits here, and sees the
    // first one's.
    changes::lock(tx)?;
    let sql = "DELETE FROM retired_secrets WHERE key_id = $1 AND ends_at_us <= $2";
    tx.execute(sql, &[id.as_str().into(), now.0.into()])?;
    let earlier = of_key(tx, id)?;
    let works = |retired: &&Retired| grace.end_of_earlier(now, retired.ends_at) > now;
    if earlier.iter().filter(works).count() >= MOST_RETIRED {
        return Err(RotationError::TooMany);
    }
    for Retired { digest, ends_at } in &earlier {
        let sql = "UPDATE retired_secrets SET ends_at_us = $2 WHERE digest = $1";
        let end = grace.end_of_earlier(now, *ends_at);
        tx.execute_one(sql, &[digest.to_hex().into(), end.0.into()])?;
    }
    let end = grace.end(now);
    tx.execute_one(
        "INSERT INTO retired_secrets (digest, key_id, redacted_value, retired_at_us, ends_at_us)
         SELECT digest, id, redacted_value, $2, $3 FROM keys
         WHERE id = $1 AND revoked_at_us IS NULL",
        &[id.as_str().into(), now.0.into(), end.0.into()],
    )?;
    tx.execute_one(
        "UPDATE keys SET digest = $2, redacted_value = $3
         WHERE id = $1 AND revoked_at_us IS NULL",
        &[
            id.as_str().into(),
            secret.digest().to_hex().into(),
            secret.redacted().into(),
        ],
    )?;
    changes::record(tx, ChangeKind::Key, id.as_str(), now)?;
    Ok(end)
}

fn of_key(tx: &mut Tx<'_>, id: &KeyId) -> Result<Vec<Retired>, StoreError> {
    let mut all = retired(tx, "AND k.id = $1", &[id.as_str().into()])?;
    Ok(all.remove(id).unwrap_or_default())
}

/// What an earlier secret was, whatever became of its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Earlier {
    /// Whose it is.
    pub key: KeyId,
    /// Enough of it to recognise it.
    pub redacted_value: String,
    /// When it stops working, or did.
    pub ends_at: AtUs,
}

/// The earlier secret with this digest.
///
/// # Errors
/// [`StoreError`].
pub fn earlier(tx: &mut Tx<'_>, digest: &KeyDigest) -> Result<Option<Earlier>, StoreError> {
    let sql = "SELECT key_id, redacted_value, ends_at_us FROM retired_secrets WHERE digest = $1";
    let row = tx.query_optional(sql, &[digest.to_hex().into()])?;
    let earlier = |row: Row| -> Result<Earlier, StoreError> {
        Ok(Earlier {
            key: KeyId::new(row.text(0)?),
            redacted_value: row.text(1)?.to_owned(),
            ends_at: AtUs(row.int(2)?),
        })
    };
    row.map(earlier).transpose()
}

/// The earlier secrets of the keys `k` that a filter finds, of those that work.
pub(super) fn retired(
    tx: &mut Tx<'_>,
    filter: &str,
    params: &[Value],
) -> Result<HashMap<KeyId, Vec<Retired>>, StoreError> {
    let sql = format!(
        "SELECT r.key_id, r.digest, r.ends_at_us
         FROM retired_secrets r JOIN keys k ON k.id = r.key_id
         WHERE k.revoked_at_us IS NULL {filter} ORDER BY r.ends_at_us, r.digest"
    );
    let mut found: HashMap<KeyId, Vec<Retired>> = HashMap::new();
    for row in tx.query(&sql, params)? {
        let digest = KeyDigest::from_hex(row.text(1)?)
            .ok_or_else(|| StoreError::Corrupt("a retired secret has no digest".into()))?;
        let retired = Retired {
            digest,
            ends_at: AtUs(row.int(2)?),
        };
        let key = KeyId::new(row.text(0)?);
        found.entry(key).or_default().push(retired);
    }
    Ok(found)
}
