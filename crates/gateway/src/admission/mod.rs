//! Admission: takes a request's money and rates in memory, and hands out the one thing that can
//! end it.
//!
//! Whatever frees money in memory is queued to the ledger first, so that no prefix of the ledger's
//! queue ever overdraws a wallet.

mod admitted;
mod bid;
mod books;

use std::sync::Arc;

use domain::admission::Refusal;
use domain::time::Clock;
use store::Ledger;

pub(crate) use admitted::{Admitted, Settled};
pub(crate) use bid::Bid;
pub(crate) use books::{Books, Limits};

/// Takes what the bid needs, or nothing. Where the money does not pay for all of it and the answer
/// may be shortened, takes what there is.
pub(crate) fn admit(
    books: &Arc<Books>,
    ledger: &Ledger,
    clock: &Clock,
    bid: Bid,
) -> Result<Admitted, Refusal> {
    let book = books.of(&bid.organization);
    let (hold, rates, ticket, bound) = {
        let mut book = book.lock();
        let (now, mono) = (clock(), books.mono());
        let mut bound = bid.bound;
        let admission = match book.admit(&bid.ask(&bound), now, mono) {
            Err(refusal) if refusal.is_about_money() => {
                let room = book.room(&bid.project, &bid.key, now);
                bound = bid.shortened(room).ok_or(refusal)?;
                book.admit(&bid.ask(&bound), now, mono)?
            }
            outcome => outcome?,
        };
        let hold = Arc::new(bid.hold(bid.amount(&bound), admission.at));
        // Queued under the lock: holds enter the ledger in the order they were admitted.
        let ticket = match bid.stream {
            true => ledger.hold_soon(Arc::clone(&hold)),
            false => ledger.hold(Arc::clone(&hold)),
        };
        (hold, admission.rates, ticket, bound)
    };
    Ok(Admitted {
        hold,
        rates,
        bid,
        bound,
        books: Arc::clone(books),
        book,
        ticket: Some(ticket),
        ledger: ledger.clone(),
        clock: Arc::clone(clock),
        upstream: None,
        claim: None,
        ended: false,
    })
}
