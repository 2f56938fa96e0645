//! Calendar months in UTC: what a statement covers.

use std::fmt;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::time::AtUs;
use crate::window::{Span, Window};

/// A calendar month, UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Month {
    year: i16,
    month: i8,
}

impl Month {
    /// The month that holds an instant; none if no calendar holds it.
    #[must_use]
    pub fn of(at: AtUs) -> Option<Self> {
        let timestamp = Timestamp::from_microsecond(at.0).ok()?;
        let date = timestamp.to_zoned(TimeZone::UTC).date();
        Some(Month {
            year: date.year(),
            month: date.month(),
        })
    }

    /// The month that is written like `2026-11`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (year, month) = text.split_once('-')?;
        let is_number = |part: &str, digits| {
            part.len() == digits && part.bytes().all(|byte| byte.is_ascii_digit())
        };
        if !is_number(year, 4) || !is_number(month, 2) {
            return None;
        }
        let date = Date::new(year.parse().ok()?, month.parse().ok()?, 1).ok()?;
        Some(Month {
            year: date.year(),
            month: date.month(),
        })
    }

    /// From its first instant up to the next month's; none at the end of all calendars.
    #[must_use]
    pub fn span(self) -> Option<Span> {
        let first = Date::new(self.year, self.month, 1).ok()?;
        let start = first.to_zoned(TimeZone::UTC).ok()?.timestamp();
        let span = Window::Month.span(AtUs(start.as_microsecond()));
        (span.end.0 < i64::MAX).then_some(span)
    }

    /// The month before; none at the beginning of all calendars.
    #[must_use]
    pub fn previous(self) -> Option<Self> {
        Month::of(self.span()?.start.plus(-1))
    }

    /// Its year.
    #[must_use]
    pub fn year(self) -> i16 {
        self.year
    }

    /// Its number within the year, from 1.
    #[must_use]
    pub fn number(self) -> i8 {
        self.month
    }
}

impl fmt::Display for Month {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}", self.year, self.month)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn months_are_read_as_they_are_written() {
        for text in ["2026-11", "2027-01", "2024-02"] {
            assert_eq!(
                Month::parse(text).map(|it| it.to_string()).as_deref(),
                Some(text)
            );
        }
        for text in [
            "", "2026", "2026-13", "2026-00", "26-11", "2026-1", "2026-+1", "2026-011",
        ] {
            assert_eq!(Month::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_month_begins_where_the_one_before_ends() {
        let january = Month::parse("2027-01").expect("a month");
        let december = january.previous().expect("a month");
        assert_eq!(december.to_string(), "2026-12");
        let (before, span) = (
            december.span().expect("a span"),
            january.span().expect("a span"),
        );
        assert_eq!(before.end, span.start);
        assert_eq!(span.start.to_utc(), "2027-01-01T00:00:00Z");
        assert_eq!(Month::of(span.start), Some(january));
        assert_eq!(Month::of(span.start.plus(-1)), Some(december));
        assert_eq!(Month::of(AtUs(i64::MAX)), None);
    }
}
