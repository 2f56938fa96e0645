//! Redeem codes: what is typed to get credit.
//!
//! Twenty symbols of Crockford's base 32, in groups of five: letters and digits that are not taken
//! for one another, in either case. Eighteen are random, 90 bits, so codes cannot be guessed, and a
//! digest without salt keeps them. The last two are a checksum: one wrong symbol, or two that were
//! swapped, are noticed before any database is asked.

use std::fmt;

use sha2::{Digest, Sha256};

use crate::Entropy;

const SYMBOLS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const RANDOM: usize = 18;
const ALL: usize = 20;
const GROUP: usize = 5;
/// The largest prime below 32 × 32: no single slip is a multiple of it.
const MODULUS: u32 = 1_021;
/// So many symbols are shown of a code that is kept.
const HINT: usize = 4;

/// A code in clear: for whoever made it, once, and for whoever types it.
#[derive(Clone, PartialEq, Eq)]
pub struct RedeemCode(String);

impl RedeemCode {
    /// A new code.
    #[must_use]
    pub fn mint(entropy: Entropy) -> Self {
        let mut bytes = [0_u8; RANDOM];
        entropy(&mut bytes);
        // A symbol is five bits of a byte of its own: each has the same chance.
        let mut values: Vec<u8> = bytes.iter().map(|byte| byte & 31).collect();
        values.extend(checksum(&values));
        let symbols = values.iter().map(|value| symbol(*value));
        RedeemCode(symbols.collect())
    }

    /// The code that was typed: in either case, with `O` for 0, `I` and `L` for 1, and with spaces
    /// and dashes anywhere. None if nobody made such a code.
    #[must_use]
    pub fn parse(typed: &str) -> Option<Self> {
        let symbols = typed.chars().filter(|it| !matches!(it, '-' | ' '));
        let values: Option<Vec<u8>> = symbols.take(ALL + 1).map(value).collect();
        let values = values.filter(|values| values.len() == ALL)?;
        let (random, check) = values.split_at(RANDOM);
        (checksum(random) == check)
            .then(|| RedeemCode(values.iter().map(|it| symbol(*it)).collect()))
    }

    /// The code as it is shown: in groups.
    #[must_use]
    pub fn expose(&self) -> String {
        let groups = self.0.as_bytes().chunks(GROUP);
        let groups: Vec<_> = groups.map(String::from_utf8_lossy).collect();
        groups.join("-")
    }

    /// What it is found by: SHA-256, hexadecimal.
    #[must_use]
    pub fn digest(&self) -> String {
        let digest = Sha256::digest(self.0.as_bytes());
        digest.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Its beginning, to tell it from others by.
    #[must_use]
    pub fn hint(&self) -> String {
        format!("{}…", &self.0[..HINT])
    }
}

impl fmt::Debug for RedeemCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RedeemCode(hidden)")
    }
}

fn symbol(value: u8) -> char {
    char::from(SYMBOLS[usize::from(value & 31)])
}

fn value(symbol: char) -> Option<u8> {
    let symbol = match symbol.to_ascii_uppercase() {
        'O' => '0',
        'I' | 'L' => '1',
        other => other,
    };
    let place = SYMBOLS.iter().position(|it| char::from(*it) == symbol)?;
    u8::try_from(place).ok()
}

/// The two symbols that end a code.
fn checksum(random: &[u8]) -> [u8; 2] {
    let fold = |sum: u32, value: &u8| (sum * 32 + u32::from(*value)) % MODULUS;
    let sum = random.iter().fold(0, fold);
    let symbol = |bits: u32| u8::try_from(bits & 31).unwrap_or_default();
    [symbol(sum >> 5), symbol(sum)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU8, Ordering};

    fn entropy(bytes: &mut [u8]) {
        static NEXT: AtomicU8 = AtomicU8::new(7);
        bytes.fill_with(|| NEXT.fetch_add(37, Ordering::Relaxed));
    }

    #[test]
    fn a_code_is_read_as_people_type_it() {
        let code = RedeemCode::mint(entropy);
        let shown = code.expose();
        assert_eq!(shown.len(), 23);
        for typed in [
            shown.clone(),
            shown.to_lowercase(),
            shown.replace('-', ""),
            format!(" {} ", shown.replace('-', " ")),
            shown.replace('0', "o").replace('1', "l"),
        ] {
            assert_eq!(RedeemCode::parse(&typed), Some(code.clone()), "{typed}");
        }
        for typed in [
            "",
            "0",
            &shown[1..],
            &format!("{shown}0"),
            "Ü",
            &"0".repeat(400),
        ] {
            assert_eq!(RedeemCode::parse(typed), None, "{typed}");
        }
        assert!(!format!("{code:?}").contains(&shown[..5]));
        assert_eq!(code.hint().chars().count(), 5);
        assert_eq!(code.digest().len(), 64);
    }

    #[test]
    fn a_slip_of_the_finger_is_noticed() {
        let code = RedeemCode::mint(entropy).0;
        let typed = code.clone().into_bytes();
        for at in 0..ALL {
            for other in SYMBOLS.iter().filter(|it| **it != typed[at]) {
                let mut wrong = typed.clone();
                wrong[at] = *other;
                let wrong = String::from_utf8(wrong).expect("symbols");
                assert_eq!(RedeemCode::parse(&wrong), None, "{wrong} for {code}");
            }
            if at > 0 && typed[at] != typed[at - 1] {
                let mut wrong = typed.clone();
                wrong.swap(at, at - 1);
                let wrong = String::from_utf8(wrong).expect("symbols");
                assert_eq!(RedeemCode::parse(&wrong), None, "{wrong} for {code}");
            }
        }
    }

    #[test]
    fn codes_differ() {
        let (one, other) = (RedeemCode::mint(entropy), RedeemCode::mint(entropy));
        assert_ne!(one, other);
        assert_ne!(one.digest(), other.digest());
    }
}
