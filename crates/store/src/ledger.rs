//! The money of requests: holds and how they end, made durable in groups.
//!
//! Steps become durable in the order they are taken. Whoever frees money in memory must have
//! queued the step that frees it here first: then no prefix of the queue overdraws a wallet.

use std::sync::Arc;

use domain::hold::Hold;
use domain::id::RequestId;
use domain::lease::PotId;
use domain::money::Nusd;
use tokio::sync::oneshot;

use crate::Settlement;
use crate::batch::{Op, Seen};
use crate::fleet::Fleet;
use crate::idempotency::Claim;
use crate::queue::{Ack, Queue};

/// What one request may cost the operator in the books, $1 million: an upstream's absurd report
/// must not fill an account, which would stop the ledger for everybody.
const MOST_AT_ONCE: Nusd = Nusd::new(1_000_000_000_000_000);

/// Takes the steps of requests in flight. Cheap to clone.
#[derive(Clone)]
pub struct Ledger {
    queue: Arc<Queue>,
    fleet: Option<Fleet>,
}

/// Whether the ledger can commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LedgerState {
    /// It can.
    Healthy,
    /// The database is full, busy or away; what waits is kept and tried again.
    Stalled(String),
    /// Something broke that a retry cannot mend: this process must be restarted.
    Poisoned(String),
}

/// A step will never be durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the ledger could not commit")]
pub struct LedgerError;

/// A hold on its way to the disk.
#[must_use = "the answer must wait for its hold"]
pub struct HoldTicket {
    queue: Arc<Queue>,
    ack: oneshot::Receiver<()>,
}

/// What was noted of a stream, or given back, on its way to the disk: it gets there whether or not
/// it is awaited.
pub struct NoteTicket(HoldTicket);

/// A settlement on its way to the disk.
#[must_use = "the last byte must wait for the settlement"]
pub struct SettleTicket(oneshot::Receiver<Option<Nusd>>);

/// A claim that is being given back.
#[must_use = "whoever tries again before that is told to wait"]
pub struct UnclaimTicket(oneshot::Receiver<()>);

impl Ledger {
    pub(crate) fn new(queue: Arc<Queue>, fleet: Option<Fleet>) -> Self {
        Ledger { queue, fleet }
    }

    /// Reserves money for a request. Durable with the next commit, or when the ticket is awaited.
    pub fn hold(&self, hold: Arc<Hold>) -> HoldTicket {
        let (sender, ack) = oneshot::channel();
        self.queue.push(Op::Hold(hold), Some(Ack::Done(sender)));
        HoldTicket {
            queue: Arc::clone(&self.queue),
            ack,
        }
    }

    /// As [`Ledger::hold`], durable as soon as can be: the answer will begin any moment.
    pub fn hold_soon(&self, hold: Arc<Hold>) -> HoldTicket {
        let (sender, ack) = oneshot::channel();
        self.queue
            .push_urgent(Op::Hold(hold), Some(Ack::Done(sender)));
        HoldTicket {
            queue: Arc::clone(&self.queue),
            ack,
        }
    }

    /// Notes what was delivered of a stream so far, in case this process dies before its end.
    pub fn checkpoint(&self, id: RequestId, input_tokens: u64, output_tokens: u64) -> NoteTicket {
        let seen = Seen {
            input_tokens,
            output_tokens,
        };
        let (sender, ack) = oneshot::channel();
        self.queue
            .push(Op::Checkpoint(id, seen), Some(Ack::Done(sender)));
        NoteTicket(HoldTicket {
            queue: Arc::clone(&self.queue),
            ack,
        })
    }

    /// Reserves `more` for a request whose hold was taken before. Durable when the ticket is
    /// awaited.
    pub fn extend(&self, id: RequestId, more: Nusd) -> HoldTicket {
        let (sender, ack) = oneshot::channel();
        self.queue
            .push(Op::Extend(id, more), Some(Ack::Done(sender)));
        HoldTicket {
            queue: Arc::clone(&self.queue),
            ack,
        }
    }

    /// Charges a request and ends its hold.
    pub fn settle(&self, mut settlement: Settlement) -> SettleTicket {
        let charge = &mut settlement.charge;
        charge.overrun = charge.overrun.min(MOST_AT_ONCE);
        charge.upstream_cost = charge.upstream_cost.min(MOST_AT_ONCE);
        let (sender, ack) = oneshot::channel();
        let ack_to = Ack::Settled(settlement.hold.organization.clone(), sender);
        self.queue
            .push_urgent(Op::Settle(Arc::new(settlement)), Some(ack_to));
        SettleTicket(ack)
    }

    /// Ends a hold without a charge: nothing was delivered.
    pub fn release(&self, id: RequestId) {
        self.queue.push(Op::Release(id), None);
    }

    /// Gives back the key of a request that ended without a charge, so that it may be tried again.
    pub fn unclaim(&self, claim: Arc<Claim>) -> UnclaimTicket {
        let (sender, ack) = oneshot::channel();
        self.queue
            .push_urgent(Op::Unclaim(claim), Some(Ack::Done(sender)));
        UnclaimTicket(ack)
    }

    /// A hold counts in this pot too, from now on: a budget came while its request was in flight.
    pub fn adopt(&self, id: RequestId, pot: PotId) {
        self.queue.push(Op::Adopt(id, pot), None);
    }

    /// Gives back what was leased of a pot. Whatever was held of it before is in the ledger's queue
    /// before this, so that it is there first.
    pub fn give_back(&self, pot: PotId, amount: Nusd) -> NoteTicket {
        let (sender, ack) = oneshot::channel();
        let step = Op::Return(pot, amount);
        self.queue.push_urgent(step, Some(Ack::Done(sender)));
        NoteTicket(HoldTicket {
            queue: Arc::clone(&self.queue),
            ack,
        })
    }

    /// Whether the ledger can commit: if not, nothing new may be admitted.
    #[must_use]
    pub fn state(&self) -> LedgerState {
        let state = self.queue.state();
        let cut_off = self.fleet.as_ref().is_some_and(|it| !it.may_admit());
        match state {
            LedgerState::Healthy if cut_off => {
                let reason = "this node has not reached the database for a while";
                LedgerState::Stalled(reason.into())
            }
            state => state,
        }
    }
}

impl HoldTicket {
    /// Waits until the hold is durable.
    ///
    /// # Errors
    /// [`LedgerError`] if it never will be: nothing of the answer may leave.
    pub async fn durable(self) -> Result<(), LedgerError> {
        self.queue.urge();
        self.ack.await.map_err(|_| LedgerError)
    }
}

impl NoteTicket {
    /// Waits until the note is durable.
    ///
    /// # Errors
    /// [`LedgerError`] if it never will be: no more of the stream may leave.
    pub async fn durable(self) -> Result<(), LedgerError> {
        self.0.durable().await
    }
}

impl UnclaimTicket {
    /// Waits until the key is free.
    ///
    /// # Errors
    /// [`LedgerError`] if it will be free only when the next process starts.
    pub async fn durable(self) -> Result<(), LedgerError> {
        self.0.await.map_err(|_| LedgerError)
    }
}

impl SettleTicket {
    /// Waits until the settlement is durable. Answers what it left in the wallet, where other nodes
    /// spend from that too and this one cannot know.
    ///
    /// # Errors
    /// [`LedgerError`] if it never will be: the answer may not be completed.
    pub async fn durable(self) -> Result<Option<Nusd>, LedgerError> {
        self.0.await.map_err(|_| LedgerError)
    }
}
