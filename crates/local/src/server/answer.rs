//! From prompts to a response: queue the generation, then collect its events or stream them.

use std::ops::ControlFlow;
use std::sync::Arc;

use axum::Json;
use axum::response::{IntoResponse as _, Response};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::App;
use super::error::ApiError;
use super::queue::Job;
use super::render::{Choice, Renderer, Shape, Usage};
use super::settings::Settings;
use super::stream::stream;
use crate::engine::{Engine, Event, GenerateError, Generation, Session};

/// The cause of a result that never came; the thread has logged its panic.
pub(crate) const THREAD_GAVE_UP: &str = "the inference thread gave up";

/// The tokens to continue, and the member of the request that they come from.
pub(crate) struct Prompts {
    pub(crate) tokens: Vec<Vec<u32>>,
    pub(crate) param: &'static str,
}

/// What an inference thread tells the handler. The channel is unbounded because an answer is: it
/// has at most as many events as the context has tokens, and a slow client must not hold up the
/// thread.
#[derive(Debug)]
pub(crate) enum Told {
    /// Something happened in one of the answers, which are numbered over all prompts.
    Event(Event),
    /// All answers are complete.
    Done { output_tokens: usize },
    /// There will be no more; the cause is logged.
    Failed(String),
}

/// Answers `prompts` in one piece or as a stream, as `settings` say.
pub(crate) async fn answer(
    app: &App,
    shape: Shape,
    prompts: Prompts,
    settings: Settings,
) -> Result<Response, ApiError> {
    let context_tokens = app.engine.context_tokens();
    let too_long = prompts
        .tokens
        .iter()
        .find(|tokens| tokens.len() > context_tokens);
    if let Some(prompt) = too_long {
        return Err(ApiError::too_long(
            context_tokens,
            prompt.len(),
            prompts.param,
        ));
    }
    let input_tokens = prompts.tokens.iter().map(Vec::len).sum();
    let renderer = Renderer::new(shape, app);
    let choices = prompts.tokens.len() * settings.choices;
    let (streamed, include_usage) = (settings.stream, settings.include_usage);

    let (teller, mut told) = unbounded_channel();
    submit(app, generations(prompts, &settings), teller)?;
    if streamed {
        let first = next(&mut told).await;
        if let Told::Failed(cause) = &first {
            return Err(ApiError::internal(cause));
        }
        return Ok(stream(
            renderer,
            first,
            told,
            include_usage.then_some(input_tokens),
        ));
    }
    let (choices, output_tokens) = collect(&mut told, choices).await?;
    let usage = Usage {
        input_tokens,
        output_tokens,
    };
    Ok(Json(renderer.whole(&choices, usage)).into_response())
}

/// The next thing worth telling. A channel that ends too early means the thread panicked.
pub(crate) async fn next(told: &mut UnboundedReceiver<Told>) -> Told {
    loop {
        match told.recv().await {
            Some(Told::Event(Event::Working)) => {}
            Some(told) => return told,
            None => return Told::Failed(THREAD_GAVE_UP.to_owned()),
        }
    }
}

async fn collect(
    told: &mut UnboundedReceiver<Told>,
    choices: usize,
) -> Result<(Vec<Choice>, usize), ApiError> {
    let mut collected = vec![Choice::default(); choices];
    loop {
        match next(told).await {
            Told::Event(Event::Working) => {}
            Told::Event(Event::Text { choice, text }) => collected[choice].text += &text,
            Told::Event(Event::End { choice, finish }) => {
                collected[choice].finish = Some(finish);
            }
            Told::Done { output_tokens } => return Ok((collected, output_tokens)),
            Told::Failed(cause) => return Err(ApiError::internal(&cause)),
        }
    }
}

fn generations(prompts: Prompts, settings: &Settings) -> Vec<Generation> {
    let generation = |prompt| Generation {
        prompt,
        choices: settings.choices,
        max_tokens: settings.max_tokens.unwrap_or(usize::MAX),
        stop: settings.stop.clone(),
        sampling: settings.sampling.clone(),
    };
    prompts.tokens.into_iter().map(generation).collect()
}

fn submit(
    app: &App,
    generations: Vec<Generation>,
    teller: UnboundedSender<Told>,
) -> Result<(), ApiError> {
    let engine = Arc::clone(&app.engine);
    let watched = teller.clone();
    let job = Job {
        abandoned: Box::new(move || watched.is_closed()),
        run: Box::new(move |session| run(&engine, session, &generations, &teller)),
    };
    app.queue.submit(job).map_err(ApiError::overloaded)
}

fn run(
    engine: &Engine,
    session: &mut Session,
    generations: &[Generation],
    teller: &UnboundedSender<Told>,
) {
    let mut output_tokens = 0;
    let mut first_choice = 0;
    for generation in generations {
        // Sending fails once the client has left, and that ends the generation.
        let mut listener = |event| match teller.send(Told::Event(renumber(event, first_choice))) {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        };
        match engine.generate(session, generation, &mut listener) {
            Ok(tokens) => output_tokens += tokens,
            Err(GenerateError::Cancelled) => return,
            Err(GenerateError::Compute(problem)) => {
                let _ = teller.send(Told::Failed(problem.to_string()));
                return;
            }
        }
        first_choice += generation.choices;
    }
    let _ = teller.send(Told::Done { output_tokens });
}

fn renumber(event: Event, first_choice: usize) -> Event {
    match event {
        Event::Working => Event::Working,
        Event::Text { choice, text } => Event::Text {
            choice: first_choice + choice,
            text,
        },
        Event::End { choice, finish } => Event::End {
            choice: first_choice + choice,
            finish,
        },
    }
}
