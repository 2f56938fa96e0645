//! The rate limits of one organization: rules for its projects and keys, and what was used.
//!
//! A project and model are limited by the project's rule, which can only lower the organization's,
//! which stands in for the installation's. A key with a rule of its own is limited by that as well.
//!
//! What was used drains by the monotonic clock: one that somebody sets ahead would empty all of it.

mod days;
mod looked;
mod parts;

use std::collections::HashMap;
use std::sync::Arc;

use crate::budget::Scope;
use crate::id::{KeyId, OrganizationId, ProjectId};
use crate::lease::Share;
use crate::rate::{Bucket, Rate, RateRefusal, RateState};
use crate::time::{AtUs, MonoUs};
use parts::Sharing;

pub use days::{DayLimit, PastUse, Recent};

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

/// A request stopped by a rate limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateStop {
    /// Which limit.
    pub kind: RateKind,
    /// Where it stands.
    pub refusal: RateRefusal,
    /// Where the limits a minute stand.
    pub states: RateStates,
    /// Whether waiting a moment may help.
    pub hope: Hope,
}

/// Whether other nodes may have room for what has none here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hope {
    /// The limit itself is used up.
    None,
    /// They may: they are asked for it.
    More,
    /// This node has no share of the limit yet.
    Unknown,
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

/// Which limit has no room, where it stands, and whether others may have some.
type Stop = (RateKind, RateRefusal, Hope);

/// What was used of the limits of one rule.
#[derive(Clone, Debug, Default)]
struct Used {
    /// One for each of [`TIMED`].
    buckets: [Bucket; 4],
    running: u64,
    /// What of the limits is this node's, where several nodes share them.
    shares: Option<Box<[Share; parts::KINDS]>>,
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

/// An instant of the clock by which buckets drain.
fn drain(now: MonoUs) -> AtUs {
    AtUs(now.0)
}

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
    fn check(&self, rule: &RateRule, tokens: u64, now: MonoUs) -> Result<(), Stop> {
        for (kind, bucket) in TIMED.into_iter().zip(&self.buckets) {
            let Some(rate) = rule.rate(kind) else {
                continue;
            };
            let stop = |refusal| (kind, refusal, Hope::None);
            bucket
                .check(rate, kind.units(tokens), drain(now))
                .map_err(stop)?;
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
                Err((RateKind::ConcurrentRequests, refusal, Hope::None))
            }
            _ => Ok(()),
        }
    }

    fn take(&mut self, rule: &RateRule, tokens: u64, now: MonoUs) {
        for (kind, bucket) in TIMED.into_iter().zip(&mut self.buckets) {
            if let Some(rate) = rule.rate(kind) {
                bucket.take(rate, kind.units(tokens), drain(now));
            }
        }
        self.running += 1;
    }

    /// Ends a request that was taken under `rule`, and gives back tokens in the bucket's units.
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

    fn state(&self, rule: &RateRule, index: usize, now: MonoUs) -> Option<RateState> {
        let rate = rule.rate(TIMED[index])?;
        Some(self.buckets[index].state(rate, drain(now)))
    }

    /// Whether nothing is left of what was used.
    fn is_idle(&self, rule: &RateRule, now: MonoUs) -> bool {
        let empty = |(kind, bucket): (RateKind, &Bucket)| {
            rule.rate(kind)
                .is_none_or(|rate| bucket.is_empty(rate, drain(now)))
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
    /// What is shared with other nodes; none where this process has all limits to itself.
    sharing: Option<Sharing>,
}

/// The rules a request was admitted under.
#[derive(Clone, Copy, Debug)]
pub(super) struct Applied {
    project: RateRule,
    key: Option<RateRule>,
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
    /// Shares limits with other nodes from now on. Nothing was used before.
    pub(super) fn share(&mut self, organization: &OrganizationId) {
        self.sharing = Some(Sharing::new(organization));
    }

    /// Whether what was used is counted by all nodes together.
    pub(super) fn is_shared(&self) -> bool {
        self.sharing.is_some()
    }

    pub(super) fn set_rules(&mut self, rules: RateRules) {
        self.rules = rules;
    }

    /// The rules for a request, if it fits under all of them; takes nothing.
    pub(super) fn check(
        &self,
        who: &Who<'_>,
        tokens: u64,
        defaults: DefaultRates,
        now: MonoUs,
    ) -> Result<Applied, RateStop> {
        let applied = Applied {
            project: self.rules.of_project(who.project, who.model, defaults),
            key: self.rules.of_key(who.key, who.model),
        };
        let unused = Used::default();
        let used = self.projects.get(&who.of_project()).unwrap_or(&unused);
        let of_key = applied.key.and_then(|_| self.keys.get(&who.of_key()));
        let of_key = of_key.unwrap_or(&unused);
        let check = |used: &Used, rule: &RateRule| match self.sharing {
            None => used.check(rule, tokens, now),
            Some(_) => used.check_shares(rule, tokens, now),
        };
        let of_project = check(used, &applied.project);
        let own = |()| applied.key.map_or(Ok(()), |rule| check(of_key, &rule));
        let checked = of_project.and_then(own);
        checked.map_err(|(kind, refusal, hope)| RateStop {
            kind,
            refusal,
            states: self.states(who, &applied, now),
            hope,
        })?;
        Ok(applied)
    }

    /// Takes a request that was checked. Answers where its limits stand then.
    pub(super) fn take(
        &mut self,
        who: &Who<'_>,
        tokens: u64,
        applied: &Applied,
        now: MonoUs,
    ) -> RateStates {
        let is_shared = self.sharing.is_some();
        let take = |used: &mut Used, rule: &RateRule| match is_shared {
            false => used.take(rule, tokens, now),
            true => used.take_shares(rule, tokens, now),
        };
        let used = self.projects.entry(who.of_project()).or_default();
        take(used, &applied.project);
        if let Some(rule) = &applied.key {
            take(self.keys.entry(who.of_key()).or_default(), rule);
        }
        self.states(who, applied, now)
    }

    /// Where the limits a minute stand: those of the key, if less is left of them.
    fn states(&self, who: &Who<'_>, applied: &Applied, now: MonoUs) -> RateStates {
        let unused = Used::default();
        let used = self.projects.get(&who.of_project()).unwrap_or(&unused);
        let of_key = applied.key.and_then(|_| self.keys.get(&who.of_key()));
        let of_key = of_key.unwrap_or(&unused);
        let state = |index: usize| {
            let state = |used: &Used, rule: &RateRule| match self.sharing {
                None => used.state(rule, index, now),
                Some(_) => used.share_state(rule, index, now),
            };
            let of_project = state(used, &applied.project);
            let of_project = of_project.expect("every project has limits a minute");
            let own = applied.key.and_then(|rule| state(of_key, &rule));
            own.map_or(of_project, |own| scarcer(own, of_project))
        };
        RateStates {
            requests: state(REQUESTS_PER_MINUTE),
            tokens: state(TOKENS_PER_MINUTE),
        }
    }

    /// Ends a request that was taken.
    pub(super) fn end(&mut self, who: &Who<'_>, applied: &Applied, unused_tokens: u64) {
        // The units in which limits are measured here.
        let unused_tokens = match self.sharing {
            None => unused_tokens,
            Some(_) => unused_tokens.saturating_mul(Rate::FINE),
        };
        if let Some(used) = self.projects.get_mut(&who.of_project()) {
            used.end(&applied.project, unused_tokens);
        }
        if let Some(rule) = &applied.key
            && let Some(used) = self.keys.get_mut(&who.of_key())
        {
            used.end(rule, unused_tokens);
        }
    }

    /// Forgets what has drained: it is as good as new.
    pub(super) fn forget_idle(&mut self, defaults: DefaultRates, now: MonoUs) {
        self.give_up(false, defaults, now);
        let Rates {
            rules,
            projects,
            keys,
            sharing,
        } = self;
        let is_idle = |used: &Used, rule: &RateRule| match sharing {
            None => used.is_idle(rule, now),
            Some(_) => used.is_idle_share(rule, now),
        };
        projects.retain(|(project, model), used| {
            !is_idle(used, &rules.of_project(project, model, defaults))
        });
        keys.retain(|(key, model), used| {
            let rule = rules.of_key(key, model).unwrap_or_default();
            !is_idle(used, &rule)
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
mod tests;
