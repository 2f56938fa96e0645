//! What an operator decides of models while the server runs: prices with dates, and switching them
//! off. In force for the next request, and nobody's request in flight is charged by it.

// SQL in a test: what was written is looked at from outside the product's own queries.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use domain::money::Nusd;
use domain::price::{StatedPrices, UnitPrices};
use domain::time::{AtUs, Clock, HOUR_US};
use serde_json::Value;
use store::prices::{self, NewVersion, Source, Stated, Version};
use testkit::{Reply, Upstream, on_each_database};

use crate::world::{MODEL, Plan, World, clock, entropy, hello};

/// A clock that a test turns on.
fn turned() -> (Clock, Arc<AtomicI64>) {
    let (real, by) = (clock(), Arc::new(AtomicI64::new(0)));
    let turn = Arc::clone(&by);
    let clock = move || real().plus(turn.load(Ordering::Relaxed));
    (Arc::new(clock), by)
}

impl World {
    /// Adds a price of so many nano-dollars a token; `start` none is now.
    async fn price(&self, nusd: i64, start: Option<AtUs>) -> Version {
        let prices = StatedPrices {
            input: Nusd::new(nusd * 1_000_000),
            output: Nusd::new(nusd * 1_000_000),
            ..StatedPrices::default()
        };
        let stated = Stated {
            model: MODEL.into(),
            price: prices.into(),
            cost: UnitPrices::by_class([Nusd::ZERO; 9]),
        };
        let new = NewVersion {
            stated,
            start,
            source: Source::Operator,
        };
        let now = (clock())();
        let add = move |tx: &mut store::Tx<'_>| prices::add(tx, &new, now, entropy);
        self.store.write(add).await.expect("a price")
    }

    /// The price and cost of each request, oldest first.
    async fn charged(&self) -> Vec<(String, i64)> {
        let sql = "SELECT price_id, cost_nusd FROM usage_records ORDER BY id";
        let rows = self.query(sql).await;
        let charged = |row: &store::Row| (row.text(0).unwrap().to_owned(), row.int(1).unwrap());
        rows.iter().map(charged).collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_price_is_in_force_from_its_date_on() {
    on_each_database(async |database| {
        let upstream = Upstream::start(|_| Reply::chat_with_usage("Hi", 12, 3)).await;
        let (clock, by) = turned();
        let start = clock().plus(HOUR_US);
        let plan = Plan {
            clock,
            ..Plan::default()
        };
        let world = World::start(database, &[upstream.base_url()], plan).await;
        let to_come = world.price(7, Some(start)).await;
        let withdrawn = world.price(9, Some(start.plus(1))).await;
        let id = withdrawn.entry.id.clone();
        let now = start.plus(-HOUR_US);
        let withdraw = move |tx: &mut store::Tx<'_>| prices::withdraw(tx, MODEL, &id, now);
        world.store.write(withdraw).await.expect("withdrawn");

        assert_eq!(world.chat(&hello(5)).await.status, 200);
        by.store(HOUR_US, Ordering::Relaxed);
        let answer = world.chat(&hello(5)).await;
        assert_eq!(answer.header("farebox-cost"), Some("0.000000105"));
        let now = world.price(8, None).await;
        // It was stated by a clock that was not turned on: the one to come is still the latest.
        assert_eq!(world.chat(&hello(5)).await.status, 200);
        let charged = world.charged().await;
        assert_eq!(charged[0].1, 12 * 1_000 + 3 * 2_000);
        let dated = (to_come.entry.id.to_string(), 15 * 7);
        assert_eq!(charged[1..], [dated.clone(), dated]);
        assert!(now.entry.effective_at < start);
        world.at_rest().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_price_is_the_next_requests() {
    on_each_database(async |database| {
        let upstream = Upstream::start(|_| Reply::chat_with_usage("Hi", 12, 3)).await;
        let world = World::start(database, &[upstream.base_url()], Plan::default()).await;
        assert_eq!(world.chat(&hello(5)).await.status, 200);
        let mut priced = Vec::new();
        for nusd in [0, 5, 4] {
            let version = world.price(nusd, None).await;
            assert_eq!(world.chat(&hello(5)).await.status, 200);
            priced.push((version.entry.id.to_string(), 15 * nusd));
        }
        assert_eq!(world.charged().await[1..], priced);
        world.at_rest().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_is_switched_off_is_not_there() {
    on_each_database(async |database| {
        let upstream = Upstream::start(|_| Reply::chat_with_usage("Hi", 12, 3)).await;
        let world = World::start(database, &[upstream.base_url()], Plan::default()).await;
        for is_disabled in [true, false] {
            let now = (clock())();
            let switch = move |tx: &mut store::Tx<'_>| {
                store::models::set_disabled(tx, MODEL, is_disabled, now)
            };
            assert!(world.store.write(switch).await.expect("switched"));
            let answer = world.chat(&hello(5)).await;
            assert_eq!(world.is_listed(MODEL).await, !is_disabled);
            let named = world.gateway.models();
            assert_eq!(named.iter().any(|it| **it == *MODEL), !is_disabled);
            match is_disabled {
                false => assert_eq!(answer.status, 200),
                true => {
                    assert_eq!(answer.status, 404);
                    assert_eq!(answer.json()["error"]["code"], "model_not_found");
                    assert_eq!(answer.json()["error"]["param"], Value::Null);
                }
            }
        }
        world.at_rest().await;
    })
    .await;
}
