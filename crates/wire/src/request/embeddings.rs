//! Embeddings: inputs as text or as token ids, and no output.

use super::completions::count_prompts;
use super::{ModelRequest, RequestError};
use crate::json::{self, Kind};

/// OpenAI's most inputs per request.
pub(super) const MOST_INPUTS: u64 = 2048;

pub(super) fn check(request: &mut ModelRequest) -> Result<(), RequestError> {
    let input = request.fields.required("input")?;
    if json::escaped(input) == Some("") {
        return Err(RequestError::empty_string("input"));
    }
    if json::is_null(input) {
        let expected = "one of a string or array of strings or token ids";
        return Err(RequestError::wrong_type("input", expected, Kind::Null));
    }
    if Kind::of(input) == Kind::Array {
        json::items(input, |index, item| match json::escaped(item) {
            Some("") => Err(RequestError::empty_string(&format!("input[{index}]"))),
            _ => Ok(()),
        })?;
    }
    let prompts = count_prompts("input", input)?;
    request.max_output_tokens = Some(0);
    request.prompt.messages = prompts.texts;
    request.prompt.token_ids = prompts.token_ids;
    Ok(())
}
