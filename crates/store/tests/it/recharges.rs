//! Auto-recharge in the database: one recharge at a time, however many look; and what follows from
//! each of their ends.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use domain::id::{OrganizationId, PaymentId, PaymentMethodId};
use domain::money::Nusd;
use domain::payment::{Bounds, Card, PaymentNews, PaymentState, TaxRate};
use domain::recharge::{GaveUp, Rules, State};
use domain::time::{AtUs, DAY_US, HOUR_US};
use domain::window::Window;
use store::page::Page;
use store::payments::{self, Failure, Heard, Payment, SavedMethod};
use store::recharges::{self, Attempt, AttemptState, Begun, Settings, Terms};
use store::{Role, Store, StoreError, Tx, jobs, organizations};
use testkit::on_each_database;

use crate::crud_world::{NOW, set_up, write};
use crate::fixture::{entropy, open};

fn usd(text: &str) -> Nusd {
    Nusd::parse_usd(text).unwrap()
}

fn terms() -> Terms {
    Terms {
        provider: "test".into(),
        bounds: Bounds {
            minimum: usd("5"),
            maximum: usd("10000"),
        },
        tax_rate: TaxRate::parse("19").unwrap(),
        currency: "usd".into(),
    }
}

/// From $5 to $20, and at most $50 a month.
fn wanted() -> Settings {
    Settings {
        rules: Rules {
            threshold: usd("5"),
            restore_to: usd("20"),
            monthly_cap: Some(usd("50")),
        },
        method: None,
        is_enabled: true,
    }
}

/// An organization without credit.
struct World {
    store: Store,
    organization: OrganizationId,
}

impl World {
    async fn of(database: &testkit::TestDatabase) -> Self {
        let (store, made) = set_up(database).await;
        let organization = made.organization;
        World {
            store,
            organization,
        }
    }

    async fn with_card(database: &testkit::TestDatabase) -> Self {
        let world = World::of(database).await;
        world.save_card("pm_1").await;
        world.want(wanted(), NOW).await;
        world
    }

    async fn save_card(&self, reference: &str) -> PaymentMethodId {
        let card = SavedMethod {
            organization: self.organization.clone(),
            provider: "test".into(),
            reference: reference.into(),
            card: Card {
                brand: "visa".into(),
                last4: "4242".into(),
            },
            exp_month: 12,
            exp_year: 2030,
        };
        let save = move |tx: &mut Tx<'_>| payments::save_method(tx, &card, entropy, NOW);
        write(&self.store, save).await.0.id
    }

    async fn want(&self, settings: Settings, now: AtUs) {
        let of = self.organization.clone();
        write(&self.store, move |tx| {
            recharges::set(tx, &of, &settings, now)
        })
        .await;
    }

    async fn begin(&self, now: AtUs) -> Begun {
        begin(&self.store, &self.organization, now).await
    }

    /// What must begin.
    async fn begun(&self, now: AtUs) -> Payment {
        match self.begin(now).await {
            Begun::Payment(payment) => *payment,
            other => panic!("{other:?}"),
        }
    }

    async fn state(&self, now: AtUs) -> State {
        let of = self.organization.clone();
        let kept = write(&self.store, move |tx| recharges::get(tx, &of)).await;
        kept.unwrap().course.state(now)
    }

    async fn hear(&self, payment: &Payment, heard: Heard, now: AtUs) {
        let id = payment.id.clone();
        write(&self.store, move |tx| {
            let payment = payments::hear(tx, &id, &heard, now)?;
            recharges::follow(tx, &payment, (now, entropy))
        })
        .await;
    }

    async fn decline(&self, payment: &Payment, now: AtUs) {
        let declined = Heard {
            failure: Some(Failure {
                code: "insufficient_funds".into(),
                message: "The card has too little money.".into(),
            }),
            news: Some(PaymentNews::Failed),
            ..Heard::default()
        };
        self.hear(payment, declined, now).await;
    }

    /// The payment was settled. (What it credits is the business of payments.)
    async fn succeed(&self, payment: &Payment, now: AtUs) {
        let paid = Payment {
            state: PaymentState::Succeeded,
            ..payment.clone()
        };
        let follow = move |tx: &mut Tx<'_>| recharges::follow(tx, &paid, (now, entropy));
        write(&self.store, follow).await;
    }

    async fn attempts(&self) -> Vec<Attempt> {
        let page = Page {
            after: None,
            is_descending: false,
            limit: 100,
        };
        let of = self.organization.clone();
        write(&self.store, move |tx| recharges::attempts(tx, &of, &page)).await
    }

    /// The names of the mails that wait, with whom they are for.
    async fn mails(&self) -> Vec<String> {
        let waiting: Result<_, StoreError> = self.store.read(|tx| jobs::waiting(tx, 100)).await;
        let mut mails: Vec<_> = waiting.unwrap().into_iter().map(|it| it.template).collect();
        mails.sort();
        mails
    }
}

async fn begin(store: &Store, organization: &OrganizationId, now: AtUs) -> Begun {
    let of = organization.clone();
    write(store, move |tx| {
        let id = PaymentId::random(entropy);
        recharges::begin(tx, &of, &id, &terms(), (now, entropy))
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn one_recharge_begins_however_many_nodes_find_the_wallet_low() {
    on_each_database(async |database| {
        let world = World::with_card(&database).await;
        let other = open(&database.url, Role::Command).await.unwrap();
        let finders = (0..8).map(|number| {
            let store = [&world.store, &other][number % 2].clone();
            let of = world.organization.clone();
            tokio::spawn(async move { begin(&store, &of, NOW).await })
        });
        let mut begun = Vec::new();
        for finder in finders.collect::<Vec<_>>() {
            if let Begun::Payment(payment) = finder.await.unwrap() {
                begun.push(payment);
            }
        }
        let [payment] = &begun[..] else {
            panic!("{begun:?}");
        };
        assert_eq!((payment.amount, payment.tax), (usd("20"), usd("3.80")));
        assert_eq!(world.state(NOW).await, State::InFlight(usd("20")));
        assert_eq!(world.attempts().await.len(), 1);

        // Even behind this module's back there is one at a time.
        let of = world.organization.clone();
        let second = world.store.write(move |tx| {
            tx.execute_one(
                "INSERT INTO recharges (payment_id, organization_id, amount_nusd, available_nusd,
                     state, claimed_until_us, began_at_us)
                 SELECT 'pay_2', organization_id, 1, 0, 'open', 0, 0 FROM recharges
                 WHERE organization_id = $1",
                &[of.as_str().into()],
            )
        });
        let second: Result<(), StoreError> = second.await;
        assert!(second.is_err());
    })
    .await;
}

#[tokio::test]
async fn a_recharge_that_was_left_is_found_by_one_of_those_who_look() {
    on_each_database(async |database| {
        let world = World::with_card(&database).await;
        let payment = world.begun(NOW).await;
        let under_way =
            async |now| write(&world.store, move |tx| recharges::under_way(tx, now, 10)).await;
        let claim = async |until, now| {
            let id = payment.id.clone();
            write(&world.store, move |tx| {
                recharges::claim(tx, &id, until, now)
            })
            .await
        };
        let (soon, later) = (NOW.plus(10), NOW.plus(20));
        assert_eq!(under_way(NOW).await, std::slice::from_ref(&payment.id));
        assert!(claim(soon, NOW).await);
        assert!(!claim(soon, NOW).await, "somebody works on it");
        assert!(under_way(NOW.plus(9)).await.is_empty());
        assert_eq!(
            under_way(soon).await,
            std::slice::from_ref(&payment.id),
            "they died"
        );
        assert!(claim(later, soon).await);
        world.succeed(&payment, soon).await;
        assert!(under_way(later).await.is_empty());
        assert!(!claim(later.plus(1), later).await, "it is over");
    })
    .await;
}

#[tokio::test]
async fn declines_back_off_and_switch_it_off_after_three_in_a_row() {
    on_each_database(async |database| {
        let world = World::with_card(&database).await;
        let first = world.begun(NOW).await;
        world.decline(&first, NOW).await;
        world.decline(&first, NOW).await;
        let until = NOW.plus(HOUR_US);
        assert_eq!(world.state(NOW).await, State::BackingOff(until));
        assert_eq!(world.begin(until.plus(-1)).await, Begun::Nothing);
        let second = world.begun(until).await;
        world.decline(&second, until).await;
        let longer = until.plus(6 * HOUR_US);
        assert_eq!(world.state(until).await, State::BackingOff(longer));
        assert_eq!(world.mails().await, ["recharge_failed"; 2]);

        // What succeeds begins anew.
        let third = world.begun(longer).await;
        world.succeed(&third, longer).await;
        let mut now = longer;
        for wait_us in [HOUR_US, 6 * HOUR_US] {
            let payment = world.begun(now).await;
            world.decline(&payment, now).await;
            now = now.plus(wait_us);
        }
        let last = world.begun(now).await;
        world.decline(&last, now).await;
        assert_eq!(world.state(now).await, State::GaveUp(GaveUp::Declined));
        assert_eq!(world.begin(now.plus(30 * DAY_US)).await, Begun::Nothing);
        let told = world.mails().await;
        assert_eq!(
            told.iter().filter(|it| *it == "recharge_disabled").count(),
            1
        );
        assert_eq!(told.len(), 5);

        // Its owner wants it again.
        world.want(wanted(), now).await;
        assert_eq!(world.state(now).await, State::Armed);
        let again = world.begun(now).await;
        world.decline(&again, now).await;
        assert_eq!(world.state(now).await, State::BackingOff(now.plus(HOUR_US)));
    })
    .await;
}

#[tokio::test]
async fn another_card_is_charged_at_once() {
    on_each_database(async |database| {
        let world = World::with_card(&database).await;
        let payment = world.begun(NOW).await;
        world.decline(&payment, NOW).await;
        // Another amount is no other card.
        let mut other = wanted();
        other.rules.restore_to = usd("25");
        world.want(other.clone(), NOW).await;
        let until = NOW.plus(HOUR_US);
        assert_eq!(world.state(NOW).await, State::BackingOff(until));
        let card = world.save_card("pm_2").await;
        other.method = Some(card.clone());
        world.want(other, NOW).await;
        let payment = world.begun(NOW).await;
        let charged = (payment.method.clone(), payment.amount);
        assert_eq!(charged, (Some(card), usd("25")));

        let of = world.organization.clone();
        world.decline(&payment, NOW).await;
        assert_eq!(world.state(NOW).await, State::BackingOff(until));
        write(&world.store, move |tx| recharges::new_method(tx, &of, NOW)).await;
        assert_eq!(world.state(NOW).await, State::Armed, "cards changed");
    })
    .await;
}

#[tokio::test]
async fn a_card_that_was_saved_before_begins_anew_when_it_is_chosen() {
    on_each_database(async |database| {
        let world = World::with_card(&database).await;
        let card = world.save_card("pm_2").await;
        let payment = world.begun(NOW).await;
        world.decline(&payment, NOW).await;
        let until = NOW.plus(HOUR_US);
        assert_eq!(world.state(NOW).await, State::BackingOff(until));
        let chosen = Settings {
            method: Some(card),
            ..wanted()
        };
        world.want(chosen, NOW).await;
        assert_eq!(world.state(NOW).await, State::Armed);
    })
    .await;
}

#[tokio::test]
async fn a_recharge_that_is_over_stays_so() {
    on_each_database(async |database| {
        let world = World::with_card(&database).await;
        let payment = world.begun(NOW).await;
        world.decline(&payment, NOW).await;
        let late = Payment {
            state: PaymentState::Expired,
            ..payment
        };
        let follow = move |tx: &mut Tx<'_>| recharges::follow(tx, &late, (NOW, entropy));
        write(&world.store, follow).await;
        assert_eq!(world.attempts().await[0].state, AttemptState::Declined);
    })
    .await;
}

#[tokio::test]
async fn nobody_is_charged_who_is_suspended_or_by_a_card_that_another_provider_has() {
    on_each_database(async |database| {
        let world = World::with_card(&database).await;
        let of = world.organization.clone();
        let suspend = move |tx: &mut Tx<'_>| organizations::suspend(tx, &of, "a test", NOW);
        assert!(write(&world.store, suspend).await);
        assert_eq!(world.begin(NOW).await, Begun::Nothing);

        let world = World::of(&testkit::databases::sqlite()).await;
        let card = world.save_card("pm_1").await;
        let chosen = Settings {
            method: Some(card),
            ..wanted()
        };
        world.want(chosen, NOW).await;
        let of = world.organization.clone();
        let begun = write(&world.store, move |tx| {
            let id = PaymentId::random(entropy);
            let elsewhere = Terms {
                provider: "elsewhere".into(),
                ..terms()
            };
            recharges::begin(tx, &of, &id, &elsewhere, (NOW, entropy))
        });
        assert_eq!(begun.await, Begun::NoPaymentMethod);
    })
    .await;
}

#[tokio::test]
async fn a_month_buys_no_more_than_its_cap_and_the_next_one_begins_anew() {
    on_each_database(async |database| {
        let world = World::with_card(&database).await;
        let month = Window::Month.span(NOW);
        let last = month.end.plus(-1);
        for amount in ["20", "20", "10"] {
            let payment = world.begun(last).await;
            assert_eq!(payment.amount, usd(amount));
            world.succeed(&payment, last).await;
        }
        assert_eq!(world.begin(last).await, Begun::Capped);
        assert_eq!(world.state(last).await, State::Capped(month.end));
        assert_eq!(world.begin(last).await, Begun::Nothing);
        assert_eq!(world.mails().await, ["recharge_failed"]);

        // A higher cap counts at once; reached again, it is not told again.
        let mut more = wanted();
        more.rules.monthly_cap = Some(usd("54.99"));
        world.want(more, last).await;
        assert_eq!(world.state(last).await, State::Armed);
        assert_eq!(world.begin(last).await, Begun::Capped);
        assert_eq!(world.mails().await, ["recharge_failed"]);

        // What begins in the last moment of a month counts there, whenever it ends.
        assert_eq!(world.state(month.end).await, State::Armed);
        let payment = world.begun(month.end).await;
        assert_eq!(payment.amount, usd("20"));
        let of = world.organization.clone();
        let bought = async |at| {
            let of = of.clone();
            write(&world.store, move |tx| recharges::bought(tx, &of, at)).await
        };
        assert_eq!(bought(last).await, usd("50"));
        assert_eq!(bought(month.end).await, usd("20"), "it is under way");
        world.decline(&payment, month.end).await;
        assert_eq!(bought(month.end).await, Nusd::ZERO);
    })
    .await;
}

#[tokio::test]
async fn a_bank_that_wants_the_cards_owner_is_no_decline() {
    on_each_database(async |database| {
        let world = World::with_card(&database).await;
        let payment = world.begun(NOW).await;
        let needs_action = Heard {
            url: Some("http://provider.test/authenticate".into()),
            ..Heard::default()
        };
        world.hear(&payment, needs_action.clone(), NOW).await;
        world.hear(&payment, needs_action, NOW).await;
        let waits = State::NeedsAuthentication(usd("20"));
        assert_eq!(world.state(NOW).await, waits);
        assert_eq!(world.mails().await, ["recharge_needs_action"]);
        let attempt = world.attempts().await.remove(0);
        assert_eq!(
            attempt.url.as_deref(),
            Some("http://provider.test/authenticate")
        );
        assert_eq!(world.begin(NOW).await, Begun::Nothing, "one at a time");

        let expired = Heard {
            news: Some(PaymentNews::Expired),
            ..Heard::default()
        };
        let later = NOW.plus(DAY_US);
        world.hear(&payment, expired, later).await;
        assert_eq!(world.state(later).await, State::Armed);
        let attempt = world.attempts().await.remove(0);
        assert_eq!(
            (attempt.state, attempt.url),
            (AttemptState::Abandoned, None)
        );

        // Whoever authenticates after all has paid, and that counts.
        world.succeed(&payment, later).await;
        assert_eq!(world.attempts().await[0].state, AttemptState::Succeeded);
        let of = world.organization.clone();
        let bought = write(&world.store, move |tx| recharges::bought(tx, &of, NOW)).await;
        assert_eq!(bought, usd("20"));
    })
    .await;
}

#[tokio::test]
async fn without_a_card_it_is_switched_off_and_said_once() {
    on_each_database(async |database| {
        let world = World::of(&database).await;
        assert_eq!(world.begin(NOW).await, Begun::Nothing, "nobody wants it");
        world.want(wanted(), NOW).await;
        assert_eq!(world.begin(NOW).await, Begun::NoPaymentMethod);
        assert_eq!(world.begin(NOW).await, Begun::Nothing);
        let none = State::GaveUp(GaveUp::NoPaymentMethod);
        assert_eq!(world.state(NOW).await, none);
        assert_eq!(world.mails().await, ["recharge_disabled"]);
    })
    .await;
}

#[tokio::test]
async fn whoever_sweeps_finds_the_wallets_that_are_low() {
    on_each_database(async |database| {
        let world = World::with_card(&database).await;
        let low = async |after: Option<OrganizationId>, now| {
            let low = move |tx: &mut Tx<'_>| recharges::low(tx, after.as_ref(), now, 10);
            write(&world.store, low).await
        };
        let of = world.organization.clone();
        assert_eq!(low(None, NOW).await, std::slice::from_ref(&of));
        assert!(low(Some(of.clone()), NOW).await.is_empty());
        let payment = world.begun(NOW).await;
        assert!(low(None, NOW).await.is_empty(), "it is under way");
        world.decline(&payment, NOW).await;
        assert!(low(None, NOW).await.is_empty(), "the card is left alone");
        assert_eq!(
            low(None, NOW.plus(HOUR_US)).await,
            std::slice::from_ref(&of)
        );
        let mut off = wanted();
        off.is_enabled = false;
        world.want(off, NOW).await;
        assert!(
            low(None, NOW.plus(HOUR_US)).await.is_empty(),
            "nobody wants it"
        );
        let grant = store::grants::Grant {
            id: "g".into(),
            organization: of.clone(),
            amount: usd("5"),
            reason: "test".into(),
            actor: "operator".into(),
            expires_at: None,
        };
        world.want(wanted(), NOW).await;
        let give = move |tx: &mut Tx<'_>| -> Result<(), StoreError> {
            let given = store::grants::give(tx, &grant, NOW);
            given.map_err(|error| StoreError::Failed(error.to_string()))?;
            Ok(())
        };
        write(&world.store, give).await;
        assert!(low(None, NOW).await.is_empty(), "there is enough");
        assert_eq!(world.begin(NOW).await, Begun::Nothing);
    })
    .await;
}
