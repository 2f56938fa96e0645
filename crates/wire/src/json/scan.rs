//! Finding where values end, in text that is JSON or was taken for it.
//!
//! Every step checks its bounds: text that is no JSON ends in [`Malformed`], never in a panic.

use super::{Malformed, Value};

/// A walk through the direct contents of an object or array.
pub(super) struct Scan<'a> {
    text: &'a str,
    at: usize,
    close: u8,
    first: bool,
}

impl<'a> Scan<'a> {
    pub(super) fn inside(value: Value<'a>, open: u8, close: u8) -> Result<Self, Malformed> {
        let text = value.get();
        let mut scan = Self {
            text,
            at: 0,
            close,
            first: true,
        };
        scan.take(open)?;
        Ok(scan)
    }

    /// Steps over a comma to the next value, or over the end.
    pub(super) fn has_next(&mut self) -> Result<bool, Malformed> {
        self.skip_space();
        if self.peek() == Some(self.close) {
            let is_end = self.at + 1 == self.text.len();
            return if is_end { Ok(false) } else { Err(Malformed) };
        }
        if !std::mem::take(&mut self.first) {
            self.take(b',')?;
            self.skip_space();
        }
        Ok(true)
    }

    pub(super) fn colon(&mut self) -> Result<(), Malformed> {
        self.skip_space();
        self.take(b':')?;
        self.skip_space();
        Ok(())
    }

    pub(super) fn value(&mut self) -> Result<Value<'a>, Malformed> {
        let json = self.text.as_bytes();
        let end = match self.peek() {
            Some(b'"') => string_end(json, self.at + 1) + 1,
            Some(b'{' | b'[') => container_end(json, self.at),
            _ => json[self.at..]
                .iter()
                .position(|byte| {
                    matches!(
                        byte,
                        b',' | b']' | b'}' | b':' | b' ' | b'\t' | b'\r' | b'\n'
                    )
                })
                .map_or(json.len(), |length| self.at + length),
        };
        let value = self
            .text
            .get(self.at..end)
            .filter(|value| !value.is_empty());
        self.at = end;
        value.map(Value).ok_or(Malformed)
    }

    fn take(&mut self, byte: u8) -> Result<(), Malformed> {
        if self.peek() != Some(byte) {
            return Err(Malformed);
        }
        self.at += 1;
        Ok(())
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            self.at += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }
}

/// Position behind the bracket that closes the one at `at`; beyond the end if there is none.
fn container_end(json: &[u8], mut at: usize) -> usize {
    let mut depth = 0_usize;
    while let Some(&byte) = json.get(at) {
        match byte {
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth -= 1,
            b'"' => at = string_end(json, at + 1),
            _ => {}
        }
        at += 1;
        if depth == 0 {
            return at;
        }
    }
    json.len() + 1
}

/// Position of the quote that ends the string whose characters begin at `at`, or the end of all.
pub(super) fn string_end(json: &[u8], mut at: usize) -> usize {
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
