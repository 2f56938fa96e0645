//! Admission: takes a request's money and rates in memory, and hands out the one thing that can
//! end it.
//!
//! Whatever frees money in memory is queued to the ledger first, so that no prefix of the ledger's
//! queue ever overdraws a wallet.

use std::collections::HashMap;
use std::sync::Arc;

use domain::admission::{Ask, Book, Ending, RateStates, Refusal, Wallet};
use domain::bound::{TokenBound, estimate_tokens};
use domain::hold::{Flags, Hold};
use domain::id::OrganizationId;
use domain::money::Nusd;
use domain::time::{AtUs, Clock};
use domain::usage::Usage;
use parking_lot::{Mutex, RwLock};
use store::{HoldTicket, Ledger, LedgerError, SettleTicket, Settlement};

/// Every organization's book.
#[derive(Debug, Default)]
pub(crate) struct Books {
    books: RwLock<HashMap<OrganizationId, Arc<Mutex<Book>>>>,
}

impl Books {
    pub(crate) fn new(wallets: Vec<(OrganizationId, Wallet)>) -> Self {
        let book = |(id, wallet)| (id, Arc::new(Mutex::new(Book::new(wallet))));
        Books {
            books: RwLock::new(wallets.into_iter().map(book).collect()),
        }
    }

    /// The book of an organization; an unknown one has no money.
    pub(crate) fn of(&self, organization: &OrganizationId) -> Arc<Mutex<Book>> {
        if let Some(book) = self.books.read().get(organization) {
            return Arc::clone(book);
        }
        Arc::clone(self.books.write().entry(organization.clone()).or_default())
    }

    /// Follows the ledger: this much was ever paid in.
    pub(crate) fn set_credits(&self, organization: &OrganizationId, credits: Nusd) {
        self.of(organization).lock().set_credits(credits);
    }

    /// Forgets rates that nobody used lately.
    pub(crate) fn forget_idle(&self, now: AtUs, idle_us: i64) {
        let books: Vec<_> = self.books.read().values().cloned().collect();
        books
            .into_iter()
            .for_each(|book| book.lock().forget_idle(now, idle_us));
    }
}

/// What a request brings to admission.
#[derive(Debug)]
pub(crate) struct Bid {
    pub(crate) hold: Hold,
    pub(crate) ask: Ask,
    pub(crate) bound: TokenBound,
    /// The answer begins as soon as the upstream's does, so the hold is wanted at once.
    pub(crate) stream: bool,
    /// Bytes of the prompt, for counting when the upstream does not.
    pub(crate) prompt_bytes: u64,
}

/// A request that was admitted: its money is held until it is settled or released, once.
///
/// Dropped undecided (only a bug does that), it is released if the upstream never heard of it, and
/// charged for its prompt if it did.
#[must_use = "an admitted request must be settled or released"]
pub(crate) struct Admitted {
    pub(crate) hold: Arc<Hold>,
    pub(crate) rates: RateStates,
    pub(crate) prompt_bytes: u64,
    book: Arc<Mutex<Book>>,
    ask: Ask,
    bound: TokenBound,
    ticket: Option<HoldTicket>,
    ledger: Ledger,
    clock: Clock,
    upstream: Option<Arc<str>>,
    ended: bool,
}

/// A request whose charge is durable.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settled {
    pub(crate) cost: Nusd,
    pub(crate) balance: Nusd,
}

/// Takes what the bid needs, or nothing.
pub(crate) fn admit(
    books: &Books,
    ledger: &Ledger,
    clock: &Clock,
    bid: Bid,
) -> Result<Admitted, Refusal> {
    let book = books.of(&bid.hold.organization);
    let hold = Arc::new(bid.hold);
    let (rates, ticket) = {
        let mut book = book.lock();
        let rates = book.admit(&bid.ask, hold.admitted_at)?;
        // Queued under the lock: holds enter the ledger in the order they were admitted.
        let ticket = match bid.stream {
            true => ledger.hold_soon(Arc::clone(&hold)),
            false => ledger.hold(Arc::clone(&hold)),
        };
        (rates, ticket)
    };
    Ok(Admitted {
        hold,
        rates,
        prompt_bytes: bid.prompt_bytes,
        book,
        ask: bid.ask,
        bound: bid.bound,
        ticket: Some(ticket),
        ledger: ledger.clone(),
        clock: Arc::clone(clock),
        upstream: None,
        ended: false,
    })
}

impl Admitted {
    /// Waits until the hold is durable. Answers at once when asked again.
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
    pub(crate) fn checkpoint(&self, usage: &Usage) {
        self.ledger
            .checkpoint(self.hold.id, usage.input_tokens(), usage.output_tokens());
    }

    /// Ends the request without a charge: nothing was delivered.
    pub(crate) fn release(mut self) {
        self.give_back();
    }

    /// Charges the request. The cost stands when the ticket is durable.
    pub(crate) fn settle(mut self, usage: &Usage, flags: Flags) -> (Settled, SettleTicket) {
        self.charge(usage, flags)
    }

    /// The most output tokens of one choice that the hold pays for.
    pub(crate) fn output_tokens_each(&self) -> u64 {
        self.bound.output_tokens_each
    }

    fn give_back(&mut self) {
        self.ended = true;
        let ending = Ending {
            held: self.hold.amount,
            charge: Nusd::ZERO,
            unused_tokens: self.ask.tokens,
        };
        let mut book = self.book.lock();
        self.ledger.release(self.hold.id);
        book.end(&self.ask, ending);
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
        let settlement = Settlement {
            hold: Arc::clone(&self.hold),
            usage: *usage,
            charge,
            flags: Flags { overrun, ..flags },
            upstream: self.upstream.clone().unwrap_or_else(|| "unknown".into()),
            ended_at: (self.clock)(),
        };
        let ending = Ending {
            held: self.hold.amount,
            charge: charge.cost.total,
            unused_tokens: self.ask.tokens.saturating_sub(usage.total_tokens()),
        };
        let mut book = self.book.lock();
        let ticket = self.ledger.settle(settlement);
        book.end(&self.ask, ending);
        (
            Settled {
                cost: charge.cost.total,
                balance: book.wallet().balance(),
            },
            ticket,
        )
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
            let usage = Usage::text(estimate_tokens(self.prompt_bytes, 1), 0);
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
