//! The upstream's books: every call it served, and what of it reached a client. They are the truth
//! that a gateway's own accounts are held against.

use std::sync::{Mutex, MutexGuard, PoisonError};

use domain::money::Nusd;
use domain::price::UnitPrices;

use super::plan;

/// So many calls are booked, 40 bytes each; a gateway that makes more for one run is refused.
const MOST_CALLS: usize = 2_000_000;

/// One call that the gateway made.
#[derive(Clone, Copy, Debug)]
struct Call {
    /// Of the client's request, if the prompt said so.
    number: Option<u64>,
    input_tokens: u64,
    output_tokens: u64,
    /// The upstream handed over its last byte.
    answered: bool,
    /// A client has it, whole.
    delivered: bool,
}

/// The books of one run.
#[derive(Debug)]
pub(super) struct Books {
    prices: UnitPrices,
    calls: Mutex<Vec<Call>>,
}

/// What some calls come to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sum {
    pub(super) count: u64,
    pub(super) cost: Nusd,
}

impl Sum {
    pub(super) fn add(&mut self, cost: Nusd) {
        self.count += 1;
        self.cost += cost;
    }
}

impl std::ops::Add for Sum {
    type Output = Sum;

    fn add(self, other: Sum) -> Sum {
        Sum {
            count: self.count + other.count,
            cost: self.cost + other.cost,
        }
    }
}

/// What a client saw of an answer, from its text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    /// The call that the text says it is of.
    pub(super) call: Option<usize>,
    pub(super) words: u64,
    /// It came to its proper end.
    pub(super) whole: bool,
}

/// What a client got, in money.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Delivered {
    pub(super) cost: Nusd,
    /// It came to its proper end before the upstream's: the gateway cut it short.
    pub(super) shortened: bool,
}

/// An answer that the upstream did not give to this request: from a cache, or mixed up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Foreign;

impl Books {
    pub(super) fn new(prices: UnitPrices) -> Self {
        Books {
            prices,
            calls: Mutex::default(),
        }
    }

    /// Books a call that begins; `None` if there are too many.
    pub(super) fn begin(
        &self,
        number: Option<u64>,
        input_tokens: u64,
        output_tokens: u64,
    ) -> Option<usize> {
        let mut calls = self.calls();
        if calls.len() >= MOST_CALLS {
            return None;
        }
        calls.push(Call {
            number,
            input_tokens,
            output_tokens,
            answered: false,
            delivered: false,
        });
        Some(calls.len() - 1)
    }

    /// Books that the upstream answered a call to its end.
    pub(super) fn answered(&self, call: usize) {
        if let Some(call) = self.calls().get_mut(call) {
            call.answered = true;
        }
    }

    /// Books what the client of request `number` got, and says what that is worth.
    ///
    /// # Errors
    /// [`Foreign`] if the text is not what the upstream said to this request, or the beginning of
    /// it, or was delivered before.
    pub(super) fn deliver(&self, number: u64, seen: Seen) -> Result<Delivered, Foreign> {
        let mut calls = self.calls();
        let call = seen.call.and_then(|index| calls.get_mut(index));
        let call = call
            .filter(|call| call.number == Some(number) && !call.delivered)
            .ok_or(Foreign)?;
        if seen.words > call.output_tokens {
            return Err(Foreign);
        }
        call.delivered = seen.whole;
        Ok(Delivered {
            cost: plan::cost(&self.prices, call.input_tokens, seen.words),
            shortened: seen.whole && seen.words < call.output_tokens,
        })
    }

    /// How many calls there have been: a mark to count from.
    pub(super) fn count(&self) -> usize {
        self.calls().len()
    }

    /// Calls from `mark` on which the upstream answered, or had begun to when it was broken off,
    /// and which no client got whole: with what they cost if they are charged in full.
    pub(super) fn undelivered(&self, mark: usize) -> Sum {
        let mut sum = Sum::default();
        for call in self
            .calls()
            .iter()
            .skip(mark)
            .filter(|call| !call.delivered)
        {
            sum.add(plan::cost(
                &self.prices,
                call.input_tokens,
                call.output_tokens,
            ));
        }
        sum
    }

    /// Calls from `mark` on which the upstream answered to the end, and what they cost.
    pub(super) fn answered_since(&self, mark: usize) -> Sum {
        let mut sum = Sum::default();
        for call in self.calls().iter().skip(mark).filter(|call| call.answered) {
            sum.add(plan::cost(
                &self.prices,
                call.input_tokens,
                call.output_tokens,
            ));
        }
        sum
    }

    fn calls(&self) -> MutexGuard<'_, Vec<Call>> {
        // Every change is one assignment, so the books are good even after a panic.
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use domain::price::StatedPrices;

    use super::*;

    fn books() -> Books {
        Books::new(UnitPrices::from(StatedPrices {
            input: Nusd::new(1_000_000_000),
            output: Nusd::new(2_000_000_000),
            ..StatedPrices::default()
        }))
    }

    fn seen(call: usize, words: u64, whole: bool) -> Seen {
        Seen {
            call: Some(call),
            words,
            whole,
        }
    }

    #[test]
    fn what_was_delivered_is_worth_what_the_upstream_said() {
        let books = books();
        let call = books.begin(Some(7), 10, 5).unwrap();
        assert_eq!(
            books.undelivered(0),
            Sum {
                count: 1,
                cost: Nusd::new(20_000)
            }
        );
        let got = |cost, shortened| {
            Ok(Delivered {
                cost: Nusd::new(cost),
                shortened,
            })
        };
        assert_eq!(books.deliver(7, seen(call, 3, false)), got(16_000, false));
        assert_eq!(books.deliver(7, seen(call, 5, true)), got(20_000, false));
        assert_eq!(books.undelivered(0), Sum::default());
        assert_eq!(books.answered_since(0), Sum::default());
        books.answered(call);
        assert_eq!(
            books.answered_since(0),
            Sum {
                count: 1,
                cost: Nusd::new(20_000)
            }
        );
        assert_eq!(books.answered_since(1), Sum::default());
        let call = books.begin(Some(8), 10, 5).unwrap();
        assert_eq!(books.deliver(8, seen(call, 4, true)), got(18_000, true));
    }

    #[test]
    fn answers_of_others_changed_or_repeated_are_foreign() {
        let books = books();
        let call = books.begin(Some(7), 10, 5).unwrap();
        let unmarked = books.begin(None, 10, 5).unwrap();
        let nowhere = Seen {
            call: None,
            words: 5,
            whole: true,
        };
        for (number, seen) in [
            (8, seen(call, 5, true)),
            (7, seen(call, 6, false)),
            (7, seen(99, 5, true)),
            (7, seen(unmarked, 5, true)),
            (7, nowhere),
        ] {
            assert_eq!(
                books.deliver(number, seen),
                Err(Foreign),
                "{number} {seen:?}"
            );
        }
        assert!(books.deliver(7, seen(call, 5, true)).is_ok());
        assert_eq!(books.deliver(7, seen(call, 5, true)), Err(Foreign), "once");
    }
}
