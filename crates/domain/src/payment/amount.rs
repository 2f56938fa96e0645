//! What can be paid by card: whole cents between two bounds, and the tax on top.

use std::fmt;

use crate::money::Nusd;

/// A rate of tax: millionths, so that 8.875 % is exact.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TaxRate(u32);

/// Digits after the point of a rate in per cent.
const DECIMALS: usize = 4;
const MILLION: i128 = 1_000_000;

/// Why a text is no rate of tax.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "write a rate of tax in per cent, such as \"0\", \"19\" or \"8.875\": from 0 to 100, at most 4 digits after the point"
)]
pub struct ParseTaxRateError;

impl TaxRate {
    /// No tax.
    pub const ZERO: TaxRate = TaxRate(0);

    /// Reads per cent.
    ///
    /// # Errors
    /// [`ParseTaxRateError`].
    pub fn parse(text: &str) -> Result<Self, ParseTaxRateError> {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
        let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        if !digits(whole) || !digits(fraction) || fraction.len() > DECIMALS {
            return Err(ParseTaxRateError);
        }
        let number = |text: &str| text.parse::<u32>().map_err(|_| ParseTaxRateError);
        let whole = number(whole)?
            .checked_mul(10_000)
            .ok_or(ParseTaxRateError)?;
        let millionths = whole + number(&format!("{fraction:0<DECIMALS$}"))?;
        match i128::from(millionths) <= MILLION {
            true => Ok(TaxRate(millionths)),
            false => Err(ParseTaxRateError),
        }
    }

    /// The tax on a net amount: whole cents, half of one rounded up.
    #[must_use]
    pub fn on(self, net: Nusd) -> Nusd {
        const CENT: i128 = 10_000_000;
        let part = CENT * MILLION;
        let tax = i128::from(net.get()) * i128::from(self.0);
        Nusd::saturating_from((tax + part / 2).div_euclid(part) * CENT)
    }
}

impl fmt::Display for TaxRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fraction = format!("{:0>DECIMALS$}", self.0 % 10_000);
        let fraction = fraction.trim_end_matches('0');
        let point = if fraction.is_empty() { "" } else { "." };
        write!(f, "{}{point}{fraction}", self.0 / 10_000)
    }
}

/// What may be paid at once, without tax.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// The least.
    pub minimum: Nusd,
    /// The most.
    pub maximum: Nusd,
}

/// Why an amount cannot be paid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AmountProblem {
    /// Cards know nothing finer than cents.
    #[error("it must be whole cents, such as \"12.50\"")]
    NotWholeCents,
    /// The least is more.
    #[error("it must be at least {}", .0.to_usd())]
    TooSmall(Nusd),
    /// The most is less.
    #[error("it must be at most {}", .0.to_usd())]
    TooLarge(Nusd),
}

impl Bounds {
    /// Refuses what cannot be paid.
    ///
    /// # Errors
    /// [`AmountProblem`].
    pub fn check(&self, amount: Nusd) -> Result<(), AmountProblem> {
        match amount {
            _ if amount < self.minimum => Err(AmountProblem::TooSmall(self.minimum)),
            _ if amount > self.maximum => Err(AmountProblem::TooLarge(self.maximum)),
            _ if amount.whole_cents().is_none() => Err(AmountProblem::NotWholeCents),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usd(text: &str) -> Nusd {
        Nusd::parse_usd(text).expect("an amount")
    }

    #[test]
    fn rates_are_read_exactly_or_refused_and_written_shortest() {
        for (text, written) in [
            ("0", "0"),
            ("19", "19"),
            ("19.0", "19"),
            ("8.875", "8.875"),
            ("0.0001", "0.0001"),
            ("100", "100"),
            ("7.70", "7.7"),
        ] {
            let rate = TaxRate::parse(text).expect("a rate");
            assert_eq!(rate.to_string(), written);
        }
        for bad in [
            "",
            ".5",
            "5.",
            "-1",
            "+1",
            "1e1",
            "19%",
            "100.0001",
            "1.00001",
            "99999999999",
            "٣",
        ] {
            assert_eq!(TaxRate::parse(bad), Err(ParseTaxRateError), "{bad:?}");
        }
    }

    #[test]
    fn tax_is_whole_cents_with_half_of_one_rounded_up() {
        for (rate, net, tax) in [
            ("0", "5", "0"),
            ("19", "5", "0.95"),
            ("8.875", "5", "0.44"),
            ("8.875", "10000", "887.50"),
            ("10", "5.05", "0.51"),
            ("10", "5.04", "0.50"),
            ("100", "5", "5"),
        ] {
            let rate = TaxRate::parse(rate).expect("a rate");
            assert_eq!(rate.on(usd(net)), usd(tax), "{rate} on {net}");
        }
    }

    #[test]
    fn amounts_are_whole_cents_within_bounds() {
        let bounds = Bounds {
            minimum: usd("5"),
            maximum: usd("100"),
        };
        for (amount, outcome) in [
            ("5", Ok(())),
            ("5.01", Ok(())),
            ("100", Ok(())),
            ("4.99", Err(AmountProblem::TooSmall(usd("5")))),
            ("0", Err(AmountProblem::TooSmall(usd("5")))),
            ("100.01", Err(AmountProblem::TooLarge(usd("100")))),
            ("5.001", Err(AmountProblem::NotWholeCents)),
        ] {
            assert_eq!(bounds.check(usd(amount)), outcome, "{amount}");
        }
    }
}
