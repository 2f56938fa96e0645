//! Reads `[[upstreams]]`.

use std::path::PathBuf;

use store::upstream_costs::Tolerance;

use super::read::{DAY_MS, parse_url, parse_usd};
use super::schema::{
    NamedSecret, OnDisconnect, OutputLimitField, ResponsesMode, Target, Upstream, UpstreamKind,
};
use super::section::{Read, Section};

const TIMEOUT_MS: u64 = 600_000;
const CONNECT_TIMEOUT_MS: u64 = 10_000;

/// Reads every upstream; their keys are looked up later, when all layers are known to be right.
pub(super) fn read_upstreams(root: &Section<'_>) -> Read<Vec<Upstream>> {
    let sections = root.sections("upstreams")?;
    let mut seen: Vec<String> = Vec::new();
    // Every upstream is read before the first failure ends it, so that all problems are noted.
    let read: Vec<Read<Upstream>> = sections
        .iter()
        .map(|section| {
            let upstream = read_upstream(section)?;
            if seen.contains(&upstream.id) {
                return section.note(
                    "id",
                    format!("\"{}\" is taken by another upstream", upstream.id),
                );
            }
            seen.push(upstream.id.clone());
            Ok(upstream)
        })
        .collect();
    read.into_iter().collect()
}

/// Checks an id of an upstream or a model: shown in logs and headers, so no blanks or controls.
///
/// # Errors
/// What to write instead, as the end of a sentence.
pub(super) fn parse_id(text: &str) -> Result<String, String> {
    match text {
        "" => Err("is empty".to_owned()),
        text if text.len() > 256 => Err("is longer than 256 characters".to_owned()),
        text if !text
            .chars()
            .all(|letter| letter.is_ascii_graphic() && letter != '"') =>
        {
            Err("may hold letters, digits and marks, but no blanks or quotation marks".to_owned())
        }
        text => Ok(text.to_owned()),
    }
}

fn read_upstream(section: &Section<'_>) -> Read<Upstream> {
    let id = section.parsed("id", parse_id);
    let kind = section.choice::<UpstreamKind>("kind", None);
    let timeout_ms = section.integer("timeout_ms", 1..=DAY_MS, Some(TIMEOUT_MS));
    let connect = section.integer("connect_timeout_ms", 1..=DAY_MS, Some(CONNECT_TIMEOUT_MS));
    let on_disconnect = section.choice("on_disconnect", Some(OnDisconnect::Cancel));
    let responses = section.choice("responses", Some(ResponsesMode::Auto));
    let limit_field = section.choice("output_limit_field", Some(OutputLimitField::Auto));
    let costs_key = section.optional_parsed("costs_api_key_env", parse_variable);
    let target = read_target(section, kind, id.as_deref().unwrap_or_default());
    section.finish();
    let (target, costs_key) = (target?, costs_key?);
    if let (Target::OpenAi { base_url, .. }, Some(_)) = (&target, &costs_key)
        && base_url.starts_with("http://")
        && !control::is_loopback_url(base_url)
    {
        let message = "needs a base_url with https://: everybody on the way could read the key";
        return section.note("costs_api_key_env", message);
    }
    Ok(Upstream {
        id: id?,
        target,
        timeout_ms: timeout_ms?,
        connect_timeout_ms: connect?,
        on_disconnect: on_disconnect?,
        responses: responses?,
        output_limit_field: limit_field?,
        costs_api_key: costs_key.map(|env| NamedSecret { env, value: None }),
    })
}

/// Reads `[upstream_costs]`: what is let pass.
pub(super) fn read_tolerance(section: &Section<'_>) -> Read<Tolerance> {
    let percent = section.integer("tolerance_percent", 0..=100, None);
    let amount = section.parsed("tolerance_usd", parse_usd);
    section.finish();
    Ok(Tolerance {
        percent: u32::try_from(percent?).unwrap_or(100),
        amount: amount?,
    })
}

fn read_target(section: &Section<'_>, kind: Read<UpstreamKind>, id: &str) -> Read<Target> {
    // All are asked for, whatever the kind: a key of the other kind is misplaced, not unknown.
    let base_url = section.optional_parsed("base_url", parse_url);
    let api_key_env = section.optional_parsed("api_key_env", parse_variable);
    let model_path = section.optional_text("model_path");
    let name = section.optional_parsed("name", parse_id);
    match kind? {
        UpstreamKind::OpenAi => {
            refuse(section, &["model_path", "name"], "is for kind = \"local\"")?;
            let base_url = match base_url? {
                Some(base_url) => base_url,
                None => section.note(
                    "base_url",
                    "is missing: say where the server is, such as http://127.0.0.1:8000/v1",
                )?,
            };
            Ok(Target::OpenAi {
                base_url,
                api_key_env: api_key_env?,
                api_key: None,
            })
        }
        UpstreamKind::Local => {
            refuse(
                section,
                &["base_url", "api_key_env", "costs_api_key_env"],
                "is not for kind = \"local\"",
            )?;
            match model_path? {
                Some(path) if !path.is_empty() => {
                    let name = name?.unwrap_or_else(|| id.to_owned());
                    Ok(Target::Local {
                        model_path: PathBuf::from(path),
                        name,
                    })
                }
                _ => section.note("model_path", "is missing: name the weights, a .gguf file"),
            }
        }
        UpstreamKind::Anthropic => section.note(
            "kind",
            "\"anthropic\" is not supported yet: use kind = \"openai\" with a server that \
             translates, or leave this upstream out",
        ),
    }
}

fn refuse(section: &Section<'_>, keys: &[&'static str], reason: &str) -> Read<()> {
    let misplaced = keys.iter().filter(|key| section.has(key));
    let noted: Vec<Read<()>> = misplaced.map(|key| section.note(key, reason)).collect();
    noted.into_iter().collect()
}

/// The name of an environment variable, and not by mistake the secret itself.
///
/// # Errors
/// What to write instead, as the end of a sentence.
pub(super) fn parse_variable(text: &str) -> Result<String, String> {
    let letter = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    let named = !text.is_empty() && !text.starts_with(|first: char| first.is_ascii_digit());
    if named && text.chars().all(letter) {
        Ok(text.to_owned())
    } else {
        Err(
            "must be the name of an environment variable that holds the secret, not the secret"
                .to_owned(),
        )
    }
}
