//! Amounts of money: whole nano-USD in an `i64`, nothing else.
//!
//! Accounts are capped at 4e18 nUSD ($4 billion), so that adding two of them can never overflow.
//! Amounts enter and leave as decimal strings; a float never touches them.

use std::fmt;
use std::iter::Sum;
use std::ops::{Add, AddAssign, Sub, SubAssign};

/// An amount in nano-USD (1e-9 USD).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Nusd(i64);

const NUSD_PER_USD: i64 = 1_000_000_000;
const DECIMALS: usize = 9;

/// Why a text is not an amount in USD.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseUsdError {
    /// Not digits with at most one point.
    #[error("write an amount in USD as digits with at most one point, such as \"5\" or \"0.15\"")]
    NotDecimal,
    /// Finer than a nano-USD.
    #[error("use at most 9 digits after the point: a billionth of a dollar is the smallest amount")]
    TooFine,
    /// Above [`Nusd::MAX`].
    #[error("the amount is larger than 4000000000 USD, the most an account can hold")]
    TooLarge,
}

impl Nusd {
    /// No money.
    pub const ZERO: Nusd = Nusd(0);
    /// The most an account may carry on either side: $4 billion.
    pub const MAX: Nusd = Nusd(4_000_000_000_000_000_000);

    /// An amount of `nusd` nano-USD.
    #[must_use]
    pub const fn new(nusd: i64) -> Self {
        Nusd(nusd)
    }

    /// The amount in nano-USD.
    #[must_use]
    pub const fn get(self) -> i64 {
        self.0
    }

    /// The amount for a whole number of US cents, if it fits.
    #[must_use]
    pub fn from_cents(cents: i64) -> Option<Self> {
        cents
            .checked_mul(NUSD_PER_USD / 100)
            .map(Nusd)
            .filter(|a| a.0.abs() <= Self::MAX.0)
    }

    /// The amount in US cents, if it is a whole number of them.
    #[must_use]
    pub fn whole_cents(self) -> Option<i64> {
        let cent = NUSD_PER_USD / 100;
        (self.0 % cent == 0).then_some(self.0 / cent)
    }

    /// Reads US dollars as others write them: `0.06`, `1.5e-7`, with a sign or without; rounds to
    /// the nearest nano-dollar, halves away from zero. None if it is no such number.
    #[must_use]
    pub fn parse_rounded_usd(text: &str) -> Option<Nusd> {
        const MOST_DIGITS: usize = 30;
        let (sign, text) = match text.strip_prefix('-') {
            Some(rest) => (-1, rest),
            None => (1, text),
        };
        let (mantissa, exponent) = match text.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
            None => (text, 0),
        };
        let (whole, part) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let digits = format!("{whole}{part}");
        let plain = !whole.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        if !plain || digits.len() > MOST_DIGITS {
            return None;
        }
        let value: i128 = digits.parse().ok()?;
        let shift = exponent
            .checked_add(9)?
            .checked_sub(i32::try_from(part.len()).ok()?)?;
        let power = 10_i128.checked_pow(shift.unsigned_abs());
        let nusd = match (shift >= 0, power) {
            (true, Some(power)) => value.checked_mul(power)?,
            (true, None) if value != 0 => return None,
            (false, Some(power)) => (value + power / 2) / power,
            (_, None) => 0,
        };
        i64::try_from(sign * nusd).ok().map(Nusd)
    }

    /// Reads a non-negative decimal number of US dollars, exactly.
    ///
    /// # Errors
    /// [`ParseUsdError`] for signs, exponents, spaces, more than nine decimals or too much money.
    pub fn parse_usd(text: &str) -> Result<Self, ParseUsdError> {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
        let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        if !digits(whole) || !digits(fraction) {
            return Err(ParseUsdError::NotDecimal);
        }
        let fraction = fraction.trim_end_matches('0');
        if fraction.len() > DECIMALS {
            return Err(ParseUsdError::TooFine);
        }
        let whole: i64 = whole.parse().map_err(|_| ParseUsdError::TooLarge)?;
        let fraction: i64 = format!("{fraction:0<DECIMALS$}")
            .parse()
            .expect("nine digits fit");
        whole
            .checked_mul(NUSD_PER_USD)
            .and_then(|nusd| nusd.checked_add(fraction))
            .map(Nusd)
            .filter(|amount| *amount <= Self::MAX)
            .ok_or(ParseUsdError::TooLarge)
    }

    /// The amount as a decimal number of US dollars: exact, with at least two decimals.
    #[must_use]
    pub fn to_usd(self) -> String {
        let magnitude = self.0.unsigned_abs();
        let unit = NUSD_PER_USD.unsigned_abs();
        let (whole, fraction) = (magnitude / unit, magnitude % unit);
        let fraction = format!("{fraction:0>DECIMALS$}");
        let kept = fraction.trim_end_matches('0').len().max(2);
        let sign = if self.0 < 0 { "-" } else { "" };
        format!("{sign}{whole}.{}", &fraction[..kept])
    }

    /// `self + other`, unless it passes what an `i64` holds.
    #[must_use]
    pub fn checked_add(self, other: Nusd) -> Option<Nusd> {
        self.0.checked_add(other.0).map(Nusd)
    }

    /// The nearest amount that an account can hold to a possibly larger number of nano-USD.
    #[must_use]
    pub fn saturating_from(nusd: i128) -> Nusd {
        let most = i128::from(Self::MAX.0);
        Nusd(i64::try_from(nusd.clamp(-most, most)).expect("clamped into range"))
    }
}

impl fmt::Display for Nusd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "${}", self.to_usd())
    }
}

// Sums of amounts that accounts may hold stay far inside an i64; passing it is a bug to stop at.
impl Add for Nusd {
    type Output = Nusd;
    fn add(self, other: Nusd) -> Nusd {
        Nusd(
            self.0
                .checked_add(other.0)
                .expect("amounts are capped far below i64::MAX"),
        )
    }
}

impl Sub for Nusd {
    type Output = Nusd;
    fn sub(self, other: Nusd) -> Nusd {
        Nusd(
            self.0
                .checked_sub(other.0)
                .expect("amounts are capped far below i64::MAX"),
        )
    }
}

impl AddAssign for Nusd {
    fn add_assign(&mut self, other: Nusd) {
        *self = *self + other;
    }
}

impl SubAssign for Nusd {
    fn sub_assign(&mut self, other: Nusd) {
        *self = *self - other;
    }
}

impl Sum for Nusd {
    fn sum<I: Iterator<Item = Nusd>>(amounts: I) -> Nusd {
        amounts.fold(Nusd::ZERO, Add::add)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn dollars_are_read_exactly_or_refused() {
        let table: &[(&str, Result<i64, ParseUsdError>)] = &[
            ("5", Ok(5_000_000_000)),
            ("5.00", Ok(5_000_000_000)),
            ("0.15", Ok(150_000_000)),
            ("0.000000001", Ok(1)),
            ("0.0000000010", Ok(1)),
            ("4000000000", Ok(4_000_000_000_000_000_000)),
            ("0.0000000001", Err(ParseUsdError::TooFine)),
            ("4000000000.000000001", Err(ParseUsdError::TooLarge)),
            ("99999999999999999999", Err(ParseUsdError::TooLarge)),
            ("", Err(ParseUsdError::NotDecimal)),
            (".5", Err(ParseUsdError::NotDecimal)),
            ("5.", Err(ParseUsdError::NotDecimal)),
            ("-1", Err(ParseUsdError::NotDecimal)),
            ("+1", Err(ParseUsdError::NotDecimal)),
            ("1e3", Err(ParseUsdError::NotDecimal)),
            ("1,000", Err(ParseUsdError::NotDecimal)),
            (" 1", Err(ParseUsdError::NotDecimal)),
            ("1.2.3", Err(ParseUsdError::NotDecimal)),
            ("٣", Err(ParseUsdError::NotDecimal)),
        ];
        for (text, want) in table {
            assert_eq!(Nusd::parse_usd(text).map(Nusd::get), *want, "{text:?}");
        }
    }

    #[test]
    fn what_others_write_is_read_to_the_nearest_nano_dollar() {
        for (text, nusd) in [
            ("0.06", 60_000_000),
            ("12", 12_000_000_000),
            ("1.5e-7", 150),
            ("1E2", 100_000_000_000),
            ("0.0000000014", 1),
            ("0.0000000015", 2),
            ("-0.0000000015", -2),
            ("0.07000000000000001", 70_000_000),
            ("5e-324", 0),
            ("0e99", 0),
        ] {
            assert_eq!(Nusd::parse_rounded_usd(text), Some(Nusd(nusd)), "{text}");
        }
        for text in [
            "", ".", "-", "1,5", "1e", "e5", "NaN", "1e99", "1e10", "0x1", "--1", " 1",
        ] {
            assert_eq!(Nusd::parse_rounded_usd(text), None, "{text}");
        }
    }

    #[test]
    fn sums_are_exact_or_none() {
        let most = Nusd::new(i64::MAX);
        assert_eq!(Nusd::new(2).checked_add(Nusd::new(3)), Some(Nusd::new(5)));
        assert_eq!(most.checked_add(Nusd::ZERO), Some(most));
        assert_eq!(most.checked_add(Nusd::new(1)), None);
    }

    #[test]
    fn dollars_are_written_with_at_least_cents() {
        for (nusd, want) in [
            (0, "0.00"),
            (5_000_000_000, "5.00"),
            (1, "0.000000001"),
            (-1_500_000_000, "-1.50"),
            (4_995_123_000, "4.995123"),
        ] {
            assert_eq!(Nusd::new(nusd).to_usd(), want);
            assert_eq!(Nusd::new(nusd).to_string(), format!("${want}"));
        }
    }

    #[test]
    fn cents_are_whole_or_none() {
        for (nusd, want) in [
            (0, Some(0)),
            (10_000_000, Some(1)),
            (1_250_000_000, Some(125)),
            (10_000_001, None),
            (9_999_999, None),
        ] {
            assert_eq!(Nusd::new(nusd).whole_cents(), want);
        }
        assert_eq!(Nusd::from_cents(125), Some(Nusd::new(1_250_000_000)));
        assert_eq!(Nusd::from_cents(400_000_000_000), Some(Nusd::MAX));
        assert_eq!(Nusd::from_cents(400_000_000_001), None);
        assert_eq!(Nusd::from_cents(i64::MAX), None);
    }

    proptest! {
        #[test]
        fn writing_and_reading_is_lossless(nusd in 0..=Nusd::MAX.get()) {
            prop_assert_eq!(Nusd::parse_usd(&Nusd::new(nusd).to_usd()), Ok(Nusd::new(nusd)));
        }
    }
}
