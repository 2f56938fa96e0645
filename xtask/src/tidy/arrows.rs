//! Which crate may know which: a crate exists to forbid an import, so the arrows are checked.
//!
//! The table is the whole design; an arrow that is not in it does not exist. Every crate may use
//! `testkit` in its tests, and testkit, bench and xtask know nothing of the product.

use std::collections::BTreeMap;

use super::Finding;
use super::repository::Repository;

/// A crate's folder, and the crates it may depend on.
const ARROWS: &[(&str, &[&str])] = &[
    ("crates/domain", &[]),
    ("crates/wire", &[]),
    ("crates/store", &["domain"]),
    ("crates/gateway", &["domain", "store", "wire"]),
    ("crates/control", &["domain", "store", "wire"]),
    ("crates/local", &["wire"]),
    (
        "crates/farebox",
        &["control", "domain", "gateway", "store", "wire"],
    ),
    ("crates/testkit", &[]),
    ("bench", &[]),
    ("xtask", &[]),
];

/// Refuses dependencies between the workspace's crates that the table does not have.
pub(super) fn check(repository: &Repository) -> Vec<Finding> {
    let members = match workspace_members(repository) {
        Ok(members) => members,
        Err(finding) => return vec![finding],
    };
    let manifests = repository.files().filter_map(|(path, text)| {
        let folder = path.strip_suffix("/Cargo.toml")?;
        (folder.starts_with("crates/") || matches!(folder, "bench" | "xtask"))
            .then_some((folder, path, text))
    });
    manifests
        .flat_map(|(folder, path, text)| check_manifest(folder, path, text, &members))
        .collect()
}

/// Names under which the workspace's own crates can be depended on, and their folders.
fn workspace_members(repository: &Repository) -> Result<BTreeMap<String, String>, Finding> {
    let text = repository.text("Cargo.toml").unwrap_or_default();
    let manifest = parse("Cargo.toml", text)?;
    let dependencies = manifest
        .get("workspace")
        .and_then(|table| table.get("dependencies"));
    let entries = dependencies
        .and_then(toml::Value::as_table)
        .into_iter()
        .flatten();
    let members = entries.filter_map(|(name, entry)| Some((name.clone(), last_folder(entry)?)));
    Ok(members.collect())
}

fn check_manifest(
    folder: &str,
    path: &str,
    text: &str,
    members: &BTreeMap<String, String>,
) -> Vec<Finding> {
    let manifest = match parse(path, text) {
        Ok(manifest) => manifest,
        Err(finding) => return vec![finding],
    };
    let Some((_, allowed)) = ARROWS.iter().find(|(known, _)| *known == folder) else {
        return vec![Finding::new(
            path,
            0,
            format!("the crate {folder} is not in the table of arrows"),
            "Give it a line in xtask/src/tidy/arrows.rs and in ARCHITECTURE.md, or make it a module.",
        )];
    };
    let mut findings = Vec::new();
    for (section, name, entry) in dependencies(&manifest) {
        let own_crate = last_folder(entry).or_else(|| members.get(name).cloned());
        let Some(to) = own_crate else { continue };
        let for_tests = section == "dev-dependencies" && to == "testkit";
        if !allowed.contains(&to.as_str()) && !for_tests {
            findings.push(Finding::new(
                path,
                line_of(text, name),
                format!("{folder} may not depend on {to} ({section})"),
                format!(
                    "It may use: {}. Move the code, or pass in what it needs.",
                    list(allowed)
                ),
            ));
        }
    }
    findings
}

fn parse(path: &str, text: &str) -> Result<toml::Table, Finding> {
    text.parse().map_err(|error: toml::de::Error| {
        let wrong = format!("it cannot be read: {}", error.message());
        Finding::new(path, 0, wrong, "Mend its syntax.")
    })
}

/// Every dependency of a manifest, those for one platform included: section, name, entry.
pub(super) fn dependencies(
    manifest: &toml::Table,
) -> impl Iterator<Item = (&'static str, &str, &toml::Value)> {
    const SECTIONS: [&str; 3] = ["dependencies", "dev-dependencies", "build-dependencies"];
    let platforms = manifest
        .get("target")
        .and_then(toml::Value::as_table)
        .into_iter();
    let tables = platforms
        .flat_map(toml::Table::values)
        .filter_map(toml::Value::as_table);
    std::iter::once(manifest).chain(tables).flat_map(|table| {
        SECTIONS.into_iter().flat_map(move |section| {
            let entries = table
                .get(section)
                .and_then(toml::Value::as_table)
                .into_iter()
                .flatten();
            entries.map(move |(name, entry)| (section, name.as_str(), entry))
        })
    })
}

fn last_folder(entry: &toml::Value) -> Option<String> {
    let path = entry.get("path")?.as_str()?;
    path.trim_end_matches('/')
        .rsplit('/')
        .next()
        .map(str::to_owned)
}

/// The line that names this dependency, or 0.
pub(super) fn line_of(text: &str, name: &str) -> usize {
    let names = |line: &str| {
        let line = line.trim_start().trim_start_matches('"');
        line.strip_prefix(name)
            .is_some_and(|rest| rest.starts_with(['.', ' ', '=', '"']))
    };
    text.lines().position(names).map_or(0, |index| index + 1)
}

fn list(allowed: &[&str]) -> String {
    if allowed.is_empty() {
        "none of the product's crates".into()
    } else {
        allowed.join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOT: &str = "\
[workspace.dependencies]
domain = { package = \"farebox-domain\", path = \"crates/domain\" }
gateway = { package = \"farebox-gateway\", path = \"crates/gateway\" }
store = { package = \"farebox-store\", path = \"crates/store\" }
testkit = { package = \"farebox-testkit\", path = \"crates/testkit\" }
serde = \"1\"
";

    fn findings(manifest_path: &str, manifest: &str) -> Vec<Finding> {
        check(&Repository::of(&[
            ("Cargo.toml", ROOT),
            (manifest_path, manifest),
        ]))
    }

    #[test]
    fn arrows_of_the_design_pass() {
        let gateway = "[dependencies]\nstore.workspace = true\nserde.workspace = true\n\
                       [dev-dependencies]\ntestkit.workspace = true\n";
        assert_eq!(findings("crates/gateway/Cargo.toml", gateway), []);
        let testkit = "[dependencies]\nserde = \"1\"\n";
        assert_eq!(findings("crates/testkit/Cargo.toml", testkit), []);
    }

    #[test]
    fn other_arrows_are_refused_wherever_they_hide() {
        let cases = [
            (
                "crates/control",
                "[dependencies]\nserde = \"1\"\ngateway.workspace = true\n",
                3,
            ),
            (
                "crates/gateway",
                "[dev-dependencies]\ngateway = { workspace = true }\n",
                2,
            ),
            (
                "crates/domain",
                "[build-dependencies]\nstore.workspace = true\n",
                2,
            ),
            (
                "crates/store",
                "[dependencies]\nx = { path = \"../gateway\" }\n",
                2,
            ),
            (
                "crates/wire",
                "[target.'cfg(unix)'.dependencies]\ndomain.workspace = true\n",
                2,
            ),
            (
                "crates/gateway",
                "[dependencies]\ntestkit.workspace = true\n",
                2,
            ),
            ("bench", "[dependencies]\ndomain.workspace = true\n", 2),
        ];
        for (folder, manifest, line) in cases {
            let found = findings(&format!("{folder}/Cargo.toml"), manifest);
            assert_eq!(found.len(), 1, "{manifest}");
            assert_eq!(found[0].line, line, "{manifest}");
        }
    }

    #[test]
    fn a_crate_unknown_to_the_table_is_refused() {
        let found = findings(
            "crates/plugins/Cargo.toml",
            "[package]\nname = \"plugins\"\n",
        );
        assert!(
            found[0]
                .wrong
                .contains("crates/plugins is not in the table"),
            "{found:?}"
        );
    }
}
