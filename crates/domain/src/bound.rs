//! The most tokens a request can use, before anyone has counted them.
//!
//! Every token of a byte-level tokenizer covers at least one byte, so the bytes of the request's
//! body bound its text; a constant pays for what chat templates add. Images, audio and files are
//! not bounded by their bytes: there the model's context window is the bound, as it always is.

/// What the catalogue knows about a model's size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ModelSize {
    /// Tokens of input and output together that the model can hold.
    pub context_tokens: u64,
    /// The most tokens of one answer.
    pub max_output_tokens: u64,
}

/// What a request shows of its size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestSize {
    /// Bytes of the whole body.
    pub body_bytes: u64,
    /// The body refers to content whose tokens its bytes do not bound.
    pub opaque: bool,
    /// The body may carry several prompts, each with a context window of its own.
    pub many_prompts: bool,
    /// The output limit the client named.
    pub max_output_tokens: Option<u64>,
    /// How many answers are generated.
    pub choices: u64,
    /// The endpoint generates text at all.
    pub generates: bool,
}

/// Upper bounds of one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenBound {
    /// At most this many input tokens.
    pub input_tokens: u64,
    /// At most this many output tokens, over all choices.
    pub output_tokens: u64,
    /// At most this many output tokens in one choice: what the upstream is asked for.
    pub output_tokens_each: u64,
}

impl TokenBound {
    /// The same, with at most `output_tokens_each` in each of `choices`.
    #[must_use]
    pub fn with_output(self, output_tokens_each: u64, choices: u64) -> Self {
        TokenBound {
            output_tokens: output_tokens_each.saturating_mul(choices),
            output_tokens_each,
            ..self
        }
    }
}

/// What chat templates add around the client's text: markers and default system prompts.
const TEMPLATE_TOKENS: u64 = 64;

/// Bounds the tokens of a request for a model.
#[must_use]
pub fn token_bound(model: &ModelSize, request: &RequestSize) -> TokenBound {
    let by_bytes = request.body_bytes.saturating_add(TEMPLATE_TOKENS);
    let input_tokens = match (request.opaque, request.many_prompts) {
        (true, _) => model.context_tokens,
        (false, true) => by_bytes,
        (false, false) => by_bytes.min(model.context_tokens),
    };
    let most = model.max_output_tokens;
    let output_tokens_each = match request.generates {
        true => request
            .max_output_tokens
            .map_or(most, |asked| asked.min(most)),
        false => 0,
    };
    TokenBound {
        input_tokens,
        output_tokens: output_tokens_each.saturating_mul(request.choices),
        output_tokens_each,
    }
}

/// Tokens of a text nobody counted: a byte-level token covers about four bytes of prose.
/// At least `at_least`; never more than the bytes allow.
#[must_use]
pub fn estimate_tokens(text_bytes: u64, at_least: u64) -> u64 {
    text_bytes.div_ceil(4).max(at_least)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MODEL: ModelSize = ModelSize {
        context_tokens: 1_000,
        max_output_tokens: 100,
    };
    const REQUEST: RequestSize = RequestSize {
        body_bytes: 200,
        opaque: false,
        many_prompts: false,
        max_output_tokens: None,
        choices: 1,
        generates: true,
    };

    #[test]
    fn bounds_follow_bytes_window_and_limits() {
        let table = [
            (REQUEST, 264, 100),
            (
                RequestSize {
                    body_bytes: 5_000,
                    ..REQUEST
                },
                1_000,
                100,
            ),
            (
                RequestSize {
                    opaque: true,
                    ..REQUEST
                },
                1_000,
                100,
            ),
            (
                RequestSize {
                    body_bytes: 5_000,
                    many_prompts: true,
                    ..REQUEST
                },
                5_064,
                100,
            ),
            (
                RequestSize {
                    max_output_tokens: Some(7),
                    ..REQUEST
                },
                264,
                7,
            ),
            (
                RequestSize {
                    max_output_tokens: Some(7_000),
                    ..REQUEST
                },
                264,
                100,
            ),
            (
                RequestSize {
                    max_output_tokens: Some(7),
                    choices: 3,
                    ..REQUEST
                },
                264,
                21,
            ),
            (
                RequestSize {
                    generates: false,
                    ..REQUEST
                },
                264,
                0,
            ),
        ];
        for (request, input_tokens, output_tokens) in table {
            let bound = token_bound(&MODEL, &request);
            assert_eq!(
                (bound.input_tokens, bound.output_tokens),
                (input_tokens, output_tokens)
            );
        }
    }

    #[test]
    fn an_uncounted_text_has_at_least_the_tokens_seen() {
        assert_eq!(estimate_tokens(0, 1), 1);
        assert_eq!(estimate_tokens(9, 1), 3);
        assert_eq!(estimate_tokens(9, 5), 5);
    }
}
