//! The small built-in model: does it still make sense through our engine?

use std::num::NonZero;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::OnceLock;

use farebox_local::engine::{
    Engine, EngineOptions, Event, Finish, Generation, Message, Sampling, WeightFormat,
};

const FILE: &str = "../../models/SmolLM2-135M-Instruct.Q4_1.gguf";

#[expect(clippy::disallowed_methods, reason = "a test's own switch")]
fn load(weights: WeightFormat) -> Engine {
    let named = std::env::var_os("FAREBOX_TEST_MODEL").map(PathBuf::from);
    let path = named.unwrap_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(FILE));
    assert!(
        path.exists(),
        "{} is missing: run `cargo xtask model`, or name the file in FAREBOX_TEST_MODEL",
        path.display()
    );
    let options = EngineOptions {
        weights,
        context_tokens: 512,
    };
    Engine::load(&path, options).unwrap()
}

fn engine() -> &'static Engine {
    static ENGINE: OnceLock<Engine> = OnceLock::new();
    ENGINE.get_or_init(|| load(WeightFormat::default()))
}

fn prompt(engine: &Engine, text: &str) -> Vec<u32> {
    let message = Message {
        role: "user".to_owned(),
        content: text.to_owned(),
    };
    engine.chat_prompt(&[message]).unwrap()
}

const AT_ONCE: NonZero<usize> = NonZero::<usize>::MAX;

/// The greedy answer, and why it ended.
fn ask(engine: &Engine, text: &str, max_tokens: usize) -> (String, Option<Finish>) {
    let generation = Generation {
        prompt: prompt(engine, text),
        choices: 1,
        max_tokens,
        stop: Vec::new(),
        sampling: Sampling {
            temperature: 0.0,
            top_p: 1.0,
            frequency_penalty: 0.0,
            presence_penalty: 0.0,
            logit_bias: Vec::new(),
            seed: 0,
        },
    };
    let (mut answer, mut finish) = (String::new(), None);
    let mut listener = |event| {
        match event {
            Event::Working => {}
            Event::Text { text, .. } => answer += &text,
            Event::End { finish: why, .. } => finish = Some(why),
        }
        ControlFlow::Continue(())
    };
    let mut session = engine.session().unwrap();
    engine
        .generate(&mut session, &generation, &mut listener)
        .unwrap();
    (answer, finish)
}

fn cosine(a: &[f32], b: &[f32]) -> f32 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}

#[test]
fn it_knows_the_capital_of_france() {
    let (answer, finish) = ask(engine(), "What is the capital of France?", 24);
    assert!(answer.contains("Paris"), "{answer}");
    assert_eq!(finish, Some(Finish::Stop), "{answer}");
}

#[test]
fn it_greets_back() {
    let (answer, _) = ask(engine(), "Hello World", 24);
    assert!(answer.starts_with("Hello"), "{answer}");
}

#[test]
fn the_tokenizer_agrees_with_the_original() {
    // Ids from the model's own tokenizer: the template, and digits that are tokens of their own.
    let tokens = engine().text_prompt("<|im_start|>user\n2024 été").unwrap();
    let text: Vec<u32> = tokens[..3].to_vec();
    assert_eq!(text, [1, 4093, 198]);
    assert_eq!(
        tokens[3..7]
            .iter()
            .collect::<std::collections::HashSet<_>>()
            .len(),
        3
    );
}

#[test]
fn packed_weights_say_what_the_exact_ones_say() {
    let (exact, packed) = (engine(), load(WeightFormat::Packed));
    let tokens = prompt(exact, "Explain in one sentence why the sky is blue.");
    let scores = |engine: &Engine, chunk_tokens| {
        let mut session = engine.session().unwrap();
        engine.logits(&mut session, &tokens, chunk_tokens).unwrap()
    };
    // In one chunk packed weights are unpacked; in small ones they multiply as they are.
    let expected = scores(exact, AT_ONCE);
    for chunk_tokens in [AT_ONCE, NonZero::new(8).unwrap()] {
        let similarity = cosine(&expected, &scores(&packed, chunk_tokens));
        assert!(similarity > 0.99999, "{chunk_tokens}: {similarity}");
    }
    let text = "What is the capital of France?";
    assert_eq!(ask(exact, text, 8), ask(&packed, text, 8));
}

#[test]
fn reading_a_prompt_in_chunks_is_the_same_as_at_once() {
    let engine = engine();
    let tokens = prompt(engine, "Name three primary colours.");
    let mut session = engine.session().unwrap();
    let at_once = engine.logits(&mut session, &tokens, AT_ONCE).unwrap();
    for chunk_tokens in [1, 7, 20] {
        let chunk_tokens = NonZero::new(chunk_tokens).unwrap();
        let chunked = engine.logits(&mut session, &tokens, chunk_tokens).unwrap();
        let similarity = cosine(&at_once, &chunked);
        assert!(similarity > 0.9999, "{chunk_tokens}: {similarity}");
    }
}

#[test]
fn related_texts_have_closer_embeddings() {
    let engine = engine();
    let mut session = engine.session().unwrap();
    let mut embed = |text: &str| {
        let tokens = engine.text_prompt(text).unwrap();
        engine.embed(&mut session, &tokens, &|| true).unwrap()
    };
    let cat = embed("The cat sleeps on the sofa.");
    let kitten = embed("A kitten is napping on the couch.");
    let invoice = embed("Invoice 4711 is due in thirty days.");
    let (near, far) = (cosine(&cat, &kitten), cosine(&cat, &invoice));
    assert!(near > far, "{near} {far}");
}
