//! Auto-recharge: what is wanted of it, and that every recharge charges a card once, whatever
//! breaks in between.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use domain::id::PaymentId;
use domain::money::Nusd;
use domain::payment::Card;
use domain::time::{DAY_US, HOUR_US, MINUTE_US};
use serde_json::{Value, json};
use store::payments::{self, SavedMethod};
use store::recharges::{self, Begun, Terms};
use store::{StoreError, Tx, jobs};
use testkit::{TestDatabase, on_each_database};

use crate::bank::{Bank, Says};
use crate::world::{World, entropy, refused};

const PATH: &str = "/api/billing/auto_recharge";

fn usd(text: &str) -> Nusd {
    Nusd::parse_usd(text).unwrap()
}

/// A world whose wallet has $100, and a card at the bank.
struct Shop {
    world: World,
    bank: Arc<Bank>,
    card: String,
}

impl Shop {
    async fn open(database: TestDatabase, says: Says) -> Shop {
        let bank = Arc::new(Bank::new(says));
        let world = World::start_paid_by(database, Arc::clone(&bank) as _).await;
        let card = SavedMethod {
            organization: world.made.organization.clone(),
            provider: Bank::NAME.into(),
            reference: "pm_1".into(),
            card: Card {
                brand: "visa".into(),
                last4: "4242".into(),
            },
            exp_month: 12,
            exp_year: 2030,
        };
        let now = domain::time::AtUs(world.now.load(Ordering::Relaxed));
        let save = move |tx: &mut Tx<'_>| payments::save_method(tx, &card, entropy, now);
        let (method, _) = world.store.write(save).await.unwrap();
        Shop {
            world,
            bank,
            card: method.id.to_string(),
        }
    }

    /// The same, where a wallet with less than $150 is filled up to $200.
    async fn low(database: TestDatabase, says: Says) -> Shop {
        let shop = Shop::open(database, says).await;
        let wanted = json!({"threshold_usd": "150", "restore_to_usd": "200.00"});
        let answer = shop.world.post(PATH, &wanted).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        shop
    }

    async fn look(&self) {
        self.world.recharger.look().await;
    }

    fn advance(&self, us: i64) {
        self.world.now.fetch_add(us, Ordering::Relaxed);
    }

    async fn standing(&self) -> Value {
        let answer = self.world.get(PATH).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()
    }

    async fn state(&self) -> String {
        self.standing().await["state"].as_str().unwrap().to_owned()
    }

    async fn recharges(&self) -> Vec<Value> {
        let list = self
            .world
            .get(&format!("{PATH}/recharges?order=desc"))
            .await;
        assert_eq!(list.status, 200, "{}", list.text());
        list.json()["data"].as_array().unwrap().clone()
    }

    async fn balance(&self) -> Nusd {
        let of = self.world.made.organization.clone();
        let read = move |tx: &mut Tx<'_>| store::wallets::get(tx, &of);
        let wallet: Result<_, StoreError> = self.world.store.read(read).await;
        wallet.unwrap().unwrap().balance()
    }

    async fn mails(&self) -> Vec<String> {
        let read = self.world.store.read(|tx| jobs::waiting(tx, 100));
        let waiting: Result<_, StoreError> = read.await;
        let mut mails: Vec<_> = waiting.unwrap().into_iter().map(|it| it.template).collect();
        mails.retain(|it| it.starts_with("recharge"));
        mails.sort();
        mails
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wanted_is_kept_shown_and_checked() {
    on_each_database(async |database| {
        let shop = Shop::open(database, Says::Takes).await;
        let world = &shop.world;
        let before = shop.standing().await;
        assert_eq!(before["state"], "off");
        assert_eq!(before["threshold_usd"], Value::Null);
        assert_eq!(before["available_usd"], "100.00");
        let bad = async |body: Value, param: &str, code: &str| {
            refused(&world.post(PATH, &body).await, 400, param, code);
        };
        let missing = "missing_required_parameter";
        bad(json!({"threshold_usd": "5"}), "restore_to_usd", missing).await;
        bad(json!({"restore_to_usd": "5"}), "threshold_usd", missing).await;
        let with = |name: &str, value: Value| {
            let mut body = json!({"threshold_usd": "5", "restore_to_usd": "20"});
            body[name] = value;
            body
        };
        for (name, value) in [
            ("threshold_usd", json!("0")),
            ("threshold_usd", json!("5.001")),
            ("restore_to_usd", json!("9.99")),
            ("restore_to_usd", json!("1000000")),
            ("monthly_cap_usd", json!("4.99")),
            ("payment_method_id", json!("card_none")),
        ] {
            bad(with(name, value), name, "invalid_value").await;
        }
        assert_eq!(shop.standing().await, before, "nothing of it was kept");

        let wanted = json!({
            "threshold_usd": "5", "restore_to_usd": "20", "monthly_cap_usd": "50.00",
            "payment_method_id": shop.card,
        });
        let kept = world.post(PATH, &wanted).await.json();
        assert_eq!(kept["object"], "billing.auto_recharge");
        assert_eq!(
            (&kept["enabled"], &kept["state"]),
            (&json!(true), &json!("armed"))
        );
        assert_eq!(kept["threshold_usd"], "5.00");
        assert_eq!(kept["restore_to_usd"], "20.00");
        assert_eq!(kept["left_this_month_usd"], "50.00");
        assert_eq!(kept["payment_method_id"], *shop.card);
        let changed = json!({"enabled": false, "monthly_cap_usd": null, "payment_method_id": null});
        let kept = world.post(PATH, &changed).await.json();
        assert_eq!(
            (&kept["enabled"], &kept["state"]),
            (&json!(false), &json!("off"))
        );
        assert_eq!(kept["threshold_usd"], "5.00", "what is not said stays");
        assert_eq!(kept["monthly_cap_usd"], Value::Null);
        assert_eq!(kept["payment_method_id"], Value::Null);
        shop.look().await;
        assert_eq!(shop.bank.asked(), 0, "there is enough, and nobody wants it");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_low_wallet_is_filled_up_once_however_many_look() {
    on_each_database(async |database| {
        let shop = Shop::low(database, Says::Takes).await;
        let looks = (0..8).map(|_| shop.look());
        futures_join(looks.collect()).await;
        assert_eq!(shop.bank.took(), (usd("100"), 1));
        assert_eq!(shop.balance().await, usd("200"));
        let standing = shop.standing().await;
        assert_eq!(standing["state"], "armed");
        assert_eq!(standing["bought_this_month_usd"], "100.00");
        assert_eq!(standing["available_usd"], "200.00");
        let recharges = shop.recharges().await;
        assert_eq!(recharges.len(), 1);
        assert_eq!(recharges[0]["state"], "succeeded");
        assert_eq!(recharges[0]["available_usd"], "100.00");
        assert_eq!(recharges[0]["amount_usd"], "100.00");
        shop.look().await;
        assert_eq!(shop.bank.asked(), 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_breaks_half_way_the_card_is_charged_once() {
    on_each_database(async |database| {
        // The process dies between the intent and the charge.
        let shop = Shop::low(database, Says::Takes).await;
        let world = &shop.world;
        let of = world.made.organization.clone();
        let now = domain::time::AtUs(world.now.load(Ordering::Relaxed));
        let terms = Terms {
            provider: Bank::NAME.into(),
            bounds: world.payments.bounds,
            tax_rate: world.payments.tax_rate,
            currency: "usd".into(),
        };
        let begin = move |tx: &mut Tx<'_>| {
            let id = PaymentId::random(entropy);
            recharges::begin(tx, &of, &id, &terms, (now, entropy))
        };
        let begun = world.store.write(begin).await.unwrap();
        assert!(matches!(begun, Begun::Payment(_)));
        assert_eq!(shop.state().await, "in_flight");
        shop.look().await;
        assert_eq!(shop.bank.took(), (usd("100"), 1));
        assert_eq!(shop.balance().await, usd("200"));

        // It charges, and dies before it has written that down.
        let more = json!({"threshold_usd": "250", "restore_to_usd": "300"});
        assert_eq!(world.post(PATH, &more).await.status, 200);
        shop.bank.says(Says::TakesInSilence);
        shop.look().await;
        assert_eq!(shop.bank.took(), (usd("200"), 2));
        assert_eq!(
            (shop.state().await.as_str(), shop.balance().await),
            ("in_flight", usd("200"))
        );
        shop.look().await;
        assert_eq!(shop.bank.asked(), 2, "it is left alone for a while");
        shop.advance(MINUTE_US);
        shop.look().await;
        assert_eq!(
            (shop.state().await.as_str(), shop.balance().await),
            ("armed", usd("300"))
        );
        assert_eq!((shop.bank.took(), shop.bank.asked()), ((usd("200"), 2), 3));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_is_away_is_asked_again_for_the_same_payment() {
    on_each_database(async |database| {
        let shop = Shop::low(database, Says::IsAway).await;
        let world = &shop.world;
        for _ in 0..3 {
            shop.look().await;
            shop.advance(20 * MINUTE_US);
        }
        assert_eq!(
            (shop.state().await.as_str(), shop.recharges().await.len()),
            ("in_flight", 1)
        );
        shop.bank.says(Says::Takes);
        shop.look().await;
        assert_eq!(
            (shop.bank.took(), shop.balance().await),
            ((usd("100"), 1), usd("200"))
        );

        // Away for a day, nobody knows, and it is not asked again: another one begins.
        let more = json!({"threshold_usd": "250", "restore_to_usd": "300"});
        assert_eq!(world.post(PATH, &more).await.status, 200);
        shop.bank.says(Says::IsAway);
        shop.look().await;
        shop.advance(DAY_US);
        shop.bank.says(Says::Takes);
        shop.look().await;
        let states: Vec<_> = shop
            .recharges()
            .await
            .iter()
            .map(|it| it["state"].clone())
            .collect();
        assert!(states.contains(&json!("abandoned")), "{states:?}");
        shop.look().await;
        assert_eq!(
            (shop.bank.took(), shop.balance().await),
            ((usd("200"), 2), usd("300"))
        );
        assert!(shop.mails().await.is_empty());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn three_declines_switch_it_off_and_its_owners_are_told() {
    on_each_database(async |database| {
        let shop = Shop::low(database, Says::Declines).await;
        for (asked, wait_us) in [(1, HOUR_US), (2, 6 * HOUR_US)] {
            shop.look().await;
            shop.look().await;
            assert_eq!(shop.bank.asked(), asked);
            let standing = shop.standing().await;
            assert_eq!(standing["state"], "backing_off");
            assert_eq!(standing["declines_in_a_row"], asked);
            let now = shop.world.now.load(Ordering::Relaxed) / 1_000_000;
            let until = standing["until"].as_i64().unwrap();
            assert!(
                (now..=now + wait_us / 1_000_000).contains(&until),
                "{standing}"
            );
            assert_eq!(
                shop.recharges().await[0]["failure_code"],
                "insufficient_funds"
            );
            shop.advance(wait_us);
        }
        shop.look().await;
        let standing = shop.standing().await;
        assert_eq!(
            (&standing["state"], &standing["gave_up"]),
            (&json!("gave_up"), &json!("declined"))
        );
        shop.advance(30 * DAY_US);
        shop.look().await;
        assert_eq!((shop.bank.asked(), shop.balance().await), (3, usd("100")));
        let told = ["recharge_disabled", "recharge_failed", "recharge_failed"];
        assert_eq!(shop.mails().await, told);

        // Switched on again, and with a card that is accepted.
        shop.bank.says(Says::Takes);
        assert_eq!(
            shop.world
                .post(PATH, &json!({"enabled": true}))
                .await
                .status,
            200
        );
        shop.look().await;
        assert_eq!(
            (shop.state().await.as_str(), shop.balance().await),
            ("armed", usd("200"))
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bank_that_asks_for_the_owner_is_answered_by_a_link() {
    on_each_database(async |database| {
        let shop = Shop::low(database, Says::AsksAt(Some("http://bank.test/3ds"))).await;
        shop.look().await;
        let standing = shop.standing().await;
        assert_eq!(standing["state"], "needs_authentication");
        assert_eq!(standing["authentication_url"], "http://bank.test/3ds");
        assert_eq!(standing["declines_in_a_row"], 0);
        assert_eq!(shop.mails().await, ["recharge_needs_action"]);
        shop.advance(MINUTE_US);
        shop.look().await;
        assert_eq!(shop.state().await, "needs_authentication");
        shop.bank.owners_authenticate();
        shop.advance(MINUTE_US);
        shop.look().await;
        assert_eq!(
            (shop.state().await.as_str(), shop.balance().await),
            ("armed", usd("200"))
        );

        // Where the bank has no place for that, it is paid on a page of the provider.
        let more = json!({"threshold_usd": "250", "restore_to_usd": "300"});
        assert_eq!(shop.world.post(PATH, &more).await.status, 200);
        shop.bank.says(Says::AsksAt(None));
        shop.look().await;
        let url = &shop.standing().await["authentication_url"];
        assert_eq!(*url, "http://bank.test/page");
        shop.bank.owners_authenticate();
        shop.advance(MINUTE_US);
        shop.look().await;
        assert_eq!(
            (shop.bank.took(), shop.balance().await),
            ((usd("200"), 2), usd("300"))
        );
        assert_eq!(shop.mails().await, ["recharge_needs_action"; 2]);

        // Waited for in vain, it is asked for again.
        let more = json!({"threshold_usd": "350", "restore_to_usd": "400"});
        assert_eq!(shop.world.post(PATH, &more).await.status, 200);
        shop.bank.says(Says::AsksAt(Some("http://bank.test/3ds")));
        shop.look().await;
        shop.advance(DAY_US);
        shop.look().await;
        shop.look().await;
        let states: Vec<_> = shop
            .recharges()
            .await
            .iter()
            .map(|it| it["state"].clone())
            .collect();
        assert_eq!(states[..2], ["needs_authentication", "abandoned"]);
        assert_eq!(shop.mails().await.len(), 4);
    })
    .await;
}

/// Waits for all of these at once.
async fn futures_join(all: Vec<impl Future<Output = ()>>) {
    let mut all: Vec<_> = all.into_iter().map(Box::pin).collect();
    std::future::poll_fn(|context| {
        all.retain_mut(|one| one.as_mut().poll(context).is_pending());
        match all.is_empty() {
            true => std::task::Poll::Ready(()),
            false => std::task::Poll::Pending,
        }
    })
    .await;
}
