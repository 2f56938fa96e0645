//! Rules by scope, and what was used of them, by examples.

use super::*;
use crate::time::{DAY_US, MINUTE_US};

const DEFAULTS: DefaultRates = DefaultRates {
    requests_per_minute: 100,
    tokens_per_minute: 1_000,
};

fn rule(requests_per_minute: u64) -> RateRule {
    RateRule {
        requests_per_minute: Some(requests_per_minute),
        ..RateRule::default()
    }
}

fn ids() -> (ProjectId, KeyId, Arc<str>) {
    (ProjectId::new("proj_a"), KeyId::new("key_a"), "m".into())
}

#[test]
fn a_project_can_only_lower_what_its_organization_allows() {
    let (project, _, model) = ids();
    let of = |rules: &[(Scope, Option<&str>, u64)]| {
        let mut all = RateRules::default();
        for (scope, model, limit) in rules {
            all.insert(scope.clone(), model.map(Into::into), rule(*limit));
        }
        let rule = all.of_project(&project, &model, DEFAULTS);
        assert_eq!(
            rule.tokens_per_minute,
            Some(1_000),
            "what no rule names stays"
        );
        rule.requests_per_minute.expect("there always is a limit")
    };
    let (organization, own) = (Scope::Organization, Scope::Project(project.clone()));
    assert_eq!(of(&[]), 100);
    assert_eq!(of(&[(organization.clone(), None, 200)]), 200);
    assert_eq!(
        of(&[
            (organization.clone(), None, 200),
            (organization.clone(), Some("m"), 150)
        ]),
        150
    );
    assert_eq!(of(&[(organization.clone(), Some("other"), 150)]), 100);
    assert_eq!(of(&[(own.clone(), Some("m"), 7)]), 7);
    assert_eq!(
        of(&[(own.clone(), None, 7), (own.clone(), Some("m"), 9)]),
        9
    );
    assert_eq!(of(&[(own, Some("m"), 300), (organization, None, 200)]), 200);
}

/// A request of `tokens`, and how it ends if it is taken.
struct Desk {
    rates: Rates,
    ids: (ProjectId, KeyId, Arc<str>),
}

impl Desk {
    fn new(rules: RateRules) -> Self {
        let mut rates = Rates::default();
        rates.set_rules(rules);
        Desk { rates, ids: ids() }
    }

    fn ask(&mut self, tokens: u64, now: MonoUs) -> Result<(Applied, RateStates), RateStop> {
        let (project, key, model) = &self.ids;
        let who = Who {
            project,
            key,
            model,
        };
        let applied = self.rates.check(&who, tokens, DEFAULTS, now)?;
        let states = self.rates.take(&who, tokens, &applied, now);
        Ok((applied, states))
    }

    fn end(&mut self, applied: &Applied, unused_tokens: u64) {
        let (project, key, model) = &self.ids;
        let who = Who {
            project,
            key,
            model,
        };
        self.rates.end(&who, applied, unused_tokens);
    }
}

fn only(scope: Scope, rule: RateRule) -> RateRules {
    let mut rules = RateRules::default();
    rules.insert(scope, None, rule);
    rules
}

#[test]
fn each_kind_of_limit_stops_and_says_which() {
    let (project, key, _) = ids();
    let none = RateRule::default();
    let table = [
        (
            RateRule {
                requests_per_minute: Some(2),
                ..none
            },
            RateKind::RequestsPerMinute,
            MINUTE_US / 2,
        ),
        (
            RateRule {
                tokens_per_minute: Some(20),
                ..none
            },
            RateKind::TokensPerMinute,
            MINUTE_US / 2,
        ),
        (
            RateRule {
                requests_per_day: Some(2),
                ..none
            },
            RateKind::RequestsPerDay,
            DAY_US / 2,
        ),
        (
            RateRule {
                tokens_per_day: Some(20),
                ..none
            },
            RateKind::TokensPerDay,
            DAY_US / 2,
        ),
    ];
    for scope in [
        Scope::Organization,
        Scope::Project(project),
        Scope::Key(key),
    ] {
        for (rule, kind, wait_us) in table {
            let mut desk = Desk::new(only(scope.clone(), rule));
            desk.ask(10, MonoUs(5)).expect("the first fits");
            desk.ask(10, MonoUs(5)).expect("the second fits");
            let stop = desk.ask(10, MonoUs(5)).expect_err("the third does not");
            assert_eq!(stop.kind, kind);
            assert_eq!(stop.refusal.retry_after_us, Some(wait_us));
            desk.ask(10, MonoUs(5 + wait_us - 1))
                .expect_err("a microsecond early");
            desk.ask(10, MonoUs(5 + wait_us))
                .expect("after the wait it was told");
        }
    }
}

#[test]
fn requests_in_flight_are_counted_until_they_end() {
    let rule = RateRule {
        concurrent_requests: Some(1),
        ..RateRule::default()
    };
    let mut desk = Desk::new(only(Scope::Organization, rule));
    let (first, _) = desk.ask(1, MonoUs(1)).expect("the first fits");
    let stop = desk.ask(1, MonoUs(DAY_US)).expect_err("it still runs");
    assert_eq!(stop.kind, RateKind::ConcurrentRequests);
    desk.end(&first, 0);
    desk.ask(1, MonoUs(DAY_US)).expect("its place is free");
}

#[test]
fn a_limit_that_came_later_gets_nothing_back_that_it_did_not_give() {
    let mut desk = Desk::new(RateRules::default());
    let (early, _) = desk.ask(500, MonoUs(1)).expect("under the defaults");
    let (_, key, _) = ids();
    let rule = RateRule {
        tokens_per_minute: Some(100),
        ..RateRule::default()
    };
    desk.rates.set_rules(only(Scope::Key(key), rule));
    desk.ask(100, MonoUs(1))
        .expect("the key's own limit is new");
    desk.end(&early, 500);
    desk.ask(1, MonoUs(1))
        .expect_err("the key's limit is used up all the same");
}

#[test]
fn the_scarcer_limit_is_shown() {
    let (_, key, _) = ids();
    let mut desk = Desk::new(only(Scope::Key(key), rule(10)));
    let (_, states) = desk.ask(7, MonoUs(1)).expect("fits");
    assert_eq!((states.requests.limit, states.requests.remaining), (10, 9));
    assert_eq!((states.tokens.limit, states.tokens.remaining), (1_000, 993));
}

#[test]
fn a_day_that_began_before_the_book_is_counted_on() {
    let (project, key, model) = ids();
    let rule = RateRule {
        requests_per_day: Some(10),
        tokens_per_minute: Some(5),
        ..RateRule::default()
    };
    for scope in [Scope::Project(project.clone()), Scope::Key(key.clone())] {
        let rules = only(scope, rule);
        assert!(rules.limit_days());
        let mut desk = Desk::new(rules);
        let past = |requests, at| PastUse {
            project: project.clone(),
            key: key.clone(),
            model: Arc::clone(&model),
            requests,
            tokens: 1_000,
            at: AtUs(at),
        };
        // Four, of which half a day drains all; then nine.
        let at = AtUs(DAY_US / 2);
        let recent = Recent {
            since: Recent::since(at),
            now: at,
            used: vec![past(4, 0), past(9, at.0)],
        };
        desk.rates.recall(&recent, MonoUs(5));
        let now = MonoUs(5);
        desk.ask(1, now).expect("the tenth");
        let stop = desk.ask(1, now).expect_err("the eleventh");
        assert_eq!(stop.kind, RateKind::RequestsPerDay);
    }
    assert!(!only(Scope::Organization, self::rule(5)).limit_days());
}

#[test]
fn a_refusal_says_where_both_limits_a_minute_stand() {
    let (project, key, _) = ids();
    let day = RateRule {
        requests_per_day: Some(1),
        ..RateRule::default()
    };
    let mut rules = only(Scope::Project(project), day);
    rules.insert(Scope::Key(key), None, rule(4));
    let mut desk = Desk::new(rules);
    desk.ask(7, MonoUs(1)).expect("fits");
    let stop = desk.ask(7, MonoUs(1)).expect_err("one a day");
    assert_eq!(stop.kind, RateKind::RequestsPerDay);
    let left = |state: RateState| (state.limit, state.remaining);
    assert_eq!(left(stop.states.requests), (4, 3), "the key's, the scarcer");
    assert_eq!(left(stop.states.tokens), (1_000, 993));
}

#[test]
fn only_what_has_drained_is_forgotten() {
    let rule = RateRule {
        requests_per_day: Some(10),
        ..RateRule::default()
    };
    let mut desk = Desk::new(only(Scope::Organization, rule));
    let (first, _) = desk.ask(1, MonoUs(0)).expect("fits");
    desk.rates.forget_idle(DEFAULTS, MonoUs(DAY_US));
    assert_eq!(desk.rates.projects.len(), 1, "it runs");
    desk.end(&first, 0);
    desk.rates.forget_idle(DEFAULTS, MonoUs(DAY_US / 10 - 1));
    assert_eq!(
        desk.rates.projects.len(),
        1,
        "a tenth of a day drains one of ten"
    );
    desk.rates.forget_idle(DEFAULTS, MonoUs(DAY_US / 10));
    assert!(desk.rates.projects.is_empty());
}
