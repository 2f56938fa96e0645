//! Auto-recharge: a wallet that runs low is filled up by charging a card that its owner saved.
//!
//! When, by how much, and what follows when the card is declined. What is compared with the
//! threshold is what a new request may hold: paid in, not spent, not held. Amounts are whole
//! cents, as cards know them, and before tax: so is the cap.

use crate::money::Nusd;
use crate::payment::Bounds;
use crate::time::{AtUs, HOUR_US};
use crate::window::Window;

/// After so many declines in a row it is switched off.
pub const MOST_DECLINES: u32 = 3;
/// How long a card is left alone after the first decline in a row, and after the second.
const BACK_OFF_US: [i64; 2] = [HOUR_US, 6 * HOUR_US];

/// What the owner of a wallet wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// Money is bought when less than this is available.
    pub threshold: Nusd,
    /// So much that this is available then.
    pub restore_to: Nusd,
    /// At most so much in a calendar month, UTC; none: as much as it takes.
    pub monthly_cap: Option<Nusd>,
}

/// Which of [`Rules`] cannot be, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// The threshold is no amount of money that cards know.
    #[error("it must be a whole number of cents, above 0")]
    Threshold,
    /// A recharge would be smaller than purchases are, or larger.
    #[error(
        "it must be a whole number of cents, at least {} above the threshold and at most {}",
        .0.minimum.to_usd(),
        .0.maximum.to_usd()
    )]
    RestoreTo(Bounds),
    /// The cap would allow no recharge at all.
    #[error("it must be a whole number of cents, at least {}", .0.minimum.to_usd())]
    MonthlyCap(Bounds),
}

/// What a wallet needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Nothing: enough is available.
    Nothing,
    /// This is to be bought.
    Purchase(Nusd),
    /// More than the month's cap leaves.
    Capped,
}

impl Rules {
    /// Checks that these can be obeyed, where purchases are within `bounds`.
    ///
    /// # Errors
    /// [`Unfit`].
    pub fn check(&self, bounds: Bounds) -> Result<(), Unfit> {
        let is_in_cents = |amount: Nusd| amount.whole_cents().is_some();
        if !is_in_cents(self.threshold) || self.threshold <= Nusd::ZERO {
            return Err(Unfit::Threshold);
        }
        let most = self.restore_to.min(bounds.maximum);
        let is_room = self.restore_to == most && most - self.threshold >= bounds.minimum;
        if !is_in_cents(self.restore_to) || !is_room {
            return Err(Unfit::RestoreTo(bounds));
        }
        match self.monthly_cap {
            Some(cap) if !is_in_cents(cap) || cap < bounds.minimum => {
                Err(Unfit::MonthlyCap(bounds))
            }
            _ => Ok(()),
        }
    }

    /// What a wallet needs of which so much is available, after so much was bought by itself this
    /// month, where purchases are within `bounds`.
    #[must_use]
    pub fn need(&self, available: Nusd, bought: Nusd, bounds: Bounds) -> Need {
        if available >= self.threshold {
            return Need::Nothing;
        }
        let wanted = self.missing(available);
        let wanted = wanted.clamp(bounds.minimum, bounds.maximum);
        let left = self.monthly_cap.map_or(wanted, |cap| cap - bought);
        match wanted.min(left) {
            amount if amount < bounds.minimum => Need::Capped,
            amount => Need::Purchase(amount),
        }
    }

    /// What fills a wallet up, to the next cent.
    fn missing(&self, available: Nusd) -> Nusd {
        let cent = Nusd::from_cents(1).expect("fits").get();
        let missing = (self.restore_to - available).get();
        let cents = missing / cent + i64::from(missing % cent > 0);
        Nusd::from_cents(cents).unwrap_or(Nusd::MAX)
    }
}

/// What follows a decline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AfterDecline {
    /// The card is left alone until then.
    TryAgainAt(AtUs),
    /// It is switched off.
    GiveUp,
}

/// What follows when a card was declined at `now`, for the `declines`th time in a row.
#[must_use]
pub fn after_decline(declines: u32, now: AtUs) -> AfterDecline {
    let before = usize::try_from(declines.saturating_sub(1)).unwrap_or(usize::MAX);
    match BACK_OFF_US.get(before) {
        Some(us) if declines < MOST_DECLINES => AfterDecline::TryAgainAt(now.plus(*us)),
        _ => AfterDecline::GiveUp,
    }
}

/// Why it was switched off by Farebox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GaveUp {
    /// The card was declined too often.
    Declined,
    /// There is no card to charge.
    NoPaymentMethod,
}

impl GaveUp {
    /// Every reason.
    pub const ALL: [GaveUp; 2] = [GaveUp::Declined, GaveUp::NoPaymentMethod];

    /// The word it is written as.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            GaveUp::Declined => "declined",
            GaveUp::NoPaymentMethod => "no_payment_method",
        }
    }

    /// The reason that [`GaveUp::as_str`] writes as `word`.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.as_str() == word)
    }
}

/// A recharge that has begun and not ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Open {
    /// What it buys.
    pub amount: Nusd,
    /// Its bank wants the card's owner to say that it is them.
    pub needs_authentication: bool,
}

/// How an organization's auto-recharge stands, as far as it is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Course {
    /// Somebody switched it on.
    pub is_enabled: bool,
    /// Farebox switched it off.
    pub gave_up: Option<GaveUp>,
    /// What is under way.
    pub open: Option<Open>,
    /// The card is left alone until then.
    pub not_before: Option<AtUs>,
    /// The cap of the month that holds this instant is reached.
    pub capped_at: Option<AtUs>,
}

/// How it stands at some instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Nobody wants it.
    Off,
    /// It waits for the wallet to run low.
    Armed,
    /// It charges a card for this much.
    InFlight(Nusd),
    /// The card was declined, and is left alone until then.
    BackingOff(AtUs),
    /// Farebox switched it off.
    GaveUp(GaveUp),
    /// The card's bank waits for its owner.
    NeedsAuthentication(Nusd),
    /// The month's cap is reached; the next month begins then.
    Capped(AtUs),
}

impl State {
    /// The word it is written as.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            State::Off => "off",
            State::Armed => "armed",
            State::InFlight(_) => "in_flight",
            State::BackingOff(_) => "backing_off",
            State::GaveUp(_) => "gave_up",
            State::NeedsAuthentication(_) => "needs_authentication",
            State::Capped(_) => "cap_reached",
        }
    }
}

impl Course {
    /// How it stands at `now`. What is under way comes first: it may still bring money, also where
    /// it was switched off since.
    #[must_use]
    pub fn state(&self, now: AtUs) -> State {
        match *self {
            Course {
                open: Some(open), ..
            } if open.needs_authentication => State::NeedsAuthentication(open.amount),
            Course {
                open: Some(open), ..
            } => State::InFlight(open.amount),
            Course {
                gave_up: Some(why), ..
            } => State::GaveUp(why),
            Course {
                is_enabled: false, ..
            } => State::Off,
            Course {
                not_before: Some(until),
                ..
            } if now < until => State::BackingOff(until),
            Course {
                capped_at: Some(at),
                ..
            } if Window::Month.span(at).contains(now) => State::Capped(Window::Month.span(at).end),
            _ => State::Armed,
        }
    }
}

/// An organization's auto-recharge, as requests that find too little credit see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recharge {
    /// What is wanted.
    pub rules: Rules,
    /// How it stands.
    pub course: Course,
}

/// Why no recharge helps a request that finds too little credit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hopeless {
    /// It stands so that none comes.
    State(State),
    /// More is available than the threshold, so none begins.
    AboveThreshold(Nusd),
    /// It would buy this, which is too little.
    TooSmall(Nusd),
    /// It did not arrive in time.
    Late,
}

impl Recharge {
    /// Whether the wallet has run low, so that a recharge is to begin.
    #[must_use]
    pub fn is_due(&self, available: Nusd, now: AtUs) -> bool {
        available < self.rules.threshold && self.course.state(now) == State::Armed
    }

    /// Whether a recharge that is under way, or about to begin, may bring a request what it lacks:
    /// it needs `required`, and found `available`.
    ///
    /// # Errors
    /// [`Hopeless`] if it is of no use to wait for one.
    pub fn hope(&self, available: Nusd, required: Nusd, now: AtUs) -> Result<(), Hopeless> {
        let threshold = self.rules.threshold;
        let brings = match self.course.state(now) {
            State::InFlight(amount) => amount,
            State::Armed if available >= threshold => {
                return Err(Hopeless::AboveThreshold(threshold));
            }
            State::Armed => self.rules.missing(available),
            other => return Err(Hopeless::State(other)),
        };
        match available + brings < required {
            true => Err(Hopeless::TooSmall(brings)),
            false => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::DAY_US;
    use proptest::prelude::*;

    /// 2026-11-27 05:00 UTC.
    const NOW: AtUs = AtUs(1_795_755_600_000_000);

    fn usd(text: &str) -> Nusd {
        Nusd::parse_usd(text).expect("a test amount")
    }

    fn bounds() -> Bounds {
        Bounds {
            minimum: usd("5"),
            maximum: usd("10000"),
        }
    }

    fn rules(threshold: &str, restore_to: &str, cap: Option<&str>) -> Rules {
        Rules {
            threshold: usd(threshold),
            restore_to: usd(restore_to),
            monthly_cap: cap.map(usd),
        }
    }

    fn enabled() -> Course {
        Course {
            is_enabled: true,
            ..Course::default()
        }
    }

    #[test]
    fn rules_are_in_cents_and_leave_room_for_a_purchase() {
        let restore_to = Err(Unfit::RestoreTo(bounds()));
        let monthly_cap = Err(Unfit::MonthlyCap(bounds()));
        let table = [
            (rules("5", "10", None), Ok(())),
            (rules("0.01", "5.01", Some("5")), Ok(())),
            (rules("9995", "10000", Some("4000000000")), Ok(())),
            (rules("0", "10", None), Err(Unfit::Threshold)),
            (rules("5.001", "50", None), Err(Unfit::Threshold)),
            (rules("10000", "20000", None), restore_to),
            (rules("4000000000", "4000000000", None), restore_to),
            (rules("5", "9.99", None), restore_to),
            (rules("5", "4", None), restore_to),
            (rules("5", "10.005", None), restore_to),
            (rules("5", "10000.01", None), restore_to),
            (rules("5", "10", Some("4.99")), monthly_cap),
            (rules("5", "10", Some("5.001")), monthly_cap),
        ];
        for (rules, want) in table {
            assert_eq!(rules.check(bounds()), want, "{rules:?}");
        }
    }

    #[test]
    fn a_recharge_is_a_purchase_as_they_are_allowed_now() {
        // The operator changed what may be bought after somebody said what they want.
        let rules = rules("5", "10", None);
        let now = |minimum, maximum| Bounds {
            minimum: usd(minimum),
            maximum: usd(maximum),
        };
        for (bounds, buys) in [(now("30", "100"), "30"), (now("1", "2"), "2")] {
            let need = rules.need(usd("4"), Nusd::ZERO, bounds);
            assert_eq!(need, Need::Purchase(usd(buys)));
        }
    }

    #[test]
    fn a_wallet_below_its_threshold_is_filled_up_within_the_cap() {
        let buys = |amount: &str| Need::Purchase(usd(amount));
        let capped = rules("5", "20", Some("30"));
        let endless = rules("5", "20", None);
        // (rules, available, bought this month) -> what it needs
        let table = [
            (endless, "5", "1000000", Need::Nothing),
            (endless, "4.999999999", "0", buys("15.01")),
            (endless, "4.99", "0", buys("15.01")),
            (endless, "0", "1000000", buys("20")),
            (endless, "0.000000001", "0", buys("20")),
            (endless, "0.01", "0", buys("19.99")),
            (capped, "1", "0", buys("19")),
            (capped, "1", "11", buys("19")),
            (capped, "1", "11.01", buys("18.99")),
            (capped, "1", "25", buys("5")),
            (capped, "1", "25.01", Need::Capped),
            (capped, "1", "30", Need::Capped),
            // The cap was lowered below what was bought.
            (capped, "1", "40", Need::Capped),
            (capped, "6", "40", Need::Nothing),
        ];
        for (rules, available, bought, want) in table {
            let need = rules.need(usd(available), usd(bought), bounds());
            assert_eq!(need, want, "{available} {bought}");
        }
        // More is held than there is only in a book that is wrong; it is filled up all the same.
        let need = |rules: Rules, available| rules.need(available, Nusd::ZERO, bounds());
        assert_eq!(need(endless, Nusd::new(-1)), buys("20.01"));
        let large = rules("9000", "10000", None);
        assert_eq!(need(large, usd("0") - usd("3")), buys("10000"));
    }

    #[test]
    fn a_card_that_is_declined_is_left_alone_longer_and_longer() {
        let again = |hours: i64| AfterDecline::TryAgainAt(NOW.plus(hours * HOUR_US));
        let table = [(1, again(1)), (2, again(6)), (3, AfterDecline::GiveUp)];
        for (declines, want) in table {
            assert_eq!(after_decline(declines, NOW), want);
        }
        assert_eq!(after_decline(u32::MAX, NOW), AfterDecline::GiveUp);
    }

    #[test]
    fn the_state_follows_from_what_is_kept_and_the_time() {
        let open = |needs_authentication| Open {
            amount: usd("15"),
            needs_authentication,
        };
        let month_ends = AtUs::from_seconds(1_796_083_200);
        let with = |change: fn(&mut Course)| {
            let mut course = enabled();
            change(&mut course);
            course
        };
        let table = [
            (Course::default(), State::Off),
            (enabled(), State::Armed),
            (
                with(|it| it.not_before = Some(NOW.plus(1))),
                State::BackingOff(NOW.plus(1)),
            ),
            (with(|it| it.not_before = Some(NOW)), State::Armed),
            (
                with(|it| it.capped_at = Some(NOW.plus(-DAY_US))),
                State::Capped(month_ends),
            ),
            (
                with(|it| it.capped_at = Some(NOW.plus(-30 * DAY_US))),
                State::Armed,
            ),
            (
                with(|it| it.gave_up = Some(GaveUp::Declined)),
                State::GaveUp(GaveUp::Declined),
            ),
            (
                Course {
                    open: Some(open(false)),
                    ..Course::default()
                },
                State::InFlight(usd("15")),
            ),
            (
                Course {
                    open: Some(open(true)),
                    ..enabled()
                },
                State::NeedsAuthentication(usd("15")),
            ),
        ];
        for (course, want) in table {
            assert_eq!(course.state(NOW), want, "{course:?}");
        }
        for why in GaveUp::ALL {
            assert_eq!(GaveUp::from_word(why.as_str()), Some(why));
        }
    }

    #[test]
    fn a_request_waits_only_for_what_can_help_it() {
        let recharge = |course| Recharge {
            rules: rules("5", "20", None),
            course,
        };
        let armed = recharge(enabled());
        let in_flight = recharge(Course {
            open: Some(Open {
                amount: usd("15"),
                needs_authentication: false,
            }),
            ..enabled()
        });
        let off = recharge(Course::default());
        // (recharge, available, required) -> whether to wait
        let table = [
            (armed, "1", "2", Ok(())),
            (armed, "1", "20", Ok(())),
            (armed, "1", "20.01", Err(Hopeless::TooSmall(usd("19")))),
            (armed, "5", "6", Err(Hopeless::AboveThreshold(usd("5")))),
            (in_flight, "5", "6", Ok(())),
            (in_flight, "5", "20", Ok(())),
            (in_flight, "5", "20.1", Err(Hopeless::TooSmall(usd("15")))),
            (off, "1", "2", Err(Hopeless::State(State::Off))),
        ];
        for (recharge, available, required, want) in table {
            let hope = recharge.hope(usd(available), usd(required), NOW);
            assert_eq!(hope, want, "{available} {required}");
        }
        assert!(armed.is_due(usd("4.99"), NOW) && !armed.is_due(usd("5"), NOW));
        assert!(!in_flight.is_due(usd("1"), NOW) && !off.is_due(usd("1"), NOW));
    }

    proptest! {
        #[test]
        fn no_recharge_passes_the_cap_or_leaves_the_wallet_short(
            threshold in 1_i64..500_000,
            above in 500_i64..499_000,
            cap in proptest::option::of(500_i64..2_000_000),
            available_nusd in -1_000_000_000_i64..6_000_000_000_000,
            bought in 0_i64..2_100_000,
        ) {
            let cents = |cents| Nusd::from_cents(cents).expect("fits");
            let rules = Rules {
                threshold: cents(threshold),
                restore_to: cents(threshold + above),
                monthly_cap: cap.map(cents),
            };
            prop_assert_eq!(rules.check(bounds()), Ok(()));
            let (available, bought) = (Nusd::new(available_nusd), cents(bought));
            match rules.need(available, bought, bounds()) {
                Need::Nothing => prop_assert!(available >= rules.threshold),
                Need::Capped => {
                    let cap = rules.monthly_cap.expect("there is one");
                    prop_assert!(cap - bought < bounds().minimum);
                }
                Need::Purchase(amount) => {
                    prop_assert!(available < rules.threshold);
                    prop_assert!(amount.whole_cents().is_some() && amount >= bounds().minimum);
                    if let Some(cap) = rules.monthly_cap {
                        prop_assert!(bought + amount <= cap);
                    }
                    let is_whole = rules.monthly_cap.is_none_or(|cap| bought + amount < cap);
                    if is_whole && amount < bounds().maximum {
                        let over = available + amount - rules.restore_to;
                        prop_assert!(over >= Nusd::ZERO && over < cents(1));
                    }
                }
            }
        }
    }
}
