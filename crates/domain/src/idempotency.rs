//! `Idempotency-Key`: how a request that is sent again is recognised.
//!
//! Only digests are kept: of the header's value, which names the request within its project, and of
//! what the request says, so that one name cannot stand for two requests.

use std::fmt::Write;

use sha2::{Digest, Sha256};

use crate::time::DAY_US;

/// The longest value of the header, in bytes.
pub const MOST_BYTES: usize = 255;
/// How long a request is remembered, from when it was first sent.
pub const KEPT_US: i64 = DAY_US;

/// The SHA-256 of an `Idempotency-Key`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct IdempotencyKey([u8; 32]);

/// The SHA-256 of what a request says: its endpoint and its body, byte for byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestDigest([u8; 32]);

impl IdempotencyKey {
    /// The key that a header's value names: 1 to [`MOST_BYTES`] visible ASCII characters.
    #[must_use]
    pub fn parse(value: &[u8]) -> Option<Self> {
        let fits = (1..=MOST_BYTES).contains(&value.len());
        let visible = value.iter().all(u8::is_ascii_graphic);
        (fits && visible).then(|| IdempotencyKey(Sha256::digest(value).into()))
    }

    /// A byte that is as likely to be any as another, for dividing keys up.
    #[must_use]
    pub fn first_byte(self) -> u8 {
        self.0[0]
    }

    /// The digest as 64 hexadecimal digits.
    #[must_use]
    pub fn to_hex(self) -> String {
        hex(&self.0)
    }
}

impl RequestDigest {
    /// Of a request to `path`.
    #[must_use]
    pub fn of(path: &str, body: &[u8]) -> Self {
        let mut sha = Sha256::new();
        sha.update(path.as_bytes());
        // No path holds a zero byte, so nothing can move from the one to the other.
        sha.update([0]);
        sha.update(body);
        RequestDigest(sha.finalize().into())
    }

    /// The digest as 64 hexadecimal digits.
    #[must_use]
    pub fn to_hex(self) -> String {
        hex(&self.0)
    }
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        write!(text, "{byte:02x}").expect("a text takes all that is written");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_a_short_visible_text() {
        let longest = "k".repeat(MOST_BYTES);
        for good in ["a", "order-17/3", "\"quoted\"", "~!", &longest] {
            assert!(IdempotencyKey::parse(good.as_bytes()).is_some(), "{good}");
        }
        let too_long = "k".repeat(MOST_BYTES + 1);
        for bad in ["", " ", "a b", "a\t", "é", "\u{7f}", &too_long] {
            assert!(IdempotencyKey::parse(bad.as_bytes()).is_none(), "{bad:?}");
        }
        assert!(IdempotencyKey::parse(b"\xff").is_none());
    }

    #[test]
    fn digests_are_sha_256_and_tell_path_from_body() {
        let key = IdempotencyKey::parse(b"abc").expect("a key");
        assert_eq!(
            key.to_hex(),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
        let digest = RequestDigest::of("/v1/a", b"b");
        assert_eq!(digest, RequestDigest::of("/v1/a", b"b"));
        assert_ne!(digest, RequestDigest::of("/v1/", b"ab"));
        assert_ne!(digest, RequestDigest::of("/v1/a", b"c"));
        assert_eq!(digest.to_hex().len(), 64);
    }
}
