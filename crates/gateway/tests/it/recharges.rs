//! Requests that find too little credit while the wallet is filled up by itself: they wait for the
//! money, and are told why where none comes. The control plane is played here.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use domain::id::{OrganizationId, PaymentId};
use domain::money::Nusd;
use domain::payment::{Bounds, Card, PaymentNews, PaymentState, TaxRate};
use domain::recharge::Rules;
use farebox_gateway::LowCredit;
use serde_json::Value;
use store::payments::{self, Failure, Heard, Payment, SavedMethod};
use store::recharges::{self, Begun, Settings, Terms};
use store::{StoreError, Tx};
use testkit::http::{Request, post_stream, sse_json};
use testkit::{Reply, Upstream, on_each_database};
use tokio::sync::mpsc;

use crate::rush;
use crate::world::{Plan, World, clock, entropy, grant, hello, streamed};

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
        tax_rate: TaxRate::ZERO,
        currency: "usd".into(),
    }
}

/// What the gateway tells of wallets that are low.
fn told() -> (LowCredit, mpsc::UnboundedReceiver<OrganizationId>) {
    let (tell, told) = mpsc::unbounded_channel();
    let low = move |organization: &OrganizationId| {
        let _ = tell.send(organization.clone());
    };
    (Arc::new(low), told)
}

/// Saves a card, and wants recharges from $0.01 to $6.
async fn arm(world: &World) {
    let organization = world.made.organization.clone();
    let arm = move |tx: &mut Tx<'_>| -> Result<(), StoreError> {
        let now = (clock())();
        let card = SavedMethod {
            organization: organization.clone(),
            provider: "test".into(),
            reference: "pm_1".into(),
            card: Card {
                brand: "visa".into(),
                last4: "4242".into(),
            },
            exp_month: 12,
            exp_year: 2030,
        };
        payments::save_method(tx, &card, entropy, now)?;
        let settings = Settings {
            rules: Rules {
                threshold: usd("0.01"),
                restore_to: usd("6"),
                monthly_cap: None,
            },
            method: None,
            is_enabled: true,
        };
        recharges::set(tx, &organization, &settings, now)
    };
    world.store.write(arm).await.unwrap();
}

/// Begins what the wallet needs, as the control plane does when it is told.
async fn begin(world: &World) -> Option<Payment> {
    let organization = world.made.organization.clone();
    let begin = move |tx: &mut Tx<'_>| {
        let id = PaymentId::random(entropy);
        recharges::begin(tx, &organization, &id, &terms(), ((clock())(), entropy))
    };
    match world.store.write(begin).await.unwrap() {
        Begun::Payment(payment) => Some(*payment),
        _ => None,
    }
}

/// The provider took the money.
async fn succeed(world: &World, payment: Payment) {
    grant(
        &world.store,
        &payment.organization,
        payment.id.as_str(),
        payment.amount,
    )
    .await;
    let paid = Payment {
        state: PaymentState::Succeeded,
        ..payment
    };
    let follow = move |tx: &mut Tx<'_>| recharges::follow(tx, &paid, ((clock())(), entropy));
    world.store.write(follow).await.unwrap();
}

/// The provider says something else.
async fn hear(world: &World, payment: &Payment, heard: Heard) {
    let id = payment.id.clone();
    let hear = move |tx: &mut Tx<'_>| -> Result<(), StoreError> {
        let now = (clock())();
        let payment = payments::hear(tx, &id, &heard, now)?;
        recharges::follow(tx, &payment, (now, entropy))
    };
    world.store.write(hear).await.unwrap();
}

fn declined() -> Heard {
    Heard {
        failure: Some(Failure {
            code: "insufficient_funds".into(),
            message: "The card has too little money".into(),
        }),
        news: Some(PaymentNews::Failed),
        ..Heard::default()
    }
}

/// The words of a refusal for too little credit.
fn refused(answer: &testkit::http::Answer) -> String {
    assert_eq!(answer.status, 429, "{}", answer.text());
    assert_eq!(answer.header("x-should-retry"), Some("false"));
    let error = &answer.json()["error"];
    assert_eq!(error["type"], "insufficient_quota");
    assert_eq!(error["code"], "credit_balance_exhausted");
    error["message"].as_str().unwrap().to_owned()
}

/// Requests of so many clients at once; how many of them are served.
async fn burst(world: &Arc<World>, clients: usize, body: &Value) -> (usize, HashSet<String>) {
    let one = |_| {
        let (world, body) = (Arc::clone(world), body.clone());
        tokio::spawn(async move { world.chat(&body).await })
    };
    let clients: Vec<_> = (0..clients).map(one).collect();
    let (mut served, mut refusals) = (0, HashSet::new());
    for client in clients {
        let answer = client.await.unwrap();
        match answer.status {
            200 => served += 1,
            _ => _ = refusals.insert(refused(&answer)),
        }
    }
    (served, refusals)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_burst_that_would_run_dry_is_carried_through_by_a_recharge() {
    on_each_database(async |database| {
        let upstream = rush::upstream().await;
        let (low_credit, mut told) = told();
        let plan = Plan {
            credit: "0.001",
            low_credit,
            ..Plan::default()
        };
        let world = Arc::new(World::start(database, &[upstream.base_url()], plan).await);
        arm(&world).await;
        let body = hello(50);
        let affordable = 1_000_000 / rush::bound(&body);
        let clients = 60;
        assert!(affordable < 10, "{affordable}");

        let recharging = Arc::clone(&world);
        let recharger = tokio::spawn(async move {
            let mut begun = 0;
            while told.recv().await.is_some() {
                if let Some(payment) = begin(&recharging).await {
                    begun += 1;
                    succeed(&recharging, payment).await;
                }
                if begun > 0 {
                    break;
                }
            }
            begun
        });
        let (served, refusals) = burst(&world, clients, &body).await;
        assert_eq!(served, clients, "{refusals:?}");
        assert_eq!(recharger.await.unwrap(), 1);
        world.at_rest().await;
        let spent = rush::COST * i64::try_from(clients).unwrap();
        let bought = world.wallet().await.balance() + Nusd::new(spent);
        assert!(bought > usd("6") && bought <= usd("6.01"), "{bought}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_burst_whose_card_is_declined_is_refused_with_the_reason() {
    on_each_database(async |database| {
        let upstream = rush::upstream().await;
        let (low_credit, mut told) = told();
        let plan = Plan {
            credit: "0.001",
            low_credit,
            ..Plan::default()
        };
        let world = Arc::new(World::start(database, &[upstream.base_url()], plan).await);
        arm(&world).await;
        let recharging = Arc::clone(&world);
        let recharger = tokio::spawn(async move {
            loop {
                told.recv().await.unwrap();
                if let Some(payment) = begin(&recharging).await {
                    hear(&recharging, &payment, declined()).await;
                    return told;
                }
            }
        });
        let mut told = None;
        let body = hello(50);
        let (_, refusals) = burst(&world, 60, &body).await;
        assert!(!refusals.is_empty());
        let why = "The last auto-recharge was declined; the card is tried again after ";
        assert!(refusals.iter().all(|it| it.contains(why)), "{refusals:?}");
        told.replace(recharger.await.unwrap());

        // While the card is left alone, nobody waits, and nobody is told.
        let mut told = told.unwrap();
        while told.try_recv().is_ok() {}
        let (_, refusals) = burst(&world, 10, &body).await;
        assert!(refusals.iter().all(|it| it.contains(why)), "{refusals:?}");
        assert!(told.try_recv().is_err(), "a card that is left alone");
        world.at_rest().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_is_refused_when_the_owner_must_authenticate() {
    on_each_database(async |database| {
        let upstream = rush::upstream().await;
        let (low_credit, mut told) = told();
        let plan = Plan {
            credit: "0.0001",
            low_credit,
            ..Plan::default()
        };
        let world = Arc::new(World::start(database, &[upstream.base_url()], plan).await);
        arm(&world).await;
        let waiting = Arc::clone(&world);
        let waiting = tokio::spawn(async move { waiting.chat(&hello(50)).await });
        told.recv().await.unwrap();
        let payment = begin(&world).await.unwrap();
        let needs_action = Heard {
            url: Some("http://provider.test/authenticate".into()),
            ..Heard::default()
        };
        hear(&world, &payment, needs_action).await;
        let why = refused(&waiting.await.unwrap());
        let authenticate = "An auto-recharge of $6.00 waits for the card's owner to authenticate";
        assert!(why.contains(authenticate), "{why}");

        // Then they did.
        succeed(&world, payment).await;
        assert_eq!(world.chat(&hello(50)).await.status, 200);
        world.at_rest().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn patience_ends_and_what_cannot_help_is_not_waited_for() {
    on_each_database(async |database| {
        let upstream = rush::upstream().await;
        let tellings = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&tellings);
        let plan = Plan {
            credit: "0.0001",
            recharge_wait: Duration::from_millis(50),
            low_credit: Arc::new(move |_| _ = counted.fetch_add(1, Ordering::Relaxed)),
            ..Plan::default()
        };
        let world = World::start(database, &[upstream.base_url()], plan).await;
        let why = refused(&world.chat(&hello(50)).await);
        assert!(!why.contains("uto-recharge"), "{why}");
        assert_eq!(tellings.load(Ordering::Relaxed), 0, "nobody wants it");

        arm(&world).await;
        let why = refused(&world.chat(&hello(50)).await);
        assert!(why.contains("did not arrive in time"), "{why}");
        assert_eq!(tellings.load(Ordering::Relaxed), 1);

        let patient = Plan {
            max_output_tokens: 4_000_000,
            recharge_wait: Duration::from_secs(600),
            ..Plan::default()
        };
        let world = world.restart_as(&[upstream.base_url()], patient).await;
        let why = refused(&world.chat(&hello(4_000_000)).await);
        assert!(
            why.contains("An auto-recharge of $6.00 would not pay for it"),
            "{why}"
        );
        world.at_rest().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_leaves_while_it_waits_leaves_nothing_behind() {
    on_each_database(async |database| {
        let upstream = Upstream::start(|_| Reply::chat_with_usage("Hi", 12, 3)).await;
        let (low_credit, mut told) = told();
        let plan = Plan {
            credit: "0.0001",
            low_credit,
            ..Plan::default()
        };
        let world = World::start(database, &[upstream.base_url()], plan).await;
        arm(&world).await;
        let url = world.url("/chat/completions");
        let request = Request::post(&url).bearer(world.key()).json(&hello(50));
        let waiting = tokio::spawn(async move { request.send().await });
        told.recv().await.unwrap();
        waiting.abort();
        let payment = begin(&world).await.unwrap();
        succeed(&world, payment).await;
        world.at_rest().await;
        assert!(world.usage().await.is_empty());
        assert_eq!(world.chat(&hello(50)).await.status, 200);
        world.at_rest().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_runs_out_of_credit_goes_on_when_a_recharge_arrives() {
    on_each_database(async |database| {
        // Without a limit the stream would be as long as the money pays for: some 500 tokens.
        let words = vec!["word "; 900];
        let upstream = Upstream::start(move |_| Reply::stream(&words)).await;
        let (low_credit, mut told) = told();
        let plan = Plan {
            credit: "0.0011",
            low_credit,
            ..Plan::default()
        };
        let world = Arc::new(World::start(database, &[upstream.base_url()], plan).await);
        arm(&world).await;
        let recharging = Arc::clone(&world);
        let recharger = tokio::spawn(async move {
            loop {
                told.recv().await.unwrap();
                if let Some(payment) = begin(&recharging).await {
                    succeed(&recharging, payment).await;
                    return;
                }
            }
        });
        let mut body = streamed(hello(0));
        body.as_object_mut().unwrap().remove("max_tokens");
        let url = world.url("/chat/completions");
        let mut answer = post_stream(&url, world.key(), &body).await;
        let records = answer.records().await;
        let chunks = sse_json(&records);
        let choices = chunks.iter().filter_map(|chunk| chunk["choices"].get(0));
        let reasons: Vec<_> = choices
            .filter_map(|it| it["finish_reason"].as_str())
            .collect();
        assert_eq!(reasons, ["stop"], "it was not cut off");
        recharger.await.unwrap();
        world.at_rest().await;
        assert!(world.usage().await[0].1 >= 900);
    })
    .await;
}
