//! Committing batches: what a database must offer, and how its failures are told apart.

use std::collections::HashMap;

use domain::id::OrganizationId;
use domain::money::Nusd;

use crate::StoreError;
use crate::batch::{Batch, Writer};

/// A database that can commit batches.
pub(crate) trait Committer: Send {
    /// Commits a whole batch or nothing. Committing the same batch again changes nothing.
    fn commit(&mut self, batch: &Batch, writer: &Writer) -> Result<Balances, CommitError>;

    /// Called when nothing waits: a chance to tidy up. An error says that nothing may be committed
    /// any more.
    fn idle(&mut self) -> Result<(), CommitError> {
        Ok(())
    }

    /// Called after the last commit; `sound` unless the ledger broke.
    fn end(&mut self, _sound: bool) {}

    /// Why nothing new may be admitted, although what was admitted is committed. While there is a
    /// reason, [`Committer::idle`] is called once in a while, and may find that it has gone.
    fn shortage(&self) -> Option<&str> {
        None
    }

    /// The writer's own connection, where other writes of this process must run.
    fn connection(&mut self) -> Option<&mut rusqlite::Connection> {
        None
    }
}

/// What is left in the wallets that a batch moved money on, where others spend from them too; empty
/// if the batch was committed before and its acknowledgement lost.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Balances(HashMap<OrganizationId, Nusd>);

impl Balances {
    pub(crate) fn new(balances: HashMap<OrganizationId, Nusd>) -> Self {
        Balances(balances)
    }

    /// Credits less debits of one wallet.
    pub(crate) fn of(&self, organization: &OrganizationId) -> Option<Nusd> {
        self.0.get(organization).copied()
    }
}

/// Why a batch was not committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum CommitError {
    /// The database is full, busy or away: the same batch may go through later.
    Retry(String),
    /// Nothing this process believes can be trusted any more.
    Poison(String),
}

impl From<StoreError> for CommitError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable(reason) => CommitError::Retry(reason),
            full @ StoreError::Full(_) => CommitError::Retry(full.to_string()),
            other => CommitError::Poison(other.to_string()),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
