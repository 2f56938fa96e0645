//! An admitted request: the one thing that can end it.

use std::sync::Arc;

use domain::admission::RateStates;
use domain::bound::{TokenBound, estimate_tokens};
use domain::hold::{Course, Flags, Hold};
use domain::money::Nusd;
use domain::usage::Usage;
use parking_lot::Mutex;
use store::idempotency::{Answer, Claim, Kept};
use store::{HoldTicket, LedgerError, NoteTicket, SettleTicket, Settlement, UnclaimTicket};

use super::desk::{Range, Taken};
use super::{Around, Bid, Books, Desk, recharging};
use crate::meter::Meter;

/// The least that is worth holding more of.
const SMALLEST: Nusd = Nusd::new(1);

/// A request that was admitted: its money is held until it is settled or released, once.
///
/// Dropped undecided (only a bug does that), it is released if the upstream never heard of it, and
/// charged for its prompt if it did.
#[must_use = "an admitted request must be settled or released"]
pub(crate) struct Admitted {
    pub(crate) hold: Arc<Hold>,
    pub(crate) rates: RateStates,
    /// How its answer goes, as far as is known.
    pub(crate) course: Course,
    bid: Bid,
    /// What the hold pays for; less than the bid's where the answer was shortened.
    bound: TokenBound,
    books: Arc<Books>,
    desk: Arc<Mutex<Desk>>,
    ticket: Option<HoldTicket>,
    upstream: Option<Arc<str>>,
    /// What keeps its repetitions from running.
    claim: Option<Arc<Claim>>,
    ended: bool,
}

/// What a request was charged.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settled {
    pub(crate) cost: Nusd,
    /// What that leaves in the wallet. Where other nodes spend from it too, only the commit knows.
    pub(crate) balance: Option<Nusd>,
}

impl Settled {
    /// The same once it is durable, and left so much in the wallet, if the commit says so.
    pub(crate) fn with(self, balance: Option<Nusd>) -> Self {
        Settled {
            balance: balance.or(self.balance),
            ..self
        }
    }
}

impl Admitted {
    pub(super) fn new(bid: Bid, taken: Taken, books: &Arc<Books>, desk: Arc<Mutex<Desk>>) -> Self {
        Admitted {
            hold: taken.hold,
            rates: taken.rates,
            course: Course {
                streamed: bid.stream,
                ..Course::default()
            },
            bid,
            bound: taken.bound,
            books: Arc::clone(books),
            desk,
            ticket: Some(taken.ticket),
            upstream: None,
            claim: None,
            ended: false,
        }
    }

    fn around(&self) -> &Around {
        self.books.around()
    }

    /// Waits until everything that is held is durable. Answers at once when asked again.
    pub(crate) async fn durable(&mut self) -> Result<(), LedgerError> {
        match self.ticket.take() {
            Some(ticket) => ticket.durable().await,
            None => Ok(()),
        }
    }

    /// The request is about to be sent there: from now on it may cost something.
    pub(crate) fn forwarded_to(&mut self, upstream: &Arc<str>) {
        self.upstream = Some(Arc::clone(upstream));
    }

    /// Where it was sent last, if it was sent.
    pub(crate) fn upstream(&self) -> Option<&Arc<str>> {
        self.upstream.as_ref()
    }

    /// Its idempotency key is claimed for it, or may be.
    pub(crate) fn claimed(&mut self, claim: Arc<Claim>) {
        self.claim = Some(claim);
    }

    /// Whether it may come again, and then wants the same answer.
    pub(crate) fn is_claimed(&self) -> bool {
        self.claim.is_some()
    }

    /// Notes what was delivered so far, for the case that this process dies.
    pub(crate) fn checkpoint(&self, usage: &Usage) -> NoteTicket {
        let ledger = &self.around().ledger;
        ledger.checkpoint(self.hold.id, usage.input_tokens(), usage.output_tokens())
    }

    /// A meter for its answer.
    pub(crate) fn meter(&self) -> Meter {
        Meter::new(self.bid.prompt_bytes, self.upstream_bound())
    }

    /// The most output tokens of one choice, where a caller who asked for `asked` expects more.
    pub(crate) fn lowered_output_limit(&self, asked: Option<u64>) -> Option<u64> {
        let wanted = asked.unwrap_or(self.bid.bound.output_tokens_each);
        let each = self.bound.output_tokens_each;
        (each < wanted).then_some(each)
    }

    /// The most tokens that the upstream is asked for. A stream may go on as long as money comes,
    /// so it is ended here and not there.
    pub(crate) fn upstream_bound(&self) -> TokenBound {
        match self.bid.stream {
            true => self.bid.bound,
            false => self.bound,
        }
    }

    /// Whether the hold pays for less than was wanted.
    pub(crate) fn is_shortened(&self) -> bool {
        self.bound.output_tokens < self.bid.bound.output_tokens
    }

    /// Whether the hold pays for this much: it costs no more, and its output is not more than is
    /// held for. (What the input cost less than was thought does not buy more output than the
    /// caller wanted.)
    pub(crate) fn covers(&self, usage: &Usage) -> bool {
        usage.output_tokens() <= self.bound.output_tokens
            && self.hold.price.cost(usage).total <= self.hold.amount
    }

    /// Holds more, so that the answer may grow towards what was wanted. False if it already may be
    /// as long as that, or no limit on the way has money for another token. What was taken is
    /// durable when this returns.
    ///
    /// # Errors
    /// [`LedgerError`] if that cannot be made durable, or nobody can say whether there is money.
    pub(crate) async fn grow(&mut self) -> Result<bool, LedgerError> {
        if !self.is_shortened() {
            return Ok(false);
        }
        let id = self.hold.id;
        let price = self.bid.price.price;
        let input_tokens = self.bound.input_tokens;
        let one_more = price.most(input_tokens, self.bound.output_tokens + 1);
        let next = self.bid.next(&self.bound);
        let range = Range {
            least: (one_more - self.hold.amount).max(SMALLEST),
            most: self.bid.amount(&next) - self.hold.amount,
        };
        if range.most < range.least {
            return Ok(false);
        }
        let grown = self.desk.lock().grow(id, range);
        let grown = match grown {
            // Others may have some, or it is about to be paid in.
            None => Box::pin(recharging::more(&self.books, &self.desk, id, range)).await?,
            grown => grown,
        };
        let Some(grown) = grown else {
            return Ok(false);
        };
        self.ticket = Some(grown.ticket);
        Arc::make_mut(&mut self.hold).amount += grown.more;
        let payable = price.output_tokens_within(self.hold.amount, input_tokens);
        let tokens = payable.unwrap_or(0).min(next.output_tokens);
        let each = tokens.div_ceil(self.bid.choices.max(1));
        self.bound = TokenBound {
            output_tokens: tokens,
            output_tokens_each: each.min(next.output_tokens_each),
            ..self.bound
        };
        self.durable().await.map(|()| true)
    }

    /// Ends the request without a charge: nothing was delivered. If it has an idempotency key, that
    /// is free when this returns.
    pub(crate) async fn release(mut self) {
        if let Some(free) = self.give_back() {
            // A ledger that broke keeps the key until the next start.
            let _ = free.durable().await;
        }
    }

    /// Charges the request. The cost stands when the ticket is durable.
    pub(crate) fn settle(self, usage: &Usage, flags: Flags) -> (Settled, SettleTicket) {
        self.settle_with(usage, flags, |_| None)
    }

    /// As [`Admitted::settle`], and keeps the answer that `answer` makes of the charge. It is asked
    /// under the book's lock, and only if the request has an idempotency key.
    pub(crate) fn settle_with(
        mut self,
        usage: &Usage,
        flags: Flags,
        answer: impl FnOnce(Settled) -> Option<Answer>,
    ) -> (Settled, SettleTicket) {
        self.charge(usage, flags, answer)
    }

    fn give_back(&mut self) -> Option<UnclaimTicket> {
        self.ended = true;
        self.desk.lock().release(self.hold.id);
        let claim = self.claim.take();
        claim.map(|claim| self.around().ledger.unclaim(claim))
    }

    fn charge(
        &mut self,
        usage: &Usage,
        flags: Flags,
        answer: impl FnOnce(Settled) -> Option<Answer>,
    ) -> (Settled, SettleTicket) {
        self.ended = true;
        let charge = self.hold.charge(usage);
        let overrun = charge.overrun > Nusd::ZERO;
        if overrun {
            tracing::warn!(
                request_id = %self.hold.id,
                model = &*self.hold.model,
                held_nusd = self.hold.amount.get(),
                overrun_nusd = charge.overrun.get(),
                "an upstream reported more usage than the request could have; the operator pays it"
            );
        }
        let now = self.around().now();
        let mut settlement = Settlement {
            hold: Arc::clone(&self.hold),
            usage: *usage,
            charge,
            flags: Flags { overrun, ..flags },
            course: self.course,
            upstream: self.upstream.clone().unwrap_or_else(|| "unknown".into()),
            ended_at: now,
            kept: None,
        };
        let mut desk = self.desk.lock();
        let settled = Settled {
            cost: charge.cost.total,
            balance: desk.balance().map(|it| it - charge.cost.total),
        };
        if let Some(claim) = self.claim.take() {
            settlement.kept = answer(settled).map(|answer| Kept { claim, answer });
        }
        let ticket = self.around().ledger.settle(settlement);
        desk.end(self.hold.id, charge.cost.total, usage.total_tokens(), now);
        let crossed = desk.take_crossings();
        let is_to_be_told = desk.is_leased() && desk.tells_thresholds();
        drop(desk);
        self.books.note_crossings(&self.hold.organization, crossed);
        if is_to_be_told {
            self.books.note_spending(&self.hold.organization);
        }
        (settled, ticket)
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        tracing::error!(request_id = %self.hold.id, "a request ended without being settled");
        // Nobody is left to wait for it; it becomes durable with the next commit.
        if self.upstream.is_none() {
            let _ = self.give_back();
        } else {
            let usage = Usage::text(estimate_tokens(self.bid.prompt_bytes, 1), 0);
            let flags = Flags {
                estimated: true,
                ..Flags::default()
            };
            let _ = self.charge(&usage, flags, |_| None);
        }
    }
}
