//! Ties a sign-in by a provider to the browser that began it.
//!
//! There are two secrets: the *state* goes to the provider and comes back in the browser's address,
//! which others may get to see; the *browser's* is in a cookie, and never leaves it. The nonce of
//! the ID token and the verifier of the code (PKCE) are made from both, so that a code or a token
//! that was caught on its way is of no use elsewhere, and nothing that would be is kept here.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::people::secret::BearerSecret;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

/// The secrets of a sign-in that is under way.
pub(super) struct Binding {
    /// What goes with the browser's address.
    pub(super) state: BearerSecret,
    /// What stays in its cookie.
    pub(super) browser: BearerSecret,
}

impl Binding {
    /// What the ID token must repeat.
    pub(super) fn nonce(&self) -> String {
        self.derived("nonce")
    }

    /// What redeems the code.
    pub(super) fn verifier(&self) -> String {
        self.derived("verifier")
    }

    /// What tells the provider which verifier will.
    pub(super) fn challenge(&self) -> String {
        URL_SAFE_NO_PAD.encode(Sha256::digest(self.verifier()))
    }

    /// 256 bits, as 43 characters.
    fn derived(&self, purpose: &str) -> String {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.browser.expose().as_bytes())
            .expect("HMAC takes keys of any length");
        mac.update(format!("{purpose} {}", self.state.expose()).as_bytes());
        URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(letter: &str) -> BearerSecret {
        BearerSecret::parse(&letter.repeat(43)).expect("alphanumeric")
    }

    #[test]
    fn everything_depends_on_both_secrets_and_is_not_the_other() {
        let mut seen = Vec::new();
        for (state, browser) in [("a", "b"), ("a", "c"), ("d", "b")] {
            let binding = Binding {
                state: secret(state),
                browser: secret(browser),
            };
            for derived in [binding.nonce(), binding.verifier(), binding.challenge()] {
                assert_eq!(derived.len(), 43, "as PKCE wants it at least");
                assert!(!seen.contains(&derived));
                seen.push(derived);
            }
        }
    }
}
