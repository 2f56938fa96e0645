//! Calls servers of others: one request, a bounded answer within a bounded time, no redirects
//! followed.
//!
//! Where customers name the address, what may be reached is bounded: the address that a name stands
//! for is looked at by the resolver that the connection is made with, so a name cannot stand for
//! one address when it is looked at and for another when it is called.

use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use domain::webhook::Reach;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns::{GaiResolver, Name};
use hyper_util::rt::TokioExecutor;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use tower_service::Service;

/// Calls servers of others.
#[derive(Clone)]
pub(crate) struct Outbound {
    client: Client<HttpsConnector<HttpConnector<Resolver>>, Full<Bytes>>,
    reach: Reach,
    timeout: Duration,
}

/// Finds the addresses of names, and keeps those that may be called.
#[derive(Clone)]
struct Resolver {
    reach: Reach,
    names: GaiResolver,
}

/// A name or an address leads to where nobody may be sent.
#[derive(Debug, thiserror::Error)]
#[error("its address is not one of the public internet, and none that the operator allows")]
struct OutOfReach;

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
        Self::within(Reach::Everything, timeout)
    }

    /// As [`Outbound::new`], but calls only what is within `reach`.
    pub(crate) fn within(reach: Reach, timeout: Duration) -> Self {
        let roots = webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect();
        Self::trusting(roots, reach, timeout)
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
            false => Ok(Self::trusting(roots, Reach::Everything, timeout)),
        }
    }

    fn trusting(roots: RootCertStore, reach: Reach, timeout: Duration) -> Self {
        let mut connector = HttpConnector::new_with_resolver(Resolver {
            reach: reach.clone(),
            names: GaiResolver::new(),
        });
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
        Outbound {
            client,
            reach,
            timeout,
        }
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
        self.in_time(request, async |body| {
            let body = Limited::new(body, most_bytes).collect().await;
            body.ok().map(http_body_util::Collected::to_bytes)
        })
        .await
    }

    /// Sends a request, and reads how the answer begins: `most_bytes` of it, or what comes of it.
    ///
    /// # Errors
    /// Who did not answer, and why.
    pub(crate) async fn call_for_beginning(
        &self,
        request: Request<Full<Bytes>>,
        most_bytes: usize,
    ) -> Result<Answer, String> {
        self.in_time(request, async |mut body| {
            let mut read = BytesMut::new();
            while let Some(Ok(frame)) = body.frame().await {
                read.extend_from_slice(frame.data_ref().unwrap_or(&Bytes::new()));
                if read.len() >= most_bytes {
                    read.truncate(most_bytes);
                    break;
                }
            }
            Some(read.freeze())
        })
        .await
    }

    async fn in_time(
        &self,
        request: Request<Full<Bytes>>,
        read: impl AsyncFnOnce(Incoming) -> Option<Bytes>,
    ) -> Result<Answer, String> {
        let host = request.uri().host().unwrap_or_default().to_owned();
        let exchange = async {
            // The connector asks no resolver for what is written as an address.
            let address: Option<IpAddr> = host.trim_matches(['[', ']']).parse().ok();
            if address.is_some_and(|address| !self.reach.allows(address)) {
                return Err(OutOfReach.to_string());
            }
            let response = self.client.request(request).await;
            let (head, body) = response.map_err(|error| chain(&error))?.into_parts();
            Ok(Answer {
                status: head.status,
                headers: head.headers,
                body: read(body).await,
            })
        };
        match tokio::time::timeout(self.timeout, exchange).await {
            Ok(answer) => answer.map_err(|reason| format!("{host}: {reason}")),
            Err(_) => Err(format!("{host} did not answer in time")),
        }
    }
}

impl Service<Name> for Resolver {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = Box<dyn std::error::Error + Send + Sync>;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.names.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let (found, reach) = (self.names.call(name), self.reach.clone());
        Box::pin(async move {
            let allowed = found.await?.filter(|address| reach.allows(address.ip()));
            let allowed: Vec<SocketAddr> = allowed.collect();
            match allowed.is_empty() {
                true => Err(OutOfReach.into()),
                false => Ok(allowed.into_iter()),
            }
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

    #[tokio::test]
    async fn what_is_out_of_reach_is_not_called_under_any_of_its_names() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let within = |reach| Outbound::within(reach, Duration::from_secs(5));
        let (public, own) = (within(Reach::Public(Vec::new())), {
            let own = domain::network::Network::parse("127.0.0.0/8").expect("a network");
            within(Reach::Public(vec![own]))
        });
        for host in [
            "127.0.0.1",
            "localhost",
            "[::1]",
            "[::ffff:127.0.0.1]",
            "127.1",
            "2130706433",
        ] {
            let request = || {
                let request = Request::post(format!("http://{host}:{port}/"));
                request.body(Full::default()).expect("a request")
            };
            let refused = public.call_for_beginning(request(), 10).await;
            let why = refused.err().expect("nobody is called");
            assert!(why.contains("public internet"), "{host}: {why}");
        }
        let accepted = tokio::time::timeout(Duration::from_millis(20), listener.accept());
        assert!(accepted.await.is_err(), "somebody was called");

        // What the operator allows is called.
        let request = Request::post(format!("http://localhost:{port}/"));
        let request = request.body(Full::default()).expect("a request");
        let calling = tokio::spawn(async move { own.call_for_beginning(request, 3).await });
        let (mut called, _) = listener.accept().await.expect("a connection");
        let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello";
        tokio::io::AsyncWriteExt::write_all(&mut called, answer)
            .await
            .expect("written");
        let Ok(answer) = calling.await.expect("it ends") else {
            panic!("there is an answer");
        };
        assert_eq!(answer.body.as_deref(), Some(&b"hel"[..]), "how it begins");
    }

    #[test]
    fn forms_hold_any_text() {
        let fields = [("a", "b c&d=e+f"), ("c", "é~-._")];
        assert_eq!(form(&fields), "a=b%20c%26d%3De%2Bf&c=%C3%A9~-._");
    }
}
