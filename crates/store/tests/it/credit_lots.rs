//! What credit is made of: which lot pays, and what comes back of a purchase.

use domain::credit::Lot;
use domain::money::Nusd;
use domain::time::{AtUs, DAY_US};
use domain::usage::Usage;
use store::Store;
use store::adjustments::AdjustmentError;
use store::credits::Standing;
use store::grants::GrantError;
use store::overdrafts::{Changed, OverdraftError};
use store::purchases::{DisputeError, Disputed, RefundError};
use testkit::on_each_database;

use crate::credit_world::{NOW, Till, cents};
use crate::fixture::{Customer, assert_verified, lease_everything, serve, settlement};

/// A request that costs so many nUSD.
async fn spend(store: &Store, customer: &Customer, amount: Nusd) {
    lease_everything(store).await;
    let hold = customer.hold(amount.get());
    let held = store.ledger().hold(hold.clone());
    held.durable().await.expect("it is held");
    // A token costs a nUSD, and the request three.
    let tokens = u64::try_from(amount.get()).expect("above zero") - 3;
    let settled = store
        .ledger()
        .settle(settlement(&hold, Usage::text(tokens, 0)));
    settled.durable().await.expect("it is settled");
    customer.return_leases(store).await;
}

/// The ids of lots, and what is left of each.
fn left(lots: &[Lot]) -> Vec<(&str, Nusd)> {
    lots.iter().map(|lot| (&*lot.id, lot.remaining)).collect()
}

fn days(days: i64) -> Option<AtUs> {
    Some(NOW.plus(days * DAY_US))
}

#[tokio::test]
async fn the_soonest_expiring_grant_pays_first_and_the_line_last() {
    on_each_database(async |database| {
        let store = serve(&database).await;
        let customer = Customer::new(&store, 0).await;
        let till = Till::of(&store, &customer);
        till.lend("line", cents(1)).await.expect("a line");
        assert!(till.buy("older", cents(2), Nusd::ZERO).await);
        let later = till.at(NOW.plus(1));
        assert!(later.buy("newer", cents(3), Nusd::ZERO).await);
        till.give("for good", cents(4), None).await.expect("given");
        till.give("in June", cents(5), days(60))
            .await
            .expect("given");
        till.give("in May", cents(6), days(30))
            .await
            .expect("given");
        let order = [
            "in May",
            "in June",
            "for good",
            "older",
            "newer",
            "overdraft",
        ];
        let whole = [6, 5, 4, 2, 3, 1];
        let all: Vec<_> = order.into_iter().zip(whole.map(cents)).collect();
        assert_eq!(left(&till.lots().await), all);
        for (spent, missing) in [(7, 1), (9, 3), (4, 5)] {
            spend(&store, &customer, cents(spent)).await;
            assert_eq!(till.lots().await[0].id, order[missing]);
        }
        let standing = Standing {
            balance: Nusd::ZERO,
            available: cents(1),
            held: Nusd::ZERO,
            granted: Nusd::ZERO,
            purchased: Nusd::ZERO,
            overdraft: cents(1),
            overdraft_used: Nusd::ZERO,
        };
        assert_eq!(till.standing().await, standing);
        assert_verified(&store).await;
        store.close().await;
    })
    .await;
}

#[tokio::test]
async fn a_purchase_pays_back_what_was_lent() {
    on_each_database(async |database| {
        let store = serve(&database).await;
        let customer = Customer::new(&store, 0).await;
        let till = Till::of(&store, &customer);
        let line = till.lend("line", cents(1_000)).await.expect("a line");
        let opened = Changed {
            before: Nusd::ZERO,
            line: cents(1_000),
        };
        assert_eq!(line, Some(opened));
        // The same again changes nothing, under a known id nothing else is done, and what changes
        // nothing is remembered too.
        assert_eq!(till.lend("line", cents(1_000)).await.expect("known"), None);
        assert_eq!(till.lend("same", cents(1_000)).await.expect("it is"), None);
        till.give("gift_0", cents(1), None).await.expect("given");
        for (id, line) in [("line", 5), ("same", 5), ("gift_0", 1_000)] {
            let other = till.lend(id, cents(line)).await;
            assert!(
                matches!(other, Err(OverdraftError::OtherChange(_))),
                "{other:?}"
            );
        }
        customer.return_leases(&store).await;
        till.adjust("adj_0", cents(1)).await.expect("it is there");
        lease_everything(&store).await;
        spend(&store, &customer, cents(300)).await;
        let owing = till.standing().await;
        assert_eq!(owing.balance, Nusd::ZERO - cents(300));
        assert_eq!(
            (owing.available, owing.overdraft_used),
            (cents(700), cents(300))
        );
        // Free credit pays no debt.
        till.give("gift", cents(10), None).await.expect("given");
        assert_eq!(till.standing().await.overdraft_used, cents(300));
        till.buy("pay_1", cents(500), cents(50)).await;
        customer.return_leases(&store).await;
        let lots = till.lots().await;
        let wanted = [("gift", 10), ("pay_1", 200), ("overdraft", 1_000)];
        assert_eq!(left(&lots), wanted.map(|(id, left)| (id, cents(left))));
        let RefundError::NotFree { available } = till
            .refund("refund_1", "pay_1", cents(201))
            .await
            .expect_err("the rest is spent")
        else {
            panic!("another reason");
        };
        assert_eq!(available, cents(200));
        // A line that is in use is not ended.
        spend(&store, &customer, cents(250)).await;
        let ended = till.lend("end", Nusd::ZERO).await;
        let Err(OverdraftError::InUse { least }) = ended else {
            panic!("{ended:?}");
        };
        assert_eq!(least, cents(40));
        customer.return_leases(&store).await;
        till.lend("lower", least).await.expect("so much");
        assert_eq!(till.standing().await.available, Nusd::ZERO);
        assert_verified(&store).await;
        store.close().await;
    })
    .await;
}

#[tokio::test]
async fn a_line_is_not_lowered_below_what_is_held_of_it_nor_below_nothing() {
    on_each_database(async |database| {
        let store = serve(&database).await;
        let customer = Customer::new(&store, 0).await;
        let till = Till::of(&store, &customer);
        let negative = till.lend("negative", Nusd::ZERO - cents(1)).await;
        assert!(
            matches!(negative, Err(OverdraftError::Negative)),
            "{negative:?}"
        );
        till.lend("line", cents(1_000)).await.expect("a line");
        let hold = customer.hold(cents(800).get());
        let held = store.ledger().hold(hold.clone());
        held.durable().await.expect("it is free");
        customer.return_leases(&store).await;
        let lowered = till.lend("lower", cents(500)).await;
        let Err(OverdraftError::InUse { least }) = lowered else {
            panic!("{lowered:?}");
        };
        assert_eq!(least, cents(800));
        store.close().await;
    })
    .await;
}

#[tokio::test]
async fn no_wallet_takes_more_than_an_account_can_hold() {
    on_each_database(async |database| {
        let store = serve(&database).await;
        let customer = Customer::new(&store, 0).await;
        let till = Till::of(&store, &customer);
        assert!(till.give("all", Nusd::MAX, None).await.expect("it fits"));
        let more = till.give("more", cents(1), None).await;
        assert!(matches!(more, Err(GrantError::TooLarge)), "{more:?}");
        let line = till.lend("line", cents(1)).await;
        assert!(matches!(line, Err(OverdraftError::TooLarge)), "{line:?}");
        store.close().await;
    })
    .await;
}

#[tokio::test]
async fn a_purchase_goes_back_with_its_tax_in_parts_that_add_up() {
    on_each_database(async |database| {
        let store = serve(&database).await;
        let customer = Customer::new(&store, 0).await;
        let till = Till::of(&store, &customer);
        till.buy("pay_1", cents(1_000), cents(190)).await;
        assert!(!till.buy("pay_1", cents(1_000), cents(190)).await);
        customer.return_leases(&store).await;
        let first = till.refund("refund_1", "pay_1", cents(333)).await;
        let first = first.expect("it is there");
        assert_eq!((first.paid.tax, first.is_new), (cents(63), true));
        let again = till.refund("refund_1", "pay_1", cents(333)).await;
        let again = again.expect("it is known");
        assert_eq!((again.paid, again.is_new), (first.paid, false));
        let other = till.refund("refund_1", "pay_1", cents(334)).await;
        assert!(matches!(other, Err(RefundError::Reused)), "{other:?}");
        let part = till.refund("refund_2", "pay_1", Nusd::new(1)).await;
        assert!(matches!(part, Err(RefundError::NotCents)), "{part:?}");
        let none = till.refund("refund_2", "pay_2", cents(1)).await;
        assert!(matches!(none, Err(RefundError::NoPurchase(..))), "{none:?}");
        let rest = till.refund("refund_2", "pay_1", cents(667)).await;
        assert_eq!(rest.expect("it is there").paid.tax, cents(127));
        assert_eq!(till.lots().await, []);
        assert_verified(&store).await;

        assert!(till.refund_failed("refund_1").await);
        assert!(!till.refund_failed("refund_1").await);
        assert!(!till.refund_failed("refund_9").await);
        assert_eq!(left(&till.lots().await), [("pay_1", cents(333))]);
        let again = till.refund("refund_3", "pay_1", cents(333)).await;
        assert_eq!(again.expect("it is there again").paid, first.paid);
        assert_verified(&store).await;
        store.close().await;
    })
    .await;
}

#[tokio::test]
async fn a_bank_takes_what_is_there_and_the_rest_is_lost() {
    on_each_database(async |database| {
        let store = serve(&database).await;
        let customer = Customer::new(&store, 0).await;
        let till = Till::of(&store, &customer);
        till.buy("pay_1", cents(1_000), cents(190)).await;
        spend(&store, &customer, cents(400)).await;
        till.give("gift", cents(100), None).await.expect("given");
        customer.return_leases(&store).await;
        let disputed = till.dispute("dp_1", "pay_1", cents(1_190)).await;
        let disputed = disputed.expect("it is booked");
        let wanted = Disputed {
            taken: cents(700),
            tax: cents(190),
            lost: cents(300),
            is_new: true,
        };
        assert_eq!(disputed, wanted);
        assert_eq!(till.lots().await, []);
        let again = till.dispute("dp_1", "pay_1", cents(1_190)).await;
        assert_eq!(again.expect("known").taken, cents(700));
        let refund = till.refund("refund_1", "pay_1", cents(1)).await;
        assert!(matches!(refund, Err(RefundError::NotFree { .. })));
        let none = till.dispute("dp_2", "pay_2", cents(1)).await;
        assert!(matches!(none, Err(DisputeError::NoPurchase(..))));
        assert_verified(&store).await;

        // What it moved moves back, once.
        assert!(till.decide("dp_1", true).await);
        assert!(!till.decide("dp_1", true).await);
        assert!(!till.decide("dp_1", false).await);
        assert_eq!(left(&till.lots().await), [("pay_1", cents(700))]);
        assert_verified(&store).await;

        // One that is lost moves nothing more.
        till.dispute("dp_3", "pay_1", cents(119))
            .await
            .expect("booked");
        assert!(till.decide("dp_3", false).await);
        assert!(!till.decide("dp_3", true).await);
        assert_eq!(left(&till.lots().await), [("pay_1", cents(600))]);
        assert_verified(&store).await;
        store.close().await;
    })
    .await;
}

#[tokio::test]
async fn what_was_given_last_is_taken_back_first() {
    on_each_database(async |database| {
        let store = serve(&database).await;
        let customer = Customer::new(&store, 0).await;
        let till = Till::of(&store, &customer);
        till.lend("line", cents(9)).await.expect("a line");
        till.buy("pay_1", cents(5), Nusd::ZERO).await;
        till.give("first", cents(5), days(1)).await.expect("given");
        till.at(NOW.plus(1))
            .give("slip", cents(5), None)
            .await
            .expect("given");
        customer.return_leases(&store).await;
        assert!(till.adjust("adj_1", cents(6)).await.expect("it is there"));
        assert!(!till.adjust("adj_1", cents(6)).await.expect("it is known"));
        let lots = till.lots().await;
        let wanted = [("first", 4), ("pay_1", 5), ("overdraft", 9)];
        assert_eq!(left(&lots), wanted.map(|(id, left)| (id, cents(left))));
        let more = till.adjust("adj_2", cents(10)).await;
        let Err(AdjustmentError::NotFree { available }) = more else {
            panic!("what is lent is no credit: {more:?}");
        };
        assert_eq!(available, cents(9));
        let late = till.give("late", cents(1), Some(NOW)).await;
        assert!(matches!(late, Err(GrantError::Expired)), "{late:?}");
        assert_verified(&store).await;
        store.close().await;
    })
    .await;
}
