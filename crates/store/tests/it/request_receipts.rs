//! The receipt of a request is put together from what its settlement left.

use domain::id::OrganizationId;
use domain::markup::Markup;
use domain::usage::{Reported, Usage};
use serde_json::{Value, json};
use store::Store;
use store::request_receipts::{self, Found};
use testkit::on_each_database;

use crate::fixture::{Customer, rows, serve, settlement};

async fn found(store: &Store, of: &OrganizationId, request: domain::id::RequestId) -> Found {
    let of = of.clone();
    let read = store.read(move |tx| request_receipts::find(tx, &of, request));
    read.await.expect("it is read")
}

fn used() -> Usage {
    Usage::from_reported(&Reported {
        input_tokens: 10,
        cached_input_tokens: 4,
        output_tokens: 20,
        reasoning_tokens: 5,
        ..Reported::default()
    })
}

/// Unit prices of 1, 2 and 3 nano-dollars, a third less: 666,700 and so on for a million.
fn classes() -> Value {
    json!([
        {"class": "input", "units": 6, "unit_price_usd": "0.0006667",
         "amount_usd": "0.0000000040002"},
        {"class": "cached_input", "units": 4, "unit_price_usd": "0.0006667",
         "amount_usd": "0.0000000026668"},
        {"class": "output", "units": 15, "unit_price_usd": "0.0013334",
         "amount_usd": "0.000000020001"},
        {"class": "reasoning", "units": 5, "unit_price_usd": "0.0013334",
         "amount_usd": "0.000000006667"},
        {"class": "request", "units": 1, "unit_price_usd": "0.0020001",
         "amount_usd": "0.0000000020001"},
    ])
}

#[tokio::test]
async fn a_receipt_says_what_a_request_cost_and_why() {
    on_each_database(async |database| {
        let store = serve(&database).await;
        let customer = Customer::new(&store, 1_000).await;
        let of = &customer.organization;
        let markup = Markup::new(-3_333).expect("within bounds");
        let hold = customer.marked_up(30, markup);
        let ledger = store.ledger();
        ledger.hold(hold.clone()).durable().await.expect("durable");
        let key = "key_a".to_owned();
        assert_eq!(found(&store, of, hold.id).await, Found::Running { key });

        let ticket = ledger.settle(settlement(&hold, used()));
        ticket.durable().await.expect("durable");
        let others = OrganizationId::new("org-other");
        assert_eq!(found(&store, &others, hold.id).await, Found::Nothing);
        let unknown = customer.hold(1).id;
        assert_eq!(found(&store, of, unknown).await, Found::Nothing);

        let Found::Receipt(receipt) = found(&store, of, hold.id).await else {
            panic!("it was settled");
        };
        let hashes = rows(
            &store,
            "SELECT hash, previous_hash FROM batches WHERE chain = 'node:main' AND seq = 1",
        )
        .await;
        let wanted = json!({
            "id": hold.id.to_string(),
            "object": "request.receipt",
            "organization_id": of.as_str(),
            "project_id": "proj_a",
            "api_key_id": "key_a",
            "model": "m",
            "endpoint": "chat",
            "upstream": "up",
            "admitted_at": hold.admitted_at.seconds(),
            "ended_at": receipt.ended_at.seconds(),
            "duration_ms": (receipt.ended_at.0 - hold.admitted_at.0) / 1_000,
            "price": {
                "id": customer.price.id.as_str(),
                "effective_at": customer.price.effective_at.seconds(),
                "markup_basis_points": -3_333,
            },
            "classes": classes(),
            "subtotal_usd": "0.0000000353351",
            "rounding_usd": "0.0000000006649",
            "overrun_usd": "0.000000006",
            "cost_usd": "0.00000003",
            "held_usd": "0.00000003",
            "balance_after_usd": "0.00000097",
            "flags": [],
            "integrity": {
                "chain": "node:main",
                "batch": 1,
                "hash": hashes[0].text(0).expect("text"),
                "previous_hash": hashes[0].text(1).expect("text"),
            },
        });
        assert_eq!(receipt.to_json(), wanted);
        store.close().await;
    })
    .await;
}

#[tokio::test]
async fn the_balance_after_is_that_before_anything_else_was_booked() {
    on_each_database(async |database| {
        let store = serve(&database).await;
        let customer = Customer::new(&store, 1_000).await;
        let ledger = store.ledger();
        let (first, second) = (customer.hold(100), customer.hold(100));
        for hold in [&first, &second] {
            ledger.hold(hold.clone()).durable().await.expect("durable");
            let used = Usage::text(0, 1);
            let ticket = ledger.settle(settlement(hold, used));
            ticket.durable().await.expect("durable");
            customer.grant(&store, 7).await.expect("a grant");
        }
        for (hold, balance) in [(&first, 995), (&second, 997)] {
            let found = found(&store, &customer.organization, hold.id).await;
            let Found::Receipt(receipt) = found else {
                panic!("it was settled");
            };
            assert_eq!(receipt.balance_after.map(|it| it.get()), Some(balance));
        }
        store.close().await;
    })
    .await;
}
