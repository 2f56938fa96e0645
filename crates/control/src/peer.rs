//! Who is at the other end of a request: its address and what it calls itself.

use std::net::{IpAddr, SocketAddr};

use axum::extract::ConnectInfo;
use domain::network::TrustedProxies;
use http::HeaderMap;
use http::header::USER_AGENT;
use http::request::Parts;

/// The most characters of a user agent that are kept.
const USER_AGENT_CHARS: usize = 256;

/// The address that a request came from, if it came by network: that of the connection, or what a
/// proxy says which is believed.
pub(crate) fn address(parts: &Parts, proxies: &TrustedProxies) -> Option<IpAddr> {
    let ConnectInfo(peer) = parts.extensions.get::<ConnectInfo<SocketAddr>>()?;
    let lines = parts.headers.get_all("x-forwarded-for").iter();
    let lines = lines.map(|line| line.to_str().unwrap_or("unreadable"));
    Some(proxies.client(peer.ip(), lines))
}

/// What the program at the other end calls itself.
pub(crate) fn user_agent(headers: &HeaderMap) -> Option<String> {
    let text = headers.get(USER_AGENT)?.to_str().ok()?;
    Some(text.chars().take(USER_AGENT_CHARS).collect())
}
