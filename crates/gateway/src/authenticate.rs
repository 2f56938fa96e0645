//! Recognises the key of a request, without a round trip to any database.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::ConnectInfo;
use domain::access::{self, AccessRefusal, Claims, Receipts};
use domain::id::ProjectId;
use domain::key::{KeySecret, mask};
use domain::network::TrustedProxies;
use domain::restriction::Call;
use domain::time::AtUs;
use http::header::AUTHORIZATION;
use http::request::Parts;
use http::{HeaderMap, HeaderName};
use wire::authorization;

use crate::directory::{Caller, Found};
use crate::log::Who;
use crate::refusal::Refusal;
use crate::state::Gateway;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The caller of a request: it has a key that may make this call, from where it comes from, and
/// for whom it says. `who` learns whose it is, also if it may not.
pub(crate) fn caller(
    gateway: &Gateway,
    head: &Parts,
    call: Call,
    now: AtUs,
    who: &mut Who,
) -> Result<(Arc<Caller>, ProjectId), Refusal> {
    let caller = known(gateway, head, now, who)?;
    *who = Who::Known(Arc::clone(&caller));
    let claims = claims(head, &gateway.0.settings.trusted_proxies);
    let project = access::data_plane(&caller.principal, claims, call, now).map_err(refused)?;
    let project = project.clone();
    Ok((caller, project))
}

/// The caller of a request for a receipt, and whose receipts it may see.
pub(crate) fn reader(
    gateway: &Gateway,
    head: &Parts,
    now: AtUs,
) -> Result<(Arc<Caller>, ProjectId, Receipts), Refusal> {
    let caller = known(gateway, head, now, &mut Who::default())?;
    let claims = claims(head, &gateway.0.settings.trusted_proxies);
    let (project, which) = access::receipts(&caller.principal, claims, now).map_err(refused)?;
    let project = project.clone();
    Ok((caller, project, which))
}

fn refused(refusal: AccessRefusal) -> Refusal {
    Refusal::Access {
        refusal,
        model: None,
    }
}

/// The key of a request, if it is one of ours.
fn known(
    gateway: &Gateway,
    head: &Parts,
    now: AtUs,
    who: &mut Who,
) -> Result<Arc<Caller>, Refusal> {
    let secret = secret(&head.headers)?;
    let bad = || Refusal::BadKey {
        masked: mask(&secret),
    };
    let key = KeySecret::parse(&secret).map_err(|_| bad())?;
    let digest = key.digest();
    let Some(Found { caller, ends_at }) = gateway.0.directory.find(&digest) else {
        *who = Who::Stranger(digest);
        return Err(bad());
    };
    if ends_at.is_some_and(|end| end <= now) {
        *who = Who::Known(caller);
        return Err(refused(AccessRefusal::Replaced));
    }
    Ok(caller)
}

/// What a request says about whom it is for, and what is known of where it comes from.
fn claims<'a>(head: &'a Parts, proxies: &TrustedProxies) -> Claims<'a> {
    let named = |name: &str| {
        let value = head.headers.get(name);
        value.map(|value| value.to_str().unwrap_or("unreadable").trim())
    };
    let given = |name: &str| named(name).filter(|value| !value.is_empty());
    Claims {
        organization: given("openai-organization"),
        project: given("openai-project"),
        address: address(head, proxies),
    }
}

fn address(head: &Parts, proxies: &TrustedProxies) -> Option<IpAddr> {
    let ConnectInfo(peer) = head.extensions.get::<ConnectInfo<SocketAddr>>()?;
    let lines = head.headers.get_all(FORWARDED_FOR).iter();
    let lines = lines.map(|line| line.to_str().unwrap_or("unreadable"));
    Some(proxies.client(peer.ip(), lines))
}

fn secret(headers: &HeaderMap) -> Result<String, Refusal> {
    let value = headers.get(AUTHORIZATION).ok_or(Refusal::NoKey)?;
    let value = value.to_str().map_err(|_| Refusal::BadKey {
        masked: "***".into(),
    })?;
    authorization::secret(value).ok_or(Refusal::NoKey)
}
