//! Rate limits that nodes share: what beats say of them, and requests that wait for a larger share.
//!
//! A request for which this node's share has no room asks for more in the next beat, which comes at
//! once, and waits until other nodes have given up what they have not used, or it is known that
//! nobody has any left.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use domain::admission::{Hope, RateStop, Refusal};
use domain::id::{OrganizationId, RequestId};
use domain::lease::office::rates::SILENT_US;
use domain::lease::{BEAT_US, LimitId, Moment, RateAnswer, RateLine};
use domain::time::MonoUs;
use parking_lot::Mutex;
use tokio::sync::watch;

use super::branch::Branch;
use super::{Books, Desk, NotAdmitted};

/// How long a request waits for others to say what they have. A node that is silent is waited for
/// until its share counts as used, and beats of this node go on meanwhile: so as a rule it is the
/// database that says that nobody has any, and this comes only where that does not answer.
const PATIENCE_US: i64 = SILENT_US + BEAT_US;
/// How long this node waits until others have heard what it gives up.
const LAST: Duration = Duration::from_secs(1);

/// The shares of all organizations.
pub(super) struct Shares {
    /// Those that have any.
    active: Mutex<HashSet<OrganizationId>>,
    /// Counts the beats that were answered.
    answered: watch::Sender<u64>,
}

impl Default for Shares {
    fn default() -> Self {
        Shares {
            active: Mutex::default(),
            answered: watch::Sender::new(0),
        }
    }
}

/// A request's patience, from the first time that it lacked a share. Until this is dropped, what
/// the request lacks is asked for.
pub(super) struct Patience<'a> {
    desk: &'a Mutex<Desk>,
    id: RequestId,
    until: Option<MonoUs>,
}

impl<'a> Patience<'a> {
    pub(super) fn new(desk: &'a Mutex<Desk>, id: RequestId) -> Self {
        let until = None;
        Patience { desk, id, until }
    }

    /// Waits until a beat was answered, after which the request is tried again; or says that it is
    /// refused.
    pub(super) async fn wait(
        &mut self,
        branch: &Branch,
        organization: &OrganizationId,
        stop: Box<RateStop>,
    ) -> Result<(), NotAdmitted> {
        if stop.hope == Hope::None {
            return Err(NotAdmitted::Refused(Refusal::Rate(stop)));
        }
        let mut answered = branch.shares.answered.subscribe();
        branch.shares.active.lock().insert(organization.clone());
        branch.fleet.hurry();
        let now = branch.fleet.now();
        let until = *self.until.get_or_insert(now.plus(PATIENCE_US));
        let pause = Duration::from_micros(until.since(now).max(0).unsigned_abs());
        match tokio::time::timeout(pause, answered.changed()).await {
            Ok(_) => Ok(()),
            // What there may be of it elsewhere did not come.
            Err(_) if stop.hope == Hope::More => Err(NotAdmitted::Refused(Refusal::Rate(stop))),
            Err(_) => Err(NotAdmitted::Unavailable),
        }
    }
}

impl Drop for Patience<'_> {
    fn drop(&mut self) {
        self.desk.lock().waits_no_longer(self.id);
    }
}

impl Branch {
    /// What the next beat says about rate limits.
    pub(super) fn rate_lines(&self, books: &Books, at: Moment) -> Vec<RateLine> {
        let active: Vec<_> = self.shares.active.lock().iter().cloned().collect();
        let lines = active.iter().map(|organization| {
            let desk = books.of(organization);
            desk.lock().rate_lines(at)
        });
        lines.flatten().collect()
    }

    /// What a beat brought.
    pub(super) fn rates_answered(&self, books: &Books, answers: &[RateAnswer], at: Moment) {
        let mut shrank = false;
        for of_one in answers.chunk_by(|one, other| owner(&one.limit) == owner(&other.limit)) {
            let organization = OrganizationId::new(&owner(&of_one[0].limit));
            let desk = books.of(&organization);
            let mut desk = desk.lock();
            shrank |= desk.rates_answered(of_one, at);
            if !desk.has_shares() {
                self.shares.active.lock().remove(&organization);
            }
        }
        if shrank {
            // Others wait to hear what this node gave up.
            self.fleet.hurry();
        }
        self.shares.answered.send_modify(|count| *count += 1);
    }

    /// Gives up what is not used of rate limits, and waits until that is known.
    pub(super) async fn give_up_rates(&self, books: &Books) {
        let active: Vec<_> = self.shares.active.lock().iter().cloned().collect();
        if active.is_empty() {
            return;
        }
        let mut answered = self.shares.answered.subscribe();
        for organization in &active {
            let desk = books.of(organization);
            desk.lock().give_up_rates(self.fleet.now());
        }
        self.fleet.hurry();
        if tokio::time::timeout(LAST, answered.changed())
            .await
            .is_err()
        {
            tracing::debug!("rate limits count as used that were not, until they have drained");
        }
    }
}

impl Books {
    /// Gives up what this node has not used of rate limits. Call when no requests come any more.
    pub(crate) async fn give_up_rates(self: &Arc<Self>) {
        if let Some(branch) = self.branch() {
            branch.give_up_rates(self).await;
        }
    }
}

/// The organization that a limit belongs to: the first part of its name.
fn owner(limit: &LimitId) -> String {
    let name = limit.to_string();
    let end = name.find(':').unwrap_or(name.len());
    name[..end].to_owned()
}
