//! Recognises the admin key of a request.

use std::net::SocketAddr;

use axum::extract::{ConnectInfo, FromRequestParts};
use axum::response::Response;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use domain::access::{self, Claims, Principal};
use domain::id::OrganizationId;
use domain::key::{KeySecret, mask};
use http::HeaderMap;
use http::header::{AUTHORIZATION, USER_AGENT};
use http::request::Parts;
use store::audit::{Actor, Who};
use store::keys;

use crate::Control;
use crate::respond::{self, Refusal};

/// The caller of the Administration API: a handler that takes it cannot be reached without one.
pub(crate) struct Admin(pub(crate) Caller);

/// Who calls, for whom.
pub(crate) struct Caller {
    /// Whose affairs it is about.
    pub(crate) organization: OrganizationId,
    /// What the audit log says of whoever calls.
    pub(crate) actor: Actor,
}

/// The most characters of a user agent that are kept.
const USER_AGENT_CHARS: usize = 256;

impl FromRequestParts<Control> for Admin {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, control: &Control) -> Result<Self, Response> {
        match principal(&parts.headers, control).await {
            Ok(principal) => Ok(Admin(Caller::of(principal, parts))),
            Err(refusal) => Err(respond::answer::<()>(control, Err(refusal))),
        }
    }
}

impl Caller {
    fn of(principal: Principal, parts: &Parts) -> Self {
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>();
        let user_agent = parts.headers.get(USER_AGENT);
        let user_agent = user_agent.and_then(|value| value.to_str().ok());
        let actor = Actor {
            who: Who::Key(principal.key, principal.owner),
            ip_address: peer.map(|ConnectInfo(peer)| peer.ip().to_string()),
            user_agent: user_agent.map(|text| text.chars().take(USER_AGENT_CHARS).collect()),
        };
        Caller {
            organization: principal.organization,
            actor,
        }
    }
}

async fn principal(headers: &HeaderMap, control: &Control) -> Result<Principal, Refusal> {
    let secret = secret(headers).ok_or(Refusal::NoKey)?;
    let bad = || Refusal::BadKey {
        masked: mask(&secret),
    };
    let digest = KeySecret::parse(&secret).map_err(|_| bad())?.digest();
    let found = control
        .store
        .read(move |tx| keys::active_by_digest(tx, &digest))
        .await?;
    let principal = found.ok_or_else(bad)?.principal;
    let organization = headers
        .get("openai-organization")
        .map(|value| value.to_str().unwrap_or("unreadable").trim());
    let claims = Claims {
        organization: organization.filter(|it| !it.is_empty()),
        project: None,
    };
    access::administration(&principal, claims, control.now()).map_err(Refusal::Access)?;
    Ok(principal)
}

/// `Authorization: Bearer KEY`, or the password of `Authorization: Basic …`.
fn secret(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(AUTHORIZATION)?.to_str().ok()?.trim();
    let (scheme, rest) = value.split_once(' ')?;
    let secret = match scheme {
        it if it.eq_ignore_ascii_case("bearer") => Some(rest.trim().to_owned()),
        it if it.eq_ignore_ascii_case("basic") => password(rest.trim()),
        _ => None,
    };
    secret.filter(|secret| !secret.is_empty())
}

fn password(encoded: &str) -> Option<String> {
    let text = String::from_utf8(STANDARD.decode(encoded).ok()?).ok()?;
    let (_, password) = text.split_once(':')?;
    Some(password.to_owned())
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
            ("Basic dXNlcjo=", None),
            ("Basic !!", None),
            ("Bearer ", None),
            ("Digest abc", None),
            ("abc", None),
        ];
        for (value, want) in table {
            let mut headers = HeaderMap::new();
            headers.insert(AUTHORIZATION, HeaderValue::from_static(value));
            assert_eq!(secret(&headers).as_deref(), want, "{value:?}");
        }
        assert_eq!(secret(&HeaderMap::new()), None);
    }
}
