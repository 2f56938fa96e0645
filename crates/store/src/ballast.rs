//! Room kept back on the disk of a SQLite database: a full disk must not keep money undecided.
//!
//! When a commit finds the disk full, the ballast is given up: what was admitted is settled in its
//! room. Nothing new is admitted until the ballast is back, which takes as much room again beside
//! it: else the next commit would find the disk full at once.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::disk;

/// `st_blocks` counts in these, whatever the file system's own size.
const BLOCK_BYTES: u64 = 512;
const CHUNK_BYTES: usize = 65_536;

/// A file that is only there to take room.
pub(crate) struct Ballast {
    path: PathBuf,
    bytes: u64,
}

impl Ballast {
    /// The ballast of a database; of no bytes if none is wanted.
    pub(crate) fn beside(database: &Path, bytes: u64) -> Self {
        let mut path = database.as_os_str().to_owned();
        path.push(".ballast");
        Ballast {
            path: path.into(),
            bytes,
        }
    }

    /// Makes the file, unless it is there.
    ///
    /// # Errors
    /// What the operating system says; [`ErrorKind::StorageFull`] without room for it twice.
    /// Nothing of it is left behind.
    pub(crate) fn keep(&self) -> io::Result<()> {
        if self.bytes == 0 {
            self.remove()?;
            return Ok(());
        }
        if self.is_kept() {
            return Ok(());
        }
        self.remove()?;
        if disk::free_bytes(&self.path)? / 2 < self.bytes {
            return Err(ErrorKind::StorageFull.into());
        }
        // Under another name until all of it is on the disk: half a ballast must not pass for one.
        let unfinished = self.path.with_added_extension("new");
        let made = fill(&unfinished, self.bytes)
            .and_then(|()| fs::rename(&unfinished, &self.path))
            .and_then(|()| disk::sync_folder(&self.path));
        if made.is_err() {
            // The first error is the one to tell.
            let _ = fs::remove_file(&unfinished);
        }
        made
    }

    /// Gives the room up; false if there was none.
    ///
    /// # Errors
    /// What the operating system says.
    pub(crate) fn give_up(&self) -> io::Result<bool> {
        let was_there = self.bytes > 0 && self.remove()?;
        if was_there {
            // Some file systems hand room out again only when its deletion is on the disk.
            disk::sync_folder(&self.path)?;
        }
        Ok(was_there)
    }

    /// Whether the file is there, and takes the room that it should.
    fn is_kept(&self) -> bool {
        fs::metadata(&self.path)
            .is_ok_and(|file| file.len() == self.bytes && file.blocks() * BLOCK_BYTES >= self.bytes)
    }

    fn remove(&self) -> io::Result<bool> {
        match fs::remove_file(&self.path) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }
}

/// Whether there is room for more money to be admitted.
pub(crate) struct Room {
    /// None where nobody keeps room back, as for a command beside a server.
    ballast: Option<Ballast>,
    /// Why there is not.
    shortage: Option<String>,
}

impl Room {
    /// Takes the room for the ballast.
    pub(crate) fn with(ballast: Option<Ballast>) -> Self {
        let mut room = Room {
            ballast,
            shortage: None,
        };
        room.keep_ballast();
        room
    }

    pub(crate) fn shortage(&self) -> Option<&str> {
        self.shortage.as_deref()
    }

    /// The disk is full: makes room for what was admitted. False if there is none to give up.
    pub(crate) fn give_up_ballast(&mut self) -> bool {
        let given_up = self.ballast.as_ref().is_some_and(|ballast| {
            ballast.give_up().unwrap_or_else(|error| {
                tracing::error!(%error, "the ballast cannot be given up");
                false
            })
        });
        if given_up {
            let reason = "the disk is full; what was admitted is settled in the ballast's room";
            tracing::error!("{reason}, and new requests are refused");
            self.shortage = Some(reason.to_owned());
        }
        given_up
    }

    /// Takes the room for the ballast again, if it was given up and there is room.
    pub(crate) fn restore_ballast(&mut self) {
        if self.shortage.is_some() {
            self.keep_ballast();
        }
    }

    fn keep_ballast(&mut self) {
        let Some(ballast) = &self.ballast else {
            return;
        };
        match ballast.keep() {
            Ok(()) => {
                if self.shortage.take().is_some() {
                    tracing::info!("the disk has room again");
                }
            }
            Err(error) if self.shortage.is_none() => {
                let reason = format!(
                    "there is no room for twice the ballast ({}, {} bytes): {error}",
                    ballast.path.display(),
                    ballast.bytes,
                );
                tracing::error!("{reason}. Free some, or lower limits.ballast_bytes");
                self.shortage = Some(reason);
            }
            Err(_) => {}
        }
    }
}

/// Writes `bytes` bytes without order: zeros would take no room where a file system compresses.
fn fill(path: &Path, bytes: u64) -> io::Result<()> {
    let mut file = File::create(path)?;
    let mut state = bytes;
    let mut chunk = [0; CHUNK_BYTES];
    let mut rest = bytes;
    while rest > 0 {
        for word in chunk.chunks_exact_mut(size_of::<u64>()) {
            word.copy_from_slice(&next(&mut state).to_le_bytes());
        }
        let length = usize::try_from(rest).map_or(CHUNK_BYTES, |rest| rest.min(CHUNK_BYTES));
        file.write_all(&chunk[..length])?;
        rest -= length as u64;
    }
    file.sync_all()
}

/// SplitMix64: it need not be unpredictable, only incompressible.
fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_takes_its_room_and_gives_it_up() {
        let folder = tempfile::tempdir().expect("a folder");
        let database = folder.path().join("farebox.db");
        let path = folder.path().join("farebox.db.ballast");
        let ballast = Ballast::beside(&database, 300_001);
        assert!(!ballast.give_up().expect("nothing is there"));
        ballast.keep().expect("there is room");
        let file = fs::metadata(&path).expect("it is there");
        assert_eq!(file.len(), 300_001);
        assert!(file.blocks() * BLOCK_BYTES >= 300_001, "it is sparse");
        let made = file.mtime_nsec();
        ballast.keep().expect("it is there already");
        assert_eq!(fs::metadata(&path).expect("still").mtime_nsec(), made);
        assert!(ballast.give_up().expect("it goes"));
        assert!(!path.exists());
        assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 0);
    }

    #[test]
    fn one_that_takes_no_room_or_another_is_made_anew() {
        let folder = tempfile::tempdir().expect("a folder");
        let database = folder.path().join("farebox.db");
        let path = folder.path().join("farebox.db.ballast");
        let sparse = File::create(&path).expect("it is made");
        sparse.set_len(300_001).expect("it is sparse");
        let ballast = Ballast::beside(&database, 300_001);
        ballast.keep().expect("there is room");
        assert!(fs::metadata(&path).expect("it is there").blocks() * BLOCK_BYTES >= 300_001);
        Ballast::beside(&database, 70_000).keep().expect("smaller");
        assert_eq!(fs::metadata(&path).expect("it is there").len(), 70_000);
        Ballast::beside(&database, 0).keep().expect("none");
        assert!(!path.exists());
    }

    #[test]
    fn more_than_the_disk_has_is_refused_and_leaves_nothing() {
        let folder = tempfile::tempdir().expect("a folder");
        let ballast = Ballast::beside(&folder.path().join("farebox.db"), u64::MAX);
        let refused = ballast.keep().expect_err("no disk is so large");
        assert_eq!(refused.kind(), ErrorKind::StorageFull);
        assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 0);
    }
}
