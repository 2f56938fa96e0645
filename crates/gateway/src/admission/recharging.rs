//! An organization's auto-recharge at its desk: says when the wallet runs low, and lets requests
//! wait for the money.
//!
//! Nothing here asks a database. That a wallet is low is one comparison, with what this node has of
//! it: where several nodes lease the money that is less than there is, so the control plane, which
//! is told, looks at all of it before it charges anybody.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use domain::id::{OrganizationId, RequestId};
use domain::money::Nusd;
use domain::recharge::{Hopeless, Recharge};
use domain::time::{AtUs, MINUTE_US, MonoUs, SECOND_US};
use parking_lot::Mutex;
use store::LedgerError;
use tokio::sync::watch;
use tokio::time::Sleep;

use super::desk::{Grown, Range, Short};
use super::{Admitted, Books, Desk, Unadmitted, admit, waiter};

/// That a wallet is low is told no more often than this: it is low for as long as it is.
const TOLD_EVERY_US: i64 = SECOND_US;
/// If nothing changed for so long although requests waited for it, no more wait.
const STALE_US: i64 = MINUTE_US;
/// Requests of one organization that wait at once; each keeps its body in memory.
const MOST_OF_ORGANIZATION: usize = 256;
/// Requests that wait at once in this process.
const MOST: usize = 1_024;

/// Is told of an organization whose wallet ran low; it must not wait.
pub type LowCredit = Arc<dyn Fn(&OrganizationId) + Send + Sync>;

/// An organization's auto-recharge.
pub(super) struct Recharging {
    organization: OrganizationId,
    recharge: Recharge,
    told_at: Option<MonoUs>,
    /// Since when requests wait without anything having changed.
    waited_since: Option<MonoUs>,
    waiting: usize,
    /// Something happened that may let in who waits.
    turns: watch::Sender<()>,
}

/// What a wallet has at some instant.
#[derive(Clone, Copy)]
pub(super) struct Look {
    /// What a new request may hold.
    pub(super) available: Nusd,
    pub(super) now: AtUs,
    pub(super) mono: MonoUs,
}

impl Recharging {
    pub(super) fn new(organization: OrganizationId, recharge: Recharge) -> Self {
        Recharging {
            organization,
            recharge,
            told_at: None,
            waited_since: None,
            waiting: 0,
            turns: watch::Sender::new(()),
        }
    }

    /// It stands like this from now on.
    pub(super) fn set(&mut self, recharge: Recharge) {
        self.recharge = recharge;
        self.turn();
    }

    /// Money came in, or it stands otherwise: whoever waits looks again.
    pub(super) fn turn(&mut self) {
        self.told_at = None;
        self.waited_since = None;
        self.wake();
    }

    /// Money that was held is free again: whoever waits looks again.
    pub(super) fn wake(&self) {
        if self.waiting > 0 {
            self.turns.send_replace(());
        }
    }

    pub(super) fn is_low(&self, available: Nusd) -> bool {
        available < self.recharge.rules.threshold
    }

    /// Tells if the wallet is low, and a recharge is to begin.
    pub(super) fn look(&mut self, look: &Look, low: &LowCredit) {
        let was_told = |at: MonoUs| look.mono.since(at) < TOLD_EVERY_US;
        if self.told_at.is_some_and(was_told) || !self.recharge.is_due(look.available, look.now) {
            return;
        }
        self.told_at = Some(look.mono);
        low(&self.organization);
    }

    /// Whether it is of use that a request waits that needs `required`.
    pub(super) fn hope(&mut self, required: Nusd, look: &Look) -> Result<(), Hopeless> {
        self.recharge.hope(look.available, required, look.now)?;
        let since = *self.waited_since.get_or_insert(look.mono);
        match look.mono.since(since) < STALE_US {
            true => Ok(()),
            false => Err(Hopeless::Late),
        }
    }
}

/// A request that waits. Dropped, because its client has left or it need not wait any more, it
/// gives its place up.
struct Seat<'a> {
    books: &'a Books,
    desk: &'a Mutex<Desk>,
    turned: watch::Receiver<()>,
}

impl<'a> Seat<'a> {
    /// A place for one more; none if there are too many.
    fn take(books: &'a Books, desk: &'a Mutex<Desk>) -> Option<Self> {
        let mut locked = desk.lock();
        let recharging = locked.recharging()?;
        if recharging.waiting >= MOST_OF_ORGANIZATION || !books.waiting.enter() {
            return None;
        }
        recharging.waiting += 1;
        let turned = recharging.turns.subscribe();
        drop(locked);
        Some(Seat {
            books,
            desk,
            turned,
        })
    }
}

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        self.books.waiting.leave();
        if let Some(recharging) = self.desk.lock().recharging() {
            recharging.waiting -= 1;
        }
    }
}

/// A request's waiting, from the first time that it found too little credit.
struct Vigil<'a> {
    books: &'a Books,
    desk: &'a Mutex<Desk>,
    patience: Pin<Box<Sleep>>,
    seat: Option<Seat<'a>>,
}

impl<'a> Vigil<'a> {
    fn new(books: &'a Books, desk: &'a Mutex<Desk>) -> Self {
        Vigil {
            books,
            desk,
            patience: Box::pin(tokio::time::sleep(books.patience)),
            seat: None,
        }
    }

    /// Waits until the request is to be tried again; false if its patience is over, or too many
    /// wait. The first time it is tried at once: money may have come in before it had its place.
    async fn turn(&mut self) -> bool {
        let Some(seat) = &mut self.seat else {
            self.seat = Seat::take(self.books, self.desk);
            return self.seat.is_some();
        };
        tokio::select! {
            biased;
            // An error would be a desk that is gone: it is tried again, and refused.
            _ = seat.turned.changed() => true,
            () = self.patience.as_mut() => false,
        }
    }
}

/// How many requests of this process wait.
#[derive(Default)]
pub(super) struct Waiting(AtomicUsize);

impl Waiting {
    fn enter(&self) -> bool {
        let is_in = self.0.fetch_add(1, Ordering::Relaxed) < MOST;
        if !is_in {
            self.leave();
        }
        is_in
    }

    fn leave(&self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Lets a request that found too little credit wait for a recharge, as long as one may help it and
/// there is patience; tries it again whenever something changed. Admission's rules are the same for
/// it as for all others, and nobody else waits behind it.
pub(crate) async fn with_recharge(
    books: &Arc<Books>,
    mut refused: Box<Unadmitted>,
) -> Result<Admitted, Box<Unadmitted>> {
    let desk = books.of(&refused.bid.organization);
    let mut vigil = Vigil::new(books, &desk);
    loop {
        let Some(available) = refused.credit() else {
            return Err(refused);
        };
        let least = refused.bid.least();
        let hope = desk.lock().hope(least, available);
        match hope {
            None => return Err(refused),
            Some(Err(why)) => return Err(refused.without(why)),
            Some(Ok(())) => {}
        }
        if !vigil.turn().await {
            return Err(refused.without(Hopeless::Late));
        }
        refused = match admit(books, refused.bid).await {
            Ok(admitted) => return Ok(admitted),
            Err(refused) => refused,
        };
    }
}

/// Lets a stream that runs out of credit wait in the same way, until it may hold more. None if
/// there is no more to be had.
pub(super) async fn more(
    books: &Books,
    desk: &Arc<Mutex<Desk>>,
    id: RequestId,
    range: Range,
) -> Result<Option<Grown>, LedgerError> {
    let mut vigil = Vigil::new(books, desk);
    loop {
        let grown = match books.are_leased() {
            true => waiter::more(desk, id, range).await?,
            false => desk.lock().grow_or_short(id, range),
        };
        let available = match grown {
            Ok(grown) => return Ok(Some(grown)),
            Err(Short::Of(available)) => available,
            Err(Short::OfAnother) => return Ok(None),
        };
        let hope = desk.lock().hope(range.least, available);
        if hope != Some(Ok(())) || !vigil.turn().await {
            return Ok(None);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::recharge::{Course, Open, Rules};

    fn usd(text: &str) -> Nusd {
        Nusd::parse_usd(text).expect("a test amount")
    }

    fn armed() -> Recharge {
        Recharge {
            rules: Rules {
                threshold: usd("5"),
                restore_to: usd("20"),
                monthly_cap: None,
            },
            course: Course {
                is_enabled: true,
                ..Course::default()
            },
        }
    }

    fn in_flight() -> Recharge {
        let open = Open {
            amount: usd("15"),
            needs_authentication: false,
        };
        Recharge {
            course: Course {
                open: Some(open),
                ..armed().course
            },
            ..armed()
        }
    }

    fn look(available: &str, mono_us: i64) -> Look {
        Look {
            available: usd(available),
            now: AtUs(1_795_755_600_000_000),
            mono: MonoUs(mono_us),
        }
    }

    #[test]
    fn a_low_wallet_is_told_once_a_second_while_it_is_armed() {
        let told = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&told);
        let low: LowCredit = Arc::new(move |_| {
            counted.fetch_add(1, Ordering::Relaxed);
        });
        let mut recharging = Recharging::new(OrganizationId::new("org-a"), armed());
        let tell = |recharging: &mut Recharging, available, mono_us, want| {
            recharging.look(&look(available, mono_us), &low);
            assert_eq!(
                told.swap(0, Ordering::Relaxed),
                want,
                "{available} {mono_us}"
            );
        };
        tell(&mut recharging, "5", 0, 0);
        tell(&mut recharging, "4.99", 1, 1);
        tell(&mut recharging, "4", SECOND_US, 0);
        tell(&mut recharging, "4", SECOND_US + 1, 1);
        recharging.set(in_flight());
        tell(&mut recharging, "0", 9 * SECOND_US, 0);
        // Armed again, and low again: that is news, however soon.
        recharging.set(armed());
        tell(&mut recharging, "0", 9 * SECOND_US + 1, 1);
        recharging.turn();
        tell(&mut recharging, "0", 9 * SECOND_US + 2, 1);
    }

    #[test]
    fn nobody_waits_any_more_for_what_does_not_come() {
        let mut recharging = Recharging::new(OrganizationId::new("org-a"), in_flight());
        let required = usd("2");
        assert_eq!(recharging.hope(required, &look("1", 0)), Ok(()));
        assert_eq!(recharging.hope(required, &look("1", STALE_US - 1)), Ok(()));
        let late = Err(Hopeless::Late);
        assert_eq!(recharging.hope(required, &look("1", STALE_US)), late);
        recharging.turn();
        assert_eq!(recharging.hope(required, &look("1", STALE_US)), Ok(()));
        let small = Err(Hopeless::TooSmall(usd("15")));
        assert_eq!(recharging.hope(usd("17"), &look("1", STALE_US)), small);
    }

    #[test]
    fn only_so_many_wait() {
        let waiting = Waiting::default();
        for _ in 0..MOST {
            assert!(waiting.enter());
        }
        assert!(!waiting.enter() && !waiting.enter());
        waiting.leave();
        assert!(waiting.enter() && !waiting.enter());
    }
}
