//! What the description shows of the requests that models get, and of the models that there are.
//! Requests may hold more: fields that Farebox does not know reach the model untouched, and what it
//! reads is checked by `wire`.

#![expect(dead_code, reason = "describes; `wire` reads")]

use serde_json::Value;
use utoipa::ToSchema;

/// A chat to be completed: OpenAI's request.
#[derive(ToSchema)]
#[schema(example = json!({
    "model": "gpt-4o-mini",
    "messages": [{"role": "user", "content": "Hello World"}],
    "max_completion_tokens": 200
}))]
pub(crate) struct ChatRequest {
    /// The model's id.
    #[schema(min_length = 1)]
    model: String,
    /// The conversation so far.
    #[schema(min_items = 1)]
    messages: Vec<ChatMessage>,
    /// The most tokens of each answer. `max_tokens` is its older name.
    #[schema(minimum = 0)]
    max_completion_tokens: Option<i64>,
    /// How many answers.
    #[schema(minimum = 1, maximum = 128)]
    n: Option<i64>,
    /// Whether to answer as a stream of events.
    stream: Option<bool>,
}

/// One message of a conversation, of whatever more its role has.
#[derive(ToSchema)]
pub(crate) struct ChatMessage {
    /// `system`, `developer`, `user`, `assistant` or `tool`.
    role: String,
    /// Text, or parts of it and media.
    content: Option<Value>,
}

/// A text to be completed: OpenAI's older request.
#[derive(ToSchema)]
#[schema(example = json!({
    "model": "gpt-4o-mini", "prompt": "Once upon a time", "max_tokens": 200
}))]
pub(crate) struct CompletionRequest {
    /// The model's id.
    #[schema(min_length = 1)]
    model: String,
    /// A text, texts, or tokens by number.
    prompt: Option<Value>,
    /// The most tokens of each answer.
    #[schema(minimum = 0)]
    max_tokens: Option<i64>,
    /// How many answers.
    #[schema(minimum = 1, maximum = 128)]
    n: Option<i64>,
    /// Whether to answer as a stream of events.
    stream: Option<bool>,
}

/// A response to be made: OpenAI's request. Nothing of it is stored.
#[derive(ToSchema)]
#[schema(example = json!({
    "model": "gpt-4o-mini", "input": "Hello World", "max_output_tokens": 200
}))]
pub(crate) struct ResponseRequest {
    /// The model's id.
    #[schema(min_length = 1)]
    model: String,
    /// A text, or items.
    input: Option<Value>,
    /// The most tokens of the answer.
    #[schema(minimum = 1)]
    max_output_tokens: Option<i64>,
    /// Whether to answer as a stream of events.
    stream: Option<bool>,
}

/// Texts whose embeddings are asked for: OpenAI's request.
#[derive(ToSchema)]
#[schema(example = json!({"model": "text-embedding-3-small", "input": ["Hello", "World"]}))]
pub(crate) struct EmbeddingRequest {
    /// The model's id.
    #[schema(min_length = 1)]
    model: String,
    /// A text, texts, or tokens by number.
    input: Value,
}

/// A model that the key may use.
#[derive(ToSchema)]
pub(crate) struct Model {
    /// What requests carry as `model`.
    #[schema(example = "gpt-4o-mini")]
    id: String,
    #[schema(example = "model")]
    object: String,
    /// Since when it is offered, in Unix seconds.
    created: i64,
    /// Who offers it.
    #[schema(example = "farebox")]
    owned_by: String,
}

/// All models that the key may use.
#[derive(ToSchema)]
pub(crate) struct ModelList {
    #[schema(example = "list")]
    object: String,
    data: Vec<Model>,
}
