//! What the file system below a SQLite database says about itself.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

/// The folder of a file; the working folder if its name says none.
pub(crate) fn folder(file: &Path) -> PathBuf {
    match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        _ => PathBuf::from("."),
    }
}

/// Waits until the names in the folder of a file are on the disk: a file that is not found after a
/// power cut is lost, however well its contents were flushed.
///
/// # Errors
/// What the operating system says.
pub(crate) fn sync_folder(file: &Path) -> io::Result<()> {
    File::open(folder(file))?.sync_all()
}

/// How many bytes can still be written beside a file.
///
/// # Errors
/// What the operating system says.
pub(crate) fn free_bytes(file: &Path) -> io::Result<u64> {
    let told = rustix::fs::statvfs(folder(file))?;
    Ok(told.f_bavail.saturating_mul(told.f_frsize))
}

/// Why what was flushed to this file's disk may be gone all the same; none if nothing is known.
#[cfg(target_os = "linux")]
pub(crate) fn doubt(file: &Path) -> Option<&'static str> {
    const MEMORY: &str = "it is kept in memory and gone with the next restart of the machine";
    const REMOTE: &str = "it is on another machine, which may lose what it said it had written, \
                          and may not keep a second server out";
    // From linux/magic.h; the number's type differs between platforms, its low half does not.
    let told = rustix::fs::statfs(folder(file)).ok()?;
    match told.f_type as u32 {
        0x0102_1994 | 0x8584_58f6 => Some(MEMORY),
        // NFS, SMB (twice), 9P.
        0x0000_6969 | 0xff53_4d42 | 0xfe53_4d42 | 0x0102_1997 => Some(REMOTE),
        _ => None,
    }
}

/// Why what was flushed to this file's disk may be gone all the same: not known on this platform.
#[cfg(not(target_os = "linux"))]
pub(crate) fn doubt(_: &Path) -> Option<&'static str> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_without_folder_is_in_the_working_folder() {
        assert_eq!(folder(Path::new("farebox.db")), Path::new("."));
        assert_eq!(
            folder(Path::new("/var/lib/farebox.db")),
            Path::new("/var/lib")
        );
        sync_folder(Path::new("farebox.db")).expect("the working folder is there");
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn memory_is_doubted_as_a_disk() {
        let doubt = doubt(Path::new("/dev/shm/farebox.db")).expect("it is a tmpfs");
        assert!(doubt.contains("memory"), "{doubt}");
        assert!(free_bytes(Path::new("/dev/shm/farebox.db")).is_ok());
    }
}
