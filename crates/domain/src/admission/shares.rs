//! A book whose rate limits are shared with other nodes: what its node's beats say of them.

use super::Book;
use crate::id::{OrganizationId, RequestId};
use crate::lease::{Moment, RateAnswer, RateLine};
use crate::time::MonoUs;

impl Book {
    /// Measures rates against this node's shares from now on: none at first. Limits are named after
    /// the organization.
    pub fn share_rates(&mut self, organization: &OrganizationId) {
        self.rates.share(organization);
    }

    /// A request that found no room, and waited, does so no longer: beats ask nothing for it.
    pub fn waits_no_longer(&mut self, id: RequestId) {
        self.rates.waits_no_longer(id);
    }

    /// Whether this node has a share of any limit, or wants one.
    #[must_use]
    pub fn has_shares(&self) -> bool {
        self.rates.has_shares()
    }

    /// What a beat says about rate limits.
    pub fn rate_lines(&mut self, at: Moment) -> Vec<RateLine> {
        self.rates.lines(self.defaults, at)
    }

    /// Takes what a beat brought. True if this node should beat again soon, as others wait for what
    /// it gave up.
    #[must_use]
    pub fn rates_answered(&mut self, answers: &[RateAnswer], at: Moment) -> bool {
        self.rates.answered(answers, self.defaults, at)
    }

    /// Gives up what is not used of the shares: nothing is admitted any more.
    pub fn give_up_rates(&mut self, mono: MonoUs) {
        self.rates.give_up(true, self.defaults, mono);
    }
}
