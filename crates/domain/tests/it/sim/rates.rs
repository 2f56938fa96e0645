//! A node's shares of the organizations' rate limits: requests a minute, for each.

use domain::lease::{LimitId, RateAnswer, RateLine, Share};
use domain::rate::Bucket;
use domain::time::{AtUs, MonoUs};

pub(crate) fn limit_of(org: usize) -> LimitId {
    LimitId::new(&format!("org-{org}:requests"))
}

#[derive(Debug)]
pub(crate) struct Rates(Vec<(LimitId, Share, Bucket)>);

/// Whether a request may pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pass {
    Yes,
    /// The share is used up: more of it with the next beat, perhaps.
    No,
}

impl Rates {
    pub(crate) fn new(orgs: usize) -> Self {
        let rate = |org| (limit_of(org), Share::default(), Bucket::default());
        Rates((0..orgs).map(rate).collect())
    }

    /// Whether the share of an organization has room for a request. Counts what was asked.
    pub(crate) fn check(&mut self, org: usize, now: MonoUs) -> Pass {
        let (_, share, bucket) = &mut self.0[org];
        share.asked(1, now);
        let fits = |rate| bucket.check(rate, 1, AtUs(now.0)).is_ok();
        match share.rate().is_some_and(fits) {
            true => Pass::Yes,
            false => Pass::No,
        }
    }

    pub(crate) fn take(&mut self, org: usize, now: MonoUs) {
        let (_, share, bucket) = &mut self.0[org];
        if let Some(rate) = share.rate() {
            bucket.take(rate, 1, AtUs(now.0));
        }
    }

    pub(crate) fn lines(&mut self, beat: u64, now: MonoUs) -> Vec<RateLine> {
        let rates = self.0.iter_mut();
        let line = |(limit, share, _): &mut (LimitId, Share, Bucket)| share.line(limit, beat, now);
        rates.filter_map(line).collect()
    }

    /// Takes what a beat brought. True if some share shrank.
    pub(crate) fn answered(&mut self, beat: u64, answers: &[RateAnswer], now: MonoUs) -> bool {
        let mut shrank = false;
        for answer in answers {
            let mut rates = self.0.iter_mut();
            if let Some((_, share, bucket)) = rates.find(|(limit, ..)| *limit == answer.limit) {
                shrank |= share.answered(beat, answer, bucket, now);
            }
        }
        shrank
    }

    pub(crate) fn lost(&mut self) {
        for (_, share, bucket) in &mut self.0 {
            share.lost(bucket);
        }
    }
}
