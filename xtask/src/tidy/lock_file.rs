//! How much of other people's code the product needs, and which of it is unwanted.
//!
//! Counted are the packages in Cargo.lock that the workspace's default members reach, for all
//! platforms and with their tests: what somebody who builds Farebox has to trust.

use std::collections::{BTreeMap, BTreeSet};

use super::Finding;
use super::repository::Repository;

const MAX_PACKAGES: usize = 400;

/// TLS is rustls with ring: no system library and no C build beyond SQLite's.
const UNWANTED: &[&str] = &[
    "openssl",
    "openssl-sys",
    "native-tls",
    "aws-lc-rs",
    "aws-lc-sys",
];

/// Refuses a lock file that has grown past its bound, or holds an unwanted package.
pub(super) fn check(repository: &Repository) -> Vec<Finding> {
    match reached_packages(repository) {
        Ok(reached) => judge(&reached),
        Err(wrong) => {
            vec![Finding::new(
                "Cargo.lock",
                0,
                wrong,
                "Run `cargo check` and keep what it writes.",
            )]
        }
    }
}

fn judge(reached: &BTreeSet<Package>) -> Vec<Finding> {
    let mut findings = Vec::new();
    if reached.len() > MAX_PACKAGES {
        let count = reached.len();
        let wrong =
            format!("the default members need {count} packages, {MAX_PACKAGES} are allowed");
        let mend = "`cargo tree --duplicates` shows where to save.";
        findings.push(Finding::new("Cargo.lock", 0, wrong, mend));
    }
    for package in reached
        .iter()
        .filter(|package| UNWANTED.contains(&package.name.as_str()))
    {
        let wrong = format!("the package {} is not wanted here", package.name);
        let mend = format!(
            "`cargo tree --invert {}` shows who asks for it.",
            package.name
        );
        findings.push(Finding::new("Cargo.lock", 0, wrong, mend));
    }
    findings
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Package {
    name: String,
    version: String,
}

/// Walks the lock file from the default members.
fn reached_packages(repository: &Repository) -> Result<BTreeSet<Package>, String> {
    let lock = repository.text("Cargo.lock").ok_or("the file is missing")?;
    let lock: toml::Table = lock.parse().map_err(|_| "the file cannot be read")?;
    let empty = Vec::new();
    let entries = lock
        .get("package")
        .and_then(toml::Value::as_array)
        .unwrap_or(&empty);
    let mut graph: BTreeMap<Package, Vec<&str>> = BTreeMap::new();
    for entry in entries {
        let text = |key| {
            entry
                .get(key)
                .and_then(toml::Value::as_str)
                .unwrap_or_default()
        };
        let package = Package {
            name: text("name").into(),
            version: text("version").into(),
        };
        let needs = entry.get("dependencies").and_then(toml::Value::as_array);
        let needs = needs.into_iter().flatten().filter_map(toml::Value::as_str);
        graph.insert(package, needs.collect());
    }
    let find = |need: &str| {
        let mut parts = need.split(' ');
        let (name, version) = (parts.next().unwrap_or_default(), parts.next());
        let fits = |package: &&Package| {
            package.name == name && version.is_none_or(|version| package.version == version)
        };
        graph.keys().find(fits).cloned()
    };
    let mut reached = BTreeSet::new();
    let mut waiting: Vec<Package> = default_members(repository)
        .iter()
        .filter_map(|name| find(name))
        .collect();
    if waiting.is_empty() {
        return Err("it holds none of the workspace's default members".into());
    }
    while let Some(package) = waiting.pop() {
        if reached.insert(package.clone()) {
            waiting.extend(graph[&package].iter().filter_map(|need| find(need)));
        }
    }
    Ok(reached)
}

fn default_members(repository: &Repository) -> Vec<String> {
    let read = |path: &str| repository.text(path)?.parse::<toml::Table>().ok();
    let Some(root) = read("Cargo.toml") else {
        return Vec::new();
    };
    let members = root
        .get("workspace")
        .and_then(|table| table.get("default-members"));
    let folders = members
        .and_then(toml::Value::as_array)
        .into_iter()
        .flatten();
    folders
        .filter_map(|folder| {
            let manifest = read(&format!("{}/Cargo.toml", folder.as_str()?))?;
            Some(manifest.get("package")?.get("name")?.as_str()?.to_owned())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn repository(lock: &str) -> Repository {
        Repository::of(&[
            (
                "Cargo.toml",
                "[workspace]\ndefault-members = [\"crates/store\"]\n",
            ),
            (
                "crates/store/Cargo.toml",
                "[package]\nname = \"farebox-store\"\n",
            ),
            ("Cargo.lock", lock),
        ])
    }

    fn package(name: &str, version: &str, needs: &str) -> String {
        format!(
            "[[package]]\nname = \"{name}\"\nversion = \"{version}\"\ndependencies = [{needs}]\n"
        )
    }

    #[test]
    fn only_what_the_default_members_reach_is_counted() {
        let lock = [
            package("farebox-store", "0.1.0", "\"a\", \"b 2.0.0\""),
            package("a", "1.0.0", "\"b 1.0.0 (registry+https://example.com)\""),
            package("b", "1.0.0", ""),
            package("b", "2.0.0", "\"a\""),
            package("b", "3.0.0", "\"openssl\""),
            package("openssl", "1.0.0", ""),
        ]
        .concat();
        let reached = reached_packages(&repository(&lock)).unwrap();
        let names: Vec<String> = reached
            .iter()
            .map(|p| format!("{} {}", p.name, p.version))
            .collect();
        assert_eq!(
            names,
            ["a 1.0.0", "b 1.0.0", "b 2.0.0", "farebox-store 0.1.0"]
        );
        assert_eq!(check(&repository(&lock)), []);
    }

    #[test]
    fn too_many_and_unwanted_packages_are_refused() {
        let needs: Vec<String> = (0..400).map(|n| format!("\"p{n}\"")).collect();
        let many: String = (0..400)
            .map(|n| package(&format!("p{n}"), "1.0.0", ""))
            .collect();
        let lock = package("farebox-store", "0.1.0", &needs.join(", ")) + &many;
        assert!(
            check(&repository(&lock))[0]
                .wrong
                .contains("need 401 packages")
        );
        let lock = package("farebox-store", "0.1.0", "\"native-tls\"")
            + &package("native-tls", "0.2.0", "");
        assert!(
            check(&repository(&lock))[0]
                .wrong
                .contains("native-tls is not wanted")
        );
        assert_eq!(
            check(&repository("")).len(),
            1,
            "an empty lock file is no proof"
        );
    }
}
