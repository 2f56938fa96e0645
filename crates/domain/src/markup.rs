//! Markups: what an organization pays on top of the price book, or less than it says.
//!
//! A markup is on what customers pay, never on what the operator pays. Each unit price is marked up
//! and rounded up to a whole nano-USD for a million units, so that nothing that costs something
//! becomes free by rounding; a request is then priced as ever. Rules have dates, like prices, and
//! are never changed: the one in force at admission is pinned in the request's hold.

use crate::id::MarkupId;
use crate::price::UnitPrices;
use crate::time::AtUs;

/// How much on top, in basis points: hundredths of a per cent. Below zero it is a discount.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Markup(i32);

impl Markup {
    /// Prices as the book has them.
    pub const NONE: Markup = Markup(0);
    /// The largest discount. What is to be free is given a price of 0, and not a markup.
    pub const LEAST: i32 = -9_999;
    /// The largest markup: eleven times the price.
    pub const MOST: i32 = 100_000;

    /// So many basis points; none outside of [`Markup::LEAST`] and [`Markup::MOST`].
    #[must_use]
    pub fn new(basis_points: i64) -> Option<Self> {
        let basis_points = i32::try_from(basis_points).ok()?;
        let range = Self::LEAST..=Self::MOST;
        range
            .contains(&basis_points)
            .then_some(Markup(basis_points))
    }

    /// Hundredths of a per cent.
    #[must_use]
    pub fn basis_points(self) -> i32 {
        self.0
    }

    /// These prices with the markup on each.
    #[must_use]
    pub fn on(self, prices: &UnitPrices) -> UnitPrices {
        match self {
            Markup::NONE => *prices,
            Markup(basis_points) => prices.marked_up(i64::from(basis_points) * 100),
        }
    }
}

/// A markup of an organization: in force from `effective_at` until the next one for the same models
/// begins, or until it is ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MarkupRule {
    /// `markup_…`.
    pub id: MarkupId,
    /// The model that it is for; every model without a rule of its own if none.
    pub model: Option<String>,
    /// How much.
    pub markup: Markup,
    /// When it comes into force.
    pub effective_at: AtUs,
    /// When it was ended. If that is not after it would have begun, it never came into force.
    pub ended_at: Option<AtUs>,
}

impl MarkupRule {
    /// Whether it was taken back before it came into force.
    #[must_use]
    pub fn is_withdrawn(&self) -> bool {
        self.ended_at
            .is_some_and(|ended_at| ended_at <= self.effective_at)
    }
}

/// The markups of one organization.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Markups(Vec<MarkupRule>);

impl Markups {
    /// These rules, in any order.
    #[must_use]
    pub fn new(mut rules: Vec<MarkupRule>) -> Self {
        rules.retain(|rule| !rule.is_withdrawn());
        rules.sort_by_key(|rule| rule.effective_at);
        Markups(rules)
    }

    /// The rule in force for a model at `at`: its own, or the one for every model.
    #[must_use]
    pub fn rule(&self, model: &str, at: AtUs) -> Option<&MarkupRule> {
        self.of(Some(model), at).or_else(|| self.of(None, at))
    }

    /// What is on a model's price at `at`.
    #[must_use]
    pub fn in_force(&self, model: &str, at: AtUs) -> Markup {
        self.rule(model, at)
            .map_or(Markup::NONE, |rule| rule.markup)
    }

    /// The rule in force at `at` among those for `model`: the latest that has begun, unless it was
    /// ended.
    #[must_use]
    pub fn of(&self, model: Option<&str>, at: AtUs) -> Option<&MarkupRule> {
        let mut begun = self.0.iter().rev().filter(|it| it.effective_at <= at);
        let latest = begun.find(|it| it.model.as_deref() == model)?;
        latest
            .ended_at
            .is_none_or(|ended_at| ended_at > at)
            .then_some(latest)
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::money::Nusd;
    use crate::usage::Usage;
    use proptest::prelude::*;

    fn markup(basis_points: i64) -> Markup {
        Markup::new(basis_points).expect("within bounds")
    }

    fn prices(each: i64) -> UnitPrices {
        UnitPrices::by_class([Nusd::new(each); 9])
    }

    #[test]
    fn each_price_is_marked_up_and_rounded_up_to_a_nano_dollar() {
        let table = [
            (0, 1_250, 0),
            (1, 1_250, 2),
            (1, -9_999, 1),
            (1_000, 1_250, 1_125),
            (1_000, -1_000, 900),
            (999, -1_000, 900),
            (150_000_000, 1, 150_015_000),
            (150_000_000, 0, 150_000_000),
            (7, 100_000, 77),
        ];
        for (price, basis_points, wanted) in table {
            let marked_up = markup(basis_points).on(&prices(price));
            assert_eq!(marked_up, prices(wanted), "{price} and {basis_points}");
        }
    }

    #[test]
    fn a_markup_has_bounds() {
        for (basis_points, is_one) in [
            (-10_000, false),
            (-9_999, true),
            (100_000, true),
            (100_001, false),
            (i64::MAX, false),
        ] {
            assert_eq!(Markup::new(basis_points).is_some(), is_one);
        }
    }

    /// Rules as model, basis points, beginning and end.
    fn rules(list: &[(Option<&str>, i64, i64, Option<i64>)]) -> Markups {
        let rule = |(index, (model, basis_points, from, to)): (usize, &(_, _, _, _))| MarkupRule {
            id: MarkupId::new(&format!("markup_{index}")),
            model: Option::map(*model, str::to_owned),
            markup: markup(*basis_points),
            effective_at: AtUs(*from),
            ended_at: Option::map(*to, AtUs),
        };
        Markups::new(list.iter().enumerate().map(rule).collect())
    }

    #[test]
    fn the_latest_rule_counts_and_a_models_own_before_that_for_all() {
        let rules = rules(&[
            (Some("a"), 500, 30, Some(40)),
            (None, 100, 10, None),
            (None, 200, 20, None),
            // Taken back before it began.
            (None, 900, 25, Some(21)),
        ]);
        let at = |model: &str, us: i64| rules.in_force(model, AtUs(us)).basis_points();
        for (us, of_a, of_b) in [
            (9, 0, 0),
            (10, 100, 100),
            (20, 200, 200),
            (29, 200, 200),
            (30, 500, 200),
            (39, 500, 200),
            (40, 200, 200),
        ] {
            assert_eq!((at("a", us), at("b", us)), (of_a, of_b), "at {us}");
        }
    }

    #[test]
    fn one_that_was_ended_does_not_bring_back_the_one_before() {
        let rules = rules(&[(None, 100, 10, None), (None, 200, 20, Some(30))]);
        let at = |us: i64| rules.in_force("a", AtUs(us)).basis_points();
        assert_eq!([at(15), at(25), at(30)], [100, 200, 0]);
    }

    proptest! {
        #[test]
        fn nothing_becomes_free_and_more_is_never_cheaper(
            price in 1..1_000_000_000_000_i64,
            less in i64::from(Markup::LEAST)..=i64::from(Markup::MOST),
            more in i64::from(Markup::LEAST)..=i64::from(Markup::MOST),
            tokens in 1..1_000_000_u64,
        ) {
            let (less, more) = (less.min(more), less.max(more));
            let cost = |basis_points| {
                let prices = markup(basis_points).on(&prices(price));
                prices.cost(&Usage::text(tokens, 0)).total
            };
            prop_assert!(cost(less) > Nusd::ZERO);
            prop_assert!(cost(less) <= cost(more));
        }
    }
}
