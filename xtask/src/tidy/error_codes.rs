//! docs/errors.md lists exactly the error codes that the two planes send.
//!
//! Each plane decides its answers in one file, which holds a table named `CODES`. In the document
//! they stand in the first column of every table whose first heading is "code".

use std::collections::BTreeMap;

use super::Finding;
use super::repository::Repository;
use super::source::Source;

const TABLES: &[&str] = &[
    "crates/gateway/src/respond.rs",
    "crates/control/src/respond.rs",
];
const DOCUMENT: &str = "docs/errors.md";

/// Refuses codes that are sent and not documented, or documented and not sent.
pub(super) fn check(repository: &Repository) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut sent = BTreeMap::new();
    for path in TABLES {
        match repository.text(path).map(|text| codes_sent(path, text)) {
            Some(codes) if !codes.is_empty() => {
                sent.extend(codes.into_iter().map(|(code, line)| (code, (*path, line))));
            }
            _ => findings.push(Finding::new(
                path,
                0,
                "the table of error codes is missing",
                "List every `code` this plane sends in `pub const CODES: &[&str]`.",
            )),
        }
    }
    let Some(document) = repository.text(DOCUMENT) else {
        findings.push(Finding::new(
            DOCUMENT,
            0,
            "the file is missing",
            "Write a table whose first column, headed `code`, lists every code in backticks.",
        ));
        return findings;
    };
    let documented = codes_documented(document);
    for (code, (path, line)) in &sent {
        if !documented.contains_key(code) {
            let wrong = format!("the error code `{code}` is not in {DOCUMENT}");
            findings.push(Finding::new(path, *line, wrong, "Say there what it means."));
        }
    }
    for (code, line) in &documented {
        if !sent.contains_key(code) {
            let wrong = format!("the error code `{code}` is documented, but nothing sends it");
            let mend = "Remove the row, or add the code to CODES where it is sent.";
            findings.push(Finding::new(DOCUMENT, *line, wrong, mend));
        }
    }
    findings
}

/// The string literals between `const CODES` and its semicolon, with their lines.
fn codes_sent(path: &str, text: &str) -> Vec<(String, usize)> {
    let source = Source::read(path, text);
    let Some(start) = source.find_in_code("const CODES").next() else {
        return Vec::new();
    };
    let end = source.item_end(start);
    let inside = source
        .literals
        .iter()
        .filter(|literal| (start..end).contains(&literal.start));
    inside
        .map(|literal| (literal.value.clone(), source.line_at(literal.start)))
        .collect()
}

fn codes_documented(document: &str) -> BTreeMap<String, usize> {
    let mut codes = BTreeMap::new();
    let mut inside = false;
    for (index, line) in document.lines().enumerate() {
        let Some(row) = line.trim().strip_prefix('|') else {
            inside = false;
            continue;
        };
        let first = row.split('|').next().unwrap_or_default().trim();
        if first.trim_matches('`').eq_ignore_ascii_case("code") {
            inside = true;
        } else if inside {
            let marked = first.split('`').skip(1).step_by(2);
            codes.extend(marked.map(|code| (code.to_owned(), index + 1)));
        }
    }
    codes
}

#[cfg(test)]
mod tests {
    use super::*;

    const GATEWAY: (&str, &str) = (
        "crates/gateway/src/respond.rs",
        "//! x\npub const CODES: &[&str] = &[\n    \"one\",\n];\nlet x = \"no_code\";\n",
    );
    const CONTROL: (&str, &str) = (
        "crates/control/src/respond.rs",
        "//! x\npub const CODES: [&str; 2] = [\"one\", \"two\"];\n",
    );

    fn found(files: &[(&str, &str)]) -> Vec<String> {
        let findings = check(&Repository::of(files));
        findings
            .iter()
            .map(|f| format!("{}:{} {}", f.path, f.line, f.wrong))
            .collect()
    }

    #[test]
    fn code_and_document_that_agree_pass() {
        let document = "# Errors\n\n| Code | Status |\n|---|---|\n| `one` | 429 |\n| `two` | 404 |\n\n\
                        | header | means |\n|---|---|\n| `x-request-id` | an id |\n";
        assert_eq!(
            found(&[GATEWAY, CONTROL, ("docs/errors.md", document)]),
            [""; 0]
        );
    }

    #[test]
    fn a_code_on_one_side_only_is_refused() {
        let document = "| code | status |\n|---|---|\n| `one`, `three` | 429 |\n";
        assert_eq!(
            found(&[GATEWAY, CONTROL, ("docs/errors.md", document)]),
            [
                "crates/control/src/respond.rs:2 the error code `two` is not in docs/errors.md",
                "docs/errors.md:3 the error code `three` is documented, but nothing sends it",
            ]
        );
    }

    #[test]
    fn missing_tables_are_said_to_be_missing() {
        assert_eq!(found(&[]).len(), 3);
        let empty = ("crates/gateway/src/respond.rs", "//! x\n");
        assert!(found(&[empty, CONTROL])[0].contains("the table of error codes is missing"));
    }
}
