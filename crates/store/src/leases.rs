//! Leases in PostgreSQL: what `domain::lease::office` says, as statements.
//!
//! Rows are locked and read here, and decided by the office's own functions. Every transaction
//! takes its locks in one order: its node, wallets by id, windows' pots by id, leases, parts of
//! rate limits by id. A node's own question and its own commit exclude each other by the node's
//! row, which both lock first.
//!
//! A statement sees other tables as of its start, also if it waited for a lock. So locking is a
//! statement of its own, and whatever is decided on is read by a later one.

mod call_in;
mod days;
mod grant;
mod limit;
mod member;
mod notice;
mod open;
mod rates;
mod rows;
mod tidy;

use domain::lease::NodeId;

use crate::{StoreError, Tx};

pub(crate) use call_in::call_in;
pub(crate) use days::begin;
pub(crate) use grant::ask;
pub(crate) use limit::{close, set_limit};
pub(crate) use member::{beat, expire, join, leave};
pub(crate) use tidy::tidy;

/// Where nodes are told that something of theirs is needed: by their names.
pub(crate) const RECALL_CHANNEL: &str = "farebox_recall";

/// Whether no living node comes before this one: it is the one that looks after what is left over.
pub(crate) fn is_first(tx: &mut Tx<'_>, node: &NodeId) -> Result<bool, StoreError> {
    let sql = "SELECT COUNT(*) FROM nodes WHERE expires_at_us IS NOT NULL AND id < $1";
    Ok(tx.query_one(sql, &[node.to_string().into()])?.int(0)? == 0)
}

#[cfg(test)]
mod tests;
