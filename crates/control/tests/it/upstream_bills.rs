//! Upstreams that have an admin key are asked what they are owed, once an hour, page by page.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use domain::money::Nusd;
use domain::price::UnitPrices;
use domain::secret::Secret;
use farebox_control::upstream_bills::{BadCostSource, CostSource, UpstreamBills};
use http::{HeaderMap, StatusCode, Uri};
use serde_json::{Value, json};
use store::upstream_costs::Tolerance;
use testkit::{eventually, on_each_database};

use crate::data_plane::WELL;
use crate::reports::served;
use crate::world::{START_S, World};

const KEY: &str = "sk-admin-secret";
const DAY_S: i64 = 86_400;
const TODAY: i64 = START_S / DAY_S * DAY_S;
const DRIFTS: &str = "/api/operator/upstream_drifts";

/// OpenAI's costs API, as far as it is asked: says what it is told to, call by call.
#[derive(Clone, Default)]
struct Double {
    answers: Arc<Mutex<VecDeque<(StatusCode, String)>>>,
    /// The addresses that were asked for, with the keys that came.
    asked: Arc<Mutex<Vec<(String, String)>>>,
}

impl Double {
    async fn start() -> (Self, String) {
        let double = Double::default();
        let app = Router::new().fallback(answer).with_state(double.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/v1", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, app).await });
        (double, url)
    }

    fn says(&self, status: u16, body: &Value) {
        let answer = (StatusCode::from_u16(status).unwrap(), body.to_string());
        self.answers.lock().unwrap().push_back(answer);
    }

    fn asked(&self) -> Vec<(String, String)> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }

    async fn until_asked(&self, times: usize) {
        eventually("it is asked", async || {
            self.asked.lock().unwrap().len() == times
        })
        .await;
    }
}

async fn answer(State(double): State<Double>, uri: Uri, headers: HeaderMap) -> Response {
    let key = headers["authorization"].to_str().unwrap().to_owned();
    double.asked.lock().unwrap().push((uri.to_string(), key));
    let answer = double.answers.lock().unwrap().pop_front();
    match answer {
        Some((status, body)) => (status, body).into_response(),
        // Nothing to say: it never answers.
        None => std::future::pending().await,
    }
}

/// A day, and what its lines cost.
type Day<'a> = (i64, &'a [(&'a str, f64)]);

fn page(days: &[Day<'_>], next: Option<&str>) -> Value {
    let bucket = |(day, lines): &Day<'_>| {
        let line = |(name, value): &(&str, f64)| {
            json!({"object": "organization.costs.result", "line_item": name,
                   "amount": {"value": value, "currency": "usd"}, "project_id": null})
        };
        json!({"object": "bucket", "start_time": day, "end_time": day + DAY_S,
               "results": lines.iter().map(line).collect::<Vec<_>>()})
    };
    json!({"object": "page", "has_more": next.is_some(), "next_page": next,
           "data": days.iter().map(bucket).collect::<Vec<_>>()})
}

async fn world(database: testkit::TestDatabase, url: &str, tolerance: Tolerance) -> World {
    let source = CostSource::new(WELL, url, &Secret::new(KEY.into())).unwrap();
    let bills = UpstreamBills {
        tolerance,
        sources: vec![source],
    };
    World::start_asking(database, bills).await
}

/// The first row of each day that the upstream told of.
async fn drifts(world: &World) -> Vec<Value> {
    let mut operator = world.operator().await;
    let path = format!("{DRIFTS}?start_time={}", TODAY - 3 * DAY_S);
    let page = operator.get(&path).await.json();
    let days = page["data"].as_array().unwrap();
    let first = |day: &Value| day["results"].get(0).cloned();
    days.iter().filter_map(first).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upstream_is_asked_each_hour_page_by_page_and_what_differs_is_told_once() {
    on_each_database(async |database| {
        let (double, url) = Double::start().await;
        let world = world(database, &url, Tolerance::USUAL).await;
        let cost = UnitPrices::by_class([Nusd::new(1_000_000_000_000); 9]);
        served(&world, 5, ("m", "embeddings"), (WELL, cost)).await;
        world.wait(DAY_S);
        let [before, yesterday] = [TODAY - DAY_S, TODAY];
        // A day goes on with the next page; the same line may come on both.
        let days: [Day<'_>; 2] = [(before, &[]), (yesterday, &[("m, input", 1.5)])];
        double.says(200, &page(&days, Some("p/2")));
        let rest: &[(&str, f64)] = &[("m, input", 0.25), ("search", 40.0)];
        double.says(200, &page(&[(yesterday, rest)], None));
        let known = drifts(&world).await;
        assert_eq!(known, Vec::<Value>::new());
        world.sent().await;
        world.caretaker.tend().await;
        double.until_asked(2).await;
        eventually("it is kept", async || drifts(&world).await.len() == 2).await;
        let rows = drifts(&world).await;
        assert_eq!(rows[1]["theirs_usd"], "41.75", "{rows:?}");
        assert_eq!(rows[0]["theirs_usd"], "0.00");
        assert_eq!(rows[1]["is_tolerated"], false);
        let since = TODAY - 6 * DAY_S;
        let query = format!("start_time={since}&bucket_width=1d&group_by=line_item&limit=8");
        let path = format!("/v1/organization/costs?{query}");
        let bearer = format!("Bearer {KEY}");
        let wanted = [
            (path.clone(), bearer.clone()),
            (format!("{path}&page=p%2F2"), bearer),
        ];
        assert_eq!(double.asked(), wanted);

        let sent = world.sent().await;
        let told = sent.iter().filter(|it| it.template == "upstream_drift");
        let told: Vec<_> = told.map(|it| it.id.clone()).collect();
        assert_eq!(told.len(), 1, "one mail to the one operator: {sent:?}");
        world.wait(61);
        world.caretaker.tend().await;
        let ours = Nusd::parse_usd(rows[1]["ours_usd"].as_str().unwrap()).unwrap();
        assert!(ours > Nusd::ZERO);
        let drift = Nusd::parse_usd("41.75").unwrap() - ours;
        let metered = world.metered();
        for line in [
            format!(
                "farebox_upstream_drift_nusd{{upstream=\"{WELL}\"}} {}",
                drift.get()
            ),
            format!("farebox_upstream_drift_day_seconds{{upstream=\"{WELL}\"}} {yesterday}"),
        ] {
            assert!(metered.contains(&line), "{line} in {metered}");
        }
        assert_eq!(double.asked(), [], "not before the hour is over");

        // Another word on the same day is taken, and nobody is told of the day again.
        double.says(200, &page(&[(yesterday, &[("m, input", 50.0)])], None));
        world.wait(3_600);
        world.caretaker.tend().await;
        eventually("the latest word counts", async || {
            drifts(&world).await[1]["theirs_usd"] == "50.00"
        })
        .await;
        // Nobody sent the first mail, so it is found again an hour later; there is no other.
        let again = world.sent().await;
        let mut again = again.iter().filter(|it| it.template == "upstream_drift");
        assert!(again.all(|it| it.id == told[0]));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_let_pass_is_the_operators_to_say() {
    let (double, url) = Double::start().await;
    let wide = Tolerance {
        percent: 0,
        amount: Nusd::new(50_000_000_000),
    };
    let world = world(testkit::databases::sqlite(), &url, wide).await;
    double.says(200, &page(&[(TODAY - DAY_S, &[("m", 49.0)])], None));
    world.caretaker.tend().await;
    eventually("it is kept", async || drifts(&world).await.len() == 1).await;
    assert_eq!(drifts(&world).await[0]["is_tolerated"], true);
    let sent = world.sent().await;
    assert!(!sent.iter().any(|it| it.template == "upstream_drift"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upstream_that_says_nothing_of_use_changes_nothing_and_is_asked_again() {
    let (double, url) = Double::start().await;
    let world = world(testkit::databases::sqlite(), &url, Tolerance::USUAL).await;
    let endless = page(&[(TODAY - DAY_S, &[("m", 49.0)])], Some("again"));
    let huge = json!({"data": [], "padding": "x".repeat(5 * 1024 * 1024)});
    let cases = [
        vec![(401, json!({"error": KEY}))],
        vec![(200, json!("no object"))],
        vec![(200, json!({"data": [{"start_time": 1}]}))],
        vec![(200, huge)],
        vec![(200, endless); 50],
    ];
    for answers in cases {
        for (status, body) in &answers {
            double.says(*status, body);
        }
        world.caretaker.tend().await;
        double.until_asked(answers.len()).await;
        double.asked();
        world.wait(3_600);
    }
    // It does not answer at all: nobody waits for it.
    let tended = tokio::time::timeout(Duration::from_secs(20), world.caretaker.tend());
    tended.await.expect("the caretaker goes on");
    double.until_asked(1).await;
    assert_eq!(drifts(&world).await, Vec::<Value>::new());
}

#[test]
fn a_key_is_a_key_and_is_never_shown() {
    let with = |key: &str| CostSource::new(WELL, "http://u/v1/", &Secret::new(key.into()));
    assert!(!format!("{:?}", with(KEY).unwrap()).contains(KEY));
    for none in ["", "sk admin", "sk-\n"] {
        assert_eq!(with(none).err(), Some(BadCostSource), "{none:?}");
    }
}
