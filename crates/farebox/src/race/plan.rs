//! What each request asks for, decided by the seed: the same seed, the same requests.
//!
//! The prompt begins with a mark that tells the upstream which request it is and how to answer, so
//! that its books can be compared with what clients see, through any gateway.

use domain::money::Nusd;
use domain::price::UnitPrices;
use domain::usage::Usage;

/// Sizes halve with each level; on this one they are the smallest.
pub(super) const SMALLEST: u32 = 5;

/// The largest requests, in words: both sides count a word as a token.
const MOST_INPUT_WORDS: u64 = 400;
const MOST_ANSWER_WORDS: u64 = 512;
/// No request is smaller, whatever its level.
const LEAST_INPUT_WORDS: u64 = 8;
const LEAST_ANSWER_WORDS: u64 = 8;

/// As a bench's prompts of one shape would be: short words, so that bytes are not what costs.
const WORDS: [&str; 8] = ["how", "far", "is", "it", "by", "the", "next", "bus"];

const MARK: &str = "farebox-race";

/// One request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Plan {
    /// Unique in its run.
    pub(super) number: u64,
    pub(super) input_words: u64,
    pub(super) max_tokens: u64,
    /// How many words the upstream answers, at most `max_tokens`.
    pub(super) answer_words: u64,
    /// How long the upstream takes to answer.
    pub(super) answer_ms: u64,
}

impl Plan {
    /// The request with this number, of the sizes of `level` (0 is the largest).
    pub(super) fn new(seed: u64, number: u64, level: u32, answer_ms: u64) -> Self {
        let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ number;
        let mut between = |least: u64, most: u64| least + mix(&mut state) % (most - least + 1);
        let input_words = between(MOST_INPUT_WORDS / 20, MOST_INPUT_WORDS) >> level;
        let max_tokens = between(MOST_ANSWER_WORDS / 32, MOST_ANSWER_WORDS) >> level;
        let max_tokens = max_tokens.max(LEAST_ANSWER_WORDS);
        Plan {
            number,
            input_words: input_words.max(LEAST_INPUT_WORDS),
            max_tokens,
            answer_words: between(1, max_tokens),
            answer_ms,
        }
    }

    /// The user message: the mark, then words.
    pub(super) fn prompt(&self, run: &str) -> String {
        let mut prompt = format!(
            "{MARK}/{run}/{}/{}/{}",
            self.number, self.answer_words, self.answer_ms
        );
        for word in words().take(usize::try_from(self.input_words - 1).unwrap_or(0)) {
            prompt.push(' ');
            prompt.push_str(word);
        }
        prompt
    }

    /// What the upstream's answer costs, if nobody changes the prompt.
    pub(super) fn cost(&self, prices: &UnitPrices) -> Nusd {
        cost(prices, self.input_words, self.answer_words)
    }
}

/// What a request of these tokens costs.
pub(super) fn cost(prices: &UnitPrices, input_tokens: u64, output_tokens: u64) -> Nusd {
    prices.cost(&Usage::text(input_tokens, output_tokens)).total
}

/// How many requests of the largest sizes an amount pays for, by the average of many.
pub(super) fn affordable(seed: u64, prices: &UnitPrices, amount: Nusd) -> u64 {
    const SAMPLE: u64 = 512;
    let sampled: Nusd = (0..SAMPLE)
        .map(|number| Plan::new(seed, number, 0, 0).cost(prices))
        .sum();
    let requests = i128::from(amount.get()) * i128::from(SAMPLE) / i128::from(sampled.get().max(1));
    u64::try_from(requests).unwrap_or(u64::MAX)
}

/// Words without end.
pub(super) fn words() -> impl Iterator<Item = &'static str> {
    WORDS.into_iter().cycle()
}

/// What a marked prompt says to the upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) number: u64,
    pub(super) answer_words: u64,
    pub(super) answer_ms: u64,
}

impl Mark {
    /// The mark of this run in a prompt, wherever the gateway has put it.
    pub(super) fn find(prompt: &str, run: &str) -> Option<Mark> {
        let (_, rest) = prompt.split_once(&format!("{MARK}/{run}/"))?;
        let mut numbers = rest.split_whitespace().next()?.split('/');
        let mut next = || numbers.next()?.parse().ok();
        Some(Mark {
            number: next()?,
            answer_words: next()?,
            answer_ms: next()?,
        })
    }
}

/// SplitMix64: small, and good enough to vary sizes.
fn mix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use domain::price::StatedPrices;

    use super::*;

    fn prices() -> UnitPrices {
        UnitPrices::from(StatedPrices {
            input: Nusd::new(1_000_000_000),
            output: Nusd::new(2_000_000_000),
            ..StatedPrices::default()
        })
    }

    #[test]
    fn the_seed_decides_and_sizes_vary_within_their_level() {
        for level in 0..=SMALLEST {
            let plans: Vec<Plan> = (0..500).map(|n| Plan::new(7, n, level, 0)).collect();
            let again: Vec<Plan> = (0..500).map(|n| Plan::new(7, n, level, 0)).collect();
            assert_eq!(plans, again);
            for plan in &plans {
                assert!(
                    (1..=plan.max_tokens).contains(&plan.answer_words),
                    "{plan:?}"
                );
                assert!(plan.max_tokens <= (512 >> level).max(LEAST_ANSWER_WORDS));
                assert!(plan.input_words <= (400 >> level).max(LEAST_INPUT_WORDS));
            }
            let differing = plans
                .iter()
                .filter(|plan| **plan != Plan::new(8, plan.number, level, 0));
            assert!(differing.count() > 400, "another seed, other requests");
        }
    }

    #[test]
    fn the_upstream_reads_what_the_prompt_says() {
        let plan = Plan::new(1, 42, 0, 30);
        let prompt = plan.prompt("abc");
        assert_eq!(prompt.split_whitespace().count() as u64, plan.input_words);
        let mark = Mark {
            number: 42,
            answer_words: plan.answer_words,
            answer_ms: 30,
        };
        assert_eq!(Mark::find(&prompt, "abc"), Some(mark));
        let within = format!("You are kind.\n\n{prompt}\n");
        assert_eq!(Mark::find(&within, "abc"), Some(mark));
        for other in ["", "farebox-race/abc/", "farebox-race/abc/1/x/3", &prompt] {
            assert_eq!(Mark::find(other, "abd"), None, "{other}");
        }
        assert_eq!(Mark::find("farebox-race/abc/1/x/3", "abc"), None);
    }

    #[test]
    fn what_a_budget_pays_for_grows_with_it() {
        let prices = prices();
        let one = affordable(1, &prices, Nusd::new(1_000_000_000));
        // About 210 words in and 132 out on average, at $1 and $2 a million.
        assert!((1_800..2_400).contains(&one), "{one}");
        let hundred = affordable(1, &prices, Nusd::new(100_000_000_000));
        assert!(hundred.abs_diff(one * 100) <= 100, "{hundred}");
    }
}
