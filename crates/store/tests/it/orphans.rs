//! Requests whose process died are resolved when the next one starts.

use domain::hold::Flags;
use store::LedgerState;
use testkit::on_each_database;

use crate::fixture::{Customer, assert_verified, number, rows, serve};

#[tokio::test]
async fn orphans_are_charged_for_what_was_seen_or_released() {
    on_each_database(async |database| {
        let store = serve(&database).await;
        let ledger = store.ledger();
        let customer = Customer::new(&store, 1_000).await;
        // Nothing delivered; only the prompt read; something delivered; more than was held for.
        let [silent, thinking, speaking, running_over] =
            [100, 110, 120, 30].map(|amount| customer.hold(amount));
        for hold in [&silent, &thinking, &speaking, &running_over] {
            ledger.hold(hold.clone()).durable().await.expect("durable");
        }
        ledger.checkpoint(thinking.id, 40, 0);
        ledger.checkpoint(speaking.id, 10, 1);
        ledger.checkpoint(speaking.id, 10, 20);
        ledger.checkpoint(running_over.id, 10, 20);
        // The process "dies": nobody closes the store, and nobody ever ends these holds.
        drop((ledger, store));

        let store = serve(&database).await;
        assert_eq!(store.ledger().state(), LedgerState::Healthy);
        // 10 + 2 * 20 + 3 = 53 for the one, all its 30 for the other.
        assert_eq!(customer.money(&store).await, (917, 917));
        assert_eq!(number(&store, "SELECT COUNT(*) FROM holds").await, 0);
        let records = rows(
            &store,
            "SELECT id, cost_nusd, overrun_nusd, fresh_input_tokens, output_tokens, flags,
                    ended_at_us - admitted_at_us FROM usage_records ORDER BY id",
        )
        .await;
        let flags = Flags {
            estimated: true,
            orphan: true,
            ..Flags::default()
        };
        let number = |row: &store::Row, index| row.int(index).expect("a number");
        let got: Vec<(String, Vec<i64>)> = records
            .iter()
            .map(|row| {
                let id = row.text(0).expect("text").to_owned();
                (id, (1..6).map(|index| number(row, index)).collect())
            })
            .collect();
        let mut want = vec![
            (
                speaking.id.to_string(),
                vec![53, 0, 10, 20, flags.to_bits()],
            ),
            (
                running_over.id.to_string(),
                vec![30, 23, 10, 20, flags.to_bits()],
            ),
        ];
        want.sort();
        assert_eq!(got, want);
        assert!(
            records.iter().all(|row| number(row, 6) > 0),
            "they end after they began"
        );
        assert_verified(&store).await;
        store.close().await;
        drop(store);

        let again = serve(&database).await;
        assert_eq!(customer.money(&again).await, (917, 917), "once");
        again.close().await;
    })
    .await;
}
