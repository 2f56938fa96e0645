//! Secrets that must be read again, such as those that webhooks are signed with: what the database
//! keeps of them can be opened with the installation's key only, which is not in the database.
//!
//! Each text is encrypted by ChaCha20-Poly1305 with a key of its own, which HKDF-SHA256 makes from
//! the installation's key and 32 random bytes. So, as with XChaCha20, nonces cannot run out or
//! repeat, however much is sealed. What it is for is authenticated with it: a sealed secret that is
//! moved to another row does not open there.

use std::fmt;

use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use ring::hkdf::{HKDF_SHA256, Prk, Salt};

use crate::Entropy;

const KEY_BYTES: usize = 32;
const SALT_BYTES: usize = 32;
const NAME_BYTES: usize = 8;
/// The first byte of everything sealed, should it ever be done in another way.
const VERSION: u8 = 1;
const HEAD_BYTES: usize = 1 + NAME_BYTES + SALT_BYTES;
/// A key encrypts one text only, so its nonce may be any.
const NONCE: [u8; 12] = [0; 12];

/// What an installation's secrets are sealed with.
#[derive(Clone)]
pub struct SealingKey {
    secret: Prk,
    name: [u8; NAME_BYTES],
}

/// Why a sealed secret does not open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotOpened {
    /// It was sealed with another key.
    #[error("it was sealed with another secret key than this server has")]
    OtherKey,
    /// It is damaged, or belongs to something else.
    #[error("what is kept of it is damaged")]
    Damaged,
}

impl SealingKey {
    /// A key of 32 random bytes.
    #[must_use]
    pub fn new(bytes: &[u8; KEY_BYTES]) -> Self {
        let secret = Salt::new(HKDF_SHA256, b"farebox sealing").extract(bytes);
        let mut name = [0; NAME_BYTES];
        fill(&secret, &[b"name"], &mut name);
        SealingKey { secret, name }
    }

    /// A key that is written as 64 hexadecimal digits; none if it is not.
    #[must_use]
    pub fn from_hex(text: &str) -> Option<Self> {
        let digits = text.as_bytes();
        let mut bytes = [0; KEY_BYTES];
        if digits.len() != 2 * KEY_BYTES {
            return None;
        }
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            let digit = |at: usize| char::from(pair[at]).to_digit(16);
            *byte = u8::try_from(digit(0)? * 16 + digit(1)?).ok()?;
        }
        Some(SealingKey::new(&bytes))
    }

    /// Tells keys apart and nothing about them: 16 hexadecimal digits.
    #[must_use]
    pub fn name(&self) -> String {
        self.name.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Seals a text for one place, such as an id: it opens nowhere else.
    #[must_use]
    pub fn seal(&self, plain: &[u8], place: &str, entropy: Entropy) -> Vec<u8> {
        let mut salt = [0; SALT_BYTES];
        entropy(&mut salt);
        let mut body = plain.to_vec();
        let nonce = Nonce::assume_unique_for_key(NONCE);
        self.key(&salt)
            .seal_in_place_append_tag(nonce, Aad::from(place), &mut body)
            .expect("what is sealed is far shorter than the cipher's limit");
        let mut sealed = Vec::with_capacity(HEAD_BYTES + body.len());
        sealed.push(VERSION);
        sealed.extend_from_slice(&self.name);
        sealed.extend_from_slice(&salt);
        sealed.append(&mut body);
        sealed
    }

    /// Opens what was sealed for `place`.
    ///
    /// # Errors
    /// [`NotOpened`].
    pub fn open(&self, sealed: &[u8], place: &str) -> Result<Vec<u8>, NotOpened> {
        let (head, body) = sealed
            .split_at_checked(HEAD_BYTES)
            .ok_or(NotOpened::Damaged)?;
        if head[0] != VERSION {
            return Err(NotOpened::Damaged);
        }
        let (name, salt) = head[1..].split_at(NAME_BYTES);
        if name != self.name {
            return Err(NotOpened::OtherKey);
        }
        let mut body = body.to_vec();
        let nonce = Nonce::assume_unique_for_key(NONCE);
        let opened = self
            .key(salt)
            .open_in_place(nonce, Aad::from(place), &mut body);
        let length = opened.map_err(|_| NotOpened::Damaged)?.len();
        body.truncate(length);
        Ok(body)
    }

    fn key(&self, salt: &[u8]) -> LessSafeKey {
        let mut bytes = [0; KEY_BYTES];
        fill(&self.secret, &[b"text", salt], &mut bytes);
        let key = UnboundKey::new(&CHACHA20_POLY1305, &bytes).expect("it has the cipher's length");
        LessSafeKey::new(key)
    }
}

/// Bytes that `secret` and `info` make, always the same.
fn fill(secret: &Prk, info: &[&[u8]], bytes: &mut [u8]) {
    struct Length(usize);
    impl ring::hkdf::KeyType for Length {
        fn len(&self) -> usize {
            self.0
        }
    }
    secret
        .expand(info, Length(bytes.len()))
        .and_then(|made| made.fill(bytes))
        .expect("HKDF makes far more bytes than that");
}

impl fmt::Debug for SealingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SealingKey({})", self.name())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU8, Ordering};

    use super::*;

    fn counted(buffer: &mut [u8]) {
        static CALLS: AtomicU8 = AtomicU8::new(0);
        buffer.fill(CALLS.fetch_add(1, Ordering::Relaxed));
    }

    #[test]
    fn what_is_sealed_opens_with_its_key_in_its_place_and_nowhere_else() {
        let key = SealingKey::new(&[7; 32]);
        let sealed = key.seal(b"open sesame", "webhook_1", counted);
        assert_eq!(key.open(&sealed, "webhook_1"), Ok(b"open sesame".to_vec()));
        assert_eq!(key.open(&sealed, "webhook_2"), Err(NotOpened::Damaged));
        let other = SealingKey::new(&[8; 32]);
        assert_eq!(other.open(&sealed, "webhook_1"), Err(NotOpened::OtherKey));
        for at in (0..1).chain(1 + NAME_BYTES..sealed.len()) {
            let mut damaged = sealed.clone();
            damaged[at] ^= 1;
            let opened = key.open(&damaged, "webhook_1");
            assert_eq!(opened, Err(NotOpened::Damaged), "{at}");
        }
        for length in 0..sealed.len() {
            let opened = key.open(&sealed[..length], "webhook_1");
            assert_eq!(opened, Err(NotOpened::Damaged), "{length}");
        }
    }

    #[test]
    fn the_same_text_is_never_sealed_the_same_and_nothing_of_it_shows() {
        let key = SealingKey::new(&[7; 32]);
        let seal = || key.seal(b"open sesame", "webhook_1", counted);
        let (one, other) = (seal(), seal());
        assert_ne!(one[HEAD_BYTES..], other[HEAD_BYTES..]);
        assert!(!one.windows(4).any(|part| part == b"open"));
        assert!(!format!("{key:?}").contains("0707"), "{key:?}");
    }

    #[test]
    fn keys_are_read_from_hexadecimal_digits() {
        let key = SealingKey::from_hex(&"0aF1".repeat(16)).expect("a key");
        let mut bytes = [0; 32];
        for pair in bytes.chunks_exact_mut(2) {
            pair.copy_from_slice(&[0x0a, 0xf1]);
        }
        assert_eq!(key.name(), SealingKey::new(&bytes).name());
        for text in ["", "0a", &"0".repeat(63), &"g".repeat(64), &"0".repeat(65)] {
            assert!(SealingKey::from_hex(text).is_none(), "{text}");
        }
    }
}
