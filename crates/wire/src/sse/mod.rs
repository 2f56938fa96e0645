//! Server-sent events, for a relay: frames are cut out of a byte stream without losing a byte.
//!
//! Invariants, whatever the chunks: the frames are the same, and their `raw` bytes joined are the
//! input.
//! Every byte is looked at once for line ends, so a slow stream of tiny chunks costs no more.
//! Source: WHATWG HTML, "Server-sent events".

mod write;

use bytes::{Buf, Bytes, BytesMut};

pub use write::{comment_frame, data_frame, done_frame, event_frame};

/// One event with the blank line that ends it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SseFrame {
    /// The exact bytes received, blank line included.
    pub raw: Bytes,
    /// The event's name, if it has one.
    pub event: Option<Bytes>,
    /// The data, its lines joined by `\n`. `None` for frames without any, such as comments.
    pub data: Option<Bytes>,
}

impl SseFrame {
    /// Whether this is the `data: [DONE]` that ends a stream of chat or completions.
    pub fn is_done(&self) -> bool {
        self.data
            .as_deref()
            .is_some_and(|data| data.trim_ascii() == b"[DONE]")
    }
}

/// Why a stream of events cannot be read on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SseError {
    /// One event is longer than the reader was told to hold.
    #[error("an event of the stream is longer than {limit_bytes} bytes")]
    TooLong {
        /// The limit that was given.
        limit_bytes: usize,
    },
    /// The stream ended in the middle of an event.
    #[error("the stream ended within an event, after {held_bytes} bytes of it")]
    Truncated {
        /// How much of the event had come.
        held_bytes: usize,
    },
}

/// Cuts a stream of bytes into events.
#[derive(Debug)]
pub struct SseReader {
    held: BytesMut,
    /// Everything in `held` before this has been searched for line ends.
    searched: usize,
    /// Where in `held` the current line begins.
    line_start: usize,
    max_event_bytes: usize,
    at_stream_start: bool,
    failed: bool,
}

const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

impl SseReader {
    /// A reader that holds at most one event of `max_event_bytes`, plus the chunk pushed last.
    pub fn new(max_event_bytes: usize) -> Self {
        Self {
            held: BytesMut::new(),
            searched: 0,
            line_start: 0,
            max_event_bytes,
            at_stream_start: true,
            failed: false,
        }
    }

    /// Adds what arrived. Take all frames with [`Self::next`] before pushing more.
    pub fn push(&mut self, chunk: Bytes) {
        if !self.held.is_empty() {
            self.held.extend_from_slice(&chunk);
            return;
        }
        match chunk.try_into_mut() {
            Ok(whole) => self.held = whole,
            Err(shared) => self.held.extend_from_slice(&shared),
        }
    }

    /// The next complete frame, `None` until more arrives.
    ///
    /// A frame whose blank line ends in a lone CR is given out once the byte after it is there,
    /// since an LF would belong to it.
    ///
    /// # Errors
    /// [`SseError::TooLong`], from then on always.
    #[expect(
        clippy::should_implement_trait,
        reason = "a frame or a failure, with more to come later"
    )]
    pub fn next(&mut self) -> Result<Option<SseFrame>, SseError> {
        self.cut(false)
    }

    /// What is left when the stream has ended: the frame whose blank line never came, if any.
    ///
    /// A last line without its line end is accepted if it is whole by itself: a JSON object or
    /// `[DONE]`. Call this until it gives `None`.
    ///
    /// # Errors
    /// [`SseError::Truncated`] if the stream broke off within an event, [`SseError::TooLong`].
    pub fn finish(&mut self) -> Result<Option<SseFrame>, SseError> {
        if let Some(frame) = self.cut(true)? {
            return Ok(Some(frame));
        }
        let raw = self.held.split().freeze();
        (self.searched, self.line_start) = (0, 0);
        if raw.is_empty() {
            return Ok(None);
        }
        let held_bytes = raw.len();
        let ends_a_line = raw.ends_with(b"\n") || raw.ends_with(b"\r");
        let frame = self.read_frame(raw);
        if ends_a_line || frame.data.as_deref().is_some_and(is_whole) {
            return Ok(Some(frame));
        }
        Err(SseError::Truncated { held_bytes })
    }

    fn cut(&mut self, ended: bool) -> Result<Option<SseFrame>, SseError> {
        let too_long = SseError::TooLong {
            limit_bytes: self.max_event_bytes,
        };
        if self.failed {
            return Err(too_long);
        }
        match self.frame_end(ended) {
            Some(end) if end <= self.max_event_bytes => {
                let raw = self.held.split_to(end).freeze();
                (self.searched, self.line_start) = (0, 0);
                Ok(Some(self.read_frame(raw)))
            }
            None if self.held.len() <= self.max_event_bytes => Ok(None),
            _ => {
                self.failed = true;
                self.held = BytesMut::new();
                Err(too_long)
            }
        }
    }

    /// Where the first frame ends, searching only what has not been searched before.
    fn frame_end(&mut self, ended: bool) -> Option<usize> {
        if self.at_stream_start && self.searched == 0 {
            if self.held.starts_with(BYTE_ORDER_MARK) {
                (self.searched, self.line_start) = (3, 3);
            } else if BYTE_ORDER_MARK.starts_with(&self.held) {
                return None;
            }
        }
        loop {
            let Some(found) = memchr::memchr2(b'\n', b'\r', &self.held[self.searched..]) else {
                self.searched = self.held.len();
                return None;
            };
            let at = self.searched + found;
            let after = match (self.held[at], self.held.get(at + 1)) {
                (b'\r', None) if !ended => {
                    self.searched = at;
                    return None;
                }
                (b'\r', Some(b'\n')) => at + 2,
                _ => at + 1,
            };
            if at == self.line_start {
                return Some(after);
            }
            (self.searched, self.line_start) = (after, after);
        }
    }

    fn read_frame(&mut self, raw: Bytes) -> SseFrame {
        let mut rest = raw.clone();
        if std::mem::take(&mut self.at_stream_start) && rest.starts_with(BYTE_ORDER_MARK) {
            rest.advance(BYTE_ORDER_MARK.len());
        }
        let mut event = None;
        let mut data: Option<Bytes> = None;
        let mut joined = BytesMut::new();
        while !rest.is_empty() {
            let line = take_line(&mut rest);
            let (field, value) = split_field(&line);
            match field {
                b"event" => event = Some(value),
                b"data" => match &data {
                    None => data = Some(value),
                    Some(first) => {
                        if joined.is_empty() {
                            joined.extend_from_slice(first);
                        }
                        joined.extend_from_slice(b"\n");
                        joined.extend_from_slice(&value);
                    }
                },
                _ => {}
            }
        }
        if !joined.is_empty() {
            data = Some(joined.freeze());
        }
        SseFrame { raw, event, data }
    }
}

/// Takes the first line off, and its line end, which is not part of what it gives back.
fn take_line(rest: &mut Bytes) -> Bytes {
    let Some(end) = memchr::memchr2(b'\n', b'\r', rest) else {
        return std::mem::take(rest);
    };
    let line = rest.split_to(end);
    rest.advance(if rest.starts_with(b"\r\n") { 2 } else { 1 });
    line
}

/// Name and value of a line. A comment has an empty name; one space after the colon is not value.
fn split_field(line: &Bytes) -> (&[u8], Bytes) {
    let Some(colon) = memchr::memchr(b':', line) else {
        return (line, Bytes::new());
    };
    let value_at = if line.get(colon + 1) == Some(&b' ') {
        colon + 2
    } else {
        colon + 1
    };
    (&line[..colon], line.slice(value_at..))
}

/// Whether data cut off before its line end cannot have been meant to go on.
fn is_whole(data: &[u8]) -> bool {
    let data = data.trim_ascii();
    data == b"[DONE]"
        || (data.starts_with(b"{") && serde_json::from_slice::<serde::de::IgnoredAny>(data).is_ok())
}
