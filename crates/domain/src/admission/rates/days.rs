//! Limits a day, and what the books have of their use: it outlives whoever counted it.
//!
//! A process that has all limits to itself reads it when it starts; the office when a node is gone
//! that cannot say any more what it used of its share; and a copy of an installation takes it
//! along.

use std::collections::HashMap;
use std::sync::Arc;

use super::parts::{self, Of};
use super::{RateRule, RateRules, Rates, TIMED, drain};
use crate::budget::Scope;
use crate::id::{KeyId, OrganizationId, ProjectId};
use crate::lease::LimitId;
use crate::rate::{Booked, Bucket, Rate};
use crate::time::{AtUs, DAY_US, HOUR_US, MonoUs};

/// How far back books are read. A limit that was used by less than two thirds in that time was idle
/// at some moment of it, so that no more counts as used than was.
const READ_US: i64 = 3 * DAY_US;

/// What a project's key used of a model.
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
    /// When, at the latest, by the clock of whoever noted it.
    pub at: AtUs,
}

/// What an organization used lately: what was charged, and what is held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recent {
    /// All use since then is told.
    pub since: AtUs,
    /// When that was read.
    pub now: AtUs,
    /// In the order of time.
    pub used: Vec<PastUse>,
}

/// A limit a day: whose use it counts, of what.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DayLimit {
    of: Of,
    /// One of [`TIMED`].
    index: usize,
}

impl Recent {
    /// Since when use is read to know where limits a day stand.
    #[must_use]
    pub fn since(now: AtUs) -> AtUs {
        now.plus(-READ_US).floor(HOUR_US)
    }

    /// What was used of each limit that `counts`; nothing was of those that are not answered.
    #[must_use]
    pub fn booked(&self, counts: impl Fn(&DayLimit) -> bool) -> HashMap<DayLimit, Booked> {
        let mut booked: HashMap<DayLimit, Booked> = HashMap::new();
        for past in &self.used {
            let limits = DayLimit::of(past).into_iter();
            for (limit, units) in limits.filter(|(limit, _)| counts(limit)) {
                let nothing = || Booked::nothing(self.since);
                let of_limit = booked.entry(limit).or_insert_with(nothing);
                of_limit.add(units, past.at);
            }
        }
        booked
    }

    /// Nothing of a limit was used.
    #[must_use]
    pub fn nothing(&self) -> Booked {
        Booked::nothing(self.since)
    }
}

impl DayLimit {
    /// The limits a day that somebody's use may count in, and how much of it.
    fn of(past: &PastUse) -> [(Self, u64); 4] {
        let project = Of::Project((past.project.clone(), Arc::clone(&past.model)));
        let key = Of::Key((past.key.clone(), Arc::clone(&past.model)));
        let limit = |of: &Of, index: usize| {
            let of = of.clone();
            let units = match TIMED[index].counts_tokens() {
                true => past.tokens,
                false => past.requests,
            };
            (DayLimit { of, index }, units)
        };
        let [requests, tokens] = parts::A_DAY;
        [
            limit(&project, requests),
            limit(&project, tokens),
            limit(&key, requests),
            limit(&key, tokens),
        ]
    }

    /// The limit that nodes give that name, and whose it is, if it is one a day.
    #[must_use]
    pub fn named(limit: &LimitId) -> Option<(OrganizationId, Self)> {
        let (organization, of, index) = parts::read_name(&limit.to_string())?;
        let limit = DayLimit { of, index };
        parts::A_DAY
            .contains(&index)
            .then_some((organization, limit))
    }

    /// The name that nodes give it.
    #[must_use]
    pub fn name(&self, organization: &OrganizationId) -> LimitId {
        parts::name(organization, &self.of, self.index)
    }
}

impl RateRules {
    /// What a limit a day is, if there is one.
    #[must_use]
    pub fn day(&self, limit: &DayLimit) -> Option<Rate> {
        let rule = match &limit.of {
            Of::Project((project, model)) => {
                let of = |scope: &Scope| self.of(scope, model).unwrap_or_default();
                let own: RateRule = of(&Scope::Project(project.clone()));
                own.stricter(of(&Scope::Organization))
            }
            Of::Key((key, model)) => self.of_key(key, model)?,
        };
        rule.rate(TIMED[limit.index])
    }
}

impl Rates {
    /// Counts what was used before this was made; call it once the rules are known, and before
    /// anything is taken.
    pub(in crate::admission) fn recall(&mut self, recent: &Recent, now: MonoUs) {
        let rules = &self.rules;
        let booked = recent.booked(|limit| rules.day(limit).is_some());
        for (limit, booked) in booked {
            let Some(rate) = rules.day(&limit) else {
                continue;
            };
            let used = match limit.of {
                Of::Project(place) => self.projects.entry(place).or_default(),
                Of::Key(place) => self.keys.entry(place).or_default(),
            };
            let (level, _) = booked.bucket(rate, recent.now).level();
            used.buckets[limit.index] = Bucket::of_level(level, drain(now));
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn past(requests: u64, tokens: u64, at: AtUs) -> PastUse {
        PastUse {
            project: ProjectId::new("proj_a"),
            key: KeyId::new("key_a"),
            model: "m".into(),
            requests,
            tokens,
            at,
        }
    }

    #[test]
    fn only_limits_a_day_are_named_by_it() {
        let (organization, limit) =
            DayLimit::named(&LimitId::new("org-a:key_b:a:b/c:tokens_per_day")).expect("a day's");
        assert_eq!(organization, OrganizationId::new("org-a"));
        let model = "a:b/c".into();
        assert_eq!(limit.of, Of::Key((KeyId::new("key_b"), model)));
        for other in [
            "org-a:proj_b:m:tokens_per_minute",
            "org-a:proj_b:m:concurrent_requests",
            "org-a:proj_b:m:tokens_per_year",
            "org-a:proj_b:tokens_per_day",
            "org-1:requests",
            "",
        ] {
            assert_eq!(DayLimit::named(&LimitId::new(other)), None, "{other}");
        }
    }

    proptest! {
        #[test]
        fn names_are_read_as_they_are_given(model in "[a-z:/. -]{0,12}") {
            let organization = OrganizationId::new("org-a");
            let model: Arc<str> = model.into();
            let of_all = [
                Of::Project((ProjectId::new("proj_a"), Arc::clone(&model))),
                Of::Key((KeyId::new("key_a"), model)),
            ];
            for (of, index) in of_all.into_iter().zip(parts::A_DAY) {
                let limit = DayLimit { of, index };
                let read = DayLimit::named(&limit.name(&organization));
                prop_assert_eq!(read, Some((organization.clone(), limit)));
            }
        }
    }

    #[test]
    fn use_counts_in_the_limits_that_there_are() {
        let now = AtUs(500 * DAY_US);
        let recent = Recent {
            since: Recent::since(now),
            now,
            used: vec![past(2, 30, now.plus(-HOUR_US)), past(1, 4, now)],
        };
        let key = KeyId::new("key_a");
        let mut rules = RateRules::default();
        let rule = |requests, tokens| RateRule {
            requests_per_day: requests,
            tokens_per_day: tokens,
            ..RateRule::default()
        };
        rules.insert(Scope::Organization, None, rule(Some(48), None));
        rules.insert(Scope::Key(key), Some("m".into()), rule(None, Some(24)));
        let booked = recent.booked(|limit| rules.day(limit).is_some());
        let mut levels: Vec<_> = booked
            .iter()
            .map(|(limit, booked)| {
                let rate = rules.day(limit).expect("a limit");
                let used = booked.bucket(rate, now).used(rate, now);
                (
                    limit.name(&OrganizationId::new("org-a")).to_string(),
                    rate.units(),
                    used,
                )
            })
            .collect();
        levels.sort();
        assert_eq!(
            levels,
            [
                ("org-a:key_a:m:tokens_per_day".to_owned(), 24, 24),
                // Two in an hour drain.
                ("org-a:proj_a:m:requests_per_day".to_owned(), 48, 1),
            ]
        );
    }
}
