//! A disk that is full, breaks or takes half of what it is given, for one program under test.
//!
//! A small library in C stands between the program and its calls that write (`disk_faults.c`); it
//! is compiled when it is first needed, and works where there is `LD_PRELOAD`: on Linux.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use tempfile::TempDir;

const SOURCE: &str = include_str!("disk_faults.c");

/// The calls that fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Calls {
    /// `write` and its like.
    Writes,
    /// `fsync` and `fdatasync`.
    Syncs,
    /// `ftruncate`, which also makes files longer.
    Truncations,
}

/// How they fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// `EIO`: the disk is broken.
    Broken,
    /// `ENOSPC`: the disk is full.
    Full,
    /// The first write gets half of its bytes through; everything else is `EIO`.
    Short,
}

/// How long it lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lasts {
    /// One call fails.
    Once,
    /// Until [`DiskFault::end`].
    UntilEnded,
}

/// A fault to come. Give [`DiskFault::environment`] to the program that is to suffer it.
#[derive(Debug)]
pub struct DiskFault {
    environment: Vec<(&'static str, String)>,
    folder: TempDir,
}

impl DiskFault {
    /// Fails calls of one kind on the files whose paths begin with `path`, from the `from`th on,
    /// counting from 1.
    ///
    /// # Panics
    /// If there is no C compiler, or it fails.
    pub fn new(path: &Path, calls: Calls, error: Error, from: usize, lasts: Lasts) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let path = path.canonicalize().expect("the files' folder is there");
        let lasting = folder.path().join("lasting");
        fs::write(&lasting, "").expect("our own folder is writable");
        let calls = match calls {
            Calls::Writes => "write",
            Calls::Syncs => "sync",
            Calls::Truncations => "truncate",
        };
        let error = match error {
            Error::Broken => "broken",
            Error::Full => "full",
            Error::Short => "short",
        };
        let lasts = match lasts {
            Lasts::Once => "once".to_owned(),
            Lasts::UntilEnded => text(&lasting),
        };
        let environment = vec![
            ("LD_PRELOAD", text(library())),
            ("DISK_FAULT_PATH", text(&path)),
            ("DISK_FAULT_CALLS", calls.to_owned()),
            ("DISK_FAULT_ERROR", error.to_owned()),
            ("DISK_FAULT_FROM", from.to_string()),
            ("DISK_FAULT_LASTS", lasts),
            ("DISK_FAULT_TOLD", text(&folder.path().join("told"))),
        ];
        DiskFault {
            environment,
            folder,
        }
    }

    /// Only on files whose paths end with this.
    pub fn named(mut self, end: &str) -> Self {
        self.environment.push(("DISK_FAULT_NAME", end.to_owned()));
        self
    }

    /// What the program's environment must say.
    pub fn environment(&self) -> Vec<(&str, &str)> {
        let pairs = self.environment.iter();
        pairs.map(|(name, value)| (*name, value.as_str())).collect()
    }

    /// Every call that failed so far, such as `sync /tmp/…/farebox.db-wal`.
    pub fn told(&self) -> Vec<String> {
        let told = fs::read_to_string(self.folder.path().join("told")).unwrap_or_default();
        told.lines().map(str::to_owned).collect()
    }

    /// Lets everything through again.
    pub fn end(&self) {
        // Ended before, there is nothing to remove.
        let _ = fs::remove_file(self.folder.path().join("lasting"));
    }
}

/// The compiled library, beside the test program.
fn library() -> &'static Path {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        let program = std::env::current_exe().expect("a test program has a path");
        let library = program.with_file_name("disk_faults.so");
        let build = tempfile::tempdir().expect("a temporary folder can be made");
        let source = build.path().join("disk_faults.c");
        fs::write(&source, SOURCE).expect("our own folder is writable");
        // Another test program may make the same: whoever is last puts a whole one in its place.
        let made = program.with_file_name(format!("disk_faults-{}.so", std::process::id()));
        let compiled = Command::new("cc")
            .args(["-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o"])
            .args([&made, &source])
            .arg("-ldl")
            .output()
            .expect("`cc` can be run: building needs it, too");
        let told = String::from_utf8_lossy(&compiled.stderr);
        assert!(compiled.status.success(), "disk_faults.c: {told}");
        fs::rename(&made, &library).expect("both are in the same folder");
        library
    })
}

fn text(path: &Path) -> String {
    path.to_str()
        .expect("temporary folders have plain names")
        .to_owned()
}
