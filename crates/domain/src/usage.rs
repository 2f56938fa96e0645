//! What a request used, in classes that never overlap, so that nothing is charged twice.

use std::ops::{Index, IndexMut};

/// A kind of unit with a price of its own. The classes are disjoint: a cached input token is not
/// also a fresh one, a reasoning token is not also an output one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum UsageClass {
    /// Input tokens that were read afresh.
    FreshInput,
    /// Input tokens that the upstream found in its cache.
    CachedInput,
    /// Input tokens that the upstream wrote to its cache.
    CacheWrite,
    /// Text tokens of the answer.
    Output,
    /// Tokens the model thought with, not shown in the answer.
    Reasoning,
    /// Audio tokens of the input.
    AudioInput,
    /// Audio tokens of the answer.
    AudioOutput,
    /// Image tokens of the input.
    Image,
    /// The request itself.
    Request,
}

impl UsageClass {
    /// Every class, in the order of their storage.
    pub const ALL: [UsageClass; 9] = [
        UsageClass::FreshInput,
        UsageClass::CachedInput,
        UsageClass::CacheWrite,
        UsageClass::Output,
        UsageClass::Reasoning,
        UsageClass::AudioInput,
        UsageClass::AudioOutput,
        UsageClass::Image,
        UsageClass::Request,
    ];

    /// The word for it wherever prices are stated.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            UsageClass::FreshInput => "input",
            UsageClass::CachedInput => "cached_input",
            UsageClass::CacheWrite => "cache_write",
            UsageClass::Output => "output",
            UsageClass::Reasoning => "reasoning",
            UsageClass::AudioInput => "audio_input",
            UsageClass::AudioOutput => "audio_output",
            UsageClass::Image => "image",
            UsageClass::Request => "request",
        }
    }

    /// The line of a bill that this class appears on.
    #[must_use]
    pub fn line_item(self) -> LineItem {
        match self {
            UsageClass::FreshInput
            | UsageClass::CacheWrite
            | UsageClass::AudioInput
            | UsageClass::Image => LineItem::Input,
            UsageClass::CachedInput => LineItem::CachedInput,
            UsageClass::Output | UsageClass::Reasoning | UsageClass::AudioOutput => {
                LineItem::Output
            }
            UsageClass::Request => LineItem::Request,
        }
    }
}

/// A line of a bill: what a customer reads, coarser than [`UsageClass`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum LineItem {
    /// All input that was not cached.
    Input,
    /// Input found in a cache.
    CachedInput,
    /// All output.
    Output,
    /// Requests priced by the piece.
    Request,
}

impl LineItem {
    /// Every line, in the order of their storage.
    pub const ALL: [LineItem; 4] = [
        LineItem::Input,
        LineItem::CachedInput,
        LineItem::Output,
        LineItem::Request,
    ];

    /// The words after the model's name on a bill.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            LineItem::Input => "input",
            LineItem::CachedInput => "cached input",
            LineItem::Output => "output",
            LineItem::Request => "requests",
        }
    }
}

/// Units used, by class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage([u64; 9]);

impl Index<UsageClass> for Usage {
    type Output = u64;
    fn index(&self, class: UsageClass) -> &u64 {
        &self.0[class as usize]
    }
}

impl IndexMut<UsageClass> for Usage {
    fn index_mut(&mut self, class: UsageClass) -> &mut u64 {
        &mut self.0[class as usize]
    }
}

/// Token counts as an upstream reports them: two totals, and parts contained in them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reported {
    /// All input tokens.
    pub input_tokens: u64,
    /// Of the input: found in a cache.
    pub cached_input_tokens: u64,
    /// Of the input: written to a cache.
    pub cache_write_tokens: u64,
    /// Of the input: audio.
    pub audio_input_tokens: u64,
    /// Of the input: images.
    pub image_input_tokens: u64,
    /// All output tokens.
    pub output_tokens: u64,
    /// Of the output: reasoning.
    pub reasoning_tokens: u64,
    /// Of the output: audio.
    pub audio_output_tokens: u64,
}

impl Usage {
    /// One request whose totals and parts an upstream reported. Parts that do not fit into their
    /// total are cut, cached first kept, so the classes always sum to the totals exactly.
    #[must_use]
    pub fn from_reported(reported: &Reported) -> Self {
        let mut input_left = reported.input_tokens;
        let mut output_left = reported.output_tokens;
        let take = |left: &mut u64, part: u64| {
            let taken = part.min(*left);
            *left -= taken;
            taken
        };
        let mut usage = Usage::default();
        usage[UsageClass::CachedInput] = take(&mut input_left, reported.cached_input_tokens);
        usage[UsageClass::CacheWrite] = take(&mut input_left, reported.cache_write_tokens);
        usage[UsageClass::AudioInput] = take(&mut input_left, reported.audio_input_tokens);
        usage[UsageClass::Image] = take(&mut input_left, reported.image_input_tokens);
        usage[UsageClass::FreshInput] = input_left;
        usage[UsageClass::Reasoning] = take(&mut output_left, reported.reasoning_tokens);
        usage[UsageClass::AudioOutput] = take(&mut output_left, reported.audio_output_tokens);
        usage[UsageClass::Output] = output_left;
        usage[UsageClass::Request] = 1;
        usage
    }

    /// One request with plain text counts.
    #[must_use]
    pub fn text(input_tokens: u64, output_tokens: u64) -> Self {
        Self::from_reported(&Reported {
            input_tokens,
            output_tokens,
            ..Reported::default()
        })
    }

    /// All input tokens, of every class.
    #[must_use]
    pub fn input_tokens(&self) -> u64 {
        [
            UsageClass::FreshInput,
            UsageClass::CachedInput,
            UsageClass::CacheWrite,
            UsageClass::AudioInput,
            UsageClass::Image,
        ]
        .iter()
        .fold(0, |sum, class| self[*class].saturating_add(sum))
    }

    /// All output tokens, of every class.
    #[must_use]
    pub fn output_tokens(&self) -> u64 {
        [
            UsageClass::Output,
            UsageClass::Reasoning,
            UsageClass::AudioOutput,
        ]
        .iter()
        .fold(0, |sum, class| self[*class].saturating_add(sum))
    }

    /// Input and output tokens together.
    #[must_use]
    pub fn total_tokens(&self) -> u64 {
        self.input_tokens().saturating_add(self.output_tokens())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn parts_come_out_of_their_totals() {
        let usage = Usage::from_reported(&Reported {
            input_tokens: 100,
            cached_input_tokens: 60,
            audio_input_tokens: 10,
            output_tokens: 50,
            reasoning_tokens: 45,
            ..Reported::default()
        });
        assert_eq!(usage[UsageClass::FreshInput], 30);
        assert_eq!(usage[UsageClass::CachedInput], 60);
        assert_eq!(usage[UsageClass::Output], 5);
        assert_eq!(usage[UsageClass::Reasoning], 45);
        assert_eq!(usage[UsageClass::Request], 1);
    }

    proptest! {
        #[test]
        fn classes_sum_to_the_totals_whatever_is_reported(
            (input_tokens, output_tokens) in (0..1_000_000_u64, 0..1_000_000_u64),
            parts in proptest::array::uniform6(0..1_000_000_u64),
        ) {
            let usage = Usage::from_reported(&Reported {
                input_tokens,
                cached_input_tokens: parts[0],
                cache_write_tokens: parts[1],
                audio_input_tokens: parts[2],
                image_input_tokens: parts[3],
                output_tokens,
                reasoning_tokens: parts[4],
                audio_output_tokens: parts[5],
            });
            prop_assert_eq!(usage.input_tokens(), input_tokens);
            prop_assert_eq!(usage.output_tokens(), output_tokens);
        }
    }
}
