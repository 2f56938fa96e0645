//! One provider: how it is called, and what is remembered of what it said.
//!
//! What it says of itself and its keys are asked for when they are first needed, kept for an hour,
//! and asked for by one at a time. A failure is remembered for some seconds, so that a provider
//! which is down is not called for everybody who comes meanwhile. Its keys are asked for again when
//! a token names one that is not known, but not more often than once a minute: anybody can make up
//! such tokens.

use std::fmt;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use domain::people::email::Email;
use domain::time::{AtUs, HOUR_US, MINUTE_US, SECOND_US};
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use http::{Method, Request, StatusCode};
use http_body_util::Full;
use serde_json::{Map, Value};
use tokio::sync::Mutex;

use super::discovery::{Metadata, WELL_KNOWN};
use super::id_token::{self, Expected, Person};
use super::jwk::{self, Key};
use super::jws::{self, JwsRefusal};
use super::trouble::Trouble;
use super::{Join, ProviderSettings, UnreadableAuthorities, json};
use crate::outbound::{Outbound, encoded, form};

/// The most that is read of an answer.
const ANSWER_BYTES: usize = 256 * 1024;
const KEPT_US: i64 = HOUR_US;
const FAILURE_KEPT_US: i64 = 5 * SECOND_US;
/// Keys are not asked for again sooner, whatever a token says.
const KEYS_AGAIN_US: i64 = MINUTE_US;

/// A provider that people sign in with.
pub(super) struct Provider {
    pub(super) settings: ProviderSettings,
    outbound: Outbound,
    metadata: Mutex<Kept<Metadata>>,
    keys: Mutex<Kept<Vec<Key>>>,
}

/// What a provider said, or that it could not be asked, and when.
type Kept<T> = Option<(AtUs, Result<Arc<T>, Trouble>)>;

/// What a sign-in that comes back is redeemed with.
pub(super) struct Redeeming<'a> {
    /// What the provider gave the browser.
    pub(super) code: &'a str,
    /// Where the browser was sent back to.
    pub(super) redirect_uri: &'a str,
    /// Proves that it is the one who asked (PKCE).
    pub(super) verifier: &'a str,
    /// What the ID token must repeat.
    pub(super) nonce: &'a str,
    /// When.
    pub(super) now: AtUs,
}

impl fmt::Debug for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Provider({})", self.settings.id)
    }
}

impl Provider {
    /// Prepares for a provider; it is not called yet.
    ///
    /// # Errors
    /// [`UnreadableAuthorities`].
    pub(super) fn new(settings: ProviderSettings) -> Result<Self, UnreadableAuthorities> {
        let outbound = match &settings.authorities_pem {
            None => Ok(Outbound::new(settings.timeout)),
            Some(pem) => Outbound::with_authorities(pem, settings.timeout),
        };
        Ok(Provider {
            outbound: outbound.map_err(|reason| UnreadableAuthorities {
                provider: settings.id.clone(),
                reason,
            })?,
            settings,
            metadata: Mutex::default(),
            keys: Mutex::default(),
        })
    }

    /// Whether somebody with this address may come.
    pub(super) fn allows(&self, email: &Email) -> bool {
        let allowed = &self.settings.allowed_domains;
        allowed.is_empty() || allowed.iter().any(|it| it == email.domain())
    }

    /// Whether the operator said that this provider decides who has which address there.
    pub(super) fn is_trusted_for(&self, email: &Email) -> bool {
        let mut trusted = self.settings.trusted_domains.iter();
        trusted.any(|it| it == email.domain())
    }

    /// What somebody with this address joins.
    pub(super) fn join_of(&self, email: &Email) -> Option<&Join> {
        let mut joins = self.settings.joins.iter();
        joins.find(|join| join.domain == email.domain())
    }

    /// The address of a person that counts: one that the provider says is proved, or says nothing
    /// about where it is trusted to decide.
    pub(super) fn proved(&self, person: &Person) -> Option<Email> {
        let email = person.email.as_ref()?;
        let is_proved = person.is_email_verified;
        is_proved
            .unwrap_or_else(|| self.is_trusted_for(email))
            .then(|| email.clone())
    }

    /// Where a browser goes to sign in.
    ///
    /// # Errors
    /// [`Trouble::Unavailable`].
    pub(super) async fn authorization_url(
        &self,
        query: &[(&str, &str)],
        now: AtUs,
    ) -> Result<String, Trouble> {
        let endpoint = &self.metadata(now).await?.authorization_endpoint;
        let (endpoint, _) = endpoint.split_once('#').unwrap_or((endpoint, ""));
        let mark = if endpoint.contains('?') { '&' } else { '?' };
        Ok(format!("{endpoint}{mark}{}", form(query)))
    }

    /// Refuses a callback that names another issuer, or none where this one always does: it may
    /// carry another provider's code.
    pub(super) async fn check_issuer(&self, named: Option<&str>, now: AtUs) -> Result<(), Trouble> {
        match named {
            Some(named) if named == self.settings.issuer => Ok(()),
            None if !self.metadata(now).await?.names_issuer => Ok(()),
            _ => Err(Trouble::failed("the callback names another issuer")),
        }
    }

    /// Redeems a code, and says who signed in.
    ///
    /// # Errors
    /// [`Trouble::Unavailable`] and [`Trouble::Failed`].
    pub(super) async fn redeem(&self, given: &Redeeming<'_>) -> Result<Person, Trouble> {
        let metadata = self.metadata(given.now).await?;
        let answer = self.exchange(self.token_request(&metadata, given)?).await?;
        let id_token = answer.get("id_token").and_then(Value::as_str);
        let id_token = id_token.ok_or_else(|| Trouble::failed("there is no ID token"))?;
        let claims = self.signed(id_token, given.now).await?;
        let expected = Expected {
            issuer: &self.settings.issuer,
            client_id: &self.settings.client_id,
            nonce: given.nonce,
            now: given.now,
        };
        let refused = |why| Trouble::failed(format!("the ID token is refused: {why}"));
        let person = id_token::check(&claims, &expected).map_err(refused)?;
        let access_token = answer.get("access_token").and_then(Value::as_str);
        match (
            person.email.is_some(),
            &metadata.userinfo_endpoint,
            access_token,
        ) {
            (false, Some(endpoint), Some(token)) => {
                let beside = self.fetch(userinfo_request(endpoint, token)?).await?;
                let refused = |why| Trouble::failed(format!("the userinfo is refused: {why}"));
                id_token::complete(person, &beside).map_err(refused)
            }
            _ => Ok(person),
        }
    }

    /// What an ID token says, if one of the provider's keys signed it.
    async fn signed(&self, token: &str, now: AtUs) -> Result<Map<String, Value>, Trouble> {
        let refused = |why: JwsRefusal| Trouble::failed(format!("the ID token is refused: {why}"));
        let keys = self.keys(now, KEPT_US).await?;
        match jws::verify(token, &keys) {
            Err(JwsRefusal::UnknownKey) => {
                let keys = self.keys(now, KEYS_AGAIN_US).await?;
                jws::verify(token, &keys).map_err(refused)
            }
            judged => judged.map_err(refused),
        }
    }

    async fn metadata(&self, now: AtUs) -> Result<Arc<Metadata>, Trouble> {
        kept(&self.metadata, now, KEPT_US, async {
            let issuer = &self.settings.issuer;
            let url = format!("{}{WELL_KNOWN}", issuer.trim_end_matches('/'));
            let document = self.fetch(get(&url)?).await?;
            let wrong = |why| Trouble::Unavailable(format!("{url}: {why}"));
            Metadata::read(&document, issuer).map_err(wrong)
        })
        .await
    }

    /// The provider's keys, asked for again if they are older than `kept_us`.
    async fn keys(&self, now: AtUs, kept_us: i64) -> Result<Arc<Vec<Key>>, Trouble> {
        let metadata = self.metadata(now).await?;
        kept(&self.keys, now, kept_us, async {
            let url = &metadata.jwks_uri;
            let set = self.fetch(get(url)?).await?;
            jwk::read(&set).ok_or_else(|| Trouble::Unavailable(format!("{url}: there are no keys")))
        })
        .await
    }

    fn token_request(
        &self,
        metadata: &Metadata,
        given: &Redeeming<'_>,
    ) -> Result<Request<Full<Bytes>>, Trouble> {
        let client_id = self.settings.client_id.as_str();
        let mut fields = vec![
            ("grant_type", "authorization_code"),
            ("code", given.code),
            ("redirect_uri", given.redirect_uri),
            ("code_verifier", given.verifier),
        ];
        let mut request = Request::builder()
            .method(Method::POST)
            .uri(&metadata.token_endpoint)
            .header(ACCEPT, "application/json")
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        match &self.settings.client_secret {
            None => fields.push(("client_id", client_id)),
            Some(secret) if metadata.wants_secret_in_form => {
                fields.push(("client_id", client_id));
                fields.push(("client_secret", secret.expose()));
            }
            Some(secret) => {
                let login = format!("{}:{}", encoded(client_id), encoded(secret.expose()));
                request = request.header(AUTHORIZATION, hidden("Basic", &STANDARD.encode(login))?);
            }
        }
        let request = request.body(Full::from(form(&fields)));
        request.map_err(|error| Trouble::Unavailable(error.to_string()))
    }

    /// Exchanges a code for tokens. A refusal is about this code, or this client.
    async fn exchange(&self, request: Request<Full<Bytes>>) -> Result<Map<String, Value>, Trouble> {
        match self.ask(request).await? {
            (StatusCode::OK, object) => Ok(object),
            (
                StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN,
                object,
            ) => {
                let error = object.get("error").and_then(Value::as_str);
                let error = error.map_or_else(|| "no reason".to_owned(), told);
                Err(Trouble::failed(format!("the code was refused: {error}")))
            }
            (status, _) => Err(Trouble::Unavailable(format!("tokens: {status}"))),
        }
    }

    /// Asks for an object.
    async fn fetch(&self, request: Request<Full<Bytes>>) -> Result<Map<String, Value>, Trouble> {
        let url = request.uri().to_string();
        match self.ask(request).await? {
            (StatusCode::OK, object) => Ok(object),
            (status, _) => Err(Trouble::Unavailable(format!("{url} answered {status}"))),
        }
    }

    async fn ask(
        &self,
        request: Request<Full<Bytes>>,
    ) -> Result<(StatusCode, Map<String, Value>), Trouble> {
        let url = request.uri().to_string();
        let answer = self.outbound.call(request, ANSWER_BYTES).await;
        let answer = answer.map_err(Trouble::Unavailable)?;
        let status = answer.status;
        let object = answer.body.as_deref().and_then(json::object);
        let odd = || format!("{url} answered {status}, with something else than an object of JSON");
        let object = object.ok_or_else(|| Trouble::Unavailable(odd()))?;
        Ok((status, object))
    }
}

/// What somebody else says, as it can stand in a log.
pub(super) fn told(text: &str) -> String {
    let plain = text.chars().filter(|letter| !letter.is_control());
    plain.take(100).collect()
}

/// What is kept, or else what `asking` finds. Whoever comes meanwhile waits for it.
async fn kept<T>(
    place: &Mutex<Kept<T>>,
    now: AtUs,
    kept_us: i64,
    asking: impl Future<Output = Result<T, Trouble>>,
) -> Result<Arc<T>, Trouble> {
    let mut place = place.lock().await;
    if let Some((at, known)) = &*place {
        let kept_us = if known.is_ok() {
            kept_us
        } else {
            FAILURE_KEPT_US
        };
        // A clock that was set back must not keep it for ever.
        if (0..kept_us).contains(&now.since(*at)) {
            return known.clone();
        }
    }
    let found = asking.await.map(Arc::new);
    *place = Some((now, found.clone()));
    found
}

fn get(url: &str) -> Result<Request<Full<Bytes>>, Trouble> {
    let request = Request::get(url).header(ACCEPT, "application/json");
    let request = request.body(Full::default());
    request.map_err(|error| Trouble::Unavailable(format!("{url}: {error}")))
}

fn userinfo_request(endpoint: &str, token: &str) -> Result<Request<Full<Bytes>>, Trouble> {
    let mut request = get(endpoint)?;
    let headers = request.headers_mut();
    headers.insert(AUTHORIZATION, hidden("Bearer", token)?);
    Ok(request)
}

fn hidden(scheme: &str, secret: &str) -> Result<HeaderValue, Trouble> {
    let value = HeaderValue::from_str(&format!("{scheme} {secret}"));
    let mut value = value.map_err(|_| Trouble::failed("a secret cannot stand in a header"))?;
    value.set_sensitive(true);
    Ok(value)
}
