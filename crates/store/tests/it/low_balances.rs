//! Low balances are looked for where something moved, and nowhere else.

use domain::money::Nusd;
use domain::time::MINUTE_US;
use domain::usage::Usage;
use store::alerts::low_balances::{self, Looked};
use store::grants::{self, Grant};
use store::{Store, StoreError};
use testkit::on_each_database;

use crate::credit_world::{NOW, cents};
use crate::fixture::{Customer, entropy, execute, lease, rows, serve, settlement};

async fn look(store: &Store, minute: i64) -> Looked {
    let now = NOW.plus(minute * MINUTE_US);
    let look = store.write(move |tx| low_balances::look_in_turn(tx, now, entropy));
    let looked: Result<_, StoreError> = look.await;
    looked.expect("it is looked")
}

fn looked(wallets: usize, alerts: usize) -> Looked {
    Looked { wallets, alerts }
}

/// Wallets that stand still, each of which would be told of if it were looked at.
async fn bystanders(store: &Store, wallets: usize) {
    let sql = format!(
        "INSERT INTO accounts (id, overdraft, debits_nusd, credits_nusd, held_nusd)
         WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers
                                        WHERE n < {wallets})
         SELECT 'wallet:org-' || n, 0, 5000000000, 5000000000, 0 FROM numbers"
    );
    execute(store, &sql).await.expect("it is written");
}

/// Five dollars. (What a till does beside, leasing whatever there is, takes long among many.)
async fn pay_in(store: &Store, customer: &Customer) {
    let grant = Grant {
        id: "grant_1".into(),
        organization: customer.organization.clone(),
        amount: cents(500),
        expires_at: None,
        reason: "a test".into(),
        actor: "operator".into(),
    };
    let given = store.write(move |tx| grants::give(tx, &grant, NOW)).await;
    assert!(given.expect("it is given"));
}

/// Spends as requests do.
async fn spend(store: &Store, customer: &Customer, amount: Nusd) {
    lease(store, customer.organization.clone(), amount).await;
    let hold = customer.hold(amount.get());
    let held = store.ledger().hold(hold.clone());
    held.durable().await.expect("it is free");
    // Three for the request, and one for each token.
    let tokens = u64::try_from(amount.get() - 3).expect("above zero");
    let settled = store
        .ledger()
        .settle(settlement(&hold, Usage::text(tokens, 0)));
    settled.durable().await.expect("it is durable");
}

#[tokio::test]
async fn a_look_reads_the_wallets_that_moved_and_no_others() {
    on_each_database(async |database| {
        let store = serve(&database).await;
        bystanders(&store, testkit::times("FAREBOX_WALLETS", 200)).await;
        let (mover, idler) = (
            Customer::new(&store, 0).await,
            Customer::new(&store, 0).await,
        );
        for customer in [&mover, &idler] {
            customer.found(&store).await;
        }
        assert_eq!(look(&store, 0).await, looked(0, 0), "nothing moved yet");
        for customer in [&mover, &idler] {
            pay_in(&store, customer).await;
        }
        assert_eq!(look(&store, 1).await, looked(2, 0), "paid in, both");
        assert_eq!(look(&store, 2).await, looked(0, 0));

        // What is only held moved nothing.
        lease(&store, mover.organization.clone(), cents(1)).await;
        let held = mover.hold(cents(1).get());
        let durable = store.ledger().hold(held.clone());
        durable.durable().await.expect("it is free");
        assert_eq!(look(&store, 3).await, looked(0, 0));
        spend(&store, &mover, cents(450)).await;
        assert_eq!(look(&store, 4).await, looked(1, 1), "spent by requests");
        spend(&store, &mover, cents(1)).await;
        assert_eq!(look(&store, 5).await, looked(1, 0), "it is known");

        // Whoever wants to know of another balance is looked at anew.
        let of = idler.organization.clone();
        let decide = store.write(move |tx| low_balances::set_threshold(tx, &of, cents(501)));
        let decided: Result<(), StoreError> = decide.await;
        decided.expect("it is written");
        assert_eq!(look(&store, 6).await, looked(1, 0), "it never had as much");
        let of = idler.organization.clone();
        let decide = store.write(move |tx| low_balances::set_threshold(tx, &of, cents(500)));
        let decided: Result<(), StoreError> = decide.await;
        decided.expect("it is written");
        spend(&store, &idler, cents(1)).await;
        assert_eq!(look(&store, 7).await, looked(1, 1));
        store.close().await;
    })
    .await;
}

#[tokio::test]
async fn a_look_finds_what_moved_by_an_index() {
    on_each_database(async |database| {
        let store = serve(&database).await;
        bystanders(&store, 2_000).await;
        let explain = match database.name {
            "sqlite" => "EXPLAIN QUERY PLAN",
            _ => {
                execute(&store, "ANALYZE").await.expect("it runs");
                "EXPLAIN"
            }
        };
        let moved = "SELECT id FROM accounts WHERE has_moved = 1 AND overdraft = 0
                     ORDER BY id LIMIT 10";
        let plan = format!("{:?}", rows(&store, &format!("{explain} {moved}")).await);
        assert!(plan.contains("accounts_moved"), "{plan}");
        store.close().await;
    })
    .await;
}
