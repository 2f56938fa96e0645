//! Rates of which this node has a share: the same limits, measured against the parts of them that
//! are this node's, in the smaller units in which they are cut.
//!
//! A limit has a share once a request lacked one: before, it is not named in beats. Where the limit
//! is so high that nobody ever lacks, it never is.

mod claims;

use std::collections::HashMap;

use super::{Hope, Place, RateKind, RateRule, Rates, Stop, TIMED, Used, drain};
use crate::admission::{Ask, DefaultRates};
use crate::budget::Scope;
use crate::id::{KeyId, OrganizationId, ProjectId, RequestId};
use crate::lease::{Cut, LimitId, Moment, RateAnswer, RateLine, Share};
use crate::rate::{Bucket, Rate, RateRefusal, RateState};
use crate::time::{AtUs, MonoUs};
use claims::Claims;

/// Limits on requests from here on are so high that nodes need not share them.
const MANY_REQUESTS: u64 = 1_000_000;
/// The same for limits on tokens.
const MANY_TOKENS: u64 = 1_000_000_000;

/// One share for each kind of limit.
pub(super) const KINDS: usize = 5;
const AT_ONCE: usize = 4;
/// Those a day: requests, and tokens.
pub(super) const A_DAY: [usize; 2] = [2, 3];

/// The limits that this node names in its beats, by the names that all nodes give them.
#[derive(Debug)]
pub(super) struct Sharing {
    organization: OrganizationId,
    named: HashMap<LimitId, (Of, usize)>,
    claims: Claims,
}

/// Whose use a limit counts.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Of {
    Project(Place<ProjectId>),
    Key(Place<KeyId>),
}

impl Sharing {
    pub(super) fn new(organization: &OrganizationId) -> Self {
        Sharing {
            organization: organization.clone(),
            named: HashMap::new(),
            claims: Claims::default(),
        }
    }

    fn name(&mut self, of: Of, index: usize) {
        let name = name(&self.organization, &of, index);
        self.named.insert(name, (of, index));
    }
}

/// The name that all nodes give a limit.
pub(super) fn name(organization: &OrganizationId, of: &Of, index: usize) -> LimitId {
    let (scope, model) = match of {
        Of::Project((project, model)) => (project.as_str(), model),
        Of::Key((key, model)) => (key.as_str(), model),
    };
    let kind = kind(index).name();
    LimitId::new(&format!("{organization}:{scope}:{model}:{kind}"))
}

/// Whose limit it is, and which, by its name.
pub(super) fn read_name(name: &str) -> Option<(OrganizationId, Of, usize)> {
    let (organization, rest) = name.split_once(':')?;
    let (scope, rest) = rest.split_once(':')?;
    // A model's name may have colons.
    let (model, of_kind) = rest.rsplit_once(':')?;
    let of = match scope.starts_with(KeyId::PREFIX) {
        true => Of::Key((KeyId::new(scope), model.into())),
        false => Of::Project((ProjectId::new(scope), model.into())),
    };
    let index = (0..KINDS).find(|index| kind(*index).name() == of_kind)?;
    Some((OrganizationId::new(organization), of, index))
}

fn kind(index: usize) -> RateKind {
    TIMED
        .get(index)
        .copied()
        .unwrap_or(RateKind::ConcurrentRequests)
}

impl RateKind {
    /// As limits are named.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            RateKind::RequestsPerMinute => "requests_per_minute",
            RateKind::TokensPerMinute => "tokens_per_minute",
            RateKind::RequestsPerDay => "requests_per_day",
            RateKind::TokensPerDay => "tokens_per_day",
            RateKind::ConcurrentRequests => "concurrent_requests",
        }
    }
}

impl RateRule {
    /// How the limit of a kind is cut.
    fn cut(&self, index: usize) -> Option<Cut> {
        let kind = kind(index);
        let limit = match kind {
            RateKind::ConcurrentRequests => self.concurrent_requests.map(Rate::at_once),
            _ => self.rate(kind),
        };
        let many = match kind.counts_tokens() {
            true => MANY_TOKENS,
            false => MANY_REQUESTS,
        };
        limit.map(|limit| match limit.units() >= many {
            true => Cut::high(limit.fine()),
            false => Cut::all(limit.fine()),
        })
    }
}

/// What a kind counts of a request, in the smaller units.
fn fine_units(index: usize, tokens: u64) -> u64 {
    kind(index).units(tokens).saturating_mul(Rate::FINE)
}

fn whole(state: RateState) -> RateState {
    RateState {
        limit: state.limit / Rate::FINE,
        remaining: state.remaining / Rate::FINE,
        ..state
    }
}

impl Used {
    fn share(&self, index: usize) -> Share {
        let shares = self.shares.as_ref();
        shares.map_or_else(Share::default, |shares| shares[index])
    }

    fn share_mut(&mut self, index: usize) -> &mut Share {
        &mut self.shares.get_or_insert_default()[index]
    }

    /// What is used of a kind: of requests in flight, all that are.
    fn bucket(&self, index: usize) -> Bucket {
        match index {
            AT_ONCE => {
                let level = i128::from(self.running) * i128::from(Rate::FINE);
                Bucket::of_level(level, AtUs(0))
            }
            _ => self.buckets[index],
        }
    }

    /// What the limit is measured against: nothing, while this node has no share of it.
    fn part(&self, index: usize, cut: Cut) -> Rate {
        self.share(index).part(cut).unwrap_or(cut.limit().of(0))
    }

    fn check_kind(&self, index: usize, cut: Cut, tokens: u64, now: MonoUs) -> Result<(), Stop> {
        let (part, units) = (self.part(index, cut), fine_units(index, tokens));
        let checked = self
            .bucket(index)
            .check_part(cut.limit(), part, units, drain(now));
        checked.map_err(|refusal| {
            let share = self.share(index);
            let hope = match units <= cut.limit().units() {
                true if share.part(cut).is_none() => Hope::Unknown,
                true if share.may_get(cut, now) => Hope::More,
                _ => Hope::None,
            };
            let refusal = RateRefusal {
                state: whole(refusal.state),
                requested: kind(index).units(tokens),
                ..refusal
            };
            (kind(index), refusal, hope)
        })
    }

    pub(super) fn check_shares(
        &self,
        rule: &RateRule,
        tokens: u64,
        now: MonoUs,
    ) -> Result<(), Stop> {
        let mut cuts = (0..KINDS).filter_map(|index| Some((index, rule.cut(index)?)));
        cuts.try_for_each(|(index, cut)| self.check_kind(index, cut, tokens, now))
    }

    /// Asks for what has no room here, and notes that it was asked for if it was not before.
    /// Answers which kinds that is.
    fn want(&mut self, rule: &RateRule, tokens: u64, (is_new, now): (bool, MonoUs)) -> Vec<usize> {
        let mut wanted = Vec::new();
        for index in 0..KINDS {
            let Some(cut) = rule.cut(index) else {
                continue;
            };
            let stop = self.check_kind(index, cut, tokens, now).err();
            if stop.is_some_and(|(.., hope)| hope != Hope::None) {
                let units = fine_units(index, tokens);
                let share = self.share_mut(index);
                if is_new {
                    share.asked(units, now);
                }
                share.lacks(units);
                wanted.push(index);
            }
        }
        wanted
    }

    pub(super) fn take_shares(&mut self, rule: &RateRule, tokens: u64, now: MonoUs) {
        for index in 0..KINDS {
            let Some(cut) = rule.cut(index) else {
                continue;
            };
            let units = fine_units(index, tokens);
            if let Some(shares) = &mut self.shares {
                shares[index].asked(units, now);
            }
            if index != AT_ONCE {
                let part = self.part(index, cut);
                self.buckets[index].take(part, units, drain(now));
            }
        }
        self.running += 1;
    }

    pub(super) fn share_state(
        &self,
        rule: &RateRule,
        index: usize,
        now: MonoUs,
    ) -> Option<RateState> {
        let cut = rule.cut(index)?;
        let part = self.part(index, cut);
        let state = self.bucket(index).state(part, drain(now));
        Some(whole(RateState {
            limit: cut.limit().units(),
            ..state
        }))
    }

    /// Whether nothing is left of what was used, and of the shares.
    pub(super) fn is_idle_share(&self, rule: &RateRule, now: MonoUs) -> bool {
        let unused = |index: usize| {
            let drained = rule.cut(index).is_none_or(|cut| {
                let part = self.part(index, cut);
                self.bucket(index).is_empty(part, drain(now))
            });
            drained && self.share(index).rate().is_none()
        };
        self.running == 0 && (0..KINDS).all(unused)
    }
}

impl Rates {
    /// Asks for what a request lacks that found no room, in every beat for as long as it waits.
    pub(in crate::admission) fn want(&mut self, ask: &Ask, defaults: DefaultRates, now: MonoUs) {
        let Some(sharing) = &mut self.sharing else {
            return;
        };
        let who = ask.who();
        let at = (sharing.claims.insert(ask), now);
        let rule = self.rules.of_project(who.project, who.model, defaults);
        let place = who.of_project();
        let used = self.projects.entry(place.clone()).or_default();
        for index in used.want(&rule, ask.tokens, at) {
            sharing.name(Of::Project(place.clone()), index);
        }
        let Some(rule) = self.rules.of_key(who.key, who.model) else {
            return;
        };
        let place = who.of_key();
        let used = self.keys.entry(place.clone()).or_default();
        for index in used.want(&rule, ask.tokens, at) {
            sharing.name(Of::Key(place.clone()), index);
        }
    }

    /// A request waits no longer for what it lacked, if it did.
    pub(in crate::admission) fn waits_no_longer(&mut self, id: RequestId) {
        if let Some(sharing) = &mut self.sharing {
            sharing.claims.remove(id);
        }
    }

    /// What a beat says of the shares.
    pub(in crate::admission) fn lines(
        &mut self,
        defaults: DefaultRates,
        at: Moment,
    ) -> Vec<RateLine> {
        let claims = self.sharing.as_ref().map(|it| it.claims.tokens());
        let claims = claims.unwrap_or_default();
        let mut lines = Vec::new();
        self.each_share(defaults, |limit, (of, index), cut, used| {
            let level = used
                .bucket(index)
                .used(used.part(index, cut), drain(at.now));
            let tokens = claims.get(of).into_iter().flatten();
            let units = tokens.map(|tokens| fine_units(index, *tokens));
            let share = used.share_mut(index);
            share.claimed(units.filter(|units| *units <= cut.limit().units()));
            lines.extend(share.line(limit, cut, level, at));
        });
        lines
    }

    /// Takes what a beat brought. True if this node should beat again soon, as others wait for
    /// what it gave up.
    pub(in crate::admission) fn answered(
        &mut self,
        answers: &[RateAnswer],
        defaults: DefaultRates,
        at: Moment,
    ) -> bool {
        let of_limit: HashMap<&LimitId, &RateAnswer> =
            answers.iter().map(|it| (&it.limit, it)).collect();
        let mut shrank = false;
        let mut gone = Vec::new();
        self.each_share(defaults, |limit, (_, index), cut, used| {
            if let Some(answer) = of_limit.get(limit) {
                let mut bucket = used.bucket(index);
                shrank |= used.share_mut(index).answered(answer, cut, &mut bucket, at);
                if index != AT_ONCE {
                    used.buckets[index] = bucket;
                }
            }
            if used.share(index).is_gone() {
                *used.share_mut(index) = Share::default();
                if index != AT_ONCE {
                    used.buckets[index] = Bucket::default();
                }
                gone.push(limit.clone());
            }
        });
        if let Some(sharing) = &mut self.sharing {
            gone.iter().for_each(|limit| {
                sharing.named.remove(limit);
            });
        }
        shrank
    }

    /// Gives up what is not used: of all shares, or of those that nobody asked for in a long time.
    pub(in crate::admission) fn give_up(&mut self, all: bool, defaults: DefaultRates, now: MonoUs) {
        self.each_share(defaults, |_, (_, index), cut, used| {
            let level = used.bucket(index).used(used.part(index, cut), drain(now));
            let share = used.share_mut(index);
            if all || (share.is_idle(now) && level == 0) {
                share.give_up(cut, level);
            }
        });
    }

    /// Whether this node has a share of anything.
    pub(in crate::admission) fn has_shares(&self) -> bool {
        let sharing = self.sharing.as_ref();
        sharing.is_some_and(|sharing| !sharing.named.is_empty())
    }

    fn each_share(
        &mut self,
        defaults: DefaultRates,
        mut visit: impl FnMut(&LimitId, (&Of, usize), Cut, &mut Used),
    ) {
        let Some(sharing) = &self.sharing else {
            return;
        };
        for (limit, (of, index)) in &sharing.named {
            let (used, rule) = match of {
                Of::Project(place) => {
                    let (project, model) = place;
                    let rule = self.rules.of_project(project, model, defaults);
                    (self.projects.get_mut(place), rule)
                }
                Of::Key(place) => {
                    let scope = Scope::Key(place.0.clone());
                    let rule = self.rules.of(&scope, &place.1);
                    (self.keys.get_mut(place), rule.unwrap_or_default())
                }
            };
            let Some(used) = used else {
                continue;
            };
            match rule.cut(*index) {
                Some(cut) => visit(limit, (of, *index), cut, used),
                None => {
                    // It limits nobody any more.
                    let share = used.share_mut(*index);
                    let cut = Cut::all(share.rate().unwrap_or(Rate::at_once(0)).of(0));
                    share.give_up(cut, 0);
                    visit(limit, (of, *index), cut, used);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
