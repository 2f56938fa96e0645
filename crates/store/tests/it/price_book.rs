//! The price book only grows: a price is never changed, only followed.

use domain::money::Nusd;
use domain::price::PriceHistory;
use domain::time::AtUs;
use store::prices::{self, Stated};
use store::{Store, StoreError};
use testkit::on_each_database;

use crate::fixture::{entropy, number, serve, stated};

async fn provision(store: &Store, stated: &Stated, now: AtUs) -> PriceHistory {
    let stated = stated.clone();
    let write = store.write(move |tx| prices::provision(tx, &stated, now, entropy));
    write.await.expect("it is stated")
}

#[tokio::test]
async fn a_price_is_in_force_until_another_is_stated() {
    on_each_database(async |database| {
        let store = serve(&database).await;
        let first = stated();
        let mut second = stated();
        second.price = second.cost;
        let at = AtUs(1_000);
        let history = provision(&store, &first, at).await;
        let entry = history.in_force(at).cloned().expect("it is in force");
        assert_eq!((entry.price, entry.cost), (first.price, first.cost));
        assert_eq!(
            provision(&store, &first, AtUs(2_000)).await,
            history,
            "nothing new"
        );

        // At the same instant, and by a clock that went back: still the latest.
        for (now, price) in [(2_000, &second), (2_000, &first), (1_500, &second)] {
            let history = provision(&store, price, AtUs(now)).await;
            let latest = history.in_force(AtUs(10_000)).expect("in force");
            assert_eq!((latest.price, latest.cost), (price.price, price.cost));
        }
        assert_eq!(number(&store, "SELECT COUNT(*) FROM prices").await, 4);

        let id = entry.id.clone();
        let found = store.read(move |tx| prices::get(tx, &id)).await;
        assert_eq!(found.expect("it is read"), Some(entry));
        let unknown = domain::id::PriceId::new("price_none");
        let found: Result<_, StoreError> = store.read(move |tx| prices::get(tx, &unknown)).await;
        assert_eq!(found.expect("it is read"), None);
        store.close().await;
    })
    .await;
}

#[tokio::test]
async fn every_class_keeps_its_own_price() {
    on_each_database(async |database| {
        let store = serve(&database).await;
        let price = |step: i64| {
            let prices = std::array::from_fn(|class| {
                Nusd::new(step * (1 + i64::try_from(class).expect("nine")))
            });
            domain::price::UnitPrices::by_class(prices)
        };
        let stated = Stated {
            model: "vendor/model:1".into(),
            price: price(4_000_000_000_000),
            cost: price(0),
        };
        let at = AtUs(5);
        let made = provision(&store, &stated, at).await;
        let made = made.in_force(at).cloned().expect("in force");
        let id = made.id.clone();
        let read = store.read(move |tx| prices::get(tx, &id)).await;
        let read = read.expect("it is read").expect("it is kept");
        assert_eq!((read.price, read.cost), (stated.price, stated.cost));
        store.close().await;
    })
    .await;
}
