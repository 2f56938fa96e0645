//! The secret that a session's cookie, a link in a mail or a half-done sign-up carries: 256 bits
//! that only their holder has. What is kept of it is its SHA-256.

use std::fmt;

use sha2::{Digest, Sha256};

use crate::Entropy;
use crate::id::random_base62;

/// 43 characters of base62 hold 256 bits.
const CHARS: usize = 43;

/// A secret that is proof enough of itself. It cannot be printed or compared by accident; whoever
/// must send it says so with [`BearerSecret::expose`].
#[derive(Clone)]
pub struct BearerSecret(String);

/// The SHA-256 of a [`BearerSecret`], by which it is found. The secret has 256 bits, so a fast hash
/// is enough, and how long a look-up takes tells nothing of use.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct BearerDigest(String);

impl BearerSecret {
    /// A new secret.
    #[must_use]
    pub fn mint(entropy: Entropy) -> Self {
        BearerSecret(random_base62(CHARS, entropy))
    }

    /// A secret that somebody sent; none if it cannot be one.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric());
        (plain && text.len() == CHARS).then(|| BearerSecret(text.to_owned()))
    }

    /// The secret itself, for its holder.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// What is kept of the secret.
    #[must_use]
    pub fn digest(&self) -> BearerDigest {
        let digest = Sha256::digest(self.0.as_bytes());
        BearerDigest(digest.iter().map(|byte| format!("{byte:02x}")).collect())
    }
}

impl BearerDigest {
    /// A digest read from where it was kept.
    #[must_use]
    pub fn new(hex: &str) -> Self {
        BearerDigest(hex.to_owned())
    }

    /// The digest as 64 hexadecimal digits.
    #[must_use]
    pub fn as_hex(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for BearerSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BearerSecret(hidden)")
    }
}

impl fmt::Debug for BearerDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BearerDigest(hidden)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(buffer: &mut [u8]) {
        for (index, byte) in (0..).zip(buffer) {
            *byte = index;
        }
    }

    #[test]
    fn a_secret_is_read_back_as_it_was_sent_and_found_by_its_digest() {
        let secret = BearerSecret::mint(counted);
        assert_eq!(secret.expose().len(), CHARS);
        let read = BearerSecret::parse(secret.expose()).expect("its own");
        assert_eq!(read.digest(), secret.digest());
        assert_eq!(secret.digest().as_hex().len(), 64);
        assert_eq!(
            format!("{secret:?}{:?}", secret.digest())
                .matches("hidden")
                .count(),
            2
        );
        let (short, odd) = (&secret.expose()[1..], format!("{}!", &secret.expose()[1..]));
        for text in ["", short, &odd] {
            assert!(BearerSecret::parse(text).is_none(), "{text:?}");
        }
    }
}
