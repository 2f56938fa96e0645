//! This process among the nodes that serve an installation together, on PostgreSQL.
//!
//! A node has a place, which is a lock that goes with the ledger's connection, and one epoch, from
//! its start to its end. It renews its leases by beats. A process whose epoch was ended by others,
//! because it was silent for too long, can commit nothing any more: its ledger breaks, and it must
//! be started again.
//!
//! Whoever lives looks after the others: epochs of the silent and the dead are ended, and what they
//! left undecided is settled by rule.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use domain::id::OrganizationId;
use domain::lease::{
    Alive, Answered, Ask, BEAT_US, Beat, Call, Epoch, Fenced, NodeId, Presence, RateLine, TTL_US,
};
use domain::money::Nusd;
use domain::time::{Clock, MonoClock, MonoUs, SECOND_US};
use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::batch::Op;
use crate::commit::CommitError;
use crate::postgres::{Notices, Place, PostgresServer};
use crate::postgres_batch::fenced;
use crate::queue::{Ack, Queue};
use crate::{StoreError, Tx, leases, orphans};

/// What others say: that leases are to be returned, and that something changed.
const CHANNELS: &[&str] = &[leases::RECALL_CHANNEL, crate::changes::CHANNEL];
/// How long to wait before a connection that hears nothing is made anew.
const LISTEN_PAUSE: Duration = Duration::from_secs(2);
/// How long an end in good order may take.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(5);
/// How long nodes are waited for that are to return what is to be taken out of a wallet, and how
/// often it is looked whether they did.
const CALL_IN_TIME: Duration = Duration::from_secs(1);
const CALL_IN_PAUSE: Duration = Duration::from_millis(20);
/// How often a node looks after the others, at most.
const LOOK_US: i64 = SECOND_US;
/// At which of these looks whoever is first tidies up.
const TIDY_LOOKS: u64 = 30;

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
    around: Around,
    node: NodeId,
    epoch: Epoch,
    presence: Mutex<Presence>,
    nodes: AtomicU32,
    member: OnceLock<Arc<dyn Member>>,
    wake: Notify,
    silent: CancellationToken,
    fenced: CancellationToken,
}

/// An epoch that has just begun.
pub(crate) struct Joined {
    pub(crate) node: NodeId,
    pub(crate) epoch: Epoch,
    pub(crate) nodes: u32,
    /// An instant before it began.
    pub(crate) before: MonoUs,
}

/// What of its process a node works with.
pub(crate) struct Around {
    pub(crate) server: Arc<PostgresServer>,
    pub(crate) queue: Arc<Queue>,
    pub(crate) heard: watch::Receiver<Option<i64>>,
    pub(crate) changed: Arc<Notify>,
    pub(crate) clock: Clock,
    pub(crate) mono: MonoClock,
}

impl Fleet {
    /// Begins to beat.
    pub(crate) fn begin(joined: Joined, around: Around) -> Self {
        let Joined {
            node,
            epoch,
            nodes,
            before,
        } = joined;
        let mut presence = Presence::new(node.clone(), epoch.0.unsigned_abs());
        presence.poll(before);
        presence.joined(1, epoch);
        let fleet = Fleet(Arc::new(Inner {
            around,
            node,
            epoch,
            presence: Mutex::new(presence),
            nodes: AtomicU32::new(nodes),
            member: OnceLock::new(),
            wake: Notify::new(),
            silent: CancellationToken::new(),
            fenced: CancellationToken::new(),
        }));
        let silent = fleet.0.silent.clone();
        tokio::spawn(silent.run_until_cancelled_owned(beat_on(fleet.clone())));
        let silent = fleet.0.silent.clone();
        tokio::spawn(silent.run_until_cancelled_owned(listen(fleet.clone())));
        fleet
    }

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
        (self.0.around.mono)()
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
        self.hurry();
    }

    /// Waits until others have ended this node's epoch: the process must be started again.
    pub async fn fenced(&self) {
        self.0.fenced.cancelled().await;
    }

    /// Asks the database for what a request lacks.
    ///
    /// # Errors
    /// [`StoreError`]; also if this node's epoch was ended, after which its ledger is broken.
    pub async fn ask(&self, ask: Ask) -> Result<Answered, StoreError> {
        let asked = self.transaction(move |tx| leases::ask(tx, &ask)).await?;
        let asked = asked.map_err(|ended| self.over(ended))?;
        let nodes = asked.answered.nodes;
        self.0.nodes.store(nodes, Ordering::Relaxed);
        Ok(asked.answered)
    }

    /// Has other nodes return what they have leased of a wallet and do not hold, until `amount` is
    /// free there; for a second at most, as requests may lease it again, or a node may be silent.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn call_in(
        &self,
        organization: &OrganizationId,
        amount: Nusd,
    ) -> Result<(), StoreError> {
        let calling = async {
            loop {
                let (organization, node) = (organization.clone(), self.0.node.clone());
                let call = move |tx: &mut Tx<'_>| leases::call_in(tx, &organization, amount, &node);
                if !self.transaction(call).await? {
                    return Ok(());
                }
                tokio::time::sleep(CALL_IN_PAUSE).await;
            }
        };
        tokio::time::timeout(CALL_IN_TIME, calling)
            .await
            .unwrap_or(Ok(()))
    }

    /// No more beats, and what is leased is free again. Call when the ledger has ended.
    pub(crate) async fn leave(&self) {
        self.fall_silent();
        let Some(epoch) = self.0.presence.lock().leave() else {
            return;
        };
        let node = self.0.node.clone();
        let leaving = self.transaction(move |tx| leases::leave(tx, &node, epoch));
        match tokio::time::timeout(LEAVE_TIMEOUT, leaving).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "this node's leases end by themselves"),
            Err(_) => tracing::warn!("this node's leases end by themselves: no answer"),
        }
    }

    /// No more beats.
    pub(crate) fn fall_silent(&self) {
        self.0.silent.cancel();
    }

    async fn transaction<T, F>(&self, body: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&mut Tx<'_>) -> Result<T, StoreError> + Send + 'static,
    {
        let server = Arc::clone(&self.0.around.server);
        tokio::task::spawn_blocking(move || server.transaction(false, body))
            .await
            .unwrap_or_else(|_| Err(StoreError::Failed("a transaction broke".into())))
    }

    /// Nothing of this epoch can be committed any more.
    fn over(&self, _: Fenced) -> StoreError {
        let (CommitError::Poison(reason) | CommitError::Retry(reason)) = fenced();
        self.0.around.queue.poison(&reason);
        self.0.fenced.cancel();
        StoreError::Unavailable(reason)
    }
}

/// Beats, and looks after the others, until told to stop.
async fn beat_on(fleet: Fleet) {
    let mut caretaker = Caretaker::new(fleet.now());
    loop {
        let now = fleet.now();
        let due = fleet.0.presence.lock().due();
        if now < due {
            let pause = Duration::from_micros(due.since(now).unsigned_abs());
            let _ = tokio::time::timeout(pause, fleet.0.wake.notified()).await;
            continue;
        }
        let Some(Call::Beat { number, .. }) = fleet.0.presence.lock().poll(now) else {
            return;
        };
        match beat(&fleet, number, now).await {
            Ok(()) => caretaker.look_after(&fleet).await,
            Err(error) => {
                tracing::warn!(%error, "this node could not renew its leases; trying again");
                caretaker.heard_nothing();
            }
        }
    }
}

async fn beat(fleet: &Fleet, number: u64, now: MonoUs) -> Result<(), StoreError> {
    let member = fleet.0.member.get();
    let beat = Beat {
        node: fleet.0.node.clone(),
        epoch: fleet.0.epoch,
        number,
        rates: member.map_or_else(Vec::new, |member| member.rates(number, now)),
    };
    let heard = fleet.0.around.heard.borrow().unwrap_or(0);
    let beaten = fleet.transaction(move |tx| leases::beat(tx, &beat, heard));
    let beaten = beaten.await?.map_err(|ended| fleet.over(ended))?;
    fleet.0.presence.lock().alive(number);
    fleet.0.nodes.store(beaten.alive.nodes, Ordering::Relaxed);
    if let Some(member) = member {
        member.alive(number, &beaten.alive, fleet.now());
    }
    Ok(())
}

/// Ends the epochs of others that are gone, and what they left undecided.
struct Caretaker {
    /// Since when every beat was heard: whoever was cut off itself must not say that others are
    /// gone. Unknown while none is heard.
    steady_since: Option<MonoUs>,
    /// When it looked last: beats out of turn are no reason to look again.
    looked_at: MonoUs,
    looks: u64,
    /// Settles what it found. Much of it may take longer than a lease lasts without a beat.
    settling: Option<JoinHandle<()>>,
}

impl Caretaker {
    fn new(now: MonoUs) -> Self {
        Caretaker {
            steady_since: Some(now),
            looked_at: now,
            looks: 0,
            settling: None,
        }
    }

    fn heard_nothing(&mut self) {
        self.steady_since = None;
    }

    /// A beat was heard.
    async fn look_after(&mut self, fleet: &Fleet) {
        let now = fleet.now();
        let since = *self.steady_since.get_or_insert(now);
        if now.since(self.looked_at) < LOOK_US {
            return;
        }
        self.looked_at = now;
        self.looks += 1;
        if fleet.nodes() > 1 && now.since(since) >= TTL_US {
            let by = fleet.0.node.clone();
            let expired = fleet.transaction(move |tx| leases::expire(tx, &by, place_is_free));
            match expired.await {
                Ok(gone) if gone.is_empty() => {}
                Ok(gone) => {
                    let nodes: Vec<String> = gone.iter().map(ToString::to_string).collect();
                    tracing::warn!(?nodes, "nodes are gone; what they had leased is free again");
                    fleet.hurry();
                }
                Err(error) => tracing::warn!(%error, "other nodes could not be looked after"),
            }
        }
        if self.settling.as_ref().is_none_or(JoinHandle::is_finished) {
            self.settling = Some(tokio::spawn(settle(fleet.clone(), self.looks)));
        }
    }
}

async fn settle(fleet: Fleet, look: u64) {
    if let Err(error) = settle_orphans(&fleet, look).await {
        tracing::warn!(%error, "what other nodes left undecided could not be settled");
    }
}

/// Settles by rule what processes left that are gone, if that is for this node to do.
async fn settle_orphans(fleet: &Fleet, look: u64) -> Result<(), StoreError> {
    let (node, now) = (fleet.0.node.clone(), (fleet.0.around.clock)());
    let ops = fleet.transaction(move |tx| match leases::is_first(tx, &node)? {
        true => {
            if look.is_multiple_of(TIDY_LOOKS) {
                leases::tidy(tx)?;
            }
            orphans::resolve(tx, now)
        }
        false => Ok(Vec::new()),
    });
    for acknowledged in give_to_ledger(fleet, ops.await?) {
        // Told or dropped: either way the next look finds what is left.
        let _ = acknowledged.await;
    }
    Ok(())
}

fn give_to_ledger(fleet: &Fleet, ops: Vec<Op>) -> Vec<oneshot::Receiver<()>> {
    let give = |op| {
        let (sender, acknowledged) = oneshot::channel();
        let queue = &fleet.0.around.queue;
        queue.push_urgent(op, Some(Ack::Done(sender)));
        acknowledged
    };
    ops.into_iter().map(give).collect()
}

/// Whether no connection holds the lock of a node's place: its process is gone.
fn place_is_free(tx: &mut Tx<'_>, node: &NodeId) -> Result<bool, StoreError> {
    let Some(place) = Place::of(node) else {
        return Ok(false);
    };
    // The lock is free again when the transaction ends.
    let sql = "SELECT CAST(CASE WHEN pg_try_advisory_xact_lock($1) THEN 1 ELSE 0 END AS BIGINT)";
    Ok(tx.query_one(sql, &[place.lock().into()])?.int(0)? == 1)
}

/// Hears what others say, which is a hint: beats and the change log are asked for all the same.
async fn listen(fleet: Fleet) {
    loop {
        match fleet.0.around.server.listen(CHANNELS).await {
            Ok((_client, mut notices)) => heed(&fleet, &mut notices).await,
            Err(error) => tracing::debug!(%error, "notices of other nodes are not heard"),
        }
        tokio::time::sleep(LISTEN_PAUSE).await;
    }
}

async fn heed(fleet: &Fleet, notices: &mut Notices) {
    // Whatever was said before is heard by asking.
    fleet.hurry();
    fleet.0.around.changed.notify_one();
    while let Some((channel, payload)) = notices.recv().await {
        if channel == crate::changes::CHANNEL {
            fleet.0.around.changed.notify_one();
        } else if payload == fleet.0.node.to_string() {
            fleet.hurry();
        }
    }
}

const _: () = assert!(BEAT_US * 2 < TTL_US, "a lost beat costs no lease");
