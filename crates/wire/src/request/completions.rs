//! Legacy completions: prompts as text or as token ids.

use super::chat::MOST_CHOICES;
use super::embeddings::MOST_INPUTS;
use super::encode::{MAX_TOKENS, N_PREDICT};
use super::{ModelRequest, RequestError};
use crate::json::{self, Kind, Value};

/// What OpenAI generates where `max_tokens` is absent.
const DEFAULT_OUTPUT_TOKENS: u64 = 16;

pub(super) fn check(request: &mut ModelRequest) -> Result<(), RequestError> {
    let fields = &request.fields;
    let prompts = count_prompts("prompt", fields.required("prompt")?)?;
    let choices = fields.integer("n", MOST_CHOICES)?.unwrap_or(1);
    let best_of = fields.integer("best_of", MOST_CHOICES)?.unwrap_or(1);
    let other = fields.output_limit(N_PREDICT)?;
    let limit = fields.output_limit(MAX_TOKENS)?.or(other);
    // Embeddings sent in place of text have no fixed number of bytes per token.
    let opaque = fields.present("prompt_embeds").is_some();

    request.max_output_tokens = Some(limit.unwrap_or(DEFAULT_OUTPUT_TOKENS));
    request.names_limit = limit.is_some();
    request.choices = choices.max(best_of) * prompts.texts;
    request.prompt.messages = prompts.texts;
    request.prompt.token_ids = prompts.token_ids;
    request.prompt.opaque = opaque;
    Ok(())
}

/// How many texts a field holds, and how many tokens were given by number.
pub(super) struct Prompts {
    pub(super) texts: u64,
    pub(super) token_ids: u64,
}

/// Counts a string, an array of strings, an array of token ids, or an array of such arrays.
pub(super) fn count_prompts(param: &str, value: Value<'_>) -> Result<Prompts, RequestError> {
    match Kind::of(value) {
        // For completions null means OpenAI's default, an end-of-text mark.
        Kind::Text | Kind::Null => {
            return Ok(Prompts {
                texts: 1,
                token_ids: 0,
            });
        }
        Kind::Array => {}
        got => {
            let expected = "one of a string or array of strings or token ids";
            return Err(RequestError::wrong_type(param, expected, got));
        }
    }
    let mut texts = 0;
    let mut loose_ids = 0;
    let mut token_ids = 0;
    json::items(value, |index, item| {
        match Kind::of(item) {
            Kind::Text => texts += 1,
            Kind::Integer => loose_ids += 1,
            Kind::Array => {
                texts += 1;
                token_ids += count_ids(&format!("{param}[{index}]"), item)?;
            }
            got => {
                let expected = "one of a string, a token id or an array of token ids";
                return Err(RequestError::wrong_type(
                    &format!("{param}[{index}]"),
                    expected,
                    got,
                ));
            }
        }
        Ok(())
    })?;
    if texts == 0 && loose_ids == 0 {
        return Err(RequestError::empty_array(param));
    }
    if texts > MOST_INPUTS {
        return Err(RequestError::array_too_long(param, MOST_INPUTS, texts));
    }
    // Loose ids are one prompt. Beside other prompts no upstream takes them; then each counts.
    let texts = if texts == 0 { 1 } else { texts + loose_ids };
    Ok(Prompts {
        texts,
        token_ids: token_ids + loose_ids,
    })
}

fn count_ids(param: &str, ids: Value<'_>) -> Result<u64, RequestError> {
    let mut count = 0;
    json::items(ids, |index, id| {
        if Kind::of(id) != Kind::Integer {
            let param = format!("{param}[{index}]");
            return Err(RequestError::wrong_type(&param, "an integer", Kind::of(id)));
        }
        count += 1;
        Ok(())
    })?;
    if count == 0 {
        return Err(RequestError::empty_array(param));
    }
    Ok(count)
}
