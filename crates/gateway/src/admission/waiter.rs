//! A request that waits at its desk for money that others may still have.

use std::sync::Arc;

use domain::id::{OrganizationId, RequestId};
use domain::lease::{PotId, Verdict};
use parking_lot::Mutex;
use store::LedgerError;
use tokio::sync::oneshot;

use super::desk::{Answer, Grown, Range, Short, Taken, Want};
use super::{Bid, Books, Desk, NotAdmitted};

/// How often a request is put that is shortened, or finds its limits changed, before it is given
/// up.
const MOST_TRIES: u32 = 4;
/// How often a stream waits for more while nobody can say whether there is any.
const MOST_WAITS: u32 = 2;

/// Its place in the queue. Dropped, because its client has left, it leaves; what it was given in
/// that very moment goes back.
struct Waiter {
    desk: Arc<Mutex<Desk>>,
    id: RequestId,
    answer: oneshot::Receiver<Answer>,
    told: bool,
}

impl Waiter {
    fn new(desk: &Arc<Mutex<Desk>>, id: RequestId, want: Want) -> Self {
        Waiter {
            desk: Arc::clone(desk),
            id,
            answer: desk.lock().wait(want),
            told: false,
        }
    }

    async fn answer(mut self) -> Answer {
        let answer = (&mut self.answer).await;
        self.told = true;
        answer.unwrap_or(Answer::Verdict(Verdict::Unavailable))
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        if !self.told {
            let mut desk = self.desk.lock();
            desk.leave(self.id, self.answer.try_recv().ok());
        }
    }
}

/// Waits until a bid that lacks money is admitted or refused. Where all nodes together have too
/// little and the answer may be shortened, takes what there is.
pub(super) async fn admission(
    books: &Books,
    desk: &Arc<Mutex<Desk>>,
    bid: &Bid,
) -> Result<Taken, NotAdmitted> {
    let mut bound = bid.bound;
    for _ in 0..MOST_TRIES {
        let want = Want::Admission {
            bid: Box::new(bid.clone()),
            bound,
        };
        match Waiter::new(desk, bid.id, want).answer().await {
            Answer::Taken(taken) => return Ok(*taken),
            Answer::Refused(refusal) => return Err(NotAdmitted::Refused(refusal)),
            Answer::Verdict(Verdict::Exhausted(pot, left)) => match bid.shortened(left) {
                Some(shorter) => bound = shorter,
                None => {
                    let required = bid.amount(&bid.bound);
                    let refusal = desk.lock().exhausted(&pot, left, required);
                    // If the pot limits nobody any more, what applies now decides.
                    if let Some(refusal) = refusal {
                        return Err(NotAdmitted::Refused(refusal));
                    }
                }
            },
            Answer::Verdict(Verdict::Changed) => catch_up(books, &bid.organization).await?,
            Answer::Verdict(Verdict::Unavailable) | Answer::Grown(_) => break,
        }
    }
    Err(NotAdmitted::Unavailable)
}

/// Reads an organization's limits again, as one of them is gone that this node still knows.
async fn catch_up(books: &Books, organization: &OrganizationId) -> Result<(), NotAdmitted> {
    let read = books.read_limits(organization).await;
    read.map_err(|error| {
        tracing::warn!(%error, "limits could not be read");
        NotAdmitted::Unavailable
    })
}

/// Waits until a hold that lacks money grows, or says what has too little.
pub(super) async fn more(
    desk: &Arc<Mutex<Desk>>,
    id: RequestId,
    range: Range,
) -> Result<Result<Grown, Short>, LedgerError> {
    for _ in 0..MOST_WAITS {
        match Waiter::new(desk, id, Want::More { id, range })
            .answer()
            .await
        {
            Answer::Grown(grown) => return Ok(Ok(grown)),
            Answer::Verdict(Verdict::Unavailable) => {}
            Answer::Verdict(Verdict::Exhausted(PotId::Wallet(_), left)) => {
                return Ok(Err(Short::Of(left)));
            }
            // A budget that is gone limits nobody new. But of its pot nothing more is leased, and
            // this request counts there until it ends.
            _ => return Ok(Err(Short::OfAnother)),
        }
    }
    Err(LedgerError)
}
