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
mod recharging;
mod shares;
mod waiter;

use std::sync::Arc;

use domain::admission::{Looked, Refusal};
use domain::money::Nusd;
use domain::recharge::Hopeless;
use parking_lot::Mutex;

pub(crate) use admitted::{Admitted, Settled};
pub(crate) use bid::Bid;
pub(crate) use books::{Books, Limits};
pub(crate) use branch::Around;
use branch::Branch;
pub(crate) use desk::Desk;
use desk::Taken;
pub use recharging::LowCredit;
pub(crate) use recharging::with_recharge;
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
    fn is_about_money(&self) -> bool {
        matches!(self, NotAdmitted::Refused(refusal) if refusal.is_about_money())
    }
}

/// A request that is not admitted, with what it brought: it may be tried again.
#[derive(Debug)]
pub(crate) struct Unadmitted {
    pub(crate) why: NotAdmitted,
    /// Why no recharge mends it, if the organization's wallet is filled up by itself.
    pub(crate) hopeless: Option<Hopeless>,
    /// What its limits were, in order.
    pub(crate) looked: Vec<Looked>,
    bid: Bid,
}

impl Unadmitted {
    /// Whether a request that costs less might be admitted.
    pub(crate) fn is_about_money(&self) -> bool {
        self.why.is_about_money()
    }

    /// What is available, if that is too little credit.
    pub(crate) fn credit(&self) -> Option<Nusd> {
        match self.why {
            NotAdmitted::Refused(Refusal::Credit { available, .. }) => Some(available),
            _ => None,
        }
    }

    fn without(self: Box<Self>, why: Hopeless) -> Box<Self> {
        Box::new(Unadmitted {
            hopeless: Some(why),
            ..*self
        })
    }
}

/// Takes what the bid needs, or nothing. Where the money does not pay for all of it and the answer
/// may be shortened, takes what there is.
pub(crate) async fn admit(books: &Arc<Books>, bid: Bid) -> Result<Admitted, Box<Unadmitted>> {
    let desk = books.of(&bid.organization);
    match take(books, &desk, &bid).await {
        Ok(taken) => Ok(Admitted::new(bid, taken, books, desk)),
        Err(why) => Err(Box::new(Unadmitted {
            looked: match &why {
                NotAdmitted::Refused(refusal) => desk.lock().looked_at(&bid, refusal),
                NotAdmitted::Unavailable => Vec::new(),
            },
            why,
            hopeless: None,
            bid,
        })),
    }
}

async fn take(
    books: &Arc<Books>,
    desk: &Arc<Mutex<Desk>>,
    bid: &Bid,
) -> Result<Taken, NotAdmitted> {
    let taken = desk.lock().take_most(bid);
    match (taken, books.branch()) {
        (Ok(taken), _) => Ok(taken),
        // Boxed, as others need no room for it.
        (Err(refusal), Some(branch)) => {
            Box::pin(patiently(books, branch, desk, bid, refusal)).await
        }
        (Err(refusal), None) => Err(NotAdmitted::Refused(refusal)),
    }
}

/// Waits where others may have what a bid lacks here, until it is admitted or refused.
async fn patiently(
    books: &Books,
    branch: &Branch,
    desk: &Arc<Mutex<Desk>>,
    bid: &Bid,
    mut refusal: Refusal,
) -> Result<Taken, NotAdmitted> {
    let mut patience = Patience::new(desk, bid.id);
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
