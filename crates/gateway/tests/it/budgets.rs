//! No budget is ever exceeded, whatever happens at once, and each says that it was the one.

use std::sync::Arc;

use domain::budget::{Budget, Force, Scope};
use domain::id::BudgetId;
use domain::money::Nusd;
use domain::window::Window;
use store::budgets::{self, BudgetRow};
use testkit::http::Request;
use testkit::{Reply, Upstream, on_each_database};

use crate::rush::{COST, bound, rush, upstream};
use crate::world::{Plan, World, clock, entropy, hello, streamed};

// SQL in a test: what was written is looked at from outside the product's own queries.

impl World {
    pub(crate) async fn limit(&self, scope: Scope, window: Window, limit: i64) -> Budget {
        let budget = Budget {
            id: BudgetId::random(entropy),
            scope,
            window,
            limit: Nusd::new(limit),
            force: Force::Hard,
            thresholds: vec![],
        };
        self.put(budget.clone()).await;
        budget
    }

    async fn put(&self, budget: Budget) {
        let row = BudgetRow {
            budget,
            is_spend_limit: false,
            created_at: (clock())(),
        };
        let organization = self.made.organization.clone();
        let create = move |tx: &mut store::Tx<'_>| budgets::create(tx, &organization, &row);
        self.store.write(create).await.expect("a budget is made");
    }

    async fn change(&self, budget: &Budget, limit: i64) {
        let (organization, now) = (self.made.organization.clone(), (clock())());
        let budget = Budget {
            limit: Nusd::new(limit),
            ..budget.clone()
        };
        let change = move |tx: &mut store::Tx<'_>| budgets::change(tx, &organization, &budget, now);
        self.store.write(change).await.expect("a budget is changed");
    }

    async fn scopes(&self) -> [(Scope, &'static str); 3] {
        let key = self
            .query("SELECT id FROM keys WHERE class = 'project'")
            .await;
        let key = domain::id::KeyId::new(key[0].text(0).expect("an id"));
        [
            (Scope::Organization, "organization_spend_limit_exceeded"),
            (
                Scope::Project(self.made.project.clone()),
                "project_spend_limit_exceeded",
            ),
            (Scope::Key(key), "key_spend_limit_exceeded"),
        ]
    }

    async fn spent(&self) -> i64 {
        let rows = self.usage().await;
        rows.iter().map(|(_, _, cost, _)| cost).sum()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_rush_on_any_budget_spends_it_and_not_a_nano_dollar_more() {
    on_each_database(async |database| {
        let upstream = upstream().await;
        let body = hello(50);
        let world = World::start(database, &[upstream.base_url()], Plan::default()).await;
        let world = Arc::new(world);
        let mut spent = 0;
        for (scope, code) in world.scopes().await {
            // Each budget counts what was spent before it was made, and ends before the next.
            spent += 30 * COST;
            let limit = spent + bound(&body) - COST;
            let budget = world.limit(scope, Window::Month, limit).await;
            let served = rush(&world, 200, &body, code).await;
            assert_eq!(served, 30, "{code}");
            world.at_rest().await;
            assert_eq!(world.spent().await, spent, "every answer is charged");
            world.change(&budget, limit + 1_000_000_000).await;
        }
    })
    .await;
}

/// A budget made, raised and lowered in the middle of traffic counts all of it, exactly.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_budget_made_in_the_middle_of_traffic_counts_all_of_it() {
    on_each_database(async |database| {
        let upstream = upstream().await;
        let body = hello(50);
        let world = World::start(database, &[upstream.base_url()], Plan::default()).await;
        let world = Arc::new(world);
        for round in 1..=4 {
            let traffic: Vec<_> = (0..60)
                .map(|_| {
                    let (world, body) = (Arc::clone(&world), body.clone());
                    tokio::spawn(async move { world.chat(&body).await.status })
                })
                .collect();
            tokio::time::sleep(std::time::Duration::from_millis(4)).await;
            let limit = round * 100 * COST + bound(&body) - COST;
            let budget = world
                .limit(Scope::Organization, Window::Always, limit)
                .await;
            for client in traffic {
                // All of them together may need more than there is, as long as they run.
                assert!(matches!(client.await.unwrap(), 200 | 429));
            }
            let code = "organization_spend_limit_exceeded";
            rush(&world, 60, &body, code).await;
            world.at_rest().await;
            assert_eq!(world.spent().await, round * 100 * COST);
            world.change(&budget, 1_000_000_000).await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_tells_all_about_the_budget() {
    let upstream = upstream().await;
    let body = hello(50);
    let world = World::start(
        testkit::databases::sqlite(),
        &[upstream.base_url()],
        Plan::default(),
    )
    .await;
    assert_eq!(world.chat(&body).await.status, 200);
    let budget = world
        .limit(Scope::Organization, Window::Month, bound(&body))
        .await;
    let refused = world.chat(&body).await;
    assert_eq!(refused.status, 429);
    let message = refused.json()["error"]["message"].to_string();
    let facts = [
        "You exceeded your current quota",
        "The organization may spend $0.000",
        "a month: $0.0001 is spent, $0.00 is held",
        "The next month begins at 20",
        "http://farebox.test/limits",
    ];
    for fact in facts {
        assert!(message.contains(fact), "{fact}: {message}");
    }
    // Raised, it lets the very next request through; removed, too.
    world.change(&budget, 2 * bound(&body)).await;
    assert_eq!(world.chat(&body).await.status, 200);
    world.change(&budget, 0).await;
    assert_eq!(world.chat(&body).await.status, 429);
    let (organization, id) = (world.made.organization.clone(), budget.id.clone());
    let delete = move |tx: &mut store::Tx<'_>| budgets::delete(tx, &organization, &id, (clock())());
    assert!(world.store.write(delete).await.unwrap());
    assert_eq!(world.chat(&body).await.status, 200);
    world.at_rest().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_forgets_no_budget() {
    on_each_database(async |database| {
        let upstream = upstream().await;
        let body = hello(50);
        let world = World::start(database.clone(), &[upstream.base_url()], Plan::default()).await;
        let limit = COST + bound(&body);
        world.limit(Scope::Organization, Window::Day, limit).await;
        assert_eq!(world.chat(&body).await.status, 200);
        world.at_rest().await;
        let world = world.restart(&[upstream.base_url()]).await;
        assert_eq!(world.chat(&body).await.status, 200, "one more fits");
        assert_eq!(world.chat(&body).await.status, 429, "and no third");
        world.at_rest().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_soft_budget_stops_nobody_and_tells_each_threshold_once() {
    on_each_database(async |database| {
        let upstream = upstream().await;
        let body = hello(50);
        let world = World::start(database, &[upstream.base_url()], Plan::default()).await;
        assert_eq!(world.chat(&body).await.status, 200);
        let soft = Budget {
            id: BudgetId::random(entropy),
            scope: Scope::Organization,
            window: Window::Always,
            limit: Nusd::new(4 * COST),
            force: Force::Soft,
            thresholds: vec![25, 50, 80, 100],
        };
        world.put(soft).await;
        let told = async |want: &[i64]| {
            testkit::eventually("the thresholds are told", async || {
                let sql = "SELECT threshold_percent FROM budget_events ORDER BY threshold_percent";
                let rows = world.query(sql).await;
                let told: Vec<_> = rows
                    .iter()
                    .map(|row| row.int(0).expect("a number"))
                    .collect();
                told == want
            })
            .await;
        };
        told(&[25]).await;
        assert_eq!(world.chat(&streamed(body.clone())).await.status, 200);
        told(&[25, 50]).await;
        for _ in 0..4 {
            assert_eq!(world.chat(&body).await.status, 200);
        }
        told(&[25, 50, 80, 100]).await;
        world.at_rest().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_works_from_the_next_request_on_while_thresholds_are_told() {
    on_each_database(async |database| {
        let upstream = upstream().await;
        let world = World::start(database, &[upstream.base_url()], Plan::default()).await;
        let soft = |limit| Budget {
            id: BudgetId::random(entropy),
            scope: Scope::Organization,
            window: Window::Always,
            limit: Nusd::new(limit),
            force: Force::Soft,
            thresholds: vec![100],
        };
        for reached in 1..=40 {
            world.put(soft(reached * COST)).await;
        }
        let spend = async {
            for _ in 0..40 {
                assert_eq!(world.chat(&hello(50)).await.status, 200);
            }
        };
        let make_keys = async || {
            for _ in 0..40 {
                let secret = world.make_key().await;
                let models = Request::get(&world.url("/models")).bearer(&secret);
                assert_eq!(models.send().await.unwrap().status, 200);
            }
        };
        tokio::join!(spend, make_keys(), make_keys(), make_keys());
        world.at_rest().await;
    })
    .await;
}

/// The same with as many clients as there may be, and often, where `FAREBOX_RUSHES` says how often.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn four_thousand_clients_on_a_budget_for_a_thousand() {
    for round in 0..testkit::times("FAREBOX_RUSHES", 1) {
        let began = std::time::Instant::now();
        let upstream = Upstream::start(|_| Reply::chat_with_usage("Hi there", 20, 40)).await;
        let body = hello(50);
        let database = testkit::databases::sqlite();
        let world = World::start(database, &[upstream.base_url()], Plan::default()).await;
        let world = Arc::new(world);
        let limit = 1_000 * COST + bound(&body) - COST;
        world
            .limit(Scope::Organization, Window::Always, limit)
            .await;
        let served = rush(&world, 4_096, &body, "organization_spend_limit_exceeded").await;
        world.at_rest().await;
        assert_eq!(served, 1_000);
        assert_eq!(world.spent().await, 1_000 * COST);
        eprintln!(
            "rush {round}: {served} of 1000 were served, in {:?}",
            began.elapsed()
        );
    }
}
