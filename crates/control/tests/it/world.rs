//! A control plane for a test: a real database, and a listening router.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use domain::admission::DefaultRates;
use domain::id::{BudgetId, OrganizationId};
use domain::lease::{Ask, AskLine, PotId};
use domain::money::Nusd;
use domain::network::{Network, TrustedProxies};
use domain::payment::{Bounds, TaxRate};
use domain::people::password::PasswordHash;
use domain::sealed::SealingKey;
use domain::time::{AtUs, Clock};
use domain::webhook::Reach;
use farebox_control::payments::{PaymentProvider, Payments, TestProvider};
use farebox_control::upstream_bills::UpstreamBills;
use farebox_control::{
    Caretaker, Control, Hasher, LastUses, LowWallets, Meters, People, Providers, Recharger,
    Settings, Signers, SignupMode, SignupRules, Webhooks,
};
use http::Method;
use prometheus_client::registry::Registry;
use serde_json::Value;
use store::grants::Grant;
use store::installation::{NewInstallation, SetUp};
use store::{DatabaseUrl, Options, Role, Store, StoreError};
use testkit::TestDatabase;
use testkit::http::{Answer, Request};
use utoipa::openapi::OpenApi;

pub(crate) struct World {
    pub(crate) store: Store,
    /// Where the Administration API is.
    pub(crate) base: String,
    root: String,
    pub(crate) made: SetUp,
    pub(crate) now: Arc<AtomicI64>,
    /// The budgets that stop requests, as a data plane would tell.
    pub(crate) refusing: Arc<Mutex<HashSet<BudgetId>>>,
    /// Tends when it is told to.
    pub(crate) caretaker: Caretaker,
    /// Looks at wallets when it is told to.
    pub(crate) recharger: Recharger,
    pub(crate) payments: Payments,
    /// What Prometheus is told of others' books.
    pub(crate) meters: Meters,
    /// Every route there is.
    pub(crate) description: OpenApi,
    _database: TestDatabase,
}

/// 2027-01-15, 08:00 UTC: the start of an hour, in the middle of a day.
pub(crate) const START_S: i64 = 1_800_000_000;

/// What can be called, not in order.
pub(crate) const MODELS: [&str; 4] = ["m", "vendor/large", "a", "vendor/small"];

pub(crate) const RATES: DefaultRates = DefaultRates {
    requests_per_minute: 1_000,
    tokens_per_minute: 100_000,
};

/// Who may sign up where a test says nothing else.
const SIGNUP: SignupRules = SignupRules {
    mode: SignupMode::Open,
    needs_phone: true,
    trial_credit: Nusd::new(5_000_000_000),
    trial_credit_days: 90,
};

pub(crate) fn entropy(buffer: &mut [u8]) {
    static COUNTER: AtomicU64 = AtomicU64::new(1);
    for chunk in buffer.chunks_mut(8) {
        // Any bijection that spreads a counter over all bits does.
        let mut word = COUNTER
            .fetch_add(1, Ordering::Relaxed)
            .wrapping_mul(0x9e37_79b9_7f4a_7c15);
        word ^= word >> 29;
        let spread = word.wrapping_mul(0xbf58_476d_1ce4_e5b9).to_le_bytes();
        chunk.copy_from_slice(&spread[..chunk.len()]);
    }
}

impl World {
    pub(crate) async fn start(database: TestDatabase) -> World {
        Self::start_as(database, Plan::default()).await
    }

    /// As [`World::start`], at home or not: whether its outbox may be seen.
    pub(crate) async fn start_showing(database: TestDatabase, shows_outbox: bool) -> World {
        let plan = Plan {
            shows_outbox,
            ..Plan::default()
        };
        Self::start_as(database, plan).await
    }

    /// As [`World::start`], with other rules for signing up.
    pub(crate) async fn start_with(database: TestDatabase, signup: SignupRules) -> World {
        Self::start_with_providers(database, signup, Providers::default()).await
    }

    /// As [`World::start`], where somebody may report leaked keys.
    pub(crate) async fn start_told_by(database: TestDatabase, signers: Signers) -> World {
        let plan = Plan {
            leak_signers: Some(signers),
            ..Plan::default()
        };
        Self::start_as(database, plan).await
    }

    /// As [`World::start_with`], with providers to sign in with.
    pub(crate) async fn start_with_providers(
        database: TestDatabase,
        signup: SignupRules,
        providers: Providers,
    ) -> World {
        let plan = Plan {
            signup,
            providers,
            ..Plan::default()
        };
        Self::start_as(database, plan).await
    }

    /// As [`World::start`], where this one takes money by card.
    pub(crate) async fn start_paid_by(
        database: TestDatabase,
        provider: Arc<dyn PaymentProvider>,
    ) -> World {
        let plan = Plan {
            provider: Some((provider, TaxRate::ZERO)),
            ..Plan::default()
        };
        Self::start_as(database, plan).await
    }

    /// The same, where tax comes on top: 19 per cent.
    pub(crate) async fn start_taxed_by(
        database: TestDatabase,
        provider: Arc<dyn PaymentProvider>,
    ) -> World {
        let plan = Plan {
            provider: Some((provider, TaxRate::parse("19").unwrap())),
            ..Plan::default()
        };
        Self::start_as(database, plan).await
    }

    /// As [`World::start`], where upstreams are asked what they are owed.
    pub(crate) async fn start_asking(database: TestDatabase, bills: UpstreamBills) -> World {
        let plan = Plan {
            upstream_bills: bills,
            ..Plan::default()
        };
        Self::start_as(database, plan).await
    }

    /// What Prometheus is told of others' books.
    pub(crate) fn metered(&self) -> String {
        let mut registry = Registry::default();
        self.meters.register(&mut registry);
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        text
    }

    async fn start_as(database: TestDatabase, plan: Plan) -> World {
        let now = Arc::new(AtomicI64::new(START_S * 1_000_000));
        let clock = ticking(&now);
        let url = DatabaseUrl::parse(&database.url).unwrap();
        let options = Options {
            url,
            role: Role::Server,
            ballast_bytes: 0,
            clock: Arc::clone(&clock),
            mono: || domain::time::MonoUs(testkit::mono_us()),
        };
        let store = Store::open(options).await.unwrap();
        let made = set_up(&store, &clock).await;
        let refusing = Arc::<Mutex<HashSet<BudgetId>>>::default();
        let ground = Ground {
            store,
            made,
            now,
            refusing,
            database,
        };
        ground.serve(plan).await
    }

    /// The same installation, as another configuration serves it.
    pub(crate) async fn again_with(self, signup: SignupRules, providers: Providers) -> World {
        let ground = Ground {
            store: self.store,
            made: self.made,
            now: self.now,
            refusing: self.refusing,
            database: self._database,
        };
        let plan = Plan {
            signup,
            providers,
            ..Plan::default()
        };
        ground.serve(plan).await
    }

    /// The address of a path below the Administration API, or of one that begins with `/api`, `/v1`
    /// or `/test-payments`.
    pub(crate) fn url(&self, path: &str) -> String {
        let begins = ["/api/", "/v1/", "/test-payments/"];
        match begins.iter().any(|it| path.starts_with(it)) {
            true => format!("{}{path}", self.root),
            false => format!("{}{path}", self.base),
        }
    }

    /// A request with the admin key, to [`World::url`].
    pub(crate) fn request(&self, method: Method, path: &str) -> Request {
        let url = self.url(path);
        Request::new(method, &url).bearer(self.made.admin_key.expose())
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.request(Method::GET, path).send().await.unwrap()
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        self.request(Method::POST, path)
            .json(body)
            .send()
            .await
            .unwrap()
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.request(Method::DELETE, path).send().await.unwrap()
    }
}

/// How a control plane is configured.
struct Plan {
    signup: SignupRules,
    shows_outbox: bool,
    leak_signers: Option<Signers>,
    providers: Providers,
    /// Who takes money, and the tax on top of it.
    provider: Option<(Arc<dyn PaymentProvider>, TaxRate)>,
    upstream_bills: UpstreamBills,
}

impl Default for Plan {
    fn default() -> Self {
        Plan {
            signup: SIGNUP,
            shows_outbox: true,
            leak_signers: None,
            providers: Providers::default(),
            provider: None,
            upstream_bills: UpstreamBills::default(),
        }
    }
}

/// The test provider, whose pages are below no address that anybody has; none where nobody is at
/// home.
fn payments(store: &Store, now: &Arc<AtomicI64>, is_at_home: bool) -> Payments {
    let test = TestProvider::new(store.clone(), ticking(now), "http://farebox.test");
    Payments {
        provider: is_at_home.then(|| Arc::new(test.clone()) as Arc<dyn PaymentProvider>),
        test: is_at_home.then_some(test),
        bounds: Bounds {
            minimum: Nusd::new(5_000_000_000),
            maximum: Nusd::new(1_000_000_000_000),
        },
        tax_rate: TaxRate::parse("19").unwrap(),
    }
}

/// What a control plane stands on.
struct Ground {
    store: Store,
    made: SetUp,
    now: Arc<AtomicI64>,
    refusing: Arc<Mutex<HashSet<BudgetId>>>,
    database: TestDatabase,
}

impl Ground {
    async fn serve(self, plan: Plan) -> World {
        let asked = Arc::clone(&self.refusing);
        let payments = payments(&self.store, &self.now, plan.shows_outbox);
        let payments = match plan.provider {
            Some((provider, tax_rate)) => Payments {
                provider: Some(provider),
                tax_rate,
                ..payments
            },
            None => payments,
        };
        let control = Control {
            store: self.store.clone(),
            clock: ticking(&self.now),
            entropy,
            public_url: "http://farebox.test".into(),
            trusted_proxies: TrustedProxies::new(vec![Network::parse("127.0.0.1").unwrap()]).into(),
            shows_outbox: plan.shows_outbox,
            data_plane: crate::data_plane::double(move |budget| {
                asked.lock().unwrap().contains(budget)
            }),
            people: People {
                signup: plan.signup,
                hasher: Hasher::new(entropy),
                providers: plan.providers,
            },
            last_uses: LastUses::default(),
            refusal_days: 30,
            low_wallets: LowWallets::default(),
            payments: payments.clone(),
            settings: Arc::new(|| Settings {
                file: None,
                toml: String::new(),
                stated: Vec::new(),
            }),
            leak_signers: plan.leak_signers,
            webhooks: webhooks(),
            upstream_bills: Arc::new(plan.upstream_bills),
            meters: Meters::default(),
        };
        let meters = control.meters.clone();
        let caretaker = Caretaker::new(control.clone());
        let recharger = Recharger::new(control.clone());
        let (app, description) = farebox_control::router(control).split_for_parts();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let root = format!("http://{}", listener.local_addr().unwrap());
        let app = app.into_make_service_with_connect_info::<SocketAddr>();
        tokio::spawn(async move { axum::serve(listener, app).await });
        World {
            base: format!("{root}/v1/organization"),
            root,
            store: self.store,
            made: self.made,
            now: self.now,
            refusing: self.refusing,
            caretaker,
            recharger,
            payments,
            meters,
            description,
            _database: self.database,
        }
    }
}

/// A clock that each look moves a little, so that nothing happens at the same instant.
fn ticking(now: &Arc<AtomicI64>) -> Clock {
    let turned = Arc::clone(now);
    Arc::new(move || AtUs(turned.fetch_add(10, Ordering::Relaxed)))
}

async fn set_up(store: &Store, clock: &Clock) -> SetUp {
    let new = NewInstallation {
        email: "ada@example.com".into(),
        password: PasswordHash::new("none".into()),
        organization: "Acme".into(),
    };
    let now = clock();
    let write = move |tx: &mut store::Tx<'_>| {
        let failed = |error: String| StoreError::Failed(error);
        let made = store::installation::set_up(tx, &new, now, entropy)
            .map_err(|error| failed(error.to_string()))?;
        let grant = Grant {
            id: "first".into(),
            organization: made.organization.clone(),
            amount: Nusd::parse_usd("100").unwrap(),
            expires_at: None,
            reason: "test".into(),
            actor: "operator".into(),
        };
        store::grants::give(tx, &grant, now).map_err(|error| failed(error.to_string()))?;
        Ok::<_, StoreError>(made)
    };
    let made: SetUp = store.write(write).await.unwrap();
    lease_everything(store, &made.organization).await;
    made
}

/// Leases what a wallet has, so that it can be held: what a gateway does when a request comes.
async fn lease_everything(store: &Store, organization: &OrganizationId) {
    let Some(fleet) = store.fleet() else {
        return;
    };
    let line = AskLine {
        pot: PotId::Wallet(organization.clone()),
        need: Nusd::new(1),
        want: Nusd::new(1),
    };
    let ask = Ask {
        node: fleet.node().clone(),
        epoch: fleet.epoch(),
        number: 1,
        lines: vec![line],
    };
    fleet.ask(ask).await.unwrap();
}

/// An answer that refuses, checked for its form.
pub(crate) fn refused(
    answer: &Answer,
    status: u16,
    param: impl Into<Value>,
    code: impl Into<Value>,
) {
    let (param, code) = (param.into(), code.into());
    assert_eq!(answer.status, status, "{}", answer.text());
    let error = &answer.json()["error"];
    assert_eq!(
        (&error["param"], &error["code"]),
        (&param, &code),
        "{error}"
    );
    assert_eq!(
        error.as_object().unwrap().len(),
        4,
        "message, type, param, code"
    );
    assert!(answer.header("x-request-id").unwrap().starts_with("req_"));
}

/// Calls everything, and seals with a key that tests know.
pub(crate) fn webhooks() -> Webhooks {
    Webhooks {
        reach: Reach::Everything,
        sealing: Some(SealingKey::new(&[7; 32])),
    }
}
