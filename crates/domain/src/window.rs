//! Calendar windows in UTC: what a budget counts over.
//!
//! A window is computed from the time and never reset by anybody: the span that holds an instant
//! is the same whenever and wherever it is asked for.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

use crate::time::{AtUs, DAY_US};

/// How long money counts against a budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Window {
    /// From midnight to midnight.
    Day,
    /// From Monday to Monday.
    Week,
    /// From the first of a month to the first of the next.
    Month,
    /// For good.
    Always,
}

/// One turn of a window: from `start` up to `end`, which is the start of the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    /// The first instant in it.
    pub start: AtUs,
    /// The first instant after it.
    pub end: AtUs,
}

impl Span {
    /// Whether `at` is in it.
    #[must_use]
    pub fn contains(&self, at: AtUs) -> bool {
        self.start <= at && at < self.end
    }
}

/// Days from the Monday before the epoch, a Thursday, to the epoch.
const MONDAY_TO_EPOCH_DAYS: i64 = 3;
const ALWAYS: Span = Span {
    start: AtUs(0),
    end: AtUs(i64::MAX),
};

impl Window {
    /// Every window, shortest first.
    pub const ALL: [Window; 4] = [Window::Day, Window::Week, Window::Month, Window::Always];

    /// The word it is written as.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Window::Day => "day",
            Window::Week => "week",
            Window::Month => "month",
            Window::Always => "always",
        }
    }

    /// The window that [`Window::as_str`] writes as `word`.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.as_str() == word)
    }

    /// The span of this window that holds `at`.
    #[must_use]
    pub fn span(self, at: AtUs) -> Span {
        let days = |width_days: i64, offset_days: i64| {
            let (width, offset) = (width_days * DAY_US, offset_days * DAY_US);
            let start = at.plus(offset).floor(width).plus(-offset);
            Span {
                start,
                end: start.plus(width),
            }
        };
        match self {
            Window::Day => days(1, 0),
            Window::Week => days(7, MONDAY_TO_EPOCH_DAYS),
            // An instant that no calendar holds is in no month: it counts for good.
            Window::Month => month(at).unwrap_or(ALWAYS),
            Window::Always => ALWAYS,
        }
    }
}

fn month(at: AtUs) -> Option<Span> {
    let date = Timestamp::from_microsecond(at.0).ok()?;
    let first = date.to_zoned(TimeZone::UTC).date().first_of_month();
    let next = first.checked_add(1.month()).ok()?;
    Some(Span {
        start: midnight(first)?,
        end: midnight(next)?,
    })
}

fn midnight(date: Date) -> Option<AtUs> {
    let zoned = date.to_zoned(TimeZone::UTC).ok()?;
    Some(AtUs(zoned.timestamp().as_microsecond()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(text: &str) -> AtUs {
        let timestamp: Timestamp = text.parse().expect("a test instant");
        AtUs(timestamp.as_microsecond())
    }

    #[test]
    fn spans_follow_the_calendar() {
        let table = [
            (
                Window::Day,
                "2026-11-26T23:59:59.999999Z",
                "2026-11-26",
                "2026-11-27",
            ),
            (
                Window::Day,
                "2026-11-27T00:00:00Z",
                "2026-11-27",
                "2026-11-28",
            ),
            // A Thursday; Sunday is the last day of its week, Monday the first of the next.
            (
                Window::Week,
                "2026-11-26T12:00:00Z",
                "2026-11-23",
                "2026-11-30",
            ),
            (
                Window::Week,
                "2026-11-29T23:59:59Z",
                "2026-11-23",
                "2026-11-30",
            ),
            (
                Window::Week,
                "2026-11-30T00:00:00Z",
                "2026-11-30",
                "2026-12-07",
            ),
            (
                Window::Week,
                "1970-01-01T00:00:00Z",
                "1969-12-29",
                "1970-01-05",
            ),
            (
                Window::Month,
                "2026-12-31T23:59:59Z",
                "2026-12-01",
                "2027-01-01",
            ),
            (
                Window::Month,
                "2028-02-29T00:00:00Z",
                "2028-02-01",
                "2028-03-01",
            ),
            (
                Window::Month,
                "2027-01-01T00:00:00Z",
                "2027-01-01",
                "2027-02-01",
            ),
        ];
        for (window, instant, start, end) in table {
            let want = Span {
                start: at(&format!("{start}T00:00:00Z")),
                end: at(&format!("{end}T00:00:00Z")),
            };
            assert_eq!(window.span(at(instant)), want, "{window:?} of {instant}");
        }
    }

    #[test]
    fn a_span_begins_with_its_start_and_ends_before_its_end() {
        let span = Window::Day.span(AtUs(1));
        let held = [-1, 0, DAY_US - 1, DAY_US].map(|us| span.contains(AtUs(us)));
        assert_eq!(held, [false, true, true, false]);
    }

    #[test]
    fn words_name_windows() {
        for window in Window::ALL {
            assert_eq!(Window::from_word(window.as_str()), Some(window));
        }
        assert_eq!(Window::from_word("year"), None);
    }

    proptest! {
        #[test]
        fn spans_hold_their_instant_and_meet_without_a_gap(us in 0..4_102_444_800_000_000_i64) {
            for window in Window::ALL {
                let span = window.span(AtUs(us));
                prop_assert!(span.contains(AtUs(us)));
                prop_assert_eq!(window.span(span.start), span);
                if window != Window::Always {
                    prop_assert_eq!(window.span(span.end).start, span.end);
                }
                // Hours are never split, so that hourly sums add up to any span.
                prop_assert_eq!(span.start.floor(crate::time::HOUR_US), span.start);
            }
        }
    }
}
