//! Answers in OpenAI's shapes, whole and in chunks.

use serde_json::{Value, json};

use super::App;
use crate::engine::Finish;
use crate::{clock, entropy};

/// Which of the two endpoints is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    Chat,
    Completion,
}

/// Exact counts, over all answers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Usage {
    pub(crate) input_tokens: usize,
    pub(crate) output_tokens: usize,
}

/// One complete answer.
#[derive(Debug, Clone, Default)]
pub(crate) struct Choice {
    pub(crate) text: String,
    pub(crate) finish: Option<Finish>,
}

/// Writes everything that belongs to one request, under one id.
pub(crate) struct Renderer {
    shape: Shape,
    id: String,
    created_at_s: u64,
    model_id: String,
    fingerprint: String,
}

impl Renderer {
    pub(crate) fn new(shape: Shape, app: &App) -> Self {
        let prefix = match shape {
            Shape::Chat => "chatcmpl-",
            Shape::Completion => "cmpl-",
        };
        Self {
            shape,
            id: entropy::id(prefix),
            created_at_s: clock::unix_now_s(),
            model_id: app.model_id.clone(),
            // The same seed repeats an answer only with weights in the same format.
            fingerprint: format!("fp_{}", app.engine.weights().name()),
        }
    }

    /// The answer to a request that does not stream.
    pub(crate) fn whole(&self, choices: &[Choice], usage: Usage) -> Value {
        let choices = choices.iter().enumerate().map(|(index, choice)| {
            let finish = finish_reason(choice.finish);
            match self.shape {
                Shape::Chat => json!({
                    "index": index,
                    "message": {"role": "assistant", "content": choice.text, "refusal": null},
                    "logprobs": null,
                    "finish_reason": finish,
                }),
                Shape::Completion => json!({
                    "index": index,
                    "text": choice.text,
                    "logprobs": null,
                    "finish_reason": finish,
                }),
            }
        });
        let object = match self.shape {
            Shape::Chat => "chat.completion",
            Shape::Completion => "text_completion",
        };
        let mut whole = self.envelope(object, &choices.collect::<Vec<_>>());
        whole["usage"] = usage_json(usage);
        whole
    }

    /// The chunk by which an answer of a conversation begins; plain completions have none.
    pub(crate) fn opening(&self, choice: usize) -> Option<Value> {
        (self.shape == Shape::Chat)
            .then(|| self.delta(choice, &json!({"role": "assistant", "content": ""}), None))
    }

    /// A chunk of text.
    pub(crate) fn text(&self, choice: usize, text: &str) -> Value {
        match self.shape {
            Shape::Chat => self.delta(choice, &json!({"content": text}), None),
            Shape::Completion => self.delta(choice, &json!(text), None),
        }
    }

    /// The chunk by which an answer ends.
    pub(crate) fn end(&self, choice: usize, finish: Finish) -> Value {
        match self.shape {
            Shape::Chat => self.delta(choice, &json!({}), Some(finish)),
            Shape::Completion => self.delta(choice, &json!(""), Some(finish)),
        }
    }

    /// The chunk that tells the usage, for those who asked.
    pub(crate) fn usage(&self, usage: Usage) -> Value {
        let mut chunk = self.envelope(self.chunk_object(), &[]);
        chunk["usage"] = usage_json(usage);
        chunk
    }

    fn delta(&self, choice: usize, delta: &Value, finish: Option<Finish>) -> Value {
        let member = match self.shape {
            Shape::Chat => "delta",
            Shape::Completion => "text",
        };
        let choice = json!({
            "index": choice,
            member: delta,
            "logprobs": null,
            "finish_reason": finish_reason(finish),
        });
        self.envelope(self.chunk_object(), &[choice])
    }

    fn chunk_object(&self) -> &'static str {
        match self.shape {
            Shape::Chat => "chat.completion.chunk",
            Shape::Completion => "text_completion",
        }
    }

    fn envelope(&self, object: &str, choices: &[Value]) -> Value {
        json!({
            "id": self.id,
            "object": object,
            "created": self.created_at_s,
            "model": self.model_id,
            "system_fingerprint": self.fingerprint,
            "choices": choices,
        })
    }
}

fn usage_json(usage: Usage) -> Value {
    json!({
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.input_tokens + usage.output_tokens,
        "prompt_tokens_details": {"cached_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0},
    })
}

fn finish_reason(finish: Option<Finish>) -> Option<&'static str> {
    finish.map(|finish| match finish {
        Finish::Stop => "stop",
        Finish::Length => "length",
    })
}
