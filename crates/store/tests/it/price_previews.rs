//! What a price would have changed is what it would have been, request by request, worked out here
//! another way; and the price that was in force changes nothing.

use std::sync::Arc;

use domain::hold::Hold;
use domain::id::RequestId;
use domain::money::Nusd;
use domain::price::UnitPrices;
use domain::time::{AtUs, DAY_US, HOUR_US};
use domain::usage::{Reported, Usage, UsageClass};
use store::Store;
use store::price_previews::{self, Affected, Question};
use testkit::on_each_database;

use crate::fixture::{Customer, entropy, execute, serve, settlement, stated};

const START: AtUs = AtUs(1_800_000_000 * 1_000_000);

/// Prices at which nearly every request is rounded up.
fn odd() -> UnitPrices {
    UnitPrices::by_class([333_333, 111_111, 1, 777_777, 2_500_001, 5, 6, 7, 500_000].map(Nusd::new))
}

fn usage(step: u64) -> Usage {
    Usage::from_reported(&Reported {
        input_tokens: 100 + 7 * step,
        cached_input_tokens: 3 * step,
        cache_write_tokens: step,
        output_tokens: 20 + step,
        reasoning_tokens: step / 2,
        ..Reported::default()
    })
}

/// Settles a request that was admitted at an instant, and answers what it was charged.
async fn spend(store: &Store, customer: &Customer, at: AtUs, held: i64, usage: Usage) -> i64 {
    let hold = Arc::new(Hold {
        id: RequestId::random(at, entropy),
        admitted_at: at,
        ..Hold::clone(&customer.hold(held))
    });
    let _ = store.ledger().hold(hold.clone());
    let settlement = settlement(&hold, usage);
    let cost = settlement.charge.cost.total.get();
    let ticket = store.ledger().settle(settlement);
    ticket.durable().await.expect("durable");
    cost
}

async fn organization(store: &Store, name: &str) -> Customer {
    let customer = Customer::new(store, 10_000_000).await;
    let id = &customer.organization;
    let sql =
        format!("INSERT INTO organizations (id, name, created_at_us) VALUES ('{id}', '{name}', 1)");
    execute(store, &sql).await.expect("it is made");
    customer
}

async fn previewed(store: &Store, price: UnitPrices, most_records: i64) -> Vec<Affected> {
    let question = Question {
        model: "m".into(),
        from: START.floor(DAY_US),
        to: START.floor(DAY_US).plus(2 * DAY_US),
        price,
        cost: stated().cost,
        most_records,
    };
    let read = store.read(move |tx| price_previews::preview(tx, &question));
    let mut found = read
        .await
        .map_err(|error: store::StoreError| error)
        .expect("it is read");
    found.sort_by(|one, other| one.name.cmp(&other.name));
    found
}

#[tokio::test]
async fn a_preview_is_what_it_would_have_been() {
    on_each_database(async |database| {
        let store = serve(&database).await;
        let (small, large) = (
            organization(&store, "small").await,
            organization(&store, "large").await,
        );
        organization(&store, "without any usage").await;
        let mut expected = [[0_i64; 2]; 2];
        for step in 0..12 {
            let (which, customer) = match step % 3 {
                0 => (0, &small),
                _ => (1, &large),
            };
            let at = START.plus(i64::try_from(step).expect("few") * 3 * HOUR_US);
            let billed = spend(&store, customer, at, 100_000, usage(step)).await;
            expected[which][0] += billed;
            expected[which][1] += odd().cost(&usage(step)).total.get();
        }
        // Outside of the days.
        for at in [START.plus(-DAY_US), START.plus(2 * DAY_US)] {
            spend(&store, &small, at, 100_000, usage(1)).await;
        }

        let same = previewed(&store, stated().price, 1_000).await;
        let names: Vec<&str> = same.iter().map(|it| it.name.as_str()).collect();
        assert_eq!(names, ["large", "small"]);
        for it in &same {
            assert_eq!(
                it.difference(),
                Nusd::ZERO,
                "the price in force changes nothing"
            );
            assert_eq!(it.upstream_cost, it.proposed_upstream_cost);
            assert!(it.is_exact);
        }
        let other = previewed(&store, odd(), 1_000).await;
        for (found, [billed, proposed]) in other.iter().zip([expected[1], expected[0]]) {
            assert_eq!(
                (found.billed.get(), found.proposed.get()),
                (billed, proposed)
            );
            assert_eq!(
                found.requests,
                i64::try_from(found.usage[UsageClass::Request]).expect("few")
            );
        }
        assert_eq!((other[0].requests, other[1].requests), (8, 4));

        // Only the small one's requests may be looked at: the other's days are.
        let coarse = previewed(&store, odd(), 7).await;
        assert_eq!((coarse[0].is_exact, coarse[1].is_exact), (false, true));
        assert_eq!(coarse[1], other[1]);
        let (by_days, by_requests) = (coarse[0].proposed.get(), other[0].proposed.get());
        assert!(by_days <= by_requests && by_requests - by_days < 8);
        assert_eq!(coarse[0].usage, other[0].usage);
        store.close().await;
    })
    .await;
}

#[tokio::test]
async fn a_request_beyond_its_hold_changes_by_the_share_that_was_paid() {
    on_each_database(async |database| {
        let store = serve(&database).await;
        let customer = organization(&store, "over").await;
        // It costs 1,000 + 2 * 500 + 3, of which half is held.
        let used = Usage::text(1_000, 500);
        assert_eq!(spend(&store, &customer, START, 1_001, used).await, 1_001);
        let same = previewed(&store, stated().price, 1_000).await;
        assert_eq!(same[0].difference(), Nusd::ZERO);
        let double = stated().price.marked_up(1_000_000);
        let found = previewed(&store, double, 1_000).await;
        assert_eq!(found[0].proposed, Nusd::new(2_002));
        store.close().await;
    })
    .await;
}
