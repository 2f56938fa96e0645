//! How many refusals are kept of each organization in a minute, and how many were more than that.

use std::collections::HashMap;

use domain::id::OrganizationId;
use domain::time::{AtUs, MINUTE_US};
use parking_lot::Mutex;

/// A count for each organization that was refused lately.
pub(super) struct Quota {
    per_minute: u32,
    counts: Mutex<Counts>,
}

#[derive(Default)]
struct Counts {
    used: HashMap<OrganizationId, Used>,
    /// Of minutes that are over, and not told yet.
    over: Vec<More>,
}

/// What an organization used in one minute.
#[derive(Clone, Copy, Debug, Default)]
struct Used {
    minute: i64,
    kept: u32,
    /// Beyond the quota, and not told yet.
    more: i64,
}

/// So many refusals of an organization were not kept, in the minute of that instant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct More {
    pub(super) organization: OrganizationId,
    pub(super) at: AtUs,
    pub(super) requests: i64,
}

impl Used {
    /// What is to be told of it, from now on not any more.
    fn take_more(&mut self, organization: &OrganizationId) -> Option<More> {
        let requests = std::mem::take(&mut self.more);
        (requests > 0).then(|| More {
            organization: organization.clone(),
            at: AtUs(self.minute * MINUTE_US),
            requests,
        })
    }
}

impl Quota {
    pub(super) fn new(per_minute: u32) -> Self {
        Quota {
            per_minute,
            counts: Mutex::default(),
        }
    }

    /// Whether one more is kept. If it is not, it is counted.
    pub(super) fn take(&self, organization: &OrganizationId, now: AtUs) -> bool {
        let minute = now.0.div_euclid(MINUTE_US);
        let mut counts = self.counts.lock();
        let Counts { used, over } = &mut *counts;
        if !used.contains_key(organization) {
            used.insert(organization.clone(), Used::default());
        }
        let Some(used) = used.get_mut(organization) else {
            return false;
        };
        // A clock that goes back opens no minute again.
        if minute > used.minute {
            over.extend(used.take_more(organization));
            *used = Used {
                minute,
                ..Used::default()
            };
        }
        let is_kept = used.kept < self.per_minute;
        match is_kept {
            true => used.kept += 1,
            false => used.more += 1,
        }
        is_kept
    }

    /// What was counted since this was last asked; forgets organizations that are quiet.
    pub(super) fn take_more(&self, now: AtUs) -> Vec<More> {
        let minute = now.0.div_euclid(MINUTE_US);
        let mut counts = self.counts.lock();
        let mut more = std::mem::take(&mut counts.over);
        counts.used.retain(|organization, used| {
            more.extend(used.take_more(organization));
            used.minute >= minute
        });
        more
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_are_kept_in_a_minute_and_the_rest_is_counted_once() {
        let quota = Quota::new(2);
        let (a, b) = (OrganizationId::new("org-a"), OrganizationId::new("org-b"));
        let at = |second: i64| AtUs((600 + second) * 1_000_000);
        let kept = |organization, second| quota.take(organization, at(second));
        assert_eq!(
            [0, 1, 2, 3].map(|second| kept(&a, second)),
            [true, true, false, false]
        );
        assert!(kept(&b, 3), "others have a quota of their own");
        let more = |requests, minute: i64| More {
            organization: a.clone(),
            at: at(minute * 60),
            requests,
        };
        assert_eq!(quota.take_more(at(4)), [more(2, 0)]);
        assert_eq!(quota.take_more(at(4)), []);
        assert!(!kept(&a, 59));
        assert!(kept(&a, 60), "the next minute");
        assert!(
            !kept(&a, 58) || !kept(&a, 61),
            "a clock that goes back opens no minute"
        );
        let told = quota.take_more(at(62));
        assert_eq!(
            told.iter().map(|it| it.at).collect::<Vec<_>>(),
            [at(0), at(60)]
        );
        assert_eq!(quota.take_more(at(200)), []);
        assert!(
            quota.counts.lock().used.is_empty(),
            "nobody is remembered for long"
        );
    }
}
