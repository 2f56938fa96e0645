//! Chat completions: what is checked before admission.

use super::encode::{MAX_COMPLETION_TOKENS, MAX_TOKENS, N_PREDICT};
use super::fields::expect;
use super::{ModelRequest, RequestError, content};
use crate::json::{self, Kind, Value};

/// OpenAI's most choices per request.
pub(super) const MOST_CHOICES: u64 = 128;

pub(super) fn check(request: &mut ModelRequest) -> Result<(), RequestError> {
    let fields = &request.fields;
    let messages = fields.required("messages")?;
    expect(messages, Kind::Array, "messages", "an array of objects")?;
    let mut count = 0;
    // A search's results are input too, and nobody knows yet how long they are.
    let mut opaque = fields.present("web_search_options").is_some();
    json::items(messages, |index, message| {
        count += 1;
        opaque |= check_message(index, message)?;
        Ok::<_, RequestError>(())
    })?;
    if count == 0 {
        return Err(RequestError::empty_array("messages"));
    }
    let newer = fields.output_limit(MAX_COMPLETION_TOKENS)?;
    let older = fields.output_limit(MAX_TOKENS)?;
    let other = fields.output_limit(N_PREDICT)?;
    let choices = fields.integer("n", MOST_CHOICES)?.unwrap_or(1);
    // Not OpenAI's in chat, but servers that know it generate that many.
    let best_of = fields.integer("best_of", MOST_CHOICES)?.unwrap_or(1);

    // One limit is written for the upstream, whichever names it has. Servers that know both obey
    // the newer one.
    request.max_output_tokens = newer.or(older).or(other);
    request.names_limit = request.max_output_tokens.is_some();
    request.choices = choices.max(best_of);
    request.prompt.messages = count;
    request.prompt.opaque = opaque;
    Ok(())
}

/// Says whether the message is opaque.
fn check_message(index: usize, message: Value<'_>) -> Result<bool, RequestError> {
    let path = || format!("messages[{index}]");
    if Kind::of(message) != Kind::Object {
        return Err(RequestError::wrong_type(
            &path(),
            "an object",
            Kind::of(message),
        ));
    }
    let mut has_role = false;
    let mut opaque = false;
    json::members(message, |key, value| {
        match key.as_ref() {
            "role" => {
                has_role = true;
                if Kind::of(value) != Kind::Text {
                    let param = format!("messages[{index}].role");
                    return Err(RequestError::wrong_type(
                        &param,
                        "a string",
                        Kind::of(value),
                    ));
                }
            }
            "content" => {
                opaque |= content::is_opaque(value, &|| format!("messages[{index}].content"))?;
            }
            // Sound that the model made earlier, named by its id.
            "audio" => opaque |= !json::is_null(value),
            _ => {}
        }
        Ok(())
    })?;
    if !has_role {
        return Err(RequestError::missing(&format!("messages[{index}].role")));
    }
    Ok(opaque)
}
