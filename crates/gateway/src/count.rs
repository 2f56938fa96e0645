//! Counting a prompt's tokens, where their bytes are more than the money pays for.
//!
//! It takes a thousand times longer than looking at the length of the body, so it is done only
//! then, only for short bodies, on threads that may wait, a few at a time and not for long. Whoever
//! gets no count keeps the bound by bytes, which is as safe and only less exact.

use std::time::Duration;

use domain::bound::{CountedText, TokenBound, counted_input_bound};
use tiktoken_rs::CoreBPE;
use tiktoken_rs::tokenizer::{self, Tokenizer as Known};
use tokio::sync::Semaphore;
use wire::request::{ModelRequest, PromptTexts};

use crate::catalog::Model;
use crate::size;

/// Bodies with more text than this are not counted.
const MOST_BYTES: u64 = 64 * 1024;
/// A count that takes longer, its turn included, is not waited for. It takes milliseconds, and the
/// first one half a second.
const PATIENCE: Duration = Duration::from_secs(2);
/// The longest run of letters, or of blanks, or of other marks, that is handed to a tokenizer. It
/// tries to merge a run as one piece, and takes long for that: no language has longer ones.
const LONGEST_RUN_BYTES: usize = 512;
/// How many prompts are counted at a time.
static TURNS: Semaphore = Semaphore::const_new(2);

/// A tokenizer whose table is public.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tokenizer {
    /// That of GPT-4o, GPT-4.1, GPT-5 and the o series.
    O200kBase,
    /// That of GPT-4, GPT-3.5 and the text-embedding models.
    Cl100kBase,
}

impl Tokenizer {
    /// The tokenizer of the model that an upstream calls this, if OpenAI's own list has the name.
    #[must_use]
    pub fn of_model(name: &str) -> Option<Self> {
        match tokenizer::get_tokenizer(name)? {
            Known::O200kBase => Some(Tokenizer::O200kBase),
            Known::Cl100kBase => Some(Tokenizer::Cl100kBase),
            // Open models, which their servers give templates of their own, and models of old.
            Known::O200kHarmony
            | Known::P50kBase
            | Known::R50kBase
            | Known::P50kEdit
            | Known::Gpt2 => None,
        }
    }

    /// Its table. The first call reads it, which takes a third of a second and up to 45 MB.
    pub(crate) fn table(self) -> &'static CoreBPE {
        match self {
            Tokenizer::O200kBase => tiktoken_rs::o200k_base_singleton(),
            Tokenizer::Cl100kBase => tiktoken_rs::cl100k_base_singleton(),
        }
    }
}

/// Whether the request's tokens can be counted at all.
///
/// Tokens that were sent as numbers are counted whatever the model. Texts are counted by the
/// model's tokenizer, and by their bytes where it is not known.
pub(crate) fn is_possible(model: &Model, request: &ModelRequest) -> bool {
    let prompt = &request.prompt;
    let text_bytes = prompt.body_bytes.saturating_sub(prompt.media.bytes);
    let is_known = model.tokenizer.is_some() || prompt.token_ids > 0;
    is_known && !prompt.opaque && text_bytes <= MOST_BYTES
}

/// A bound of the request's input tokens that is less than `bound`, which is the one by bytes; none
/// if there is none, or it cannot be found soon. Only for requests that can be counted.
pub(crate) async fn tighter_input_tokens(
    model: &Model,
    request: &ModelRequest,
    bound: &TokenBound,
) -> Option<u64> {
    let counting = async {
        let turn = TURNS.acquire().await.ok()?;
        let (tokenizer, texts) = (model.tokenizer, request.prompt_texts());
        let count = move || {
            // Kept until the end, which nobody may be waiting for any more.
            let _turn = turn;
            count(tokenizer, &texts)
        };
        tokio::task::spawn_blocking(count).await.ok()
    };
    let mut counted = tokio::time::timeout(PATIENCE, counting).await.ok()??;
    counted.text_tokens += request.prompt.token_ids;
    let tighter = counted_input_bound(&model.size, &size::of(request), bound, &counted);
    (tighter < bound.input_tokens).then_some(tighter)
}

/// Counts every text on its own.
fn count(tokenizer: Option<Tokenizer>, texts: &PromptTexts) -> CountedText {
    let table = tokenizer.map(Tokenizer::table);
    let sum = |texts: &[String]| texts.iter().map(|text| tokens(table, text)).sum();
    CountedText {
        text_tokens: sum(&texts.plain),
        rendered_tokens: sum(&texts.rendered),
    }
}

/// The tokens of one text, or its bytes. What looks like a special token is counted as the text it
/// is, which is never less.
fn tokens(table: Option<&CoreBPE>, text: &str) -> u64 {
    let count = match table {
        Some(table) if longest_run_bytes(text) <= LONGEST_RUN_BYTES => table.count_ordinary(text),
        _ => text.len(),
    };
    count as u64
}

/// The longest run of characters of one kind.
fn longest_run_bytes(text: &str) -> usize {
    let kind = |it: char| (it.is_alphabetic(), it.is_whitespace());
    let (mut longest, mut run) = (0, 0);
    let mut before = None;
    for it in text.chars() {
        if before != Some(kind(it)) {
            run = 0;
            before = Some(kind(it));
        }
        run += it.len_utf8();
        longest = longest.max(run);
    }
    longest
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;
    use wire::request::Endpoint;

    #[test]
    fn only_models_of_openais_list_are_known() {
        for (name, tokenizer) in [
            ("gpt-4o-mini", Some(Tokenizer::O200kBase)),
            ("o3", Some(Tokenizer::O200kBase)),
            ("ft:gpt-4o:acme", Some(Tokenizer::O200kBase)),
            ("gpt-3.5-turbo", Some(Tokenizer::Cl100kBase)),
            ("text-embedding-3-small", Some(Tokenizer::Cl100kBase)),
            ("gpt-oss-20b", None),
            ("openai/gpt-4o", None),
            ("llama3.1:8b", None),
            ("", None),
        ] {
            assert_eq!(Tokenizer::of_model(name), tokenizer, "{name}");
        }
    }

    #[test]
    fn runs_are_measured_by_kind() {
        for (text, longest) in [
            ("", 0),
            ("abc", 3),
            ("ab cd", 2),
            ("a    b", 4),
            ("ééé!!", 6),
            ("a1a1", 1),
            ("=====", 5),
        ] {
            assert_eq!(longest_run_bytes(text), longest, "{text}");
        }
    }

    #[test]
    fn what_is_no_language_is_counted_by_its_bytes() {
        let table = Tokenizer::Cl100kBase.table();
        let prose = "The quick brown fox jumps over the lazy dog. ".repeat(20);
        assert_eq!(tokens(Some(table), &prose), 201);
        assert_eq!(tokens(None, &prose), 900);
        for adversarial in ["a".repeat(60_000), " ".repeat(60_000), "=".repeat(60_000)] {
            assert_eq!(tokens(Some(table), &adversarial), 60_000);
        }
        let special = "<|endoftext|>";
        assert!(tokens(Some(table), special) > 1);
    }

    /// A chat as ChatML writes it, each marker one token, and as a plain template does.
    fn rendered(table: &CoreBPE, messages: &[(String, String)]) -> (u64, u64) {
        let count = |text: &str| table.count_ordinary(text) as u64;
        let chatml: u64 = messages
            .iter()
            .map(|(role, content)| 4 + count(role) + count(content))
            .sum();
        let plain: String = messages
            .iter()
            .map(|(role, content)| format!("{role}: {content}\n\n"))
            .collect();
        (chatml + 3, count(&plain))
    }

    proptest! {
        #[test]
        fn a_count_is_never_below_what_a_template_makes_of_it_nor_above_the_bytes(
            texts in prop::collection::vec(
                prop_oneof![any::<String>(), "[ a-zA-Z0-9.,é中\n]{0,200}"], 1..6,
            ),
            o200k in any::<bool>(),
        ) {
            let tokenizer = match o200k {
                true => Tokenizer::O200kBase,
                false => Tokenizer::Cl100kBase,
            };
            let messages: Vec<(String, String)> =
                texts.into_iter().map(|text| ("user".to_owned(), text)).collect();
            let body = json!({
                "model": "m",
                "messages": messages
                    .iter()
                    .map(|(role, content)| json!({"role": role, "content": content}))
                    .collect::<Vec<_>>(),
            });
            let request = ModelRequest::parse(Endpoint::Chat, body.to_string().as_bytes())
                .expect("a good request");
            let size = size::of(&request);
            let model = domain::bound::ModelSize {
                context_tokens: 1_000_000,
                max_output_tokens: 1,
                min_output_tokens: 1,
                input: domain::bound::InputBounds::default(),
            };
            let bound = domain::bound::token_bound(&model, &size);
            let counted = count(Some(tokenizer), &request.prompt_texts());
            let exact = counted_input_bound(&model, &size, &bound, &counted);
            let (chatml, plain) = rendered(tokenizer.table(), &messages);
            prop_assert!(chatml <= exact && plain <= exact, "{chatml}, {plain} > {exact}");
            prop_assert!(exact <= bound.input_tokens);
        }
    }
}
