//! One server at a time on SQLite, several nodes on PostgreSQL; commands and readers beside them.

use domain::lease::Answer;
use domain::money::Nusd;
use store::changes::{self, ChangeKind};
use store::{LedgerError, LedgerState, OpenError, Role, Store};
use testkit::postgres::disconnect;
use testkit::{eventually, on_each_database};

use crate::fixture::{
    Customer, Outside, assert_verified, execute, lease, lease_everything, number, open, serve,
};

#[tokio::test]
async fn a_second_server_is_refused_and_told_by_whom() {
    let database = testkit::databases::sqlite();
    let store = serve(&database).await;
    let customer = Customer::new(&store, 100).await;
    let refused = open(&database.url, Role::Server)
        .await
        .err()
        .expect("refused");
    assert!(matches!(refused, OpenError::InUse(_)), "{refused}");
    let who = format!("process {}", std::process::id());
    assert!(refused.to_string().contains(&who), "{refused}");
    // The first one noticed nothing.
    let hold = customer.hold(10);
    store.ledger().hold(hold).durable().await.expect("durable");
    store.close().await;
    // Closed, it keeps nobody out, even before it is dropped.
    let next = serve(&database).await;
    assert_eq!(number(&next, "SELECT epoch FROM nodes").await, 2);
    next.close().await;
}

#[tokio::test]
async fn servers_of_one_postgres_are_nodes_and_share_a_wallet() {
    let database = testkit::databases::postgres().await;
    let first = serve(&database).await;
    let customer = Customer::new(&first, 100).await;
    let second = serve(&database).await;
    let node = |store: &Store| store.fleet().expect("a node").node().to_string();
    assert_eq!(
        (node(&first).as_str(), node(&second).as_str()),
        ("main", "node-2")
    );
    let hold = |store: &Store, amount| store.ledger().hold(customer.hold(amount)).durable();
    hold(&first, 60).await.expect("it has leased everything");
    // The second one has nothing, and can have no more than the first gives back.
    customer.grant(&second, 50).await.expect("a grant");
    let got = lease(&second, customer.organization.clone(), Nusd::new(49)).await;
    assert!(matches!(got, Some(Answer::Granted(_))), "{got:?}");
    hold(&second, 50).await.expect("this much is new");
    assert_eq!(hold(&second, 1).await, Err(LedgerError));
    assert_verified(&first).await;
    second.close().await;
    assert_verified(&first).await;
    hold(&first, 40).await.expect("its lease lives on");
    first.close().await;
    let next = serve(&database).await;
    assert_eq!(node(&next), "main", "the place is free");
    assert_eq!(
        customer.money(&next).await,
        (150, 150),
        "whatever was held is undone"
    );
    assert_verified(&next).await;
    next.close().await;
}

#[tokio::test]
async fn a_dropped_store_finishes_before_it_lets_the_next_one_in() {
    on_each_database(async |database| {
        let store = serve(&database).await;
        let customer = Customer::new(&store, 1_000_000).await;
        let holds: Vec<_> = (0..500).map(|_| customer.hold(1)).collect();
        let tickets: Vec<_> = holds
            .iter()
            .map(|hold| store.ledger().hold(hold.clone()))
            .collect();
        drop(store);
        let next = serve(&database).await;
        let orphans = number(&next, "SELECT COUNT(*) FROM holds").await;
        assert_eq!(
            orphans, 0,
            "a late commit of the first would have brought holds back"
        );
        for ticket in tickets {
            ticket.durable().await.expect("queued before the end");
        }
        assert_eq!(customer.money(&next).await, (1_000_000, 1_000_000));
        assert_verified(&next).await;
        next.close().await;
    })
    .await;
}

#[tokio::test]
async fn a_command_beside_a_server_gives_credit_and_the_server_hears() {
    on_each_database(async |database| {
        let store = serve(&database).await;
        let customer = Customer::new(&store, 100).await;
        let heard = store.read(changes::latest).await.expect("it is read");
        let command = open(&database.url, Role::Command).await.expect("it opens");
        customer.grant(&command, 50).await.expect("a grant");
        command.close().await;
        drop(command);
        let changes = store.read(move |tx| changes::after(tx, heard, 10)).await;
        let changes = changes.expect("they are read");
        assert_eq!(changes.len(), 1);
        assert_eq!(changes[0].kind, ChangeKind::Wallet);
        assert_eq!(changes[0].reference, customer.organization.as_str());
        assert_eq!(customer.wallet(&store).await.balance(), Nusd::new(150));
        lease_everything(&store).await;
        let hold = customer.hold(150);
        store
            .ledger()
            .hold(hold)
            .durable()
            .await
            .expect("the new credit can be held");
        let reader = open(&database.url, Role::Reader).await.expect("it opens");
        assert_verified(&reader).await;
        reader.close().await;
        store.close().await;
    })
    .await;
}

#[tokio::test]
async fn a_replaced_server_cannot_write_any_more() {
    let database = testkit::databases::postgres().await;
    let store = serve(&database).await;
    let customer = Customer::new(&store, 100).await;
    store
        .ledger()
        .hold(customer.hold(10))
        .durable()
        .await
        .expect("durable");
    // As if another one had started: the connection is alive, the epoch is not.
    execute(&store, "UPDATE nodes SET epoch = epoch + 1")
        .await
        .expect("it runs");
    let refused = store.ledger().hold(customer.hold(20)).durable().await;
    assert_eq!(refused, Err(LedgerError));
    let LedgerState::Poisoned(reason) = store.ledger().state() else {
        panic!("{:?}", store.ledger().state());
    };
    assert!(reason.contains("gone on without it"), "{reason}");
    assert_eq!(customer.money(&store).await, (100, 90));
    assert_verified(&store).await;
    store.close().await;
}

#[tokio::test]
async fn who_lost_its_connection_to_a_successor_is_fenced() {
    let database = testkit::databases::postgres().await;
    let first = serve(&database).await;
    let customer = Customer::new(&first, 100).await;
    first
        .ledger()
        .hold(customer.hold(10))
        .durable()
        .await
        .expect("durable");
    disconnect(&database.url).await;
    // The lock went with the connection; the first one has not tried to commit since.
    let second = serve(&database).await;
    assert_eq!(
        customer.money(&second).await,
        (100, 100),
        "the orphan was released"
    );
    let refused = first.ledger().hold(customer.hold(20)).durable().await;
    assert_eq!(refused, Err(LedgerError));
    assert!(matches!(first.ledger().state(), LedgerState::Poisoned(_)));
    second
        .ledger()
        .hold(customer.hold(30))
        .durable()
        .await
        .expect("durable");
    assert_eq!(customer.money(&second).await, (100, 70));
    assert_verified(&second).await;
    first.close().await;
    second.close().await;
}

#[tokio::test]
async fn a_server_that_lost_its_connection_takes_its_lock_again() {
    let database = testkit::databases::postgres().await;
    let store = serve(&database).await;
    let customer = Customer::new(&store, 100).await;
    disconnect(&database.url).await;
    store
        .ledger()
        .hold(customer.hold(10))
        .durable()
        .await
        .expect("durable after reconnecting");
    let second = serve(&database).await;
    let node = second.fleet().expect("a node").node();
    assert_eq!(node.to_string(), "node-2", "the first place is taken");
    eventually("the ledger is well", async || {
        store.ledger().state() == LedgerState::Healthy
    })
    .await;
    second.close().await;
    store.close().await;
}

#[tokio::test]
async fn what_cannot_be_opened_says_why() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("text.db");
    std::fs::write(
        &file,
        "this is no database, but long enough to be read as one".repeat(9),
    )
    .expect("it is written");
    let cases = [
        (
            format!("sqlite://{}/none/farebox.db", folder.path().display()),
            "does its folder exist",
        ),
        (
            format!("sqlite://{}", file.display()),
            "is not a Farebox database",
        ),
        ("postgres://u:hidden@127.0.0.1:1/d".to_owned(), "refused"),
    ];
    for (url, why) in cases {
        for role in [Role::Server, Role::Command] {
            let refused = open(&url, role).await.err().expect("refused").to_string();
            assert!(refused.contains(why), "{url}: {refused}");
            assert!(!refused.contains("hidden"), "{refused}");
        }
    }
}

#[tokio::test]
async fn a_writer_elsewhere_only_delays_a_commit() {
    on_each_database(async |database| {
        let store = serve(&database).await;
        let customer = Customer::new(&store, 100).await;
        let outside = Outside::at(&database.url).await;
        outside.hold_up().await;
        let stuck = tokio::spawn(store.ledger().hold(customer.hold(1)).durable());
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        assert!(!stuck.is_finished());
        outside.let_go().await;
        stuck.await.expect("no panic").expect("durable");
        store.close().await;
    })
    .await;
}
