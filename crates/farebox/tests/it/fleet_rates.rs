//! Three processes serve one PostgreSQL database: rate limits hold for all of them together, and
//! nobody is refused while one of them has room.

use std::ops::Range;
use std::time::{Duration, Instant};

use domain::admission::RateRule;
use domain::budget::Scope;
use serde_json::json;
use store::Role;
use store::rate_limits::{self, RateLimitRow};
use testkit::http::{Answer, post_json};
use tokio::task::JoinSet;

use crate::fleet::{Fleet, NODES};
use crate::place::Place;
use crate::stage::{Stage, clock};

/// Three servers whose organization has this rule.
async fn fleet(rule: RateRule) -> Fleet {
    let database = testkit::databases::postgres().await;
    let stage = Stage::new(&database.url).await;
    limit(&stage, rule).await;
    Fleet::serve(stage).await
}

fn ask(stage: &Stage, place: &Place, number: usize) -> impl Future<Output = Answer> + Send + use<> {
    let body = json!({
        "model": "m", "max_tokens": 3,
        "messages": [{"role": "user", "content": format!("Please answer number {number}")}],
    });
    let (url, key) = (
        place.url("/v1/chat/completions"),
        stage.keys[0].secret.clone(),
    );
    async move {
        let answer = post_json(&url, &key, &body).await;
        assert!(matches!(answer.status, 200 | 429), "{}", answer.text());
        answer
    }
}

impl Fleet {
    fn ask(&self, number: usize) -> impl Future<Output = Answer> + Send + use<> {
        ask(&self.stage, &self.places[number % NODES], number)
    }

    /// Asks so often at once, at all nodes in turn. Answers how many were served.
    async fn burst(&self, numbers: Range<usize>) -> usize {
        let asked: JoinSet<Answer> = numbers.map(|number| self.ask(number)).collect();
        served(&asked.join_all().await)
    }

    /// Asks each node once, again and again, until so many of them serve.
    async fn come_to(&self, what: &str, nodes: usize) {
        testkit::eventually(what, async || self.burst(0..NODES).await == nodes).await;
    }
}

fn served(answers: &[Answer]) -> usize {
    answers.iter().filter(|it| it.status == 200).count()
}

/// Puts a rule on the whole organization, as any process may.
async fn limit(stage: &Stage, rule: RateRule) {
    let row = RateLimitRow {
        scope: Scope::Organization,
        model: None,
        rule,
    };
    let (organization, store) = (stage.organization.clone(), stage.open(Role::Command).await);
    let set = store.write(move |tx| rate_limits::set(tx, &organization, &row, clock()()));
    set.await.expect("a rule is set");
    store.close().await;
}

fn a_day(requests: u64) -> RateRule {
    RateRule {
        requests_per_day: Some(requests),
        ..RateRule::default()
    }
}

fn a_minute(requests: u64) -> RateRule {
    RateRule {
        requests_per_minute: Some(requests),
        ..RateRule::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sixty_requests_a_minute_are_sixty_at_all_nodes_together() {
    let fleet = fleet(a_minute(60)).await;
    let began = Instant::now();
    // In a rush some may hear that there is none before all shares have found their places:
    // whoever asks again has them, and the sum is what counts.
    let mut passed = fleet.burst(0..90).await;
    let mut number = 90;
    // Somebody asks all the time, at all nodes.
    let mut refused = None;
    while began.elapsed() < Duration::from_secs(8) {
        let answer = fleet.ask(number).await;
        number += 1;
        match answer.status {
            200 => passed += 1,
            _ => refused = Some(answer),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let seconds = usize::try_from(began.elapsed().as_secs()).expect("few");
    eprintln!("{passed} passed in {seconds} s of {number}");
    assert!(
        passed <= 60 + seconds + 1,
        "never more: {passed} in {seconds} s"
    );
    assert!(
        passed + 3 >= 60 + seconds,
        "as many: {passed} in {seconds} s"
    );

    // The wait that was told suffices, whichever node is asked.
    let refused = refused.expect("some were refused");
    assert_eq!(refused.header("x-ratelimit-limit-requests"), Some("60"));
    for number in [0, 1, 2] {
        let wait = refused
            .header("retry-after")
            .expect("it may be tried again");
        let wait: u64 = wait.parse().expect("seconds");
        assert!(wait <= 1, "one a second: {wait}");
        tokio::time::sleep(Duration::from_secs(wait)).await;
        let answer = fleet.ask(number).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    fleet.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_rate_limit_acts_on_every_node() {
    let fleet = fleet(a_minute(600)).await;
    assert_eq!(fleet.burst(0..120).await, 120);
    limit(&fleet.stage, a_minute(60)).await;
    // So much more than that was used that it drains for long.
    fleet.come_to("the old limit is in force nowhere", 0).await;
    assert_eq!(fleet.burst(120..150).await, 0, "nor is it again");
    limit(&fleet.stage, a_minute(600)).await;
    fleet
        .come_to("the new limit is in force everywhere", NODES)
        .await;
    assert_eq!(fleet.burst(150..180).await, 30, "and it stays");
    fleet.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_days_requests_are_counted_over_all_nodes_and_a_restart() {
    let mut fleet = fleet(a_day(12)).await;
    assert_eq!(fleet.burst(0..10).await, 10);
    let mut passed = fleet.burst(10..30).await;
    assert!(passed <= 2, "never more: {passed}");
    // In a rush for the last ones all may hear that there is none. Whoever asks again has it.
    for number in 30..50 {
        passed += served(&[fleet.ask(number).await]);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(passed, 2, "all of a day's");
    let server = fleet.servers.remove(0);
    fleet.stage.stop(server).await;
    let again = fleet.places[0].serve().await;
    fleet.servers.insert(0, again);
    assert_eq!(fleet.burst(200..206).await, 0, "the day goes on");
    limit(&fleet.stage, a_day(15)).await;
    let mut passed = 0;
    testkit::eventually("the new limit is in force", async || {
        passed += served(&[fleet.ask(206).await]);
        passed == 1
    })
    .await;
    for number in 206..230 {
        passed += served(&[fleet.ask(number).await]);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(passed, 3, "what was not used did not count as used");
    fleet.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lone_server_that_is_killed_has_left_of_the_day_what_it_did_not_use() {
    for database in testkit::databases().await {
        let stage = Stage::new(&database.url).await;
        limit(&stage, a_day(12)).await;
        let mut number = 0;
        let mut burst = async |count: usize| {
            let numbers = number..number + count;
            number += count;
            let asked: JoinSet<Answer> = numbers.map(|it| ask(&stage, &stage.place, it)).collect();
            served(&asked.join_all().await)
        };
        let name = database.name;
        for (count, passed) in [(5, 5), (4, 4), (20, 3), (5, 0)] {
            let mut server = stage.place.serve().await;
            assert_eq!(burst(count).await, passed, "{name}: {passed} of 12");
            server.kill9();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_killed_nodes_share_of_a_day_no_more_counts_as_used_than_all_used() {
    let mut fleet = fleet(a_day(60)).await;
    // All three have shares, and nearly all of them is unused.
    assert_eq!(fleet.burst(0..6).await, 6);
    tokio::time::sleep(Duration::from_secs(4)).await;
    for round in 1..3 {
        fleet.servers[0].kill9();
        fleet.servers[0] = fleet.places[0].serve().await;
        assert_eq!(fleet.ask(round * NODES).await.status, 200);
    }
    let mut passed = 0;
    for number in [100, 120, 140, 160] {
        passed += fleet.burst(number..number + 20).await;
    }
    // What was used is eight, and at worst the dead node used as much again each time.
    assert!((60 - 8 - 6 - 7..=60 - 8).contains(&passed), "{passed}");
    fleet.stop().await;
}
