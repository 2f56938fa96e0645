//! Leases in PostgreSQL: what `domain::lease::office` says, as statements.
//!
//! Rows are locked and read here, and decided by the office's own functions. Every transaction
//! takes its locks in one order: its node, wallets by id, pots by id, leases. A node's own question
//! and its own commit exclude each other by the node's row, which both lock first.

use domain::lease::office::{Asked, Beaten};
use domain::lease::{Ask, Beat, Epoch, Fenced, NodeId};

use crate::{StoreError, Tx};

/// Where nodes are told that something of theirs is needed: by their names.
pub(crate) const RECALL_CHANNEL: &str = "farebox_recall";

/// Begins an epoch at a place that the caller has the lock of. Whatever a predecessor still leased
/// is free again. Answers the epoch, and how many nodes live with this one.
pub(crate) fn join(tx: &mut Tx<'_>, node: &NodeId) -> Result<(Epoch, u32), StoreError> {
    let _ = (tx, node);
    Err(StoreError::Failed("not written".into()))
}

/// Renews a node's leases, says how far it has heard the change log, and balances the rate limits
/// that it names.
pub(crate) fn beat(
    tx: &mut Tx<'_>,
    beat: &Beat,
    heard: i64,
) -> Result<Result<Beaten, Fenced>, StoreError> {
    let _ = (tx, beat, heard);
    Err(StoreError::Failed("not written".into()))
}

/// Leases what a request lacks in all of its pots, or nothing.
pub(crate) fn ask(tx: &mut Tx<'_>, ask: &Ask) -> Result<Result<Asked, Fenced>, StoreError> {
    let _ = (tx, ask);
    Err(StoreError::Failed("not written".into()))
}

/// Ends an epoch in good order; nothing if it has ended.
pub(crate) fn leave(tx: &mut Tx<'_>, node: &NodeId, epoch: Epoch) -> Result<(), StoreError> {
    let _ = (tx, node, epoch);
    Err(StoreError::Failed("not written".into()))
}

/// Ends the epochs of nodes that were silent for too long, or that were silent for a while and
/// whose lock `is_free` finds taken by nobody. Answers which.
pub(crate) fn expire(
    tx: &mut Tx<'_>,
    by: &NodeId,
    is_free: impl Fn(&mut Tx<'_>, &NodeId) -> Result<bool, StoreError>,
) -> Result<Vec<NodeId>, StoreError> {
    let _ = (tx, by, is_free);
    Err(StoreError::Failed("not written".into()))
}

/// Whether no living node comes before this one: it is the one that looks after what is left over.
pub(crate) fn is_first(tx: &mut Tx<'_>, node: &NodeId) -> Result<bool, StoreError> {
    let sql = "SELECT COUNT(*) FROM nodes WHERE expires_at_us IS NOT NULL AND id < $1";
    Ok(tx.query_one(sql, &[node.to_string().into()])?.int(0)? == 0)
}

/// Deletes what nobody needs any more: leases and pots of windows that are long over.
pub(crate) fn tidy(tx: &mut Tx<'_>) -> Result<(), StoreError> {
    let _ = tx;
    Ok(())
}
