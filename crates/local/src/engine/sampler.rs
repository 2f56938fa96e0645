//! Choosing the next token from the scores that the model gives to all of them.

use std::collections::HashMap;

use super::random::SplitMix64;

/// Tokens whose chance is below e^-20 of the best one's are not considered. All of them together
/// would be chosen about once in ten thousand tokens, and leaving them out saves the sorting.
const LEAST_LOG_CHANCE: f32 = -20.0;

/// How to choose, in the words of OpenAI's API.
#[derive(Debug, Clone)]
pub struct Sampling {
    /// 0 always takes the best token; higher spreads the choice.
    pub temperature: f32,
    /// Only the most likely tokens that together have this chance are considered; 1 for all.
    pub top_p: f32,
    /// Subtracted from a token's score for each time it was produced.
    pub frequency_penalty: f32,
    /// Subtracted once from the score of every token that was produced.
    pub presence_penalty: f32,
    /// Added to the scores of these tokens.
    pub logit_bias: Vec<(u32, f32)>,
    /// The same seed with the same request gives the same answer.
    pub seed: u64,
}

/// The choices made for one answer.
pub(crate) struct Sampler<'a> {
    sampling: &'a Sampling,
    random: SplitMix64,
    produced: HashMap<u32, u32>,
}

impl<'a> Sampler<'a> {
    /// `choice` numbers the answers to one request, which must differ although the seed is one.
    pub(crate) fn new(sampling: &'a Sampling, choice: usize) -> Self {
        Self {
            sampling,
            random: SplitMix64::new(sampling.seed.wrapping_add(choice as u64)),
            produced: HashMap::new(),
        }
    }

    /// Chooses a token and remembers it. `scores` has one score per token and is used up.
    pub(crate) fn choose(&mut self, mut scores: Vec<f32>) -> u32 {
        self.adjust(&mut scores);
        let (best, best_score) = best(&scores);
        let token = if self.sampling.temperature > 0.0 {
            self.draw(&scores, best_score).unwrap_or(best)
        } else {
            best
        };
        *self.produced.entry(token).or_default() += 1;
        token
    }

    fn adjust(&self, scores: &mut [f32]) {
        for (token, bias) in &self.sampling.logit_bias {
            if let Some(score) = scores.get_mut(*token as usize) {
                *score += bias;
            }
        }
        let Sampling {
            frequency_penalty,
            presence_penalty,
            ..
        } = self.sampling;
        for (token, times) in &self.produced {
            scores[*token as usize] -= frequency_penalty * *times as f32 + presence_penalty;
        }
    }

    fn draw(&mut self, scores: &[f32], best_score: f32) -> Option<u32> {
        let temperature = self.sampling.temperature;
        let mut candidates = Vec::new();
        for (token, score) in (0..).zip(scores) {
            let log_chance = (score - best_score) / temperature;
            if log_chance > LEAST_LOG_CHANCE {
                candidates.push((token, f64::from(log_chance).exp()));
            }
        }
        if self.sampling.top_p < 1.0 {
            keep_most_likely(&mut candidates, f64::from(self.sampling.top_p));
        }
        let total: f64 = candidates.iter().map(|(_, chance)| chance).sum();
        let mut left = self.random.next_unit() * total;
        for (token, chance) in &candidates {
            left -= chance;
            if left < 0.0 {
                return Some(*token);
            }
        }
        candidates.last().map(|(token, _)| *token)
    }
}

/// The best token, the first of equals, and its score.
fn best(scores: &[f32]) -> (u32, f32) {
    let mut best = (0, f32::NEG_INFINITY);
    for (token, score) in (0..).zip(scores) {
        if *score > best.1 {
            best = (token, *score);
        }
    }
    best
}

/// Keeps the fewest candidates that together have a share of `top_p`, and always one.
fn keep_most_likely(candidates: &mut Vec<(u32, f64)>, top_p: f64) {
    candidates.sort_by(|(one, a), (two, b)| b.total_cmp(a).then(one.cmp(two)));
    let total: f64 = candidates.iter().map(|(_, chance)| chance).sum();
    let mut sum = 0.0;
    let enough = candidates.iter().position(|(_, chance)| {
        sum += chance;
        sum >= top_p * total
    });
    if let Some(last) = enough {
        candidates.truncate(last + 1);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sampling() -> Sampling {
        Sampling {
            temperature: 0.0,
            top_p: 1.0,
            frequency_penalty: 0.0,
            presence_penalty: 0.0,
            logit_bias: Vec::new(),
            seed: 1,
        }
    }

    /// How often each of three tokens is drawn in 3,000 draws, each from the same scores.
    fn counts(sampling: &Sampling, scores: &[f32; 3]) -> [usize; 3] {
        let mut counts = [0; 3];
        for choice in 0..3000 {
            counts[Sampler::new(sampling, choice).choose(scores.to_vec()) as usize] += 1;
        }
        counts
    }

    #[test]
    fn temperature_zero_takes_the_first_of_the_best() {
        let sampling = sampling();
        let mut sampler = Sampler::new(&sampling, 0);
        assert_eq!(sampler.choose(vec![0.5, 2.0, 2.0, -1.0]), 1);
    }

    #[test]
    fn draws_follow_the_chances_and_temperature_flattens_them() {
        // Chances of 1/2, 1/4, 1/4 at temperature 1.
        let scores = [2.0f32.ln(), 0.0, 0.0];
        let warm = counts(
            &Sampling {
                temperature: 1.0,
                ..sampling()
            },
            &scores,
        );
        assert!((1400..1600).contains(&warm[0]), "{warm:?}");
        assert!((650..850).contains(&warm[1]), "{warm:?}");
        let hot = counts(
            &Sampling {
                temperature: 100.0,
                ..sampling()
            },
            &scores,
        );
        assert!((900..1100).contains(&hot[0]), "{hot:?}");
        let cold = counts(
            &Sampling {
                temperature: 0.01,
                ..sampling()
            },
            &scores,
        );
        assert_eq!(cold, [3000, 0, 0]);
    }

    #[test]
    fn top_p_leaves_out_the_unlikely() {
        let scores = [2.0f32.ln(), 0.0, -1.0];
        let table = [(0.0, [true, false, false]), (0.6, [true, true, false])];
        for (top_p, expected) in table {
            let sampling = Sampling {
                temperature: 1.0,
                top_p,
                ..sampling()
            };
            let drawn = counts(&sampling, &scores).map(|count| count > 0);
            assert_eq!(drawn, expected, "top_p {top_p}");
        }
    }

    #[test]
    fn penalties_and_biases_change_the_choice() {
        let frequent = Sampling {
            frequency_penalty: 0.4,
            ..sampling()
        };
        let mut sampler = Sampler::new(&frequent, 0);
        let chosen: Vec<u32> = (0..4).map(|_| sampler.choose(vec![1.0, 0.5])).collect();
        // 1.0, then 0.6, then 0.2 against 0.5: the second is taken at the third step.
        assert_eq!(chosen, [0, 0, 1, 0]);

        let present = Sampling {
            presence_penalty: 0.6,
            ..sampling()
        };
        let mut sampler = Sampler::new(&present, 0);
        let chosen: Vec<u32> = (0..3).map(|_| sampler.choose(vec![1.0, 0.5])).collect();
        assert_eq!(chosen, [0, 1, 0]);

        let banned = Sampling {
            logit_bias: vec![(0, -100.0), (9, 1.0)],
            ..sampling()
        };
        assert_eq!(Sampler::new(&banned, 0).choose(vec![1.0, 0.5]), 1);
    }

    #[test]
    fn scores_that_are_not_numbers_do_not_crash() {
        let warm = Sampling {
            temperature: 1.0,
            ..sampling()
        };
        let token = Sampler::new(&warm, 0).choose(vec![f32::NAN; 4]);
        assert_eq!(token, 0);
    }

    proptest! {
        #[test]
        fn a_seed_repeats_its_choices(
            seed in any::<u64>(),
            scores in prop::collection::vec(-4.0f32..4.0, 2..40),
        ) {
            let sampling = Sampling { temperature: 1.0, top_p: 0.9, seed, ..sampling() };
            let run = || {
                let mut sampler = Sampler::new(&sampling, 0);
                (0..8).map(|_| sampler.choose(scores.clone())).collect::<Vec<_>>()
            };
            prop_assert_eq!(run(), run());
        }
    }
}
