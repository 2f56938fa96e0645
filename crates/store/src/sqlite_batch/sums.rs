//! What a batch adds up to, folded in memory: each row is written once for all of it.

use std::collections::HashMap;
use std::sync::Arc;

use domain::id::{OrganizationId, ProjectId};
use domain::money::Nusd;
use domain::time::{DAY_US, HOUR_US};
use domain::usage::LineItem;

use super::counts::{TOKEN_CLASSES, count};
use crate::batch::Settlement;
use crate::usage_reports::SUMS;

/// What a batch adds up to.
#[derive(Default)]
pub(super) struct Sums {
    pub(super) accounts: HashMap<String, (Nusd, Nusd, Nusd)>,
    pub(super) hours: HashMap<Place, UsageSums>,
    pub(super) days: HashMap<Place, UsageSums>,
    pub(super) upstreams: HashMap<UpstreamDay, UsageSums>,
}

/// The primary key of a row of sums.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct Place {
    pub(super) organization: OrganizationId,
    pub(super) at_us: i64,
    pub(super) project: ProjectId,
    /// An hour's key, or the person of a person's day.
    pub(super) whose: Option<Arc<str>>,
    pub(super) model: Arc<str>,
    pub(super) endpoint: &'static str,
}

/// The primary key of an upstream's day, behind the writer's chain.
#[derive(PartialEq, Eq, Hash)]
pub(super) struct UpstreamDay {
    pub(super) at_us: i64,
    pub(super) upstream: Arc<str>,
    pub(super) model: Arc<str>,
}

/// What stands in the columns of [`SUMS`].
pub(super) type UsageSums = [i64; SUMS.len()];

impl Sums {
    pub(super) fn account(&mut self, account: &str) -> &mut (Nusd, Nusd, Nusd) {
        if !self.accounts.contains_key(account) {
            self.accounts.insert(account.to_owned(), Default::default());
        }
        self.accounts.get_mut(account).expect("inserted above")
    }

    pub(super) fn wallet(&mut self, organization: &str) -> &mut (Nusd, Nusd, Nusd) {
        self.account(&format!("wallet:{organization}"))
    }

    pub(super) fn fold_usage(&mut self, settlement: &Settlement) {
        let hold = &settlement.hold;
        let hour = Place {
            organization: hold.organization.clone(),
            at_us: hold.admitted_at.floor(HOUR_US).0,
            project: hold.project.clone(),
            whose: Some(hold.key.as_str().into()),
            model: Arc::clone(&hold.model),
            endpoint: hold.endpoint,
        };
        let day = Place {
            at_us: hold.admitted_at.floor(DAY_US).0,
            whose: None,
            ..hour.clone()
        };
        let usage = TOKEN_CLASSES.map(|class| count(settlement.usage[class]));
        let cost = settlement.charge.cost;
        let lines = LineItem::ALL.map(|item| cost.line(item).get());
        let rest = [settlement.charge.upstream_cost.get()];
        let parts = [1]
            .into_iter()
            .chain(usage)
            .chain([cost.total.get()])
            .chain(lines)
            .chain(rest);
        let upstream = UpstreamDay {
            at_us: day.at_us,
            upstream: Arc::clone(&settlement.upstream),
            model: Arc::clone(&hold.model),
        };
        let hour = self.hours.entry(hour).or_default();
        let day = self.days.entry(day).or_default();
        let upstream = self.upstreams.entry(upstream).or_default();
        for (((hour, day), upstream), part) in hour.iter_mut().zip(day).zip(upstream).zip(parts) {
            *hour += part;
            *day += part;
            *upstream += part;
        }
    }
}
