//! Reads one file in pieces, and looks for keys in them.

use std::io::{self, ErrorKind, Read};

use domain::key_scan::{Finding, KeyScan};

/// What is read at once.
const PIECE_BYTES: usize = 256 * 1024;
/// How much of the beginning tells text from other data.
const TOLD_BY_BYTES: usize = 8 * 1024;

/// A file that is looked through.
pub(super) struct Content<R> {
    input: R,
    piece: Vec<u8>,
    scan: KeyScan,
    kind: Kind,
    with_binary: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Nothing was read yet.
    Unknown,
    /// Bytes that are taken as they are.
    Plain,
    /// Text of two bytes for each character: of what keys are made of, one is null.
    Wide,
    /// No text, and not wanted.
    Skipped,
    /// All of it was read.
    Ended,
}

/// Begins to read.
pub(super) fn read<R: Read>(input: R, with_binary: bool) -> Content<R> {
    Content {
        input,
        piece: vec![0; PIECE_BYTES],
        scan: KeyScan::default(),
        kind: Kind::Unknown,
        with_binary,
    }
}

impl<R: Read> Content<R> {
    /// Whether it turned out to be no text.
    pub(super) fn is_skipped(&self) -> bool {
        self.kind == Kind::Skipped
    }

    /// Looks through the next piece; answers how long it was, and nothing at the end.
    pub(super) fn next(&mut self, each: impl FnMut(Finding)) -> io::Result<Option<u64>> {
        if matches!(self.kind, Kind::Skipped | Kind::Ended) {
            return Ok(None);
        }
        let length = self.fill()?;
        if length == 0 {
            self.kind = Kind::Ended;
            std::mem::take(&mut self.scan).end(each);
            return Ok(None);
        }
        let piece = &mut self.piece[..length];
        if self.kind == Kind::Unknown {
            self.kind = kind(piece, self.with_binary);
        }
        match self.kind {
            Kind::Skipped => return Ok(None),
            Kind::Wide => {
                let narrow: Vec<u8> = piece.iter().copied().filter(|byte| *byte != 0).collect();
                self.scan.feed(&narrow, each);
            }
            _ => self.scan.feed(piece, each),
        }
        Ok(Some(length as u64))
    }

    /// Reads until the piece is full, or there is no more.
    fn fill(&mut self) -> io::Result<usize> {
        let mut length = 0;
        while length < self.piece.len() {
            match self.input.read(&mut self.piece[length..]) {
                Ok(0) => break,
                Ok(more) => length += more,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(length)
    }
}

/// What a file is, by its beginning: as git and grep do, by whether there are nulls in it.
fn kind(beginning: &[u8], with_binary: bool) -> Kind {
    let beginning = &beginning[..beginning.len().min(TOLD_BY_BYTES)];
    let is_wide = beginning.starts_with(&[0xff, 0xfe]) || beginning.starts_with(&[0xfe, 0xff]);
    match () {
        () if is_wide => Kind::Wide,
        () if !with_binary && beginning.contains(&0) => Kind::Skipped,
        () => Kind::Plain,
    }
}
