//! Verifies a signed token (RFC 7515, compact form) with the keys of whoever must have signed it.
//!
//! The traps of the format are in RFC 8725. What a token says of its key (`jwk`, `jku`, `x5u`) is
//! not looked at; the algorithm is one of a short list, and must be the key's own; what must be
//! understood (`crit`) and is not, refuses the token.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use super::json;
use super::jwk::{Algorithm, Key};

/// Longer tokens are refused unread.
const MOST_BYTES: usize = 64 * 1024;

/// Why a token is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum JwsRefusal {
    #[error("it is longer than 64 KiB")]
    TooLong,
    #[error("it is not a signed token")]
    NotSigned,
    #[error("its header is not an object of JSON")]
    Header,
    #[error("its algorithm is not RS256, PS256, ES256 or EdDSA")]
    Algorithm,
    #[error("its header asks for what Farebox does not know")]
    Critical,
    #[error("its key is not among those of the provider")]
    UnknownKey,
    #[error("its key is not for its algorithm")]
    OtherKind,
    #[error("its signature is not that of the key")]
    Signature,
    #[error("what is signed is not an object of JSON")]
    Payload,
}

/// What is signed, if it was signed with one of `keys`.
///
/// # Errors
/// [`JwsRefusal`].
pub(super) fn verify(token: &str, keys: &[Key]) -> Result<Map<String, Value>, JwsRefusal> {
    if token.len() > MOST_BYTES {
        return Err(JwsRefusal::TooLong);
    }
    let (message, signature) = token.rsplit_once('.').ok_or(JwsRefusal::NotSigned)?;
    let (header, payload) = message.split_once('.').ok_or(JwsRefusal::NotSigned)?;
    let decode = |part: &str| URL_SAFE_NO_PAD.decode(part);
    let header = decode(header).map_err(|_| JwsRefusal::NotSigned)?;
    let payload = decode(payload).map_err(|_| JwsRefusal::NotSigned)?;
    let signature = decode(signature).map_err(|_| JwsRefusal::NotSigned)?;

    let header = json::object(&header).ok_or(JwsRefusal::Header)?;
    let name = header.get("alg").and_then(Value::as_str);
    let algorithm = name.and_then(Algorithm::named);
    let algorithm = algorithm.ok_or(JwsRefusal::Algorithm)?;
    if header.contains_key("crit") {
        return Err(JwsRefusal::Critical);
    }
    let kid = match header.get("kid") {
        None => None,
        Some(Value::String(kid)) => Some(kid.as_str()),
        Some(_) => return Err(JwsRefusal::Header),
    };
    let key = pick(keys, kid, algorithm)?;
    if !key.verifies(algorithm, message.as_bytes(), &signature) {
        return Err(JwsRefusal::Signature);
    }
    json::object(&payload).ok_or(JwsRefusal::Payload)
}

/// The key that a token names. One that names none is signed with the only key there is for its
/// algorithm.
fn pick<'a>(
    keys: &'a [Key],
    kid: Option<&str>,
    algorithm: Algorithm,
) -> Result<&'a Key, JwsRefusal> {
    let named = |key: &&Key| kid.is_none() || key.kid.as_deref() == kid;
    let is_known = keys.iter().any(|key| named(&key));
    let mut fitting = keys
        .iter()
        .filter(named)
        .filter(|key| key.is_for(algorithm));
    match (fitting.next(), fitting.next()) {
        (Some(key), None) => Ok(key),
        (None, _) if is_known && kid.is_some() => Err(JwsRefusal::OtherKind),
        _ => Err(JwsRefusal::UnknownKey),
    }
}
