//! Content of messages, as far as admission cares: is it well formed, and do its bytes bound its
//! tokens?

use super::refusal::RequestError;
use crate::json::{self, Kind, Value};

/// Parts that are text and nothing else, in chat's, Responses' and other servers' words.
const TEXT_PARTS: [&str; 9] = [
    "text",
    "input_text",
    "output_text",
    "refusal",
    "reasoning",
    "reasoning_text",
    "summary_text",
    "thinking",
    "redacted_thinking",
];

/// Checks a message's `content` and says whether it is opaque: whether any of it may cost more
/// tokens than it has bytes. `path` names the content, asked for only if something is wrong.
pub(super) fn is_opaque(
    content: Value<'_>,
    path: &dyn Fn() -> String,
) -> Result<bool, RequestError> {
    match Kind::of(content) {
        Kind::Text | Kind::Null => Ok(false),
        Kind::Array => {
            let mut opaque = false;
            json::items(content, |index, part| {
                opaque |= part_is_opaque(part, &|| format!("{}[{index}]", path()))?;
                Ok::<_, RequestError>(())
            })?;
            Ok(opaque)
        }
        got => {
            let expected = "one of a string or array of objects";
            Err(RequestError::wrong_type(&path(), expected, got))
        }
    }
}

fn part_is_opaque(part: Value<'_>, path: &dyn Fn() -> String) -> Result<bool, RequestError> {
    match Kind::of(part) {
        Kind::Object => {}
        // Some servers take bare strings beside parts; their bytes bound them like any text.
        Kind::Text => return Ok(false),
        got => return Err(RequestError::wrong_type(&path(), "an object", got)),
    }
    let mut typed = false;
    let mut opaque = false;
    json::members(part, |key, value| {
        if key == "type" {
            typed = true;
            if Kind::of(value) != Kind::Text {
                let param = format!("{}.type", path());
                return Err(RequestError::wrong_type(
                    &param,
                    "a string",
                    Kind::of(value),
                ));
            }
            // A type written with escapes is nobody's habit: it counts as opaque.
            let word = json::escaped(value).unwrap_or_default();
            opaque |= !TEXT_PARTS.contains(&word);
        }
        Ok(())
    })?;
    if !typed {
        return Err(RequestError::missing(&format!("{}.type", path())));
    }
    Ok(opaque)
}
