//! The prepaid money of an organization.

use crate::money::Nusd;

/// A wallet as admission sees it. Its invariant is the ledger's: `debits + held <= credits`. Where
/// several nodes share the money, its credits are what one of them has leased so far.
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

    pub(super) fn hold(&mut self, amount: Nusd) {
        self.held += amount;
    }

    /// Ends a hold: `charge` of it is spent, the rest is free again.
    pub(super) fn end(&mut self, held: Nusd, charge: Nusd) {
        assert!(held <= self.held, "a hold ends once");
        self.held -= held;
        self.debits += charge;
    }

    /// Takes money out that nothing holds, or nothing.
    pub(super) fn take_out(&mut self, amount: Nusd) -> bool {
        let has_it = amount <= self.available();
        if has_it {
            self.debits += amount;
        }
        has_it
    }

    /// Puts back what was taken out and is still there.
    pub(super) fn put_back(&mut self, amount: Nusd) {
        self.debits -= amount;
    }

    pub(super) fn is_held(&self) -> bool {
        self.held > Nusd::ZERO
    }

    /// More is leased.
    pub(super) fn raise(&mut self, amount: Nusd) {
        self.credits += amount;
    }

    /// Less is leased: at most what is available.
    pub(super) fn lower(&mut self, amount: Nusd) {
        self.credits -= amount;
        assert!(
            self.available() >= Nusd::ZERO,
            "a cap never goes below its use"
        );
    }

    /// Credits only ever grow in the ledger, so an old reading cannot take any away.
    pub(super) fn set_credits(&mut self, credits: Nusd) {
        self.credits = self.credits.max(credits);
    }
}
