//! Every organization's book: its wallet, budgets and rates, in memory.

use std::collections::HashMap;
use std::sync::Arc;

use domain::admission::{Book, Crossing, DefaultRates, RateRules, Wallet};
use domain::budget::Budget;
use domain::id::OrganizationId;
use domain::money::Nusd;
use domain::time::{AtUs, DAY_US, HOUR_US, MonoClock, MonoUs};
use parking_lot::{Mutex, RwLock};
use store::{Store, StoreError, Tx, budgets, rate_limits, wallets};

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

/// Every organization's book.
#[derive(Debug)]
pub(crate) struct Books {
    books: RwLock<HashMap<OrganizationId, Arc<Mutex<Book>>>>,
    defaults: DefaultRates,
    /// By which rates drain.
    mono: MonoClock,
    /// Thresholds that were reached and are not written yet.
    crossings: Mutex<HashMap<OrganizationId, Vec<Crossing>>>,
}

impl Books {
    /// Reads every wallet.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(crate) fn read(
        tx: &mut Tx<'_>,
        defaults: DefaultRates,
        mono: MonoClock,
    ) -> Result<Self, StoreError> {
        let mut books = HashMap::new();
        wallets::each(tx, |id, wallet| {
            books.insert(id, Arc::new(Mutex::new(Book::new(wallet, defaults))));
        })?;
        Ok(Books {
            books: RwLock::new(books),
            defaults,
            mono,
            crossings: Mutex::default(),
        })
    }

    /// The book of an organization; an unknown one has no money.
    pub(crate) fn of(&self, organization: &OrganizationId) -> Arc<Mutex<Book>> {
        if let Some(book) = self.books.read().get(organization) {
            return Arc::clone(book);
        }
        let new = || Arc::new(Mutex::new(Book::new(Wallet::default(), self.defaults)));
        let mut books = self.books.write();
        Arc::clone(books.entry(organization.clone()).or_insert_with(new))
    }

    /// The time by which rates drain: nobody sets that clock.
    pub(super) fn mono(&self) -> MonoUs {
        (self.mono)()
    }

    /// Follows the ledger: this much was ever paid in.
    pub(crate) fn set_credits(&self, organization: &OrganizationId, credits: Nusd) {
        self.of(organization).lock().set_credits(credits);
    }

    /// Puts an organization's limits into force. A new budget is in force when this returns, with
    /// everything in it that its window holds.
    pub(crate) async fn set_limits(
        &self,
        store: &Store,
        organization: &OrganizationId,
        limits: Limits,
        now: AtUs,
    ) -> Result<(), StoreError> {
        let book = self.of(organization);
        let (unknown, spent) = {
            let mut book = book.lock();
            book.set_rates(limits.rates);
            let unknown = book.set_budgets(limits.budgets, now).unknown;
            let (questions, organization) = (unknown.clone(), organization.clone());
            // Under the lock: whatever settled before is in the ledger's queue, and whatever
            // settles after comes behind this.
            let read = move |tx: &mut Tx<'_>| budgets::spent(tx, &organization, &questions);
            (unknown, store.read_in_order(read))
        };
        let spent = match unknown.is_empty() {
            true => Vec::new(),
            false => spent.await?,
        };
        let mut book = book.lock();
        for (unknown, spent) in unknown.iter().zip(spent) {
            book.know(&unknown.budget, unknown.span, spent);
        }
        self.note_crossings(organization, book.take_crossings());
        Ok(())
    }

    /// Counts what an organization used in the last day, where it has limits a day: a restart does
    /// not begin the day anew.
    pub(crate) async fn recall_day(
        &self,
        store: &Store,
        organization: &OrganizationId,
        now: AtUs,
    ) -> Result<(), StoreError> {
        let (of, since) = (organization.clone(), now.plus(-DAY_US).floor(HOUR_US));
        let read = move |tx: &mut Tx<'_>| rate_limits::used_since(tx, &of, since, now);
        let used = store.read(read).await?;
        let book = self.of(organization);
        let mut book = book.lock();
        let mono = self.mono();
        used.iter().for_each(|past| book.recall(past, now, mono));
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

    /// The thresholds to be written, by organization.
    pub(crate) fn take_crossings(&self) -> HashMap<OrganizationId, Vec<Crossing>> {
        std::mem::take(&mut *self.crossings.lock())
    }

    /// Forgets rates that nobody used lately.
    pub(crate) fn forget_idle(&self) {
        let books: Vec<_> = self.books.read().values().cloned().collect();
        books
            .into_iter()
            .for_each(|book| book.lock().forget_idle(self.mono()));
    }
}
