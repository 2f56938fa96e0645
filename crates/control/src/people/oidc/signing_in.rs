//! The way to a provider and back. A browser takes it, so what goes wrong is told by a page: it is
//! sent there with a code, and why is in the log.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use domain::id::InviteId;
use domain::people::secret::BearerSecret;
use domain::people::throttle::SSO_FROM_NETWORK;
use http::header::{LOCATION, SET_COOKIE};
use http::{HeaderMap, HeaderValue, StatusCode};
use serde::Serialize;
use store::people::sso_attempts::{self, Attempt};
use utoipa::ToSchema;

use super::arrival::{Arrival, Landing};
use super::binding::Binding;
use super::id_token::Person;
use super::provider::{Provider, Redeeming, told};
use super::trouble::Trouble;
use crate::Control;
use crate::outbound::form;
use crate::path::Ids;
use crate::people::cookie::{SESSION, SSO};
use crate::people::guessing::{self, Bucket};
use crate::people::visitor::Visitor;
use crate::query::Query;
use crate::respond::{Outcome, Refusal, answer};

/// The page to sign in.
const SIGN_IN: &str = "/sign-in";
/// The page to sign up.
const SIGN_UP: &str = "/sign-up";
/// The page of one's own account.
const ACCOUNT: &str = "/account";
/// The most bytes of a path that somebody returns to.
const PATH_BYTES: usize = 512;

/// Something to sign in with.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SsoProvider {
    #[schema(example = "acme")]
    id: String,
    #[schema(value_type = String, example = "sso_provider")]
    object: &'static str,
    /// What people call it.
    #[schema(example = "Acme")]
    name: String,
    /// Where a browser goes to sign in with it.
    #[schema(example = "/api/sso/acme/start")]
    start: String,
}

/// What one can sign in with, beside a password.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SsoProviderList {
    #[schema(value_type = String, example = "list")]
    object: &'static str,
    data: Vec<SsoProvider>,
}

impl SsoProvider {
    pub(super) fn of(provider: &Provider) -> Self {
        let (id, name) = (&provider.settings.id, &provider.settings.name);
        SsoProvider {
            id: id.clone(),
            object: "sso_provider",
            name: name.clone(),
            start: format!("/api/sso/{id}/start"),
        }
    }
}

/// List what one can sign in with, beside a password.
#[utoipa::path(
    get, path = "/api/sso", tag = "Accounts", operation_id = "list_sso_providers",
    responses((status = 200, body = SsoProviderList))
)]
pub(crate) async fn list(State(control): State<Control>) -> Response {
    let providers = control.people.providers.all();
    let list = SsoProviderList {
        object: "list",
        data: providers.iter().map(|it| SsoProvider::of(it)).collect(),
    };
    answer(&control, Ok(Json(list)))
}

/// Sign in with a provider: sends the browser there.
#[utoipa::path(
    get, path = "/api/sso/{provider_id}/start", tag = "Accounts", operation_id = "start_sso",
    params(
        ("provider_id" = String, Path, description = "The provider"),
        ("return_to" = Option<String>, Query, description = "A path of the console"),
        ("invite" = Option<String>, Query, description = "The id of an invite to accept"),
    ),
    responses((status = 303, description = "To the provider, or to a page that says what is wrong"))
)]
pub(crate) async fn start(
    State(control): State<Control>,
    visitor: Visitor,
    headers: HeaderMap,
    Ids([id]): Ids<1>,
    query: Query,
) -> Response {
    let outcome = async {
        let provider = find(&control, &id)?;
        let attempt = Attempt {
            provider: id.clone(),
            return_to: own_path(query.one("return_to"), "/"),
            invite: query.one("invite").map(InviteId::new),
            linking: None,
            begun_at: control.now(),
        };
        Ok(
            match begin(&control, &provider, &visitor, &headers, attempt).await {
                Ok((url, cookie)) => redirect(&url, Some(cookie)),
                Err(trouble) => explained(&control, &provider, SIGN_IN, &trouble),
            },
        )
    };
    answer(&control, outcome.await)
}

/// Where a provider sends the browser back to.
#[utoipa::path(
    get, path = "/api/sso/{provider_id}/callback", tag = "Accounts", operation_id = "complete_sso",
    params(
        ("provider_id" = String, Path, description = "The provider"),
        ("state" = Option<String>, Query, description = "What this installation gave it"),
        ("code" = Option<String>, Query, description = "Who signed in, for this installation"),
        ("error" = Option<String>, Query, description = "Why nobody did"),
        ("iss" = Option<String>, Query, description = "What the provider calls itself"),
    ),
    responses((status = 303, description = "To the console, signed in, or to a page that says what is wrong"))
)]
pub(crate) async fn callback(
    State(control): State<Control>,
    visitor: Visitor,
    headers: HeaderMap,
    Ids([id]): Ids<1>,
    query: Query,
) -> Response {
    let outcome = async {
        let provider = find(&control, &id)?;
        let (binding, attempt) = match take(&control, &id, &headers, &query).await {
            Ok(taken) => taken,
            Err(trouble) => return Ok(explained(&control, &provider, SIGN_IN, &trouble)),
        };
        let page = attempt.linking.as_ref().map_or(SIGN_IN, |_| ACCOUNT);
        let return_to = attempt.return_to.clone();
        let landing = async {
            let person = redeem(&control, &provider, &binding, &query).await?;
            let arrival = Arrival {
                control: control.clone(),
                provider: Arc::clone(&provider),
                visitor,
                attempt,
                person,
                now: control.now(),
            };
            control.store.write(move |tx| arrival.decide(tx)).await?
        };
        let public_url = &control.public_url;
        let to = format!("{public_url}{return_to}");
        Ok(match landing.await {
            Ok(Landing::SignedIn(secret)) => redirect(&to, Some(SESSION.set(&secret, public_url))),
            Ok(Landing::Linked) => redirect(&to, None),
            // Behind the '#', so that no server on the way writes it down.
            Ok(Landing::SigningUp(secret)) => {
                redirect(&format!("{public_url}{SIGN_UP}#{}", secret.expose()), None)
            }
            Err(trouble) => explained(&control, &provider, page, &trouble),
        })
    };
    answer(&control, outcome.await)
}

/// Keeps an attempt. Answers where the browser goes, and the cookie that it takes along.
pub(super) async fn begin(
    control: &Control,
    provider: &Provider,
    visitor: &Visitor,
    headers: &HeaderMap,
    attempt: Attempt,
) -> Result<(String, HeaderValue), Trouble> {
    let (now, entropy) = (control.now(), control.entropy);
    let buckets: [Bucket; 1] = [(&SSO_FROM_NETWORK, visitor.network())];
    control.ensure_room(&buckets, now).await?;
    let public_url = &control.public_url;
    // One cookie for all attempts of a browser, so that two pages do not disturb each other.
    let known = SSO.read(headers, public_url);
    let binding = Binding {
        state: BearerSecret::mint(entropy),
        browser: known.unwrap_or_else(|| BearerSecret::mint(entropy)),
    };
    let settings = &provider.settings;
    let query = [
        ("response_type", "code"),
        ("client_id", &settings.client_id),
        ("redirect_uri", &redirect_uri(control, &settings.id)),
        ("scope", &settings.scopes.join(" ")),
        ("state", binding.state.expose()),
        ("nonce", &binding.nonce()),
        ("code_challenge", &binding.challenge()),
        ("code_challenge_method", "S256"),
    ];
    let url = provider.authorization_url(&query, now).await?;
    let (state, browser) = (binding.state.digest(), binding.browser.digest());
    let write = control.store.write(move |tx| -> Outcome<()> {
        guessing::take(tx, &buckets, now)?;
        Ok(sso_attempts::begin(tx, &state, &browser, &attempt)?)
    });
    write.await?;
    Ok((url, SSO.set(&binding.browser, public_url)))
}

/// A path of this installation's console: what somebody sent, if it is one and nothing else.
pub(super) fn own_path(sent: Option<&str>, usual: &str) -> String {
    let is_own = |path: &&str| {
        let plain = path.bytes().all(|byte| byte.is_ascii_graphic());
        let below = path.starts_with('/') && !path.starts_with("//") && !path.contains('\\');
        plain && below && path.len() <= PATH_BYTES
    };
    sent.filter(is_own).unwrap_or(usual).to_owned()
}

/// The path of one's account, to return to.
pub(super) const AFTER_LINKING: &str = ACCOUNT;

pub(super) fn find(control: &Control, id: &str) -> Outcome<Arc<Provider>> {
    let found = control.people.providers.find(id);
    found.ok_or_else(|| Refusal::NotFound {
        what: "provider",
        id: id.to_owned(),
    })
}

/// Takes the attempt that comes back: of this browser, at this provider, once.
async fn take(
    control: &Control,
    provider: &str,
    headers: &HeaderMap,
    query: &Query,
) -> Result<(Binding, Attempt), Trouble> {
    let state = query.one("state").and_then(BearerSecret::parse);
    let browser = SSO.read(headers, &control.public_url);
    let (Some(state), Some(browser)) = (state, browser) else {
        return Err(Trouble::Over);
    };
    let (of_state, of_browser) = (state.digest(), browser.digest());
    let read = control.store.read({
        let (of_state, of_browser) = (of_state.clone(), of_browser.clone());
        move |tx| -> Outcome<_> { Ok(sso_attempts::is_known(tx, &of_state, &of_browser)?) }
    });
    if !read.await? {
        return Err(Trouble::Over);
    }
    let now = control.now();
    let write = control.store.write(move |tx| -> Outcome<_> {
        Ok(sso_attempts::take(tx, &of_state, &of_browser, now)?)
    });
    let attempt = write.await?.ok_or(Trouble::Over)?;
    match attempt.provider == provider {
        true => Ok((Binding { state, browser }, attempt)),
        false => Err(Trouble::Over),
    }
}

/// Finds out who comes back.
async fn redeem(
    control: &Control,
    provider: &Provider,
    binding: &Binding,
    query: &Query,
) -> Result<Person, Trouble> {
    let now = control.now();
    provider.check_issuer(query.one("iss"), now).await?;
    match query.one("error") {
        None => {}
        Some("access_denied") => return Err(Trouble::Denied),
        Some("temporarily_unavailable" | "server_error") => {
            return Err(Trouble::Unavailable("the provider says so".into()));
        }
        Some(error) => {
            return Err(Trouble::failed(format!(
                "the provider says {}",
                told(error)
            )));
        }
    }
    let code = query.one("code");
    let redeeming = Redeeming {
        code: code.ok_or_else(|| Trouble::failed("the callback carries no code"))?,
        redirect_uri: &redirect_uri(control, &provider.settings.id),
        verifier: &binding.verifier(),
        nonce: &binding.nonce(),
        now,
    };
    provider.redeem(&redeeming).await
}

/// What the provider must know: it sends browsers nowhere else.
fn redirect_uri(control: &Control, provider: &str) -> String {
    format!("{}/api/sso/{provider}/callback", control.public_url)
}

/// Sends the browser to a page that says what is wrong.
fn explained(control: &Control, provider: &Provider, page: &str, trouble: &Trouble) -> Response {
    let (id, code) = (provider.settings.id.as_str(), trouble.code());
    match trouble {
        Trouble::Unavailable(reason) | Trouble::Failed(reason) => {
            tracing::warn!(
                provider = id,
                code,
                reason,
                "a sign-in by a provider failed"
            );
        }
        _ => tracing::debug!(provider = id, code, "a sign-in by a provider was refused"),
    }
    let query = form(&[("error", code), ("provider", id)]);
    redirect(&format!("{}{page}?{query}", control.public_url), None)
}

fn redirect(url: &str, cookie: Option<HeaderValue>) -> Response {
    let Ok(url) = HeaderValue::from_str(url) else {
        // A provider's address with a line break in it, say.
        return StatusCode::BAD_GATEWAY.into_response();
    };
    let mut response = (StatusCode::SEE_OTHER, [(LOCATION, url)]).into_response();
    if let Some(cookie) = cookie {
        response.headers_mut().insert(SET_COOKIE, cookie);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_paths_of_this_installation_are_returned_to() {
        for own in [
            "/",
            "/projects",
            "/usage?from=1&to=2#today",
            "/a//b",
            "/a:b@c",
        ] {
            assert_eq!(own_path(Some(own), "/account"), own);
        }
        let long = format!("/{}", "a".repeat(PATH_BYTES));
        for other in [
            "",
            "projects",
            "//evil.example",
            "///evil.example",
            "/\\evil.example",
            "\\\\evil.example",
            "https://evil.example",
            "javascript:alert(1)",
            "@evil.example",
            ".evil.example",
            "/a\r\nSet-Cookie: b=c",
            "/a b",
            "/ä",
            &long,
        ] {
            assert_eq!(own_path(Some(other), "/account"), "/account", "{other:?}");
        }
        assert_eq!(own_path(None, "/"), "/");
    }
}
