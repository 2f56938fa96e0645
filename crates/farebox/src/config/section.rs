//! Reads one section key by key, collecting every problem instead of stopping at the first.
//!
//! A section notes which keys it was asked for, so what nobody asked for is an unknown key, and the
//! nearest key that was asked for is the suggestion.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use super::error::Problem;
use super::tree::{Item, Origin, Value, parse_json, parse_value};

/// Proof that a problem was noted where a value could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Noted;

/// A value, or the proof that its problem was noted.
pub(super) type Read<T> = Result<T, Noted>;

/// A value that is one of a few words.
pub trait Choice: Copy + PartialEq + 'static {
    /// Every word with its meaning.
    const WORDS: &'static [(&'static str, Self)];

    /// The word that means `self`.
    fn word(self) -> &'static str {
        let found = Self::WORDS.iter().find(|(_, choice)| *choice == self);
        found.map_or("", |(word, _)| word)
    }
}

/// One table of the configuration while it is read.
pub(super) struct Section<'a> {
    path: String,
    table: &'a BTreeMap<String, Item>,
    origin: &'a Origin,
    asked: RefCell<Vec<&'static str>>,
    problems: &'a RefCell<Vec<Problem>>,
}

impl<'a> Section<'a> {
    /// The root, or a table in a list.
    pub(super) fn of(
        item: &'a Item,
        path: String,
        problems: &'a RefCell<Vec<Problem>>,
    ) -> Read<Section<'a>> {
        match &item.value {
            Value::Table(table) => {
                let asked = RefCell::default();
                Ok(Section {
                    path,
                    table,
                    origin: &item.origin,
                    asked,
                    problems,
                })
            }
            other => {
                let message = wants_section(&item.origin, &path, other);
                problems.borrow_mut().push(Problem {
                    origin: item.origin.clone(),
                    path,
                    message,
                });
                Err(Noted)
            }
        }
    }

    /// Whether the key is written anywhere above the defaults.
    pub(super) fn is_set(&self, key: &str) -> bool {
        self.table
            .get(key)
            .is_some_and(|item| item.origin != Origin::Default)
    }

    /// Whether the key is written at all.
    pub(super) fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    /// A text that may be left out.
    pub(super) fn optional_text(&self, key: &'static str) -> Read<Option<&'a str>> {
        let Some(item) = self.ask(key) else {
            return Ok(None);
        };
        match &item.value {
            Value::Text(text) | Value::Environment(text) => Ok(Some(text)),
            Value::Float | Value::Integer(_) => self.note(
                key,
                "is a number here: write it as a string, in quotation marks",
            ),
            other => self.note(key, format!("must be a text, not {}", other.kind())),
        }
    }

    /// A text that must be there.
    pub(super) fn text(&self, key: &'static str) -> Read<&'a str> {
        self.optional_text(key)?
            .map_or_else(|| self.missing(key), Ok)
    }

    /// A text that `parse` understands or explains.
    pub(super) fn parsed<T>(
        &self,
        key: &'static str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Read<T> {
        parse(self.text(key)?).or_else(|message| self.note(key, message))
    }

    /// As [`Section::parsed`], for a key that may be left out.
    pub(super) fn optional_parsed<T>(
        &self,
        key: &'static str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Read<Option<T>> {
        match self.optional_text(key)? {
            Some(text) => parse(text)
                .map(Some)
                .or_else(|message| self.note(key, message)),
            None => Ok(None),
        }
    }

    /// A word of a few; `default` where the key may be left out.
    pub(super) fn choice<T: Choice>(&self, key: &'static str, default: Option<T>) -> Read<T> {
        match (self.optional_text(key)?, default) {
            (Some(word), _) => match T::WORDS.iter().find(|(known, _)| *known == word) {
                Some((_, choice)) => Ok(*choice),
                None => self.note(key, unknown_word::<T>(word)),
            },
            (None, Some(default)) => Ok(default),
            (None, None) => self.missing(key),
        }
    }

    /// A whole number within `range`; `default` where the key may be left out.
    pub(super) fn integer(
        &self,
        key: &'static str,
        range: RangeInclusive<u64>,
        default: Option<u64>,
    ) -> Read<u64> {
        let number = self.optional_integer(key, range)?.or(default);
        number.map_or_else(|| self.missing(key), Ok)
    }

    /// A whole number within `range`, if it is there.
    pub(super) fn optional_integer(
        &self,
        key: &'static str,
        range: RangeInclusive<u64>,
    ) -> Read<Option<u64>> {
        let digits = match self.ask(key).map(|item| &item.value) {
            Some(Value::Integer(digits) | Value::Environment(digits)) => digits,
            Some(other) => {
                return self.note(key, format!("must be a whole number, not {}", other.kind()));
            }
            None => return Ok(None),
        };
        match digits.parse::<u64>() {
            Ok(number) if range.contains(&number) => Ok(Some(number)),
            _ => {
                let (least, most) = range.into_inner();
                self.note(
                    key,
                    format!("must be a whole number from {least} to {most}"),
                )
            }
        }
    }

    /// A section below this one; left out, it is read as an empty one would be.
    pub(super) fn section(&self, key: &'static str) -> Read<Section<'a>> {
        self.optional_section(key)
            .and_then(|found| found.map_or_else(|| self.missing(key), Ok))
    }

    /// A section below this one, if it is there.
    pub(super) fn optional_section(&self, key: &'static str) -> Read<Option<Section<'a>>> {
        let Some(item) = self.ask(key) else {
            return Ok(None);
        };
        Section::of(item, self.path_of(key), self.problems).map(Some)
    }

    /// The items of a list; none where it is left out.
    pub(super) fn list(&self, key: &'static str) -> Read<&'a [Item]> {
        match self.ask(key).map(|item| &item.value) {
            None => Ok(&[]),
            Some(Value::List(items)) => Ok(items),
            Some(other) => self.note(key, format!("must be a list, not {}", other.kind())),
        }
    }

    /// The tables of a list.
    pub(super) fn sections(&self, key: &'static str) -> Read<Vec<Section<'a>>> {
        let items = self.list(key)?.iter().enumerate();
        let path = self.path_of(key);
        items
            .map(|(index, item)| Section::of(item, format!("{path}[{index}]"), self.problems))
            .collect()
    }

    /// Notes that something is wrong with a key.
    pub(super) fn note<T>(&self, key: &str, message: impl Into<String>) -> Read<T> {
        let origin = self.table.get(key).map_or(self.origin, |item| &item.origin);
        self.push(origin, self.path_of(key), message.into())
    }

    /// Ends the reading: every key that was never asked for is unknown.
    pub(super) fn finish(&self) {
        let asked = self.asked.borrow();
        for (key, item) in self.table {
            if !asked.contains(&key.as_str()) {
                let message = match nearest(key, asked.iter().copied()) {
                    Some(near) => {
                        format!(
                            "is not a key of Farebox. Did you mean {}?",
                            spelled(near, item, key)
                        )
                    }
                    None => format!("is not a key of Farebox. Known here: {}", asked.join(", ")),
                };
                let _noted: Read<()> = self.push(&item.origin, self.path_of(key), message);
            }
        }
    }

    fn ask(&self, key: &'static str) -> Option<&'a Item> {
        self.asked.borrow_mut().push(key);
        self.table.get(key)
    }

    fn missing<T>(&self, key: &str) -> Read<T> {
        self.note(key, "is missing")
    }

    fn path_of(&self, key: &str) -> String {
        if self.path.is_empty() {
            key.to_owned()
        } else {
            format!("{}.{key}", self.path)
        }
    }

    fn push<T>(&self, origin: &Origin, path: String, message: String) -> Read<T> {
        self.problems.borrow_mut().push(Problem {
            origin: origin.clone(),
            path,
            message,
        });
        Err(Noted)
    }
}

/// Turns lists that arrived as the text of a variable into lists: TOML, else JSON.
pub(super) fn read_list_variables(root: &mut Item, keys: &[&str]) {
    let Value::Table(table) = &mut root.value else {
        return;
    };
    for key in keys {
        if let Some(item) = table.get_mut(*key)
            && let Value::Environment(text) = &item.value
            && let Some(list) =
                parse_value(text, &item.origin).or_else(|| parse_json(text, &item.origin))
        {
            *item = list;
        }
    }
}

/// The known word closest to `word`, unless none is close.
pub(super) fn nearest<'w>(word: &str, known: impl IntoIterator<Item = &'w str>) -> Option<&'w str> {
    let most = (word.chars().count() / 3).max(1);
    let word = word.to_lowercase();
    let distance = |known: &str| match known.strip_prefix(&word) {
        // A word that was not finished, such as `api_key` for `api_key_env`, is close.
        Some(_) if word.len() >= 3 => 1,
        _ => strsim::damerau_levenshtein(&word, known),
    };
    let closest = known
        .into_iter()
        .map(|known| (distance(known), known))
        .min()?;
    (closest.0 <= most).then_some(closest.1)
}

/// How to write the suggested key where the wrong one stands.
fn spelled(near: &str, item: &Item, wrong: &str) -> String {
    let table = match &item.value {
        Value::Table(table) => table.values().next(),
        _ => None,
    };
    match table.map_or(&item.origin, |first| &first.origin) {
        Origin::Environment(name) => name.replace(&wrong.to_uppercase(), &near.to_uppercase()),
        _ => format!("`{near}`"),
    }
}

fn unknown_word<T: Choice>(word: &str) -> String {
    let known = || T::WORDS.iter().map(|(known, _)| *known);
    let all = known()
        .map(|known| format!("\"{known}\""))
        .collect::<Vec<_>>()
        .join(" or ");
    match nearest(word, known()) {
        Some(near) => format!("cannot be \"{word}\". Did you mean \"{near}\"? It is {all}"),
        None => format!("cannot be \"{word}\": it is {all}"),
    }
}

fn wants_section(origin: &Origin, path: &str, found: &Value) -> String {
    match origin {
        Origin::Environment(name) => {
            format!("is a section: set one of its keys, as {name}__KEY")
        }
        _ => format!("must be a section, [{path}], not {}", found.kind()),
    }
}
