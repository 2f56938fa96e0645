//! Every way to break what is claimed of credit lots, purchases and payments, one row at a time.

use store::Store;

use crate::credit_world::{Till, cents};
use crate::fixture::Customer;
use crate::proofs::{Books, Corruption, says};

/// Somebody who bought for 1000 cents and 190 of tax, got 100 back, and 50 more that did not reach
/// them; whose bank took 300 back in vain, and 119 until now; and who may spend 500 more.
pub(crate) async fn trader(store: &Store) -> Customer {
    let trader = Customer::new(store, 0).await;
    let till = Till::of(store, &trader);
    assert!(till.buy("pay_1", cents(1_000), cents(190)).await);
    till.lend("line_1", cents(500)).await.expect("a line");
    trader.return_leases(store).await;
    let refund = till.refund("refund_1", "pay_1", cents(100)).await;
    refund.expect("it is there");
    let refund = till.refund("refund_2", "pay_1", cents(50)).await;
    refund.expect("it is there");
    assert!(till.refund_failed("refund_2").await);
    for (dispute, total) in [("dp_1", 300), ("dp_2", 119)] {
        let disputed = till.dispute(dispute, "pay_1", cents(total)).await;
        disputed.expect("it is booked");
    }
    assert!(till.decide("dp_1", true).await);
    trader.return_leases(store).await;
    trader
}

/// What is told of a place of the trader's, in cents.
fn told(books: &Books, place: &str, is: i64, should: i64) -> String {
    let cent = 10_000_000;
    let place = format!("{place} of {}", books.trader.organization);
    says(&place, is * cent, should * cent)
}

pub(crate) fn of_lots(books: &Books) -> Vec<Corruption> {
    let trader = &books.trader.organization;
    let told = |place: &str, is: i64, should: i64| told(books, place, is, should);
    let on_lot =
        |change: &str, id: &str| format!("UPDATE credit_lots SET {change} WHERE id = '{id}'");
    let less = "remaining_nusd = remaining_nusd - 10000000";
    let on_watermark = |change: &str| {
        format!("UPDATE credit_watermarks SET {change} WHERE organization_id = '{trader}'")
    };
    vec![
        (on_lot(less, "pay_1"), &["lots"], told("pay_1", 799, 800)),
        (
            on_lot("amount_nusd = 9000000000", "pay_1"),
            &["lots"],
            told("pay_1", 900, 1_000),
        ),
        (
            "DELETE FROM credit_lots WHERE id = 'overdraft'".into(),
            &["lots"],
            told("overdraft", 0, 500),
        ),
        (
            format!("INSERT INTO credit_lots VALUES ('{trader}', 'g', 'grant', 5, 5, NULL, 0)"),
            &["lots"],
            says(&format!("g of {trader}"), 5, 0),
        ),
        (
            "UPDATE credit_lots SET organization_id = 'org-ghost' WHERE id = 'pay_1'".into(),
            &["accounts", "lots"],
            says("wallet:org-ghost", 8_000_000_000, 0),
        ),
        (
            on_watermark("allocated_nusd = allocated_nusd - 10000000"),
            &["lots"],
            told("pay_1", 799, 800),
        ),
        (
            on_watermark("allocated_nusd = allocated_nusd + 10000000"),
            &["lots"],
            told("spent since", -1, 0),
        ),
        (
            on_watermark("organization_id = 'org-ghost'"),
            &["lots"],
            format!("spent since of {trader}"),
        ),
    ]
}

pub(crate) fn of_payments(books: &Books) -> Vec<Corruption> {
    vec![(
        format!(
            "INSERT INTO payments (id, organization_id, kind, state, amount_nusd, tax_nusd,
                     tax_percent, currency, provider, saves_method, created_at_us, looked_at_us,
                     ended_at_us)
                 VALUES ('pay_ghost', '{}', 'checkout', 'succeeded', 50, 0, '0', 'usd', 'test', 0,
                     1, 1, 1)",
            books.customer.organization
        ),
        &["paid", "receipted"],
        says("pay_ghost", 0, 50),
    )]
}

pub(crate) fn of_purchases(books: &Books) -> Vec<Corruption> {
    let trader = &books.trader.organization;
    let told = |place: &str, is: i64, should: i64| told(books, place, is, should);
    let on = |table: &str, change: &str, id: &str| {
        format!("UPDATE {table} SET {change} WHERE id = '{id}' AND organization_id = '{trader}'")
    };
    vec![
        (
            on("transfers", "code = 'adjustment'", "refund_1"),
            &["accounts of codes", "purchases", "batches"],
            says("refund_1", 1_000_000_000, 0),
        ),
        (
            on("purchase_refunds", "amount_nusd = 990000000", "refund_1"),
            &["purchases", "given back"],
            told("refund_1", 100, 99),
        ),
        (
            on("purchase_refunds", "failed_at_us = 1", "refund_1"),
            &["purchases", "given back"],
            told("refund_1:failed", 0, 100),
        ),
        (
            on(
                "purchase_disputes",
                "taken_nusd = taken_nusd - 10000000,
                lost_nusd = lost_nusd + 10000000",
                "dp_2",
            ),
            &["purchases"],
            told("dp_2", 100, 99),
        ),
        (
            on("purchase_disputes", "state = 'lost'", "dp_1"),
            &["purchases", "given back"],
            told("dp_1:won", 253, 0),
        ),
        (
            on(
                "purchases",
                "refunded_nusd = refunded_nusd + 10000000",
                "pay_1",
            ),
            &["given back"],
            told("pay_1", 1, 0),
        ),
        (
            on(
                "purchases",
                "disputed_tax_nusd = disputed_tax_nusd + 1",
                "pay_1",
            ),
            &["given back"],
            says(&format!("pay_1 of {trader}"), 1, 0),
        ),
        (
            on("purchases", "tax_nusd = tax_nusd + 10000000", "pay_1"),
            &["purchases"],
            told("pay_1:tax", 190, 191),
        ),
    ]
}
