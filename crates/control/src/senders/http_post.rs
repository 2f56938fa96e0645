//! Posts to services that send messages: one request, a bounded answer, no redirects followed.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use domain::time::SECOND_US;
use http::header::RETRY_AFTER;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::{ConfigBuilderExt, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

use super::failure::Failure;

/// The most that is read of an answer.
const ANSWER_BYTES: usize = 64 * 1024;

/// Posts to one service.
pub(super) struct HttpPost {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    timeout: Duration,
}

/// An answer that says no.
pub(super) struct Refused {
    pub(super) status: StatusCode,
    pub(super) body: Bytes,
    headers: HeaderMap,
}

impl HttpPost {
    /// Calls nobody yet. `timeout` is the longest that a request may take.
    pub(super) fn new(timeout: Duration) -> Self {
        let mut connector = HttpConnector::new();
        connector.enforce_http(false);
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
        // Messages are few: a connection kept for the next one would only be found closed.
        let client = Client::builder(TokioExecutor::new())
            .pool_max_idle_per_host(0)
            .build(connector);
        HttpPost { client, timeout }
    }

    /// Sends a request. Any answer of the 200s is a yes; any other is `refused`'s to judge.
    pub(super) async fn send(
        &self,
        request: Request<Full<Bytes>>,
        refused: impl FnOnce(&Refused) -> Failure,
    ) -> Result<(), Failure> {
        let host = request.uri().host().unwrap_or_default().to_owned();
        let answer = tokio::time::timeout(self.timeout, self.exchange(request));
        let answer = match answer.await {
            Ok(answer) => answer.map_err(|reason| Failure::passing(format!("{host}: {reason}")))?,
            Err(_) => return Err(Failure::passing(format!("{host} did not answer in time"))),
        };
        match answer.status.is_success() {
            true => Ok(()),
            false => Err(refused(&answer)),
        }
    }

    async fn exchange(&self, request: Request<Full<Bytes>>) -> Result<Refused, String> {
        let response = self.client.request(request).await;
        let (head, body) = response.map_err(|error| chain(&error))?.into_parts();
        // The status is the answer; a body that breaks off cannot take it back.
        let body = Limited::new(body, ANSWER_BYTES).collect().await;
        Ok(Refused {
            status: head.status,
            headers: head.headers,
            body: body.map(|body| body.to_bytes()).unwrap_or_default(),
        })
    }
}

impl Refused {
    /// How long the other side asks to be left alone; zero if it does not say, in seconds.
    fn asked_us(&self) -> i64 {
        let value = self.headers.get(RETRY_AFTER);
        let seconds = value.and_then(|value| value.to_str().ok()?.trim().parse::<i64>().ok());
        seconds.unwrap_or(0).clamp(0, i64::MAX / SECOND_US) * SECOND_US
    }

    /// A refusal for `reason`, of this message or of any: what is wrong with the service or with
    /// this Farebox's right to use it passes when somebody mends it.
    pub(super) fn failure(&self, reason: String) -> Failure {
        let lasting = self.status.is_client_error()
            && !matches!(
                self.status,
                StatusCode::UNAUTHORIZED
                    | StatusCode::FORBIDDEN
                    | StatusCode::NOT_FOUND
                    | StatusCode::REQUEST_TIMEOUT
                    | StatusCode::TOO_EARLY
                    | StatusCode::TOO_MANY_REQUESTS
            );
        match lasting {
            true => Failure::lasting(reason),
            false => Failure::Passing {
                reason,
                asked_us: self.asked_us(),
            },
        }
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(cause) => format!("{error}: {}", chain(cause)),
        None => error.to_string(),
    }
}
