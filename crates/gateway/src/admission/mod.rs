//! Admission: takes a request's money and rates in memory, and hands out the one thing that can
//! end it.
//!
//! Where several nodes share the money, each has leased a part of it. A request that finds too
//! little there waits at its organization's desk until more is leased, or the database says that
//! there is no more; all others are admitted as if this process had everything.
//!
//! Whatever frees money in memory is queued to the ledger first, so that no prefix of the ledger's
//! queue ever overdraws a wallet.

mod admitted;
mod bid;
mod books;
mod branch;
mod desk;
mod shares;
mod waiter;

use std::sync::Arc;

use domain::admission::Refusal;
use parking_lot::Mutex;

pub(crate) use admitted::{Admitted, Settled};
pub(crate) use bid::Bid;
pub(crate) use books::{Books, Limits};
pub(crate) use branch::Around;
use branch::Branch;
pub(crate) use desk::Desk;
use desk::Taken;
use shares::Patience;

/// Why a request is not admitted.
#[derive(Debug)]
pub(crate) enum NotAdmitted {
    /// A limit has no room for it.
    Refused(Refusal),
    /// Nobody can say now whether there is room for it.
    Unavailable,
}

impl NotAdmitted {
    /// Whether a request that costs less might be admitted.
    pub(crate) fn is_about_money(&self) -> bool {
        matches!(self, NotAdmitted::Refused(refusal) if refusal.is_about_money())
    }
}

/// Takes what the bid needs, or nothing. Where the money does not pay for all of it and the answer
/// may be shortened, takes what there is.
pub(crate) async fn admit(books: &Arc<Books>, bid: Bid) -> Result<Admitted, NotAdmitted> {
    let desk = books.of(&bid.organization);
    let taken = desk.lock().take_most(&bid);
    let taken = match (taken, books.branch()) {
        (Ok(taken), _) => taken,
        // Boxed, as others need no room for it.
        (Err(refusal), Some(branch)) => {
            Box::pin(patiently(books, branch, &desk, &bid, refusal)).await?
        }
        (Err(refusal), None) => return Err(NotAdmitted::Refused(refusal)),
    };
    Ok(Admitted::new(bid, taken, books, desk))
}

/// Waits where others may have what a bid lacks here, until it is admitted or refused.
async fn patiently(
    books: &Books,
    branch: &Branch,
    desk: &Arc<Mutex<Desk>>,
    bid: &Bid,
    mut refusal: Refusal,
) -> Result<Taken, NotAdmitted> {
    let mut patience = Patience::default();
    loop {
        let tried = match refusal {
            Refusal::Rate(stop) => {
                patience.wait(branch, &bid.organization, stop).await?;
                desk.lock().take_most(bid)
            }
            _ => match waiter::admission(books, desk, bid).await {
                Ok(taken) => return Ok(taken),
                Err(NotAdmitted::Refused(refusal)) if !refusal.is_about_money() => Err(refusal),
                Err(other) => return Err(other),
            },
        };
        match tried {
            Ok(taken) => return Ok(taken),
            Err(why) => refusal = why,
        }
    }
}
