//! What one commit carries: the holds, what became of them, and the endings of many requests.
//!
//! A batch is gathered from the queue in order. A hold that ends in the batch it began in never
//! reaches its table: its settlement is all there is to keep. Committing a batch twice is
//! committing it once, so a lost acknowledgement is answered by sending the same batch again.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use domain::hold::{Charge, Course, Flags, Hold};
use domain::id::{OrganizationId, RequestId};
use domain::lease::PotId;
use domain::ledger::{Account, Transfer, TransferCode};
use domain::money::Nusd;
use domain::time::AtUs;
use domain::usage::Usage;

use crate::idempotency::{Claim, Kept};

/// The end of a request that used something.
#[derive(Clone, Debug)]
pub struct Settlement {
    /// What was reserved for it.
    pub hold: Arc<Hold>,
    /// What it used.
    pub usage: Usage,
    /// What that costs, under the hold.
    pub charge: Charge,
    /// What else happened.
    pub flags: Flags,
    /// How its answer went.
    pub course: Course,
    /// The upstream that answered.
    pub upstream: Arc<str>,
    /// When it ended.
    pub ended_at: AtUs,
    /// The answer, if it is kept for a repetition of the request.
    pub kept: Option<Kept>,
}

/// Who commits: a node, and the epoch of its present life.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Writer {
    pub(crate) node: String,
    pub(crate) epoch: i64,
}

impl Writer {
    /// A process that serves nobody: no node has its epoch, so its batches would be refused.
    pub(crate) fn of_nobody() -> Self {
        Writer {
            node: String::new(),
            epoch: 0,
        }
    }
}

/// Tokens seen of a stream so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) input_tokens: u64,
    pub(crate) output_tokens: u64,
}

impl Seen {
    /// What was seen stays seen.
    fn grow(&mut self, seen: Seen) {
        self.input_tokens = self.input_tokens.max(seen.input_tokens);
        self.output_tokens = self.output_tokens.max(seen.output_tokens);
    }
}

/// One step in a request's life, as it enters the queue.
#[derive(Clone, Debug)]
pub(crate) enum Op {
    Hold(Arc<Hold>),
    Checkpoint(RequestId, Seen),
    /// Holds this much more.
    Extend(RequestId, Nusd),
    Settle(Arc<Settlement>),
    Release(RequestId),
    /// Gives a key back whose request was never charged.
    Unclaim(Arc<Claim>),
    /// A budget is new to a request in flight: its hold counts in this pot too.
    Adopt(RequestId, PotId),
    /// This much is leased no longer.
    Return(PotId, Nusd),
}

impl Op {
    /// Bytes of an answer that it carries.
    pub(crate) fn answer_bytes(&self) -> usize {
        match self {
            Op::Settle(settlement) => settlement.answer_bytes(),
            _ => 0,
        }
    }
}

/// A hold that must be written, as it outlives the batch.
#[derive(Clone, Debug)]
pub(crate) struct NewHold {
    pub(crate) hold: Arc<Hold>,
    /// What it holds by now.
    pub(crate) amount: Nusd,
    pub(crate) seen: Seen,
}

/// What became of a hold that was written before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Progress {
    /// The latest checkpoint; zeros if there is none in this batch. It only ever grows.
    pub(crate) seen: Seen,
    /// How much more it holds.
    pub(crate) more: Nusd,
}

/// The net effect of a run of steps.
#[derive(Clone, Debug, Default)]
pub(crate) struct Batch {
    pub(crate) holds: Vec<NewHold>,
    pub(crate) progress: Vec<(RequestId, Progress)>,
    pub(crate) ended: Vec<RequestId>,
    /// By organization, then request, each once: the order in which they are chained.
    pub(crate) settlements: Vec<Arc<Settlement>>,
    pub(crate) unclaimed: Vec<Arc<Claim>>,
    /// What it does to leases; nothing where one node has everything.
    pub(crate) leases: LeaseChanges,
}

/// What a batch does to leases, beside taking what is held out of them and giving the rest back.
#[derive(Clone, Debug, Default)]
pub(crate) struct LeaseChanges {
    /// The pots that each request came to count in, because a budget is newer than it.
    adopted: HashMap<RequestId, Vec<PotId>>,
    /// What the batch takes for those requests though it is of before their pots counted.
    pub(crate) excused: BTreeMap<PotId, Nusd>,
    /// What goes back to each pot; nothing answers a recall when all is held.
    pub(crate) returns: BTreeMap<PotId, Nusd>,
}

impl LeaseChanges {
    /// The pots beside the wallet that a request counts in, as far as this batch knows.
    pub(crate) fn legs<'a>(&'a self, hold: &'a Hold) -> Vec<&'a PotId> {
        let mut legs: Vec<&PotId> = hold.legs.iter().chain(self.adopted(hold.id)).collect();
        legs.sort_unstable();
        legs.dedup();
        legs
    }

    /// The pots that a request came to count in in this batch.
    pub(crate) fn adopted(&self, id: RequestId) -> &[PotId] {
        self.adopted.get(&id).map_or(&[], Vec::as_slice)
    }
}

/// What a run of steps comes to, while it is being folded.
#[derive(Default)]
struct Gathering {
    order: Vec<RequestId>,
    holds: HashMap<RequestId, NewHold>,
    progress: HashMap<RequestId, Progress>,
    ended: HashSet<RequestId>,
    settlements: Vec<Arc<Settlement>>,
    unclaimed: Vec<Arc<Claim>>,
    leases: LeaseChanges,
}

impl Gathering {
    fn take(&mut self, op: Op) {
        match op {
            Op::Hold(hold) => {
                let new = NewHold {
                    amount: hold.amount,
                    seen: Seen::default(),
                    hold,
                };
                self.order.push(new.hold.id);
                self.holds.insert(new.hold.id, new);
            }
            Op::Checkpoint(id, seen) => match self.holds.get_mut(&id) {
                Some(new) => new.seen.grow(seen),
                None => self.progress.entry(id).or_default().seen.grow(seen),
            },
            Op::Extend(id, more) => match self.holds.get_mut(&id) {
                Some(new) => new.amount += more,
                None => self.progress.entry(id).or_default().more += more,
            },
            Op::Release(id) => self.end(id),
            Op::Unclaim(claim) => self.unclaimed.push(claim),
            Op::Adopt(id, pot) => self.adopt(id, pot),
            Op::Return(pot, amount) => *self.leases.returns.entry(pot).or_default() += amount,
            Op::Settle(settlement) => {
                self.end(settlement.hold.id);
                self.settlements.push(settlement);
            }
        }
    }

    fn adopt(&mut self, id: RequestId, pot: PotId) {
        let taken = match self.holds.get(&id) {
            Some(new) => new.amount,
            None => self.progress.entry(id).or_default().more,
        };
        *self.leases.excused.entry(pot.clone()).or_default() += taken;
        self.leases.adopted.entry(id).or_default().push(pot);
    }

    fn end(&mut self, id: RequestId) {
        if self.holds.remove(&id).is_none() {
            self.ended.insert(id);
        }
    }
}

impl Batch {
    /// Folds steps, in the order they were taken.
    pub(crate) fn gather(ops: impl IntoIterator<Item = Op>) -> Self {
        let mut all = Gathering::default();
        ops.into_iter().for_each(|op| all.take(op));
        // A statement cannot both update and delete a row: of what ends, no progress is kept, also
        // none that came late.
        all.progress.retain(|id, _| !all.ended.contains(id));
        // The sort is stable: of a request that was settled twice, the first one counts.
        all.settlements.sort_by(|a, b| a.place().cmp(&b.place()));
        all.settlements.dedup_by(|a, b| a.place() == b.place());
        let kept = |id: &RequestId| all.holds.remove(id);
        Batch {
            holds: all.order.iter().filter_map(kept).collect(),
            progress: all.progress.into_iter().collect(),
            ended: all.ended.into_iter().collect(),
            settlements: all.settlements,
            unclaimed: all.unclaimed,
            leases: all.leases,
        }
    }

    /// The same without settlements that `known` tells of.
    pub(crate) fn without(&self, known: impl Fn(&Settlement) -> bool) -> Self {
        let mut rest = self.clone();
        rest.settlements.retain(|settlement| !known(settlement));
        rest
    }

    /// How many rows it touches, roughly. A kibibyte of an answer counts as one.
    pub(crate) fn rows(&self) -> usize {
        let settled = |settlement: &Arc<Settlement>| 2 + settlement.answer_bytes() / 1_024;
        let settled: usize = self.settlements.iter().map(settled).sum();
        let holds = self.holds.len() + self.progress.len() + self.ended.len();
        holds + settled + self.unclaimed.len() + self.leases.returns.len()
    }

    /// Whether it touches keys of requests.
    pub(crate) fn has_keys(&self) -> bool {
        !self.unclaimed.is_empty() || self.kept().next().is_some()
    }

    /// The answers to be kept.
    pub(crate) fn kept(&self) -> impl Iterator<Item = &Kept> + Clone {
        let settlements = self.settlements.iter();
        settlements.filter_map(|settlement| settlement.kept.as_ref())
    }

    /// Every account that it moves money on, each once, in order.
    pub(crate) fn accounts(&self, writer: &Writer) -> Vec<String> {
        let transfers = self.settlements.iter().flat_map(|it| it.transfers(writer));
        let moved = transfers.flat_map(|transfer| [transfer.debit, transfer.credit]);
        let back = self.leases.returns.keys().map(ToString::to_string);
        let wallets = back.filter(|pot| Account::parse(pot).is_some());
        let all = moved.map(|account| account.to_string()).chain(wallets);
        all.collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// Every account of the house that it moves money on, beside the node's revenue.
    pub(crate) fn house_accounts(&self, writer: &Writer) -> Vec<String> {
        let mut accounts: Vec<String> = self
            .settlements
            .iter()
            .flat_map(|settlement| settlement.transfers(writer))
            .flat_map(|transfer| [transfer.debit, transfer.credit])
            .filter(Account::may_be_overdrawn)
            .map(|account| account.to_string())
            .collect();
        accounts.sort_unstable();
        accounts.dedup();
        accounts
    }
}

impl Settlement {
    /// What there is one settlement of: an organization's request.
    fn place(&self) -> (&OrganizationId, RequestId) {
        (&self.hold.organization, self.hold.id)
    }

    fn answer_bytes(&self) -> usize {
        let kept = self.kept.as_ref();
        kept.map_or(0, |kept| kept.answer.body.len())
    }

    /// The movements of money that settle the request.
    pub(crate) fn transfers(&self, writer: &Writer) -> impl Iterator<Item = Transfer> {
        let hold = &self.hold;
        let transfer = |id: String, debit, credit, amount, code| Transfer {
            id,
            organization: hold.organization.clone(),
            debit,
            credit,
            amount,
            code,
            request: Some(hold.id),
            reason: String::new(),
            actor: String::new(),
            at: self.ended_at,
        };
        let revenue = || Account::Revenue(writer.node.clone());
        let Charge {
            cost,
            overrun,
            upstream_cost,
        } = self.charge;
        let moved = |amount: Nusd| amount > Nusd::ZERO;
        [
            moved(cost.total).then(|| {
                let wallet = Account::Wallet(hold.organization.clone());
                let id = hold.id.to_string();
                transfer(id, wallet, revenue(), cost.total, TransferCode::Usage)
            }),
            moved(overrun).then(|| {
                let id = format!("{}:overrun", hold.id);
                transfer(
                    id,
                    Account::Overrun,
                    revenue(),
                    overrun,
                    TransferCode::Overrun,
                )
            }),
            moved(upstream_cost).then(|| {
                let upstream = self.upstream.to_string();
                transfer(
                    format!("{}:upstream_cost", hold.id),
                    Account::UpstreamCost(upstream.clone()),
                    Account::UpstreamPayable(upstream),
                    upstream_cost,
                    TransferCode::UpstreamCost,
                )
            }),
        ]
        .into_iter()
        .flatten()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::idempotency::Answer;
    use bytes::Bytes;
    use domain::id::{BudgetId, KeyId, PriceId, ProjectId};
    use domain::idempotency::{IdempotencyKey, RequestDigest};
    use domain::price::{StatedPrices, UnitPrices};

    pub(crate) fn hold(number: u32, amount: i64) -> Arc<Hold> {
        let at = AtUs::from_seconds(1_800_000_000);
        let id = RequestId::parse(&format!("req_{:024x}{:08x}", at.millis(), number));
        let stated = StatedPrices {
            input: Nusd::new(1_000_000),
            output: Nusd::new(1_000_000),
            ..StatedPrices::default()
        };
        Arc::new(Hold {
            id: id.expect("32 digits"),
            organization: OrganizationId::new("org-a"),
            project: ProjectId::new("proj_a"),
            key: KeyId::new("key_a"),
            model: "m".into(),
            endpoint: "chat",
            amount: Nusd::new(amount),
            price_id: PriceId::new("price_a"),
            markup: domain::markup::Markup::NONE,
            price: stated.into(),
            cost: UnitPrices::by_class([Nusd::ZERO; 9]),
            admitted_at: at,
            legs: Arc::default(),
        })
    }

    /// A claim for the request of a hold.
    pub(crate) fn claim(hold: &Hold) -> Arc<Claim> {
        Arc::new(Claim {
            organization: hold.organization.clone(),
            project: hold.project.clone(),
            key: IdempotencyKey::parse(hold.id.to_string().as_bytes()).expect("a key"),
            content: RequestDigest::of("/v1/test", b""),
            request: hold.id,
        })
    }

    /// An answer that is kept for the request of a hold.
    pub(crate) fn kept(hold: &Hold, body: Bytes) -> Kept {
        Kept {
            claim: claim(hold),
            answer: Answer {
                content_type: "application/json".into(),
                body,
            },
        }
    }

    pub(crate) fn settle(hold: &Arc<Hold>, output_tokens: u64) -> Arc<Settlement> {
        let usage = Usage::text(0, output_tokens);
        Arc::new(Settlement {
            charge: hold.charge(&usage),
            hold: Arc::clone(hold),
            usage,
            flags: Flags::default(),
            course: Course::default(),
            upstream: "u".into(),
            ended_at: hold.admitted_at,
            kept: None,
        })
    }

    #[test]
    fn a_hold_that_ends_in_its_batch_is_not_written() {
        let (a, b, c) = (hold(1, 10), hold(2, 10), hold(3, 10));
        let seen = Seen {
            input_tokens: 1,
            output_tokens: 2,
        };
        let batch = Batch::gather([
            Op::Hold(Arc::clone(&a)),
            Op::Hold(Arc::clone(&b)),
            Op::Checkpoint(b.id, seen),
            Op::Checkpoint(a.id, seen),
            Op::Checkpoint(c.id, seen),
            Op::Settle(settle(&a, 3)),
            Op::Release(c.id),
            Op::Checkpoint(c.id, seen),
        ]);
        assert_eq!(batch.holds.len(), 1);
        assert_eq!((batch.holds[0].hold.id, batch.holds[0].seen), (b.id, seen));
        assert_eq!(batch.ended, [c.id]);
        assert!(
            batch.progress.is_empty(),
            "an ended hold needs no checkpoint"
        );
        assert_eq!(batch.settlements.len(), 1);
    }

    #[test]
    fn a_hold_grows_where_it_is() {
        let (a, b) = (hold(1, 10), hold(2, 10));
        let seen = Seen {
            input_tokens: 1,
            output_tokens: 2,
        };
        let batch = Batch::gather([
            Op::Hold(Arc::clone(&a)),
            Op::Extend(a.id, Nusd::new(5)),
            Op::Extend(a.id, Nusd::new(2)),
            Op::Extend(b.id, Nusd::new(3)),
            Op::Checkpoint(b.id, seen),
            Op::Extend(b.id, Nusd::new(4)),
        ]);
        assert_eq!(batch.holds[0].amount, Nusd::new(17));
        let more = Nusd::new(7);
        assert_eq!(batch.progress, [(b.id, Progress { seen, more })]);
        let ended = Batch::gather([Op::Extend(b.id, Nusd::new(3)), Op::Release(b.id)]);
        assert!(ended.progress.is_empty(), "its row goes as it is");
    }

    #[test]
    fn a_hold_that_counts_in_a_pot_since_a_moment_ago_takes_no_lease_for_what_it_had() {
        let (new, old, gone) = (hold(1, 10), hold(2, 10), hold(3, 10));
        let pot = |name: &str| PotId::Window {
            budget: BudgetId::new(name),
            start: AtUs(0),
        };
        let more = |id, amount| Op::Extend(id, Nusd::new(amount));
        let batch = Batch::gather([
            Op::Hold(Arc::clone(&new)),
            more(new.id, 5),
            more(old.id, 3),
            Op::Adopt(new.id, pot("a")),
            Op::Adopt(old.id, pot("a")),
            Op::Adopt(old.id, pot("b")),
            Op::Adopt(gone.id, pot("b")),
            more(new.id, 1),
            more(old.id, 1),
            Op::Settle(settle(&gone, 3)),
            Op::Return(pot("a"), Nusd::new(7)),
            Op::Return(pot("a"), Nusd::ZERO),
        ]);
        let leases = &batch.leases;
        let excused: Vec<_> = leases
            .excused
            .iter()
            .map(|(pot, it)| (pot, it.get()))
            .collect();
        assert_eq!(excused, [(&pot("a"), 15 + 3), (&pot("b"), 3)]);
        assert_eq!(leases.returns, BTreeMap::from([(pot("a"), Nusd::new(7))]));
        assert_eq!(leases.legs(&new), [&pot("a")]);
        assert_eq!(leases.adopted(old.id), [pot("a"), pot("b")]);
        assert_eq!(leases.legs(&gone), [&pot("b")]);
        let progress: Vec<RequestId> = batch.progress.iter().map(|(id, _)| *id).collect();
        assert_eq!(progress, [old.id], "what has ended makes none");
    }

    #[test]
    fn a_settlement_moves_charge_and_overrun() {
        let writer = Writer {
            node: "n".into(),
            epoch: 1,
        };
        let moves = |amount, tokens| {
            let settlement = settle(&hold(1, amount), tokens);
            let transfers = settlement.transfers(&writer);
            transfers
                .map(|transfer| (transfer.code, transfer.amount.get()))
                .collect::<Vec<_>>()
        };
        assert_eq!(moves(10, 3), [(TransferCode::Usage, 3)]);
        assert_eq!(
            moves(10, 13),
            [(TransferCode::Usage, 10), (TransferCode::Overrun, 3)]
        );
        assert_eq!(moves(10, 0), []);
    }
}
