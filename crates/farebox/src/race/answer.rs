//! What the upstream says, in OpenAI's shapes: a text whose first word names the call it answers.

use hyper::body::Bytes;
use serde_json::{Value, json};

use super::plan;

/// Events of one stream that carry text: enough to be cut in the middle, not so many that a race
/// measures how fast a gateway copies events.
const MOST_EVENTS: u64 = 16;

const CALL: &str = "call-";

/// One answer.
#[derive(Clone, Debug)]
pub(super) struct Text {
    pub(super) call: usize,
    pub(super) model: String,
    pub(super) input_tokens: u64,
    /// Words, and so tokens, of the answer; at least 1.
    pub(super) words: u64,
    /// The output limit cut it short.
    pub(super) cut: bool,
}

impl Text {
    /// As one JSON object.
    pub(super) fn whole(&self) -> Value {
        let mut body = self.head("chat.completion");
        body["choices"] = json!([{
            "index": 0,
            "message": {"role": "assistant", "content": self.pieces().concat(), "refusal": null},
            "logprobs": null,
            "finish_reason": self.finish_reason(),
        }]);
        body["usage"] = self.usage();
        body
    }

    /// As the events of a stream, `[DONE]` included.
    pub(super) fn events(&self, says_usage: bool) -> Vec<Bytes> {
        let event = |choices: Value, usage: Value| {
            let mut body = self.head("chat.completion.chunk");
            body["choices"] = choices;
            if says_usage {
                body["usage"] = usage;
            }
            Bytes::from(format!("data: {body}\n\n"))
        };
        let choice = |delta: Value, reason: Value| {
            json!([{
                "index": 0,
                "delta": delta,
                "logprobs": null,
                "finish_reason": reason,
            }])
        };
        let mut events = Vec::new();
        for (number, piece) in self.pieces().into_iter().enumerate() {
            let delta = match number {
                0 => json!({"role": "assistant", "content": piece}),
                _ => json!({"content": piece}),
            };
            events.push(event(choice(delta, Value::Null), Value::Null));
        }
        let reason = self.finish_reason().into();
        events.push(event(choice(json!({}), reason), Value::Null));
        if says_usage {
            events.push(event(json!([]), self.usage()));
        }
        events.push(Bytes::from_static(b"data: [DONE]\n\n"));
        events
    }

    /// The text, cut before words into as many pieces as a stream has events.
    fn pieces(&self) -> Vec<String> {
        let mark = format!("{CALL}{}", self.call);
        let mut words = vec![mark.as_str()];
        for word in plan::words().take(usize::try_from(self.words - 1).unwrap_or(0)) {
            words.push(word);
        }
        let in_each = self.words.div_ceil(MOST_EVENTS).max(1);
        let pieces = words.chunks(usize::try_from(in_each).unwrap_or(1));
        let text = |(number, words): (usize, &[&str])| {
            let space = if number > 0 { " " } else { "" };
            format!("{space}{}", words.join(" "))
        };
        pieces.enumerate().map(text).collect()
    }

    fn head(&self, object: &str) -> Value {
        json!({
            "id": format!("chatcmpl-race{}", self.call),
            "object": object,
            "created": 1_700_000_000,
            "model": self.model,
        })
    }

    fn finish_reason(&self) -> &'static str {
        if self.cut { "length" } else { "stop" }
    }

    fn usage(&self) -> Value {
        json!({
            "prompt_tokens": self.input_tokens,
            "completion_tokens": self.words,
            "total_tokens": self.input_tokens + self.words,
        })
    }
}

/// The call that a text, or its beginning, says it answers.
pub(super) fn call_of(text: &str) -> Option<usize> {
    let first = text.split_whitespace().next()?;
    first.strip_prefix(CALL)?.parse().ok()
}

/// The list of models.
pub(super) fn models(model: &str) -> Value {
    let model = json!({
        "id": model,
        "object": "model",
        "created": 1_700_000_000,
        "owned_by": "farebox-race",
    });
    json!({"object": "list", "data": [model]})
}

/// An error in OpenAI's envelope.
pub(super) fn error(message: &str) -> Value {
    json!({"error": {
        "message": message,
        "type": "invalid_request_error",
        "param": null,
        "code": null,
    }})
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(words: u64) -> Text {
        Text {
            call: 12,
            model: "m".to_owned(),
            input_tokens: 9,
            words,
            cut: false,
        }
    }

    #[test]
    fn the_text_has_its_words_whole_and_streamed() {
        for words in [1, 2, 15, 16, 17, 33, 512] {
            let whole = text(words).whole();
            let content = whole["choices"][0]["message"]["content"].as_str().unwrap();
            assert_eq!(content.split_whitespace().count() as u64, words);
            assert_eq!(call_of(content), Some(12));
            assert_eq!(whole["usage"]["completion_tokens"], words);

            let pieces = text(words).pieces();
            assert_eq!(pieces.concat(), content);
            assert!(pieces.len() as u64 <= MOST_EVENTS);
            // A cut after any event leaves whole words.
            let mut so_far = String::new();
            for piece in &pieces {
                so_far.push_str(piece);
                assert_eq!(call_of(&so_far), Some(12));
            }
        }
    }

    #[test]
    fn a_stream_says_its_usage_only_if_asked() {
        for (says_usage, extra) in [(true, 3), (false, 2)] {
            let events = text(20).events(says_usage);
            assert_eq!(events.len(), text(20).pieces().len() + extra);
            let all = String::from_utf8(events.concat()).unwrap();
            assert_eq!(all.contains("\"total_tokens\":29"), says_usage);
            assert!(all.ends_with("data: [DONE]\n\n"));
        }
    }

    #[test]
    fn texts_of_others_name_no_call() {
        for text in ["", "Hello call-1", "call-", "call-x"] {
            assert_eq!(call_of(text), None, "{text}");
        }
    }
}
