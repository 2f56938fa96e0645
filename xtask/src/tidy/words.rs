//! Words that do not belong in a text others will read: notes to oneself and private places.

use super::Finding;
use super::repository::Repository;

/// Built from halves, so that this file does not contain what it looks for.
const REFUSED: &[(&str, &str)] = &[
    (
        concat!("issue", " #"),
        "Say the reason itself; numbers of another place say nothing here.",
    ),
    (
        concat!("/wo", "rk/"),
        "Name places relative to the repository.",
    ),
    (
        concat!("TO", "DO"),
        "Do it, or leave it out and say what is so today.",
    ),
    (
        concat!("FIX", "ME"),
        "Mend it, or say what is wrong and why it stays.",
    ),
];

/// Written by tools, or by lawyers.
const NOT_OURS: &[&str] = &["Cargo.lock", "package-lock.json", "LICENSE"];

/// Refuses the words above in any text of the repository, comments and strings included.
pub(super) fn check(repository: &Repository) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in repository.files() {
        let name = path.rsplit('/').next().unwrap_or(path);
        if NOT_OURS.contains(&name) || !REFUSED.iter().any(|(word, _)| contains(text, word)) {
            continue;
        }
        for (index, line) in text.lines().enumerate() {
            for (word, mend) in REFUSED.iter().filter(|(word, _)| contains(line, word)) {
                findings.push(Finding::new(
                    path,
                    index + 1,
                    format!("it says \"{word}\""),
                    *mend,
                ));
            }
        }
    }
    findings
}

/// Whether a text holds the word, in small letters or as written, not as a part of a longer word.
fn contains(text: &str, word: &str) -> bool {
    let is_letter = |c: char| c.is_alphanumeric() || c == '_';
    let edge = |c: Option<char>| c.is_some_and(is_letter);
    let whole = |at: usize| {
        let begins = !edge(word.chars().next()) || !edge(text[..at].chars().next_back());
        let ends = !edge(word.chars().next_back()) || !edge(text[at + word.len()..].chars().next());
        begins && ends
    };
    text.match_indices(word).any(|(at, _)| whole(at))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_word_is_refused_with_its_line_and_longer_words_are_not() {
        for (word, _) in REFUSED {
            let text = format!("fine\nsee {word}12 there\n").replace("12", "");
            let found = check(&Repository::of(&[("docs/a.md", &text)]));
            assert_eq!(found.len(), 1, "{word}");
            assert_eq!(found[0].line, 2);
        }
        let fine = "the network/working folder, a TODOS list, issues and FIXMEs\n";
        assert_eq!(check(&Repository::of(&[("docs/a.md", fine)])), []);
    }

    #[test]
    fn files_that_tools_write_are_left_alone() {
        let text = format!("\"integrity\": \"sha512-{}\"\n", REFUSED[1].0);
        assert_eq!(
            check(&Repository::of(&[("console/package-lock.json", &text)])),
            []
        );
    }
}
