//! The most tokens a request can use, before anyone has counted them, and after.
//!
//! Every token of a byte-level tokenizer covers at least one byte, so the bytes of the request's
//! text bound its tokens. What bytes do not bound, a model's constants do: what its chat template
//! adds, what a picture can cost, how much longer normalising makes a text. Without the constant,
//! or where nothing can be known, the context window is the bound, as it is of everything: a longer
//! prompt is refused by the upstream.

/// What the catalogue knows about a model's size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ModelSize {
    /// Tokens of input and output together that the model can hold.
    pub context_tokens: u64,
    /// The most tokens of one answer.
    pub max_output_tokens: u64,
    /// An answer is not kept shorter than this for want of money, unless it was asked to be.
    pub min_output_tokens: u64,
    /// What bytes do not say of its input.
    pub input: InputBounds,
}

/// What bytes do not say of a model's input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InputBounds {
    /// What the chat template adds to a request: markers and a default system prompt.
    pub template_tokens: u64,
    /// What it adds to each message. Bytes pay for it: a message's own JSON is longer. Only where
    /// tokens were counted it is added.
    pub message_tokens: u64,
    /// How many times longer the tokenizer can make a text before it cuts it: 1 where it takes the
    /// bytes as they are, 3 where it composes them (NFC), 11 where it unfolds them (NFKC).
    pub bytes_factor: u64,
    /// What it adds to explain tools, where any are offered.
    pub tools_tokens: u64,
    /// How many times the tokens, or bytes, of tools, schemas and calls it makes by writing their
    /// JSON anew, with blanks and line ends.
    pub tools_factor: u64,
    /// The most that one picture costs. None: any number.
    pub image_tokens: Option<u64>,
    /// The most that one sound costs, at the greatest length that the model takes.
    pub audio_tokens: Option<u64>,
    /// The most that one file costs.
    pub file_tokens: Option<u64>,
}

impl Default for InputBounds {
    fn default() -> Self {
        InputBounds {
            template_tokens: 64,
            message_tokens: 8,
            bytes_factor: 1,
            tools_tokens: 512,
            tools_factor: 4,
            image_tokens: None,
            audio_tokens: None,
            file_tokens: None,
        }
    }
}

/// What a request shows of its size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestSize {
    /// Bytes of the whole body.
    pub body_bytes: u64,
    /// Of these: the data and addresses of pictures, sounds and files.
    pub media_bytes: u64,
    /// Of these: JSON that a chat template may write anew.
    pub rendered_bytes: u64,
    /// The model is offered tools.
    pub offers_tools: bool,
    /// Normalising cannot make the text longer.
    pub ascii: bool,
    /// Pictures.
    pub images: u64,
    /// Sounds.
    pub sounds: u64,
    /// Files.
    pub files: u64,
    /// The body refers to content whose tokens nothing bounds.
    pub opaque: bool,
    /// Messages of a conversation, or prompts.
    pub messages: u64,
    /// How many prompts there are, each with a context window of its own.
    pub prompts: u64,
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
    /// How many of them are for pictures, sounds and files.
    pub media_tokens: u64,
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

/// What a tokenizer made of a request's texts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CountedText {
    /// Tokens of everything that stands in the prompt as it is.
    pub text_tokens: u64,
    /// Tokens of the JSON that a chat template may write anew.
    pub rendered_tokens: u64,
}

/// Bounds the tokens of a request for a model.
#[must_use]
pub fn token_bound(model: &ModelSize, request: &RequestSize) -> TokenBound {
    let most = model.max_output_tokens;
    let output_tokens_each = match request.generates {
        true => request
            .max_output_tokens
            .map_or(most, |asked| asked.min(most)),
        false => 0,
    };
    let window = model.context_tokens.saturating_mul(request.prompts);
    let media = media_tokens(&model.input, request);
    let bytes = text_bytes(&model.input, request);
    let input_tokens = match media {
        None => window,
        Some(media) => added(&model.input, request)
            .saturating_add(bytes)
            .saturating_add(media)
            .min(window),
    };
    TokenBound {
        input_tokens,
        media_tokens: media.unwrap_or(0).min(input_tokens),
        output_tokens: output_tokens_each.saturating_mul(request.choices),
        output_tokens_each,
    }
}

/// The most input tokens of a request whose texts were counted by the model's own tokenizer: the
/// count and what templates add, and two in a hundred more, as texts that are joined may be cut
/// differently. Never more than `bound`, which is returned where nothing could be counted.
#[must_use]
pub fn counted_input_bound(
    model: &ModelSize,
    request: &RequestSize,
    bound: &TokenBound,
    counted: &CountedText,
) -> u64 {
    let Some(media) = media_tokens(&model.input, request) else {
        return bound.input_tokens;
    };
    let rendered = counted
        .rendered_tokens
        .saturating_mul(model.input.tools_factor);
    let messages = model.input.message_tokens.saturating_mul(request.messages);
    let text = counted
        .text_tokens
        .saturating_add(rendered)
        .saturating_add(messages)
        .saturating_add(added(&model.input, request));
    text.saturating_add(text.div_ceil(50))
        .saturating_add(media)
        .min(bound.input_tokens)
}

/// Bytes of the text as the tokenizer gets to see it, at most.
fn text_bytes(model: &InputBounds, request: &RequestSize) -> u64 {
    let plain = request.body_bytes.saturating_sub(request.media_bytes);
    let written_anew = request
        .rendered_bytes
        .saturating_mul(model.tools_factor.saturating_sub(1));
    let factor = match request.ascii {
        true => 1,
        false => model.bytes_factor,
    };
    plain.saturating_add(written_anew).saturating_mul(factor)
}

/// Tokens that templates add, whatever the texts.
fn added(model: &InputBounds, request: &RequestSize) -> u64 {
    let tools = match request.offers_tools {
        true => model.tools_tokens,
        false => 0,
    };
    model.template_tokens.saturating_add(tools)
}

/// Tokens of pictures, sounds and files; none if nothing bounds them.
fn media_tokens(model: &InputBounds, request: &RequestSize) -> Option<u64> {
    if request.opaque {
        return None;
    }
    let kinds = [
        (request.images, model.image_tokens),
        (request.sounds, model.audio_tokens),
        (request.files, model.file_tokens),
    ];
    kinds.into_iter().try_fold(0_u64, |sum, (count, each)| {
        let tokens = match count {
            0 => 0,
            _ => each?.saturating_mul(count),
        };
        Some(sum.saturating_add(tokens))
    })
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
    use proptest::prelude::*;

    const INPUT: InputBounds = InputBounds {
        template_tokens: 64,
        message_tokens: 10,
        bytes_factor: 3,
        tools_tokens: 20,
        tools_factor: 4,
        image_tokens: Some(85),
        audio_tokens: Some(30),
        file_tokens: None,
    };
    const MODEL: ModelSize = ModelSize {
        context_tokens: 1_000,
        max_output_tokens: 100,
        min_output_tokens: 1,
        input: INPUT,
    };
    const REQUEST: RequestSize = RequestSize {
        body_bytes: 200,
        media_bytes: 0,
        rendered_bytes: 0,
        offers_tools: false,
        ascii: true,
        images: 0,
        sounds: 0,
        files: 0,
        opaque: false,
        messages: 1,
        prompts: 1,
        max_output_tokens: None,
        choices: 1,
        generates: true,
    };

    /// What a request changes, and the bound of its input.
    type Case = (fn(&mut RequestSize), u64);

    #[test]
    fn input_is_bounded_by_bytes_constants_and_the_window() {
        let table: &[Case] = &[
            (|_| {}, 264),
            (|it| it.body_bytes = 5_000, 1_000),
            (|it| it.opaque = true, 1_000),
            // Several prompts have a window each.
            (|it| (it.body_bytes, it.prompts) = (5_000, 3), 3_000),
            (|it| (it.body_bytes, it.prompts) = (2_000, 3), 2_064),
            (|it| (it.opaque, it.prompts) = (true, 3), 3_000),
            // Normalising can lengthen what is not ASCII.
            (|it| it.ascii = false, 664),
            // Media are bounded by their number, their data by nothing else.
            (|it| (it.images, it.media_bytes) = (2, 150), 50 + 64 + 170),
            (|it| (it.images, it.sounds) = (1, 1), 200 + 64 + 85 + 30),
            (|it| (it.images, it.media_bytes) = (50, 150), 1_000),
            (|it| it.files = 1, 1_000),
            // Tools are written anew, and explained.
            (
                |it| (it.rendered_bytes, it.offers_tools) = (40, true),
                200 + 3 * 40 + 64 + 20,
            ),
            (
                |it| (it.rendered_bytes, it.ascii) = (20, false),
                (200 + 3 * 20) * 3 + 64,
            ),
        ];
        for (number, (change, expected)) in table.iter().enumerate() {
            let mut request = REQUEST;
            change(&mut request);
            let bound = token_bound(&MODEL, &request);
            assert_eq!(bound.input_tokens, *expected, "case {number}");
            assert!(bound.media_tokens <= bound.input_tokens);
        }
    }

    #[test]
    fn output_is_bounded_by_the_models_limit_and_the_callers() {
        let table: &[Case] = &[
            (|_| {}, 100),
            (|it| it.max_output_tokens = Some(7), 7),
            (|it| it.max_output_tokens = Some(7_000), 100),
            (|it| (it.max_output_tokens, it.choices) = (Some(7), 3), 21),
            (|it| it.generates = false, 0),
        ];
        for (change, expected) in table {
            let mut request = REQUEST;
            change(&mut request);
            assert_eq!(token_bound(&MODEL, &request).output_tokens, *expected);
        }
    }

    #[test]
    fn a_count_tightens_the_bound_of_the_text_only() {
        let tighter = |request: &RequestSize, text_tokens, rendered_tokens| {
            let bound = token_bound(&MODEL, request);
            let counted = CountedText {
                text_tokens,
                rendered_tokens,
            };
            counted_input_bound(&MODEL, request, &bound, &counted)
        };
        // 26 + 10 for the message + 64, and two in a hundred.
        assert_eq!(tighter(&REQUEST, 26, 0), 102);
        assert_eq!(tighter(&REQUEST, 27, 0), 104);
        assert_eq!(tighter(&REQUEST, 5_000, 0), 264, "never above the bytes");
        let request = RequestSize {
            images: 1,
            rendered_bytes: 40,
            offers_tools: true,
            ..REQUEST
        };
        assert_eq!(tighter(&request, 6, 25), 200 + 4 + 85);
        let unbounded = RequestSize {
            files: 1,
            ..REQUEST
        };
        assert_eq!(tighter(&unbounded, 1, 0), 1_000);
    }

    #[test]
    fn an_uncounted_text_has_at_least_the_tokens_seen() {
        assert_eq!(estimate_tokens(0, 1), 1);
        assert_eq!(estimate_tokens(9, 1), 3);
        assert_eq!(estimate_tokens(9, 5), 5);
    }

    proptest! {
        #[test]
        fn no_size_overflows_and_no_bound_passes_the_window(
            numbers in proptest::array::uniform8(any::<u64>()),
            (ascii, offers_tools) in (any::<bool>(), any::<bool>()),
        ) {
            let request = RequestSize {
                body_bytes: numbers[0],
                media_bytes: numbers[1],
                rendered_bytes: numbers[2],
                images: numbers[3],
                sounds: numbers[4],
                messages: numbers[5],
                choices: numbers[6],
                ascii,
                offers_tools,
                ..REQUEST
            };
            let bound = token_bound(&MODEL, &request);
            prop_assert!(bound.input_tokens <= MODEL.context_tokens);
            let counted = CountedText {
                text_tokens: numbers[7],
                rendered_tokens: numbers[6],
            };
            let tighter = counted_input_bound(&MODEL, &request, &bound, &counted);
            prop_assert!(tighter <= bound.input_tokens);
        }
    }
}
