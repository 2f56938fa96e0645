//! Telling nodes that something of theirs is needed. Only a hint: they find it out with their next
//! beat, too.

use std::collections::BTreeSet;

use domain::lease::{NodeId, PotId};

use super::RECALL_CHANNEL;
use crate::{StoreError, Tx};

/// Marks what nodes have of a pot as needed: all of them, but the one that needs it. Answers whose
/// was marked.
///
/// What a commit is writing at the moment is left out, as waiting for it here could be waiting in a
/// circle. The next question marks it.
pub(super) fn recall(
    tx: &mut Tx<'_>,
    pot: &PotId,
    but: Option<&NodeId>,
) -> Result<Vec<NodeId>, StoreError> {
    let rows = tx.query(
        "UPDATE leases SET recalled = 1 FROM (
             SELECT pot_id, node_id FROM leases
             WHERE pot_id = $1 AND node_id <> $2 AND free_nusd > 0
             FOR NO KEY UPDATE SKIP LOCKED
         ) AS others
         WHERE leases.pot_id = others.pot_id AND leases.node_id = others.node_id
         RETURNING leases.node_id",
        &[
            pot.to_string().into(),
            but.map_or(String::new(), ToString::to_string).into(),
        ],
    )?;
    let nodes = rows.iter().map(|row| row.text(0).map(NodeId::new));
    nodes.collect()
}

/// Notifies nodes, once the transaction is committed. Answers them, each once.
pub(super) fn notify(
    tx: &mut Tx<'_>,
    nodes: impl IntoIterator<Item = NodeId>,
) -> Result<Vec<NodeId>, StoreError> {
    let nodes: BTreeSet<NodeId> = nodes.into_iter().collect();
    for node in &nodes {
        let params = [RECALL_CHANNEL.into(), node.to_string().into()];
        tx.query("SELECT pg_notify($1, $2)::text", &params)?;
    }
    Ok(nodes.into_iter().collect())
}
