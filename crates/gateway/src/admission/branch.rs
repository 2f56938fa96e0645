//! This node as one of several: what the desks of all organizations share.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Weak};
use std::time::Duration;

use domain::id::OrganizationId;
use domain::lease::{Alive, Moment, PotId, RateLine};
use domain::money::Nusd;
use domain::time::{AtUs, Clock, MonoClock, MonoUs};
use parking_lot::{Mutex, RwLock};
use store::{Fleet, Ledger, Member};
use tokio::runtime::Handle;
use tokio::sync::Notify;

use super::recharging::Look;
use super::shares::Shares;
use super::{Books, LowCredit};

/// What of its process a desk works with.
pub(crate) struct Around {
    pub(crate) ledger: Ledger,
    pub(crate) clock: Clock,
    /// By which rates drain, and leases are reckoned.
    pub(crate) mono: MonoClock,
    /// Is told when a wallet that is filled up by itself runs low.
    pub(crate) low: LowCredit,
}

impl Around {
    pub(super) fn now(&self) -> AtUs {
        (self.clock)()
    }

    pub(super) fn mono(&self) -> MonoUs {
        (self.mono)()
    }

    /// What a wallet has now.
    pub(super) fn look(&self, available: Nusd) -> Look {
        Look {
            available,
            now: self.now(),
            mono: self.mono(),
        }
    }
}

/// This node as one of several.
pub(super) struct Branch {
    pub(super) fleet: Fleet,
    pub(super) runtime: Handle,
    pub(super) timer: Timer,
    pub(super) shares: Shares,
    /// Whose the windows are that this node has something of.
    windows: Mutex<HashMap<PotId, OrganizationId>>,
    /// What others need, or is above its limit, by the last beat: nothing of it is used again here.
    draining: RwLock<HashSet<PotId>>,
}

impl Branch {
    pub(super) fn new(fleet: Fleet) -> Self {
        Branch {
            fleet,
            runtime: Handle::current(),
            timer: Timer::default(),
            shares: Shares::default(),
            windows: Mutex::default(),
            draining: RwLock::default(),
        }
    }

    /// A pot's limit was lowered: nothing of it is used again, until a beat says otherwise.
    pub(super) fn drain(&self, pot: &PotId) {
        self.draining.write().insert(pot.clone());
    }

    /// Those of these pots of which nothing is used again here.
    pub(super) fn draining<'a>(&self, pots: impl Iterator<Item = &'a PotId>) -> Vec<PotId> {
        let draining = self.draining.read();
        match draining.is_empty() {
            true => Vec::new(),
            false => pots.filter(|pot| draining.contains(pot)).cloned().collect(),
        }
    }

    /// This node has something of a pot, which belongs to whose wallet that is.
    pub(super) fn has(&self, pot: &PotId, wallet: &PotId) {
        if let (PotId::Window { .. }, PotId::Wallet(organization)) = (pot, wallet) {
            let mut windows = self.windows.lock();
            windows.insert(pot.clone(), organization.clone());
        }
    }

    /// This node has nothing of a pot any more.
    pub(super) fn has_not(&self, pot: &PotId) {
        self.windows.lock().remove(pot);
    }

    fn owner(&self, pot: &PotId) -> Option<OrganizationId> {
        match pot {
            PotId::Wallet(organization) => Some(organization.clone()),
            PotId::Window { .. } => self.windows.lock().get(pot).cloned(),
        }
    }
}

/// Tells when to look at which desk: one for all, as most desks have nothing to do.
#[derive(Default)]
pub(super) struct Timer {
    due: Mutex<BTreeSet<(MonoUs, OrganizationId)>>,
    sooner: Notify,
}

impl Timer {
    /// An organization's desk is to be looked at then.
    pub(super) fn set(&self, at: MonoUs, organization: OrganizationId) {
        let entry = (at, organization);
        let mut due = self.due.lock();
        let is_first = due.first().is_none_or(|first| entry < *first);
        due.insert(entry);
        drop(due);
        if is_first {
            self.sooner.notify_one();
        }
    }

    /// What is due by `now`, or when the next will be.
    fn next(&self, now: MonoUs) -> Result<(MonoUs, OrganizationId), Option<MonoUs>> {
        let mut due = self.due.lock();
        match due.first() {
            Some((at, _)) if *at <= now => Ok(due.pop_first().expect("there is a first")),
            first => Err(first.map(|(at, _)| *at)),
        }
    }
}

/// Looks at desks when they are due, for as long as there are books.
pub(super) async fn keep_time(books: Weak<Books>, branch: Arc<Branch>, mono: MonoClock) {
    loop {
        let now = mono();
        match branch.timer.next(now) {
            Ok((at, organization)) => match books.upgrade() {
                Some(books) => books.of(&organization).lock().tick(at),
                None => return,
            },
            Err(next) => {
                let sooner = branch.timer.sooner.notified();
                match next {
                    None => sooner.await,
                    Some(at) => {
                        let pause = Duration::from_micros(at.since(now).unsigned_abs());
                        let _ = tokio::time::timeout(pause, sooner).await;
                    }
                }
            }
        }
    }
}

/// What beats say to the books. It does not keep them.
pub(super) struct Listener {
    pub(super) books: Weak<Books>,
    pub(super) branch: Arc<Branch>,
}

impl Member for Listener {
    fn rates(&self, beat: u64, now: MonoUs) -> Vec<RateLine> {
        let books = self.books.upgrade();
        books.map_or_else(Vec::new, |books| {
            self.branch.rate_lines(&books, Moment { beat, now })
        })
    }

    fn alive(&self, beat: u64, alive: &Alive, now: MonoUs) {
        let Some(books) = self.books.upgrade() else {
            return;
        };
        *self.branch.draining.write() = alive.recalled.iter().cloned().collect();
        for pot in &alive.recalled {
            if let Some(organization) = self.branch.owner(pot) {
                books.of(&organization).lock().recalled(pot);
            }
        }
        let at = Moment { beat, now };
        self.branch.rates_answered(&books, &alive.rates, at);
    }
}
