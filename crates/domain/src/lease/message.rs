//! What nodes and the office say to each other.
//!
//! Any of it may be lost, late, repeated or overtaken. So each call carries what makes it count
//! once: an epoch, and a number within it.

use std::sync::Arc;

use super::{Epoch, LimitId, NodeId, PotId};
use crate::id::RequestId;
use crate::money::Nusd;
use crate::rate::Rate;

/// The epoch that a call was made in has ended: nothing of the call was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the epoch of this node has ended")]
pub struct Fenced;

/// A process takes its place among the nodes, at its start and after its epoch ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Join {
    /// The place.
    pub node: NodeId,
    /// The process. One that started later has a greater number.
    pub process: u64,
    /// Grows with each epoch that the process asks for; a repeated call has the same.
    pub attempt: u64,
}

/// The answer to [`Join`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Joined {
    /// The epoch begins.
    In {
        /// Which.
        epoch: Epoch,
        /// How many nodes there are now, with this one.
        nodes: u32,
    },
    /// A later process has the place: this one must end.
    Replaced,
}

/// A node is alive: its leases are renewed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Beat {
    /// Whose.
    pub node: NodeId,
    /// In which epoch.
    pub epoch: Epoch,
    /// Grows with each beat of a process.
    pub number: u64,
    /// The rate limits that it wants to use.
    pub rates: Vec<RateLine>,
}

/// What a beat says about one rate limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RateLine {
    /// Which limit.
    pub limit: LimitId,
    /// What the limit is, as far as this node has heard.
    pub rate: Rate,
    /// The units that are this node's share.
    pub share: u64,
    /// How many of them are used, and have not drained.
    pub used: u64,
    /// The units that requests wait for which the share has no room for.
    pub wanted: u64,
    /// What the smallest of those requests waits for.
    pub least: u64,
    /// The number of the beat whose answer it took last.
    pub adopted: u64,
    /// The units that were asked of this node lately, given or refused.
    pub demand: u64,
    /// It wants no more of the limit than it has, and that only until it has drained.
    pub leaves: bool,
}

/// The answer to [`Beat`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alive {
    /// How many nodes there are now.
    pub nodes: u32,
    /// What others need: return of these whatever is not held.
    pub recalled: Vec<PotId>,
    /// The node's share of each limit that the beat named and the office knows.
    pub rates: Vec<RateAnswer>,
}

/// A node's share of a rate limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RateAnswer {
    /// Which limit.
    pub limit: LimitId,
    /// The limit itself.
    pub rate: Rate,
    /// What should be this node's: if it has more, it gives up what it has not used.
    pub target: u64,
    /// What it has from now on beside what it had.
    pub raise: u64,
    /// How much of the raise somebody has used a moment ago: it must drain first.
    pub filled: u64,
    /// Nodes have more than a lowered limit allows: this one gives up so much of what it has, even
    /// if it has used it.
    pub cut: u64,
    /// What requests wait for here is not to be had: nobody has any left. Else others were asked
    /// for what is missing, and it comes with another beat.
    pub exhausted: bool,
}

/// A request lacks money in these pots.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    /// Who asks.
    pub node: NodeId,
    /// In which epoch.
    pub epoch: Epoch,
    /// Grows with each question of a process about these pots; a repeated call has the same.
    pub number: u64,
    /// In the order of the pots, in which they are locked.
    pub lines: Vec<AskLine>,
}

/// What is asked of one pot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AskLine {
    /// Which pot.
    pub pot: PotId,
    /// What the request lacks there: with less it cannot be admitted.
    pub need: Nusd,
    /// What would last for a while.
    pub want: Nusd,
}

/// The answer to [`Ask`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answered {
    /// The number of the question.
    pub number: u64,
    /// How many nodes there are now.
    pub nodes: u32,
    /// What was decided.
    pub answer: Answer,
}

/// What the office decides about a question: for all of its pots, or for none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// These are leased, beside what was.
    Granted(Vec<(PotId, Nusd)>),
    /// Others have what is needed and were asked to return it: ask again in a moment.
    Wait,
    /// There is not enough anywhere; so much is left in the pots that fall short.
    Denied(Vec<(PotId, Nusd)>),
    /// These pots limit nobody any more.
    Gone(Vec<PotId>),
}

/// The steps of requests that a node makes durable together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// Whose.
    pub node: NodeId,
    /// In which epoch all of it happened.
    pub epoch: Epoch,
    /// Grows by one within the epoch; a repeated batch has the same.
    pub number: u64,
    /// Holds to register.
    pub holds: Vec<NewHold>,
    /// Registered holds that grow, and go on.
    pub grown: Vec<(RequestId, Nusd)>,
    /// What registered holds that go on would be charged if their node died now.
    pub seen: Vec<(RequestId, Nusd)>,
    /// Registered holds that end.
    pub ends: Vec<End>,
    /// Requests that were held and charged within this batch: their holds need no row.
    pub quick: Vec<(NewHold, Nusd)>,
    /// What is leased no longer.
    pub returns: Vec<Return>,
}

/// A hold that a node made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewHold {
    /// The request it pays for.
    pub id: RequestId,
    /// How much is held, in each pot.
    pub amount: Nusd,
    /// The pots, each once. A request that costs nothing needs none.
    pub legs: Arc<[PotId]>,
    /// What the request would be charged if its node died now.
    pub seen: Nusd,
}

/// The end of a registered hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct End {
    /// Which.
    pub id: RequestId,
    /// How.
    pub ending: Ending,
    /// What it grew by in the batch that ends it.
    pub grown: Nusd,
}

/// How a hold ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The request is charged this much.
    Settled(Nusd),
    /// Nothing was delivered, nothing is charged.
    Released,
}

/// Money that a node does not need. Its cap was lowered before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Return {
    /// Which pot it goes back to.
    pub pot: PotId,
    /// How much; nothing answers a recall when all is held.
    pub amount: Nusd,
}

/// The answer to a [`Batch`] or to [`Late`] endings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Committed {
    /// Holds that were not registered, and settlements that found no hold: their answers may not
    /// begin, or not be completed.
    pub refused: Vec<RequestId>,
}

/// Holds of an epoch that has ended, ended by the process that made them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Late {
    /// Whose.
    pub node: NodeId,
    /// What it knows of their ends.
    pub ends: Vec<End>,
}
