//! Ends that are not the rule: of an epoch, of holds whose epoch is over, and of the process.

use std::collections::BTreeSet;
use std::rc::Rc;

use domain::id::RequestId;
use domain::lease::{Batch, Committed, End, Epoch, Late};
use domain::money::Nusd;

use super::MS;
use super::network::Call;
use super::process::{Io, Out, Process, Why, charge, ending};

/// When late endings and a farewell without an answer are sent again.
const REPEAT: i64 = 500 * MS;

/// Ends of holds whose epoch is over.
#[derive(Debug, Default)]
pub(crate) struct LateEnds {
    waiting: Vec<End>,
    /// Those under way: their number, and when they were last sent.
    sent: Option<(u64, Rc<Late>, i64)>,
    count: u64,
}

impl LateEnds {
    pub(crate) fn push(&mut self, id: RequestId, charge: Option<Nusd>) {
        self.waiting.push(End {
            id,
            ending: ending(charge),
            grown: Nusd::ZERO,
        });
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.waiting.is_empty() && self.sent.is_none()
    }

    pub(crate) fn due(&self) -> i64 {
        self.sent
            .as_ref()
            .map_or(i64::MAX, |(_, _, at)| at + REPEAT)
    }
}

impl Process {
    pub(crate) fn late_done(&mut self, number: u64, committed: &Committed, io: &mut Io<'_>) {
        let sent = self.late.sent.take_if(|(sent, ..)| *sent == number);
        for end in sent.iter().flat_map(|(_, late, _)| &late.ends) {
            match committed.refused.contains(&end.id) {
                true => self.abort(end.id, io),
                false => self.finish(end.id, charge(end.ending), io),
            }
        }
    }

    /// The answer can never be completed.
    fn abort(&mut self, id: RequestId, io: &mut Io<'_>) {
        if let Some(open) = self.open.remove(&id) {
            let why = Why::Broken;
            io.out.push(Out::Refused(open.trial, why));
        }
    }

    /// The epoch has ended: what is not known to be registered never was, as far as clients are
    /// concerned; what is registered goes on, and ends late.
    pub(crate) fn fenced(&mut self, epoch: Epoch, io: &mut Io<'_>) {
        if !self.presence.fenced(epoch) {
            return;
        }
        io.truth.tally.count("fenced");
        let (sent, _) = self.queue.lost();
        self.rates.lost();
        self.sides.iter_mut().for_each(|side| side.leases.lost());
        (0..self.sides.len()).for_each(|org| self.do_effects(org, io));
        let unsure = sent.as_deref().map(begun_in).unwrap_or_default();
        let ids = self.open.iter().filter(|(_, open)| open.epoch == epoch);
        let ids: Vec<RequestId> = ids.map(|(id, _)| *id).collect();
        for id in ids {
            self.leave_behind(id, unsure.contains(&id), io);
        }
    }

    /// What becomes of one request when the epoch it was admitted in has ended.
    fn leave_behind(&mut self, id: RequestId, unsure: bool, io: &mut Io<'_>) {
        let Some(open) = self.open.get_mut(&id) else {
            return;
        };
        let side = &mut self.sides[open.trial.org];
        match (open.registered, open.ended) {
            (None, None) => {
                side.book.end(&open.legs, open.amount, Nusd::ZERO);
                side.leases.ended(open.epoch, &open.legs, open.amount);
                if unsure {
                    self.late.push(id, None);
                }
                self.abort(id, io);
            }
            (None, Some(charge)) if unsure => self.late.push(id, charge),
            (None, Some(_)) => self.abort(id, io),
            (Some(registered), None) => {
                let unknown = open.amount - registered;
                open.amount = registered;
                side.book.end(&open.legs, unknown, Nusd::ZERO);
                side.leases.ended(open.epoch, &open.legs, unknown);
            }
            (Some(registered), Some(charge)) => {
                let charge = charge.map(|cost| cost.min(registered));
                if let Some(cost) = charge {
                    io.truth.charges(id, cost);
                }
                self.late.push(id, charge);
            }
        }
    }

    pub(crate) fn farewell_due(&self) -> i64 {
        match self.farewell {
            Some((_, at)) => at + REPEAT,
            None if self.stopping && self.is_idle() => i64::MIN,
            None => i64::MAX,
        }
    }

    /// Leaves, once nothing is under way any more.
    pub(crate) fn say_farewell(&mut self, io: &mut Io<'_>) {
        if self.farewell.is_none() && self.stopping && self.is_idle() {
            match self.presence.leave() {
                Some(epoch) => self.farewell = Some((epoch, i64::MIN / 2)),
                None => io.out.push(Out::Ends),
            }
        }
        if let Some((epoch, at)) = &mut self.farewell
            && io.now - *at >= REPEAT
        {
            *at = io.now;
            let node = self.presence.node().clone();
            io.out.push(Out::Call(Call::Leave(node, *epoch)));
        }
    }

    pub(crate) fn say_late(&mut self, io: &mut Io<'_>) {
        if self.late.sent.is_none() && !self.late.waiting.is_empty() {
            self.late.count += 1;
            let late = Rc::new(Late {
                node: self.presence.node().clone(),
                ends: std::mem::take(&mut self.late.waiting),
            });
            self.late.sent = Some((self.late.count, late, i64::MIN / 2));
        }
        if let Some((number, late, at)) = &mut self.late.sent
            && io.now - *at >= REPEAT
        {
            *at = io.now;
            io.out.push(Out::Call(Call::Late(*number, late.clone())));
        }
    }
}

/// The requests whose holds a batch would have been the first to carry.
fn begun_in(batch: &Batch) -> BTreeSet<RequestId> {
    let quick = batch.quick.iter().map(|(hold, _)| hold.id);
    batch
        .holds
        .iter()
        .map(|hold| hold.id)
        .chain(quick)
        .collect()
}
