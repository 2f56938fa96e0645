//! Recognises the key of a request, without a round trip to any database.

use std::sync::Arc;

use domain::access::Claims;
use domain::key::{KeySecret, mask};
use http::HeaderMap;
use http::header::AUTHORIZATION;
use wire::authorization;

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

fn secret(headers: &HeaderMap) -> Result<String, Refusal> {
    let value = headers.get(AUTHORIZATION).ok_or(Refusal::NoKey)?;
    let value = value.to_str().map_err(|_| Refusal::BadKey {
        masked: "***".into(),
    })?;
    authorization::secret(value).ok_or(Refusal::NoKey)
}
