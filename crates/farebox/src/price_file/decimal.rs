//! Costs of one unit as JSON writes them, such as `1.5e-07`, for a million units in nano-USD:
//! digit by digit, as a float would not be exact.

use domain::money::Nusd;

/// US dollars for a unit are nano-USD for a million of them, times ten to this.
const SHIFT: i64 = 9 + 6;
/// More digits than that are no price.
const MOST_DIGITS: usize = 30;

/// An amount for a million units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PerMillion {
    pub(super) nusd: Nusd,
    /// It was finer than a nano-USD, and is rounded up.
    pub(super) is_rounded: bool,
}

/// Reads a JSON number, or a string that holds one.
///
/// # Errors
/// What is wrong with it, to follow its name.
pub(super) fn per_million(raw: &str) -> Result<PerMillion, &'static str> {
    const NO_NUMBER: &str = "is no number";
    let text = raw.trim_matches('"');
    if text.starts_with('-') {
        return Err("is below zero");
    }
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse().map_err(|_| NO_NUMBER)?),
        None => (text, 0_i32),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, "0"));
    let is_digits = |part: &str| !part.is_empty() && part.bytes().all(|it| it.is_ascii_digit());
    if !is_digits(whole) || !is_digits(fraction) {
        return Err(NO_NUMBER);
    }
    let fraction = fraction.trim_end_matches('0');
    let digits = format!("{whole}{fraction}");
    let digits = digits.trim_start_matches('0');
    if digits.is_empty() {
        return Ok(PerMillion {
            nusd: Nusd::ZERO,
            is_rounded: false,
        });
    }
    if digits.len() > MOST_DIGITS {
        return Err("has too many digits");
    }
    let number: i128 = digits.parse().map_err(|_| NO_NUMBER)?;
    let decimals = i64::try_from(fraction.len()).map_err(|_| NO_NUMBER)?;
    let power = i64::from(exponent) - decimals + SHIFT;
    let (amount, is_rounded) = scaled(number, power).ok_or("is too large")?;
    let nusd = i64::try_from(amount).ok().map(Nusd::new);
    let nusd = nusd.filter(|nusd| *nusd <= Nusd::MAX);
    Ok(PerMillion {
        nusd: nusd.ok_or("is too large")?,
        is_rounded,
    })
}

/// A number above zero times ten to a power, rounded up, and whether it was; none if too large.
fn scaled(number: i128, power: i64) -> Option<(i128, bool)> {
    let ten_to = |power: u64| 10_i128.checked_pow(u32::try_from(power).ok()?);
    if power >= 0 {
        let amount = number.checked_mul(ten_to(power.unsigned_abs())?)?;
        return Some((amount, false));
    }
    // Below any number that is read, the quotient is nothing and rounded up.
    let Some(divisor) = ten_to(power.unsigned_abs()) else {
        return Some((1, true));
    };
    let is_rounded = number % divisor != 0;
    Some((number / divisor + i128::from(is_rounded), is_rounded))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_they_are_written() {
        for (text, nusd, is_rounded) in [
            ("1.5e-07", 150_000_000, false),
            ("1.5E-7", 150_000_000, false),
            ("15e-8", 150_000_000, false),
            ("0.00000015", 150_000_000, false),
            ("\"0.00000015\"", 150_000_000, false),
            ("3e-6", 3_000_000_000, false),
            ("6e-10", 600_000, false),
            ("1e-15", 1, false),
            ("0", 0, false),
            ("0.0", 0, false),
            ("0e-9", 0, false),
            ("1.0000e-06", 1_000_000_000, false),
            ("1e-16", 1, true),
            ("1e-400", 1, true),
            ("1.0000000001e-6", 1_000_000_001, true),
            ("2.7e-7", 270_000_000, false),
        ] {
            let nusd = Nusd::new(nusd);
            assert_eq!(
                per_million(text),
                Ok(PerMillion { nusd, is_rounded }),
                "{text}"
            );
        }
        for text in [
            "",
            "-1e-7",
            "1e",
            "e5",
            ".5",
            "5.",
            "0x5",
            "1_0",
            "true",
            "{}",
            "[]",
            "1e+400",
            "4001",
            "NaN",
            "1 2",
            "1e99999999999",
        ] {
            assert!(per_million(text).is_err(), "{text}");
        }
    }

    #[test]
    fn every_amount_of_a_price_list_is_exact() {
        // Numbers of all lengths, spread by a multiplication.
        for step in 1..5_000_i64 {
            let nusd = step
                .wrapping_mul(0x1234_5678_9abc_def1)
                .rem_euclid(10_i64.pow(15));
            let nusd = nusd / 10_i64.pow(u32::try_from(step % 15).expect("small")) + 1;
            for text in [format!("{nusd}e-15"), format!("0.{nusd:0>15}")] {
                let expected = PerMillion {
                    nusd: Nusd::new(nusd),
                    is_rounded: false,
                };
                assert_eq!(per_million(&text), Ok(expected), "{text}");
            }
        }
    }
}
