//! Looking into JSON without building a tree.
//!
//! A value stays the slice of text it came in ([`RawValue`]); objects and arrays are walked one
//! level at a time. Walking calls back for every member, repeated keys included, so a check cannot
//! be dodged by naming a key twice. Text is measured and copied in its escaped form where possible.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// The text is not what it should be: not JSON, or not the kind of value that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Malformed;

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
    pub(crate) fn of(raw: &RawValue) -> Self {
        let text = raw.get();
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

pub(crate) fn is_null(raw: &RawValue) -> bool {
    Kind::of(raw) == Kind::Null
}

/// Calls `each` for every member of the object `json`, in order, until it fails.
pub(crate) fn members<'a, E: From<Malformed>>(
    json: &'a str,
    each: impl FnMut(Cow<'a, str>, &'a RawValue) -> Result<(), E>,
) -> Result<(), E> {
    let mut reader = serde_json::Deserializer::from_str(json);
    let walk = Walk {
        each,
        error: PhantomData,
    };
    let failure = (&mut reader).deserialize_map(walk).map_err(|_| Malformed)?;
    reader.end().map_err(|_| Malformed)?;
    failure.map_or(Ok(()), Err)
}

/// Calls `each` for every element of the array `json`, with its position, until it fails.
pub(crate) fn items<'a, E: From<Malformed>>(
    json: &'a str,
    mut each: impl FnMut(usize, &'a RawValue) -> Result<(), E>,
) -> Result<(), E> {
    let mut reader = serde_json::Deserializer::from_str(json);
    let walk = Elements {
        each: &mut each,
        error: PhantomData,
    };
    let failure = (&mut reader).deserialize_seq(walk).map_err(|_| Malformed)?;
    reader.end().map_err(|_| Malformed)?;
    failure.map_or(Ok(()), Err)
}

/// The last member called `name`, unless it is absent or null.
pub(crate) fn member<'a>(json: &'a str, name: &str) -> Option<&'a RawValue> {
    let mut found = None;
    let walked = members::<Malformed>(json, |key, value| {
        if key == name {
            found = Some(value);
        }
        Ok(())
    });
    walked.ok().and(found).filter(|value| !is_null(value))
}

/// The characters of a string value as written, escapes kept, quotes left off.
pub(crate) fn escaped(raw: &RawValue) -> Option<&str> {
    raw.get().strip_prefix('"')?.strip_suffix('"')
}

/// The text that a string value stands for; `None` for other kinds and for broken surrogates.
pub(crate) fn text(raw: &RawValue) -> Option<Cow<'_, str>> {
    serde_json::from_str::<Text<'_>>(raw.get())
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

/// Writes one JSON object, member by member.
pub(crate) struct ObjectWriter {
    out: Vec<u8>,
}

impl ObjectWriter {
    pub(crate) fn with_capacity(capacity: usize) -> Self {
        let mut out = Vec::with_capacity(capacity + 2);
        out.push(b'{');
        Self { out }
    }

    pub(crate) fn new() -> Self {
        Self::with_capacity(126)
    }

    /// A member whose value is JSON already.
    pub(crate) fn raw(mut self, key: &str, json: impl AsRef<[u8]>) -> Self {
        self.put_raw(key, json.as_ref());
        self
    }

    pub(crate) fn text(mut self, key: &str, text: &str) -> Self {
        self.key(key);
        write_text(&mut self.out, text);
        self
    }

    /// A string member whose characters are escaped already.
    pub(crate) fn escaped(mut self, key: &str, escaped: &str) -> Self {
        self.key(key);
        self.out.push(b'"');
        self.out.extend_from_slice(escaped.as_bytes());
        self.out.push(b'"');
        self
    }

    pub(crate) fn number(self, key: &str, number: impl fmt::Display) -> Self {
        self.raw(key, number.to_string())
    }

    pub(crate) fn put_raw(&mut self, key: &str, json: &[u8]) {
        self.key(key);
        self.out.extend_from_slice(json);
    }

    /// Members written elsewhere, without the braces around them.
    pub(crate) fn put_members(&mut self, members: &[u8]) {
        if members.is_empty() {
            return;
        }
        self.comma();
        self.out.extend_from_slice(members);
    }

    pub(crate) fn finish(mut self) -> Vec<u8> {
        self.out.push(b'}');
        self.out
    }

    /// The members alone, for [`Self::put_members`].
    pub(crate) fn into_members(mut self) -> Vec<u8> {
        self.out.remove(0);
        self.out
    }

    fn key(&mut self, key: &str) {
        self.comma();
        write_text(&mut self.out, key);
        self.out.push(b':');
    }

    fn comma(&mut self) {
        if self.out.len() > 1 {
            self.out.push(b',');
        }
    }
}

/// A JSON array of values that are JSON already.
pub(crate) fn array<T: AsRef<[u8]>>(values: &[T]) -> Vec<u8> {
    let mut out = vec![b'['];
    for (index, value) in values.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        out.extend_from_slice(value.as_ref());
    }
    out.push(b']');
    out
}

/// Writes `text` as a JSON string.
pub(crate) fn write_text(out: &mut Vec<u8>, text: &str) {
    serde_json::to_writer(out, text).expect("writing a string to memory cannot fail");
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

/// Position of the quote that ends the string whose characters begin at `at`.
fn string_end(json: &[u8], mut at: usize) -> usize {
    while let Some(found) = json
        .get(at..)
        .and_then(|rest| memchr::memchr2(b'"', b'\\', rest))
    {
        at += found;
        if json[at] == b'"' {
            return at;
        }
        at += 2;
    }
    json.len()
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

struct Walk<F, E> {
    each: F,
    error: PhantomData<E>,
}

impl<'de, E, F> Visitor<'de> for Walk<F, E>
where
    F: FnMut(Cow<'de, str>, &'de RawValue) -> Result<(), E>,
{
    type Value = Option<E>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut failure = None;
        while let Some(Text(key)) = map.next_key()? {
            let value = map.next_value()?;
            if failure.is_none() {
                failure = (self.each)(key, value).err();
            }
        }
        Ok(failure)
    }
}

struct Elements<'f, F, E> {
    each: &'f mut F,
    error: PhantomData<E>,
}

impl<'de, E, F> Visitor<'de> for Elements<'_, F, E>
where
    F: FnMut(usize, &'de RawValue) -> Result<(), E>,
{
    type Value = Option<E>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut failure = None;
        let mut index = 0;
        while let Some(value) = seq.next_element()? {
            if failure.is_none() {
                failure = (self.each)(index, value).err();
            }
            index += 1;
        }
        Ok(failure)
    }
}

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
        members::<Malformed>(r#"{"a":1,"b":2,"a":3}"#, |key, value| {
            seen.push(format!("{key}={}", value.get()));
            Ok(())
        })
        .expect("valid");
        assert_eq!(seen, ["a=1", "b=2", "a=3"]);
        assert_eq!(members::<Malformed>("[1]", |_, _| Ok(())), Err(Malformed));
    }

    proptest! {
        #[test]
        fn escaped_length_is_the_decoded_length(text in any::<String>()) {
            let plain = serde_json::to_string(&text).expect("string");
            let ascii: String = text.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect();
            prop_assert_eq!(decoded_len(&plain[1..plain.len() - 1]), text.len() as u64);
            prop_assert_eq!(decoded_len(&ascii), text.len() as u64);
        }
    }
}
