//! Every organization's book: its wallet, budgets and rates, in memory.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use domain::admission::{Book, Crossing, DefaultRates, RateRules, Wallet};
use domain::budget::Budget;
use domain::id::OrganizationId;
use domain::money::Nusd;
use domain::recharge::Recharge;
use parking_lot::{Mutex, RwLock};
use store::{Store, StoreError, Tx, budgets, rate_limits, wallets};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::branch::{self, Around, Branch, Listener};
use super::desk::Desk;
use super::recharging::Waiting;
use crate::state::NotWithheld;

/// The limits of an organization, as they are kept.
pub(crate) struct Limits {
    pub(crate) budgets: Vec<Budget>,
    pub(crate) rates: RateRules,
}

impl Limits {
    pub(crate) fn read(tx: &mut Tx<'_>, organization: &OrganizationId) -> Result<Self, StoreError> {
        Ok(Limits {
            budgets: budgets::of(tx, organization)?,
            rates: rate_limits::of(tx, organization)?,
        })
    }
}

/// Every organization's book, at its desk.
pub(crate) struct Books {
    desks: RwLock<HashMap<OrganizationId, Arc<Mutex<Desk>>>>,
    defaults: DefaultRates,
    around: Arc<Around>,
    store: Store,
    /// None where this process has all the money there is.
    branch: Option<Arc<Branch>>,
    /// Whoever reads changes has this until they are in force, so that none is undone by an older
    /// one.
    changing: tokio::sync::Mutex<()>,
    /// Thresholds that were reached and are not written yet.
    crossings: Mutex<HashMap<OrganizationId, Vec<Crossing>>>,
    /// Whoever spent here since thresholds were last looked for.
    spenders: Mutex<HashSet<OrganizationId>>,
    /// How long a request waits for a recharge.
    pub(super) patience: Duration,
    /// Those that do.
    pub(super) waiting: Waiting,
    _keeping_time: DropGuard,
}

impl Books {
    /// The wallets that books begin with; none where what they have is leased.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(crate) fn wallets(
        tx: &mut Tx<'_>,
        leased: bool,
    ) -> Result<Vec<(OrganizationId, Wallet)>, StoreError> {
        let mut all = Vec::new();
        if !leased {
            wallets::each(tx, |id, wallet| all.push((id, wallet)))?;
        }
        Ok(all)
    }

    /// Books with these wallets. Where several nodes share the money, they lease it from now on.
    pub(crate) fn open(
        wallets: Vec<(OrganizationId, Wallet)>,
        defaults: DefaultRates,
        (around, patience): (Around, Duration),
        store: &Store,
    ) -> Arc<Self> {
        let around = Arc::new(around);
        let desk = |(id, wallet)| (id, Desk::alone(Book::new(wallet, defaults), &around));
        let desks = wallets.into_iter().map(desk).collect();
        let branch = store
            .fleet()
            .map(|fleet| Arc::new(Branch::new(fleet.clone())));
        let end = CancellationToken::new();
        let books = Arc::new(Books {
            desks: RwLock::new(desks),
            defaults,
            around: Arc::clone(&around),
            store: store.clone(),
            branch: branch.clone(),
            changing: tokio::sync::Mutex::default(),
            crossings: Mutex::default(),
            spenders: Mutex::default(),
            patience,
            waiting: Waiting::default(),
            _keeping_time: end.clone().drop_guard(),
        });
        if let Some(branch) = branch {
            let keeping = branch::keep_time(Arc::downgrade(&books), branch, around.mono);
            tokio::spawn(end.run_until_cancelled_owned(keeping));
        }
        books
    }

    /// Hears from now on what other nodes need.
    pub(crate) fn listen(self: &Arc<Self>) {
        if let Some(branch) = &self.branch {
            branch.fleet.tell(Arc::new(Listener {
                books: Arc::downgrade(self),
                branch: Arc::clone(branch),
            }));
        }
    }

    pub(super) fn around(&self) -> &Around {
        &self.around
    }

    pub(super) fn branch(&self) -> Option<&Arc<Branch>> {
        self.branch.as_ref()
    }

    /// Whether other nodes spend from the same money.
    pub(crate) fn are_leased(&self) -> bool {
        self.branch.is_some()
    }

    /// The desk of an organization; an unknown one has no money.
    pub(crate) fn of(&self, organization: &OrganizationId) -> Arc<Mutex<Desk>> {
        if let Some(desk) = self.desks.read().get(organization) {
            return Arc::clone(desk);
        }
        let new = || match &self.branch {
            None => Desk::alone(Book::new(Wallet::default(), self.defaults), &self.around),
            Some(branch) => {
                let mut book = Book::leased(self.defaults);
                book.share_rates(organization);
                Desk::of_branch(book, organization, &self.around, branch)
            }
        };
        let mut desks = self.desks.write();
        Arc::clone(desks.entry(organization.clone()).or_insert_with(new))
    }

    /// What an organization's wallet has; none if that cannot be read.
    pub(crate) async fn balance(&self, organization: &OrganizationId) -> Option<Nusd> {
        let balance = self.of(organization).lock().balance();
        if balance.is_some() {
            return balance;
        }
        let of = organization.clone();
        let read = self.store.read(move |tx| wallets::get(tx, &of)).await;
        match read {
            Ok(wallet) => Some(wallet.unwrap_or_default().balance()),
            Err(error) => {
                tracing::warn!(%error, "a wallet could not be read");
                None
            }
        }
    }

    /// Takes money out of a wallet before the ledger does. Where it is leased, what is leased and
    /// not held goes back instead, as far as the ledger lacks some of it: that of this node always,
    /// and what others have left within a second.
    ///
    /// # Errors
    /// [`NotWithheld`]; nothing was taken.
    pub(crate) async fn take_out(
        &self,
        organization: &OrganizationId,
        amount: Nusd,
    ) -> Result<(), NotWithheld> {
        if let Some(branch) = &self.branch {
            self.give_up(organization).await?;
            if amount > Nusd::ZERO {
                let called_in = branch.fleet.call_in(organization, amount).await;
                called_in.map_err(NotWithheld::Ledger)?;
            }
            return Ok(());
        }
        let desk = self.of(organization);
        let committed = {
            let mut desk = desk.lock();
            if !desk.take_out(amount) {
                return Err(NotWithheld::Short(desk.wallet().available()));
            }
            // Under the lock: whatever freed this money is in the ledger's queue, before this.
            self.store.read_in_order(|_| Ok(()))
        };
        committed.await.map_err(|error| {
            desk.lock().put_back(amount);
            NotWithheld::Ledger(error)
        })
    }

    /// What this node has leased of a wallet and does not hold goes back. When this returns, the
    /// database knows.
    async fn give_up(&self, organization: &OrganizationId) -> Result<(), NotWithheld> {
        let desk = self.desks.read().get(organization).cloned();
        let Some(desk) = desk else {
            return Ok(());
        };
        let committed = {
            let mut desk = desk.lock();
            desk.give_up_wallet();
            // Under the lock, and behind what went back.
            self.store.read_in_order(|_| Ok(()))
        };
        committed.await.map_err(NotWithheld::Ledger)
    }

    /// Puts back what [`Books::take_out`] took.
    pub(crate) fn put_back(&self, organization: &OrganizationId, amount: Nusd) {
        if !self.are_leased() {
            self.of(organization).lock().put_back(amount);
        }
    }

    /// Follows the ledger: this much was ever paid in.
    pub(crate) fn set_credits(&self, organization: &OrganizationId, credits: Nusd) {
        let desk = self.of(organization);
        let mut desk = desk.lock();
        desk.set_credits(credits);
        desk.paid();
    }

    /// Money was paid into a wallet that nodes lease: whoever waits for it asks again.
    pub(crate) fn paid(&self, organization: &OrganizationId) {
        let desk = self.desks.read().get(organization).cloned();
        if let Some(desk) = desk {
            desk.lock().paid();
        }
    }

    /// Follows the database: how an organization's auto-recharge stands now.
    pub(crate) fn set_recharge(&self, organization: &OrganizationId, recharge: Recharge) {
        let desk = self.of(organization);
        desk.lock().set_recharge(organization, recharge);
    }

    /// Reads changes alone: until the guard is dropped, nobody else puts any into force.
    pub(crate) async fn changing(&self) -> impl Drop + '_ {
        self.changing.lock().await
    }

    /// Puts an organization's limits into force as they are now.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(super) async fn read_limits(
        &self,
        organization: &OrganizationId,
    ) -> Result<(), StoreError> {
        let _alone = self.changing().await;
        let of = organization.clone();
        let limits = self.store.read(move |tx| Limits::read(tx, &of)).await?;
        self.set_limits(organization, limits).await
    }

    /// Puts an organization's limits into force. When this returns, a new budget is, with
    /// everything in it that its window holds; and if money is leased, the database knows which
    /// requests in flight count in it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(crate) async fn set_limits(
        &self,
        organization: &OrganizationId,
        limits: Limits,
    ) -> Result<(), StoreError> {
        let desk = self.of(organization);
        let (unknown, spent) = {
            let mut desk = desk.lock();
            desk.set_rates(limits.rates);
            let unknown = desk.set_budgets(limits.budgets, self.around.now());
            let (questions, organization) = (unknown.clone(), organization.clone());
            // Under the lock: whatever settled before is in the ledger's queue, and whatever
            // settles after comes behind this.
            let read = move |tx: &mut Tx<'_>| budgets::spent(tx, &organization, &questions);
            (unknown, self.store.read_in_order(read))
        };
        let spent = match unknown.is_empty() && !self.are_leased() {
            true => Vec::new(),
            false => spent.await?,
        };
        let mut desk = desk.lock();
        for (unknown, spent) in unknown.iter().zip(spent) {
            desk.know(&unknown.budget, unknown.span, spent);
        }
        self.note_crossings(organization, desk.take_crossings());
        Ok(())
    }

    /// Counts what an organization used lately, where it has limits a day: a restart does not begin
    /// the day anew.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(crate) async fn recall_day(&self, organization: &OrganizationId) -> Result<(), StoreError> {
        let (of, now) = (organization.clone(), self.around.now());
        let read = move |tx: &mut Tx<'_>| rate_limits::recent(tx, &of, now);
        let recent = self.store.read(read).await?;
        let desk = self.of(organization);
        desk.lock().recall(&recent, self.around.mono());
        Ok(())
    }

    /// Notes thresholds to be written.
    pub(crate) fn note_crossings(&self, organization: &OrganizationId, crossed: Vec<Crossing>) {
        if !crossed.is_empty() {
            let mut crossings = self.crossings.lock();
            let noted = crossings.entry(organization.clone()).or_default();
            noted.extend(crossed);
        }
    }

    /// Money was spent here that other nodes may spend of too: whether a threshold was reached,
    /// only the database knows.
    pub(crate) fn note_spending(&self, organization: &OrganizationId) {
        let mut spenders = self.spenders.lock();
        if !spenders.contains(organization) {
            spenders.insert(organization.clone());
        }
    }

    /// Adds thresholds that all nodes together have reached, where this one spent and is not alone.
    pub(crate) async fn look_for_crossings(&self) {
        let spenders = std::mem::take(&mut *self.spenders.lock());
        let is_alone = |branch: &Arc<Branch>| branch.fleet.nodes() < 2;
        if self.branch.as_ref().is_none_or(is_alone) {
            return;
        }
        let now = self.around.now();
        for organization in spenders {
            let of = organization.clone();
            // Behind the settlements that this is about.
            let read = self
                .store
                .read_in_order(move |tx| budgets::reached(tx, &of, now));
            match read.await {
                Ok(reached) => self.note_crossings(&organization, reached),
                Err(error) => {
                    tracing::warn!(%error, "what was spent of budgets could not be read");
                    self.note_spending(&organization);
                }
            }
        }
    }

    /// The thresholds to be written, by organization.
    pub(crate) fn take_crossings(&self) -> HashMap<OrganizationId, Vec<Crossing>> {
        std::mem::take(&mut *self.crossings.lock())
    }

    /// Forgets rates that nobody used lately.
    pub(crate) fn forget_idle(&self) {
        let desks: Vec<_> = self.desks.read().values().cloned().collect();
        desks
            .into_iter()
            .for_each(|desk| desk.lock().forget_idle(self.around.mono()));
    }
}
