//! This process among the nodes that serve an installation together, on PostgreSQL.
//!
//! A node has a place, which is a lock that goes with the ledger's connection, and one epoch, from
//! its start to its end. It renews its leases by beats. A process whose epoch was ended by others,
//! because it was silent for too long, can commit nothing any more: its ledger breaks, and it must
//! be started again.

use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use domain::lease::{Alive, Answered, Ask, Epoch, NodeId, Presence, RateLine};
use domain::time::{MonoClock, MonoUs};
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::StoreError;
use crate::postgres::PostgresServer;
use crate::queue::Queue;

/// What beats are about beside the node itself.
pub trait Member: Send + Sync {
    /// What the next beat says about rate limits.
    fn rates(&self, beat: u64, now: MonoUs) -> Vec<RateLine>;

    /// A beat was heard: what others need, and what this node gets.
    fn alive(&self, beat: u64, alive: &Alive, now: MonoUs);
}

/// This process among the nodes. Cheap to clone.
#[derive(Clone)]
pub struct Fleet(Arc<Inner>);

struct Inner {
    server: Arc<PostgresServer>,
    queue: Arc<Queue>,
    node: NodeId,
    epoch: Epoch,
    mono: MonoClock,
    presence: Mutex<Presence>,
    nodes: AtomicU32,
    member: OnceLock<Arc<dyn Member>>,
    wake: Notify,
}

impl Fleet {
    /// The place of this process.
    #[must_use]
    pub fn node(&self) -> &NodeId {
        &self.0.node
    }

    /// Its epoch.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        self.0.epoch
    }

    /// The time by which leases are reckoned.
    #[must_use]
    pub fn now(&self) -> MonoUs {
        (self.0.mono)()
    }

    /// How many nodes lived when this one last heard.
    #[must_use]
    pub fn nodes(&self) -> u32 {
        self.0.nodes.load(Ordering::Relaxed)
    }

    /// Whether requests may be admitted: the last renewal is fresh enough.
    #[must_use]
    pub fn may_admit(&self) -> bool {
        self.0.presence.lock().may_admit(self.now())
    }

    /// Somebody needs something of this node, or this node of the others: beat out of turn.
    pub fn hurry(&self) {
        self.0.presence.lock().hurry(self.now());
        self.0.wake.notify_one();
    }

    /// Tells `member` of every beat from now on. The first one stays.
    pub fn tell(&self, member: Arc<dyn Member>) {
        let _ = self.0.member.set(member);
    }

    /// Asks the database for what a request lacks.
    ///
    /// # Errors
    /// [`StoreError`]; also if this node's epoch was ended, after which its ledger is broken.
    pub async fn ask(&self, ask: Ask) -> Result<Answered, StoreError> {
        let _ = (&self.0.server, &self.0.queue, ask);
        Err(StoreError::Failed("not written".into()))
    }
}
