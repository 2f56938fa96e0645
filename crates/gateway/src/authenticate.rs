//! Recognises the key of a request, without a round trip to any database.

use std::sync::Arc;

use domain::access::Claims;
use domain::key::{KeySecret, mask};
use http::HeaderMap;
use http::header::AUTHORIZATION;

use crate::directory::{Caller, Directory};
use crate::refusal::Refusal;

/// The caller whose key came with the request.
pub(crate) fn caller(directory: &Directory, headers: &HeaderMap) -> Result<Arc<Caller>, Refusal> {
    let secret = secret(headers)?;
    let bad = || Refusal::BadKey {
        masked: mask(&secret),
    };
    let key = KeySecret::parse(&secret).map_err(|_| bad())?;
    directory.find(&key.digest()).ok_or_else(bad)
}

/// What the headers say about whom the request is for.
pub(crate) fn claims(headers: &HeaderMap) -> Claims<'_> {
    let named = |name: &str| {
        headers
            .get(name)
            .map(|value| value.to_str().unwrap_or("unreadable").trim())
    };
    let given = |name: &str| named(name).filter(|value| !value.is_empty());
    Claims {
        organization: given("openai-organization"),
        project: given("openai-project"),
    }
}

/// `Authorization: Bearer KEY`, or the password of `Authorization: Basic …`.
fn secret(headers: &HeaderMap) -> Result<String, Refusal> {
    let value = headers.get(AUTHORIZATION).ok_or(Refusal::NoKey)?;
    let value = value.to_str().map_err(|_| Refusal::BadKey {
        masked: "***".into(),
    })?;
    let (scheme, rest) = value.trim().split_once(' ').unwrap_or((value.trim(), ""));
    let secret = match scheme {
        it if it.eq_ignore_ascii_case("bearer") => rest.trim().to_owned(),
        it if it.eq_ignore_ascii_case("basic") => basic_password(rest.trim()).unwrap_or_default(),
        _ => String::new(),
    };
    match secret.is_empty() {
        true => Err(Refusal::NoKey),
        false => Ok(secret),
    }
}

fn basic_password(encoded: &str) -> Option<String> {
    use base64::Engine;
    // A browser's prompt sends little; a long one is no password.
    let bounded = Some(encoded).filter(|text| text.len() < 4_096)?;
    let bytes = base64::engine::general_purpose::STANDARD
        .decode(bounded)
        .ok()?;
    let text = String::from_utf8(bytes).ok()?;
    text.split_once(':')
        .map(|(_, password)| password.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn keys_come_as_bearer_or_as_password() {
        let table = [
            ("Bearer abc", Some("abc")),
            ("bearer  abc ", Some("abc")),
            ("Basic OmFiYw==", Some("abc")),
            ("Basic dXNlcjphYmM=", Some("abc")),
            ("Basic !!", None),
            ("Bearer", None),
            ("Bearer ", None),
            ("abc", None),
            ("", None),
        ];
        for (value, want) in table {
            let mut headers = HeaderMap::new();
            headers.insert(AUTHORIZATION, HeaderValue::from_static(value));
            assert_eq!(secret(&headers).ok().as_deref(), want, "{value:?}");
        }
        assert!(matches!(secret(&HeaderMap::new()), Err(Refusal::NoKey)));
    }
}
