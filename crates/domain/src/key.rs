//! Secret keys: `sk-proj-fare…`, `sk-svcacct-fare…`, `sk-admin-fare…`.
//!
//! OpenAI's class prefix, our mark, 43 base62 characters of entropy (256 bits), and the CRC-32 of
//! all before it in 6 more: a scanner finds our keys without false alarms, and a mistyped key is
//! refused without a look-up. Only the SHA-256 of a key is ever kept.

use std::fmt;
use std::hash::{Hash, Hasher};

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::Entropy;
use crate::id::{base62_number, random_base62};

const MARK: &str = "fare";
const ENTROPY_CHARS: usize = 43;
const CHECKSUM_CHARS: usize = 6;
/// How many characters follow the mark.
pub(crate) const REST_CHARS: usize = ENTROPY_CHARS + CHECKSUM_CHARS;

/// What a key may call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeyClass {
    /// The data plane, as a person's key in a project.
    Project,
    /// The data plane, as a service account.
    ServiceAccount,
    /// The Administration API.
    Admin,
}

impl KeyClass {
    /// Every class.
    pub const ALL: [KeyClass; 3] = [KeyClass::Project, KeyClass::ServiceAccount, KeyClass::Admin];

    /// OpenAI's prefix of this class.
    #[must_use]
    pub fn prefix(self) -> &'static str {
        match self {
            KeyClass::Project => "sk-proj-",
            KeyClass::ServiceAccount => "sk-svcacct-",
            KeyClass::Admin => "sk-admin-",
        }
    }

    /// The word the class is stored as.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            KeyClass::Project => "project",
            KeyClass::ServiceAccount => "service_account",
            KeyClass::Admin => "admin",
        }
    }

    /// The class stored as `word`.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.as_str() == word)
    }
}

/// A well-formed secret key. It cannot be printed, compared or serialized by accident; whoever
/// must show it once says so with [`KeySecret::expose`].
pub struct KeySecret {
    class: KeyClass,
    text: String,
}

impl fmt::Debug for KeySecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeySecret(hidden)")
    }
}

/// Why a text is not one of our keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseKeyError {
    /// Another program's key, or none.
    #[error("not a key of this kind of installation")]
    NotOurs,
    /// Ours, but cut, lengthened or mistyped.
    #[error("the key's check sum does not match: a character is missing or mistyped")]
    Mistyped,
}

impl KeySecret {
    /// A new key.
    #[must_use]
    pub fn mint(class: KeyClass, entropy: Entropy) -> Self {
        let mut text = format!(
            "{}{MARK}{}",
            class.prefix(),
            random_base62(ENTROPY_CHARS, entropy)
        );
        text.push_str(&checksum(&text));
        KeySecret { class, text }
    }

    /// Reads a key that a caller sent. Touches nothing but the text.
    ///
    /// # Errors
    /// [`ParseKeyError`]: the key need not be looked up.
    pub fn parse(text: &str) -> Result<Self, ParseKeyError> {
        let (class, rest) = KeyClass::ALL
            .into_iter()
            .find_map(|class| text.strip_prefix(class.prefix()).map(|rest| (class, rest)))
            .and_then(|(class, rest)| rest.strip_prefix(MARK).map(|rest| (class, rest)))
            .ok_or(ParseKeyError::NotOurs)?;
        let base62 = rest.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if !base62 || rest.len() != REST_CHARS {
            return Err(ParseKeyError::Mistyped);
        }
        let (body, sum) = text.split_at(text.len() - CHECKSUM_CHARS);
        if checksum(body) != sum {
            return Err(ParseKeyError::Mistyped);
        }
        Ok(KeySecret {
            class,
            text: text.to_owned(),
        })
    }

    /// What the key may call.
    #[must_use]
    pub fn class(&self) -> KeyClass {
        self.class
    }

    /// The secret itself, to be shown once to the person it is made for.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.text
    }

    /// What is kept of the key.
    #[must_use]
    pub fn digest(&self) -> KeyDigest {
        KeyDigest(Sha256::digest(self.text.as_bytes()).into())
    }

    /// Class and mark, three dots, and the last four characters: enough to recognise the key.
    #[must_use]
    pub fn redacted(&self) -> String {
        let tail = &self.text[self.text.len() - 4..];
        format!("{}{MARK}...{tail}", self.class.prefix())
    }
}

fn checksum(body: &str) -> String {
    base62_number(crc32fast::hash(body.as_bytes()), CHECKSUM_CHARS)
}

/// The SHA-256 of a key. A key has 256 bits of entropy, so a fast hash is enough.
#[derive(Clone, Copy)]
pub struct KeyDigest([u8; 32]);

impl KeyDigest {
    /// A digest read from where it was kept, as hexadecimal.
    #[must_use]
    pub fn from_hex(hex: &str) -> Option<Self> {
        let digit = |letter: u8| u8::try_from(char::from(letter).to_digit(16)?).ok();
        let letters: &[u8; 64] = hex.as_bytes().try_into().ok()?;
        let mut bytes = [0_u8; 32];
        for (byte, pair) in bytes.iter_mut().zip(letters.chunks_exact(2)) {
            *byte = digit(pair[0])? << 4 | digit(pair[1])?;
        }
        Some(KeyDigest(bytes))
    }

    /// The digest as 64 hexadecimal digits.
    #[must_use]
    pub fn to_hex(self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

// Compared in constant time, so that a look-up tells nothing about how close a guess came.
impl PartialEq for KeyDigest {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for KeyDigest {}

// A digest is uniform already; hashing all of it keeps equal ones equal.
impl Hash for KeyDigest {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl fmt::Debug for KeyDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyDigest(hidden)")
    }
}

/// How a rejected key may be shown back: its first eight characters, stars, and its last four;
/// nothing but stars when the text is too short for that to hide anything.
#[must_use]
pub fn mask(text: &str) -> String {
    let chars: Vec<char> = text.chars().take(512).collect();
    if chars.len() < 20 {
        return "*".repeat(chars.len().min(8));
    }
    let head: String = chars[..8].iter().collect();
    let tail: String = chars[chars.len() - 4..].iter().collect();
    format!("{head}{}{tail}", "*".repeat((chars.len() - 12).min(36)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::sync::atomic::{AtomicU8, Ordering};

    fn stirred(buffer: &mut [u8]) {
        static SEED: AtomicU8 = AtomicU8::new(1);
        for byte in buffer {
            *byte = SEED.fetch_add(37, Ordering::Relaxed);
        }
    }

    #[test]
    fn keys_have_the_promised_form() {
        for class in KeyClass::ALL {
            let key = KeySecret::mint(class, stirred);
            let rest = key
                .expose()
                .strip_prefix(class.prefix())
                .expect("class prefix");
            let rest = rest.strip_prefix("fare").expect("mark");
            assert_eq!(rest.len(), 49);
            assert!(rest.bytes().all(|b| b.is_ascii_alphanumeric()));
            let read = KeySecret::parse(key.expose()).expect("its own key");
            assert_eq!(read.class(), class);
            assert_eq!(read.digest(), key.digest());
            assert_eq!(
                KeyDigest::from_hex(&key.digest().to_hex()),
                Some(key.digest())
            );
            let redacted = key.redacted();
            assert!(redacted.starts_with(&format!("{}fare...", class.prefix())));
            assert!(redacted.ends_with(&key.expose()[key.expose().len() - 4..]));
        }
    }

    #[test]
    fn a_secret_never_prints_itself() {
        let key = KeySecret::mint(KeyClass::Project, stirred);
        assert_eq!(
            format!("{key:?} {:?}", key.digest()),
            "KeySecret(hidden) KeyDigest(hidden)"
        );
    }

    #[test]
    fn other_texts_are_refused_without_a_look_up() {
        let good = KeySecret::mint(KeyClass::Project, stirred);
        let good = good.expose();
        let table = [
            (String::new(), ParseKeyError::NotOurs),
            ("sk-abc".into(), ParseKeyError::NotOurs),
            ("sk-proj-abcdef".into(), ParseKeyError::NotOurs),
            (
                good.replace("sk-proj-", "sk-admin-"),
                ParseKeyError::Mistyped,
            ),
            (good[..good.len() - 1].into(), ParseKeyError::Mistyped),
            (format!("{good}a"), ParseKeyError::Mistyped),
            (
                format!("{}é", &good[..good.len() - 2]),
                ParseKeyError::Mistyped,
            ),
        ];
        for (text, want) in table {
            assert_eq!(KeySecret::parse(&text).map(|_| ()), Err(want), "{text}");
        }
    }

    #[test]
    fn a_masked_key_keeps_its_middle_hidden() {
        let masked = mask("sk-proj-fareABCDEFGHIJKLMNOP");
        assert_eq!(masked, "sk-proj-****************MNOP");
        assert_eq!(mask("short"), "*****");
        assert_eq!(mask("ü".repeat(30).as_str()).chars().count(), 30);
    }

    proptest! {
        #[test]
        fn any_one_mistyped_character_is_noticed(at in 12_usize..61, letter in "[0-9A-Za-z]") {
            let key = KeySecret::mint(KeyClass::Project, stirred);
            let mut text = key.expose().to_owned();
            prop_assume!(text[at..=at] != letter);
            text.replace_range(at..=at, &letter);
            prop_assert_eq!(KeySecret::parse(&text).map(|_| ()), Err(ParseKeyError::Mistyped));
        }

        #[test]
        fn nothing_a_caller_sends_can_panic(text in "\\PC*") {
            let _ = KeySecret::parse(&text);
            let _ = mask(&text);
        }
    }
}
