//! The rows that leases are made of, and the order in which they are locked.

use std::collections::BTreeMap;

use domain::lease::office::{Lease, Pot};
use domain::lease::{Epoch, NodeId, PotId};
use domain::money::Nusd;
use domain::time::AtUs;

use crate::{Row, StoreError, Tx};

/// The database's time: the only one that nodes share.
pub(super) fn now(tx: &mut Tx<'_>) -> Result<AtUs, StoreError> {
    let sql = "SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT)";
    tx.query_one(sql, &[])?.int(0).map(AtUs)
}

/// Locks the row of a node; false if this is not its present epoch. Until the transaction ends,
/// that epoch does not, and nothing else of the node is decided.
pub(super) fn fence(tx: &mut Tx<'_>, node: &NodeId, epoch: Epoch) -> Result<bool, StoreError> {
    let sql = "SELECT 1::bigint FROM nodes WHERE id = $1 AND epoch = $2 FOR NO KEY UPDATE";
    let row = tx.query_optional(sql, &[node.to_string().into(), epoch.0.into()])?;
    Ok(row.is_some())
}

/// How many nodes have leases now.
pub(super) fn living(tx: &mut Tx<'_>) -> Result<u32, StoreError> {
    let sql = "SELECT COUNT(*) FROM nodes WHERE expires_at_us IS NOT NULL";
    let living = tx.query_one(sql, &[])?.count(0)?;
    Ok(u32::try_from(living).unwrap_or(u32::MAX))
}

/// Locks the rows of pots, in the order in which everybody does. Answers those that there are.
pub(super) fn lock(
    tx: &mut Tx<'_>,
    pots: impl IntoIterator<Item = PotId>,
) -> Result<BTreeMap<PotId, Pot>, StoreError> {
    let place = |pot: PotId| ((matches!(pot, PotId::Window { .. }), pot.to_string()), pot);
    let in_order: BTreeMap<_, PotId> = pots.into_iter().map(place).collect();
    let mut rows = BTreeMap::new();
    for ((is_window, id), pot) in in_order {
        let sql = match is_window {
            false => {
                "SELECT credits_nusd, debits_nusd + held_nusd, credits_nusd, NULL::bigint
                 FROM accounts WHERE id = $1 FOR NO KEY UPDATE"
            }
            true => {
                "SELECT limit_nusd, taken_nusd, cap_nusd, closed_at_us
                 FROM pots WHERE id = $1 FOR NO KEY UPDATE"
            }
        };
        if let Some(row) = tx.query_optional(sql, &[id.into()])? {
            rows.insert(pot, read_pot(&row)?);
        }
    }
    Ok(rows)
}

/// Limit, what is taken, cap, and when it was closed.
pub(super) fn read_pot(row: &Row) -> Result<Pot, StoreError> {
    Ok(Pot {
        limit: Nusd::new(row.int(0)?),
        cap: Nusd::new(row.int(2)?),
        // What is spent and what is reserved are one number here: rules only use the sum.
        spent: Nusd::ZERO,
        reserved: Nusd::new(row.int(1)?),
        closed: row.opt_int(3)?.is_some(),
    })
}

/// Reserves so much more of a locked pot, or less. A cap above the limit comes down as far as it
/// can. Of a pot that was never opened nothing is reserved.
pub(super) fn reserve(tx: &mut Tx<'_>, pot: &PotId, more: Nusd) -> Result<(), StoreError> {
    if more == Nusd::ZERO {
        return Ok(());
    }
    let sql = match pot {
        PotId::Wallet(_) => "UPDATE accounts SET held_nusd = held_nusd + $2 WHERE id = $1",
        PotId::Window { .. } => {
            "UPDATE pots SET taken_nusd = taken_nusd + $2,
                 cap_nusd = GREATEST(limit_nusd, taken_nusd + $2)
             WHERE id = $1"
        }
    };
    tx.execute(sql, &[pot.to_string().into(), more.get().into()])?;
    Ok(())
}

/// What a node has of a pot, and what others could return of it.
pub(super) fn leases(
    tx: &mut Tx<'_>,
    pot: &PotId,
    node: &NodeId,
) -> Result<(Option<Lease>, Nusd), StoreError> {
    let rows = tx.query(
        "SELECT node_id, free_nusd, asked, granted_nusd, recalled FROM leases WHERE pot_id = $1",
        &[pot.to_string().into()],
    )?;
    let (mut own, mut elsewhere) = (None, Nusd::ZERO);
    let node = node.to_string();
    for row in &rows {
        let lease = Lease {
            free: Nusd::new(row.int(1)?),
            asked: row.count(2)?,
            granted: Nusd::new(row.int(3)?),
            recalled: row.int(4)? == 1,
        };
        match row.text(0)? == node {
            true => own = Some(lease),
            false => elsewhere += lease.free,
        }
    }
    Ok((own, elsewhere))
}

/// A number as the database keeps it.
pub(super) fn kept(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Reads a pot's id where it was kept.
pub(super) fn read_pot_id(text: &str) -> Result<PotId, StoreError> {
    PotId::parse(text).ok_or_else(|| StoreError::Corrupt(format!("{text} names no pot")))
}
