//! An installation with customers, and ways to look at it and to hold it up from outside.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use domain::admission::Wallet;
use domain::hold::{Course, Flags, Hold};
use domain::id::{KeyId, OrganizationId, PriceId, ProjectId, RequestId};
use domain::idempotency::{IdempotencyKey, RequestDigest};
use domain::lease::{self, Ask, AskLine, PotId};
use domain::markup::Markup;
use domain::money::Nusd;
use domain::price::{PriceEntry, StatedPrices, UnitPrices};
use domain::time::{AtUs, Clock};
use domain::usage::Usage;
use store::grants::{self, Grant, GrantError};
use store::idempotency::{Answer, Claim, Kept};
use store::{DatabaseUrl, OpenError, Options, Role, Row, Settlement, Store, StoreError};
use store::{prices, verify, wallets};
use testkit::TestDatabase;

/// When the tests' clock begins: five minutes before an hour ends, so that usage falls on two.
pub(crate) const BEGIN: AtUs = AtUs(1_800_003_300_000_000);

/// A clock that goes a second further whenever it is read.
pub(crate) fn clock() -> Clock {
    static NOW_US: AtomicI64 = AtomicI64::new(BEGIN.0);
    Arc::new(|| AtUs(NOW_US.fetch_add(1_000_000, Ordering::Relaxed)))
}

/// Bytes that no other call and no other process gets.
pub(crate) fn entropy(buffer: &mut [u8]) {
    static CALLS: AtomicU64 = AtomicU64::new(0);
    for chunk in buffer.chunks_mut(8) {
        let mut hasher = RandomState::new().build_hasher();
        hasher.write_u64(CALLS.fetch_add(1, Ordering::Relaxed));
        hasher.write_u32(std::process::id());
        let bytes = hasher.finish().to_le_bytes();
        chunk.copy_from_slice(&bytes[..chunk.len()]);
    }
}

pub(crate) async fn open(url: &str, role: Role) -> Result<Store, OpenError> {
    open_with(url, role, 0).await
}

pub(crate) async fn open_with(
    url: &str,
    role: Role,
    ballast_bytes: u64,
) -> Result<Store, OpenError> {
    let url = DatabaseUrl::parse(url)?;
    let clock = clock();
    Store::open(Options {
        url,
        role,
        ballast_bytes,
        clock,
        mono: || domain::time::MonoUs(testkit::mono_us()),
    })
    .await
}

/// Opens as the server. A writer that was dropped rather than closed may still be finishing.
pub(crate) async fn serve(database: &TestDatabase) -> Store {
    serve_url(&database.url).await
}

pub(crate) async fn serve_url(url: &str) -> Store {
    for _ in 0..500 {
        match open(url, Role::Server).await {
            Err(OpenError::InUse(_)) => {
                tokio::time::sleep(std::time::Duration::from_millis(10)).await
            }
            opened => {
                let store = opened.expect("the installation opens");
                lease_everything(&store).await;
                return store;
            }
        }
    }
    panic!("the last server never gave its lock back");
}

/// Leases whatever is free, so that it can be held: what a gateway does when a request comes.
pub(crate) async fn lease_everything(store: &Store) {
    let wallets = store.read(|tx| {
        let mut all = Vec::new();
        wallets::each(tx, |organization, _| all.push(organization))?;
        Ok::<_, StoreError>(all)
    });
    for organization in wallets.await.expect("wallets are read") {
        // There may be nothing to be had, or nobody to have it any more.
        let _ = lease(store, organization, Nusd::new(1)).await;
    }
}

/// Asks for so much of a wallet: all there is, where there is one node.
pub(crate) async fn lease(
    store: &Store,
    organization: OrganizationId,
    need: Nusd,
) -> Option<lease::Answer> {
    static NUMBERS: AtomicU64 = AtomicU64::new(1);
    let fleet = store.fleet()?;
    let pot = PotId::Wallet(organization);
    let ask = Ask {
        node: fleet.node().clone(),
        epoch: fleet.epoch(),
        number: NUMBERS.fetch_add(1, Ordering::Relaxed),
        lines: vec![AskLine {
            pot,
            need,
            want: need,
        }],
    };
    fleet.ask(ask).await.ok().map(|answered| answered.answer)
}

/// An organization with money, and a price to spend it at.
#[derive(Clone)]
pub(crate) struct Customer {
    pub(crate) organization: OrganizationId,
    pub(crate) price: PriceEntry,
}

/// One nUSD an input token, two an output token, three a request; the operator pays a tenth.
pub(crate) fn stated() -> prices::Stated {
    let at = |input: i64, output: i64, request: i64| -> UnitPrices {
        StatedPrices {
            input: Nusd::new(input),
            output: Nusd::new(output),
            request: Some(Nusd::new(request)),
            ..StatedPrices::default()
        }
        .into()
    };
    prices::Stated {
        model: "m".into(),
        price: at(1_000_000, 2_000_000, 3_000_000),
        cost: at(100_000, 200_000, 0),
    }
}

impl Customer {
    /// A new organization with `credit_nusd` in its wallet.
    pub(crate) async fn new(store: &Store, credit_nusd: i64) -> Self {
        let organization = OrganizationId::random(entropy);
        let id = organization.clone();
        let price = store
            .write(move |tx| {
                wallets::open(tx, &id)?;
                let history = prices::provision(tx, &stated(), clock()(), entropy)?;
                let later = AtUs(i64::MAX);
                Ok::<_, StoreError>(history.in_force(later).cloned().expect("just stated"))
            })
            .await
            .expect("a customer is made");
        let customer = Customer {
            organization,
            price,
        };
        if credit_nusd > 0 {
            customer.grant(store, credit_nusd).await.expect("a grant");
        }
        customer
    }

    /// What is more than a wallet, such as papers, is of an organization that was founded.
    pub(crate) async fn found(&self, store: &Store) {
        let id = &self.organization;
        let sql =
            format!("INSERT INTO organizations (id, name, created_at_us) VALUES ('{id}', '', 0)");
        execute(store, &sql).await.expect("it is written");
    }

    pub(crate) async fn grant(&self, store: &Store, amount_nusd: i64) -> Result<(), GrantError> {
        let id = PriceId::random(entropy).to_string();
        self.grant_as(store, &id, amount_nusd).await
    }

    pub(crate) async fn grant_as(
        &self,
        store: &Store,
        id: &str,
        amount_nusd: i64,
    ) -> Result<(), GrantError> {
        let grant = Grant {
            id: id.to_owned(),
            organization: self.organization.clone(),
            amount: Nusd::new(amount_nusd),
            expires_at: None,
            reason: "a test".into(),
            actor: "operator".into(),
        };
        let now = clock()();
        let given = store.write(move |tx| grants::give(tx, &grant, now)).await;
        lease_everything(store).await;
        given.map(|_| ())
    }

    /// A hold of a request that is priced with a markup.
    pub(crate) fn marked_up(&self, amount_nusd: i64, markup: Markup) -> Arc<Hold> {
        Arc::new(Hold {
            markup,
            price: markup.on(&self.price.price),
            ..Hold::clone(&self.hold(amount_nusd))
        })
    }

    pub(crate) fn hold(&self, amount_nusd: i64) -> Arc<Hold> {
        let admitted_at = clock()();
        Arc::new(Hold {
            id: RequestId::random(admitted_at, entropy),
            organization: self.organization.clone(),
            project: ProjectId::new("proj_a"),
            key: KeyId::new("key_a"),
            model: "m".into(),
            endpoint: "chat",
            amount: Nusd::new(amount_nusd),
            price_id: self.price.id.clone(),
            markup: Markup::NONE,
            price: self.price.price,
            cost: self.price.cost,
            admitted_at,
            legs: Arc::default(),
        })
    }

    /// The wallet, with what requests hold of it: what is only leased is nobody's yet.
    pub(crate) async fn wallet(&self, store: &Store) -> Wallet {
        let id = self.organization.clone();
        let read = move |tx: &mut store::Tx<'_>| -> Result<Wallet, StoreError> {
            let sql = "SELECT a.credits_nusd, a.debits_nusd,
                              CAST(COALESCE((SELECT SUM(h.amount_nusd) FROM holds h
                                             WHERE h.organization_id = $1), 0) AS BIGINT)
                       FROM accounts a WHERE a.id = 'wallet:' || $1";
            let row = tx.query_one(sql, &[id.as_str().into()])?;
            let amount = |index| row.int(index).map(Nusd::new);
            Ok(Wallet::new(amount(0)?, amount(1)?, amount(2)?))
        };
        store.read(read).await.expect("the wallet is read")
    }

    /// Gives back whatever is leased and not held.
    pub(crate) async fn return_leases(&self, store: &Store) {
        let Some(fleet) = store.fleet() else {
            return;
        };
        let pot = PotId::Wallet(self.organization.clone());
        let sql = format!(
            "SELECT CAST(COALESCE(SUM(free_nusd), 0) AS BIGINT) FROM leases WHERE pot_id = '{pot}'"
        );
        let free = Nusd::new(number(store, &sql).await);
        if free == Nusd::ZERO {
            return;
        }
        store.ledger().give_back(pot, free);
        testkit::eventually("it is given back", async || number(store, &sql).await == 0).await;
        assert!(fleet.may_admit());
    }

    /// What was ever paid in.
    pub(crate) async fn credits(&self, store: &Store) -> Nusd {
        let id = self.organization.clone();
        let credits = store.read(move |tx| wallets::credits(tx, &id)).await;
        credits.expect("the wallet is read").expect("it exists")
    }

    /// Balance and what is not held of it, in nUSD.
    pub(crate) async fn money(&self, store: &Store) -> (i64, i64) {
        let wallet = self.wallet(store).await;
        (wallet.balance().get(), wallet.available().get())
    }
}

pub(crate) fn settlement(hold: &Arc<Hold>, usage: Usage) -> Settlement {
    Settlement {
        charge: hold.charge(&usage),
        hold: Arc::clone(hold),
        usage,
        flags: Flags::default(),
        course: Course::default(),
        upstream: "up".into(),
        ended_at: clock()(),
        kept: None,
    }
}

/// A claim to `key` for the request of a hold, which says `content`.
pub(crate) fn claim(hold: &Hold, key: &str, content: &str) -> Arc<Claim> {
    Arc::new(Claim {
        organization: hold.organization.clone(),
        project: hold.project.clone(),
        key: IdempotencyKey::parse(key.as_bytes()).expect("a key"),
        content: RequestDigest::of("/v1/test", content.as_bytes()),
        request: hold.id,
    })
}

pub(crate) fn answer(body: &'static [u8]) -> Answer {
    Answer {
        content_type: "application/json".into(),
        body: body.into(),
    }
}

/// As [`settlement`], with an answer that is kept.
pub(crate) fn answered(
    hold: &Arc<Hold>,
    usage: Usage,
    claim: &Arc<Claim>,
    body: &'static [u8],
) -> Settlement {
    Settlement {
        kept: Some(Kept {
            claim: Arc::clone(claim),
            answer: answer(body),
        }),
        ..settlement(hold, usage)
    }
}

pub(crate) async fn rows(store: &Store, sql: &str) -> Vec<Row> {
    let sql = sql.to_owned();
    let rows = store.read(move |tx| tx.query(&sql, &[])).await;
    rows.expect("the query runs")
}

/// The one number that a query answers.
pub(crate) async fn number(store: &Store, sql: &str) -> i64 {
    let rows = rows(store, sql).await;
    assert_eq!(rows.len(), 1, "{sql}");
    rows[0].int(0).expect("a number")
}

pub(crate) async fn execute(store: &Store, sql: &str) -> Result<u64, StoreError> {
    let sql = sql.to_owned();
    store.write(move |tx| tx.execute(&sql, &[])).await
}

pub(crate) async fn report(store: &Store) -> verify::Report {
    store.read(verify::verify).await.expect("verify runs")
}

pub(crate) async fn assert_verified(store: &Store) {
    let report = report(store).await;
    assert!(report.holds(), "{:#?}", report.checks);
}

/// Another program at the database.
pub(crate) enum Outside {
    Sqlite(rusqlite::Connection),
    Postgres(tokio_postgres::Client),
}

impl Outside {
    pub(crate) async fn at(url: &str) -> Self {
        match url.strip_prefix("sqlite://") {
            Some(path) => Outside::Sqlite(rusqlite::Connection::open(path).expect("it opens")),
            None => {
                let connected = tokio_postgres::connect(url, tokio_postgres::NoTls).await;
                let (client, connection) = connected.expect("it answers");
                tokio::spawn(connection);
                Outside::Postgres(client)
            }
        }
    }

    pub(crate) async fn run(&self, sql: &str) {
        match self {
            Outside::Sqlite(connection) => connection.execute_batch(sql).expect("it runs"),
            Outside::Postgres(client) => client.batch_execute(sql).await.expect("it runs"),
        }
    }

    /// Keeps the ledger from committing, until [`Outside::let_go`].
    pub(crate) async fn hold_up(&self) {
        self.run(match self {
            Outside::Sqlite(_) => "BEGIN IMMEDIATE",
            Outside::Postgres(_) => "BEGIN; SELECT * FROM nodes FOR UPDATE",
        })
        .await;
    }

    pub(crate) async fn let_go(&self) {
        self.run("COMMIT").await;
    }
}
