//! A node's shares of the organizations' rate limits: requests a minute, for each.

use domain::lease::{Cut, LimitId, Moment, RateAnswer, RateLine, Share};
use domain::rate::{Bucket, Rate};
use domain::time::{AtUs, MonoUs};

pub(crate) fn limit_of(org: usize) -> LimitId {
    LimitId::new(&format!("org-{org}:requests"))
}

/// A limit, this node's share of it, and what was used of that.
#[derive(Debug)]
struct Limit {
    id: LimitId,
    rate: Rate,
    share: Share,
    bucket: Bucket,
}

impl Limit {
    fn part(&self) -> Rate {
        let part = self.share.part(Cut::all(self.rate));
        part.unwrap_or(self.rate.of(0))
    }
}

#[derive(Debug)]
pub(crate) struct Rates(Vec<Limit>);

/// Whether a request may pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pass {
    Yes,
    /// The share is used up, and nobody has more.
    No,
    /// The share is used up, and a beat may bring more.
    Short,
}

impl Rates {
    /// Requests a minute of each organization.
    pub(crate) fn new(units: &[u64]) -> Self {
        let limit = |(org, units): (usize, &u64)| Limit {
            id: limit_of(org),
            rate: Rate::per_minute(*units),
            share: Share::default(),
            bucket: Bucket::default(),
        };
        Rates(units.iter().enumerate().map(limit).collect())
    }

    /// Whether the share of an organization has room for a request. Counts what was asked.
    pub(crate) fn check(&mut self, org: usize, now: MonoUs) -> Pass {
        let limit = &mut self.0[org];
        limit.share.asked(1, now);
        if limit.bucket.check(limit.part(), 1, AtUs(now.0)).is_ok() {
            return Pass::Yes;
        }
        match limit.share.may_get(Cut::all(limit.rate), now) {
            true => {
                limit.share.lacks(1);
                Pass::Short
            }
            false => Pass::No,
        }
    }

    pub(crate) fn take(&mut self, org: usize, now: MonoUs) {
        let limit = &mut self.0[org];
        limit.bucket.take(limit.part(), 1, AtUs(now.0));
    }

    pub(crate) fn lines(&mut self, beat: u64, now: MonoUs) -> Vec<RateLine> {
        let line = |limit: &mut Limit| {
            let used = limit.bucket.used(limit.part(), AtUs(now.0));
            let cut = Cut::all(limit.rate);
            limit.share.line(&limit.id, cut, used, Moment { beat, now })
        };
        self.0.iter_mut().filter_map(line).collect()
    }

    /// Takes what a beat brought. True if some share shrank.
    pub(crate) fn answered(&mut self, beat: u64, answers: &[RateAnswer], now: MonoUs) -> bool {
        let mut shrank = false;
        for answer in answers {
            let mut limits = self.0.iter_mut();
            if let Some(limit) = limits.find(|limit| limit.id == answer.limit) {
                let (cut, bucket) = (Cut::all(limit.rate), &mut limit.bucket);
                shrank |= limit
                    .share
                    .answered(answer, cut, bucket, Moment { beat, now });
            }
        }
        shrank
    }

    pub(crate) fn lost(&mut self) {
        for limit in &mut self.0 {
            limit.share.lost(&mut limit.bucket);
        }
    }
}
