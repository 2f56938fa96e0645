//! `cargo xtask tidy`: the rules of the house that no compiler knows.
//!
//! A rule is a function from the repository's texts to findings, so that each is proven on small
//! inline repositories. A finding names the place, what is wrong and what to do about it. The test
//! at the end holds this repository to all of them.

mod arrows;
mod clocks;
mod codemap;
mod error_codes;
mod links;
mod lock_file;
mod repository;
mod routes;
mod schema_names;
mod shape;
mod source;
mod sql;
mod words;

use std::fmt;
use std::path::Path;

use repository::Repository;

/// One thing to mend.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Finding {
    path: String,
    /// Counted from 1; 0 where the whole file, or its absence, is meant.
    line: usize,
    wrong: String,
    mend: String,
}

impl Finding {
    fn new(path: &str, line: usize, wrong: impl Into<String>, mend: impl Into<String>) -> Self {
        Self {
            path: path.to_owned(),
            line,
            wrong: wrong.into(),
            mend: mend.into(),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.path)?;
        if self.line > 0 {
            write!(f, ":{}", self.line)?;
        }
        write!(f, ": {}\n    {}", self.wrong, self.mend)
    }
}

type Rule = fn(&Repository) -> Vec<Finding>;

const RULES: &[Rule] = &[
    arrows::check,
    clocks::check,
    codemap::check,
    error_codes::check,
    links::check,
    lock_file::check,
    routes::check,
    schema_names::check,
    shape::check,
    sql::check,
    words::check,
];

/// Checks every rule and prints the findings, in the order of the files.
pub(crate) fn run(root: &Path) -> Result<(), String> {
    let repository = Repository::read(root)?;
    let findings = check_all(&repository);
    if findings.is_empty() {
        println!("Tidy: {} files keep all the rules.", repository.count());
        return Ok(());
    }
    let list: Vec<String> = findings.iter().map(Finding::to_string).collect();
    Err(format!(
        "{}\n\n{} to mend.",
        list.join("\n"),
        things(findings.len())
    ))
}

/// Whether every schema of the API has a name of its own.
pub(crate) fn schema_names(root: &Path) -> Result<(), String> {
    let findings = schema_names::check(&Repository::read(root)?);
    let list: Vec<String> = findings.iter().map(Finding::to_string).collect();
    match list.is_empty() {
        true => Ok(()),
        false => Err(list.join("\n")),
    }
}

fn check_all(repository: &Repository) -> Vec<Finding> {
    let mut findings: Vec<Finding> = RULES.iter().flat_map(|rule| rule(repository)).collect();
    findings.sort();
    findings
}

fn things(count: usize) -> String {
    if count == 1 {
        "1 thing".into()
    } else {
        format!("{count} things")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_repository_is_tidy() {
        if let Err(findings) = run(&crate::root()) {
            panic!("\n{findings}\n");
        }
    }

    #[test]
    fn a_finding_names_place_fault_and_cure() {
        let finding = Finding::new("crates/store/src/lib.rs", 7, "it is wrong", "Mend it.");
        assert_eq!(
            finding.to_string(),
            "crates/store/src/lib.rs:7: it is wrong\n    Mend it."
        );
        let missing = Finding::new("docs/errors.md", 0, "it is missing", "Write it.");
        assert_eq!(
            missing.to_string(),
            "docs/errors.md: it is missing\n    Write it."
        );
    }
}
