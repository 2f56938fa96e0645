//! Looking into JSON without building a tree.
//!
//! A value stays the slice of text it came in. The text is checked once, as a whole; then objects
//! and arrays are walked one level at a time by a scanner that only looks for where values end.
//! Walking calls back for every member, repeated keys included, so a check cannot be dodged by
//! naming a key twice. Text is measured and copied in its escaped form where possible.

mod scan;
mod write;

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use scan::{Scan, string_end};

pub(crate) use write::{ObjectWriter, array, write_text};

/// The text is not what it should be: not JSON, or not the kind of value that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Malformed;

/// One JSON value, without space around it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Value<'a>(&'a str);

impl<'a> Value<'a> {
    /// Checks that `text` is one JSON value.
    pub(crate) fn check(text: &'a str) -> Result<Self, Malformed> {
        let raw: &RawValue = serde_json::from_str(text).map_err(|_| Malformed)?;
        Ok(raw.into())
    }

    /// Takes `text` for a JSON value. If it is none, walking it fails or finds nonsense, no worse.
    pub(crate) fn assume(text: &'a str) -> Self {
        Self(text.trim_ascii())
    }

    pub(crate) fn get(self) -> &'a str {
        self.0
    }
}

impl<'a> From<&'a RawValue> for Value<'a> {
    fn from(raw: &'a RawValue) -> Self {
        Self(raw.get())
    }
}

/// What sort of value a piece of JSON is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Null,
    Boolean,
    Integer,
    Decimal,
    Text,
    Array,
    Object,
}

impl Kind {
    pub(crate) fn of(value: Value<'_>) -> Self {
        let text = value.get();
        match text.as_bytes().first() {
            Some(b'"') => Self::Text,
            Some(b'{') => Self::Object,
            Some(b'[') => Self::Array,
            Some(b't' | b'f') => Self::Boolean,
            Some(b'n') => Self::Null,
            _ if text.contains(['.', 'e', 'E']) => Self::Decimal,
            _ => Self::Integer,
        }
    }

    /// The kind with its article, as OpenAI's messages name it.
    pub(crate) fn phrase(self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Boolean => "a boolean",
            Self::Integer => "an integer",
            Self::Decimal => "a decimal number",
            Self::Text => "a string",
            Self::Array => "an array",
            Self::Object => "an object",
        }
    }
}

pub(crate) fn is_null(value: Value<'_>) -> bool {
    Kind::of(value) == Kind::Null
}

/// Calls `each` for every member of an object, in order, until it fails.
pub(crate) fn members<'a, E: From<Malformed>>(
    object: Value<'a>,
    mut each: impl FnMut(Cow<'a, str>, Value<'a>) -> Result<(), E>,
) -> Result<(), E> {
    let mut scan = Scan::inside(object, b'{', b'}')?;
    while scan.has_next()? {
        let key = scan.value()?;
        scan.colon()?;
        let value = scan.value()?;
        let key = match escaped(key).ok_or(Malformed)? {
            plain if memchr::memchr(b'\\', plain.as_bytes()).is_none() => Cow::Borrowed(plain),
            _ => text(key).ok_or(Malformed)?,
        };
        each(key, value)?;
    }
    Ok(())
}

/// Calls `each` for every element of an array, with its position, until it fails.
pub(crate) fn items<'a, E: From<Malformed>>(
    array: Value<'a>,
    mut each: impl FnMut(usize, Value<'a>) -> Result<(), E>,
) -> Result<(), E> {
    let mut scan = Scan::inside(array, b'[', b']')?;
    let mut index = 0;
    while scan.has_next()? {
        each(index, scan.value()?)?;
        index += 1;
    }
    Ok(())
}

/// The last member called `name`, unless it is absent or null, or this is no object.
pub(crate) fn member<'a>(object: Value<'a>, name: &str) -> Option<Value<'a>> {
    let mut found = None;
    let walked = members::<Malformed>(object, |key, value| {
        if key == name {
            found = Some(value);
        }
        Ok(())
    });
    walked.ok().and(found).filter(|value| !is_null(*value))
}

/// The characters of a string value as written, escapes kept, quotes left off.
pub(crate) fn escaped(value: Value<'_>) -> Option<&str> {
    value.get().strip_prefix('"')?.strip_suffix('"')
}

/// The text that a string value stands for; `None` for other kinds and for broken surrogates.
pub(crate) fn text(value: Value<'_>) -> Option<Cow<'_, str>> {
    serde_json::from_str::<Text<'_>>(value.get())
        .ok()
        .map(|text| text.0)
}

/// UTF-8 length of the text that an escaped string stands for.
pub(crate) fn decoded_len(escaped: &str) -> u64 {
    let bytes = escaped.as_bytes();
    let mut rest = bytes;
    let mut decoded = 0;
    while let Some(at) = memchr::memchr(b'\\', rest) {
        let (escape, width) = match rest.get(at + 1) {
            Some(b'u') => (6, unicode_escape_len(rest.get(at + 2..at + 6))),
            _ => (2, 1),
        };
        decoded += at + width;
        rest = rest.get(at + escape..).unwrap_or_default();
    }
    (decoded + rest.len()) as u64
}

/// Where `part`, a slice of `whole`, begins in it.
pub(crate) fn offset_in(whole: &str, part: &str) -> usize {
    part.as_ptr().addr() - whole.as_ptr().addr()
}

/// Whether arrays and objects are nested deeper than `limit` anywhere in `json`.
pub(crate) fn is_deeper_than(json: &[u8], limit: usize) -> bool {
    // Nearly every body has fewer brackets than the limit, so it cannot be deeper.
    if memchr::memchr2_iter(b'[', b'{', json).nth(limit).is_none() {
        return false;
    }
    let mut depth = 0_usize;
    let mut at = 0;
    while let Some(&byte) = json.get(at) {
        match byte {
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth = depth.saturating_sub(1),
            b'"' => at = string_end(json, at + 1),
            _ => {}
        }
        if depth > limit {
            return true;
        }
        at += 1;
    }
    false
}

/// UTF-8 bytes of a `\uXXXX` escape. The halves of a surrogate pair count two each.
fn unicode_escape_len(digits: Option<&[u8]>) -> usize {
    let digits = digits
        .and_then(|digits| std::str::from_utf8(digits).ok())
        .unwrap_or_default();
    match u32::from_str_radix(digits, 16).unwrap_or(0xFFFF) {
        0..0x80 => 1,
        0x80..0x800 | 0xD800..0xE000 => 2,
        _ => 3,
    }
}

/// A string that borrows from the input unless it has escapes.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn nesting_is_measured_outside_strings_only() {
        let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
        let wide = format!("[{}1]", "[],".repeat(200));
        let quoted = format!("\"{}\"", "[\\\"".repeat(200));
        assert!(is_deeper_than(deep.as_bytes(), 128));
        assert!(!is_deeper_than(deep.as_bytes(), 200));
        assert!(!is_deeper_than(wide.as_bytes(), 128));
        assert!(!is_deeper_than(quoted.as_bytes(), 128));
    }

    #[test]
    fn a_repeated_key_is_seen_twice() {
        let mut seen = Vec::new();
        let object = Value::check(r#" {"a":1,"b" : 2 , "\u0061":3} "#).expect("valid");
        members::<Malformed>(object, |key, value| {
            seen.push(format!("{key}={}", value.get()));
            Ok(())
        })
        .expect("valid");
        assert_eq!(seen, ["a=1", "b=2", "a=3"]);
        let array = Value::assume("[1]");
        assert_eq!(members::<Malformed>(array, |_, _| Ok(())), Err(Malformed));
    }

    /// JSON of every shape, three levels deep.
    fn documents() -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![
            Just(serde_json::Value::Null),
            any::<bool>().prop_map(Into::into),
            any::<i64>().prop_map(Into::into),
            "[\\[\\]{},:\"\\\\ aé]{0,6}".prop_map(Into::into),
        ];
        leaf.prop_recursive(3, 24, 4, |inner| {
            let key = "[\"\\\\{a\\]é]{0,3}";
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Into::into),
                prop::collection::vec((key, inner), 0..4)
                    .prop_map(|members| members.into_iter().collect::<serde_json::Value>()),
            ]
        })
    }

    /// Takes a document apart with the scanner and puts it together again.
    fn rebuilt(value: Value<'_>) -> serde_json::Value {
        match Kind::of(value) {
            Kind::Object => {
                let mut members = serde_json::Map::new();
                super::members::<Malformed>(value, |key, value| {
                    members.insert(key.into_owned(), rebuilt(value));
                    Ok(())
                })
                .expect("an object");
                members.into()
            }
            Kind::Array => {
                let mut elements = Vec::new();
                items::<Malformed>(value, |index, value| {
                    assert_eq!(index, elements.len());
                    elements.push(rebuilt(value));
                    Ok(())
                })
                .expect("an array");
                elements.into()
            }
            _ => serde_json::from_str(value.get()).expect("a leaf"),
        }
    }

    proptest! {
        #[test]
        fn the_scanner_sees_what_serde_sees(document in documents()) {
            let dense = document.to_string();
            let spaced = serde_json::to_string_pretty(&document).expect("serialises");
            for text in [dense, spaced] {
                prop_assert_eq!(&rebuilt(Value::check(&text).expect("valid")), &document);
            }
        }

        #[test]
        fn escaped_length_is_the_decoded_length(text in any::<String>()) {
            let plain = serde_json::to_string(&text).expect("string");
            let ascii: String = text.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect();
            prop_assert_eq!(decoded_len(&plain[1..plain.len() - 1]), text.len() as u64);
            prop_assert_eq!(decoded_len(&ascii), text.len() as u64);
        }
    }
}
