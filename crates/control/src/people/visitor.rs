//! Whoever calls, signed in or not: where they come from, and whether their own page sent them.

use std::net::{IpAddr, SocketAddr};

use axum::extract::{ConnectInfo, FromRequestParts};
use axum::response::Response;
use domain::people::secret::BearerSecret;
use domain::people::throttle;
use http::HeaderMap;
use http::header::USER_AGENT;
use http::request::Parts;

use super::refusal::PeopleRefusal;
use super::{cookie, origin};
use crate::Control;
use crate::respond::{self, Refusal};

/// The most characters of a user agent that are kept.
const USER_AGENT_CHARS: usize = 256;

/// Somebody, who may or may not be signed in. Not a page of another site.
#[derive(Clone, Debug)]
pub(crate) struct Visitor {
    /// The address that the request came from, if it came by network.
    pub(crate) address: Option<IpAddr>,
    /// What the program at the other end calls itself.
    pub(crate) user_agent: Option<String>,
    /// The secret in the cookie.
    pub(super) secret: Option<BearerSecret>,
}

impl FromRequestParts<Control> for Visitor {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, control: &Control) -> Result<Self, Response> {
        let refused = |refusal| respond::answer::<()>(control, Err(refusal));
        Visitor::of(parts, control).map_err(refused)
    }
}

impl Visitor {
    /// Who sent this request.
    pub(super) fn of(parts: &Parts, control: &Control) -> Result<Self, Refusal> {
        let (headers, public_url) = (&parts.headers, &control.public_url);
        if origin::is_cross_site(&parts.method, headers, public_url) {
            return Err(PeopleRefusal::CrossOrigin.into());
        }
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>();
        let user_agent = headers
            .get(USER_AGENT)
            .and_then(|value| value.to_str().ok());
        Ok(Visitor {
            address: peer.map(|ConnectInfo(peer)| client(peer.ip(), headers)),
            user_agent: user_agent.map(|text| text.chars().take(USER_AGENT_CHARS).collect()),
            secret: cookie::read(headers, public_url),
        })
    }

    /// The network that the visitor's tries are counted for.
    pub(super) fn network(&self) -> String {
        self.address
            .map_or_else(|| "none".into(), throttle::network)
    }

    /// The address as text.
    pub(crate) fn ip_address(&self) -> Option<String> {
        self.address.map(|address| address.to_string())
    }
}

/// Who is behind a connection: a proxy on this machine says for whom it calls. Anybody else who
/// says so might say anything.
fn client(peer: IpAddr, headers: &HeaderMap) -> IpAddr {
    let peer = peer.to_canonical();
    if !peer.is_loopback() {
        return peer;
    }
    let mut values = headers.get_all("x-forwarded-for").iter();
    let last = values.next_back().and_then(|value| value.to_str().ok());
    let nearest = last.and_then(|list| list.rsplit(',').next());
    let address = nearest.and_then(|text| text.trim().parse::<IpAddr>().ok());
    address.map_or(peer, |address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn a_proxy_here_is_believed_and_nobody_else() {
        for (peer, forwarded, client_is) in [
            ("192.0.2.7", None, "192.0.2.7"),
            ("192.0.2.7", Some("203.0.113.9"), "192.0.2.7"),
            ("::ffff:192.0.2.7", None, "192.0.2.7"),
            ("127.0.0.1", None, "127.0.0.1"),
            ("127.0.0.1", Some("203.0.113.9"), "203.0.113.9"),
            ("::1", Some("10.0.0.1, 203.0.113.9"), "203.0.113.9"),
            ("127.0.0.1", Some("203.0.113.9, nonsense"), "127.0.0.1"),
            ("127.0.0.1", Some(""), "127.0.0.1"),
        ] {
            let mut headers = HeaderMap::new();
            if let Some(forwarded) = forwarded {
                headers.insert("x-forwarded-for", HeaderValue::from_static(forwarded));
            }
            let found = client(peer.parse().unwrap(), &headers);
            assert_eq!(found.to_string(), client_is, "{peer} {forwarded:?}");
        }
    }
}
