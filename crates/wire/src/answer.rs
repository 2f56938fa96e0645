//! A complete answer: is it one, what was used, and under which model name does it leave.

use crate::finish;
use crate::json::{self, Kind, Malformed, Value};
use crate::produced;
use crate::request::Endpoint;
use crate::usage::TokenUsage;

/// What metering needs to know of a complete answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct AnswerFacts {
    /// What the upstream says was used, if it says so believably.
    pub usage: Option<TokenUsage>,
    /// UTF-8 bytes of all generated text: content, reasoning, refusals, tool calls.
    pub output_text_bytes: u64,
    /// Choices or embeddings in the answer; a Responses answer is one.
    pub choices: u64,
    /// Why the model stopped, if it says: of the first choice.
    pub finish_reason: Option<&'static str>,
}

/// A body that is no answer, though the upstream sent it with status 200.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotAnAnswer {
    /// The body is not a JSON object.
    #[error("the upstream's answer is not a JSON object")]
    NotAnObject,
    /// The body lacks what every answer of this endpoint has.
    #[error("the upstream's answer has no '{0}'")]
    Lacks(&'static str),
}

impl From<Malformed> for NotAnAnswer {
    fn from(_: Malformed) -> Self {
        Self::NotAnObject
    }
}

/// Reads the facts of a complete answer.
///
/// # Errors
/// [`NotAnAnswer`] if the body is not a JSON object holding `choices`, `output` or `data`,
/// whichever belongs to `endpoint`. Such a body is not to be billed or relayed as an answer.
pub fn read_answer(endpoint: Endpoint, body: &[u8]) -> Result<AnswerFacts, NotAnAnswer> {
    let text = std::str::from_utf8(body).map_err(|_| NotAnAnswer::NotAnObject)?;
    let mut facts = AnswerFacts::default();
    let list = match endpoint {
        Endpoint::Chat | Endpoint::Completions => "choices",
        Endpoint::Responses => "output",
        Endpoint::Embeddings => "data",
    };
    let mut found = false;
    json::members(Value::check(text)?, |key, value| {
        if key == list && Kind::of(value) == Kind::Array {
            found = true;
            count(endpoint, value, &mut facts)?;
        } else if key == "usage" {
            facts.usage = TokenUsage::parse(endpoint, value.get().as_bytes());
        } else if endpoint == Endpoint::Responses {
            match key.as_ref() {
                "status" if json::escaped(value) == Some("completed") => {
                    facts.finish_reason = Some("stop");
                }
                "incomplete_details" => {
                    facts.finish_reason = finish::incomplete(value)?.or(facts.finish_reason);
                }
                _ => {}
            }
        }
        Ok::<_, NotAnAnswer>(())
    })?;
    if !found {
        return Err(NotAnAnswer::Lacks(list));
    }
    Ok(facts)
}

/// The body with `model` naming the public model. Every other byte stays as it was.
///
/// A body without a top-level `model`, or that is no JSON object, comes back unchanged.
pub fn rewrite_model(body: &[u8], public_model: &str) -> Vec<u8> {
    crate::chunk::rewrite_model(Endpoint::Chat, body, public_model).into_owned()
}

fn count(endpoint: Endpoint, list: Value<'_>, facts: &mut AnswerFacts) -> Result<(), NotAnAnswer> {
    facts.choices = 0;
    facts.output_text_bytes = 0;
    json::items(list, |_, item| {
        facts.choices += 1;
        let text_bytes = match endpoint {
            Endpoint::Chat => choice_bytes(item, "message", facts)?,
            Endpoint::Completions => choice_bytes(item, "text", facts)?,
            Endpoint::Responses => produced::in_output_item(item)?,
            Endpoint::Embeddings => 0,
        };
        facts.output_text_bytes += text_bytes;
        Ok::<_, NotAnAnswer>(())
    })?;
    if endpoint == Endpoint::Responses {
        facts.choices = 1;
    }
    Ok(())
}

/// Text in one member of a choice, which is a message or a plain string; and why the first choice
/// ended.
fn choice_bytes(
    choice: Value<'_>,
    name: &str,
    facts: &mut AnswerFacts,
) -> Result<u64, NotAnAnswer> {
    if Kind::of(choice) != Kind::Object {
        return Ok(0);
    }
    let (mut made, mut reason) = (None, None);
    // One that cannot be read produced nothing.
    let walked = json::members::<Malformed>(choice, |key, value| {
        if key == name {
            made = Some(value);
        } else if key == "finish_reason" {
            reason = finish::reason(value);
        }
        Ok(())
    });
    if facts.choices == 1 {
        facts.finish_reason = reason;
    }
    match walked.ok().and(made) {
        Some(text) if Kind::of(text) == Kind::Text => Ok(produced::text_len(text)),
        Some(message) if !json::is_null(message) => Ok(produced::in_message(message)?.text_bytes),
        _ => Ok(0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_of_every_kind_of_answer_is_counted() {
        let cases = [
            (
                Endpoint::Chat,
                r#"{"choices":[{"message":{"content":"h\u00e9\n","reasoning_content":"ab",
                "reasoning":"ab","refusal":null}},{"message":{"content":null,"tool_calls":[
                {"type":"function","function":{"name":"f","arguments":"{\"a\":1}"}}]}}]}"#,
                (4 + 2 + 1 + 7, 2),
            ),
            (
                Endpoint::Chat,
                r#"{"choices":[{"message":{"content":[{"type":"text","text":"abc"},
                {"type":"thinking","thinking":"de"}]}}]}"#,
                (5, 1),
            ),
            (
                Endpoint::Completions,
                r#"{"choices":[{"text":"abc"},{"text":""}]}"#,
                (3, 2),
            ),
            (
                Endpoint::Responses,
                r#"{"output":[{"type":"reasoning","summary":[{"type":"summary_text","text":"ab"}]},
                {"type":"message","content":[{"type":"output_text","text":"cde"},
                {"type":"refusal","refusal":"f"}]},
                {"type":"function_call","name":"g","arguments":"{}"}]}"#,
                (2 + 3 + 1 + 3, 1),
            ),
            (
                Endpoint::Embeddings,
                r#"{"data":[{"embedding":"AAAA"},{"embedding":[1]}]}"#,
                (0, 2),
            ),
        ];
        for (endpoint, json, expected) in cases {
            let facts = read_answer(endpoint, json.as_bytes()).expect(json);
            assert_eq!((facts.output_text_bytes, facts.choices), expected, "{json}");
            assert_eq!(facts.usage, None);
        }
    }

    #[test]
    fn why_a_model_stopped_is_read_in_chats_words() {
        let cases = [
            (
                Endpoint::Chat,
                r#"{"choices":[{"finish_reason":"length"},{}]}"#,
                Some("length"),
            ),
            (
                Endpoint::Chat,
                r#"{"choices":[{},{"finish_reason":"stop"}]}"#,
                None,
            ),
            (
                Endpoint::Completions,
                r#"{"choices":[{"finish_reason":"eos"}]}"#,
                Some("other"),
            ),
            (
                Endpoint::Responses,
                r#"{"output":[],"status":"completed"}"#,
                Some("stop"),
            ),
            (
                Endpoint::Responses,
                r#"{"output":[],"status":"incomplete",
                "incomplete_details":{"reason":"max_output_tokens"}}"#,
                Some("length"),
            ),
            (
                Endpoint::Responses,
                r#"{"output":[],"status":"failed","incomplete_details":null}"#,
                None,
            ),
            (
                Endpoint::Embeddings,
                r#"{"data":[{"finish_reason":"stop"}]}"#,
                None,
            ),
        ];
        for (endpoint, json, wanted) in cases {
            let facts = read_answer(endpoint, json.as_bytes()).expect(json);
            assert_eq!(facts.finish_reason, wanted, "{json}");
        }
    }

    #[test]
    fn usage_is_read_or_void() {
        let usage = |usage: &str| {
            let json = format!(r#"{{"choices":[],"usage":{usage}}}"#);
            read_answer(Endpoint::Chat, json.as_bytes())
                .expect("answer")
                .usage
        };
        assert!(usage(r#"{"prompt_tokens":1,"completion_tokens":2}"#).is_some());
        assert!(usage("null").is_none());
        assert!(usage(r#"{"prompt_tokens":-1,"completion_tokens":2}"#).is_none());
    }

    #[test]
    fn other_bodies_are_not_answers() {
        let not_object = [
            "",
            "[]",
            "<html>",
            "\"x\"",
            "{\"choices\":[",
            "{\"choices\":[]} x",
            "\u{0}",
        ];
        for body in not_object {
            let refusal = read_answer(Endpoint::Chat, body.as_bytes());
            assert_eq!(refusal, Err(NotAnAnswer::NotAnObject), "{body}");
        }
        for body in [
            "{}",
            r#"{"choices":null}"#,
            r#"{"choices":{}}"#,
            r#"{"error":{}}"#,
        ] {
            let refusal = read_answer(Endpoint::Chat, body.as_bytes());
            assert_eq!(refusal, Err(NotAnAnswer::Lacks("choices")), "{body}");
        }
        let body = br#"{"choices":[]}"#;
        assert_eq!(
            read_answer(Endpoint::Responses, body),
            Err(NotAnAnswer::Lacks("output"))
        );
        assert_eq!(
            read_answer(Endpoint::Embeddings, body),
            Err(NotAnAnswer::Lacks("data"))
        );
    }

    #[test]
    fn only_the_models_name_changes() {
        let body = br#"{ "id" : "x", "model":"Qwen/Q-7B" ,"choices":[{"model":"inner"}] }"#;
        let expected = r#"{ "id" : "x", "model":"small \"q\"" ,"choices":[{"model":"inner"}] }"#;
        assert_eq!(rewrite_model(body, "small \"q\""), expected.as_bytes());
        for untouched in [r#"{"id":1}"#, "[1]", "no json", r#"{"model":null}"#] {
            assert_eq!(
                rewrite_model(untouched.as_bytes(), "m"),
                untouched.as_bytes()
            );
        }
    }
}
