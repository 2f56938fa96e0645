//! The texts of a request, for a tokenizer to count.
//!
//! What the upstream puts into its prompt is its secret, so everything is given out that could be
//! in it: all strings of the prompt, their keys, and every other field as it stands. Only the data
//! of pictures, sounds and files is left out, which is no text.

use super::ModelRequest;
use super::content::{DATA_KEYS, is_medium};
use crate::json::{self, Kind, Malformed, Value};

/// Every text of a request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PromptTexts {
    /// Texts that stand in the prompt as they are.
    pub plain: Vec<String>,
    /// JSON that a chat template may write anew: tools, schemas, calls.
    pub rendered: Vec<String>,
}

/// Fields that hold the prompt itself.
const PROMPTS: [&str; 5] = ["messages", "prompt", "input", "instructions", "suffix"];
/// Fields that templates write anew.
const RENDERED: [&str; 4] = ["tools", "functions", "response_format", "text"];
/// The same within a message or an item.
const CALLS: [&str; 3] = ["tool_calls", "function_call", "arguments"];

impl ModelRequest {
    /// Every text that may be part of the prompt. Tokens given by number are not among them.
    pub fn prompt_texts(&self) -> PromptTexts {
        let mut texts = PromptTexts::default();
        for (name, value) in self.fields.iter() {
            if PROMPTS.contains(&name) {
                texts.add(value, false);
            } else if RENDERED.contains(&name) {
                texts.rendered.push(value.get().to_owned());
            } else {
                texts.plain.push(value.get().to_owned());
            }
        }
        texts
    }
}

impl PromptTexts {
    /// Adds the strings in a value; of a medium all but its data.
    fn add(&mut self, value: Value<'_>, in_medium: bool) {
        // The body was read before: whatever is malformed now is text that no server reads.
        let _ = match Kind::of(value) {
            Kind::Text => {
                self.plain.push(decoded(value));
                Ok(())
            }
            Kind::Array => json::items::<Malformed>(value, |_, item| {
                self.add(item, in_medium);
                Ok(())
            }),
            Kind::Object => {
                let in_medium = in_medium || is_medium(value);
                json::members::<Malformed>(value, |key, value| {
                    let is_text = Kind::of(value) == Kind::Text;
                    if CALLS.contains(&key.as_ref()) {
                        let call = if is_text {
                            decoded(value)
                        } else {
                            value.get().to_owned()
                        };
                        self.rendered.push(call);
                    } else if !(in_medium && is_text && DATA_KEYS.contains(&key.as_ref())) {
                        self.add(value, in_medium);
                    }
                    self.plain.push(key.into_owned());
                    Ok(())
                })
            }
            Kind::Null | Kind::Boolean | Kind::Integer | Kind::Decimal => Ok(()),
        };
    }
}

/// The text that a string stands for; with its escapes, if they are broken.
fn decoded(value: Value<'_>) -> String {
    json::text(value).map_or_else(|| value.get().to_owned(), std::borrow::Cow::into_owned)
}
