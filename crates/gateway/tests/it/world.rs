//! A whole data plane for a test: a real database, a scripted upstream, a listening gateway.

// SQL in a test: what was written is looked at from outside the product's own queries.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use domain::admission::{DefaultRates, Wallet};
use domain::bound::{InputBounds, ModelSize};
use domain::id::OrganizationId;
use domain::key::KeySecret;
use domain::money::Nusd;
use domain::network::{Network, TrustedProxies};
use domain::people::password::PasswordHash;
use domain::price::StatedPrices;
use domain::sealed::SealingKey;
use domain::time::{AtUs, Clock, MonoUs};
use farebox_gateway::{
    Catalog, Deployment, Gateway, LowCredit, Model, OnDisconnect, ResponsesMode, Settings,
    Tokenizer, Upstream, UpstreamSpec,
};
use serde_json::{Value, json};
use store::grants::Grant;
use store::installation::{NewInstallation, SetUp};
use store::prices::Stated;
use store::{DatabaseUrl, Options, Role, Store, StoreError, Value as Column};
use testkit::TestDatabase;
use wire::request::{ChatLimit, Endpoint};

pub(crate) const MODEL: &str = "gpt-test";

/// What a test may decide about its world.
#[derive(Clone)]
pub(crate) struct Plan {
    pub(crate) credit: &'static str,
    pub(crate) on_disconnect: OnDisconnect,
    pub(crate) responses: ResponsesMode,
    pub(crate) timeout: Duration,
    pub(crate) requests_per_minute: u64,
    pub(crate) body_bytes: usize,
    pub(crate) idempotent_answer_bytes: usize,
    pub(crate) max_output_tokens: u64,
    pub(crate) input: InputBounds,
    pub(crate) tokenizer: Option<Tokenizer>,
    pub(crate) clock: Clock,
    pub(crate) recharge_wait: Duration,
    pub(crate) refusals_per_minute: u32,
    pub(crate) prompts_per_minute: u32,
    pub(crate) low_credit: LowCredit,
}

impl Default for Plan {
    fn default() -> Self {
        Plan {
            credit: "5",
            on_disconnect: OnDisconnect::Cancel,
            responses: ResponsesMode::Auto,
            timeout: Duration::from_secs(20),
            requests_per_minute: 10_000_000,
            body_bytes: 1024 * 1024,
            idempotent_answer_bytes: 1024 * 1024,
            max_output_tokens: 1_000,
            input: InputBounds::default(),
            tokenizer: None,
            clock: clock(),
            recharge_wait: Duration::from_secs(30),
            refusals_per_minute: 100,
            prompts_per_minute: 100,
            low_credit: Arc::new(|_| {}),
        }
    }
}

pub(crate) struct World {
    pub(crate) store: Store,
    pub(crate) gateway: Gateway,
    pub(crate) base: String,
    pub(crate) made: SetUp,
    pub(crate) database: TestDatabase,
}

/// Input $1 and output $2 a million tokens: a token costs 1,000 or 2,000 nUSD.
fn price() -> StatedPrices {
    StatedPrices {
        input: Nusd::new(1_000_000_000),
        cached_input: Some(Nusd::new(100_000_000)),
        output: Nusd::new(2_000_000_000),
        ..StatedPrices::default()
    }
}

pub(crate) fn clock() -> Clock {
    Arc::new(|| {
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .expect("after 1970");
        AtUs(i64::try_from(since.as_micros()).expect("before the year 294000"))
    })
}

fn mono() -> MonoUs {
    MonoUs(testkit::mono_us())
}

pub(crate) fn entropy(buffer: &mut [u8]) {
    static COUNTER: AtomicU64 = AtomicU64::new(1);
    for chunk in buffer.chunks_mut(8) {
        // Any bijection that spreads a counter over all bits does.
        let mut word = COUNTER
            .fetch_add(1, Ordering::Relaxed)
            .wrapping_mul(0x9e37_79b9_7f4a_7c15);
        word ^= word >> 29;
        chunk.copy_from_slice(
            &word.wrapping_mul(0xbf58_476d_1ce4_e5b9).to_le_bytes()[..chunk.len()],
        );
    }
}

pub(crate) async fn open(database: &TestDatabase, role: Role) -> Store {
    let url = DatabaseUrl::parse(&database.url).expect("a test database's address");
    Store::open(Options {
        url,
        role,
        ballast_bytes: 0,
        clock: clock(),
        mono,
    })
    .await
    .expect("a test database opens")
}

impl World {
    pub(crate) async fn start(database: TestDatabase, upstreams: &[String], plan: Plan) -> World {
        let store = open(&database, Role::Server).await;
        let made = set_up(&store, plan.credit).await;
        World::serve(store, made, database, upstreams, plan).await
    }

    /// The same installation, served by the next process.
    pub(crate) async fn restart(self, upstreams: &[String]) -> World {
        self.restart_as(upstreams, Plan::default()).await
    }

    /// The same installation, served by the next process with another configuration.
    pub(crate) async fn restart_as(self, upstreams: &[String], plan: Plan) -> World {
        assert!(self.gateway.drain(Duration::from_secs(10)).await);
        self.store.close().await;
        let World { database, made, .. } = self;
        let store = open(&database, Role::Server).await;
        World::serve(store, made, database, upstreams, plan).await
    }

    /// Another gateway on the same store.
    pub(crate) async fn beside(&self, upstreams: &[String]) -> World {
        let made = SetUp {
            api_key: KeySecret::parse(self.key()).expect("its own key"),
            admin_key: KeySecret::parse(self.made.admin_key.expose()).expect("its own key"),
            organization: self.made.organization.clone(),
            project: self.made.project.clone(),
            user: self.made.user.clone(),
        };
        let (store, database) = (self.store.clone(), self.database.clone());
        World::serve(store, made, database, upstreams, Plan::default()).await
    }

    async fn serve(
        store: Store,
        made: SetUp,
        database: TestDatabase,
        upstreams: &[String],
        plan: Plan,
    ) -> World {
        for model in [MODEL, "vendor/chat-only"] {
            let stated = Stated {
                model: model.into(),
                price: price().into(),
                cost: StatedPrices {
                    input: Nusd::new(500_000_000),
                    ..StatedPrices::default()
                }
                .into(),
            };
            let now = (clock())();
            let provision =
                move |tx: &mut store::Tx<'_>| store::prices::provision(tx, &stated, now, entropy);
            store
                .write(provision)
                .await
                .expect("prices are provisioned");
        }
        let catalog = catalog(upstreams, &plan);
        let settings = Settings {
            hold_before_forward: false,
            body_bytes: plan.body_bytes,
            idempotent_answer_bytes: plan.idempotent_answer_bytes,
            recharge_wait: plan.recharge_wait,
            low_credit: Arc::clone(&plan.low_credit),
            rates: DefaultRates {
                requests_per_minute: plan.requests_per_minute,
                tokens_per_minute: 100_000_000_000,
            },
            refusals_per_minute: plan.refusals_per_minute,
            prompts_per_minute: plan.prompts_per_minute,
            sealing: Some(SealingKey::new(&[7; 32])),
            public_url: "http://farebox.test".into(),
            trusted_proxies: TrustedProxies::new(vec![Network::parse("127.0.0.1").expect("one")]),
            clock: Arc::clone(&plan.clock),
            mono,
            entropy,
        };
        let gateway = Gateway::start(store.clone(), catalog, settings)
            .await
            .expect("it starts");
        let (router, _) = farebox_gateway::router(gateway.clone()).split_for_parts();
        let app = farebox_gateway::with_unknown(router, gateway.clone());
        let listener = testkit::listener();
        let base = format!("http://{}/v1", listener.local_addr().expect("bound"));
        let app = app.into_make_service_with_connect_info::<SocketAddr>();
        tokio::spawn(async move { axum::serve(listener, app).await });
        World {
            store,
            gateway,
            base,
            made,
            database,
        }
    }

    pub(crate) fn key(&self) -> &str {
        self.made.api_key.expose()
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    pub(crate) async fn chat(&self, body: &Value) -> testkit::http::Answer {
        testkit::http::post_json(&self.url("/chat/completions"), self.key(), body).await
    }

    pub(crate) async fn wallet(&self) -> Wallet {
        let organization = self.made.organization.clone();
        let read = move |tx: &mut store::Tx<'_>| store::wallets::get(tx, &organization);
        self.store
            .read(read)
            .await
            .expect("readable")
            .expect("the wallet exists")
    }

    /// Usage records as (input, output, cost, flags), oldest first.
    pub(crate) async fn usage(&self) -> Vec<(i64, i64, i64, i64)> {
        let rows = self.query(
            "SELECT fresh_input_tokens + cached_input_tokens, output_tokens + reasoning_tokens,
                    cost_nusd, flags FROM usage_records ORDER BY id",
        );
        let numbers = |row: &store::Row| {
            let n = |index| row.int(index).expect("a number");
            (n(0), n(1), n(2), n(3))
        };
        rows.await.iter().map(numbers).collect()
    }

    pub(crate) async fn query(&self, sql: &'static str) -> Vec<store::Row> {
        let none: &[Column] = &[];
        self.store
            .read(move |tx| tx.query(sql, none))
            .await
            .expect("a query")
    }

    /// Changes the database behind the gateway's back.
    pub(crate) async fn execute(&self, sql: String) {
        let write = self.store.write(move |tx| tx.execute(&sql, &[]));
        let written: Result<u64, StoreError> = write.await;
        written.expect("a statement");
    }

    /// Waits until nothing is held any more, and proves the books.
    pub(crate) async fn at_rest(&self) {
        testkit::eventually("no hold is open", async || {
            self.query("SELECT COUNT(*) FROM holds").await[0]
                .int(0)
                .expect("a count")
                == 0
        })
        .await;
        let report = self
            .store
            .read(store::verify::verify)
            .await
            .expect("readable");
        assert!(report.holds(), "{report:?}");
        let (wallet, leased) = (self.wallet().await, self.leased().await);
        assert_eq!(
            wallet.balance(),
            wallet.available() + leased,
            "nothing stays reserved"
        );
    }

    /// What nodes may still hold of all wallets, where there are nodes.
    pub(crate) async fn leased(&self) -> Nusd {
        if self.store.fleet().is_none() {
            return Nusd::ZERO;
        }
        let sql = "SELECT CAST(COALESCE(SUM(free_nusd), 0) AS BIGINT) FROM leases
                   WHERE pot_id LIKE 'wallet:%'";
        Nusd::new(self.query(sql).await[0].int(0).expect("a sum"))
    }
}

async fn set_up(store: &Store, credit: &'static str) -> SetUp {
    let new = NewInstallation {
        email: "a@example.com".into(),
        password: PasswordHash::new("none".into()),
        organization: "Acme".into(),
    };
    let made = store
        .write(move |tx| {
            let made = store::installation::set_up(tx, &new, (clock())(), entropy)
                .map_err(|error| StoreError::Failed(error.to_string()))?;
            Ok::<_, StoreError>(made)
        })
        .await
        .expect("an empty installation");
    let amount = Nusd::parse_usd(credit).expect("an amount");
    if amount > Nusd::ZERO {
        grant(store, &made.organization, "first", amount).await;
    }
    made
}

pub(crate) async fn grant(store: &Store, organization: &OrganizationId, id: &str, amount: Nusd) {
    let grant = Grant {
        id: id.into(),
        organization: organization.clone(),
        amount,
        expires_at: None,
        reason: "test".into(),
        actor: "operator".into(),
    };
    let give = move |tx: &mut store::Tx<'_>| store::grants::give(tx, &grant, (clock())());
    store.write(give).await.expect("a grant");
}

fn catalog(upstreams: &[String], plan: &Plan) -> Catalog {
    let upstream = |base_url: &String| {
        let base_url: Arc<str> = base_url.as_str().into();
        Arc::new(Upstream::new(UpstreamSpec {
            id: "u".into(),
            base_url: Arc::new(move || Some(Arc::clone(&base_url))),
            api_key: Some("upstream-secret".into()),
            timeout: plan.timeout,
            connect_timeout: Duration::from_secs(5),
            on_disconnect: plan.on_disconnect,
            responses: plan.responses,
            chat_limit: ChatLimit::Compatible,
        }))
    };
    let upstreams: Vec<Arc<Upstream>> = upstreams.iter().map(upstream).collect();
    let deployment = |upstream: &Arc<Upstream>| Deployment {
        upstream: Arc::clone(upstream),
        model: "their-name".into(),
        weight: 1,
    };
    let every = vec![
        Endpoint::Chat,
        Endpoint::Responses,
        Endpoint::Completions,
        Endpoint::Embeddings,
    ];
    let model = |id: &str, endpoints: Vec<Endpoint>| {
        let model = Model {
            id: id.into(),
            owned_by: "test".into(),
            created_at_s: 1,
            size: ModelSize {
                context_tokens: 8_192,
                max_output_tokens: plan.max_output_tokens,
                min_output_tokens: 256,
                input: plan.input,
            },
            tokenizer: plan.tokenizer,
            endpoints,
            deployments: upstreams.iter().map(deployment).collect(),
        };
        (id.to_owned(), Arc::new(model))
    };
    let models = [
        model(MODEL, every.clone()),
        model("vendor/chat-only", vec![Endpoint::Chat]),
        model("unpriced", every),
    ];
    Catalog {
        models: models.into(),
        upstreams,
    }
}

/// A chat request whose bound is small.
pub(crate) fn hello(max_tokens: u64) -> Value {
    json!({
        "model": MODEL,
        "messages": [{"role": "user", "content": "Hello World"}],
        "max_tokens": max_tokens,
    })
}

pub(crate) fn streamed(mut body: Value) -> Value {
    body["stream"] = true.into();
    body
}
