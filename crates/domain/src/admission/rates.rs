//! The rate limits of one organization: rules for its projects and keys, and what was used.
//!
//! A project and model are limited by the project's rule, which can only lower the organization's,
//! which stands in for the installation's. A key with a rule of its own is limited by that as well.

use std::collections::HashMap;
use std::sync::Arc;

use crate::budget::Scope;
use crate::id::{KeyId, ProjectId};
use crate::rate::{Bucket, Rate, RateRefusal, RateState};
use crate::time::AtUs;

/// The rate limits that apply to requests of one scope and model; none means no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RateRule {
    /// Requests a minute.
    pub requests_per_minute: Option<u64>,
    /// Tokens a minute; a request takes its bound and gives back what it did not use.
    pub tokens_per_minute: Option<u64>,
    /// Requests a day.
    pub requests_per_day: Option<u64>,
    /// Tokens a day, taken as those a minute.
    pub tokens_per_day: Option<u64>,
    /// Requests in flight at once.
    pub concurrent_requests: Option<u64>,
}

/// The rate limits of the installation, which every project and model has at least.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DefaultRates {
    /// Requests a minute.
    pub requests_per_minute: u64,
    /// Tokens a minute.
    pub tokens_per_minute: u64,
}

/// The rules of one organization, by what they are put on and for which model; no model means
/// every model that has no rule of its own there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RateRules(HashMap<Scope, HashMap<Option<Arc<str>>, RateRule>>);

/// Which limit stopped a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RateKind {
    /// Requests a minute.
    RequestsPerMinute,
    /// Tokens a minute.
    TokensPerMinute,
    /// Requests a day.
    RequestsPerDay,
    /// Tokens a day.
    TokensPerDay,
    /// Requests in flight.
    ConcurrentRequests,
}

/// What a project's key used of a model before this book was opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PastUse {
    /// The project.
    pub project: ProjectId,
    /// The key.
    pub key: KeyId,
    /// The model's public name.
    pub model: Arc<str>,
    /// Requests.
    pub requests: u64,
    /// Tokens.
    pub tokens: u64,
    /// When, at the latest.
    pub at: AtUs,
}

/// A request stopped by a rate limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateStop {
    /// Which limit.
    pub kind: RateKind,
    /// Where it stands.
    pub refusal: RateRefusal,
    /// Where the limits a minute stand.
    pub states: RateStates,
}

/// Where both rate limits a minute of a request stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateStates {
    /// Requests a minute.
    pub requests: RateState,
    /// Tokens a minute.
    pub tokens: RateState,
}

impl RateRule {
    /// This rule, and `other` where this one says nothing.
    #[must_use]
    pub fn or(self, other: RateRule) -> RateRule {
        self.merged(other, |own, other| own.or(other))
    }

    /// The stricter of both, limit by limit.
    #[must_use]
    pub fn stricter(self, other: RateRule) -> RateRule {
        self.merged(other, |own, other| match (own, other) {
            (Some(own), Some(other)) => Some(own.min(other)),
            (own, other) => own.or(other),
        })
    }

    fn merged(
        self,
        other: RateRule,
        merge: impl Fn(Option<u64>, Option<u64>) -> Option<u64>,
    ) -> RateRule {
        RateRule {
            requests_per_minute: merge(self.requests_per_minute, other.requests_per_minute),
            tokens_per_minute: merge(self.tokens_per_minute, other.tokens_per_minute),
            requests_per_day: merge(self.requests_per_day, other.requests_per_day),
            tokens_per_day: merge(self.tokens_per_day, other.tokens_per_day),
            concurrent_requests: merge(self.concurrent_requests, other.concurrent_requests),
        }
    }
}

impl From<DefaultRates> for RateRule {
    fn from(rates: DefaultRates) -> Self {
        RateRule {
            requests_per_minute: Some(rates.requests_per_minute),
            tokens_per_minute: Some(rates.tokens_per_minute),
            ..RateRule::default()
        }
    }
}

impl RateRules {
    /// Whether any rule limits what is used in a day.
    #[must_use]
    pub fn limit_days(&self) -> bool {
        let limits_day =
            |rule: &RateRule| rule.requests_per_day.is_some() || rule.tokens_per_day.is_some();
        self.0.values().flat_map(HashMap::values).any(limits_day)
    }

    /// Puts a rule on a scope, for one model or for every other.
    pub fn insert(&mut self, scope: Scope, model: Option<Arc<str>>, rule: RateRule) {
        self.0.entry(scope).or_default().insert(model, rule);
    }

    /// What the organization allows each of its projects, for `model`.
    #[must_use]
    pub fn of_organization(&self, model: &Arc<str>, defaults: DefaultRates) -> RateRule {
        let rule = self.of(&Scope::Organization, model).unwrap_or_default();
        rule.or(defaults.into())
    }

    /// What a project may use of `model`.
    #[must_use]
    pub fn of_project(
        &self,
        project: &ProjectId,
        model: &Arc<str>,
        defaults: DefaultRates,
    ) -> RateRule {
        let organization = self.of_organization(model, defaults);
        if self.0.is_empty() {
            return organization;
        }
        let rule = self.of(&Scope::Project(project.clone()), model);
        rule.unwrap_or_default().stricter(organization)
    }

    /// What a key with a rule of its own may use of `model`.
    fn of_key(&self, key: &KeyId, model: &Arc<str>) -> Option<RateRule> {
        if self.0.is_empty() {
            return None;
        }
        self.of(&Scope::Key(key.clone()), model)
    }

    fn of(&self, scope: &Scope, model: &Arc<str>) -> Option<RateRule> {
        let rules = self.0.get(scope)?;
        let of_model = rules.get(&Some(Arc::clone(model))).copied();
        let of_others = rules.get(&None).copied();
        match (of_model, of_others) {
            (Some(own), Some(others)) => Some(own.or(others)),
            (own, others) => own.or(others),
        }
    }
}

/// Which limit has no room, and where it stands.
type Stop = (RateKind, RateRefusal);

/// What was used of the limits of one rule.
#[derive(Clone, Copy, Debug, Default)]
struct Used {
    /// One for each of [`TIMED`].
    buckets: [Bucket; 4],
    running: u64,
}

/// The limits over time, in the order in which they are looked at.
const TIMED: [RateKind; 4] = [
    RateKind::RequestsPerMinute,
    RateKind::TokensPerMinute,
    RateKind::RequestsPerDay,
    RateKind::TokensPerDay,
];
const REQUESTS_PER_MINUTE: usize = 0;
const TOKENS_PER_MINUTE: usize = 1;

impl RateKind {
    fn counts_tokens(self) -> bool {
        matches!(self, RateKind::TokensPerMinute | RateKind::TokensPerDay)
    }

    fn units(self, tokens: u64) -> u64 {
        match self.counts_tokens() {
            true => tokens,
            false => 1,
        }
    }
}

impl RateRule {
    /// The limit of a kind that is over time.
    fn rate(&self, kind: RateKind) -> Option<Rate> {
        match kind {
            RateKind::RequestsPerMinute => self.requests_per_minute.map(Rate::per_minute),
            RateKind::TokensPerMinute => self.tokens_per_minute.map(Rate::per_minute),
            RateKind::RequestsPerDay => self.requests_per_day.map(Rate::per_day),
            RateKind::TokensPerDay => self.tokens_per_day.map(Rate::per_day),
            RateKind::ConcurrentRequests => None,
        }
    }
}

impl Used {
    fn check(&self, rule: &RateRule, tokens: u64, now: AtUs) -> Result<(), Stop> {
        for (kind, bucket) in TIMED.into_iter().zip(&self.buckets) {
            let Some(rate) = rule.rate(kind) else {
                continue;
            };
            let stop = |refusal| (kind, refusal);
            bucket.check(rate, kind.units(tokens), now).map_err(stop)?;
        }
        match rule.concurrent_requests {
            Some(limit) if self.running >= limit => {
                let refusal = RateRefusal {
                    state: RateState {
                        limit,
                        remaining: 0,
                        reset_us: 0,
                    },
                    requested: 1,
                    // A place is free when a request ends, which nobody can foretell.
                    retry_after_us: None,
                };
                Err((RateKind::ConcurrentRequests, refusal))
            }
            _ => Ok(()),
        }
    }

    fn take(&mut self, rule: &RateRule, tokens: u64, now: AtUs) {
        for (kind, bucket) in TIMED.into_iter().zip(&mut self.buckets) {
            if let Some(rate) = rule.rate(kind) {
                bucket.take(rate, kind.units(tokens), now);
            }
        }
        self.running += 1;
    }

    /// Ends a request that was taken under `rule`.
    fn end(&mut self, rule: &RateRule, unused_tokens: u64) {
        for (kind, bucket) in TIMED.into_iter().zip(&mut self.buckets) {
            if let Some(rate) = rule.rate(kind)
                && kind.counts_tokens()
            {
                bucket.give_back(rate, unused_tokens);
            }
        }
        self.running = self.running.saturating_sub(1);
    }

    fn states(&self, rule: &RateRule, now: AtUs) -> Option<RateStates> {
        let state = |index: usize| {
            let rate = rule.rate(TIMED[index])?;
            Some(self.buckets[index].state(rate, now))
        };
        Some(RateStates {
            requests: state(REQUESTS_PER_MINUTE)?,
            tokens: state(TOKENS_PER_MINUTE)?,
        })
    }

    /// Counts what was used earlier against the limits a day.
    fn recall(&mut self, rule: &RateRule, past: &PastUse) {
        for (kind, bucket) in TIMED.into_iter().zip(&mut self.buckets) {
            let units = match kind {
                RateKind::RequestsPerDay => past.requests,
                RateKind::TokensPerDay => past.tokens,
                _ => continue,
            };
            if let Some(rate) = rule.rate(kind) {
                bucket.take(rate, units, past.at);
            }
        }
    }

    /// Whether nothing is left of what was used.
    fn is_idle(&self, rule: &RateRule, now: AtUs) -> bool {
        let empty = |(kind, bucket): (RateKind, &Bucket)| {
            rule.rate(kind)
                .is_none_or(|rate| bucket.is_empty(rate, now))
        };
        self.running == 0 && TIMED.into_iter().zip(&self.buckets).all(empty)
    }
}

/// Whose use is counted together: a project's or a key's of one model.
type Place<Id> = (Id, Arc<str>);

/// The rules of an organization, and what was used of them.
#[derive(Debug, Default)]
pub(super) struct Rates {
    rules: RateRules,
    projects: HashMap<Place<ProjectId>, Used>,
    keys: HashMap<Place<KeyId>, Used>,
}

/// The rules a request was admitted under.
#[derive(Clone, Copy, Debug)]
pub(super) struct Applied {
    project: RateRule,
    key: Option<RateRule>,
}

impl Applied {
    /// Where the limits a minute stand: those of the key, if less is left of them.
    fn states(&self, of_project: &Used, of_key: &Used, now: AtUs) -> RateStates {
        let states = of_project.states(&self.project, now);
        let states = states.expect("every project has limits a minute");
        let own = self.key.map(|rule| rule.or(self.project));
        match own.and_then(|rule| of_key.states(&rule, now)) {
            None => states,
            Some(own) => RateStates {
                requests: scarcer(own.requests, states.requests),
                tokens: scarcer(own.tokens, states.tokens),
            },
        }
    }
}

fn scarcer(own: RateState, other: RateState) -> RateState {
    match own.remaining < other.remaining {
        true => own,
        false => other,
    }
}

/// Who asks, for what.
pub(super) struct Who<'a> {
    pub(super) project: &'a ProjectId,
    pub(super) key: &'a KeyId,
    pub(super) model: &'a Arc<str>,
}

impl Rates {
    pub(super) fn set_rules(&mut self, rules: RateRules) {
        self.rules = rules;
    }

    /// The rules for a request, if it fits under all of them; takes nothing.
    pub(super) fn check(
        &self,
        who: &Who<'_>,
        tokens: u64,
        defaults: DefaultRates,
        now: AtUs,
    ) -> Result<Applied, RateStop> {
        let applied = Applied {
            project: self.rules.of_project(who.project, who.model, defaults),
            key: self.rules.of_key(who.key, who.model),
        };
        let used = self.projects.get(&who.of_project());
        let used = used.copied().unwrap_or_default();
        let of_key = applied.key.and_then(|_| self.keys.get(&who.of_key()));
        let of_key = of_key.copied().unwrap_or_default();
        let of_project = used.check(&applied.project, tokens, now);
        let own = |()| match &applied.key {
            Some(rule) => of_key.check(rule, tokens, now),
            None => Ok(()),
        };
        let checked = of_project.and_then(own);
        checked.map_err(|(kind, refusal)| RateStop {
            kind,
            refusal,
            states: applied.states(&used, &of_key, now),
        })?;
        Ok(applied)
    }

    /// Takes a request that was checked. Answers where its limits stand then.
    pub(super) fn take(
        &mut self,
        who: &Who<'_>,
        tokens: u64,
        applied: &Applied,
        now: AtUs,
    ) -> RateStates {
        let used = self.projects.entry(who.of_project()).or_default();
        used.take(&applied.project, tokens, now);
        let used = *used;
        let Some(rule) = &applied.key else {
            return applied.states(&used, &Used::default(), now);
        };
        let of_key = self.keys.entry(who.of_key()).or_default();
        of_key.take(rule, tokens, now);
        applied.states(&used, of_key, now)
    }

    /// Ends a request that was taken.
    pub(super) fn end(&mut self, who: &Who<'_>, applied: &Applied, unused_tokens: u64) {
        if let Some(used) = self.projects.get_mut(&who.of_project()) {
            used.end(&applied.project, unused_tokens);
        }
        if let Some(rule) = &applied.key
            && let Some(used) = self.keys.get_mut(&who.of_key())
        {
            used.end(rule, unused_tokens);
        }
    }

    /// Counts what was used before this was made; tell it in the order of time.
    pub(super) fn recall(&mut self, past: &PastUse, defaults: DefaultRates) {
        let who = Who {
            project: &past.project,
            key: &past.key,
            model: &past.model,
        };
        let rule = self.rules.of_project(who.project, who.model, defaults);
        let used = self.projects.entry(who.of_project()).or_default();
        used.recall(&rule, past);
        if let Some(rule) = self.rules.of_key(who.key, who.model) {
            let used = self.keys.entry(who.of_key()).or_default();
            used.recall(&rule, past);
        }
    }

    /// Forgets what has drained: it is as good as new.
    pub(super) fn forget_idle(&mut self, defaults: DefaultRates, now: AtUs) {
        let Rates {
            rules,
            projects,
            keys,
        } = self;
        projects.retain(|(project, model), used| {
            !used.is_idle(&rules.of_project(project, model, defaults), now)
        });
        keys.retain(|(key, model), used| {
            let rule = rules.of_key(key, model);
            !rule.is_none_or(|rule| used.is_idle(&rule, now))
        });
    }
}

impl Who<'_> {
    fn of_project(&self) -> Place<ProjectId> {
        (self.project.clone(), Arc::clone(self.model))
    }

    fn of_key(&self) -> Place<KeyId> {
        (self.key.clone(), Arc::clone(self.model))
    }
}

#[cfg(test)]
mod tests {
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

        fn ask(&mut self, tokens: u64, now: AtUs) -> Result<(Applied, RateStates), RateStop> {
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
                desk.ask(10, AtUs(5)).expect("the first fits");
                desk.ask(10, AtUs(5)).expect("the second fits");
                let stop = desk.ask(10, AtUs(5)).expect_err("the third does not");
                assert_eq!(stop.kind, kind);
                assert_eq!(stop.refusal.retry_after_us, Some(wait_us));
                desk.ask(10, AtUs(5 + wait_us - 1))
                    .expect_err("a microsecond early");
                desk.ask(10, AtUs(5 + wait_us))
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
        let (first, _) = desk.ask(1, AtUs(1)).expect("the first fits");
        let stop = desk.ask(1, AtUs(DAY_US)).expect_err("it still runs");
        assert_eq!(stop.kind, RateKind::ConcurrentRequests);
        desk.end(&first, 0);
        desk.ask(1, AtUs(DAY_US)).expect("its place is free");
    }

    #[test]
    fn a_limit_that_came_later_gets_nothing_back_that_it_did_not_give() {
        let mut desk = Desk::new(RateRules::default());
        let (early, _) = desk.ask(500, AtUs(1)).expect("under the defaults");
        let (_, key, _) = ids();
        let rule = RateRule {
            tokens_per_minute: Some(100),
            ..RateRule::default()
        };
        desk.rates.set_rules(only(Scope::Key(key), rule));
        desk.ask(100, AtUs(1)).expect("the key's own limit is new");
        desk.end(&early, 500);
        desk.ask(1, AtUs(1))
            .expect_err("the key's limit is used up all the same");
    }

    #[test]
    fn the_scarcer_limit_is_shown() {
        let (_, key, _) = ids();
        let mut desk = Desk::new(only(Scope::Key(key), rule(10)));
        let (_, states) = desk.ask(7, AtUs(1)).expect("fits");
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
            desk.rates.recall(&past(4, 0), DEFAULTS);
            desk.rates.recall(&past(9, DAY_US / 2), DEFAULTS);
            let now = AtUs(DAY_US / 2);
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
        desk.ask(7, AtUs(1)).expect("fits");
        let stop = desk.ask(7, AtUs(1)).expect_err("one a day");
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
        let (first, _) = desk.ask(1, AtUs(0)).expect("fits");
        desk.rates.forget_idle(DEFAULTS, AtUs(DAY_US));
        assert_eq!(desk.rates.projects.len(), 1, "it runs");
        desk.end(&first, 0);
        desk.rates.forget_idle(DEFAULTS, AtUs(DAY_US / 10 - 1));
        assert_eq!(
            desk.rates.projects.len(),
            1,
            "a tenth of a day drains one of ten"
        );
        desk.rates.forget_idle(DEFAULTS, AtUs(DAY_US / 10));
        assert!(desk.rates.projects.is_empty());
    }
}
