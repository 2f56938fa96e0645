//! Redeem codes give what they are worth, exactly as often as they may, however many try at once.

use std::sync::Arc;

use domain::id::OrganizationId;
use domain::money::Nusd;
use domain::redeem_code::RedeemCode;
use domain::time::{AtUs, DAY_US, SECOND_US};
use store::page::Page;
use store::redeem_codes::{self, Batch, RedeemError, Redeemed, Terms};
use store::{Store, credits};
use testkit::on_each_database;

use crate::fixture::{BEGIN, Customer, assert_verified, entropy, serve};

fn terms() -> Terms {
    Terms {
        amount: Nusd::new(70),
        max_uses: 1,
        once_per_organization: false,
        expires_at: None,
        credit_days: None,
        note: "a fair".into(),
    }
}

async fn make(store: &Store, terms: Terms, count: i64) -> (Batch, Vec<RedeemCode>) {
    let write = store.write(move |tx| redeem_codes::make(tx, terms, count, BEGIN, entropy));
    let made: Result<_, store::StoreError> = write.await;
    made.expect("codes are made")
}

async fn redeem(
    store: &Store,
    customer: &Customer,
    code: &RedeemCode,
    now: AtUs,
) -> Result<Redeemed, RedeemError> {
    let (of, code) = (customer.organization.clone(), code.clone());
    let write = store.write(move |tx| redeem_codes::redeem(tx, &of, &code, "user-a", now));
    write.await
}

async fn balance(store: &Store, organization: &OrganizationId) -> i64 {
    let of = organization.clone();
    let read = store.read(move |tx| credits::standing(tx, &of)).await;
    let standing = read.expect("it is read").expect("it exists");
    assert_eq!(standing.granted, standing.balance);
    standing.balance.get()
}

fn page(limit: i64) -> Page {
    Page {
        after: None,
        is_descending: true,
        limit,
    }
}

#[tokio::test]
async fn a_code_gives_credit_once() {
    on_each_database(async |database| {
        let store = serve(&database).await;
        let (one, other) = (
            Customer::new(&store, 0).await,
            Customer::new(&store, 0).await,
        );
        let terms = Terms {
            credit_days: Some(30),
            ..terms()
        };
        let (batch, codes) = make(&store, terms, 2).await;
        let given = redeem(&store, &one, &codes[0], BEGIN).await.expect("given");
        assert_eq!(given.expires_at, Some(BEGIN.plus(30 * DAY_US)));
        assert_eq!((given.amount.get(), &*given.note), (70, "a fair"));
        let again = redeem(&store, &one, &codes[0], BEGIN).await;
        assert!(matches!(again, Err(RedeemError::UsedHere)), "{again:?}");
        let late = redeem(&store, &other, &codes[0], BEGIN).await;
        assert!(matches!(late, Err(RedeemError::UsedUp)), "{late:?}");
        let unknown = RedeemCode::mint(entropy);
        let unknown = redeem(&store, &one, &unknown, BEGIN).await;
        assert!(matches!(unknown, Err(RedeemError::Unknown)), "{unknown:?}");
        // Another code of the batch is another code.
        redeem(&store, &one, &codes[1], BEGIN).await.expect("given");
        assert_eq!(balance(&store, &one.organization).await, 140);
        assert_eq!(balance(&store, &other.organization).await, 0);

        let id = batch.id.clone();
        let read = store
            .read(move |tx| redeem_codes::uses(tx, &id, &page(9)))
            .await;
        let uses = read.expect("uses");
        let mut hints: Vec<_> = uses.iter().map(|it| it.hint.clone()).collect();
        hints.sort();
        let mut wanted: Vec<_> = codes.iter().map(RedeemCode::hint).collect();
        wanted.sort();
        assert_eq!(hints, wanted);
        let read = store.read(|tx| redeem_codes::list(tx, &page(9))).await;
        let list = read.expect("batches");
        assert_eq!((list.len(), list[0].codes, list[0].uses), (1, 2, 2));
        assert_verified(&store).await;
        store.close().await;
    })
    .await;
}

#[tokio::test]
async fn a_batch_may_be_for_one_use_an_organization() {
    on_each_database(async |database| {
        let store = serve(&database).await;
        let (one, other) = (
            Customer::new(&store, 0).await,
            Customer::new(&store, 0).await,
        );
        let terms = Terms {
            once_per_organization: true,
            max_uses: 5,
            ..terms()
        };
        let (_, codes) = make(&store, terms, 2).await;
        redeem(&store, &one, &codes[0], BEGIN).await.expect("given");
        let second = redeem(&store, &one, &codes[1], BEGIN).await;
        assert!(matches!(second, Err(RedeemError::UsedHere)), "{second:?}");
        redeem(&store, &other, &codes[1], BEGIN)
            .await
            .expect("given");
        store.close().await;
    })
    .await;
}

#[tokio::test]
async fn a_code_that_expired_or_was_disabled_gives_nothing() {
    on_each_database(async |database| {
        let store = serve(&database).await;
        let customer = Customer::new(&store, 0).await;
        let end = BEGIN.plus(SECOND_US);
        let terms = Terms {
            expires_at: Some(end),
            ..terms()
        };
        let (batch, codes) = make(&store, terms, 2).await;
        let late = redeem(&store, &customer, &codes[0], end).await;
        assert!(matches!(late, Err(RedeemError::Expired)), "{late:?}");
        let in_time = end.plus(-1);
        redeem(&store, &customer, &codes[0], in_time)
            .await
            .expect("given");
        for is_new in [true, false] {
            let id = batch.id.clone();
            let write = store.write(move |tx| redeem_codes::disable(tx, &id, BEGIN));
            let disabled: Result<_, store::StoreError> = write.await;
            let (disabled, new) = disabled.expect("it is written").expect("it is there");
            assert_eq!((new, disabled.disabled_at.is_some()), (is_new, true));
        }
        let disabled = redeem(&store, &customer, &codes[1], BEGIN).await;
        assert!(
            matches!(disabled, Err(RedeemError::Unknown)),
            "{disabled:?}"
        );
        assert_eq!(balance(&store, &customer.organization).await, 70);
        store.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_at_once_as_many_get_it_as_may() {
    on_each_database(async |database| {
        let store = Arc::new(serve(&database).await);
        let terms = Terms {
            max_uses: 3,
            ..terms()
        };
        let (_, codes) = make(&store, terms, 1).await;
        let mut customers = Vec::new();
        for _ in 0..6 {
            customers.push(Customer::new(&store, 0).await);
        }
        // Each of six tries four times.
        let tries = customers.iter().cycle().take(24).cloned();
        let tries: Vec<_> = tries
            .map(|customer| {
                let (store, code) = (Arc::clone(&store), codes[0].clone());
                tokio::spawn(async move { redeem(&store, &customer, &code, BEGIN).await })
            })
            .collect();
        let mut given = 0;
        for tried in tries {
            match tried.await.expect("no panic") {
                Ok(_) => given += 1,
                Err(RedeemError::UsedUp | RedeemError::UsedHere) => {}
                Err(other) => panic!("{other}"),
            }
        }
        assert_eq!(given, 3);
        let mut sum = 0;
        for customer in &customers {
            let balance = balance(&store, &customer.organization).await;
            assert!(balance <= 70, "{balance}");
            sum += balance;
        }
        assert_eq!(sum, 210);
        assert_verified(&store).await;
        store.close().await;
    })
    .await;
}
