//! Leases: several nodes spend from the same pots without asking the database for each request.
//!
//! A [pot](PotId) is what money is taken from: a wallet, or one turn of a hard budget's window. The
//! database owns every right to spend; a node owns what it has *leased*, and its book sees no more
//! than that. So admission stays what it is on one node, and leases only move caps: a grant raises
//! the node's cap, a return lowers it, never below what is spent and held.
//!
//! Two sides, both without I/O. The **node**: [`Presence`] is its place among the nodes, an epoch
//! and a deadline; [`Leases`] has the pots of one organization, the requests that wait for money
//! and the questions under way; [`Share`] is a part of a rate limit. The **office** ([`office`]) is
//! the database: what its statements must do, as plain rules over tables in memory, against which
//! the statements are tested and nodes are simulated.
//!
//! What keeps the money safe:
//!
//! - A lease counts as taken from its pot until it comes back, is spent, or its epoch has ended.
//! - A hold is registered only in a living epoch, out of its own lease; an answer begins only after
//!   that. Whoever was paused, cut off or replaced is found out there, whatever its clock says.
//! - An epoch that ended gets nothing new. It may only end holds that are still there.
//! - Every call can be lost, late or repeated, and counts once.
//!
//! Clocks decide only when to give up: a node serves until a deadline of its own, which it reckons
//! by its monotonic clock from before the renewal was sent.

mod demand;
mod leases;
mod message;
pub mod office;
mod presence;
mod share;

use std::fmt;
use std::sync::Arc;

use crate::id::{BudgetId, OrganizationId};
use crate::time::{AtUs, SECOND_US};

pub use leases::{Effect, Leases, Rooms, Verdict};
pub use message::{
    Alive, Answer, Answered, Ask, AskLine, Batch, Beat, Committed, End, Ending, Fenced, Join,
    Joined, Late, NewHold, RateAnswer, RateLine, Return,
};
pub use presence::{Call, Presence};
pub use share::{Cut, Moment, Share};

/// A node that is silent for longer has lost its leases.
pub const TTL_US: i64 = 10 * SECOND_US;
/// How often a node renews its leases.
pub const BEAT_US: i64 = 2 * SECOND_US;
/// How long a node trusts a renewal: less than the office does, by what clocks may differ in pace.
pub const TRUST_US: i64 = TTL_US / 5 * 4;
/// A lease should last this long.
pub const HORIZON_US: i64 = 2 * SECOND_US;
/// The longest that a hold of a dead node is kept for whoever may still end it.
pub const HOLD_US: i64 = 15 * 60 * SECOND_US;

/// Something money is taken from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PotId {
    /// The prepaid money of an organization.
    Wallet(OrganizationId),
    /// One turn of a hard budget's window.
    Window {
        /// Whose window.
        budget: BudgetId,
        /// The first instant in it.
        start: AtUs,
    },
}

impl PotId {
    /// The pot named by `text`, as [`fmt::Display`] writes it.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (name, rest) = text.rsplit_once(':')?;
        Some(match name {
            "wallet" => PotId::Wallet(OrganizationId::new(rest)),
            budget => PotId::Window {
                budget: BudgetId::new(budget),
                start: AtUs(rest.parse().ok()?),
            },
        })
    }
}

impl fmt::Display for PotId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PotId::Wallet(organization) => write!(f, "wallet:{organization}"),
            PotId::Window { budget, start } => write!(f, "{budget}:{}", start.0),
        }
    }
}

/// A place among the nodes: taken by one process at a time.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(Arc<str>);

impl NodeId {
    /// The node of that name.
    #[must_use]
    pub fn new(name: &str) -> Self {
        NodeId(name.into())
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One life of a node's leases. It ends when the node is silent for too long, leaves, or joins
/// anew, and never comes again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epoch(pub i64);

/// A rate limit that nodes share: what it is put on, the model and the kind, in one text.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LimitId(Arc<str>);

impl LimitId {
    /// The limit of that name.
    #[must_use]
    pub fn new(name: &str) -> Self {
        LimitId(name.into())
    }
}

impl fmt::Display for LimitId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
