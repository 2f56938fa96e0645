//! Chat completions: what is checked before admission.

use super::encode::{MAX_COMPLETION_TOKENS, MAX_TOKENS, N_PREDICT};
use super::fields::expect;
use super::{ModelRequest, PromptShape, RequestError, content};
use crate::json::{self, Kind, Value};

/// OpenAI's most choices per request.
pub(super) const MOST_CHOICES: u64 = 128;

/// What the model may call, in today's words and in older ones.
const OFFERS: [&str; 2] = ["tools", "functions"];

pub(super) fn check(request: &mut ModelRequest) -> Result<(), RequestError> {
    let fields = &request.fields;
    let messages = fields.required("messages")?;
    expect(messages, Kind::Array, "messages", "an array of objects")?;
    let mut prompt = request.prompt;
    // A search's results are input too, and nobody knows yet how long they are; nor what a template
    // of the caller's own makes of a message.
    let unknown = ["web_search_options", "chat_template"];
    prompt.opaque = unknown.iter().any(|name| fields.present(name).is_some());
    prompt.offers_tools = OFFERS.iter().any(|name| fields.present(name).is_some());
    prompt.rendered_bytes = fields.bytes_of(&OFFERS) + fields.bytes_of(&["response_format"]);
    json::items(messages, |index, message| {
        prompt.messages += 1;
        check_message(index, message, &mut prompt)
    })?;
    if prompt.messages == 0 {
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
    request.prompt = prompt;
    Ok(())
}

fn check_message(
    index: usize,
    message: Value<'_>,
    prompt: &mut PromptShape,
) -> Result<(), RequestError> {
    let path = || format!("messages[{index}]");
    if Kind::of(message) != Kind::Object {
        return Err(RequestError::wrong_type(
            &path(),
            "an object",
            Kind::of(message),
        ));
    }
    let mut has_role = false;
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
                content::read(value, &|| format!("messages[{index}].content"), prompt)?;
            }
            // Sound that the model made earlier, named by its id.
            "audio" => prompt.opaque |= !json::is_null(value),
            "tool_calls" | "function_call" => prompt.rendered_bytes += value.get().len() as u64,
            _ => {}
        }
        Ok(())
    })?;
    if !has_role {
        return Err(RequestError::missing(&format!("messages[{index}].role")));
    }
    Ok(())
}
