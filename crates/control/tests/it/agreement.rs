//! Many requests at random times, most of them at the edge of a bucket: every report, at every
//! width and grouping, says exactly what was used, and each request is in exactly one bucket.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use domain::hold::{Course, Flags, Hold};
use domain::id::{KeyId, PriceId, ProjectId, RequestId};
use domain::markup::Markup;
use domain::money::Nusd;
use domain::price::{Cost, StatedPrices, UnitPrices};
use domain::time::{AtUs, DAY_US, HOUR_US, MINUTE_US};
use domain::usage::{LineItem, Reported, Usage};
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;
use store::Settlement;
use testkit::on_each_database;

use crate::world::{START_S, World, entropy};

const REQUESTS: usize = 250;
const SPAN_US: i64 = 3 * DAY_US;

/// A repeatable source of numbers (splitmix64).
struct Dice(u64);

impl Dice {
    fn below(&mut self, most: i64) -> i64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        i64::try_from((word ^ (word >> 31)) % u64::try_from(most).unwrap()).unwrap()
    }

    fn one_of<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        let index = self.below(i64::try_from(choices.len()).unwrap());
        &choices[usize::try_from(index).unwrap()]
    }

    fn tokens(&mut self, most: i64) -> u64 {
        u64::try_from(self.below(most)).unwrap()
    }
}

/// A key that requests are made with.
struct Caller {
    project: String,
    key: String,
    user: Option<String>,
}

/// What one request used.
struct Fact<'a> {
    caller: &'a Caller,
    hold: Arc<Hold>,
    usage: Usage,
    cost: Cost,
}

#[derive(Deserialize)]
struct Page {
    data: Vec<Bucket>,
    has_more: bool,
    next_page: Option<String>,
}

#[derive(Deserialize)]
struct Bucket {
    start_time: i64,
    end_time: i64,
    results: Vec<Entry>,
}

/// A result of either kind of report.
#[derive(Deserialize)]
struct Entry {
    project_id: Option<String>,
    user_id: Option<String>,
    api_key_id: Option<String>,
    model: Option<String>,
    line_item: Option<String>,
    #[serde(default)]
    num_model_requests: i64,
    #[serde(default)]
    input_tokens: i64,
    output_tokens: Option<i64>,
    amount: Option<Amount>,
}

#[derive(Deserialize)]
struct Amount {
    value: Box<RawValue>,
}

/// A bucket's start and the grouping fields: project, user, key, model, line.
type Place = (i64, [Option<String>; 5]);
/// Requests, input tokens, output tokens.
type Counts = (i64, i64, Option<i64>);

#[tokio::test(flavor = "multi_thread")]
async fn usage_of_every_width_and_grouping_is_what_was_used() {
    on_each_database(async |database| {
        let world = World::start(database).await;
        let callers = callers(&world).await;
        let facts = use_up(&world, &callers).await;
        let groupings: [&[&str]; 6] = [
            &[],
            &["project_id"],
            &["user_id"],
            &["api_key_id"],
            &["model"],
            &["project_id", "user_id", "api_key_id", "model"],
        ];
        for (width, width_us) in [("1m", MINUTE_US), ("1h", HOUR_US), ("1d", DAY_US)] {
            for report in ["completions", "embeddings"] {
                for fields in groupings {
                    let query = format!("/usage/{report}?bucket_width={width}");
                    let found = walk(&world, &query, fields, width_us).await;
                    let counts = |entry: Entry| {
                        let requests = entry.num_model_requests;
                        (requests, entry.input_tokens, entry.output_tokens)
                    };
                    let found: BTreeMap<Place, Counts> = found
                        .into_iter()
                        .map(|(place, entry)| (place, counts(entry)))
                        .collect();
                    let wanted = usage_of(&facts, fields, width_us, report == "embeddings");
                    assert_eq!(found, wanted, "{query} {fields:?}");
                }
            }
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn costs_of_every_grouping_are_what_was_charged() {
    on_each_database(async |database| {
        let world = World::start(database).await;
        let callers = callers(&world).await;
        let facts = use_up(&world, &callers).await;
        let groupings: [&[&str]; 6] = [
            &[],
            &["project_id"],
            &["user_id"],
            &["api_key_id"],
            &["line_item"],
            &["project_id", "user_id", "api_key_id", "line_item"],
        ];
        for fields in groupings {
            let found = walk(&world, "/costs?bucket_width=1d", fields, DAY_US).await;
            let exact = |entry: Entry| {
                let value = entry.amount.expect("a cost").value;
                Nusd::parse_usd(value.get()).unwrap()
            };
            let found: BTreeMap<Place, Nusd> = found
                .into_iter()
                .map(|(place, entry)| (place, exact(entry)))
                .collect();
            assert_eq!(found, costs_of(&facts, fields), "{fields:?}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn costs_of_some_lines_are_what_fell_on_them() {
    on_each_database(async |database| {
        let world = World::start(database).await;
        let callers = callers(&world).await;
        let facts = use_up(&world, &callers).await;
        let only = ["a, input", "b/c, output", "b/c, input"];
        let query =
            "/costs?line_items[]=a,%20input&line_items[]=b/c,%20output&line_items[]=b/c,%20input";
        for fields in [
            &[][..],
            &["line_item"],
            &["project_id"],
            &["project_id", "line_item"],
        ] {
            let found = walk(&world, query, fields, DAY_US).await;
            let mut sums = BTreeMap::new();
            for fact in &facts {
                for line in LineItem::ALL {
                    let name = format!("{}, {}", fact.hold.model, line.label());
                    let cost = fact.cost.line(line);
                    if !only.contains(&&*name) || cost == Nusd::ZERO {
                        continue;
                    }
                    let line = fields.contains(&"line_item").then_some(line);
                    let place = place(fact, fields, DAY_US, line);
                    *sums.entry(place).or_insert(Nusd::ZERO) += cost;
                }
            }
            let exact = |entry: Entry| {
                let value = entry.amount.expect("a cost").value;
                Nusd::parse_usd(value.get()).unwrap()
            };
            let found: BTreeMap<Place, Nusd> = found
                .into_iter()
                .map(|(place, entry)| (place, exact(entry)))
                .collect();
            assert_eq!(found, sums, "{fields:?}");
        }
    })
    .await;
}

/// The first key, and one of a service account in another project.
async fn callers(world: &World) -> [Caller; 2] {
    let other = world.post("/projects", &json!({"name": "other"})).await;
    let other = other.json()["id"].as_str().unwrap().to_owned();
    let accounts = format!("/projects/{other}/service_accounts");
    let made = world.post(&accounts, &json!({"name": "bot"})).await.json();
    let first = format!("/projects/{}/api_keys", world.made.project);
    let first = world.get(&first).await.json();
    [
        Caller {
            project: world.made.project.to_string(),
            key: first["data"][0]["id"].as_str().unwrap().to_owned(),
            user: Some(world.made.user.to_string()),
        },
        Caller {
            project: other,
            key: made["api_key"]["id"].as_str().unwrap().to_owned(),
            user: None,
        },
    ]
}

/// Settles many requests, and turns the clock to the end of the span.
async fn use_up<'a>(world: &World, callers: &'a [Caller]) -> Vec<Fact<'a>> {
    let mut dice = Dice(7);
    let ledger = world.store.ledger();
    let (mut facts, mut tickets) = (Vec::new(), Vec::new());
    for _ in 0..REQUESTS {
        let caller = dice.one_of(callers);
        let hold = hold(world, caller, &mut dice);
        let usage = Usage::from_reported(&Reported {
            input_tokens: dice.tokens(5_000),
            cached_input_tokens: dice.tokens(2_000),
            cache_write_tokens: dice.tokens(100),
            output_tokens: match hold.endpoint {
                "embeddings" => 0,
                _ => dice.tokens(900),
            },
            ..Reported::default()
        });
        let charge = hold.charge(&usage);
        drop(ledger.hold(Arc::clone(&hold)));
        tickets.push(ledger.settle(Settlement {
            hold: Arc::clone(&hold),
            usage,
            charge,
            flags: Flags::default(),
            course: Course::default(),
            upstream: "u".into(),
            ended_at: hold.admitted_at,
            kept: None,
        }));
        facts.push(Fact {
            caller,
            hold,
            usage,
            cost: charge.cost,
        });
    }
    for ticket in tickets {
        ticket.durable().await.unwrap();
    }
    let end_us = START_S * 1_000_000 + SPAN_US;
    world.now.store(end_us, Ordering::Relaxed);
    facts
}

fn hold(world: &World, caller: &Caller, dice: &mut Dice) -> Arc<Hold> {
    let start_us = START_S * 1_000_000;
    let mut at_us = start_us + dice.below(SPAN_US - HOUR_US);
    if dice.below(4) > 0 {
        // Within two milliseconds of where a minute, hour or day ends and the next begins.
        let width_us = *dice.one_of(&[MINUTE_US, HOUR_US, DAY_US]);
        let edge_us = AtUs(at_us).floor(width_us).0.max(start_us + MINUTE_US);
        at_us = edge_us + dice.below(4_000) - 2_000;
    }
    let admitted_at = AtUs(at_us);
    // The id is older than the admission by as long as the body took to arrive.
    let arrived_at = admitted_at.plus(-dice.below(90_000_000) * dice.below(2));
    let price = StatedPrices {
        input: Nusd::new(150_000_000),
        cached_input: Some(Nusd::new(75_000_001)),
        output: Nusd::new(600_000_000),
        request: Some(Nusd::new(3_333_333)),
        ..StatedPrices::default()
    };
    Arc::new(Hold {
        id: RequestId::random(arrived_at, entropy),
        organization: world.made.organization.clone(),
        project: ProjectId::new(&caller.project),
        key: KeyId::new(&caller.key),
        model: (*dice.one_of(&["a", "b/c", "d"])).into(),
        endpoint: dice.one_of::<&str>(&["chat", "responses", "completions", "embeddings"]),
        amount: Nusd::new(100_000_000),
        price_id: PriceId::new("price_test"),
        markup: Markup::NONE,
        price: price.into(),
        cost: UnitPrices::by_class([Nusd::ZERO; 9]),
        admitted_at,
        legs: Arc::default(),
    })
}

/// Every page of a report: each place occurs once, and the buckets leave no gap.
async fn walk(
    world: &World,
    query: &str,
    fields: &[&str],
    width_us: i64,
) -> BTreeMap<Place, Entry> {
    let mut found = BTreeMap::new();
    let width_s = width_us / 1_000_000;
    let mut next_s = START_S.div_euclid(width_s) * width_s;
    let groups: String = fields
        .iter()
        .map(|field| format!("&group_by[]={field}"))
        .collect();
    let mut page = String::new();
    loop {
        let path = format!("{query}&start_time={START_S}{groups}&page={page}");
        let answer = world.get(&path).await;
        let read: Page = serde_json::from_slice(&answer.body)
            .unwrap_or_else(|error| panic!("{error}: {}", answer.text()));
        for bucket in read.data {
            assert_eq!(bucket.start_time, next_s, "{path}");
            assert_eq!(bucket.end_time - bucket.start_time, width_s);
            next_s = bucket.end_time;
            for entry in bucket.results {
                let fields = [
                    &entry.project_id,
                    &entry.user_id,
                    &entry.api_key_id,
                    &entry.model,
                    &entry.line_item,
                ];
                let place = (bucket.start_time, fields.map(Clone::clone));
                assert!(found.insert(place, entry).is_none(), "twice in {path}");
            }
        }
        assert_eq!(read.has_more, read.next_page.is_some());
        match read.next_page {
            Some(next) => page = next,
            None => break,
        }
    }
    assert!(next_s >= START_S + SPAN_US / 1_000_000, "{query}: {next_s}");
    found
}

fn place(fact: &Fact<'_>, fields: &[&str], width_us: i64, line: Option<LineItem>) -> Place {
    let asked = |field: &str, value: Option<String>| value.filter(|_| fields.contains(&field));
    let (caller, model) = (fact.caller, &fact.hold.model);
    let line = line.map(|line| format!("{model}, {}", line.label()));
    (
        fact.hold.admitted_at.floor(width_us).seconds(),
        [
            asked("project_id", Some(caller.project.clone())),
            asked("user_id", caller.user.clone()),
            asked("api_key_id", Some(caller.key.clone())),
            asked("model", Some(model.to_string())),
            line,
        ],
    )
}

fn usage_of(
    facts: &[Fact<'_>],
    fields: &[&str],
    width_us: i64,
    embeddings: bool,
) -> BTreeMap<Place, Counts> {
    let number = |tokens: u64| i64::try_from(tokens).unwrap();
    let mut sums = BTreeMap::new();
    for fact in facts {
        if (fact.hold.endpoint == "embeddings") != embeddings {
            continue;
        }
        let sum: &mut Counts = sums.entry(place(fact, fields, width_us, None)).or_insert((
            0,
            0,
            (!embeddings).then_some(0),
        ));
        sum.0 += 1;
        sum.1 += number(fact.usage.input_tokens());
        sum.2 = sum.2.map(|sum| sum + number(fact.usage.output_tokens()));
    }
    sums
}

fn costs_of(facts: &[Fact<'_>], fields: &[&str]) -> BTreeMap<Place, Nusd> {
    let mut sums = BTreeMap::new();
    for fact in facts {
        let lines = match fields.contains(&"line_item") {
            true => LineItem::ALL
                .map(|line| (Some(line), fact.cost.line(line)))
                .to_vec(),
            false => vec![(None, fact.cost.total)],
        };
        for (line, cost) in lines {
            let place = place(fact, fields, DAY_US, line);
            *sums.entry(place).or_insert(Nusd::ZERO) += cost;
        }
    }
    // A line that nothing fell on is not listed.
    sums.retain(|(_, fields), cost| fields[4].is_none() || *cost > Nusd::ZERO);
    sums
}
