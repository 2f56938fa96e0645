//! What was found, without the secrets: each key once, with the places it is in.

use std::collections::BTreeMap;
use std::path::Path;

use domain::key::{KeyClass, KeyDigest};
use domain::key_scan::{Finding, Found};

/// The most places that are kept of one key; more are counted.
const MOST_PLACES: usize = 20;

/// What was found.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    /// Keys, by the hexadecimal of their digest.
    pub(crate) keys: BTreeMap<String, FoundKey>,
    /// What looks like a key and is none.
    pub(crate) damaged: Places,
}

/// A key.
#[derive(Debug)]
pub(crate) struct FoundKey {
    pub(crate) class: KeyClass,
    pub(crate) digest: KeyDigest,
    /// Enough of it to recognise it.
    pub(crate) redacted_value: String,
    pub(crate) places: Places,
    /// In which order it was found.
    pub(crate) number: usize,
}

/// Where something is.
#[derive(Debug, Default)]
pub(crate) struct Places {
    /// The first of them.
    pub(crate) first: Vec<Place>,
    /// All of them.
    pub(crate) count: u64,
}

/// A line of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) path: String,
    pub(crate) line: u64,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.path, self.line)
    }
}

/// A name as it may be shown on a terminal: whoever named the file may have meant to steer that.
fn plain(name: &str) -> String {
    let letter = |letter: char| match letter.is_control() {
        true => char::REPLACEMENT_CHARACTER,
        false => letter,
    };
    name.chars().map(letter).collect()
}

impl Findings {
    pub(super) fn add(&mut self, path: &Path, Finding { found, line }: Finding) {
        let number = self.keys.len();
        let places = match found {
            Found::Damaged(_) => &mut self.damaged,
            Found::Key(secret) => {
                let digest = secret.digest();
                let key = self
                    .keys
                    .entry(digest.to_hex())
                    .or_insert_with(|| FoundKey {
                        class: secret.class(),
                        digest,
                        redacted_value: secret.redacted(),
                        places: Places::default(),
                        number,
                    });
                &mut key.places
            }
        };
        places.count += 1;
        if places.first.len() < MOST_PLACES {
            places.first.push(Place {
                path: plain(&path.display().to_string()),
                line,
            });
        }
    }
}
