//! Payments: what was paid is credited once, whoever says so and how often; what matches no order
//! is credited never.

use domain::id::{OrganizationId, PaymentId, RefundId};
use domain::money::Nusd;
use domain::payment::{
    Card, DisputeState, PaymentKind, PaymentNews, PaymentState, RefundState, TaxRate,
};
use domain::time::AtUs;
use store::page::Page;
use store::payments::{
    self, DisputeTold, ElsewhereRefunded, Heard, Mismatch, NewPayment, NewRefund, Paid, Payment,
    RefundHeard, RefundRefused, SavedMethod, Settled, Told, settle_payment,
};
use store::purchases::RefundError;
use store::{Store, StoreError, Tx, wallets};
use testkit::on_each_database;

use crate::credit_world::cents;
use crate::crud_world::{NOW, set_up, write};
use crate::fixture::{assert_verified, entropy, execute, number, report};

/// An order of five dollars, 19 % tax on top.
fn order(organization: &OrganizationId) -> NewPayment {
    let tax_rate = TaxRate::parse("19").expect("a rate");
    NewPayment {
        id: PaymentId::random(entropy),
        organization: organization.clone(),
        kind: PaymentKind::Checkout,
        amount: cents(500),
        tax: tax_rate.on(cents(500)),
        tax_rate,
        currency: "usd".into(),
        provider: "test".into(),
        saves_method: false,
        user: None,
        method: None,
        request_key: None,
        expires_at: None,
    }
}

fn card() -> Card {
    Card {
        brand: "visa".into(),
        last4: "4242".into(),
    }
}

/// What a provider says of an order that was paid.
fn paid(order: &NewPayment) -> Paid {
    Paid {
        provider: "test".into(),
        payment: Some(order.id.clone()),
        checkout: Some(format!("cs_{}", order.id)),
        charge: format!("pi_{}", order.id),
        amount: cents(595),
        currency: "USD".into(),
        card: Some(card()),
    }
}

async fn ordered(store: &Store, new: &NewPayment) -> Payment {
    let new = new.clone();
    let heard = Heard {
        checkout: Some(format!("cs_{}", new.id)),
        url: Some("http://pay.test".into()),
        ..Heard::default()
    };
    write(store, move |tx| {
        let made = payments::create(tx, &new, NOW)?;
        assert_eq!(made.state, PaymentState::Open);
        payments::hear(tx, &new.id, &heard, NOW)
    })
    .await
}

async fn settle(store: &Store, paid: &Paid) -> Settled {
    let paid = paid.clone();
    write(store, move |tx| settle_payment(tx, &paid, entropy, NOW)).await
}

async fn credits(store: &Store, organization: &OrganizationId) -> Nusd {
    let of = organization.clone();
    let read = move |tx: &mut Tx<'_>| wallets::credits(tx, &of);
    store
        .read(read)
        .await
        .expect("it is read")
        .expect("a wallet")
}

async fn unmatched(store: &Store) -> Vec<(String, String)> {
    let page = Page {
        after: None,
        is_descending: false,
        limit: 100,
    };
    let read = move |tx: &mut Tx<'_>| payments::list_unmatched(tx, true, &page);
    let rows = store.read(read).await.expect("it is read");
    let mut rows: Vec<_> = rows.into_iter().map(|it| (it.charge, it.problem)).collect();
    rows.sort();
    rows
}

#[tokio::test(flavor = "multi_thread")]
async fn money_is_credited_once_however_often_and_by_how_many_at_once_it_is_told() {
    on_each_database(async |database| {
        let (store, made) = set_up(&database).await;
        let order = order(&made.organization);
        ordered(&store, &order).await;
        let telling = (0..8).map(|_| {
            let (store, paid) = (store.clone(), paid(&order));
            tokio::spawn(async move { settle(&store, &paid).await })
        });
        let mut credited = 0;
        for told in telling.collect::<Vec<_>>() {
            match told.await.expect("no panic") {
                Settled::Credited(payment) => {
                    credited += 1;
                    assert_eq!(payment.state, PaymentState::Succeeded);
                    assert_eq!(payment.card, Some(card()));
                    assert_eq!((payment.url, payment.ended_at), (None, Some(NOW)));
                }
                Settled::Before(payment) => assert_eq!(payment.state, PaymentState::Succeeded),
                Settled::Unmatched(problem) => panic!("{problem:?}"),
            }
        }
        assert_eq!(credited, 1);
        assert_eq!(credits(&store, &made.organization).await, cents(500));
        assert!(unmatched(&store).await.is_empty());
        assert_verified(&store).await;
        store.close().await;
    })
    .await;
}

/// What a provider says instead of the truth, and what that is called.
fn lies(order: &NewPayment, other: &NewPayment, setup: &NewPayment) -> Vec<(Paid, Mismatch)> {
    let true_one = paid(order);
    let said = |change: fn(&mut Paid)| {
        let mut paid = true_one.clone();
        change(&mut paid);
        paid
    };
    let of = |order: &NewPayment, mut paid: Paid| {
        paid.payment = Some(order.id.clone());
        paid
    };
    let nobody = NewPayment {
        id: PaymentId::random(entropy),
        ..order.clone()
    };
    vec![
        (said(|it| it.amount = cents(594)), Mismatch::OtherAmount),
        (said(|it| it.amount = cents(596)), Mismatch::OtherAmount),
        // The credit without its tax, and a larger one.
        (said(|it| it.amount = cents(500)), Mismatch::OtherAmount),
        (said(|it| it.amount = cents(59_500)), Mismatch::OtherAmount),
        (
            said(|it| it.currency = "eur".into()),
            Mismatch::OtherCurrency,
        ),
        (said(|it| it.currency.clear()), Mismatch::OtherCurrency),
        (
            said(|it| it.provider = "stripe".into()),
            Mismatch::OtherProvider,
        ),
        (
            said(|it| it.checkout = Some("cs_another".into())),
            Mismatch::OtherCheckout,
        ),
        (of(&nobody, true_one.clone()), Mismatch::NoOrder),
        (of(setup, true_one.clone()), Mismatch::BuysNothing),
        // The order's page, said to be for another order.
        (of(other, true_one.clone()), Mismatch::OtherCheckout),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_match_in_every_part_credits_nothing_and_is_kept() {
    on_each_database(async |database| {
        let (store, made) = set_up(&database).await;
        let order = order(&made.organization);
        let another = crate::payments::order(&made.organization);
        let setup = NewPayment {
            kind: PaymentKind::Setup,
            amount: Nusd::ZERO,
            tax: Nusd::ZERO,
            ..crate::payments::order(&made.organization)
        };
        for new in [&order, &another, &setup] {
            ordered(&store, new).await;
        }
        let mut kept = Vec::new();
        for (index, (mut lie, problem)) in lies(&order, &another, &setup).into_iter().enumerate() {
            lie.charge = format!("pi_{index:02}");
            for _ in 0..2 {
                let settled = settle(&store, &lie).await;
                assert_eq!(settled, Settled::Unmatched(problem), "{lie:?}");
            }
            kept.push((lie.charge, problem.as_str().to_owned()));
        }
        assert_eq!(unmatched(&store).await, kept);
        assert_eq!(credits(&store, &made.organization).await, Nusd::ZERO);
        // The truth is believed after all that.
        assert!(matches!(
            settle(&store, &paid(&order)).await,
            Settled::Credited(_)
        ));
        // Its charge does not pay another order, and another charge does not pay it again.
        let mut stolen = paid(&another);
        stolen.charge = paid(&order).charge;
        assert_eq!(
            settle(&store, &stolen).await,
            Settled::Unmatched(Mismatch::OtherOrder)
        );
        let mut twice = paid(&order);
        twice.charge = "pi_second".into();
        assert_eq!(
            settle(&store, &twice).await,
            Settled::Unmatched(Mismatch::PaidTwice)
        );
        assert_eq!(credits(&store, &made.organization).await, cents(500));
        assert_verified(&store).await;
        store.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn money_that_comes_after_the_end_is_credited_and_nothing_undoes_it() {
    on_each_database(async |database| {
        let (store, made) = set_up(&database).await;
        let ends = [
            None,
            Some(PaymentNews::Processing),
            Some(PaymentNews::Expired),
            Some(PaymentNews::Failed),
            Some(PaymentNews::Cancelled),
        ];
        for (index, end) in ends.into_iter().enumerate() {
            let order = order(&made.organization);
            ordered(&store, &order).await;
            let hear = |news| {
                let id = order.id.clone();
                let heard = Heard {
                    news,
                    ..Heard::default()
                };
                write(&store, move |tx| payments::hear(tx, &id, &heard, NOW))
            };
            hear(end).await;
            // Known by its page alone: the provider need not name the order.
            let mut told = paid(&order);
            told.payment = None;
            assert!(
                matches!(settle(&store, &told).await, Settled::Credited(_)),
                "{end:?}"
            );
            for news in ends {
                assert_eq!(hear(news).await.state, PaymentState::Succeeded, "{news:?}");
            }
            let all = cents(500 * (i64::try_from(index).expect("few") + 1));
            assert_eq!(credits(&store, &made.organization).await, all);
        }
        assert_verified(&store).await;
        store.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_is_not_credited_by_hearing_of_it() {
    on_each_database(async |database| {
        let (store, made) = set_up(&database).await;
        let order = order(&made.organization);
        ordered(&store, &order).await;
        let heard = Heard {
            news: Some(PaymentNews::Succeeded),
            ..Heard::default()
        };
        let id = order.id.clone();
        let heard = store
            .write(move |tx| payments::hear(tx, &id, &heard, NOW))
            .await;
        assert!(matches!(heard, Err(StoreError::Failed(_))), "{heard:?}");
        let told = Told {
            provider: "test".into(),
            id: "evt_1".into(),
            kind: "checkout.session.completed".into(),
            outcome: "credited",
        };
        for is_first in [true, false] {
            let told = told.clone();
            let first = write(&store, move |tx| payments::first_told(tx, &told, NOW)).await;
            assert_eq!(first, is_first);
        }
        store.close().await;
    })
    .await;
}

/// A payment that was paid.
async fn bought(store: &Store, organization: &OrganizationId) -> Payment {
    let order = order(organization);
    ordered(store, &order).await;
    match settle(store, &paid(&order)).await {
        Settled::Credited(payment) => *payment,
        other => panic!("{other:?}"),
    }
}

async fn refund(
    store: &Store,
    payment: &Payment,
    key: &str,
    amount: Option<Nusd>,
) -> Result<payments::Refund, RefundRefused> {
    let (payment, new) = (
        payment.clone(),
        NewRefund {
            id: RefundId::random(entropy),
            amount,
            reason: "asked for".into(),
            request_key: key.into(),
            actor: "operator".into(),
        },
    );
    let write = move |tx: &mut Tx<'_>| payments::begin_refund(tx, &payment, &new, NOW);
    store.write(write).await
}

async fn heard_of(store: &Store, refund: &payments::Refund, state: RefundState) -> bool {
    let (id, heard) = (
        refund.id.clone(),
        RefundHeard {
            reference: Some(format!("re_{}", refund.id)),
            state,
            failure: (state == RefundState::Failed).then(|| "closed account".into()),
        },
    );
    let write_it = move |tx: &mut Tx<'_>| payments::hear_of_refund(tx, &id, &heard, NOW);
    write(store, write_it).await.1
}

async fn now(store: &Store, payment: &Payment) -> Payment {
    let id = payment.id.clone();
    let read = move |tx: &mut Tx<'_>| payments::get(tx, &id);
    store
        .read(read)
        .await
        .expect("it is read")
        .expect("it is there")
}

async fn balance(store: &Store, organization: &OrganizationId) -> Nusd {
    let of = organization.clone();
    let read = move |tx: &mut Tx<'_>| wallets::get(tx, &of);
    let wallet = store.read(read).await.expect("it is read");
    wallet.expect("a wallet").balance()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_credit_of_a_refund_leaves_first_and_returns_if_the_money_cannot_go_back() {
    on_each_database(async |database| {
        let (store, made) = set_up(&database).await;
        let payment = bought(&store, &made.organization).await;
        let part = refund(&store, &payment, "a", Some(cents(200))).await;
        let part = part.expect("it is there");
        assert_eq!((part.amount, part.tax), (cents(200), cents(38)));
        assert_eq!(balance(&store, &made.organization).await, cents(300));
        let too_much = refund(&store, &payment, "b", Some(cents(301))).await;
        let available = match too_much {
            Err(RefundRefused::Credit(RefundError::NotFree { available })) => available,
            other => panic!("{other:?}"),
        };
        assert_eq!(available, cents(300));
        // It went; then its bank sent it back. Told twice, it returns once.
        assert!(heard_of(&store, &part, RefundState::Succeeded).await);
        assert_eq!(
            now(&store, &payment).await.status().as_str(),
            "partly_refunded"
        );
        assert!(heard_of(&store, &part, RefundState::Failed).await);
        for state in [
            RefundState::Failed,
            RefundState::Succeeded,
            RefundState::Pending,
        ] {
            assert!(!heard_of(&store, &part, state).await);
        }
        assert_eq!(balance(&store, &made.organization).await, cents(500));
        assert_eq!(now(&store, &payment).await.status().as_str(), "succeeded");
        // All that is left, with all of its tax.
        let rest = refund(&store, &payment, "c", None)
            .await
            .expect("all of it");
        assert_eq!((rest.amount, rest.tax), (cents(500), cents(95)));
        assert!(heard_of(&store, &rest, RefundState::Succeeded).await);
        assert_eq!(now(&store, &payment).await.status().as_str(), "refunded");
        assert_eq!(balance(&store, &made.organization).await, Nusd::ZERO);
        assert_verified(&store).await;
        store.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_refunded_elsewhere_is_taken_as_far_as_it_is_there() {
    on_each_database(async |database| {
        let (store, made) = set_up(&database).await;
        for (free, left, lost) in [(cents(500), Nusd::ZERO, 0), (cents(100), cents(400), 400)] {
            let payment = bought(&store, &made.organization).await;
            let before = balance(&store, &made.organization).await - cents(500);
            let told = ElsewhereRefunded {
                reference: "re_1".into(),
                gross: cents(595),
                state: RefundState::Succeeded,
                failure: None,
                free,
            };
            let tell = |told: ElsewhereRefunded| {
                let payment = payment.clone();
                write(&store, move |tx| {
                    payments::elsewhere(tx, &payment, &told, entropy, NOW)
                })
            };
            assert_eq!(tell(told.clone()).await, free);
            assert_eq!(tell(told.clone()).await, Nusd::ZERO);
            assert_eq!(balance(&store, &made.organization).await, before + left);
            let sql = "SELECT CAST(COALESCE(SUM(debits_nusd - credits_nusd), 0) AS BIGINT)
                       FROM accounts WHERE id = 'disputes'";
            assert_eq!(Nusd::new(number(&store, sql).await), cents(lost));
            // It failed at its bank: everything is as before.
            let state = RefundState::Failed;
            tell(ElsewhereRefunded { state, ..told }).await;
            assert_eq!(
                balance(&store, &made.organization).await,
                before + cents(500)
            );
            assert_eq!(number(&store, sql).await, 0);
        }
        assert_verified(&store).await;
        store.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dispute_moves_what_it_moves_once_in_whatever_order_it_is_told() {
    use DisputeState::{Inquiry, Lost, Open, Won};
    // What is told, and what the wallet has of the payment after each.
    let stories: &[&[(DisputeState, i64)]] = &[
        &[(Open, 0), (Open, 0), (Won, 500), (Open, 500), (Won, 500)],
        &[(Open, 0), (Lost, 0), (Open, 0), (Lost, 0)],
        &[(Inquiry, 500), (Open, 0), (Inquiry, 0), (Won, 500)],
        &[(Inquiry, 500), (Won, 500), (Open, 500)],
        &[(Won, 500), (Open, 500), (Lost, 500)],
        &[(Lost, 0), (Open, 0), (Won, 0)],
    ];
    on_each_database(async |database| {
        let (store, made) = set_up(&database).await;
        for (index, story) in stories.iter().enumerate() {
            let before = balance(&store, &made.organization).await;
            let payment = bought(&store, &made.organization).await;
            for (state, left) in *story {
                let told = DisputeTold {
                    provider: "test".into(),
                    reference: format!("dp_{index}"),
                    charge: payment.charge.clone().expect("it was paid"),
                    gross: cents(595),
                    state: *state,
                    reason: "fraudulent".into(),
                    free: cents(500),
                };
                let change = write(&store, move |tx| payments::dispute_told(tx, &told, NOW));
                let change = change.await.expect("its payment is known");
                assert_eq!(change.payment.dispute, Some(change.after));
                let is = balance(&store, &made.organization).await;
                assert_eq!(is, before + cents(*left), "story {index}, {state:?}");
            }
        }
        assert_verified(&store).await;
        store.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_books_tell_a_payment_that_is_no_purchase_and_the_reverse() {
    on_each_database(async |database| {
        let (store, made) = set_up(&database).await;
        let payment = bought(&store, &made.organization).await;
        ordered(&store, &order(&made.organization)).await;
        assert_verified(&store).await;
        // SQL in a test: nobody else can make the books wrong.
        for (wrong, right, found) in [
            (
                "amount_nusd = amount_nusd + 1",
                "amount_nusd = amount_nusd - 1",
                &["paid", "receipted"][..],
            ),
            (
                "tax_nusd = tax_nusd - 1",
                "tax_nusd = tax_nusd + 1",
                &["paid", "receipted"],
            ),
            ("provider = 'stripe'", "provider = 'test'", &["paid"]),
            (
                "state = 'open', ended_at_us = NULL",
                "state = 'succeeded', ended_at_us = 1",
                &["paid", "receipted"],
            ),
        ] {
            let set = |what: &str| {
                let id = &payment.id;
                format!("UPDATE payments SET {what} WHERE id = '{id}'")
            };
            execute(&store, &set(wrong)).await.expect("it is written");
            let report = report(&store).await;
            let failing = report.checks.iter().filter(|it| !it.violations.is_empty());
            let failing: Vec<&str> = failing.map(|it| it.name).collect();
            assert_eq!(failing, found, "{wrong}");
            execute(&store, &set(right)).await.expect("it is written");
        }
        assert_verified(&store).await;
        store.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_saved_card_is_the_default_as_long_as_there_is_any() {
    on_each_database(async |database| {
        let (store, made) = set_up(&database).await;
        let organization = made.organization.clone();
        write(&store, move |tx| {
            let mut save = |reference: &str, at: i64| {
                let new = SavedMethod {
                    organization: organization.clone(),
                    provider: "test".into(),
                    reference: reference.into(),
                    card: card(),
                    exp_month: 12,
                    exp_year: 2034,
                };
                payments::save_method(tx, &new, entropy, AtUs(at))
            };
            let (first, is_new) = save("pm_1", 1)?;
            assert!(is_new && first.is_default);
            let (again, is_new) = save("pm_1", 2)?;
            assert!(!is_new && again == first);
            let (second, _) = save("pm_2", 3)?;
            let (third, _) = save("pm_3", 4)?;
            assert!(!second.is_default && !third.is_default);
            let default = |tx: &mut Tx<'_>| -> Result<_, StoreError> {
                let default = payments::default_method(tx, &organization, "test")?;
                Ok(default.map(|method| method.id))
            };
            payments::make_default(tx, &second, NOW)?;
            assert_eq!(default(tx)?, Some(second.id.clone()));
            payments::remove_method(tx, &second, NOW)?;
            assert_eq!(default(tx)?, Some(third.id.clone()));
            payments::remove_method(tx, &first, NOW)?;
            assert_eq!(default(tx)?, Some(third.id.clone()));
            payments::remove_method(tx, &third, NOW)?;
            assert_eq!(default(tx)?, None);
            assert!(payments::methods(tx, &organization, "test")?.is_empty());
            assert!(payments::method(tx, &organization, &first.id)?.is_none());
            assert!(payments::method_ever(tx, &first.id)?.is_some());
            Ok(())
        })
        .await;
        store.close().await;
    })
    .await;
}
