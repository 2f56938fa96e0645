//! Looks for our keys in files and folders: what `farebox keys scan` does before it asks anybody.
//!
//! Files are read in pieces, so memory does not grow with them; what was found is kept by digest,
//! and the secrets themselves are forgotten at once.

mod findings;
mod reading;
mod walk;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

pub(crate) use findings::{Findings, FoundKey, Place, Places};

use reading::Content;
use walk::{Entry, Walk};

/// What is looked through.
#[derive(Clone, Debug)]
pub(crate) struct Order {
    /// Files and folders; `-` is standard input.
    pub(crate) paths: Vec<PathBuf>,
    /// Also files that are no text.
    pub(crate) with_binary: bool,
}

/// How far it is; read while it runs.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    files: AtomicU64,
    bytes: AtomicU64,
    keys: AtomicU64,
}

impl Progress {
    /// Files that were begun.
    pub(crate) fn files(&self) -> u64 {
        self.files.load(Ordering::Relaxed)
    }

    /// Bytes that were read.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Keys that were found, each once.
    pub(crate) fn keys(&self) -> u64 {
        self.keys.load(Ordering::Relaxed)
    }
}

/// What was not looked through, and why.
#[derive(Debug, Default)]
pub(crate) struct Skipped {
    /// Files that are no text.
    pub(crate) binary: u64,
    /// Links in folders; what they lead to is looked through where it is.
    pub(crate) links: u64,
    /// Folders of git's objects: what they hold is compressed.
    pub(crate) git_objects: u64,
    /// Files and folders that could not be read.
    pub(crate) unreadable: u64,
}

/// What a scan found.
#[derive(Debug, Default)]
pub(crate) struct Scanned {
    pub(crate) findings: Findings,
    pub(crate) skipped: Skipped,
}

/// A path that was named and cannot be looked through.
#[derive(Debug, thiserror::Error)]
#[error("{path} cannot be read: {error}")]
pub(crate) struct NotThere {
    pub(crate) path: String,
    pub(crate) error: io::Error,
}

/// Looks through everything, telling `warn` of what cannot be read. It blocks.
///
/// # Errors
/// [`NotThere`] if a path that was named is not; nothing is read then.
pub(crate) fn scan(
    order: &Order,
    progress: &Progress,
    warn: impl Fn(&str),
) -> Result<Scanned, NotThere> {
    let mut scanned = Scanned::default();
    let mut walk = Walk::of(&order.paths)?;
    while let Some(entry) = walk.next() {
        match entry {
            Entry::Input => {
                let content = reading::read(io::stdin().lock(), order.with_binary);
                scanned.take(content, Path::new("-"), progress, &warn);
            }
            Entry::File(path) => {
                let content = std::fs::File::open(&path);
                let content = content.map(|file| reading::read(file, order.with_binary));
                match content {
                    Ok(content) => scanned.take(content, &path, progress, &warn),
                    Err(error) => scanned.unreadable(&path, &error, &warn),
                }
            }
            Entry::Link => scanned.skipped.links += 1,
            Entry::GitObjects => scanned.skipped.git_objects += 1,
            Entry::Unreadable(path, error) => scanned.unreadable(&path, &error, &warn),
        }
    }
    Ok(scanned)
}

impl Scanned {
    fn take<R: io::Read>(
        &mut self,
        mut content: Content<R>,
        path: &Path,
        progress: &Progress,
        warn: &impl Fn(&str),
    ) {
        progress.files.fetch_add(1, Ordering::Relaxed);
        loop {
            let findings = &mut self.findings;
            match content.next(|found| findings.add(path, found)) {
                Ok(Some(bytes)) => {
                    progress.bytes.fetch_add(bytes, Ordering::Relaxed);
                    let keys = self.findings.keys.len() as u64;
                    progress.keys.store(keys, Ordering::Relaxed);
                }
                Ok(None) => break,
                Err(error) => return self.unreadable(path, &error, warn),
            }
        }
        self.skipped.binary += u64::from(content.is_skipped());
    }

    fn unreadable(&mut self, path: &Path, error: &io::Error, warn: &impl Fn(&str)) {
        self.skipped.unreadable += 1;
        warn(&format!("{} cannot be read: {error}", path.display()));
    }
}
