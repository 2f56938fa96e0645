//! What can go wrong in the engine, one enum per operation.

use std::path::PathBuf;

/// Why a model file was refused. The text is meant for the person who named the file.
#[derive(Debug, thiserror::Error)]
#[error("{}: {problem}", path.display())]
pub struct LoadError {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    pub problem: Box<LoadProblem>,
}

/// What is wrong with a model file.
#[derive(Debug, thiserror::Error)]
pub enum LoadProblem {
    /// Nothing is there.
    #[error(
        "there is no such file. `cargo xtask model` fetches the small built-in model; \
         --model names any other GGUF file"
    )]
    Missing,
    /// It is there and cannot be opened.
    #[error("the file cannot be opened: {0}")]
    Open(std::io::Error),
    /// It does not start as a GGUF file does.
    #[error("this is not a GGUF file. The engine reads models in the GGUF format only")]
    NotGguf,
    /// Its header cannot be understood.
    #[error(
        "the header cannot be read: {0}. The file is cut short or damaged, or uses a tensor type \
         that this engine does not know"
    )]
    Header(candle_core::Error),
    /// It ends before its last tensor does.
    #[error(
        "the file is cut short: it has {actual_bytes} of {expected_bytes} bytes. Fetch it again"
    )]
    Truncated {
        /// Where the last tensor ends.
        expected_bytes: u64,
        /// Where the file ends.
        actual_bytes: u64,
    },
    /// It holds another kind of model.
    #[error(
        "the model's architecture is \"{0}\", and the built-in engine runs \"llama\" only. Serve \
         this model with llama-server, Ollama or vLLM, and add that server as an upstream"
    )]
    Architecture(String),
    /// It is a llama of a kind that is not supported.
    #[error("the built-in engine does not support {0}")]
    Unsupported(String),
    /// A metadata entry is missing or of the wrong type.
    #[error("the metadata entry \"{key}\" is {problem}")]
    Metadata {
        /// The entry's name.
        key: String,
        /// `missing`, or what it should have been.
        problem: &'static str,
    },
    /// A tensor is missing, or tensors do not fit each other.
    #[error("the tensors do not make a llama model: {0}")]
    Tensor(candle_core::Error),
}

/// Why a prompt could not be made.
#[derive(Debug, thiserror::Error)]
pub enum PromptError {
    /// The file carries no chat template.
    #[error(
        "This model has no chat template, so it cannot follow a conversation. \
         Use /v1/completions instead."
    )]
    NoTemplate,
    /// The template refused the conversation, usually for the order of its roles.
    #[error("The model's chat template refused these messages: {0}")]
    Template(String),
    /// The tokenizer failed.
    #[error("The text could not be split into tokens: {0}")]
    Tokenizer(String),
}

/// Why a generation ended without an answer.
#[derive(Debug, thiserror::Error)]
pub enum GenerateError {
    /// The listener asked to stop.
    #[error("cancelled")]
    Cancelled,
    /// The arithmetic failed.
    #[error(transparent)]
    Compute(#[from] candle_core::Error),
}

/// Why there is no embedding.
#[derive(Debug, thiserror::Error)]
pub enum EmbedError {
    /// The listener asked to stop.
    #[error("cancelled")]
    Cancelled,
    /// The arithmetic failed.
    #[error(transparent)]
    Compute(#[from] candle_core::Error),
}
