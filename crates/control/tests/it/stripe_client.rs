//! The client of Stripe's API against the double: what it sends, and what becomes of it where the
//! connection has bad luck.

use std::collections::HashSet;
use std::time::Duration;

use domain::secret::Secret;
use farebox_control::payments::stripe::{
    BalanceTransaction, CardRefusal, IntentStatus, NewCharge, NewCheckout, NewRefund, PAYMENT,
    Purpose, RefundStatus, SessionMode, SessionPayment, SessionStatus, Stripe, StripeError,
    StripeSettings, VERSION,
};
use serde_json::json;
use testkit::stripe::{
    ALWAYS_ASKS, DECLINED, DECLINED_LATER, Fault, GOOD, SECRET_KEY, StripeDouble,
};

use crate::world::entropy;

const NOW_S: i64 = 1_796_083_200;

fn client(double: &StripeDouble, timeout: Duration) -> Stripe {
    let settings = StripeSettings {
        base_url: double.url(),
        secret_key: Secret::new(SECRET_KEY.into()),
        timeout,
        back_off: Duration::from_millis(1),
    };
    Stripe::new(&settings, entropy).unwrap()
}

async fn pair() -> (StripeDouble, Stripe) {
    let double = StripeDouble::start(NOW_S).await;
    let stripe = client(&double, Duration::from_secs(30));
    (double, stripe)
}

fn checkout<'a>(payment: &'a str, customer: &'a str, purpose: Purpose<'a>) -> NewCheckout<'a> {
    NewCheckout {
        payment,
        organization: "org-1",
        customer,
        purpose,
        success_url: "http://127.0.0.1:8080/billing?a=b&c",
        cancel_url: "http://127.0.0.1:8080/billing",
        expires_at_s: NOW_S + 3_600,
    }
}

const FIVE: Purpose<'static> = Purpose::Pay {
    amount_cents: 500,
    tax_cents: 95,
    currency: "usd",
    what: "Prepaid credit & more",
    saves_card: true,
};

fn charge<'a>(payment: &'a str, customer: &'a str, card: &'a str) -> NewCharge<'a> {
    NewCharge {
        payment,
        organization: "org-1",
        customer,
        card,
        amount_cents: 2_000,
        currency: "usd",
        what: Some("Prepaid credit"),
    }
}

/// A customer who left a card.
async fn with_card(double: &StripeDouble, stripe: &Stripe, number: &str) -> (String, String) {
    let customer = stripe.create_customer("org-1", "Ada", Some("ada@example.com"));
    let customer = customer.await.unwrap().id;
    let save = Purpose::Save { currency: "usd" };
    let payment = format!("pay_save{number}");
    let new = checkout(&payment, &customer, save);
    let page = stripe.create_checkout(&new).await.unwrap();
    assert!(double.type_card(&page.id, number));
    let page = stripe.checkout(&page.id).await.unwrap();
    assert_eq!(page.mode, SessionMode::Setup);
    let setup = page.setup_intent.unwrap();
    let setup = stripe.setup_intent(&setup).await.unwrap();
    assert_eq!(setup.status, IntentStatus::Succeeded);
    assert_eq!(setup.metadata[PAYMENT], payment);
    (customer, setup.payment_method.unwrap())
}

fn card(outcome: Result<impl std::fmt::Debug, StripeError>) -> CardRefusal {
    match outcome {
        Err(StripeError::Card(refusal)) => *refusal,
        other => panic!("a refusal of the card: {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_pays_on_a_page_and_leaves_the_card() {
    let (double, stripe) = pair().await;
    let customer = stripe.create_customer("org-1", "Ada", None).await.unwrap();
    let new = checkout("pay_1", &customer.id, FIVE);
    let page = stripe.create_checkout(&new).await.unwrap();
    assert!(page.url.unwrap().starts_with("https://"));
    assert_eq!(page.status, SessionStatus::Open);
    assert!(!double.type_card(&page.id, DECLINED), "another card");
    assert!(double.type_card(&page.id, GOOD));

    let page = stripe.checkout(&page.id).await.unwrap();
    assert_eq!(page.status, SessionStatus::Complete);
    assert_eq!(page.payment_status, SessionPayment::Paid);
    assert_eq!(page.amount_total, Some(595), "with tax");
    assert_eq!(page.client_reference_id.as_deref(), Some("pay_1"));
    let intent = page.payment_intent.unwrap();
    let intent = stripe.payment_intent(&intent).await.unwrap();
    assert_eq!(intent.status, IntentStatus::Succeeded);
    assert_eq!((intent.amount_received, &*intent.currency), (595, "usd"));
    assert_eq!(intent.metadata[PAYMENT], "pay_1");
    let taken = stripe.charge(&intent.latest_charge.unwrap()).await.unwrap();
    assert_eq!(taken.amount, 595);

    let cards = stripe.saved_cards(&customer.id).await.unwrap();
    let [saved] = &cards[..] else {
        panic!("one card: {cards:?}")
    };
    assert_eq!(saved.card.as_ref().unwrap().last4, "4242");
    stripe.forget_card(&saved.id).await.unwrap();
    assert!(stripe.saved_cards(&customer.id).await.unwrap().is_empty());
    let gone = stripe.saved_card(&saved.id).await.unwrap();
    assert_eq!(gone.customer, None);

    let requests = double.requests();
    for request in &requests {
        assert_eq!(request.header("stripe-version"), Some(VERSION));
        let keyed = request.header("idempotency-key").is_some();
        assert_eq!(keyed, request.method == "POST", "{}", request.path);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_saved_card_is_charged_while_nobody_is_there() {
    let (double, stripe) = pair().await;
    let (customer, good) = with_card(&double, &stripe, GOOD).await;
    let new = charge("pay_2", &customer, &good);
    let intent = stripe.charge_saved_card(&new).await.unwrap();
    assert_eq!(intent.status, IntentStatus::Succeeded);
    assert_eq!(intent.amount_received, 2_000);

    let (customer, never) = with_card(&double, &stripe, DECLINED_LATER).await;
    let new = charge("pay_3", &customer, &never);
    let refusal = card(stripe.charge_saved_card(&new).await);
    assert_eq!(refusal.code, "card_declined");
    assert_eq!(refusal.decline_code.as_deref(), Some("generic_decline"));
    let intent = refusal.intent.unwrap();
    let intent = stripe.payment_intent(&intent.id).await.unwrap();
    assert_eq!(intent.failure().unwrap().code, "card_declined");

    let (customer, asks) = with_card(&double, &stripe, ALWAYS_ASKS).await;
    let new = charge("pay_4", &customer, &asks);
    let refusal = card(stripe.charge_saved_card(&new).await);
    assert_eq!(refusal.code, "authentication_required");
    let intent = refusal.intent.unwrap();
    let there = "http://127.0.0.1:8080/billing";
    let agree = stripe.ask_owner(&intent.id, "pay_4", &asks, there).await;
    let intent = agree.unwrap();
    assert_eq!(intent.status, IntentStatus::RequiresAction);
    assert!(intent.action_url().unwrap().starts_with("https://"));
    assert_eq!(double.objects("charge").len(), 1);
    double.agree(&intent.id, true);
    let intent = stripe.payment_intent(&intent.id).await.unwrap();
    assert_eq!(intent.status, IntentStatus::Succeeded);
    assert_eq!(double.objects("charge").len(), 2);

    let new = charge("pay_5", &customer, &asks);
    let intent = card(stripe.charge_saved_card(&new).await).intent.unwrap();
    let intent = stripe.cancel_payment_intent(&intent.id).await.unwrap();
    assert_eq!(intent.status, IntentStatus::Canceled);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_card_is_charged_once_whatever_becomes_of_the_answer() {
    let (double, stripe) = pair().await;
    let (customer, good) = with_card(&double, &stripe, GOOD).await;
    let path = "/v1/payment_intents";
    let lucks = [
        vec![Fault::LosesAnswer],
        vec![Fault::LosesAnswer, Fault::LosesAnswer],
        vec![Fault::Refuses, Fault::LosesAnswer],
        vec![Fault::Fails(500), Fault::LosesAnswer],
        vec![Fault::LosesAnswer, Fault::Fails(429)],
        vec![Fault::Fails(503), Fault::Fails(409)],
    ];
    for (number, luck) in lucks.into_iter().enumerate() {
        let (payment, before) = (format!("pay_{number}"), double.asked(path));
        luck.iter().for_each(|fault| double.fault(path, *fault));
        let new = charge(&payment, &customer, &good);
        let intent = stripe.charge_saved_card(&new).await.unwrap();
        assert_eq!(intent.status, IntentStatus::Succeeded);
        assert_eq!(double.asked(path) - before, luck.len() + 1, "{luck:?}");
        assert_eq!(double.objects("charge").len(), number + 1, "{luck:?}");
    }
    let keys = double.requests().into_iter().filter(|it| it.path == path);
    let keys: HashSet<String> = keys
        .map(|it| it.header("idempotency-key").unwrap().to_owned())
        .collect();
    assert_eq!(keys.len(), 6, "one for each payment");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_cannot_be_answered_can_be_made_again_later() {
    let (double, stripe) = pair().await;
    let (customer, good) = with_card(&double, &stripe, GOOD).await;
    let new = charge("pay_1", &customer, &good);
    for _ in 0..3 {
        double.fault("/v1/payment_intents", Fault::LosesAnswer);
    }
    let lost = stripe.charge_saved_card(&new).await.unwrap_err();
    assert!(lost.leaves_open(), "{lost}");
    assert_eq!(double.objects("charge").len(), 1, "it was charged");
    let intent = stripe.charge_saved_card(&new).await.unwrap();
    assert_eq!(intent.status, IntentStatus::Succeeded);
    assert_eq!(double.objects("charge").len(), 1);

    let other = NewCharge {
        amount_cents: 9_999,
        ..new
    };
    let refused = stripe.charge_saved_card(&other).await.unwrap_err();
    assert!(matches!(refused, StripeError::KeyReused(_)), "{refused}");
    assert!(!refused.leaves_open());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_never_answers_is_not_waited_for() {
    let double = StripeDouble::start(NOW_S).await;
    let stripe = client(&double, Duration::from_secs(1));
    double.fault("/v1/customers", Fault::Hangs);
    let customer = stripe.create_customer("org-1", "Ada", None).await.unwrap();
    assert_eq!(double.asked("/v1/customers"), 2);
    assert_eq!(double.objects("customer").len(), 1);
    assert_eq!(double.objects("customer")[0]["id"], json!(customer.id));
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_are_not_repeated() {
    let (double, stripe) = pair().await;
    let missing = stripe.payment_intent("pi_none").await.unwrap_err();
    assert!(matches!(missing, StripeError::Missing(_)), "{missing}");
    assert_eq!(double.asked("/v1/payment_intents/pi_none"), 1);
    let strange = stripe.payment_intent("../customers?x").await.unwrap_err();
    assert!(matches!(strange, StripeError::Missing(_)), "{strange}");
    let settings = StripeSettings {
        base_url: double.url(),
        secret_key: Secret::new("sk_test_wrong".into()),
        timeout: Duration::from_secs(30),
        back_off: Duration::from_millis(1),
    };
    let wrong = Stripe::new(&settings, entropy).unwrap();
    let refused = wrong.payment_intent("pi_none").await.unwrap_err();
    assert!(matches!(refused, StripeError::Unauthorized(_)), "{refused}");
    assert!(!refused.to_string().contains("sk_test"));
}

#[tokio::test(flavor = "multi_thread")]
async fn money_is_given_back_and_taken_back() {
    let (double, stripe) = pair().await;
    let (customer, good) = with_card(&double, &stripe, GOOD).await;
    let new = charge("pay_1", &customer, &good);
    let intent = stripe.charge_saved_card(&new).await.unwrap();
    let part = NewRefund {
        refund: "refund_1",
        intent: &intent.id,
        amount_cents: 1_500,
    };
    double.fault("/v1/refunds", Fault::LosesAnswer);
    let refund = stripe.create_refund(&part).await.unwrap();
    assert_eq!(refund.status, RefundStatus::Succeeded);
    let too_much = NewRefund {
        refund: "refund_2",
        ..part
    };
    let refused = stripe.create_refund(&too_much).await.unwrap_err();
    assert!(matches!(refused, StripeError::Refused { .. }), "{refused}");
    let refunds = stripe.refunds(&intent.id).await.unwrap();
    assert_eq!(refunds.len(), 1);
    assert_eq!(stripe.refund(&refunds[0].id).await.unwrap().amount, 1_500);

    let dispute = double.dispute(&intent.id, 500);
    let disputes = stripe.disputes(&intent.id).await.unwrap();
    assert_eq!(disputes.len(), 1);
    assert_eq!(stripe.dispute(&dispute).await.unwrap().amount, 500);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_movement_is_listed_once_over_many_pages() {
    let (double, stripe) = pair().await;
    let (customer, good) = with_card(&double, &stripe, GOOD).await;
    for number in 0..103 {
        let payment = format!("pay_{number}");
        let new = charge(&payment, &customer, &good);
        stripe.charge_saved_card(&new).await.unwrap();
    }
    double.set_time(NOW_S + 60);
    let late = charge("pay_late", &customer, &good);
    stripe.charge_saved_card(&late).await.unwrap();
    let mut seen: Vec<BalanceTransaction> = Vec::new();
    let mut after = None;
    loop {
        let page = stripe.balance_page(NOW_S, NOW_S + 60, after.as_deref());
        let page = page.await.unwrap();
        seen.extend(page.movements);
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    let ids: HashSet<&str> = seen.iter().map(|movement| &*movement.id).collect();
    assert_eq!((seen.len(), ids.len()), (103, 103));
    assert_eq!(double.asked("/v1/balance_transactions"), 2);
    for movement in &seen {
        let source = movement.source.as_ref().unwrap();
        assert_eq!((source.amount, &*source.currency), (2_000, "usd"));
        assert_eq!((movement.amount, &*movement.currency), (1_800, "eur"));
        assert_eq!(movement.reporting_category, "charge");
        assert!(source.payment_intent.is_some());
    }
}
