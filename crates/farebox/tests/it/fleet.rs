//! Three processes serve one PostgreSQL database: no budget is exceeded by all of them together,
//! what one delivered is billed though it is killed, paused or restarted, and what it had leased is
//! free again. `FAREBOX_FLEET_KILLS` and `FAREBOX_FLEET_RUSHES` say how often, where it is to be
//! more than usual.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use domain::budget::Budget;
use domain::money::Nusd;
use serde_json::{Value, json};
use testkit::http::Request;
use testkit::process::Process;

use crate::books::{self, Tally};
use crate::load::{End, Load, Mix, Seen};
use crate::place::Place;
use crate::stage::{PLAIN, Stage, clock};

const MIX: Mix = Mix {
    streaming: 20,
    plain: 8,
    leaving: 4,
    max_tokens: 40,
};
pub(crate) const NODES: usize = 3;

/// Several servers of one installation.
pub(crate) struct Fleet {
    pub(crate) stage: Stage,
    pub(crate) places: Vec<Place>,
    pub(crate) servers: Vec<Process>,
}

impl Fleet {
    async fn start() -> Fleet {
        let database = testkit::databases::postgres().await;
        Fleet::serve(Stage::new(&database.url).await).await
    }

    pub(crate) async fn serve(stage: Stage) -> Fleet {
        let places: Vec<Place> = (0..NODES).map(|_| stage.another_place()).collect();
        let mut servers = Vec::new();
        for place in &places {
            servers.push(place.serve().await);
        }
        Fleet {
            stage,
            places,
            servers,
        }
    }

    fn load(&self, mix: Mix) -> Vec<Load> {
        let load = |place| Load::start_at(place, &self.stage, mix);
        self.places.iter().map(load).collect()
    }

    pub(crate) async fn stop(self) {
        for server in self.servers {
            self.stage.stop(server).await;
        }
        let proof = self.places[0].json(&["ledger", "verify", "--json"]);
        assert_eq!(
            (&proof["ok"], &proof["open_holds"]),
            (&json!(true), &json!(0)),
            "{proof}"
        );
    }
}

async fn end(loads: Vec<Load>) -> Vec<Seen> {
    let mut seen = Vec::new();
    for load in loads {
        seen.extend(load.end().await);
    }
    seen
}

async fn goes_on(loads: &[Load], more: u64) {
    for load in loads {
        load.goes_on(more).await;
    }
}

/// Raises every budget by what the next round may spend: of the first two more than it can, of the
/// key's less.
async fn raise(stage: &Stage, in_force: &mut [Budget]) {
    for (budget, allowance) in in_force.iter_mut().zip([90_000_000, 80_000_000, 6_000_000]) {
        let limit = budget.limit + Nusd::new(allowance);
        stage.allow(budget, limit).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_that_are_killed_in_turn_lose_nothing_and_keep_nothing() {
    let began = Instant::now();
    let times = testkit::times("FAREBOX_FLEET_KILLS", 4);
    let mut fleet = Fleet::start().await;
    let mut in_force = fleet.stage.put_budgets().await;
    let mut tally = Tally::default();
    for round in 0..times {
        raise(&fleet.stage, &mut in_force).await;
        let since = clock()();
        let loads = fleet.load(MIX);
        goes_on(&loads, 10).await;
        // Long enough that something of the longer streams is noted.
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        let killed = round % NODES;
        fleet.servers[killed].kill9();
        let others: Vec<usize> = (0..NODES).filter(|node| *node != killed).collect();
        for node in others {
            loads[node].goes_on(10).await;
        }
        // Every other time it stays away, and the others find out by themselves.
        let stays_away = round % 2 == 1;
        if !stays_away {
            fleet.servers[killed] = fleet.places[killed].serve().await;
            loads[killed].goes_on(10).await;
        }
        let seen = end(loads).await;
        books::at_rest(&fleet.stage).await;
        tally.add(books::compare(&fleet.stage, since, &seen, &in_force).await);
        if stays_away {
            fleet.servers[killed] = fleet.places[killed].serve().await;
        }
    }
    eprintln!(
        "{times} kills among {NODES} nodes in {:?}: {tally:?}",
        began.elapsed()
    );
    assert_eq!(tally.refused, 0, "no ledger failed: {tally:?}");
    assert!(tally.orphans > 0 && tally.turned_away > 0, "{tally:?}");
    fleet.stop().await;
}

/// The output limit of each request of a rush: as long as its answer is.
const RUSH_TOKENS: u64 = PLAIN.1;

/// A request of a rush. All of them are as long, so that all cost the same.
fn rushing(number: usize) -> Value {
    json!({
        "model": "m", "max_tokens": RUSH_TOKENS,
        "messages": [{"role": "user", "content": format!("Please answer number {number:08}")}],
    })
}

/// What each of them is held for: 1,000 nUSD for each byte and 64 more, 2,000 for each token.
fn held() -> Nusd {
    let bytes = rushing(0).to_string().len() as i64 + 64;
    Nusd::new(bytes * 1_000 + RUSH_TOKENS as i64 * 2_000)
}

/// Many clients want something of a budget that is enough for a thousand of them, and ask again
/// where they are refused. One node is killed half-way.
#[tokio::test(flavor = "multi_thread")]
async fn a_rush_on_three_nodes_spends_a_budget_and_not_a_nano_dollar_more() {
    const CLIENTS: usize = 4_096;
    const FITTING: u64 = 1_000;
    let times = testkit::times("FAREBOX_FLEET_RUSHES", 1);
    let mut fleet = Fleet::start().await;
    let mut in_force = fleet.stage.put_budgets().await;
    for budget in &mut in_force[1..] {
        fleet.stage.allow(budget, Nusd::new(900_000_000_000)).await;
    }
    let cost = cost_of_one(&mut fleet, &mut in_force[0]).await;
    for round in 0..times {
        let began = Instant::now();
        // The last one must fit as it is held.
        let all = Nusd::new(cost.get() * FITTING as i64);
        let before = books::spent(&fleet.stage, &in_force[0]).await;
        let limit = before + all + held() - cost;
        fleet.stage.allow(&mut in_force[0], limit).await;
        let rush = Arc::new(Rush::default());
        let clients: Vec<_> = (0..CLIENTS)
            .map(|number| {
                let key = fleet.stage.keys[number % 2].secret.clone();
                let urls: Vec<String> = (0..NODES)
                    .map(|node| fleet.places[(number + node) % NODES].url("/v1/chat/completions"))
                    .collect();
                let rush = Arc::clone(&rush);
                tokio::spawn(async move { rush.client(number, &urls, &key).await })
            })
            .collect();
        let killed = round % NODES;
        testkit::eventually("half of it is spent", async || {
            rush.served.load(Ordering::SeqCst) >= FITTING / 2
        })
        .await;
        fleet.servers[killed].kill9();
        let spent = async || books::spent(&fleet.stage, &in_force[0]).await;
        testkit::eventually("all of it is spent", async || spent().await == before + all).await;
        rush.is_over.store(true, Ordering::SeqCst);
        for client in clients {
            client.await.expect("no client panics");
        }
        books::at_rest(&fleet.stage).await;
        let (spent, served) = (spent().await, rush.served.load(Ordering::SeqCst));
        eprintln!(
            "rush {round}: {served} of {FITTING} were answered, {} spent of {}, in {:?}",
            spent.to_usd(),
            limit.to_usd(),
            began.elapsed()
        );
        assert_eq!(spent, before + all);
        assert!(served <= FITTING, "{served}");
        books::compare(&fleet.stage, clock()(), &[], &in_force).await;
        fleet.servers[killed] = fleet.places[killed].serve().await;
    }
    fleet.stop().await;
}

/// Lets one request pass, and answers what it cost.
async fn cost_of_one(fleet: &mut Fleet, budget: &mut Budget) -> Nusd {
    fleet.stage.allow(budget, Nusd::new(1_000_000_000)).await;
    let url = fleet.places[0].url("/v1/chat/completions");
    let rush = Rush::default();
    let paid = rush.ask(0, &url, &fleet.stage.keys[0].secret).await;
    books::at_rest(&fleet.stage).await;
    let spent = books::spent(&fleet.stage, budget).await;
    assert_eq!(paid, Some(spent), "the first is served");
    fleet.stage.allow(budget, spent).await;
    spent
}

#[derive(Default)]
struct Rush {
    served: AtomicU64,
    is_over: AtomicBool,
}

impl Rush {
    /// Asks until it is served, at another node each time.
    async fn client(&self, number: usize, urls: &[String], key: &str) {
        for url in urls.iter().cycle() {
            if self.is_over.load(Ordering::SeqCst) || self.ask(number, url, key).await.is_some() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    /// What the answer cost, if there was one.
    async fn ask(&self, number: usize, url: &str, key: &str) -> Option<Nusd> {
        let body = rushing(number);
        let answer = Request::post(url)
            .bearer(key)
            .json(&body)
            .send()
            .await
            .ok()?;
        if answer.status != 200 {
            assert!(matches!(answer.status, 429 | 503), "{}", answer.text());
            return None;
        }
        self.served.fetch_add(1, Ordering::SeqCst);
        answer
            .header("farebox-cost")
            .and_then(|it| Nusd::parse_usd(it).ok())
    }
}

/// It is cut off for so long that others go on without it: it may deliver nothing that is not
/// billed, and ends, to be started again.
#[tokio::test(flavor = "multi_thread")]
async fn a_paused_node_is_gone_on_without_and_ends() {
    let mut fleet = Fleet::start().await;
    let since = clock()();
    let loads = fleet.load(MIX);
    goes_on(&loads, 20).await;
    fleet.servers[1].signal("STOP");
    tokio::time::sleep(Duration::from_secs(16)).await;
    loads[0].goes_on(20).await;
    loads[2].goes_on(20).await;
    fleet.servers[1].signal("CONT");
    let ended = fleet.servers[1].wait(Duration::from_secs(60)).await;
    assert_eq!(ended.code(), Some(1), "{}", fleet.servers[1].stderr());
    let told = fleet.servers[1].stderr();
    assert!(told.contains("went on without this one"), "{told}");
    fleet.servers[1] = fleet.places[1].serve().await;
    goes_on(&loads, 20).await;
    let seen = end(loads).await;
    books::at_rest(&fleet.stage).await;
    let tally = books::compare(&fleet.stage, since, &seen, &[]).await;
    eprintln!("a pause: {tally:?}");
    fleet.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rolling_restart_refuses_nobody_who_asks_the_others() {
    let mut fleet = Fleet::start().await;
    let since = clock()();
    let loads = fleet.load(MIX);
    goes_on(&loads, 20).await;
    let mut seen = Vec::new();
    let mut loads: Vec<Option<Load>> = loads.into_iter().map(Some).collect();
    for node in 0..NODES {
        // As a load balancer does: nobody new, and what runs goes on to its end.
        let load = loads[node].take().expect("it runs");
        let ending = load.ends_soon();
        fleet.servers[node].signal("TERM");
        let stopping = fleet.servers[node].wait(Duration::from_secs(60));
        let (ended, stopped) = tokio::join!(ending, stopping);
        assert!(stopped.success(), "{}", fleet.servers[node].stderr());
        seen.extend(ended);
        fleet.servers[node] = fleet.places[node].serve().await;
        loads[node] = Some(Load::start_at(&fleet.places[node], &fleet.stage, MIX));
        for load in loads.iter().flatten() {
            load.goes_on(10).await;
        }
    }
    let rest: Vec<Load> = loads.into_iter().flatten().collect();
    seen.extend(end(rest).await);
    books::at_rest(&fleet.stage).await;
    let refused: Vec<&Seen> = seen
        .iter()
        .filter(|one| matches!(one.end, End::Refused(_)))
        .collect();
    assert!(refused.is_empty(), "{refused:?}");
    let tally = books::compare(&fleet.stage, since, &seen, &[]).await;
    assert_eq!((tally.refused, tally.given_away), (0, 0), "{tally:?}");
    fleet.stop().await;
}

/// Each node spends a part; only together do they reach what is to be told.
#[tokio::test(flavor = "multi_thread")]
async fn a_threshold_that_all_nodes_reach_together_is_told_once() {
    const EACH: usize = 8;
    let mut fleet = Fleet::start().await;
    let mut in_force = fleet.stage.put_budgets().await;
    let plenty = Nusd::new(900_000_000);
    for budget in &mut in_force[1..] {
        fleet.stage.allow(budget, plenty).await;
    }
    let cost = cost_of_one(&mut fleet, &mut in_force[0]).await;
    fleet.stage.allow(&mut in_force[0], plenty).await;
    // Half of the second one is spent by the first request and some of each node; each of them must
    // fit as it is held.
    let half = Nusd::new(cost.get() * (1 + (EACH * NODES) as i64));
    assert!(held() < half, "{:?} of {half:?}", held());
    fleet.stage.allow(&mut in_force[1], half + half).await;
    let events = async || books::events(&fleet.stage, &in_force[1]).await;
    assert_eq!(events().await, []);
    for number in 0..EACH * NODES {
        let node = number % NODES;
        let url = fleet.places[node].url("/v1/chat/completions");
        testkit::eventually("it is served", async || {
            let key = &fleet.stage.keys[0].secret;
            Rush::default().ask(node, &url, key).await.is_some()
        })
        .await;
    }
    testkit::eventually("half is told", async || !events().await.is_empty()).await;
    let told = events().await;
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!((told[0].threshold, told[0].spent), (50, half));
    fleet.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_that_one_node_is_told_of_holds_at_the_others() {
    let fleet = Fleet::start().await;
    let mut in_force = fleet.stage.put_budgets().await;
    for budget in &mut in_force {
        fleet.stage.allow(budget, Nusd::new(90_000_000)).await;
    }
    let loads = fleet.load(MIX);
    goes_on(&loads, 20).await;
    // Lowered below what is spent, by a command that is none of the nodes.
    fleet.stage.allow(&mut in_force[0], Nusd::new(1)).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let since = clock()();
    for node in 0..NODES {
        let url = fleet.places[node].url("/v1/chat/completions");
        let paid = Rush::default()
            .ask(node, &url, &fleet.stage.keys[0].secret)
            .await;
        assert_eq!(paid, None, "node {node} has heard");
    }
    end(loads).await;
    books::at_rest(&fleet.stage).await;
    assert_eq!(books::output_tokens(&fleet.stage, since).await.len(), 0);
    fleet
        .stage
        .allow(&mut in_force[0], Nusd::new(900_000_000))
        .await;
    for node in 0..NODES {
        let url = fleet.places[node].url("/v1/chat/completions");
        testkit::eventually("it is served again", async || {
            let rush = Rush::default();
            rush.ask(node, &url, &fleet.stage.keys[0].secret)
                .await
                .is_some()
        })
        .await;
    }
    fleet.stop().await;
}
