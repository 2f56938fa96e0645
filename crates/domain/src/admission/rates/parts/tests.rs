//! Two nodes' rates and the office between them, by examples.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::super::Who;
use super::*;
use crate::admission::rates::{Applied, RateRules, RateStop};
use crate::lease::NodeId;
use crate::lease::office::rates::{Part, Shares, Told, balance};
use crate::money::Nusd;
use crate::time::{DAY_US, HOUR_US, MINUTE_US, SECOND_US};

const DEFAULTS: DefaultRates = DefaultRates {
    requests_per_minute: 10_000_000,
    tokens_per_minute: 100_000_000_000,
};

struct Node {
    id: NodeId,
    rates: Rates,
    beats: u64,
}

/// Two nodes of one organization, a key in one project, and a model.
struct Fleet {
    limits: BTreeMap<LimitId, (Part, Shares)>,
    nodes: Vec<Node>,
    ids: (ProjectId, KeyId, Arc<str>),
    now: MonoUs,
    asked: i64,
}

impl Fleet {
    fn new(rules: &RateRules) -> Self {
        let node = |name| {
            let mut rates = Rates::default();
            rates.set_rules(rules.clone());
            rates.share(&OrganizationId::new("org-a"));
            Node {
                id: NodeId::new(name),
                rates,
                beats: 0,
            }
        };
        Fleet {
            limits: BTreeMap::new(),
            nodes: ["a", "b"].map(node).into(),
            ids: (ProjectId::new("proj_a"), KeyId::new("key_a"), "m".into()),
            now: MonoUs(7),
            asked: 0,
        }
    }

    fn set_rules(&mut self, rules: &RateRules) {
        for node in &mut self.nodes {
            node.rates.set_rules(rules.clone());
        }
    }

    fn request(&mut self, tokens: u64) -> Ask {
        self.asked += 1;
        let (project, key, model) = self.ids.clone();
        Ask {
            id: RequestId::random(AtUs(self.asked * SECOND_US), |bytes| bytes.fill(7)),
            project,
            key,
            model,
            amount: Nusd::ZERO,
            tokens,
        }
    }

    fn look(&mut self, index: usize, ask: &Ask) -> Result<Applied, RateStop> {
        let rates = &mut self.nodes[index].rates;
        let checked = rates.check(&ask.who(), ask.tokens, DEFAULTS, self.now);
        match &checked {
            Ok(applied) => {
                rates.take(&ask.who(), ask.tokens, applied, self.now);
                rates.waits_no_longer(ask.id);
            }
            Err(_) => rates.want(ask, DEFAULTS, self.now),
        }
        checked
    }

    /// A request that does not wait.
    fn ask(&mut self, index: usize, tokens: u64) -> Result<Applied, RateStop> {
        let ask = self.request(tokens);
        let outcome = self.look(index, &ask);
        self.nodes[index].rates.waits_no_longer(ask.id);
        outcome
    }

    fn end(&mut self, index: usize, applied: &Applied, unused: u64) {
        let (project, key, model) = &self.ids;
        let who = Who {
            project,
            key,
            model,
        };
        self.nodes[index].rates.end(&who, applied, unused);
    }

    /// Everybody beats.
    fn round(&mut self) {
        for node in &mut self.nodes {
            self.now = self.now.plus(60_000);
            node.beats += 1;
            let at = Moment {
                beat: node.beats,
                now: self.now,
            };
            let mut answers = Vec::new();
            for line in node.rates.lines(DEFAULTS, at) {
                let limit = self.limits.entry(line.limit.clone());
                let (part, shares) = limit.or_insert_with(|| (Part::new(line.rate), Shares::new()));
                let told = Told {
                    node: &node.id,
                    beat: node.beats,
                    line: &line,
                };
                answers.extend(balance(part, shares, told, drain(self.now)));
            }
            let answers: Vec<RateAnswer> = answers.into_iter().map(|it| it.answer).collect();
            let _ = node.rates.answered(&answers, DEFAULTS, at);
        }
    }

    /// As a request that waits a moment for what others have.
    fn try_for_a_while(&mut self, index: usize, tokens: u64) -> Result<Applied, RateStop> {
        let ask = self.request(tokens);
        for _ in 0..8 {
            match self.look(index, &ask) {
                Err(stop) if stop.hope != Hope::None => self.round(),
                outcome => {
                    self.nodes[index].rates.waits_no_longer(ask.id);
                    return outcome;
                }
            }
        }
        self.look(index, &ask)
    }

    /// What a node's next beat wants, of all limits.
    fn wanted(&mut self, index: usize) -> u64 {
        // Later than any answer that it may wait for.
        self.now = self.now.plus(HOUR_US);
        let node = &mut self.nodes[index];
        node.beats += 1;
        let at = Moment {
            beat: node.beats,
            now: self.now,
        };
        self.now = self.now.plus(HOUR_US);
        let lines = node.rates.lines(DEFAULTS, at);
        lines.iter().map(|line| line.wanted).sum()
    }
}

fn rule_for(scope: Scope, rule: RateRule) -> RateRules {
    let mut rules = RateRules::default();
    rules.insert(scope, None, rule);
    rules
}

#[test]
fn each_kind_of_limit_is_shared_to_the_last_request() {
    let none = RateRule::default();
    let table = [
        RateRule {
            requests_per_minute: Some(7),
            ..none
        },
        RateRule {
            tokens_per_minute: Some(70),
            ..none
        },
        RateRule {
            requests_per_day: Some(7),
            ..none
        },
        RateRule {
            tokens_per_day: Some(70),
            ..none
        },
        RateRule {
            concurrent_requests: Some(7),
            ..none
        },
    ];
    for scope in [
        Scope::Organization,
        Scope::Project(ProjectId::new("proj_a")),
        Scope::Key(KeyId::new("key_a")),
    ] {
        for rule in table {
            let mut fleet = Fleet::new(&rule_for(scope.clone(), rule));
            let first = fleet.ask(0, 10).expect_err("it has no share");
            assert_eq!(first.hope, Hope::Unknown);
            for number in 0..7 {
                let outcome = fleet.try_for_a_while(number % 2, 10);
                outcome.unwrap_or_else(|stop| panic!("{number} of {rule:?}: {stop:?}"));
            }
            for index in [0, 1] {
                let stop = fleet.try_for_a_while(index, 10).expect_err("all is used");
                assert_eq!(stop.hope, Hope::None);
                let limit = stop.refusal.state.limit;
                assert!(limit == 7 || limit == 70, "the limit itself: {limit}");
                let waits = rule.concurrent_requests.is_none();
                assert_eq!(stop.refusal.retry_after_us.is_some(), waits);
            }
        }
    }
}

#[test]
fn a_request_is_asked_for_once_in_every_beat_for_as_long_as_it_waits() {
    let rule = RateRule {
        requests_per_day: Some(7),
        ..RateRule::default()
    };
    let mut fleet = Fleet::new(&rule_for(Scope::Organization, rule));
    let (one, two) = (fleet.request(10), fleet.request(10));
    for _ in 0..3 {
        fleet.look(0, &one).expect_err("it has no share");
    }
    fleet.look(0, &two).expect_err("it has no share");
    assert_eq!(fleet.wanted(0), 2 * Rate::FINE, "however often it looked");
    assert_eq!(fleet.wanted(0), 2 * Rate::FINE, "nobody has looked since");
    fleet.nodes[0].rates.waits_no_longer(one.id);
    assert_eq!(fleet.wanted(0), Rate::FINE, "one has left");
    fleet.round();
    fleet.look(0, &two).expect("there is room");
    assert_eq!(fleet.wanted(0), 0, "nobody waits");
}

#[test]
fn what_came_for_a_request_is_kept_for_it_until_it_looks() {
    let rule = RateRule {
        requests_per_day: Some(2),
        ..RateRule::default()
    };
    let mut fleet = Fleet::new(&rule_for(Scope::Organization, rule));
    fleet.try_for_a_while(1, 10).expect("one of two");
    let (early, late) = (fleet.request(10), fleet.request(10));
    fleet.look(0, &early).expect_err("it has no share");
    fleet.round();
    fleet.look(1, &late).expect_err("it has less than one");
    for _ in 0..8 {
        fleet.round();
    }
    fleet.look(0, &early).expect("it was first");
}

#[test]
fn what_is_given_back_on_one_node_is_had_on_the_other() {
    let rule = RateRule {
        tokens_per_minute: Some(100),
        concurrent_requests: Some(2),
        ..RateRule::default()
    };
    let mut fleet = Fleet::new(&rule_for(Scope::Organization, rule));
    let first = fleet.try_for_a_while(0, 60).expect("60 of 100");
    let stop = fleet.try_for_a_while(1, 60).expect_err("40 are left");
    assert_eq!(stop.kind, RateKind::TokensPerMinute);
    assert!(stop.states.tokens.remaining < 60);
    fleet.end(0, &first, 55);
    fleet.now = fleet.now.plus(SECOND_US);
    fleet.try_for_a_while(1, 60).expect("5 are used");
    fleet.try_for_a_while(0, 10).expect("two run");
    let stop = fleet.try_for_a_while(0, 1).expect_err("two run");
    assert_eq!(stop.kind, RateKind::ConcurrentRequests);
}

#[test]
fn a_request_larger_than_the_limit_asks_nobody() {
    let rule = RateRule {
        tokens_per_minute: Some(100),
        ..RateRule::default()
    };
    let mut fleet = Fleet::new(&rule_for(Scope::Organization, rule));
    let stop = fleet.ask(0, 101).expect_err("it never fits");
    assert_eq!(stop.hope, Hope::None);
    assert_eq!(stop.refusal.retry_after_us, None);
    assert_eq!(stop.refusal.requested, 101);
}

#[test]
fn limits_that_nobody_reaches_are_not_named() {
    let mut fleet = Fleet::new(&RateRules::default());
    for _ in 0..100 {
        fleet.ask(0, 1_000).expect("plenty");
    }
    assert!(!fleet.nodes[0].rates.has_shares());
    // Someone does reach it: what a node has without asking is not all there is.
    let own = DEFAULTS.requests_per_minute / 1_024;
    for _ in 100..own {
        fleet.ask(0, 0).expect("within its own");
    }
    assert_eq!(fleet.ask(0, 0).expect_err("no more").hope, Hope::More);
    fleet.round();
    fleet.ask(0, 0).expect("all that is shared");
    assert!(fleet.nodes[0].rates.has_shares());
}

#[test]
fn a_limit_that_is_removed_or_forgotten_leaves_nothing_behind() {
    let rule = RateRule {
        requests_per_day: Some(10),
        ..RateRule::default()
    };
    let key = KeyId::new("key_a");
    let mut fleet = Fleet::new(&rule_for(Scope::Key(key), rule));
    let taken = fleet.try_for_a_while(0, 1).expect("one of ten");
    fleet.end(0, &taken, 0);
    assert!(fleet.nodes[0].rates.has_shares());
    fleet.set_rules(&RateRules::default());
    fleet.now = fleet.now.plus(SECOND_US);
    fleet.round();
    fleet.round();
    assert!(!fleet.nodes[0].rates.has_shares());

    fleet.set_rules(&rule_for(Scope::Organization, rule));
    let taken = fleet.try_for_a_while(0, 1).expect("one of ten");
    fleet.end(0, &taken, 0);
    let later = fleet.now.plus(HOUR_US);
    fleet.nodes[0].rates.forget_idle(DEFAULTS, later);
    fleet.now = later;
    fleet.round();
    assert!(fleet.nodes[0].rates.has_shares(), "an hour drains no tenth");
    fleet.now = later.plus(DAY_US);
    let now = fleet.now;
    fleet.nodes[0].rates.forget_idle(DEFAULTS, now);
    fleet.round();
    fleet.round();
    assert!(!fleet.nodes[0].rates.has_shares());
    fleet.nodes[0].rates.forget_idle(DEFAULTS, now);
    assert!(fleet.nodes[0].rates.projects.is_empty());
    let (_, shares) = fleet.limits.values().next().expect("a limit");
    assert!(shares.values().all(|share| share.units == 0));
}

#[test]
fn whoever_stops_leaves_what_was_not_used_to_the_others() {
    let rule = RateRule {
        requests_per_day: Some(10),
        ..RateRule::default()
    };
    let mut fleet = Fleet::new(&rule_for(Scope::Organization, rule));
    for _ in 0..4 {
        fleet.try_for_a_while(0, 1).expect("four of ten");
    }
    let now = fleet.now;
    fleet.nodes[0].rates.give_up(true, DEFAULTS, now);
    fleet.round();
    for (part, shares) in fleet.limits.values_mut() {
        let id = NodeId::new("a");
        crate::lease::office::rates::give_up(part, shares, &id, None, drain(now));
    }
    fleet.nodes[0].rates = Rates::default();
    for number in 0..6 {
        let outcome = fleet.try_for_a_while(1, 1);
        outcome.unwrap_or_else(|stop| panic!("{number}: {stop:?}"));
    }
    fleet.try_for_a_while(1, 1).expect_err("ten in a day");
    let waited = MINUTE_US.max(DAY_US / 10);
    fleet.now = fleet.now.plus(waited);
    fleet.try_for_a_while(1, 1).expect("one more");
}
