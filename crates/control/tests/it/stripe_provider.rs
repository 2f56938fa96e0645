//! Stripe as Farebox asks any provider: what its words mean.

use std::time::Duration;

use domain::id::{OrganizationId, PaymentId, RefundId};
use domain::money::Nusd;
use domain::payment::{DisputeState, RefundState};
use domain::secret::Secret;
use domain::time::AtUs;
use farebox_control::payments::stripe::{Stripe, StripePayments, StripeSettings, WebhookSecrets};
use farebox_control::payments::{
    About, BalanceKind, BalanceQuery, Charge, ChargeState, Checkout, CheckoutState, NewCharge,
    NewCheckout, NewCustomer, PaymentProvider, ProviderError, Purpose, RefundAsked, WebhookError,
};
use http::{HeaderMap, HeaderValue};
use serde_json::json;
use testkit::stripe::{
    ALWAYS_ASKS, DECLINED, DECLINED_LATER, Fault, GOOD, INSUFFICIENT_FUNDS, SECRET_KEY,
    StripeDouble, WEBHOOK_SECRET, signature,
};

use crate::world::entropy;

const NOW_S: i64 = 1_796_083_200;

/// Stripe, a double of it, and a customer there.
struct Desk {
    double: StripeDouble,
    stripe: StripePayments,
    customer: String,
}

fn account(double: &StripeDouble, secret: Option<&str>) -> StripePayments {
    let settings = StripeSettings {
        base_url: double.url(),
        secret_key: Secret::new(SECRET_KEY.into()),
        timeout: Duration::from_secs(30),
        back_off: Duration::from_millis(1),
    };
    let of = |text: &str| WebhookSecrets::new(Secret::new(text.into()), None).unwrap();
    let stripe = Stripe::new(&settings, entropy).unwrap();
    StripePayments::new(stripe, secret.map(of))
}

impl Desk {
    async fn open() -> Self {
        let double = StripeDouble::start(NOW_S).await;
        let stripe = account(&double, Some(WEBHOOK_SECRET));
        let new = NewCustomer {
            organization: OrganizationId::new("org-1"),
            name: "Ada & Co".into(),
            email: Some("ada@example.com".into()),
        };
        let customer = stripe.create_customer(&new).await.unwrap();
        Desk {
            double,
            stripe,
            customer,
        }
    }

    async fn page(&self, payment: &str, purpose: Purpose) -> Checkout {
        let new = NewCheckout {
            payment: PaymentId::new(payment),
            organization: OrganizationId::new("org-1"),
            customer: self.customer.clone(),
            purpose,
            success_url: "http://127.0.0.1:8080/billing?paid".into(),
            cancel_url: "http://127.0.0.1:8080/billing".into(),
            expires_at: AtUs::from_seconds(NOW_S + 3_600),
        };
        self.stripe.begin_checkout(&new).await.unwrap()
    }

    async fn look(&self, page: &Checkout) -> Checkout {
        let found = self.stripe.checkout(&page.reference).await.unwrap();
        found.unwrap()
    }

    /// Leaves a card; its name.
    async fn card(&self, number: &str) -> String {
        let page = self.page(&format!("pay_of{number}"), Purpose::Setup).await;
        assert!(self.double.type_card(&page.reference, number));
        self.look(&page).await.method.unwrap().reference
    }

    fn twenty(&self, payment: &str, card: &str) -> NewCharge {
        NewCharge {
            payment: PaymentId::new(payment),
            organization: OrganizationId::new("org-1"),
            customer: self.customer.clone(),
            method: card.to_owned(),
            amount: usd(20),
            currency: "usd".into(),
            description: "Auto-recharge".into(),
            return_url: "http://127.0.0.1:8080/billing".into(),
        }
    }

    async fn charge(&self, payment: &str, card: &str) -> Charge {
        let new = self.twenty(payment, card);
        self.stripe.charge_saved(&new).await.unwrap()
    }
}

fn usd(dollars: i64) -> Nusd {
    Nusd::from_cents(dollars * 100).unwrap()
}

fn ten(saves_method: bool) -> Purpose {
    Purpose::Pay {
        amount: usd(10),
        tax: usd(1),
        currency: "usd".into(),
        saves_method,
    }
}

fn declined(charge: &Charge) -> &str {
    match &charge.state {
        ChargeState::Declined(failure) => &failure.code,
        other => panic!("declined: {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_is_paid_with_the_second_card() {
    let desk = Desk::open().await;
    let page = desk.page("pay_1", ten(true)).await;
    assert_eq!(page.state, CheckoutState::Open);
    assert_eq!(page.amount, usd(11), "with tax");
    assert_eq!(page.expires_at, Some(AtUs::from_seconds(NOW_S + 3_600)));
    assert!(page.url.is_some() && page.failure.is_none());

    assert!(!desk.double.type_card(&page.reference, INSUFFICIENT_FUNDS));
    let tried = desk.look(&page).await;
    assert_eq!(tried.state, CheckoutState::Open);
    assert_eq!(tried.failure.unwrap().code, "insufficient_funds");

    assert!(desk.double.type_card(&page.reference, GOOD));
    let paid = desk.look(&page).await;
    assert_eq!(paid.state, CheckoutState::Done);
    assert_eq!(paid.payment, Some(PaymentId::new("pay_1")));
    assert_eq!((paid.amount, &*paid.currency), (usd(11), "usd"));
    assert!(paid.has_saved_method && paid.failure.is_none());
    assert_eq!(paid.method.unwrap().card.last4, "4242");
    let charge = paid.charge.unwrap();
    let charge = desk.stripe.charge(&charge).await.unwrap().unwrap();
    assert_eq!(charge.state, ChargeState::Succeeded);
    assert_eq!(charge.payment, Some(PaymentId::new("pay_1")));
    assert_eq!(charge.amount, usd(11));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_card_that_is_not_to_be_saved_is_not() {
    let desk = Desk::open().await;
    let page = desk.page("pay_1", ten(false)).await;
    assert!(desk.double.type_card(&page.reference, GOOD));
    let paid = desk.look(&page).await;
    assert!(!paid.has_saved_method);
    assert!(
        desk.stripe
            .methods(&desk.customer)
            .await
            .unwrap()
            .is_empty()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_end_in_every_other_way() {
    let desk = Desk::open().await;
    let slow = desk.page("pay_slow", ten(false)).await;
    desk.double.pay_slowly(&slow.reference);
    assert_eq!(desk.look(&slow).await.state, CheckoutState::Processing);
    desk.double.end_slow_payment(&slow.reference, true);
    assert_eq!(desk.look(&slow).await.state, CheckoutState::Done);

    let lost = desk.page("pay_lost", ten(false)).await;
    desk.double.pay_slowly(&lost.reference);
    desk.double.end_slow_payment(&lost.reference, false);
    assert_eq!(desk.look(&lost).await.state, CheckoutState::Failed);

    let late = desk.page("pay_late", ten(false)).await;
    let closed = desk.stripe.expire_checkout(&late.reference).await.unwrap();
    assert_eq!((closed.state, closed.url), (CheckoutState::Expired, None));

    let quick = desk.page("pay_quick", ten(false)).await;
    assert!(desk.double.type_card(&quick.reference, GOOD));
    let closed = desk.stripe.expire_checkout(&quick.reference).await.unwrap();
    assert_eq!(closed.state, CheckoutState::Done, "it was paid before");

    assert_eq!(desk.stripe.checkout("cs_none").await, Ok(None));
    assert_eq!(desk.stripe.charge("pi_none").await, Ok(None));
    assert_eq!(desk.stripe.dispute("dp_none").await, Ok(None));
}

#[tokio::test(flavor = "multi_thread")]
async fn saved_cards_are_charged_declined_and_forgotten() {
    let desk = Desk::open().await;
    let good = desk.card(GOOD).await;
    let charge = desk.charge("pay_1", &good).await;
    assert_eq!(charge.state, ChargeState::Succeeded);
    assert_eq!(charge.amount, usd(20));
    assert_eq!(charge.payment, Some(PaymentId::new("pay_1")));
    assert_eq!(charge.method.unwrap().card.brand, "visa");
    let never = desk.card(DECLINED_LATER).await;
    let charge = desk.charge("pay_2", &never).await;
    assert_eq!(declined(&charge), "card_declined");
    assert_eq!(desk.stripe.methods(&desk.customer).await.unwrap().len(), 2);

    for _ in 0..2 {
        desk.stripe.detach_method(&never).await.unwrap();
    }
    desk.stripe.detach_method("pm_none").await.unwrap();
    assert_eq!(desk.stripe.methods(&desk.customer).await.unwrap().len(), 1);
    let new = desk.twenty("pay_3", &never);
    let refused = desk.stripe.charge_saved(&new).await.unwrap_err();
    assert!(refused.is_final(), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bank_that_asks_its_customer_gets_an_answer() {
    let desk = Desk::open().await;
    let asks = desk.card(ALWAYS_ASKS).await;
    for (payment, agrees) in [("pay_yes", true), ("pay_no", false)] {
        let charge = desk.charge(payment, &asks).await;
        let ChargeState::NeedsAction { url: Some(url) } = &charge.state else {
            panic!("it needs action: {charge:?}");
        };
        assert!(url.starts_with("https://"));
        assert_eq!(desk.charge(payment, &asks).await, charge, "asked again");
        desk.double.agree(&charge.reference, agrees);
        let asked_again = desk.charge(payment, &asks).await;
        let charge = desk.stripe.charge(&charge.reference).await.unwrap();
        let charge = charge.unwrap();
        assert_eq!(asked_again, charge, "what is now, and not what was said");
        match agrees {
            true => assert_eq!(charge.state, ChargeState::Succeeded),
            false => assert_eq!(declined(&charge), "payment_intent_authentication_failure"),
        }
    }
    assert_eq!(desk.double.objects("charge").len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn refunds_and_disputes_are_told_as_they_are() {
    let desk = Desk::open().await;
    let good = desk.card(GOOD).await;
    let charge = desk.charge("pay_1", &good).await.reference;
    let ask = |id: &str, dollars| RefundAsked {
        refund: RefundId::new(id),
        charge: charge.clone(),
        amount: usd(dollars),
    };
    let refund = desk.stripe.refund(&ask("refund_1", 15)).await.unwrap();
    assert_eq!(refund.state, RefundState::Succeeded);
    assert_eq!(refund.refund, Some(RefundId::new("refund_1")));
    let too_much = desk.stripe.refund(&ask("refund_2", 15)).await;
    assert!(too_much.unwrap_err().is_final());
    desk.double.fail_refund(&refund.reference);
    let refunds = desk.stripe.refunds(&charge).await.unwrap();
    assert_eq!(refunds.len(), 1);
    assert_eq!(refunds[0].state, RefundState::Failed);
    assert!(refunds[0].failure.is_some());

    let dispute = desk.double.dispute(&charge, 2_000);
    let found = desk.stripe.dispute(&dispute).await.unwrap().unwrap();
    assert_eq!(found.state, DisputeState::Open);
    assert_eq!((found.amount, found.charge), (usd(20), charge));
    for (word, state) in [
        ("warning_needs_response", Some(DisputeState::Inquiry)),
        ("under_review", Some(DisputeState::Open)),
        ("won", Some(DisputeState::Won)),
        ("lost", Some(DisputeState::Lost)),
        ("prevented", Some(DisputeState::Won)),
        ("a_new_word", None),
    ] {
        desk.double
            .change(&dispute, |it| it["status"] = json!(word));
        let found = desk.stripe.dispute(&dispute).await;
        match state {
            Some(state) => assert_eq!(found.unwrap().unwrap().state, state, "{word}"),
            None => assert!(matches!(found, Err(ProviderError::Unreadable(_)))),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn movements_are_in_the_currency_that_was_paid() {
    let desk = Desk::open().await;
    let good = desk.card(GOOD).await;
    let charge = desk.charge("pay_1", &good).await.reference;
    let refund = desk.double.refund_elsewhere(&charge, 500);
    desk.double.fail_refund(&refund);
    let dispute = desk.double.dispute(&charge, 2_000);
    desk.double.close_dispute(&dispute, true);
    let query = BalanceQuery {
        from: AtUs::from_seconds(NOW_S),
        until: AtUs::from_seconds(NOW_S + 1),
        after: None,
    };
    let page = desk.stripe.balance(&query).await.unwrap();
    assert_eq!(page.next, None);
    let lines: Vec<_> = page
        .lines
        .iter()
        .map(|line| (line.kind, line.source.as_deref(), line.amount.get()))
        .collect();
    let five = usd(5).get();
    let twenty = usd(20).get();
    let expected = [
        (BalanceKind::Dispute, Some(&*dispute), twenty),
        (BalanceKind::Dispute, Some(&*dispute), -twenty),
        (BalanceKind::RefundFailure, Some(&*refund), five),
        (BalanceKind::Refund, Some(&*refund), -five),
        (BalanceKind::Charge, Some(&*charge), twenty),
    ];
    assert_eq!(lines, expected);
    assert!(page.lines.iter().all(|line| line.currency == "usd"));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_answer_leaves_it_open_and_who_refuses_does_not() {
    let desk = Desk::open().await;
    let good = desk.card(GOOD).await;
    for _ in 0..3 {
        desk.double.fault("/v1/payment_methods", Fault::Fails(503));
    }
    let new = desk.twenty("pay_1", &good);
    let lost = desk.stripe.charge_saved(&new).await.unwrap_err();
    assert!(matches!(lost, ProviderError::Unreachable(_)), "{lost}");
    let charge = desk.stripe.charge_saved(&new).await.unwrap();
    assert_eq!(charge.state, ChargeState::Succeeded);
    assert_eq!(desk.double.objects("charge").len(), 1);
    let odd = NewCharge {
        amount: Nusd::new(1),
        ..new
    };
    assert!(desk.stripe.charge_saved(&odd).await.unwrap_err().is_final());
}

#[tokio::test(flavor = "multi_thread")]
async fn webhooks_say_what_to_ask_about_and_without_a_secret_nothing() {
    let desk = Desk::open().await;
    let page = desk.page("pay_1", ten(false)).await;
    desk.double.type_card(&page.reference, DECLINED);
    desk.double.type_card(&page.reference, GOOD);
    let event = desk.double.event("checkout.session.completed");
    let body = event.to_string();
    let mut headers = HeaderMap::new();
    let signed = signature(&body, NOW_S, &[WEBHOOK_SECRET]);
    let now = AtUs::from_seconds(NOW_S);
    let read = |stripe: &StripePayments, headers: &HeaderMap| {
        stripe.read_webhook(headers, body.as_bytes(), now)
    };
    assert_eq!(read(&desk.stripe, &headers), Err(WebhookError::Signature));
    let signed = HeaderValue::from_str(&signed).unwrap();
    headers.insert("stripe-signature", signed.clone());
    let notice = read(&desk.stripe, &headers).unwrap();
    assert_eq!(notice.id, event["id"].as_str().unwrap());
    assert_eq!(notice.about, About::Checkout(page.reference));
    let deaf = account(&desk.double, None);
    assert_eq!(read(&deaf, &headers), Err(WebhookError::NotHere));
    headers.append("stripe-signature", signed);
    assert_eq!(read(&desk.stripe, &headers), Err(WebhookError::Signature));
}
