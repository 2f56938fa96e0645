//! How the cost of a request comes about, class by class: what a receipt shows.
//!
//! A class's units times its price is exact in millionths of a nano-USD, and shown so. The sum is
//! rounded up once; what that adds is shown, too, so that whoever adds it all up gets the cost.

use crate::money::Nusd;
use crate::price::UnitPrices;
use crate::usage::{Usage, UsageClass};

/// Millionths of a nano-USD: what units times a price come to before they are rounded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Exact(i128);

const MILLIONTHS: i128 = 1_000_000;
const DECIMALS: usize = 15;

impl Exact {
    /// The amount as a decimal number of US dollars: exact, with at least two decimals.
    #[must_use]
    pub fn to_usd(self) -> String {
        let unit = 10_u128.pow(15);
        let magnitude = self.0.unsigned_abs();
        let (whole, fraction) = (magnitude / unit, magnitude % unit);
        let fraction = format!("{fraction:0>DECIMALS$}");
        let kept = fraction.trim_end_matches('0').len().max(2);
        let sign = if self.0 < 0 { "-" } else { "" };
        format!("{sign}{whole}.{}", &fraction[..kept])
    }
}

/// What a request used of one class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClassAmount {
    /// Which.
    pub class: UsageClass,
    /// How much of it.
    pub units: u64,
    /// nano-USD per million units.
    pub price: Nusd,
    /// Units times price.
    pub amount: Exact,
}

/// How a cost comes about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Breakdown {
    /// Each class that something was used of.
    pub classes: Vec<ClassAmount>,
    /// Their sum.
    pub subtotal: Exact,
    /// What rounding it up adds: less than a nano-USD.
    pub rounding: Exact,
    /// Both: what the usage costs, whatever was held for it.
    pub total: Nusd,
}

impl Breakdown {
    /// How the cost of `usage` at `prices` comes about.
    #[must_use]
    pub fn of(prices: &UnitPrices, usage: &Usage) -> Self {
        let used = UsageClass::ALL.into_iter().filter(|it| usage[*it] > 0);
        let classes = used.map(|class| {
            let (units, price) = (usage[class], prices.of(class));
            ClassAmount {
                class,
                units,
                price,
                amount: Exact(i128::from(units) * i128::from(price.get())),
            }
        });
        let classes: Vec<ClassAmount> = classes.collect();
        let subtotal: i128 = classes.iter().map(|it| it.amount.0).sum();
        let total = prices.cost(usage).total;
        Breakdown {
            classes,
            subtotal: Exact(subtotal),
            rounding: Exact(i128::from(total.get()) * MILLIONTHS - subtotal),
            total,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::price::StatedPrices;

    #[test]
    fn a_breakdown_adds_up_to_the_cost() {
        let prices = StatedPrices {
            input: Nusd::new(168_750_001),
            output: Nusd::new(600_000_000),
            request: Some(Nusd::new(7)),
            ..StatedPrices::default()
        };
        let breakdown = Breakdown::of(&prices.into(), &Usage::text(9, 2));
        let shown: Vec<_> = breakdown
            .classes
            .iter()
            .map(|it| (it.class.name(), it.units, it.amount.to_usd()))
            .collect();
        let wanted = [
            ("input", 9, "0.000001518750009"),
            ("output", 2, "0.0000012"),
            ("request", 1, "0.000000000000007"),
        ];
        let wanted = wanted.map(|(class, units, usd)| (class, units, usd.to_owned()));
        assert_eq!(shown, wanted);
        assert_eq!(breakdown.subtotal.to_usd(), "0.000002718750016");
        assert_eq!(breakdown.rounding.to_usd(), "0.000000000249984");
        assert_eq!(breakdown.total.to_usd(), "0.000002719");
        let sum = breakdown.subtotal.0 + breakdown.rounding.0;
        assert_eq!(sum, i128::from(breakdown.total.get()) * MILLIONTHS);
    }

    #[test]
    fn exact_amounts_are_written_whole() {
        for (millionths, usd) in [
            (0, "0.00"),
            (1, "0.000000000000001"),
            (-1, "-0.000000000000001"),
            (2_500_000_000_000_000, "2.50"),
        ] {
            assert_eq!(Exact(millionths).to_usd(), usd);
        }
    }
}
