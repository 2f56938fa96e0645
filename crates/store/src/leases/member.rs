//! Nodes come and go: joining, renewing, leaving, being given up.
//!
//! An epoch is ended under the lock of its node's row, which waits for whatever is decided in it;
//! afterwards nothing new can be. Whoever ends the epochs of others waits for none of their rows,
//! and has no other node's.

use std::collections::BTreeMap;

use domain::lease::office::Beaten;
use domain::lease::{Alive, BEAT_US, Beat, Epoch, Fenced, NodeId, PotId, TTL_US};
use domain::money::Nusd;
use domain::time::{AtUs, SECOND_US};

use super::{notice, rates, rows};
use crate::{StoreError, Tx, changes};

/// A node that is silent for longer, and whose lock nobody has, is dead.
const SILENT_US: i64 = 2 * BEAT_US + SECOND_US;

/// Begins an epoch at a place that the caller has the lock of. Whatever a predecessor still leased
/// is free again. Answers the epoch, and how many nodes live with this one.
///
/// The node has heard every change that there is: it reads who may do what only after this.
pub(crate) fn join(tx: &mut Tx<'_>, node: &NodeId) -> Result<(Epoch, u32), StoreError> {
    let id = node.to_string();
    tx.execute(
        "INSERT INTO nodes (id, epoch, batch, started_at_us) VALUES ($1, 1, 0, 0)
         ON CONFLICT (id) DO NOTHING",
        &[id.clone().into()],
    )?;
    let sql = "SELECT expires_at_us FROM nodes WHERE id = $1 FOR UPDATE";
    let before = tx.query_one(sql, &[id.clone().into()])?;
    let now = rows::now(tx)?;
    if before.opt_int(0)?.is_some() {
        end(tx, std::slice::from_ref(node), now)?;
    }
    let heard = changes::latest(tx)?;
    let row = tx.query_one(
        "UPDATE nodes SET batch = 0, started_at_us = $2, heard = $3, expires_at_us = $4
         WHERE id = $1 RETURNING epoch",
        &[
            id.into(),
            now.0.into(),
            heard.into(),
            now.plus(TTL_US).0.into(),
        ],
    )?;
    Ok((Epoch(row.int(0)?), rows::living(tx)?))
}

/// Renews a node's leases, says how far it has heard the change log, and balances the rate limits
/// that it names.
pub(crate) fn beat(
    tx: &mut Tx<'_>,
    beat: &Beat,
    heard: i64,
) -> Result<Result<Beaten, Fenced>, StoreError> {
    let now = rows::now(tx)?;
    let renewed = tx.execute(
        "UPDATE nodes SET expires_at_us = $3, heard = GREATEST(heard, $4)
         WHERE id = $1 AND epoch = $2",
        &[
            beat.node.to_string().into(),
            beat.epoch.0.into(),
            now.plus(TTL_US).0.into(),
            heard.into(),
        ],
    )?;
    if renewed == 0 {
        return Ok(Err(Fenced));
    }
    let balanced = rates::balance(tx, beat, now)?;
    let holders = balanced.iter().flat_map(|it| it.holders.iter().cloned());
    let holders = notice::notify(tx, holders)?;
    let alive = Alive {
        nodes: rows::living(tx)?,
        recalled: recalled(tx, &beat.node)?,
        rates: balanced.into_iter().map(|it| it.answer).collect(),
    };
    Ok(Ok(Beaten { alive, holders }))
}

/// The pots of which a node is to return what it does not hold: those that others need, and those
/// that are above their limits, for as long as they are.
fn recalled(tx: &mut Tx<'_>, node: &NodeId) -> Result<Vec<PotId>, StoreError> {
    let rows = tx.query(
        "SELECT l.pot_id FROM leases l LEFT JOIN pots p ON p.id = l.pot_id
         WHERE l.node_id = $1
           AND (l.recalled = 1 OR p.taken_nusd > p.limit_nusd)",
        &[node.to_string().into()],
    )?;
    let pots = rows.iter().map(|row| rows::read_pot_id(row.text(0)?));
    let mut pots: Vec<PotId> = pots.collect::<Result<_, _>>()?;
    pots.sort();
    Ok(pots)
}

/// Ends an epoch in good order; nothing if it has ended.
pub(crate) fn leave(tx: &mut Tx<'_>, node: &NodeId, epoch: Epoch) -> Result<(), StoreError> {
    let sql = "SELECT expires_at_us FROM nodes WHERE id = $1 AND epoch = $2 FOR UPDATE";
    let row = tx.query_optional(sql, &[node.to_string().into(), epoch.0.into()])?;
    if row
        .map(|row| row.opt_int(0))
        .transpose()?
        .flatten()
        .is_some()
    {
        let now = rows::now(tx)?;
        end(tx, std::slice::from_ref(node), now)?;
    }
    Ok(())
}

/// Ends the epochs of nodes that were silent for too long, or that were silent for a while and
/// whose lock `is_free` finds taken by nobody. Answers which. `by` looks after the others only.
///
/// A transaction of its own: it has locked no node's row before.
pub(crate) fn expire(
    tx: &mut Tx<'_>,
    by: &NodeId,
    mut is_free: impl FnMut(&mut Tx<'_>, &NodeId) -> Result<bool, StoreError>,
) -> Result<Vec<NodeId>, StoreError> {
    let now = rows::now(tx)?;
    // Those that are doing something are alive, or their turn comes with the next beat.
    let rows = tx.query(
        "SELECT id, expires_at_us FROM nodes
         WHERE id <> $1 AND (expires_at_us <= $2 OR expires_at_us > $3)
         ORDER BY id FOR UPDATE SKIP LOCKED",
        &[
            by.to_string().into(),
            now.plus(TTL_US - SILENT_US).0.into(),
            now.plus(TTL_US).0.into(),
        ],
    )?;
    let mut dead = Vec::new();
    for row in &rows {
        let (node, expires_at) = (NodeId::new(row.text(0)?), AtUs(row.int(1)?));
        if expires_at > now.plus(TTL_US) {
            // The clock was set back: nobody may be waited for longer than usual.
            let sql = "UPDATE nodes SET expires_at_us = $2 WHERE id = $1";
            tx.execute_one(sql, &[row.text(0)?.into(), now.plus(TTL_US).0.into()])?;
        } else if expires_at <= now || is_free(tx, &node)? {
            dead.push(node);
        }
    }
    end(tx, &dead, now)?;
    Ok(dead)
}

/// Ends the epochs of nodes whose rows are locked. What they could still hold is free again; what
/// they hold stays held.
fn end(tx: &mut Tx<'_>, nodes: &[NodeId], now: AtUs) -> Result<(), StoreError> {
    let mut pots: BTreeMap<PotId, Nusd> = BTreeMap::new();
    for node in nodes {
        let sql = "SELECT pot_id FROM leases WHERE node_id = $1";
        for row in tx.query(sql, &[node.to_string().into()])? {
            pots.insert(rows::read_pot_id(row.text(0)?)?, Nusd::ZERO);
        }
    }
    rows::lock(tx, pots.keys().cloned())?;
    for node in nodes {
        let sql = "DELETE FROM leases WHERE node_id = $1 RETURNING pot_id, free_nusd";
        for row in tx.query(sql, &[node.to_string().into()])? {
            let free = Nusd::new(row.int(1)?);
            *pots.entry(rows::read_pot_id(row.text(0)?)?).or_default() += free;
        }
        tx.execute_one(
            "UPDATE nodes SET epoch = epoch + 1, batch = 0, expires_at_us = NULL WHERE id = $1",
            &[node.to_string().into()],
        )?;
    }
    for (pot, free) in pots {
        rows::reserve(tx, &pot, Nusd::ZERO - free)?;
    }
    rates::give_up(tx, nodes, now)
}
