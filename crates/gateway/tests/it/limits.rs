//! Balance and rate limits are never exceeded, whatever happens at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use domain::admission::RateRule;
use domain::budget::Scope;
use domain::money::Nusd;
use domain::time::{DAY_US, HOUR_US};
use store::rate_limits::{self, RateLimitRow};
use testkit::{Reply, Upstream, on_each_database};

use crate::rush::{COST, bound, rush, upstream};
use crate::world::{MODEL, Plan, World, clock, hello};

/// 400 clients, each sending until it is refused, against a balance that pays for about 50.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn four_hundred_clients_never_spend_more_than_there_is() {
    on_each_database(async |database| {
        // The answer costs less than its bound, so refused clients may fit later.
        let upstream = upstream().await;
        let body = hello(50);
        let plan = Plan {
            credit: "0.005",
            ..Plan::default()
        };
        let world = Arc::new(World::start(database, &[upstream.base_url()], plan).await);
        let served = rush(&world, 400, &body, "credit_balance_exhausted").await;
        world.at_rest().await;
        let left = world.wallet().await.balance();
        assert_eq!(
            left,
            Nusd::new(5_000_000 - served * COST),
            "every answer is charged"
        );
        assert!(left >= Nusd::ZERO, "never above the balance");
        assert!(
            left < Nusd::new(bound(&body)),
            "no more is left than one request may cost"
        );
        assert_eq!(world.usage().await.len() as i64, served);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rate_limit_is_exact_and_tells_a_true_wait() {
    let upstream = Upstream::echo().await;
    let plan = Plan {
        requests_per_minute: 60,
        ..Plan::default()
    };
    let world = World::start(testkit::databases::sqlite(), &[upstream.base_url()], plan).await;
    let body = hello(5);
    let answers = futures_util::future::join_all((0..80).map(|_| world.chat(&body))).await;
    let served = answers.iter().filter(|answer| answer.status == 200).count();
    // 60 at once, and one more for each second that the test took.
    assert!((60..75).contains(&served), "{served}");
    let refused = answers
        .iter()
        .find(|answer| answer.status == 429)
        .expect("one was refused");
    assert_eq!(refused.json()["error"]["code"], "rate_limit_exceeded");
    assert_eq!(refused.json()["error"]["type"], "requests");
    let wait: u64 = refused.header("retry-after-ms").unwrap().parse().unwrap();
    assert!(refused.header("retry-after").is_some());
    for (name, want) in [
        ("x-ratelimit-limit-requests", "60"),
        ("x-ratelimit-remaining-requests", "0"),
    ] {
        assert_eq!(refused.header(name), Some(want));
    }
    for name in ["requests", "tokens"] {
        assert!(
            refused
                .header(&format!("x-ratelimit-reset-{name}"))
                .is_some()
        );
    }
    assert!(wait > 0 && wait <= 1_000, "{wait}");
    tokio::time::sleep(Duration::from_millis(wait)).await;
    assert_eq!(
        world.chat(&body).await.status,
        200,
        "after the wait it was told"
    );
    world.at_rest().await;
}

/// Somebody sets the clock, as time servers do: it neither opens a limit nor closes it.
#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_leaps_moves_no_rate_limit() {
    let upstream = Upstream::echo().await;
    // Ahead at first, so that its prices are in force also after a leap back.
    let leap = Arc::new(AtomicI64::new(DAY_US));
    let leapt = Arc::clone(&leap);
    let plan = Plan {
        requests_per_minute: 2,
        clock: Arc::new(move || clock()().plus(leapt.load(Ordering::Relaxed))),
        ..Plan::default()
    };
    let world = World::start(testkit::databases::sqlite(), &[upstream.base_url()], plan).await;
    let body = hello(5);
    assert_eq!(world.chat(&body).await.status, 200);
    leap.store(HOUR_US, Ordering::Relaxed);
    assert_eq!(world.chat(&body).await.status, 200, "the second of two");
    for by in [DAY_US, 2 * DAY_US, HOUR_US] {
        leap.store(by, Ordering::Relaxed);
        let refused = world.chat(&body).await;
        assert_eq!(refused.status, 429, "the third, {by} microseconds ahead");
        let wait: i64 = refused.header("retry-after-ms").unwrap().parse().unwrap();
        assert!(wait > 0 && wait <= 30_000, "{wait}");
    }
    world.at_rest().await;
}

impl World {
    pub(crate) async fn limit_rate(&self, scope: Scope, model: Option<&str>, rule: RateRule) {
        let row = RateLimitRow {
            scope,
            model: model.map(Into::into),
            rule,
        };
        let (organization, now) = (self.made.organization.clone(), (clock())());
        let set = move |tx: &mut store::Tx<'_>| rate_limits::set(tx, &organization, &row, now);
        self.store.write(set).await.expect("a rule is set");
    }

    async fn kinds(&self, body: &serde_json::Value, count: usize) -> Vec<String> {
        let mut kinds = Vec::new();
        for _ in 0..count {
            let answer = self.chat(body).await;
            kinds.push(match answer.status {
                200 => "served".to_owned(),
                _ => {
                    let error = answer.json()["error"].clone();
                    assert_eq!(error["code"], "rate_limit_exceeded");
                    let message = error["message"].as_str().expect("a message").to_owned();
                    let kind = message.split(" on ").nth(1).expect("which limit");
                    kind.split(':').next().expect("a name").to_owned()
                }
            });
        }
        kinds
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_act_on_the_next_request_and_outlive_a_restart() {
    on_each_database(async |database| {
        let upstream = Upstream::echo().await;
        let at = [upstream.base_url()];
        let world = World::start(database, &at, Plan::default()).await;
        let body = hello(5);
        let served = || "served".to_owned();
        assert_eq!(world.kinds(&body, 1).await, [served()]);
        let day = RateRule {
            requests_per_day: Some(3),
            ..RateRule::default()
        };
        world.limit_rate(Scope::Organization, None, day).await;
        let rpd = "requests per day (RPD)".to_owned();
        let kinds = world.kinds(&body, 4).await;
        assert_eq!(kinds, [served(), served(), served(), rpd.clone()]);
        world.at_rest().await;
        let world = world.restart(&at).await;
        assert_eq!(world.kinds(&body, 1).await, [rpd], "the day goes on");
        // Another model has limits of its own.
        let other = RateRule {
            requests_per_day: Some(1_000),
            requests_per_minute: Some(2),
            ..RateRule::default()
        };
        world
            .limit_rate(Scope::Organization, Some(MODEL), other)
            .await;
        let rpm = "requests per min (RPM)".to_owned();
        let kinds = world.kinds(&body, 3).await;
        assert_eq!(kinds, [served(), served(), rpm]);
        world.at_rest().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_more_run_at_once_than_are_allowed() {
    let upstream = Upstream::start(|_| Reply::chat("Hi").first_byte_delay_ms(30)).await;
    let at = [upstream.base_url()];
    let world = Arc::new(World::start(testkit::databases::sqlite(), &at, Plan::default()).await);
    let rule = RateRule {
        concurrent_requests: Some(7),
        ..RateRule::default()
    };
    let project = Scope::Project(world.made.project.clone());
    world.limit_rate(project, None, rule).await;
    let most = Arc::new(AtomicU64::new(0));
    for _ in 0..5 {
        let clients: Vec<_> = (0..60)
            .map(|_| {
                let world = Arc::clone(&world);
                tokio::spawn(async move {
                    let answer = world.chat(&hello(5)).await;
                    if answer.status == 429 {
                        // Nobody can say when a place is free.
                        assert_eq!(answer.header("retry-after"), None);
                        assert_eq!(answer.header("x-should-retry"), None);
                    }
                    answer.status
                })
            })
            .collect();
        while clients.iter().any(|client| !client.is_finished()) {
            most.fetch_max(upstream.in_flight() as u64, Ordering::Relaxed);
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let mut served = 0;
        for client in clients {
            served += usize::from(client.await.unwrap() == 200);
        }
        assert!(served >= 7, "{served}");
    }
    assert_eq!(most.load(Ordering::Relaxed), 7);
    world.at_rest().await;
}
