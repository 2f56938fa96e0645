//! Calls servers of others: one request, a bounded answer within a bounded time, no redirects
//! followed.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

/// Calls servers of others.
#[derive(Clone)]
pub(crate) struct Outbound {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    timeout: Duration,
}

/// An answer.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    /// None if it broke off or was too long: the status is an answer all the same.
    pub(crate) body: Option<Bytes>,
}

impl Outbound {
    /// Calls nobody yet. `timeout` is the longest that a request may take.
    pub(crate) fn new(timeout: Duration) -> Self {
        let roots = webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect();
        Self::trusting(roots, timeout)
    }

    /// As [`Outbound::new`], but trusts the authorities whose certificates these are, as PEM, and
    /// no others.
    ///
    /// # Errors
    /// What is wrong with the certificates.
    pub(crate) fn with_authorities(pem: &[u8], timeout: Duration) -> Result<Self, String> {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(pem) {
            let certificate = certificate.map_err(|error| error.to_string())?;
            roots.add(certificate).map_err(|error| error.to_string())?;
        }
        match roots.is_empty() {
            true => Err("there is no certificate in it".to_owned()),
            false => Ok(Self::trusting(roots, timeout)),
        }
    }

    fn trusting(roots: RootCertStore, timeout: Duration) -> Self {
        let mut connector = HttpConnector::new();
        connector.enforce_http(false);
        let provider = rustls::crypto::ring::default_provider();
        let tls = rustls::ClientConfig::builder_with_provider(Arc::new(provider))
            .with_safe_default_protocol_versions()
            .expect("ring speaks TLS 1.2 and 1.3")
            .with_root_certificates(roots)
            .with_no_client_auth();
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_or_http()
            .enable_http1()
            .wrap_connector(connector);
        // Calls are few: a connection kept for the next one would only be found closed.
        let client = Client::builder(TokioExecutor::new())
            .pool_max_idle_per_host(0)
            .build(connector);
        Outbound { client, timeout }
    }

    /// Sends a request, and reads at most `most_bytes` of the answer.
    ///
    /// # Errors
    /// Who did not answer, and why.
    pub(crate) async fn call(
        &self,
        request: Request<Full<Bytes>>,
        most_bytes: usize,
    ) -> Result<Answer, String> {
        let host = request.uri().host().unwrap_or_default().to_owned();
        let exchange = self.exchange(request, most_bytes);
        match tokio::time::timeout(self.timeout, exchange).await {
            Ok(answer) => answer.map_err(|reason| format!("{host}: {reason}")),
            Err(_) => Err(format!("{host} did not answer in time")),
        }
    }

    async fn exchange(
        &self,
        request: Request<Full<Bytes>>,
        most_bytes: usize,
    ) -> Result<Answer, String> {
        let response = self.client.request(request).await;
        let (head, body) = response.map_err(|error| chain(&error))?.into_parts();
        let body = Limited::new(body, most_bytes).collect().await;
        Ok(Answer {
            status: head.status,
            headers: head.headers,
            body: body.ok().map(http_body_util::Collected::to_bytes),
        })
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(cause) => format!("{error}: {}", chain(cause)),
        None => error.to_string(),
    }
}

/// Names and values as a form is sent, or a query written.
pub(crate) fn form(fields: &[(&str, &str)]) -> String {
    let field = |(name, value): &(&str, &str)| format!("{name}={}", encoded(value));
    fields.iter().map(field).collect::<Vec<_>>().join("&")
}

/// Percent-encoding of everything but letters, digits and `-._~`.
pub(crate) fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                encoded.push(char::from(byte));
            }
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn authorities_are_read_and_what_is_none_is_refused() {
        let with = |pem: &str| Outbound::with_authorities(pem.as_bytes(), Duration::from_secs(1));
        assert!(with(testkit::smtp::AUTHORITY).is_ok());
        let broken = testkit::smtp::AUTHORITY.replace("MII", "!!!");
        for pem in ["", "no certificate", &broken] {
            assert!(with(pem).is_err(), "{pem:?}");
        }
    }

    #[test]
    fn forms_hold_any_text() {
        let fields = [("a", "b c&d=e+f"), ("c", "é~-._")];
        assert_eq!(form(&fields), "a=b%20c%26d%3De%2Bf&c=%C3%A9~-._");
    }
}
