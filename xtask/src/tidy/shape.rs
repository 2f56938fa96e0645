//! What a file may look like: its header, length, width and name.

use super::Finding;
use super::repository::Repository;
use super::source::Source;

const MAX_FILE_LINES: usize = 800;
const MAX_COLUMNS: usize = 100;
/// A line may be wider when this much of it is a string, which cannot be wrapped well.
const LONG_LITERAL_BYTES: usize = 40;
const MAX_ARCHITECTURE_LINES: usize = 300;
const MAX_DECISION_LINES: usize = 40;

/// Names that say nothing about what is inside.
const BANNED_NAMES: &[&str] = &[
    "common", "helper", "helpers", "manager", "managers", "misc", "shared", "stuff", "util",
    "utils",
];

/// Refuses files without header, too long or too wide, and names that say nothing.
pub(super) fn check(repository: &Repository) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in repository.files() {
        let extension = path.rsplit_once('.').map_or("", |(_, extension)| extension);
        match extension {
            "rs" => {
                check_header(path, text, &mut findings);
                check_length(path, text, MAX_FILE_LINES, &mut findings);
                check_columns(path, text, &mut findings);
                check_names(path, &mut findings);
            }
            "ts" | "tsx" | "mjs" | "py" | "sh" if !path.ends_with(".d.ts") => {
                check_length(path, text, MAX_FILE_LINES, &mut findings);
                check_names(path, &mut findings);
            }
            "md" if path == "ARCHITECTURE.md" => {
                check_length(path, text, MAX_ARCHITECTURE_LINES, &mut findings);
            }
            "md" if path.starts_with("docs/adr/") => {
                check_length(path, text, MAX_DECISION_LINES, &mut findings);
            }
            _ => {}
        }
    }
    findings
}

fn check_header(path: &str, text: &str, findings: &mut Vec<Finding>) {
    let first = text
        .lines()
        .find(|line| !line.trim().is_empty())
        .unwrap_or_default();
    if !first.starts_with("//! ") {
        let mend = "Begin the file with `//!` lines: what it is for, and why it is so.";
        findings.push(Finding::new(path, 1, "the file has no header", mend));
    }
}

fn check_length(path: &str, text: &str, max_lines: usize, findings: &mut Vec<Finding>) {
    let lines = text.lines().count();
    if lines > max_lines {
        let wrong = format!("the file has {lines} lines, {max_lines} are allowed");
        let mend = if path.ends_with(".md") {
            "Say less, or move a part into a text of its own."
        } else {
            "Split it where it begins to say a second thing."
        };
        findings.push(Finding::new(path, max_lines + 1, wrong, mend));
    }
}

fn check_columns(path: &str, text: &str, findings: &mut Vec<Finding>) {
    let wide = |line: &str| line.chars().count() > MAX_COLUMNS;
    if !text.lines().any(wide) {
        return;
    }
    let source = Source::read(path, text);
    let mut start = 0;
    for (index, line) in text.split('\n').enumerate() {
        let end = start + line.len();
        if wide(line) && !line.contains("://") {
            let overlaps = source.literals.iter().map(|literal| {
                literal
                    .end
                    .min(end)
                    .saturating_sub(literal.start.max(start))
            });
            if overlaps.max().unwrap_or(0) < LONG_LITERAL_BYTES {
                let columns = line.chars().count();
                let wrong = format!("the line has {columns} columns, {MAX_COLUMNS} are allowed");
                findings.push(Finding::new(path, index + 1, wrong, "Wrap it."));
            }
        }
        start = end + 1;
    }
}

fn check_names(path: &str, findings: &mut Vec<Finding>) {
    let stem = path.rsplit_once('.').map_or(path, |(stem, _)| stem);
    if let Some(name) = stem.split('/').find(|name| BANNED_NAMES.contains(name)) {
        let wrong = format!("a module named `{name}` says nothing about what is inside");
        findings.push(Finding::new(
            path,
            0,
            wrong,
            "Name it for what it does, or split it up.",
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrongs(path: &str, text: &str) -> Vec<String> {
        let found = check(&Repository::of(&[(path, text)]));
        found
            .into_iter()
            .map(|finding| format!("{}: {}", finding.line, finding.wrong))
            .collect()
    }

    #[test]
    fn a_plain_file_passes() {
        assert_eq!(
            wrongs("crates/store/src/a.rs", "//! What.\n\nfn f() {}\n"),
            [""; 0]
        );
    }

    #[test]
    fn a_header_comes_first() {
        for text in [
            "",
            "fn f() {}\n",
            "// What.\n",
            "//!\n//! What.\n",
            "use x;\n//! Late.\n",
        ] {
            assert_eq!(
                wrongs("xtask/src/a.rs", text),
                ["1: the file has no header"],
                "{text}"
            );
        }
    }

    #[test]
    fn files_have_a_greatest_length_by_kind() {
        let of_lines = |lines: usize| "//! x\n".repeat(lines);
        for (path, max_lines) in [
            ("crates/store/src/a.rs", 800),
            ("console/src/App.tsx", 800),
            ("ARCHITECTURE.md", 300),
            ("docs/adr/0001-one.md", 40),
        ] {
            assert_eq!(wrongs(path, &of_lines(max_lines)), [""; 0], "{path}");
            assert_eq!(wrongs(path, &of_lines(max_lines + 1)).len(), 1, "{path}");
        }
        assert_eq!(wrongs("docs/ledger.md", &of_lines(900)), [""; 0]);
        assert_eq!(
            wrongs("console/src/api/schema.d.ts", &of_lines(900)),
            [""; 0]
        );
    }

    #[test]
    fn wide_lines_are_refused_unless_they_cannot_be_wrapped() {
        let path = "crates/store/src/a.rs";
        let line = |inside: &str| format!("//! x\n{inside}\n");
        let code = format!("let {} = 1;", "a".repeat(100));
        assert_eq!(
            wrongs(path, &line(&code)),
            ["2: the line has 109 columns, 100 are allowed"]
        );
        let comment = format!("// {}", "word ".repeat(25));
        assert_eq!(wrongs(path, &line(&comment)).len(), 1);
        let address = format!("// https://example.com/{}", "a".repeat(100));
        assert_eq!(wrongs(path, &line(&address)), [""; 0]);
        let literal = format!("let message = \"{}\";", "word ".repeat(25));
        assert_eq!(wrongs(path, &line(&literal)), [""; 0]);
        let accents = format!("// {}", "é".repeat(97));
        assert_eq!(
            wrongs(path, &line(&accents)),
            [""; 0],
            "columns are characters"
        );
    }

    #[test]
    fn names_that_say_nothing_are_refused() {
        for path in [
            "crates/store/src/utils.rs",
            "crates/store/src/common/x.rs",
            "console/src/misc.ts",
        ] {
            assert_eq!(wrongs(path, "//! x\n").len(), 1, "{path}");
        }
        assert_eq!(
            wrongs("crates/store/src/commonplace.rs", "//! x\n"),
            [""; 0]
        );
    }
}
