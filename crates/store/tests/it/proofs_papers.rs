//! Every way to break what is claimed of papers, one row at a time.

use domain::document::Line;
use domain::money::Nusd;
use store::receipts::{self, Refunded, Sale};
use store::{Store, StoreError};

use crate::credit_world::{NOW, Till, cents};
use crate::fixture::{Customer, execute};
use crate::proofs::{Corruption, says};

/// Somebody who paid twice, 500 cents and 95 of tax, and got all of the second back: receipts
/// 2027-000001 and 2027-000002, and credit note CN-2027-000001.
pub(crate) async fn pay(store: &Store) {
    let payer = Customer::new(store, 0).await;
    payer.found(store).await;
    let till = Till::of(store, &payer);
    for payment in ["pay_a", "pay_b"] {
        let purchase = format!("payment:{payment}");
        assert!(till.buy(&purchase, cents(500), cents(95)).await);
        keep(
            store,
            &payer,
            (payment, "checkout"),
            (cents(500), cents(95)),
        )
        .await;
        issue(store, &payer, purchase).await;
    }
    // To save a card is no purchase, and has no receipt.
    keep(store, &payer, ("pay_c", "setup"), (cents(0), cents(0))).await;
    payer.return_leases(store).await;
    let refunded = till
        .refund("refund:re_b", "payment:pay_b", cents(500))
        .await;
    refunded.expect("it is there");
    let credit = |tx: &mut store::Tx<'_>| {
        let refunded = Refunded {
            refund: "refund:re_b",
            purchase: "payment:pay_b",
            amount: cents(500),
            tax: cents(95),
            reason: "They asked",
        };
        receipts::credit(tx, &refunded, NOW)
    };
    store.write(credit).await.expect("it is issued");
}

/// Keeps a payment that succeeded: its id and kind, its amount and tax.
async fn keep(store: &Store, payer: &Customer, it: (&str, &str), paid: (Nusd, Nusd)) {
    let (organization, (id, kind), (amount, tax)) = (&payer.organization, it, paid);
    let sql = format!(
        "INSERT INTO payments (id, organization_id, kind, state, amount_nusd, tax_nusd,
             tax_percent, currency, provider, saves_method, created_at_us, looked_at_us,
             ended_at_us)
         VALUES ('{id}', '{organization}', '{kind}', 'succeeded', {}, {}, '19', 'usd', 'test', 0,
             1, 1, 1)",
        amount.get(),
        tax.get()
    );
    execute(store, &sql).await.expect("it is written");
}

async fn issue(store: &Store, payer: &Customer, purchase: String) {
    let organization = payer.organization.clone();
    let issue = move |tx: &mut store::Tx<'_>| -> Result<_, StoreError> {
        let sale = Sale {
            purchase: &purchase,
            organization: &organization,
            lines: vec![Line {
                description: "Prepaid credit".into(),
                amount: cents(500),
            }],
            tax: cents(95),
            tax_percent: "19",
            paid_with: None,
        };
        receipts::issue(tx, &sale, NOW)
    };
    store.write(issue).await.expect("it is issued");
}

fn on(change: &str, number: &str) -> String {
    format!("UPDATE receipts SET {change} WHERE number = '{number}'")
}

fn counts(place: &str, is: i64, should: i64) -> String {
    says(place, is, should).replace("nUSD", "in its series")
}

pub(crate) fn of_numbers() -> Vec<Corruption> {
    let (first, second, note) = ("2027-000001", "2027-000002", "CN-2027-000001");
    vec![
        (
            on("seq = 3, number = '2027-000003'", second),
            &["numbered"],
            counts("2027-000003", 3, 2),
        ),
        (
            format!("DELETE FROM receipts WHERE number = '{first}'"),
            &["numbered", "receipted"],
            counts(second, 2, 1),
        ),
        (
            format!("DELETE FROM receipts WHERE number = '{second}'"),
            &["numbered", "receipted"],
            counts("receipt 2027", 2, 1),
        ),
        (
            on("year = 2026", note),
            &["numbered"],
            counts("credit_note 2026", 0, 1),
        ),
        (
            "DELETE FROM receipt_series WHERE kind = 'receipt'".into(),
            &["numbered"],
            counts("receipt 2027", 0, 2),
        ),
        // Two of one place, under two numbers; and two of one number, which says where it belongs.
        (on("seq = 1", second), &["numbered"], counts(second, 1, 2)),
        (
            on(&format!("number = '{first}'"), second),
            &["numbered"],
            counts("2027-000001 papers", 2, 1),
        ),
        (
            on("number = 'A-2027-000009'", second),
            &["numbered"],
            counts("A-2027-000009 by its name", 0, 2),
        ),
        (
            on("number = '2027-000001'", note),
            &["numbered"],
            counts("2027-000001 by its name", 0, 1),
        ),
    ]
}

pub(crate) fn of_receipts() -> Vec<Corruption> {
    let (first, place) = ("2027-000001", "payment:pay_a");
    let told = |is: i64, should: i64| says(place, is, should);
    vec![
        (
            on("tax_nusd = tax_nusd + 1", first),
            &["receipted"],
            told(5_950_000_001, 5_950_000_000),
        ),
        (
            on(
                "tax_nusd = tax_nusd + 1, amount_nusd = amount_nusd - 1",
                first,
            ),
            &["receipted"],
            told(5_950_000_000, 5_950_000_000),
        ),
        (
            on("cause_id = 'payment:pay_ghost'", first),
            &["receipted"],
            says("payment:pay_ghost", 5_950_000_000, 0),
        ),
        (
            on("kind = 'credit_note', seq = 2, number = 'CN-2027-000002'", first),
            &["receipted", "numbered"],
            told(0, 5_950_000_000),
        ),
        // Another one, which is well numbered.
        (
            format!(
                "INSERT INTO receipts SELECT organization_id, '2028-000001', kind, 2028, 1, cause_id,
                     purchase_id, of_receipt, issued_at_us, amount_nusd, tax_nusd, content
                 FROM receipts WHERE number = '{first}'"
            ),
            &["receipted", "numbered"],
            told(11_900_000_000, 5_950_000_000),
        ),
        (
            "UPDATE payments SET state = 'failed' WHERE id = 'pay_a'".into(),
            &["receipted", "paid"],
            told(5_950_000_000, 0),
        ),
    ]
}
