//! From a prompt to answers, one token at a time.

use std::ops::ControlFlow;

use super::cache::Session;
use super::error::GenerateError;
use super::sampler::{Sampler, Sampling};
use super::stop::StopMatcher;
use super::utf8::Utf8Stream;
use super::{Engine, PROMPT_CHUNK_TOKENS};

/// What to generate.
#[derive(Debug, Clone)]
pub struct Generation {
    /// The tokens to continue; at least one.
    pub prompt: Vec<u32>,
    /// How many answers to give.
    pub choices: usize,
    /// The most tokens per answer; the context caps it.
    pub max_tokens: usize,
    /// Texts that end an answer and are not part of it.
    pub stop: Vec<String>,
    /// How tokens are chosen.
    pub sampling: Sampling,
}

/// Why an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finish {
    /// The model ended it, or a stop text came.
    Stop,
    /// The limit of tokens was reached.
    Length,
}

/// What the listener of a generation hears, answer after answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// Another step was made without anything to show for it.
    Working,
    /// An answer goes on with this text, which is never empty.
    Text {
        /// The answer's number, from 0.
        choice: usize,
        /// Whole characters that are no part of a stop text.
        text: String,
    },
    /// An answer is complete.
    End {
        /// The answer's number.
        choice: usize,
        /// Why it ended.
        finish: Finish,
    },
}

/// The one who listens; breaking ends the generation at the next token.
type Listener<'a> = dyn FnMut(Event) -> ControlFlow<()> + 'a;

impl Engine {
    /// Runs a generation and gives the exact number of tokens produced, over all answers. The
    /// token by which the model ends an answer is not counted, as it has no text.
    ///
    /// # Errors
    /// [`GenerateError::Cancelled`] as soon as the listener breaks;
    /// [`GenerateError::Compute`] if the prompt is empty or longer than the context.
    pub fn generate(
        &self,
        session: &mut Session,
        generation: &Generation,
        listener: &mut Listener<'_>,
    ) -> Result<usize, GenerateError> {
        let prompt_tokens = generation.prompt.len();
        let room = self.context_tokens.checked_sub(prompt_tokens);
        let Some(room) = room.filter(|_| prompt_tokens > 0) else {
            let problem = format!("a prompt of {prompt_tokens} tokens");
            return Err(candle_core::Error::Msg(problem).into());
        };
        let first_scores = self.read_prompt(session, &generation.prompt, listener)?;
        let mut produced_tokens = 0;
        for choice in 0..generation.choices {
            session.cache().truncate(prompt_tokens);
            let mut answer = Answer {
                engine: self,
                choice,
                limit: generation.max_tokens.min(room),
                sampler: Sampler::new(&generation.sampling, choice),
                decoder: Utf8Stream::default(),
                stop: StopMatcher::new(&generation.stop),
            };
            let (tokens, finish) = answer.write(session, first_scores.clone(), listener)?;
            produced_tokens += tokens;
            // What was held back as the possible start of a stop text turned out not to be one.
            let rest = answer.stop.finish();
            if !rest.is_empty() {
                tell(listener, Event::Text { choice, text: rest })?;
            }
            tell(listener, Event::End { choice, finish })?;
        }
        Ok(produced_tokens)
    }

    fn read_prompt(
        &self,
        session: &mut Session,
        prompt: &[u32],
        listener: &mut Listener<'_>,
    ) -> Result<Vec<f32>, GenerateError> {
        session.cache().truncate(0);
        let mut scores = Vec::new();
        let mut chunks = prompt.chunks(PROMPT_CHUNK_TOKENS).peekable();
        while let Some(chunk) = chunks.next() {
            tell(listener, Event::Working)?;
            let states = self.llama.forward(session.cache(), chunk)?;
            if chunks.peek().is_none() {
                scores = self.llama.logits(&states)?;
            }
        }
        Ok(scores)
    }
}

/// One answer being written.
struct Answer<'a> {
    engine: &'a Engine,
    choice: usize,
    limit: usize,
    sampler: Sampler<'a>,
    decoder: Utf8Stream,
    stop: StopMatcher,
}

impl Answer<'_> {
    /// Produces tokens until the answer ends; gives their number and why it ended.
    fn write(
        &mut self,
        session: &mut Session,
        first_scores: Vec<f32>,
        listener: &mut Listener<'_>,
    ) -> Result<(usize, Finish), GenerateError> {
        let mut scores = first_scores;
        for tokens in 0..self.limit {
            let token = self.sampler.choose(scores);
            if self.engine.vocabulary.is_end(token) {
                return Ok((tokens, Finish::Stop));
            }
            let text = self.decoder.push(self.engine.vocabulary.bytes(token));
            let released = self.stop.push(&text);
            let choice = self.choice;
            let event = match released.text {
                text if text.is_empty() => Event::Working,
                text => Event::Text { choice, text },
            };
            tell(listener, event)?;
            if released.stopped {
                return Ok((tokens + 1, Finish::Stop));
            }
            if tokens + 1 == self.limit {
                break;
            }
            let states = self.engine.llama.forward(session.cache(), &[token])?;
            scores = self.engine.llama.logits(&states)?;
        }
        Ok((self.limit, Finish::Length))
    }
}

fn tell(listener: &mut Listener<'_>, event: Event) -> Result<(), GenerateError> {
    match listener(event) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(()) => Err(GenerateError::Cancelled),
    }
}
