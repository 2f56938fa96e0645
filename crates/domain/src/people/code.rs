//! Codes of six digits that prove that a mailbox or a phone is somebody's.
//!
//! A code has few possibilities, so everything around it is narrow: ten minutes, five tries, a few
//! sendings with growing waits between them, and a digest that binds it to what it was sent for.

use std::fmt;

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::Entropy;
use crate::time::{AtUs, MINUTE_US, SECOND_US};

/// How long a code is good for.
pub const LIFETIME_US: i64 = 10 * MINUTE_US;
/// How often a code may be tried.
pub const TRIES: i64 = 5;
/// How often a code is sent for the same thing.
pub const SENDINGS: i64 = 5;
/// The wait after the first sending; it doubles with each.
const FIRST_WAIT_US: i64 = 30 * SECOND_US;

const DIGITS: usize = 6;
const POSSIBLE: u32 = 1_000_000;

/// What a code was sent for. One sent for something else is no use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// The address of a sign-up.
    SignupEmail,
    /// The phone number of a sign-up.
    SignupPhone,
    /// The new address of a user.
    NewEmail,
    /// The new phone number of a user.
    NewPhone,
}

impl Purpose {
    /// The word the purpose is stored as.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Purpose::SignupEmail => "signup_email",
            Purpose::SignupPhone => "signup_phone",
            Purpose::NewEmail => "new_email",
            Purpose::NewPhone => "new_phone",
        }
    }
}

/// A code in clear: for the message that it is sent in, and nothing else.
pub struct Code(String);

impl Code {
    /// A new code, each with the same chance.
    #[must_use]
    pub fn mint(entropy: Entropy) -> Self {
        // The largest multiple of a million: numbers above it would favour the first codes.
        let fair = u32::MAX - u32::MAX % POSSIBLE;
        loop {
            let mut bytes = [0_u8; 4];
            entropy(&mut bytes);
            let number = u32::from_le_bytes(bytes);
            if number < fair {
                return Code(format!("{:06}", number % POSSIBLE));
            }
        }
    }

    /// The digits.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Code(hidden)")
    }
}

/// A code as it is kept: enough to recognise it, for as long as it is good.
#[derive(Clone, PartialEq, Eq)]
pub struct SentCode {
    /// What it was sent for.
    pub purpose: Purpose,
    /// Hexadecimal; another one for each code.
    pub salt: String,
    /// SHA-256 over purpose, salt and code, hexadecimal.
    pub digest: String,
    /// How often it may still be tried.
    pub tries_left: i64,
    /// How many codes were sent for this, with this one.
    pub sendings: i64,
    /// When it was sent.
    pub sent_at: AtUs,
}

/// Why what was typed does not prove anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CodeRefusal {
    /// It is not the code.
    Wrong,
    /// It may be the code, and is too late.
    Expired,
    /// It was tried too often.
    NoTriesLeft,
}

/// Why no other code is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResendRefusal {
    /// Not before this instant.
    Wait(AtUs),
    /// Enough were sent: whatever it is for has to be begun anew.
    NoMore,
}

impl SentCode {
    /// Keeps the first code that is sent for something.
    #[must_use]
    pub fn first(purpose: Purpose, code: &Code, now: AtUs, entropy: Entropy) -> Self {
        SentCode::numbered(1, purpose, code, now, entropy)
    }

    /// Keeps another code in place of this one, which is then worth nothing.
    ///
    /// # Errors
    /// [`ResendRefusal`].
    pub fn next(&self, code: &Code, now: AtUs, entropy: Entropy) -> Result<Self, ResendRefusal> {
        if self.sendings >= SENDINGS {
            return Err(ResendRefusal::NoMore);
        }
        let from = self.resend_at();
        match now < from {
            true => Err(ResendRefusal::Wait(from)),
            false => {
                let sendings = self.sendings + 1;
                Ok(SentCode::numbered(
                    sendings,
                    self.purpose,
                    code,
                    now,
                    entropy,
                ))
            }
        }
    }

    fn numbered(sendings: i64, purpose: Purpose, code: &Code, now: AtUs, entropy: Entropy) -> Self {
        let mut salt = [0_u8; 16];
        entropy(&mut salt);
        let salt = hex(&salt);
        SentCode {
            purpose,
            digest: digest(purpose, &salt, &code.0),
            salt,
            tries_left: TRIES,
            sendings,
            sent_at: now,
        }
    }

    /// The earliest instant at which another code is sent.
    #[must_use]
    pub fn resend_at(&self) -> AtUs {
        let doublings = self.sendings.clamp(1, SENDINGS) - 1;
        self.sent_at.plus(FIRST_WAIT_US << doublings)
    }

    /// The instant from which the code is worth nothing.
    #[must_use]
    pub fn expires_at(&self) -> AtUs {
        self.sent_at.plus(LIFETIME_US)
    }

    /// Holds what was typed against the code. Takes a try, also when it is right.
    ///
    /// # Errors
    /// [`CodeRefusal`].
    pub fn check(&mut self, typed: &str, now: AtUs) -> Result<(), CodeRefusal> {
        if self.tries_left <= 0 {
            return Err(CodeRefusal::NoTriesLeft);
        }
        self.tries_left -= 1;
        // Whoever types a code leaves spaces where the message had them.
        let typed: String = typed
            .chars()
            .filter(|it| *it != ' ')
            .take(DIGITS + 1)
            .collect();
        let given = digest(self.purpose, &self.salt, &typed);
        let equal: bool = given.as_bytes().ct_eq(self.digest.as_bytes()).into();
        match equal {
            false if self.tries_left == 0 => Err(CodeRefusal::NoTriesLeft),
            false => Err(CodeRefusal::Wrong),
            true if now >= self.expires_at() => Err(CodeRefusal::Expired),
            true => Ok(()),
        }
    }
}

impl fmt::Debug for SentCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SentCode")
            .field("purpose", &self.purpose)
            .field("tries_left", &self.tries_left)
            .field("sendings", &self.sendings)
            .field("sent_at", &self.sent_at)
            .finish_non_exhaustive()
    }
}

fn digest(purpose: Purpose, salt: &str, code: &str) -> String {
    let mut sha = Sha256::new();
    for part in [purpose.as_str(), salt, code] {
        // No part holds a zero byte, so nothing can move from one to the next.
        sha.update(part.replace('\0', "?").as_bytes());
        sha.update([0]);
    }
    hex(&sha.finalize())
}

/// Bytes as hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::sync::atomic::{AtomicU64, Ordering};

    fn stirred(buffer: &mut [u8]) {
        static COUNTER: AtomicU64 = AtomicU64::new(1);
        for byte in buffer {
            let word = COUNTER.fetch_add(1, Ordering::Relaxed);
            *byte = word.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes()[0];
        }
    }

    const START: AtUs = AtUs(1_800_000_000_000_000);

    fn sent() -> (SentCode, String) {
        let code = Code::mint(stirred);
        let kept = SentCode::first(Purpose::SignupEmail, &code, START, stirred);
        (kept, code.expose().to_owned())
    }

    fn wrong(code: &str) -> String {
        let last = if code.ends_with('0') { "1" } else { "0" };
        format!("{}{last}", &code[..5])
    }

    #[test]
    fn a_code_is_six_digits_and_every_leading_digit_occurs() {
        let mut first = std::collections::HashSet::new();
        for _ in 0..500 {
            let code = Code::mint(stirred);
            assert_eq!(code.expose().len(), 6);
            assert!(code.expose().bytes().all(|byte| byte.is_ascii_digit()));
            first.insert(code.expose().as_bytes()[0]);
        }
        assert_eq!(first.len(), 10);
    }

    #[test]
    fn the_code_is_taken_and_nothing_near_it() {
        let (kept, code) = sent();
        let spaced = format!(" {} {}", &code[..3], &code[3..]);
        for typed in [&code, &spaced] {
            assert_eq!(kept.clone().check(typed, START), Ok(()), "{typed}");
        }
        let longer = format!("{code}0");
        for typed in ["", &code[..5], &longer, &wrong(&code), "\0", "１２３４５６"] {
            let refused = kept.clone().check(typed, START);
            assert_eq!(refused, Err(CodeRefusal::Wrong), "{typed:?}");
        }
    }

    #[test]
    fn a_code_for_one_thing_is_none_for_another() {
        let (kept, code) = sent();
        let mut other = SentCode {
            purpose: Purpose::NewEmail,
            ..kept
        };
        assert_eq!(other.check(&code, START), Err(CodeRefusal::Wrong));
    }

    #[test]
    fn after_five_tries_even_the_code_is_refused() {
        let (mut kept, code) = sent();
        for _ in 1..TRIES {
            assert_eq!(kept.check(&wrong(&code), START), Err(CodeRefusal::Wrong));
        }
        let last = kept.check(&wrong(&code), START);
        assert_eq!(last, Err(CodeRefusal::NoTriesLeft));
        assert_eq!(kept.check(&code, START), Err(CodeRefusal::NoTriesLeft));
    }

    #[test]
    fn a_code_is_good_for_ten_minutes() {
        let (kept, code) = sent();
        let last = START.plus(LIFETIME_US - 1);
        assert_eq!(kept.clone().check(&code, last), Ok(()));
        let mut kept = kept;
        let over = kept.check(&code, START.plus(LIFETIME_US));
        assert_eq!(over, Err(CodeRefusal::Expired));
    }

    #[test]
    fn other_codes_are_sent_after_growing_waits_and_not_for_ever() {
        let (mut kept, mut code) = sent();
        let mut now = START;
        for wait_s in [30, 60, 120, 240] {
            let from = now.plus(wait_s * SECOND_US);
            let early = kept.next(&Code::mint(stirred), from.plus(-1), stirred);
            assert_eq!(early.unwrap_err(), ResendRefusal::Wait(from));
            now = from;
            let next = Code::mint(stirred);
            let replaced = kept.next(&next, now, stirred).expect("it was waited for");
            assert_eq!(replaced.clone().check(&code, now), Err(CodeRefusal::Wrong));
            code = next.expose().to_owned();
            assert_eq!(replaced.clone().check(&code, now), Ok(()));
            kept = replaced;
        }
        let much_later = now.plus(1_000 * MINUTE_US);
        let more = kept.next(&Code::mint(stirred), much_later, stirred);
        assert_eq!(more.unwrap_err(), ResendRefusal::NoMore);
    }

    #[test]
    fn nothing_kept_or_printed_holds_the_code() {
        let (kept, code) = sent();
        let shown = format!("{kept:?} {} {}", kept.salt, kept.digest);
        assert!(!shown.contains(&code));
        assert!(!format!("{kept:?}").contains(&kept.digest));
        assert_eq!(format!("{:?}", Code::mint(stirred)), "Code(hidden)");
    }

    proptest! {
        #[test]
        fn guesses_never_outnumber_the_tries(
            guesses in proptest::collection::vec("[0-9]{6}", 0..20),
        ) {
            let (mut kept, code) = sent();
            let mut judged = 0;
            for guess in guesses.iter().filter(|guess| **guess != code) {
                match kept.check(guess, START) {
                    Err(CodeRefusal::Wrong) => judged += 1,
                    refused => prop_assert_eq!(refused, Err(CodeRefusal::NoTriesLeft)),
                }
            }
            prop_assert!(judged < TRIES);
        }
    }
}
