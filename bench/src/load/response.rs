//! Reads one HTTP/1.1 answer from bytes as they come, without I/O of its own.
//!
//! Only what servers under test send: a status, a length or chunks, and events in the body.

use std::fmt;

/// The answer is not HTTP/1.1 as we know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed(pub &'static str);

impl fmt::Display for Malformed {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "the answer is malformed: {}", self.0)
    }
}

impl std::error::Error for Malformed {}

impl From<Malformed> for std::io::Error {
    fn from(malformed: Malformed) -> Self {
        Self::other(malformed)
    }
}

/// One answer as far as it has come. [`Response::clear`] makes it ready for the next.
#[derive(Debug, Default)]
pub struct Response {
    head: Vec<u8>,
    state: State,
    status: u16,
    closes: bool,
    body_bytes: u64,
    events: u64,
    line: Line,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Head,
    /// So many bytes are missing.
    Length(u64),
    /// A chunk's size is being read.
    Size(u64),
    /// The rest of a size's line is skipped.
    SizeEnd(u64),
    Chunk(u64),
    /// The line end after a chunk.
    ChunkEnd,
    /// Lines after the last chunk, up to an empty one; how much of the line has come.
    Trailer(u64),
    Done,
}

/// How much of `data:` the current line of the body has matched.
#[derive(Clone, Copy, Debug)]
enum Line {
    Matching(usize),
    Other,
}

impl Default for Line {
    fn default() -> Self {
        Self::Matching(0)
    }
}

impl Response {
    /// Forgets the answer, and keeps its memory.
    pub fn clear(&mut self) {
        let head = std::mem::take(&mut self.head);
        *self = Self {
            head,
            ..Self::default()
        };
        self.head.clear();
    }

    /// Takes the next bytes; true once the answer is whole.
    ///
    /// # Errors
    /// If the bytes are no such answer, or more than one.
    pub fn feed(&mut self, mut bytes: &[u8]) -> Result<bool, Malformed> {
        while !bytes.is_empty() {
            bytes = self.step(bytes)?;
        }
        Ok(self.state == State::Done)
    }

    /// The status, or 0 before the head is whole.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// Whether the server closes the connection after this answer.
    pub fn closes(&self) -> bool {
        self.closes
    }

    /// Bytes of the body so far, without the framing.
    pub fn body_bytes(&self) -> u64 {
        self.body_bytes
    }

    /// Lines of the body so far that begin with `data:`.
    pub fn events(&self) -> u64 {
        self.events
    }

    fn step<'a>(&mut self, bytes: &'a [u8]) -> Result<&'a [u8], Malformed> {
        let (byte, after) = (bytes[0], &bytes[1..]);
        match self.state {
            State::Head => return self.read_head(bytes),
            State::Length(missing) => {
                let rest = self.read_body(bytes, missing);
                let missing = missing - (bytes.len() - rest.len()) as u64;
                self.state = if missing == 0 {
                    State::Done
                } else {
                    State::Length(missing)
                };
                return Ok(rest);
            }
            State::Chunk(missing) => {
                let rest = self.read_body(bytes, missing);
                let missing = missing - (bytes.len() - rest.len()) as u64;
                self.state = if missing == 0 {
                    State::ChunkEnd
                } else {
                    State::Chunk(missing)
                };
                return Ok(rest);
            }
            State::Size(size) => {
                self.state = match (byte as char).to_digit(16) {
                    Some(digit) if size < 1 << 40 => State::Size(size * 16 + u64::from(digit)),
                    _ if byte == b'\r' || byte == b';' => State::SizeEnd(size),
                    _ => return Err(Malformed("a chunk's size")),
                };
            }
            State::SizeEnd(size) if byte == b'\n' => {
                self.state = if size == 0 {
                    State::Trailer(0)
                } else {
                    State::Chunk(size)
                };
            }
            State::SizeEnd(_) => {}
            State::ChunkEnd if byte == b'\n' => self.state = State::Size(0),
            State::ChunkEnd if byte == b'\r' => {}
            State::ChunkEnd => return Err(Malformed("a chunk's end")),
            State::Trailer(0) if byte == b'\n' => self.state = State::Done,
            State::Trailer(_) if byte == b'\n' => self.state = State::Trailer(0),
            State::Trailer(_) if byte == b'\r' => {}
            State::Trailer(length) => self.state = State::Trailer(length + 1),
            State::Done => return Err(Malformed("bytes after its end")),
        }
        Ok(after)
    }

    fn read_head<'a>(&mut self, bytes: &'a [u8]) -> Result<&'a [u8], Malformed> {
        let before = self.head.len();
        self.head.extend_from_slice(bytes);
        let search_from = before.saturating_sub(3);
        let Some(end) = memchr::memmem::find(&self.head[search_from..], b"\r\n\r\n") else {
            if self.head.len() > 65536 {
                return Err(Malformed("a head without an end"));
            }
            return Ok(&[]);
        };
        let end = search_from + end;
        self.parse_head(end)?;
        Ok(&bytes[end + 4 - before..])
    }

    fn parse_head(&mut self, end: usize) -> Result<(), Malformed> {
        let head = std::str::from_utf8(&self.head[..end]).map_err(|_| Malformed("its head"))?;
        let mut lines = head.split("\r\n");
        let status = lines
            .next()
            .and_then(|line| line.strip_prefix("HTTP/1.1 ")?.get(..3));
        self.status = status
            .and_then(|s| s.parse().ok())
            .ok_or(Malformed("its first line"))?;
        let mut state = None;
        for line in lines {
            let (name, value) = line.split_once(':').ok_or(Malformed("a header"))?;
            let value = value.trim();
            if name.eq_ignore_ascii_case("content-length") {
                let length = value.parse().map_err(|_| Malformed("its length"))?;
                state = Some(if length == 0 {
                    State::Done
                } else {
                    State::Length(length)
                });
            } else if name.eq_ignore_ascii_case("transfer-encoding") {
                state = Some(State::Size(0));
            } else if name.eq_ignore_ascii_case("connection") {
                self.closes = value.eq_ignore_ascii_case("close");
            }
        }
        self.state = match (state, self.status) {
            (_, 204 | 304) => State::Done,
            (Some(state), _) => state,
            (None, _) => return Err(Malformed("neither a length nor chunks")),
        };
        Ok(())
    }

    /// Takes up to `most` bytes of the body and gives back the others.
    fn read_body<'a>(&mut self, bytes: &'a [u8], most: u64) -> &'a [u8] {
        const FIELD: &[u8] = b"data:";
        let taken = usize::try_from(most).unwrap_or(usize::MAX).min(bytes.len());
        let (body, rest) = bytes.split_at(taken);
        self.body_bytes += taken as u64;
        for &byte in body {
            self.line = match self.line {
                _ if byte == b'\n' => Line::Matching(0),
                Line::Matching(matched) if byte == FIELD[matched] => {
                    if matched + 1 == FIELD.len() {
                        self.events += 1;
                        Line::Other
                    } else {
                        Line::Matching(matched + 1)
                    }
                }
                _ => Line::Other,
            };
        }
        rest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LENGTH: &str = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\ndate: x\r\n\r\nhello";
    const CHUNKS: &str = "HTTP/1.1 429 Too Many\r\ntransfer-encoding: chunked\r\n\
        Connection: close\r\n\r\n\
        9\r\ndata: 1\n\n\r\n\
        1F;x=y\r\n: no data: here\n\ndata: [DONE]\n\n\n\r\n\
        0\r\ntrailer: t\r\n\r\n";

    #[test]
    fn it_does_not_matter_where_the_bytes_are_cut() {
        for (text, status, body_bytes, events) in [(LENGTH, 200, 5, 0), (CHUNKS, 429, 40, 2)] {
            for size in 1..=text.len() {
                let mut response = Response::default();
                // The second time shows that nothing is left of the first.
                for _ in 0..2 {
                    response.clear();
                    let pieces: Vec<&[u8]> = text.as_bytes().chunks(size).collect();
                    for (number, piece) in pieces.iter().enumerate() {
                        let whole = response.feed(piece).expect("a good answer");
                        assert_eq!(whole, number + 1 == pieces.len(), "cut every {size} bytes");
                    }
                    assert_eq!(response.status(), status);
                    assert_eq!(
                        (response.body_bytes(), response.events()),
                        (body_bytes, events)
                    );
                    assert_eq!(response.closes(), status == 429);
                }
            }
        }
    }

    #[test]
    fn what_is_no_answer_is_refused() {
        for text in [
            "HTTP/1.0 200 OK\r\n\r\n",
            "HTTP/1.1 200 OK\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: many\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nxy",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nq\r\n",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nxy",
        ] {
            assert!(
                Response::default().feed(text.as_bytes()).is_err(),
                "{text:?}"
            );
        }
    }
}
