//! Reads `[[oidc]]`: the providers that people can sign in with.

use std::path::PathBuf;

use domain::people::email::Email;
use http::Uri;

use super::messages::{is_loopback, named_secret};
use super::schema::{JoinRole, OidcJoin, OidcProvider};
use super::section::{Read, Section};
use super::tree::Value;

const TIMEOUT_MS: u64 = 10_000;
/// Somebody waits for it with a browser.
const TIMEOUTS_MS: std::ops::RangeInclusive<u64> = 1..=60_000;
const SCOPES: [&str; 3] = ["openid", "email", "profile"];
const OPENID: &str = "openid";

/// Reads every provider; their secrets are looked up later, when all layers are known to be right.
pub(super) fn read_oidc(root: &Section<'_>) -> Read<Vec<OidcProvider>> {
    let sections = root.sections("oidc")?;
    let mut seen: Vec<OidcProvider> = Vec::new();
    // Every provider is read before the first failure ends it, so that all problems are noted.
    let read: Vec<Read<()>> = sections
        .iter()
        .map(|section| {
            let provider = read_provider(section)?;
            let same = |is_same: &dyn Fn(&OidcProvider) -> bool| seen.iter().any(is_same);
            if same(&|other| other.id == provider.id) {
                let message = format!("\"{}\" is taken by another provider", provider.id);
                return section.note("id", message);
            }
            if same(&|other| other.issuer == provider.issuer) {
                return section.note("issuer", "is that of another provider");
            }
            seen.push(provider);
            Ok(())
        })
        .collect();
    read.into_iter().collect::<Read<()>>()?;
    Ok(seen)
}

fn read_provider(section: &Section<'_>) -> Read<OidcProvider> {
    let id = section.parsed("id", parse_id);
    let name = section.optional_text("name");
    let issuer = section.parsed("issuer", parse_issuer);
    let client_id = section.parsed("client_id", parse_visible);
    let client_secret = match section.has("client_secret_env") {
        true => named_secret(section, "client_secret_env"),
        false => section.optional_text("client_secret_env").map(|_| None),
    };
    let scopes = texts(section, "scopes", parse_scope);
    let allowed_domains = texts(section, "allowed_domains", parse_domain);
    let trusted_domains = texts(section, "trusted_domains", parse_domain);
    let join = read_joins(section);
    let ca_file = section.optional_text("ca_file");
    let timeout_ms = section.integer("timeout_ms", TIMEOUTS_MS, Some(TIMEOUT_MS));
    section.finish();
    let scopes = scopes?.unwrap_or_else(|| SCOPES.map(ToOwned::to_owned).to_vec());
    if !scopes.iter().any(|scope| scope == OPENID) {
        return section.note("scopes", "must hold \"openid\"");
    }
    let id = id?;
    Ok(OidcProvider {
        name: match name? {
            None | Some("") => id.clone(),
            Some(name) => name.to_owned(),
        },
        id,
        issuer: issuer?,
        client_id: client_id?,
        client_secret: client_secret?,
        scopes,
        allowed_domains: allowed_domains?.unwrap_or_default(),
        trusted_domains: trusted_domains?.unwrap_or_default(),
        join: join?,
        ca_file: ca_file?.filter(|path| !path.is_empty()).map(PathBuf::from),
        timeout_ms: timeout_ms?,
    })
}

fn read_joins(provider: &Section<'_>) -> Read<Vec<OidcJoin>> {
    let read_join = |section: &Section<'_>| {
        let domain = section.parsed("domain", parse_domain);
        let organization = section.parsed("organization", |text| {
            match text.starts_with("org-") && text.len() > 4 {
                true => Ok(text.to_owned()),
                false => Err("must be the id of an organization: it begins with org-".to_owned()),
            }
        });
        let role = section.choice("role", Some(JoinRole::Reader));
        section.finish();
        Ok(OidcJoin {
            domain: domain?,
            organization: organization?,
            role: role?,
        })
    };
    let sections = provider.sections("join")?;
    let read: Vec<Read<OidcJoin>> = sections.iter().map(read_join).collect();
    read.into_iter().collect()
}

/// A list of texts that `parse` understands or explains, if it is there.
fn texts(
    section: &Section<'_>,
    key: &'static str,
    parse: impl Fn(&str) -> Result<String, String>,
) -> Read<Option<Vec<String>>> {
    let is_there = section.has(key);
    let mut texts = Vec::new();
    for item in section.list(key)? {
        let Value::Text(text) = &item.value else {
            return section.note(key, format!("holds {}", item.value.kind()));
        };
        match parse(text) {
            Ok(text) => texts.push(text),
            Err(problem) => return section.note(key, format!("holds \"{text}\", which {problem}")),
        }
    }
    Ok(is_there.then_some(texts))
}

/// A part of addresses.
fn parse_id(text: &str) -> Result<String, String> {
    let plain = |it: char| it.is_ascii_alphanumeric() || it == '-' || it == '_';
    match (1..=64).contains(&text.len()) && text.chars().all(plain) {
        true => Ok(text.to_owned()),
        false => Err("must be 1 to 64 letters, digits, - and _: it is a part of addresses".into()),
    }
}

/// What a provider calls itself, to the letter: a slash at its end stays.
fn parse_issuer(text: &str) -> Result<String, String> {
    let example = "write an address such as https://sso.example.com/realms/acme";
    let uri: Uri = text
        .parse()
        .map_err(|_| format!("is not an address: {example}"))?;
    let host = uri.host().unwrap_or_default();
    let bare = uri.query().is_none() && !text.contains(['#', '@']);
    match uri.scheme_str() {
        Some("https") if bare => Ok(text.to_owned()),
        Some("http") if bare && is_loopback(host.trim_matches(['[', ']'])) => Ok(text.to_owned()),
        Some("http") if bare => Err(
            "must begin with https://: who is between could sign in as anybody. http:// is for \
             this machine alone"
                .to_owned(),
        ),
        _ => Err(format!(
            "must be an https:// address and nothing else: {example}"
        )),
    }
}

fn parse_visible(text: &str) -> Result<String, String> {
    match !text.is_empty() && text.chars().all(|it| (' '..='~').contains(&it)) {
        true => Ok(text.to_owned()),
        false => Err("must be what the provider knows this installation by".to_owned()),
    }
}

fn parse_scope(text: &str) -> Result<String, String> {
    let plain = |it: char| it.is_ascii_graphic() && it != '"' && it != '\\';
    match !text.is_empty() && text.chars().all(plain) {
        true => Ok(text.to_owned()),
        false => Err("is no scope".to_owned()),
    }
}

/// What stands behind the @ of addresses, as they are compared.
fn parse_domain(text: &str) -> Result<String, String> {
    let email = Email::parse(&format!("a@{text}"));
    let email = email.map_err(|_| "is no domain, such as example.com".to_owned())?;
    Ok(email.domain().to_owned())
}
