//! An admitted request: the one thing that can end it.

use std::sync::Arc;

use domain::admission::{Book, RateStates};
use domain::bound::{TokenBound, estimate_tokens};
use domain::hold::{Flags, Hold};
use domain::money::Nusd;
use domain::time::Clock;
use domain::usage::Usage;
use parking_lot::Mutex;
use store::{HoldTicket, Ledger, LedgerError, NoteTicket, SettleTicket, Settlement};

use super::{Bid, Books};
use crate::meter::Meter;

/// A request that was admitted: its money is held until it is settled or released, once.
///
/// Dropped undecided (only a bug does that), it is released if the upstream never heard of it, and
/// charged for its prompt if it did.
#[must_use = "an admitted request must be settled or released"]
pub(crate) struct Admitted {
    pub(crate) hold: Arc<Hold>,
    pub(crate) rates: RateStates,
    pub(super) bid: Bid,
    /// What the hold pays for; less than the bid's where the answer was shortened.
    pub(super) bound: TokenBound,
    pub(super) books: Arc<Books>,
    pub(super) book: Arc<Mutex<Book>>,
    pub(super) ticket: Option<HoldTicket>,
    pub(super) ledger: Ledger,
    pub(super) clock: Clock,
    pub(super) upstream: Option<Arc<str>>,
    pub(super) ended: bool,
}

/// A request whose charge is durable.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settled {
    pub(crate) cost: Nusd,
    pub(crate) balance: Nusd,
}

impl Admitted {
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

    /// Notes what was delivered so far, for the case that this process dies.
    pub(crate) fn checkpoint(&self, usage: &Usage) -> NoteTicket {
        self.ledger
            .checkpoint(self.hold.id, usage.input_tokens(), usage.output_tokens())
    }

    /// A meter for its answer.
    pub(crate) fn meter(&self) -> Meter {
        Meter::new(self.bid.prompt_bytes, self.upstream_bound())
    }

    /// The most output tokens of one choice that the hold pays for now.
    pub(crate) fn output_tokens_each(&self) -> u64 {
        self.bound.output_tokens_each
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
    pub(crate) async fn grow(&mut self) -> bool {
        if !self.is_shortened() {
            return false;
        }
        let id = self.hold.id;
        let price = self.bid.price.price;
        let input_tokens = self.bound.input_tokens;
        let one_more = price.most(input_tokens, self.bound.output_tokens + 1);
        let least = (one_more - self.hold.amount).max(Nusd::ZERO);
        let next = self.bid.next(&self.bound);
        let most = self.bid.amount(&next) - self.hold.amount;
        {
            let mut book = self.book.lock();
            let Some(more) = book.extend(id, least, most) else {
                return false;
            };
            self.ticket = Some(self.ledger.extend(id, more));
            Arc::make_mut(&mut self.hold).amount += more;
        }
        let payable = price.output_tokens_within(self.hold.amount, input_tokens);
        let tokens = payable.unwrap_or(0).min(next.output_tokens);
        let each = tokens.div_ceil(self.bid.choices.max(1));
        self.bound = TokenBound {
            output_tokens: tokens,
            output_tokens_each: each.min(next.output_tokens_each),
            ..self.bound
        };
        self.durable().await.is_ok()
    }

    /// Ends the request without a charge: nothing was delivered.
    pub(crate) fn release(mut self) {
        self.give_back();
    }

    /// Charges the request. The cost stands when the ticket is durable.
    pub(crate) fn settle(mut self, usage: &Usage, flags: Flags) -> (Settled, SettleTicket) {
        self.charge(usage, flags)
    }

    fn give_back(&mut self) {
        self.ended = true;
        let mut book = self.book.lock();
        self.ledger.release(self.hold.id);
        book.end(self.hold.id, Nusd::ZERO, 0, (self.clock)());
    }

    fn charge(&mut self, usage: &Usage, flags: Flags) -> (Settled, SettleTicket) {
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
        let now = (self.clock)();
        let settlement = Settlement {
            hold: Arc::clone(&self.hold),
            usage: *usage,
            charge,
            flags: Flags { overrun, ..flags },
            upstream: self.upstream.clone().unwrap_or_else(|| "unknown".into()),
            ended_at: now,
        };
        let mut book = self.book.lock();
        let ticket = self.ledger.settle(settlement);
        book.end(self.hold.id, charge.cost.total, usage.total_tokens(), now);
        let settled = Settled {
            cost: charge.cost.total,
            balance: book.wallet().balance(),
        };
        let crossed = book.take_crossings();
        drop(book);
        self.books.note_crossings(&self.hold.organization, crossed);
        (settled, ticket)
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        tracing::error!(request_id = %self.hold.id, "a request ended without being settled");
        if self.upstream.is_none() {
            self.give_back();
        } else {
            let usage = Usage::text(estimate_tokens(self.bid.prompt_bytes, 1), 0);
            // Nobody is left to wait for it; it becomes durable with the next commit.
            let _ = self.charge(
                &usage,
                Flags {
                    estimated: true,
                    ..Flags::default()
                },
            );
        }
    }
}
