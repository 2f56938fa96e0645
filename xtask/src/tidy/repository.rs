//! The texts of the repository, read once: what git tracks or would track.
//!
//! Rules see only this, never the disk, so their tests can hand them a repository of three lines.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use super::source::Source;

/// Every text file by its path, with `/` between folders. Files that are not UTF-8 are left out.
#[derive(Debug)]
pub(super) struct Repository {
    texts: BTreeMap<String, String>,
}

impl Repository {
    /// Reads the files that git lists; ignored and built ones are not the project's.
    pub(super) fn read(root: &Path) -> Result<Self, String> {
        let mut texts = BTreeMap::new();
        for path in list(root)? {
            // A file deleted but not yet staged is still listed; a binary one is no text.
            if let Ok(text) = fs::read_to_string(root.join(&path)) {
                texts.insert(path, text);
            }
        }
        Ok(Self { texts })
    }

    #[cfg(test)]
    pub(super) fn of(files: &[(&str, &str)]) -> Self {
        let texts = files
            .iter()
            .map(|(path, text)| ((*path).into(), (*text).into()))
            .collect();
        Self { texts }
    }

    pub(super) fn text(&self, path: &str) -> Option<&str> {
        self.texts.get(path).map(String::as_str)
    }

    pub(super) fn files(&self) -> impl Iterator<Item = (&str, &str)> {
        self.texts
            .iter()
            .map(|(path, text)| (path.as_str(), text.as_str()))
    }

    /// Whether `path` is a file, or a folder that holds one.
    pub(super) fn has(&self, path: &str) -> bool {
        let path = path.trim_end_matches('/');
        let folder = format!("{path}/");
        let first_in_folder = self.texts.range(folder.clone()..).next();
        self.texts.contains_key(path)
            || first_in_folder.is_some_and(|(file, _)| file.starts_with(&folder))
    }

    /// The Rust files of the crate in this folder, its tests included, read as [`Source`]s.
    pub(super) fn sources_of(&self, folder: &str) -> impl Iterator<Item = (&str, Source)> {
        let start = format!("{folder}/");
        self.files()
            .filter(move |(path, _)| path.starts_with(&start) && path.ends_with(".rs"))
            .map(|(path, text)| (path, Source::read(path, text)))
    }

    pub(super) fn count(&self) -> usize {
        self.texts.len()
    }
}

fn list(root: &Path) -> Result<Vec<String>, String> {
    let output = Command::new("git")
        .args([
            "ls-files",
            "-z",
            "--cached",
            "--others",
            "--exclude-standard",
        ])
        .current_dir(root)
        .output()
        .map_err(|error| format!("git could not be started: {error}"))?;
    if !output.status.success() {
        return walk(root).map_err(|error| format!("{} cannot be read: {error}", root.display()));
    }
    let paths = String::from_utf8_lossy(&output.stdout).into_owned();
    Ok(paths.split_terminator('\0').map(str::to_owned).collect())
}

/// For sources unpacked from an archive, without git: everything but the known built folders.
fn walk(root: &Path) -> std::io::Result<Vec<String>> {
    const BUILT: &[&str] = &[".git", "target", "models", "node_modules", "dist", ".venv"];
    let mut paths = Vec::new();
    let mut folders = vec![String::new()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(root.join(&folder))? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let path = format!("{folder}{name}");
            if entry.file_type()?.is_dir() {
                if !BUILT.contains(&name.as_str()) {
                    folders.push(format!("{path}/"));
                }
            } else {
                paths.push(path);
            }
        }
    }
    Ok(paths)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_and_files_are_found_by_their_whole_name() {
        let repository = Repository::of(&[("docs/adr/0001-one.md", ""), ("docs-old.md", "")]);
        for there in [
            "docs",
            "docs/",
            "docs/adr",
            "docs/adr/0001-one.md",
            "docs-old.md",
        ] {
            assert!(repository.has(there), "{there}");
        }
        for absent in ["doc", "docs/adr/0001", "docs-old", "adr"] {
            assert!(!repository.has(absent), "{absent}");
        }
    }

    #[test]
    fn this_file_is_part_of_the_repository_with_and_without_git() {
        let own_path = "xtask/src/tidy/repository.rs".to_owned();
        assert!(list(&crate::root()).unwrap().contains(&own_path));
        assert!(walk(&crate::root()).unwrap().contains(&own_path));
    }
}
