//! What an upstream reports as used, in one form for all of its dialects.
//!
//! Money is counted from this, so it is believed only if it is plain: a negative, fractional,
//! textual or absurd number makes the whole report void, and the caller counts for itself. Parts of
//! a total are cut down so that they never exceed it.

use serde::de::{Deserialize, Deserializer, Visitor};
use serde::{Deserialize as Derive, de};
use std::fmt;

use crate::request::Endpoint;

/// Tokens used by one request.
///
/// `input_tokens` and `output_tokens` are totals as reported. The others are parts of them: cached
/// and cache-written input do not overlap, nor audio and image input, nor reasoning and audio
/// output.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TokenUsage {
    /// All input tokens.
    pub input_tokens: u64,
    /// Input read from the upstream's prompt cache.
    pub cached_input_tokens: u64,
    /// Input written to the upstream's prompt cache.
    pub cache_write_tokens: u64,
    /// Input that was audio.
    pub audio_input_tokens: u64,
    /// Input that was pictures.
    pub image_input_tokens: u64,
    /// All output tokens, reasoning included.
    pub output_tokens: u64,
    /// Output spent on reasoning.
    pub reasoning_tokens: u64,
    /// Output that is audio.
    pub audio_output_tokens: u64,
}

/// No request uses a million million tokens; a report that says so is broken.
const MOST_TOKENS: u64 = 1_000_000_000_000;

impl TokenUsage {
    /// Reads the `usage` object of an answer or chunk of `endpoint`.
    ///
    /// `None` if it is null, lacks a total, or holds a number that cannot be a count of tokens.
    pub fn parse(endpoint: Endpoint, usage: &[u8]) -> Option<Self> {
        match endpoint {
            Endpoint::Chat | Endpoint::Completions => {
                let report: ChatUsage = serde_json::from_slice(usage).ok()?;
                report.read(report.completion_tokens.0?)
            }
            Endpoint::Embeddings => {
                let report: ChatUsage = serde_json::from_slice(usage).ok()?;
                report.read(0)
            }
            Endpoint::Responses => {
                let report: ResponsesUsage = serde_json::from_slice(usage).ok()?;
                report.read()
            }
        }
    }

    /// Input and output together.
    pub fn total_tokens(&self) -> u64 {
        self.input_tokens.saturating_add(self.output_tokens)
    }

    /// The same with every part cut down to what its total has room for.
    #[must_use]
    pub fn clamped(mut self) -> Self {
        let input = self.input_tokens;
        let output = self.output_tokens;
        self.cached_input_tokens = self.cached_input_tokens.min(input);
        self.cache_write_tokens = self
            .cache_write_tokens
            .min(input - self.cached_input_tokens);
        self.audio_input_tokens = self.audio_input_tokens.min(input);
        self.image_input_tokens = self.image_input_tokens.min(input - self.audio_input_tokens);
        self.reasoning_tokens = self.reasoning_tokens.min(output);
        self.audio_output_tokens = self.audio_output_tokens.min(output - self.reasoning_tokens);
        self
    }
}

#[derive(Derive)]
#[serde(default)]
#[derive(Default)]
struct ChatUsage {
    prompt_tokens: Count,
    completion_tokens: Count,
    prompt_tokens_details: Option<InputDetails>,
    completion_tokens_details: Option<OutputDetails>,
    /// DeepSeek's name for cached tokens.
    prompt_cache_hit_tokens: Count,
}

impl ChatUsage {
    fn read(&self, output_tokens: u64) -> Option<TokenUsage> {
        let input = self.prompt_tokens_details.unwrap_or_default();
        let output = self.completion_tokens_details.unwrap_or_default();
        let cached = input.cached_tokens.0.or(self.prompt_cache_hit_tokens.0);
        Some(totals(
            self.prompt_tokens.0?,
            output_tokens,
            input,
            output,
            cached,
        ))
    }
}

#[derive(Derive)]
#[serde(default)]
#[derive(Default)]
struct ResponsesUsage {
    input_tokens: Count,
    output_tokens: Count,
    input_tokens_details: Option<InputDetails>,
    output_tokens_details: Option<OutputDetails>,
}

impl ResponsesUsage {
    fn read(&self) -> Option<TokenUsage> {
        let input = self.input_tokens_details.unwrap_or_default();
        let output = self.output_tokens_details.unwrap_or_default();
        let cached = input.cached_tokens.0;
        Some(totals(
            self.input_tokens.0?,
            self.output_tokens.0?,
            input,
            output,
            cached,
        ))
    }
}

fn totals(
    input_tokens: u64,
    output_tokens: u64,
    input: InputDetails,
    output: OutputDetails,
    cached: Option<u64>,
) -> TokenUsage {
    TokenUsage {
        input_tokens,
        cached_input_tokens: cached.unwrap_or(0),
        cache_write_tokens: input.cache_write_tokens.0.unwrap_or(0),
        audio_input_tokens: input.audio_tokens.0.unwrap_or(0),
        image_input_tokens: input.image_tokens.0.unwrap_or(0),
        output_tokens,
        reasoning_tokens: output.reasoning_tokens.0.unwrap_or(0),
        audio_output_tokens: output.audio_tokens.0.unwrap_or(0),
    }
    .clamped()
}

#[derive(Derive, Clone, Copy, Default)]
#[serde(default)]
struct InputDetails {
    cached_tokens: Count,
    cache_write_tokens: Count,
    audio_tokens: Count,
    image_tokens: Count,
}

#[derive(Derive, Clone, Copy, Default)]
#[serde(default)]
struct OutputDetails {
    reasoning_tokens: Count,
    audio_tokens: Count,
}

/// A number of tokens, or null. Anything else fails the report it stands in.
#[derive(Clone, Copy, Default)]
struct Count(Option<u64>);

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Counts;
        impl Visitor<'_> for Counts {
            type Value = Count;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("a number of tokens")
            }

            fn visit_u64<E: de::Error>(self, tokens: u64) -> Result<Count, E> {
                if tokens > MOST_TOKENS {
                    return Err(E::custom("more tokens than any request uses"));
                }
                Ok(Count(Some(tokens)))
            }

            fn visit_unit<E>(self) -> Result<Count, E> {
                Ok(Count(None))
            }
        }
        deserializer.deserialize_any(Counts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_dialect_is_read() {
        let chat = br#"{"prompt_tokens":100,"completion_tokens":50,"total_tokens":150,
            "prompt_tokens_details":{"cached_tokens":40,"audio_tokens":10,"image_tokens":5,
            "cache_write_tokens":30},"completion_tokens_details":{"reasoning_tokens":20,
            "audio_tokens":7,"accepted_prediction_tokens":null}}"#;
        let full = TokenUsage {
            input_tokens: 100,
            cached_input_tokens: 40,
            cache_write_tokens: 30,
            audio_input_tokens: 10,
            image_input_tokens: 5,
            output_tokens: 50,
            reasoning_tokens: 20,
            audio_output_tokens: 7,
        };
        assert_eq!(TokenUsage::parse(Endpoint::Chat, chat), Some(full));

        let responses = br#"{"input_tokens":9,"input_tokens_details":{"cached_tokens":4},
            "output_tokens":3,"output_tokens_details":{"reasoning_tokens":2},"total_tokens":12}"#;
        let usage = TokenUsage::parse(Endpoint::Responses, responses).expect("usage");
        assert_eq!((usage.input_tokens, usage.cached_input_tokens), (9, 4));
        assert_eq!((usage.output_tokens, usage.reasoning_tokens), (3, 2));

        let embeddings = br#"{"prompt_tokens":8,"total_tokens":8}"#;
        let usage = TokenUsage::parse(Endpoint::Embeddings, embeddings).expect("usage");
        assert_eq!((usage.input_tokens, usage.output_tokens), (8, 0));

        let deepseek = br#"{"prompt_tokens":8,"completion_tokens":1,"prompt_cache_hit_tokens":6}"#;
        let usage = TokenUsage::parse(Endpoint::Chat, deepseek).expect("usage");
        assert_eq!(usage.cached_input_tokens, 6);
    }

    #[test]
    fn null_details_are_nothing() {
        for details in ["null", "{}", r#"{"cached_tokens":null}"#] {
            let json = format!(
                r#"{{"prompt_tokens":1,"completion_tokens":2,"prompt_tokens_details":{details}}}"#
            );
            let usage = TokenUsage::parse(Endpoint::Chat, json.as_bytes()).expect(details);
            assert_eq!(usage.cached_input_tokens, 0);
        }
    }

    #[test]
    fn an_unbelievable_number_voids_the_report() {
        let numbers = [
            "-1",
            "1.5",
            "5.0",
            "1e3",
            "\"7\"",
            "true",
            "[1]",
            "1000000000001",
            "{}",
        ];
        for bad in numbers {
            let total = format!(r#"{{"prompt_tokens":{bad},"completion_tokens":2}}"#);
            let part = format!(
                r#"{{"prompt_tokens":1,"completion_tokens":2,"prompt_tokens_details":{{"cached_tokens":{bad}}}}}"#
            );
            assert_eq!(
                TokenUsage::parse(Endpoint::Chat, total.as_bytes()),
                None,
                "{bad}"
            );
            assert_eq!(
                TokenUsage::parse(Endpoint::Chat, part.as_bytes()),
                None,
                "{bad}"
            );
        }
        for missing in [
            "null",
            "{}",
            r#"{"prompt_tokens":4}"#,
            r#"{"completion_tokens":4}"#,
            "[]",
        ] {
            assert_eq!(
                TokenUsage::parse(Endpoint::Chat, missing.as_bytes()),
                None,
                "{missing}"
            );
        }
    }

    proptest! {
        #[test]
        fn parts_never_exceed_their_totals(n in prop::array::uniform8(0_u64..50)) {
            let usage = TokenUsage {
                input_tokens: n[0],
                cached_input_tokens: n[1],
                cache_write_tokens: n[2],
                audio_input_tokens: n[3],
                image_input_tokens: n[4],
                output_tokens: n[5],
                reasoning_tokens: n[6],
                audio_output_tokens: n[7],
            }
            .clamped();
            prop_assert_eq!((usage.input_tokens, usage.output_tokens), (n[0], n[5]));
            prop_assert!(usage.cached_input_tokens + usage.cache_write_tokens <= n[0]);
            prop_assert!(usage.audio_input_tokens + usage.image_input_tokens <= n[0]);
            prop_assert!(usage.reasoning_tokens + usage.audio_output_tokens <= n[5]);
            prop_assert_eq!(usage.clamped(), usage);
        }

        #[test]
        fn any_bytes_are_safe(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let _ = TokenUsage::parse(Endpoint::Chat, &bytes);
            let _ = TokenUsage::parse(Endpoint::Responses, &bytes);
        }
    }
}
