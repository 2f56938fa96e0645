//! How a purchase and its tax are given back in parts: the parts add up to the whole, exactly.

use crate::money::Nusd;

/// Credit, and the tax on it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Taxed {
    /// The credit.
    pub credit: Nusd,
    /// The tax on it.
    pub tax: Nusd,
}

/// Cards take and give back whole cents.
const CENT: i128 = 10_000_000;

impl Taxed {
    /// Both together: what is paid.
    #[must_use]
    pub fn total(self) -> Nusd {
        self.credit + self.tax
    }

    /// The tax that is given back with so much of the credit, whole cents rounded down; with all of
    /// it, all of the tax.
    #[must_use]
    pub fn tax_of(self, credit: Nusd) -> Nusd {
        match credit >= self.credit {
            true => self.tax,
            false => share(self.tax, credit, self.credit),
        }
    }

    /// The credit and the tax that so much of the total stands for. More than all of it is all.
    #[must_use]
    pub fn split(self, total: Nusd) -> Taxed {
        if total >= self.total() {
            return self;
        }
        let tax = share(self.tax, total, self.total());
        let credit = total - tax;
        // What is rounded off the tax must not make the credit more than there is.
        match credit > self.credit {
            true => Taxed {
                credit: self.credit,
                tax: total - self.credit,
            },
            false => Taxed { credit, tax },
        }
    }
}

/// `amount × part ÷ whole` in whole cents, rounded down.
fn share(amount: Nusd, part: Nusd, whole: Nusd) -> Nusd {
    let [amount, part, whole] = [amount, part, whole].map(|it| i128::from(it.get()));
    Nusd::saturating_from(amount * part / whole / CENT * CENT)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn cents(cents: i64) -> Nusd {
        Nusd::from_cents(cents).expect("it fits")
    }

    fn taxed(credit: i64, tax: i64) -> Taxed {
        Taxed {
            credit: cents(credit),
            tax: cents(tax),
        }
    }

    #[test]
    fn tax_goes_back_in_proportion_in_whole_cents() {
        // Ten dollars and 19 %.
        let bought = taxed(1_000, 190);
        for (credit, tax) in [(1_000, 190), (500, 95), (333, 63), (1, 0), (0, 0)] {
            assert_eq!(bought.tax_of(cents(credit)), cents(tax), "{credit}");
        }
        assert_eq!(taxed(1_000, 0).tax_of(cents(400)), Nusd::ZERO);
    }

    #[test]
    fn a_total_is_split_into_credit_and_tax() {
        let bought = taxed(1_000, 190);
        for (total, credit, tax) in [(1_190, 1_000, 190), (595, 500, 95), (2_000, 1_000, 190)] {
            assert_eq!(bought.split(cents(total)), taxed(credit, tax), "{total}");
        }
    }

    proptest! {
        #[test]
        fn parts_add_up_to_the_whole(
            credit in 1..100_000_i64,
            tax in 0..30_000_i64,
            parts in prop::collection::vec(1..30_000_i64, 1..20),
        ) {
            let mut left = taxed(credit, tax);
            for part in parts {
                let part = cents(part).min(left.credit);
                let tax = left.tax_of(part);
                prop_assert!(Nusd::ZERO <= tax && tax <= left.tax);
                prop_assert_eq!(tax.get() % 10_000_000, 0);
                left = Taxed { credit: left.credit - part, tax: left.tax - tax };
                if left.credit == Nusd::ZERO {
                    prop_assert_eq!(left.tax, Nusd::ZERO);
                    break;
                }
            }
        }

        #[test]
        fn a_split_adds_up_and_stays_within(
            credit in 1..100_000_i64,
            tax in 0..30_000_i64,
            total in 1..150_000_i64,
        ) {
            let bought = taxed(credit, tax);
            let total = cents(total);
            let part = bought.split(total);
            prop_assert_eq!(part.total(), total.min(bought.total()));
            prop_assert!(part.credit <= bought.credit && part.tax <= bought.tax);
        }
    }
}
