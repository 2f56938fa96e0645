//! Calling an upstream: one HTTP request, and how its failures are told apart.

mod check;
mod health;

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use domain::time::{AtUs, MonoUs};
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue, RETRY_AFTER, USER_AGENT};
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_rustls::{ConfigBuilderExt, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use wire::error::ErrorBody;
use wire::request::ChatLimit;

use crate::catalog::{OnDisconnect, ResponsesMode, UpstreamSpec};
use crate::refusal::UpstreamFailure;
use health::Health;

pub use check::{Check, CheckOutcome};
pub(crate) use health::Call;
pub use health::UpstreamHealth;

/// Shorter than the keep-alive of the servers in use, so that a connection is rarely found closed.
const IDLE: Duration = Duration::from_secs(4);
/// The most that is read of an answer which is an error.
const ERROR_BYTES: usize = 64 * 1024;

/// A server that runs models, and the connections to it.
pub struct Upstream {
    spec: UpstreamSpec,
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    authorization: Option<HeaderValue>,
    speaks_responses: AtomicU8,
    health: Arc<Health>,
}

const UNKNOWN: u8 = 0;
const SPEAKS: u8 = 1;
const SPEAKS_NOT: u8 = 2;

impl std::fmt::Debug for Upstream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Upstream({})", self.spec.id)
    }
}

/// What an upstream answered that is not an answer.
#[derive(Clone, Debug)]
pub(crate) enum Rejection {
    /// It found the request bad, and said so: the caller's to mend.
    Request { status: u16, error: ErrorBody },
    /// It failed: another deployment may do better.
    Failed(UpstreamFailure),
    /// It does not know the path.
    NoSuchPath,
}

impl Upstream {
    /// A server, not connected yet.
    #[must_use]
    pub fn new(spec: UpstreamSpec) -> Self {
        let mut connector = HttpConnector::new();
        connector.enforce_http(false);
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(spec.connect_timeout));
        let provider = rustls::crypto::ring::default_provider();
        let tls = rustls::ClientConfig::builder_with_provider(Arc::new(provider))
            .with_safe_default_protocol_versions()
            .expect("ring speaks TLS 1.2 and 1.3")
            .with_webpki_roots()
            .with_no_client_auth();
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_or_http()
            .enable_http1()
            .wrap_connector(connector);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .build(connector);
        let authorization = spec.api_key.as_ref().and_then(|key| {
            let mut value = HeaderValue::from_str(&format!("Bearer {key}")).ok()?;
            value.set_sensitive(true);
            Some(value)
        });
        Upstream {
            spec,
            client,
            authorization,
            speaks_responses: AtomicU8::new(UNKNOWN),
            health: Arc::default(),
        }
    }

    /// How it is, as requests of this process found it.
    pub(crate) fn health(&self, now: AtUs) -> UpstreamHealth {
        self.health.at(now)
    }

    /// Where it answers; none while it starts.
    #[must_use]
    pub fn base_url(&self) -> Option<Arc<str>> {
        (self.spec.base_url)()
    }

    /// Begins a request to it, for the one who watches over it.
    pub(crate) fn call(&self, now: MonoUs) -> Call {
        Call::begin(&self.health, now)
    }

    /// Remembers that a request to it failed.
    pub(crate) fn failed(&self, now: AtUs, failure: &UpstreamFailure) {
        self.health.failed(now, failure);
    }

    /// The operator's name for it.
    #[must_use]
    pub fn id(&self) -> &Arc<str> {
        &self.spec.id
    }

    pub(crate) fn timeout(&self) -> Duration {
        self.spec.timeout
    }

    pub(crate) fn on_disconnect(&self) -> OnDisconnect {
        self.spec.on_disconnect
    }

    pub(crate) fn chat_limit(&self) -> ChatLimit {
        self.spec.chat_limit
    }

    /// Whether `/responses` is tried here, rather than translated to chat.
    pub(crate) fn may_speak_responses(&self) -> bool {
        match self.spec.responses {
            ResponsesMode::Native => true,
            ResponsesMode::Translate => false,
            ResponsesMode::Auto => self.speaks_responses.load(Ordering::Relaxed) != SPEAKS_NOT,
        }
    }

    /// Whether an unknown path means that `/responses` must be translated.
    pub(crate) fn may_be_translated(&self) -> bool {
        self.spec.responses == ResponsesMode::Auto
            && self.speaks_responses.load(Ordering::Relaxed) != SPEAKS
    }

    /// Remembers whether `/responses` is known here.
    pub(crate) fn learn_responses(&self, speaks: bool) {
        let known = if speaks { SPEAKS } else { SPEAKS_NOT };
        self.speaks_responses.store(known, Ordering::Relaxed);
    }

    /// Posts a request and waits for the head of the answer.
    pub(crate) async fn post(
        &self,
        path: &str,
        body: Bytes,
        stream: bool,
    ) -> Result<Response<Incoming>, UpstreamFailure> {
        let base = (self.spec.base_url)();
        let base = base.ok_or(UpstreamFailure::Unavailable {
            retry_after_s: Some(2),
        })?;
        let accepted = match stream {
            true => "text/event-stream",
            false => "application/json",
        };
        let request = Request::post(format!("{base}{path}"))
            .header(CONTENT_TYPE, "application/json")
            .header(ACCEPT, accepted);
        let request = self
            .stamped(request)
            .body(Full::new(body))
            .map_err(|_| UpstreamFailure::Misconfigured)?;
        match tokio::time::timeout(self.spec.timeout, self.client.request(request)).await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(error)) => {
                tracing::warn!(upstream = &*self.spec.id, %error, "the upstream cannot be reached");
                Err(UpstreamFailure::Unavailable {
                    retry_after_s: None,
                })
            }
            Err(_) => {
                tracing::warn!(
                    upstream = &*self.spec.id,
                    "the upstream did not answer in time"
                );
                Err(UpstreamFailure::TimedOut)
            }
        }
    }

    /// Says who asks.
    fn stamped(&self, request: http::request::Builder) -> http::request::Builder {
        let request = request.header(USER_AGENT, "farebox");
        match &self.authorization {
            Some(authorization) => request.header(AUTHORIZATION, authorization),
            None => request,
        }
    }

    /// Says what an answer other than 2xx means.
    pub(crate) async fn reject(&self, response: Response<Incoming>) -> Rejection {
        let (head, body) = response.into_parts();
        let (status, retry_after_s) = (head.status, retry_after(&head.headers));
        let body = tokio::time::timeout(self.spec.timeout.min(IDLE), read_error(body)).await;
        let error = body.ok().and_then(|body| ErrorBody::parse(&body));
        tracing::warn!(
            upstream = &*self.spec.id,
            status = status.as_u16(),
            code = error.as_ref().and_then(|error| error.code.as_deref()),
            "the upstream rejected a request"
        );
        let failed = Rejection::Failed;
        match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::PAYMENT_REQUIRED => {
                failed(UpstreamFailure::Misconfigured)
            }
            StatusCode::NOT_FOUND
            | StatusCode::METHOD_NOT_ALLOWED
            | StatusCode::NOT_IMPLEMENTED => Rejection::NoSuchPath,
            StatusCode::TOO_MANY_REQUESTS if is_quota(error.as_ref()) => {
                failed(UpstreamFailure::Misconfigured)
            }
            StatusCode::TOO_MANY_REQUESTS => failed(UpstreamFailure::Busy { retry_after_s }),
            StatusCode::REQUEST_TIMEOUT | StatusCode::GATEWAY_TIMEOUT => {
                failed(UpstreamFailure::TimedOut)
            }
            status if status.is_client_error() => Rejection::Request {
                status: status.as_u16(),
                error: error.unwrap_or_else(|| unexplained(status)),
            },
            status if status.is_server_error() => {
                failed(UpstreamFailure::Unavailable { retry_after_s })
            }
            _ => failed(UpstreamFailure::NotAnAnswer),
        }
    }
}

fn unexplained(status: StatusCode) -> ErrorBody {
    ErrorBody {
        message: format!(
            "The server that runs this model refused the request ({status}) without saying why."
        ),
        kind: "invalid_request_error".into(),
        param: None,
        code: None,
    }
}

/// The operator's own account with the upstream is empty: not the caller's quota.
fn is_quota(error: Option<&ErrorBody>) -> bool {
    error.is_some_and(|error| error.kind == "insufficient_quota")
}

fn retry_after(headers: &HeaderMap) -> Option<u64> {
    headers.get(RETRY_AFTER)?.to_str().ok()?.parse().ok()
}

async fn read_error(mut body: Incoming) -> Bytes {
    let mut read = BytesMut::new();
    while let Some(Ok(frame)) = body.frame().await {
        if let Ok(data) = frame.into_data() {
            read.extend_from_slice(&data);
        }
        if read.len() > ERROR_BYTES {
            break;
        }
    }
    read.freeze()
}
