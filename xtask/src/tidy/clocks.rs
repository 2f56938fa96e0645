//! Clock and randomness are passed in; the product reads them in `clock.rs` and `entropy.rs` only.
//!
//! Clippy forbids the same calls (clippy.toml). This rule also names the file they belong in, and
//! cannot be switched off for a line.

use super::Finding;
use super::repository::Repository;

const PRODUCT: &[&str] = &[
    "crates/domain",
    "crates/wire",
    "crates/store",
    "crates/gateway",
    "crates/control",
    "crates/farebox",
];

/// A call, and the file that may make it.
const CALLS: &[(&str, &str)] = &[
    ("SystemTime::now", "clock.rs"),
    ("Instant::now", "clock.rs"),
    ("Timestamp::now", "clock.rs"),
    ("Zoned::now", "clock.rs"),
    ("Uuid::now_v7", "clock.rs"),
    ("Uuid::new_v4", "entropy.rs"),
    ("getrandom::", "entropy.rs"),
    ("rand::", "entropy.rs"),
    ("thread_rng", "entropy.rs"),
    ("OsRng", "entropy.rs"),
];

/// Refuses calls to the clock or to randomness outside their modules; tests may call them.
pub(super) fn check(repository: &Repository) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, source) in PRODUCT
        .iter()
        .flat_map(|folder| repository.sources_of(folder))
    {
        if path.ends_with("/clock.rs") || path.ends_with("/entropy.rs") {
            continue;
        }
        for (call, place) in CALLS {
            for at in source
                .find_in_code(call)
                .filter(|at| !source.is_test_at(*at))
            {
                findings.push(Finding::new(
                    path,
                    source.line_at(at),
                    format!("`{call}` is called outside {place}"),
                    format!("Take the value as an argument, or read it in a module named {place}."),
                ));
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(path: &str, text: &str) -> Vec<usize> {
        check(&Repository::of(&[(path, text)]))
            .iter()
            .map(|finding| finding.line)
            .collect()
    }

    #[test]
    fn calls_are_refused_outside_their_modules() {
        let text = "//! x\nlet a = std::time::Instant::now();\nlet b = getrandom::fill(&mut c);\n";
        assert_eq!(lines("crates/gateway/src/relay.rs", text), [2, 3]);
        assert_eq!(
            lines("crates/domain/src/lib.rs", "let id = Uuid::now_v7();"),
            [1]
        );
    }

    #[test]
    fn their_modules_tests_prose_and_tools_may() {
        let text = "let a = Instant::now();\nlet b = getrandom::fill(&mut c);\n";
        for path in [
            "crates/store/src/clock.rs",
            "crates/store/src/entropy.rs",
            "crates/store/tests/it/batch.rs",
            "crates/testkit/src/upstream.rs",
            "crates/local/src/engine.rs",
            "bench/src/main.rs",
        ] {
            assert_eq!(lines(path, text), [], "{path}");
        }
        let prose = "// Instant::now() would do.\nlet a = \"getrandom::fill\";\n\
                     #[cfg(test)]\nmod tests { fn f() { Instant::now(); } }\n";
        assert_eq!(lines("crates/store/src/batch.rs", prose), []);
        assert_eq!(
            lines("crates/store/src/batch.rs", "use crate::operand::x;"),
            []
        );
    }
}
