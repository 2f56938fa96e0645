//! Who sent a webhook: Stripe signs the body and the time with a secret that only it and this
//! installation know.
//!
//! Without a secret nothing is ever verified: there is no empty one.

use domain::secret::Secret;
use domain::time::AtUs;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// How far the time in a signature may be from now, either way, in seconds.
pub const TOLERANCE_S: i64 = 300;
/// The most signatures that are looked at: Stripe sends two while a secret is rotated.
const MOST_SIGNATURES: usize = 8;
/// No secret is shorter; Stripe's are 38 characters.
const SHORTEST: usize = 16;

/// What webhooks are signed with: a secret, and the one that it replaces while both are in use.
#[derive(Clone, Debug)]
pub struct WebhookSecrets {
    current: Secret,
    previous: Option<Secret>,
}

/// A secret that everybody could guess.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a webhook secret has at least {SHORTEST} characters (Stripe's begin with whsec_)")]
pub struct WeakSecret;

/// Why a webhook is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadSignature {
    /// There is no signature of a form that is known.
    #[error("it has no signature of Stripe's form")]
    Form,
    /// It may be one that was sent before, and is sent again by somebody else.
    #[error("its time is more than {TOLERANCE_S} seconds from now")]
    Time,
    /// Somebody else signed it, or signed something else.
    #[error("it is not signed with a secret that is known here")]
    Secret,
}

impl WebhookSecrets {
    /// The secret that is in use, and the one before it.
    ///
    /// # Errors
    /// [`WeakSecret`].
    pub fn new(current: Secret, previous: Option<Secret>) -> Result<Self, WeakSecret> {
        let is_weak = |secret: &Secret| secret.expose().trim().len() < SHORTEST;
        match is_weak(&current) || previous.as_ref().is_some_and(is_weak) {
            true => Err(WeakSecret),
            false => Ok(WebhookSecrets { current, previous }),
        }
    }

    /// Whether Stripe sent `body`, just now. `header` is its `Stripe-Signature`.
    ///
    /// # Errors
    /// [`BadSignature`].
    pub fn verify(&self, header: &str, body: &[u8], now: AtUs) -> Result<(), BadSignature> {
        let (at, signatures) = parts(header).ok_or(BadSignature::Form)?;
        let at_s: i64 = at.parse().map_err(|_| BadSignature::Form)?;
        if now.seconds().abs_diff(at_s) > TOLERANCE_S.unsigned_abs() {
            return Err(BadSignature::Time);
        }
        let secrets = || [Some(&self.current), self.previous.as_ref()].into_iter();
        let is_signed = signatures.iter().any(|signature| {
            let mut secrets = secrets().flatten();
            secrets.any(|secret| is_of(secret, at, body, signature))
        });
        match is_signed {
            true => Ok(()),
            false => Err(BadSignature::Secret),
        }
    }
}

/// The time, as it was written, and the signatures of the scheme that is in use.
fn parts(header: &str) -> Option<(&str, Vec<[u8; 32]>)> {
    let mut at = None;
    let mut signatures = Vec::new();
    for part in header.split(',') {
        match part.trim().split_once('=') {
            // A second time could be the one that was signed, or not.
            Some(("t", _)) if at.is_some() => return None,
            Some(("t", time)) => at = Some(time),
            Some(("v1", hex)) if signatures.len() < MOST_SIGNATURES => {
                signatures.extend(of_hex(hex));
            }
            _ => {}
        }
    }
    let at = at.filter(|at| at.bytes().all(|byte| byte.is_ascii_digit()))?;
    (!signatures.is_empty()).then_some((at, signatures))
}

/// Whether `signature` was made with `secret`. Takes as long for a wrong one as for the right one.
fn is_of(secret: &Secret, at: &str, body: &[u8], signature: &[u8; 32]) -> bool {
    let key = secret.expose().as_bytes();
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(at.as_bytes());
    mac.update(b".");
    mac.update(body);
    mac.verify_slice(signature).is_ok()
}

fn of_hex(hex: &str) -> Option<[u8; 32]> {
    let digits = hex.as_bytes();
    if digits.len() != 64 {
        return None;
    }
    let mut bytes = [0; 32];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let digit = |digit: u8| char::from(digit).to_digit(16).map(|value| value as u8);
        *byte = digit(pair[0])? * 16 + digit(pair[1])?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The signature of this body and time, made by another program.
    const SECRET: &str = "whsec_9Xq2LrT4vB7nM1kZ5cW8yD3f";
    const BODY: &[u8] = br#"{"id":"evt_1","object":"event"}"#;
    const AT_S: i64 = 1_796_083_200;
    const HEX: &str = "bd6ff8e6c57c53d92b14dc8f496c8e3ab2b6344cbd66d81048ce26056be2f437";

    fn secrets(current: &str, previous: Option<&str>) -> WebhookSecrets {
        let secret = |text: &str| Secret::new(text.to_owned());
        WebhookSecrets::new(secret(current), previous.map(secret)).unwrap()
    }

    fn at(seconds: i64) -> AtUs {
        AtUs::from_seconds(seconds)
    }

    fn header() -> String {
        format!("t={AT_S},v1={HEX}")
    }

    #[test]
    fn what_stripe_signed_is_believed_and_nothing_else() {
        let ours = secrets(SECRET, None);
        assert_eq!(ours.verify(&header(), BODY, at(AT_S)), Ok(()));
        let mut other = BODY.to_vec();
        other.push(b'\n');
        let refused = ours.verify(&header(), &other, at(AT_S));
        assert_eq!(refused, Err(BadSignature::Secret), "another body");
        let later = format!("t={},v1={HEX}", AT_S + 1);
        let refused = ours.verify(&later, BODY, at(AT_S));
        assert_eq!(refused, Err(BadSignature::Secret), "another time");
        let theirs = secrets("whsec_another_one_of_theirs", None);
        let refused = theirs.verify(&header(), BODY, at(AT_S));
        assert_eq!(refused, Err(BadSignature::Secret), "another secret");
    }

    #[test]
    fn one_right_signature_of_several_and_one_of_two_secrets_suffice() {
        let several = format!("t={AT_S},v1={},v1={HEX},v0=00", "0".repeat(64));
        let ours = secrets(SECRET, None);
        assert_eq!(ours.verify(&several, BODY, at(AT_S)), Ok(()));
        let next = "whsec_the_next_secret_here";
        let rotated = secrets(next, Some(SECRET));
        assert_eq!(rotated.verify(&header(), BODY, at(AT_S)), Ok(()));
        let done = secrets(next, None);
        let refused = done.verify(&header(), BODY, at(AT_S));
        assert_eq!(refused, Err(BadSignature::Secret));
    }

    #[test]
    fn times_are_believed_within_five_minutes_either_way() {
        let ours = secrets(SECRET, None);
        for away in [-301, -300, 0, 300, 301_i64] {
            let believed = ours.verify(&header(), BODY, at(AT_S + away));
            let expected = match away.abs() <= 300 {
                true => Ok(()),
                false => Err(BadSignature::Time),
            };
            assert_eq!(believed, expected, "{away}");
        }
    }

    #[test]
    fn what_has_another_form_is_refused() {
        let ours = secrets(SECRET, None);
        for header in [
            String::new(),
            "t=".into(),
            format!("v1={HEX}"),
            format!("t={AT_S}"),
            format!("t={AT_S},v0={HEX}"),
            format!("t={AT_S},v1={}", &HEX[1..]),
            format!("t={AT_S},v1=+{}", &HEX[1..]),
            format!("t=+{AT_S},v1={HEX}"),
            format!("t={AT_S},t={AT_S},v1={HEX}"),
            format!("t=99999999999999999999,v1={HEX}"),
        ] {
            let refused = ours.verify(&header, BODY, at(AT_S));
            assert_eq!(refused, Err(BadSignature::Form), "{header}");
        }
    }

    #[test]
    fn there_is_no_empty_secret() {
        let secret = |text: &str| Secret::new(text.to_owned());
        for weak in ["", " ", "whsec_", "                                  "] {
            assert!(WebhookSecrets::new(secret(weak), None).is_err());
            let previous = WebhookSecrets::new(secret(SECRET), Some(secret(weak)));
            assert!(previous.is_err(), "{weak:?}");
        }
    }
}
