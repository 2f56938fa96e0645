//! Goes through files and folders, each once: links in folders are not followed, so nothing is
//! walked in circles.

use std::ffi::OsStr;
use std::fs::{self, FileType};
use std::io;
use std::path::{Path, PathBuf};

use super::NotThere;

/// What there is to look at next.
pub(super) enum Entry {
    /// Standard input.
    Input,
    /// A file.
    File(PathBuf),
    /// A link in a folder.
    Link,
    /// A folder of git's objects.
    GitObjects,
    /// What cannot be read.
    Unreadable(PathBuf, io::Error),
}

/// What is left to be walked, the next last.
pub(super) struct Walk(Vec<Step>);

enum Step {
    Named(PathBuf),
    Found(PathBuf, io::Result<FileType>),
}

impl Walk {
    /// Begins at `paths`, in this order.
    pub(super) fn of(paths: &[PathBuf]) -> Result<Walk, NotThere> {
        for path in paths.iter().filter(|path| !is_input(path)) {
            fs::metadata(path).map_err(|error| NotThere {
                path: path.display().to_string(),
                error,
            })?;
        }
        Ok(Walk(paths.iter().rev().cloned().map(Step::Named).collect()))
    }

    /// The next thing to look at.
    pub(super) fn next(&mut self) -> Option<Entry> {
        while let Some(step) = self.0.pop() {
            let entry = match step {
                Step::Named(path) => self.named(path),
                Step::Found(path, kind) => self.found(path, kind),
            };
            if entry.is_some() {
                return entry;
            }
        }
        None
    }

    /// What somebody named is looked through, also where a link or a pipe has this name.
    fn named(&mut self, path: PathBuf) -> Option<Entry> {
        if is_input(&path) {
            return Some(Entry::Input);
        }
        match fs::metadata(&path) {
            Ok(metadata) if metadata.is_dir() => self.enter(path),
            Ok(_) => Some(Entry::File(path)),
            Err(error) => Some(Entry::Unreadable(path, error)),
        }
    }

    fn found(&mut self, path: PathBuf, kind: io::Result<FileType>) -> Option<Entry> {
        match kind {
            Ok(kind) if kind.is_dir() && is_git_objects(&path) => Some(Entry::GitObjects),
            Ok(kind) if kind.is_dir() => self.enter(path),
            Ok(kind) if kind.is_file() => Some(Entry::File(path)),
            Ok(kind) if kind.is_symlink() => Some(Entry::Link),
            // Pipes, sockets and devices have no end, or none that is here.
            Ok(_) => None,
            Err(error) => Some(Entry::Unreadable(path, error)),
        }
    }

    /// Puts what is in a folder before what is left, in the order of names.
    fn enter(&mut self, folder: PathBuf) -> Option<Entry> {
        let entries = fs::read_dir(&folder).and_then(Iterator::collect::<io::Result<Vec<_>>>);
        let mut entries = match entries {
            Ok(entries) => entries,
            Err(error) => return Some(Entry::Unreadable(folder, error)),
        };
        entries.sort_by_key(|entry| std::cmp::Reverse(entry.file_name()));
        let steps = entries.into_iter();
        self.0
            .extend(steps.map(|entry| Step::Found(entry.path(), entry.file_type())));
        None
    }
}

fn is_input(path: &Path) -> bool {
    path.as_os_str() == OsStr::new("-")
}

/// Whether a folder holds the objects of a git repository, wherever that is kept.
fn is_git_objects(folder: &Path) -> bool {
    let is_named = folder.file_name() == Some(OsStr::new("objects"));
    let beside = |name: &str| folder.with_file_name(name);
    is_named && beside("HEAD").is_file() && beside("refs").is_dir()
}
