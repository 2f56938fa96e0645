//! What really happened, seen from outside: it knows every client, every node and every table, and
//! stops the simulation where a promise is broken.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use domain::id::RequestId;
use domain::lease::office::Office;
use domain::lease::{Answer, Epoch, LimitId, NodeId, PotId};
use domain::money::Nusd;
use domain::rate::{Bucket, Rate};
use domain::time::AtUs;

use super::network::{Call, Reply};
use super::request::Trial;

/// What happened in a run, and how often.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally(BTreeMap<&'static str, u64>);

impl Tally {
    pub(crate) fn count(&mut self, what: &'static str) {
        *self.0.entry(what).or_default() += 1;
    }

    pub(crate) fn of(&self, what: &str) -> u64 {
        self.0.get(what).copied().unwrap_or(0)
    }

    pub(crate) fn add(&mut self, other: &Tally) {
        for (what, count) in &other.0 {
            *self.0.entry(what).or_default() += count;
        }
    }
}

/// One admitted request.
#[derive(Debug)]
struct Fate {
    org: usize,
    at: i64,
    amount: Nusd,
    legs: Arc<[PotId]>,
    /// What its node decided to charge.
    charge: Option<Nusd>,
}

#[derive(Debug, Default)]
pub(crate) struct Truth {
    fates: BTreeMap<RequestId, Fate>,
    registered: BTreeSet<RequestId>,
    completed: BTreeMap<RequestId, Nusd>,
    taken: BTreeMap<PotId, Nusd>,
    pub(crate) tally: Tally,
    steps: u64,
    /// The batches that the office has heard.
    heard: BTreeSet<(NodeId, Epoch, u64)>,
    /// Look at everything after every step, not at some of it now and then.
    pub(crate) thorough: bool,
}

/// After so many steps of the office, all of its invariants are looked at.
const THOROUGHLY: u64 = 16;

impl Truth {
    pub(crate) fn admitted(&mut self, id: RequestId, by: &Trial, legs: &Arc<[PotId]>, at: i64) {
        let fate = Fate {
            org: by.org,
            at,
            amount: by.amount,
            legs: legs.clone(),
            charge: None,
        };
        self.fates.insert(id, fate);
        self.tally.count("admitted");
    }

    pub(crate) fn grew(&mut self, id: RequestId, more: Nusd) {
        self.fate(id).amount += more;
    }

    pub(crate) fn charges(&mut self, id: RequestId, cost: Nusd) {
        self.fate(id).charge = Some(cost);
    }

    fn fate(&mut self, id: RequestId) -> &mut Fate {
        self.fates
            .get_mut(&id)
            .expect("only admitted requests go on")
    }

    /// The first byte of an answer leaves a node.
    pub(crate) fn begins(&mut self, id: RequestId) {
        let held = self.registered.contains(&id);
        assert!(held, "{id} began and its hold was never registered");
    }

    /// The last byte of an answer leaves a node.
    pub(crate) fn completes(&mut self, id: RequestId, cost: Nusd, office: &Office) {
        let row = office.charged(id);
        let row = row.unwrap_or_else(|| panic!("{id} was delivered and not charged"));
        assert!(!row.orphan, "{id} was delivered and resolved as an orphan");
        assert_eq!(row.cost, cost, "{id} was charged something else");
        let before = self.completed.insert(id, cost);
        assert!(before.is_none(), "{id} was delivered twice");
        self.tally.count("completed");
    }

    /// The office has done what a call said.
    pub(crate) fn did(&mut self, call: &Call, reply: &Reply, office: &Office) {
        if let (Call::Commit(batch), Reply::Committed(_, _, committed)) = (call, reply) {
            let holds = batch
                .holds
                .iter()
                .chain(batch.quick.iter().map(|(hold, _)| hold));
            let ids = holds.map(|hold| hold.id);
            let done = ids.filter(|id| !committed.refused.contains(id));
            self.registered.extend(done);
        }
        self.note(call, reply);
        self.look(office);
    }

    fn note(&mut self, call: &Call, reply: &Reply) {
        let tally = &mut self.tally;
        match (call, reply) {
            (Call::Beat(_), _) => tally.count("beats"),
            (Call::Commit(batch), Reply::Committed(epoch, number, _)) => {
                let first = self.heard.insert((batch.node.clone(), *epoch, *number));
                tally.count(if first {
                    "batches"
                } else {
                    "batches heard again"
                });
            }
            (Call::Late(_, late), Reply::Late(_, committed)) => {
                late.ends.iter().for_each(|_| tally.count("late ends"));
                let refused = &committed.refused;
                refused
                    .iter()
                    .for_each(|_| tally.count("late ends refused"));
            }
            (_, Reply::Answered(_, answered)) => tally.count(match answered.answer {
                Answer::Granted(_) => "answered: granted",
                Answer::Wait => "answered: wait",
                Answer::Denied(_) => "answered: denied",
                Answer::Gone(_) => "answered: gone",
            }),
            _ => {}
        }
    }

    /// Looks at every pot, and now and then at everything.
    pub(crate) fn look(&mut self, office: &Office) {
        self.steps += 1;
        for (id, pot) in office.pots() {
            let taken = pot.spent + pot.reserved;
            assert!(
                taken <= pot.cap,
                "{id} has more spent and reserved than its cap: {pot:?}"
            );
            let before = self.taken.get_mut(id);
            let most = pot
                .limit
                .max(before.as_deref().copied().unwrap_or_default());
            assert!(
                taken <= most,
                "{id} grew above its limit: {pot:?}, before it was {most}"
            );
            match before {
                Some(before) => *before = taken,
                None => {
                    self.taken.insert(id.clone(), taken);
                }
            }
        }
        if self.thorough || self.steps.is_multiple_of(THOROUGHLY) {
            office.check().unwrap_or_else(|broken| panic!("{broken}"));
        }
    }

    /// All is over: every charge has its request, and every delivered answer its charge.
    pub(crate) fn settle_up(&mut self, office: &Office) {
        office.check().unwrap_or_else(|broken| panic!("{broken}"));
        office.audit().unwrap_or_else(|broken| panic!("{broken}"));
        for (id, row) in office.all_charged() {
            let fate = self.fates.get(id);
            let fate = fate.unwrap_or_else(|| panic!("{id} was charged and never admitted"));
            assert!(
                row.cost <= fate.amount,
                "{id} was charged more than was held"
            );
            assert_eq!(row.legs, fate.legs, "{id} was charged elsewhere");
            let decided = row.orphan || fate.charge == Some(row.cost);
            assert!(decided, "{id} was charged {row:?}, decided was {fate:?}");
            if row.orphan {
                self.tally.count("orphans charged");
            }
        }
        for (id, cost) in &self.completed {
            let row = office.charged(*id).filter(|row| row.cost == *cost);
            assert!(
                row.is_some(),
                "the charge of {id}, which was delivered, is lost"
            );
        }
    }

    /// No rate limit let through more than one process on its own would have.
    pub(crate) fn rates_held(&self, limits: &[(LimitId, Rate)]) {
        for (org, (limit, rate)) in limits.iter().enumerate() {
            let counted =
                |(id, fate): &(&RequestId, &Fate)| fate.org == org && self.registered.contains(id);
            let mut times: Vec<i64> = self
                .fates
                .iter()
                .filter(counted)
                .map(|(_, it)| it.at)
                .collect();
            times.sort_unstable();
            let mut bucket = Bucket::default();
            for at in times {
                let fits = bucket.check(*rate, 1, AtUs(at)).is_ok();
                assert!(fits, "{limit} let too many through at {at} us");
                bucket.take(*rate, 1, AtUs(at));
            }
        }
    }
}
