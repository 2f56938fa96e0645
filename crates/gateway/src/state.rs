//! What the data plane knows while it runs.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use domain::Entropy;
use domain::admission::{DefaultRates, Wallet};
use domain::id::{BudgetId, OrganizationId};
use domain::money::Nusd;
use domain::network::TrustedProxies;
use domain::recharge::Recharge;
use domain::sealed::SealingKey;
use domain::time::{AtUs, Clock, MonoClock, MonoUs};
use prometheus_client::registry::Registry;
use store::{Ledger, LedgerState, Store, StoreError, Tx};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::admission::{Around, Books, Limits, LowCredit};
use crate::catalog::Catalog;
use crate::count::Tokenizer;
use crate::directory::Directory;
use crate::follow;
use crate::idempotency::Turns;
use crate::log::{Log, Rules, Wanted};
use crate::metrics::Metrics;
use crate::project_models::ProjectModels;
use crate::suspended::Suspended;
use crate::terms::AllTerms;
use crate::upkeep;
use crate::upstream::{Check, Upstream, UpstreamHealth};

/// The data plane. Cheap to clone.
#[derive(Clone)]
pub struct Gateway(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) ledger: Ledger,
    pub(crate) settings: Settings,
    pub(crate) catalog: ArcSwap<Catalog>,
    pub(crate) directory: Directory,
    pub(crate) project_models: ProjectModels,
    pub(crate) terms: AllTerms,
    pub(crate) suspended: Suspended,
    pub(crate) books: Arc<Books>,
    pub(crate) store: Store,
    pub(crate) turns: Turns,
    pub(crate) metrics: Metrics,
    pub(crate) log: Log,
    pub(crate) tasks: TaskTracker,
    following: CancellationToken,
}

/// What an operator decides, and what the process provides.
#[derive(Clone)]
pub struct Settings {
    /// The hold must be durable before the request goes to the upstream, not only before the
    /// answer's first byte.
    pub hold_before_forward: bool,
    /// The largest request body.
    pub body_bytes: usize,
    /// The largest answer that is kept for a repetition of its request, where that carries an
    /// `Idempotency-Key`; zero keeps none.
    pub idempotent_answer_bytes: usize,
    /// The rate limits of every organization, project and model that has none of its own.
    pub rates: DefaultRates,
    /// How long a request that finds too little credit waits for a recharge.
    pub recharge_wait: Duration,
    /// Is told when a wallet that is filled up by itself runs low. It must not wait.
    pub low_credit: LowCredit,
    /// The most refused requests of one organization that this process keeps in a minute.
    pub refusals_per_minute: u32,
    /// The same of prompts, of one that wants them to be kept.
    pub prompts_per_minute: u32,
    /// What prompts are sealed with; none are kept without.
    pub sealing: Option<SealingKey>,
    /// Where this installation's console is, without a slash at the end.
    pub public_url: String,
    /// Who is believed about the addresses that requests come from.
    pub trusted_proxies: TrustedProxies,
    /// Tells the time.
    pub clock: Clock,
    /// Tells how time passes, by which rate limits drain.
    pub mono: MonoClock,
    /// Gives randomness.
    pub entropy: Entropy,
}

/// Why money is not withheld.
#[derive(Debug)]
pub enum NotWithheld {
    /// Only so much is neither spent nor held.
    Short(Nusd),
    /// What made it free cannot be committed.
    Ledger(StoreError),
}

/// What is read at the start, in one snapshot.
struct Known {
    /// The latest change that is in it.
    seq: i64,
    wallets: Vec<(OrganizationId, Wallet)>,
    directory: Directory,
    project_models: ProjectModels,
    terms: AllTerms,
    suspended: Suspended,
    wanted: Wanted,
    limits: Vec<(OrganizationId, Limits)>,
    recharges: Vec<(OrganizationId, Recharge)>,
}

impl Known {
    fn read(tx: &mut Tx<'_>, leased: bool) -> Result<Self, StoreError> {
        let seq = store::changes::latest(tx)?;
        let (wallets, directory) = (Books::wallets(tx, leased)?, Directory::read(tx)?);
        let mut limits = Vec::new();
        for organization in store::budgets::limited_organizations(tx)? {
            let of = Limits::read(tx, &organization)?;
            limits.push((organization, of));
        }
        Ok(Known {
            seq,
            wallets,
            directory,
            project_models: ProjectModels::read(tx)?,
            terms: AllTerms::read(tx)?,
            suspended: Suspended::read(tx)?,
            wanted: Wanted::read(tx)?,
            limits,
            recharges: store::recharges::all(tx)?,
        })
    }
}

impl Settings {
    /// What is decided about the log.
    fn log_rules(&self, wanted: Wanted) -> Rules {
        Rules {
            refusals_per_minute: self.refusals_per_minute,
            prompts_per_minute: self.prompts_per_minute,
            sealing: self.sealing.clone(),
            wanted,
            public_url: self.public_url.clone(),
        }
    }
}

impl Gateway {
    /// Reads wallets and keys, and begins to follow the changes that others make.
    ///
    /// # Errors
    /// [`StoreError`] if they cannot be read.
    pub async fn start(
        store: Store,
        catalog: Catalog,
        settings: Settings,
    ) -> Result<Self, StoreError> {
        let leased = store.fleet().is_some();
        let read = store.read(move |tx| Known::read(tx, leased)).await?;
        let around = Around {
            ledger: store.ledger(),
            clock: Arc::clone(&settings.clock),
            mono: settings.mono,
            low: Arc::clone(&settings.low_credit),
        };
        let patience = settings.recharge_wait;
        let following = CancellationToken::new();
        let metrics = Metrics::default();
        let log = Log::start(
            &store,
            settings.log_rules(read.wanted),
            (Arc::clone(&settings.clock), settings.entropy),
            metrics.log_left_out.clone(),
        );
        let gateway = Gateway(Arc::new(Inner {
            ledger: store.ledger(),
            catalog: ArcSwap::from_pointee(catalog),
            directory: read.directory,
            project_models: read.project_models,
            terms: read.terms,
            suspended: read.suspended,
            books: Books::open(read.wallets, settings.rates, (around, patience), &store),
            store: store.clone(),
            turns: Turns::default(),
            settings,
            metrics,
            log,
            tasks: TaskTracker::new(),
            following: following.clone(),
        }));
        for (organization, limits) in read.limits {
            let books = &gateway.0.books;
            // Where they are shared, the database counts them.
            let limit_days = limits.rates.limit_days() && !books.are_leased();
            books.set_limits(&organization, limits).await?;
            if limit_days {
                books.recall_day(&organization).await?;
            }
        }
        for (organization, recharge) in read.recharges {
            gateway.0.books.set_recharge(&organization, recharge);
        }
        store.heard(read.seq);
        gateway.0.books.listen();
        let follower = follow::run(gateway.clone(), store.clone(), read.seq);
        let tasks = &gateway.0.tasks;
        tasks.spawn(following.clone().run_until_cancelled_owned(follower));
        let upkeep = upkeep::run(gateway.clone(), store);
        tasks.spawn(following.run_until_cancelled_owned(upkeep));
        Ok(gateway)
    }

    /// Lets every request that was admitted end, however its client does, and stops following.
    /// Call when no new requests come. False if some had not ended after `most`.
    pub async fn drain(&self, most: Duration) -> bool {
        self.0.following.cancel();
        self.0.tasks.close();
        let drained = tokio::time::timeout(most, self.0.tasks.wait()).await;
        self.0.books.give_up_rates().await;
        self.0.log.end().await;
        drained.is_ok()
    }

    /// Reads a tokenizer's table beside what runs, so that no request has to wait for it.
    pub fn warm_up(&self, tokenizer: Tokenizer) {
        tokio::task::spawn_blocking(move || tokenizer.table());
    }

    /// Replaces what can be called, from the next request on.
    pub fn set_catalog(&self, catalog: Catalog) {
        self.0.catalog.store(Arc::new(catalog));
    }

    /// What the configuration says can be called.
    #[must_use]
    pub fn catalog(&self) -> Arc<Catalog> {
        self.0.catalog.load_full()
    }

    /// Every server that runs models, and how it is as this process found it.
    #[must_use]
    pub fn upstreams(&self) -> Vec<(Arc<Upstream>, UpstreamHealth)> {
        let now = self.now();
        let catalog = self.catalog();
        let upstreams = catalog.upstreams.iter();
        let found = |it: &Arc<Upstream>| (Arc::clone(it), it.health(now));
        upstreams.map(found).collect()
    }

    /// Asks a server whether it is there; none if the configuration names none of that id.
    pub async fn check_upstream(&self, id: &str) -> Option<Check> {
        let catalog = self.catalog();
        let upstream = catalog.upstreams.iter().find(|it| **it.id() == *id)?;
        Some(upstream.check(self.0.settings.mono).await)
    }

    /// The names of the models that can be called now.
    #[must_use]
    pub fn models(&self) -> Vec<Arc<str>> {
        let catalog = self.0.catalog.load();
        let names = catalog.models.values().map(|model| Arc::clone(&model.id));
        let terms = &self.0.terms;
        names.filter(|name| !terms.is_disabled(name)).collect()
    }

    /// Whether a budget stops requests now: the latest that needed money of it was refused for it.
    #[must_use]
    pub fn is_refusing(&self, organization: &OrganizationId, budget: &BudgetId) -> bool {
        let book = self.0.books.of(organization);
        book.lock().is_refusing(budget, self.now())
    }

    /// Takes money of a wallet out of the reach of requests, so that it can be taken from the
    /// ledger too; when this returns, the ledger knows of everything that made it free. Where
    /// nodes lease what they spend, the database alone knows what is free: there, what they leased
    /// and do not hold goes back, that of this node always, and that of others if too little is
    /// free without.
    ///
    /// # Errors
    /// [`NotWithheld`].
    pub async fn withhold(
        &self,
        organization: &OrganizationId,
        amount: Nusd,
    ) -> Result<(), NotWithheld> {
        self.0.books.take_out(organization, amount).await
    }

    /// Gives back what was withheld and not taken.
    pub fn give_back(&self, organization: &OrganizationId, amount: Nusd) {
        self.0.books.put_back(organization, amount);
    }

    /// Whether requests can be charged.
    #[must_use]
    pub fn ledger_state(&self) -> LedgerState {
        self.0.ledger.state()
    }

    /// Registers the meters of the data plane.
    pub fn register_metrics(&self, registry: &mut Registry) {
        self.0.metrics.register(registry);
    }

    pub(crate) fn now(&self) -> AtUs {
        (self.0.settings.clock)()
    }

    pub(crate) fn mono(&self) -> MonoUs {
        (self.0.settings.mono)()
    }
}
