//! Recovery codes: what lets somebody in whose second factor is lost. Each works once.
//!
//! A code has 80 bits, so nobody guesses one, neither here nor from what is kept of it; a fast hash
//! is enough. It is bound to its owner, so that equal codes of two people would not look equal.

use std::fmt;

use sha2::{Digest, Sha256};

use super::code::hex;
use crate::Entropy;
use crate::id::UserId;

/// How many somebody gets at once.
pub const COUNT: usize = 10;
/// So many, or fewer, are few: time to make new ones.
pub const FEW: i64 = 3;

const CHARS: usize = 16;
const GROUP: usize = 4;
/// Crockford's base32: no letter looks like another, or like a digit.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// A recovery code. It cannot be printed by accident.
#[derive(Clone, PartialEq, Eq)]
pub struct RecoveryCode(String);

impl RecoveryCode {
    /// A new code.
    #[must_use]
    pub fn mint(entropy: Entropy) -> Self {
        let mut bytes = [0_u8; CHARS];
        entropy(&mut bytes);
        // 256 is a multiple of 32: every letter has the same chance.
        let letters = bytes.map(|byte| char::from(ALPHABET[usize::from(byte % 32)]));
        RecoveryCode(letters.iter().collect())
    }

    /// Reads a code as somebody typed it: in small letters too, grouped as they like, and with the
    /// letters that look like digits.
    #[must_use]
    pub fn parse(typed: &str) -> Option<Self> {
        let mut code = String::with_capacity(CHARS);
        for letter in typed.chars().filter(|it| *it != '-' && *it != ' ') {
            let letter = match letter.to_ascii_uppercase() {
                'O' => '0',
                'I' | 'L' => '1',
                other => other,
            };
            let known = u8::try_from(letter).is_ok_and(|byte| ALPHABET.contains(&byte));
            if !known || code.len() == CHARS {
                return None;
            }
            code.push(letter);
        }
        (code.len() == CHARS).then_some(RecoveryCode(code))
    }

    /// The code for its owner, such as `7K3M-X2QP-90BD-ZT5W`.
    #[must_use]
    pub fn expose(&self) -> String {
        let groups = self.0.as_bytes().chunks(GROUP);
        let groups = groups.map(|group| String::from_utf8_lossy(group).into_owned());
        groups.collect::<Vec<_>>().join("-")
    }

    /// What is kept of the code: SHA-256, hexadecimal.
    #[must_use]
    pub fn digest(&self, owner: &UserId) -> String {
        let mut sha = Sha256::new();
        // No part holds a zero byte, so nothing can move from one to the next.
        for part in ["recovery code", owner.as_str(), &self.0] {
            sha.update(part.as_bytes());
            sha.update([0]);
        }
        hex(&sha.finalize())
    }
}

impl fmt::Debug for RecoveryCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RecoveryCode(hidden)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn counted(buffer: &mut [u8]) {
        for (index, byte) in (0..).zip(buffer) {
            *byte = 31 - index;
        }
    }

    #[test]
    fn a_code_is_read_however_it_is_typed() {
        let code = RecoveryCode::mint(counted);
        assert_eq!(code.expose(), "ZYXW-VTSR-QPNM-KJHG");
        assert_eq!(format!("{code:?}"), "RecoveryCode(hidden)");
        for typed in [
            "ZYXW-VTSR-QPNM-KJHG",
            "zyxwvtsrqpnmkjhg",
            " zyxw vtsr-QPNM kjhg ",
        ] {
            assert_eq!(RecoveryCode::parse(typed), Some(code.clone()), "{typed:?}");
        }
        let like_digits = RecoveryCode::parse("oO00-iIlL-1111-0000").expect("digits");
        assert_eq!(like_digits.expose(), "0000-1111-1111-0000");
        for typed in [
            "",
            "ZYXW-VTSR-QPNM-KJH",
            "ZYXW-VTSR-QPNM-KJHGG",
            "ZYXW-VTSR-QPNM-KJHU",
        ] {
            assert_eq!(RecoveryCode::parse(typed), None, "{typed:?}");
        }
    }

    #[test]
    fn what_is_kept_is_its_owners_alone() {
        let code = RecoveryCode::mint(counted);
        let (ada, bob) = (UserId::new("user-ada"), UserId::new("user-bob"));
        assert_eq!(code.digest(&ada).len(), 64);
        assert_ne!(code.digest(&ada), code.digest(&bob));
        let other = RecoveryCode::parse("0000-0000-0000-0000").expect("one");
        assert_ne!(code.digest(&ada), other.digest(&ada));
    }

    proptest! {
        #[test]
        fn no_text_breaks_the_reader(text in ".{0,40}") {
            if let Some(code) = RecoveryCode::parse(&text) {
                prop_assert_eq!(RecoveryCode::parse(&code.expose()), Some(code));
            }
        }
    }
}
