//! Counts what a request uses: by the upstream's word where it can be believed, else by our own.

use domain::bound::estimate_tokens;
use domain::usage::{Reported, Usage};
use wire::answer::AnswerFacts;
use wire::chunk::ChunkFacts;
use wire::usage::TokenUsage;

/// What was seen of one answer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Meter {
    prompt_bytes: u64,
    generates: bool,
    deltas: u64,
    text_bytes: u64,
    reported: Option<TokenUsage>,
}

/// A count, and whose it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Counted {
    pub(crate) usage: Usage,
    /// We counted ourselves, at least in part.
    pub(crate) estimated: bool,
}

impl Meter {
    pub(crate) fn new(prompt_bytes: u64, generates: bool) -> Self {
        Meter {
            prompt_bytes,
            generates,
            deltas: 0,
            text_bytes: 0,
            reported: None,
        }
    }

    /// Adds one chunk of a stream.
    pub(crate) fn chunk(&mut self, facts: &ChunkFacts) {
        self.deltas += facts.deltas;
        self.text_bytes += facts.text_bytes;
        // Some upstreams repeat a growing usage in every chunk: the last word counts.
        self.reported = facts.usage.or(self.reported);
    }

    /// Takes a whole answer.
    pub(crate) fn answer(&mut self, facts: &AnswerFacts) {
        self.text_bytes = facts.output_text_bytes;
        self.deltas = u64::from(facts.output_text_bytes > 0);
        self.reported = facts.usage;
    }

    /// Takes bytes of an answer that cannot be read any more.
    pub(crate) fn unread(&mut self, bytes: u64) {
        self.text_bytes += bytes;
    }

    /// Whether nothing of an answer was seen.
    pub(crate) fn is_empty(&self) -> bool {
        self.deltas == 0 && self.text_bytes == 0 && self.reported.is_none()
    }

    /// The usage so far, for a checkpoint.
    pub(crate) fn so_far(&self) -> Usage {
        self.estimate()
    }

    /// The usage at the end.
    ///
    /// A report is believed unless it contradicts what was seen: text was delivered and no output
    /// is reported, or there was no input at all. Only the part that cannot be true is replaced.
    pub(crate) fn count(&self) -> Counted {
        let estimate = self.estimate();
        let Some(reported) = self.reported else {
            return Counted {
                usage: estimate,
                estimated: true,
            };
        };
        let mut reported = Reported {
            input_tokens: reported.input_tokens,
            cached_input_tokens: reported.cached_input_tokens,
            cache_write_tokens: reported.cache_write_tokens,
            audio_input_tokens: reported.audio_input_tokens,
            image_input_tokens: reported.image_input_tokens,
            output_tokens: reported.output_tokens,
            reasoning_tokens: reported.reasoning_tokens,
            audio_output_tokens: reported.audio_output_tokens,
        };
        let no_input = reported.input_tokens == 0;
        let no_output = reported.output_tokens == 0 && self.generates && self.text_bytes > 0;
        if no_input {
            reported.input_tokens = estimate.input_tokens();
        }
        if no_output {
            reported.output_tokens = estimate.output_tokens();
        }
        Counted {
            usage: Usage::from_reported(&reported),
            estimated: no_input || no_output,
        }
    }

    fn estimate(&self) -> Usage {
        let input = estimate_tokens(self.prompt_bytes, 1);
        let output = match self.generates {
            true => estimate_tokens(self.text_bytes, self.deltas),
            false => 0,
        };
        Usage::text(input, output)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reported(input_tokens: u64, output_tokens: u64) -> Option<TokenUsage> {
        Some(TokenUsage {
            input_tokens,
            output_tokens,
            ..TokenUsage::default()
        })
    }

    #[test]
    fn reports_are_believed_unless_they_contradict_what_was_seen() {
        // (prompt bytes, deltas, text bytes, reported) -> (input, output, estimated)
        let table = [
            ((40, 3, 12, reported(9, 3)), (9, 3, false)),
            ((40, 3, 12, None), (10, 3, true)),
            ((40, 3, 200, None), (10, 50, true)),
            ((40, 3, 12, reported(9, 0)), (9, 3, true)),
            ((40, 0, 0, reported(9, 0)), (9, 0, false)),
            ((40, 3, 12, reported(0, 3)), (10, 3, true)),
            ((0, 0, 0, None), (1, 0, true)),
        ];
        for ((prompt_bytes, deltas, text_bytes, reported), (input, output, estimated)) in table {
            let meter = Meter {
                prompt_bytes,
                generates: true,
                deltas,
                text_bytes,
                reported,
            };
            let counted = meter.count();
            assert_eq!(counted.usage.input_tokens(), input);
            assert_eq!(counted.usage.output_tokens(), output);
            assert_eq!(counted.estimated, estimated);
        }
    }

    #[test]
    fn embeddings_have_no_output() {
        let mut meter = Meter::new(40, false);
        meter.answer(&AnswerFacts {
            usage: None,
            output_text_bytes: 0,
            choices: 1,
        });
        assert_eq!(meter.count().usage.output_tokens(), 0);
    }
}
