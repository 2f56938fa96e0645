//! Recognises the admin key of a request.

use axum::extract::FromRequestParts;
use axum::response::Response;
use domain::access::{self, Claims, Principal};
use domain::key::{KeySecret, mask};
use http::HeaderMap;
use http::header::AUTHORIZATION;
use http::request::Parts;
use store::keys;

use crate::Control;
use crate::respond::{self, Refusal};

/// The caller of the Administration API: a handler that takes it cannot be reached without one.
pub(crate) struct Admin(pub(crate) Principal);

impl FromRequestParts<Control> for Admin {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, control: &Control) -> Result<Self, Response> {
        match principal(&parts.headers, control).await {
            Ok(principal) => Ok(Admin(principal)),
            Err(refusal) => Err(respond::answer::<()>(control, Err(refusal))),
        }
    }
}

async fn principal(headers: &HeaderMap, control: &Control) -> Result<Principal, Refusal> {
    let secret = bearer(headers).ok_or(Refusal::NoKey)?;
    let bad = || Refusal::BadKey {
        masked: mask(secret),
    };
    let digest = KeySecret::parse(secret).map_err(|_| bad())?.digest();
    let found = control
        .store
        .read(move |tx| keys::active_by_digest(tx, &digest))
        .await?;
    let principal = found.ok_or_else(bad)?.principal;
    let organization = headers
        .get("openai-organization")
        .and_then(|value| value.to_str().ok());
    let claims = Claims {
        organization: organization.filter(|it| !it.is_empty()),
        project: None,
    };
    access::administration(&principal, claims, control.now()).map_err(Refusal::Access)?;
    Ok(principal)
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(AUTHORIZATION)?.to_str().ok()?.trim();
    let (scheme, secret) = value.split_once(' ')?;
    let secret = secret.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !secret.is_empty()).then_some(secret)
}
