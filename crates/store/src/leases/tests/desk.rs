//! A database with two organizations, three budgets, and a clock that tests set.

use std::sync::Arc;

use domain::budget::{Budget, Force, Scope};
use domain::id::{BudgetId, KeyId, OrganizationId, ProjectId};
use domain::lease::{NodeId, PotId};
use domain::money::Nusd;
use domain::price::{StatedPrices, UnitPrices};
use domain::time::AtUs;
use domain::window::Window;
use tokio::runtime::Handle;

use crate::budgets::{self, BudgetRow};
use crate::grants::{self, Grant};
use crate::postgres::PostgresServer;
use crate::postgres_batch::PostgresCommitter;
use crate::{Row, StoreError, Tx, migrate, prices, verify, wallets};

/// When the clock begins: an hour before a month ends.
pub(super) const BEGIN: AtUs = AtUs(1_801_436_400_000_000);
pub(super) const CREDITS: Nusd = Nusd::new(1_000);

/// Statements find this clock before PostgreSQL's own.
const CLOCK: &str = "
    CREATE SCHEMA set_clock;
    CREATE TABLE set_clock.now (us BIGINT NOT NULL);
    INSERT INTO set_clock.now VALUES (0);
    CREATE FUNCTION set_clock.clock_timestamp() RETURNS timestamptz LANGUAGE sql AS
        $$ SELECT timestamptz 'epoch' + us * interval '1 microsecond' FROM set_clock.now $$";

/// Projects and keys that budgets are put on.
const SCOPES: &str = "
    INSERT INTO projects (id, organization_id, name, created_at_us)
    VALUES ('proj_a', 'org-a', '', 0), ('proj_b', 'org-b', '', 0);
    INSERT INTO users (id, email, name, password_hash, created_at_us) VALUES ('user-a', '', '', '', 0);
    INSERT INTO keys (id, organization_id, project_id, class, user_id, name, digest, redacted_value,
                      created_at_us)
    VALUES ('key_a', 'org-a', 'proj_a', 'project', 'user-a', '', '', '', 0)";

#[derive(Clone)]
pub(super) struct Desk(Arc<PostgresServer>, Handle);

impl Desk {
    pub(super) async fn new() -> Self {
        let url = testkit::databases::postgres().await.url;
        let server = PostgresServer::new(&url, Handle::current()).expect("an address");
        let desk = Desk(Arc::new(server), Handle::current());
        let made = desk.clone();
        let make = move || {
            let migrated = made.0.transaction(false, |tx| migrate::migrate(tx, 0));
            migrated.expect("an empty database");
            let prepare = |tx: &mut Tx<'_>| {
                tx.batch(CLOCK)?;
                for id in ["org-a", "org-b"] {
                    organization(tx, &OrganizationId::new(id))?;
                }
                tx.batch(SCOPES)?;
                price(tx)?;
                for budget in all_budgets() {
                    create(tx, &budget)?;
                }
                Ok::<_, StoreError>(())
            };
            made.0.transaction(false, prepare).expect("prepared");
            made.set_clock(BEGIN);
        };
        tokio::task::spawn_blocking(make).await.expect("made");
        desk
    }

    /// Runs a transaction by the tests' clock.
    pub(super) fn try_run<T>(
        &self,
        body: impl FnOnce(&mut Tx<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.0.transaction(false, |tx| {
            tx.batch("SET LOCAL search_path = set_clock, pg_catalog, public")?;
            body(tx)
        })
    }

    pub(super) fn run<T>(&self, body: impl FnOnce(&mut Tx<'_>) -> Result<T, StoreError>) -> T {
        self.try_run(body).expect("it runs")
    }

    pub(super) fn set_clock(&self, now: AtUs) {
        self.execute(&format!("UPDATE set_clock.now SET us = {}", now.0));
    }

    /// What commits a node's batches, on a connection of its own.
    pub(super) fn committer(&self) -> PostgresCommitter {
        let client = self.1.block_on(self.0.connect()).expect("it answers");
        PostgresCommitter::new(Arc::clone(&self.0), self.1.clone(), client, None)
    }

    /// Whether the books hold.
    pub(super) fn assert_verified(&self) {
        let report = self.run(verify::verify);
        assert!(report.holds(), "{:#?}", report.checks);
    }

    pub(super) fn execute(&self, sql: &str) {
        self.run(|tx| tx.batch(sql));
    }

    pub(super) fn rows(&self, sql: &str) -> Vec<Row> {
        self.run(|tx| tx.query(sql, &[]))
    }

    /// Every living node has heard all that there is.
    pub(super) fn all_have_heard(&self) {
        self.execute("UPDATE nodes SET heard = (SELECT value FROM counters)");
    }
}

fn organization(tx: &mut Tx<'_>, id: &OrganizationId) -> Result<(), StoreError> {
    let sql = "INSERT INTO organizations (id, name, created_at_us) VALUES ($1, '', 0)";
    tx.execute_one(sql, &[id.as_str().into()])?;
    wallets::open(tx, id)?;
    let grant = Grant {
        id: id.to_string(),
        organization: id.clone(),
        amount: CREDITS,
        expires_at: None,
        reason: String::new(),
        actor: String::new(),
    };
    let given = grants::give(tx, &grant, AtUs(0));
    let given = given.map_err(|error| StoreError::Failed(error.to_string()))?;
    assert!(given, "it is new");
    Ok(())
}

/// A token costs a nano-dollar.
fn price(tx: &mut Tx<'_>) -> Result<(), StoreError> {
    let stated = StatedPrices {
        input: Nusd::new(1_000_000),
        output: Nusd::new(1_000_000),
        ..StatedPrices::default()
    };
    let stated = prices::Stated {
        model: "m".into(),
        price: stated.into(),
        cost: UnitPrices::by_class([Nusd::ZERO; 9]),
    };
    prices::provision(tx, &stated, AtUs(0), |bytes| bytes.fill(1))?;
    let sql = "INSERT INTO prices SELECT 'price_a', model, 1, price, cost, source, 1 FROM prices";
    tx.execute_one(sql, &[])
}

/// A hard budget, and whose it is.
#[derive(Clone, Debug)]
pub(super) struct Owned {
    pub(super) organization: OrganizationId,
    pub(super) budget: Budget,
}

impl Owned {
    /// Its pot at an instant.
    pub(super) fn pot(&self, now: AtUs) -> PotId {
        PotId::Window {
            budget: self.budget.id.clone(),
            start: self.budget.window.span(now).start,
        }
    }
}

/// One on a project, by day; one on a key, for good; one on the other organization's project.
pub(super) fn all_budgets() -> Vec<Owned> {
    let owned = |id: &str, organization: &str, scope, window, limit| Owned {
        organization: OrganizationId::new(organization),
        budget: Budget {
            id: BudgetId::new(id),
            scope,
            window,
            limit: Nusd::new(limit),
            force: Force::Hard,
            thresholds: Vec::new(),
        },
    };
    let project = |id| Scope::Project(ProjectId::new(id));
    let key = Scope::Key(KeyId::new("key_a"));
    vec![
        owned("budget_a", "org-a", project("proj_a"), Window::Day, 500),
        owned("budget_b", "org-a", key, Window::Always, 700),
        owned("budget_c", "org-b", project("proj_b"), Window::Month, 400),
    ]
}

pub(super) fn create(tx: &mut Tx<'_>, owned: &Owned) -> Result<(), StoreError> {
    let row = BudgetRow {
        budget: owned.budget.clone(),
        is_spend_limit: false,
        created_at: AtUs(0),
    };
    budgets::create(tx, &owned.organization, &row)
}

pub(super) fn wallet(organization: &OrganizationId) -> PotId {
    PotId::Wallet(organization.clone())
}

pub(super) fn node(name: &str) -> NodeId {
    NodeId::new(name)
}
