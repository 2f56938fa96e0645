//! Where the rate limits of a request stand, for whoever asks why it was refused.

use super::{RateKind, RateRule, Rates, TIMED, Used, Who};
use crate::admission::looked::{Limit, Looked, Numbers, number};
use crate::admission::{Ask, DefaultRates};
use crate::budget::Scope;
use crate::time::{AtUs, MonoUs};

impl Rates {
    /// Every rate limit of a request, in the order in which they are looked at.
    pub(in crate::admission) fn looked_at(
        &self,
        ask: &Ask,
        defaults: DefaultRates,
        now: (AtUs, MonoUs),
    ) -> Vec<Looked> {
        let who = Who {
            project: &ask.project,
            key: &ask.key,
            model: &ask.model,
        };
        let unused = Used::default();
        let of_project = self.projects.get(&who.of_project()).unwrap_or(&unused);
        let rule = self.rules.of_project(who.project, who.model, defaults);
        let scope = Scope::Project(ask.project.clone());
        let mut looked = self.looked_at_one(&scope, (of_project, &rule), ask.tokens, now);
        if let Some(rule) = self.rules.of_key(who.key, who.model) {
            let of_key = self.keys.get(&who.of_key()).unwrap_or(&unused);
            let scope = Scope::Key(ask.key.clone());
            looked.extend(self.looked_at_one(&scope, (of_key, &rule), ask.tokens, now));
        }
        looked
    }

    fn looked_at_one(
        &self,
        scope: &Scope,
        (used, rule): (&Used, &RateRule),
        tokens: u64,
        (now, mono): (AtUs, MonoUs),
    ) -> Vec<Looked> {
        let mut looked = Vec::new();
        for (index, kind) in TIMED.into_iter().enumerate() {
            let Some(rate) = rule.rate(kind) else {
                continue;
            };
            let state = match self.sharing {
                None => used.state(rule, index, mono),
                // Others use of it, too.
                Some(_) => None,
            };
            let numbers = Numbers {
                limit: Some(number(rate.units())),
                used: state.map(|it| number(it.limit.saturating_sub(it.remaining))),
                held: None,
                asked: number(kind.units(tokens)),
                resets_at: state.map(|it| now.plus(it.reset_us)),
            };
            looked.push(Looked::passed(Limit::Rate(scope.clone(), kind), numbers));
        }
        if let Some(limit) = rule.concurrent_requests {
            let numbers = Numbers {
                limit: Some(number(limit)),
                used: self.sharing.is_none().then(|| number(used.running)),
                asked: 1,
                ..Numbers::default()
            };
            let kind = RateKind::ConcurrentRequests;
            looked.push(Looked::passed(Limit::Rate(scope.clone(), kind), numbers));
        }
        looked
    }
}
