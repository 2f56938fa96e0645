//! A Rust file as the rules need to see it: code apart from comments and literals, tests apart
//! from the product.
//!
//! This is a scanner, not a parser: it knows comments, literals and brackets, which is what it
//! takes not to mistake prose for code. Masked text keeps every offset and line of the original.

/// One Rust file, taken apart.
#[derive(Debug)]
pub(super) struct Source {
    /// The text with the inside of every comment and literal turned into spaces.
    pub(super) code: String,
    /// Every string literal, in order.
    pub(super) literals: Vec<Literal>,
    /// Byte ranges of code that only tests compile.
    test_ranges: Vec<(usize, usize)>,
    /// Offsets at which lines begin.
    line_starts: Vec<usize>,
}

/// A string literal: its contents as written, and the bytes they cover.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Literal {
    pub(super) value: String,
    pub(super) start: usize,
    pub(super) end: usize,
}

impl Source {
    pub(super) fn read(path: &str, text: &str) -> Self {
        let (code, literals) = mask(text);
        let test_ranges = if is_test_path(path) {
            vec![(0, text.len())]
        } else {
            test_ranges(&code)
        };
        let newlines = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        let line_starts = std::iter::once(0)
            .chain(newlines.map(|(at, _)| at + 1))
            .collect();
        Self {
            code,
            literals,
            test_ranges,
            line_starts,
        }
    }

    /// The line of a byte, counted from 1.
    pub(super) fn line_at(&self, offset: usize) -> usize {
        self.line_starts.partition_point(|start| *start <= offset)
    }

    /// Where the item that begins at `start` ends: at its `;`, or at the brace that closes it.
    pub(super) fn item_end(&self, start: usize) -> usize {
        item_end(&self.code, start)
    }

    pub(super) fn is_test_at(&self, offset: usize) -> bool {
        self.test_ranges
            .iter()
            .any(|(start, end)| (*start..*end).contains(&offset))
    }

    /// Where `name` stands in the code as a whole word, or path of words, or call.
    pub(super) fn find_in_code<'a>(&'a self, name: &'a str) -> impl Iterator<Item = usize> + 'a {
        self.code
            .match_indices(name)
            .map(|(at, _)| at)
            .filter(move |at| {
                let before = self.code[..*at].chars().next_back();
                let after = self.code[at + name.len()..].chars().next();
                let joins = |edge: Option<char>, outer: Option<char>| {
                    edge.is_some_and(is_word) && outer.is_some_and(is_word)
                };
                !joins(name.chars().next(), before) && !joins(name.chars().next_back(), after)
            })
    }
}

fn is_word(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

fn is_test_path(path: &str) -> bool {
    let (folders, name) = path.rsplit_once('/').unwrap_or(("", path));
    name == "tests.rs" || name.ends_with("_tests.rs") || folders.split('/').any(|f| f == "tests")
}

/// Replaces comments and the inside of literals by spaces, and collects the string literals.
fn mask(text: &str) -> (String, Vec<Literal>) {
    let bytes = text.as_bytes();
    let mut masked = bytes.to_vec();
    let mut literals = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let token = next_token(bytes, at);
        if let Some((start, end)) = token.hidden {
            for byte in &mut masked[start..end] {
                if *byte != b'\n' {
                    *byte = b' ';
                }
            }
            if token.is_string {
                literals.push(Literal {
                    value: text[start..end].to_owned(),
                    start,
                    end,
                });
            }
        }
        at = token.end;
    }
    (
        String::from_utf8(masked).expect("only whole characters are replaced"),
        literals,
    )
}

struct Token {
    end: usize,
    hidden: Option<(usize, usize)>,
    is_string: bool,
}

/// Reads the comment, literal or word that begins at `at`; anything else is one byte of code.
fn next_token(bytes: &[u8], at: usize) -> Token {
    let rest = &bytes[at..];
    let hide = |start: usize, end: usize, closed: usize, is_string: bool| Token {
        end: closed,
        hidden: Some((start, end)),
        is_string,
    };
    if rest.starts_with(b"//") {
        let end = at
            + rest
                .iter()
                .position(|byte| *byte == b'\n')
                .unwrap_or(rest.len());
        return hide(at, end, end, false);
    }
    if rest.starts_with(b"/*") {
        let end = block_comment_end(bytes, at);
        return hide(at, end, end, false);
    }
    if let Some((start, hashes)) = raw_string_start(rest) {
        let start = at + start;
        let closing: Vec<u8> = [b"\"".as_slice(), &vec![b'#'; hashes]].concat();
        let length = bytes[start..]
            .windows(closing.len())
            .position(|w| w == closing);
        let end = length.map_or(bytes.len(), |length| start + length);
        return hide(start, end, (end + closing.len()).min(bytes.len()), true);
    }
    if rest[0] == b'"' {
        let end = quoted_end(bytes, at + 1, b'"');
        return hide(at + 1, end, (end + 1).min(bytes.len()), true);
    }
    if rest[0] == b'\'' && is_char_literal(rest) {
        let end = quoted_end(bytes, at + 1, b'\'');
        return hide(at + 1, end, (end + 1).min(bytes.len()), false);
    }
    let word = rest
        .iter()
        .take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_');
    let is_prefix = matches!(rest[0], b'b' | b'c') && matches!(rest.get(1), Some(b'"' | b'\''));
    let length = if is_prefix { 1 } else { word.count().max(1) };
    Token {
        end: at + length,
        hidden: None,
        is_string: false,
    }
}

/// Block comments nest in Rust.
fn block_comment_end(bytes: &[u8], start: usize) -> usize {
    let mut depth = 0_usize;
    let mut at = start;
    while at < bytes.len() {
        if bytes[at..].starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if bytes[at..].starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    bytes.len()
}

/// For `r"`, `r#"`, `br"` and the like: the length up to and with the quote, and the hashes.
fn raw_string_start(rest: &[u8]) -> Option<(usize, usize)> {
    let prefix = ["r", "br", "cr"].into_iter().find(|prefix| {
        let after = rest.get(prefix.len());
        rest.starts_with(prefix.as_bytes()) && matches!(after, Some(b'"' | b'#'))
    })?;
    let hashes = rest[prefix.len()..]
        .iter()
        .take_while(|byte| **byte == b'#')
        .count();
    // `r#name` is an identifier, not a string.
    let quote = prefix.len() + hashes;
    (rest.get(quote) == Some(&b'"')).then_some((quote + 1, hashes))
}

fn quoted_end(bytes: &[u8], start: usize, quote: u8) -> usize {
    let mut at = start;
    while at < bytes.len() && bytes[at] != quote {
        at += if bytes[at] == b'\\' { 2 } else { 1 };
    }
    at.min(bytes.len())
}

/// Tells `'a'` from the lifetime `'a`: a literal closes after one character, or escapes.
fn is_char_literal(rest: &[u8]) -> bool {
    match rest.get(1) {
        Some(b'\\') => true,
        Some(first) => {
            let length = match first {
                0x00..0x80 => 1,
                0x80..0xe0 => 2,
                0xe0..0xf0 => 3,
                _ => 4,
            };
            rest.get(1 + length) == Some(&b'\'')
        }
        None => false,
    }
}

/// The items behind `#[cfg(test)]` and the like, from the attribute to their closing brace.
fn test_ranges(code: &str) -> Vec<(usize, usize)> {
    let starts = code.match_indices("#[cfg(").map(|(at, _)| at);
    starts
        .filter_map(|start| {
            let attribute_end = start + code[start..].find(")]")? + 2;
            let condition = &code[start + "#[cfg(".len()..attribute_end - 2];
            let is_test = condition
                .split(|c: char| !is_word(c))
                .any(|word| word == "test")
                && !condition.contains("not(");
            is_test.then(|| (start, item_end(code, attribute_end)))
        })
        .collect()
}

fn item_end(code: &str, start: usize) -> usize {
    let mut depth = 0_usize;
    for (at, byte) in code.bytes().enumerate().skip(start) {
        match byte {
            b'{' | b'(' | b'[' => depth += 1,
            b'}' | b')' | b']' => {
                depth = depth.saturating_sub(1);
                if depth == 0 && byte == b'}' {
                    return at + 1;
                }
            }
            b';' if depth == 0 => return at + 1,
            _ => {}
        }
    }
    code.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn literals(text: &str) -> Vec<String> {
        Source::read("a.rs", text)
            .literals
            .into_iter()
            .map(|literal| literal.value)
            .collect()
    }

    #[test]
    fn comments_and_literals_are_masked_and_offsets_kept() {
        let text = "let a = \"x // y\"; // say \"hi\"\nlet b = 'c'; /* /* */ d */ e();\n";
        let source = Source::read("a.rs", text);
        assert_eq!(source.code.len(), text.len());
        assert_eq!(
            source.code,
            "let a = \"      \";            \nlet b = ' ';               e();\n"
        );
        assert_eq!(literals(text), ["x // y"]);
    }

    #[test]
    fn every_kind_of_string_is_a_literal_and_lifetimes_are_not() {
        let cases: &[(&str, &[&str])] = &[
            (r#""a\"b""#, &[r#"a\"b"#]),
            ("r\"c\\\"", &["c\\"]),
            ("r#\"d\"e\"#", &["d\"e"]),
            ("b\"f\" c\"g\" br#\"h\"#", &["f", "g", "h"]),
            ("fn x<'a>(y: &'a str, z: &'static str) {}", &[]),
            (r#"let q = '"'; let s = "after""#, &["after"]),
            (r"let q = '\''; let u = 'é'; let v = '→';", &[]),
            ("let r#type = \"kind\";", &["kind"]),
            ("let number = 1; \"é→\"", &["é→"]),
            ("\"never closed", &["never closed"]),
        ];
        for (text, expected) in cases {
            assert_eq!(literals(text), *expected, "{text}");
        }
    }

    #[test]
    fn a_line_is_counted_from_one() {
        let source = Source::read("a.rs", "one\ntwo\n\nfour");
        let lines: Vec<usize> = [0, 3, 4, 8, 9].map(|at| source.line_at(at)).into();
        assert_eq!(lines, [1, 1, 2, 3, 4]);
    }

    #[test]
    fn names_are_found_as_whole_words_in_code_only() {
        let text = "Instant::now(); MyInstant::now(); Instant::nowhere(); // Instant::now()";
        let source = Source::read("a.rs", text);
        assert_eq!(source.find_in_code("Instant::now").collect::<Vec<_>>(), [0]);
        let routes = Source::read("a.rs", "x.route(a).routes(b).route_service(c)");
        assert_eq!(routes.find_in_code(".route(").count(), 1);
    }

    #[test]
    fn only_what_tests_compile_counts_as_test() {
        let text = "\
fn product() {}
#[cfg(test)]
use only::tests;
fn more() {}
#[cfg(all(test, unix))]
mod tests { fn inside() { if true {} } }
#[cfg(not(test))]
fn last() {}
";
        let source = Source::read("crates/store/src/a.rs", text);
        let is_test = |word: &str| source.is_test_at(text.find(word).unwrap());
        for word in ["only", "inside", "if true"] {
            assert!(is_test(word), "{word}");
        }
        for word in ["product", "more", "last"] {
            assert!(!is_test(word), "{word}");
        }
        for path in [
            "crates/store/tests/it/main.rs",
            "crates/store/src/batch/tests.rs",
        ] {
            assert!(Source::read(path, "fn x() {}").is_test_at(0), "{path}");
        }
        assert!(!Source::read("crates/store/src/attests.rs", "fn x() {}").is_test_at(0));
    }
}
