//! Reads files of prices in the form of LiteLLM's `model_prices_and_context_window.json`: an object
//! of entries by name, each with costs in US dollars for one token.
//!
//! Numbers are read digit by digit, never as floats. What an entry says that is not metered here is
//! named: an entry is unsupported where that could make a request dearer than what is imported.

mod decimal;

use std::collections::BTreeMap;

use domain::money::Nusd;
use domain::price::StatedPrices;
use serde_json::value::RawValue;

use decimal::per_million;

/// A file of prices.
pub(crate) struct PriceFile(BTreeMap<String, Box<RawValue>>);

/// What an entry says of a model's costs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Entry {
    /// The costs that are metered here, for a million units.
    pub(crate) costs: StatedPrices,
    /// What is to be known beside them.
    pub(crate) notes: Vec<String>,
}

/// Why a file is of no use.
#[derive(Debug, thiserror::Error)]
#[error(
    "it is no object of models with their costs ({0}). Get LiteLLM's \
     model_prices_and_context_window.json"
)]
pub(crate) struct FileError(serde_json::Error);

type Members<'a> = BTreeMap<String, &'a RawValue>;

/// The members that are metered here, and the prices that they state.
const METERED: [&str; 9] = [
    "input_cost_per_token",
    "cache_read_input_token_cost",
    "cache_creation_input_token_cost",
    "output_cost_per_token",
    "output_cost_per_reasoning_token",
    "input_cost_per_audio_token",
    "output_cost_per_audio_token",
    "input_cost_per_image_token",
    "input_cost_per_request",
];

impl PriceFile {
    /// Reads a file; entries are looked into when they are asked for.
    ///
    /// # Errors
    /// [`FileError`] if it is something else.
    pub(crate) fn parse(text: &str) -> Result<Self, FileError> {
        serde_json::from_str(text).map(PriceFile).map_err(FileError)
    }

    /// How many entries it has.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// The name of the entry for a model: its own, or with the provider before it. Entries of
    /// another provider than the one asked for do not count.
    pub(crate) fn find(&self, model: &str, provider: Option<&str>) -> Option<String> {
        let Some(provider) = provider else {
            return self.0.contains_key(model).then(|| model.to_owned());
        };
        let names = [model.to_owned(), format!("{provider}/{model}")];
        names.into_iter().find(|name| {
            let of = self
                .members(name)
                .and_then(|it| text(&it, "litellm_provider"));
            of.as_deref() == Some(provider)
        })
    }

    /// What the entry of a name says, for a model whose window has so many tokens; none if there
    /// is no such entry. The inner error says why it cannot be imported.
    pub(crate) fn entry(&self, name: &str, window: u64) -> Option<Result<Entry, String>> {
        self.members(name).map(|members| read(&members, window))
    }

    fn members(&self, name: &str) -> Option<Members<'_>> {
        serde_json::from_str(self.0.get(name)?.get()).ok()
    }
}

fn text(members: &Members<'_>, name: &str) -> Option<String> {
    serde_json::from_str(members.get(name)?.get()).ok()
}

fn read(members: &Members<'_>, window: u64) -> Result<Entry, String> {
    let mut entry = Entry::default();
    let mut amounts = [None; METERED.len()];
    for (amount, name) in amounts.iter_mut().zip(METERED) {
        *amount = cost(members, name, &mut entry.notes)?;
    }
    let mut ignored = Vec::new();
    for name in members.keys().filter(|name| is_about_money(name)) {
        if is_nothing(members[name].get()) {
            continue;
        }
        match tier(name) {
            Some(above) if window > above => {
                return Err(format!(
                    "it costs another amount above {above} tokens ({name}), and the model's window \
                     has {window}: set its context_tokens to {above}, or state its price yourself"
                ));
            }
            // Such long requests are refused before.
            Some(_) => {}
            None => ignored.push(name.as_str()),
        }
    }
    let [
        input,
        cached_input,
        cache_write,
        output,
        reasoning,
        audio_input,
        audio_output,
        image,
        request,
    ] = amounts;
    let embeds = text(members, "mode").as_deref() == Some("embedding");
    let output = output.or(embeds.then_some(Nusd::ZERO));
    let (Some(input), Some(output)) = (input, output) else {
        return Err(match ignored.first() {
            Some(name) => format!("its costs are not for tokens ({name})"),
            None => "it states no costs of input and output tokens".into(),
        });
    };
    if !ignored.is_empty() {
        let names = ignored.join(", ");
        entry.notes.push(format!("not metered here: {names}"));
    }
    entry.costs = StatedPrices {
        input,
        cached_input,
        cache_write,
        output,
        reasoning,
        audio_input,
        audio_output,
        image,
        request,
    };
    Ok(entry)
}

/// A cost of one unit, for a million of them.
fn cost(
    members: &Members<'_>,
    name: &str,
    notes: &mut Vec<String>,
) -> Result<Option<Nusd>, String> {
    let Some(raw) = members.get(name).filter(|raw| raw.get() != "null") else {
        return Ok(None);
    };
    let amount = per_million(raw.get());
    let amount = amount.map_err(|problem| format!("its {name} {problem}: {raw}"))?;
    if amount.is_rounded {
        notes.push(format!(
            "{name} is rounded up to a billionth of a dollar for a million"
        ));
    }
    Ok(Some(amount.nusd))
}

/// Whether a member is about what something costs, other than what is metered.
fn is_about_money(name: &str) -> bool {
    let words = ["cost", "price", "pricing"];
    words.iter().any(|word| name.contains(word)) && !METERED.contains(&name)
}

/// Whether a member says nothing, or that something costs nothing.
fn is_nothing(raw: &str) -> bool {
    raw == "null" || per_million(raw).is_ok_and(|amount| amount.nusd == Nusd::ZERO)
}

/// From how many tokens on a cost counts: `…_above_200k_tokens`.
fn tier(name: &str) -> Option<u64> {
    let (_, rest) = name.split_once("_above_")?;
    let (thousands, _) = rest.split_once("k_tokens")?;
    thousands.parse::<u64>().ok()?.checked_mul(1_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = r#"{
        "sample_spec": {"input_cost_per_token": "a number", "mode": "one of chat, embedding"},
        "large": {
            "input_cost_per_token": 2.5e-06, "output_cost_per_token": 1e-05,
            "cache_read_input_token_cost": 1.25e-06, "litellm_provider": "acme",
            "output_cost_per_token_batches": 5e-06, "input_cost_per_audio_token": null,
            "max_input_tokens": 128000, "search_context_cost_per_query": {"low": 0.03}
        },
        "acme/small": {
            "input_cost_per_token": 1.5e-07, "output_cost_per_token": 0.0000006,
            "litellm_provider": "acme", "input_cost_per_image": 0.0
        },
        "small": {
            "input_cost_per_token": 9, "output_cost_per_token": 9, "litellm_provider": "other"
        },
        "tiered": {
            "input_cost_per_token": 1.25e-06, "output_cost_per_token": 1e-05,
            "input_cost_per_token_above_200k_tokens": 2.5e-06
        },
        "embedder": {"input_cost_per_token": 2e-08, "mode": "embedding"},
        "speaker": {"input_cost_per_character": 1.5e-05, "mode": "audio_speech"},
        "silent": {"max_tokens": 5},
        "fine": {"input_cost_per_token": 1.23456789012345e-07, "output_cost_per_token": 0},
        "below": {"input_cost_per_token": -1e-07, "output_cost_per_token": 0}
    }"#;

    fn file() -> PriceFile {
        PriceFile::parse(FILE).expect("a file of prices")
    }

    fn usd(text: &str) -> Nusd {
        Nusd::parse_usd(text).expect("an amount")
    }

    #[test]
    fn costs_of_tokens_are_read_exactly() {
        let entry = |name| file().entry(name, 128_000).expect("an entry");
        let large = entry("large").expect("it can be imported");
        assert_eq!(
            large.costs,
            StatedPrices {
                input: usd("2.50"),
                cached_input: Some(usd("1.25")),
                output: usd("10"),
                ..StatedPrices::default()
            }
        );
        let not_metered =
            "not metered here: output_cost_per_token_batches, search_context_cost_per_query";
        assert_eq!(large.notes, [not_metered]);
        let small = entry("acme/small").expect("it can be imported");
        let (input, output) = (small.costs.input, small.costs.output);
        assert_eq!((input, output), (usd("0.15"), usd("0.60")));
        assert_eq!(small.notes, Vec::<String>::new());
        let embedder = entry("embedder").expect("it needs no output");
        assert_eq!(embedder.costs.input, usd("0.02"));
        let fine = entry("fine").expect("it is rounded up");
        assert_eq!(fine.costs.input, usd("0.123456790"));
        assert_eq!(fine.notes.len(), 1);
    }

    #[test]
    fn what_cannot_be_imported_says_why() {
        let problem = |name, window| file().entry(name, window).expect("an entry").err();
        assert_eq!(problem("tiered", 200_000), None, "nothing is as long");
        for (name, reason) in [
            ("tiered", "another amount above 200000 tokens"),
            ("speaker", "not for tokens (input_cost_per_character)"),
            ("silent", "states no costs"),
            ("below", "input_cost_per_token is below zero"),
            ("sample_spec", "input_cost_per_token is no number"),
        ] {
            let said = problem(name, 200_001).expect(name);
            assert!(said.contains(reason), "{name}: {said}");
        }
        assert!(file().entry("absent", 1).is_none());
        for other in ["[]", "", "{\"a\":"] {
            assert!(PriceFile::parse(other).is_err());
        }
    }

    #[test]
    fn a_model_is_found_by_its_name_or_its_providers() {
        let find = |model, provider| file().find(model, provider);
        assert_eq!(find("small", None).as_deref(), Some("small"));
        assert_eq!(find("small", Some("acme")).as_deref(), Some("acme/small"));
        assert_eq!(find("small", Some("other")).as_deref(), Some("small"));
        assert_eq!(find("large", Some("other")), None);
        assert_eq!(find("absent", None), None);
    }
}
