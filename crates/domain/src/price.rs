//! Prices with effective dates, and the cost of a usage under one of them.
//!
//! Prices are nano-USD per million units, products are `i128`, and a usage record is rounded up
//! once. The rounding is monotone: a usage that is nowhere larger never costs more, which is what
//! lets a hold taken for a bound pay for whatever the request really used.

use crate::markup::Markup;
use crate::money::Nusd;
use crate::time::AtUs;
use crate::usage::{LineItem, Usage, UsageClass};

const UNITS_PER_PRICE: i128 = 1_000_000;

/// nano-USD per million units of each class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnitPrices([Nusd; 9]);

/// What an operator states; the rest follows from it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StatedPrices {
    /// Per million fresh input tokens.
    pub input: Nusd,
    /// Per million cached input tokens; as `input` when not stated.
    pub cached_input: Option<Nusd>,
    /// Per million tokens written to a cache; as `input` when not stated.
    pub cache_write: Option<Nusd>,
    /// Per million output tokens.
    pub output: Nusd,
    /// Per million reasoning tokens; as `output` when not stated.
    pub reasoning: Option<Nusd>,
    /// Per million audio input tokens; as `input` when not stated.
    pub audio_input: Option<Nusd>,
    /// Per million audio output tokens; as `output` when not stated.
    pub audio_output: Option<Nusd>,
    /// Per million image input tokens; as `input` when not stated.
    pub image: Option<Nusd>,
    /// Per million requests; free when not stated.
    pub request: Option<Nusd>,
}

impl From<StatedPrices> for UnitPrices {
    fn from(stated: StatedPrices) -> Self {
        UnitPrices(UsageClass::ALL.map(|class| match class {
            UsageClass::FreshInput => stated.input,
            UsageClass::CachedInput => stated.cached_input.unwrap_or(stated.input),
            UsageClass::CacheWrite => stated.cache_write.unwrap_or(stated.input),
            UsageClass::Output => stated.output,
            UsageClass::Reasoning => stated.reasoning.unwrap_or(stated.output),
            UsageClass::AudioInput => stated.audio_input.unwrap_or(stated.input),
            UsageClass::AudioOutput => stated.audio_output.unwrap_or(stated.output),
            UsageClass::Image => stated.image.unwrap_or(stated.input),
            UsageClass::Request => stated.request.unwrap_or(Nusd::ZERO),
        }))
    }
}

/// The cost of one usage record, and how it falls on the lines of a bill.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// What is charged.
    pub total: Nusd,
    /// The same, by line; sums to `total` exactly.
    pub lines: [Nusd; 4],
}

impl Cost {
    /// The part of the cost on one line of the bill.
    #[must_use]
    pub fn line(&self, item: LineItem) -> Nusd {
        self.lines[item as usize]
    }

    /// The same cost, but never above `most`: lines are filled in order until `most` is used up.
    #[must_use]
    pub fn capped(self, most: Nusd) -> Cost {
        let mut left = most.max(Nusd::ZERO);
        let lines = self.lines.map(|line| {
            let kept = line.min(left);
            left -= kept;
            kept
        });
        Cost {
            total: lines.into_iter().sum(),
            lines,
        }
    }
}

impl UnitPrices {
    /// Prices given class by class, in the order of [`UsageClass::ALL`].
    #[must_use]
    pub fn by_class(prices: [Nusd; 9]) -> Self {
        UnitPrices(prices)
    }

    /// nano-USD per million units of `class`.
    #[must_use]
    pub fn of(&self, class: UsageClass) -> Nusd {
        self.0[class as usize]
    }

    /// These prices and so many millionths of them on top, or less if negative, each rounded up.
    #[must_use]
    pub fn marked_up(&self, millionths: i64) -> Self {
        let factor = UNITS_PER_PRICE + i128::from(millionths);
        let marked_up = |price: Nusd| {
            let product = i128::from(price.get()) * factor;
            Nusd::saturating_from(ceil_div(product))
        };
        UnitPrices(self.0.map(marked_up))
    }

    /// What `usage` costs: `ceil(sum(units * price) / 1e6)`, with that one ceiling.
    #[must_use]
    pub fn cost(&self, usage: &Usage) -> Cost {
        // Lines are differences of running ceilings, so they sum to the one ceiling of the whole.
        let mut running: i128 = 0;
        let mut charged = Nusd::ZERO;
        let lines = LineItem::ALL.map(|item| {
            for class in UsageClass::ALL
                .into_iter()
                .filter(|class| class.line_item() == item)
            {
                running += i128::from(usage[class]) * i128::from(self.of(class).get());
            }
            let upto = Nusd::saturating_from(ceil_div(running));
            let line = upto - charged;
            charged = upto;
            line
        });
        Cost {
            total: charged,
            lines,
        }
    }

    /// The most that a request can cost whose tokens are bounded by these totals, whichever
    /// classes they fall in.
    #[must_use]
    pub fn most(&self, input_tokens: u64, output_tokens: u64) -> Nusd {
        let output = i128::from(output_tokens) * self.dearest_output();
        Nusd::saturating_from(ceil_div(self.before_output(input_tokens) + output))
    }

    /// The most output tokens that `amount` pays for beside the request and its input: as many as
    /// [`UnitPrices::most`] still keeps within it. None if it does not even pay for those.
    #[must_use]
    pub fn output_tokens_within(&self, amount: Nusd, input_tokens: u64) -> Option<u64> {
        let left = i128::from(amount.get()) * UNITS_PER_PRICE - self.before_output(input_tokens);
        if left < 0 {
            return None;
        }
        let tokens = left.checked_div(self.dearest_output());
        Some(tokens.map_or(u64::MAX, |tokens| u64::try_from(tokens).unwrap_or(u64::MAX)))
    }

    /// The most that everything but the output can cost, in millionths of a nano-USD.
    fn before_output(&self, input_tokens: u64) -> i128 {
        let is_input = |item| matches!(item, LineItem::Input | LineItem::CachedInput);
        i128::from(input_tokens) * self.dearest(is_input)
            + i128::from(self.of(UsageClass::Request).get())
    }

    fn dearest_output(&self) -> i128 {
        self.dearest(|item| item == LineItem::Output)
    }

    fn dearest(&self, line: fn(LineItem) -> bool) -> i128 {
        let classes = UsageClass::ALL.into_iter();
        let prices = classes.filter(|class| line(class.line_item()));
        prices
            .map(|class| i128::from(self.of(class).get()))
            .max()
            .unwrap_or(0)
    }
}

/// The division of every cost: rounded up. The sums are never negative.
fn ceil_div(sum: i128) -> i128 {
    (sum + UNITS_PER_PRICE - 1) / UNITS_PER_PRICE
}

/// One entry of the price book: in force from `effective_at` until the next one of its model.
/// Immutable once a usage record names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PriceEntry {
    /// `price_…`, named by holds and usage records.
    pub id: crate::id::PriceId,
    /// When it comes into force.
    pub effective_at: AtUs,
    /// What the customer pays.
    pub price: UnitPrices,
    /// What the operator pays the upstream.
    pub cost: UnitPrices,
}

/// What a request is priced by, pinned when it is admitted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PinnedPrice {
    /// The entry of the price book.
    pub id: crate::id::PriceId,
    /// What the organization pays on top of it.
    pub markup: Markup,
    /// What the customer pays: the entry's price with the markup.
    pub price: UnitPrices,
    /// What the operator pays the upstream.
    pub cost: UnitPrices,
}

impl PriceEntry {
    /// What a request is priced by under this entry, with a markup on what the customer pays.
    #[must_use]
    pub fn pinned(&self, markup: Markup) -> PinnedPrice {
        PinnedPrice {
            id: self.id.clone(),
            markup,
            price: markup.on(&self.price),
            cost: self.cost,
        }
    }
}

/// The entries of one model, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PriceHistory(Vec<PriceEntry>);

impl PriceHistory {
    /// A history of these entries, in any order.
    #[must_use]
    pub fn new(mut entries: Vec<PriceEntry>) -> Self {
        entries.sort_by_key(|entry| entry.effective_at);
        PriceHistory(entries)
    }

    /// The entry in force at `at`, or none: then the model cannot be called.
    #[must_use]
    pub fn in_force(&self, at: AtUs) -> Option<&PriceEntry> {
        self.later(at).checked_sub(1).map(|index| &self.0[index])
    }

    /// The entry that follows the one in force at `at`, if it is known already.
    #[must_use]
    pub fn next(&self, at: AtUs) -> Option<&PriceEntry> {
        self.0.get(self.later(at))
    }

    /// The place of the first entry that is not yet in force at `at`.
    fn later(&self, at: AtUs) -> usize {
        self.0.partition_point(|entry| entry.effective_at <= at)
    }
}

/// A request that was charged, to be looked at under other prices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Charged {
    /// What it used.
    pub usage: Usage,
    /// What the customer paid.
    pub cost: Nusd,
    /// What its hold did not pay for.
    pub overrun: Nusd,
}

impl Charged {
    /// What the customer would have paid under `prices`: rounded up, as it was then. Of a request
    /// that cost more than its hold the customer pays the same share as then, as nobody knows what
    /// would have been held; so prices that change nothing change nothing here either.
    #[must_use]
    pub fn under(&self, prices: &UnitPrices) -> Nusd {
        let full = prices.cost(&self.usage).total;
        if self.overrun <= Nusd::ZERO {
            return full;
        }
        let (paid, whole) = (i128::from(self.cost.get()), self.cost + self.overrun);
        Nusd::saturating_from(i128::from(full.get()) * paid / i128::from(whole.get()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::usage::Reported;
    use proptest::prelude::*;

    fn usd(text: &str) -> Nusd {
        Nusd::parse_usd(text).expect("a test amount")
    }

    fn mini() -> UnitPrices {
        StatedPrices {
            input: usd("0.15"),
            cached_input: Some(usd("0.075")),
            output: usd("0.60"),
            ..StatedPrices::default()
        }
        .into()
    }

    #[test]
    fn costs_are_exact_and_rounded_up_once() {
        let table: &[(u64, u64, u64, i64)] = &[
            (1_000_000, 0, 0, 150_000_000),
            (1_000_000, 1_000_000, 0, 75_000_000),
            (0, 0, 1_000_000, 600_000_000),
            (10, 0, 5, 4_500),
            (1, 1, 0, 75),
            (0, 0, 0, 0),
        ];
        for (input_tokens, cached_input_tokens, output_tokens, want) in table {
            let usage = Usage::from_reported(&Reported {
                input_tokens: *input_tokens,
                cached_input_tokens: *cached_input_tokens,
                output_tokens: *output_tokens,
                ..Reported::default()
            });
            assert_eq!(mini().cost(&usage).total, Nusd::new(*want));
        }
        // A third of a nano-USD is charged as one, once for the whole record.
        let tiny: UnitPrices = StatedPrices {
            input: Nusd::new(333_333),
            output: Nusd::new(333_333),
            ..StatedPrices::default()
        }
        .into();
        assert_eq!(tiny.cost(&Usage::text(1, 1)).total, Nusd::new(1));
    }

    #[test]
    fn a_cost_falls_on_its_lines() {
        let usage = Usage::from_reported(&Reported {
            input_tokens: 3_000_000,
            cached_input_tokens: 1_000_000,
            output_tokens: 1_000_000,
            ..Reported::default()
        });
        let cost = mini().cost(&usage);
        let lines = LineItem::ALL.map(|item| (item, cost.line(item).to_usd()));
        let lines = lines.each_ref().map(|(item, usd)| (*item, usd.as_str()));
        assert_eq!(
            lines,
            [
                (LineItem::Input, "0.30"),
                (LineItem::CachedInput, "0.075"),
                (LineItem::Output, "0.60"),
                (LineItem::Request, "0.00"),
            ]
        );
    }

    #[test]
    fn a_bound_counts_the_request_beside_its_tokens() {
        let stated = StatedPrices {
            input: Nusd::new(1_000_000),
            output: Nusd::new(2_000_000),
            request: Some(Nusd::new(3_000_000)),
            ..StatedPrices::default()
        };
        let prices = UnitPrices::from(stated);
        // Ten tokens in, four out, and the request: 10 + 8 + 3.
        assert_eq!(prices.most(10, 4), Nusd::new(21));
        for (amount, tokens) in [(12, None), (13, Some(0)), (14, Some(0)), (21, Some(4))] {
            let paid = prices.output_tokens_within(Nusd::new(amount), 10);
            assert_eq!(paid, tokens, "{amount}");
        }
        let free: UnitPrices = StatedPrices::default().into();
        assert_eq!(free.output_tokens_within(Nusd::ZERO, 10), Some(u64::MAX));
    }

    #[test]
    fn the_price_in_force_is_the_latest_begun() {
        let entry = |id: &str, at: i64| PriceEntry {
            id: crate::id::PriceId::new(id),
            effective_at: AtUs(at),
            price: mini(),
            cost: mini(),
        };
        let history = PriceHistory::new(vec![entry("b", 20), entry("a", 10)]);
        let at = |us: i64| {
            history
                .in_force(AtUs(us))
                .map(|entry| entry.id.as_str().to_owned())
        };
        assert_eq!(at(9), None);
        assert_eq!(at(10).as_deref(), Some("a"));
        assert_eq!(at(19).as_deref(), Some("a"));
        assert_eq!(at(20).as_deref(), Some("b"));
        let next = |us: i64| history.next(AtUs(us)).map(|entry| entry.id.to_string());
        assert_eq!(next(9).as_deref(), Some("a"));
        assert_eq!(next(10).as_deref(), Some("b"));
        assert_eq!(next(20), None);
    }

    #[test]
    fn a_request_beyond_its_hold_pays_the_same_share_under_other_prices() {
        let usage = Usage::text(1_000_000, 1_000_000);
        // $0.15 and $0.60, of which the hold paid $0.25.
        let charged = Charged {
            usage,
            cost: usd("0.25"),
            overrun: usd("0.50"),
        };
        assert_eq!(charged.under(&mini()), usd("0.25"));
        let double = UnitPrices::by_class(mini().0.map(|it| it + it));
        assert_eq!(charged.under(&double), usd("0.50"));
    }

    #[test]
    fn a_markup_is_on_every_price_and_rounded_up() {
        let prices = UnitPrices::by_class([0, 1, 3, 10, 100, 1_000_000, 7, 8, 9].map(Nusd::new));
        let dearer = UnitPrices::by_class([0, 2, 4, 12, 120, 1_200_000, 9, 10, 11].map(Nusd::new));
        assert_eq!(prices.marked_up(200_000), dearer);
        assert_eq!(prices.marked_up(0), prices);
        let cheaper = UnitPrices::by_class([0, 1, 3, 9, 90, 900_000, 7, 8, 9].map(Nusd::new));
        assert_eq!(prices.marked_up(-100_000), cheaper);
    }

    fn any_prices() -> impl Strategy<Value = UnitPrices> {
        proptest::array::uniform9(0..10_000_000_000_000_i64)
            .prop_map(|prices| UnitPrices::by_class(prices.map(Nusd::new)))
    }

    fn any_reported() -> impl Strategy<Value = Reported> {
        proptest::array::uniform8(0..2_000_000_u64).prop_map(|n| Reported {
            input_tokens: n[0],
            cached_input_tokens: n[1],
            cache_write_tokens: n[2],
            audio_input_tokens: n[3],
            image_input_tokens: n[4],
            output_tokens: n[5],
            reasoning_tokens: n[6],
            audio_output_tokens: n[7],
        })
    }

    proptest! {
        #[test]
        fn a_bound_always_pays_for_the_usage(
            prices in any_prices(), reported in any_reported(),
            (more_in, more_out) in (0..1_000_u64, 0..1_000_u64),
        ) {
            let usage = Usage::from_reported(&reported);
            let bound =
                prices.most(reported.input_tokens + more_in, reported.output_tokens + more_out);
            prop_assert!(prices.cost(&usage).total <= bound);
        }

        #[test]
        fn the_output_that_an_amount_pays_for_is_the_most_there_is(
            prices in any_prices(), input in 0..1_000_000_u64, amount in 0..10_000_000_000_000_i64,
        ) {
            let amount = Nusd::new(amount);
            match prices.output_tokens_within(amount, input) {
                Some(tokens) => {
                    prop_assert!(prices.most(input, tokens) <= amount);
                    let more = tokens.checked_add(1);
                    prop_assert!(more.is_none_or(|more| prices.most(input, more) > amount));
                }
                None => prop_assert!(prices.most(input, 0) > amount),
            }
        }

        #[test]
        fn lines_sum_to_the_total_also_when_capped(
            prices in any_prices(), reported in any_reported(), cap in 0..1_000_000_000_000_i64,
        ) {
            let cost = prices.cost(&Usage::from_reported(&reported));
            prop_assert_eq!(cost.lines.into_iter().sum::<Nusd>(), cost.total);
            prop_assert!(cost.lines.iter().all(|line| *line >= Nusd::ZERO));
            let capped = cost.capped(Nusd::new(cap));
            prop_assert_eq!(capped.total, cost.total.min(Nusd::new(cap)));
            prop_assert_eq!(capped.lines.into_iter().sum::<Nusd>(), capped.total);
        }

        #[test]
        fn the_same_prices_change_nothing(
            prices in any_prices(), reported in any_reported(), cap in 0..1_000_000_000_000_i64,
        ) {
            let usage = Usage::from_reported(&reported);
            let full = prices.cost(&usage);
            let cost = full.capped(Nusd::new(cap)).total;
            let charged = Charged { usage, cost, overrun: full.total - cost };
            prop_assert_eq!(charged.under(&prices), cost);
        }

        #[test]
        fn the_ceiling_adds_less_than_one_nano_dollar(
            prices in any_prices(), reported in any_reported(),
        ) {
            let usage = Usage::from_reported(&reported);
            let exact: i128 = UsageClass::ALL
                .iter()
                .map(|c| i128::from(usage[*c]) * i128::from(prices.of(*c).get()))
                .sum();
            let charged = i128::from(prices.cost(&usage).total.get()) * UNITS_PER_PRICE;
            prop_assert!(charged >= exact && charged - exact < UNITS_PER_PRICE);
        }
    }
}
