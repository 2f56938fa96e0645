//! Amounts and dates as papers write them.

use domain::document::Party;
use domain::money::Nusd;
use domain::month::Month;
use domain::time::AtUs;

const NUSD_PER_CENT: i64 = 10_000_000;
const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// An amount to the cent: `$1,234.56`, half a cent rounded away from zero.
pub(crate) fn cents(amount: Nusd) -> String {
    let half = NUSD_PER_CENT / 2;
    let cents = (amount.get().abs().saturating_add(half)) / NUSD_PER_CENT;
    let sign = if amount < Nusd::ZERO && cents > 0 {
        "-"
    } else {
        ""
    };
    format!("{sign}${}.{:02}", grouped(cents / 100), cents % 100)
}

/// An amount to the nano-dollar: `$1,234.560000001`, without what is zero after the cents.
pub(crate) fn exact(amount: Nusd) -> String {
    let nusd = amount.get().unsigned_abs();
    let fraction = format!("{:09}", nusd % 1_000_000_000);
    let (cents, rest) = fraction.split_at(2);
    let sign = if amount < Nusd::ZERO { "-" } else { "" };
    let whole = grouped(i64::try_from(nusd / 1_000_000_000).unwrap_or(i64::MAX));
    format!("{sign}${whole}.{cents}{}", rest.trim_end_matches('0'))
}

/// A count with commas between thousands.
pub(crate) fn grouped(count: i64) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        let left = digits.len() - index;
        if index > 0 && left.is_multiple_of(3) && !text.ends_with('-') {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A day, UTC: `November 27, 2026`.
pub(crate) fn day(at: AtUs) -> String {
    let written = at.to_utc();
    let day = written.get(8..10).and_then(|day| day.parse::<u8>().ok());
    match (Month::of(at), day) {
        (Some(month), Some(day)) => format!("{} {day}, {}", name(month), month.year()),
        _ => written,
    }
}

/// A month: `November 2026`.
pub(crate) fn month(month: Month) -> String {
    format!("{} {}", name(month), month.year())
}

fn name(month: Month) -> &'static str {
    let index = usize::try_from(month.number() - 1).unwrap_or_default();
    MONTHS.get(index).copied().unwrap_or_default()
}

/// One side of a sale: the name, then what else is known, line by line.
pub(crate) fn party(party: &Party) -> Vec<String> {
    let mut lines = vec![party.name.clone()];
    lines.extend(party.address.lines().map(str::to_owned));
    lines.push(party.country.clone());
    lines.push(party.email.clone());
    if !party.tax_id.is_empty() {
        lines.push(format!("Tax ID {}", party.tax_id));
    }
    lines.retain(|line| !line.trim().is_empty());
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_written_to_the_cent_and_exactly() {
        for (nusd, to_the_cent, exactly) in [
            (0, "$0.00", "$0.00"),
            (4_999_999, "$0.00", "$0.004999999"),
            (-4_999_999, "$0.00", "-$0.004999999"),
            (5_000_000, "$0.01", "$0.005"),
            (-5_000_000, "-$0.01", "-$0.005"),
            (
                1_234_567_890_000_000_001,
                "$1,234,567,890.00",
                "$1,234,567,890.000000001",
            ),
            (11_900_000_000, "$11.90", "$11.90"),
            (-999_999_999_999, "-$1,000.00", "-$999.999999999"),
        ] {
            let amount = Nusd::new(nusd);
            assert_eq!((&*cents(amount), &*exact(amount)), (to_the_cent, exactly));
        }
        assert_eq!((&*grouped(999), &*grouped(-123_456)), ("999", "-123,456"));
    }

    #[test]
    fn days_and_months_are_written_in_utc() {
        let at = AtUs::from_seconds(1_798_761_600);
        assert_eq!(
            (&*day(at), &*day(at.plus(-1))),
            ("January 1, 2027", "December 31, 2026")
        );
        assert_eq!(day(AtUs(i64::MAX)), "never");
        assert_eq!(
            month(Month::parse("2026-11").expect("a month")),
            "November 2026"
        );
    }
}
