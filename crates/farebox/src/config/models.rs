//! Reads `[[models]]`: what callers see, where it runs, and what it costs.

use domain::bound::InputBounds;
use domain::money::Nusd;
use domain::price::StatedPrices;

use super::read::parse_usd;
use super::schema::{Deployment, Endpoint, Model, Target, Tokenizer, Upstream};
use super::section::{Choice, Read, Section, nearest};
use super::tree::Value;
use super::upstreams::parse_id;

const CONTEXT_TOKENS: u64 = 128_000;
const MAX_OUTPUT_TOKENS: u64 = 16_384;
const MIN_OUTPUT_TOKENS: u64 = 256;
/// More than this is no text that anybody normalises or writes anew, but a slip.
const MOST_FACTOR: u64 = 100;
const MOST_TOKENS: u64 = 1_000_000_000;
const MOST_WEIGHT: u64 = 1_000_000;

/// Reads every model. `upstreams` is `None` when they have problems of their own; deployments are
/// then not held against them.
pub(super) fn read_models(root: &Section<'_>, upstreams: Option<&[Upstream]>) -> Read<Vec<Model>> {
    let sections = root.sections("models")?;
    let mut seen: Vec<String> = Vec::new();
    // Every model is read before the first failure ends it, so that all problems are noted.
    let read: Vec<Read<Model>> = sections
        .iter()
        .map(|section| {
            let model = read_model(section, upstreams)?;
            if seen.contains(&model.id) {
                return section.note("id", format!("\"{}\" is taken by another model", model.id));
            }
            seen.push(model.id.clone());
            Ok(model)
        })
        .collect();
    read.into_iter().collect()
}

fn read_model(section: &Section<'_>, upstreams: Option<&[Upstream]>) -> Read<Model> {
    let id = section.parsed("id", parse_id);
    let context = section.integer("context_tokens", 1..=MOST_TOKENS, Some(CONTEXT_TOKENS));
    let default_output = MAX_OUTPUT_TOKENS.min(context.unwrap_or(MAX_OUTPUT_TOKENS));
    let output = section.integer("max_output_tokens", 1..=MOST_TOKENS, Some(default_output));
    let output = match (context, output) {
        (Ok(context), Ok(output)) if output > context => section.note(
            "max_output_tokens",
            format!("is {output}, more than context_tokens, which is {context}"),
        ),
        (_, output) => output,
    };
    let longest = output.unwrap_or(MAX_OUTPUT_TOKENS);
    let default_least = MIN_OUTPUT_TOKENS.min(longest);
    let least = section.integer("min_output_tokens", 1..=longest, Some(default_least));
    let bounds = read_bounds(section);
    let tokenizer = section.choice("tokenizer", Some(Tokenizer::ByName));
    let deployments = read_deployments(section, id.as_deref().unwrap_or_default(), upstreams);
    let endpoints = read_endpoints(section);
    let embeds_only = endpoints.as_deref() == Ok(&[Endpoint::Embeddings]);
    let price = read_prices(
        section,
        "price",
        Required {
            input: true,
            output: !embeds_only,
        },
    );
    let cost = read_prices(
        section,
        "cost",
        Required {
            input: false,
            output: false,
        },
    );
    let owned_by = section.optional_parsed("owned_by", parse_id);
    section.finish();
    Ok(Model {
        id: id?,
        context_tokens: context?,
        max_output_tokens: output?,
        min_output_tokens: least?,
        bounds: bounds?,
        tokenizer: tokenizer?,
        deployments: deployments?,
        price: price?,
        cost: cost?,
        endpoints: endpoints?,
        owned_by: owned_by?.unwrap_or_else(|| "farebox".to_owned()),
    })
}

fn read_bounds(model: &Section<'_>) -> Read<InputBounds> {
    let known = InputBounds::default();
    let Some(section) = model.optional_section("bounds")? else {
        return Ok(known);
    };
    let tokens = |key, default| section.integer(key, 0..=MOST_TOKENS, Some(default));
    let factor = |key, default| section.integer(key, 1..=MOST_FACTOR, Some(default));
    let media = |key| section.optional_integer(key, 0..=MOST_TOKENS);
    let template_tokens = tokens("template_tokens", known.template_tokens);
    let message_tokens = tokens("message_tokens", known.message_tokens);
    let bytes_factor = factor("bytes_factor", known.bytes_factor);
    let tools_tokens = tokens("tools_tokens", known.tools_tokens);
    let tools_factor = factor("tools_factor", known.tools_factor);
    let image_tokens = media("image_tokens");
    let audio_tokens = media("audio_tokens");
    let file_tokens = media("file_tokens");
    section.finish();
    Ok(InputBounds {
        template_tokens: template_tokens?,
        message_tokens: message_tokens?,
        bytes_factor: bytes_factor?,
        tools_tokens: tools_tokens?,
        tools_factor: tools_factor?,
        image_tokens: image_tokens?,
        audio_tokens: audio_tokens?,
        file_tokens: file_tokens?,
    })
}

fn read_deployments(
    model: &Section<'_>,
    model_id: &str,
    upstreams: Option<&[Upstream]>,
) -> Read<Vec<Deployment>> {
    let sections = model.sections("deployments")?;
    if sections.is_empty() {
        return model.note(
            "deployments",
            "is empty: name at least one upstream, as [{ upstream = \"vllm\" }]",
        );
    }
    let read: Vec<Read<Deployment>> = sections
        .iter()
        .map(|section| read_deployment(section, model_id, upstreams))
        .collect();
    read.into_iter().collect()
}

fn read_deployment(
    section: &Section<'_>,
    model_id: &str,
    upstreams: Option<&[Upstream]>,
) -> Read<Deployment> {
    let upstream = section.parsed("upstream", |id| {
        let Some(upstreams) = upstreams else {
            return Ok(id.to_owned());
        };
        if upstreams.iter().any(|upstream| upstream.id == id) {
            return Ok(id.to_owned());
        }
        Err(
            match nearest(id, upstreams.iter().map(|upstream| upstream.id.as_str())) {
                Some(near) => format!("\"{id}\" is not an upstream. Did you mean \"{near}\"?"),
                None => {
                    format!("\"{id}\" is not an upstream: add [[upstreams]] with id = \"{id}\"")
                }
            },
        )
    });
    let model = section.optional_text("model");
    let weight = section.integer("weight", 1..=MOST_WEIGHT, Some(1));
    section.finish();
    let upstream = upstream?;
    let model = match model? {
        Some("") => return section.note("model", "is empty"),
        Some(model) => model.to_owned(),
        None => name_at(upstreams.unwrap_or_default(), &upstream, model_id),
    };
    Ok(Deployment {
        upstream,
        model,
        weight: weight?,
    })
}

/// What an upstream calls a model when nobody says: the built-in engine has one of its own.
fn name_at(upstreams: &[Upstream], upstream: &str, model_id: &str) -> String {
    match upstreams
        .iter()
        .find(|known| known.id == upstream)
        .map(|known| &known.target)
    {
        Some(Target::Local { name, .. }) => name.clone(),
        _ => model_id.to_owned(),
    }
}

fn read_endpoints(section: &Section<'_>) -> Read<Vec<Endpoint>> {
    let every = || {
        Endpoint::WORDS
            .iter()
            .map(|(word, _)| *word)
            .collect::<Vec<_>>()
            .join(", ")
    };
    if !section.has("endpoints") {
        section.list("endpoints")?;
        return Ok(Endpoint::WORDS
            .iter()
            .map(|(_, endpoint)| *endpoint)
            .collect());
    }
    let mut endpoints = Vec::new();
    for item in section.list("endpoints")? {
        let word = match &item.value {
            Value::Text(word) => word.as_str(),
            other => return section.note("endpoints", format!("holds {}", other.kind())),
        };
        match Endpoint::WORDS.iter().find(|(known, _)| *known == word) {
            Some((_, endpoint)) if !endpoints.contains(endpoint) => endpoints.push(*endpoint),
            Some(_) => {}
            None => {
                let message = format!("cannot hold \"{word}\": there are {}", every());
                return section.note("endpoints", message);
            }
        }
    }
    if endpoints.is_empty() {
        return section.note("endpoints", format!("is empty: there are {}", every()));
    }
    Ok(endpoints)
}

/// Which prices must be stated: nothing is free by oversight.
#[derive(Clone, Copy)]
struct Required {
    input: bool,
    output: bool,
}

fn read_prices(
    model: &Section<'_>,
    key: &'static str,
    required: Required,
) -> Read<Option<StatedPrices>> {
    let Some(section) = model.optional_section(key)? else {
        return Ok(None);
    };
    let main = |key: &'static str, required: bool| match section.optional_parsed(key, parse_usd) {
        Ok(None) if required => section.note(
            key,
            format!("is missing: state it, and write \"0\" if {key} is free"),
        ),
        other => other.map(Option::unwrap_or_default),
    };
    let input = main("input", required.input);
    let output = main("output", required.output);
    let other =
        |key: &'static str| -> Read<Option<Nusd>> { section.optional_parsed(key, parse_usd) };
    let (cached_input, cache_write) = (other("cached_input"), other("cache_write"));
    let (reasoning, image) = (other("reasoning"), other("image"));
    let (audio_input, audio_output) = (other("audio_input"), other("audio_output"));
    let request = other("request");
    section.finish();
    Ok(Some(StatedPrices {
        input: input?,
        cached_input: cached_input?,
        cache_write: cache_write?,
        output: output?,
        reasoning: reasoning?,
        audio_input: audio_input?,
        audio_output: audio_output?,
        image: image?,
        request: request?,
    }))
}
