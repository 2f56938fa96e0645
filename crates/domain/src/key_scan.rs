//! Finds our keys in bytes that come in pieces, whatever stands around them.
//!
//! A key is known by its check sum, so what is found is one, and not only something like it. Memory
//! does not grow with what was read.

use memchr::memmem::Finder;

use crate::key::{KeyClass, KeySecret, REST_CHARS};

/// The end of every class's prefix, with our mark: what is looked for.
const NEEDLE: &[u8] = b"-fare";

/// The most characters of a key before [`NEEDLE`].
const MOST_BEFORE: usize = "sk-svcacct".len();

/// What begins as a key does, goes on for this many characters, and is none, is taken for a key
/// that was cut or mistyped; less is some other word.
const LEAST_REST: usize = REST_CHARS / 2;

/// What was found.
#[derive(Debug)]
pub enum Found {
    /// A key: its check sum is right.
    Key(KeySecret),
    /// What looks like a key of this class and is none: cut, or mistyped.
    Damaged(KeyClass),
}

/// Something that was found, and where.
#[derive(Debug)]
pub struct Finding {
    /// What.
    pub found: Found,
    /// The line that it is in; the first is 1.
    pub line: u64,
}

/// Looks through bytes in pieces.
#[derive(Debug)]
pub struct KeyScan {
    finder: Finder<'static>,
    /// What was read last and may be the beginning of a key.
    open: Vec<u8>,
    /// The line that `open` begins in.
    line: u64,
}

impl Default for KeyScan {
    fn default() -> Self {
        KeyScan {
            finder: Finder::new(NEEDLE),
            open: Vec::new(),
            line: 1,
        }
    }
}

impl KeyScan {
    /// Takes the next piece, and hands out what was found up to here.
    pub fn feed(&mut self, piece: &[u8], each: impl FnMut(Finding)) {
        self.open.extend_from_slice(piece);
        self.look(false, each);
    }

    /// Hands out what is at the very end.
    pub fn end(mut self, each: impl FnMut(Finding)) {
        self.look(true, each);
    }

    fn look(&mut self, is_all: bool, mut each: impl FnMut(Finding)) {
        let bytes = &self.open;
        // Where to look next, and how far lines are counted: all of it, in order.
        let (mut from, mut counted, mut line) = (0, 0, self.line);
        // What may be half of a needle yet is kept.
        let mut kept = bytes.len().saturating_sub(MOST_BEFORE + NEEDLE.len() - 1);
        while let Some(at) = self.finder.find(&bytes[from..]).map(|at| from + at) {
            if !is_all && bytes.len() < at + NEEDLE.len() + REST_CHARS {
                kept = kept.min(at.saturating_sub(MOST_BEFORE));
                break;
            }
            line += lines(&bytes[counted..at]);
            counted = at;
            if let Some(found) = key_at(bytes, at) {
                each(Finding { found, line });
            }
            from = at + NEEDLE.len();
        }
        let kept = kept.max(from).max(counted);
        self.line = line + lines(&bytes[counted..kept]);
        self.open.drain(..kept);
    }
}

fn lines(bytes: &[u8]) -> u64 {
    memchr::memchr_iter(b'\n', bytes).count() as u64
}

/// What the needle at `at` belongs to.
fn key_at(bytes: &[u8], at: usize) -> Option<Found> {
    let (head, tail) = bytes.split_at(at + 1);
    let class = KeyClass::ALL
        .into_iter()
        .find(|class| head.ends_with(class.prefix().as_bytes()))?;
    let rest = &tail[NEEDLE.len() - 1..];
    let length = rest
        .iter()
        .take(REST_CHARS)
        .take_while(|byte| byte.is_ascii_alphanumeric())
        .count();
    let start = at + 1 - class.prefix().len();
    let text = std::str::from_utf8(&bytes[start..at + NEEDLE.len() + length]).ok()?;
    match KeySecret::parse(text) {
        Ok(key) => Some(Found::Key(key)),
        Err(_) if length >= LEAST_REST => Some(Found::Damaged(class)),
        Err(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn counted(buffer: &mut [u8]) {
        for (number, byte) in buffer.iter_mut().enumerate() {
            *byte = u8::try_from(number * 7 % 251).unwrap();
        }
    }

    fn key(class: KeyClass) -> String {
        KeySecret::mint(class, counted).expose().to_owned()
    }

    /// What is found in pieces of `size`: the key, or a class, each with its line.
    fn found(text: &[u8], size: usize) -> Vec<(String, u64)> {
        let mut all = Vec::new();
        let mut each = |Finding { found, line }| {
            let found = match found {
                Found::Key(key) => key.expose().to_owned(),
                Found::Damaged(class) => class.as_str().to_owned(),
            };
            all.push((found, line));
        };
        let mut scan = KeyScan::default();
        for piece in text.chunks(size) {
            scan.feed(piece, &mut each);
        }
        scan.end(&mut each);
        all
    }

    #[test]
    fn keys_are_found_whatever_stands_around_them() {
        for class in KeyClass::ALL {
            let key = key(class);
            for text in [
                key.clone(),
                format!("KEY={key}\n"),
                format!("https://x/?a={key}&b"),
                format!("{{\"key\":\"{key}\"}}"),
                format!("{key}AndSoOn"),
                format!("sk-proj-{key}"),
                format!("-fare{key}-fare"),
            ] {
                let found = found(text.as_bytes(), 1_000);
                assert_eq!(found, [(key.clone(), 1)], "{text}");
            }
        }
    }

    #[test]
    fn what_is_no_key_is_not_found_or_told_as_damaged() {
        let good = key(KeyClass::Project);
        for (text, wanted) in [
            ("sk-proj-farewell".to_owned(), None),
            ("sk-proj-fare...x7Qz".to_owned(), None),
            ("sk-proj-abc".to_owned(), None),
            (good.replace("fare", "fame"), None),
            (good.replace("sk-proj-", "sk-other-"), None),
            (good[..good.len() - 1].to_owned(), Some("project")),
            (good.replace("sk-proj", "sk-admin"), Some("admin")),
            (good[..30].to_owned(), None),
        ] {
            let found = found(text.as_bytes(), 1_000);
            let wanted: Vec<(String, u64)> = wanted
                .into_iter()
                .map(|class| (class.to_owned(), 1))
                .collect();
            assert_eq!(found, wanted, "{text}");
        }
    }

    #[test]
    fn memory_does_not_grow_with_what_was_read() {
        let mut scan = KeyScan::default();
        for piece in [
            &[b'a'; 4_096][..],
            b"-fare",
            &[b'b'; 4_096],
            b"sk-proj-fare",
        ] {
            for _ in 0..64 {
                scan.feed(piece, |_| {});
                assert!(scan.open.len() < 4_096 + 128, "{}", scan.open.len());
            }
        }
    }

    proptest! {
        #[test]
        fn however_the_bytes_are_cut_the_same_is_found(
            size in 1_usize..200,
            parts in prop::collection::vec(
                prop_oneof![
                    Just("-fare".to_owned()),
                    Just("sk-proj-fare".to_owned()),
                    Just("\n".to_owned()),
                    "[a-z\\n-]{0,80}",
                    Just(key(KeyClass::Project)),
                    Just(key(KeyClass::ServiceAccount)),
                    Just(key(KeyClass::Admin)[..50].to_owned()),
                ],
                0..12,
            ),
        ) {
            let text = parts.concat();
            let whole = found(text.as_bytes(), text.len().max(1));
            prop_assert_eq!(&found(text.as_bytes(), size), &whole);
            // Slowly, and so that it is seen to be right: every place, one by one.
            let mut wanted = Vec::new();
            for at in 0..text.len() {
                let keys = KeyClass::ALL.into_iter().filter_map(|class| {
                    let end = at + class.prefix().len() + 4 + REST_CHARS;
                    KeySecret::parse(text.get(at..end)?).ok()
                });
                let line = 1 + text[..at].matches('\n').count() as u64;
                wanted.extend(keys.map(|key| (key.expose().to_owned(), line)));
            }
            let keys: Vec<_> = whole.into_iter().filter(|(it, _)| it.contains('-')).collect();
            prop_assert_eq!(keys, wanted);
        }

        #[test]
        fn no_bytes_can_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..2_000)) {
            found(&bytes, 61);
        }
    }
}
