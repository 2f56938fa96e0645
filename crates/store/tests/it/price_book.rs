//! The price book only grows: a price is never changed, only followed.

use domain::money::Nusd;
use domain::price::PriceHistory;
use domain::time::{AtUs, SECOND_US};
use store::changes::{self, ChangeKind};
use store::prices::{self, NewVersion, PriceError, Source, Stated, Version};
use store::{Store, StoreError, Tx, models};
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

/// Adds a price to the book; `start` none is now.
async fn add(
    store: &Store,
    stated: &Stated,
    start: Option<i64>,
    now: i64,
) -> Result<Version, PriceError> {
    let new = NewVersion {
        stated: stated.clone(),
        start: start.map(AtUs),
        source: Source::Operator,
    };
    let add = move |tx: &mut Tx<'_>| prices::add(tx, &new, AtUs(now), entropy);
    store.write(add).await
}

async fn history(store: &Store) -> PriceHistory {
    let read = store.read(|tx| prices::history(tx, "m")).await;
    read.map_err(|error: StoreError| error).expect("it is read")
}

/// Which of two statements is in force at an instant: the first, the second or none.
fn in_force(history: &PriceHistory, at: i64) -> u8 {
    match history.in_force(AtUs(at)) {
        None => 0,
        Some(entry) if entry.price == stated().price => 1,
        Some(_) => 2,
    }
}

/// The same model at other prices.
fn dearer() -> Stated {
    Stated {
        price: stated().cost,
        ..stated()
    }
}

#[tokio::test]
async fn a_price_is_stated_for_the_future_and_never_for_the_past() {
    on_each_database(async |database| {
        let store = serve(&database).await;
        let past = add(&store, &stated(), Some(999), 1_000).await;
        assert!(matches!(past, Err(PriceError::Past)), "{past:?}");
        let to_come = add(&store, &dearer(), Some(5_000), 1_000).await;
        let to_come = to_come.expect("it is to come");
        assert_eq!(
            (to_come.created_at, to_come.source),
            (AtUs(1_000), Source::Operator)
        );
        let taken = add(&store, &stated(), Some(5_000), 1_000).await;
        assert!(matches!(&taken, Err(PriceError::Taken(id)) if *id == to_come.entry.id));
        add(&store, &stated(), None, 2_000).await.expect("now");

        // What is stated now does not undo what is to come.
        let found = history(&store).await;
        let at = |us| in_force(&found, us);
        assert_eq!([at(1_999), at(2_000), at(4_999), at(5_000)], [0, 1, 1, 2]);
        // Now again, at the instant of another: after it.
        add(&store, &stated(), None, 5_000).await.expect("now");
        assert_eq!(in_force(&history(&store).await, 5_001), 1);

        for ahead in 0..100 {
            let added = add(&store, &stated(), Some(10_000 + ahead), 6_000).await;
            added.expect("one more");
        }
        let more = add(&store, &stated(), Some(20_000), 6_000).await;
        assert!(matches!(more, Err(PriceError::TooMany)), "{more:?}");
        let all: Result<_, StoreError> = store.read(prices::histories).await;
        assert_eq!(all.expect("read").remove("m"), Some(history(&store).await));
        store.close().await;
    })
    .await;
}

#[tokio::test]
async fn a_price_is_withdrawn_until_it_might_have_been_used() {
    on_each_database(async |database| {
        let store = serve(&database).await;
        let begins = 60 * SECOND_US;
        add(&store, &stated(), None, 1).await.expect("now");
        let to_come = add(&store, &dearer(), Some(begins), 1).await;
        let id = to_come.expect("it is to come").entry.id;
        let withdraw = async |model: &'static str, now: i64| {
            let id = id.clone();
            let write = move |tx: &mut Tx<'_>| prices::withdraw(tx, model, &id, AtUs(now));
            store.write(write).await
        };
        let other = withdraw("other", 1).await;
        assert!(matches!(other, Err(PriceError::Unknown)), "{other:?}");
        let late = begins - prices::WITHDRAWAL_LEAD_US + 1;
        for now in [late, begins, begins + 1] {
            let begun = withdraw("m", now).await;
            assert!(matches!(begun, Err(PriceError::Begun)), "{begun:?}");
        }
        assert_eq!(in_force(&history(&store).await, begins), 2);
        let withdrawn = withdraw("m", late - 1).await.expect("in time");
        assert_eq!(withdrawn.withdrawn_at, Some(AtUs(late - 1)));
        assert_eq!(in_force(&history(&store).await, begins), 1);
        let again = withdraw("m", late - 1).await;
        assert!(matches!(again, Err(PriceError::Withdrawn)), "{again:?}");

        // Its instant is free again, and the book still knows it.
        add(&store, &stated(), Some(begins), late)
            .await
            .expect("free");
        let all = store.read(|tx| prices::versions(tx, "m")).await;
        let all = all.map_err(|error: StoreError| error).expect("read");
        assert_eq!(all.len(), 3);
        assert!(all.contains(&withdrawn));
        store.close().await;
    })
    .await;
}

#[tokio::test]
async fn a_file_that_did_not_change_undoes_nobodys_price() {
    on_each_database(async |database| {
        let store = serve(&database).await;
        provision(&store, &stated(), AtUs(1_000)).await;
        add(&store, &dearer(), None, 2_000).await.expect("now");
        let started = provision(&store, &stated(), AtUs(3_000)).await;
        assert_eq!(in_force(&started, 3_000), 2, "the operator's stays");
        // The file says the same as the operator: from then on it is what the file says.
        provision(&store, &dearer(), AtUs(4_000)).await;
        add(&store, &stated(), None, 5_000).await.expect("now");
        let started = provision(&store, &dearer(), AtUs(6_000)).await;
        assert_eq!(in_force(&started, 6_000), 1, "the operator's stays");
        // A file that changed is in force at once, whoever stated what was before.
        let started = provision(&store, &stated(), AtUs(7_000)).await;
        let latest = started.in_force(AtUs(7_000)).expect("in force");
        assert_eq!(latest.effective_at, AtUs(7_000));
        store.close().await;
    })
    .await;
}

#[tokio::test]
async fn servers_hear_of_prices_and_of_models_switched_off() {
    on_each_database(async |database| {
        let store = serve(&database).await;
        let heard = async || {
            let read = store.read(|tx| {
                let models = changes::after(tx, 0, 1_000)?.into_iter();
                let models = models.filter(|it| it.kind == ChangeKind::Model);
                Ok::<_, StoreError>(models.map(|it| it.reference).collect::<Vec<_>>())
            });
            read.await.expect("it is read")
        };
        let switch = async |is_disabled: bool| {
            let write = move |tx: &mut Tx<'_>| models::set_disabled(tx, "m", is_disabled, AtUs(7));
            let done: Result<bool, StoreError> = store.write(write).await;
            done.expect("it is written")
        };
        add(&store, &stated(), None, 1).await.expect("now");
        provision(&store, &stated(), AtUs(2)).await;
        provision(&store, &stated(), AtUs(3)).await;
        assert_eq!(heard().await, ["m", "m"], "the last changed nothing");
        assert!(switch(true).await && !switch(true).await);
        let read = store.read(|tx| {
            let since = models::disabled_since(tx, "m")?;
            Ok::<_, StoreError>((since, models::disabled(tx)?))
        });
        let since = AtUs(7);
        let expected = (Some(since), vec![("m".to_owned(), since)]);
        assert_eq!(read.await.expect("it is read"), expected);
        assert!(switch(false).await && !switch(false).await);
        assert_eq!(heard().await.len(), 4);
        store.close().await;
    })
    .await;
}
