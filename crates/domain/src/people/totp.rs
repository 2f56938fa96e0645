//! Authenticator apps: codes that follow from a secret and the time, as every such app makes them
//! (RFC 6238 with HMAC-SHA-1, six digits, 30 seconds).
//!
//! The HMAC is ring's. What is around it are the few lines below, which the vectors of RFC 4226 and
//! RFC 6238 prove: less to trust than another crate.

use std::fmt;

use ring::hmac;
use subtle::ConstantTimeEq;

use crate::Entropy;
use crate::time::{AtUs, SECOND_US};

/// As long as the HMAC's output, as RFC 4226 recommends.
const SECRET_BYTES: usize = 20;
/// How long a code is shown.
const STEP_US: i64 = 30 * SECOND_US;
/// How many steps a clock may be wrong, or a person slow.
const DRIFT_STEPS: i64 = 1;
const DIGITS: usize = 6;
const POSSIBLE: u32 = 1_000_000;

/// What an authenticator app and this installation both know. Whoever has it makes codes, so it
/// cannot be printed or compared by accident.
#[derive(Clone)]
pub struct TotpSecret([u8; SECRET_BYTES]);

impl TotpSecret {
    /// A new secret.
    #[must_use]
    pub fn mint(entropy: Entropy) -> Self {
        let mut bytes = [0_u8; SECRET_BYTES];
        entropy(&mut bytes);
        TotpSecret(bytes)
    }

    /// Reads a secret from where it was kept, as [`TotpSecret::expose`] wrote it.
    #[must_use]
    pub fn parse(base32: &str) -> Option<Self> {
        let (mut bytes, mut bits, mut held) = (Vec::with_capacity(SECRET_BYTES), 0_u32, 0);
        for letter in base32.bytes() {
            let value = BASE32.iter().position(|known| *known == letter)?;
            bits = bits << 5 | u32::try_from(value).ok()?;
            held += 5;
            if held >= 8 {
                held -= 8;
                bytes.push(u8::try_from(bits >> held & 0xff).ok()?);
            }
        }
        bytes.try_into().ok().map(TotpSecret)
    }

    /// The secret in base32, as apps take it.
    #[must_use]
    pub fn expose(&self) -> String {
        let mut text = String::with_capacity(SECRET_BYTES * 8 / 5);
        // Five bytes are eight letters, and the secret is four times that.
        for five in self.0.chunks_exact(5) {
            let bits = five
                .iter()
                .fold(0_u64, |bits, byte| bits << 8 | u64::from(*byte));
            for place in (0..8).rev() {
                let index = usize::try_from(bits >> (5 * place) & 31).expect("below 32");
                text.push(char::from(BASE32[index]));
            }
        }
        text
    }

    /// What a QR code for apps says: whose the secret is, and where.
    #[must_use]
    pub fn uri(&self, issuer: &str, account: &str) -> String {
        let (issuer, account) = (escaped(issuer), escaped(account));
        format!(
            "otpauth://totp/{issuer}:{account}?secret={}&issuer={issuer}\
             &algorithm=SHA1&digits={DIGITS}&period={}",
            self.expose(),
            STEP_US / SECOND_US
        )
    }

    /// The step whose code was typed: the present one, or one beside it. None if the text is no
    /// such code, or its step is not after `last_step`, the latest that was taken: a code that
    /// somebody saw being typed is worth nothing.
    #[must_use]
    pub fn step_of(&self, typed: &str, now: AtUs, last_step: i64) -> Option<i64> {
        // Whoever types a code leaves spaces where the app shows them.
        let typed: String = typed
            .chars()
            .filter(|it| *it != ' ')
            .take(DIGITS + 1)
            .collect();
        let present = now.0.div_euclid(STEP_US);
        let mut found = None;
        // All are compared, whichever it is, so that the time tells nothing.
        for step in present - DRIFT_STEPS..=present + DRIFT_STEPS {
            let equal: bool = self.code(step).as_bytes().ct_eq(typed.as_bytes()).into();
            if equal && step > last_step {
                found = Some(step);
            }
        }
        found
    }

    /// The code that an app shows at `now`.
    #[must_use]
    pub fn code_at(&self, now: AtUs) -> String {
        self.code(now.0.div_euclid(STEP_US))
    }

    /// RFC 4226, section 5.3.
    fn code(&self, step: i64) -> String {
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &self.0);
        let tag = hmac::sign(&key, &step.to_be_bytes());
        let tag = tag.as_ref();
        let offset = usize::from(tag[tag.len() - 1] & 0xf);
        let mut four = [0_u8; 4];
        four.copy_from_slice(&tag[offset..offset + 4]);
        let number = u32::from_be_bytes(four) & 0x7fff_ffff;
        format!("{:06}", number % POSSIBLE)
    }
}

impl fmt::Debug for TotpSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TotpSecret(hidden)")
    }
}

const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// A text as it may stand anywhere in an address.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                escaped.push(char::from(byte));
            }
            other => escaped.push_str(&format!("%{other:02X}")),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The secret of both RFCs.
    fn known() -> TotpSecret {
        TotpSecret(*b"12345678901234567890")
    }

    fn at_s(seconds: i64) -> AtUs {
        AtUs(seconds * SECOND_US)
    }

    #[test]
    fn the_vectors_of_rfc_4226_and_rfc_6238_hold() {
        let counted = [
            "755224", "287082", "359152", "969429", "338314", "254676", "287922", "162583",
            "399871", "520489",
        ];
        for (step, code) in (0..).zip(counted) {
            assert_eq!(known().code(step), code, "{step}");
        }
        // Those of RFC 6238 have eight digits; these are their last six.
        for (seconds, code) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_111_111_111, "050471"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
            (20_000_000_000, "353130"),
        ] {
            assert_eq!(known().code_at(at_s(seconds)), code, "{seconds}");
        }
    }

    #[test]
    fn a_code_is_taken_one_step_early_or_late_and_only_once() {
        let (secret, now) = (known(), at_s(1_234_567_890));
        let step = now.0 / STEP_US;
        for (away, taken) in [(-2, false), (-1, true), (0, true), (1, true), (2, false)] {
            let code = secret.code(step + away);
            let found = secret.step_of(&code, now, 0);
            assert_eq!(found, taken.then_some(step + away), "{away}");
            assert_eq!(secret.step_of(&code, now, step + away), None, "{away}");
        }
        let code = secret.code(step);
        let spaced = format!("{} {} ", &code[..3], &code[3..]);
        assert_eq!(secret.step_of(&spaced, now, step - 1), Some(step));
        assert_eq!(
            secret.step_of(&code, now, step + 1),
            None,
            "a later one was used"
        );
        let longer = format!("{code}0");
        for typed in ["", &code[..5], &longer, "００５９２４", "\0\0\0\0\0\0"] {
            assert_eq!(secret.step_of(typed, now, 0), None, "{typed:?}");
        }
    }

    #[test]
    fn a_secret_is_told_to_apps_and_to_nobody_else() {
        let base32 = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";
        assert_eq!(known().expose(), base32);
        assert_eq!(
            known().uri("Farebox (ai.example.com)", "ada+1@example.com"),
            "otpauth://totp/Farebox%20%28ai.example.com%29:ada%2B1%40example.com\
             ?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ\
             &issuer=Farebox%20%28ai.example.com%29&algorithm=SHA1&digits=6&period=30"
        );
        assert_eq!(format!("{:?}", known()), "TotpSecret(hidden)");
        for text in ["", &base32[1..], "geZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"] {
            assert!(TotpSecret::parse(text).is_none(), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn every_secret_is_read_back(bytes in any::<[u8; SECRET_BYTES]>()) {
            let read = TotpSecret::parse(&TotpSecret(bytes).expose());
            prop_assert_eq!(read.map(|secret| secret.0), Some(bytes));
        }

        #[test]
        fn no_text_breaks_the_reader(text in ".{0,40}") {
            if let Some(secret) = TotpSecret::parse(&text) {
                prop_assert_eq!(secret.expose(), text);
            }
        }
    }
}
