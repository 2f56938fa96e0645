//! Counts what a request uses: by the upstream's word where it can be believed, else by our own.

use domain::bound::{TokenBound, estimate_tokens};
use domain::usage::{Reported, Usage};
use wire::answer::AnswerFacts;
use wire::chunk::ChunkFacts;
use wire::usage::TokenUsage;

/// What was seen of one answer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Meter {
    prompt_bytes: u64,
    bound: TokenBound,
    seen: Seen,
    reported: Option<TokenUsage>,
    /// What came after the report, which does not speak of it.
    since: Seen,
}

/// Output as it arrives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Seen {
    deltas: u64,
    text_bytes: u64,
}

/// A count, and whose it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Counted {
    pub(crate) usage: Usage,
    /// We counted ourselves, at least in part.
    pub(crate) estimated: bool,
}

impl Meter {
    /// A meter for an answer whose tokens are bounded like this.
    pub(crate) fn new(prompt_bytes: u64, bound: TokenBound) -> Self {
        Meter {
            prompt_bytes,
            bound,
            seen: Seen::default(),
            reported: None,
            since: Seen::default(),
        }
    }

    /// Adds one chunk of a stream.
    pub(crate) fn chunk(&mut self, facts: &ChunkFacts) {
        self.seen.add(facts.deltas, facts.text_bytes);
        match facts.usage {
            // Some upstreams repeat a growing usage in every chunk: the last word counts.
            Some(usage) => {
                self.reported = Some(usage);
                self.since = Seen::default();
            }
            None => self.since.add(facts.deltas, facts.text_bytes),
        }
    }

    /// Takes a whole answer.
    pub(crate) fn answer(&mut self, facts: &AnswerFacts) {
        self.seen = Seen {
            deltas: u64::from(facts.output_text_bytes > 0),
            text_bytes: facts.output_text_bytes,
        };
        self.reported = facts.usage;
    }

    /// Takes bytes of an answer that cannot be read any more.
    pub(crate) fn unread(&mut self, bytes: u64) {
        self.seen.text_bytes += bytes;
    }

    /// Whether nothing of an answer was seen.
    pub(crate) fn is_empty(&self) -> bool {
        self.seen == Seen::default() && self.reported.is_none()
    }

    /// The least that was used so far, whoever counts: what the upstream reports on the way, and a
    /// token for each delta that came since.
    ///
    /// This is what may cut a stream off, so it must not be more than the truth. The bytes say
    /// nothing here: of long words a token has more than four, and an upstream that keeps to its
    /// limit would be cut off by an estimate. But a delta without any token there is not.
    pub(crate) fn at_least(&self) -> Usage {
        let mut used = self.reported.map_or_else(
            || Reported {
                input_tokens: self.input(),
                ..Reported::default()
            },
            |reported| as_reported(&reported),
        );
        used.output_tokens = (used.output_tokens + self.since.deltas).max(self.seen.deltas);
        Usage::from_reported(&used)
    }

    /// The usage up to now, and at the end.
    ///
    /// A report is believed unless it contradicts what was seen: text was delivered and no output
    /// is reported, or there was no input at all. Only the part that cannot be true is replaced,
    /// and what came after the report is added to it.
    pub(crate) fn count(&self) -> Counted {
        let Some(reported) = self.reported else {
            return Counted {
                usage: Usage::text(self.input(), self.output(self.seen, 0)),
                estimated: true,
            };
        };
        let mut used = as_reported(&reported);
        let no_input = used.input_tokens == 0;
        let no_output = used.output_tokens == 0 && self.generates() && self.seen.text_bytes > 0;
        if no_input {
            used.input_tokens = self.input();
        }
        let added = match no_output {
            true => self.output(self.seen, 0),
            false => self.output(self.since, used.output_tokens),
        };
        used.output_tokens += added;
        Counted {
            usage: Usage::from_reported(&used),
            estimated: no_input || added > 0,
        }
    }

    fn generates(&self) -> bool {
        self.bound.output_tokens > 0
    }

    /// Our count of the input: by the bytes of its text and the number of its media, but not more
    /// than was thought possible.
    fn input(&self) -> u64 {
        let most = self.bound.input_tokens.max(1);
        let text = estimate_tokens(self.prompt_bytes, 1);
        text.saturating_add(self.bound.media_tokens).min(most)
    }

    /// Our count of output that came behind `before` tokens: by its bytes, but not more than the
    /// upstream was asked for, unless the deltas say so.
    fn output(&self, seen: Seen, before: u64) -> u64 {
        if !self.generates() {
            return 0;
        }
        let most = self.bound.output_tokens.saturating_sub(before);
        estimate_tokens(seen.text_bytes, 0)
            .min(most)
            .max(seen.deltas)
    }
}

impl Seen {
    fn add(&mut self, deltas: u64, text_bytes: u64) {
        self.deltas += deltas;
        self.text_bytes += text_bytes;
    }
}

fn as_reported(usage: &TokenUsage) -> Reported {
    Reported {
        input_tokens: usage.input_tokens,
        cached_input_tokens: usage.cached_input_tokens,
        cache_write_tokens: usage.cache_write_tokens,
        audio_input_tokens: usage.audio_input_tokens,
        image_input_tokens: usage.image_input_tokens,
        output_tokens: usage.output_tokens,
        reasoning_tokens: usage.reasoning_tokens,
        audio_output_tokens: usage.audio_output_tokens,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUND: TokenBound = TokenBound {
        input_tokens: 1_000,
        media_tokens: 0,
        output_tokens: 60,
        output_tokens_each: 60,
    };

    fn usage(input_tokens: u64, output_tokens: u64) -> Option<TokenUsage> {
        Some(TokenUsage {
            input_tokens,
            output_tokens,
            ..TokenUsage::default()
        })
    }

    fn chunk(deltas: u64, text_bytes: u64, usage: Option<TokenUsage>) -> ChunkFacts {
        ChunkFacts {
            usage,
            deltas,
            text_bytes,
            ..ChunkFacts::default()
        }
    }

    fn meter(prompt_bytes: u64, chunks: &[ChunkFacts]) -> Meter {
        let mut meter = Meter::new(prompt_bytes, BOUND);
        chunks.iter().for_each(|facts| meter.chunk(facts));
        meter
    }

    #[test]
    fn reports_are_believed_unless_they_contradict_what_was_seen() {
        // (prompt bytes, deltas, text bytes, reported) -> (input, output, estimated)
        let table = [
            ((40, 3, 12, usage(9, 3)), (9, 3, false)),
            ((40, 3, 12, None), (10, 3, true)),
            ((40, 3, 200, None), (10, 50, true)),
            ((40, 3, 12, usage(9, 0)), (9, 3, true)),
            ((40, 0, 0, usage(9, 0)), (9, 0, false)),
            ((40, 3, 12, usage(0, 3)), (10, 3, true)),
            ((0, 0, 0, None), (1, 0, true)),
            // Long words are not more tokens than the upstream may send, nor blanks more than fit.
            ((40, 3, 400, None), (10, 60, true)),
            ((40, 70, 400, None), (10, 70, true)),
            ((40_000, 3, 12, None), (1_000, 3, true)),
        ];
        for ((prompt_bytes, deltas, text_bytes, usage), (input, output, estimated)) in table {
            let chunks = [chunk(deltas, text_bytes, None), chunk(0, 0, usage)];
            let counted = meter(prompt_bytes, &chunks).count();
            assert_eq!(counted.usage.input_tokens(), input);
            assert_eq!(counted.usage.output_tokens(), output);
            assert_eq!(counted.estimated, estimated);
        }
    }

    #[test]
    fn media_count_as_much_as_they_can_cost() {
        let bound = TokenBound {
            media_tokens: 85,
            ..BOUND
        };
        let counted = Meter::new(40, bound).count();
        assert_eq!(counted.usage.input_tokens(), 95);
    }

    #[test]
    fn what_comes_after_a_report_is_added_to_it() {
        let mut chunks = vec![
            chunk(1, 4, usage(9, 1)),
            chunk(1, 4, None),
            chunk(1, 4, None),
        ];
        let counted = meter(40, &chunks).count();
        assert_eq!(
            (counted.usage, counted.estimated),
            (Usage::text(9, 3), true)
        );
        chunks.push(chunk(0, 0, usage(9, 5)));
        let counted = meter(40, &chunks).count();
        assert_eq!(
            (counted.usage, counted.estimated),
            (Usage::text(9, 5), false)
        );
    }

    #[test]
    fn the_least_that_was_used_goes_by_deltas_and_reports_not_by_bytes() {
        let table = [
            (vec![], (10, 0)),
            (vec![chunk(3, 400, None)], (10, 3)),
            (vec![chunk(1, 4, usage(9, 20))], (9, 20)),
            (vec![chunk(1, 4, usage(9, 20)), chunk(2, 90, None)], (9, 22)),
            (vec![chunk(4, 4, None), chunk(1, 4, usage(9, 0))], (9, 5)),
        ];
        for (chunks, (input, output)) in table {
            let usage = meter(40, &chunks).at_least();
            assert_eq!(
                (usage.input_tokens(), usage.output_tokens()),
                (input, output)
            );
        }
    }

    #[test]
    fn embeddings_have_no_output() {
        let bound = TokenBound {
            output_tokens: 0,
            ..BOUND
        };
        let mut meter = Meter::new(40, bound);
        meter.answer(&AnswerFacts {
            usage: None,
            output_text_bytes: 0,
            choices: 1,
            finish_reason: None,
        });
        meter.unread(40);
        assert_eq!(meter.count().usage.output_tokens(), 0);
    }
}
