//! What a client wants, and what becomes of it on a node.

use std::sync::Arc;

use domain::id::RequestId;
use domain::lease::{Epoch, PotId};
use domain::money::Nusd;

/// A request as its client makes it, once or again.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Trial {
    pub(crate) org: usize,
    /// The most it can cost.
    pub(crate) amount: Nusd,
    /// What it will cost.
    pub(crate) cost: Nusd,
    /// How long the upstream takes.
    pub(crate) lasts: i64,
    pub(crate) stream: bool,
    /// The upstream fails: nothing is delivered.
    pub(crate) fails: bool,
    /// A stream whose first hold is too small, and grows.
    pub(crate) grows: Option<Nusd>,
    /// Which of the organization's budgets it counts in: a bit for each.
    pub(crate) budgets: u32,
    pub(crate) tries: u32,
    /// The client does not wait long for money.
    pub(crate) hasty: bool,
}

/// The steps of a request, by the time they take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// The answer begins: its first byte may leave once the hold is registered.
    Begin,
    /// A second of a stream has passed.
    Second,
    /// The upstream is done, or failed.
    End,
    /// The client of that organization leaves if it has not been admitted by now.
    GiveUp(usize),
}

/// A request that a node has admitted.
#[derive(Clone, Debug)]
pub(crate) struct Open {
    pub(crate) trial: Trial,
    pub(crate) epoch: Epoch,
    pub(crate) legs: Arc<[PotId]>,
    /// What the book holds for it.
    pub(crate) amount: Nusd,
    /// How much of that is known to be registered; none before it is.
    pub(crate) registered: Option<Nusd>,
    pub(crate) seen: Nusd,
    pub(crate) begun_at: i64,
    /// The first byte waits for the hold.
    pub(crate) wants_begin: bool,
    pub(crate) begun: bool,
    /// What is on its way to the ledger: the charge, or nothing for a release.
    pub(crate) ended: Option<Option<Nusd>>,
}

/// The id of the n-th request.
pub(crate) fn id_of(n: u64) -> RequestId {
    RequestId::parse(&format!("req_{n:032x}")).expect("32 digits")
}
