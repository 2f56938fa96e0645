//! Each transfer of a wallet says where it left the wallet, in the order of commits.

use domain::usage::Usage;
use store::Store;
use testkit::on_each_database;

use crate::fixture::{Customer, assert_verified, rows, serve, settlement};

/// Code, amount, and what the wallet then had, in the order in which it came about.
async fn told(store: &Store, customer: &Customer) -> Vec<(String, i64, i64)> {
    let of = &customer.organization;
    let sql = format!(
        "SELECT code, amount_nusd, wallet_credits_nusd - wallet_debits_nusd FROM transfers
         WHERE organization_id = '{of}' AND wallet_debits_nusd IS NOT NULL
         ORDER BY wallet_debits_nusd + wallet_credits_nusd"
    );
    let row = |row: &store::Row| {
        let number = |index| row.int(index).expect("a number");
        (row.text(0).expect("text").to_owned(), number(1), number(2))
    };
    rows(store, &sql).await.iter().map(row).collect()
}

#[tokio::test]
async fn a_wallets_transfers_tell_its_balance_one_after_the_other() {
    on_each_database(async |database| {
        let store = serve(&database).await;
        let (one, other) = (
            Customer::new(&store, 1_000).await,
            Customer::new(&store, 500).await,
        );
        let ledger = store.ledger();
        // Several of both in one commit, and one that uses more than its hold.
        let outside = crate::fixture::Outside::at(&database.url).await;
        outside.hold_up().await;
        let mut tickets = Vec::new();
        for (customer, output_tokens) in [(&one, 1), (&other, 2), (&one, 3), (&one, 200)] {
            let hold = customer.hold(100);
            let _ = ledger.hold(hold.clone());
            let used = Usage::text(0, output_tokens);
            tickets.push(ledger.settle(settlement(&hold, used)));
        }
        outside.let_go().await;
        for ticket in tickets {
            ticket.durable().await.expect("durable");
        }
        one.grant(&store, 70).await.expect("a grant");
        let word = |(code, amount, balance): (&str, i64, i64)| (code.to_owned(), amount, balance);
        let wanted = [
            ("grant", 1_000, 1_000),
            ("usage", 5, 995),
            ("usage", 9, 986),
            ("usage", 100, 886),
            ("grant", 70, 956),
        ];
        assert_eq!(told(&store, &one).await, wanted.map(word));
        let wanted = [("grant", 500, 500), ("usage", 7, 493)];
        assert_eq!(told(&store, &other).await, wanted.map(word));
        assert_verified(&store).await;
        store.close().await;
    })
    .await;
}
