//! Budgets and rate limits are kept, heard of, and answered from what was really spent.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use domain::admission::{Crossing, RateRule, RateRules, Unknown};
use domain::budget::{Budget, Force, Scope};
use domain::id::{BudgetId, KeyId, OrganizationId, ProjectId};
use domain::money::Nusd;
use domain::time::AtUs;
use domain::usage::Usage;
use domain::window::Window;
use store::budgets::{self, BudgetRow};
use store::changes::{self, ChangeKind};
use store::rate_limits::{self, RateLimitRow};
use store::{Store, StoreError};
use testkit::on_each_database;

use crate::crud_world::{NOW, set_up, write};
use crate::fixture::{Customer, serve, settlement};

fn row(number: u32, scope: Scope, is_spend_limit: bool) -> BudgetRow {
    BudgetRow {
        budget: Budget {
            id: BudgetId::new(&format!("budget_{number}")),
            scope,
            window: Window::Month,
            limit: Nusd::new(1_000),
            force: Force::Hard,
            thresholds: vec![50, 100],
        },
        is_spend_limit,
        created_at: NOW.plus(i64::from(number)),
    }
}

async fn create(
    store: &Store,
    organization: &OrganizationId,
    row: &BudgetRow,
) -> Result<(), StoreError> {
    let (organization, row) = (organization.clone(), row.clone());
    store
        .write(move |tx| budgets::create(tx, &organization, &row))
        .await
}

async fn listed(store: &Store, organization: &OrganizationId) -> Vec<BudgetRow> {
    let organization = organization.clone();
    let list = move |tx: &mut store::Tx<'_>| budgets::list(tx, &organization, None, 10);
    store.read(list).await.unwrap()
}

#[tokio::test]
async fn budgets_are_kept_changed_and_removed() {
    on_each_database(async |database| {
        let (store, made) = set_up(&database).await;
        let organization = made.organization.clone();
        let key = store
            .read(|tx| tx.query("SELECT id FROM keys WHERE class = 'project'", &[]))
            .await;
        let key: Result<_, StoreError> = key;
        let key = KeyId::new(key.unwrap()[0].text(0).unwrap());
        let rows = [
            row(1, Scope::Organization, true),
            row(2, Scope::Project(made.project.clone()), false),
            row(3, Scope::Key(key), false),
        ];
        for row in &rows {
            create(&store, &organization, row).await.unwrap();
        }
        assert_eq!(listed(&store, &organization).await, rows);
        let again = create(&store, &organization, &row(4, Scope::Organization, true)).await;
        assert!(matches!(again, Err(StoreError::Conflict(_))), "{again:?}");

        let changed = Budget {
            limit: Nusd::new(7),
            force: Force::Soft,
            thresholds: vec![],
            ..rows[1].budget.clone()
        };
        let (id, to) = (organization.clone(), changed.clone());
        write(&store, move |tx| budgets::change(tx, &id, &to, NOW)).await;
        let (id, one) = (organization.clone(), changed.id.clone());
        let found = store.read(move |tx| budgets::get(tx, &id, &one)).await;
        let found: Result<_, StoreError> = found;
        assert_eq!(found.unwrap().unwrap().budget, changed);

        let delete = async |organization: &OrganizationId| {
            let (id, one) = (organization.clone(), BudgetId::new("budget_3"));
            write(&store, move |tx| budgets::delete(tx, &id, &one, NOW)).await
        };
        let stranger = OrganizationId::new("org-other");
        assert!(!delete(&stranger).await, "it is not theirs");
        assert!(delete(&organization).await);
        assert!(!delete(&organization).await, "it is gone");
        let id = organization.clone();
        let limit = store
            .read(move |tx| budgets::spend_limit(tx, &id, None))
            .await;
        let limit: Result<_, StoreError> = limit;
        assert_eq!(limit.unwrap(), Some(rows[0].clone()));
        let (id, project) = (organization.clone(), made.project.clone());
        let limit = store
            .read(move |tx| budgets::spend_limit(tx, &id, Some(&project)))
            .await;
        let limit: Result<_, StoreError> = limit;
        assert_eq!(
            limit.unwrap(),
            None,
            "that one is a budget and no spend limit"
        );

        let log = store.read(|tx| changes::after(tx, 0, 100)).await;
        let log: Result<Vec<_>, StoreError> = log;
        let told = log
            .unwrap()
            .into_iter()
            .filter(|it| it.kind == ChangeKind::Limits);
        let told: Vec<_> = told.map(|it| it.reference).collect();
        assert_eq!(
            told,
            vec![organization.to_string(); 5],
            "three made, one changed, one gone"
        );
    })
    .await;
}

#[tokio::test]
async fn a_threshold_is_kept_once_for_each_window() {
    on_each_database(async |database| {
        let (store, made) = set_up(&database).await;
        let crossing = |window: i64, threshold, spent| Crossing {
            budget: BudgetId::new("budget_1"),
            window_at: AtUs(window),
            threshold,
            limit: Nusd::new(100),
            spent: Nusd::new(spent),
            at: NOW,
        };
        for crossings in [
            vec![crossing(1, 50, 50), crossing(1, 100, 101)],
            vec![crossing(1, 50, 77), crossing(2, 50, 51)],
        ] {
            let id = made.organization.clone();
            write(&store, move |tx| budgets::keep_events(tx, &id, &crossings)).await;
        }
        let id = made.organization.clone();
        let events = store
            .read(move |tx| budgets::events(tx, &id, &BudgetId::new("budget_1"), 10))
            .await;
        let events: Result<Vec<_>, StoreError> = events;
        let events = events.unwrap().into_iter();
        let events: Vec<_> = events
            .map(|it| (it.window_at.0, it.threshold, it.spent.get()))
            .collect();
        assert_eq!(events, [(2, 50, 51), (1, 100, 101), (1, 50, 50)]);
    })
    .await;
}

#[tokio::test]
async fn rate_limits_are_kept_replaced_and_removed() {
    on_each_database(async |database| {
        let (store, made) = set_up(&database).await;
        let id = made.organization.clone();
        let row = |scope: Scope, model: Option<&str>, limit| RateLimitRow {
            scope,
            model: model.map(Into::into),
            rule: RateRule {
                requests_per_minute: Some(limit),
                concurrent_requests: Some(2),
                ..RateRule::default()
            },
        };
        let rows = [
            row(Scope::Organization, None, 1),
            row(Scope::Key(KeyId::new("key_a")), Some("vendor/m"), u64::MAX),
            row(Scope::Project(ProjectId::new("proj_a")), None, 3),
        ];
        for each in [
            &row(Scope::Organization, None, 99),
            &rows[0],
            &rows[1],
            &rows[2],
        ] {
            let (id, each) = (id.clone(), each.clone());
            write(&store, move |tx| rate_limits::set(tx, &id, &each, NOW)).await;
        }
        let organization = id.clone();
        let listed = store
            .read(move |tx| rate_limits::list(tx, &organization))
            .await;
        let listed: Result<Vec<_>, StoreError> = listed;
        let mut want = rows.to_vec();
        want[1].rule.requests_per_minute = Some(i64::MAX as u64);
        assert_eq!(listed.unwrap(), want);
        let (organization, scope) = (id.clone(), rows[0].scope.clone());
        let delete =
            move |tx: &mut store::Tx<'_>| rate_limits::delete(tx, &organization, &scope, None, NOW);
        assert!(write(&store, delete.clone()).await);
        assert!(!write(&store, delete).await);
        let organization = id.clone();
        let rules = store
            .read(move |tx| rate_limits::of(tx, &organization))
            .await;
        let rules: Result<RateRules, StoreError> = rules;
        let mut want = RateRules::default();
        want.insert(rows[2].scope.clone(), None, rows[2].rule);
        let of_key = RateRule {
            requests_per_minute: Some(i64::MAX as u64),
            ..rows[1].rule
        };
        want.insert(rows[1].scope.clone(), Some("vendor/m".into()), of_key);
        assert_eq!(rules.unwrap(), want);
        let limited = store.read(budgets::limited_organizations).await;
        let limited: Result<Vec<_>, StoreError> = limited;
        assert_eq!(limited.unwrap(), [id]);
    })
    .await;
}

/// Whatever was queued before the read is in its answer, and nothing that was queued after it.
#[tokio::test(flavor = "multi_thread")]
async fn a_read_in_order_stands_between_the_steps_around_it() {
    on_each_database(async |database| {
        let store = serve(&database).await;
        let customer = Customer::new(&store, 1_000_000).await;
        let ledger = store.ledger();
        let settle = || {
            let hold = customer.hold(100);
            let _ = ledger.hold(std::sync::Arc::clone(&hold));
            ledger.settle(settlement(&hold, Usage::text(0, 1)))
        };
        let mut reads = Vec::new();
        let mut tickets = Vec::new();
        for round in 1..=40_i64 {
            tickets.extend((0..25).map(|_| settle()));
            let question = Unknown {
                budget: BudgetId::new("budget_a"),
                scope: Scope::Organization,
                span: Window::Always.span(AtUs(0)),
            };
            let id = customer.organization.clone();
            let read = move |tx: &mut store::Tx<'_>| budgets::spent(tx, &id, &[question]);
            reads.push((round, store.read_in_order(read)));
        }
        for (round, read) in reads {
            // An output token costs two and the request three.
            assert_eq!(read.await.unwrap(), [Nusd::new(round * 25 * 5)]);
        }
        for ticket in tickets {
            ticket.durable().await.unwrap();
        }
        store.close().await;
    })
    .await;
}
