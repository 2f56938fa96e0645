//! What the limits of a request were when it was refused: for whoever asks why.
//!
//! The limit that refused is told as the refusal has it; the others as the book has them when it is
//! asked, which is at once. Nothing of this is worked out for a request that is admitted.

use super::{Ask, Book, RateKind, Refusal};
use crate::budget::Scope;
use crate::id::BudgetId;
use crate::money::Nusd;
use crate::time::{AtUs, MonoUs};
use crate::window::Window;

/// A limit that was looked at, or would have been.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Looked {
    /// Which.
    pub limit: Limit,
    /// What came of it.
    pub verdict: Verdict,
    /// Where it stood.
    pub numbers: Numbers,
}

/// A limit on a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Limit {
    /// A rate limit of a project or a key, for the model that was asked for.
    Rate(Scope, RateKind),
    /// The organization's credit.
    Balance,
    /// A hard budget.
    Budget(BudgetId, Scope, Window),
}

/// What came of looking at a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It had room.
    Passed,
    /// It had none, and the request was refused.
    Refused,
    /// A limit before it refused.
    NotReached,
}

/// Where a limit stood: in requests, tokens or nano-dollars. What only all nodes together know is
/// none where several share it, unless it refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Numbers {
    /// The limit; of the balance, what was paid in and not spent.
    pub limit: Option<i64>,
    /// What of it was used.
    pub used: Option<i64>,
    /// What of it was held for requests in flight.
    pub held: Option<i64>,
    /// What the request needed.
    pub asked: i64,
    /// When there is room, or the window ends.
    pub resets_at: Option<AtUs>,
}

/// A count as it is told.
pub(super) fn number(units: u64) -> i64 {
    i64::try_from(units).unwrap_or(i64::MAX)
}

impl Looked {
    pub(super) fn passed(limit: Limit, numbers: Numbers) -> Self {
        Looked {
            limit,
            verdict: Verdict::Passed,
            numbers,
        }
    }
}

impl Book {
    /// Every limit of a request that was refused, in the order in which they are looked at.
    #[must_use]
    pub fn looked_at(
        &mut self,
        ask: &Ask,
        refusal: &Refusal,
        now: AtUs,
        mono: MonoUs,
    ) -> Vec<Looked> {
        let now = self.turn(now);
        let mut looked = self.rates.looked_at(ask, self.defaults, (now, mono));
        if ask.amount > Nusd::ZERO {
            looked.push(self.look_at_balance(ask));
            let is_leased = self.pots.is_some();
            looked.extend(self.budgets.looked_at(ask, is_leased, now));
        }
        judge(looked, refusal, now)
    }

    fn look_at_balance(&self, ask: &Ask) -> Looked {
        let known = |amount: Nusd| self.pots.is_none().then(|| amount.get());
        let (balance, available) = (self.wallet.balance(), self.wallet.available());
        let numbers = Numbers {
            limit: known(balance),
            used: None,
            held: known(balance - available),
            asked: ask.amount.get(),
            resets_at: None,
        };
        Looked::passed(Limit::Balance, numbers)
    }
}

/// Says of each limit what came of it.
fn judge(mut looked: Vec<Looked>, refusal: &Refusal, now: AtUs) -> Vec<Looked> {
    let at = match refusal {
        Refusal::Credit {
            available,
            required,
        } => {
            let at = looked.iter().position(|it| it.limit == Limit::Balance);
            if let Some(at) = at {
                let numbers = &mut looked[at].numbers;
                numbers.asked = required.get();
                let held = numbers.held.unwrap_or(0);
                numbers.limit = Some(available.get().saturating_add(held));
            }
            at
        }
        Refusal::Budget(refusal) => {
            let is_it =
                |it: &Looked| matches!(&it.limit, Limit::Budget(id, ..) if *id == refusal.budget);
            let at = looked.iter().position(is_it);
            if let Some(at) = at {
                looked[at].numbers = Numbers {
                    limit: Some(refusal.limit.get()),
                    used: Some(refusal.spent.get()),
                    held: Some(refusal.held.get()),
                    asked: refusal.required.get(),
                    resets_at: (refusal.window != Window::Always).then_some(refusal.ends_at),
                };
            }
            at
        }
        Refusal::Rate(stop) => {
            let limit = number(stop.refusal.state.limit);
            let is_it = |it: &Looked| {
                let is_kind = matches!(it.limit, Limit::Rate(_, kind) if kind == stop.kind);
                is_kind && it.numbers.limit == Some(limit)
            };
            let has_no_room = |it: &Looked| {
                let Numbers { used, asked, .. } = it.numbers;
                is_it(it) && used.is_some_and(|used| used.saturating_add(asked) > limit)
            };
            // Of a project's and a key's limit of one kind and size, the one that is full.
            let full = looked.iter().position(has_no_room);
            let at = full.or_else(|| looked.iter().position(is_it));
            if let Some(at) = at {
                looked[at].numbers = Numbers {
                    limit: Some(limit),
                    used: Some(number(
                        stop.refusal
                            .state
                            .limit
                            .saturating_sub(stop.refusal.state.remaining),
                    )),
                    held: None,
                    asked: number(stop.refusal.requested),
                    resets_at: stop.refusal.retry_after_us.map(|wait_us| now.plus(wait_us)),
                };
            }
            at
        }
    };
    if let Some(at) = at {
        looked[at].verdict = Verdict::Refused;
        let behind = looked.iter_mut().skip(at + 1);
        behind.for_each(|it| it.verdict = Verdict::NotReached);
    }
    looked
}

impl Verdict {
    /// Its word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Verdict::Passed => "passed",
            Verdict::Refused => "refused",
            Verdict::NotReached => "not_reached",
        }
    }
}

#[cfg(test)]
mod tests;
