//! Loading a GGUF file and producing text or embeddings from it.
//!
//! An [`Engine`] is immutable and shared by all threads; everything that changes while a request
//! runs lives in a [`Session`], of which every inference thread owns one.

mod cache;
mod chat;
mod config;
mod error;
mod generate;
mod gguf;
mod llama;
mod matrix;
mod random;
mod rope;
mod sampler;
mod stop;
mod utf8;
mod vocabulary;
mod weights;

use std::num::NonZero;
use std::path::Path;

pub use self::cache::Session;
pub use self::chat::Message;
pub use self::error::{EmbedError, GenerateError, LoadError, LoadProblem, PromptError};
pub use self::generate::{Event, Finish, Generation};
pub use self::matrix::WeightFormat;
pub use self::sampler::Sampling;

use self::chat::ChatTemplate;
use self::gguf::ModelFile;
use self::llama::Llama;
use self::vocabulary::Vocabulary;
use crate::clock;

/// Tokens computed at once while reading a prompt. Large enough to keep the cores busy; small
/// enough that a client who left is noticed within a second, and that memory stays bounded.
const PROMPT_CHUNK_TOKENS: usize = 256;

/// How to load a model.
#[derive(Debug, Clone, Copy)]
pub struct EngineOptions {
    /// The format that weights are kept in.
    pub weights: WeightFormat,
    /// The most tokens of prompt and answer together; the model's own limit caps it.
    pub context_tokens: usize,
}

/// A model ready to run.
pub struct Engine {
    llama: Llama,
    vocabulary: Vocabulary,
    template: Option<ChatTemplate>,
    context_tokens: usize,
    weights: WeightFormat,
}

impl Engine {
    /// Reads the model file at `path` and converts its weights on all cores.
    ///
    /// One token is run as a trial, so a file whose parts do not fit each other is refused here
    /// and not at the first request.
    ///
    /// # Errors
    /// [`LoadError`] says what is wrong with the file and what to do about it.
    pub fn load(path: &Path, options: EngineOptions) -> Result<Self, LoadError> {
        Self::load_file(path, options).map_err(|problem| LoadError {
            path: path.to_owned(),
            problem: Box::new(problem),
        })
    }

    fn load_file(path: &Path, options: EngineOptions) -> Result<Self, LoadProblem> {
        let start = clock::start();
        let file = ModelFile::open(path)?;
        let vocabulary = Vocabulary::load(&file)?;
        let template = ChatTemplate::load(&file, &vocabulary)?;
        let llama = Llama::load(&file, options.weights, options.context_tokens)?;
        let engine = Self {
            context_tokens: llama.context_tokens(),
            llama,
            vocabulary,
            template,
            weights: options.weights,
        };
        let mut session = engine.session().map_err(LoadProblem::Tensor)?;
        let states = engine.llama.forward(session.cache(), &[0]);
        states
            .and_then(|states| engine.llama.logits(&states))
            .map_err(LoadProblem::Tensor)?;
        tracing::info!(
            path = %path.display(),
            weights = options.weights.name(),
            context_tokens = engine.context_tokens,
            load_ms = start.elapsed().as_millis(),
            "the model is loaded"
        );
        Ok(engine)
    }

    /// The most tokens that prompt and answer can have together.
    #[must_use]
    pub fn context_tokens(&self) -> usize {
        self.context_tokens
    }

    /// The length of an embedding.
    #[must_use]
    pub fn embedding_width(&self) -> usize {
        self.llama.embedding_width()
    }

    /// How many tokens the model knows; ids are below this.
    #[must_use]
    pub fn vocabulary_size(&self) -> usize {
        self.vocabulary.size()
    }

    /// The format that the weights are kept in.
    #[must_use]
    pub fn weights(&self) -> WeightFormat {
        self.weights
    }

    /// Memory for one request at a time. Pages are used only as a context fills them.
    ///
    /// # Errors
    /// If the memory cannot be had.
    pub fn session(&self) -> candle_core::Result<Session> {
        Session::new(self.llama.config(), self.context_tokens)
    }

    /// A conversation as prompt tokens, ending where the assistant is to speak.
    ///
    /// # Errors
    /// [`PromptError::NoTemplate`] if the file has no chat template; [`PromptError::Template`] if
    /// the template refuses the conversation.
    pub fn chat_prompt(&self, messages: &[Message]) -> Result<Vec<u32>, PromptError> {
        let template = self.template.as_ref().ok_or(PromptError::NoTemplate)?;
        let text = template.render(messages)?;
        // The template writes the opening token itself where the model wants one.
        self.vocabulary.encode(&text, false)
    }

    /// Plain text as prompt tokens, opened as the model file asks.
    ///
    /// # Errors
    /// [`PromptError::Tokenizer`] if the text cannot be split.
    pub fn text_prompt(&self, text: &str) -> Result<Vec<u32>, PromptError> {
        self.vocabulary.encode(text, true)
    }

    /// The raw scores of the token that follows `prompt`, one per token of the vocabulary,
    /// reading `chunk_tokens` at a time; the chunks make no difference to the result.
    ///
    /// # Errors
    /// If the prompt is empty or longer than the context.
    pub fn logits(
        &self,
        session: &mut Session,
        prompt: &[u32],
        chunk_tokens: NonZero<usize>,
    ) -> candle_core::Result<Vec<f32>> {
        session.cache().truncate(0);
        let mut states = None;
        for chunk in prompt.chunks(chunk_tokens.get()) {
            states = Some(self.llama.forward(session.cache(), chunk)?);
        }
        let states = states.ok_or_else(|| candle_core::Error::Msg("an empty prompt".into()))?;
        self.llama.logits(&states)
    }

    /// The meaning of `tokens` as a vector of length 1: the mean of the final hidden states.
    ///
    /// `keep_going` is asked between chunks; when it says no, the work ends.
    ///
    /// # Errors
    /// [`EmbedError::Cancelled`] when told to stop; [`EmbedError::Compute`] if `tokens` is empty
    /// or longer than the context, or the arithmetic fails.
    pub fn embed(
        &self,
        session: &mut Session,
        tokens: &[u32],
        keep_going: &dyn Fn() -> bool,
    ) -> Result<Vec<f32>, EmbedError> {
        session.cache().truncate(0);
        let mut sums = vec![0.0f32; self.embedding_width()];
        for chunk in tokens.chunks(PROMPT_CHUNK_TOKENS) {
            if !keep_going() {
                return Err(EmbedError::Cancelled);
            }
            let states = self.llama.forward(session.cache(), chunk)?;
            let of_chunk = self.llama.sum_of_final_states(&states)?;
            for (sum, value) in sums.iter_mut().zip(of_chunk) {
                *sum += value;
            }
        }
        let length = sums.iter().map(|value| value * value).sum::<f32>().sqrt();
        if !(length.is_finite() && length > 0.0) {
            return Err(candle_core::Error::Msg("the embedding has no direction".into()).into());
        }
        Ok(sums.into_iter().map(|sum| sum / length).collect())
    }
}
