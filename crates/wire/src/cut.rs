//! The end of a chat or completions stream that Farebox ends itself, because its money does.
//!
//! To a client it is an answer that reached its length: each choice that is still open ends with
//! `finish_reason` `length`, and the usage follows if it was asked for.

use bytes::Bytes;

use crate::json::{self, Malformed, ObjectWriter, Value};
use crate::request::Endpoint;
use crate::sse::data_frame;
use crate::usage::TokenUsage;

/// What all chunks of a stream say about it. `model` is written anew.
const COMMON: [&str; 5] = [
    "id",
    "object",
    "created",
    "system_fingerprint",
    "service_tier",
];

/// How a stream of chunks is cut off.
#[derive(Debug, Clone)]
pub struct CutChunks<'a> {
    /// [`Endpoint::Chat`] or [`Endpoint::Completions`].
    pub endpoint: Endpoint,
    /// The data of any chunk of the stream, for what is common to all of them.
    pub like: &'a [u8],
    /// The model's public name.
    pub model: &'a str,
    /// Indexes of the choices that have not ended.
    pub open: &'a [u64],
    /// What was used, if the caller asked for it.
    pub usage: Option<TokenUsage>,
}

impl CutChunks<'_> {
    /// The frames that end the stream, but for its `[DONE]`.
    pub fn frames(&self) -> Vec<Bytes> {
        let common = self.common();
        let chunk = |choices: Vec<u8>, usage: Option<Vec<u8>>| {
            let mut out = ObjectWriter::with_capacity(common.len() + 160);
            out.put_members(&common);
            out = out.raw("choices", choices);
            if let Some(usage) = usage {
                out = out.raw("usage", usage);
            }
            data_frame(&out.finish())
        };
        // Once usage was asked for, every chunk has the member.
        let no_usage = || self.usage.map(|_| b"null".to_vec());
        let mut frames: Vec<Bytes> = self
            .open
            .iter()
            .map(|index| chunk(json::array(&[self.ended(*index)]), no_usage()))
            .collect();
        if let Some(usage) = &self.usage {
            frames.push(chunk(b"[]".to_vec(), Some(chat_usage(usage))));
        }
        frames
    }

    fn common(&self) -> Vec<u8> {
        let mut out = ObjectWriter::new();
        let text = std::str::from_utf8(self.like).unwrap_or_default();
        // What could not be read before the end was never passed on, so this is an object.
        let _ = json::members::<Malformed>(Value::assume(text), |key, value| {
            if COMMON.contains(&key.as_ref()) {
                out.put_raw(&key, value.get().as_bytes());
            }
            Ok(())
        });
        out.text("model", self.model).into_members()
    }

    fn ended(&self, index: u64) -> Vec<u8> {
        let choice = ObjectWriter::new().number("index", index);
        let nothing_new = match self.endpoint {
            Endpoint::Completions => choice.text("text", ""),
            _ => choice.raw("delta", "{}"),
        };
        nothing_new
            .raw("logprobs", "null")
            .text("finish_reason", "length")
            .finish()
    }
}

/// Usage as chat and completions say it.
fn chat_usage(usage: &TokenUsage) -> Vec<u8> {
    let input = ObjectWriter::new()
        .number("cached_tokens", usage.cached_input_tokens)
        .number("audio_tokens", usage.audio_input_tokens)
        .finish();
    let output = ObjectWriter::new()
        .number("reasoning_tokens", usage.reasoning_tokens)
        .number("audio_tokens", usage.audio_output_tokens)
        .finish();
    ObjectWriter::new()
        .number("prompt_tokens", usage.input_tokens)
        .number("completion_tokens", usage.output_tokens)
        .number("total_tokens", usage.total_tokens())
        .raw("prompt_tokens_details", input)
        .raw("completion_tokens_details", output)
        .finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(frames: &[Bytes]) -> Vec<String> {
        let text = |frame: &Bytes| String::from_utf8(frame.to_vec()).expect("utf-8");
        frames.iter().map(text).collect()
    }

    #[test]
    fn every_open_choice_ends_at_its_length() {
        let like = br#"{"id":"c","object":"chat.completion.chunk","created":7,"model":"theirs",
            "choices":[{"index":1,"delta":{"content":"x"}}],"obfuscation":"zz","usage":null}"#;
        let mut cut = CutChunks {
            endpoint: Endpoint::Chat,
            like,
            model: "ours",
            open: &[0, 2],
            usage: None,
        };
        let head = r#"data: {"id":"c","object":"chat.completion.chunk","created":7,"model":"ours""#;
        let end = r#""logprobs":null,"finish_reason":"length"}]"#;
        assert_eq!(
            text(&cut.frames()),
            [0, 2].map(|index| format!(
                "{head},\"choices\":[{{\"index\":{index},\"delta\":{{}},{end}}}\n\n"
            ))
        );
        cut.open = &[0];
        cut.endpoint = Endpoint::Completions;
        cut.usage = Some(TokenUsage {
            input_tokens: 5,
            cached_input_tokens: 1,
            output_tokens: 3,
            reasoning_tokens: 2,
            ..TokenUsage::default()
        });
        let usage = r#"{"prompt_tokens":5,"completion_tokens":3,"total_tokens":8,"prompt_tokens_details":{"cached_tokens":1,"audio_tokens":0},"completion_tokens_details":{"reasoning_tokens":2,"audio_tokens":0}}"#;
        assert_eq!(
            text(&cut.frames()),
            [
                format!(
                    "{head},\"choices\":[{{\"index\":0,\"text\":\"\",{end},\"usage\":null}}\n\n"
                ),
                format!("{head},\"choices\":[],\"usage\":{usage}}}\n\n"),
            ]
        );
    }
}
