//! What an ID token must say before anybody is signed in by it (OpenID Connect Core, 3.1.3.7).

use domain::people::email::Email;
use domain::time::AtUs;
use serde_json::{Map, Value};

/// How far the provider's clock may be from ours, in seconds.
const LEEWAY_S: i64 = 60;
/// A token that was issued longer ago was not issued for this sign-in, in seconds.
const MOST_AGE_S: i64 = 10 * 60;
/// The most bytes of a subject, as the specification says.
const SUBJECT_BYTES: usize = 255;

/// What must be in it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Expected<'a> {
    /// Who issued it.
    pub(super) issuer: &'a str,
    /// For whom: this installation, as the provider knows it.
    pub(super) client_id: &'a str,
    /// For which sign-in.
    pub(super) nonce: &'a str,
    /// When it is looked at.
    pub(super) now: AtUs,
}

/// Who somebody is, as the provider says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Person {
    /// Names them at this issuer, for good.
    pub(super) subject: String,
    /// Their address, which need not be proved.
    pub(super) email: Option<Email>,
    /// Whether the provider says that it is proved; it need not say.
    pub(super) is_email_verified: Option<bool>,
    /// What they are called.
    pub(super) name: Option<String>,
}

/// Why an ID token, or what the provider says beside it, is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum ClaimRefusal {
    #[error("another issuer made it")]
    Issuer,
    #[error("it is for somebody else than this client")]
    Audience,
    #[error("it has expired, or says no time")]
    Expired,
    #[error("it was issued in the future, long ago, or at no time")]
    Issued,
    #[error("it belongs to another sign-in")]
    Nonce,
    #[error("it names no subject, or not the one that was signed in")]
    Subject,
}

/// Checks what was signed, and says who it is.
///
/// # Errors
/// [`ClaimRefusal`].
pub(super) fn check(
    claims: &Map<String, Value>,
    expected: &Expected<'_>,
) -> Result<Person, ClaimRefusal> {
    let text = |name: &str| claims.get(name).and_then(Value::as_str);
    let time_s = |name: &str| claims.get(name).and_then(Value::as_i64);
    if text("iss") != Some(expected.issuer) {
        return Err(ClaimRefusal::Issuer);
    }
    if !is_for(claims, expected.client_id) {
        return Err(ClaimRefusal::Audience);
    }
    let now_s = expected.now.seconds();
    let expires_s = time_s("exp").ok_or(ClaimRefusal::Expired)?;
    if now_s >= expires_s.saturating_add(LEEWAY_S) {
        return Err(ClaimRefusal::Expired);
    }
    let issued_s = time_s("iat").ok_or(ClaimRefusal::Issued)?;
    let earliest_s = match claims.get("nbf") {
        None => issued_s,
        Some(at) => at.as_i64().ok_or(ClaimRefusal::Issued)?.max(issued_s),
    };
    let is_early = earliest_s > now_s.saturating_add(LEEWAY_S);
    if is_early || now_s.saturating_sub(issued_s) > MOST_AGE_S + LEEWAY_S {
        return Err(ClaimRefusal::Issued);
    }
    // The nonce is used once, and only its browser can present it: no time is to be learned.
    if text("nonce") != Some(expected.nonce) {
        return Err(ClaimRefusal::Nonce);
    }
    person(claims).ok_or(ClaimRefusal::Subject)
}

/// Adds what the provider says beside a token that says too little, about the same subject.
///
/// # Errors
/// [`ClaimRefusal::Subject`].
pub(super) fn complete(
    person: Person,
    beside: &Map<String, Value>,
) -> Result<Person, ClaimRefusal> {
    let told = self::person(beside).filter(|told| told.subject == person.subject);
    let told = told.ok_or(ClaimRefusal::Subject)?;
    Ok(Person {
        name: person.name.or(told.name),
        ..told
    })
}

/// Whether a token is for this client. One for several says which of them asked for it.
fn is_for(claims: &Map<String, Value>, client_id: &str) -> bool {
    let (is_among, is_only) = match claims.get("aud") {
        Some(Value::String(audience)) => (audience == client_id, true),
        Some(Value::Array(audiences)) => (
            audiences.iter().any(|audience| audience == client_id),
            audiences.len() == 1,
        ),
        _ => (false, false),
    };
    let is_party = match claims.get("azp") {
        None => is_only,
        Some(party) => party == client_id,
    };
    is_among && is_party
}

fn person(claims: &Map<String, Value>) -> Option<Person> {
    let text = |name: &str| claims.get(name).and_then(Value::as_str);
    let subject = text("sub").filter(|it| (1..=SUBJECT_BYTES).contains(&it.len()))?;
    if !subject.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
        return None;
    }
    Some(Person {
        subject: subject.to_owned(),
        email: text("email").and_then(|email| Email::parse(email).ok()),
        // Some providers write it as a text.
        is_email_verified: match claims.get("email_verified") {
            Some(Value::Bool(verified)) => Some(*verified),
            Some(Value::String(verified)) => Some(verified == "true"),
            Some(Value::Null) | None => None,
            Some(_) => Some(false),
        },
        name: text("name").and_then(plain_name),
    })
}

/// A name that can be shown, if it is one.
fn plain_name(name: &str) -> Option<String> {
    let name = name.trim();
    let fits = (1..=256).contains(&name.chars().count());
    (fits && !name.chars().any(char::is_control)).then(|| name.to_owned())
}
