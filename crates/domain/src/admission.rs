//! Admission: one organization's money and rates, looked at together, taken all or not at all.
//!
//! The book lives in memory under one lock per organization. It is built from the ledger at start
//! and follows it; its invariant is the ledger's: `debits + held <= credits`.

use std::collections::HashMap;
use std::sync::Arc;

use crate::id::ProjectId;
use crate::money::Nusd;
use crate::rate::{Bucket, PerMinute, RateRefusal, RateState};
use crate::time::AtUs;

/// The prepaid money of an organization.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wallet {
    credits: Nusd,
    debits: Nusd,
    held: Nusd,
}

impl Wallet {
    /// A wallet as the ledger has it.
    #[must_use]
    pub fn new(credits: Nusd, debits: Nusd, held: Nusd) -> Self {
        Wallet {
            credits,
            debits,
            held,
        }
    }

    /// What was paid in and not spent, held or not.
    #[must_use]
    pub fn balance(&self) -> Nusd {
        self.credits - self.debits
    }

    /// What a new request may still hold.
    #[must_use]
    pub fn available(&self) -> Nusd {
        self.balance() - self.held
    }
}

/// The rate limits that apply to one project and model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimits {
    /// Requests a minute.
    pub requests: PerMinute,
    /// Tokens a minute; a request takes its bound and gives back what it did not use.
    pub tokens: PerMinute,
}

/// Where both rate limits of a request stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateStates {
    /// Requests a minute.
    pub requests: RateState,
    /// Tokens a minute.
    pub tokens: RateState,
}

/// What a request needs to be admitted.
#[derive(Clone, Debug)]
pub struct Ask {
    /// The project it is made for.
    pub project: ProjectId,
    /// The public name of the model.
    pub model: Arc<str>,
    /// The most it can cost.
    pub amount: Nusd,
    /// The most tokens it can use.
    pub tokens: u64,
    /// The limits of this project and model.
    pub limits: RateLimits,
}

/// Why a request is not admitted. Nothing was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Too many requests a minute.
    Requests(RateRefusal),
    /// Too many tokens a minute.
    Tokens(RateRefusal),
    /// Too little credit.
    Credit {
        /// What a new request may hold.
        available: Nusd,
        /// What this one would have to hold.
        required: Nusd,
    },
}

/// How an admitted request ends, as far as its organization's book is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ending {
    /// What was held for it.
    pub held: Nusd,
    /// What it is charged, at most `held`; zero when it is released.
    pub charge: Nusd,
    /// Tokens taken from the rate limit and not used.
    pub unused_tokens: u64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Buckets {
    requests: Bucket,
    tokens: Bucket,
}

/// One organization's wallet and rates.
#[derive(Debug, Default)]
pub struct Book {
    wallet: Wallet,
    rates: HashMap<(ProjectId, Arc<str>), Buckets>,
}

impl Book {
    /// A book with this wallet and nothing used of any rate.
    #[must_use]
    pub fn new(wallet: Wallet) -> Self {
        Book {
            wallet,
            rates: HashMap::new(),
        }
    }

    /// The organization's money.
    #[must_use]
    pub fn wallet(&self) -> Wallet {
        self.wallet
    }

    /// Takes everything `ask` needs, or nothing. Rates are looked at before money: a caller who
    /// may simply wait is told so, and only one who cannot is told to pay.
    ///
    /// # Errors
    /// The first limit that does not have room.
    pub fn admit(&mut self, ask: &Ask, now: AtUs) -> Result<RateStates, Refusal> {
        let key = (ask.project.clone(), Arc::clone(&ask.model));
        let buckets = self.rates.entry(key).or_default();
        buckets
            .requests
            .check(ask.limits.requests, 1, now)
            .map_err(Refusal::Requests)?;
        buckets
            .tokens
            .check(ask.limits.tokens, ask.tokens, now)
            .map_err(Refusal::Tokens)?;
        let available = self.wallet.available();
        // A price of zero needs no credit; anything else needs some, even if it rounds to nothing.
        if ask.amount > available {
            return Err(Refusal::Credit {
                available,
                required: ask.amount,
            });
        }
        buckets.requests.take(ask.limits.requests, 1, now);
        buckets.tokens.take(ask.limits.tokens, ask.tokens, now);
        self.wallet.held += ask.amount;
        Ok(RateStates {
            requests: buckets.requests.state(ask.limits.requests, now),
            tokens: buckets.tokens.state(ask.limits.tokens, now),
        })
    }

    /// Ends an admitted request: its hold is gone, its charge is spent.
    ///
    /// # Panics
    /// If the charge exceeds the hold, or the hold was never taken: the books would be wrong.
    pub fn end(&mut self, ask: &Ask, ending: Ending) {
        assert!(
            ending.charge <= ending.held,
            "a charge never exceeds its hold"
        );
        assert!(ending.held <= self.wallet.held, "a hold ends once");
        self.wallet.held -= ending.held;
        self.wallet.debits += ending.charge;
        let key = (ask.project.clone(), Arc::clone(&ask.model));
        if let Some(buckets) = self.rates.get_mut(&key) {
            buckets.tokens.give_back(ending.unused_tokens);
        }
    }

    /// Follows the ledger: money came in elsewhere. Credits only ever grow there.
    pub fn set_credits(&mut self, credits: Nusd) {
        self.wallet.credits = self.wallet.credits.max(credits);
    }

    /// Forgets rates that have drained: they are as good as new.
    pub fn forget_idle(&mut self, now: AtUs, idle_us: i64) {
        self.rates
            .retain(|_, buckets| !buckets.requests.idle_since(now, idle_us));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::SECOND_US;
    use proptest::prelude::*;

    fn ask(amount: i64, tokens: u64) -> Ask {
        Ask {
            project: ProjectId::new("proj_a"),
            model: "m".into(),
            amount: Nusd::new(amount),
            tokens,
            limits: RateLimits {
                requests: PerMinute { units: 3 },
                tokens: PerMinute { units: 100 },
            },
        }
    }

    fn book(credits: i64) -> Book {
        Book::new(Wallet::new(Nusd::new(credits), Nusd::ZERO, Nusd::ZERO))
    }

    #[test]
    fn everything_is_taken_or_nothing() {
        let mut book = book(100);
        let now = AtUs::from_seconds(1);
        let refused = book.admit(&ask(101, 10), now).expect_err("too dear");
        let (available, required) = (Nusd::new(100), Nusd::new(101));
        assert_eq!(
            refused,
            Refusal::Credit {
                available,
                required
            }
        );
        // Had the refusal taken a request or tokens, the third of these would not fit.
        for _ in 0..3 {
            book.admit(&ask(10, 33), now).expect("fits");
        }
        assert_eq!(book.wallet().available(), Nusd::new(70));
        assert!(matches!(
            book.admit(&ask(1, 1), now),
            Err(Refusal::Requests(_))
        ));
        assert_eq!(book.wallet().available(), Nusd::new(70));
        let later = now.plus(20 * SECOND_US);
        assert!(matches!(
            book.admit(&ask(1, 80), later),
            Err(Refusal::Tokens(_))
        ));
        book.admit(&ask(1, 30), later).expect("room has drained");
    }

    #[test]
    fn the_last_nano_dollar_can_be_spent_and_not_one_more() {
        let mut book = book(10);
        book.admit(&ask(10, 1), AtUs(1)).expect("exactly fits");
        assert!(book.admit(&ask(1, 1), AtUs(1)).is_err());
        book.admit(&ask(0, 1), AtUs(1))
            .expect("a free request needs no credit");
    }

    #[test]
    fn unused_tokens_come_back() {
        let mut book = book(100);
        let first = ask(1, 100);
        book.admit(&first, AtUs(1)).expect("fits");
        assert!(matches!(
            book.admit(&ask(1, 50), AtUs(1)),
            Err(Refusal::Tokens(_))
        ));
        let ending = Ending {
            held: Nusd::new(1),
            charge: Nusd::new(1),
            unused_tokens: 60,
        };
        book.end(&first, ending);
        book.admit(&ask(1, 50), AtUs(1)).expect("60 came back");
    }

    #[test]
    #[should_panic(expected = "never exceeds")]
    fn a_charge_above_the_hold_is_a_bug() {
        let mut book = book(100);
        let taken = ask(1, 1);
        book.admit(&taken, AtUs(1)).expect("fits");
        let ending = Ending {
            held: Nusd::new(1),
            charge: Nusd::new(2),
            unused_tokens: 0,
        };
        book.end(&taken, ending);
    }

    proptest! {
        #[test]
        fn holds_and_charges_never_pass_the_credit(
            credits in 0..1_000_i64,
            steps in proptest::collection::vec((0..300_i64, 0..300_i64, any::<bool>()), 1..200),
        ) {
            let mut book = book(credits);
            let mut open: Vec<Ask> = Vec::new();
            let mut charged = Nusd::ZERO;
            let roomy = RateLimits {
                requests: PerMinute { units: 1_000_000 },
                tokens: PerMinute { units: 1_000_000 },
            };
            for (amount, charge, finish) in steps {
                if finish && let Some(taken) = open.pop() {
                    let charge = Nusd::new(charge).min(taken.amount);
                    charged += charge;
                    book.end(&taken, Ending { held: taken.amount, charge, unused_tokens: 1 });
                } else {
                    let wanted = Ask { limits: roomy, ..ask(amount, 1) };
                    let fits = wanted.amount <= book.wallet().available();
                    prop_assert_eq!(book.admit(&wanted, AtUs(1)).is_ok(), fits);
                    if fits {
                        open.push(wanted);
                    }
                }
                let held: Nusd = open.iter().map(|taken| taken.amount).sum();
                prop_assert_eq!(book.wallet().balance(), Nusd::new(credits) - charged);
                prop_assert_eq!(book.wallet().available(), book.wallet().balance() - held);
                prop_assert!(book.wallet().available() >= Nusd::ZERO);
            }
        }
    }
}
