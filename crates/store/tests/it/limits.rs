//! Budgets and rate limits are kept, heard of, and answered from what was really spent.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use domain::admission::{Crossing, RateRule, RateRules, Unknown};
use domain::budget::{Budget, Force, Scope};
use domain::id::{BudgetId, KeyId, OrganizationId, ProjectId};
use domain::money::Nusd;
use domain::time::AtUs;
use domain::usage::Usage;
use domain::window::Window;
use store::budgets::{self, BudgetRow, Event, Standing};
use store::changes::{self, ChangeKind};
use store::rate_limits::{self, RateLimitRow};
use store::{Store, StoreError, jobs};
use testkit::on_each_database;

use crate::crud_world::{NOW, set_up, write};
use crate::fixture::{Customer, entropy, serve, settlement};

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
            write(&store, move |tx| {
                budgets::keep_events(tx, &id, &crossings, entropy)
            })
            .await;
        }
        let id = made.organization.clone();
        let events = async |after, limit| {
            let (id, budget) = (id.clone(), BudgetId::new("budget_1"));
            let events = store
                .read(move |tx| budgets::events(tx, &id, &budget, after, limit))
                .await;
            let events: Result<Vec<_>, StoreError> = events;
            let shown = |it: Event| (it.window_at.0, it.threshold, it.spent.get());
            events.unwrap().into_iter().map(shown).collect::<Vec<_>>()
        };
        let all = [(2, 50, 51), (1, 100, 101), (1, 50, 50)];
        assert_eq!(events(None, 10).await, all);
        assert_eq!(events(None, 2).await, all[..2]);
        assert_eq!(events(Some((AtUs(1), 100)), 10).await, all[2..]);
    })
    .await;
}

#[tokio::test]
async fn owners_are_told_by_mail_once_of_each_threshold() {
    on_each_database(async |database| {
        let (store, made) = set_up(&database).await;
        let budget = Budget {
            id: BudgetId::new("budget_1"),
            scope: Scope::Project(made.project.clone()),
            window: Window::Month,
            limit: Nusd::new(2_000_000_000),
            force: Force::Soft,
            thresholds: vec![50, 80],
        };
        let row = BudgetRow {
            budget,
            is_spend_limit: false,
            created_at: NOW,
        };
        let crossing = |id: &str, window: i64, threshold| Crossing {
            budget: BudgetId::new(id),
            window_at: AtUs(window),
            threshold,
            limit: Nusd::new(2_000_000_000),
            spent: Nusd::new(1_600_000_001),
            at: NOW,
        };
        let id = made.organization.clone();
        write(&store, move |tx| budgets::create(tx, &id, &row)).await;
        for crossings in [
            vec![crossing("budget_1", 1, 50), crossing("budget_1", 1, 80)],
            // Told before, in another window, and of a budget that is gone.
            vec![
                crossing("budget_1", 1, 80),
                crossing("budget_1", 2, 80),
                crossing("budget_2", 1, 80),
            ],
        ] {
            let id = made.organization.clone();
            write(&store, move |tx| {
                budgets::keep_events(tx, &id, &crossings, entropy)
            })
            .await;
        }
        let mails = write(&store, |tx| jobs::claim(tx, 10, NOW, entropy)).await;
        let mut thresholds = Vec::new();
        for mail in &mails {
            assert_eq!(
                (&*mail.to, &*mail.template),
                ("ada@example.com", "budget_threshold")
            );
            thresholds.push(&*mail.facts["threshold_percent"]);
            assert_eq!(mail.facts["organization"], "Acme");
            assert_eq!(mail.facts["scope"], "the project Default project");
            assert_eq!(mail.facts["limit_usd"], "$2.00");
            assert_eq!(mail.facts["spent_usd"], "$1.600000001");
            assert_eq!(mail.facts["hard"], "");
        }
        thresholds.sort_unstable();
        assert_eq!(thresholds, ["50", "80", "80"]);
    })
    .await;
}

/// The rule of a row's scope and model, that of another model there, and how many there are.
async fn found(
    store: &Store,
    organization: &OrganizationId,
    row: &RateLimitRow,
) -> (Option<RateRule>, Option<RateRule>, u64) {
    let (id, row) = (organization.clone(), row.clone());
    let get = move |tx: &mut store::Tx<'_>| {
        let own = rate_limits::get(tx, &id, &row.scope, row.model.as_deref())?;
        let other = rate_limits::get(tx, &id, &row.scope, Some("other"))?;
        Ok::<_, StoreError>((own, other, rate_limits::count(tx, &id)?))
    };
    store.read(get).await.unwrap()
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
        let listed = async |of: Option<&RateLimitRow>, after: Option<&RateLimitRow>, limit| {
            let organization = organization.clone();
            let of = of.map(|row| row.scope.clone());
            let after = after.map(|row| (row.scope.clone(), row.model.clone()));
            let list = move |tx: &mut store::Tx<'_>| {
                rate_limits::list(tx, &organization, of.as_ref(), after.as_ref(), limit)
            };
            store.read(list).await.unwrap()
        };
        let mut want = rows.to_vec();
        want[1].rule.requests_per_minute = Some(i64::MAX as u64);
        assert_eq!(listed(None, None, 10).await, want);
        assert_eq!(listed(None, None, 2).await, want[..2]);
        assert_eq!(listed(None, Some(&want[0]), 10).await, want[1..]);
        assert_eq!(listed(None, Some(&want[2]), 10).await, []);
        assert_eq!(listed(Some(&want[1]), None, 10).await, want[1..2]);
        assert_eq!(listed(Some(&want[1]), Some(&want[1]), 10).await, []);
        assert_eq!(listed(Some(&want[0]), None, 10).await, want[..1]);
        let one = found(&store, &id, &want[1]).await;
        assert_eq!(one, (Some(want[1].rule), None, 3));
        let (organization, scope) = (id.clone(), rows[0].scope.clone());
        let delete =
            move |tx: &mut store::Tx<'_>| rate_limits::delete(tx, &organization, &scope, None, NOW);
        assert!(write(&store, delete.clone()).await);
        assert!(!write(&store, delete).await);
        let organization = id.clone();
        let read = move |tx: &mut store::Tx<'_>| rate_limits::of(tx, &organization);
        let rules: Result<RateRules, StoreError> = store.read(read).await;
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

#[tokio::test]
async fn budgets_are_counted_for_their_scope_and_in_all() {
    on_each_database(async |database| {
        let (store, made) = set_up(&database).await;
        let project = Scope::Project(made.project.clone());
        for row in [
            row(1, Scope::Organization, true),
            row(2, Scope::Organization, false),
            row(3, project.clone(), true),
        ] {
            create(&store, &made.organization, &row).await.unwrap();
        }
        let of_a_key = Scope::Key(KeyId::new("key_a"));
        for (scope, want) in [
            (Scope::Organization, (2, 3)),
            (project, (1, 3)),
            (of_a_key, (0, 3)),
        ] {
            let id = made.organization.clone();
            let count = move |tx: &mut store::Tx<'_>| budgets::count(tx, &id, &scope);
            let counted: Result<_, StoreError> = store.read(count).await;
            assert_eq!(counted.unwrap(), want);
        }
    })
    .await;
}

/// The present turn of a window, and nothing of another's, is in a standing.
#[tokio::test(flavor = "multi_thread")]
async fn a_standing_is_what_was_settled_and_what_is_held() {
    on_each_database(async |database| {
        let store = serve(&database).await;
        let customer = Customer::new(&store, 1_000_000).await;
        let ledger = store.ledger();
        let settled = customer.hold(100);
        let _ = ledger.hold(std::sync::Arc::clone(&settled));
        let held = customer.hold(70);
        let ends = ledger.settle(settlement(&settled, Usage::text(0, 1)));
        let begins = ledger.hold(std::sync::Arc::clone(&held));
        ends.durable().await.unwrap();
        begins.durable().await.unwrap();
        let of = |window, scope| Budget {
            window,
            ..row(1, scope, false).budget
        };
        let budgets = [
            of(Window::Month, Scope::Organization),
            of(Window::Always, Scope::Project(settled.project.clone())),
            of(Window::Day, Scope::Key(settled.key.clone())),
            of(Window::Day, Scope::Key(KeyId::new("key_other"))),
        ];
        let standings = async |now: AtUs| {
            let (id, budgets) = (customer.organization.clone(), budgets.clone());
            let read = move |tx: &mut store::Tx<'_>| budgets::standings(tx, &id, &budgets, now);
            let standings: Result<Vec<_>, StoreError> = store.read(read).await;
            standings.unwrap()
        };
        let at = |now: AtUs, money: [(i64, i64); 4]| {
            let stands = |(budget, (spent, held)): (&Budget, (i64, i64))| Standing {
                span: budget.window.span(now),
                spent: Nusd::new(spent),
                held: Nusd::new(held),
            };
            let all = budgets.iter().zip(money);
            all.map(stands).collect::<Vec<_>>()
        };
        // An output token costs two and the request three.
        let now = held.admitted_at;
        let present = [(5, 70), (5, 70), (5, 70), (0, 0)];
        assert_eq!(standings(now).await, at(now, present));
        let later = Window::Month.span(now).end;
        let next = [(0, 0), (5, 70), (0, 0), (0, 0)];
        assert_eq!(standings(later).await, at(later, next));
        store.close().await;
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
