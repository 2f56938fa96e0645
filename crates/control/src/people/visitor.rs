//! Whoever calls, signed in or not: where they come from, and whether their own page sent them.

use std::net::IpAddr;

use axum::extract::FromRequestParts;
use axum::response::Response;
use domain::id::UserId;
use domain::people::secret::BearerSecret;
use domain::people::throttle;
use http::request::Parts;
use store::audit::{Actor, Who};

use super::cookie::SESSION;
use super::origin;
use super::refusal::PeopleRefusal;
use crate::Control;
use crate::peer;
use crate::respond::{self, Refusal};

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
        Ok(Visitor {
            address: peer::address(parts, &control.trusted_proxies),
            user_agent: peer::user_agent(headers),
            secret: SESSION.read(headers, public_url),
        })
    }

    /// The network that the visitor's tries are counted for.
    pub(crate) fn network(&self) -> String {
        self.address
            .map_or_else(|| "none".into(), throttle::network)
    }

    /// The network that people are known to come from: their provider changes their addresses.
    pub(super) fn surroundings(&self) -> String {
        match self.address.map(|address| address.to_canonical()) {
            Some(IpAddr::V4(address)) => {
                let [a, b, c, _] = address.octets();
                format!("{a}.{b}.{c}.0/24")
            }
            _ => self.network(),
        }
    }

    /// What audit logs say of somebody who acts from here.
    pub(super) fn actor(&self, user: &UserId) -> Actor {
        Actor {
            who: Who::Session(user.clone()),
            ip_address: self.ip_address(),
            user_agent: self.user_agent.clone(),
        }
    }

    /// The address as text.
    pub(crate) fn ip_address(&self) -> Option<String> {
        self.address.map(|address| address.to_string())
    }
}
