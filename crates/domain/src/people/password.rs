//! Passwords: what somebody typed, and what may become one.
//!
//! No rules of which letters must occur: they make passwords worse. What counts is how many guesses
//! a cracker would need, which zxcvbn estimates from word lists, dates, keyboards and repetition.

use std::fmt;

use zxcvbn::{Score, zxcvbn};

/// The fewest characters of a new password.
pub const LEAST_CHARS: usize = 8;
/// The most characters of a password.
pub const MOST_CHARS: usize = 256;

/// From this on, a password needs more than 10⁸ guesses: out of reach through sign-ins, which are
/// throttled, and expensive against stolen argon2id hashes.
const LEAST_SCORE: Score = Score::Three;

/// A password as somebody typed it. It cannot be printed or compared by accident; whoever hashes it
/// says so with [`Password::expose`].
#[derive(Clone)]
pub struct Password(String);

/// The argon2id hash of a password, with its parameters and salt (PHC string). It cannot be printed
/// by accident.
#[derive(Clone)]
pub struct PasswordHash(String);

impl PasswordHash {
    /// A hash that was made, or read from where it was kept.
    #[must_use]
    pub fn new(phc: String) -> Self {
        PasswordHash(phc)
    }

    /// The hash as it is kept.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash(hidden)")
    }
}

/// Why a text cannot be a new password.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PasswordProblem {
    /// Fewer than [`LEAST_CHARS`] characters.
    #[error("use at least {LEAST_CHARS} characters")]
    Short,
    /// More than [`MOST_CHARS`] characters.
    #[error("use at most {MOST_CHARS} characters")]
    Long,
    /// Guessed too easily.
    #[error("it is too easy to guess. {0}")]
    Weak(String),
}

impl Password {
    /// What somebody typed; none if it is longer than any password.
    #[must_use]
    pub fn typed(text: &str) -> Option<Self> {
        (text.chars().count() <= MOST_CHARS).then(|| Password(text.to_owned()))
    }

    /// Reads a new password. `about` is what an attacker knows of its owner: address, name. Takes
    /// some milliseconds.
    ///
    /// # Errors
    /// [`PasswordProblem`].
    pub fn choose(text: &str, about: &[&str]) -> Result<Self, PasswordProblem> {
        let password = Password::typed(text).ok_or(PasswordProblem::Long)?;
        if text.chars().count() < LEAST_CHARS {
            return Err(PasswordProblem::Short);
        }
        // An address is guessed by its parts too.
        let separators = |letter: char| !letter.is_alphanumeric();
        let parts = about.iter().flat_map(|known| known.split(separators));
        let known: Vec<&str> = parts.chain(about.iter().copied()).take(32).collect();
        let estimate = zxcvbn(text, &known);
        match estimate.score() >= LEAST_SCORE {
            true => Ok(password),
            false => Err(PasswordProblem::Weak(advice(estimate.feedback()))),
        }
    }

    /// The password itself, to be hashed.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(hidden)")
    }
}

/// The first thing that would help.
fn advice(feedback: Option<&zxcvbn::feedback::Feedback>) -> String {
    let first = feedback.and_then(|feedback| feedback.suggestions().first());
    first.map_or_else(
        || "Add another word or two. Uncommon words are better.".into(),
        ToString::to_string,
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ABOUT: [&str; 2] = ["ada.lovelace@example.com", "Ada Lovelace"];

    #[test]
    fn length_is_counted_in_characters() {
        use PasswordProblem::{Long, Short};
        let uncommon = "žřčšťďňáéíóúý".repeat(30);
        let most: String = uncommon.chars().take(MOST_CHARS).collect();
        let too_long: String = uncommon.chars().take(MOST_CHARS + 1).collect();
        assert!(Password::choose(&most, &ABOUT).is_ok());
        assert_eq!(Password::choose(&too_long, &ABOUT).unwrap_err(), Long);
        assert_eq!(Password::choose("žřč4%7x", &ABOUT).unwrap_err(), Short);
        assert_eq!(Password::choose("", &ABOUT).unwrap_err(), Short);
        assert!(Password::typed(&too_long).is_none());
    }

    #[test]
    fn what_is_guessed_first_is_refused() {
        for weak in [
            "password",
            "password123",
            "12345678",
            "qwertyuiop",
            "aaaaaaaaaaaa",
            "P@ssw0rd",
            "letmein1",
            "01/02/1984",
            "adalovelace",
            "ada.lovelace@example.com",
            "Lovelace1",
        ] {
            let refused = Password::choose(weak, &ABOUT).unwrap_err();
            assert!(matches!(refused, PasswordProblem::Weak(_)), "{weak}");
            assert!(!refused.to_string().contains(weak), "it is not echoed");
        }
        for strong in [
            "correct horse battery staple",
            "kV9#tq2!Lw",
            "violet-otter-bakes-slowly",
        ] {
            assert!(Password::choose(strong, &ABOUT).is_ok(), "{strong}");
        }
    }

    #[test]
    fn a_password_is_never_printed() {
        let password = Password::typed("kV9#tq2!Lw").expect("short enough");
        assert_eq!(format!("{password:?}"), "Password(hidden)");
        let hash = PasswordHash::new("$argon2id$…".into());
        assert_eq!(format!("{hash:?}"), "PasswordHash(hidden)");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn no_text_breaks_the_estimate(text in ".{0,300}", known in ".{0,40}") {
            let _ = Password::choose(&text, &[&known]);
        }
    }
}
