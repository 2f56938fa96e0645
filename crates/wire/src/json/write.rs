//! Writing JSON from pieces that are JSON already.

use std::fmt;

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
