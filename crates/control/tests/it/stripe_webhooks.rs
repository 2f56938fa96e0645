//! What Stripe tells, and what somebody tells in its name: exactly the right credit, whatever comes
//! how often, when and in which order.

use serde_json::{Value, json};
use testkit::on_each_database;
use testkit::stripe::{
    ALWAYS_ASKS, DECLINED, DECLINED_LATER, Fault, GOOD, WEBHOOK_SECRET, signature,
};

use crate::stripe_world::{Shop, WEBHOOK};
use crate::world::{World, refused};

const OTHER_SECRET: &str = "whsec_of_the_next_year";

#[tokio::test(flavor = "multi_thread")]
async fn credit_comes_once_whatever_is_told_twice_and_in_any_order() {
    on_each_database(async |database| {
        let shop = Shop::open(database).await;
        let mut credit = 0;
        for order in [[0, 1, 2], [2, 1, 0], [1, 0, 2], [1, 2, 0]] {
            let (payment, page) = shop.order().await;
            assert!(!shop.double.type_card(&page, DECLINED), "another card");
            let before = shop.double.events().len();
            assert!(shop.double.type_card(&page, GOOD));
            let events = shop.double.events();
            let of = |kind: &str| {
                let mut new = events[before - 1..].iter();
                new.find(|event| event["type"] == kind).unwrap().clone()
            };
            let events = [
                of("payment_intent.payment_failed"),
                of("payment_intent.succeeded"),
                of("checkout.session.completed"),
            ];
            for index in order {
                shop.deliver(&events[index]).await;
                let again = shop.deliver(&events[index]).await;
                assert_eq!(again, "told_before");
            }
            credit += 500;
            assert_eq!(shop.world.bought_cents().await, credit, "{order:?}");
            assert_eq!(shop.status(&payment).await, "succeeded");
        }
        assert_eq!(shop.unmatched().await, []);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn credit_comes_once_when_everything_is_told_at_the_same_time() {
    on_each_database(async |database| {
        let shop = Shop::open(database).await;
        let (_, page) = shop.order().await;
        assert!(shop.double.type_card(&page, GOOD));
        let kinds = ["payment_intent.succeeded", "checkout.session.completed"];
        let now_s = shop.now_s();
        let url = shop.world.url(WEBHOOK);
        let mut deliveries = tokio::task::JoinSet::new();
        for kind in kinds.into_iter().cycle().take(8) {
            let body = shop.double.event(kind).to_string();
            let signed = signature(&body, now_s, &[WEBHOOK_SECRET]);
            let url = url.clone();
            deliveries.spawn(async move {
                let answer = testkit::stripe::deliver_signed(&url, &signed, &body).await;
                assert_eq!(answer.status, 200, "{}", answer.text());
            });
        }
        deliveries.join_all().await;
        assert_eq!(shop.world.bought_cents().await, 500);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_stripe_did_not_sign_just_now_moves_nothing() {
    on_each_database(async |database| {
        let shop = Shop::open(database).await;
        let (payment, page) = shop.order().await;
        assert!(shop.double.type_card(&page, GOOD));
        let body = shop.double.event("checkout.session.completed").to_string();
        let now_s = shop.now_s();
        let sign = |at_s: i64, secret: &str| signature(&body, at_s, &[secret]);
        for (what, signature) in [
            ("none", String::new()),
            ("another form", "Bearer whsec".into()),
            ("another secret", sign(now_s, OTHER_SECRET)),
            ("an empty secret", sign(now_s, "")),
            ("an old time", sign(now_s - 400, WEBHOOK_SECRET)),
            ("a time to come", sign(now_s + 400, WEBHOOK_SECRET)),
            ("no signature", format!("t={now_s}")),
            (
                "an old scheme",
                sign(now_s, WEBHOOK_SECRET).replace("v1=", "v0="),
            ),
        ] {
            let answer = shop.send(&signature, &body).await;
            assert_eq!(answer.status, 401, "{what}");
            assert_eq!(
                answer.json()["error"]["code"],
                "invalid_signature",
                "{what}"
            );
        }
        let altered = body.replace("payment", "Payment");
        let answer = shop.send(&sign(now_s, WEBHOOK_SECRET), &altered).await;
        assert_eq!(answer.status, 401);
        let huge = " ".repeat(2 * 1024 * 1024);
        let signed = signature(&huge, now_s, &[WEBHOOK_SECRET]);
        assert_eq!(shop.send(&signed, &huge).await.status, 413);
        for nonsense in ["", "null", "[]", "{\"id\": 1}"] {
            let signed = signature(nonsense, now_s, &[WEBHOOK_SECRET]);
            assert_eq!(shop.send(&signed, nonsense).await.status, 400, "{nonsense}");
        }
        assert_eq!(shop.world.bought_cents().await, 0);
        assert_eq!(shop.status(&payment).await, "open");
        let answer = shop.send(&sign(now_s, WEBHOOK_SECRET), &body).await;
        assert_eq!(answer.status, 200);
        assert_eq!(shop.world.bought_cents().await, 500);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_are_rotated_without_a_gap() {
    on_each_database(async |database| {
        let shop = Shop::open_with(database, &[OTHER_SECRET, WEBHOOK_SECRET]).await;
        for secrets in [
            &[WEBHOOK_SECRET][..],
            &[OTHER_SECRET],
            &[WEBHOOK_SECRET, OTHER_SECRET],
        ] {
            let (_, page) = shop.order().await;
            assert!(shop.double.type_card(&page, GOOD));
            let body = shop.double.event("checkout.session.completed").to_string();
            let signed = signature(&body, shop.now_s(), secrets);
            assert_eq!(shop.send(&signed, &body).await.status, 200);
        }
        assert_eq!(shop.world.bought_cents().await, 1_500);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_secret_or_without_stripe_there_is_no_such_route() {
    on_each_database(async |database| {
        let shop = Shop::open_with(database.clone(), &[]).await;
        let body = json!({"id": "evt_1"}).to_string();
        let signed = signature(&body, shop.now_s(), &[""]);
        let answer = shop.send(&signed, &body).await;
        assert_eq!(answer.status, 404, "{}", answer.text());
        let (_, page) = shop.order().await;
        assert!(shop.double.type_card(&page, GOOD));
        assert_eq!(shop.world.bought_cents().await, 0);
    })
    .await;
    on_each_database(async |database| {
        let world = World::start(database).await;
        let answer = world.post(WEBHOOK, &json!({})).await;
        assert_eq!(answer.status, 404, "{}", answer.text());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_is_a_hint_and_the_object_counts() {
    on_each_database(async |database| {
        let shop = Shop::open(database).await;
        let (paid, paid_page) = shop.order().await;
        let (open, open_page) = shop.order().await;
        assert!(shop.double.type_card(&paid_page, GOOD));
        // It says of one order what is true of another.
        let mut event = shop.double.event("checkout.session.completed");
        event["data"]["object"]["id"] = json!(open_page);
        event["data"]["object"]["amount_total"] = json!(1_000_000);
        assert_eq!(shop.deliver(&event).await, "open");
        assert_eq!(shop.world.bought_cents().await, 0);
        event["id"] = json!("evt_other");
        event["data"]["object"]["id"] = json!("cs_of_nobody");
        assert_eq!(shop.deliver(&event).await, "gone");
        let mut event = shop.double.event("payment_intent.succeeded");
        event["data"]["object"]["metadata"]["farebox_payment"] = json!(open);
        event["data"]["object"]["amount_received"] = json!(1_000_000);
        assert_eq!(shop.deliver(&event).await, "credited");
        assert_eq!(shop.status(&paid).await, "succeeded");
        assert_eq!(shop.status(&open).await, "open");
        assert_eq!(shop.world.bought_cents().await, 500);
    })
    .await;
}

/// What Stripe itself says is not that of the order: the money is kept apart, and an operator sees
/// it.
#[tokio::test(flavor = "multi_thread")]
async fn money_that_is_not_that_of_the_order_is_not_credited() {
    type Change = fn(&mut Value, &str);
    let cases: [(&str, &str, Change); 4] = [
        ("other_amount", "1.00", |intent, _| {
            intent["amount_received"] = json!(100);
        }),
        ("other_currency", "5.95", |intent, _| {
            intent["currency"] = json!("eur");
        }),
        ("other_checkout", "5.95", |_, _| {}),
        ("no_order", "5.95", |intent, _| {
            intent["metadata"]["farebox_payment"] = json!("pay_of_nobody");
        }),
    ];
    on_each_database(async |database| {
        let shop = Shop::open(database).await;
        for (number, (problem, amount, change)) in cases.iter().enumerate() {
            let (payment, page) = shop.order().await;
            let (other, _) = shop.order().await;
            assert!(shop.double.type_card(&page, GOOD));
            let charge = shop.charge_of(&page);
            shop.double.change(&charge, |intent| change(intent, &other));
            let kind = match *problem {
                "other_checkout" => {
                    // The page says that it is for another order.
                    let named = |it: &mut Value| it["client_reference_id"] = json!(other);
                    shop.double.change(&page, named);
                    "checkout.session.completed"
                }
                _ => "payment_intent.succeeded",
            };
            assert_eq!(shop.deliver_latest(kind).await, *problem);
            assert_eq!(shop.world.bought_cents().await, 0, "{problem}");
            assert_eq!(shop.status(&payment).await, "open", "{problem}");
            assert_eq!(shop.status(&other).await, "open", "{problem}");
            let kept = shop.unmatched().await;
            assert_eq!(kept.len(), number + 1);
            let found = ((*problem).to_owned(), (*amount).to_owned());
            assert!(kept.contains(&found), "{kept:?}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn money_that_takes_days_comes_late_or_never() {
    on_each_database(async |database| {
        let shop = Shop::open(database).await;
        for (arrives, status) in [(true, "succeeded"), (false, "failed")] {
            let before = shop.world.bought_cents().await;
            let (payment, page) = shop.order().await;
            shop.double.pay_slowly(&page);
            let outcome = shop.deliver_latest("checkout.session.completed").await;
            assert_eq!(outcome, "processing");
            assert_eq!(shop.status(&payment).await, "processing");
            assert_eq!(shop.world.bought_cents().await, before);
            shop.double.end_slow_payment(&page, arrives);
            let kind = match arrives {
                true => "checkout.session.async_payment_succeeded",
                false => "checkout.session.async_payment_failed",
            };
            shop.deliver_latest(kind).await;
            assert_eq!(shop.status(&payment).await, status);
        }
        assert_eq!(shop.world.bought_cents().await, 500);
        let (payment, page) = shop.order().await;
        shop.double.expire(&page);
        let outcome = shop.deliver_latest("checkout.session.expired").await;
        assert_eq!(outcome, "expired");
        assert_eq!(shop.status(&payment).await, "expired");
        assert_eq!(shop.world.bought_cents().await, 500);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_could_not_be_asked_about_is_told_again() {
    on_each_database(async |database| {
        let shop = Shop::open(database).await;
        let (_, page) = shop.order().await;
        assert!(shop.double.type_card(&page, GOOD));
        let event = shop.double.event("checkout.session.completed");
        for _ in 0..3 {
            shop.double.fault("/v1/checkout", Fault::Fails(503));
        }
        let body = event.to_string();
        let signed = signature(&body, shop.now_s(), &[WEBHOOK_SECRET]);
        let answer = shop.send(&signed, &body).await;
        assert_eq!(answer.status, 503, "{}", answer.text());
        assert_eq!(shop.world.bought_cents().await, 0);
        assert_eq!(shop.deliver(&event).await, "credited");
        assert_eq!(shop.world.bought_cents().await, 500);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_goes_back_at_stripe_leaves_the_wallet_and_may_return() {
    on_each_database(async |database| {
        let shop = Shop::open(database).await;
        let (payment, charge) = shop.sell().await;
        let refund = shop.double.refund_elsewhere(&charge, 119);
        for _ in 0..2 {
            shop.deliver_latest("charge.refunded").await;
            shop.deliver_latest("refund.created").await;
        }
        assert_eq!(shop.world.bought_cents().await, 400, "a dollar and its tax");
        assert_eq!(shop.status(&payment).await, "partly_refunded");
        shop.double.fail_refund(&refund);
        shop.deliver_latest("refund.updated").await;
        assert_eq!(shop.world.bought_cents().await, 500);
        assert_eq!(shop.status(&payment).await, "succeeded");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_bank_takes_leaves_the_wallet_and_returns_if_it_is_won() {
    on_each_database(async |database| {
        let shop = Shop::open(database).await;
        let (payment, charge) = shop.sell().await;
        let dispute = shop.double.dispute(&charge, 595);
        assert_eq!(shop.deliver_latest("charge.dispute.created").await, "open");
        assert_eq!(shop.world.bought_cents().await, 0);
        assert_eq!(shop.status(&payment).await, "disputed");
        shop.double.close_dispute(&dispute, true);
        assert_eq!(shop.deliver_latest("charge.dispute.closed").await, "won");
        assert_eq!(shop.world.bought_cents().await, 500);

        // Told the wrong way round, a loss is a loss.
        let (payment, charge) = shop.sell().await;
        let dispute = shop.double.dispute(&charge, 595);
        shop.double.close_dispute(&dispute, false);
        shop.deliver_latest("charge.dispute.closed").await;
        shop.deliver_latest("charge.dispute.created").await;
        assert_eq!(shop.world.bought_cents().await, 500);
        assert_eq!(shop.status(&payment).await, "charged_back");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cards_come_and_go_as_stripe_tells() {
    on_each_database(async |database| {
        let shop = Shop::open(database).await;
        shop.save_card(GOOD).await;
        let cards = async || {
            let list = shop.world.get("/api/billing/payment_methods").await;
            list.json()["data"].as_array().unwrap().len()
        };
        assert_eq!(cards().await, 1);
        let card = shop.double.objects("payment_method")[0]["id"].clone();
        // Stripe tells that it is gone, and it is not.
        let mut event = shop.double.event("payment_method.attached");
        event["type"] = json!("payment_method.detached");
        assert_eq!(shop.deliver(&event).await, "still_there");
        assert_eq!(cards().await, 1);
        let card = card.as_str().unwrap();
        shop.double.change(card, |it| it["customer"] = Value::Null);
        event["id"] = json!("evt_gone");
        assert_eq!(shop.deliver(&event).await, "removed");
        assert_eq!(cards().await, 0);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recharge_is_charged_once_whatever_becomes_of_the_answers() {
    on_each_database(async |database| {
        let shop = Shop::open(database).await;
        shop.save_card(GOOD).await;
        for fault in [Fault::LosesAnswer, Fault::Refuses, Fault::Fails(500)] {
            shop.double.fault("/v1/payment_intents", fault);
        }
        let charged = || shop.double.objects("charge").len();
        // All three tries of the first call fail, one of them after it was charged.
        shop.wants_recharge().await;
        shop.look().await;
        assert_eq!((charged(), shop.world.bought_cents().await), (1, 0));
        for _ in 0..10 {
            shop.world.wait(600);
            shop.look().await;
        }
        assert_eq!((charged(), shop.world.bought_cents().await), (1, 10_000));
        shop.deliver_latest("payment_intent.succeeded").await;
        assert_eq!(shop.world.bought_cents().await, 10_000);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recharge_is_declined_or_asks_whoever_owns_the_card() {
    on_each_database(async |database| {
        let shop = Shop::open(database).await;
        shop.save_card(DECLINED_LATER).await;
        shop.wants_recharge().await;
        shop.look().await;
        assert_eq!(shop.latest().await["status"], "failed");
        shop.deliver_latest("payment_intent.payment_failed").await;
        assert_eq!(shop.world.bought_cents().await, 0);
    })
    .await;
    on_each_database(async |database| {
        let shop = Shop::open(database).await;
        shop.save_card(ALWAYS_ASKS).await;
        shop.wants_recharge().await;
        shop.look().await;
        let asks = shop.latest().await;
        assert_eq!(asks["status"], "open", "{asks}");
        assert!(asks["url"].as_str().unwrap().starts_with("https://"));
        shop.deliver_latest("payment_intent.payment_failed").await;
        assert_eq!(shop.latest().await["status"], "open");
        let intents = shop.double.objects("payment_intent");
        let intent = intents[0]["id"].as_str().unwrap();
        shop.double.agree(intent, true);
        let outcome = shop.deliver_latest("payment_intent.succeeded").await;
        assert_eq!(outcome, "credited");
        assert_eq!(shop.world.bought_cents().await, 10_000);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_webhook_is_nobodys_to_call_otherwise() {
    on_each_database(async |database| {
        let shop = Shop::open(database).await;
        let answer = shop.world.get(WEBHOOK).await;
        assert_eq!(answer.status, 405);
        let answer = shop.world.post(WEBHOOK, &json!({"id": "evt_1"})).await;
        refused(&answer, 401, Value::Null, "invalid_signature");
    })
    .await;
}
