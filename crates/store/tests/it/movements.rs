//! What moved on a wallet: every line, and together what the wallet has.

use domain::ledger::TransferCode;
use domain::money::Nusd;
use domain::time::{AtUs, DAY_US};
use domain::usage::Usage;
use store::Store;
use store::adjustments::{self, Adjustment};
use store::movements::{self, Filter, Movement};
use store::page::Page;
use testkit::on_each_database;

use crate::fixture::{BEGIN, Customer, clock, serve, settlement};

async fn list(store: &Store, customer: &Customer, filter: Filter, page: Page) -> Vec<Movement> {
    let of = customer.organization.clone();
    let read = store.read(move |tx| movements::list(tx, &of, &filter, &page));
    read.await.expect("they are read")
}

fn page(is_descending: bool, after: Option<(AtUs, String)>, limit: i64) -> Page {
    Page {
        after,
        is_descending,
        limit,
    }
}

/// A grant of 1000, two requests for 5 each, 20 taken back and 7 given.
async fn busy(store: &Store) -> Customer {
    let customer = Customer::new(store, 1_000).await;
    let ledger = store.ledger();
    for _ in 0..2 {
        let hold = customer.hold(100);
        ledger.hold(hold.clone()).durable().await.expect("durable");
        let ticket = ledger.settle(settlement(&hold, Usage::text(0, 1)));
        ticket.durable().await.expect("durable");
    }
    customer.return_leases(store).await;
    let adjustment = Adjustment {
        id: "slip".into(),
        organization: customer.organization.clone(),
        amount: Nusd::new(20),
        reason: "a slip".into(),
        actor: "operator".into(),
    };
    let now = clock()();
    let write = store.write(move |tx| adjustments::take(tx, &adjustment, now));
    assert!(write.await.expect("it is free"));
    customer.grant(store, 7).await.expect("a grant");
    customer
}

#[tokio::test]
async fn every_line_is_shown_and_all_together_are_the_balance() {
    on_each_database(async |database| {
        let store = serve(&database).await;
        let customer = busy(&store).await;
        // Another organization's lines are its own.
        Customer::new(&store, 5_000).await;
        let all = list(&store, &customer, Filter::default(), page(false, None, 50)).await;
        let shown = |it: &Movement| (it.kind.clone(), it.amount.get(), it.requests);
        let mut lines: Vec<_> = all.iter().map(shown).collect();
        lines.sort();
        let wanted = [
            ("adjustment", -20, None),
            ("grant", 7, None),
            ("grant", 1_000, None),
            ("usage", -10, Some(2)),
        ];
        let wanted = wanted.map(|(kind, amount, requests)| (kind.to_owned(), amount, requests));
        assert_eq!(lines, wanted);
        let sum: i64 = all.iter().map(|it| it.amount.get()).sum();
        assert_eq!(sum, customer.wallet(&store).await.balance().get());
        let last = all.iter().find(|it| it.amount.get() == 7).expect("a grant");
        assert_eq!(last.balance_after.map(|it| it.get()), Some(977));
        let slip = all.iter().find(|it| it.id == "slip").expect("a line");
        assert_eq!((&*slip.reason, &*slip.actor), ("a slip", "operator"));
        store.close().await;
    })
    .await;
}

#[tokio::test]
async fn a_list_is_walked_in_pages_either_way() {
    on_each_database(async |database| {
        let store = serve(&database).await;
        let customer = busy(&store).await;
        for is_descending in [false, true] {
            let whole = page(is_descending, None, 50);
            let whole = list(&store, &customer, Filter::default(), whole).await;
            for size in 1..4 {
                let (mut walked, mut after) = (Vec::new(), None);
                loop {
                    let part = page(is_descending, after.clone(), size);
                    let part = list(&store, &customer, Filter::default(), part).await;
                    let Some(last) = part.last() else { break };
                    after = Some(last.place());
                    walked.extend(part);
                }
                assert_eq!(walked, whole, "{size}");
            }
            // An id names its place.
            for line in &whole {
                let (of, id) = (customer.organization.clone(), line.id.clone());
                let found = store.read(move |tx| movements::place(tx, &of, &id)).await;
                assert_eq!(found.expect("it is read"), Some(line.place()));
            }
        }
        store.close().await;
    })
    .await;
}

#[tokio::test]
async fn lines_are_chosen_by_kind_and_time() {
    on_each_database(async |database| {
        let store = serve(&database).await;
        let customer = busy(&store).await;
        let of = async |filter: Filter| {
            let lines = list(&store, &customer, filter, page(false, None, 50)).await;
            let mut kinds: Vec<String> = lines.into_iter().map(|it| it.kind).collect();
            kinds.sort();
            kinds.join(" ")
        };
        let kinds = |kinds: &[TransferCode]| Filter {
            kinds: kinds.to_vec(),
            ..Filter::default()
        };
        assert_eq!(of(kinds(&[TransferCode::Usage])).await, "usage");
        assert_eq!(of(kinds(&[TransferCode::Grant])).await, "grant grant");
        let two = kinds(&[TransferCode::Usage, TransferCode::Adjustment]);
        assert_eq!(of(two).await, "adjustment usage");
        assert_eq!(of(kinds(&[TransferCode::Purchase])).await, "");
        let day = BEGIN.floor(DAY_US);
        let spans = [
            (Some(day), Some(day.plus(1)), "usage"),
            (Some(day.plus(1)), None, "adjustment grant grant"),
            (None, Some(day), ""),
        ];
        for (from, to, wanted) in spans {
            let filter = Filter {
                from,
                to,
                ..Filter::default()
            };
            assert_eq!(of(filter).await, wanted);
        }
        store.close().await;
    })
    .await;
}
