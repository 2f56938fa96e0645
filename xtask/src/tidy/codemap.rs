//! ARCHITECTURE.md's codemap names every crate and every top-level module, and nothing else.
//!
//! A line that contains `crates/name` (in a heading, list or table) begins that crate's part; a
//! heading without one ends it. There, each module stands in backticks: `batch.rs`, `batch/`,
//! `batch`, `store::batch` or the whole path. Paths in backticks must exist.

use std::collections::{BTreeMap, BTreeSet};

use super::Finding;
use super::repository::Repository;

const MAP: &str = "ARCHITECTURE.md";

/// Files that are there in every crate, or hold tests, and say nothing by being listed.
const UNLISTED: &[&str] = &["lib", "main", "tests"];

/// Refuses modules the codemap does not name, and names in it that lead nowhere.
pub(super) fn check(repository: &Repository) -> Vec<Finding> {
    let Some(map) = repository.text(MAP) else {
        let mend = "Write it: bird's eye view, codemap, invariants, two walkthroughs.";
        return vec![Finding::new(MAP, 0, "the file is missing", mend)];
    };
    let parts = read_parts(map);
    let mut findings = Vec::new();
    for (name, modules) in modules(repository) {
        let Some(named) = parts.get(name) else {
            let wrong = format!("the codemap does not name `crates/{name}`");
            findings.push(Finding::new(
                MAP,
                0,
                wrong,
                "Say there what the crate is for.",
            ));
            continue;
        };
        for module in modules.difference(&named.keys().map(String::as_str).collect()) {
            let wrong = format!("the codemap does not name the module `{module}` of crates/{name}");
            let mend = "Name it in backticks in the crate's part, with what it is for.";
            findings.push(Finding::new(MAP, 0, wrong, mend));
        }
    }
    findings.extend(dead_names(repository, map, &parts));
    findings
}

/// Crates by name, each with its top-level modules.
fn modules(repository: &Repository) -> BTreeMap<&str, BTreeSet<&str>> {
    let mut crates: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (path, _) in repository.files() {
        let Some((name, inside)) = path.strip_prefix("crates/").and_then(|p| p.split_once('/'))
        else {
            continue;
        };
        let modules = crates.entry(name).or_default();
        let Some(file) = inside
            .strip_prefix("src/")
            .filter(|file| file.ends_with(".rs"))
        else {
            continue;
        };
        let module = match file.split_once('/') {
            Some(("bin", _)) => continue,
            Some((folder, "mod.rs")) => folder,
            Some(_) => continue,
            None => file.trim_end_matches(".rs"),
        };
        if !UNLISTED.contains(&module) && !module.ends_with("_tests") {
            modules.insert(module);
        }
    }
    crates
}

/// The map's part on each crate: the names in backticks there, and their lines.
fn read_parts(map: &str) -> BTreeMap<String, BTreeMap<String, usize>> {
    let mut parts: BTreeMap<String, BTreeMap<String, usize>> = BTreeMap::new();
    let mut current: Option<String> = None;
    for (index, line) in map.lines().enumerate() {
        if let Some((_, after)) = line.split_once("crates/") {
            let is_name = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
            let name: String = after.chars().take_while(|c| is_name(*c)).collect();
            parts.entry(name.clone()).or_default();
            current = Some(name);
        } else if line.starts_with('#') {
            current = None;
        }
        let Some(part) = current.as_ref().and_then(|name| parts.get_mut(name)) else {
            continue;
        };
        for word in backticked(line) {
            part.entry(module_name(word).to_owned())
                .or_insert(index + 1);
        }
    }
    parts
}

fn backticked(line: &str) -> impl Iterator<Item = &str> {
    line.split('`').skip(1).step_by(2)
}

/// `batch` from `crates/store/src/batch.rs`, `store::batch`, `batch/` and `batch.rs` alike.
fn module_name(word: &str) -> &str {
    let word = word.trim_end_matches('/').trim_end_matches(".rs");
    let word = word.rsplit("::").next().unwrap_or(word);
    word.rsplit('/').next().unwrap_or(word)
}

/// Names of files in a crate's part, and paths anywhere, that do not exist.
fn dead_names(
    repository: &Repository,
    map: &str,
    parts: &BTreeMap<String, BTreeMap<String, usize>>,
) -> Vec<Finding> {
    const FOLDERS: &[&str] = &[
        "crates/", "docs/", "console/", "xtask/", "bench/", "scripts/",
    ];
    let mend = "Mend the name, or take the line out.";
    let mut findings = Vec::new();
    for (index, line) in map.lines().enumerate() {
        let paths = backticked(line).filter(|word| {
            FOLDERS.iter().any(|folder| word.starts_with(folder)) && !word.contains(['*', '{', '…'])
        });
        for path in paths.filter(|path| !repository.has(path)) {
            let wrong = format!("the codemap names `{path}`, which does not exist");
            findings.push(Finding::new(MAP, index + 1, wrong, mend));
        }
    }
    for name in parts
        .keys()
        .filter(|name| !repository.has(&format!("crates/{name}")))
    {
        if !map.contains(&format!("`crates/{name}")) {
            let wrong = format!("the codemap names crates/{name}, which does not exist");
            findings.push(Finding::new(MAP, 0, wrong, mend));
        }
    }
    for (index, line) in map.lines().enumerate() {
        for word in backticked(line).filter(|word| word.ends_with(".rs") && !word.contains('/')) {
            let owner = parts
                .iter()
                .find(|(_, named)| named.get(module_name(word)) == Some(&(index + 1)));
            let Some((name, _)) = owner else { continue };
            let somewhere = repository.files().any(|(path, _)| {
                path.starts_with(&format!("crates/{name}/")) && path.ends_with(&format!("/{word}"))
            });
            if !somewhere {
                let wrong =
                    format!("the codemap names `{word}`, which crates/{name} does not have");
                findings.push(Finding::new(MAP, index + 1, wrong, mend));
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILES: &[(&str, &str)] = &[
        ("crates/store/Cargo.toml", ""),
        ("crates/store/src/lib.rs", ""),
        ("crates/store/src/batch.rs", ""),
        ("crates/store/src/batch/sqlite.rs", ""),
        ("crates/store/src/read/mod.rs", ""),
        ("crates/store/tests/it/main.rs", ""),
        ("docs/ledger.md", ""),
    ];

    fn wrongs(map: &str) -> Vec<String> {
        let files: Vec<(&str, &str)> = FILES
            .iter()
            .copied()
            .chain([("ARCHITECTURE.md", map)])
            .collect();
        let found = check(&Repository::of(&files));
        found
            .into_iter()
            .map(|f| format!("{}: {}", f.line, f.wrong))
            .collect()
    }

    #[test]
    fn a_true_map_passes_in_every_form() {
        for map in [
            "## crates/store\n- `batch.rs` writes\n- `read/` reads\n",
            "| `crates/store` | `batch`, `read` |\n",
            "- `crates/store/src/batch.rs`\n- `crates/store/src/read`\n",
            "### `crates/store`: SQL\nSee `store::batch` and `store::read`. `sqlite.rs` too.\n## End\n`x.rs`\n",
        ] {
            assert_eq!(wrongs(map), [""; 0], "{map}");
        }
    }

    #[test]
    fn what_is_missing_or_gone_is_named() {
        assert_eq!(
            wrongs("# Map\n"),
            ["0: the codemap does not name `crates/store`"]
        );
        assert_eq!(
            wrongs("## crates/store\n`batch`\n## Other\n`read`\n"),
            ["0: the codemap does not name the module `read` of crates/store"]
        );
        assert_eq!(
            wrongs("## crates/store\n`batch` `read` `gone.rs` `docs/ledger.md` `docs/gone.md`\n"),
            [
                "2: the codemap names `docs/gone.md`, which does not exist",
                "2: the codemap names `gone.rs`, which crates/store does not have",
            ]
        );
        assert!(wrongs("crates/store `batch` `read`\ncrates/old\n")[0].contains("crates/old"));
    }

    #[test]
    fn a_missing_map_is_said_to_be_missing() {
        assert_eq!(
            check(&Repository::of(FILES))[0].wrong,
            "the file is missing"
        );
    }
}
